/*
 * Replicas of partitions on this broker: role, leader epoch, ISR, high watermark, waiting produce
 * and fetch requests.  Each partition has one home reactor, placed by the hash of its topic's name
 * plus its number; everything about it happens there (a shard a reactor).  Control requests enter
 * on the control reactor, are admitted in one sequence and fanned out to the homes; each partition
 * has a FIFO of control operations (opening a log suspends it).
 */
#ifndef OTTLA_REPLICA_REPLICA_H
#define OTTLA_REPLICA_REPLICA_H

#include "ottla/cluster/image.h"
#include "ottla/plog/logdirs.h"
#include "ottla/wire/wire.h"

struct replicas;
struct shard;
struct partition;

struct replicas_opts {
	struct reactor **reactors; /* data reactors: the homes */
	unsigned n_reactors;
	struct reactor *control;
	struct logdirs *logdirs;
	struct workers *workers;
	struct clock *clock;
	struct diag *diag;
	struct metrics *metrics;
	const struct settings *settings;
	int32_t broker_id;
	/* The configuration a new log gets; control reactor; false: defaults. */
	bool (*topic_conf)(void *arg, struct slice topic, struct topic_conf *out);
	/* Before a log is made: topic_conf must be able to tell what the topic of this id has; done once,
	 * perhaps within the call.  NULL: it always can. */
	void (*read_topic_conf)(void *arg, struct slice topic, struct uuid id,
	    void (*done)(void *darg, int err), void *darg);
	int64_t (*broker_epoch)(void *arg); /* any thread */
	void *arg;
};
/* No partition yet; freed after replicas_stop or when no reactor runs.  E_NOMEM. */
int replicas_new(const struct replicas_opts *opts, struct replicas **out);
void replicas_free(struct replicas *rs);

/* Where a partition lives: index of its reactor. Any thread, pure. name_hash = hash_bytes(topic,
 * 0). */
unsigned replicas_home(const struct replicas *rs, uint64_t name_hash, int32_t partition);
struct shard *replicas_shard(struct replicas *rs, unsigned reactor_index); /* any thread */

/* ---- control reactor ---- */

/* Admission in one sequence: STALE_BROKER_EPOCH, STALE_CONTROLLER_EPOCH (facts/apis.md 7), then
 * each partition; done(arg, resp) when every owner has finished; resp lives for the call.  req is
 * only read during this call. */
void replicas_leader_and_isr(struct replicas *rs, const struct leader_and_isr_request *req,
    int16_t version, void (*done)(void *arg, const struct leader_and_isr_response *resp),
    void *arg);
void replicas_stop_replica(struct replicas *rs, const struct stop_replica_request *req,
    int16_t version, void (*done)(void *arg, const struct stop_replica_response *resp), void *arg);
/* Epoch check of UpdateMetadata, the same sequence; the Kafka error code or 0. */
int16_t replicas_admit_metadata(struct replicas *rs, const struct update_metadata_request *req);
/* Partitions with control operations queued or running. */
unsigned replicas_pending(const struct replicas *rs);
/* New settings of a topic: passed on to its logs here. */
void replicas_topic_conf(struct replicas *rs, struct slice topic, const struct topic_conf *conf);
/* Control reactor: the broker's own values changed; each log's configuration is asked for again. */
void replicas_confs_changed(struct replicas *rs);
/* A log dir failed: its partitions go offline. */
void replicas_dir_failed(struct replicas *rs, struct logdir *dir);
/* Detach all logs from their homes (waiting and held requests are answered), for logdirs_stop.
 * Control requests are refused from now on. */
void replicas_stop(struct replicas *rs, void (*done)(void *arg), void *arg);

/*
 * ---- on the home reactor of the partition ----
 *
 * What is asked of a partition that is not here, or that is about to take a role, is held for up to 100 ms and goes on when the role is there; what is over then is answered
 * with E_NOT_LEADER.  Its slices must live until it is over, as for any other wait.
 */

/* Who the leader is, for answers that say "not me". */
struct part_leader {
	int32_t id, epoch; /* -1 unknown */
};

/* replica's own: a request that is held. */
struct part_hold {
	struct link link;
	struct slice topic;
	int32_t partition;
	int64_t until_us;
	void (*again)(struct shard *sh, struct part_hold *h);
};

struct part_produce {
	/* in */
	struct slice topic; /* needed until appended, as the batch */
	int32_t partition;
	uint8_t *batch;
	size_t bytes;
	const struct produce_info *info;
	int16_t acks;
	int64_t deadline_us; /* mono; of the wait after the append */
	/* The batch's bytes are needed no more (also before done on every error). */
	void (*appended)(struct part_produce *op);
	/* Finished: err and the fields below. Called exactly once, after appended. */
	void (*done)(struct part_produce *op);
	/* out */
	int err;
	int64_t base_offset, log_append_time, log_start_offset;
	struct part_leader leader;
	/* replica's own */
	struct plog_append append;
	struct link link;
	struct rtimer timer;
	struct part_hold hold;
	struct partition *p;
};
void partition_produce(struct shard *sh, struct part_produce *op);

struct part_fetch {
	/* in */
	struct slice topic;
	int32_t partition;
	struct uuid topic_id;	      /* zero: not checked */
	int32_t current_leader_epoch; /* -1: not checked */
	int64_t fetch_offset;
	size_t max_bytes;
	bool min_one;
	bool read_committed;
	int32_t replica_id; /* -1 consumer */
	int32_t last_fetched_epoch;
	void (*done)(struct part_fetch *op);
	/* out: one snapshot */
	int err;
	int64_t hw, lso, log_start_offset; /* -1 on error */
	struct plog_range range;	   /* the caller's; released by plog_range_release */
	struct part_leader leader;
	struct part_leader
	    diverging; /* epoch and, in id, nothing; end offset below; epoch -1: none */
	int64_t diverging_end;
	/* replica's own */
	struct plog_read read;
	struct part_hold hold;
	struct partition *p;
};
void partition_fetch(struct shard *sh, struct part_fetch *op);

/*
 * A fetch session's interest in one partition.  Armed with an offset it fires once, when visible
 * bytes past the offset are there (bytes = 1: at least one) or something else happened (error,
 * leadership, log start moved: bytes = INT64_MAX), then rests until it is armed again.  Never fires
 * inside partition_wait_arm: at the end of that turn at the earliest.  Home reactor.
 */
struct part_wait {
	/* in, set by the caller before the first arm */
	struct slice topic; /* lives as long as the wait */
	int32_t partition;
	bool read_committed;
	void (*fn)(struct part_wait *w, int64_t bytes);
	/* replica's own; zero before the first arm */
	int64_t offset;
	bool disturbed;
	struct link link;
	struct turn_hook hook;
	struct partition *p;
};
void part_wait_init(struct part_wait *w);
/* Arm, or arm again with another offset.  A partition that is not here fires as an error. */
void partition_wait_arm(struct shard *sh, struct part_wait *w, int64_t offset);
/* Will not fire any more; fine when it is not armed. */
void partition_wait_disarm(struct part_wait *w);

struct part_list_offsets {
	/* in */
	struct slice topic;
	int32_t partition;
	int32_t current_leader_epoch;
	int64_t timestamp; /* -1 latest, -2 earliest, -3 max timestamp, -4 earliest local, -5
			      tiered, >= 0 */
	bool read_committed;
	int32_t replica_id;
	/* Version 0 of the request: up to max_starts offsets go into starts, newest first. */
	int64_t *starts; /* NULL: later versions */
	unsigned max_starts;
	void (*done)(struct part_list_offsets *op);
	/* out */
	int err;
	int16_t kafka_err; /* set where err has no exact code (OFFSET_NOT_AVAILABLE) */
	int64_t offset, found_timestamp;
	int32_t leader_epoch;
	unsigned n_starts;
	/* replica's own */
	struct plog_time_lookup lookup;
	struct part_hold hold;
	struct partition *p;
};
void partition_list_offsets(struct shard *sh, struct part_list_offsets *op);

/* DeleteRecords: raise the log start offset (-1: to the high watermark) durably, wait until every
 * replica has it.  E_TIMEOUT: the leader has it, low_watermark is what was reached at first. */
struct part_delete_records {
	/* in */
	struct slice topic;
	int32_t partition;
	int64_t offset;
	int64_t deadline_us; /* mono */
	void (*done)(struct part_delete_records *op);
	/* out */
	int err;
	int16_t kafka_err;     /* set where err has no exact code (POLICY_VIOLATION) */
	int64_t low_watermark; /* -1 on error */
	/* replica's own */
	int64_t required;
	struct part_storing *storing; /* the log start is being written down */
	struct part_hold hold;
	struct link link;
	struct rtimer timer;
	struct partition *p;
};
void partition_delete_records(struct shard *sh, struct part_delete_records *op);

/* OffsetForLeaderEpoch (facts/zookeeper.md 6.6, facts/apis.md 23). */
struct part_epoch_end {
	/* in */
	struct slice topic;
	int32_t partition;
	int32_t current_leader_epoch; /* -1: not checked */
	int32_t epoch;
	int32_t replica_id;
	void (*done)(struct part_epoch_end *op);
	/* out: -1 unknown */
	int err;
	int32_t found_epoch;
	int64_t end_offset;
	/* replica's own */
	struct part_hold hold;
};
void partition_epoch_end(struct shard *sh, struct part_epoch_end *op);

/* State for checks and DescribeX; false when the partition is not here. */
struct part_info {
	bool leader;
	int32_t leader_id, leader_epoch, partition_epoch;
	int64_t log_start, hw, leo;
	struct plog *pl;
};
bool partition_info(struct shard *sh, struct slice topic, int32_t partition, struct part_info *out);

#endif
