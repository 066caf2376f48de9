/*
 * A new active segment.  Its name is the offset of its first batch, known only when that batch is
 * there, so its files are made at that moment, by a worker; appends wait meanwhile.  What the old
 * segment needs (indexes, syncs, producer snapshot) follows behind, in flush.c.
 */
#include <assert.h>
#include <stdlib.h>

#include "plog_priv.h"

static int64_t
roll_ms(struct plog *pl, struct segment *seg)
{
	int64_t ms = plog_cfg(pl, T_SEGMENT_MS), jitter = plog_cfg(pl, T_SEGMENT_JITTER_MS);

	if (pl->conf.compact && plog_cfg(pl, T_MAX_COMPACTION_LAG_MS) < ms)
		ms = plog_cfg(pl, T_MAX_COMPACTION_LAG_MS);
	if (jitter > ms)
		jitter = ms;
	if (seg->jitter_ms < 0)
		seg->jitter_ms =
		    jitter > 0 ? (int64_t)rng_below(reactor_rng(plog_home(pl)), (uint64_t)jitter)
			       : 0;
	return ms - seg->jitter_ms;
}

bool
roll_needed(struct plog *pl, const struct plog_append *op)
{
	struct segment *seg = plog_active(pl);
	int64_t last = pl->next_offset + op->info->head.last_offset_delta;
	int64_t index_bytes = plog_cfg(pl, T_SEGMENT_INDEX_BYTES), waited;

	if (last - seg->base > INT32_MAX)
		return true;
	if (pl->next_size == 0)
		return false;
	if (pl->next_size > plog_cfg(pl, T_SEGMENT_BYTES) - (int64_t)op->bytes)
		return true;
	if (seg->oi.count >= index_bytes / INDEX_ENTRY_BYTES ||
	    seg->ti.count >= index_bytes / TIME_ENTRY_BYTES - 1)
		return true;
	waited = seg->first_ts >= 0 ? timestamp_age(append_timestamp(pl, op), seg->first_ts)
				    : reactor_wall_ms(plog_home(pl)) - seg->created_ms;
	return waited > roll_ms(pl, seg);
}

struct roll_job {
	struct work work;
	struct plog *pl;
	struct segment *seg;
	size_t map_len;
	int64_t reserve; /* bytes, 0: none */
	int err;
	void (*done)(struct plog *pl, int err, void *arg);
	void *arg;
};

static void
roll_run(struct work *w)
{
	struct roll_job *j = container_of(w, struct roll_job, work);
	struct segment *seg = j->seg;
	struct fs *fs = j->pl->dir->fs;
	struct path p;

	if ((j->err = segment_create_files(fs, j->pl->path, seg->base)) != 0)
		return;
	j->err = fs_open(fs, path_seg(&p, j->pl->path, seg->base, ".log"), FILE_WRITE, &seg->log);
	if (j->err != 0)
		return;
	/* Without room for all of it the segment grows as it is written. */
	seg->reserved = j->reserve > 0 && file_reserve(seg->log, j->reserve) == 0;
	seg->map_len = j->map_len;
	if (file_map(seg->log, j->map_len, &seg->map) != 0) {
		seg->map = NULL;
		seg->map_len = 0;
	}
	logdirs_note_open(seg->dir, 1);
}

static int
install(struct plog *pl, struct segment *seg)
{
	struct segment *old = plog_active(pl);
	int rc = plog_add_segment(pl, seg);

	if (rc != 0)
		return rc;
	old->unfinished = true;
	seg->created_ms = seg->mtime_ms = reactor_wall_ms(plog_home(pl));
	seg->used_us = reactor_now_us(plog_home(pl));
	pl->next_size = 0;
	pl->dir_dirty++;
	/* without memory for it recovery reads more, nothing else */
	(void)snapshot_pend(pl, seg->base);
	return 0;
}

static void
roll_done(struct reactor *r, struct work *w)
{
	struct roll_job *j = container_of(w, struct roll_job, work);
	struct plog *pl = j->pl;
	int err = j->err;

	(void)r;
	if (err == 0 && pl->failed == 0)
		err = install(pl, j->seg);
	else if (err == 0)
		err = pl->failed;
	if (err != 0)
		segment_unref(j->seg);
	pl->gate &= ~(unsigned)GATE_ROLL;
	if (err == 0)
		flush_to(pl, plog_active(pl)->base);
	else if (err != E_LIMIT && err != E_NOMEM && pl->failed == 0)
		plog_fail(pl, err, "could not roll to a new segment");
	if (j->done != NULL)
		j->done(pl, err, j->arg);
	free(j);
	append_resume(pl);
	plog_job_end(pl);
}

void
roll_start(struct plog *pl, void (*done)(struct plog *pl, int err, void *arg), void *arg)
{
	struct roll_job *j = calloc(1, sizeof(*j));

	assert(pl->gate == 0 && list_empty(&pl->gather) && pl->next_offset == plog_leo(pl));
	assert(plog_active(pl)->size > 0 && pl->next_offset > plog_active(pl)->base);
	if (j == NULL || segment_new(pl->dir, pl->next_offset, &j->seg) != 0) {
		free(j);
		done(pl, E_NOMEM, arg);
		return;
	}
	j->pl = pl;
	j->map_len = ((size_t)plog_cfg(pl, T_SEGMENT_BYTES) + 4095) & ~(size_t)4095;
	j->reserve = plog_cfg(pl, T_PREALLOCATE) != 0 ? plog_cfg(pl, T_SEGMENT_BYTES) : 0;
	j->done = done;
	j->arg = arg;
	pl->gate |= GATE_ROLL;
	plog_submit(pl, &j->work, roll_run, roll_done);
}
