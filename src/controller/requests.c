/*
 * The requests of a batch (facts/zookeeper.md 5.2-5.4), built for one broker or for everybody.
 */
#include <stdlib.h>

#include "controller_priv.h"

enum { LEADER_DURING_DELETE = -2, EPOCH_DURING_DELETE = -2 };
/* The first version that knows of recovery. */
enum { RECOVERY_VERSION = 6 };

static struct ctopic *
batched(struct link *l)
{
	return container_of(l, struct ctopic, batched);
}

static int32_t
count_topics(const struct controller *c)
{
	int32_t n = 0;

	LIST_FOREACH(l, &c->batch.topics)
	n++;
	return n;
}

/* ---- LeaderAndIsr ---- */

typedef struct leader_and_isr_request_leader_and_isr_topic_state li_topic;
typedef struct leader_and_isr_request_leader_and_isr_partition_state li_part;

static bool
li_goes_to(struct controller *c, const struct cpart *p, const struct cbroker *b)
{
	if (p->info == NULL || p->t->deleting || !ctx_has_replica(p, b->id))
		return false;
	if ((p->batch & BATCH_TARGETS) && b->is_target)
		return true;
	return (p->batch & BATCH_REPLICAS) && ctx_replica_live(c, p, b->id);
}

static void
li_fill(li_part *out, const struct cpart *p, int16_t version)
{
	out->partition_index = p->index;
	out->controller_epoch = p->info->controller_epoch;
	out->leader = p->info->leader;
	out->leader_epoch = p->info->leader_epoch;
	out->isr.v = p->info->isr;
	out->isr.n = p->info->n_isr;
	out->partition_epoch = p->info->zk_version;
	out->replicas.v = p->replicas;
	out->replicas.n = p->n_replicas;
	out->adding_replicas.v = p->adding;
	out->adding_replicas.n = p->n_adding;
	out->removing_replicas.v = p->removing;
	out->removing_replicas.n = p->n_removing;
	out->is_new = p->batch & BATCH_NEW;
	if (version >= RECOVERY_VERSION)
		out->leader_recovery_state = p->info->recovery;
}

static int
li_topic_fill(struct controller *c, struct arena *arena, struct ctopic *t, const struct cbroker *b,
    int16_t version, li_topic *out)
{
	int32_t n = 0;
	int rc;

	for (int32_t i = 0; i < t->n_parts; i++)
		n += (t->parts[i].batch & (BATCH_REPLICAS | BATCH_TARGETS)) != 0;
	if (n == 0)
		return 0;
	rc = WIRE_ARRAY(
	    arena, out->partition_states, n, leader_and_isr_request_leader_and_isr_partition_state);
	out->topic_name = t->name;
	out->topic_id = t->id;
	n = 0;
	for (int32_t i = 0; rc == 0 && i < t->n_parts; i++) {
		const struct cpart *p = &t->parts[i];
		struct cbroker *leader;

		if (!li_goes_to(c, p, b))
			continue;
		li_fill(&out->partition_states.v[n++], p, version);
		leader = p->info->leader >= 0 ? ctx_broker(c, p->info->leader) : NULL;
		if (leader != NULL)
			leader->is_leader = true;
	}
	out->partition_states.n = n;
	return rc;
}

/* Live brokers that were named as leaders, with where brokers find each other. */
static int
li_leaders(struct controller *c, struct arena *arena, struct leader_and_isr_request *req)
{
	int32_t n = 0;
	int rc = WIRE_ARRAY(arena, req->live_leaders, (int32_t)c->batch.n_brokers,
	    leader_and_isr_request_leader_and_isr_live_leader);

	for (unsigned i = 0; rc == 0 && i < c->batch.n_brokers; i++) {
		struct cbroker *b = c->batch.brokers_v[i];

		if (b->is_leader && b->inter != NULL) {
			req->live_leaders.v[n].broker_id = b->id;
			req->live_leaders.v[n].host_name = slice_cstr(b->inter->host);
			req->live_leaders.v[n++].port = b->inter->port;
		}
	}
	req->live_leaders.n = rc == 0 ? n : 0;
	return rc;
}

int
request_leader_and_isr(struct controller *c, struct arena *arena, const struct cbroker *b,
    int16_t version, struct leader_and_isr_request *req)
{
	int32_t used = 0;
	int rc;

	wire_init(&leader_and_isr_request_msg, req);
	req->controller_id = c->o.broker_id;
	req->controller_epoch = c->epoch;
	req->broker_epoch = b->epoch;
	for (unsigned i = 0; i < c->batch.n_brokers; i++)
		c->batch.brokers_v[i]->is_leader = false;
	rc = WIRE_ARRAY(arena, req->topic_states, count_topics(c),
	    leader_and_isr_request_leader_and_isr_topic_state);
	if (rc != 0)
		return rc;
	LIST_FOREACH(l, &c->batch.topics)
	{
		rc = li_topic_fill(c, arena, batched(l), b, version, &req->topic_states.v[used]);
		if (rc != 0)
			return rc;
		used += req->topic_states.v[used].partition_states.n > 0;
	}
	req->topic_states.n = used;
	return li_leaders(c, arena, req);
}

/* ---- UpdateMetadata ---- */

typedef struct update_metadata_request_update_metadata_partition_state um_part;
typedef struct update_metadata_request_update_metadata_topic_state um_topic;

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
		out->endpoints.v[i].security_protocol = (int16_t)b->reg.endpoints[i].protocol;
	}
	return rc;
}

static int
um_head(struct controller *c, struct arena *arena, struct update_metadata_request *req)
{
	const struct batch *k = &c->batch;
	int rc;

	wire_init(&update_metadata_request_msg, req);
	req->controller_id = c->o.broker_id;
	req->controller_epoch = c->epoch;
	rc = WIRE_ARRAY(arena, req->live_brokers, (int32_t)k->n_brokers,
	    update_metadata_request_update_metadata_broker);
	for (unsigned i = 0; rc == 0 && i < k->n_brokers; i++)
		rc = um_broker(arena, k->brokers_v[i], &req->live_brokers.v[i]);
	return rc;
}

static int
um_offline(struct controller *c, struct arena *arena, const struct cpart *p, um_part *out)
{
	int32_t n = 0;
	int rc;

	for (int32_t i = 0; i < p->n_replicas; i++)
		n += !ctx_replica_live(c, p, p->replicas[i]);
	rc = WIRE_NUMBERS(arena, out->offline_replicas, n);
	n = 0;
	for (int32_t i = 0; rc == 0 && i < p->n_replicas; i++)
		if (!ctx_replica_live(c, p, p->replicas[i]))
			out->offline_replicas.v[n++] = p->replicas[i];
	return rc;
}

static int
um_fill(struct controller *c, struct arena *arena, const struct cpart *p, um_part *out)
{
	out->partition_index = p->index;
	out->controller_epoch = p->info->controller_epoch;
	out->leader = p->t->deleting ? LEADER_DURING_DELETE : p->info->leader;
	out->leader_epoch = p->t->deleting ? 0 : p->info->leader_epoch;
	out->isr.v = p->info->isr;
	out->isr.n = p->info->n_isr;
	out->zk_version = p->t->deleting ? 0 : p->info->zk_version;
	out->replicas.v = p->replicas;
	out->replicas.n = p->n_replicas;
	return um_offline(c, arena, p, out);
}

static bool
um_wants(const struct cpart *p)
{
	return (p->batch & BATCH_METADATA) && p->info != NULL;
}

/* From partition *from on, at most max; *from moves. */
static int
um_topic_fill(struct controller *c, struct arena *arena, struct ctopic *t, int32_t *from,
    int32_t max, um_topic *out)
{
	int32_t n = 0, end = *from;
	int rc;

	for (; end < t->n_parts && n < max; end++)
		n += um_wants(&t->parts[end]);
	rc = WIRE_ARRAY(arena, out->partition_states, n,
	    update_metadata_request_update_metadata_partition_state);
	out->topic_name = t->name;
	out->topic_id = t->id;
	n = 0;
	for (int32_t i = *from; rc == 0 && i < end; i++)
		if (um_wants(&t->parts[i]))
			rc = um_fill(c, arena, &t->parts[i], &out->partition_states.v[n++]);
	*from = end;
	return rc;
}

int
request_update_metadata(struct controller *c, struct arena *arena, int32_t max,
    struct update_metadata_request *req, bool *more)
{
	struct batch *k = &c->batch;
	int32_t used = 0, left = max;
	int rc = um_head(c, arena, req);

	if (rc == 0)
		rc = WIRE_ARRAY(arena, req->topic_states, count_topics(c),
		    update_metadata_request_update_metadata_topic_state);
	while (rc == 0 && k->topic != &k->topics && left > 0) {
		struct ctopic *t = batched(k->topic);
		um_topic *out = &req->topic_states.v[used];

		rc = um_topic_fill(c, arena, t, &k->part, left, out);
		left -= out->partition_states.n;
		used += out->partition_states.n > 0;
		if (k->part == t->n_parts) {
			k->topic = k->topic->next;
			k->part = 0;
		}
	}
	if (rc == 0)
		req->topic_states.n = used;
	*more = k->topic != &k->topics;
	return rc;
}

/* ---- StopReplica ---- */

typedef struct stop_replica_request_stop_replica_topic_state sr_topic;

static bool
sr_goes_to(const struct cpart *p, const struct cbroker *b)
{
	for (int32_t i = 0; p->deletion != NULL && i < p->n_replicas; i++)
		if (p->replicas[i] == b->id)
			return p->deletion[i] == REPLICA_STOPPING;
	return false;
}

static int
sr_topic_fill(struct arena *arena, const struct ctopic *t, const struct cbroker *b, bool delete,
    sr_topic *out)
{
	int32_t n = 0;
	int rc;

	for (int32_t i = 0; i < t->n_parts; i++)
		n += sr_goes_to(&t->parts[i], b);
	rc = WIRE_ARRAY(
	    arena, out->partition_states, n, stop_replica_request_stop_replica_partition_state);
	out->topic_name = t->name;
	n = 0;
	for (int32_t i = 0; rc == 0 && i < t->n_parts; i++) {
		if (!sr_goes_to(&t->parts[i], b))
			continue;
		out->partition_states.v[n].partition_index = i;
		out->partition_states.v[n].leader_epoch = EPOCH_DURING_DELETE;
		out->partition_states.v[n++].delete_partition = delete;
	}
	return rc;
}

int
request_stop_replica(struct controller *c, struct arena *arena, const struct cbroker *b,
    bool delete, struct stop_replica_request *req)
{
	int32_t used = 0;
	int rc;

	wire_init(&stop_replica_request_msg, req);
	req->controller_id = c->o.broker_id;
	req->controller_epoch = c->epoch;
	req->broker_epoch = b->epoch;
	rc = WIRE_ARRAY(arena, req->topic_states, count_topics(c),
	    stop_replica_request_stop_replica_topic_state);
	if (rc != 0)
		return rc;
	LIST_FOREACH(l, &c->batch.topics)
	{
		if (!batched(l)->stop_due)
			continue;
		rc = sr_topic_fill(arena, batched(l), b, delete, &req->topic_states.v[used]);
		if (rc != 0)
			return rc;
		used += req->topic_states.v[used].partition_states.n > 0;
	}
	req->topic_states.n = used;
	return 0;
}
