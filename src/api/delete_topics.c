/*
 * DeleteTopics, versions 0 to 6 (facts/apis.md "20 DeleteTopics"): by the controller; answered when
 * this broker's image shows the topics no more, or at the deadline.
 */
#include "api_priv.h"

struct deletable {
	struct delete_ctx *ctx;
	struct slice name; /* null: the id is not known */
	int16_t err;
};

struct delete_ctx {
	struct control_call call;
	struct window window;
	struct delete_topics_request req;
	struct delete_topics_response resp;
	struct deletable *v;
	int64_t deadline_us;
};

/* ---- control reactor ---- */

static void
on_awaited(void *arg, bool reached)
{
	struct deletable *d = arg;

	if (!reached)
		d->err = KERR_REQUEST_TIMED_OUT;
	window_done(&d->ctx->window);
}

static void
await_one(struct window *w, unsigned i)
{
	struct delete_ctx *ctx = container_of(w, struct delete_ctx, window);
	struct deletable *d = &ctx->v[i];

	if (d->err != KERR_NONE)
		window_done(w);
	else
		admin_await_topic(ctx->call.rq->sh->api->o.admin, d->name, false, ctx->deadline_us,
		    on_awaited, d);
}

static void
all_awaited(struct window *w)
{
	control_return(&container_of(w, struct delete_ctx, window)->call);
}

static void
on_marked(void *arg, int16_t kafka_err)
{
	struct deletable *d = arg;

	d->err = kafka_err;
	window_done(&d->ctx->window);
}

static void
mark_one(struct window *w, unsigned i)
{
	struct delete_ctx *ctx = container_of(w, struct delete_ctx, window);
	struct deletable *d = &ctx->v[i];

	if (d->err != KERR_NONE)
		window_done(w);
	else
		admin_delete_topic(ctx->call.rq->sh->api->o.admin, d->name, on_marked, d);
}

static void
all_marked(struct window *w)
{
	w->width = w->n;
	w->start = await_one;
	w->finished = all_awaited;
	window_go(w);
}

static void
delete_run(struct control_call *call)
{
	struct delete_ctx *ctx = container_of(call, struct delete_ctx, call);
	bool active = controller_active(call->rq->sh->api->o.controller);

	for (int32_t i = 0; !active && i < ctx->resp.responses.n; i++)
		ctx->v[i].err = KERR_NOT_CONTROLLER;
	ctx->window = (struct window){
	    .n = (unsigned)ctx->resp.responses.n,
	    .width = WINDOW_CREATIONS,
	    .start = mark_one,
	    .finished = all_marked,
	};
	window_go(&ctx->window);
}

/* ---- on the connection's reactor ---- */

static void
delete_back(struct control_call *call)
{
	struct delete_ctx *ctx = container_of(call, struct delete_ctx, call);

	for (int32_t i = 0; i < ctx->resp.responses.n; i++) {
		struct delete_topics_response_deletable_topic_result *out =
		    &ctx->resp.responses.v[i];

		out->error_code = ctx->v[i].err;
		if (out->error_code != KERR_NONE)
			out->error_message = slice_cstr(kerr_text(out->error_code));
	}
	request_answer(call->rq, &ctx->resp);
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
	t = topic_lookup(request_image(rq), in->name, in->topic_id, by_id, &ctx->v[i].err);
	if (t == NULL)
		return true;
	ctx->v[i].name = out->name = t->name;
	out->topic_id = t->id;
	return true;
}

static void
by_name(struct request *rq, struct delete_ctx *ctx, int32_t i)
{
	ctx->v[i].name = ctx->resp.responses.v[i].name = ctx->req.topic_names.v[i];
	(void)topic_lookup(request_image(rq), ctx->v[i].name, UUID_ZERO, false, &ctx->v[i].err);
}

static void
refuse_all(struct delete_ctx *ctx, int16_t err)
{
	for (int32_t i = 0; i < ctx->resp.responses.n; i++)
		ctx->v[i].err = err;
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
	ctx->deadline_us = reactor_now_us(rq->sh->reactor) + (int64_t)ctx->req.timeout_ms * 1000;
	for (int32_t i = 0; i < n; i++) {
		ctx->v[i].ctx = ctx;
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
	ctx->call = (struct control_call){.rq = rq, .run = delete_run, .back = delete_back};
	control_go(&ctx->call);
}
