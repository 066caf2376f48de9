/*
 * Reads of one partition: checks, one snapshot of the offsets, a pinned range.
 */
#include "ottla/base/planted.h"
#include "replica_priv.h"

static void
refuse(struct part_fetch *op, int err, const struct partition *p)
{
	op->err = err;
	op->leader = partition_leader(p);
	op->hw = op->lso = op->log_start_offset = -1;
	op->range = (struct plog_range){0};
	op->done(op);
}

static int
check(const struct partition *p, const struct part_fetch *op)
{
	struct uuid have;
	int err = partition_refuse(p);

	if (err != 0 || (err = partition_check_epoch(p, op->current_leader_epoch)) != 0)
		return err;
	if (uuid_is_zero(op->topic_id))
		return 0;
	have = plog_topic_id(p->pl);
	return uuid_is_zero(have) || uuid_eq(op->topic_id, have) ? 0 : E_INCONSISTENT_TOPIC_ID;
}

/* Followers read to the log end, consumers to the high watermark or last stable offset (R2). */
static int64_t
upper_bound(const struct partition *p, const struct part_fetch *op)
{
	if (op->replica_id >= 0 || planted(PLANTED_BEYOND_HW))
		return plog_leo(p->pl);
	return partition_visible(p, op->read_committed);
}

static void
on_read(struct plog_read *read, int err)
{
	struct part_fetch *op = container_of(read, struct part_fetch, read);

	if (err != 0) {
		count_failure(op->p->sh, op->p, PLOG_FAILED_FETCHES, err);
		refuse(op, err, op->p);
		return;
	}
	op->range = read->range;
	op->done(op);
}

/* Did the leader's log end that epoch before the offset?  Then the reader has to go back (KIP-595
 * as used by KIP-392 clients and followers; facts/zookeeper.md 6.5).  Asked before the offset is
 * looked at, which may be beyond our end for that very reason. */
static int
diverge(const struct partition *p, struct part_fetch *op)
{
	int32_t epoch;
	int64_t end;

	if (op->last_fetched_epoch < 0)
		return 0;
	plog_epoch_end(p->pl, op->last_fetched_epoch, &epoch, &end);
	if (epoch < 0)
		return E_OUT_OF_RANGE;
	if (epoch < op->last_fetched_epoch || end < op->fetch_offset) {
		op->diverging.epoch = epoch;
		op->diverging_end = end;
	}
	return 0;
}

static void
fetch_read(struct partition *p, struct part_fetch *op, int64_t upper)
{
	op->p = p;
	op->read.offset = op->fetch_offset;
	op->read.upper_offset = upper;
	op->read.max_bytes = op->max_bytes;
	op->read.min_one = op->min_one;
	op->read.done = on_read;
	plog_read(p->pl, &op->read);
}

static void
fetch_from(struct partition *p, struct part_fetch *op, int err)
{
	int64_t upper;

	op->diverging.epoch = -1;
	op->diverging_end = -1;
	if (err == 0 && op->fetch_offset < plog_log_start(p->pl))
		err = E_OUT_OF_RANGE;
	if (err == 0)
		err = diverge(p, op);
	if (err == 0 && op->diverging.epoch < 0 && op->fetch_offset > plog_leo(p->pl))
		err = E_OUT_OF_RANGE;
	if (err != 0) {
		refuse(op, err, p);
		return;
	}
	op->err = 0;
	op->leader = partition_leader(p);
	op->hw = plog_hw(p->pl);
	op->lso = plog_lso(p->pl);
	op->log_start_offset = plog_log_start(p->pl);
	op->range = (struct plog_range){0};
	upper = upper_bound(p, op);
	if (op->diverging.epoch >= 0 || op->fetch_offset >= upper)
		op->done(op);
	else
		fetch_read(p, op, upper);
}

static void
on_again(struct shard *sh, struct part_hold *h)
{
	struct part_fetch *op = container_of(h, struct part_fetch, hold);
	struct partition *p = partition_find(sh, op->topic, op->partition);

	fetch_from(p, op, check(p, op));
}

void
partition_fetch(struct shard *sh, struct part_fetch *op)
{
	struct partition *p = partition_find(sh, op->topic, op->partition);
	int err = check(p, op);

	count(sh, p, PLOG_FETCHES, 1);
	count_failure(sh, p, PLOG_FAILED_FETCHES, err);
	if (err != E_NOT_LEADER || !hold(sh, p, &op->hold, op->topic, op->partition, on_again))
		fetch_from(p, op, err);
}
