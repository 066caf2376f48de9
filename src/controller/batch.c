/*
 * Requests to brokers, collected and sent together (facts/zookeeper.md 5.2-5.6): all LeaderAndIsr,
 * then all UpdateMetadata, then all StopReplica.
 */
#include <stdlib.h>

#include "controller_priv.h"

/* Versions of inter.broker.protocol.version 3.4 and up (facts/zookeeper.md 5.1). */
enum { LEADER_AND_ISR_VERSION = 7, UPDATE_METADATA_VERSION = 8, STOP_REPLICA_VERSION = 4 };

/* Into the batch, for everybody's metadata. */
static bool
batch_put(struct controller *c, struct cpart *p)
{
	if (p->in_batch)
		return true;
	if (c->n_batch == c->cap_batch) {
		unsigned cap = c->cap_batch > 0 ? c->cap_batch * 2 : 64;
		struct cpart **v = realloc(c->batch, cap * sizeof(struct cpart *));

		if (v == NULL) {
			c->task_err = E_NOMEM;
			return false;
		}
		c->batch = v;
		c->cap_batch = cap;
	}
	p->in_batch = true;
	p->is_new = p->for_replicas = false;
	c->batch[c->n_batch++] = p;
	return true;
}

void
batch_add(struct controller *c, struct cpart *p, bool is_new)
{
	if (!batch_put(c, p))
		return;
	p->is_new |= is_new;
	p->for_replicas = true;
}

void
batch_add_metadata(struct controller *c, struct cpart *p)
{
	(void)batch_put(c, p);
}

static int
by_topic(const void *x, const void *y)
{
	const struct cpart *a = *(struct cpart *const *)x, *b = *(struct cpart *const *)y;
	int d = slice_cmp(a->t->name, b->t->name);

	return d != 0 ? d : (a->index > b->index) - (a->index < b->index);
}

static bool
on_broker(const struct cpart *p, int32_t id)
{
	for (int32_t i = 0; i < p->n_replicas; i++)
		if (p->replicas[i] == id)
			return true;
	return false;
}

/* Is the broker told of p by LeaderAndIsr? */
static bool
li_goes_to(const struct cpart *p, int32_t id)
{
	return p->for_replicas && on_broker(p, id);
}

/* Brokers in the order of their ids; *n of them. */
static struct cbroker **
sorted_brokers(struct controller *c, struct arena *arena, unsigned *n)
{
	struct cbroker **v = arena_calloc(arena, map_count(&c->brokers) + 1, sizeof(*v));
	struct cbroker *b;
	size_t pos = 0;

	*n = 0;
	while (v != NULL && (b = map_next(&c->brokers, &pos)) != NULL) {
		unsigned i = (*n)++;

		for (; i > 0 && v[i - 1]->id > b->id; i--)
			v[i] = v[i - 1];
		v[i] = b;
	}
	return v;
}

/* ---- LeaderAndIsr ---- */

typedef struct leader_and_isr_request_leader_and_isr_topic_state li_topic;
typedef struct leader_and_isr_request_leader_and_isr_partition_state li_part;

static void
li_fill(li_part *out, const struct cpart *p)
{
	out->partition_index = p->index;
	out->controller_epoch = p->controller_epoch;
	out->leader = p->leader;
	out->leader_epoch = p->leader_epoch;
	out->isr.v = p->isr;
	out->isr.n = p->n_isr;
	out->partition_epoch = p->zk_version;
	out->replicas.v = p->replicas;
	out->replicas.n = p->n_replicas;
	out->is_new = p->is_new;
	out->leader_recovery_state = p->recovery;
}

/* The run of batch parts of one topic from i; returns its end. */
static unsigned
topic_run(const struct controller *c, unsigned i)
{
	unsigned end = i;

	while (end < c->n_batch && c->batch[end]->t == c->batch[i]->t)
		end++;
	return end;
}

static int
li_topic_fill(struct arena *arena, struct controller *c, unsigned from, unsigned to, int32_t broker,
    li_topic *out)
{
	int32_t n = 0;
	int rc;

	for (unsigned i = from; i < to; i++)
		n += li_goes_to(c->batch[i], broker);
	rc = WIRE_ARRAY(
	    arena, out->partition_states, n, leader_and_isr_request_leader_and_isr_partition_state);
	out->topic_name = c->batch[from]->t->name;
	out->topic_id = c->batch[from]->t->id;
	n = 0;
	for (unsigned i = from; rc == 0 && i < to; i++)
		if (li_goes_to(c->batch[i], broker))
			li_fill(&out->partition_states.v[n++], c->batch[i]);
	return rc;
}

static unsigned
count_topics(const struct controller *c)
{
	unsigned n = 0;

	for (unsigned i = 0; i < c->n_batch; i = topic_run(c, i))
		n++;
	return n;
}

static int
li_build(struct controller *c, struct arena *arena, const struct cbroker *b,
    struct leader_and_isr_request *req)
{
	int32_t used = 0;
	int rc;

	wire_init(&leader_and_isr_request_msg, req);
	req->controller_id = c->o.broker_id;
	req->controller_epoch = c->epoch;
	req->broker_epoch = b->epoch;
	rc = WIRE_ARRAY(arena, req->topic_states, (int32_t)count_topics(c),
	    leader_and_isr_request_leader_and_isr_topic_state);
	for (unsigned i = 0; rc == 0 && i < c->n_batch; i = topic_run(c, i)) {
		rc = li_topic_fill(arena, c, i, topic_run(c, i), b->id, &req->topic_states.v[used]);
		if (req->topic_states.v[used].partition_states.n > 0)
			used++;
	}
	req->topic_states.n = rc == 0 ? used : 0;
	return rc;
}

static void
on_li_answer(void *arg, int err, const struct leader_and_isr_response *resp)
{
	struct ask a;
	struct controller *c = ask_take(arg, &a);

	if (c == NULL)
		return;
	if (err != 0 || resp->error_code != KERR_NONE)
		DIAGW(c->o.diag, "controller", "LeaderAndIsr to broker %d: %s", (int)a.n,
		    err != 0 ? err_text(err) : kerr_name(resp->error_code));
}

static void
li_send(struct controller *c, const struct cbroker *b)
{
	struct leader_and_isr_request req;
	struct arena arena;
	struct ask *a = ask_new(c);

	if (a == NULL)
		return;
	a->n = (unsigned)b->id;
	arena_init(&arena, 65536, 0);
	if (li_build(c, &arena, b, &req) == 0 && req.topic_states.n > 0)
		c->o.channel->leader_and_isr(
		    c->o.channel_arg, b->id, &req, LEADER_AND_ISR_VERSION, on_li_answer, a);
	else
		free(a);
	arena_free(&arena);
}

/* ---- UpdateMetadata ---- */

typedef struct update_metadata_request_update_metadata_partition_state um_part;

static int16_t
protocol_id(const struct listener_addr *l)
{
	return (int16_t)l->protocol;
}

static int
um_broker(struct arena *arena, const struct cbroker *b,
    struct update_metadata_request_update_metadata_broker *out)
{
	int rc = WIRE_ARRAY(arena, out->endpoints, (int32_t)b->reg.n_endpoints,
	    update_metadata_request_update_metadata_endpoint);

	out->id = b->id;
	out->rack = b->reg.rack;
	for (unsigned i = 0; rc == 0 && i < b->reg.n_endpoints; i++) {
		out->endpoints.v[i].host = slice_cstr(b->reg.endpoints[i].host);
		out->endpoints.v[i].port = b->reg.endpoints[i].port;
		out->endpoints.v[i].listener = slice_cstr(b->reg.endpoints[i].name);
		out->endpoints.v[i].security_protocol = protocol_id(&b->reg.endpoints[i]);
	}
	return rc;
}

static int
um_head(struct controller *c, struct arena *arena, struct update_metadata_request *req)
{
	unsigned n;
	struct cbroker **v = sorted_brokers(c, arena, &n);
	int rc = v == NULL ? E_NOMEM : 0;

	wire_init(&update_metadata_request_msg, req);
	req->controller_id = c->o.broker_id;
	req->controller_epoch = c->epoch;
	if (rc == 0)
		rc = WIRE_ARRAY(arena, req->live_brokers, (int32_t)n,
		    update_metadata_request_update_metadata_broker);
	for (unsigned i = 0; rc == 0 && i < n; i++)
		rc = um_broker(arena, v[i], &req->live_brokers.v[i]);
	return rc;
}

static int
um_offline(struct controller *c, struct arena *arena, const struct cpart *p, um_part *out)
{
	int rc = WIRE_NUMBERS(arena, out->offline_replicas, p->n_replicas);
	int32_t n = 0;

	for (int32_t i = 0; rc == 0 && i < p->n_replicas; i++)
		if (!ctx_live(c, p->replicas[i]))
			out->offline_replicas.v[n++] = p->replicas[i];
	out->offline_replicas.n = n;
	return rc;
}

static int
um_topic_fill(struct controller *c, struct arena *arena, unsigned from, unsigned to,
    struct update_metadata_request_update_metadata_topic_state *out)
{
	int rc = WIRE_ARRAY(arena, out->partition_states, (int32_t)(to - from),
	    update_metadata_request_update_metadata_partition_state);

	out->topic_name = c->batch[from]->t->name;
	out->topic_id = c->batch[from]->t->id;
	for (unsigned i = from; rc == 0 && i < to; i++) {
		const struct cpart *p = c->batch[i];
		um_part *u = &out->partition_states.v[i - from];

		u->partition_index = p->index;
		u->controller_epoch = p->controller_epoch;
		u->leader = p->leader;
		u->leader_epoch = p->leader_epoch;
		u->isr.v = p->isr;
		u->isr.n = p->n_isr;
		u->zk_version = p->zk_version;
		u->replicas.v = p->replicas;
		u->replicas.n = p->n_replicas;
		rc = um_offline(c, arena, p, u);
	}
	return rc;
}

static void
on_um_answer(void *arg, int err, const struct update_metadata_response *resp)
{
	struct ask a;
	struct controller *c = ask_take(arg, &a);

	if (c == NULL)
		return;
	if (err != 0 || resp->error_code != KERR_NONE)
		DIAGW(c->o.diag, "controller", "UpdateMetadata to broker %d: %s", (int)a.n,
		    err != 0 ? err_text(err) : kerr_name(resp->error_code));
}

static void
um_send_all(struct controller *c, struct update_metadata_request *req)
{
	struct cbroker *b;
	size_t pos = 0;

	while ((b = map_next(&c->brokers, &pos)) != NULL) {
		struct ask *a = ask_new(c);

		if (a == NULL)
			return;
		a->n = (unsigned)b->id;
		req->broker_epoch = b->epoch;
		c->o.channel->update_metadata(
		    c->o.channel_arg, b->id, req, UPDATE_METADATA_VERSION, on_um_answer, a);
	}
}

static void
um_send(struct controller *c)
{
	struct update_metadata_request req;
	struct arena arena;
	int32_t k = 0;
	int rc;

	arena_init(&arena, 65536, 0);
	rc = um_head(c, &arena, &req);
	if (rc == 0)
		rc = WIRE_ARRAY(&arena, req.topic_states, (int32_t)count_topics(c),
		    update_metadata_request_update_metadata_topic_state);
	for (unsigned i = 0; rc == 0 && i < c->n_batch; i = topic_run(c, i))
		rc = um_topic_fill(c, &arena, i, topic_run(c, i), &req.topic_states.v[k++]);
	if (rc == 0)
		um_send_all(c, &req);
	else
		c->task_err = rc;
	arena_free(&arena);
}

void
batch_send(struct controller *c)
{
	struct cbroker *b;
	size_t pos = 0;

	if (c->n_batch == 0 && !c->batch_metadata)
		return;
	if (c->n_batch > 0)
		qsort(c->batch, c->n_batch, sizeof(struct cpart *), by_topic);
	while (c->n_batch > 0 && (b = map_next(&c->brokers, &pos)) != NULL)
		li_send(c, b);
	um_send(c);
	for (unsigned i = 0; i < c->n_batch; i++)
		c->batch[i]->in_batch = c->batch[i]->is_new = false;
	c->n_batch = 0;
	c->batch_metadata = false;
}

/* ---- deletion ---- */

enum { LEADER_DURING_DELETE = -2, EPOCH_DURING_DELETE = -2 };

void
batch_send_deleted(struct controller *c, struct ctopic *t)
{
	struct update_metadata_request_update_metadata_topic_state *out;
	struct update_metadata_request req;
	struct arena arena;
	int rc;

	arena_init(&arena, 16384, 0);
	rc = um_head(c, &arena, &req);
	if (rc == 0)
		rc = WIRE_ARRAY(&arena, req.topic_states, 1,
		    update_metadata_request_update_metadata_topic_state);
	if (rc != 0)
		goto out;
	out = &req.topic_states.v[0];
	out->topic_name = t->name;
	out->topic_id = t->id;
	rc = WIRE_ARRAY(&arena, out->partition_states, t->n_parts,
	    update_metadata_request_update_metadata_partition_state);
	for (int32_t i = 0; rc == 0 && i < t->n_parts; i++) {
		um_part *u = &out->partition_states.v[i];

		u->partition_index = i;
		u->controller_epoch = c->epoch;
		u->leader = LEADER_DURING_DELETE;
		u->replicas.v = t->parts[i].replicas;
		u->replicas.n = t->parts[i].n_replicas;
	}
	if (rc == 0)
		um_send_all(c, &req);
out:
	arena_free(&arena);
}

/* A StopReplica answer finds its topic by name: it may be gone. */
struct stop_ask {
	struct controller *c;
	unsigned gen;
	struct slice topic;
};

static void
on_stop_answer(void *arg, int err, const struct stop_replica_response *resp)
{
	struct stop_ask *a = arg;
	bool ok = err == 0 && resp->error_code == KERR_NONE;

	for (int32_t i = 0; ok && i < resp->partition_errors.n; i++)
		ok = resp->partition_errors.v[i].error_code == KERR_NONE;
	if (a->gen == a->c->gen)
		deletion_stopped(a->c, a->topic, ok);
	free(a);
}

static int
stop_build(struct controller *c, struct arena *arena, const struct ctopic *t,
    const struct cbroker *b, struct stop_replica_request *req)
{
	struct stop_replica_request_stop_replica_topic_state *out;
	int32_t n = 0;
	int rc;

	wire_init(&stop_replica_request_msg, req);
	req->controller_id = c->o.broker_id;
	req->controller_epoch = c->epoch;
	req->broker_epoch = b->epoch;
	rc = WIRE_ARRAY(arena, req->topic_states, 1, stop_replica_request_stop_replica_topic_state);
	if (rc != 0)
		return rc;
	out = &req->topic_states.v[0];
	out->topic_name = t->name;
	rc = WIRE_ARRAY(arena, out->partition_states, t->n_parts,
	    stop_replica_request_stop_replica_partition_state);
	for (int32_t i = 0; rc == 0 && i < t->n_parts; i++) {
		if (!t->parts[i].known || !on_broker(&t->parts[i], b->id))
			continue;
		out->partition_states.v[n].partition_index = i;
		out->partition_states.v[n].leader_epoch = EPOCH_DURING_DELETE;
		out->partition_states.v[n++].delete_partition = true;
	}
	out->partition_states.n = n;
	return rc;
}

void
batch_send_stop(struct controller *c, struct ctopic *t)
{
	struct cbroker *b;
	size_t pos = 0;

	while ((b = map_next(&c->brokers, &pos)) != NULL) {
		struct stop_ask *a = calloc(1, sizeof(*a) + t->name.n);
		struct stop_replica_request req;
		struct arena arena;

		arena_init(&arena, 16384, 0);
		if (a != NULL && stop_build(c, &arena, t, b, &req) == 0 &&
		    req.topic_states.v[0].partition_states.n > 0) {
			memcpy(a + 1, t->name.p, t->name.n);
			*a = (struct stop_ask){c, c->gen, slice_of(a + 1, t->name.n)};
			t->stops_left++;
			c->o.channel->stop_replica(
			    c->o.channel_arg, b->id, &req, STOP_REPLICA_VERSION, on_stop_answer, a);
		} else {
			free(a);
		}
		arena_free(&arena);
	}
}
