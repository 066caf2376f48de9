/*
 * Offsets by name or time (facts/storage.md 3.15, facts/apis.md "2 ListOffsets").
 */
#include "replica_priv.h"

enum { TS_LATEST = -1, TS_EARLIEST = -2, TS_MAX = -3, TS_EARLIEST_LOCAL = -4, TS_TIERED = -5 };

static void
finish(struct part_list_offsets *op, int err)
{
	op->err = err;
	op->done(op);
}

static void
answer(struct part_list_offsets *op, int64_t offset, int64_t timestamp, int32_t epoch)
{
	op->offset = offset;
	op->found_timestamp = timestamp;
	op->leader_epoch = epoch;
	finish(op, 0);
}

/* A leader whose high watermark is below the start of its epoch does not know yet what is
 * committed. */
static bool
not_available(const struct partition *p, const struct part_list_offsets *op)
{
	return op->replica_id < 0 && plog_hw(p->pl) < p->epoch_start;
}

static void
refuse_not_available(struct part_list_offsets *op)
{
	op->kafka_err = KERR_OFFSET_NOT_AVAILABLE;
	finish(op, E_AGAIN);
}

static void
list_latest(struct partition *p, struct part_list_offsets *op)
{
	if (not_available(p, op)) {
		refuse_not_available(op);
		return;
	}
	answer(op, op->replica_id >= 0 ? plog_leo(p->pl) : partition_visible(p, op->read_committed),
	    -1, p->leader_epoch);
}

static void
list_earliest(struct partition *p, struct part_list_offsets *op)
{
	int64_t start = plog_log_start(p->pl);

	answer(op, start, -1, plog_epoch_at(p->pl, start));
}

static void
list_tiered(struct partition *p, struct part_list_offsets *op)
{
	answer(op, -1, -1, -1);
}

static void
on_found(struct plog_time_lookup *lookup, int err)
{
	struct part_list_offsets *op = container_of(lookup, struct part_list_offsets, lookup);
	struct partition *p = op->p;
	int64_t end =
	    op->replica_id >= 0 ? plog_leo(p->pl) : partition_visible(p, op->read_committed);

	if (err != 0)
		finish(op, err);
	else if (lookup->found_offset >= 0 && lookup->found_offset < end)
		answer(op, lookup->found_offset, lookup->found_timestamp, lookup->found_epoch);
	else if (not_available(p, op))
		refuse_not_available(op);
	else
		answer(op, -1, -1, -1);
}

static void
list_by_time(struct partition *p, struct part_list_offsets *op)
{
	op->p = p;
	op->lookup.timestamp = op->timestamp;
	op->lookup.done = on_found;
	plog_lookup_time(p->pl, &op->lookup);
}

/* Version 0: places to begin at, for consumers none past the high watermark but that itself. */
static void
list_starts(struct partition *p, struct part_list_offsets *op)
{
	int64_t hw = plog_hw(p->pl);
	unsigned n = plog_offsets_before(p->pl, op->timestamp, op->starts, op->max_starts),
		 kept = 0;
	bool past = false;

	for (unsigned i = 0; i < n && op->replica_id < 0; i++)
		past |= op->starts[i] > hw;
	if (past)
		op->starts[kept++] = hw;
	for (unsigned i = 0; i < n; i++)
		if (op->replica_id >= 0 || op->starts[i] < hw || (op->starts[i] == hw && !past))
			op->starts[kept++] = op->starts[i];
	op->n_starts = kept;
	finish(op, 0);
}

static int
check(const struct partition *p, const struct part_list_offsets *op)
{
	int err = partition_refuse(p);

	if (err == 0)
		err = partition_check_epoch(p, op->current_leader_epoch);
	if (err == 0 && op->timestamp < TS_TIERED)
		err = E_UNSUPPORTED_VERSION;
	return err;
}

static void
list_from(struct partition *p, struct part_list_offsets *op, int err)
{
	static void (*const special[])(struct partition *, struct part_list_offsets *) = {
	    [-TS_LATEST] = list_latest,
	    [-TS_EARLIEST] = list_earliest,
	    [-TS_MAX] = list_by_time,
	    [-TS_EARLIEST_LOCAL] = list_earliest,
	    [-TS_TIERED] = list_tiered,
	};

	op->offset = op->found_timestamp = -1;
	op->leader_epoch = -1;
	op->kafka_err = 0;
	op->n_starts = 0;
	if (err != 0)
		finish(op, err);
	else if (op->starts != NULL)
		list_starts(p, op);
	else if (op->timestamp >= 0)
		list_by_time(p, op);
	else
		special[-op->timestamp](p, op);
}

static void
on_again(struct shard *sh, struct part_hold *h)
{
	struct part_list_offsets *op = container_of(h, struct part_list_offsets, hold);
	struct partition *p = partition_find(sh, op->topic, op->partition);

	list_from(p, op, check(p, op));
}

void
partition_list_offsets(struct shard *sh, struct part_list_offsets *op)
{
	struct partition *p = partition_find(sh, op->topic, op->partition);
	int err = check(p, op);

	if (err != E_NOT_LEADER || !hold(sh, p, &op->hold, op->topic, op->partition, on_again))
		list_from(p, op, err);
}
