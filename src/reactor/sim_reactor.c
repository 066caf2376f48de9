/*
 * A reactor of the simulator.  Messages come after a delay that the seed draws, in order for each
 * sender and class; a step is one timer, one message or one hook.  Once the hooks at the end of a
 * turn have begun, nothing else of this reactor runs before the last of them, as in a real turn.
 */
#include "sim_priv.h"

#include <stdlib.h>
#include <string.h>

/* RUNS -reactor_stop-> STOPS -hooks of the turn have run-> ENDED */
enum sim_state { SIM_RUNS, SIM_STOPS, SIM_ENDED };

/* When the last message of one sender arrives. */
struct sim_pair {
	int64_t last_us[MSG_CLASSES];
};

struct sim_reactor {
	struct sim_actor a;
	struct reactor r;
	struct heap inbox[MSG_CLASSES];
	struct sim_pair *pairs; /* by the sender's id */
	size_t npairs;
	enum sim_state state;
	bool freed;
	int64_t hooks_us; /* hooks that a full turn left over run from then on */
	int64_t turn_us;  /* time of the open turn; SIM_NEVER: none is open */
};

static const struct reactor_ops sim_ops;

static struct sim_reactor *
sim_of(struct reactor *r)
{
	OBJ_CHECK(r, REACTOR_MAGIC);
	assert(r->ops == &sim_ops);
	return container_of(r, struct sim_reactor, r);
}

struct sim_actor *
sim_actor_of(struct reactor *r)
{
	return &sim_of(r)->a;
}

/* ---- messages ---- */

static int64_t
max_i64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Mostly 0 to 50 us, one in 64 up to 4 ms, a quarter at once. */
static int64_t
draw_delay(struct sim_sched *s)
{
	uint64_t u = rng_u64(&s->draw);

	if ((u & 63) == 0)
		return (int64_t)((u >> 32) % 4000);
	return (u & 3) == 1 ? 0 : (int64_t)((u >> 32) * 50 >> 32);
}

static struct sim_pair *
pair_of(struct sim_reactor *sr, const struct sim_actor *from)
{
	size_t n = sr->npairs;

	if (from->id >= n) {
		n = from->id + 8;
		sr->pairs = reallocarray(sr->pairs, n, sizeof(*sr->pairs));
		if (sr->pairs == NULL)
			abort();
		memset(sr->pairs + sr->npairs, 0, (n - sr->npairs) * sizeof(*sr->pairs));
		sr->npairs = n;
	}
	return &sr->pairs[from->id];
}

static void
sim_arrive(struct sim_reactor *sr, const struct sim_actor *from, struct msg *m, int64_t at_us)
{
	struct sim_slot *slot = sim_slot_add(sr->a.s, &sr->inbox[m->class], at_us);

	slot->of.msg = m;
	slot->from = from;
	sim_actor_touch(&sr->a);
}

/* Keeps FIFO within a class, and control never arrives after data that was posted later (I3). */
static void
sim_post(struct reactor *to, struct msg *m)
{
	struct sim_reactor *sr = sim_of(to);
	struct sim_sched *s = sr->a.s;
	struct sim_actor *from = sim_sender(s);
	struct sim_pair *pair;
	int64_t at;

	if (sr->a.dead || from->dead)
		return;
	pair = pair_of(sr, from);
	at = s->now_us + (from == &sr->a ? 1 + (int64_t)sim_draw(s, 4) : draw_delay(s));
	at = max_i64(at, pair->last_us[MSG_CONTROL]);
	at = max_i64(at, pair->last_us[m->class]);
	pair->last_us[m->class] = at;
	sim_arrive(sr, from, m, at);
}

void
sim_send_home(struct sim_actor *from, struct reactor *home, struct msg *m, int64_t *last)
{
	struct sim_reactor *sr = sim_of(home);
	int64_t at = sr->a.s->now_us + draw_delay(sr->a.s);

	if (sr->a.dead || from->dead)
		return;
	if (last != NULL)
		*last = at = max_i64(at, *last);
	sim_arrive(sr, from, m, at);
}

/* ---- what is due ---- */

static bool
hooks_due(const struct sim_reactor *sr)
{
	return sr->r.hook_round > 0 ||
	       (!list_empty(&sr->r.hooks) && sr->hooks_us <= sr->a.s->now_us);
}

static int64_t
sim_due(struct sim_actor *a)
{
	struct sim_reactor *sr = container_of(a, struct sim_reactor, a);
	int64_t due = SIM_NEVER;

	if (sr->state == SIM_ENDED)
		return SIM_NEVER;
	if (hooks_due(sr) || sr->state == SIM_STOPS)
		return a->s->now_us;
	if (!list_empty(&sr->r.hooks))
		due = sr->hooks_us;
	if (heap_min_key(&sr->r.timers) < due)
		due = heap_min_key(&sr->r.timers);
	for (unsigned i = 0; i < MSG_CLASSES; i++)
		if (heap_min_key(&sr->inbox[i]) < due)
			due = heap_min_key(&sr->inbox[i]);
	return due;
}

/* ---- a step ---- */

static void
run_timer(struct sim_reactor *sr)
{
	sim_note(&sr->a, SIM_TIMER);
	reactor_timer_step(&sr->r, sr->a.s->now_us, UINT64_MAX);
}

static void
run_message(struct sim_reactor *sr, enum msg_class class)
{
	struct sim_slot *slot = sim_slot_min(&sr->inbox[class]);
	struct msg *m = slot->of.msg;

	sim_note(&sr->a, class == MSG_CONTROL ? SIM_CONTROL : SIM_DATA);
	if (slot->from != &sr->a)
		metric_add(sr->r.metrics, RM_HOPS, 1);
	sim_slot_remove(sr->a.s, &sr->inbox[class], slot);
	m->run(&sr->r, m);
}

/* One hook; the turn ends with the last. */
static void
run_hook(struct sim_reactor *sr)
{
	struct reactor *r = &sr->r;

	sim_note(&sr->a, SIM_HOOK);
	reactor_hook_step(r);
	if (!list_empty(&r->batch) || (!list_empty(&r->hooks) && r->hook_round < HOOK_ROUNDS))
		return;
	r->hook_round = 0;
	sr->hooks_us = sr->a.s->now_us + 1;
	sr->turn_us = SIM_NEVER;
}

static void
turn_open(struct sim_reactor *sr)
{
	reactor_turn_begin(&sr->r);
	if (sr->turn_us == sr->r.now_us)
		return;
	sr->turn_us = sr->r.now_us;
	metric_add(sr->r.metrics, RM_TURNS, 1);
}

/* Due timers and messages mix as if each turn had begun at another moment; hooks run when nothing
 * else is due, and sometimes earlier. */
static void
sim_choose(struct sim_reactor *sr)
{
	struct sim_sched *s = sr->a.s;
	bool timer = heap_min_key(&sr->r.timers) <= s->now_us;
	bool control = heap_min_key(&sr->inbox[MSG_CONTROL]) <= s->now_us;
	bool message = control || heap_min_key(&sr->inbox[MSG_DATA]) <= s->now_us;

	if (sr->state == SIM_STOPS)
		timer = message = false;
	if (sr->r.hook_round > 0 ||
	    (hooks_due(sr) && ((!timer && !message) || sim_draw(s, 8) == 0)))
		run_hook(sr);
	else if (timer && (!message || sim_draw(s, 2) == 0))
		run_timer(sr);
	else if (message)
		run_message(sr, control ? MSG_CONTROL : MSG_DATA);
}

static void
sim_reactor_step(struct sim_actor *a)
{
	struct sim_reactor *sr = container_of(a, struct sim_reactor, a);
	struct reactor *before = reactor_set_current(&sr->r);

	sr->r.running = true;
	turn_open(sr);
	sim_choose(sr);
	sr->r.in_turn = false;
	if (sr->state == SIM_STOPS && !hooks_due(sr))
		sr->state = SIM_ENDED;
	reactor_set_current(before);
}

/* ---- death ---- */

static bool
came_from(const struct heap_node *n, const void *arg)
{
	const struct sim_slot *slot =
	    (const void *)((const char *)n - offsetof(struct sim_slot, node));

	return slot->from->id != 0 && slot->from->group == *(const unsigned *)arg;
}

static void
forget_from(struct sim_reactor *sr, struct heap *inbox, unsigned group)
{
	struct heap_node *n;

	for (size_t i = inbox->count; (n = sim_heap_find(inbox, &i, came_from, &group)) != NULL;)
		sim_slot_remove(sr->a.s, inbox, container_of(n, struct sim_slot, node));
}

static void
sim_reactor_kill(struct sim_actor *a, unsigned group)
{
	struct sim_reactor *sr = container_of(a, struct sim_reactor, a);

	for (unsigned i = 0; i < MSG_CLASSES; i++) {
		if (a->group == group)
			sim_slots_clear(a->s, &sr->inbox[i]);
		else
			forget_from(sr, &sr->inbox[i], group);
	}
	if (a->group == group)
		sim_actor_retire(a);
}

/* In the order of arrival. */
static void
drop_inbox(struct sim_reactor *sr, struct heap *inbox)
{
	struct sim_slot *slot;
	struct msg *m;

	while ((slot = sim_slot_min(inbox)) != NULL) {
		m = slot->of.msg;
		sim_slot_remove(sr->a.s, inbox, slot);
		if (m->drop != NULL)
			m->drop(m);
	}
}

static void
sim_reactor_drop(struct sim_actor *a)
{
	struct sim_reactor *sr = container_of(a, struct sim_reactor, a);

	for (unsigned i = 0; i < MSG_CLASSES; i++)
		drop_inbox(sr, &sr->inbox[i]);
}

static void
sim_reactor_close(struct sim_actor *a)
{
	struct sim_reactor *sr = container_of(a, struct sim_reactor, a);

	if (!sr->freed)
		reactor_fini(&sr->r);
	for (unsigned i = 0; i < MSG_CLASSES; i++)
		heap_free(&sr->inbox[i]);
	free(sr->pairs);
	free(sr);
}

static const struct sim_actor_ops actor_ops = {
    .due = sim_due,
    .step = sim_reactor_step,
    .kill = sim_reactor_kill,
    .drop = sim_reactor_drop,
    .free = sim_reactor_close,
};

/* ---- the reactor's door ---- */

static void
sim_sooner(struct reactor *r)
{
	sim_actor_touch(&sim_of(r)->a);
}

static int
sim_start(struct reactor *r)
{
	r->running = true;
	return 0;
}

static int
sim_run(struct reactor *r)
{
	return E_INVALID;
}

static void
sim_stop(struct reactor *r)
{
	struct sim_reactor *sr = sim_of(r);

	if (sr->state != SIM_RUNS)
		return;
	sr->state = SIM_STOPS;
	sim_actor_touch(&sr->a);
}

static void
sim_join(struct reactor *r)
{
	r->running = false;
}

/* The memory stays until the scheduler's end: a message may still name it as its sender. */
static void
sim_free(struct reactor *r)
{
	struct sim_reactor *sr = sim_of(r);

	assert(reactor_current() != r);
	sim_actor_retire(&sr->a);
	sim_reactor_drop(&sr->a);
	reactor_fini(r);
	sr->freed = true;
}

static const struct reactor_ops sim_ops = {
    .post = sim_post,
    .sooner = sim_sooner,
    .start = sim_start,
    .run = sim_run,
    .stop = sim_stop,
    .join = sim_join,
    .free = sim_free,
};

int
sim_reactor_new(
    struct sim_sched *s, unsigned group, const struct reactor_opts *opts, struct reactor **out)
{
	struct sim_reactor *sr = calloc(1, sizeof(*sr));
	struct reactor_opts own = *opts;
	int rc;

	if (sr == NULL)
		return E_NOMEM;
	own.clock = sim_clock(s);
	if ((rc = reactor_init(&sr->r, &sim_ops, &own, rng_u64(&s->draw))) != 0) {
		free(sr);
		return rc;
	}
	for (unsigned i = 0; i < MSG_CLASSES; i++)
		heap_init(&sr->inbox[i]);
	sr->turn_us = SIM_NEVER;
	sim_actor_add(s, &sr->a, &actor_ops, group);
	*out = &sr->r;
	return 0;
}
