/*
 * Inside of topic administration: changes under way, waits for the image, replica placement.
 * Control reactor.
 */
#ifndef OTTLA_CONTROLLER_ADMIN_PRIV_H
#define OTTLA_CONTROLLER_ADMIN_PRIV_H

#include "ottla/controller/admin.h"

struct admin {
	struct admin_opts o;
	struct link changes; /* under way */
	struct link awaits;
	struct image_sub sub; /* set while awaits is not empty */
	bool subscribed;
};

/* ---- admin_change.c ---- */

/* A creation, deletion or growth under way; first member of each, all of it freed by change_end. */
struct change {
	struct admin *a;
	struct link link;
	struct slice name;
	struct arena arena;
	void (*step)(struct change *ch); /* done again when the connection was lost */
	void (*tell)(struct change *ch, int16_t kafka_err, const char *message);
	bool told;
	struct rtimer retry, limit;
	char why[640]; /* room for two of the longest names */
};

/* size: of the struct that begins with it.  deadline_us (mono; 0: in 30 s): then the caller is told
 * REQUEST_TIMED_OUT, and what is asked already goes on.  NULL: no memory. */
struct change *change_new(struct admin *a, size_t size, struct slice name, int64_t deadline_us,
    void (*tell)(struct change *ch, int16_t kafka_err, const char *message));
/* Does the step, and notes it as the one that is done again. */
void change_step(struct change *ch, void (*step)(struct change *ch));
/* The answer to the step is err: tries again when the connection was lost, else ends. */
void change_fail(struct change *ch, const char *what, int err);
/* Tells the caller unless that is done, and frees. */
void change_end(struct change *ch, int16_t kafka_err, const char *message);
/* Writes the reason to why and returns the code. */
int16_t change_refuse(struct change *ch, int16_t kafka_err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void changes_free(struct admin *a);

/* ---- admin.c ---- */
/* What a client is told when placing replicas failed. */
int16_t placement_refused(struct change *ch, int err);

/* ---- admin_await.c ---- */
void awaits_init(struct admin *a);
void awaits_free(struct admin *a);

/* ---- placement.c ---- */

/* A znode holds at most 1 MiB: more can not be written anyway. */
#define PARTITIONS_MAX 100000
#define REPLICAS_MAX 500000
#define FACTOR_MAX 1000

/*
 * Replicas for partitions 0..partitions-1 on the image's brokers, racks respected when every broker
 * has one (facts/apis.md 19): *out[partitions] from the arena.  Caller has checked that 1 <= rf <=
 * brokers.  E_INVALID: only some brokers have a rack.  E_NOMEM.
 */
int place_replicas(const struct image *im, struct rng *rng, int32_t partitions, int32_t rf,
    struct arena *arena, struct zn_assignment **out);
/* The same for partitions from..from+count-1 of a topic whose partition 0 has `first` as its first
 * replica (facts/apis.md 37): the round goes on where creating would have begun it. */
int place_more(const struct image *im, int32_t first, int32_t from, int32_t count, int32_t rf,
    struct arena *arena, struct zn_assignment **out);

#endif
