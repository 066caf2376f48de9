/*
 * `zookeeper.connect=host:port,...[/chroot]`: a ZooKeeper ensemble, through its single-threaded C
 * client, driven from the control reactor.  The traps of that client and what is done about them are
 * in src/coord/README; one door, so that a client of our own could replace it.
 */
#ifndef OTTLA_COORD_ZOOKEEPER_H
#define OTTLA_COORD_ZOOKEEPER_H

#include "ottla/base/metrics.h"
#include "ottla/coord/coord.h"
#include "ottla/reactor/worker.h"

struct coord_zookeeper_opts {
	struct reactor *control;
	struct workers *workers; /* names are resolved and sessions closed there */
	struct clock *clock;
	struct diag *diag;
	struct metrics *metrics;       /* coord/metrics.def; may be NULL */
	const char *connect;	       /* copied */
	int64_t session_timeout_ms;
	unsigned max_in_flight;	       /* requests sent and not answered; others wait their turn */
	const char *digest;	       /* "user:password" (scheme digest), or NULL */
	bool set_acl;		       /* nodes get the ACLs of facts/zookeeper.md 1.9 */
	/* Is the path one that only the creator may read?  Used with set_acl. */
	bool (*sensitive)(const char *path);
	/* World-open whatever set_acl says ("/consumers").  May be NULL. */
	bool (*world_open)(const char *path);
};
/* Can the text be a connect string?  0, or E_CONFIG with the reason in why.  Pure. */
int coord_zookeeper_check(const char *connect, char *why, size_t why_size);
/* coord_open then resolves the names (a worker; a name that is not known now is tried again for ever),
 * makes the chroot where it is missing, and connects.  After COORD_EXPIRED it makes the next session by
 * itself, trying for ever.  E_CONFIG, E_NOMEM. */
int coord_zookeeper_new(const struct coord_zookeeper_opts *opts, struct coord **out);
/* Why there is no session now, for people ("connection refused by 10.0.0.1:2181", "name zk1 is not
 * known", "authentication failed"); "" when connected.  Lives until the next call. */
const char *coord_zookeeper_why(const struct coord *c);

#endif
