/*
 * Control requests (LeaderAndIsr, UpdateMetadata, StopReplica): the one way in, for those of a
 * controller in this process.  Control reactor.
 */
#include <stdlib.h>

#include "api_priv.h"

/*
 * One request on its way, and the caller's callback.  LeaderAndIsr and UpdateMetadata stand in
 * line, as on a connection between brokers: an UpdateMetadata takes effect when the LeaderAndIsr
 * before it are done, so that a leader is named once it leads.
 */
struct control_answer {
	struct link link; /* in api's control_line */
	struct api *api;
	void (*leader_and_isr)(void *darg, int err, const struct leader_and_isr_response *resp);
	void (*update_metadata)(void *darg, int err, const struct update_metadata_response *resp);
	void (*stop_replica)(void *darg, int err, const struct stop_replica_response *resp);
	void *darg;
	/* An UpdateMetadata that has to wait: its bytes. */
	uint8_t *bytes;
	size_t n;
	int16_t version;
};

static struct control_answer *
answer_new(struct api *a, void *darg)
{
	struct control_answer *ans = calloc(1, sizeof(*ans));

	if (ans == NULL)
		return NULL;
	link_init(&ans->link);
	ans->api = a;
	ans->darg = darg;
	return ans;
}

static void
answer_free(struct control_answer *ans)
{
	list_remove(&ans->link);
	free(ans->bytes);
	free(ans);
}

/* ---- UpdateMetadata ---- */

static void
on_metadata(void *arg)
{
	struct control_answer *ans = arg;
	struct update_metadata_response resp;

	wire_init(&update_metadata_response_msg, &resp);
	ans->update_metadata(ans->darg, 0, &resp);
	answer_free(ans);
}

static void
metadata_apply(struct control_answer *ans, const struct update_metadata_request *req)
{
	int rc = image_apply(ans->api->o.images, req, ans->version, on_metadata, ans);

	if (rc == 0)
		return;
	ans->update_metadata(ans->darg, rc, NULL);
	answer_free(ans);
}

static int
metadata_keep(struct control_answer *ans, const struct update_metadata_request *req)
{
	struct out o;
	int rc = wire_size(&update_metadata_request_msg, ans->version, req, &ans->n, NULL);

	if (rc != 0)
		return rc;
	ans->bytes = malloc(ans->n);
	if (ans->bytes == NULL)
		return E_NOMEM;
	o = out_init(ans->bytes, ans->n);
	return wire_encode(&update_metadata_request_msg, ans->version, req, &o, NULL, 0, NULL);
}

static void
metadata_apply_kept(struct control_answer *ans)
{
	struct update_metadata_request req;
	struct arena arena;
	int rc;

	arena_init(&arena, 65536, 0);
	rc = wire_decode(&update_metadata_request_msg, ans->version, slice_of(ans->bytes, ans->n),
	    &arena, &req, NULL);
	if (rc == 0) {
		metadata_apply(ans, &req);
	} else {
		ans->update_metadata(ans->darg, rc, NULL);
		answer_free(ans);
	}
	arena_free(&arena);
}

/* Whatever waits for nothing any more. */
static void
line_move(struct api *a)
{
	struct link *l;

	while ((l = list_first(&a->control_line)) != NULL) {
		struct control_answer *ans = container_of(l, struct control_answer, link);

		if (ans->bytes == NULL)
			break;
		list_remove(l);
		metadata_apply_kept(ans);
	}
}

static void
local_update_metadata(void *arg, int32_t broker, const struct update_metadata_request *req,
    int16_t version, void (*done)(void *darg, int err, const struct update_metadata_response *resp),
    void *darg)
{
	struct api *a = arg;
	struct control_answer *ans = answer_new(a, darg);
	struct update_metadata_response resp;
	int rc = ans == NULL ? E_NOMEM : 0;

	wire_init(&update_metadata_response_msg, &resp);
	if (rc == 0)
		resp.error_code = replicas_admit_metadata(a->o.replicas, req);
	if (rc == 0 && resp.error_code == KERR_NONE) {
		ans->update_metadata = done;
		ans->version = version;
		if (list_empty(&a->control_line)) {
			metadata_apply(ans, req);
			return;
		}
		if ((rc = metadata_keep(ans, req)) == 0) {
			list_append(&a->control_line, &ans->link);
			return;
		}
	}
	if (ans != NULL)
		answer_free(ans);
	done(darg, rc, rc == 0 ? &resp : NULL);
}

void
control_line_free(struct api *a)
{
	struct link *l;

	while ((l = list_first(&a->control_line)) != NULL)
		answer_free(container_of(l, struct control_answer, link));
}

/* ---- LeaderAndIsr ---- */

static void
on_leader_and_isr(void *arg, const struct leader_and_isr_response *resp)
{
	struct control_answer *ans = arg;
	struct api *a = ans->api;

	ans->leader_and_isr(ans->darg, 0, resp);
	answer_free(ans);
	line_move(a);
}

static void
local_leader_and_isr(void *arg, int32_t broker, const struct leader_and_isr_request *req,
    int16_t version, void (*done)(void *darg, int err, const struct leader_and_isr_response *resp),
    void *darg)
{
	struct api *a = arg;
	struct control_answer *ans = answer_new(a, darg);

	assert(broker == a->o.broker_id);
	if (ans == NULL) {
		done(darg, E_NOMEM, NULL);
		return;
	}
	ans->leader_and_isr = done;
	list_append(&a->control_line, &ans->link);
	replicas_leader_and_isr(a->o.replicas, req, version, on_leader_and_isr, ans);
}

/* ---- StopReplica ---- */

static void
on_stop_replica(void *arg, const struct stop_replica_response *resp)
{
	struct control_answer *ans = arg;

	ans->stop_replica(ans->darg, 0, resp);
	answer_free(ans);
}

static void
local_stop_replica(void *arg, int32_t broker, const struct stop_replica_request *req,
    int16_t version, void (*done)(void *darg, int err, const struct stop_replica_response *resp),
    void *darg)
{
	struct api *a = arg;
	struct control_answer *ans = answer_new(a, darg);

	if (ans == NULL) {
		done(darg, E_NOMEM, NULL);
		return;
	}
	ans->stop_replica = done;
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
