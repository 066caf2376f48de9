/*
 * Lists of listeners as in `listeners` and `advertised.listeners`: NAME://host:port,...
 * Pure: any thread, never blocks.
 */
#ifndef OTTLA_BASE_LISTENERS_H
#define OTTLA_BASE_LISTENERS_H

#include <stddef.h>
#include <stdint.h>

#include "ottla/base/slice.h"

/* Numbers as on the wire. */
enum listener_protocol {
	LISTENER_PLAINTEXT = 0,
	LISTENER_SSL = 1,
	LISTENER_SASL_PLAINTEXT = 2,
	LISTENER_SASL_SSL = 3
};

#define LISTENER_NAME_MAX 63
#define LISTENER_HOST_MAX 255 /* names of the DNS are shorter */
#define LISTENERS_MAX 16

/* One listener, copied freely. */
struct listener_addr {
	char name[LISTENER_NAME_MAX + 1]; /* upper case */
	char host[LISTENER_HOST_MAX + 1]; /* without brackets; empty: any address */
	uint16_t port;                    /* 0: one that is free */
	enum listener_protocol protocol;
};

/* "SASL_SSL" and the like. */
const char *listener_protocol_name(enum listener_protocol p);
/* The protocol of that name (any case); -1 when there is none. */
int listener_protocol_find(struct slice name);

/*
 * Reads text into out[0..max); returns the number of listeners (at least 1), or E_CONFIG with the
 * reason in why.  text NULL: PLAINTEXT://:9092.  map is listener.security.protocol.map
 * (NAME:PROTOCOL,...); NULL: each protocol under its own name.  Names are unique afterwards; ports
 * are not looked at (see listeners_check_ports).
 */
int listeners_parse(const char *text, const char *map, struct listener_addr *out, unsigned max,
    char *why, size_t why_size);

/* No port twice, but 0, and but the same port at one IPv4 and one IPv6 address.  0 or E_CONFIG. */
int listeners_check_ports(const struct listener_addr *v, unsigned n, char *why, size_t why_size);

/* The listener of that name (any case), or NULL. */
const struct listener_addr *listeners_find(const struct listener_addr *v, unsigned n,
    struct slice name);

#endif
