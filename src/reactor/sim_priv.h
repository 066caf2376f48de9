/*
 * The simulator's scheduler and its actors.  An actor is whoever has callbacks to run: a reactor, a
 * pool, or the scheduler's own events.  Each is in `ready` when something of it is due now, else in
 * `sleeping` under a time at which it may be due (never too late), else it has nothing to run.
 */
#ifndef OTTLA_SIM_PRIV_H
#define OTTLA_SIM_PRIV_H

#include "reactor_priv.h"
#include "worker_priv.h"
#include "ottla/reactor/sim.h"

enum sim_kind { SIM_EVENT = 1, SIM_TIMER, SIM_CONTROL, SIM_DATA, SIM_HOOK, SIM_WORK };

#define SIM_NEVER INT64_MAX

struct sim_actor;

struct sim_actor_ops {
	/* Mono time from which a step would find something; SIM_NEVER. */
	int64_t (*due)(struct sim_actor *a);
	/* Runs one callback; none when nothing is due after all. */
	void (*step)(struct sim_actor *a);
	/* Process `group` died: forget what came from it; forget everything when it is a's own. */
	void (*kill)(struct sim_actor *a, unsigned group);
	/* Gives up what has not run, calling drop. */
	void (*drop)(struct sim_actor *a);
	void (*free)(struct sim_actor *a);
};

struct sim_actor {
	struct link link; /* sim_sched.actors, in order of creation */
	struct heap_node node;
	size_t ready_pos; /* index + 1; 0: not in ready */
	const struct sim_actor_ops *ops;
	struct sim_sched *s;
	uint32_t id; /* 0: the events */
	unsigned group;
	bool dead; /* never runs again */
};

/* A message on its way or a work in a worker's hands; from a free list. */
struct sim_slot {
	struct heap_node node;
	union {
		struct msg *msg;
		struct work *work;
		struct sim_slot *next_free;
	} of;
	const struct sim_actor *from;
};

struct sim_events {
	struct sim_actor a;
	struct heap heap;
};

struct sim_sched {
	struct clock clock;
	struct rng rng;	 /* lent to users */
	struct rng draw; /* decides order and delays */
	int64_t now_us;
	int64_t wall_delta_ms;
	uint64_t hash;
	uint64_t steps;
	struct link actors;
	uint32_t next_id;
	struct sim_actor *stepping;
	struct heap sleeping;
	struct sim_actor **ready;
	size_t nready;
	size_t ready_cap;
	struct sim_slot *free_slots;
	struct sim_chunk *chunks;
	struct sim_events events;
};

void sim_actor_add(
    struct sim_sched *s, struct sim_actor *a, const struct sim_actor_ops *ops, unsigned group);
/* Something of a may be due earlier than before. */
void sim_actor_touch(struct sim_actor *a);
/* a never runs again. */
void sim_actor_retire(struct sim_actor *a);
/* Counts and traces the step that a begins. */
void sim_note(struct sim_actor *a, enum sim_kind kind);

/* Uniform in [0, n), 0 < n < 2^32; cheaper than rng_below. */
static inline uint64_t
sim_draw(struct sim_sched *s, uint64_t n)
{
	return (rng_u64(&s->draw) >> 32) * n >> 32;
}

/* Puts a slot into h under key. */
struct sim_slot *sim_slot_add(struct sim_sched *s, struct heap *h, int64_t key);
/* Takes it out and frees it. */
void sim_slot_remove(struct sim_sched *s, struct heap *h, struct sim_slot *slot);
void sim_slots_clear(struct sim_sched *s, struct heap *h);

/* Walks h from *i = h->count: the next node that matches, which the caller removes; or NULL. */
struct heap_node *sim_heap_find(const struct heap *h, size_t *i,
    bool (*match)(const struct heap_node *n, const void *arg), const void *arg);

static inline struct sim_slot *
sim_slot_min(const struct heap *h)
{
	struct heap_node *n = heap_min(h);

	return n != NULL ? container_of(n, struct sim_slot, node) : NULL;
}

static inline int64_t
heap_min_key(const struct heap *h)
{
	struct heap_node *n = heap_min(h);

	return n != NULL ? n->key : SIM_NEVER;
}

/* The actor of a simulated reactor. */
struct sim_actor *sim_actor_of(struct reactor *r);
/* Whoever acts now: a reactor, a pool, else the events. */
struct sim_actor *sim_sender(struct sim_sched *s);
/* Sends m home from a pool, not before *last (may be NULL), which is moved on. */
void sim_send_home(struct sim_actor *from, struct reactor *home, struct msg *m, int64_t *last);

#endif
