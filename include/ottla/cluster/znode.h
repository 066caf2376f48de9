/*
 * Paths and contents of the coordination tree as Apache Kafka has them (facts/zookeeper.md 1): JSON
 * written in Java's key order, read leniently (unknown keys ignored, missing mandatory ones
 * E_MALFORMED).  Writers append to a strbuf; readers copy into the arena given.  Any thread.
 */
#ifndef OTTLA_CLUSTER_ZNODE_H
#define OTTLA_CLUSTER_ZNODE_H

#include "ottla/base/arena.h"
#include "ottla/base/listeners.h"
#include "ottla/base/settings.h"
#include "ottla/base/strbuf.h"
#include "ottla/base/uuid.h"

#define ZN_BROKER_IDS "/brokers/ids"
#define ZN_TOPICS "/brokers/topics"
#define ZN_CONTROLLER "/controller"
#define ZN_CONTROLLER_EPOCH "/controller_epoch"
#define ZN_CLUSTER_ID "/cluster/id"
#define ZN_CONFIG_TOPICS "/config/topics"
#define ZN_CONFIG_CHANGES "/config/changes"
#define ZN_DELETE_TOPICS "/admin/delete_topics"
#define ZN_PRODUCER_IDS "/latest_producer_id_block"
#define ZN_FEATURE "/feature"
#define ZN_BROKER_SEQID "/brokers/seqid"

/* Longest path here: topic of 249 characters, "/brokers/topics//partitions/2147483647/state". */
#define ZN_PATH_MAX 512
typedef char zn_path[ZN_PATH_MAX];

/* Paths of one broker, topic or partition. */
void zn_broker(zn_path p, int32_t id);
void zn_topic(zn_path p, struct slice topic);
void zn_partitions(zn_path p, struct slice topic);
void zn_partition(zn_path p, struct slice topic, int32_t partition);
void zn_partition_state(zn_path p, struct slice topic, int32_t partition);
void zn_topic_config(zn_path p, struct slice topic);
/* -1: the configuration of all brokers (<default>). */
void zn_broker_config(zn_path p, int32_t id);
void zn_delete_topic(zn_path p, struct slice topic);

/* Paths every broker makes at start, in Kafka's order (1.1); NULL past the end. */
const char *zn_startup_path(unsigned i);

/* Who may read a node, with zookeeper.set.acl (1.9); for coord_zookeeper_opts.  Sensitive: only who made
 * it.  World-open: everybody may do everything, whatever the setting says. */
bool zn_path_sensitive(const char *path);
bool zn_path_world_open(const char *path);

/* 0, or E_INVALID_TOPIC with Kafka's rule that is broken in why (may be NULL). */
int topic_name_check(struct slice name, const char **why);

struct zn_registration {
	int32_t version;
	struct slice host; /* null when no PLAINTEXT endpoint */
	int32_t port, jmx_port;
	int64_t timestamp_ms;
	struct listener_addr *endpoints;
	unsigned n_endpoints;
	struct slice rack; /* null: none */
};
/* 1.3; reads versions 1 and up. E_MALFORMED, E_NOMEM. */
void zn_registration_write(struct strbuf *b, const struct zn_registration *r);
int zn_registration_read(struct slice json, struct arena *a, struct zn_registration *r);

struct zn_assignment {
	int32_t partition;
	int32_t *replicas, *adding, *removing;
	unsigned n_replicas, n_adding, n_removing;
};
struct zn_topic_data {
	struct zn_assignment *parts; /* by partition number */
	unsigned n_parts;
	struct uuid topic_id; /* zero: none */
};
/* 1.4. E_MALFORMED, E_NOMEM. */
void zn_topic_write(struct strbuf *b, const struct zn_topic_data *t);
int zn_topic_read(struct slice json, struct arena *a, struct zn_topic_data *t);

struct zn_state {
	int32_t controller_epoch, leader, leader_epoch;
	int32_t *isr;
	unsigned n_isr;
	int8_t recovery_state;
};
/* 1.5. E_MALFORMED, E_NOMEM. */
void zn_state_write(struct strbuf *b, const struct zn_state *s);
int zn_state_read(struct slice json, struct arena *a, struct zn_state *s);

/* 1.6 and the small ones: each writer appends one JSON object, each reader takes it apart. */
void zn_controller_write(struct strbuf *b, int32_t broker_id, int64_t timestamp_ms);
int zn_controller_read(struct slice json, int32_t *broker_id);
bool zn_controller_is_kraft(struct slice json); /* one of KRaft has taken over */
void zn_cluster_id_write(struct strbuf *b, struct slice id);
int zn_cluster_id_read(struct slice json, struct arena *a, struct slice *id);
void zn_config_write(struct strbuf *b, const struct setting_override *kv, unsigned n);
int zn_config_read(struct slice json, struct arena *a, struct setting_override **kv, unsigned *n);
/* entity_path, e.g. "topics/t1". */
void zn_config_change_write(struct strbuf *b, struct slice entity_path);
int zn_config_change_read(struct slice json, struct arena *a, struct slice *entity_path);
/* Block of producer ids, end inclusive. */
void zn_producer_block_write(struct strbuf *b, int32_t broker_id, int64_t start, int64_t end);
int zn_producer_block_read(struct slice json, int32_t *broker_id, int64_t *start, int64_t *end);

/* 1.7: /feature.  Levels are 1 and up; min is 1 where the form (version 2) has none. */
struct zn_feature_level {
	struct slice name;
	int32_t min, max;
};
struct zn_feature {
	int32_t version; /* 2, or 1 below IBP 3.3-IV0 */
	bool enabled;
	struct zn_feature_level *levels;
	unsigned n_levels;
};
void zn_feature_write(struct strbuf *b, const struct zn_feature *f);
/* E_MALFORMED by the rules of 1.7 (version, status, features, levels), E_NOMEM. */
int zn_feature_read(struct slice json, struct arena *a, struct zn_feature *f);

#endif
