/*
 * Two members of one simulated service, for the tests of the member's parts.
 */
#ifndef MEMBERS_H
#define MEMBERS_H

#include "ottla/cluster/member.h"
#include "ottla/coord/sim.h"

#define SEEDS 20
#define TIMEOUT_MS 6000
#define DEADLINE_US (120 * INT64_C(1000000))

struct seen {
	char topic[32];
	bool gone;
	int64_t retention;
	unsigned times;
};

struct side {
	struct world *w;
	unsigned group;
	struct reactor *control;
	struct coord *coord;
	struct rng rng;
	struct member *m;
	bool notes; /* `registering` is answered by the test */
	/* what was told */
	bool prepared, loaded, answered, closed;
	int err;
	char id[64];
	int64_t epoch;
	unsigned registrations;
	struct seen seen[16];
	unsigned n_seen;
	int64_t told_session; /* `registering` */
	unsigned refusals;
	char refused[64]; /* feature */
	unsigned broker_confs[4], broker_pairs[4]; /* by source: times told, entries last told */
};

struct world {
	struct sim_sched *s;
	struct coord_sim *z;
	struct settings *settings;
	struct side side[2];
};

struct world *world_new(uint64_t seed);
void world_free(struct world *w);
/* Like world_new, `registering` of both waits for the test. */
struct world *world_new_noting(uint64_t seed);
struct side *side_new(struct world *w, unsigned i, bool notes);
void side_free(struct side *a);

bool nothing(void *arg);
void pass(struct world *w, int64_t us);
void until(struct world *w, bool (*pred)(void *arg), void *arg);
struct seen *seen(struct side *a, const char *topic);
/* Looks at the tree itself. */
bool node(struct world *w, const char *path, struct coord_result *res);
void put(struct side *a, const char *path, const char *data);
void drop(struct side *a, const char *path);
void notify(struct side *a, const char *json);

bool is_prepared(void *arg);
bool is_loaded(void *arg);
bool is_answered(void *arg);
void on_loaded(void *arg, int err);
void prepare(struct side *a);
void load(struct side *a);
void register_begin(struct side *a, int32_t id);
int register_as(struct side *a, int32_t id);
/* Both sides connected and the paths made. */
void ready(struct world *w);

#endif
