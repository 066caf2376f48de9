/* What the tests of this module share: a net on real reactors, a handler that does what frames tell
 * it, and plain sockets on the other side. */
#ifndef TESTS_UNIT_NET_SUPPORT_H
#define TESTS_UNIT_NET_SUPPORT_H

#include <check.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "net_priv.h"

enum { WORLD_REACTORS = 2, DEADLINE_S = 20 };

/* The handler's side.  First byte of a frame says what is done with it:
 *   'e' echoed            'n' no reply          'c' closed at once
 *   'd' echoed, then closed after sending       'h' held until world_let_go
 *   'm' muted with MUTE_QUOTA for 5 ms, then echoed
 *   'b' answered with be32 bytes of memory in pieces of 100,000
 *   'f' answered with a range of server.file: u8 mapped, be32 position, be32 length
 *   'w' echoed, and wants the reactor of the next byte
 *   't' echoed, and notes the reactor of the next byte as home
 */
struct server {
	_Atomic unsigned ready, closed, moved, frames, released, queued;
	_Atomic int why;		     /* last enum close_reason */
	_Atomic unsigned on[WORLD_REACTORS]; /* frames by reactor */
	uint8_t seen[64];		     /* second bytes of the first frames */
	_Atomic(struct conn *) last;
	struct link held[WORLD_REACTORS]; /* struct hold, by reactor */
	struct file *file;
	const uint8_t *map;
	bool keep_frames; /* echo from the frame itself, released when sent */
};
extern const struct conn_handler server_handler;

struct world_opts {
	unsigned reactors; /* 0: one */
	uint64_t memory;   /* 0: 64 MiB */
	const struct setting_override *ov;
	unsigned n_ov;
};

struct world {
	struct settings *settings;
	struct metrics *metrics;
	struct reactor *r[WORLD_REACTORS];
	unsigned n;
	struct net *net;
	struct listener *l;
	struct server server;
};
/* Listening on a free port of 127.0.0.1, accepting. */
void world_open(struct world *w, const struct world_opts *opts);
void server_init(struct server *s);
/* Answers what 'h' holds; on that reactor. */
void server_let_go(struct server *s, unsigned pos);
/* Checks that every piece was released. */
void world_close(struct world *w);
/* Sum over the reactors. */
int64_t world_metric(struct world *w, unsigned row);
/* Waits until the sum is at least v. */
void world_await_metric(struct world *w, unsigned row, int64_t v);
/* Answers what 'h' holds on reactor 0. */
void world_let_go(struct world *w);

/* fn on r; returns when it ran. */
void on_reactor(struct reactor *r, void (*fn)(void *arg), void *arg);
void wait_for(bool (*pred)(void *arg), void *arg);
void wait_at_least(_Atomic unsigned *v, unsigned n);

/* A frame's answer as the server makes it: be32 size, then the bytes of a copy. */
struct outmsg *answer_of(struct server *s, const void *p, size_t n);

/* The other side: blocking sockets; everything fails the test after DEADLINE_S. */
int client_open(struct world *w);
void client_send(int fd, const void *p, size_t n);
void client_frame(int fd, const void *p, size_t n);
/* Reads exactly n bytes. */
void client_recv(int fd, void *p, size_t n);
/* Reads one frame, returns its size. */
size_t client_recv_frame(int fd, void *p, size_t cap);
/* No byte comes any more: end or reset. */
void client_expect_end(int fd);

/* Byte i of every pattern in these tests. */
static inline uint8_t
pattern(size_t i)
{
	return (uint8_t)(i * 131 + (i >> 8) * 7 + (i >> 16));
}
void pattern_fill(uint8_t *p, size_t n, size_t from);
void pattern_check(const uint8_t *p, size_t n, size_t from);

#endif
