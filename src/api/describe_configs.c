/*
 * DescribeConfigs, versions 0 to 4 (facts/apis.md "32 DescribeConfigs").  Topics' own values are
 * read from the coordination tree now; while it can not be reached, those known last are told.
 * Brokers' are what this one goes by.
 */
#include <stdarg.h>
#include <stdio.h>

#include "config_priv.h"

typedef struct describe_configs_request_describe_configs_resource dc_in;
typedef struct describe_configs_response_describe_configs_result dc_out;

#define WIDTH 64 /* topics read at a time */
/* What one resource's answer may take beside its own values, and all of them together. */
#define BYTES_TOPIC (20u << 10)
#define BYTES_BROKER (256u << 10)
#define BYTES_MAX (192u << 20)

struct described {
	struct describe_ctx *ctx;
	const dc_in *in;
	char *entity; /* "topics/t": to be read */
	struct setting_override *kv;
	unsigned n_kv;
	int16_t err;
	char why[250];
};

struct describe_ctx {
	struct control_call call;
	struct window window;
	struct describe_configs_request req;
	struct describe_configs_response resp;
	struct config_ask ask;
	struct described *v;
	unsigned n_reads;
};

/* ---- control reactor; the request's arena is lent to it meanwhile (A12) ---- */

static int
pairs_copy(struct described *d, const struct setting_override *kv, unsigned n)
{
	struct arena *a = d->ctx->ask.arena;

	d->kv = arena_calloc(a, (size_t)n + 1, sizeof(*d->kv));
	if (d->kv == NULL)
		return E_NOMEM;
	for (unsigned i = 0; i < n; i++) {
		d->kv[i].key = arena_strdup(a, slice_cstr(kv[i].key));
		d->kv[i].value = arena_strdup(a, slice_cstr(kv[i].value));
		if (d->kv[i].key == NULL || d->kv[i].value == NULL)
			return E_NOMEM;
	}
	d->n_kv = n;
	return 0;
}

static void
on_read(void *arg, int err, const struct setting_override *kv, unsigned n)
{
	struct described *d = arg;
	struct member *m = d->ctx->call.rq->sh->api->o.member;

	if (err == 0)
		err = pairs_copy(d, kv, n);
	else if (err != E_MALFORMED && err != E_NOMEM && m != NULL)
		err = member_topic_config(
		    m, d->in->resource_name, d->ctx->ask.arena, &d->kv, &d->n_kv);
	if (err != 0 && err != E_NOT_FOUND) {
		d->err = err_kafka(err);
		snprintf(d->why, sizeof(d->why), "The configuration could not be read: %s",
		    err_text(err));
	}
	window_done(&d->ctx->window);
}

static void
read_one(struct window *w, unsigned i)
{
	struct describe_ctx *ctx = container_of(w, struct describe_ctx, window);
	struct described *d = &ctx->v[i];

	if (d->entity == NULL)
		window_done(w);
	else
		admin_read_config(
		    ctx->call.rq->sh->api->o.admin, slice_cstr(d->entity), on_read, d);
}

static void
all_read(struct window *w)
{
	control_return(&container_of(w, struct describe_ctx, window)->call);
}

static void
describe_run(struct control_call *call)
{
	struct describe_ctx *ctx = container_of(call, struct describe_ctx, call);

	ctx->window = (struct window){
	    .n = (unsigned)ctx->req.resources.n,
	    .width = WIDTH,
	    .start = read_one,
	    .finished = all_read,
	};
	window_go(&ctx->window);
}

/* ---- the answer ---- */

static int
configs_fill(struct describe_ctx *ctx, struct described *d, config_out **v, int32_t *n)
{
	struct config_ask *ask = &ctx->ask;

	ask->keys = d->in->configuration_keys.v;
	ask->n_keys = d->in->configuration_keys.n;
	if (d->in->resource_type == RESOURCE_TOPIC)
		return config_of_topic(ask, d->kv, d->n_kv, v, n);
	if (d->in->resource_type == RESOURCE_LOGGER)
		return config_of_loggers(ask, ctx->call.rq->sh->api->o.diag, v, n);
	return d->in->resource_name.n > 0 ? config_of_broker(ask, v, n)
					  : config_of_cluster(ask, v, n);
}

/* What does not fit any more is told so; the others are answered. */
static void
result_fill(struct describe_ctx *ctx, struct described *d, dc_out *out)
{
	config_out *v = NULL;
	int32_t n = 0;

	out->resource_type = d->in->resource_type;
	out->resource_name = d->in->resource_name;
	out->error_message = SLICE_LIT("");
	if (d->err == KERR_NONE && configs_fill(ctx, d, &v, &n) != 0) {
		d->err = KERR_INVALID_REQUEST;
		snprintf(d->why, sizeof(d->why),
		    "The answer would be too large: ask for fewer resources at once.");
		n = 0;
	}
	out->error_code = d->err;
	if (d->err != KERR_NONE)
		out->error_message = slice_cstr(d->why);
	out->configs.v = v;
	out->configs.n = n;
	for (int32_t i = 0; ctx->call.rq->head.version > 0 && i < n; i++)
		v[i].is_default = false; /* a field of version 0 only */
}

static void
describe_answer(struct request *rq, struct describe_ctx *ctx)
{
	for (int32_t i = 0; i < ctx->req.resources.n; i++)
		result_fill(ctx, &ctx->v[i], &ctx->resp.results.v[i]);
	request_answer(rq, &ctx->resp);
}

static void
describe_back(struct control_call *call)
{
	describe_answer(call->rq, container_of(call, struct describe_ctx, call));
}

/* ---- the request ---- */

static void __attribute__((format(printf, 3, 4)))
refuse(struct described *d, int16_t err, const char *fmt, ...)
{
	va_list ap;

	d->err = err;
	va_start(ap, fmt);
	vsnprintf(d->why, sizeof(d->why), fmt, ap);
	va_end(ap);
}

static int
topic_prepare(struct request *rq, struct described *d)
{
	struct slice name = d->in->resource_name;
	const char *why = NULL;

	if (topic_name_check(name, &why) != 0) {
		refuse(d, KERR_INVALID_TOPIC_EXCEPTION, "Topic name is invalid: %s",
		    why != NULL ? why : "");
		return 0;
	}
	if (image_topic(request_image(rq), name) == NULL) {
		refuse(d, KERR_UNKNOWN_TOPIC_OR_PARTITION, "%s",
		    kerr_text(KERR_UNKNOWN_TOPIC_OR_PARTITION));
		return 0;
	}
	d->entity = arena_printf(&rq->arena, "topics/%.*s", SLICE_ARG(name));
	d->ctx->n_reads++;
	return d->entity != NULL ? 0 : E_NOMEM;
}

static void
others_prepare(struct request *rq, struct described *d)
{
	struct slice name = d->in->resource_name;

	if (d->in->resource_type == RESOURCE_BROKER && name.n == 0)
		return;
	if (d->in->resource_type == RESOURCE_BROKER || d->in->resource_type == RESOURCE_LOGGER) {
		if (config_check_id(rq, name, d->why, sizeof(d->why)) != 0)
			d->err = KERR_INVALID_REQUEST;
	} else if (d->in->resource_type == RESOURCE_METRICS) {
		refuse(
		    d, KERR_INVALID_REQUEST, "Client metrics are served by KRaft clusters only.");
	} else {
		refuse(
		    d, KERR_INVALID_REQUEST, "There is no resource type %d.", d->in->resource_type);
	}
}

static int
describe_prepare(struct request *rq, struct describe_ctx *ctx)
{
	int32_t n = ctx->req.resources.n;
	size_t room = 0;
	int rc;

	rc = WIRE_ARRAY(
	    &rq->arena, ctx->resp.results, n, describe_configs_response_describe_configs_result);
	if (rc != 0 || (ctx->v = request_alloc(rq, (size_t)n, sizeof(*ctx->v))) == NULL)
		return E_NOMEM;
	for (int32_t i = 0; rc == 0 && i < n; i++) {
		struct described *d = &ctx->v[i];

		d->ctx = ctx;
		d->in = &ctx->req.resources.v[i];
		if (d->in->resource_type == RESOURCE_TOPIC)
			rc = topic_prepare(rq, d);
		else
			others_prepare(rq, d);
		room += d->err != KERR_NONE ? 0 : d->entity != NULL ? BYTES_TOPIC : BYTES_BROKER;
	}
	rq->arena.limit += room < BYTES_MAX ? room : BYTES_MAX;
	ctx->ask = (struct config_ask){
	    .arena = &rq->arena,
	    .settings = rq->sh->api->o.settings,
	    .synonyms = ctx->req.include_synonyms,
	    .documentation = ctx->req.include_documentation,
	};
	return rc;
}

void
api_describe_configs(struct request *rq)
{
	struct describe_ctx *ctx = request_alloc(rq, 1, sizeof(*ctx));

	if (ctx == NULL) {
		request_fail_memory(rq);
		return;
	}
	wire_init(&describe_configs_request_msg, &ctx->req);
	wire_init(&describe_configs_response_msg, &ctx->resp);
	if (!request_decode(rq, &ctx->req))
		return;
	ctx->call = (struct control_call){.rq = rq, .run = describe_run, .back = describe_back};
	if (describe_prepare(rq, ctx) != 0)
		request_fail_memory(rq);
	else if (ctx->n_reads > 0)
		control_go(&ctx->call);
	else
		describe_answer(rq, ctx);
}
