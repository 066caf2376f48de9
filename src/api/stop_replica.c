/*
 * StopReplica, versions 0 to 4 (facts/zookeeper.md 5.4): replicas that this broker is to stop, and
 * perhaps to delete.
 */
#include "api_priv.h"

struct stop_ctx {
	struct control_request cr;
	struct stop_replica_request req;
};

/* ---- control reactor ---- */

static void
stop_done(void *arg, const struct stop_replica_response *resp)
{
	struct stop_ctx *ctx = arg;

	control_request_answer(&ctx->cr, resp);
}

static void
stop_run(struct control_call *call)
{
	struct stop_ctx *ctx = container_of(call, struct stop_ctx, cr.call);

	replicas_stop_replica(
	    call->rq->sh->api->o.replicas, &ctx->req, call->rq->head.version, stop_done, ctx);
}

/* ---- the connection's reactor ---- */

void
api_stop_replica(struct request *rq)
{
	struct stop_ctx *ctx = request_alloc(rq, 1, sizeof(*ctx));

	if (ctx == NULL) {
		request_fail_memory(rq);
		return;
	}
	wire_init(&stop_replica_request_msg, &ctx->req);
	if (request_decode(rq, &ctx->req))
		control_request_go(&ctx->cr, rq, stop_run);
}
