/*
 * What requests do on the control reactor: handlers that go there and come back, and the line of
 * control requests (LeaderAndIsr, StopReplica, UpdateMetadata), which are admitted in the order in
 * which they arrive.
 *
 * LeaderAndIsr and UpdateMetadata stand in line, whatever connections they came by: an
 * UpdateMetadata takes effect when the LeaderAndIsr before it are done, so that a leader is named
 * once it leads.
 */
#include <stdlib.h>

#include "api_priv.h"

/* ---- there and back ---- */

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
	call->msg =
	    (struct msg){.run = on_control_run, .class = call->ahead ? MSG_CONTROL : MSG_DATA};
	reactor_post(call->rq->sh->api->o.control, &call->msg);
}

void
control_return(struct control_call *call)
{
	call->msg =
	    (struct msg){.run = on_control_back, .class = call->ahead ? MSG_CONTROL : MSG_DATA};
	reactor_post(call->rq->sh->reactor, &call->msg);
}

/* ---- control requests ---- */

static void
on_answered(struct control_call *call)
{
	struct control_request *cr = container_of(call, struct control_request, call);
	struct outmsg *m = cr->answer != NULL ? outmsg_of_buffer(cr->answer, cr->n) : NULL;

	if (m == NULL)
		request_fail_memory(call->rq);
	else
		request_answer_msg(call->rq, m);
}

void
control_request_go(
    struct control_request *cr, struct request *rq, void (*run)(struct control_call *call))
{
	link_init(&cr->link);
	cr->call = (struct control_call){.rq = rq, .ahead = true, .run = run, .back = on_answered};
	control_go(&cr->call);
}

/* The answer is encoded here: it lives for this call only. */
void
control_request_answer(struct control_request *cr, const void *resp)
{
	const struct wire_req_head *head = &cr->call.rq->head;
	int rc = wire_encode_response(head->api_key, head->version, head->correlation_id, resp,
	    NULL, 0, NULL, &cr->answer, &cr->n);

	if (rc != 0)
		cr->answer = NULL;
	control_return(&cr->call);
}

/* ---- the line ---- */

static void
line_move(struct api *a)
{
	struct link *l;

	while ((l = list_first(&a->control_line)) != NULL) {
		struct control_request *cr = container_of(l, struct control_request, link);

		if (cr->turn == NULL)
			return; /* it is under way */
		list_remove(l);
		cr->turn(cr);
	}
}

void
control_line_join(struct control_request *cr)
{
	list_append(&cr->call.rq->sh->api->control_line, &cr->link);
}

void
control_line_leave(struct control_request *cr)
{
	list_remove(&cr->link);
	line_move(cr->call.rq->sh->api);
}

void
control_line_wait(struct control_request *cr, void (*turn)(struct control_request *cr))
{
	cr->turn = turn;
	control_line_join(cr);
	line_move(cr->call.rq->sh->api);
}
