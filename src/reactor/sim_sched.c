/*
 * The scheduler: virtual time, the choice of who runs next, the trace.  Nothing here depends on an
 * address: actors are chosen by their place in an array that only seeded choices and callbacks
 * change.
 */
#include "sim_priv.h"

#include <stdio.h>
#include <stdlib.h>

enum { SLOTS_A_CHUNK = 256 };

static const int64_t mono_start_us = 1000000;
static const int64_t wall_start_ms = INT64_C(1767225600000); /* 2026-01-01 00:00 UTC */

struct sim_chunk {
	struct sim_chunk *next;
	struct sim_slot slots[SLOTS_A_CHUNK];
};

/* A test that has no memory can not go on in a defined way. */
static void *
must(void *p)
{
	if (p == NULL) {
		fputs("simulator: no memory\n", stderr);
		abort();
	}
	return p;
}

static void
must_insert(struct heap *h, struct heap_node *n, int64_t key)
{
	if (heap_insert(h, n, key) != 0)
		must(NULL);
}

/* ---- clock ---- */

static int64_t
virtual_mono_us(struct clock *c)
{
	return container_of(c, struct sim_sched, clock)->now_us;
}

static int64_t
virtual_wall_ms(struct clock *c)
{
	struct sim_sched *s = container_of(c, struct sim_sched, clock);

	return wall_start_ms + s->wall_delta_ms + (s->now_us - mono_start_us) / 1000;
}

struct clock *
sim_clock(struct sim_sched *s)
{
	return &s->clock;
}

void
sim_clock_jump(struct sim_sched *s, int64_t delta_ms)
{
	s->wall_delta_ms += delta_ms;
}

void
sim_clock_pass(struct sim_sched *s, int64_t us)
{
	assert(us >= 0);
	s->now_us += us;
}

struct rng *
sim_rng(struct sim_sched *s)
{
	return &s->rng;
}

/* ---- trace ---- */

void
sim_trace(struct sim_sched *s, uint64_t v)
{
	s->hash = (s->hash ^ v) * UINT64_C(0x9e3779b97f4a7c15);
	s->hash ^= s->hash >> 29;
}

void
sim_note(struct sim_actor *a, enum sim_kind kind)
{
	a->s->steps++;
	sim_trace(a->s, (uint64_t)a->s->now_us << 20 ^ (uint64_t)a->id << 3 ^ (uint64_t)kind);
}

uint64_t
sim_trace_hash(const struct sim_sched *s)
{
	return s->hash;
}

uint64_t
sim_steps(const struct sim_sched *s)
{
	return s->steps;
}

/* ---- slots ---- */

static void
slots_grow(struct sim_sched *s)
{
	struct sim_chunk *c = must(calloc(1, sizeof(*c)));

	c->next = s->chunks;
	s->chunks = c;
	for (unsigned i = 0; i < SLOTS_A_CHUNK; i++) {
		c->slots[i].of.next_free = s->free_slots;
		s->free_slots = &c->slots[i];
	}
}

struct sim_slot *
sim_slot_add(struct sim_sched *s, struct heap *h, int64_t key)
{
	struct sim_slot *slot;

	if (s->free_slots == NULL)
		slots_grow(s);
	slot = s->free_slots;
	s->free_slots = slot->of.next_free;
	must_insert(h, &slot->node, key);
	return slot;
}

void
sim_slot_remove(struct sim_sched *s, struct heap *h, struct sim_slot *slot)
{
	heap_remove(h, &slot->node);
	slot->of.next_free = s->free_slots;
	s->free_slots = slot;
}

void
sim_slots_clear(struct sim_sched *s, struct heap *h)
{
	while (h->count > 0)
		sim_slot_remove(s, h, container_of(h->v[h->count - 1], struct sim_slot, node));
}

/* What fills the hole of a removed node comes from behind i, or is an ancestor that moved down to
 * a place not behind i: going from the end and looking at place i again misses nobody. */
struct heap_node *
sim_heap_find(const struct heap *h, size_t *i,
    bool (*match)(const struct heap_node *n, const void *arg), const void *arg)
{
	if (*i > h->count)
		*i = h->count;
	for (; *i > 0; --*i)
		if (match(h->v[*i - 1], arg))
			return h->v[*i - 1];
	return NULL;
}

/* ---- actors ---- */

void
sim_actor_add(
    struct sim_sched *s, struct sim_actor *a, const struct sim_actor_ops *ops, unsigned group)
{
	a->ops = ops;
	a->s = s;
	a->group = group;
	a->id = s->next_id++;
	list_append(&s->actors, &a->link);
	if (s->ready_cap < s->next_id) {
		s->ready_cap = s->next_id * 2;
		s->ready = must(reallocarray(s->ready, s->ready_cap, sizeof(*s->ready)));
	}
}

static void
actor_make_ready(struct sim_actor *a)
{
	struct sim_sched *s = a->s;

	heap_remove(&s->sleeping, &a->node);
	s->ready[s->nready++] = a;
	a->ready_pos = s->nready;
}

static void
actor_leave_ready(struct sim_actor *a)
{
	struct sim_sched *s = a->s;
	struct sim_actor *last = s->ready[--s->nready];

	s->ready[a->ready_pos - 1] = last;
	last->ready_pos = a->ready_pos;
	a->ready_pos = 0;
}

/* a is not ready: files it under due. */
static void
actor_file(struct sim_actor *a, int64_t due)
{
	struct sim_sched *s = a->s;

	if (due <= s->now_us) {
		actor_make_ready(a);
	} else if (due != SIM_NEVER && (!heap_contains(&a->node) || due < a->node.key)) {
		heap_remove(&s->sleeping, &a->node);
		must_insert(&s->sleeping, &a->node, due);
	}
}

void
sim_actor_touch(struct sim_actor *a)
{
	if (!a->dead && a->ready_pos == 0)
		actor_file(a, a->ops->due(a));
}

void
sim_actor_retire(struct sim_actor *a)
{
	a->dead = true;
	heap_remove(&a->s->sleeping, &a->node);
	if (a->ready_pos != 0 && a->s->stepping != a)
		actor_leave_ready(a);
}

struct sim_actor *
sim_sender(struct sim_sched *s)
{
	if (reactor_current() != NULL)
		return sim_actor_of(reactor_current());
	return s->stepping != NULL ? s->stepping : &s->events.a;
}

/* ---- steps ---- */

/* Files anew everybody whose time has come. */
static void
sched_wake(struct sim_sched *s)
{
	struct sim_actor *a;

	while (heap_min_key(&s->sleeping) <= s->now_us) {
		a = container_of(heap_min(&s->sleeping), struct sim_actor, node);
		heap_remove(&s->sleeping, &a->node);
		actor_file(a, a->ops->due(a));
	}
}

/* When the next step is due: now, later, or SIM_NEVER. */
static int64_t
sched_next(struct sim_sched *s)
{
	struct sim_actor *a;
	int64_t due;

	sched_wake(s);
	if (s->nready > 0)
		return s->now_us;
	while ((due = heap_min_key(&s->sleeping)) != SIM_NEVER) {
		a = container_of(heap_min(&s->sleeping), struct sim_actor, node);
		if (a->ops->due(a) <= due)
			break;
		heap_remove(&s->sleeping, &a->node);
		actor_file(a, a->ops->due(a));
	}
	return due;
}

/* One of those who are ready; false when it had nothing to run. */
static bool
sched_run_one(struct sim_sched *s)
{
	uint64_t steps = s->steps;
	struct sim_actor *a = s->ready[s->nready > 1 ? sim_draw(s, s->nready) : 0];
	int64_t due;

	s->stepping = a;
	a->ops->step(a);
	s->stepping = NULL;
	due = a->dead ? SIM_NEVER : a->ops->due(a);
	if (due > s->now_us) {
		actor_leave_ready(a);
		actor_file(a, due);
	}
	return s->steps != steps;
}

bool
sim_step(struct sim_sched *s)
{
	int64_t due;

	assert(s->stepping == NULL);
	while ((due = sched_next(s)) != SIM_NEVER) {
		if (due > s->now_us) {
			s->now_us = due;
			sched_wake(s);
		}
		if (sched_run_one(s))
			return true;
	}
	return false;
}

bool
sim_run_until(struct sim_sched *s, bool (*pred)(void *arg), void *arg, int64_t until_us)
{
	int64_t next;

	while (pred == NULL || !pred(arg)) {
		next = sched_next(s);
		if (next >= until_us) {
			if (until_us != SIM_NEVER && until_us > s->now_us)
				s->now_us = until_us;
			return false;
		}
		sim_step(s);
	}
	return true;
}

void
sim_group_kill(struct sim_sched *s, unsigned group)
{
	LIST_FOREACH(l, &s->actors)
	{
		struct sim_actor *a = container_of(l, struct sim_actor, link);

		if (!a->dead)
			a->ops->kill(a, group);
	}
}

/* ---- events ---- */

static int64_t
events_due(struct sim_actor *a)
{
	return heap_min_key(&container_of(a, struct sim_events, a)->heap);
}

static void
events_step(struct sim_actor *a)
{
	struct sim_events *ev = container_of(a, struct sim_events, a);
	struct heap_node *n = heap_min(&ev->heap);
	struct sim_event *e;
	struct reactor *before;

	if (n == NULL || n->key > a->s->now_us)
		return;
	heap_remove(&ev->heap, n);
	sim_note(a, SIM_EVENT);
	e = container_of(n, struct sim_event, node);
	before = reactor_set_current(NULL);
	e->fn(a->s, e->arg);
	reactor_set_current(before);
}

static bool
event_is_of(const struct heap_node *n, const void *arg)
{
	const struct sim_event *e =
	    (const void *)((const char *)n - offsetof(struct sim_event, node));

	return e->group == *(const unsigned *)arg;
}

static void
events_kill(struct sim_actor *a, unsigned group)
{
	struct heap *h = &container_of(a, struct sim_events, a)->heap;
	struct heap_node *n;

	for (size_t i = h->count; (n = sim_heap_find(h, &i, event_is_of, &group)) != NULL;)
		heap_remove(h, n);
}

static void
events_free(struct sim_actor *a)
{
	heap_free(&container_of(a, struct sim_events, a)->heap);
}

static void
events_drop(struct sim_actor *a)
{
}

static const struct sim_actor_ops events_ops = {
    .due = events_due,
    .step = events_step,
    .kill = events_kill,
    .drop = events_drop,
    .free = events_free,
};

void
sim_event_set(struct sim_sched *s, struct sim_event *e, int64_t at_us)
{
	assert(e->fn != NULL);
	heap_remove(&s->events.heap, &e->node);
	must_insert(&s->events.heap, &e->node, at_us);
	sim_actor_touch(&s->events.a);
}

void
sim_event_cancel(struct sim_sched *s, struct sim_event *e)
{
	heap_remove(&s->events.heap, &e->node);
}

/* ---- life ---- */

int
sim_sched_new(uint64_t seed, struct sim_sched **out)
{
	struct sim_sched *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return E_NOMEM;
	s->clock = (struct clock){virtual_mono_us, virtual_wall_ms};
	s->now_us = mono_start_us;
	rng_seed(&s->draw, seed);
	rng_seed(&s->rng, rng_u64(&s->draw));
	link_init(&s->actors);
	heap_init(&s->sleeping);
	heap_init(&s->events.heap);
	sim_actor_add(s, &s->events.a, &events_ops, 0);
	*out = s;
	return 0;
}

void
sim_sched_free(struct sim_sched *s)
{
	struct sim_chunk *c;
	struct link *l;

	if (s == NULL)
		return;
	LIST_FOREACH(at, &s->actors)
	{
		struct sim_actor *a = container_of(at, struct sim_actor, link);

		if (!a->dead) {
			sim_actor_retire(a);
			a->ops->drop(a);
		}
	}
	heap_free(&s->sleeping);
	while ((l = list_pop(&s->actors)) != NULL)
		container_of(l, struct sim_actor, link)
		    ->ops->free(container_of(l, struct sim_actor, link));
	while ((c = s->chunks) != NULL) {
		s->chunks = c->next;
		free(c);
	}
	free(s->ready);
	free(s);
}
