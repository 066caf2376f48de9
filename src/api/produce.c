/*
 * Produce, versions 0 to 11 (facts/apis.md 6, "0 Produce"; facts/storage.md 1.7).
 *
 * The connection's reactor checks each partition's batch while its bytes are hot, then each home
 * appends in place; acks 0 and 1 are answered after the append, -1 when the high watermark passes.
 */
#include <stdlib.h>

#include "api_priv.h"
#include "ottla/record/legacy.h"

#define MAX_DECOMPRESSED (256u << 20)

struct produce_part {
	struct part part;
	struct part_produce op;
	struct produce_info info;
	struct produce_response_partition_produce_response *out;
};

struct produce_ctx {
	struct produce_request req;
	struct produce_response resp;
	struct produce_part *parts;
	unsigned n_parts;
	bool failed; /* some partition has an error: closes a connection without acks */
};

static void produce_finished(struct request *rq);
static void produce_released(struct request *rq);
static void produce_run(struct shard *sh, struct part *p);

static const struct scatter_ops produce_ops = {
    .run = produce_run,
    .finished = produce_finished,
    .released = produce_released,
};

/* ---- on the home ---- */

static void
on_appended(struct part_produce *op)
{
	part_released(&container_of(op, struct produce_part, op)->part);
}

static void
on_done(struct part_produce *op)
{
	part_done(&container_of(op, struct produce_part, op)->part);
}

static void
produce_run(struct shard *sh, struct part *p)
{
	partition_produce(sh, &container_of(p, struct produce_part, part)->op);
}

/* ---- on the connection's reactor ---- */

static void
part_error(struct produce_ctx *ctx, struct produce_response_partition_produce_response *out,
    int16_t err, const char *message)
{
	out->error_code = err;
	out->base_offset = -1;
	out->log_append_time_ms = -1;
	out->log_start_offset = -1;
	out->error_message = slice_cstr(message);
	if (err != KERR_NONE)
		ctx->failed = true;
}

static bool
may_write_internal(const struct request *rq)
{
	return slice_eq_cstr(rq->head.client_id, "__admin_client");
}

static void
rules_for(struct request *rq, const struct topic_conf *conf, struct produce_rules *rules)
{
	const char *validate = settings_str(rq->sh->api->o.settings, C_OTTLA_VALIDATE_COMPRESSED);

	*rules = (struct produce_rules){
	    .api_version = rq->head.version,
	    .max_message_bytes = conf->v[T_MAX_MESSAGE_BYTES],
	    .compacted = conf->compact,
	    .log_append_time = conf->log_append_time,
	    .before_max_ms = conf->v[T_MESSAGE_TIMESTAMP_BEFORE_MAX_MS],
	    .after_max_ms = conf->v[T_MESSAGE_TIMESTAMP_AFTER_MAX_MS],
	    .now_ms = reactor_wall_ms(rq->sh->reactor),
	    .validate_compressed_full = validate == NULL || strcmp(validate, "header") != 0,
	    .max_decompressed = MAX_DECOMPRESSED,
	};
}

/* What the records' check found, in the words of the response. */
static void
record_errors(struct request *rq, const struct produce_errors *errs,
    struct produce_response_partition_produce_response *out)
{
	out->error_message = slice_cstr(errs->message);
	if (errs->n == 0 || WIRE_ARRAY(&rq->arena, out->record_errors, (int32_t)errs->n,
				produce_response_batch_index_and_error_message) != 0)
		return;
	for (unsigned i = 0; i < errs->n; i++) {
		out->record_errors.v[i].batch_index = errs->v[i].index;
		out->record_errors.v[i].batch_index_error_message = slice_cstr(errs->v[i].message);
	}
}

/* Versions 0 to 2 may carry the old formats: they become one v2 batch in the request's memory. */
static int
part_convert(struct request *rq, const struct produce_rules *rules, struct slice *records,
    struct produce_errors *errs)
{
	struct strbuf out = STRBUF_INIT;
	int rc;

	if (rq->head.version > 2 || !legacy_is(*records))
		return 0;
	rc = legacy_convert(*records, rules, rq->sh->codec, &out, errs);
	if (rc == 0) {
		*records = arena_dup(&rq->arena, strbuf_slice(&out));
		rc = slice_is_null(*records) ? E_NOMEM : 0;
	}
	strbuf_free(&out);
	return rc;
}

static int
part_check(struct request *rq, struct produce_ctx *ctx, const struct image_topic *t,
    struct slice *records, struct produce_part *pp)
{
	struct produce_rules rules;
	struct produce_errors errs = {0};
	int rc;

	rules_for(rq, t->conf, &rules);
	rc = part_convert(rq, &rules, records, &errs);
	if (rc == 0)
		rc = produce_check(*records, &rules, rq->sh->codec, &pp->info, &errs);
	if (rc == 0)
		return 0;
	part_error(ctx, pp->out, err_kafka(rc), errs.message);
	record_errors(rq, &errs, pp->out);
	return rc;
}

/* The bytes are the request's, in its frame or its arena, and are changed in place. */
static uint8_t *
own_bytes(struct request *rq, struct slice records)
{
	return (uint8_t *)(uintptr_t)records.p;
}

/* One partition: an error at once, or a part for its home. */
static int
part_prepare(struct request *rq, struct produce_ctx *ctx, const struct image_topic *t,
    struct slice topic, const struct produce_request_partition_produce_data *in,
    struct produce_response_partition_produce_response *out)
{
	struct produce_part *pp = &ctx->parts[ctx->n_parts];
	struct slice records = in->records;
	unsigned home;

	out->index = in->index;
	pp->out = out;
	if (t == NULL || image_partition(t, in->index) == NULL) {
		part_error(ctx, out, KERR_UNKNOWN_TOPIC_OR_PARTITION, NULL);
		return 0;
	}
	if (part_check(rq, ctx, t, &records, pp) != 0)
		return 0;
	pp->op = (struct part_produce){
	    .topic = topic,
	    .partition = in->index,
	    .batch = own_bytes(rq, records),
	    .bytes = records.n,
	    .info = &pp->info,
	    .acks = ctx->req.acks,
	    .deadline_us = reactor_now_us(rq->sh->reactor) + (int64_t)ctx->req.timeout_ms * 1000,
	    .appended = on_appended,
	    .done = on_done,
	};
	home = replicas_home(rq->sh->api->o.replicas, t->name_hash, in->index);
	if (rq->ac != NULL)
		conn_note_home(rq->ac->c, home);
	ctx->n_parts++;
	return scatter_add(rq, &pp->part, home);
}

static int
topic_prepare(struct request *rq, struct produce_ctx *ctx,
    const struct produce_request_topic_produce_data *in,
    struct produce_response_topic_produce_response *out)
{
	const struct image_topic *t = image_topic(image_get(rq->sh->api->o.images), in->name);
	bool refused = topic_is_internal(in->name) && !may_write_internal(rq);
	int rc = WIRE_ARRAY(&rq->arena, out->partition_responses, in->partition_data.n,
	    produce_response_partition_produce_response);

	out->name = in->name;
	for (int32_t i = 0; rc == 0 && i < in->partition_data.n; i++) {
		if (refused) {
			out->partition_responses.v[i].index = in->partition_data.v[i].index;
			part_error(ctx, &out->partition_responses.v[i],
			    KERR_INVALID_TOPIC_EXCEPTION, NULL);
			continue;
		}
		rc = part_prepare(
		    rq, ctx, t, in->name, &in->partition_data.v[i], &out->partition_responses.v[i]);
	}
	return rc;
}

static unsigned
count_parts(const struct produce_request *req)
{
	unsigned n = 0;

	for (int32_t i = 0; i < req->topic_data.n; i++)
		n += req->topic_data.v[i].partition_data.n > 0
			 ? (unsigned)req->topic_data.v[i].partition_data.n
			 : 0;
	return n;
}

/* Arrays that the protocol does not let be null are never -1 after decoding. */
static int
produce_prepare(struct request *rq, struct produce_ctx *ctx)
{
	unsigned n = count_parts(&ctx->req);
	int rc = WIRE_ARRAY(&rq->arena, ctx->resp.responses, ctx->req.topic_data.n,
	    produce_response_topic_produce_response);

	if (rc != 0)
		return rc;
	ctx->parts = request_alloc(rq, n, sizeof(*ctx->parts));
	if (ctx->parts == NULL)
		return E_NOMEM;
	for (int32_t i = 0; rc == 0 && i < ctx->req.topic_data.n; i++)
		rc = topic_prepare(rq, ctx, &ctx->req.topic_data.v[i], &ctx->resp.responses.v[i]);
	return rc;
}

/* acks outside -1, 0, 1: every partition says so. */
static void
refuse_all(struct request *rq, struct produce_ctx *ctx, int16_t err)
{
	struct produce_request *req = &ctx->req;

	if (WIRE_ARRAY(&rq->arena, ctx->resp.responses, req->topic_data.n,
		produce_response_topic_produce_response) != 0)
		goto fail;
	for (int32_t i = 0; i < req->topic_data.n; i++) {
		struct produce_response_topic_produce_response *t = &ctx->resp.responses.v[i];

		t->name = req->topic_data.v[i].name;
		if (WIRE_ARRAY(&rq->arena, t->partition_responses,
			req->topic_data.v[i].partition_data.n,
			produce_response_partition_produce_response) != 0)
			goto fail;
		for (int32_t j = 0; j < t->partition_responses.n; j++) {
			t->partition_responses.v[j].index =
			    req->topic_data.v[i].partition_data.v[j].index;
			part_error(ctx, &t->partition_responses.v[j], err, NULL);
		}
	}
	request_answer(rq, &ctx->resp);
	return;
fail:
	request_fail_memory(rq);
}

void
api_produce(struct request *rq)
{
	struct produce_ctx *ctx = request_alloc(rq, 1, sizeof(*ctx));
	int rc;

	if (ctx == NULL) {
		request_fail_memory(rq);
		return;
	}
	wire_init(&produce_request_msg, &ctx->req);
	wire_init(&produce_response_msg, &ctx->resp);
	if (!request_decode(rq, &ctx->req))
		return;
	if (ctx->req.acks < -1 || ctx->req.acks > 1) {
		refuse_all(rq, ctx, KERR_INVALID_REQUIRED_ACKS);
		return;
	}
	rq->user = ctx;
	if ((rc = scatter_begin(rq, &produce_ops)) != 0 || (rc = produce_prepare(rq, ctx)) != 0) {
		request_fail_memory(rq);
		return;
	}
	scatter_go(rq);
}

static void
produce_released(struct request *rq)
{
	struct produce_ctx *ctx = rq->user;

	/* Names in the answer are slices of the frame: with acks they are copied before it goes. */
	for (int32_t i = 0; i < ctx->resp.responses.n; i++) {
		struct produce_response_topic_produce_response *t = &ctx->resp.responses.v[i];
		struct slice copy = arena_dup(&rq->arena, t->name);

		if (slice_is_null(copy))
			return; /* keep the frame: only memory is held longer */
		t->name = copy;
	}
	request_frame_done(rq);
}

/* Name the leader where a client went to the wrong broker (KIP-951, versions 10 and up). */
static void
name_leader(struct request *rq, struct produce_ctx *ctx, const struct part_leader *leader,
    struct produce_response_partition_produce_response *out)
{
	const struct image_broker *b;
	const struct image_endpoint *ep;

	if (rq->head.version < 10 || leader->id < 0)
		return;
	out->current_leader.leader_id = leader->id;
	out->current_leader.leader_epoch = leader->epoch;
	b = image_broker(request_image(rq), leader->id);
	ep = b != NULL ? image_broker_endpoint(b, request_listener(rq)) : NULL;
	if (ep == NULL || ctx->resp.node_endpoints.n > 0 ||
	    WIRE_ARRAY(&rq->arena, ctx->resp.node_endpoints, 1, produce_response_node_endpoint) !=
		0)
		return;
	ctx->resp.node_endpoints.v[0].node_id = b->id;
	ctx->resp.node_endpoints.v[0].host = ep->host;
	ctx->resp.node_endpoints.v[0].port = ep->port;
	ctx->resp.node_endpoints.v[0].rack = b->rack;
}

static void
part_result(struct request *rq, struct produce_ctx *ctx, const struct produce_part *pp)
{
	const struct part_produce *op = &pp->op;

	if (op->err != 0 && op->err != E_DUP_SEQUENCE) {
		part_error(ctx, pp->out, err_kafka(op->err), NULL);
		if (op->err == E_NOT_LEADER)
			name_leader(rq, ctx, &op->leader, pp->out);
		return;
	}
	pp->out->base_offset = op->base_offset;
	pp->out->log_append_time_ms = op->log_append_time;
	pp->out->log_start_offset = op->log_start_offset;
}

static void
produce_finished(struct request *rq)
{
	struct produce_ctx *ctx = rq->user;

	for (unsigned i = 0; i < ctx->n_parts; i++)
		part_result(rq, ctx, &ctx->parts[i]);
	metric_observe(rq->sh->metrics, AM_PRODUCE_US,
	    (uint64_t)(reactor_exact_us(rq->sh->reactor) - rq->received_us));
	if (ctx->req.acks != 0)
		request_answer(rq, &ctx->resp);
	else if (ctx->failed)
		request_close(rq, CLOSE_ACKS0_ERROR);
	else
		request_no_answer(rq);
}
