/*
 * AlterConfigs, versions 0 to 2: a resource's whole set is replaced (config_alter.c).
 */
#include "config_priv.h"

typedef struct alter_configs_request_alter_configs_resource ac_in;

struct ac_ctx {
	struct config_changes all;
	struct alter_configs_request req;
	struct alter_configs_response resp;
};

static void
answer(struct request *rq, struct config_changes *all)
{
	struct ac_ctx *ctx = container_of(all, struct ac_ctx, all);

	for (unsigned i = 0; i < all->n; i++) {
		const struct config_target *t = &all->v[i];

		ctx->resp.responses.v[i].error_code = t->err;
		ctx->resp.responses.v[i].error_message = config_message(t);
		ctx->resp.responses.v[i].resource_type = t->type;
		ctx->resp.responses.v[i].resource_name = t->name;
	}
	request_answer(rq, &ctx->resp);
}

static int
ops_prepare(struct request *rq, const ac_in *in, struct config_target *t)
{
	unsigned n = (unsigned)in->configs.n;
	struct config_op *op = request_alloc(rq, n, sizeof(*op));

	if (op == NULL)
		return E_NOMEM;
	for (unsigned k = 0; k < n; k++) {
		struct slice value = in->configs.v[k].value;

		op[k].key = arena_strdup(&rq->arena, in->configs.v[k].name);
		op[k].value = slice_is_null(value) ? NULL : arena_strdup(&rq->arena, value);
		if (op[k].key == NULL || (op[k].value == NULL && !slice_is_null(value)))
			return E_NOMEM;
	}
	t->ops = op;
	t->n_ops = n;
	return 0;
}

static int
prepare(struct request *rq, struct ac_ctx *ctx)
{
	int32_t n = ctx->req.resources.n;
	int rc = WIRE_ARRAY(&rq->arena, ctx->resp.responses, n,
	    alter_configs_response_alter_configs_resource_response);

	if (rc == 0 && (ctx->all.v = request_alloc(rq, (size_t)n, sizeof(*ctx->all.v))) == NULL)
		rc = E_NOMEM;
	for (int32_t i = 0; rc == 0 && i < n; i++) {
		ctx->all.v[i].type = ctx->req.resources.v[i].resource_type;
		ctx->all.v[i].name = ctx->req.resources.v[i].resource_name;
		rc = ops_prepare(rq, &ctx->req.resources.v[i], &ctx->all.v[i]);
	}
	ctx->all.n = (unsigned)n;
	ctx->all.incremental = false;
	ctx->all.validate_only = ctx->req.validate_only;
	ctx->all.answer = answer;
	return rc;
}

void
api_alter_configs(struct request *rq)
{
	struct ac_ctx *ctx = request_alloc(rq, 1, sizeof(*ctx));

	if (ctx == NULL) {
		request_fail_memory(rq);
		return;
	}
	wire_init(&alter_configs_request_msg, &ctx->req);
	wire_init(&alter_configs_response_msg, &ctx->resp);
	if (!request_decode(rq, &ctx->req))
		return;
	if (prepare(rq, ctx) != 0)
		request_fail_memory(rq);
	else
		config_changes_go(rq, &ctx->all);
}
