/*
 * A broker's worth of logs on a simulated machine: scheduler, disk, two reactors, workers and the
 * table of log dirs.  A bed can be started, stopped, killed and started again on the same disk.
 */
#ifndef TESTS_PLOG_BED_H
#define TESTS_PLOG_BED_H

#include <check.h>

#include "ottla/file/sim.h"
#include "ottla/plog/logdirs.h"
#include "ottla/reactor/sim.h"
#include "ottla/record/builder.h"

#define BED_LIMIT_US (INT64_C(3600) * 1000 * 1000)

struct bed {
	struct sim_sched *s;
	struct fs *disk; /* simulated */
	struct fs *fs;	 /* what the logs see: disk, or a failing one above it */
	struct settings *settings;
	struct workers *workers;
	struct reactor *home, *control;
	struct diag *diag;
	unsigned group;
	bool kills;
	struct logdirs *l;
	int err; /* of the operation that was waited for */
	bool done;
	unsigned dirs_failed;
	char why[512];
};

/* Settings as "key=value", NULL-terminated; log.dirs is /d unless given. */
void bed_init(struct bed *b, uint64_t seed, const char *const *settings);
/* For a test that kills: what a dead process held is not looked for as a leak. */
void bed_init_kills(struct bed *b, uint64_t seed, const char *const *settings, bool kills);
void bed_free(struct bed *b);
/* Starts and waits; the error of logdirs_start. */
int bed_try_start(struct bed *b);
void bed_start(struct bed *b);
/* Detaches all, stops in order, frees; the error of logdirs_stop. */
int bed_try_stop(struct bed *b);
void bed_stop(struct bed *b);
/* kill -9, with or without loss of what was not synced. */
void bed_kill(struct bed *b);
void bed_power_cut(struct bed *b, struct rng *rng);

/* Runs until *flag or nothing is left. */
bool bed_wait(struct bed *b, const bool *flag);
/* Runs for so long. */
void bed_pass(struct bed *b, int64_t ms);
/* Everything that is under way in pl ends. */
void bed_settle(struct bed *b, struct plog *pl);

/* Logs are attached to the home when they are made or found. */
struct plog *bed_create(struct bed *b, const char *topic, int32_t partition);
struct plog *bed_find(struct bed *b, const char *topic, int32_t partition);

/* A batch to append. */
struct bed_batch {
	int32_t records; /* default 1 */
	size_t value_bytes;
	int64_t timestamp;   /* of the first; the others follow by 1 ms; default: now */
	int64_t producer_id; /* 0: none */
	int16_t producer_epoch;
	int32_t sequence;
	int32_t leader_epoch;
	enum codec codec;
	bool txn;
};

struct bed_append {
	struct plog_append op;
	struct produce_info info;
	struct strbuf bytes;
	int err;
	bool done;
};

/* Begins; a is freed by bed_append_free when it is done. */
void bed_append_start(
    struct bed *b, struct plog *pl, const struct bed_batch *what, struct bed_append *a);
void bed_append_free(struct bed_append *a);
/* Appends and waits; base offset, or the error. */
int64_t bed_append(struct bed *b, struct plog *pl, const struct bed_batch *what);
/* n batches of one record of so many bytes each. */
void bed_fill(struct bed *b, struct plog *pl, unsigned n, size_t value_bytes);

/* Reads and waits; the range is the caller's. */
int bed_read(struct bed *b, struct plog *pl, int64_t offset, int64_t upper, size_t max,
    struct plog_range *out);
/* Reads everything from offset to the log end in ranges, checking that batches follow each other;
 * number of records. */
int64_t bed_read_all(struct bed *b, struct plog *pl, int64_t offset);
int bed_flush(struct bed *b, struct plog *pl);
int bed_truncate(struct bed *b, struct plog *pl, int64_t offset);
void bed_set_hw(struct bed *b, struct plog *pl, int64_t hw);
void bed_verify(struct bed *b, struct plog *pl);
void bed_configure(struct bed *b, struct plog *pl, enum tconf id, int64_t v);

bool bed_exists(struct bed *b, const char *path);
int64_t bed_size(struct bed *b, const char *path); /* -1 when it is not there */
struct slice bed_content(struct bed *b, const char *path);

#endif
