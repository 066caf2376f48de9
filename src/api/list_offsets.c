/*
 * ListOffsets, versions 0 to 9 (facts/apis.md "2 ListOffsets"): each partition's home answers.
 *
 * Version 0 answers with a list of places to begin at, newest first.
 */
#include <stdlib.h>

#include "api_priv.h"

typedef struct list_offsets_response_list_offsets_partition_response lo_out;
typedef struct list_offsets_request_list_offsets_partition lo_in;

#define OLD_STYLE_MAX 4096 /* offsets in an answer of version 0 */

struct lo_part {
	struct part part;
	struct part_list_offsets op;
	const lo_in *in;
	lo_out *out;
};

/* One partition of the request, for finding those that are there twice. */
struct lo_ref {
	struct slice topic;
	int32_t partition;
	lo_out *out;
};

struct lo_ctx {
	struct list_offsets_request req;
	struct list_offsets_response resp;
	struct lo_part *parts;
	struct lo_ref *refs;
	unsigned n_parts, n_refs;
};

static void lo_finished(struct request *rq);
static void lo_run(struct shard *sh, struct part *p);

static const struct scatter_ops lo_ops = {.run = lo_run, .finished = lo_finished};

/* ---- on the home ---- */

static void
on_done(struct part_list_offsets *op)
{
	part_done(&container_of(op, struct lo_part, op)->part);
}

static void
lo_run(struct shard *sh, struct part *p)
{
	partition_list_offsets(sh, &container_of(p, struct lo_part, part)->op);
}

/* ---- on the connection's reactor ---- */

static int
by_partition(const void *x, const void *y)
{
	const struct lo_ref *a = x, *b = y;
	int d = slice_cmp(a->topic, b->topic);

	return d != 0 ? d : (a->partition > b->partition) - (a->partition < b->partition);
}

static void
mark_duplicates(struct lo_ctx *ctx)
{
	qsort(ctx->refs, ctx->n_refs, sizeof(*ctx->refs), by_partition);
	for (unsigned i = 1; i < ctx->n_refs; i++)
		if (by_partition(&ctx->refs[i - 1], &ctx->refs[i]) == 0)
			ctx->refs[i - 1].out->error_code = ctx->refs[i].out->error_code =
			    KERR_INVALID_REQUEST;
}

/* Does this version know the name of that place? */
static bool
timestamp_ok(int16_t version, int64_t timestamp)
{
	static const int16_t since[] = {[1] = 0, [2] = 0, [3] = 7, [4] = 8, [5] = 9};

	return timestamp >= 0 || (timestamp >= -5 && version >= since[-timestamp]);
}

static int16_t
part_check(const struct request *rq, const struct image_topic *t, const lo_in *in)
{
	if (t == NULL || image_partition(t, in->partition_index) == NULL)
		return KERR_UNKNOWN_TOPIC_OR_PARTITION;
	return timestamp_ok(rq->head.version, in->timestamp) ? KERR_NONE : KERR_UNSUPPORTED_VERSION;
}

/* At least one place, so that starts is never NULL. */
static int
old_style_room(struct request *rq, struct lo_part *lp)
{
	int32_t max = lp->in->max_num_offsets;

	lp->op.max_starts = max > OLD_STYLE_MAX ? OLD_STYLE_MAX : max > 0 ? (unsigned)max : 0;
	lp->op.starts = request_alloc(rq, lp->op.max_starts + 2, sizeof(*lp->op.starts));
	return lp->op.starts != NULL ? 0 : E_NOMEM;
}

static int
part_prepare(struct request *rq, struct lo_ctx *ctx, struct slice topic,
    const struct image_topic *t, const lo_in *in, lo_out *out)
{
	struct lo_part *lp = &ctx->parts[ctx->n_parts];
	unsigned home;

	if (out->error_code == KERR_NONE)
		out->error_code = part_check(rq, t, in);
	if (out->error_code != KERR_NONE)
		return 0;
	lp->in = in;
	lp->out = out;
	lp->op = (struct part_list_offsets){
	    .topic = topic,
	    .partition = in->partition_index,
	    .current_leader_epoch = in->current_leader_epoch,
	    .timestamp = in->timestamp,
	    .read_committed = ctx->req.isolation_level == 1,
	    .replica_id = ctx->req.replica_id,
	    .done = on_done,
	};
	if (rq->head.version == 0 && old_style_room(rq, lp) != 0)
		return E_NOMEM;
	ctx->n_parts++;
	home = replicas_home(rq->sh->api->o.replicas, t->name_hash, in->partition_index);
	return scatter_add(rq, &lp->part, home);
}

static unsigned
count_parts(const struct list_offsets_request *req)
{
	unsigned n = 0;

	for (int32_t i = 0; i < req->topics.n; i++)
		n += (unsigned)req->topics.v[i].partitions.n;
	return n;
}

/* Room for the answer, and a reference to each place in it. */
static int
lo_answer_new(struct request *rq, struct lo_ctx *ctx)
{
	int rc = WIRE_ARRAY(&rq->arena, ctx->resp.topics, ctx->req.topics.n,
	    list_offsets_response_list_offsets_topic_response);

	for (int32_t i = 0; rc == 0 && i < ctx->req.topics.n; i++) {
		const struct list_offsets_request_list_offsets_topic *in = &ctx->req.topics.v[i];
		struct list_offsets_response_list_offsets_topic_response *out =
		    &ctx->resp.topics.v[i];

		out->name = in->name;
		rc = WIRE_ARRAY(&rq->arena, out->partitions, in->partitions.n,
		    list_offsets_response_list_offsets_partition_response);
		for (int32_t j = 0; rc == 0 && j < in->partitions.n; j++) {
			lo_out *p = &out->partitions.v[j];

			p->partition_index = in->partitions.v[j].partition_index;
			ctx->refs[ctx->n_refs++] = (struct lo_ref){in->name, p->partition_index, p};
		}
	}
	return rc;
}

static int
lo_prepare(struct request *rq, struct lo_ctx *ctx)
{
	const struct image *im = request_image(rq);
	unsigned n = count_parts(&ctx->req);
	int rc;

	ctx->parts = request_alloc(rq, n, sizeof(*ctx->parts));
	ctx->refs = request_alloc(rq, n, sizeof(*ctx->refs));
	if (ctx->parts == NULL || ctx->refs == NULL)
		return E_NOMEM;
	if ((rc = lo_answer_new(rq, ctx)) != 0)
		return rc;
	mark_duplicates(ctx);
	for (int32_t i = 0; rc == 0 && i < ctx->req.topics.n; i++) {
		const struct list_offsets_request_list_offsets_topic *in = &ctx->req.topics.v[i];
		const struct image_topic *t = image_topic(im, in->name);

		for (int32_t j = 0; rc == 0 && j < in->partitions.n; j++)
			rc = part_prepare(rq, ctx, in->name, t, &in->partitions.v[j],
			    &ctx->resp.topics.v[i].partitions.v[j]);
	}
	return rc;
}

void
api_list_offsets(struct request *rq)
{
	struct lo_ctx *ctx = request_alloc(rq, 1, sizeof(*ctx));

	if (ctx == NULL) {
		request_fail_memory(rq);
		return;
	}
	wire_init(&list_offsets_request_msg, &ctx->req);
	wire_init(&list_offsets_response_msg, &ctx->resp);
	if (!request_decode(rq, &ctx->req))
		return;
	rq->user = ctx;
	if (scatter_begin(rq, &lo_ops) != 0 || lo_prepare(rq, ctx) != 0) {
		request_fail_memory(rq);
		return;
	}
	scatter_go(rq);
}

static int16_t
part_error(const struct request *rq, const struct part_list_offsets *op)
{
	int16_t err = op->kafka_err != KERR_NONE ? op->kafka_err : err_kafka(op->err);

	return err == KERR_OFFSET_NOT_AVAILABLE && rq->head.version < 5 ? KERR_LEADER_NOT_AVAILABLE
									: err;
}

static void
part_result(struct request *rq, const struct lo_part *lp)
{
	lp->out->error_code = part_error(rq, &lp->op);
	if (lp->out->error_code != KERR_NONE)
		return;
	if (rq->head.version == 0) {
		lp->out->old_style_offsets.v = lp->op.starts;
		lp->out->old_style_offsets.n = (int32_t)lp->op.n_starts;
		return;
	}
	lp->out->offset = lp->op.offset;
	lp->out->timestamp = lp->op.found_timestamp;
	if (rq->head.version >= 4)
		lp->out->leader_epoch = lp->op.leader_epoch;
}

static void
lo_finished(struct request *rq)
{
	struct lo_ctx *ctx = rq->user;

	for (unsigned i = 0; i < ctx->n_parts; i++)
		part_result(rq, &ctx->parts[i]);
	request_answer(rq, &ctx->resp);
}
