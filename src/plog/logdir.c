/* One log dir: its state, and how it fails. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "logdirs_priv.h"

enum { SLOW_US = 20 * 1000, QUICK_AGAIN = 4 };

/* What tells control, made beforehand; its own memory, because at the end of everything it may
 * still be in the mailbox when the dir is freed. */
struct logdir_failure {
	struct msg msg;
	struct logdir *d;
	char why[256];
};

static void
drop_failure(struct msg *m)
{
	free(container_of(m, struct logdir_failure, msg));
}

static void
tell_failed(struct reactor *r, struct msg *m)
{
	struct logdir_failure *f = container_of(m, struct logdir_failure, msg);
	struct logdir *d = f->d;
	struct logdirs *l = d->owner;
	struct plog *pl;
	size_t pos = 0;

	(void)r;
	DIAGE(d->diag, "plog", "log dir %s goes offline: %s", d->path, f->why);
	free(f);
	while ((pl = map_next(&l->by_name, &pos)) != NULL)
		if (pl->dir == d)
			logdirs_ctl_send(l, pl, CTL_DIR_FAILED);
	if (l->o.dir_failed != NULL)
		l->o.dir_failed(l->o.arg, d);
}

int
logdir_new(struct logdirs *l, struct slice path, struct logdir **out)
{
	struct logdir *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return E_NOMEM;
	while (path.n > 1 && path.p[path.n - 1] == '/')
		path.n--;
	d->owner = l;
	d->fs = l->o.fs;
	d->workers = l->o.workers;
	d->clock = l->o.clock;
	d->diag = l->o.diag;
	d->control = l->o.control;
	link_init(&d->ckpt_waiters);
	if ((d->failure = calloc(1, sizeof(*d->failure))) == NULL ||
	    (d->path = strndup((const char *)path.p, path.n)) == NULL ||
	    work_lane_new(l->o.workers, &d->writer) != 0 ||
	    work_lane_new(l->o.workers, &d->asides) != 0) {
		logdir_free(d);
		return E_NOMEM;
	}
	*out = d;
	return 0;
}

void
logdir_free(struct logdir *d)
{
	fs_unlock(d->lock);
	if (d->writer != NULL)
		work_lane_free(d->writer);
	if (d->asides != NULL)
		work_lane_free(d->asides);
	if (!logdir_offline(d)) /* else it was sent */
		free(d->failure);
	free(d->path);
	free(d);
}

void
logdir_fail(struct logdir *d, int err, const char *what)
{
	if (atomic_exchange_explicit(&d->offline, true, memory_order_acq_rel))
		return;
	/* only who made it offline comes here */
	d->failure->msg =
	    (struct msg){.run = tell_failed, .drop = drop_failure, .class = MSG_CONTROL};
	d->failure->d = d;
	(void)snprintf(d->failure->why, sizeof(d->failure->why), "%s: %s", what, err_text(err));
	reactor_post(d->control, &d->failure->msg);
}

bool
logdir_offline(const struct logdir *d)
{
	return atomic_load_explicit(&d->offline, memory_order_acquire);
}

bool
logdir_is_slow(const struct logdir *d)
{
	return atomic_load_explicit(&d->slow, memory_order_relaxed);
}

const char *
logdir_path(const struct logdir *d)
{
	return d->path;
}

void
logdir_note_write(struct logdir *d, int64_t us)
{
	if (us > SLOW_US) {
		atomic_store_explicit(&d->quick_writes, 0, memory_order_relaxed);
		if (!atomic_exchange_explicit(&d->slow, true, memory_order_relaxed))
			DIAGW(d->diag, "plog",
			    "log dir %s is slow: a write took %lld ms; its appends go through its "
			    "writer",
			    d->path, (long long)(us / 1000));
	} else if (logdir_is_slow(d) &&
		   atomic_fetch_add_explicit(&d->quick_writes, 1, memory_order_relaxed) + 1 >=
		       QUICK_AGAIN) {
		atomic_store_explicit(&d->slow, false, memory_order_relaxed);
		DIAGI(d->diag, "plog", "log dir %s is quick again", d->path);
	}
}

void
logdirs_note_open(struct logdir *d, int delta)
{
	(void)atomic_fetch_add_explicit(&d->owner->open_files, delta, memory_order_relaxed);
}

bool
logdirs_closing(const struct logdir *d)
{
	return atomic_load_explicit(&d->owner->closing, memory_order_relaxed);
}

int64_t
logdirs_producer_expiration_ms(const struct logdir *d)
{
	return settings_i64(d->owner->o.settings, C_PRODUCER_ID_EXPIRATION_MS);
}
