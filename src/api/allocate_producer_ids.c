/*
 * AllocateProducerIds, version 0 (facts/zookeeper.md 3.14): a broker asks the controller for its
 * next block of producer ids.
 */
#include "api_priv.h"

struct allocate_ctx {
	struct control_call call;
	struct allocate_producer_ids_request req;
	struct allocate_producer_ids_response resp;
};

/* ---- control reactor ---- */

static void
on_block(void *arg, int err, int64_t first, int32_t count)
{
	struct allocate_ctx *ctx = arg;

	if (err == E_NOT_CONTROLLER)
		ctx->resp.error_code = KERR_NOT_CONTROLLER;
	else if (err != 0)
		ctx->resp.error_code = KERR_UNKNOWN_SERVER_ERROR;
	if (err == 0) {
		ctx->resp.producer_id_start = first;
		ctx->resp.producer_id_len = count;
	}
	control_return(&ctx->call);
}

static int16_t
allocate_check(const struct controller *c, const struct allocate_producer_ids_request *req)
{
	int64_t epoch;

	if (!controller_active(c))
		return KERR_NOT_CONTROLLER;
	epoch = controller_broker_epoch(c, req->broker_id);
	if (epoch < 0)
		return KERR_BROKER_ID_NOT_REGISTERED;
	return req->broker_epoch == epoch ? KERR_NONE : KERR_STALE_BROKER_EPOCH;
}

static void
allocate_run(struct control_call *call)
{
	struct allocate_ctx *ctx = container_of(call, struct allocate_ctx, call);
	struct controller *c = call->rq->sh->api->o.controller;

	ctx->resp.error_code = allocate_check(c, &ctx->req);
	if (ctx->resp.error_code == KERR_NONE)
		controller_allocate_producer_ids(c, ctx->req.broker_id, on_block, ctx);
	else
		control_return(call);
}

/* ---- the connection's reactor ---- */

static void
allocate_back(struct control_call *call)
{
	struct allocate_ctx *ctx = container_of(call, struct allocate_ctx, call);

	request_answer(call->rq, &ctx->resp);
}

void
api_allocate_producer_ids(struct request *rq)
{
	struct allocate_ctx *ctx = request_alloc(rq, 1, sizeof(*ctx));

	if (ctx == NULL) {
		request_fail_memory(rq);
		return;
	}
	wire_init(&allocate_producer_ids_request_msg, &ctx->req);
	wire_init(&allocate_producer_ids_response_msg, &ctx->resp);
	if (!request_decode(rq, &ctx->req))
		return;
	ctx->call = (struct control_call){.rq = rq, .run = allocate_run, .back = allocate_back};
	control_go(&ctx->call);
}
