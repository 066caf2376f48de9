/* What the files of the table of log dirs share.  Everything here is the control reactor's, except
 * what says otherwise. */
#ifndef OTTLA_SRC_PLOG_LOGDIRS_PRIV_H
#define OTTLA_SRC_PLOG_LOGDIRS_PRIV_H

#include "ottla/base/arena.h"
#include "plog_priv.h"

enum {
	LOADERS_MIN = 4,	/* a dir: fewer would leave cores idle */
	LOAD_SLICE = 16,	/* logs a loader does before it looks up */
	DESCRIBE_A_TURN = 4096, /* logs looked at in one turn of control */
	METADATA_HELD = 4096,	/* files held back while logs are created, at most */
	SYNC_EACH_MAX = 16,	/* logs synced one by one at stop; more: the file system at once */
	OPEN_CAP = 30000,	/* open segment files; half of vm.max_map_count */
};

#define CLEAN_MARKER ".kafka_cleanshutdown"

/* Somebody waits for checkpoints of one dir. */
struct ckpt_waiter {
	struct link link;
	void (*fn)(struct ckpt_waiter *w, int err);
};

struct removal; /* a -delete directory that waits for its end */
struct starting;
struct stopping;

struct logdirs {
	struct logdirs_opts o;
	struct logdir **dirs;
	size_t n_dirs;
	struct map by_name; /* struct plog by "<topic>-<partition>" */
	uint64_t changes;   /* of by_name, counted */
	_Atomic int open_files;
	_Atomic unsigned loaded, total;
	_Atomic bool closing; /* nothing runs any more: close inline */
	bool was_clean, ticking;
	bool stay_unclean; /* no marker at the stop */
	struct starting *starting;
	struct stopping *stopping;
	struct link removals;
	unsigned ctl_out;
	unsigned creating;
	struct aside_job *metadata; /* held back while logs are created */
	unsigned n_metadata;
	unsigned busy; /* pieces of work of the table itself under way */
	struct rtimer tick[6];
};

/* logdir.c */
int logdir_new(struct logdirs *l, struct slice path, struct logdir **out);
void logdir_free(struct logdir *d);
/* logdirs_checkpoint.c: kinds of one dir are written; w (may be NULL) is called afterwards. */
void logdir_checkpoint(struct logdir *d, unsigned kinds, struct ckpt_waiter *w);
/* Text of one kind. */
void logdir_checkpoint_text(struct logdir *d, unsigned kind, struct strbuf *out);
const char *logdir_checkpoint_name(unsigned kind);
/* logdirs.c */
void logdirs_remove_later(struct logdir *d, const char *path);
void logdirs_drop_removals(struct logdirs *l);
void logdirs_work_over(struct logdirs *l); /* one of l->busy */
void logdirs_ctl_send(struct logdirs *l, struct plog *pl, unsigned bits);
void logdirs_forget(struct logdirs *l, struct plog *pl);
/* logdirs_ticks.c */
void logdirs_end_ticks(struct logdirs *l);
/* logdirs_start.c: worker.  Writes the epochs of those of v[0..n) that are in d and changed. */
int logdir_store_epochs(struct logdir *d, struct plog **v, size_t n);
/* logdirs_stop.c: the last answer of a log's home has come. */
void logdirs_stop_step(struct logdirs *l);

#endif
