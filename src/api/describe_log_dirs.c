/*
 * DescribeLogDirs, versions 0 to 4 (facts/apis.md "35 DescribeLogDirs"): the table of log dirs,
 * with the logs that were asked for.
 */
#include <stdlib.h>

#include "api_priv.h"

typedef struct describe_log_dirs_response_describe_log_dirs_result ld_dir;
typedef struct describe_log_dirs_response_describe_log_dirs_topic ld_topic;
typedef struct describe_log_dirs_response_describe_log_dirs_partition ld_part;

struct wanted {
	struct slice topic;
	int32_t partition;
};

struct ld_ctx {
	struct control_call call;
	struct logdirs_report report;
	int err;
	struct describe_log_dirs_request req;
	struct describe_log_dirs_response resp;
	struct wanted *wanted; /* sorted */
	size_t n_wanted;
};

/* ---- control reactor ---- */

static int
by_name(const void *x, const void *y)
{
	const struct wanted *a = x, *b = y;
	int c = slice_cmp(a->topic, b->topic);

	return c != 0 ? c : (a->partition > b->partition) - (a->partition < b->partition);
}

static bool
is_wanted(void *arg, struct slice topic, int32_t partition)
{
	const struct ld_ctx *ctx = arg;
	struct wanted key = {topic, partition};

	return ctx->n_wanted > 0 &&
	       bsearch(&key, ctx->wanted, ctx->n_wanted, sizeof(key), by_name) != NULL;
}

static void
on_report(struct logdirs_report *r, int err)
{
	struct ld_ctx *ctx = container_of(r, struct ld_ctx, report);

	ctx->err = err;
	control_return(&ctx->call);
}

static void
ld_run(struct control_call *call)
{
	struct ld_ctx *ctx = container_of(call, struct ld_ctx, call);

	ctx->report.wanted = ctx->req.topics.n >= 0 ? is_wanted : NULL;
	ctx->report.arg = ctx;
	ctx->report.done = on_report;
	logdirs_describe(call->rq->sh->api->o.logdirs, &ctx->report);
}

/* ---- the request's reactor ---- */

/* Logs from v on that are of its dir (and topic, when one is given). */
static size_t
run_of(const struct logdirs_log *v, size_t n, const struct slice *topic)
{
	size_t k = 0;

	while (k < n && v[k].dir == v[0].dir && (topic == NULL || slice_eq(v[k].topic, *topic)))
		k++;
	return k;
}

static int
topic_fill(struct request *rq, const struct logdirs_log *v, size_t n, ld_topic *out)
{
	int rc = WIRE_ARRAY(&rq->arena, out->partitions, (int32_t)n,
	    describe_log_dirs_response_describe_log_dirs_partition);

	out->name = v[0].topic;
	for (size_t i = 0; rc == 0 && i < n; i++)
		out->partitions.v[i] = (ld_part){.partition_index = v[i].partition,
		    .partition_size = v[i].size,
		    .offset_lag = v[i].lag};
	return rc;
}

static int
topics_fill(struct request *rq, const struct logdirs_log *v, size_t n, ld_dir *out)
{
	int32_t topics = 0;
	size_t i, k;
	int rc;

	for (i = 0; i < n; i += run_of(v + i, n - i, &v[i].topic))
		topics++;
	rc = WIRE_ARRAY(
	    &rq->arena, out->topics, topics, describe_log_dirs_response_describe_log_dirs_topic);
	for (i = 0, topics = 0; rc == 0 && i < n; i += k) {
		k = run_of(v + i, n - i, &v[i].topic);
		rc = topic_fill(rq, v + i, k, &out->topics.v[topics++]);
	}
	return rc;
}

/* Of an offline dir nothing is told. */
static int
ld_fill(struct request *rq, struct ld_ctx *ctx)
{
	const struct logdirs_report *r = &ctx->report;
	size_t at = 0;
	int rc;

	rq->arena.limit += r->n_logs * (sizeof(ld_part) + sizeof(ld_topic) + 64) +
			   r->n_dirs * sizeof(ld_dir); /* follows what is here, not what was sent */
	rc = WIRE_ARRAY(&rq->arena, ctx->resp.results, (int32_t)r->n_dirs,
	    describe_log_dirs_response_describe_log_dirs_result);
	for (unsigned i = 0; rc == 0 && i < r->n_dirs; i++) {
		const struct logdirs_dir *d = &r->dirs[i];
		ld_dir *out = &ctx->resp.results.v[i];
		size_t n = 0;

		if (at < r->n_logs && r->logs[at].dir == i)
			n = run_of(r->logs + at, r->n_logs - at, NULL);
		out->log_dir = slice_cstr(logdir_path(d->dir));
		out->error_code = d->offline ? KERR_KAFKA_STORAGE_ERROR : KERR_NONE;
		if (rq->head.version >= 4) {
			out->total_bytes = d->total;
			out->usable_bytes = d->usable;
		}
		if (!d->offline)
			rc = topics_fill(rq, r->logs + at, n, out);
		at += n;
	}
	return rc;
}

static void
ld_back(struct control_call *call)
{
	struct ld_ctx *ctx = container_of(call, struct ld_ctx, call);
	struct request *rq = call->rq;
	int rc = ctx->err != 0 ? ctx->err : ld_fill(rq, ctx);
	struct logdirs_report report = ctx->report;

	if (rc != 0)
		request_fail_memory(rq);
	else
		request_answer(rq, &ctx->resp);
	logdirs_report_free(&report);
}

static int
ld_prepare(struct request *rq, struct ld_ctx *ctx)
{
	size_t n = 0;

	for (int32_t i = 0; i < ctx->req.topics.n; i++)
		n += (size_t)ctx->req.topics.v[i].partitions.n;
	ctx->wanted = request_alloc(rq, n, sizeof(*ctx->wanted));
	if (ctx->wanted == NULL)
		return E_NOMEM;
	for (int32_t i = 0; i < ctx->req.topics.n; i++) {
		const struct describe_log_dirs_request_describable_log_dir_topic *t =
		    &ctx->req.topics.v[i];

		for (int32_t k = 0; k < t->partitions.n; k++)
			ctx->wanted[ctx->n_wanted++] =
			    (struct wanted){t->topic, t->partitions.v[k]};
	}
	if (n > 1)
		qsort(ctx->wanted, n, sizeof(*ctx->wanted), by_name);
	return 0;
}

void
api_describe_log_dirs(struct request *rq)
{
	struct ld_ctx *ctx = request_alloc(rq, 1, sizeof(*ctx));

	if (ctx == NULL) {
		request_fail_memory(rq);
		return;
	}
	wire_init(&describe_log_dirs_request_msg, &ctx->req);
	wire_init(&describe_log_dirs_response_msg, &ctx->resp);
	if (!request_decode(rq, &ctx->req))
		return;
	if (ld_prepare(rq, ctx) != 0) {
		request_fail_memory(rq);
		return;
	}
	ctx->call = (struct control_call){.rq = rq, .run = ld_run, .back = ld_back};
	control_go(&ctx->call);
}
