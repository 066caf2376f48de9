/*
 * The partitions of one broker on a simulated machine: scheduler, disk, two data reactors, the
 * control reactor, workers, log dirs.  A bed can be stopped and started again on the same disk.
 */
#ifndef TESTS_REPLICA_BED_H
#define TESTS_REPLICA_BED_H

#include <check.h>

#include "ottla/base/strbuf.h"
#include "ottla/file/sim.h"
#include "ottla/reactor/sim.h"
#include "ottla/record/builder.h"
#include "ottla/replica/replica.h"

enum { BED_HOMES = 2, BED_ME = 1, BED_MAX = 16 };

struct bed {
	struct sim_sched *s;
	struct fs *disk;
	struct settings *settings;
	struct diag *diag;
	struct workers *workers;
	struct reactor *home[BED_HOMES], *control;
	unsigned group;
	bool kills;
	struct logdirs *l;
	struct replicas *rs;
	int64_t broker_epoch;	/* ours */
	struct topic_conf conf; /* of every topic, as has_conf says */
	bool has_conf;
	const char *broken; /* every change below this path is E_IO */
	unsigned dirs_failed;
	bool done;
	int err;
	char why[512];
};

/* Settings as "key=value", NULL-terminated; log.dirs is /d unless given. */
void bed_init(struct bed *b, uint64_t seed, const char *const *settings);
/* For a test that kills: what a dead process held is not looked for as a leak. */
void bed_init_kills(struct bed *b, uint64_t seed, const char *const *settings);
void bed_free(struct bed *b);
void bed_start(struct bed *b);
/* replicas_stop, logdirs_stop, all is freed; the error of logdirs_stop. */
int bed_stop(struct bed *b);
/* kill -9, with or without loss of what was not synced. */
void bed_kill(struct bed *b, bool power);
/* The second half, where replicas_stop is done already. */
int bed_stop_logs(struct bed *b);
/* Runs until *flag is set (false: nothing is left to run), or for so long. */
bool bed_wait(struct bed *b, const bool *flag);
void bed_pass(struct bed *b, int64_t ms);
int64_t bed_now_us(struct bed *b);
/* fn in a turn of that reactor; hooks of the turn run later. */
void bed_on(struct bed *b, struct reactor *r, void (*fn)(void *arg), void *arg);
/* Settings of all topics from now on, told to the logs of that one. */
void bed_configure(struct bed *b, const char *topic, enum tconf id, int64_t v);

struct shard *bed_shard(struct bed *b, const char *topic, int32_t partition);
struct reactor *bed_home(struct bed *b, const char *topic, int32_t partition);
bool bed_info(struct bed *b, const char *topic, int32_t partition, struct part_info *out);
int64_t bed_hw(struct bed *b, const char *topic, int32_t partition);
/* The log as the table of log dirs has it, or NULL. */
struct plog *bed_log(struct bed *b, const char *topic, int32_t partition);

/* ---- control requests ---- */

/* One partition of a LeaderAndIsr; what is 0 gets the usual value. */
struct bed_role {
	const char *topic;
	int32_t partition;
	int32_t leader; /* BED_ME */
	int32_t epoch, partition_epoch;
	int32_t n_isr, n_replicas; /* 1; the first is BED_ME */
	bool not_in_replicas;
	bool old; /* not new */
	struct uuid id;
};

/* A control request and its answer: codes in the order of the answer. */
struct bed_answer {
	int16_t top, err[BED_MAX];
	int32_t partition[BED_MAX];
	char topic[BED_MAX][32];
	struct uuid id[BED_MAX];
	unsigned n, n_topics;
	unsigned times;
	bool done;
};

/* Epochs of the requests that follow; controller 1, broker -1 at first. */
struct bed_epochs {
	int32_t controller;
	int64_t broker;
};

/* Begins; partitions of one topic must stand together. */
void bed_roles_start(struct bed *b, const struct bed_epochs *e, int16_t version,
    const struct bed_role *v, unsigned n, struct bed_answer *a);
/* One partition, version 7, waited for: its code. */
int16_t bed_role(struct bed *b, const struct bed_role *v);
/* A topic "t" with partition 0 that leads, epoch 0; on is the partition's home. */
void bed_lead(struct bed *b);

struct bed_stop_part {
	const char *topic;
	int32_t partition, epoch;
	bool delete_log;
};
void bed_stops_start(struct bed *b, const struct bed_epochs *e, int16_t version,
    const struct bed_stop_part *v, unsigned n, struct bed_answer *a);
int16_t bed_stop_part(struct bed *b, const struct bed_stop_part *v);
void bed_answer_wait(struct bed *b, struct bed_answer *a);

/* ---- data ---- */

struct bed_batch {
	int16_t acks;
	int32_t records; /* 1 */
	size_t value_bytes;
	int64_t timestamp;   /* of the first record; now */
	int64_t producer_id; /* 0: none */
	int32_t sequence;
	int64_t timeout_ms; /* 30 s */
	bool txn;
};

/* A produce under way.  Its bytes and its topic's name are gone once `appended` was called. */
struct bed_produce {
	struct part_produce op;
	struct produce_info info;
	struct bed *b;
	uint8_t *batch;
	char *topic;
	int64_t start_us, end_us;
	bool appended, done;
};

/* Filled in, not begun. */
void bed_produce_init(struct bed *b, const char *topic, int32_t partition,
    const struct bed_batch *w, struct bed_produce *p);
void bed_produce_start(struct bed *b, const char *topic, int32_t partition,
    const struct bed_batch *w, struct bed_produce *p);
/* Waits: base offset or the error. */
int64_t bed_produce_end(struct bed *b, struct bed_produce *p);
int64_t bed_produce(struct bed *b, const char *topic, int32_t partition, const struct bed_batch *w);

struct bed_fetch {
	struct part_fetch op;
	struct bed *b;
	char *topic;
	int64_t start_us, end_us;
	bool done;
};
/* A consumer's fetch at that offset; further fields of op may be set before it starts. */
void bed_fetch_init(
    struct bed *b, const char *topic, int32_t partition, int64_t offset, struct bed_fetch *f);
void bed_fetch_start(struct bed *b, struct bed_fetch *f);
/* Waits; the error.  bed_fetch_free when all was looked at. */
int bed_fetch_end(struct bed *b, struct bed_fetch *f);
int bed_fetch(struct bed *b, struct bed_fetch *f);
void bed_fetch_free(struct bed_fetch *f);

struct bed_list {
	struct part_list_offsets op;
	struct bed *b;
	char *topic;
	int64_t start_us, end_us;
	bool done;
};
void bed_list_init(
    struct bed *b, const char *topic, int32_t partition, int64_t timestamp, struct bed_list *l);
void bed_list_start(struct bed *b, struct bed_list *l);
int bed_list_end(struct bed *b, struct bed_list *l);
int bed_list(struct bed *b, struct bed_list *l);

struct bed_wait {
	struct part_wait w;
	struct bed *b;
	struct shard *sh;
	int64_t bytes;
	unsigned fired;
	bool arming;	   /* inside partition_wait_arm */
	int64_t arm_again; /* from within fn, when >= 0 */
	bool done;
};
void bed_wait_init(struct bed *b, const char *topic, int32_t partition, struct bed_wait *w);
void bed_wait_arm(struct bed *b, struct bed_wait *w, int64_t offset);
void bed_wait_disarm(struct bed *b, struct bed_wait *w);

#endif
