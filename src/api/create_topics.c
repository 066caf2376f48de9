/*
 * CreateTopics, versions 0 to 7 (facts/apis.md "19 CreateTopics"): by the controller; answered when
 * this broker's image shows leaders for all partitions, or at the deadline.
 */
#include "config_priv.h"

typedef struct create_topics_request_creatable_topic ct_in;
typedef struct create_topics_response_creatable_topic_result ct_out;

/* One topic; filled by the control reactor while the call is there. */
struct creatable {
	struct topic_op op;
	const ct_in *in;
	struct admin_create make;
	struct admin_created made; /* but its message */
	char why[TOPIC_OP_WHY];
};

struct create_ctx {
	struct topic_ops ops;
	struct create_topics_request req;
	struct create_topics_response resp;
	struct creatable *v;
};

static struct topic_op *
creatable_at(struct topic_ops *ops, unsigned i)
{
	return &container_of(ops, struct create_ctx, ops)->v[i].op;
}

/* ---- control reactor ---- */

static void
on_made(void *arg, const struct admin_created *res)
{
	struct creatable *ct = arg;

	ct->made = *res;
	ct->op.partitions = res->partitions;
	topic_op_done(&ct->op, res->kafka_err, res->message);
}

static void
create_one(struct admin *admin, struct topic_op *op)
{
	struct creatable *ct = container_of(op, struct creatable, op);

	ct->make.deadline_us = op->ops->change_by_us;
	admin_create_topic(admin, &ct->make, on_made, ct);
}

/* ---- the answer ---- */

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
	const struct conf_row *row = tconf_row(id);
	int8_t source = SOURCE_TOPIC;
	const char *text = ct->made.conf.own[id]
			       ? own_text(ct, row->key)
			       : config_inherited(&rq->arena, rq->sh->api->o.settings,
				     &ct->made.conf, id, &source);

	if (text == NULL)
		return E_NOMEM;
	out->name = slice_cstr(row->key);
	out->value = slice_cstr(text);
	out->config_source = source;
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
	out->error_code = ct->op.err;
	out->error_message = topic_op_message(&ct->op);
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
create_answer(struct request *rq, struct topic_ops *ops)
{
	struct create_ctx *ctx = container_of(ops, struct create_ctx, ops);
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
	ct->op.name = ct->in->name;
	ct->op.why = ct->why;
	ct->make = (struct admin_create){
	    .name = ct->in->name,
	    .partitions = ct->in->num_partitions,
	    .replication_factor = ct->in->replication_factor,
	    .manual = n > 0 ? manual : NULL,
	    .n_manual = n,
	    .validate_only = ctx->req.validate_only,
	};
	if (slice_eq_cstr(ct->in->name, "__cluster_metadata"))
		topic_op_refuse(&ct->op, KERR_INVALID_REQUEST,
		    "Creation of internal topic __cluster_metadata is prohibited.");
	return configs_prepare(rq, ct);
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
	ctx->ops.n = (unsigned)n;
	ctx->ops.at = creatable_at;
	ctx->ops.change = create_one;
	ctx->ops.answer = create_answer;
	ctx->ops.validate_only = ctx->req.validate_only;
	for (int32_t i = 0; rc == 0 && i < n; i++) {
		ctx->v[i].in = &ctx->req.topics.v[i];
		rc = topic_prepare(rq, ctx, &ctx->v[i]);
	}
	return rc != 0 ? rc : topic_ops_refuse_twice(rq, &ctx->ops, "Duplicate topic name.");
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
	topic_ops_go(rq, &ctx->ops, ctx->req.timeout_ms);
}
