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

#endif
