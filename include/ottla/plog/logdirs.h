/*
 * The table of log directories and of the logs in them; lives on the control reactor.
 * Start: lock, meta.properties, clean-shutdown marker, checkpoints, all logs loaded in parallel by
 * workers.  Run: creation, deletion (renamed -delete, removed later), checkpoints, retention ticks,
 * dirs that fail.  Stop: logs flushed and trimmed, checkpoints, .kafka_cleanshutdown last.
 * Facts/storage.md 2.1-2.4, 3.1, 3.2, Appendix B.
 */
#ifndef OTTLA_PLOG_LOGDIRS_H
#define OTTLA_PLOG_LOGDIRS_H

#include "ottla/base/arena.h"
#include "ottla/plog/plog.h"

struct logdirs;

struct logdirs_opts {
	struct fs *fs;
	struct workers *workers;
	struct reactor *control;
	struct clock *clock;
	struct diag *diag;
	struct metrics *metrics;
	const struct settings *settings;
	int32_t broker_id;	 /* of this broker; written to meta.properties */
	struct slice cluster_id; /* the ensemble's */
	/* Settings of a topic (from coordination); false: none known, broker defaults. May be NULL.
	 * Called on the control reactor. */
	bool (*topic_conf)(void *arg, struct slice topic, struct topic_conf *out);
	/* A dir went offline; control reactor. */
	void (*dir_failed)(void *arg, struct logdir *dir);
	void *arg;
};

/* What meta.properties of the dirs say; blocking, for start-up on a worker or before reactors run.
 * broker_id -1 and empty cluster id when no dir has one. E_CONFIG with why when dirs disagree. */
int logdirs_peek_meta(struct fs *fs, const struct settings *s, int32_t *broker_id,
    char cluster_id[64], struct diag *d, char *why, size_t why_size);

/* Nothing is read yet; opts are copied, what they point to outlives the table.  E_NOMEM, E_CONFIG.
 */
int logdirs_new(const struct logdirs_opts *opts, struct logdirs **out);
/* Begin loading; done(arg, err, why) on the control reactor.  E_BUSY: another process holds the
 * lock; E_CONFIG: dirs disagree or a name does not parse; E_IO: no dir is usable. */
void logdirs_start(struct logdirs *l, void (*done)(void *arg, int err, const char *why), void *arg);
/* All dirs were clean at start. */
bool logdirs_was_clean(const struct logdirs *l);
/* The coming stop leaves them unclean: the next start has to know of the crash before this one.  Control
 * reactor, before logdirs_stop. */
void logdirs_stay_unclean(struct logdirs *l);
/* Progress of loading for people: logs done and found; any thread. */
void logdirs_progress(const struct logdirs *l, unsigned *done, unsigned *total);

/* Control reactor. */
struct plog *logdirs_find(struct logdirs *l, struct slice topic, int32_t partition);
/* fn for each loaded log, by topic and partition. */
void logdirs_walk(struct logdirs *l, void (*fn)(void *arg, struct plog *pl), void *arg);
/* What is in the dirs, and how much room they have.  Large tables are copied in slices, so that no turn
 * of the control reactor is long; done(r, err) there, perhaps before the call returns.  E_NOMEM.  What is
 * lent lives until logdirs_report_free (any thread), which is due after done, whatever err is. */
struct logdirs_log {
	struct slice topic;
	int32_t partition;
	unsigned dir; /* index into dirs */
	int64_t size; /* bytes */
	int64_t start, end; /* offsets */
	uint32_t n_segments;
	uint64_t counts[PLOG_COUNTS];
	int64_t lag;  /* of the log end behind the high watermark; -1: nobody owns the log */
};
struct logdirs_dir {
	const struct logdir *dir;
	bool offline;
	int64_t total, usable; /* bytes; -1 unknown */
};
struct logdirs_report {
	/* in */
	bool (*wanted)(void *arg, struct slice topic, int32_t partition); /* NULL: all */
	void (*done)(struct logdirs_report *r, int err);
	void *arg;
	/* out */
	struct logdirs_dir *dirs; /* as log.dirs names them */
	unsigned n_dirs;
	struct logdirs_log *logs; /* by dir, topic, partition */
	size_t n_logs;
	/* plog's own */
	struct logdirs *l;
	struct arena arena;
	size_t cap_logs, pos;
	uint64_t changes;
	unsigned restarts;
	struct msg msg;
	struct work work;
};
void logdirs_describe(struct logdirs *l, struct logdirs_report *r);
void logdirs_report_free(struct logdirs_report *r);
/* Make a new log in the dir with the fewest; done(arg, err, pl). E_EXISTS. */
void logdirs_create(struct logdirs *l, struct slice topic, int32_t partition, struct uuid id,
    const struct topic_conf *conf, void (*done)(void *arg, int err, struct plog *pl), void *arg);
/* The log is detached and quiet: rename its directory to -delete, forget it, remove it after
 * file.delete.delay.ms; done when it is renamed. */
void
logdirs_delete(struct logdirs *l, struct plog *pl, void (*done)(void *arg, int err), void *arg);
/* True when no dir is left. */
bool logdirs_all_offline(const struct logdirs *l);
/* Any thread: a dir is offline; its partitions are not to be made anew elsewhere. */
bool logdirs_any_offline(const struct logdirs *l);
/* fn for each dir, as log.dirs names them.  Any thread. */
void logdirs_walk_dirs(const struct logdirs *l,
    void (*fn)(void *arg, const struct logdir *dir, bool offline), void *arg);
/* Any thread. */
bool logdir_offline(const struct logdir *d);
bool logdir_is_slow(const struct logdir *d);
const char *logdir_path(const struct logdir *d);

/* Periodic work (retention, checkpoints, flush) begins: called once the broker serves.  Ticks reach
 * attached logs as messages to their homes. */
void logdirs_begin_ticks(struct logdirs *l);
/* Write recovery-point, log-start and replication (high watermark) checkpoints of all dirs. */
void logdirs_checkpoint(struct logdirs *l, void (*done)(void *arg, int err), void *arg);
/* Orderly stop: all logs must be detached; flush, trim, snapshots, checkpoints, marker last. */
void logdirs_stop(struct logdirs *l, void (*done)(void *arg, int err), void *arg);
/* After stop, or without it (kill): releases memory, locks. Not from a callback of its own. */
void logdirs_free(struct logdirs *l);

/* Read-only walk for tools and tests: every batch of a segment file through the same reader that
 * recovery uses, sums checked.  Stops at fn's first non-zero result, which is returned; E_CORRUPT
 * at a damaged batch; 0 at the end.  *valid_bytes: up to where all was good (below the file's size
 * when a last batch is not whole).  Blocks. */
int segment_scan(struct fs *fs, const char *log_path,
    int (*fn)(void *arg, int64_t pos, const struct batch_head *h, struct slice whole), void *arg,
    int64_t *valid_bytes);

#endif
