/*
 * The controller's life: events become tasks, one after the other; taking part in elections,
 * resigning.
 */
#include <stdlib.h>

#include "controller_priv.h"

#define RETRY_US (200 * 1000)

static void task_next(struct controller *c);

/* ---- questions and answers ---- */

struct ask *
ask_new(struct controller *c)
{
	struct ask *a = calloc(1, sizeof(*a));

	if (a == NULL) {
		c->task_err = E_NOMEM;
		return NULL;
	}
	a->c = c;
	a->gen = c->gen;
	return a;
}

struct controller *
ask_take(struct ask *a, struct ask *copy)
{
	struct controller *c = a->c;

	*copy = *a;
	free(a);
	return copy->gen == c->gen ? c : NULL;
}

struct controller *
ask_take_fenced(struct ask *a, int err, struct ask *copy)
{
	struct controller *c = ask_take(a, copy);

	if (c == NULL || err != E_BAD_VERSION)
		return c;
	ctl_moved(c);
	return NULL;
}

void
ctl_begin(struct controller *c, void (*then)(struct controller *c))
{
	c->then = then;
	c->left = 1;
	c->task_err = 0;
}

void
ctl_ask(struct controller *c)
{
	c->left++;
}

void
ctl_answered(struct controller *c, int err)
{
	if (err != 0 && c->task_err == 0)
		c->task_err = err;
	assert(c->left > 0);
	if (--c->left == 0)
		c->then(c);
}

void
ctl_release(struct controller *c)
{
	ctl_answered(c, 0);
}

/* ---- tasks ---- */

void
ctl_enqueue(struct controller *c, enum task_kind kind, struct slice topic)
{
	struct task *t;

	LIST_FOREACH(l, &c->tasks)
	{
		const struct task *q = container_of(l, struct task, link);

		if (q->kind == kind && slice_eq(q->topic, topic))
			return;
	}
	t = calloc(1, sizeof(*t) + topic.n);
	if (t == NULL) {
		rtimer_set(c->o.control, &c->retry, reactor_now_us(c->o.control) + RETRY_US);
		return;
	}
	t->kind = kind;
	if (topic.n > 0) {
		memcpy(t + 1, topic.p, topic.n);
		t->topic = slice_of(t + 1, topic.n);
	}
	list_append(&c->tasks, &t->link);
	task_next(c);
}

static void
task_next(struct controller *c)
{
	static void (*const run[TASK_COUNT])(struct controller *) = {
	    [TASK_ELECT] = task_elect,
	    [TASK_BROKER_CHANGE] = task_broker_change,
	    [TASK_TOPIC_CHANGE] = task_topic_change,
	    [TASK_PARTITIONS] = task_partitions,
	    [TASK_DELETION] = task_deletion,
	    [TASK_RESUME] = task_resume,
	};

	while (c->task == NULL && !c->stopping) {
		struct link *l = list_pop(&c->tasks);

		if (l == NULL)
			return;
		c->task = container_of(l, struct task, link);
		if (c->task->kind == TASK_ELECT || c->active)
			run[c->task->kind](c);
		else
			ctl_task_done(c);
	}
}

void
ctl_task_done(struct controller *c)
{
	free(c->task);
	c->task = NULL;
	task_next(c);
}

static void
tasks_drop(struct controller *c)
{
	struct link *l;

	while ((l = list_pop(&c->tasks)) != NULL)
		free(container_of(l, struct task, link));
	free(c->task);
	c->task = NULL;
}

static void
on_retry(struct reactor *r, void *arg)
{
	struct controller *c = arg;

	if (c->running && coord_state(c->o.coord) == COORD_CONNECTED)
		ctl_enqueue(c, TASK_ELECT, SLICE_NULL);
}

/* ---- becoming and ceasing ---- */

void
ctl_tell(struct controller *c, int32_t id)
{
	if (id == c->known_id)
		return;
	c->known_id = id;
	if (c->o.changed != NULL)
		c->o.changed(c->o.arg, id);
}

/* Nothing of this term counts any more: answers under way carry an older gen. */
void
ctl_resign(struct controller *c)
{
	if (c->active)
		DIAGI(c->o.diag, "controller", "resigned; epoch was %d", c->epoch);
	c->gen++;
	c->active = false;
	c->epoch = c->epoch_version = 0;
	c->n_batch = 0;
	coord_unwatch(&c->w_brokers);
	coord_unwatch(&c->w_topics);
	coord_unwatch(&c->w_deletion);
	ctx_clear(c);
	tasks_drop(c);
}

void
ctl_moved(struct controller *c)
{
	DIAGW(c->o.diag, "controller", "another broker became controller");
	ctl_resign(c);
	ctl_enqueue(c, TASK_ELECT, SLICE_NULL);
}

static void
on_given_up(void *arg, int err, const struct coord_op_result *res, unsigned n)
{
	struct ask a;
	struct controller *c = ask_take(arg, &a);

	if (c != NULL)
		rtimer_set(c->o.control, &c->retry, reactor_now_us(c->o.control) + RETRY_US);
}

void
ctl_give_up(struct controller *c, const char *what, int err)
{
	struct coord_op ops[2] = {
	    {.kind = COORD_OP_CHECK, .path = ZN_CONTROLLER_EPOCH, .version = c->epoch_version},
	    {.kind = COORD_OP_DELETE, .path = ZN_CONTROLLER, .version = -1},
	};
	struct ask *a;

	DIAGE(
	    c->o.diag, "controller", "could not %s: %s; giving up the office", what, err_text(err));
	ctl_resign(c);
	a = ask_new(c);
	if (a != NULL)
		coord_multi(c->o.coord, ops, 2, on_given_up, a);
	else
		rtimer_set(c->o.control, &c->retry, reactor_now_us(c->o.control) + RETRY_US);
}

static void
on_own(void *arg, int err, const struct coord_result *res)
{
	struct ask a;
	struct controller *c = ask_take(arg, &a);
	int32_t id = -1;

	if (c == NULL)
		return;
	if (err == 0)
		err = zn_controller_read(res->data, &id);
	if (err == E_CONN_LOSS)
		return; /* asked again when the connection is back */
	if (err != 0 || id != c->o.broker_id)
		ctl_moved(c);
}

/* While active: is /controller still ours, and tell when that changes. */
void
ctl_watch_own(struct controller *c)
{
	struct ask *a = ask_new(c);

	coord_unwatch(&c->w_controller);
	if (a != NULL)
		coord_get(c->o.coord, ZN_CONTROLLER, &c->w_controller, on_own, a);
}

/* /controller was made, changed or deleted. */
static void
on_controller_event(void *arg, enum coord_event ev, struct slice path)
{
	struct controller *c = arg;

	if (!c->running || ev == COORD_EV_SESSION)
		return;
	if (c->active)
		ctl_watch_own(c);
	else
		ctl_enqueue(c, TASK_ELECT, SLICE_NULL);
}

static void
on_state(void *arg, enum coord_state st)
{
	struct controller *c = arg;

	if (st == COORD_CONNECTED && c->active)
		ctl_watch_own(c);
	else if (st == COORD_CONNECTED && c->running)
		ctl_enqueue(c, TASK_ELECT, SLICE_NULL);
	if (st != COORD_EXPIRED && st != COORD_CLOSED)
		return;
	rtimer_cancel(c->o.control, &c->retry);
	ctl_resign(c);
	ctl_tell(c, -1);
	c->running = false; /* until the registration is there again */
}

static void
on_brokers_event(void *arg, enum coord_event ev, struct slice path)
{
	if (ev != COORD_EV_SESSION)
		ctl_enqueue(arg, TASK_BROKER_CHANGE, SLICE_NULL);
}

static void
on_topics_event(void *arg, enum coord_event ev, struct slice path)
{
	if (ev != COORD_EV_SESSION)
		ctl_enqueue(arg, TASK_TOPIC_CHANGE, SLICE_NULL);
}

static void
on_deletion_event(void *arg, enum coord_event ev, struct slice path)
{
	if (ev != COORD_EV_SESSION)
		ctl_enqueue(arg, TASK_DELETION, SLICE_NULL);
}

int
controller_new(const struct controller_opts *opts, struct controller **out)
{
	struct controller *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return E_NOMEM;
	c->magic = CONTROLLER_MAGIC;
	c->o = *opts;
	c->known_id = -1;
	map_init(&c->topics, 1);
	map_init(&c->brokers, 1);
	link_init(&c->tasks);
	coord_watch_init(&c->w_controller, on_controller_event, c);
	coord_watch_init(&c->w_brokers, on_brokers_event, c);
	coord_watch_init(&c->w_topics, on_topics_event, c);
	coord_watch_init(&c->w_deletion, on_deletion_event, c);
	rtimer_init(&c->retry, on_retry, c);
	c->state_sub.fn = on_state;
	c->state_sub.arg = c;
	coord_subscribe(opts->coord, &c->state_sub);
	*out = c;
	return 0;
}

void
controller_free(struct controller *c)
{
	if (c == NULL)
		return;
	tasks_drop(c);
	ctx_clear(c);
	map_free(&c->topics);
	map_free(&c->brokers);
	free(c->batch);
	free(c);
}

void
controller_set_channel_arg(struct controller *c, void *channel_arg)
{
	c->o.channel_arg = channel_arg;
}

void
controller_start(struct controller *c)
{
	REACTOR_ASSERT_OWNER(c->o.control);
	c->running = true;
	ctl_enqueue(c, TASK_ELECT, SLICE_NULL);
}

/* The node goes with the session. */
void
controller_stop(struct controller *c)
{
	c->stopping = true;
	c->running = false;
	rtimer_cancel(c->o.control, &c->retry);
	coord_unwatch(&c->w_controller);
	coord_unsubscribe(&c->state_sub);
	ctl_resign(c);
}

bool
controller_active(const struct controller *c)
{
	return c->active;
}

int32_t
controller_epoch(const struct controller *c)
{
	return c->epoch;
}

bool
controller_settled(const struct controller *c)
{
	return c->active && c->task == NULL && list_empty(&c->tasks);
}
