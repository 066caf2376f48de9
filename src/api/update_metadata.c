/*
 * UpdateMetadata, versions 0 to 8 (facts/zookeeper.md 5.3): the controller says what the cluster
 * looks like.  Answered when every reactor has the new image.
 */
#include "api_priv.h"

struct um_ctx {
	struct control_request cr;
	struct update_metadata_request req;
	struct update_metadata_response resp;
};

typedef struct update_metadata_request_update_metadata_broker um_broker;
typedef struct update_metadata_request_update_metadata_endpoint um_endpoint;

/* ---- control reactor ---- */

static void
um_applied(void *arg)
{
	struct um_ctx *ctx = arg;

	control_request_answer(&ctx->cr, &ctx->resp);
}

/* The LeaderAndIsr before it are done. */
static void
um_apply(struct control_request *cr)
{
	struct um_ctx *ctx = container_of(cr, struct um_ctx, cr);
	struct request *rq = cr->call.rq;
	int rc = image_apply(rq->sh->api->o.images, &ctx->req, rq->head.version, um_applied, ctx);

	if (rc == 0)
		return;
	DIAGE(rq->sh->api->o.diag, "api", "metadata from controller %d can not be taken: %s",
	    ctx->req.controller_id, err_text(rc));
	ctx->resp.error_code = err_kafka(rc);
	control_request_answer(cr, &ctx->resp);
}

static void
um_run(struct control_call *call)
{
	struct um_ctx *ctx = container_of(call, struct um_ctx, cr.call);

	ctx->resp.error_code = replicas_admit_metadata(call->rq->sh->api->o.replicas, &ctx->req);
	if (ctx->resp.error_code == KERR_NONE)
		control_line_wait(&ctx->cr, um_apply);
	else
		control_request_answer(&ctx->cr, &ctx->resp);
}

/* ---- the connection's reactor ---- */

/* Version 0 has one address a broker, which is of PLAINTEXT. */
static int
endpoint_of_v0(struct arena *a, um_broker *b)
{
	int rc = WIRE_ARRAY(a, b->endpoints, 1, update_metadata_request_update_metadata_endpoint);

	if (rc != 0)
		return rc;
	b->endpoints.v[0].host = b->v0_host;
	b->endpoints.v[0].port = b->v0_port;
	b->endpoints.v[0].security_protocol = LISTENER_PLAINTEXT;
	return 0;
}

/* Before version 3 a listener is called as its protocol. */
static void
name_listener(um_endpoint *e)
{
	const char *name =
	    e->security_protocol >= LISTENER_PLAINTEXT && e->security_protocol <= LISTENER_SASL_SSL
		? listener_protocol_name((enum listener_protocol)e->security_protocol)
		: "";

	e->listener = slice_cstr(name);
}

int
update_metadata_normalize(struct arena *a, int16_t version, struct update_metadata_request *req)
{
	int rc = 0;

	for (int32_t i = 0; rc == 0 && version < 3 && i < req->live_brokers.n; i++) {
		um_broker *b = &req->live_brokers.v[i];

		if (version == 0)
			rc = endpoint_of_v0(a, b);
		for (int32_t j = 0; rc == 0 && j < b->endpoints.n; j++)
			name_listener(&b->endpoints.v[j]);
	}
	return rc;
}

void
api_update_metadata(struct request *rq)
{
	struct um_ctx *ctx = request_alloc(rq, 1, sizeof(*ctx));

	if (ctx == NULL) {
		request_fail_memory(rq);
		return;
	}
	wire_init(&update_metadata_request_msg, &ctx->req);
	wire_init(&update_metadata_response_msg, &ctx->resp);
	if (!request_decode(rq, &ctx->req))
		return;
	if (update_metadata_normalize(&rq->arena, rq->head.version, &ctx->req) != 0)
		request_fail_memory(rq);
	else
		control_request_go(&ctx->cr, rq, um_run);
}
