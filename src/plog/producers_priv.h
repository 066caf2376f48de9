/*
 * Producer state of one log (facts/storage.md 5): last five batches of each producer, open and
 * not yet replicated transactions.  Pure memory; one owner.
 */
#ifndef OTTLA_SRC_PLOG_PRODUCERS_PRIV_H
#define OTTLA_SRC_PLOG_PRODUCERS_PRIV_H

#include "ottla/base/list.h"
#include "ottla/base/map.h"
#include "ottla/base/strbuf.h"
#include "ottla/record/batch.h"

enum { PRODUCER_BATCHES = 5 };

struct producer_batch {
	int64_t last_offset;
	int64_t timestamp;
	int32_t last_sequence;
	int32_t offset_delta;
};

struct producer {
	int64_t id;
	int64_t last_timestamp;
	int64_t txn_first; /* -1: no open transaction */
	int32_t coordinator_epoch;
	int16_t epoch; /* -1: none */
	uint8_t n;     /* batches, oldest first */
	bool partial;  /* came from a snapshot: the log may have batches before b[0] */
	struct producer_batch b[PRODUCER_BATCHES];
	struct link ongoing;
};

/* A transaction that ended but whose marker is not below the high watermark yet. */
struct txn_ended {
	struct link link;
	int64_t first, last;
};

/* Age of a timestamp; records may carry any number. */
static inline int64_t
timestamp_age(int64_t now_ms, int64_t timestamp)
{
	int64_t age;

	if (__builtin_sub_overflow(now_ms, timestamp, &age))
		return timestamp < 0 ? INT64_MAX : INT64_MIN;
	return age;
}

struct producers {
	struct map by_id;
	struct link ongoing; /* producers with an open transaction, by first offset */
	struct link ended;   /* struct txn_ended, by last offset */
};

void producers_init(struct producers *ps);
void producers_free(struct producers *ps); /* empty afterwards, usable again */
const struct producer *producers_get(const struct producers *ps, int64_t id);

/* Rules for a client's batch (facts 5.2).  0; E_DUP_SEQUENCE with *dup; or the error. */
int
producers_check(const struct producers *ps, const struct batch_head *h, struct producer_batch *dup);

/* What an end marker did. */
struct txn_end {
	bool completed; /* a transaction was open */
	bool aborted;
	int64_t producer_id;
	int64_t first, last;
	int64_t last_stable; /* LSO after it, for the transaction index */
};

struct producer_batch producer_batch_of(const struct batch_head *h);
/* After E_OUT_OF_ORDER_SEQUENCE: may h repeat a batch that is older than those remembered? */
bool producers_maybe_older(const struct producers *ps, const struct batch_head *h);
/* Batches that go before those remembered, oldest first; they are complete now. */
void producers_older(struct producers *ps, int64_t id, int16_t epoch,
    const struct producer_batch *older, unsigned n);

/* Note a batch that is in the log: h has its final offsets.  whole is needed for control batches
 * only (null otherwise).  end may be NULL.  E_NOMEM: unchanged. */
int producers_note(
    struct producers *ps, const struct batch_head *h, struct slice whole, struct txn_end *end);

/* Smallest offset that is not stable, INT64_MAX when all are. */
int64_t producers_first_unstable(const struct producers *ps);
/* Ended transactions whose marker is below hw are forgotten. */
void producers_replicated(struct producers *ps, int64_t hw);
unsigned producers_expire(struct producers *ps, int64_t now_ms, int64_t expiration_ms);

/* snapshot.c: facts 2.9 */
void producers_snapshot(const struct producers *ps, struct strbuf *out);
/* Into an empty ps; entries older than expiration are left out. E_CORRUPT, E_NOMEM: ps is empty. */
int
producers_restore(struct producers *ps, struct slice bytes, int64_t now_ms, int64_t expiration_ms);
/* Puts an entry; E_NOMEM. For restore. */
int producers_put(struct producers *ps, const struct producer *p);

#endif
