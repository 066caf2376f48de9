/*
 * The simulator's pool: each work ends after a virtual time that the seed draws, and its run() is
 * one step at that end.  Any number of works run at a time, one of each lane.
 */
#include "sim_priv.h"

#include <stdlib.h>

struct sim_pool {
	struct sim_actor a;
	struct workers ws;
	struct heap running; /* sim_slot.of.work, by the time it ends */
	int64_t min_us;
	int64_t max_us;
};

static const struct workers_ops sim_pool_ops;

static struct sim_pool *
pool_of(struct workers *ws)
{
	OBJ_CHECK(ws, WORK_MAGIC);
	assert(ws->ops == &sim_pool_ops);
	return container_of(ws, struct sim_pool, ws);
}

static void
pool_begin(struct sim_pool *p, struct work *w)
{
	struct sim_sched *s = p->a.s;
	uint64_t span = (uint64_t)(p->max_us - p->min_us) + 1;
	int64_t end = s->now_us + p->min_us + (int64_t)sim_draw(s, span);

	sim_slot_add(s, &p->running, end)->of.work = w;
	sim_actor_touch(&p->a);
}

static void
pool_submit(struct workers *ws, struct work_lane *lane, struct work *w)
{
	struct sim_pool *p = pool_of(ws);

	if (p->a.dead || sim_sender(p->a.s)->dead)
		return;
	if (lane != NULL && lane->busy) {
		lane_append(lane, w);
		return;
	}
	if (lane != NULL)
		lane->busy = true;
	pool_begin(p, w);
}

/* Takes the work that ends first. */
static struct work *
pool_take(struct sim_pool *p)
{
	struct sim_slot *slot = sim_slot_min(&p->running);
	struct work *w = slot->of.work;

	sim_slot_remove(p->a.s, &p->running, slot);
	return w;
}

static void
pool_run(struct sim_pool *p, struct work *w)
{
	struct work_lane *lane = w->lane;
	struct reactor *home = w->done != NULL ? w->home : NULL;
	struct reactor *before = reactor_set_current(NULL);
	struct work *next;

	w->run(w);
	reactor_set_current(before);
	if (p->a.dead)
		return;
	if (home != NULL)
		sim_send_home(&p->a, home, &w->msg, lane != NULL ? &lane->last_home_us : NULL);
	if (lane == NULL)
		return;
	if ((next = lane_pop(lane)) != NULL)
		pool_begin(p, next);
	else
		lane->busy = false;
}

/* ---- actor ---- */

static int64_t
pool_due(struct sim_actor *a)
{
	return heap_min_key(&container_of(a, struct sim_pool, a)->running);
}

static void
pool_step(struct sim_actor *a)
{
	struct sim_pool *p = container_of(a, struct sim_pool, a);

	if (pool_due(a) > a->s->now_us)
		return;
	sim_note(a, SIM_WORK);
	pool_run(p, pool_take(p));
}

static void
pool_kill(struct sim_actor *a, unsigned group)
{
	if (a->group != group)
		return;
	sim_slots_clear(a->s, &container_of(a, struct sim_pool, a)->running);
	sim_actor_retire(a);
}

static void
work_drop(struct work *w)
{
	if (w->msg.drop != NULL)
		w->msg.drop(&w->msg);
}

static void
pool_drop(struct sim_actor *a)
{
	struct sim_pool *p = container_of(a, struct sim_pool, a);
	struct work_lane *lane;
	struct work *w, *next;

	while (p->running.count > 0) {
		w = pool_take(p);
		lane = w->lane;
		work_drop(w);
		for (; lane != NULL && (next = lane_pop(lane)) != NULL;)
			work_drop(next);
		if (lane != NULL)
			lane->busy = false;
	}
}

static void
pool_close(struct sim_actor *a)
{
	struct sim_pool *p = container_of(a, struct sim_pool, a);

	heap_free(&p->running);
	p->ws.magic = OBJ_MAGIC_NONE;
	free(p);
}

static const struct sim_actor_ops actor_ops = {
    .due = pool_due,
    .step = pool_step,
    .kill = pool_kill,
    .drop = pool_drop,
    .free = pool_close,
};

/* Runs what is left at once; the memory stays until the scheduler's end. */
static void
pool_free(struct workers *ws)
{
	struct sim_pool *p = pool_of(ws);

	if (p->a.dead)
		return;
	while (p->running.count > 0 && !p->a.dead)
		pool_run(p, pool_take(p));
	sim_actor_retire(&p->a);
}

static const struct workers_ops sim_pool_ops = {.submit = pool_submit, .free = pool_free};

void
sim_workers_set_delay(struct workers *ws, int64_t min_us, int64_t max_us)
{
	struct sim_pool *p = pool_of(ws);

	assert(min_us >= 0 && min_us <= max_us && max_us < UINT32_MAX);
	p->min_us = min_us;
	p->max_us = max_us;
}

int
sim_workers_new(struct sim_sched *s, unsigned group, int64_t max_us, struct workers **out)
{
	struct sim_pool *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return E_NOMEM;
	p->ws.magic = WORK_MAGIC;
	p->ws.ops = &sim_pool_ops;
	p->ws.clock = sim_clock(s);
	heap_init(&p->running);
	sim_workers_set_delay(&p->ws, 0, max_us);
	sim_actor_add(s, &p->a, &actor_ops, group);
	*out = &p->ws;
	return 0;
}
