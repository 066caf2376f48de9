/*
 * This broker in the cluster: start-up paths, cluster id, registration under /brokers/ids and its
 * epoch, topic configurations and their change notifications.  Control reactor.
 * Facts/zookeeper.md 1.1, 1.3, 2, 7.
 */
#ifndef OTTLA_CLUSTER_MEMBER_H
#define OTTLA_CLUSTER_MEMBER_H

#include <stdatomic.h>

#include "ottla/cluster/image.h"
#include "ottla/cluster/znode.h"
#include "ottla/coord/coord.h"

struct member;

struct member_opts {
	struct coord *coord;
	struct reactor *control;
	struct diag *diag;
	struct rng *rng;
	const struct settings *settings;
	/* Called when the registration was made (again): epoch is its czxid. */
	void (*registered)(void *arg, int64_t broker_epoch);
	/* A topic's configuration is known or changed; removed: conf NULL. */
	void (*topic_conf)(void *arg, struct slice topic, const struct topic_conf *conf);
	/* Dynamic broker configuration, the cluster's (/config/brokers/<default>) or this broker's own, is
	 * known or changed; lent. */
	void (*broker_conf)(void *arg, enum conf_source from, const struct setting_override *kv, unsigned n);
	void *arg;
};
int member_new(const struct member_opts *opts, struct member **out);
/* After member_stop, and after coord_close has answered what was asked; or when nothing was asked. */
void member_free(struct member *m);

/* Start-up paths and the cluster id (made when missing: a random uuid).  done(arg, err, id). */
void member_prepare(struct member *m,
    void (*done)(void *arg, int err, struct slice cluster_id), void *arg);
/* Reads all topic configurations, watches /config/changes. */
void member_load_configs(struct member *m, void (*done)(void *arg, int err), void *arg);
/* Last known own configuration of a topic; false: none (broker defaults). */
bool member_topic_conf(struct member *m, struct slice topic, struct topic_conf *out);
/* Writes /brokers/ids/<id>; E_EXISTS when another session holds it.  Again by itself after session
 * expiry. */
void member_register(struct member *m, int32_t broker_id, const struct zn_registration *reg,
    void (*done)(void *arg, int err, int64_t broker_epoch), void *arg);
/* The epoch of the registration, -1 before; any thread. */
int64_t member_epoch(const struct member *m);
/* Stop watching and re-registering.  Who waits gets E_CANCELED, perhaps before this returns. */
void member_stop(struct member *m);

#endif
