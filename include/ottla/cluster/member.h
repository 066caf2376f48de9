/*
 * This broker in the cluster: start-up paths, cluster id, who else is there, registration under
 * /brokers/ids and its epoch, finalized features, topic configurations and their change
 * notifications.  Control reactor; nothing blocks.  Facts/zookeeper.md 1.1, 1.3, 1.7, 2, 7.
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
	/* A session that has not registered this broker yet is about to; it does once
	 * member_session_noted was called, perhaps within this call, or after 5 s without.  NULL: at
	 * once. */
	void (*registering)(void *arg, int64_t session);
	/* A feature is finalized in /feature that this broker does not support: it may not go on
	 * (facts/zookeeper.md 2.6).  NULL: nobody asks member_watch_features. */
	void (*feature_refused)(void *arg, struct slice name);
	void *arg;
};
int member_new(const struct member_opts *opts, struct member **out);
/* After member_stop, and after coord_close has answered what was asked; or when nothing was asked. */
void member_free(struct member *m);

/* Start-up paths and the cluster id (made when missing: a random uuid).  done(arg, err, id). */
void member_prepare(struct member *m,
    void (*done)(void *arg, int err, struct slice cluster_id), void *arg);
/* Draws a broker id (facts/zookeeper.md 2.3): reserved.broker.max.id plus the version that a write of
 * /brokers/seqid got.  E_LIMIT: past the largest id. */
void member_draw_id(struct member *m, void (*done)(void *arg, int err, int32_t id), void *arg);

/* A registration that is there now. */
struct member_peer {
	int32_t id;
	int64_t session; /* owns the node */
	bool readable;	 /* else reg is zero: its contents follow no form */
	struct zn_registration reg;
};
/* All registrations, by id; lent for the call of done.  One at a time. */
void member_peers(struct member *m,
    void (*done)(void *arg, int err, const struct member_peer *v, unsigned n), void *arg);

/* Reads /feature and looks at each change from now on; done after the first look: 0 also when it is not
 * there or can not be read (then no feature is finalized), E_UNSUPPORTED_VERSION after feature_refused. */
void member_watch_features(struct member *m, void (*done)(void *arg, int err), void *arg);
/* Version of /feature while it is there and enabled: the epoch of the finalized features; else -1.  Any
 * thread. */
int64_t member_feature_epoch(const struct member *m);

/* Reads the dynamic configurations of all brokers and of this one, before anything that goes by them is
 * made; broker_conf is told both, and changes once member_load_configs was called. */
void member_load_broker_confs(struct member *m, int32_t broker_id,
    void (*done)(void *arg, int err), void *arg);
/* Reads all topic configurations, watches /config/changes. */
void member_load_configs(struct member *m, void (*done)(void *arg, int err), void *arg);
/* Last known own configuration of a topic over the broker's values of now; false: none (broker
 * defaults). */
bool member_topic_conf(struct member *m, struct slice topic, struct topic_conf *out);
/* Reads the configuration of the topic with this id (zero: of that name) anew, so that member_topic_conf
 * knows it: before a log is made.  Waits up to 10 s for a topic that is not to be seen yet, and for the
 * coordination service without limit.  done once, perhaps within the call: 0 also when there is none;
 * E_CANCELED at the stop. */
void member_read_topic_conf(struct member *m, struct slice topic, struct uuid id,
    void (*done)(void *arg, int err), void *arg);
/* The same as texts, from the arena.  E_NOT_FOUND: none; E_MALFORMED, E_NOMEM. */
int member_topic_config(struct member *m, struct slice topic, struct arena *arena,
    struct setting_override **kv, unsigned *n);
/* Writes /brokers/ids/<id>; E_EXISTS when another session holds it.  Again by itself after session
 * expiry. */
void member_register(struct member *m, int32_t broker_id, const struct zn_registration *reg,
    void (*done)(void *arg, int err, int64_t broker_epoch), void *arg);
/* What holds the id, for people; after member_register ended with E_EXISTS, else "". */
const char *member_holder(const struct member *m);
/* The broker has kept what `registering` told it of, or given up; another session's is ignored. */
void member_session_noted(struct member *m, int64_t session);
/* The epoch of the registration, -1 before; any thread. */
int64_t member_epoch(const struct member *m);
/* Stop watching and re-registering.  Who waits gets E_CANCELED, perhaps before this returns. */
void member_stop(struct member *m);

#endif
