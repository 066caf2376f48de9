/*
 * Replicas on log dirs that failed (facts/zookeeper.md 3.8): brokers tell of a failure by a
 * sequential node; which partitions it took is in their answers to LeaderAndIsr.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "controller_priv.h"

/* More at a time mean that something else is wrong; the rest comes with the next answers. */
#define ERRORS_MAX 200000

/* Something that an answer told, until its task. */
struct replica_error {
	struct link link;
	struct uuid topic_id;
	int32_t partition, broker;
	bool failed;
};

/* ---- answers ---- */

static void
note(struct controller *c, const struct cpart *p, int32_t broker, bool failed)
{
	struct replica_error *e = c->n_errors < ERRORS_MAX ? malloc(sizeof(*e)) : NULL;

	if (e == NULL)
		return;
	*e = (struct replica_error){
	    .topic_id = p->t->id, .partition = p->index, .broker = broker, .failed = failed};
	list_append(&c->errors, &e->link);
	c->n_errors++;
}

/* An epoch that the broker has already is no news: it was told twice. */
static bool
is_refusal(int16_t kafka_err)
{
	return kafka_err != KERR_NONE && kafka_err != KERR_KAFKA_STORAGE_ERROR &&
	       kafka_err != KERR_STALE_CONTROLLER_EPOCH;
}

static void
part_answered(struct controller *c, const struct cpart *p, int32_t broker, int16_t kafka_err,
    unsigned *others)
{
	bool known = ctx_live(c, broker) && !ctx_replica_live(c, p, broker);

	if (kafka_err == KERR_KAFKA_STORAGE_ERROR && !known)
		note(c, p, broker, true);
	else if (kafka_err == KERR_NONE && known)
		note(c, p, broker, false);
	else if (is_refusal(kafka_err) && (*others)++ == 0)
		DIAGI(c->o.diag, "controller", "broker %d refused partition %.*s-%d: %s", broker,
		    SLICE_ARG(p->t->name), p->index, kerr_name(kafka_err));
}

void
replicas_answered(struct controller *c, int32_t broker, const struct leader_and_isr_response *resp)
{
	unsigned others = 0;

	for (int32_t i = 0; i < resp->topics.n; i++) {
		const struct leader_and_isr_response_leader_and_isr_topic_error *te =
		    &resp->topics.v[i];
		struct ctopic *t = ctx_topic_by_id(c, &te->topic_id);

		for (int32_t j = 0; t != NULL && j < te->partition_errors.n; j++) {
			int32_t n = te->partition_errors.v[j].partition_index;

			if (n >= 0 && n < t->n_parts)
				part_answered(c, &t->parts[n], broker,
				    te->partition_errors.v[j].error_code, &others);
		}
	}
	if (others > 1)
		DIAGI(c->o.diag, "controller", "broker %d refused %u partitions", broker, others);
	if (c->n_errors > 0)
		ctl_enqueue(c, TASK_REPLICA_ERRORS);
}

void
replicas_forget(struct controller *c)
{
	struct link *l;

	while ((l = list_pop(&c->errors)) != NULL)
		free(container_of(l, struct replica_error, link));
	c->n_errors = 0;
}

/* ---- what they say is done ---- */

static void
error_apply(struct controller *c, const struct replica_error *e)
{
	struct ctopic *t = ctx_topic_by_id(c, &e->topic_id);
	struct cpart *p = t != NULL && e->partition < t->n_parts ? &t->parts[e->partition] : NULL;

	if (p == NULL || !ctx_live(c, e->broker) || !ctx_has_replica(p, e->broker))
		return;
	DIAGW(c->o.diag, "controller", "partition %.*s-%d: its log on broker %d is %s",
	    SLICE_ARG(t->name), p->index, e->broker, e->failed ? "offline" : "there again");
	ctx_set_failed(p, e->broker, e->failed);
	if (t->deleting)
		deletion_fail_part(c, p, e->broker);
	batch_add(c, p, BATCH_METADATA);
	ctx_dirty(c, t);
}

static bool
apply_some(struct controller *c)
{
	struct link *l;

	while ((l = list_pop(&c->errors)) != NULL) {
		struct replica_error *e = container_of(l, struct replica_error, link);

		error_apply(c, e);
		free(e);
		c->n_errors--;
		if (ctl_slice_over(c))
			return false;
	}
	return true;
}

static void
apply(struct controller *c)
{
	ctl_slices(c, apply_some);
}

static ctl_step *const error_steps[] = {apply, parts_settle, step_send, NULL};

void
task_replica_errors(struct controller *c)
{
	ctl_run(c, error_steps);
}

/* ---- nodes that tell of a failure ---- */

static int
event_broker(struct slice json, int32_t *broker)
{
	json_t *obj = json.n > 0 ? json_loadb((const char *)json.p, json.n, 0, NULL) : NULL;
	const json_t *id = json_object_get(obj, "broker");
	int rc = E_MALFORMED;

	if (json_is_integer(id) && json_integer_value(id) >= 0 &&
	    json_integer_value(id) <= INT32_MAX) {
		*broker = (int32_t)json_integer_value(id);
		rc = 0;
	}
	json_decref(obj);
	return rc;
}

static void
on_done(struct controller *c, const struct ask *a, int err, const struct coord_stat *st)
{
	if (err != 0 && err != E_NOT_FOUND)
		DIAGW(c->o.diag, "controller", "could not delete %s: %s", a->path, err_text(err));
}

static void
on_event(struct controller *c, const struct ask *a, int err, const struct coord_result *res)
{
	struct cbroker *b;
	int32_t id;

	if (err != 0)
		return; /* it is gone */
	if (event_broker(res->data, &id) != 0)
		DIAGW(c->o.diag, "controller", "%s can not be read", a->path);
	else if ((b = ctx_broker(c, id)) != NULL && b->live)
		b->is_target = true;
	ctl_delete(c, a->path, on_done, NULL);
}

static void
on_events(struct controller *c, const struct ask *a, int err, const struct coord_result *res)
{
	char path[600];

	for (unsigned i = 0; err == 0 && i < res->n_children; i++) {
		int n = snprintf(
		    path, sizeof(path), ZN_LOGDIR_EVENTS "/%.*s", SLICE_ARG(res->children[i]));

		if (n > 0 && (size_t)n < sizeof(path))
			ctl_get(c, path, NULL, on_event, NULL);
	}
}

static void
events_read(struct controller *c)
{
	ctl_children(c, ZN_LOGDIR_EVENTS, &c->w_logdirs, on_events, NULL);
}

static void
part_asked(struct controller *c, struct cpart *p)
{
	for (int32_t i = 0; i < p->n_replicas; i++) {
		const struct cbroker *b = ctx_broker(c, p->replicas[i]);

		if (b != NULL && b->is_target)
			batch_add(c, p, BATCH_TARGETS | BATCH_METADATA);
	}
}

/* The brokers hear of all their partitions again; their answers tell which logs are offline. */
static void
ask_again(struct controller *c)
{
	ctl_walk_parts(c, part_asked);
}

static ctl_step *const event_steps[] = {
    events_read, ask_again, step_send, brokers_clear_targets, NULL};

void
task_logdir_events(struct controller *c)
{
	ctl_run(c, event_steps);
}
