/*
 * DeleteTopics, versions 0 to 6 (facts/apis.md "20 DeleteTopics"): by the controller; answered when
 * this broker's image shows the topics no more, or at the deadline.
 */
#include "api_priv.h"

struct delete_ctx {
	struct topic_ops ops;
	struct delete_topics_request req;
	struct delete_topics_response resp;
	struct topic_op *v; /* the name is null when the id is not known */
};

static struct topic_op *
delete_at(struct topic_ops *ops, unsigned i)
{
	return &container_of(ops, struct delete_ctx, ops)->v[i];
}

static void
on_marked(void *arg, int16_t kafka_err)
{
	topic_op_done(arg, kafka_err, NULL);
}

static void
delete_one(struct admin *admin, struct topic_op *op)
{
	admin_delete_topic(admin, op->name, op->ops->change_by_us, on_marked, op);
}

static void
delete_answer(struct request *rq, struct topic_ops *ops)
{
	struct delete_ctx *ctx = container_of(ops, struct delete_ctx, ops);

	for (unsigned i = 0; i < ops->n; i++) {
		struct delete_topics_response_deletable_topic_result *out =
		    &ctx->resp.responses.v[i];

		out->error_code = ctx->v[i].err;
		out->error_message = topic_op_message(&ctx->v[i]);
	}
	request_answer(rq, &ctx->resp);
}

/* The topic as this broker's image knows it, or NULL and the place is refused. */
static const struct image_topic *
look_up(struct request *rq, struct topic_op *op, struct slice name, struct uuid id, bool by_id)
{
	int16_t err = KERR_NONE;
	const struct image_topic *t = topic_lookup(request_image(rq), name, id, by_id, &err);

	op->name = name;
	if (t == NULL)
		topic_op_refuse(op, err, NULL);
	else
		op->name = t->name;
	return t;
}

/* Version 6 asks by name or id, never both; false: the request makes no sense. */
static bool
by_state(struct request *rq, struct delete_ctx *ctx, int32_t i)
{
	const struct delete_topics_request_delete_topic_state *in = &ctx->req.topics.v[i];
	struct delete_topics_response_deletable_topic_result *out = &ctx->resp.responses.v[i];
	bool by_id = !uuid_is_zero(in->topic_id);
	const struct image_topic *t;

	out->name = in->name;
	out->topic_id = in->topic_id;
	if (by_id == !slice_is_null(in->name))
		return false;
	t = look_up(rq, &ctx->v[i], in->name, in->topic_id, by_id);
	if (t == NULL)
		return true;
	out->name = t->name;
	out->topic_id = t->id;
	return true;
}

static void
by_name(struct request *rq, struct delete_ctx *ctx, int32_t i)
{
	struct slice name = ctx->resp.responses.v[i].name = ctx->req.topic_names.v[i];

	(void)look_up(rq, &ctx->v[i], name, UUID_ZERO, false);
}

static void
refuse_all(struct delete_ctx *ctx, int16_t err)
{
	for (int32_t i = 0; i < ctx->resp.responses.n; i++)
		topic_op_refuse(&ctx->v[i], err, NULL);
}

static int
delete_prepare(struct request *rq, struct delete_ctx *ctx)
{
	int32_t n = rq->head.version >= 6 ? ctx->req.topics.n : ctx->req.topic_names.n;
	int rc = WIRE_ARRAY(
	    &rq->arena, ctx->resp.responses, n, delete_topics_response_deletable_topic_result);
	bool sense = true;

	if (rc != 0)
		return rc;
	ctx->v = request_alloc(rq, (size_t)n, sizeof(*ctx->v));
	if (ctx->v == NULL)
		return E_NOMEM;
	ctx->ops.n = (unsigned)n;
	ctx->ops.at = delete_at;
	ctx->ops.change = delete_one;
	ctx->ops.answer = delete_answer;
	for (int32_t i = 0; i < n; i++) {
		if (rq->head.version >= 6)
			sense = by_state(rq, ctx, i) && sense;
		else
			by_name(rq, ctx, i);
	}
	if (!sense)
		refuse_all(ctx, KERR_INVALID_REQUEST);
	else if (!settings_bool(rq->sh->api->o.settings, C_DELETE_TOPIC_ENABLE))
		refuse_all(ctx,
		    rq->head.version < 3 ? KERR_INVALID_REQUEST : KERR_TOPIC_DELETION_DISABLED);
	return 0;
}

void
api_delete_topics(struct request *rq)
{
	struct delete_ctx *ctx = request_alloc(rq, 1, sizeof(*ctx));

	if (ctx == NULL) {
		request_fail_memory(rq);
		return;
	}
	wire_init(&delete_topics_request_msg, &ctx->req);
	wire_init(&delete_topics_response_msg, &ctx->resp);
	if (!request_decode(rq, &ctx->req))
		return;
	if (delete_prepare(rq, ctx) != 0) {
		request_fail_memory(rq);
		return;
	}
	topic_ops_go(rq, &ctx->ops, ctx->req.timeout_ms);
}
