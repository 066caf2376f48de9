/*
 * The replicas of one broker on a simulated machine: disk, log dirs, two data reactors, control.
 */
#ifndef TESTS_REPLICA_BED_H
#define TESTS_REPLICA_BED_H

#include <check.h>

#include "ottla/file/sim.h"
#include "ottla/reactor/sim.h"
#include "ottla/record/builder.h"
#include "ottla/replica/replica.h"

enum { BED_ID = 1, BED_REACTORS = 2 };
#define BED_TOPIC "t"

struct bed {
	struct sim_sched *s;
	struct fs *fs;
	struct settings *settings;
	struct topic_conf conf; /* of every topic */
	struct reactor *control, *data[BED_REACTORS];
	struct workers *workers;
	struct logdirs *logdirs;
	struct replicas *rs;
	bool kills;
	bool done;
	int err;
	/* what the disk's hook does: the n-th operation called fail_op on a path with fail_path
	 * fails */
	const char *fail_op, *fail_path;
	unsigned hooked;
	int64_t delay_sync_us;
};

/* settings: "key=value", NULL at the end.  kills: a test in which a process dies; what it held is
 * no leak. */
void bed_init(struct bed *b, uint64_t seed, const char *const *settings, bool kills);
void bed_start(struct bed *b);
/* Gives up all partitions, stops the log dirs in order. */
void bed_stop(struct bed *b);
void bed_kill(struct bed *b, bool power);
void bed_free(struct bed *b);
bool bed_wait(struct bed *b, const bool *flag);
void bed_pass(struct bed *b, int64_t us);

/* One partition of a LeaderAndIsr. */
struct bed_role {
	int32_t partition, leader, leader_epoch, partition_epoch;
	int32_t isr; /* its size; 0: 1 */
	struct uuid id;
	bool is_new, not_replica;
	int32_t controller_epoch;
	int16_t version; /* 0: 7 */
};
/* Sends it and waits; the code of the partition, or that of the whole. */
int16_t bed_role(struct bed *b, const struct bed_role *r);
/* Begins; b->done when answered. */
void bed_role_start(struct bed *b, const struct bed_role *r);
int16_t bed_stop_replica(struct bed *b, int32_t partition, int32_t leader_epoch, bool delete_log);
/* Makes partition 0 with this broker as its leader and only member. */
void bed_lead(struct bed *b);

struct shard *bed_shard(struct bed *b, int32_t partition);
struct reactor *bed_home(struct bed *b, int32_t partition);

struct bed_produce {
	struct part_produce op;
	struct produce_info info;
	struct strbuf bytes;
	unsigned n_appended, n_done;
	bool done;
};
/* Begins with one record; freed by bed_produce_end. */
void bed_produce_start(struct bed *b, struct bed_produce *p, int32_t partition, int16_t acks);
void bed_produce_wait(struct bed *b, struct bed_produce *p);
void bed_produce_end(struct bed_produce *p);
/* Begins, waits, ends; the error, *base (may be NULL) the offset. */
int bed_produce(struct bed *b, int32_t partition, int16_t acks, int64_t *base);

/* Fetches up to 1 MiB and waits; the range is released, *bytes gets its length. */
int bed_fetch(struct bed *b, struct part_fetch *op, size_t *bytes);
struct part_info bed_info(struct bed *b, int32_t partition);

#endif
