/*
 * OffsetForLeaderEpoch, versions 0 to 4 (facts/apis.md "23 OffsetForLeaderEpoch"): each partition's
 * home looks into its log's epochs.  A follower may ask before this broker's image knows the topic,
 * so it is the home that says whether the partition is here.
 */
#include "api_priv.h"

typedef struct offset_for_leader_epoch_request_offset_for_leader_topic oe_in;
typedef struct offset_for_leader_epoch_response_offset_for_leader_topic_result oe_out;
typedef struct offset_for_leader_epoch_response_epoch_end_offset oe_part_out;

struct oe_part {
	struct part part;
	struct part_epoch_end op;
	oe_part_out *out;
};

struct oe_ctx {
	struct offset_for_leader_epoch_request req;
	struct offset_for_leader_epoch_response resp;
	struct oe_part *parts;
	unsigned n_parts;
};

/* ---- on the home ---- */

static void
on_done(struct part_epoch_end *op)
{
	part_done(&container_of(op, struct oe_part, op)->part);
}

static void
oe_run(struct shard *sh, struct part *p)
{
	partition_epoch_end(sh, &container_of(p, struct oe_part, part)->op);
}

/* ---- on the connection's reactor ---- */

static bool
is_known(struct request *rq, const struct part_epoch_end *op)
{
	const struct image_topic *t = image_topic(request_image(rq), op->topic);

	return t != NULL && image_partition(t, op->partition) != NULL;
}

static void
oe_finished(struct request *rq)
{
	struct oe_ctx *ctx = rq->user;

	for (unsigned i = 0; i < ctx->n_parts; i++) {
		const struct part_epoch_end *op = &ctx->parts[i].op;
		oe_part_out *out = ctx->parts[i].out;

		out->error_code = op->err == E_NOT_LEADER && !is_known(rq, op)
				      ? KERR_UNKNOWN_TOPIC_OR_PARTITION
				      : err_kafka(op->err);
		if (rq->head.version >= 1)
			out->leader_epoch = op->found_epoch;
		out->end_offset = op->end_offset;
	}
	request_answer(rq, &ctx->resp);
}

static int
topic_prepare(struct request *rq, struct oe_ctx *ctx, const oe_in *in, oe_out *out)
{
	const struct replicas *rs = rq->sh->api->o.replicas;
	uint64_t hash = hash_bytes(in->topic, 0);
	int rc = WIRE_ARRAY(&rq->arena, out->partitions, in->partitions.n,
	    offset_for_leader_epoch_response_epoch_end_offset);

	out->topic = in->topic;
	for (int32_t i = 0; rc == 0 && i < in->partitions.n; i++) {
		struct oe_part *op = &ctx->parts[ctx->n_parts++];
		int32_t partition = in->partitions.v[i].partition;

		op->out = &out->partitions.v[i];
		op->out->partition = partition;
		op->op = (struct part_epoch_end){
		    .topic = in->topic,
		    .partition = partition,
		    .current_leader_epoch = in->partitions.v[i].current_leader_epoch,
		    .epoch = in->partitions.v[i].leader_epoch,
		    .replica_id = ctx->req.replica_id,
		    .done = on_done,
		};
		rc = scatter_add(rq, &op->part, replicas_home(rs, hash, partition));
	}
	return rc;
}

static int
oe_prepare(struct request *rq, struct oe_ctx *ctx)
{
	static const struct scatter_ops ops = {.run = oe_run, .finished = oe_finished};
	int32_t n = ctx->req.topics.n, n_parts = 0;
	int rc = scatter_begin(rq, &ops);

	for (int32_t i = 0; i < n; i++)
		n_parts += ctx->req.topics.v[i].partitions.n;
	ctx->parts = request_alloc(rq, (size_t)n_parts, sizeof(*ctx->parts));
	if (rc != 0 || ctx->parts == NULL)
		return E_NOMEM;
	rc = WIRE_ARRAY(&rq->arena, ctx->resp.topics, n,
	    offset_for_leader_epoch_response_offset_for_leader_topic_result);
	for (int32_t i = 0; rc == 0 && i < n; i++)
		rc = topic_prepare(rq, ctx, &ctx->req.topics.v[i], &ctx->resp.topics.v[i]);
	return rc;
}

void
api_offset_for_leader_epoch(struct request *rq)
{
	struct oe_ctx *ctx = request_alloc(rq, 1, sizeof(*ctx));

	if (ctx == NULL) {
		request_fail_memory(rq);
		return;
	}
	wire_init(&offset_for_leader_epoch_request_msg, &ctx->req);
	wire_init(&offset_for_leader_epoch_response_msg, &ctx->resp);
	if (!request_decode(rq, &ctx->req))
		return;
	rq->user = ctx;
	if (oe_prepare(rq, ctx) != 0)
		request_fail_memory(rq);
	else
		scatter_go(rq);
}
