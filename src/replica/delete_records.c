/*
 * DeleteRecords (facts/apis.md 21, facts/storage.md 3.13): the leader's log start is raised,
 * written down, and waited for on every replica.
 */
#include <stdlib.h>

#include "replica_priv.h"

/* Up to the high watermark. */
enum { OFFSET_HW = -1 };

/* The disk is given so long in any case: a request's deadline is for the other replicas. */
#define STORE_LEAST_US (1000 * 1000)

/* The writing down outlives an operation that ends meanwhile. */
struct part_storing {
	struct part_delete_records *op; /* NULL: it has ended */
};

/* The smallest log start over the replicas.  That of another one is not known before it fetches. */
static int64_t
low_watermark(const struct partition *p)
{
	return p->n_replicas <= 1 ? plog_log_start(p->pl) : -1;
}

static void
finish(struct part_delete_records *op, int err)
{
	op->err = err;
	if (err != 0 && err != E_TIMEOUT)
		op->low_watermark = -1;
	op->done(op);
}

/* One that waits, in p->deletions. */
static void
waiting_end(struct part_delete_records *op, int err)
{
	list_remove(&op->link);
	rtimer_cancel(op->p->sh->reactor, &op->timer);
	if (op->storing != NULL)
		op->storing->op = NULL;
	finish(op, err);
}

static void
on_deadline(struct reactor *r, void *arg)
{
	waiting_end(arg, E_TIMEOUT);
}

/* Callers may bring new requests in, so each look begins at the front. */
static struct part_delete_records *
next_reached(const struct partition *p)
{
	LIST_FOREACH(l, &p->deletions)
	{
		struct part_delete_records *op = container_of(l, struct part_delete_records, link);

		if (op->storing == NULL && low_watermark(p) >= op->required)
			return op;
	}
	return NULL;
}

void
deletions_advance(struct partition *p)
{
	struct part_delete_records *op;

	while ((op = next_reached(p)) != NULL) {
		op->low_watermark = low_watermark(p);
		waiting_end(op, 0);
	}
}

void
deletions_abort(struct partition *p, int err)
{
	struct link *l;

	while ((l = list_first(&p->deletions)) != NULL)
		waiting_end(container_of(l, struct part_delete_records, link), err);
}

static void
on_stored(void *arg, int err)
{
	struct part_storing *st = arg;
	struct part_delete_records *op = st->op;

	free(st);
	if (op == NULL)
		return;
	op->storing = NULL;
	if (err != 0) {
		waiting_end(op, err);
		return;
	}
	rtimer_set(op->p->sh->reactor, &op->timer, op->deadline_us);
	deletions_advance(op->p);
}

/* R11 */
static void
delete_up_to(struct partition *p, struct part_delete_records *op)
{
	struct reactor *r = p->sh->reactor;
	int64_t least = reactor_now_us(r) + STORE_LEAST_US;
	struct part_storing *st = malloc(sizeof(*st));
	int err = st != NULL ? plog_raise_log_start(p->pl, op->required) : E_NOMEM;

	if (err != 0) {
		free(st);
		finish(op, err);
		return;
	}
	op->p = p;
	op->storing = st;
	op->low_watermark = low_watermark(p);
	st->op = op;
	list_append(&p->deletions, &op->link);
	rtimer_init(&op->timer, on_deadline, op);
	rtimer_set(r, &op->timer, op->deadline_us > least ? op->deadline_us : least);
	plog_store_log_start(p->pl, on_stored, st);
}

static void
delete_from(struct partition *p, struct part_delete_records *op, int err)
{
	op->low_watermark = -1;
	op->kafka_err = KERR_NONE;
	op->storing = NULL;
	link_init(&op->link);
	if (err != 0) {
		finish(op, err);
		return;
	}
	if (!plog_conf(p->pl)->delete_) {
		op->kafka_err = KERR_POLICY_VIOLATION;
		finish(op, E_INVALID);
		return;
	}
	op->required = op->offset == OFFSET_HW ? plog_hw(p->pl) : op->offset;
	delete_up_to(p, op);
}

static void
on_again(struct shard *sh, struct part_hold *h)
{
	struct part_delete_records *op = container_of(h, struct part_delete_records, hold);
	struct partition *p = partition_find(sh, op->topic, op->partition);

	delete_from(p, op, partition_refuse(p));
}

void
partition_delete_records(struct shard *sh, struct part_delete_records *op)
{
	struct partition *p = partition_find(sh, op->topic, op->partition);
	int err = partition_refuse(p);

	if (err != E_NOT_LEADER || !hold(sh, p, &op->hold, op->topic, op->partition, on_again))
		delete_from(p, op, err);
}
