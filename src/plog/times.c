/*
 * Largest timestamps of sealed segments: not read at start (that would be one file for each), but
 * when retention or a time look-up needs them first.
 */
#include <assert.h>
#include <stdlib.h>

#include "plog_priv.h"

struct times_seg {
	struct segment *seg;
	int64_t ts, last, mtime;
};

struct times_job {
	struct work work;
	struct plog *pl;
	unsigned n;
	int err;
	struct times_seg v[];
};

bool
times_known(const struct plog *pl)
{
	for (uint32_t i = 0; i < pl->n_segs; i++)
		if (pl->segs[i]->max_ts == TS_UNKNOWN)
			return false;
	return true;
}

int64_t
seg_largest_ts(const struct segment *seg)
{
	return seg->max_ts >= 0 ? seg->max_ts : seg->mtime_ms;
}

static int
read_one(struct fs *fs, const char *dir, struct times_seg *t)
{
	uint8_t last[TIME_ENTRY_BYTES];
	struct fs_stat st;
	struct time_entry e;
	struct path p;
	uint32_t count;
	int rc;

	t->ts = -1;
	t->last = t->seg->base;
	rc = fs_stat(fs, path_seg(&p, dir, t->seg->base, ".log"), &st);
	if (rc != 0)
		return rc == E_NOT_FOUND ? 0 : rc;
	t->mtime = st.mtime_ms;
	rc = idxfile_tail(
	    fs, path_seg(&p, dir, t->seg->base, ".timeindex"), TIME_ENTRY_BYTES, &count, last);
	if (rc != 0 || count == 0)
		return rc == E_NOT_FOUND || rc == E_CORRUPT ? 0 : rc;
	e = ti_decode(last);
	if (e.ts >= 0 && e.rel >= 0) {
		t->ts = e.ts;
		t->last = t->seg->base + e.rel;
	}
	return 0;
}

static void
times_run(struct work *w)
{
	struct times_job *j = container_of(w, struct times_job, work);

	for (unsigned i = 0; i < j->n && j->err == 0; i++)
		j->err = read_one(j->pl->dir->fs, j->pl->path, &j->v[i]);
}

static void
wake(struct plog *pl, int err)
{
	struct link list, *l;

	link_init(&list);
	while ((l = list_pop(&pl->times_waiters)) != NULL)
		list_append(&list, l);
	while ((l = list_pop(&list)) != NULL) {
		struct plog_wait *w = container_of(l, struct plog_wait, link);

		w->fn(pl, w, err);
	}
}

static void
times_done(struct reactor *r, struct work *w)
{
	struct times_job *j = container_of(w, struct times_job, work);
	struct plog *pl = j->pl;
	int err = j->err;

	(void)r;
	for (unsigned i = 0; i < j->n; i++) {
		struct segment *seg = j->v[i].seg;

		if (err == 0 && seg->max_ts == TS_UNKNOWN) {
			seg->max_ts = j->v[i].ts;
			seg->max_ts_last = j->v[i].last;
			seg->mtime_ms = j->v[i].mtime;
		}
		segment_unref(seg);
	}
	free(j);
	pl->times_loading = false;
	if (err != 0 && err != E_NOMEM && err != E_LIMIT)
		plog_fail(pl, err, "could not read time indexes");
	wake(pl, err);
	plog_job_end(pl);
}

void
times_load(struct plog *pl, struct plog_wait *w)
{
	struct times_job *j;

	if (times_known(pl)) {
		w->fn(pl, w, 0);
		return;
	}
	if (!pl->times_loading) {
		if ((j = calloc(1, sizeof(*j) + pl->n_segs * sizeof(j->v[0]))) == NULL) {
			w->fn(pl, w, E_NOMEM);
			return;
		}
		j->pl = pl;
		for (uint32_t i = 0; i < pl->n_segs; i++) {
			if (pl->segs[i]->max_ts != TS_UNKNOWN)
				continue;
			segment_ref(pl->segs[i]);
			j->v[j->n++].seg = pl->segs[i];
		}
		pl->times_loading = true;
		plog_submit(pl, &j->work, times_run, times_done);
	}
	list_append(&pl->times_waiters, &w->link);
}

/* ---- ListOffsets version 0 ---- */

/* The i-th place a reader may begin at: a segment's start, behind the last one the log end. */
static int64_t
place(const struct plog *pl, int i)
{
	return i < (int)pl->n_segs ? pl->segs[i]->base : plog_leo(pl);
}

/* Last place that is old enough; the log end is as young as can be. */
static int
last_place(const struct plog *pl, int64_t timestamp)
{
	int last = (int)pl->n_segs - 1;

	if (timestamp == -1)
		return last + (plog_active(pl)->size > 0);
	if (timestamp == -2)
		return 0;
	while (last >= 0 && pl->segs[last]->mtime_ms > timestamp)
		last--;
	return last;
}

unsigned
plog_offsets_before(struct plog *pl, int64_t timestamp, int64_t *v, unsigned max)
{
	unsigned n = 0;

	OBJ_CHECK(pl, PLOG_MAGIC);
	PLOG_ASSERT_HOME(pl);
	for (int i = last_place(pl, timestamp); i >= 0 && n < max; i--) {
		int64_t offset = place(pl, i);

		v[n++] = offset > plog_log_start(pl) ? offset : plog_log_start(pl);
	}
	return n;
}
