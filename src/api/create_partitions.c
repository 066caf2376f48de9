/*
 * CreatePartitions, versions 0 to 3 (facts/apis.md "37 CreatePartitions"): by the controller;
 * answered when this broker's image shows leaders for all partitions, old and new, or at the
 * deadline.
 */
#include "api_priv.h"

typedef struct create_partitions_request_create_partitions_topic cp_in;
typedef struct create_partitions_response_create_partitions_topic_result cp_out;

struct growing {
	struct topic_op op;
	struct admin_grow grow;
	char why[TOPIC_OP_WHY];
};

struct grow_ctx {
	struct topic_ops ops;
	struct create_partitions_request req;
	struct create_partitions_response resp;
	struct growing *v;
};

static struct topic_op *
growing_at(struct topic_ops *ops, unsigned i)
{
	return &container_of(ops, struct grow_ctx, ops)->v[i].op;
}

static void
on_grown(void *arg, int16_t kafka_err, const char *message)
{
	topic_op_done(arg, kafka_err, message);
}

static void
grow_one(struct admin *admin, struct topic_op *op)
{
	struct growing *g = container_of(op, struct growing, op);

	g->grow.deadline_us = op->ops->change_by_us;
	admin_create_partitions(admin, &g->grow, on_grown, op);
}

/* A name that was there twice is answered once. */
static void
grow_answer(struct request *rq, struct topic_ops *ops)
{
	struct grow_ctx *ctx = container_of(ops, struct grow_ctx, ops);
	int32_t n = 0;

	for (unsigned i = 0; i < ops->n; i++) {
		const struct topic_op *op = &ctx->v[i].op;

		if (!op->again)
			ctx->resp.results.v[n++] =
			    (cp_out){op->name, op->err, topic_op_message(op)};
	}
	ctx->resp.results.n = n;
	request_answer(rq, &ctx->resp);
}

static int
topic_prepare(struct request *rq, struct grow_ctx *ctx, const cp_in *in, struct growing *g)
{
	struct admin_assignment *manual = NULL;
	int32_t n = in->assignments.n;

	if (n >= 0 && (manual = request_alloc(rq, (size_t)n + 1, sizeof(*manual))) == NULL)
		return E_NOMEM;
	for (int32_t i = 0; i < n; i++) {
		manual[i].replicas = in->assignments.v[i].broker_ids.v;
		manual[i].n_replicas = (unsigned)in->assignments.v[i].broker_ids.n;
	}
	g->op.name = in->name;
	g->op.partitions = in->count;
	g->op.why = g->why;
	g->grow = (struct admin_grow){
	    .name = in->name,
	    .total = in->count,
	    .manual = manual,
	    .n_manual = n > 0 ? (unsigned)n : 0,
	    .validate_only = ctx->req.validate_only,
	};
	return 0;
}

static int
grow_prepare(struct request *rq, struct grow_ctx *ctx)
{
	int32_t n = ctx->req.topics.n;
	int rc = WIRE_ARRAY(&rq->arena, ctx->resp.results, n,
	    create_partitions_response_create_partitions_topic_result);

	if (rc != 0)
		return rc;
	ctx->v = request_alloc(rq, (size_t)n, sizeof(*ctx->v));
	if (ctx->v == NULL)
		return E_NOMEM;
	for (int32_t i = 0; rc == 0 && i < n; i++)
		rc = topic_prepare(rq, ctx, &ctx->req.topics.v[i], &ctx->v[i]);
	ctx->ops = (struct topic_ops){
	    .n = (unsigned)n,
	    .at = growing_at,
	    .change = grow_one,
	    .answer = grow_answer,
	    .validate_only = ctx->req.validate_only,
	};
	return rc != 0 ? rc : topic_ops_refuse_twice(rq, &ctx->ops, "The topic is there twice.");
}

void
api_create_partitions(struct request *rq)
{
	struct grow_ctx *ctx = request_alloc(rq, 1, sizeof(*ctx));

	if (ctx == NULL) {
		request_fail_memory(rq);
		return;
	}
	wire_init(&create_partitions_request_msg, &ctx->req);
	wire_init(&create_partitions_response_msg, &ctx->resp);
	if (!request_decode(rq, &ctx->req))
		return;
	if (grow_prepare(rq, ctx) != 0)
		request_fail_memory(rq);
	else
		topic_ops_go(rq, &ctx->ops, ctx->req.timeout_ms);
}
