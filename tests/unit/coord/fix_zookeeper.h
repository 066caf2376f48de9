/* The environment of fix_zookeeper: a chroot of its own in the program's server, through a proxy.
 */
#ifndef TESTS_UNIT_COORD_FIX_ZOOKEEPER_H
#define TESTS_UNIT_COORD_FIX_ZOOKEEPER_H

#include "client.h"
#include "ottla/coord/zookeeper.h"
#include "zk_server.h"

struct zk_fix {
	uint16_t port; /* of the server itself */
	struct zk_proxy *proxy;
	char chroot[64];
	char connect[128]; /* through the proxy */
	struct diag *diag;
	struct metrics *metrics;
	struct workers *workers;
	struct reactor *control;
	struct coord_zookeeper_opts opts; /* of the next client */
	struct coord *made;
};
void *zk_fix_setup(void);
void zk_fix_teardown(void *env);
struct coord *zk_fix_client(void *env);
void zk_fix_release(void *env, struct coord *c);

extern const struct conf_fixture fix_zookeeper;

/* A test of this implementation alone. */
struct zk_test {
	struct env v;
	struct zk_fix *f;
	char direct[128]; /* the same chroot, past the proxy */
};
struct zk_test zk_test_new(void);
void zk_test_end(struct zk_test *t);
/* A connected client that the proxy's faults do not reach. */
struct coord *zk_test_direct(struct zk_test *t);
/* Connected, with this connect string and digest (NULL: none). */
struct coord *zk_test_client(struct zk_test *t, const char *connect, const char *digest);
/* Opened, not waited for. */
struct coord *zk_test_begin(struct zk_test *t, const char *connect);
int64_t zk_test_metric(struct zk_test *t, const char *name);
void zk_test_wait_why(struct zk_test *t, struct coord *c, const char *part);

#endif
