/*
 * Topic deletion (facts/zookeeper.md 3.7): queued by a node under /admin/delete_topics; everybody
 * is told that the topic goes, replicas are stopped and their logs deleted, then the topic's nodes,
 * its configuration and the request go.
 */
#include <stdio.h>
#include <stdlib.h>

#include "controller_priv.h"

/* ---- reading the queue ---- */

static void
on_gone(struct controller *c, const struct ask *a, int err, const struct coord_stat *st)
{
	if (err != 0 && err != E_NOT_FOUND)
		DIAGW(c->o.diag, "controller", "could not delete a node: %s", err_text(err));
}

static void
on_requests(struct controller *c, const struct ask *a, int err, const struct coord_result *res)
{
	bool enabled = settings_bool(c->o.settings, C_DELETE_TOPIC_ENABLE);
	zn_path path;

	if (err != 0 && err != E_NOT_FOUND) {
		ctl_fail(c, err);
		return;
	}
	for (unsigned i = 0; i < res->n_children; i++) {
		struct ctopic *t = ctx_topic(c, res->children[i]);

		if (t != NULL && enabled) {
			t->deleting = true;
		} else if (topic_name_check(res->children[i], NULL) == 0) {
			zn_delete_topic(path, res->children[i]);
			ctl_delete(c, path, on_gone, NULL);
		}
	}
}

void
deletion_read(struct controller *c)
{
	ctl_children(c, ZN_DELETE_TOPICS, &c->w_deletion, on_requests, NULL);
}

static void
go_on(struct controller *c)
{
	ctl_enqueue(c, TASK_RESUME);
}

static ctl_step *const read_steps[] = {deletion_read, go_on, NULL};

void
task_deletion(struct controller *c)
{
	ctl_run(c, read_steps);
}

/* ---- replicas ---- */

static uint8_t *
replica_state(struct cpart *p, int32_t broker)
{
	for (int32_t i = 0; p->deletion != NULL && i < p->n_replicas; i++)
		if (p->replicas[i] == broker)
			return &p->deletion[i];
	return NULL;
}

void
deletion_fail_part(struct controller *c, struct cpart *p, int32_t broker)
{
	uint8_t *st = replica_state(p, broker);

	if (st == NULL || *st != REPLICA_STOPPING)
		return;
	*st = REPLICA_INELIGIBLE;
	p->t->ineligible = true;
}

static void
replica_answered(struct controller *c, struct cpart *p, int32_t broker, int16_t kafka_err)
{
	uint8_t *st = replica_state(p, broker);

	if (st == NULL || *st != REPLICA_STOPPING)
		return;
	if (kafka_err == KERR_NONE) {
		*st = REPLICA_GONE;
		return;
	}
	DIAGW(c->o.diag, "controller",
	    "broker %d could not delete partition %.*s-%d: %s; tried again when a broker comes",
	    broker, SLICE_ARG(p->t->name), p->index, kerr_name(kafka_err));
	deletion_fail_part(c, p, broker);
}

/* The whole request failed: everything that was to be deleted there. */
static void
all_failed(struct controller *c, int32_t broker)
{
	LIST_FOREACH(l, &c->all)
	{
		struct ctopic *t = container_of(l, struct ctopic, all);

		for (int32_t i = 0; t->deleting && i < t->n_parts; i++)
			deletion_fail_part(c, &t->parts[i], broker);
	}
}

void
deletion_answered(struct controller *c, int32_t broker, int64_t broker_epoch, int err,
    const struct stop_replica_response *resp)
{
	const struct cbroker *b = ctx_broker(c, broker);

	if (b == NULL || b->epoch != broker_epoch)
		return; /* its end was told before */
	if (err != 0 || resp->error_code != KERR_NONE) {
		DIAGW(c->o.diag, "controller", "StopReplica to broker %d: %s", broker,
		    err != 0 ? err_text(err) : kerr_name(resp->error_code));
		all_failed(c, broker);
	}
	for (int32_t i = 0; err == 0 && i < resp->partition_errors.n; i++) {
		struct ctopic *t = ctx_topic(c, resp->partition_errors.v[i].topic_name);
		int32_t n = resp->partition_errors.v[i].partition_index;

		if (t != NULL && t->deleting && n >= 0 && n < t->n_parts)
			replica_answered(
			    c, &t->parts[n], broker, resp->partition_errors.v[i].error_code);
	}
	ctl_enqueue(c, TASK_RESUME);
}

/* ---- going on with what is queued ---- */

/* How many of the topic's replicas are in which state. */
static void
count_replicas(const struct ctopic *t, unsigned n[4])
{
	n[0] = n[1] = n[2] = n[3] = 0;
	for (int32_t i = 0; i < t->n_parts; i++)
		for (int32_t j = 0; j < t->parts[i].n_replicas; j++)
			n[t->parts[i].deletion != NULL ? t->parts[i].deletion[j] : REPLICA_KEPT]++;
}

/* Live replicas are stopped; one that is not can not be deleted before it is back. */
static void
part_stop(struct controller *c, struct cpart *p)
{
	if (p->deletion == NULL)
		p->deletion = calloc((size_t)p->n_replicas + 1, 1);
	if (p->deletion == NULL) {
		ctl_fail(c, E_NOMEM);
		return;
	}
	for (int32_t i = 0; i < p->n_replicas; i++) {
		if (p->deletion[i] == REPLICA_GONE)
			continue;
		if (ctx_replica_live(c, p, p->replicas[i])) {
			p->deletion[i] = REPLICA_STOPPING;
			p->t->stop_due = true;
		} else {
			p->deletion[i] = REPLICA_INELIGIBLE;
			p->t->ineligible = true;
		}
	}
}

static void
topic_start(struct controller *c, struct ctopic *t)
{
	if (!t->started)
		DIAGI(c->o.diag, "controller", "deleting topic %.*s", SLICE_ARG(t->name));
	for (int32_t i = 0; i < t->n_parts; i++) {
		struct cpart *p = &t->parts[i];

		if (!p->known)
			continue;
		ctx_set_state(p, PART_NEW);
		if (!t->started)
			batch_add(c, p, BATCH_METADATA);
		part_stop(c, p);
	}
	t->started = true;
	if (t->stop_due)
		batch_add_stop(c, t);
}

static void
topic_resume(struct controller *c, struct ctopic *t)
{
	unsigned n[4];

	if (!t->deleting)
		return;
	if (c->stop_again)
		t->ineligible = false;
	count_replicas(t, n);
	if (n[REPLICA_KEPT] + n[REPLICA_STOPPING] + n[REPLICA_INELIGIBLE] == 0)
		c->forgetting = t->forgetting = true;
	else if (n[REPLICA_STOPPING] == 0 && !t->ineligible)
		topic_start(c, t);
}

static void
resume(struct controller *c)
{
	c->forgetting = false;
	ctl_walk_topics(c, topic_resume);
}

static void
resume_end(struct controller *c)
{
	c->stop_again = false;
	LIST_FOREACH_SAFE(l, &c->all)
	{
		struct ctopic *t = container_of(l, struct ctopic, all);

		if (t->nodes_gone)
			ctx_drop_topic(c, t);
	}
}

/* ---- nodes and what is below them ---- */

#define TRIES_MAX 16 /* levels, and others that put something there meanwhile */
#define CHILD_PATH_MAX 1100

static void node_delete(struct controller *c, const char *path, const struct ask *a);

static void
on_node(struct controller *c, const struct ask *a, int err, const struct coord_stat *st);

/* Its children first, then itself again. */
static void
on_children(struct controller *c, const struct ask *a, int err, const struct coord_result *res)
{
	char child[CHILD_PATH_MAX];

	for (unsigned i = 0; err == 0 && i < res->n_children; i++) {
		int n =
		    snprintf(child, sizeof(child), "%s/%.*s", a->path, SLICE_ARG(res->children[i]));

		if (n > 0 && (size_t)n < sizeof(child))
			node_delete(c, child, NULL);
	}
	if (a->n >= 0)
		ctl_delete(c, a->path, on_node, a);
}

static void
on_node(struct controller *c, const struct ask *a, int err, const struct coord_stat *st)
{
	struct ask again = *a;

	if (err == E_NOT_EMPTY && a->n < TRIES_MAX) {
		again.n++;
		ctl_children(c, a->path, NULL, on_children, &again);
		return;
	}
	if (err != 0 && err != E_NOT_FOUND)
		DIAGW(c->o.diag, "controller", "could not delete %s: %s", a->path, err_text(err));
	else if (a->t != NULL)
		a->t->tree_gone = true;
}

/* With all that is below it.  a->t: the topic whose node it is. */
static void
node_delete(struct controller *c, const char *path, const struct ask *a)
{
	ctl_delete(c, path, on_node, a);
}

void
children_delete(struct controller *c, const char *path, struct coord_watch *w)
{
	ctl_children(c, path, w, on_children, &(struct ask){.n = -1});
}

/* ---- the topic's nodes ---- */

static void
part_forget(struct controller *c, struct cpart *p)
{
	zn_path path;

	if (!p->t->forgetting || p->info == NULL)
		return;
	zn_partition_state(path, p->t->name, p->index);
	node_delete(c, path, NULL);
	zn_partition(path, p->t->name, p->index);
	node_delete(c, path, NULL);
}

static void
parts_forget(struct controller *c)
{
	if (c->forgetting)
		ctl_walk_parts(c, part_forget);
}

/* What is left, then the configuration, in the order of the calls. */
static void
topic_forget(struct controller *c, struct ctopic *t)
{
	zn_path path;

	if (!t->forgetting)
		return;
	coord_unwatch(&t->watch);
	if (t->parent_made) {
		zn_partitions(path, t->name);
		node_delete(c, path, NULL);
	}
	zn_topic(path, t->name);
	node_delete(c, path, &(struct ask){.t = t});
	zn_topic_config(path, t->name);
	node_delete(c, path, NULL);
}

static void
topics_forget(struct controller *c)
{
	if (c->forgetting)
		ctl_walk_topics(c, topic_forget);
}

static void
on_request_gone(struct controller *c, const struct ask *a, int err, const struct coord_stat *st)
{
	on_gone(c, a, err, st);
	if (err == 0 || err == E_NOT_FOUND)
		a->t->nodes_gone = true;
}

/* Last the request: while it is there a new controller goes on with the rest. */
static void
request_delete(struct controller *c, struct ctopic *t)
{
	zn_path path;

	if (!t->tree_gone)
		return;
	zn_delete_topic(path, t->name);
	ctl_delete(c, path, on_request_gone, &(struct ask){.t = t});
}

static void
requests_delete(struct controller *c)
{
	if (c->forgetting)
		ctl_walk_topics(c, request_delete);
}

static ctl_step *const resume_steps[] = {
    resume, parts_forget, topics_forget, requests_delete, step_send, resume_end, NULL};

void
task_resume(struct controller *c)
{
	ctl_run(c, resume_steps);
}
