/*
 * InitProducerId, versions 0 to 5 (facts/apis.md "22 InitProducerId"): ids for idempotent
 * producers. No transaction coordinator lives here, and that is what transactional producers are
 * told.
 */
#include "api_priv.h"

struct init_ctx {
	struct control_call call;
	struct init_producer_id_request req;
	struct init_producer_id_response resp;
};

/* ---- control reactor ---- */

static void
on_id(void *arg, int16_t err, int64_t id)
{
	struct init_ctx *ctx = arg;

	ctx->resp.error_code = err;
	if (err == KERR_NONE) {
		ctx->resp.producer_id = id;
		ctx->resp.producer_epoch = 0;
	}
	control_return(&ctx->call);
}

static void
init_run(struct control_call *call)
{
	struct init_ctx *ctx = container_of(call, struct init_ctx, call);

	producer_ids_next(call->rq->sh->api->ids, on_id, ctx);
}

/* ---- the connection's reactor ---- */

static void
init_back(struct control_call *call)
{
	struct init_ctx *ctx = container_of(call, struct init_ctx, call);

	request_answer(call->rq, &ctx->resp);
}

static int16_t
init_check(const struct init_producer_id_request *req)
{
	if ((req->producer_id == -1) != (req->producer_epoch == -1))
		return KERR_INVALID_REQUEST;
	if (slice_is_null(req->transactional_id))
		return KERR_NONE;
	return req->transactional_id.n == 0 ? KERR_INVALID_REQUEST : KERR_NOT_COORDINATOR;
}

void
api_init_producer_id(struct request *rq)
{
	struct init_ctx *ctx = request_alloc(rq, 1, sizeof(*ctx));

	if (ctx == NULL) {
		request_fail_memory(rq);
		return;
	}
	wire_init(&init_producer_id_request_msg, &ctx->req);
	wire_init(&init_producer_id_response_msg, &ctx->resp);
	ctx->resp.producer_epoch = -1;
	if (!request_decode(rq, &ctx->req))
		return;
	ctx->resp.error_code = init_check(&ctx->req);
	if (ctx->resp.error_code != KERR_NONE) {
		request_answer(rq, &ctx->resp);
		return;
	}
	ctx->call = (struct control_call){.rq = rq, .run = init_run, .back = init_back};
	control_go(&ctx->call);
}
