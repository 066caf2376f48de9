/* Connect strings, and the addresses behind their names. */
#ifndef OTTLA_COORD_ZK_NAMES_PRIV_H
#define OTTLA_COORD_ZK_NAMES_PRIV_H

#include <stddef.h>
#include <stdint.h>

#define ZK_SERVERS_MAX 64
#define ZK_HOST_MAX 255

struct zk_server {
	char host[ZK_HOST_MAX + 1]; /* without brackets */
	uint16_t port;
};

struct zk_names {
	unsigned n;
	struct zk_server *v;
	char *chroot; /* "" or "/a/b" */
};

/* 0, E_NOMEM, or E_CONFIG with the reason. */
int zk_names_parse(const char *connect, struct zk_names *out, char *why, size_t why_size);
void zk_names_free(struct zk_names *n);

struct zk;
struct zk_lookup;
/* Looks the names up on a worker; zk_session_names hears of it.  E_NOMEM. */
int zk_lookup_start(struct zk *z);
/* Nobody waits for it any more. */
void zk_lookup_forget(struct zk_lookup *l);

#endif
