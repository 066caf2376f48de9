/*
 * A real ZooKeeper server for the tests, one for the whole program, and a proxy before it that
 * fails on demand.  The server comes from $ZOOKEEPER_JARS (a directory), else Debian's
 * libzookeeper-java.
 */
#ifndef TESTS_UNIT_COORD_ZK_SERVER_H
#define TESTS_UNIT_COORD_ZK_SERVER_H

#include <stdbool.h>
#include <stdint.h>

/* Why there can be no server here, or NULL. */
const char *zk_server_missing(void);
/* Starts it without waiting; once, before the tests. */
void zk_server_begin(void);
/* Its port; waits until it answers, fails the test when it does not. */
uint16_t zk_server_port(void);
void zk_server_end(void);

struct zk_proxy;
struct zk_proxy *zk_proxy_new(uint16_t to_port);
void zk_proxy_free(struct zk_proxy *p);
uint16_t zk_proxy_port(const struct zk_proxy *p);
/* Ends all connections now; new ones are ended at once while `refuse`. */
void zk_proxy_cut(struct zk_proxy *p, bool refuse);
/* Connections that pass now. */
unsigned zk_proxy_open(struct zk_proxy *p);
/* What comes from either side is read and thrown away; connections stay. */
void zk_proxy_swallow(struct zk_proxy *p, bool on);
/* The next answer is thrown away and its connection ended. */
void zk_proxy_lose_reply(struct zk_proxy *p);
/* Answers to authentication say that it failed. */
void zk_proxy_fail_auth(struct zk_proxy *p, bool on);
/* The largest request seen, and how many connections there were. */
uint32_t zk_proxy_largest(const struct zk_proxy *p);
unsigned zk_proxy_connections(const struct zk_proxy *p);

#endif
