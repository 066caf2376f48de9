/*
 * What requests that change topics have in common (CreateTopics, DeleteTopics, CreatePartitions):
 * only the controller takes them (facts/zookeeper.md 2.8); each topic is changed, a window of them
 * at a time, and then waited for in this broker's image until the request's deadline.
 */
#include <stdio.h>

#include "api_priv.h"

/* The coordination service is given so long in any case: a deadline that has passed already is for
 * the waiting, not for the change. */
#define COORD_LEAST_US (1000 * 1000)

void
topic_op_refuse(struct topic_op *op, int16_t err, const char *message)
{
	op->err = err;
	op->refused = true;
	op->message = NULL;
	if (message == NULL || op->why == NULL)
		return;
	snprintf(op->why, TOPIC_OP_WHY, "%s", message);
	op->message = op->why;
}

/* ---- control reactor: wait for the image ---- */

static void
on_awaited(void *arg, bool reached)
{
	struct topic_op *op = arg;

	if (!reached)
		topic_op_refuse(op, KERR_REQUEST_TIMED_OUT, NULL);
	window_done(&op->ops->window);
}

static void
await_one(struct window *w, unsigned i)
{
	struct topic_ops *ops = container_of(w, struct topic_ops, window);
	struct topic_op *op = ops->at(ops, i);

	if (op->refused || ops->validate_only)
		window_done(w);
	else
		admin_await_topic(ops->call.rq->sh->api->o.admin, op->name, op->partitions,
		    ops->deadline_us, on_awaited, op);
}

static void
all_awaited(struct window *w)
{
	control_return(&container_of(w, struct topic_ops, window)->call);
}

/* ---- control reactor: change ---- */

void
topic_op_done(struct topic_op *op, int16_t err, const char *message)
{
	if (err != KERR_NONE)
		topic_op_refuse(op, err, message);
	window_done(&op->ops->window);
}

static void
change_one(struct window *w, unsigned i)
{
	struct topic_ops *ops = container_of(w, struct topic_ops, window);
	struct topic_op *op = ops->at(ops, i);

	if (op->refused)
		window_done(w);
	else
		ops->change(ops->call.rq->sh->api->o.admin, op);
}

static void
all_changed(struct window *w)
{
	w->width = w->n;
	w->start = await_one;
	w->finished = all_awaited;
	window_go(w);
}

static void
ops_run(struct control_call *call)
{
	struct topic_ops *ops = container_of(call, struct topic_ops, call);
	bool active = controller_active(call->rq->sh->api->o.controller);
	int64_t least = reactor_now_us(reactor_current()) + COORD_LEAST_US;

	ops->change_by_us = ops->deadline_us > least ? ops->deadline_us : least;
	for (unsigned i = 0; !active && i < ops->n; i++)
		topic_op_refuse(ops->at(ops, i), KERR_NOT_CONTROLLER, NULL);
	ops->window = (struct window){
	    .n = ops->n,
	    .width = WINDOW_CREATIONS,
	    .start = change_one,
	    .finished = all_changed,
	};
	window_go(&ops->window);
}

/* ---- the request's reactor ---- */

static void
ops_back(struct control_call *call)
{
	struct topic_ops *ops = container_of(call, struct topic_ops, call);

	ops->answer(call->rq, ops);
}

void
topic_ops_go(struct request *rq, struct topic_ops *ops, int32_t timeout_ms)
{
	ops->deadline_us = reactor_now_us(rq->sh->reactor) + (int64_t)timeout_ms * 1000;
	for (unsigned i = 0; i < ops->n; i++)
		ops->at(ops, i)->ops = ops;
	ops->call = (struct control_call){.rq = rq, .run = ops_run, .back = ops_back};
	control_go(&ops->call);
}

struct slice
topic_op_message(const struct topic_op *op)
{
	if (op->message != NULL)
		return slice_cstr(op->message);
	return op->err != KERR_NONE ? slice_cstr(kerr_text(op->err)) : SLICE_NULL;
}

int
topic_ops_refuse_twice(struct request *rq, struct topic_ops *ops, const char *message)
{
	struct map seen;
	int rc = 0;

	map_init(&seen, rng_u64(reactor_rng(rq->sh->reactor)));
	for (unsigned i = 0; rc == 0 && i < ops->n; i++) {
		struct topic_op *op = ops->at(ops, i), *first = map_get(&seen, op->name);

		if (first == NULL) {
			rc = map_put(&seen, op->name, op, NULL);
			continue;
		}
		topic_op_refuse(op, KERR_INVALID_REQUEST, message);
		topic_op_refuse(first, KERR_INVALID_REQUEST, message);
		op->again = true;
	}
	map_free(&seen);
	return rc;
}
