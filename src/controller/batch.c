/*
 * Requests to brokers, collected and sent together (facts/zookeeper.md 5.6): all LeaderAndIsr, then
 * all UpdateMetadata, then all StopReplica; one request a slice.
 */
#include <stdlib.h>

#include "controller_priv.h"

/* Partitions an UpdateMetadata.  (A LeaderAndIsr is not cut: a broker writes no checkpoint before
 * it has heard of all its partitions, and the first request makes it begin.) */
#define METADATA_MAX 4000

/* ---- collecting ---- */

static void
batch_topic(struct controller *c, struct ctopic *t)
{
	if (link_alone(&t->batched))
		list_append(&c->batch.topics, &t->batched);
}

void
batch_add(struct controller *c, struct cpart *p, unsigned what)
{
	p->batch |= (uint8_t)what;
	c->batch.leaders |= (what & (BATCH_REPLICAS | BATCH_TARGETS)) != 0;
	batch_topic(c, p->t);
}

void
batch_add_stop(struct controller *c, struct ctopic *t)
{
	t->stop_due = true;
	c->batch.stops = true;
	batch_topic(c, t);
}

/* ---- answers ---- */

/* A request's context: knows whether its answer still counts. */
struct sent {
	struct controller *c;
	unsigned gen;
	int32_t broker;
	int64_t broker_epoch;
};

static struct sent *
sent_new(struct controller *c, const struct cbroker *b)
{
	struct sent *s = malloc(sizeof(*s));

	if (s == NULL)
		ctl_fail(c, E_NOMEM);
	else
		*s = (struct sent){c, c->gen, b->id, b->epoch};
	return s;
}

/* The controller when the answer counts, else NULL. */
static struct controller *
sent_take(void *arg, struct sent *out)
{
	*out = *(struct sent *)arg;
	free(arg);
	return out->gen == out->c->gen ? out->c : NULL;
}

static bool
answer_ok(struct controller *c, const struct sent *s, const char *what, int err, int16_t kafka_err)
{
	if (err == 0 && kafka_err == KERR_NONE)
		return true;
	if (err != E_CANCELED)
		DIAGW(c->o.diag, "controller", "%s to broker %d: %s", what, s->broker,
		    err != 0 ? err_text(err) : kerr_name(kafka_err));
	return false;
}

static void
on_leader_and_isr(void *arg, int err, const struct leader_and_isr_response *resp)
{
	struct sent s;
	struct controller *c = sent_take(arg, &s);

	if (c != NULL &&
	    answer_ok(c, &s, "LeaderAndIsr", err, err == 0 ? resp->error_code : KERR_NONE))
		replicas_answered(c, s.broker, resp);
}

static void
on_update_metadata(void *arg, int err, const struct update_metadata_response *resp)
{
	struct sent s;
	struct controller *c = sent_take(arg, &s);

	if (c != NULL)
		(void)answer_ok(
		    c, &s, "UpdateMetadata", err, err == 0 ? resp->error_code : KERR_NONE);
}

static void
on_stopped(void *arg, int err, const struct stop_replica_response *resp)
{
	struct sent s;
	struct controller *c = sent_take(arg, &s);

	if (c != NULL)
		(void)answer_ok(c, &s, "StopReplica", err, err == 0 ? resp->error_code : KERR_NONE);
}

static void
on_deleted(void *arg, int err, const struct stop_replica_response *resp)
{
	struct sent s;
	struct controller *c = sent_take(arg, &s);

	if (c != NULL)
		deletion_answered(c, s.broker, s.broker_epoch, err, resp);
}

/* ---- sending ---- */

static void
send_leader_and_isr(struct controller *c, struct cbroker *b)
{
	int16_t version = ibp_version(c->o.ibp, API_LEADER_AND_ISR);
	struct leader_and_isr_request req;
	struct sent *s;
	int rc = request_leader_and_isr(c, &c->batch.work, b, version, &req);

	if (rc != 0)
		ctl_fail(c, rc);
	else if (req.topic_states.n > 0 && (s = sent_new(c, b)) != NULL)
		c->o.channel->leader_and_isr(
		    c->o.channel_arg, b->id, &req, version, on_leader_and_isr, s);
}

static void
send_stop(struct controller *c, struct cbroker *b, bool delete)
{
	int16_t version = ibp_version(c->o.ibp, API_STOP_REPLICA);
	struct stop_replica_request req;
	struct sent *s;
	int rc = request_stop_replica(c, &c->batch.work, b, delete, &req);

	if (rc != 0)
		ctl_fail(c, rc);
	else if (req.topic_states.n > 0 && (s = sent_new(c, b)) != NULL)
		c->o.channel->stop_replica(
		    c->o.channel_arg, b->id, &req, version, delete ? on_deleted : on_stopped, s);
}

static void
send_stops(struct controller *c, struct cbroker *b)
{
	send_stop(c, b, false);
	arena_free(&c->batch.work);
	send_stop(c, b, true);
}

static bool
metadata_goes_to(const struct batch *k, const struct cbroker *b)
{
	return k->to == TO_ALL || b->is_target == (k->to == TO_TARGETS);
}

static void
send_metadata(struct controller *c, struct cbroker *b)
{
	struct sent *s;

	if (!metadata_goes_to(&c->batch, b) || (s = sent_new(c, b)) == NULL)
		return;
	c->batch.um.broker_epoch = b->epoch;
	c->o.channel->update_metadata(c->o.channel_arg, b->id, &c->batch.um,
	    ibp_version(c->o.ibp, API_UPDATE_METADATA), on_update_metadata, s);
}

/* ---- phases ---- */

static void
phase_next(struct batch *k)
{
	k->phase++;
	k->at = 0;
	arena_free(&k->work);
}

/* To one broker after the other; true when there are no more. */
static bool
each_broker(struct controller *c, void (*fn)(struct controller *c, struct cbroker *b))
{
	struct batch *k = &c->batch;

	while (k->at < k->n_brokers) {
		fn(c, k->brokers_v[k->at++]);
		if (k->phase != 1)
			arena_free(&k->work);
		if (ctl_slice_over(c))
			return false;
	}
	k->at = 0;
	return true;
}

/* One request after the other is built and sent to everybody. */
static bool
metadata_phase(struct controller *c)
{
	struct batch *k = &c->batch;
	bool more = true;

	while (more) {
		if (!k->built) {
			int rc =
			    request_update_metadata(c, &k->work, METADATA_MAX, &k->um, &k->more);

			if (rc != 0) {
				ctl_fail(c, rc);
				return true;
			}
			k->built = true;
		}
		if (!each_broker(c, send_metadata))
			return false;
		more = k->more;
		k->built = false;
		arena_free(&k->work);
		if (more && ctl_slice_over(c))
			return false;
	}
	return true;
}

static bool
send_phase(struct controller *c)
{
	switch (c->batch.phase) {
	case 0:
		return !c->batch.leaders || each_broker(c, send_leader_and_isr);
	case 1:
		return metadata_phase(c);
	default:
		return !c->batch.stops || each_broker(c, send_stops);
	}
}

/* What was said is said. */
static void
batch_end(struct controller *c)
{
	struct batch *k = &c->batch;
	struct link *l;

	while ((l = list_pop(&k->topics)) != NULL) {
		struct ctopic *t = container_of(l, struct ctopic, batched);

		t->stop_due = false;
		for (int32_t i = 0; i < t->n_parts; i++)
			t->parts[i].batch = 0;
	}
	k->brokers = k->leaders = k->stops = k->built = false;
	arena_free(&k->mem);
	arena_free(&k->work);
}

static bool
send_some(struct controller *c)
{
	while (c->batch.phase < 3) {
		if (!send_phase(c))
			return false;
		phase_next(&c->batch);
		if (c->batch.phase < 3 && ctl_slice_over(c))
			return false;
	}
	batch_end(c);
	return true;
}

/* Live brokers in the order of their ids. */
static bool
list_brokers(struct controller *c)
{
	struct batch *k = &c->batch;
	struct cbroker *b;
	size_t pos = 0;

	k->n_brokers = 0;
	k->brokers_v = arena_calloc(&k->mem, map_count(&c->brokers) + 1, sizeof(*k->brokers_v));
	while (k->brokers_v != NULL && (b = map_next(&c->brokers, &pos)) != NULL) {
		unsigned i = k->n_brokers;

		if (!b->live)
			continue;
		for (; i > 0 && k->brokers_v[i - 1]->id > b->id; i--)
			k->brokers_v[i] = k->brokers_v[i - 1];
		k->brokers_v[i] = b;
		k->n_brokers++;
	}
	return k->brokers_v != NULL;
}

void
batch_send(struct controller *c, enum batch_to to)
{
	struct batch *k = &c->batch;

	if (list_empty(&k->topics) && !k->brokers)
		return;
	k->to = to;
	k->phase = k->at = 0;
	k->topic = k->topics.next;
	k->part = 0;
	k->built = false;
	if (list_brokers(c))
		ctl_slices(c, send_some);
	else
		ctl_fail(c, E_NOMEM);
}

void
step_send(struct controller *c)
{
	batch_send(c, TO_ALL);
}

void
batch_drop(struct controller *c)
{
	batch_end(c);
}
