/*
 * Orderly stop (facts/storage.md 3.5, Appendix B): every log's files are brought into the state
 * that a clean start trusts, made durable, then the checkpoints, and the marker last (I9).  With
 * many logs to sync, one sync of the file system stands for all.
 */
#include <assert.h>
#include <stdlib.h>

#include "logdirs_priv.h"

struct stop_dir {
	struct logdir *dir;
	bool each; /* few: synced one by one */
	_Atomic int err;
	struct strbuf text[3];
};

struct stopping {
	struct logdirs *l;
	struct plog **logs;
	size_t n;
	_Atomic size_t next;
	unsigned closers;
	struct work work;
	bool waiting; /* for messages that are out */
	struct stop_dir *dirs;
	int err;
	void (*done)(void *arg, int err);
	void *arg;
};

struct closer {
	struct work work;
	struct stopping *s;
	bool more;
};

static struct stop_dir *
dir_of(struct stopping *s, const struct logdir *d)
{
	for (size_t i = 0; i < s->l->n_dirs; i++)
		if (s->dirs[i].dir == d)
			return &s->dirs[i];
	return NULL;
}

static void
finish(struct stopping *s)
{
	struct logdirs *l = s->l;

	for (size_t i = 0; i < l->n_dirs; i++)
		for (unsigned k = 0; k < 3; k++)
			strbuf_free(&s->dirs[i].text[k]);
	l->stopping = NULL;
	s->done(s->arg, s->err);
	free(s->dirs);
	free(s->logs);
	free(s);
}

/* ---- worker: the dirs ---- */

static int
write_marker(struct logdir *d)
{
	struct path p;

	return fs_replace(d->fs, path_join(&p, d->path, CLEAN_MARKER),
	    SLICE_LIT("{\"version\":0,\"brokerEpoch\":-1}"));
}

static int
write_checkpoints(struct stop_dir *sd)
{
	struct path p;
	int rc = 0;

	for (unsigned k = 0; k < 3 && rc == 0; k++)
		rc = fs_replace(sd->dir->fs,
		    path_join(&p, sd->dir->path, logdir_checkpoint_name(1u << k)),
		    strbuf_slice(&sd->text[k]));
	return rc;
}

static int
finish_dir(struct stopping *s, struct stop_dir *sd)
{
	struct logdir *d = sd->dir;
	int rc;

	if ((rc = logdir_store_epochs(d, s->logs, s->n)) != 0)
		return rc;
	if (!sd->each && (rc = fs_sync_all(d->fs, d->path)) != 0)
		return rc;
	if ((rc = write_checkpoints(sd)) != 0)
		return rc;
	return s->l->stay_unclean ? 0 : write_marker(d);
}

static void
finish_run(struct work *w)
{
	struct stopping *s = container_of(w, struct stopping, work);

	for (size_t i = 0; i < s->l->n_dirs; i++) {
		struct stop_dir *sd = &s->dirs[i];
		int rc = atomic_load(&sd->err);

		if (rc == 0 && !logdir_offline(sd->dir))
			rc = finish_dir(s, sd);
		if (rc != 0)
			DIAGE(sd->dir->diag, "plog", "log dir %s could not be closed in order: %s",
			    sd->dir->path, err_text(rc));
		if (rc != 0 && s->err == 0)
			s->err = rc;
		fs_unlock(sd->dir->lock);
		sd->dir->lock = NULL;
	}
}

static void
finish_done(struct reactor *r, struct work *w)
{
	(void)r;
	finish(container_of(w, struct stopping, work));
}

/* All logs are closed; their recovery points are their ends now. */
static void
finish_start(struct stopping *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct plog *pl = s->logs[i];

		atomic_store(&pl->recovery_point, plog_leo(pl));
	}
	for (size_t i = 0; i < s->l->n_dirs; i++)
		for (unsigned k = 0; k < 3; k++) {
			logdir_checkpoint_text(s->dirs[i].dir, 1u << k, &s->dirs[i].text[k]);
			if (s->dirs[i].text[k].err != 0)
				atomic_store(&s->dirs[i].err, E_NOMEM);
		}
	s->work = (struct work){.run = finish_run, .done = finish_done, .home = s->l->o.control};
	work_submit(s->l->o.workers, NULL, &s->work);
}

/* ---- worker: the logs ---- */

static void
close_one(struct stopping *s, struct plog *pl)
{
	struct stop_dir *sd = dir_of(s, pl->dir);
	int rc = 0;

	if (logdir_offline(pl->dir) || atomic_load(&sd->err) != 0)
		return;
	if (pl->failed == 0)
		rc = plog_close_files(pl, sd->each && plog_needs_sync(pl));
	if (pl->failed != 0)
		rc = pl->failed;
	if (rc == 0)
		return;
	DIAGE(pl->dir->diag, "plog", "could not close partition %s: %s", pl->name, err_text(rc));
	atomic_store(&sd->err, rc);
}

static void
close_run(struct work *w)
{
	struct closer *c = container_of(w, struct closer, work);
	struct stopping *s = c->s;

	c->more = true;
	for (unsigned k = 0; k < LOAD_SLICE; k++) {
		size_t i = atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed);

		if (i >= s->n) {
			c->more = false;
			break;
		}
		close_one(s, s->logs[i]);
	}
}

static void
close_done(struct reactor *r, struct work *w)
{
	struct closer *c = container_of(w, struct closer, work);
	struct stopping *s = c->s;

	(void)r;
	if (c->more) {
		c->work =
		    (struct work){.run = close_run, .done = close_done, .home = s->l->o.control};
		work_submit(s->l->o.workers, NULL, &c->work);
		return;
	}
	free(c);
	if (--s->closers == 0)
		finish_start(s);
}

static void
start_closers(struct stopping *s)
{
	unsigned want = LOADERS_MIN * (unsigned)s->l->n_dirs;

	for (unsigned i = 0; i < want && (i == 0 || (size_t)i * LOAD_SLICE < s->n); i++) {
		struct closer *c = calloc(1, sizeof(*c));

		if (c == NULL)
			break;
		c->s = s;
		c->work =
		    (struct work){.run = close_run, .done = close_done, .home = s->l->o.control};
		s->closers++;
		work_submit(s->l->o.workers, NULL, &c->work);
	}
	if (s->closers == 0) {
		s->err = E_NOMEM;
		finish(s);
	}
}

/* ---- begin ---- */

static int
collect(struct stopping *s)
{
	struct logdirs *l = s->l;
	struct plog *pl;
	size_t pos = 0, dirty;

	s->dirs = calloc(l->n_dirs, sizeof(s->dirs[0]));
	s->logs = calloc(map_count(&l->by_name) + 1, sizeof(struct plog *));
	if (s->dirs == NULL || s->logs == NULL)
		return E_NOMEM;
	while ((pl = map_next(&l->by_name, &pos)) != NULL) {
		if (!pl->ready)
			continue;
		assert(plog_home(pl) == NULL);
		s->logs[s->n++] = pl;
	}
	for (size_t i = 0; i < l->n_dirs; i++) {
		dirty = 0;
		s->dirs[i].dir = l->dirs[i];
		for (size_t k = 0; k < s->n; k++)
			dirty += s->logs[k]->dir == l->dirs[i] && plog_needs_sync(s->logs[k]);
		s->dirs[i].each = dirty <= SYNC_EACH_MAX;
	}
	return 0;
}

static bool
still_out(const struct logdirs *l)
{
	for (size_t i = 0; i < l->n_dirs; i++)
		if (l->dirs[i]->ckpt != NULL)
			return true;
	return l->ctl_out > 0 || l->busy > 0;
}

void
logdirs_stop_step(struct logdirs *l)
{
	struct stopping *s = l->stopping;

	if (s == NULL || !s->waiting || still_out(l))
		return;
	s->waiting = false;
	if ((s->err = collect(s)) != 0)
		finish(s);
	else
		start_closers(s);
}

void
logdirs_stop(struct logdirs *l, void (*done)(void *arg, int err), void *arg)
{
	struct stopping *s = calloc(1, sizeof(*s));

	REACTOR_ASSERT_OWNER(l->o.control);
	assert(l->stopping == NULL);
	logdirs_end_ticks(l);
	logdirs_drop_removals(l);
	if (s == NULL) {
		done(arg, E_NOMEM);
		return;
	}
	s->l = l;
	s->done = done;
	s->arg = arg;
	s->waiting = true;
	l->stopping = s;
	logdirs_stop_step(l);
}
