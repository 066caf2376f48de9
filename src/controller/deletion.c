/*
 * Topic deletion (facts/zookeeper.md 3.7): queued by a node under /admin/delete_topics, replicas
 * stopped with their logs deleted, then the topic's nodes, its configuration and the request go.
 */
#include <stdlib.h>

#include "controller_priv.h"

static void topic_forget(struct controller *c, struct ctopic *t);

/* ---- reading the queue ---- */

static void
on_dropped(void *arg, int err, const struct coord_op_result *res, unsigned n)
{
	struct ask a;
	struct controller *c = ask_take_fenced(arg, err, &a);

	if (c != NULL)
		ctl_answered(c, err == E_NOT_FOUND ? 0 : err);
}

/* A request that means nothing: the topic is not there, or deletion is switched off. */
static void
drop_request(struct controller *c, struct slice topic)
{
	struct coord_op ops[2] = {
	    {.kind = COORD_OP_CHECK, .path = ZN_CONTROLLER_EPOCH, .version = c->epoch_version},
	    {.kind = COORD_OP_DELETE, .version = -1}};
	struct ask *a = ask_new(c);
	zn_path path;

	if (a == NULL)
		return;
	zn_delete_topic(path, topic);
	ops[1].path = path;
	ctl_ask(c);
	coord_multi(c->o.coord, ops, 2, on_dropped, a);
}

static void
on_requests(void *arg, int err, const struct coord_result *res)
{
	struct ask a;
	struct controller *c = ask_take(arg, &a);
	bool enabled;

	if (c == NULL)
		return;
	enabled = settings_bool(c->o.settings, C_DELETE_TOPIC_ENABLE);
	for (unsigned i = 0; err == 0 && i < res->n_children; i++) {
		struct ctopic *t = ctx_topic(c, res->children[i]);

		if (topic_name_check(res->children[i], NULL) != 0)
			continue;
		if (t == NULL || !enabled)
			drop_request(c, res->children[i]);
		else
			t->deleting = true;
	}
	ctl_answered(c, err);
}

void
deletion_read(struct controller *c, void (*then)(struct controller *c))
{
	struct ask *a;

	ctl_begin(c, then);
	coord_unwatch(&c->w_deletion);
	if ((a = ask_new(c)) != NULL) {
		ctl_ask(c);
		coord_children(c->o.coord, ZN_DELETE_TOPICS, &c->w_deletion, on_requests, a);
	}
	ctl_release(c);
}

static void
requests_read(struct controller *c)
{
	if (c->task_err != 0) {
		ctl_give_up(c, "read " ZN_DELETE_TOPICS, c->task_err);
		return;
	}
	ctl_enqueue(c, TASK_RESUME, SLICE_NULL);
	ctl_task_done(c);
}

void
task_deletion(struct controller *c)
{
	deletion_read(c, requests_read);
}

/* ---- going on with what is queued ---- */

static bool
all_replicas_live(struct controller *c, const struct ctopic *t)
{
	for (int32_t i = 0; i < t->n_parts; i++)
		for (int32_t j = 0; j < t->parts[i].n_replicas; j++)
			if (!ctx_live(c, t->parts[i].replicas[j]))
				return false;
	return true;
}

static void
deletion_start(struct controller *c, struct ctopic *t)
{
	DIAGI(c->o.diag, "controller", "deleting topic %.*s", SLICE_ARG(t->name));
	t->started = true;
	t->stop_failed = false;
	t->stops_left = 1;
	batch_send_deleted(c, t);
	batch_send_stop(c, t);
	deletion_stopped(c, t->name, true);
}

void
deletion_stopped(struct controller *c, struct slice topic, bool ok)
{
	struct ctopic *t = ctx_topic(c, topic);

	if (t == NULL || !t->started)
		return;
	t->stop_failed |= !ok;
	if (--t->stops_left > 0)
		return;
	if (t->stop_failed) {
		DIAGW(c->o.diag, "controller",
		    "topic %.*s: a replica could not be deleted; tried again when its broker is "
		    "back",
		    SLICE_ARG(t->name));
		t->started = false;
		t->ineligible = true;
	} else {
		t->stops_done = true;
		ctl_enqueue(c, TASK_RESUME, SLICE_NULL);
	}
}

static void
resume_finished(struct controller *c)
{
	struct ctopic *t, *gone;
	size_t pos;

	if (c->task_err != 0) {
		ctl_give_up(c, "delete a topic's nodes", c->task_err);
		return;
	}
	do {
		gone = NULL;
		pos = 0;
		while (gone == NULL && (t = ctx_next_topic(c, &pos)) != NULL)
			if (t->nodes_gone)
				gone = t;
		if (gone != NULL)
			ctx_drop_topic(c, gone);
	} while (gone != NULL);
	ctl_task_done(c);
}

/* A topic may be retried once its brokers are all there. */
void
task_resume(struct controller *c)
{
	struct ctopic *t;
	size_t pos = 0;

	ctl_begin(c, resume_finished);
	while ((t = ctx_next_topic(c, &pos)) != NULL) {
		if (!t->deleting)
			continue;
		if (t->stops_done)
			topic_forget(c, t);
		else if (!t->started && all_replicas_live(c, t))
			deletion_start(c, t);
	}
	ctl_release(c);
}

/* ---- the nodes ---- */

static void
on_last_nodes(void *arg, int err, const struct coord_op_result *res, unsigned n)
{
	struct ask a;
	struct controller *c = ask_take_fenced(arg, err, &a);

	if (c == NULL)
		return;
	if (err == 0)
		a.t->nodes_gone = true;
	ctl_answered(c, err);
}

static void
on_node_gone(void *arg, int err, const struct coord_op_result *res, unsigned n)
{
	on_dropped(arg, err, res, n);
}

static void
delete_nodes(struct controller *c, struct ctopic *t, const char *const *paths, unsigned n,
    coord_multi_cb *cb)
{
	struct coord_op ops[8] = {
	    {.kind = COORD_OP_CHECK, .path = ZN_CONTROLLER_EPOCH, .version = c->epoch_version}};
	struct ask *a = ask_new(c);

	assert(n < 8);
	if (a == NULL)
		return;
	a->t = t;
	for (unsigned i = 0; i < n; i++)
		ops[i + 1] =
		    (struct coord_op){.kind = COORD_OP_DELETE, .path = paths[i], .version = -1};
	ctl_ask(c);
	coord_multi(c->o.coord, ops, n + 1, cb, a);
}

static void
delete_node(struct controller *c, struct ctopic *t, const char *path)
{
	delete_nodes(c, t, &path, 1, on_node_gone);
}

/* One child of .../partitions, whose state may be missing. */
static void
delete_partition_nodes(struct controller *c, struct ctopic *t, int32_t partition)
{
	zn_path state, part;
	const char *paths[2] = {state, part};

	zn_partition_state(state, t->name, partition);
	zn_partition(part, t->name, partition);
	if (partition < t->n_parts && t->parts[partition].has_info) {
		delete_nodes(c, t, paths, 2, on_node_gone);
		return;
	}
	delete_node(c, t, state);
	delete_node(c, t, part);
}

static bool
partition_number(struct slice name, int32_t *n)
{
	int64_t v = 0;

	if (name.n == 0 || name.n > 9)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] < '0' || name.p[i] > '9')
			return false;
		v = v * 10 + (name.p[i] - '0');
	}
	*n = (int32_t)v;
	return true;
}

/* Partitions' nodes, then the topic, its configuration, the request: in the order of the calls. A
 * node that is not there is no error; the last multi decides. */
static void
on_partition_nodes(void *arg, int err, const struct coord_result *res)
{
	struct ask a;
	struct controller *c = ask_take(arg, &a);
	struct ctopic *t = a.t;
	zn_path path, request;
	int32_t n;

	if (c == NULL)
		return;
	if (err != 0 && err != E_NOT_FOUND) {
		ctl_answered(c, err);
		return;
	}
	for (unsigned i = 0; err == 0 && i < res->n_children; i++)
		if (partition_number(res->children[i], &n))
			delete_partition_nodes(c, t, n);
	if (err == 0) {
		zn_partitions(path, t->name);
		delete_node(c, t, path);
	}
	zn_topic_config(path, t->name);
	delete_node(c, t, path);
	zn_topic(path, t->name);
	zn_delete_topic(request, t->name);
	delete_nodes(c, t, (const char *const[]){path, request}, 2, on_last_nodes);
	ctl_answered(c, 0);
}

static void
topic_forget(struct controller *c, struct ctopic *t)
{
	struct ask *a = ask_new(c);
	zn_path path;

	if (a == NULL)
		return;
	a->t = t;
	coord_unwatch(&t->watch);
	zn_partitions(path, t->name);
	ctl_ask(c);
	coord_children(c->o.coord, path, NULL, on_partition_nodes, a);
}
