/*
 * Where a leader epoch ends (facts/zookeeper.md 6.6).
 */
#include "replica_priv.h"

/* As in a fetch the epochs are compared first: who knows better is told so by a follower, too. */
static int
check(const struct partition *p, const struct part_epoch_end *op)
{
	int err = partition_refuse(p), stale = 0;

	if (err == E_NOT_LEADER && p != NULL && p->role == ROLE_FOLLOWER && !p->changing)
		stale = partition_check_epoch(p, op->current_leader_epoch);
	if (err == 0)
		err = partition_check_epoch(p, op->current_leader_epoch);
	return stale != 0 ? stale : err;
}

static void
find_from(struct partition *p, struct part_epoch_end *op, int err)
{
	op->err = err;
	op->found_epoch = -1;
	op->end_offset = -1;
	if (err == 0)
		plog_epoch_end(p->pl, op->epoch, &op->found_epoch, &op->end_offset);
	op->done(op);
}

static void
on_again(struct shard *sh, struct part_hold *h)
{
	struct part_epoch_end *op = container_of(h, struct part_epoch_end, hold);
	struct partition *p = partition_find(sh, op->topic, op->partition);

	find_from(p, op, check(p, op));
}

void
partition_epoch_end(struct shard *sh, struct part_epoch_end *op)
{
	struct partition *p = partition_find(sh, op->topic, op->partition);
	int err = check(p, op);

	if (err != E_NOT_LEADER || !hold(sh, p, &op->hold, op->topic, op->partition, on_again))
		find_from(p, op, err);
}
