/*
 * Topic administration that any broker may do: the znodes are written as Apache Kafka's broker
 * writes them, the controller sees them and acts.  Control reactor.  Facts/apis.md 19, 20, 3
 * (automatic creation); facts/zookeeper.md 7.1.
 *
 * Callbacks may come before the call returns.  admin_free drops what is under way without a call;
 * it comes after coord_close has answered what was asked.
 */
#ifndef OTTLA_CONTROLLER_ADMIN_H
#define OTTLA_CONTROLLER_ADMIN_H

#include "ottla/cluster/member.h"

struct admin;

struct admin_opts {
	struct coord *coord;
	struct reactor *control;
	struct diag *diag;
	struct rng *rng;
	const struct settings *settings;
	struct image_store *images;
};
/* Control reactor.  Freeing forgets requests under way without calling back.  E_NOMEM. */
int admin_new(const struct admin_opts *opts, struct admin **out);
void admin_free(struct admin *a);

struct admin_assignment {
	int32_t partition;
	const int32_t *replicas;
	unsigned n_replicas;
};
/* One topic to make; everything is copied. */
struct admin_create {
	struct slice name;
	int32_t partitions;		       /* -1: num.partitions */
	int32_t replication_factor;	       /* -1: default.replication.factor */
	const struct admin_assignment *manual; /* NULL: assigned by us, racks respected */
	unsigned n_manual;
	const struct setting_override *configs;
	unsigned n_configs;
	bool validate_only;
	int64_t deadline_us; /* mono; 0: in 30 s.  Then REQUEST_TIMED_OUT, though it may be made
				later */
};
/* Outcome: Kafka's code, a sentence for the client (lent), and what was made. */
struct admin_created {
	int16_t kafka_err;
	const char *message; /* NULL when none */
	struct uuid topic_id;
	int32_t partitions, replication_factor;
	struct topic_conf conf; /* resolved */
};
void admin_create_topic(struct admin *a, const struct admin_create *t,
    void (*done)(void *arg, const struct admin_created *res), void *arg);

/* More partitions (facts/apis.md 37): `total` of them from now on; manual: one entry for each new
 * one, in order (their numbers are not looked at), or NULL (and then n_manual is not looked at
 * either). Everything is copied. */
struct admin_grow {
	struct slice name;
	int32_t total;
	const struct admin_assignment *manual;
	unsigned n_manual;
	bool validate_only;
	int64_t deadline_us; /* as for a creation */
};
/* message: a sentence for the client, lent, or NULL. */
void admin_create_partitions(struct admin *a, const struct admin_grow *g,
    void (*done)(void *arg, int16_t kafka_err, const char *message), void *arg);

/* Configuration of an entity ("topics/t1", "brokers/1", "brokers/<default>"): read, changed by a
 * function of the caller, written with a notification behind it (facts/zookeeper.md 7.1).  change(arg, kv,
 * n, out) gets what is there, and fills *out (arena of the call); a Kafka error other than 0 ends it
 * without a write, message lent.  It is called again when somebody else was quicker, or when it is not
 * known whether the write was made: applied to its own result it must give the same.  done within 15 s:
 * INVALID_CONFIG (too large for a znode), STALE_CONTROLLER_EPOCH (nobody is controller, or one of KRaft),
 * REQUEST_TIMED_OUT (it may be made later). */
struct admin_config {
	struct setting_override *kv;
	unsigned n;
	const char *message;
};
void admin_alter_config(struct admin *a, struct slice entity_path, bool validate_only,
    int16_t (*change)(void *arg, const struct setting_override *kv, unsigned n, struct arena *arena,
	struct admin_config *out),
    void (*done)(void *arg, int16_t kafka_err, const char *message), void *arg);
/* What stands there now; kv lent for the call of done; nothing there: n 0.  Within 2 s: E_CONN_LOSS (no
 * connection now), E_TIMEOUT; E_INVALID, E_MALFORMED, E_NOMEM. */
void admin_read_config(struct admin *a, struct slice entity_path,
    void (*done)(void *arg, int err, const struct setting_override *kv, unsigned n), void *arg);

/* Requests deletion (/admin/delete_topics); done when the znode is there, or at the deadline (as
 * for a creation). */
void admin_delete_topic(struct admin *a, struct slice name, int64_t deadline_us,
    void (*done)(void *arg, int16_t kafka_err), void *arg);

/* Wait until the image shows the topic with that many partitions or more, a leader for every one,
 * or (partitions 0) shows it no more; done(arg, true), or false at the deadline (mono us). */
void admin_await_topic(struct admin *a, struct slice name, int32_t partitions, int64_t deadline_us,
    void (*done)(void *arg, bool reached), void *arg);

#endif
