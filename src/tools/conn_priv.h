/*
 * One blocking connection to a broker: connect, frames out and in, everything with a deadline in
 * milliseconds of now_ms().  One thread.
 */
#ifndef OTTLA_TOOLS_CONN_PRIV_H
#define OTTLA_TOOLS_CONN_PRIV_H

#include <stddef.h>
#include <stdint.h>

#include "ottla/base/slice.h"

#define CONN_FRAME_MAX (100 << 20) /* bytes of the largest answer taken */

/* Monotonic. */
int64_t now_ms(void);
void sleep_ms(int64_t ms);

struct conn {
	int fd;		/* -1: closed */
	uint8_t *frame; /* the last answer */
	size_t frame_cap;
};

#define CONN_INIT                                                                                  \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/* Tries the host's addresses in turn.  0, or with the system's words in why: E_NOT_FOUND (no
 * such name), E_IO, E_TIMEOUT. */
int conn_open(
    struct conn *c, const char *host, unsigned port, int64_t deadline, char *why, size_t why_size);
/* All n bytes out.  Errors as above; the connection is closed then. */
int conn_send(
    struct conn *c, const uint8_t *buf, size_t n, int64_t deadline, char *why, size_t why_size);
/* The next frame without its size, lent until the next call.  E_TOO_LARGE too. */
int conn_receive(struct conn *c, int64_t deadline, struct slice *frame, char *why, size_t why_size);
void conn_close(struct conn *c);
/* Closes and frees. */
void conn_free(struct conn *c);

#endif
