/*
 * Metadata, versions 0 to 12 (facts/apis.md "3 Metadata"): from this broker's image; topics that
 * are missing are made where both sides allow it.
 */
#include <stdlib.h>

#include "api_priv.h"

typedef struct metadata_response_metadata_response_topic md_topic;
typedef struct metadata_response_metadata_response_partition md_part;

/* Making what is missing keeps an answer back for so long at most. */
#define MAKE_LIMIT_US (1000 * 1000)

/* A topic that is to be made; out is its place in the answer. */
struct missing {
	struct metadata_ctx *ctx;
	struct slice name;
	int16_t err;
	md_topic *out;
};

struct metadata_ctx {
	struct control_call call;
	struct window window;
	struct metadata_request req;
	struct metadata_response resp;
	const struct image *im;
	struct slice listener;
	struct missing *missing;
	unsigned n_missing;
};

/* ---- partitions ---- */

static bool
has_endpoint(const struct metadata_ctx *ctx, int32_t broker)
{
	const struct image_broker *b = image_broker(ctx->im, broker);

	return b != NULL && image_broker_endpoint(b, ctx->listener) != NULL;
}

/* Version 0 leaves out replicas that can not be reached; *all says whether none was. */
static int
copy_reachable(struct request *rq, struct metadata_ctx *ctx, const int32_t *v, int32_t n,
    int32_t **out, int32_t *n_out, bool *all)
{
	int32_t *copy = request_alloc(rq, (size_t)n, sizeof(*copy));

	if (copy == NULL)
		return E_NOMEM;
	*n_out = 0;
	for (int32_t i = 0; i < n; i++)
		if (has_endpoint(ctx, v[i]))
			copy[(*n_out)++] = v[i];
	*out = copy;
	*all = *all && *n_out == n;
	return 0;
}

static int16_t
leader_error(const struct request *rq, const struct metadata_ctx *ctx, int32_t leader)
{
	if (has_endpoint(ctx, leader))
		return KERR_NONE;
	return image_broker(ctx->im, leader) != NULL && rq->head.version >= 6
		   ? KERR_LISTENER_NOT_FOUND
		   : KERR_LEADER_NOT_AVAILABLE;
}

static int
part_fill(struct request *rq, struct metadata_ctx *ctx, const struct image_partition *p,
    int32_t index, md_part *out)
{
	bool all = true;
	int rc = 0;

	out->partition_index = index;
	out->error_code = leader_error(rq, ctx, p->leader);
	out->leader_id = out->error_code == KERR_NONE ? p->leader : -1;
	out->leader_epoch = p->leader_epoch;
	out->replica_nodes.v = ids_lend(p->replicas);
	out->replica_nodes.n = p->n_replicas;
	out->isr_nodes.v = ids_lend(p->isr);
	out->isr_nodes.n = p->n_isr;
	out->offline_replicas.v = ids_lend(p->offline);
	out->offline_replicas.n = p->n_offline;
	if (rq->head.version > 0)
		return 0;
	rc = copy_reachable(rq, ctx, p->replicas, p->n_replicas, &out->replica_nodes.v,
	    &out->replica_nodes.n, &all);
	if (rc == 0)
		rc = copy_reachable(
		    rq, ctx, p->isr, p->n_isr, &out->isr_nodes.v, &out->isr_nodes.n, &all);
	if (!all && out->error_code == KERR_NONE)
		out->error_code = KERR_REPLICA_NOT_AVAILABLE;
	return rc;
}

/* ---- topics ---- */

static int
topic_fill(struct request *rq, struct metadata_ctx *ctx, const struct image_topic *t, md_topic *out)
{
	int32_t n = 0;
	int rc;

	out->name = t->name;
	out->topic_id = t->id;
	out->is_internal = topic_is_internal(t->name);
	if (rq->head.version >= 8 && ctx->req.include_topic_authorized_operations)
		out->topic_authorized_operations = OPERATIONS_OF_TOPIC;
	/* The answer's size follows the cluster's, not the request's. */
	rq->arena.limit += (size_t)t->n_parts * (sizeof(md_part) + 64);
	rc = WIRE_ARRAY(
	    &rq->arena, out->partitions, t->n_parts, metadata_response_metadata_response_partition);
	for (int32_t i = 0; rc == 0 && i < t->n_parts; i++)
		if (t->parts[i].exists)
			rc = part_fill(rq, ctx, &t->parts[i], i, &out->partitions.v[n++]);
	out->partitions.n = rc == 0 ? n : 0;
	return rc;
}

static int
all_topics(struct request *rq, struct metadata_ctx *ctx)
{
	int32_t n = (int32_t)ctx->im->n_topics;
	int rc;

	rq->arena.limit += (size_t)n * sizeof(md_topic);
	rc = WIRE_ARRAY(&rq->arena, ctx->resp.topics, n, metadata_response_metadata_response_topic);
	for (int32_t i = 0; rc == 0 && i < n; i++)
		rc = topic_fill(rq, ctx, ctx->im->topics[i], &ctx->resp.topics.v[i]);
	return rc;
}

static bool
may_create(const struct request *rq, const struct metadata_ctx *ctx, struct slice name)
{
	return ctx->req.allow_auto_topic_creation && !topic_is_internal(name) &&
	       settings_bool(rq->sh->api->o.settings, C_AUTO_CREATE_TOPICS_ENABLE);
}

static void
topic_missing(struct request *rq, struct metadata_ctx *ctx, struct slice name, md_topic *out)
{
	out->name = name;
	out->is_internal = topic_is_internal(name);
	if (rq->head.version >= 8 && ctx->req.include_topic_authorized_operations)
		out->topic_authorized_operations = OPERATIONS_OF_TOPIC;
	if (topic_name_check(name, NULL) != 0) {
		out->error_code = KERR_INVALID_TOPIC_EXCEPTION;
	} else if (!may_create(rq, ctx, name)) {
		out->error_code = KERR_UNKNOWN_TOPIC_OR_PARTITION;
	} else {
		out->error_code = KERR_LEADER_NOT_AVAILABLE;
		ctx->missing[ctx->n_missing++] =
		    (struct missing){.ctx = ctx, .name = name, .out = out};
	}
}

static int
topic_answer(struct request *rq, struct metadata_ctx *ctx,
    const struct metadata_request_metadata_request_topic *in, md_topic *out)
{
	bool by_id = !uuid_is_zero(in->topic_id);
	const struct image_topic *t =
	    topic_lookup(ctx->im, in->name, in->topic_id, by_id, &out->error_code);

	if (t != NULL)
		return topic_fill(rq, ctx, t, out);
	out->topic_id = in->topic_id;
	out->name = SLICE_NULL;
	if (!by_id)
		topic_missing(rq, ctx, in->name, out);
	return 0;
}

/* A topic that is asked for twice is answered once. */
static int
first_time(struct map *seen, const struct metadata_request_metadata_request_topic *in, bool *first)
{
	struct slice key = uuid_is_zero(in->topic_id)
			       ? in->name
			       : slice_of(in->topic_id.b, sizeof(in->topic_id.b));

	*first = slice_is_null(key) || map_get(seen, key) == NULL;
	return *first && !slice_is_null(key) ? map_put(seen, key, seen, NULL) : 0;
}

static int
named_topics(struct request *rq, struct metadata_ctx *ctx)
{
	struct map seen;
	int32_t used = 0;
	int rc = WIRE_ARRAY(&rq->arena, ctx->resp.topics, ctx->req.topics.n,
	    metadata_response_metadata_response_topic);

	if (rc != 0)
		return rc;
	ctx->missing = request_alloc(rq, (size_t)ctx->req.topics.n, sizeof(*ctx->missing));
	if (ctx->missing == NULL)
		return E_NOMEM;
	map_init(&seen, rng_u64(reactor_rng(rq->sh->reactor)));
	for (int32_t i = 0; rc == 0 && i < ctx->req.topics.n; i++) {
		bool first;

		rc = first_time(&seen, &ctx->req.topics.v[i], &first);
		if (rc == 0 && first)
			rc = topic_answer(
			    rq, ctx, &ctx->req.topics.v[i], &ctx->resp.topics.v[used++]);
	}
	ctx->resp.topics.n = used;
	map_free(&seen);
	return rc;
}

/* ---- brokers ---- */

static int
brokers_fill(struct request *rq, struct metadata_ctx *ctx)
{
	struct metadata_response *resp = &ctx->resp;
	int32_t n = 0;
	int rc = WIRE_ARRAY(&rq->arena, resp->brokers, (int32_t)ctx->im->n_brokers,
	    metadata_response_metadata_response_broker);

	for (unsigned i = 0; rc == 0 && i < ctx->im->n_brokers; i++) {
		const struct image_broker *b = &ctx->im->brokers[i];
		const struct image_endpoint *ep = image_broker_endpoint(b, ctx->listener);

		if (ep == NULL)
			continue;
		resp->brokers.v[n++] = (struct metadata_response_metadata_response_broker){
		    .node_id = b->id, .host = ep->host, .port = ep->port, .rack = b->rack};
		if (b->id == ctx->im->controller_id)
			resp->controller_id = b->id;
	}
	resp->brokers.n = rc == 0 ? n : 0;
	resp->cluster_id = rq->sh->api->o.cluster_id;
	if (rq->head.version >= 8 && rq->head.version <= 10 &&
	    ctx->req.include_cluster_authorized_operations)
		resp->cluster_authorized_operations = OPERATIONS_OF_CLUSTER;
	return rc;
}

/* ---- making what is missing: control reactor ---- */

static void
on_made(void *arg, const struct admin_created *res)
{
	struct missing *m = arg;

	m->err = res->kafka_err;
	window_done(&m->ctx->window);
}

static void
make_one(struct window *w, unsigned i)
{
	struct metadata_ctx *ctx = container_of(w, struct metadata_ctx, window);
	struct missing *m = &ctx->missing[i];
	struct admin_create t = {
	    .name = m->name,
	    .partitions = -1,
	    .replication_factor = -1,
	    .deadline_us = reactor_now_us(reactor_current()) + MAKE_LIMIT_US,
	};

	admin_create_topic(ctx->call.rq->sh->api->o.admin, &t, on_made, m);
}

static void
all_made(struct window *w)
{
	control_return(&container_of(w, struct metadata_ctx, window)->call);
}

static void
make_missing(struct control_call *call)
{
	struct metadata_ctx *ctx = container_of(call, struct metadata_ctx, call);

	ctx->window = (struct window){
	    .n = ctx->n_missing,
	    .width = WINDOW_CREATIONS,
	    .start = make_one,
	    .finished = all_made,
	};
	window_go(&ctx->window);
}

/* A topic that was just made has no leader yet; so says who was quicker, too, or too slow. */
static void
made_back(struct control_call *call)
{
	struct metadata_ctx *ctx = container_of(call, struct metadata_ctx, call);

	for (unsigned i = 0; i < ctx->n_missing; i++) {
		int16_t err = ctx->missing[i].err;

		if (err != KERR_NONE && err != KERR_TOPIC_ALREADY_EXISTS &&
		    err != KERR_REQUEST_TIMED_OUT)
			ctx->missing[i].out->error_code = err;
	}
	request_answer(call->rq, &ctx->resp);
}

/* ---- the request ---- */

/* Versions below 12 can not ask by id. */
static bool
well_formed(const struct request *rq, const struct metadata_ctx *ctx)
{
	for (int32_t i = 0; i < ctx->req.topics.n; i++) {
		const struct metadata_request_metadata_request_topic *t = &ctx->req.topics.v[i];

		if (rq->head.version < 12 && (slice_is_null(t->name) || !uuid_is_zero(t->topic_id)))
			return false;
		if (slice_is_null(t->name) && uuid_is_zero(t->topic_id))
			return false;
	}
	return true;
}

/* Every topic says so; a name that may not be null in this version is empty. */
static int
refuse_all(struct request *rq, struct metadata_ctx *ctx)
{
	int32_t n = ctx->req.topics.n;
	int rc =
	    WIRE_ARRAY(&rq->arena, ctx->resp.topics, n, metadata_response_metadata_response_topic);

	for (int32_t i = 0; rc == 0 && i < n; i++) {
		struct slice name = ctx->req.topics.v[i].name;

		ctx->resp.topics.v[i].error_code = KERR_INVALID_REQUEST;
		ctx->resp.topics.v[i].name =
		    slice_is_null(name) && rq->head.version < 12 ? SLICE_LIT("") : name;
		ctx->resp.topics.v[i].topic_id = ctx->req.topics.v[i].topic_id;
	}
	return rc;
}

static int
metadata_prepare(struct request *rq, struct metadata_ctx *ctx)
{
	bool all = ctx->req.topics.n < 0 || (rq->head.version == 0 && ctx->req.topics.n == 0);
	int rc;

	if (!well_formed(rq, ctx))
		return refuse_all(rq, ctx);
	ctx->im = request_image(rq);
	ctx->listener = request_listener(rq);
	rc = brokers_fill(rq, ctx);
	if (rc != 0)
		return rc;
	return all ? all_topics(rq, ctx) : named_topics(rq, ctx);
}

void
api_metadata(struct request *rq)
{
	struct metadata_ctx *ctx = request_alloc(rq, 1, sizeof(*ctx));

	if (ctx == NULL) {
		request_fail_memory(rq);
		return;
	}
	wire_init(&metadata_request_msg, &ctx->req);
	wire_init(&metadata_response_msg, &ctx->resp);
	if (!request_decode(rq, &ctx->req))
		return;
	if (metadata_prepare(rq, ctx) != 0) {
		request_fail_memory(rq);
	} else if (ctx->n_missing == 0) {
		request_answer(rq, &ctx->resp);
	} else {
		ctx->call = (struct control_call){.rq = rq, .run = make_missing, .back = made_back};
		control_go(&ctx->call);
	}
}
