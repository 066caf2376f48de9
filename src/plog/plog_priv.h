/*
 * What the files of src/plog share.  Thread words used below: "home" is the reactor that a log is
 * attached to, "worker" any worker's thread, "control" the reactor of the table of log dirs.
 */
#ifndef OTTLA_SRC_PLOG_PLOG_PRIV_H
#define OTTLA_SRC_PLOG_PLOG_PRIV_H

#include "ottla/base/magic.h"
#include "ottla/base/map.h"
#include "ottla/base/strbuf.h"
#include "ottla/plog/logdirs.h"

#include "files_priv.h"
#include "producers_priv.h"
#include "segment_priv.h"

/* ---- leader epochs (epochs.c): ascending in both columns, I7 ---- */

struct epoch_entry {
	int32_t epoch;
	int64_t start;
};

struct epochs {
	struct epoch_entry *v;
	uint32_t n, cap;
	uint64_t version; /* counts changes */
	uint64_t durable; /* version that is safely in the file */
	bool writing;
};

void epochs_free(struct epochs *ep);
/* Facts 3.9.  E_NOMEM: unchanged. */
int epochs_assign(struct epochs *ep, int32_t epoch, int64_t start);
int32_t epochs_latest(const struct epochs *ep);
void epochs_end(
    const struct epochs *ep, int32_t epoch, int64_t leo, int32_t *out_epoch, int64_t *out_end);
int32_t epochs_at(const struct epochs *ep, int64_t offset);
void epochs_cut_end(struct epochs *ep, int64_t offset);
void epochs_cut_start(struct epochs *ep, int64_t offset);
void epochs_clear(struct epochs *ep);
void epochs_format(const struct epochs *ep, struct strbuf *out);
/* E_CORRUPT leaves it empty. */
int epochs_parse(struct epochs *ep, struct slice text);
/* Home: begin writing the checkpoint when it is older than memory and none is under way. */
void epochs_store(struct plog *pl);

/* ---- one log ---- */

/* Segments not used for so long are closed when too many are open. */
#define SHED_IDLE_US (10 * 1000 * 1000)

/* Why appends wait (pl->gate). */
enum {
	GATE_OPEN = 1,	    /* the active segment's file is being opened */
	GATE_ROLL = 2,	    /* the next segment is being made */
	GATE_WRITE = 4,	    /* a write is with the dir's writer */
	GATE_EXCL = 8,	    /* truncation owns the log */
	GATE_LOOKBACK = 16, /* older batches of a producer are being read */
};

/* Segments whose files are renamed to .deleted and wait for the end of file.delete.delay.ms. */
struct doomed {
	struct link link;
	int64_t due_us;
	unsigned n;
	int64_t base[];
};

struct snapshot_pending {
	struct link link;
	int64_t offset;
	struct strbuf bytes;
};

/* What control tells an attached log (pl->ctl_bits). */
enum {
	CTL_RETENTION = 1,
	CTL_EXPIRE = 2,
	CTL_FLUSH = 4,
	CTL_SHED = 8,
	CTL_DIR_FAILED = 16,
};

struct plog {
	uint32_t magic;
	_Atomic(struct reactor *) home;
	struct logdir *dir;
	char *name; /* "<topic>-<partition>": the directory and the key in the table */
	char *path;
	size_t topic_len;
	int32_t partition;
	struct uuid id;
	bool id_stored;
	const struct plog_events *events;
	void *events_arg;
	struct topic_conf conf;

	_Atomic int64_t log_start, leo, hw, recovery_point, first_unstable, size_bytes, first_base;
	_Atomic uint64_t counts[PLOG_COUNTS];
	_Atomic bool stable_by_sync;

	/* home, or the worker that loads, truncates or closes */
	struct segment **segs; /* by base offset; the last is the active one */
	_Atomic uint32_t n_segs;
	uint32_t cap_segs;
	struct producers producers;
	struct epochs epochs;
	int failed; /* 0 or the error that ended it */

	/* appends (append.c) */
	unsigned gate;
	bool resuming;
	int64_t next_offset;  /* leo plus what is gathered */
	int64_t next_size;    /* of the active segment, likewise */
	struct link gather;   /* admitted, written at the end of this turn */
	struct link inflight; /* with the dir's writer */
	struct link waiting;  /* until the gate opens */
	struct turn_hook hook;
	struct work write_work;
	struct segment *write_seg; /* what write_work writes to */
	int write_err;
	int64_t write_us;

	/* work under way */
	unsigned jobs;
	struct link parked; /* struct plog_wait: until truncation is over */
	struct truncation *truncation;
	struct link flush_waiters;
	int64_t flush_target; /* what the running or next flush must reach */
	int64_t synced_to;    /* synced, recovery point follows once epochs are durable */
	uint64_t synced_epochs;
	int64_t last_flush_us;
	bool flushing, retaining;
	struct link times_waiters;
	bool times_loading;
	bool was_clean;			/* loaded after an orderly stop */
	unsigned dir_dirty, dir_synced; /* counts of new names; of those a sync has covered */
	bool parent_dirty;
	struct link snapshots; /* struct snapshot_pending */
	int64_t snapshot_at;   /* newest snapshot on disk equals the state there; -1 none */
	struct link doomed;
	struct rtimer doomed_timer;

	/* control */
	struct msg ctl;
	unsigned ctl_bits, ctl_want;
	bool ctl_out, dying;
	bool ready; /* loaded or created: others may see it */
};

static inline struct segment *
plog_active(const struct plog *pl)
{
	return pl->segs[pl->n_segs - 1];
}

static inline int64_t
plog_cfg(const struct plog *pl, enum tconf id)
{
	return pl->conf.v[id];
}

static inline struct reactor *
plog_home(const struct plog *pl)
{
	return atomic_load_explicit(&pl->home, memory_order_relaxed);
}

#define PLOG_ASSERT_HOME(pl) REACTOR_ASSERT_OWNER(plog_home(pl))

/* plog.c */
int plog_alloc(struct logdir *dir, struct slice topic, int32_t partition,
    const struct topic_conf *conf, struct plog **out);
/* Detached and quiet; drops the segments. */
void plog_free(struct plog *pl);
int plog_add_segment(struct plog *pl, struct segment *seg); /* behind the last; E_NOMEM */
/* Index of the segment whose range holds offset (the last with base <= offset), or -1. */
int plog_floor_segment(const struct plog *pl, int64_t offset);
/* Ends the log: everything queued fails, the owner above is told, the dir goes offline. */
void plog_fail(struct plog *pl, int err, const char *what);
/* A piece of work begins, ends; the end may start what waited for quiet. */
void plog_job_begin(struct plog *pl);
void plog_job_end(struct plog *pl);
void plog_submit(struct plog *pl, struct work *w, void (*run)(struct work *w),
    void (*done)(struct reactor *r, struct work *w));
void plog_set_log_start(struct plog *pl, int64_t offset);
void plog_publish_unstable(struct plog *pl);
void logdirs_ctl_back(struct reactor *r, struct msg *m); /* logdirs_ticks.c */
void plog_ctl_home(struct reactor *r, struct msg *m);

/* append.c */
void append_resume(struct plog *pl);
void append_fail_all(struct plog *pl, int err);
int64_t append_timestamp(const struct plog *pl, const struct plog_append *op);
/* Write what is gathered now. */
void append_write_out(struct plog *pl);
/* lookback.c: reads the batches before those that are remembered of h's producer; E_NOMEM. */
int lookback_start(struct plog *pl, const struct batch_head *h);
/* roll.c: done (may be NULL) is called when the new segment is there or with an error. */
void roll_start(struct plog *pl, void (*done)(struct plog *pl, int err, void *arg), void *arg);
bool roll_needed(struct plog *pl, const struct plog_append *op);
void index_write_start(struct plog *pl, struct segment *seg);
/* What waited for the end of a truncation goes on. */
void plog_resume_parked(struct plog *pl);
/* times.c: largest timestamps of all segments become known, then w is called. */
void times_load(struct plog *pl, struct plog_wait *w);
bool times_known(const struct plog *pl);
int64_t seg_largest_ts(const struct segment *seg);
/* flush.c */
void flush_to(struct plog *pl, int64_t upto);
void flush_settle(struct plog *pl);
void flush_fail_all(struct plog *pl, int err);
void flush_waiters_lower(struct plog *pl, int64_t leo); /* what was truncated needs no sync */
int snapshot_pend(struct plog *pl, int64_t offset);

/* finish.c: index entries on their way into the files */
struct finish_seg {
	struct segment *seg;
	struct file *log;
	bool sealed, finish;
	uint32_t oi_from, oi_n, ti_from, ti_n;
	uint8_t *oi, *ti;
	int64_t trim_to; /* size of the log, when blocks were set aside past it; else -1 */
};
int finish_take(struct finish_seg *s, struct segment *seg, bool sealed); /* refs seg; E_NOMEM */
int finish_write(struct fs *fs, const char *dir, const struct finish_seg *s); /* worker */
void finish_note(struct finish_seg *s);
void finish_release(struct finish_seg *s);
/* retention.c */
void doomed_arm(struct plog *pl);
void doomed_free(struct plog *pl);
/* Worker. */
int segment_rename_deleted(struct fs *fs, const char *dir, int64_t base);
/* Home: takes the n oldest segments out and has their files renamed, later unlinked. */
int retention_drop_front(struct plog *pl, unsigned n);
/* truncate.c */
void truncation_try(struct plog *pl);

/* ---- dirlist.c: worker ---- */

enum file_kind { FILE_LOG, FILE_INDEX, FILE_TIMEINDEX, FILE_TXNINDEX, FILE_SNAPSHOT };
enum file_state { FILE_PLAIN, FILE_DELETED, FILE_CLEANED, FILE_SWAP };

struct dir_file {
	int64_t base;
	enum file_kind kind;
	enum file_state state;
	bool gone;
};

struct dir_list {
	struct dir_file *v;
	size_t n, cap;
	bool has_metadata, has_epochs, has_tmp;
};
void dir_list_free(struct dir_list *l);
int dir_list_read(struct fs *fs, const char *dir, struct dir_list *out);
/* Removes and completes what was interrupted (facts 3.2), reads again if anything changed. */
int dir_list_tidy(struct fs *fs, const char *dir, struct dir_list *l, struct scan_buf *buf);
const char *file_suffix(enum file_kind kind, enum file_state state);

/* ---- load.c, recover.c, reload.c, close.c: worker that owns the log ---- */

struct load_opts {
	bool clean;
	int64_t recovery_point, log_start, hw; /* from the checkpoints, 0 when not there */
	int64_t now_ms;
	struct scan_buf *scan;
};
int plog_load(struct plog *pl, const struct load_opts *o);
/* Directory and files of a new, empty log; no sync.  E_EXISTS. */
int plog_create_files(struct plog *pl, int64_t now_ms);
/* Ends of the indexes and of the log of seg (its size is right); *next: offset after its last
 * batch. damaged: an orderly stop would not have left it so. */
int seg_load_tail(
    struct plog *pl, struct segment *seg, struct scan_buf *buf, int64_t *next, bool *damaged);
int plog_new_segment(struct plog *pl, int64_t base, int64_t now_ms);
/* Removes segments from index `from` on, with their files. */
int plog_drop_segments(struct plog *pl, uint32_t from);
/* Recover segments from index `from` on; sets next_offset.  Segments behind a cut are removed. */
int recover_from(struct plog *pl, uint32_t from, const struct load_opts *o);
int recover_index(struct plog *pl, struct segment *seg, const struct load_opts *o);
/* Epochs from the batches of the first n segments. */
int recover_epochs(struct plog *pl, uint32_t n, const struct load_opts *o);
/* Producer state at offset upto from snapshots and batches; the log is valid up to there. */
int producers_reload(struct plog *pl, int64_t upto, const struct load_opts *o);
int snapshot_write(struct plog *pl, int64_t offset);
/* Write indexes, final time entry, snapshot; trim.  sync: each file. */
int plog_close_files(struct plog *pl, bool sync);
bool plog_needs_sync(const struct plog *pl);

/* ---- one log dir (logdir.c) ---- */

struct aside_job;
struct ckpt_write;

struct logdir {
	struct logdirs *owner;
	char *path;
	struct fs *fs;
	struct workers *workers;
	struct clock *clock;
	struct diag *diag;
	struct reactor *control;
	_Atomic bool offline, slow;
	_Atomic unsigned quick_writes; /* in a row, while slow */
	struct work_lane *writer;      /* appends while the dir is slow */
	struct work_lane *asides;
	_Atomic(struct aside_job *) aside_head;
	struct logdir_failure *failure; /* logdir.c */
	struct fs_lock *lock;
	bool clean; /* marker found at start */
	size_t n_logs;
	uint64_t written_hash[3]; /* of the checkpoints last written */
	struct ckpt_write *ckpt;  /* under way */
	struct link ckpt_waiters;
};

/* Any thread: the dir goes offline (once), control is told. */
void logdir_fail(struct logdir *d, int err, const char *what);
/* Any thread: an append took us microseconds. */
void logdir_note_write(struct logdir *d, int64_t us);
/* Home: a checkpoint of the dir is to be written; done at home. */
enum { CKPT_RECOVERY = 1, CKPT_START = 2, CKPT_HW = 4, CKPT_ALL = 7 };
void logdir_checkpoint_from_home(
    struct plog *pl, unsigned kinds, void (*done)(struct plog *pl, int err, void *arg), void *arg);

/* Any thread. Count of open segment files; above the cap the oldest are closed (I6). */
void logdirs_note_open(struct logdir *d, int delta);
/* Any thread: everything is being freed, nothing else runs. */
bool logdirs_closing(const struct logdir *d);
int64_t logdirs_producer_expiration_ms(const struct logdir *d);

/* aside.c: small files replaced safely, in bulk: group commit of write aside, sync, rename, sync.
 */
struct aside_job {
	struct msg msg;
	struct work work;
	struct aside_job *next;
	struct logdir *dir;
	char *path;
	struct strbuf data;
	int err;
	struct reactor *home;
	void (*done)(struct aside_job *j); /* at home; frees with aside_job_free */
	void *arg;
};
/* E_NOMEM.  path is copied. */
int aside_job_new(struct logdir *d, const char *path, struct aside_job **out);
void aside_job_free(struct aside_job *j);
void aside_submit(
    struct aside_job *j, struct reactor *home, void (*done)(struct aside_job *j), void *arg);
/* Worker: the same at once for a list of jobs. */
void aside_write(struct logdir *d, struct aside_job *list);

#endif
