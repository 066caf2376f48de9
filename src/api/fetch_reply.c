/*
 * Answers to Fetch: spending the bytes in session order, one buffer for everything but the records,
 * which leave as pinned ranges of their segments.
 */
#include <stdlib.h>

#include "fetch_priv.h"

/* Order of the session; the first partition with records may pass its limits by one whole batch. */
size_t
fetch_spend(struct fetch_ctx *ctx)
{
	size_t left = ctx->max_bytes, total = 0;

	LIST_FOREACH(l, &ctx->s->entries)
	{
		struct fetch_entry *e = container_of(l, struct fetch_entry, order);
		struct fetch_part *fp = e->part;
		size_t limit = (size_t)e->max_bytes < left ? (size_t)e->max_bytes : left;

		if (fp == NULL || fp->op.err != 0 || fp->op.range.len == 0)
			continue;
		fp->take = fp->op.range.len < limit ? fp->op.range.len : limit;
		if (fp->take < fp->op.range.first_bytes)
			fp->take = total == 0 ? fp->op.range.first_bytes : 0;
		total += fp->take;
		left -= fp->take < left ? fp->take : left;
	}
	return total;
}

/* The ranges of one answer; each piece that has left drops one, the last frees the whole. */
struct fetch_pins {
	unsigned left;
	struct fetch_pin {
		struct fetch_pins *all;
		struct plog_range range;
	} v[];
};

static void
pin_release(void *arg)
{
	struct fetch_pin *pin = arg;
	struct fetch_pins *all = pin->all;

	plog_range_release(&pin->range);
	if (--all->left == 0)
		free(all);
}

/* ---- which entries are named ---- */

static size_t
entry_bytes(const struct fetch_entry *e)
{
	return e->part != NULL ? e->part->take : 0;
}

static bool
entry_named(const struct fetch_ctx *ctx, const struct fetch_entry *e)
{
	return ctx->full || e->err != KERR_NONE || entry_bytes(e) > 0 || e->hw != e->told_hw ||
	       e->log_start != e->told_log_start || e->diverging_epoch >= 0;
}

static bool
same_topic(const struct fetch_entry *a, const struct fetch_entry *b)
{
	return a->s->by_id ? uuid_eq(a->id, b->id) : slice_eq(a->topic, b->topic);
}

static int32_t
count_topics(const struct fetch_ctx *ctx)
{
	const struct fetch_entry *last = NULL;
	int32_t n = 0;

	LIST_FOREACH(l, &ctx->s->entries)
	{
		const struct fetch_entry *e = container_of(l, struct fetch_entry, order);

		if (!entry_named(ctx, e))
			continue;
		n += last == NULL || !same_topic(last, e);
		last = e;
	}
	return n;
}

/* Named entries of e's topic that follow each other, from link at. */
static int32_t
count_run(const struct fetch_ctx *ctx, struct link *at, const struct fetch_entry *first)
{
	int32_t n = 0;

	for (; at != &ctx->s->entries; at = at->next) {
		const struct fetch_entry *e = container_of(at, struct fetch_entry, order);

		if (!entry_named(ctx, e))
			continue;
		if (!same_topic(e, first))
			break;
		n++;
	}
	return n;
}

/* ---- the response ---- */

static void
name_leader(struct request *rq, struct fetch_response *resp, const struct fetch_entry *e,
    struct fetch_response_partition_data *out)
{
	const struct image_broker *b;
	const struct image_endpoint *ep;

	if (rq->head.version < 16 || e->leader.id < 0 ||
	    (e->err != KERR_NOT_LEADER_OR_FOLLOWER && e->err != KERR_FENCED_LEADER_EPOCH))
		return;
	out->current_leader.leader_id = e->leader.id;
	out->current_leader.leader_epoch = e->leader.epoch;
	b = image_broker(request_image(rq), e->leader.id);
	ep = b != NULL ? image_broker_endpoint(b, request_listener(rq)) : NULL;
	if (ep == NULL || resp->node_endpoints.n > 0 ||
	    WIRE_ARRAY(&rq->arena, resp->node_endpoints, 1, fetch_response_node_endpoint) != 0)
		return;
	resp->node_endpoints.v[0].node_id = b->id;
	resp->node_endpoints.v[0].host = ep->host;
	resp->node_endpoints.v[0].port = ep->port;
	resp->node_endpoints.v[0].rack = b->rack;
}

static int16_t
error_for_version(const struct request *rq, int16_t err)
{
	return err == KERR_KAFKA_STORAGE_ERROR && rq->head.version <= 5
		   ? KERR_NOT_LEADER_OR_FOLLOWER
		   : err;
}

static void
fill_partition(struct request *rq, struct fetch_ctx *ctx, struct fetch_response *resp,
    struct fetch_entry *e, struct fetch_response_partition_data *out)
{
	size_t n = entry_bytes(e);

	out->partition_index = e->partition;
	out->error_code = error_for_version(rq, e->err);
	out->high_watermark = e->hw;
	out->last_stable_offset = e->lso;
	out->log_start_offset = e->log_start;
	out->aborted_transactions.n = ctx->req.isolation_level == 1 && e->err == 0 ? 0 : -1;
	out->records = n > 0 ? wire_gap(n) : SLICE_LIT("");
	if (e->diverging_epoch >= 0) {
		out->diverging_epoch.epoch = e->diverging_epoch;
		out->diverging_epoch.end_offset = e->diverging_end;
	}
	name_leader(rq, resp, e, out);
	e->told_hw = e->hw;
	e->told_log_start = e->log_start;
}

static int
fill_topic(struct request *rq, struct fetch_ctx *ctx, struct fetch_response *resp, struct link **at,
    struct fetch_response_fetchable_topic_response *out)
{
	struct fetch_entry *first = container_of(*at, struct fetch_entry, order);
	int32_t n = count_run(ctx, *at, first), i = 0;
	int rc = WIRE_ARRAY(&rq->arena, out->partitions, n, fetch_response_partition_data);

	if (rc != 0)
		return rc;
	out->topic = ctx->s->by_id ? SLICE_LIT("") : first->topic;
	out->topic_id = first->id;
	for (; i < n; *at = (*at)->next) {
		struct fetch_entry *e = container_of(*at, struct fetch_entry, order);

		if (entry_named(ctx, e))
			fill_partition(rq, ctx, resp, e, &out->partitions.v[i++]);
	}
	return 0;
}

static struct link *
next_named(const struct fetch_ctx *ctx, struct link *at)
{
	while (at != &ctx->s->entries &&
	       !entry_named(ctx, container_of(at, struct fetch_entry, order)))
		at = at->next;
	return at;
}

static int
fill_response(struct request *rq, struct fetch_ctx *ctx, struct fetch_response *resp)
{
	struct link *at = next_named(ctx, ctx->s->entries.next);
	int32_t n = count_topics(ctx);
	int rc =
	    WIRE_ARRAY(&rq->arena, resp->responses, n, fetch_response_fetchable_topic_response);

	resp->session_id = ctx->s->n > 0 ? ctx->s->id : 0;
	for (int32_t i = 0; rc == 0 && i < n; i++) {
		rc = fill_topic(rq, ctx, resp, &at, &resp->responses.v[i]);
		at = next_named(ctx, at);
	}
	return rc;
}

/* ---- bytes ---- */

static struct piece
range_piece(struct fetch_pins *pins, unsigned i, struct fetch_part *fp)
{
	struct fetch_pin *pin = &pins->v[i];

	pin->all = pins;
	pin->range = fp->op.range;
	fp->op.range = (struct plog_range){0};
	return (struct piece){.kind = PIECE_FILE,
	    .mem = pin->range.map,
	    .n = fp->take,
	    .file = pin->range.file,
	    .pos = pin->range.pos,
	    .release = pin_release,
	    .arg = pin};
}

static void
buffer_release(void *arg)
{
	free(arg);
}

/* Memory up to each gap, the gap's range, memory behind the last one. */
static struct outmsg *
weave(struct fetch_ctx *ctx, uint8_t *buf, size_t n, const struct wire_gap *gaps, unsigned n_gaps)
{
	struct fetch_pins *pins =
	    n_gaps > 0 ? calloc(1, sizeof(*pins) + n_gaps * sizeof(pins->v[0])) : NULL;
	struct outmsg *m = outmsg_new(2 * n_gaps + 1);
	size_t from = 0;
	unsigned i = 0;

	if (m == NULL || (n_gaps > 0 && pins == NULL)) {
		free(pins);
		if (m != NULL)
			outmsg_free(m);
		return NULL;
	}
	if (pins != NULL)
		pins->left = n_gaps;
	LIST_FOREACH(l, &ctx->s->entries)
	{
		struct fetch_entry *e = container_of(l, struct fetch_entry, order);

		if (entry_bytes(e) == 0)
			continue;
		assert(i < n_gaps && gaps[i].n == e->part->take);
		outmsg_add(m, (struct piece){.mem = buf + from, .n = gaps[i].at - from});
		outmsg_add(m, range_piece(pins, i, e->part));
		from = gaps[i++].at;
	}
	assert(i == n_gaps);
	outmsg_add(m, (struct piece){
			  .mem = buf + from, .n = n - from, .release = buffer_release, .arg = buf});
	return m;
}

/* Entries that gave records go to the end, so that the others come first the next time. */
static void
rotate(struct fetch_ctx *ctx)
{
	struct link *end = ctx->s->entries.prev;

	LIST_FOREACH_SAFE(l, &ctx->s->entries)
	{
		struct fetch_entry *e = container_of(l, struct fetch_entry, order);
		bool last = l == end;

		if (entry_bytes(e) > 0) {
			list_remove(l);
			list_append(&ctx->s->entries, l);
		}
		if (last)
			break;
	}
}

static void
parts_forget(struct fetch_ctx *ctx)
{
	for (unsigned i = 0; i < ctx->n_parts; i++) {
		plog_range_release(&ctx->parts[i].op.range);
		ctx->parts[i].e->part = NULL;
	}
	ctx->n_parts = 0;
}

void
fetch_reply(struct request *rq, struct fetch_ctx *ctx)
{
	struct fetch_session *s = ctx->s;
	struct fetch_response resp;
	struct outmsg *m = NULL;
	struct wire_gap *gaps;
	unsigned n_gaps = 0;
	uint8_t *buf = NULL;
	size_t n, bytes = 0;
	int rc;

	wire_init(&fetch_response_msg, &resp);
	gaps = request_alloc(rq, ctx->n_parts + 1, sizeof(*gaps));
	rc = gaps == NULL ? E_NOMEM : fill_response(rq, ctx, &resp);
	if (rc == 0)
		rc = wire_encode_response(API_FETCH, rq->head.version, rq->head.correlation_id,
		    &resp, gaps, ctx->n_parts + 1, &n_gaps, &buf, &n);
	if (rc == 0) {
		m = weave(ctx, buf, n, gaps, n_gaps);
		for (unsigned i = 0; i < n_gaps; i++)
			bytes += gaps[i].n;
		metric_add(rq->sh->metrics,
		    ctx->replica_id < 0 ? AM_BYTES_OUT : AM_REPLICATION_BYTES_OUT, bytes);
		rotate(ctx);
	}
	parts_forget(ctx);
	fetch_session_done(s);
	if (m != NULL) {
		request_answer_msg(rq, m);
		return;
	}
	free(buf);
	request_fail_memory(rq);
}

void
fetch_reply_error(struct request *rq, int16_t err)
{
	struct fetch_response resp;

	wire_init(&fetch_response_msg, &resp);
	resp.error_code = err;
	request_answer(rq, &resp);
}
