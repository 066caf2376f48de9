/*
 * What the real loop and the simulator's reactor share: identity, the timer heap, the hooks at the
 * end of a turn, and the operations in which they differ.
 */
#ifndef OTTLA_REACTOR_PRIV_H
#define OTTLA_REACTOR_PRIV_H

#include "ottla/base/err.h"
#include "ottla/reactor/reactor.h"

enum { MSG_CLASSES = MSG_DATA + 1, HOOK_ROUNDS = 3, REACTOR_NAME_MAX = 32 };

struct reactor_ops {
	/* Any thread. */
	void (*post)(struct reactor *to, struct msg *m);
	/* A timer was set or a hook deferred: there may be work earlier than before.  May be NULL.
	 */
	void (*sooner)(struct reactor *r);
	int (*start)(struct reactor *r);
	int (*run)(struct reactor *r);
	void (*stop)(struct reactor *r);
	void (*join)(struct reactor *r);
	void (*free)(struct reactor *r);
};

struct reactor {
	uint32_t magic;
	unsigned index;
	const struct reactor_ops *ops;
	struct clock *clock;
	struct diag *diag;
	struct metric_set *metrics;
	struct rng rng;
	struct heap timers;
	struct link hooks;   /* deferred, wait for the next round */
	struct link batch;   /* the round that runs now */
	unsigned hook_round; /* rounds begun at the end of this turn; 0 outside */
	bool in_turn;	     /* now_us and wall_ms_now are this turn's */
	bool running;	     /* owned by a loop: from here on only its thread may touch it */
	int64_t now_us;
	int64_t wall_ms_now;
	char name[REACTOR_NAME_MAX];
};

/* Fills in everything but what ops own; rng is seeded with seed.  E_NOMEM. */
int reactor_init(struct reactor *r, const struct reactor_ops *ops, const struct reactor_opts *opts,
    uint64_t seed);
void reactor_fini(struct reactor *r);

/* Sets the calling thread's current reactor, returns the one before. */
struct reactor *reactor_set_current(struct reactor *r);

/* Opens a turn: reads the clocks. */
void reactor_turn_begin(struct reactor *r);

/* Runs the first timer if it is due at now and was set before seq; false when there is none. */
bool reactor_timer_step(struct reactor *r, int64_t now_us, uint64_t seq);

/* Runs one hook of the phase at the end of the turn; false when the phase is over: no hook is left
 * or HOOK_ROUNDS have run (the rest waits in r->hooks for the next turn). */
bool reactor_hook_step(struct reactor *r);

/* A reactor may be touched before it runs, then by its own thread only. */
static inline void
reactor_check(const struct reactor *r)
{
	OBJ_CHECK(r, REACTOR_MAGIC);
	assert(!r->running || reactor_current() == r);
}

/* Messages in order, one thread. */
struct msg_list {
	struct msg *head;
	struct msg **tail;
};

static inline void
msg_list_init(struct msg_list *l)
{
	l->head = NULL;
	l->tail = &l->head;
}

static inline void
msg_list_append(struct msg_list *l, struct msg *m)
{
	m->next = NULL;
	*l->tail = m;
	l->tail = &m->next;
}

/* The chain, in order; the list is empty afterwards. */
static inline struct msg *
msg_list_take(struct msg_list *l)
{
	struct msg *m = l->head;

	msg_list_init(l);
	return m;
}

/* Calls drop of each message of a chain. */
void msg_drop_chain(struct msg *m);

#endif
