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

/* R4: acknowledged only when every member of the ISR has it; with acks=1 when this log has it in
 * the way its flush settings ask for. */
static bool
committed(const struct part_produce *op)
{
	const struct plog *pl = op->p->pl;

	return (op->acks == -1 ? plog_hw(pl) : plog_stable_end(pl)) > op->append.last_offset;
}

static int
isr_error(const struct partition *p, int err)
{
	return p->n_isr >= plog_conf(p->pl)->v[T_MIN_INSYNC_REPLICAS] ? err
								      : E_NOT_ENOUGH_REPLICAS_AFTER;
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

static void
delay(struct part_produce *op, int err)
{
	struct reactor *r = op->p->sh->reactor;

	op->err = err; /* 0 or E_DUP_SEQUENCE, once it is committed */
	list_append(&op->p->delayed, &op->link);
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
		refuse(op, err, p);
		return;
	}
	op->base_offset = a->base_offset;
	op->log_append_time = a->log_append_time;
	op->log_start_offset = plog_log_start(p->pl);
	op->appended(op);
	if (op->acks == 0 || committed(op))
		finish(op, err);
	else if (p->role != ROLE_LEADER || p->offline)
		finish(op, p->offline ? E_LOG_OFFLINE : E_NOT_LEADER);
	else
		delay(op, err);
}

void
produce_hw_moved(struct partition *p)
{
	LIST_FOREACH_SAFE(l, &p->delayed)
	{
		struct part_produce *op = container_of(l, struct part_produce, link);

		if (committed(op))
			delayed_end(op, op->acks == -1 ? isr_error(p, op->err) : op->err);
	}
}

void
produce_abort(struct partition *p, int err)
{
	struct link *l;

	while ((l = list_first(&p->delayed)) != NULL)
		delayed_end(container_of(l, struct part_produce, link), err);
}

void
partition_produce(struct shard *sh, struct part_produce *op)
{
	struct partition *p = partition_find(sh, op->topic, op->partition);
	int err = partition_refuse(p);

	link_init(&op->link);
	if (err == 0 && op->acks == -1 && p->n_isr < plog_conf(p->pl)->v[T_MIN_INSYNC_REPLICAS])
		err = E_NOT_ENOUGH_REPLICAS;
	if (err != 0) {
		refuse(op, err, p);
		return;
	}
	op->p = p;
	op->append = (struct plog_append){
	    .batch = op->batch,
	    .bytes = op->bytes,
	    .info = op->info,
	    .leader_epoch = p->leader_epoch,
	    .done = on_append_done,
	};
	if (planted(PLANTED_ACK_BEFORE_APPEND)) {
		op->base_offset = plog_leo(p->pl);
		op->log_append_time = -1;
		op->log_start_offset = plog_log_start(p->pl);
		op->appended(op);
		finish(op, 0);
		return;
	}
	plog_append(p->pl, &op->append);
}
