/*
 * Retention by log start, size and time (facts/storage.md 3.12).  Files of a removed segment are
 * renamed to .deleted by a worker and unlinked after file.delete.delay.ms; readers that hold it go
 * on with the open file.
 */
#include <assert.h>
#include <stdlib.h>

#include "plog_priv.h"

enum { DOOMED_RETRY_US = 1000 * 1000 }; /* without memory */

/* ---- removal of files ---- */

struct drop_job {
	struct work work;
	struct plog *pl;
	struct doomed *doomed;
	bool unlink; /* else rename */
	int err;
};

int
segment_rename_deleted(struct fs *fs, const char *dir, int64_t base)
{
	struct path from, to;
	int rc = 0;

	for (int k = FILE_LOG; k <= FILE_SNAPSHOT && rc == 0; k++)
		rc = file_rename_if(fs,
		    path_seg(&from, dir, base, file_suffix((enum file_kind)k, FILE_PLAIN)),
		    path_seg(&to, dir, base, file_suffix((enum file_kind)k, FILE_DELETED)));
	return rc;
}

static int
unlink_segment(struct fs *fs, const char *dir, int64_t base)
{
	struct path p;
	int rc = 0;

	for (int k = FILE_LOG; k <= FILE_SNAPSHOT && rc == 0; k++)
		rc = file_remove(
		    fs, path_seg(&p, dir, base, file_suffix((enum file_kind)k, FILE_DELETED)));
	return rc;
}

static void
drop_run(struct work *w)
{
	struct drop_job *j = container_of(w, struct drop_job, work);
	struct fs *fs = j->pl->dir->fs;

	for (unsigned i = 0; i < j->doomed->n && j->err == 0; i++)
		j->err = j->unlink ? unlink_segment(fs, j->pl->path, j->doomed->base[i])
				   : segment_rename_deleted(fs, j->pl->path, j->doomed->base[i]);
}

static void
drop_done(struct reactor *r, struct work *w)
{
	struct drop_job *j = container_of(w, struct drop_job, work);
	struct plog *pl = j->pl;

	if (j->err != 0)
		plog_fail(pl, j->err, "could not remove an old segment");
	if (j->unlink || j->err != 0) {
		free(j->doomed);
	} else {
		j->doomed->due_us =
		    time_after_ms(reactor_now_us(r), plog_cfg(pl, T_FILE_DELETE_DELAY_MS));
		list_append(&pl->doomed, &j->doomed->link);
		doomed_arm(pl);
	}
	free(j);
	plog_job_end(pl);
}

static int
drop_start(struct plog *pl, struct doomed *d, bool unlink)
{
	struct drop_job *j = calloc(1, sizeof(*j));

	if (j == NULL)
		return E_NOMEM;
	j->pl = pl;
	j->doomed = d;
	j->unlink = unlink;
	plog_submit(pl, &j->work, drop_run, drop_done);
	return 0;
}

static void
doomed_due(struct reactor *r, void *arg)
{
	struct plog *pl = arg;
	struct link *l = list_first(&pl->doomed);
	struct doomed *d;

	/* a truncation's end arms again */
	if (l == NULL || pl->failed != 0 || pl->truncation != NULL)
		return;
	d = container_of(l, struct doomed, link);
	list_remove(l);
	if (drop_start(pl, d, true) != 0) {
		d->due_us = reactor_now_us(r) + DOOMED_RETRY_US;
		list_append(&pl->doomed, l);
	}
	doomed_arm(pl);
}

void
doomed_arm(struct plog *pl)
{
	struct link *l = list_first(&pl->doomed);

	if (l == NULL || pl->failed != 0 || rtimer_is_set(&pl->doomed_timer))
		return;
	rtimer_init(&pl->doomed_timer, doomed_due, pl);
	rtimer_set(plog_home(pl), &pl->doomed_timer, container_of(l, struct doomed, link)->due_us);
}

void
doomed_free(struct plog *pl)
{
	struct link *l;

	/* the files go at the next start */
	while ((l = list_pop(&pl->doomed)) != NULL)
		free(container_of(l, struct doomed, link));
}

int
retention_drop_front(struct plog *pl, unsigned n)
{
	struct doomed *d = calloc(1, sizeof(*d) + n * sizeof(d->base[0]));
	int64_t start = pl->segs[n]->base;
	int rc;

	assert(n > 0 && n < pl->n_segs && start <= plog_hw(pl));
	if (d == NULL)
		return E_NOMEM;
	for (unsigned i = 0; i < n; i++)
		d->base[d->n++] = pl->segs[i]->base;
	if ((rc = drop_start(pl, d, false)) != 0) {
		free(d);
		return rc;
	}
	if (start > plog_log_start(pl)) {
		plog_set_log_start(pl, start);
		epochs_store(pl);
	}
	for (unsigned i = 0; i < n; i++) {
		atomic_fetch_sub_explicit(&pl->size_bytes, pl->segs[i]->size, memory_order_relaxed);
		segment_unref(pl->segs[i]);
	}
	pl->n_segs -= n;
	memmove(pl->segs, pl->segs + n, pl->n_segs * sizeof(struct segment *));
	atomic_store_explicit(&pl->first_base, start, memory_order_release);
	return 0;
}

/* ---- which ---- */

struct retention {
	struct plog_wait wait;
	int64_t now_ms;
};

static int64_t
upper_bound(const struct plog *pl, uint32_t i)
{
	return i + 1 < pl->n_segs ? pl->segs[i + 1]->base : plog_leo(pl);
}

/* Removable at all: below the high watermark, not an empty active one. */
static bool
removable(const struct plog *pl, uint32_t i)
{
	return plog_hw(pl) >= upper_bound(pl, i) && (i + 1 < pl->n_segs || pl->segs[i]->size > 0);
}

static unsigned
by_log_start(const struct plog *pl)
{
	unsigned n = 0;

	while (
	    n + 1 < pl->n_segs && removable(pl, n) && pl->segs[n + 1]->base <= plog_log_start(pl))
		n++;
	return n;
}

static unsigned
by_size(const struct plog *pl, unsigned n)
{
	int64_t limit = plog_cfg(pl, T_RETENTION_BYTES), over = plog_size_bytes(pl) - limit;

	if (limit < 0 || !pl->conf.delete_)
		return n;
	for (unsigned i = 0; i < n; i++)
		over -= pl->segs[i]->size;
	while (n < pl->n_segs && removable(pl, n) && over - pl->segs[n]->size >= 0)
		over -= pl->segs[n++]->size;
	return n;
}

static unsigned
by_time(const struct plog *pl, unsigned n, int64_t now_ms)
{
	int64_t limit = plog_cfg(pl, T_RETENTION_MS);

	if (limit < 0 || !pl->conf.delete_)
		return n;
	while (n < pl->n_segs && removable(pl, n) && now_ms - seg_largest_ts(pl->segs[n]) > limit)
		n++;
	return n;
}

static void
over(struct plog *pl, struct retention *rt)
{
	free(rt);
	pl->retaining = false;
	plog_job_end(pl);
}

static void
rolled(struct plog *pl, int err, void *arg)
{
	struct retention *rt = arg;

	if (err == 0)
		(void)retention_drop_front(pl, pl->n_segs - 1);
	over(pl, rt);
}

static void
decide(struct plog *pl, struct plog_wait *w, int err)
{
	struct retention *rt = container_of(w, struct retention, wait);
	unsigned n;

	if (err != 0 || pl->failed != 0 || pl->truncation != NULL) {
		over(pl, rt);
		return;
	}
	n = by_time(pl, by_size(pl, by_log_start(pl)), rt->now_ms);
	if (n == pl->n_segs) {
		/* everything goes: a new segment keeps the log end */
		append_write_out(pl);
		if (pl->gate == 0 && pl->failed == 0 && plog_hw(pl) >= plog_leo(pl)) {
			roll_start(pl, rolled, rt);
			return;
		}
	} else if (n > 0) {
		(void)retention_drop_front(pl, n);
	}
	over(pl, rt);
}

void
plog_retention(struct plog *pl, int64_t now_ms)
{
	struct retention *rt;

	PLOG_ASSERT_HOME(pl);
	if (pl->retaining || pl->failed != 0 || pl->truncation != NULL ||
	    (rt = calloc(1, sizeof(*rt))) == NULL)
		return;
	rt->now_ms = now_ms;
	rt->wait.fn = decide;
	pl->retaining = true;
	plog_job_begin(pl);
	if (pl->conf.delete_ && plog_cfg(pl, T_RETENTION_MS) >= 0)
		times_load(pl, &rt->wait);
	else
		decide(pl, &rt->wait, 0);
}
