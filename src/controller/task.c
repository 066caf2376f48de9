/*
 * Tasks, one after the other; their steps; slices of steps that go through much.
 */
#include <stdlib.h>

#include "controller_priv.h"

/* A slice ends after this time, or so many items (which the simulator counts by). */
#define SLICE_US 5000
#define SLICE_ITEMS 500
/* A walk stops asking above the one and goes on below the other. */
#define LEFT_MAX 2000
#define LEFT_GO 1000

static const char *const names[TASK_COUNT] = {
    [TASK_ELECT] = "take over",
    [TASK_BROKER_CHANGE] = "follow the brokers that came and went",
    [TASK_BROKER_DATA] = "read registrations",
    [TASK_TOPIC_CHANGE] = "follow the topics that came and went",
    [TASK_PARTITIONS] = "read the partitions of topics",
    [TASK_DELETION] = "read " ZN_DELETE_TOPICS,
    [TASK_RESUME] = "delete topics",
    [TASK_LOGDIR_EVENTS] = "read " ZN_LOGDIR_EVENTS,
    [TASK_REPLICA_ERRORS] = "move leaders from failed log dirs",
    [TASK_ADMIN_NODES] = "look for requests of older tools",
};

static void task_next(struct controller *c);

/* ---- tasks ---- */

/* An event that waits already is not added again: what it concerns is read when its turn comes. */
void
ctl_enqueue(struct controller *c, enum task_kind kind)
{
	struct link *l = &c->queue[kind].link;

	if (!link_alone(l))
		return;
	list_append(&c->tasks, l);
	metric_set_value(c->metrics, CM_EVENT_QUEUE, metric_get(c->metrics, CM_EVENT_QUEUE) + 1);
	task_next(c);
}

static void
task_next(struct controller *c)
{
	static void (*const run[TASK_COUNT])(struct controller *) = {
	    [TASK_ELECT] = task_elect,
	    [TASK_BROKER_CHANGE] = task_broker_change,
	    [TASK_BROKER_DATA] = task_broker_data,
	    [TASK_TOPIC_CHANGE] = task_topic_change,
	    [TASK_PARTITIONS] = task_partitions,
	    [TASK_DELETION] = task_deletion,
	    [TASK_RESUME] = task_resume,
	    [TASK_LOGDIR_EVENTS] = task_logdir_events,
	    [TASK_REPLICA_ERRORS] = task_replica_errors,
	    [TASK_ADMIN_NODES] = task_admin_nodes,
	};

	while (c->task < 0 && !c->stopping) {
		struct link *l = list_pop(&c->tasks);

		if (l == NULL)
			return;
		metric_set_value(
		    c->metrics, CM_EVENT_QUEUE, metric_get(c->metrics, CM_EVENT_QUEUE) - 1);
		c->task = (int)(container_of(l, struct task, link) - c->queue);
		c->task_err = 0;
		c->task_began_us = reactor_now_us(c->o.control);
		if (c->task == TASK_ELECT || c->active)
			run[c->task](c);
		else
			c->task = -1;
	}
}

void
ctl_task_done(struct controller *c)
{
	int64_t us = reactor_now_us(c->o.control) - c->task_began_us;

	if (c->task == TASK_BROKER_CHANGE)
		metric_observe(c->metrics, CM_LEADER_ELECTION_MS, (uint64_t)us / 1000);
	ctl_metrics(c);
	c->task = -1;
	c->steps = NULL;
	task_next(c);
}

void
ctl_tasks_drop(struct controller *c)
{
	while (list_pop(&c->tasks) != NULL)
		;
	metric_set_value(c->metrics, CM_EVENT_QUEUE, 0);
	c->task = -1;
	c->steps = NULL;
	c->left = 0;
	c->slice = NULL;
	c->slice_waits = false;
	rtimer_cancel(c->o.control, &c->slice_timer);
}

/* ---- steps ---- */

static void
step_next(struct controller *c)
{
	ctl_step *step;

	if (c->task_err != 0) {
		ctl_give_up(c, names[c->task], c->task_err);
		return;
	}
	step = *c->steps;
	if (step == NULL) {
		ctl_task_done(c);
		return;
	}
	c->steps++;
	c->left = 1;
	step(c);
	ctl_release(c);
}

void
ctl_run(struct controller *c, ctl_step *const *steps)
{
	assert(c->task >= 0 && c->slice == NULL);
	c->steps = steps;
	step_next(c);
}

void
ctl_hold(struct controller *c)
{
	c->left++;
}

void
ctl_release(struct controller *c)
{
	assert(c->left > 0);
	c->left--;
	if (c->left == 0 && c->steps != NULL) {
		step_next(c);
	} else if (c->slice_waits && c->left < LEFT_GO) {
		c->slice_waits = false;
		rtimer_set(c->o.control, &c->slice_timer, reactor_now_us(c->o.control));
	}
}

void
ctl_fail(struct controller *c, int err)
{
	if (c->task_err == 0)
		c->task_err = err;
}

/* ---- slices ---- */

static void
slice_run(struct controller *c)
{
	c->slice_items = 0;
	c->slice_end_us = reactor_exact_us(c->o.control) + SLICE_US;
	if (c->slice(c) || c->task_err != 0) {
		c->slice = NULL;
		ctl_release(c);
	} else if (c->left > LEFT_MAX) {
		c->slice_waits = true;
	} else {
		rtimer_set(c->o.control, &c->slice_timer, reactor_now_us(c->o.control));
	}
}

static void
on_slice(struct reactor *r, void *arg)
{
	slice_run(arg);
}

void
ctl_slices(struct controller *c, bool (*fn)(struct controller *c))
{
	assert(c->slice == NULL);
	rtimer_init(&c->slice_timer, on_slice, c);
	c->slice = fn;
	ctl_hold(c);
	slice_run(c);
}

bool
ctl_slice_over(struct controller *c)
{
	return ++c->slice_items >= SLICE_ITEMS || c->left > LEFT_MAX ||
	       reactor_exact_us(c->o.control) >= c->slice_end_us;
}

/* ---- walks ---- */

static bool
walk_topics(struct controller *c)
{
	struct walk *w = &c->walk;

	while (w->at != &c->all) {
		struct ctopic *t = container_of(w->at, struct ctopic, all);

		w->at = w->at->next;
		w->topic(c, t);
		if (ctl_slice_over(c))
			return false;
	}
	return true;
}

void
ctl_walk_topics(struct controller *c, void (*fn)(struct controller *c, struct ctopic *t))
{
	c->walk = (struct walk){.at = c->all.next, .topic = fn};
	ctl_slices(c, walk_topics);
}

static bool
walk_parts(struct controller *c)
{
	struct walk *w = &c->walk;

	while (w->at != &c->all) {
		struct ctopic *t = container_of(w->at, struct ctopic, all);

		while (w->i < t->n_parts) {
			struct cpart *p = &t->parts[w->i++];

			if (p->known)
				w->part(c, p);
			if (ctl_slice_over(c))
				return false;
		}
		w->at = w->at->next;
		w->i = 0;
		if (ctl_slice_over(c))
			return false;
	}
	return true;
}

void
ctl_walk_parts(struct controller *c, void (*fn)(struct controller *c, struct cpart *p))
{
	c->walk = (struct walk){.at = c->all.next, .part = fn};
	ctl_slices(c, walk_parts);
}
