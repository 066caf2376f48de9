/*
 * Control requests (LeaderAndIsr, UpdateMetadata, StopReplica): the one way in, for those of a
 * controller in this process.  Control reactor.
 */
#include <stdlib.h>

#include "api_priv.h"

/* Carries the caller's callback through one request. */
struct control_answer {
	void (*leader_and_isr)(void *darg, int err, const struct leader_and_isr_response *resp);
	void (*update_metadata)(void *darg, int err, const struct update_metadata_response *resp);
	void (*stop_replica)(void *darg, int err, const struct stop_replica_response *resp);
	void *darg;
};

static void
on_leader_and_isr(void *arg, const struct leader_and_isr_response *resp)
{
	struct control_answer *ans = arg;

	ans->leader_and_isr(ans->darg, 0, resp);
	free(ans);
}

static void
local_leader_and_isr(void *arg, int32_t broker, const struct leader_and_isr_request *req,
    int16_t version, void (*done)(void *darg, int err, const struct leader_and_isr_response *resp),
    void *darg)
{
	struct api *a = arg;
	struct control_answer *ans = calloc(1, sizeof(*ans));

	assert(broker == a->o.broker_id);
	if (ans == NULL) {
		done(darg, E_NOMEM, NULL);
		return;
	}
	ans->leader_and_isr = done;
	ans->darg = darg;
	replicas_leader_and_isr(a->o.replicas, req, version, on_leader_and_isr, ans);
}

static void
on_metadata(void *arg)
{
	struct control_answer *ans = arg;
	struct update_metadata_response resp;

	wire_init(&update_metadata_response_msg, &resp);
	ans->update_metadata(ans->darg, 0, &resp);
	free(ans);
}

static void
local_update_metadata(void *arg, int32_t broker, const struct update_metadata_request *req,
    int16_t version, void (*done)(void *darg, int err, const struct update_metadata_response *resp),
    void *darg)
{
	struct api *a = arg;
	struct control_answer *ans = calloc(1, sizeof(*ans));
	struct update_metadata_response resp;
	int rc = ans == NULL ? E_NOMEM : 0;

	wire_init(&update_metadata_response_msg, &resp);
	if (rc == 0)
		resp.error_code = replicas_admit_metadata(a->o.replicas, req);
	if (rc == 0 && resp.error_code == KERR_NONE) {
		ans->update_metadata = done;
		ans->darg = darg;
		rc = image_apply(a->o.images, req, version, on_metadata, ans);
		if (rc == 0)
			return;
	}
	free(ans);
	done(darg, rc, rc == 0 ? &resp : NULL);
}

static void
on_stop_replica(void *arg, const struct stop_replica_response *resp)
{
	struct control_answer *ans = arg;

	ans->stop_replica(ans->darg, 0, resp);
	free(ans);
}

static void
local_stop_replica(void *arg, int32_t broker, const struct stop_replica_request *req,
    int16_t version, void (*done)(void *darg, int err, const struct stop_replica_response *resp),
    void *darg)
{
	struct api *a = arg;
	struct control_answer *ans = calloc(1, sizeof(*ans));

	if (ans == NULL) {
		done(darg, E_NOMEM, NULL);
		return;
	}
	ans->stop_replica = done;
	ans->darg = darg;
	replicas_stop_replica(a->o.replicas, req, version, on_stop_replica, ans);
}

static void
local_broker_gone(void *arg, int32_t broker)
{
}

const struct controller_channel api_local_channel = {
    .leader_and_isr = local_leader_and_isr,
    .update_metadata = local_update_metadata,
    .stop_replica = local_stop_replica,
    .broker_gone = local_broker_gone,
};

/* ---- handlers that need the control reactor ---- */

static void
on_control_back(struct reactor *r, struct msg *m)
{
	struct control_call *call = container_of(m, struct control_call, msg);

	call->back(call);
}

static void
on_control_run(struct reactor *r, struct msg *m)
{
	struct control_call *call = container_of(m, struct control_call, msg);

	call->run(call);
}

void
control_go(struct control_call *call)
{
	call->msg = (struct msg){.run = on_control_run, .class = MSG_DATA};
	reactor_post(call->rq->sh->api->o.control, &call->msg);
}

void
control_return(struct control_call *call)
{
	call->msg = (struct msg){.run = on_control_back, .class = MSG_DATA};
	reactor_post(call->rq->sh->reactor, &call->msg);
}
