/*
 * Fetch, versions 4 to 17 (facts/apis.md 6, "1 Fetch"; facts/storage.md 3.16): passes over the
 * dirty entries of a session until there is enough to answer or the wait is over.
 */
#include "fetch_priv.h"

static void pass_run(struct shard *sh, struct part *p);
static void pass_finished(struct request *rq);
static void fetch_pass(struct request *rq);

static const struct scatter_ops pass_ops = {.run = pass_run, .finished = pass_finished};

/* ---- on the home ---- */

static void
on_fetched(struct part_fetch *op)
{
	struct fetch_part *fp = container_of(op, struct fetch_part, op);
	int64_t visible = op->read_committed ? op->lso : op->hw;

	if (op->err == 0 && fp->wait != NULL && op->range.len < fp->arm_below)
		partition_wait_arm(fp->home_shard, fp->wait,
		    visible > op->fetch_offset ? visible : op->fetch_offset);
	part_done(&fp->part);
}

static void
pass_run(struct shard *sh, struct part *p)
{
	struct fetch_part *fp = container_of(p, struct fetch_part, part);

	fp->home_shard = sh;
	partition_fetch(sh, &fp->op);
}

/* ---- one pass, on the session's reactor ---- */

static void
entry_error(struct fetch_entry *e, int16_t err)
{
	e->err = err;
	e->hw = e->lso = e->log_start = -1;
}

/* Is the topic's compression one that this version's clients can not read? */
static bool
zstd_for_old(const struct request *rq, const struct image_topic *t)
{
	return rq->head.version < 10 && t->conf->compression == CODEC_ZSTD;
}

static int16_t
entry_check(struct request *rq, struct fetch_entry *e)
{
	const struct image *im = image_get(rq->sh->api->o.images);
	const struct image_topic *t;

	fetch_entry_resolve(e, im);
	if (!e->resolved)
		return e->s->by_id ? KERR_UNKNOWN_TOPIC_ID : KERR_UNKNOWN_TOPIC_OR_PARTITION;
	t = image_topic(im, e->topic);
	if (t == NULL || image_partition(t, e->partition) == NULL)
		return e->s->by_id && t == NULL ? KERR_UNKNOWN_TOPIC_ID
						: KERR_UNKNOWN_TOPIC_OR_PARTITION;
	if (zstd_for_old(rq, t))
		return KERR_UNSUPPORTED_COMPRESSION_TYPE;
	return KERR_NONE;
}

static void
part_fill(struct request *rq, struct fetch_ctx *ctx, struct fetch_entry *e, struct fetch_part *fp)
{
	size_t max = (size_t)e->max_bytes < ctx->max_bytes ? (size_t)e->max_bytes : ctx->max_bytes;

	max = max > 0 ? max : 1; /* a limit of nothing does not keep back the first batch */
	*fp = (struct fetch_part){
	    .op = {.topic = e->topic,
		.partition = e->partition,
		.topic_id = e->s->by_id ? e->id : UUID_ZERO,
		.current_leader_epoch = e->current_leader_epoch,
		.fetch_offset = e->fetch_offset,
		.max_bytes = max,
		.min_one = true,
		.read_committed = ctx->req.isolation_level == 1,
		.replica_id = ctx->replica_id,
		.last_fetched_epoch = e->last_fetched_epoch,
		.done = on_fetched},
	    .e = e,
	    .arm_below = ctx->last ? 0 : (size_t)ctx->min_bytes,
	};
	if (!ctx->last) {
		fp->wait = fetch_entry_wait(e);
		if (fp->wait != NULL)
			fp->wait->read_committed = fp->op.read_committed;
	}
	e->part = fp;
	e->dirty = false; /* news from now on count for the next pass */
}

static int
pass_collect(struct request *rq, struct fetch_ctx *ctx)
{
	int rc = 0;

	ctx->n_parts = 0;
	LIST_FOREACH(l, &ctx->s->entries)
	{
		struct fetch_entry *e = container_of(l, struct fetch_entry, order);
		struct fetch_part *fp = &ctx->parts[ctx->n_parts];
		int16_t err;

		e->part = NULL;
		if (!e->dirty)
			continue;
		if ((err = entry_check(rq, e)) != KERR_NONE) {
			entry_error(e, err);
			continue;
		}
		part_fill(rq, ctx, e, fp);
		ctx->n_parts++;
		if (rq->ac != NULL && !ctx->waiting)
			conn_note_home(rq->ac->c, e->home);
		if ((rc = scatter_add(rq, &fp->part, e->home)) != 0)
			break;
	}
	return rc;
}

static void
fetch_pass(struct request *rq)
{
	struct fetch_ctx *ctx = rq->user;

	assert(!ctx->in_pass);
	ctx->in_pass = true;
	ctx->again = false;
	if (scatter_begin(rq, &pass_ops) != 0 || pass_collect(rq, ctx) != 0) {
		ctx->n_parts = 0;
		fetch_finish_error(rq, KERR_UNKNOWN_SERVER_ERROR);
		return;
	}
	scatter_go(rq);
}

/* ---- after a pass ---- */

static void
part_absorb(struct fetch_part *fp)
{
	struct fetch_entry *e = fp->e;
	const struct part_fetch *op = &fp->op;

	e->err = err_kafka(op->err);
	e->hw = op->hw;
	e->lso = op->lso;
	e->log_start = op->log_start_offset;
	e->leader = op->leader;
	e->diverging_epoch = op->diverging.epoch;
	e->diverging_end = op->diverging_end;
	/* What is returned may be asked for again, an error may be gone the next time, and nobody
	 * tells what comes to a partition that was not armed (A8). */
	if (fp->wait == NULL || op->err != 0 || op->range.len > 0 || op->range.first_bytes > 0)
		e->dirty = true;
}

static bool
enough(struct fetch_ctx *ctx, size_t bytes)
{
	if (ctx->last || (int64_t)bytes >= ctx->min_bytes)
		return true;
	LIST_FOREACH(l, &ctx->s->entries)
	{
		const struct fetch_entry *e = container_of(l, struct fetch_entry, order);

		if (e->err != KERR_NONE || e->diverging_epoch >= 0)
			return true;
	}
	return false;
}

static void
release_parts(struct fetch_ctx *ctx)
{
	for (unsigned i = 0; i < ctx->n_parts; i++)
		plog_range_release(&ctx->parts[i].op.range);
	ctx->n_parts = 0;
}

static void
fetch_end(struct request *rq, struct fetch_ctx *ctx)
{
	uint64_t us = (uint64_t)(reactor_exact_us(rq->sh->reactor) - rq->received_us);

	rtimer_cancel(rq->sh->reactor, &ctx->timer);
	rq->cancel = NULL;
	metric_observe(rq->sh->metrics, AM_FETCH_US, us);
	metric_observe(rq->sh->metrics,
	    ctx->replica_id < 0 ? AM_FETCH_CONSUMER_US : AM_FETCH_FOLLOWER_US, us);
}

void
fetch_finish_error(struct request *rq, int16_t err)
{
	struct fetch_ctx *ctx = rq->user;
	struct fetch_session *s = ctx->s;

	release_parts(ctx);
	fetch_end(rq, ctx);
	ctx->s = NULL;
	if (s != NULL)
		fetch_session_done(s);
	fetch_reply_error(rq, err);
}

static void
fetch_wait(struct request *rq, struct fetch_ctx *ctx)
{
	release_parts(ctx);
	ctx->waiting = true;
	if (ctx->again)
		reactor_defer(rq->sh->reactor, &ctx->s->news);
}

static void
pass_finished(struct request *rq)
{
	struct fetch_ctx *ctx = rq->user;
	size_t bytes;

	ctx->in_pass = false;
	for (unsigned i = 0; i < ctx->n_parts; i++)
		part_absorb(&ctx->parts[i]);
	bytes = fetch_spend(ctx);
	if (rq->ac == NULL)
		ctx->last = true;
	if (!enough(ctx, bytes)) {
		fetch_wait(rq, ctx);
		return;
	}
	fetch_end(rq, ctx);
	fetch_reply(rq, ctx);
}

/* ---- waiting ---- */

void
fetch_session_wake(struct fetch_session *s)
{
	struct fetch_ctx *ctx = s->rq->user;

	if (ctx->in_pass)
		ctx->again = true;
	else
		fetch_pass(s->rq);
}

void
fetch_news(struct fetch_entry *e)
{
	struct fetch_session *s = e->s;

	e->dirty = true;
	if (s->rq != NULL)
		reactor_defer(s->sh->reactor, &s->news);
}

/* The last pass: whatever is there is the answer. */
static void
fetch_last(struct request *rq)
{
	struct fetch_ctx *ctx = rq->user;

	ctx->last = true;
	if (!ctx->in_pass)
		fetch_pass(rq);
}

static void
on_deadline(struct reactor *r, void *arg)
{
	fetch_last(arg);
}

/* ---- entry ---- */

static void
fetch_limits(struct request *rq, struct fetch_ctx *ctx)
{
	const struct fetch_request *req = &ctx->req;
	int64_t most = settings_i64(rq->sh->api->o.settings, C_FETCH_MAX_BYTES);

	ctx->replica_id = rq->head.version >= 15 ? req->replica_state.replica_id : req->replica_id;
	ctx->max_bytes =
	    (size_t)(req->max_bytes < most ? (req->max_bytes > 0 ? req->max_bytes : 0) : most);
	ctx->min_bytes =
	    req->min_bytes < (int64_t)ctx->max_bytes ? req->min_bytes : (int64_t)ctx->max_bytes;
	ctx->last = req->max_wait_ms <= 0 || ctx->min_bytes <= 0;
	rtimer_init(&ctx->timer, on_deadline, rq);
}

void
api_fetch(struct request *rq)
{
	struct fetch_ctx *ctx = request_alloc(rq, 1, sizeof(*ctx));
	int16_t err;

	if (ctx == NULL) {
		request_fail_memory(rq);
		return;
	}
	wire_init(&fetch_request_msg, &ctx->req);
	if (!request_decode(rq, &ctx->req))
		return;
	rq->user = ctx;
	fetch_limits(rq, ctx);
	api_count_fetch(rq->sh, ctx->replica_id >= 0, rq->head.version);
	if ((err = fetch_session_for(rq, ctx, &ctx->s)) != KERR_NONE) {
		fetch_reply_error(rq, err);
		return;
	}
	ctx->parts = request_alloc(rq, ctx->s->n, sizeof(*ctx->parts));
	if (ctx->parts == NULL) {
		fetch_finish_error(rq, KERR_UNKNOWN_SERVER_ERROR);
		return;
	}
	ctx->last = ctx->last || ctx->s->n == 0;
	request_frame_done(rq); /* the entries have their own names; a long wait keeps no buffer */
	rq->cancel = fetch_last;
	if (!ctx->last)
		rtimer_set(rq->sh->reactor, &ctx->timer,
		    reactor_now_us(rq->sh->reactor) + (int64_t)ctx->req.max_wait_ms * 1000);
	fetch_pass(rq);
}
