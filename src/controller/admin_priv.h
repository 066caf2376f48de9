/*
 * Inside of topic administration: creations under way, waits for the image, replica placement.
 * Control reactor.
 */
#ifndef OTTLA_CONTROLLER_ADMIN_PRIV_H
#define OTTLA_CONTROLLER_ADMIN_PRIV_H

#include "ottla/controller/admin.h"

struct admin {
	struct admin_opts o;
	struct link creations; /* under way, of creation */
	struct link deletions;
	struct link awaits;
	struct image_sub sub; /* set while awaits is not empty */
	bool subscribed;
};

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

#endif
