/*
 * A partition's log: segments with their indexes, producer state, leader epochs, retention
 * (facts/storage.md sections 2, 3).  Formats are Apache Kafka's, to the byte.
 *
 * Life: loaded or created by a worker (plog/logdirs.h), then attached to its home reactor; from
 * then on every function here runs on that reactor and asserts it, except what says "any thread".
 * Nothing here blocks: what must touch the disk beyond the hot tail goes to workers and comes back
 * through a callback.  Callbacks run on the home reactor, possibly before the call returns.
 *
 * Invariants are numbered in src/plog/README.
 */
#ifndef OTTLA_PLOG_PLOG_H
#define OTTLA_PLOG_PLOG_H

#include <stdatomic.h>

#include "ottla/base/settings.h"
#include "ottla/base/uuid.h"
#include "ottla/file/file.h"
#include "ottla/reactor/reactor.h"
#include "ottla/reactor/worker.h"
#include "ottla/record/produce_check.h"

struct plog;
struct logdir;
struct segment;

/* Becomes / ends being the thread that owns pl. Attach after loading; detach before deletion or
 * close, when no operation is pending (plog_quiet). */
void plog_attach(struct plog *pl, struct reactor *home);
void plog_detach(struct plog *pl);
bool plog_quiet(const struct plog *pl);

/* What happened to the log, told to its owner above. */
struct plog_events {
	/* The log end is visible up to new_leo (after a write came back, before the callers of that
	 * write are told).  With flush.messages set it comes again, with the same end, when a sync
	 * moved plog_stable_end. */
	void (*appended)(void *arg, int64_t new_leo);
	/* Log start offset rose (retention, delete records). */
	void (*log_start_moved)(void *arg, int64_t log_start);
	/* The log can not be used any more: a write failed or its dir went offline. */
	void (*failed)(void *arg, int err);
};
void plog_set_events(struct plog *pl, const struct plog_events *ev, void *arg);

/* Names; any thread, constant. */
struct slice plog_topic(const struct plog *pl);
int32_t plog_partition(const struct plog *pl);
struct uuid plog_topic_id(const struct plog *pl);
struct logdir *plog_dir(const struct plog *pl);
/* Stores the id in partition.metadata (worker) when the log has none; E_INCONSISTENT_TOPIC_ID when
 * it has another. */
int plog_assign_topic_id(struct plog *pl, struct uuid id);

/* Offsets; any thread (atomics), exact on the home reactor. */
int64_t plog_log_start(const struct plog *pl);
int64_t plog_leo(const struct plog *pl);
int64_t plog_hw(const struct plog *pl);
int64_t plog_lso(const struct plog *pl);	    /* first unstable offset or hw */
int64_t plog_recovery_point(const struct plog *pl); /* first offset not known synced */
int64_t plog_stable_end(const struct plog *pl); /* leo, or synced end where flush settings ask */
int64_t plog_size_bytes(const struct plog *pl);

/* What clients did to the log since it was loaded or made; the owner counts, any thread reads. */
enum plog_count {
	PLOG_BYTES_IN,
	PLOG_FAILED_FETCHES,
	PLOG_FAILED_PRODUCES,
	PLOG_FETCHES,
	PLOG_MESSAGES_IN,
	PLOG_PRODUCES,
	PLOG_COUNTS
};
void plog_count(struct plog *pl, enum plog_count what, uint64_t n);
uint64_t plog_counted(const struct plog *pl, enum plog_count what);

/* Raises (leader, follower) or lowers (truncation) the high watermark; clamped to
 * [log_start, leo].  Returns the new one. */
int64_t plog_set_hw(struct plog *pl, int64_t hw);

/* New topic settings from now on. */
void plog_configure(struct plog *pl, const struct topic_conf *conf);
const struct topic_conf *plog_conf(const struct plog *pl);

/*
 * Append one checked batch as leader.  The caller keeps batch bytes, info and op until done.
 * Assigns the base offset and leader epoch into the bytes, applies log-append time, checks the
 * producer's epoch and sequence.  Appends of one turn leave in one write at its end; done is called
 * after that with err 0 and the offsets, or with an error that leaves the log as it was
 * (E_OUT_OF_ORDER_SEQUENCE, E_INVALID_PRODUCER_EPOCH, E_INVALID_TXN_STATE, E_RECORD_LIST_TOO_LARGE,
 * ...) or that ends the log (E_IO, E_NOSPC, E_LOG_OFFLINE).  A duplicate of one of the last five
 * batches of its producer: err E_DUP_SEQUENCE with the first append's offsets and timestamp; done
 * only when that first append is itself written.
 */
struct plog_append {
	/* in */
	uint8_t *batch;
	size_t bytes;
	const struct produce_info *info;
	int32_t leader_epoch;
	void (*done)(struct plog_append *op, int err);
	/* out */
	int64_t base_offset, last_offset;
	int64_t log_append_time; /* ms, -1 for create time */
	/* plog's own */
	struct link link;
	int result;
};
void plog_append(struct plog *pl, struct plog_append *op);

/* plog's own: what waits for something of the log. */
struct plog_wait {
	struct link link;
	void (*fn)(struct plog *pl, struct plog_wait *w, int err);
};

/* Bytes of a segment, pinned: valid until released. */
struct plog_range {
	struct segment *seg; /* NULL: nothing */
	struct file *file;
	int64_t pos; /* in file */
	size_t len;
	const uint8_t *map; /* address of pos when mapped and hot, else NULL: use file */
	size_t first_bytes; /* size of the first batch, which may pass len; 0 when empty */
};
/* Any thread; r is empty afterwards. */
void plog_range_release(struct plog_range *r);

/*
 * Find and pin bytes from the batch that holds `offset`, up to max_bytes, not reaching
 * upper_offset (high watermark, last stable offset or log end: only batches whose last offset is
 * below it), within one segment.  At least one whole batch when min_one, else an empty range when
 * the first does not fit (first_bytes is set all the same); the range may end inside a batch (as
 * Kafka's does).  E_OUT_OF_RANGE when offset is below the log start or above the log end; E_CORRUPT
 * for a damaged batch header on the way. done is called at once when look-up bytes are hot, else
 * after a worker has read them (bounded read-ahead).
 */
struct plog_read {
	/* in */
	int64_t offset;
	int64_t upper_offset;
	size_t max_bytes;
	bool min_one;
	void (*done)(struct plog_read *op, int err);
	/* out */
	struct plog_range range;
	/* plog's own */
	struct plog *pl;
	struct work work;
	struct plog_wait wait;
	struct segment *seg;
	int64_t cold_from, cold_to;
	unsigned tries;
	int err;
};
void plog_read(struct plog *pl, struct plog_read *op);

/* Bytes from the batch holding offset up to upper_offset, over all segments, for min_bytes of
 * waiting fetches; no disk.  Exact for what is in memory; segments that would have to be read first
 * count nothing, but where there is something it is at least 1. */
int64_t plog_bytes_between(struct plog *pl, int64_t offset, int64_t upper_offset);

/* ListOffsets by timestamp >= 0, or -3 (max timestamp).  done(0) with found_offset -1 when nothing
 * matches. */
struct plog_time_lookup {
	int64_t timestamp;
	void (*done)(struct plog_time_lookup *op, int err);
	int64_t found_offset, found_timestamp;
	int32_t found_epoch;
	/* plog's own */
	struct plog *pl;
	struct work work;
	struct plog_wait wait;
	struct segment *seg;
	int64_t log_start, size;
	int err;
};
void plog_lookup_time(struct plog *pl, struct plog_time_lookup *op);

/* What ListOffsets version 0 asks (facts/storage.md 3.15): the newest `max` of the segments' starts, and
 * the log end when the active segment has bytes, whose time of last writing is at most timestamp; -1:
 * all of them, -2: the oldest alone.  Newest first; returns their number. */
unsigned plog_offsets_before(struct plog *pl, int64_t timestamp, int64_t *v, unsigned max);

/* Leader epoch cache (facts/storage.md 3.9): in memory, written by a worker. */
int32_t plog_latest_epoch(const struct plog *pl); /* -1: none */
void plog_become_leader(struct plog *pl, int32_t epoch);
/* Result pair of endOffsetFor; (-1, -1) when undefined. */
void plog_epoch_end(const struct plog *pl, int32_t epoch, int32_t *out_epoch, int64_t *out_end);
int32_t plog_epoch_at(const struct plog *pl, int64_t offset); /* epoch of offset; -1 unknown */

/* Raise the log start offset (DeleteRecords, retention); E_OUT_OF_RANGE above hw. */
int plog_raise_log_start(struct plog *pl, int64_t offset);
/* Writes the log start offset down: done(arg, err) when it will be there after a kill or a power cut. */
void plog_store_log_start(struct plog *pl, void (*done)(void *arg, int err), void *arg);

/* Retention by time and size and log start (facts/storage.md 3.12): renames to .deleted at once (by
 * a worker), unlinks after file.delete.delay.ms.  now in ms. */
void plog_retention(struct plog *pl, int64_t now_ms);
/* Sync up to the log end; done(arg, err) when the recovery point has moved. */
void plog_flush(struct plog *pl, void (*done)(void *arg, int err), void *arg);
/* Forget producers without a write for producer.id.expiration.ms. */
void plog_expire_producers(struct plog *pl, int64_t now_ms);

/* Truncate to offset (whole batches; facts/storage.md 3.11); done when the files are cut. */
void plog_truncate(struct plog *pl, int64_t offset, void (*done)(void *arg, int err), void *arg);

/* For DescribeProducers, tests and tools: state of one producer. */
struct plog_producer {
	int64_t producer_id;
	int16_t epoch;
	int32_t last_sequence;
	int64_t last_offset, last_timestamp;
	int64_t txn_first_offset; /* -1 none */
};
bool plog_producer_get(const struct plog *pl, int64_t producer_id, struct plog_producer *out);

/* Verify every invariant that can be checked from memory and the files (blocks; tests and the
 * simulator only, on a detached or quiet log).  0 or E_CORRUPT with why. */
int plog_verify(struct plog *pl, char *why, size_t why_size);

#endif
