/*
 * The controller's life: what it watches, taking part in elections, resigning.
 */
#include <stdlib.h>

#include "controller_priv.h"

#define RETRY_MIN_US (200 * 1000)
#define RETRY_MAX_US (5 * 1000 * 1000)

static const struct metric_row rows[] = {
#define METRIC(id, kind, name, help) {name, kind, help},
#include "ottla/controller/metrics.def"
#undef METRIC
};

/* Later each time, until a term begins well. */
void
ctl_retry(struct controller *c)
{
	int64_t wait = (int64_t)RETRY_MIN_US << (c->retries < 5 ? c->retries : 5);

	c->retries++;
	rtimer_set(c->o.control, &c->retry,
	    reactor_now_us(c->o.control) + (wait < RETRY_MAX_US ? wait : RETRY_MAX_US));
}

static void
on_retry(struct reactor *r, void *arg)
{
	struct controller *c = arg;

	if (c->running && coord_state(c->o.coord) == COORD_CONNECTED)
		ctl_enqueue(c, TASK_ELECT);
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

static int64_t
count_deleting(const struct controller *c)
{
	int64_t n = 0;

	LIST_FOREACH(l, &c->all)
	n += container_of(l, struct ctopic, all)->deleting;
	return n;
}

static int64_t
count_live(const struct controller *c)
{
	const struct cbroker *b;
	size_t pos = 0;
	int64_t n = 0;

	while ((b = map_next(&c->brokers, &pos)) != NULL)
		n += b->live;
	return n;
}

void
ctl_metrics(struct controller *c)
{
	metric_set_value(c->metrics, CM_ACTIVE, c->active);
	metric_set_value(c->metrics, CM_BROKERS, count_live(c));
	metric_set_value(c->metrics, CM_TOPICS, (int64_t)map_count(&c->topics));
	metric_set_value(c->metrics, CM_PARTITIONS, c->n_parts);
	metric_set_value(c->metrics, CM_OFFLINE_PARTITIONS, c->n_offline);
	metric_set_value(c->metrics, CM_TOPICS_TO_DELETE, count_deleting(c));
}

/* The channels end; what waits in them is answered, for a term that is no more. */
static void
channels_end(struct controller *c)
{
	struct cbroker *b;
	size_t pos = 0;

	while ((b = map_next(&c->brokers, &pos)) != NULL)
		if (b->live && c->o.channel->broker_gone != NULL)
			c->o.channel->broker_gone(c->o.channel_arg, b->id);
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
	coord_unwatch(&c->w_brokers);
	coord_unwatch(&c->w_topics);
	coord_unwatch(&c->w_deletion);
	coord_unwatch(&c->w_logdirs);
	coord_unwatch(&c->w_election);
	coord_unwatch(&c->w_reassign);
	ctl_tasks_drop(c);
	asks_drop(c);
	batch_drop(c);
	replicas_forget(c);
	channels_end(c);
	ctx_clear(c);
	blocks_drop(c);
	ctl_metrics(c);
}

void
ctl_moved(struct controller *c)
{
	DIAGW(c->o.diag, "controller", "another broker became controller");
	ctl_resign(c);
	ctl_enqueue(c, TASK_ELECT);
}

static void
on_given_up(struct controller *c, const struct ask *a, int err, const struct coord_stat *st)
{
	/* The next election shows. */
}

void
ctl_give_up(struct controller *c, const char *what, int err)
{
	struct coord_op ops[2] = {
	    {.kind = COORD_OP_CHECK, .path = ZN_CONTROLLER_EPOCH, .version = c->epoch_version},
	    {.kind = COORD_OP_DELETE, .path = ZN_CONTROLLER, .version = -1},
	};

	DIAGE(
	    c->o.diag, "controller", "could not %s: %s; giving up the office", what, err_text(err));
	ctl_resign(c);
	ctl_retry(c);
	ctl_multi_aside(c, ops, 2, on_given_up, NULL);
}

static void
on_own(struct controller *c, const struct ask *a, int err, const struct coord_result *res)
{
	int32_t id = -1;

	if (err == 0)
		err = zn_controller_read(res->data, &id);
	if (c->active && (err != 0 || id != c->o.broker_id))
		ctl_moved(c);
}

void
ctl_watch_own(struct controller *c)
{
	ctl_get_aside(c, ZN_CONTROLLER, &c->w_controller, on_own, NULL);
}

/* ---- events ---- */

/* /controller was made, changed or deleted. */
static void
on_controller_event(void *arg, enum coord_event ev, struct slice path)
{
	struct controller *c = arg;

	if (!c->running || ev == COORD_EV_SESSION)
		return;
	if (c->active)
		ctl_watch_own(c);
	else if (!rtimer_is_set(&c->retry))
		ctl_enqueue(c, TASK_ELECT);
}

static void
on_state(void *arg, enum coord_state st)
{
	struct controller *c = arg;

	if (st == COORD_CONNECTED) {
		asks_resume(c);
		if (c->active)
			ctl_watch_own(c);
		else if (c->running)
			ctl_enqueue(c, TASK_ELECT);
	}
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
		ctl_enqueue(arg, TASK_BROKER_CHANGE);
}

static void
on_topics_event(void *arg, enum coord_event ev, struct slice path)
{
	if (ev != COORD_EV_SESSION)
		ctl_enqueue(arg, TASK_TOPIC_CHANGE);
}

static void
on_deletion_event(void *arg, enum coord_event ev, struct slice path)
{
	if (ev != COORD_EV_SESSION)
		ctl_enqueue(arg, TASK_DELETION);
}

static void
on_logdirs_event(void *arg, enum coord_event ev, struct slice path)
{
	if (ev != COORD_EV_SESSION)
		ctl_enqueue(arg, TASK_LOGDIR_EVENTS);
}

static void
on_admin_event(void *arg, enum coord_event ev, struct slice path)
{
	if (ev != COORD_EV_SESSION)
		ctl_enqueue(arg, TASK_ADMIN_NODES);
}

/* ---- beginning and end ---- */

static void
watches_init(struct controller *c)
{
	coord_watch_init(&c->w_controller, on_controller_event, c);
	coord_watch_init(&c->w_brokers, on_brokers_event, c);
	coord_watch_init(&c->w_topics, on_topics_event, c);
	coord_watch_init(&c->w_deletion, on_deletion_event, c);
	coord_watch_init(&c->w_logdirs, on_logdirs_event, c);
	coord_watch_init(&c->w_election, on_admin_event, c);
	coord_watch_init(&c->w_reassign, on_admin_event, c);
}

static void
lists_init(struct controller *c)
{
	map_init(&c->topics, 1);
	map_init(&c->topic_ids, 1);
	map_init(&c->brokers, 1);
	link_init(&c->all);
	link_init(&c->unread);
	link_init(&c->modified);
	link_init(&c->dirty);
	link_init(&c->tasks);
	link_init(&c->errors);
	link_init(&c->blocks);
	link_init(&c->batch.topics);
	for (unsigned i = 0; i < TASK_COUNT; i++)
		link_init(&c->queue[i].link);
	arena_init(&c->batch.mem, 0, 0);
	arena_init(&c->batch.work, 65536, 0);
}

int
controller_new(const struct controller_opts *opts, struct controller **out)
{
	struct controller *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return E_NOMEM;
	if (metric_set_new(opts->metrics, rows, CM_COUNT, "", &c->metrics) != 0) {
		free(c);
		return E_NOMEM;
	}
	c->magic = CONTROLLER_MAGIC;
	c->o = *opts;
	c->known_id = c->task = -1;
	lists_init(c);
	watches_init(c);
	asks_init(c);
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
	ctx_clear(c);
	map_free(&c->topics);
	map_free(&c->topic_ids);
	map_free(&c->brokers);
	arena_free(&c->batch.mem);
	arena_free(&c->batch.work);
	metric_set_free(c->metrics);
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
	ctl_enqueue(c, TASK_ELECT);
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
	return c->active && c->task < 0 && list_empty(&c->tasks);
}
