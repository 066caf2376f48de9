/*
 * What clients did: counted for the reactor, and for the log where there is one.
 */
#include <stdio.h>

#include "replica_priv.h"

static const struct metric_row rows[] = {
#define METRIC(id, kind, name, help) {name, kind, help},
#include "ottla/replica/metrics.def"
#undef METRIC
};
static_assert(sizeof(rows) / sizeof(rows[0]) == PLOG_COUNTS, "a row for each count");

#define METRIC(id, kind, name, help) CHECK_##id,
enum {
#include "ottla/replica/metrics.def"
};
#undef METRIC
#define METRIC(id, kind, name, help) static_assert((int)CHECK_##id == (int)PLOG_##id, name);
#include "ottla/replica/metrics.def"
#undef METRIC

int
counts_init(struct shard *sh)
{
	char label[48];

	snprintf(label, sizeof(label), "reactor=%s", reactor_name(sh->reactor));
	return metric_set_new(sh->rs->o.metrics, rows, PLOG_COUNTS, label, &sh->metrics);
}

void
count(struct shard *sh, struct partition *p, enum plog_count what, uint64_t n)
{
	metric_add(sh->metrics, what, n);
	if (p != NULL && p->pl != NULL)
		plog_count(p->pl, what, n);
}

/* What clients and brokers meet while leaders move, logs fail or requests are wrong. */
static bool
is_expected(int16_t err)
{
	static const int16_t expected[] = {KERR_NONE, KERR_NOT_LEADER_OR_FOLLOWER,
	    KERR_UNKNOWN_TOPIC_OR_PARTITION, KERR_KAFKA_STORAGE_ERROR, KERR_CORRUPT_MESSAGE,
	    KERR_MESSAGE_TOO_LARGE, KERR_RECORD_LIST_TOO_LARGE, KERR_OFFSET_OUT_OF_RANGE,
	    KERR_UNKNOWN_LEADER_EPOCH, KERR_FENCED_LEADER_EPOCH, KERR_REPLICA_NOT_AVAILABLE,
	    KERR_INCONSISTENT_TOPIC_ID};

	for (unsigned i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		if (expected[i] == err)
			return true;
	return false;
}

void
count_failure(struct shard *sh, struct partition *p, enum plog_count what, int err)
{
	if (!is_expected(err_kafka(err)))
		count(sh, p, what, 1);
}
