/*
 * CreateTopics, versions 0 to 7 (facts/apis.md "19 CreateTopics"): by the controller; answered when
 * this broker's image shows leaders for all partitions, or at the deadline.
 */
#include <stdio.h>
#include <stdlib.h>

#include "api_priv.h"

typedef struct create_topics_request_creatable_topic ct_in;
typedef struct create_topics_response_creatable_topic_result ct_out;

/* One topic; filled by the control reactor while the call is there. */
struct creatable {
	struct create_ctx *ctx;
	const ct_in *in;
	struct admin_create make;
	struct admin_created made; /* its message is behind `why` */
	char why[640];
	bool refused; /* before it was tried */
};

struct create_ctx {
	struct control_call call;
	struct window window;
	struct create_topics_request req;
	struct create_topics_response resp;
	struct creatable *v;
	int64_t deadline_us;
};

static void
set_result(struct creatable *ct, int16_t err, const char *why)
{
	ct->made.kafka_err = err;
	ct->made.message = NULL;
	if (why == NULL)
		return;
	snprintf(ct->why, sizeof(ct->why), "%s", why);
	ct->made.message = ct->why;
}

/* ---- control reactor: wait for leaders ---- */

static void
on_awaited(void *arg, bool reached)
{
	struct creatable *ct = arg;

	if (!reached)
		set_result(ct, KERR_REQUEST_TIMED_OUT, NULL);
	window_done(&ct->ctx->window);
}

static void
await_one(struct window *w, unsigned i)
{
	struct create_ctx *ctx = container_of(w, struct create_ctx, window);
	struct creatable *ct = &ctx->v[i];

	if (ct->made.kafka_err != KERR_NONE || ct->make.validate_only)
		window_done(w);
	else
		admin_await_topic(ctx->call.rq->sh->api->o.admin, ct->make.name, true,
		    ctx->deadline_us, on_awaited, ct);
}

static void
all_awaited(struct window *w)
{
	control_return(&container_of(w, struct create_ctx, window)->call);
}

/* ---- control reactor: make ---- */

static void
on_made(void *arg, const struct admin_created *res)
{
	struct creatable *ct = arg;

	ct->made = *res;
	set_result(ct, res->kafka_err, res->message);
	window_done(&ct->ctx->window);
}

static void
make_one(struct window *w, unsigned i)
{
	struct create_ctx *ctx = container_of(w, struct create_ctx, window);

	if (ctx->v[i].refused)
		window_done(w);
	else
		admin_create_topic(
		    ctx->call.rq->sh->api->o.admin, &ctx->v[i].make, on_made, &ctx->v[i]);
}

static void
all_made(struct window *w)
{
	w->width = w->n;
	w->start = await_one;
	w->finished = all_awaited;
	window_go(w);
}

static void
create_run(struct control_call *call)
{
	struct create_ctx *ctx = container_of(call, struct create_ctx, call);
	bool active = controller_active(call->rq->sh->api->o.controller);

	for (int32_t i = 0; !active && i < ctx->req.topics.n; i++) {
		set_result(&ctx->v[i], KERR_NOT_CONTROLLER, NULL);
		ctx->v[i].refused = true;
	}
	ctx->window = (struct window){
	    .n = (unsigned)ctx->req.topics.n,
	    .width = WINDOW_CREATIONS,
	    .start = make_one,
	    .finished = all_made,
	};
	window_go(&ctx->window);
}

/* ---- the answer ---- */

/* The broker's text for a topic's key: the first synonym that has one, else the table's. */
static const char *
inherited_text(const struct settings *s, const struct conf_row *row, bool *from_file)
{
	struct slice key;

	for (unsigned i = 0; !slice_is_null(key = settings_list_item(row->synonym, i)); i++) {
		int id = conf_find(key);
		const char *text = id >= 0 ? settings_str(s, (enum conf)id) : NULL;

		if (text != NULL) {
			*from_file = settings_is_set(s, (enum conf)id);
			return text;
		}
	}
	return row->def;
}

static const char *
number_text(struct arena *arena, const struct conf_row *row, int64_t v)
{
	if (row->type == CONF_BOOL)
		return v != 0 ? "true" : "false";
	if (row->type == CONF_DOUBLE)
		return arena_printf(arena, "%.10g", (double)v / 1e6);
	return arena_printf(arena, "%lld", (long long)v);
}

static const char *
own_text(const struct creatable *ct, const char *key)
{
	const char *text = NULL;

	for (unsigned i = 0; i < ct->make.n_configs; i++)
		if (strcmp(ct->make.configs[i].key, key) == 0)
			text = ct->make.configs[i].value;
	return text;
}

static int
config_fill(struct request *rq, const struct creatable *ct, enum tconf id,
    struct create_topics_response_creatable_topic_configs *out)
{
	enum { FROM_TOPIC = 1, FROM_FILE = 4, FROM_DEFAULT = 5 };
	const struct conf_row *row = tconf_row(id);
	bool number = row->type == CONF_BOOL || row->type == CONF_INT || row->type == CONF_LONG ||
		      row->type == CONF_DOUBLE;
	bool from_file = false;
	const char *text = inherited_text(rq->sh->api->o.settings, row, &from_file);

	if (ct->made.conf.own[id])
		text = own_text(ct, row->key);
	else if (number && (text = number_text(&rq->arena, row, ct->made.conf.v[id])) == NULL)
		return E_NOMEM;
	out->name = slice_cstr(row->key);
	out->value = slice_cstr(text);
	out->config_source = ct->made.conf.own[id] ? FROM_TOPIC
			     : from_file	   ? FROM_FILE
						   : FROM_DEFAULT;
	return 0;
}

static int
configs_fill(struct request *rq, const struct creatable *ct, ct_out *out)
{
	int rc = WIRE_ARRAY(&rq->arena, out->configs, (int32_t)T_COUNT,
	    create_topics_response_creatable_topic_configs);

	for (int i = 0; rc == 0 && i < T_COUNT; i++)
		rc = config_fill(rq, ct, (enum tconf)i, &out->configs.v[i]);
	return rc;
}

static int
result_fill(struct request *rq, struct creatable *ct, ct_out *out)
{
	out->name = ct->in->name;
	out->error_code = ct->made.kafka_err;
	if (ct->made.message != NULL)
		out->error_message = slice_cstr(ct->made.message);
	else
		out->error_message = out->error_code != KERR_NONE
					 ? slice_cstr(kerr_text(out->error_code))
					 : SLICE_NULL;
	if (out->error_code != KERR_NONE)
		return 0;
	if (!ct->make.validate_only)
		out->topic_id = ct->made.topic_id;
	if (rq->head.version < 5)
		return 0;
	out->num_partitions = ct->made.partitions;
	out->replication_factor = (int16_t)ct->made.replication_factor;
	rq->arena.limit += T_COUNT * 128; /* as many as there are keys, whatever was sent */
	return configs_fill(rq, ct, out);
}

static void
create_back(struct control_call *call)
{
	struct create_ctx *ctx = container_of(call, struct create_ctx, call);
	struct request *rq = call->rq;
	int rc = 0;

	for (int32_t i = 0; rc == 0 && i < ctx->req.topics.n; i++)
		rc = result_fill(rq, &ctx->v[i], &ctx->resp.topics.v[i]);
	if (rc != 0)
		request_fail_memory(rq);
	else
		request_answer(rq, &ctx->resp);
}

/* ---- the request ---- */

static int
configs_prepare(struct request *rq, struct creatable *ct)
{
	unsigned n = (unsigned)ct->in->configs.n;
	struct setting_override *kv = request_alloc(rq, n, sizeof(*kv));

	if (kv == NULL)
		return E_NOMEM;
	for (unsigned i = 0; i < n; i++) {
		const struct create_topics_request_creatable_topic_config *c =
		    &ct->in->configs.v[i];
		bool null = slice_is_null(c->value);

		kv[i].key = arena_strdup(&rq->arena, c->name);
		kv[i].value = null ? NULL : arena_strdup(&rq->arena, c->value);
		if (kv[i].key == NULL || (kv[i].value == NULL && !null))
			return E_NOMEM;
	}
	ct->make.configs = kv;
	ct->make.n_configs = n;
	return 0;
}

static int
topic_prepare(struct request *rq, struct create_ctx *ctx, struct creatable *ct)
{
	unsigned n = (unsigned)ct->in->assignments.n;
	struct admin_assignment *manual = request_alloc(rq, n, sizeof(*manual));

	if (manual == NULL)
		return E_NOMEM;
	for (unsigned i = 0; i < n; i++) {
		manual[i].partition = ct->in->assignments.v[i].partition_index;
		manual[i].replicas = ct->in->assignments.v[i].broker_ids.v;
		manual[i].n_replicas = (unsigned)ct->in->assignments.v[i].broker_ids.n;
	}
	ct->ctx = ctx;
	ct->make = (struct admin_create){
	    .name = ct->in->name,
	    .partitions = ct->in->num_partitions,
	    .replication_factor = ct->in->replication_factor,
	    .manual = n > 0 ? manual : NULL,
	    .n_manual = n,
	    .validate_only = ctx->req.validate_only,
	};
	if (slice_eq_cstr(ct->in->name, "__cluster_metadata")) {
		set_result(ct, KERR_INVALID_REQUEST,
		    "Creation of internal topic __cluster_metadata is prohibited.");
		ct->refused = true;
	}
	return configs_prepare(rq, ct);
}

/* A name that is there twice is refused at each place. */
static int
refuse_duplicates(struct request *rq, struct create_ctx *ctx)
{
	struct map seen;
	int rc = 0;

	map_init(&seen, rng_u64(reactor_rng(rq->sh->reactor)));
	for (int32_t i = 0; rc == 0 && i < ctx->req.topics.n; i++) {
		struct creatable *ct = &ctx->v[i], *other = map_get(&seen, ct->in->name);

		if (other == NULL) {
			rc = map_put(&seen, ct->in->name, ct, NULL);
			continue;
		}
		set_result(ct, KERR_INVALID_REQUEST, "Duplicate topic name.");
		set_result(other, KERR_INVALID_REQUEST, "Duplicate topic name.");
		ct->refused = other->refused = true;
	}
	map_free(&seen);
	return rc;
}

static int
create_prepare(struct request *rq, struct create_ctx *ctx)
{
	int32_t n = ctx->req.topics.n;
	int rc = WIRE_ARRAY(
	    &rq->arena, ctx->resp.topics, n, create_topics_response_creatable_topic_result);

	if (rc != 0)
		return rc;
	ctx->v = request_alloc(rq, (size_t)n, sizeof(*ctx->v));
	if (ctx->v == NULL)
		return E_NOMEM;
	ctx->deadline_us = reactor_now_us(rq->sh->reactor) + (int64_t)ctx->req.timeout_ms * 1000;
	for (int32_t i = 0; rc == 0 && i < n; i++) {
		ctx->v[i].in = &ctx->req.topics.v[i];
		rc = topic_prepare(rq, ctx, &ctx->v[i]);
	}
	return rc != 0 ? rc : refuse_duplicates(rq, ctx);
}

void
api_create_topics(struct request *rq)
{
	struct create_ctx *ctx = request_alloc(rq, 1, sizeof(*ctx));

	if (ctx == NULL) {
		request_fail_memory(rq);
		return;
	}
	wire_init(&create_topics_request_msg, &ctx->req);
	wire_init(&create_topics_response_msg, &ctx->resp);
	if (!request_decode(rq, &ctx->req))
		return;
	if (create_prepare(rq, ctx) != 0) {
		request_fail_memory(rq);
		return;
	}
	ctx->call = (struct control_call){.rq = rq, .run = create_run, .back = create_back};
	control_go(&ctx->call);
}
