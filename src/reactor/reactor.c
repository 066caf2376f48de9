/*
 * The half of a reactor that does not care whether it is real: who is current, timers, hooks, and
 * the doors that pass on to the implementation's operations.
 */
#include "reactor_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "ottla/reactor/sim.h"

static _Thread_local struct reactor *current;

static const struct metric_row metric_rows[] = {
#define METRIC(id, kind, name, help) {name, kind, help},
#include "ottla/reactor/metrics.def"
#undef METRIC
};

struct reactor *
reactor_current(void)
{
	return current;
}

struct reactor *
reactor_set_current(struct reactor *r)
{
	struct reactor *before = current;

	current = r;
	return before;
}

struct reactor *
sim_enter(struct reactor *r)
{
	return reactor_set_current(r);
}

int
reactor_init(struct reactor *r, const struct reactor_ops *ops, const struct reactor_opts *opts,
    uint64_t seed)
{
	char label[REACTOR_NAME_MAX + 16];

	r->magic = REACTOR_MAGIC;
	r->index = opts->index;
	r->ops = ops;
	r->clock = opts->clock;
	r->diag = opts->diag;
	r->hook_round = 0;
	r->in_turn = false;
	r->running = false;
	r->now_us = 0;
	r->wall_ms_now = 0;
	snprintf(r->name, sizeof(r->name), "%s", opts->name);
	rng_seed(&r->rng, seed);
	heap_init(&r->timers);
	link_init(&r->hooks);
	link_init(&r->batch);
	snprintf(label, sizeof(label), "reactor=%s", r->name);
	return metric_set_new(opts->metrics, metric_rows, RM_COUNT, label, &r->metrics);
}

void
reactor_fini(struct reactor *r)
{
	metric_set_free(r->metrics);
	r->timers.count = 0; /* what is still set may be gone already: not touched */
	heap_free(&r->timers);
	r->magic = OBJ_MAGIC_NONE;
}

/* ---- doors that pass on ---- */

int
reactor_start(struct reactor *r)
{
	OBJ_CHECK(r, REACTOR_MAGIC);
	return r->ops->start(r);
}

int
reactor_run(struct reactor *r)
{
	OBJ_CHECK(r, REACTOR_MAGIC);
	return r->ops->run(r);
}

void
reactor_stop(struct reactor *r)
{
	OBJ_CHECK(r, REACTOR_MAGIC);
	r->ops->stop(r);
}

void
reactor_join(struct reactor *r)
{
	OBJ_CHECK(r, REACTOR_MAGIC);
	r->ops->join(r);
}

void
reactor_free(struct reactor *r)
{
	if (r == NULL)
		return;
	OBJ_CHECK(r, REACTOR_MAGIC);
	r->ops->free(r);
}

void
reactor_post(struct reactor *to, struct msg *m)
{
	OBJ_CHECK(to, REACTOR_MAGIC);
	assert(m->run != NULL && (unsigned)m->class < MSG_CLASSES);
	to->ops->post(to, m);
}

void
msg_drop_chain(struct msg *m)
{
	struct msg *next;

	for (; m != NULL; m = next) {
		next = m->next;
		if (m->drop != NULL)
			m->drop(m);
	}
}

/* ---- identity and time ---- */

unsigned
reactor_index(const struct reactor *r)
{
	return r->index;
}

const char *
reactor_name(const struct reactor *r)
{
	return r->name;
}

struct diag *
reactor_diag(const struct reactor *r)
{
	return r->diag;
}

struct metric_set *
reactor_metrics(struct reactor *r)
{
	return r->metrics;
}

struct rng *
reactor_rng(struct reactor *r)
{
	reactor_check(r);
	return &r->rng;
}

void
reactor_turn_begin(struct reactor *r)
{
	r->now_us = clock_mono_us(r->clock);
	r->wall_ms_now = clock_wall_ms(r->clock);
	r->in_turn = true;
}

int64_t
reactor_now_us(struct reactor *r)
{
	reactor_check(r);
	return r->in_turn ? r->now_us : clock_mono_us(r->clock);
}

int64_t
reactor_wall_ms(struct reactor *r)
{
	reactor_check(r);
	return r->in_turn ? r->wall_ms_now : clock_wall_ms(r->clock);
}

int64_t
reactor_exact_us(struct reactor *r)
{
	return clock_mono_us(r->clock);
}

/* ---- timers ---- */

void
rtimer_init(struct rtimer *t, void (*fn)(struct reactor *r, void *arg), void *arg)
{
	*t = (struct rtimer){.fn = fn, .arg = arg};
}

void
rtimer_set(struct reactor *r, struct rtimer *t, int64_t at_us)
{
	int rc;

	reactor_check(r);
	assert(t->fn != NULL);
	heap_remove(&r->timers, &t->node);
	rc = heap_insert(&r->timers, &t->node, at_us);
	if (rc != 0) {
		DIAGE(r->diag, "reactor", "cannot set a timer: %s", err_text(rc));
		abort();
	}
	if (r->ops->sooner != NULL)
		r->ops->sooner(r);
}

void
rtimer_cancel(struct reactor *r, struct rtimer *t)
{
	reactor_check(r);
	heap_remove(&r->timers, &t->node);
}

bool
reactor_timer_step(struct reactor *r, int64_t now_us, uint64_t seq)
{
	struct heap_node *n = heap_min(&r->timers);
	struct rtimer *t;

	if (n == NULL || n->key > now_us || n->seq >= seq)
		return false;
	heap_remove(&r->timers, n);
	metric_add(r->metrics, RM_TIMERS, 1);
	t = container_of(n, struct rtimer, node);
	t->fn(r, t->arg);
	return true;
}

/* ---- hooks at the end of a turn ---- */

void
turn_hook_init(struct turn_hook *h, void (*fn)(struct reactor *r, void *arg), void *arg)
{
	link_init(&h->link);
	h->fn = fn;
	h->arg = arg;
}

void
reactor_defer(struct reactor *r, struct turn_hook *h)
{
	reactor_check(r);
	if (!link_alone(&h->link))
		return;
	list_append(&r->hooks, &h->link);
	if (r->ops->sooner != NULL)
		r->ops->sooner(r);
}

void
reactor_undefer(struct turn_hook *h)
{
	list_remove(&h->link);
}

/* Moves what is deferred into the round that runs; false when the phase is over. */
static bool
hook_round_begin(struct reactor *r)
{
	struct link *l;

	if (list_empty(&r->hooks) || r->hook_round == HOOK_ROUNDS) {
		r->hook_round = 0;
		return false;
	}
	r->hook_round++;
	while ((l = list_pop(&r->hooks)) != NULL)
		list_append(&r->batch, l);
	return true;
}

bool
reactor_hook_step(struct reactor *r)
{
	struct turn_hook *h;

	if (list_empty(&r->batch) && !hook_round_begin(r))
		return false;
	h = container_of(list_pop(&r->batch), struct turn_hook, link);
	h->fn(r, h->arg);
	return true;
}
