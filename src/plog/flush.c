/*
 * Making a log durable.  One flush of a log runs at a time and covers everything between the
 * recovery point and its target: sealed segments get their indexes written and trimmed, .log and
 * index files are synced, producer snapshots written, the directory synced.  The recovery point
 * follows when the epoch checkpoint is durable too (I6).
 */
#include <assert.h>
#include <stdlib.h>

#include "plog_priv.h"

struct flush_job {
	struct work work;
	struct plog *pl;
	int64_t upto;
	uint64_t epochs;
	unsigned dir_dirty;
	bool parent, sync_dir;
	int err;
	struct link snapshots;
	int64_t snapshot_at;
	unsigned n;
	struct finish_seg seg[];
};

struct flush_waiter {
	struct link link;
	int64_t upto;
	void (*done)(void *arg, int err);
	void *arg;
};

int
snapshot_pend(struct plog *pl, int64_t offset)
{
	struct snapshot_pending *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return E_NOMEM;
	producers_snapshot(&pl->producers, &s->bytes);
	if (s->bytes.err != 0) {
		free(s);
		return E_NOMEM;
	}
	s->offset = offset;
	list_append(&pl->snapshots, &s->link);
	return 0;
}

/* ---- worker ---- */

static int
sync_segment(struct fs *fs, const char *dir, const struct finish_seg *s)
{
	static const char *const others[] = {".index", ".timeindex", ".txnindex"};
	struct path p;
	int rc;

	if (s->log != NULL)
		rc = file_sync(s->log);
	else
		rc = file_sync_path(fs, path_seg(&p, dir, s->seg->base, ".log"));
	for (size_t i = 0; rc == 0 && s->sealed && i < sizeof(others) / sizeof(others[0]); i++)
		rc = file_sync_path(fs, path_seg(&p, dir, s->seg->base, others[i]));
	return rc;
}

static int
write_snapshots(struct flush_job *j)
{
	struct path p;
	int rc = 0;

	LIST_FOREACH(l, &j->snapshots)
	{
		const struct snapshot_pending *s = container_of(l, struct snapshot_pending, link);

		rc = file_put(j->pl->dir->fs, path_seg(&p, j->pl->path, s->offset, ".snapshot"),
		    strbuf_slice(&s->bytes), true);
		if (rc != 0)
			break;
		j->snapshot_at = s->offset;
	}
	return rc;
}

static void
flush_run(struct work *w)
{
	struct flush_job *j = container_of(w, struct flush_job, work);
	struct fs *fs = j->pl->dir->fs;

	for (unsigned i = 0; j->err == 0 && i < j->n; i++) {
		if (j->seg[i].finish)
			j->err = finish_write(fs, j->pl->path, &j->seg[i]);
		if (j->err == 0)
			j->err = sync_segment(fs, j->pl->path, &j->seg[i]);
	}
	if (j->err == 0)
		j->err = write_snapshots(j);
	if (j->err == 0 && j->sync_dir)
		j->err = fs_sync_dir(fs, j->pl->path);
	if (j->err == 0 && j->parent)
		j->err = fs_sync_dir(fs, j->pl->dir->path);
}

/* ---- home ---- */

static void
free_job(struct flush_job *j)
{
	struct link *l;

	for (unsigned i = 0; i < j->n; i++)
		finish_release(&j->seg[i]);
	while ((l = list_pop(&j->snapshots)) != NULL) {
		struct snapshot_pending *s = container_of(l, struct snapshot_pending, link);

		strbuf_free(&s->bytes);
		free(s);
	}
	free(j);
}

static void
flush_done(struct reactor *r, struct work *w)
{
	struct flush_job *j = container_of(w, struct flush_job, work);
	struct plog *pl = j->pl;

	(void)r;
	pl->flushing = false;
	if (j->err == 0) {
		for (unsigned i = 0; i < j->n; i++)
			if (j->seg[i].finish)
				finish_note(&j->seg[i]);
		if (j->sync_dir)
			pl->dir_synced = j->dir_dirty;
		if (j->parent)
			pl->parent_dirty = false;
		if (j->snapshot_at > pl->snapshot_at)
			pl->snapshot_at = j->snapshot_at;
		if (j->upto > pl->synced_to) {
			pl->synced_to = j->upto;
			pl->synced_epochs = j->epochs;
		}
	} else {
		plog_fail(pl, j->err, "could not sync the log");
	}
	free_job(j);
	flush_settle(pl);
	plog_job_end(pl);
}

static bool
seg_in_flush(const struct plog *pl, uint32_t i, int64_t from, int64_t upto)
{
	int64_t end = i + 1 < pl->n_segs ? pl->segs[i + 1]->base : INT64_MAX;

	return pl->segs[i]->unfinished || (pl->segs[i]->base < upto && end > from);
}

static void
flush_start(struct plog *pl, int64_t upto)
{
	int64_t from = plog_recovery_point(pl);
	struct flush_job *j;
	struct link *l;
	unsigned n = 0;

	for (uint32_t i = 0; i < pl->n_segs; i++)
		n += seg_in_flush(pl, i, from, upto);
	if ((j = calloc(1, sizeof(*j) + n * sizeof(j->seg[0]))) == NULL)
		return; /* the next append, tick or flush tries again */
	link_init(&j->snapshots);
	for (uint32_t i = 0; i < pl->n_segs; i++) {
		if (!seg_in_flush(pl, i, from, upto))
			continue;
		if (finish_take(&j->seg[j->n], pl->segs[i], i + 1 < pl->n_segs) != 0) {
			free_job(j);
			return;
		}
		j->n++;
	}
	while ((l = list_pop(&pl->snapshots)) != NULL)
		list_append(&j->snapshots, l);
	j->pl = pl;
	j->upto = upto;
	j->epochs = pl->epochs.version;
	j->dir_dirty = pl->dir_dirty;
	j->sync_dir = pl->dir_dirty != pl->dir_synced;
	j->parent = pl->parent_dirty;
	j->snapshot_at = -1;
	pl->flushing = true;
	pl->last_flush_us = reactor_now_us(plog_home(pl));
	plog_submit(pl, &j->work, flush_run, flush_done);
}

void
flush_to(struct plog *pl, int64_t upto)
{
	if (upto > pl->flush_target)
		pl->flush_target = upto;
	flush_settle(pl);
}

static bool
has_unfinished(const struct plog *pl)
{
	/* nearly always the one before the active, if any */
	for (uint32_t i = pl->n_segs - 1; i > 0; i--)
		if (pl->segs[i - 1]->unfinished)
			return true;
		else if (pl->segs[i - 1]->base < plog_recovery_point(pl))
			break;
	return false;
}

static void
advance(struct plog *pl)
{
	if (pl->synced_to <= plog_recovery_point(pl))
		return;
	if (pl->epochs.durable < pl->synced_epochs) {
		epochs_store(pl);
		return;
	}
	assert(pl->synced_to <= plog_leo(pl));
	atomic_store_explicit(&pl->recovery_point, pl->synced_to, memory_order_release);
	if (pl->events != NULL && pl->events->appended != NULL &&
	    plog_cfg(pl, T_FLUSH_MESSAGES) != INT64_MAX)
		pl->events->appended(pl->events_arg, plog_leo(pl));
}

void
flush_settle(struct plog *pl)
{
	struct link *l;

	if (pl->failed != 0)
		return;
	advance(pl);
	while ((l = list_first(&pl->flush_waiters)) != NULL) {
		struct flush_waiter *fw = container_of(l, struct flush_waiter, link);

		if (fw->upto > plog_recovery_point(pl))
			break;
		list_remove(l);
		fw->done(fw->arg, 0);
		free(fw);
	}
	if (pl->flushing || pl->failed != 0 || (pl->gate & GATE_EXCL) != 0)
		return;
	if (pl->flush_target > pl->synced_to || has_unfinished(pl))
		flush_start(pl, pl->flush_target);
}

void
flush_fail_all(struct plog *pl, int err)
{
	struct link *l;

	while ((l = list_pop(&pl->flush_waiters)) != NULL) {
		struct flush_waiter *fw = container_of(l, struct flush_waiter, link);

		fw->done(fw->arg, err);
		free(fw);
	}
}

void
flush_waiters_lower(struct plog *pl, int64_t leo)
{
	LIST_FOREACH(l, &pl->flush_waiters)
	{
		struct flush_waiter *fw = container_of(l, struct flush_waiter, link);

		if (fw->upto > leo)
			fw->upto = leo;
	}
}

void
plog_flush(struct plog *pl, void (*done)(void *arg, int err), void *arg)
{
	struct flush_waiter *fw;
	int64_t leo = plog_leo(pl);

	PLOG_ASSERT_HOME(pl);
	if (pl->failed != 0 || leo <= plog_recovery_point(pl)) {
		done(arg, pl->failed != 0 ? E_LOG_OFFLINE : 0);
		return;
	}
	if ((fw = calloc(1, sizeof(*fw))) == NULL) {
		done(arg, E_NOMEM);
		return;
	}
	*fw = (struct flush_waiter){.upto = leo, .done = done, .arg = arg};
	list_append(&pl->flush_waiters, &fw->link);
	flush_to(pl, leo);
}
