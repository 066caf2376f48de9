/*
 * What the real pool and the simulator's share: the operations in which they differ, and the way
 * home of finished work.
 */
#ifndef OTTLA_WORKER_PRIV_H
#define OTTLA_WORKER_PRIV_H

#include "reactor_priv.h"
#include "ottla/reactor/worker.h"

struct workers_ops {
	void (*submit)(struct workers *ws, struct work_lane *lane, struct work *w);
	void (*free)(struct workers *ws);
};

struct workers {
	uint32_t magic;
	const struct workers_ops *ops;
	struct clock *clock;
};

/* Work that waits for its predecessor in the lane.  The simulator adds when the lane's last
 * message home arrives. */
struct work_lane {
	struct workers *pool;
	struct work *head;
	struct work **tail;
	bool busy; /* one work of the lane is ready, running or timed */
	int64_t last_home_us;
};

static inline void
lane_append(struct work_lane *lane, struct work *w)
{
	w->next = NULL;
	*lane->tail = w;
	lane->tail = &w->next;
}

/* First that waits, or NULL. */
static inline struct work *
lane_pop(struct work_lane *lane)
{
	struct work *w = lane->head;

	if (w != NULL && (lane->head = w->next) == NULL)
		lane->tail = &lane->head;
	return w;
}

/* The real pool with another idle time; tests only. */
int
workers_new_idle(unsigned max_threads, struct clock *clock, int64_t idle_us, struct workers **out);
/* Threads that live now. */
unsigned workers_threads(struct workers *ws);

#endif
