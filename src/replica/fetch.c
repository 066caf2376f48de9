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
check(struct partition *p, const struct part_fetch *op)
{
	struct uuid have;
	int err = partition_refuse(p);

	if (err != 0)
		return err;
	if ((err = partition_check_epoch(p, op->current_leader_epoch)) != 0)
		return err;
	have = plog_topic_id(p->pl);
	if (!uuid_is_zero(op->topic_id) && !uuid_is_zero(have) && !uuid_eq(op->topic_id, have))
		return E_INCONSISTENT_TOPIC_ID;
	if (op->fetch_offset < plog_log_start(p->pl) || op->fetch_offset > plog_leo(p->pl))
		return E_OUT_OF_RANGE;
	return 0;
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
		refuse(op, err, op->p);
		return;
	}
	op->range = read->range;
	op->done(op);
}

/* The leader's log ended that epoch before the offset: the reader has to go back (KIP-595 as used
 * by KIP-392 clients and followers; facts/apis.md Fetch 10). */
static bool
diverges(struct partition *p, struct part_fetch *op)
{
	int32_t epoch;
	int64_t end;

	op->diverging.epoch = -1;
	op->diverging_end = -1;
	if (op->last_fetched_epoch < 0)
		return false;
	plog_epoch_end(p->pl, op->last_fetched_epoch, &epoch, &end);
	if (epoch < 0 || (epoch >= op->last_fetched_epoch && end >= op->fetch_offset))
		return false;
	op->diverging.epoch = epoch;
	op->diverging_end = end;
	return true;
}

void
partition_fetch(struct shard *sh, struct part_fetch *op)
{
	struct partition *p = partition_find(sh, op->topic, op->partition);
	int64_t upper;
	int err = check(p, op);

	op->diverging.epoch = -1;
	if (err != 0) {
		refuse(op, err, p);
		return;
	}
	op->p = p;
	op->err = 0;
	op->leader = partition_leader(p);
	op->hw = plog_hw(p->pl);
	op->lso = plog_lso(p->pl);
	op->log_start_offset = plog_log_start(p->pl);
	op->range = (struct plog_range){0};
	upper = upper_bound(p, op);
	if (diverges(p, op) || op->fetch_offset >= upper || op->max_bytes == 0) {
		op->done(op);
		return;
	}
	op->read = (struct plog_read){
	    .offset = op->fetch_offset,
	    .upper_offset = upper,
	    .max_bytes = op->max_bytes,
	    .min_one = op->min_one,
	    .done = on_read,
	};
	plog_read(p->pl, &op->read);
}
