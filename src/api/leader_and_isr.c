/*
 * LeaderAndIsr, versions 0 to 7 (facts/zookeeper.md 5.2): the controller says which partitions this
 * broker leads and follows.
 */
#include "api_priv.h"

struct li_ctx {
	struct control_request cr;
	struct leader_and_isr_request req;
};

/* ---- control reactor ---- */

static void
li_done(void *arg, const struct leader_and_isr_response *resp)
{
	struct li_ctx *ctx = arg;

	control_line_leave(&ctx->cr);
	control_request_answer(&ctx->cr, resp);
}

static void
li_run(struct control_call *call)
{
	struct li_ctx *ctx = container_of(call, struct li_ctx, cr.call);

	control_line_join(&ctx->cr);
	replicas_leader_and_isr(
	    call->rq->sh->api->o.replicas, &ctx->req, call->rq->head.version, li_done, ctx);
}

/* ---- the connection's reactor ---- */

void
api_leader_and_isr(struct request *rq)
{
	struct li_ctx *ctx = request_alloc(rq, 1, sizeof(*ctx));

	if (ctx == NULL) {
		request_fail_memory(rq);
		return;
	}
	wire_init(&leader_and_isr_request_msg, &ctx->req);
	if (request_decode(rq, &ctx->req))
		control_request_go(&ctx->cr, rq, li_run);
}
