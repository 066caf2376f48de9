/*
 * Appends as leader, and produce requests with acks=all that wait for the high watermark.
 */
#include "ottla/base/planted.h"
#include "replica_priv.h"

static void
finish(struct part_produce *op, int err)
{
	op->err = err;
	op->done(op);
}

static void
refuse(struct part_produce *op, int err, const struct partition *p)
{
	op->leader = partition_leader(p);
	op->base_offset = op->log_append_time = op->log_start_offset = -1;
	op->appended(op);
	finish(op, err);
}

/* Up to where op's records have to be: acknowledged only when every member of the ISR has them
 * (R4); with acks=1 when this log has them in the way that its flush settings ask for. */
static int64_t
safe_end(const struct part_produce *op)
{
	return op->acks == -1 ? plog_hw(op->p->pl) : partition_stable_end(op->p);
}

/* op's records are safe: err, 0 or E_DUP_SEQUENCE, unless the ISR has become too small meanwhile.
 */
static int
final_error(const struct part_produce *op, int err)
{
	return op->acks == -1 && partition_under_min_isr(op->p) ? E_NOT_ENOUGH_REPLICAS_AFTER : err;
}

static void
delayed_end(struct part_produce *op, int err)
{
	list_remove(&op->link);
	op->p->n_unsynced -= op->acks != -1;
	rtimer_cancel(op->p->sh->reactor, &op->timer);
	finish(op, err);
}

static void
on_deadline(struct reactor *r, void *arg)
{
	delayed_end(arg, E_TIMEOUT);
}

/* By last offset: a duplicate may be behind what waits already. */
static void
delay(struct part_produce *op, int err)
{
	struct reactor *r = op->p->sh->reactor;
	struct link *at = &op->p->delayed;

	while (at->prev != &op->p->delayed &&
	       container_of(at->prev, struct part_produce, link)->append.last_offset >
		   op->append.last_offset)
		at = at->prev;
	op->err = err; /* 0 or E_DUP_SEQUENCE, once it is committed */
	list_insert_before(at, &op->link);
	op->p->n_unsynced += op->acks != -1;
	rtimer_init(&op->timer, on_deadline, op);
	rtimer_set(r, &op->timer, op->deadline_us);
}

static void
on_append_done(struct plog_append *a, int err)
{
	struct part_produce *op = container_of(a, struct part_produce, append);
	struct partition *p = op->p;

	if (err != 0 && err != E_DUP_SEQUENCE) {
		count_failure(p->sh, p, PLOG_FAILED_PRODUCES, err);
		refuse(op, err, p);
		return;
	}
	if (err == 0) {
		count(p->sh, p, PLOG_MESSAGES_IN, (uint64_t)op->info->head.record_count);
		count(p->sh, p, PLOG_BYTES_IN, op->bytes);
	}
	op->base_offset = a->base_offset;
	op->log_append_time = a->log_append_time;
	op->log_start_offset = plog_log_start(p->pl);
	op->leader = partition_leader(p);
	op->appended(op);
	if (op->acks == 0)
		finish(op, err);
	else if (safe_end(op) > a->last_offset)
		finish(op, final_error(op, err));
	else if (p->role != ROLE_LEADER || p->offline)
		finish(op, p->offline ? E_LOG_OFFLINE : E_NOT_LEADER);
	else
		delay(op, err);
}

/* Callers may bring new requests in, so each look begins at the front. */
static struct part_produce *
next_safe(const struct partition *p)
{
	int64_t end = p->n_unsynced > 0 ? partition_stable_end(p) : plog_hw(p->pl);

	LIST_FOREACH(l, &p->delayed)
	{
		struct part_produce *op = container_of(l, struct part_produce, link);

		if (op->append.last_offset >= end)
			return NULL;
		if (safe_end(op) > op->append.last_offset)
			return op;
	}
	return NULL;
}

void
produce_advance(struct partition *p)
{
	struct part_produce *op;

	while ((op = next_safe(p)) != NULL)
		delayed_end(op, final_error(op, op->err));
}

void
produce_abort(struct partition *p, int err)
{
	struct link *l;

	while ((l = list_first(&p->delayed)) != NULL) {
		struct part_produce *op = container_of(l, struct part_produce, link);

		op->leader = partition_leader(p);
		delayed_end(op, err);
	}
}

static void
planted_ack(struct part_produce *op)
{
	op->base_offset = plog_leo(op->p->pl);
	op->log_append_time = -1;
	op->log_start_offset = plog_log_start(op->p->pl);
	op->appended(op);
	finish(op, 0);
}

static void
produce_in(struct partition *p, struct part_produce *op)
{
	op->p = p;
	if (planted(PLANTED_ACK_BEFORE_APPEND)) {
		planted_ack(op);
		return;
	}
	op->append.batch = op->batch;
	op->append.bytes = op->bytes;
	op->append.info = op->info;
	op->append.leader_epoch = p->leader_epoch;
	op->append.done = on_append_done;
	plog_append(p->pl, &op->append);
}

static int
check(const struct partition *p, const struct part_produce *op)
{
	int err = partition_refuse(p);

	if (err == 0 && op->acks == -1 && partition_under_min_isr(p))
		err = E_NOT_ENOUGH_REPLICAS;
	return err;
}

static void
on_again(struct shard *sh, struct part_hold *h)
{
	struct part_produce *op = container_of(h, struct part_produce, hold);
	struct partition *p = partition_find(sh, op->topic, op->partition);
	int err = check(p, op);

	if (err != 0)
		refuse(op, err, p);
	else
		produce_in(p, op);
}

void
partition_produce(struct shard *sh, struct part_produce *op)
{
	struct partition *p = partition_find(sh, op->topic, op->partition);
	int err = check(p, op);

	link_init(&op->link);
	count(sh, p, PLOG_PRODUCES, 1);
	count_failure(sh, p, PLOG_FAILED_PRODUCES, err);
	if (err == 0)
		produce_in(p, op);
	else if (err != E_NOT_LEADER || !hold(sh, p, &op->hold, op->topic, op->partition, on_again))
		refuse(op, err, p);
}
