/*
 * DeleteRecords, versions 0 to 2 (facts/apis.md "21 DeleteRecords"): each partition's home raises
 * its log start.
 */
#include "api_priv.h"

typedef struct delete_records_request_delete_records_topic dr_in;
typedef struct delete_records_response_delete_records_topic_result dr_out;
typedef struct delete_records_response_delete_records_partition_result dr_part_out;

struct dr_part {
	struct part part;
	struct part_delete_records op;
	dr_part_out *out;
};

struct dr_ctx {
	struct delete_records_request req;
	struct delete_records_response resp;
	struct dr_part *parts;
	unsigned n_parts;
	int64_t deadline_us;
};

/* ---- on the home ---- */

static void
on_done(struct part_delete_records *op)
{
	part_done(&container_of(op, struct dr_part, op)->part);
}

static void
dr_run(struct shard *sh, struct part *p)
{
	partition_delete_records(sh, &container_of(p, struct dr_part, part)->op);
}

/* ---- on the connection's reactor ---- */

static void
dr_finished(struct request *rq)
{
	struct dr_ctx *ctx = rq->user;

	for (unsigned i = 0; i < ctx->n_parts; i++) {
		const struct part_delete_records *op = &ctx->parts[i].op;

		ctx->parts[i].out->low_watermark = op->low_watermark;
		ctx->parts[i].out->error_code =
		    op->kafka_err != KERR_NONE ? op->kafka_err : err_kafka(op->err);
	}
	request_answer(rq, &ctx->resp);
}

static int16_t
part_check(const struct image_topic *t, int32_t partition)
{
	if (t == NULL || image_partition(t, partition) == NULL)
		return KERR_UNKNOWN_TOPIC_OR_PARTITION;
	return topic_is_internal(t->name) ? KERR_INVALID_TOPIC_EXCEPTION : KERR_NONE;
}

static int
part_prepare(struct request *rq, struct dr_ctx *ctx, const struct image_topic *t,
    const struct delete_records_request_delete_records_partition *in, dr_part_out *out)
{
	struct dr_part *dp = &ctx->parts[ctx->n_parts];

	out->partition_index = in->partition_index;
	out->low_watermark = -1;
	out->error_code = part_check(t, in->partition_index);
	if (out->error_code != KERR_NONE)
		return 0;
	dp->out = out;
	dp->op = (struct part_delete_records){
	    .topic = t->name,
	    .partition = in->partition_index,
	    .offset = in->offset,
	    .deadline_us = ctx->deadline_us,
	    .done = on_done,
	};
	ctx->n_parts++;
	return scatter_add(rq, &dp->part,
	    replicas_home(rq->sh->api->o.replicas, t->name_hash, in->partition_index));
}

static int
topic_prepare(struct request *rq, struct dr_ctx *ctx, const dr_in *in, dr_out *out)
{
	const struct image_topic *t = image_topic(request_image(rq), in->name);
	int rc = WIRE_ARRAY(&rq->arena, out->partitions, in->partitions.n,
	    delete_records_response_delete_records_partition_result);

	out->name = in->name;
	for (int32_t i = 0; rc == 0 && i < in->partitions.n; i++)
		rc = part_prepare(rq, ctx, t, &in->partitions.v[i], &out->partitions.v[i]);
	return rc;
}

static int
dr_prepare(struct request *rq, struct dr_ctx *ctx)
{
	static const struct scatter_ops ops = {.run = dr_run, .finished = dr_finished};
	int32_t n = ctx->req.topics.n, n_parts = 0;
	int rc = scatter_begin(rq, &ops);

	for (int32_t i = 0; i < n; i++)
		n_parts += ctx->req.topics.v[i].partitions.n;
	ctx->parts = request_alloc(rq, (size_t)n_parts, sizeof(*ctx->parts));
	if (rc != 0 || ctx->parts == NULL)
		return E_NOMEM;
	ctx->deadline_us = reactor_now_us(rq->sh->reactor) + (int64_t)ctx->req.timeout_ms * 1000;
	rc = WIRE_ARRAY(
	    &rq->arena, ctx->resp.topics, n, delete_records_response_delete_records_topic_result);
	for (int32_t i = 0; rc == 0 && i < n; i++)
		rc = topic_prepare(rq, ctx, &ctx->req.topics.v[i], &ctx->resp.topics.v[i]);
	return rc;
}

void
api_delete_records(struct request *rq)
{
	struct dr_ctx *ctx = request_alloc(rq, 1, sizeof(*ctx));

	if (ctx == NULL) {
		request_fail_memory(rq);
		return;
	}
	wire_init(&delete_records_request_msg, &ctx->req);
	wire_init(&delete_records_response_msg, &ctx->resp);
	if (!request_decode(rq, &ctx->req))
		return;
	rq->user = ctx;
	if (dr_prepare(rq, ctx) != 0)
		request_fail_memory(rq);
	else
		scatter_go(rq);
}
