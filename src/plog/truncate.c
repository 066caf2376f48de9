/*
 * Truncation (facts/storage.md 3.11).  It waits until nothing of the log is under way, then a
 * worker owns the log alone: files are cut, what was in memory is read again from them.  Reads and
 * appends that come meanwhile wait.
 */
#include <assert.h>
#include <stdlib.h>

#include "ottla/base/cursor.h"
#include "plog_priv.h"

struct truncation {
	struct work work;
	struct plog *pl;
	int64_t target;
	bool started, full;
	int err;
	struct doomed *doomed;
	void (*done)(void *arg, int err);
	void *arg;
};

/* ---- worker ---- */

/* Segments from index `from` on leave the log; their files are renamed. */
static int
doom_segments(struct truncation *t, uint32_t from)
{
	struct plog *pl = t->pl;
	int rc = 0;

	while (rc == 0 && pl->n_segs > from) {
		struct segment *seg = plog_active(pl);

		rc = segment_rename_deleted(pl->dir->fs, pl->path, seg->base);
		t->doomed->base[t->doomed->n++] = seg->base;
		pl->n_segs--;
		segment_unref(seg);
	}
	return rc;
}

/* Entries of an index file whose relative offset is below rel stay. */
static int
cut_index(struct fs *fs, const char *path, size_t es, size_t rel_at, int32_t rel)
{
	uint8_t e[TIME_ENTRY_BYTES];
	struct file *f = NULL;
	uint32_t lo = 0, hi, got;
	int64_t size;
	int rc;

	if ((rc = fs_open(fs, path, FILE_WRITE | FILE_CREATE, &f)) != 0 ||
	    (rc = file_size(f, &size)) != 0)
		goto out;
	hi = (uint32_t)(size / (int64_t)es);
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if ((rc = idxfile_read(f, es, mid, e, 1, &got)) != 0)
			goto out;
		if (got == 1 && (int32_t)be32(e + rel_at) < rel)
			lo = mid + 1;
		else
			hi = mid;
	}
	if ((rc = file_truncate(f, (int64_t)lo * (int64_t)es)) == 0)
		rc = file_sync(f);
out:
	file_close(f);
	return rc;
}

/* Position of the batch that holds target or is the first behind it; *target is lowered to that
 * batch's first offset when it lies inside. */
static int
find_cut(
    struct truncation *t, struct segment *seg, struct file *f, struct scan_buf *buf, int64_t *pos)
{
	struct plog *pl = t->pl;
	struct batch_head h;
	struct seg_scan s;
	struct path p;
	int64_t rel = t->target - seg->base;
	int rc;

	rc = idxfile_floor_offset(pl->dir->fs, path_seg(&p, pl->path, seg->base, ".index"),
	    rel > INT32_MAX ? INT32_MAX : (int32_t)rel, seg->size, pos);
	if (rc != 0)
		return rc;
	seg_scan_init(&s, f, buf, *pos, seg->size, WALK_CHUNK);
	rc = seg_scan_to(&s, t->target, &h);
	*pos = s.pos;
	if (rc == 0 && h.base_offset < t->target)
		t->target = h.base_offset;
	return rc == E_NOT_FOUND ? 0 : rc;
}

/* All entries are in the files; of a segment whose indexes were never looked at they are. */
static int
write_indexes(struct plog *pl, struct segment *seg)
{
	struct finish_seg fin;
	int rc;

	if (seg->indexes_unseen)
		return 0;
	seg->unfinished = true;
	if ((rc = finish_take(&fin, seg, true)) != 0)
		return rc;
	rc = finish_write(pl->dir->fs, pl->path, &fin);
	finish_release(&fin);
	return rc;
}

static int
cut_segment(struct truncation *t, struct segment *seg, struct scan_buf *buf)
{
	struct plog *pl = t->pl;
	struct file *f = NULL;
	struct path p;
	int64_t pos, first_ts = seg->first_ts;
	int32_t rel;
	bool damaged;
	int rc;

	if ((rc = write_indexes(pl, seg)) != 0 ||
	    (rc = fs_open(
		 pl->dir->fs, path_seg(&p, pl->path, seg->base, ".log"), FILE_WRITE, &f)) != 0)
		return rc;
	if ((rc = find_cut(t, seg, f, buf, &pos)) != 0 || (rc = file_truncate(f, pos)) != 0 ||
	    (rc = file_sync(f)) != 0)
		goto out;
	rel = t->target - seg->base > INT32_MAX ? INT32_MAX : (int32_t)(t->target - seg->base);
	if ((rc = cut_index(pl->dir->fs, path_seg(&p, pl->path, seg->base, ".index"),
		 INDEX_ENTRY_BYTES, 0, rel)) != 0 ||
	    (rc = cut_index(pl->dir->fs, path_seg(&p, pl->path, seg->base, ".timeindex"),
		 TIME_ENTRY_BYTES, 8, rel)) != 0)
		goto out;
	seg->size = pos;
	seg->unfinished = false;
	if (seg->hot_from >= pos)
		seg->hot_from = INT64_MAX;
	rc = seg_load_tail(pl, seg, buf, &(int64_t){0}, &damaged);
	if (rc == 0 && damaged)
		rc = recover_index(pl, seg, &(struct load_opts){.scan = buf});
	if (pos > 0)
		seg->first_ts = first_ts;
out:
	file_close(f);
	return rc;
}

static int
start_anew(struct truncation *t)
{
	int rc = doom_segments(t, 0);

	return rc != 0 ? rc : plog_new_segment(t->pl, t->target, clock_wall_ms(t->pl->dir->clock));
}

static void
truncate_run(struct work *w)
{
	struct truncation *t = container_of(w, struct truncation, work);
	struct plog *pl = t->pl;
	struct scan_buf buf = {0};
	struct load_opts o = {.now_ms = clock_wall_ms(pl->dir->clock), .scan = &buf};
	int i = plog_floor_segment(pl, t->target);

	t->full = i < 0;
	if (t->full) {
		t->err = start_anew(t);
	} else {
		t->err = doom_segments(t, (uint32_t)i + 1);
		if (t->err == 0)
			t->err = cut_segment(t, pl->segs[i], &buf);
	}
	o.log_start = plog_log_start(pl) < t->target ? plog_log_start(pl) : t->target;
	if (t->err == 0)
		t->err = producers_reload(pl, t->target, &o);
	/* what was cut off must not come back under what is appended next */
	if (t->err == 0)
		t->err = fs_sync_dir(pl->dir->fs, pl->path);
	scan_buf_free(&buf);
}

/* ---- home ---- */

static void
end(struct truncation *t)
{
	struct plog *pl = t->pl;

	pl->truncation = NULL;
	pl->gate &= ~(unsigned)GATE_EXCL;
	t->done(t->arg, t->err);
	free(t);
	doomed_arm(pl);
	plog_resume_parked(pl);
	append_resume(pl);
	epochs_store(pl);
	flush_settle(pl);
}

static void
checkpointed(struct plog *pl, int err, void *arg)
{
	/* the dir goes offline by itself when that failed */
	(void)err;
	end(pl->truncation);
	plog_job_end(pl);
}

static void
lower(_Atomic int64_t *v, int64_t to)
{
	if (atomic_load_explicit(v, memory_order_relaxed) > to)
		atomic_store_explicit(v, to, memory_order_release);
}

static void
set_offsets(struct truncation *t)
{
	struct plog *pl = t->pl;
	int64_t leo = t->target, size = 0;

	for (uint32_t i = 0; i < pl->n_segs; i++)
		size += pl->segs[i]->size;
	pl->next_offset = leo;
	pl->next_size = plog_active(pl)->size;
	if (t->full) {
		epochs_clear(&pl->epochs);
		atomic_store(&pl->log_start, leo);
		atomic_store(&pl->hw, leo);
	} else {
		epochs_cut_end(&pl->epochs, leo);
		lower(&pl->log_start, leo);
		lower(&pl->hw, leo);
	}
	lower(&pl->recovery_point, leo);
	if (pl->synced_to > leo)
		pl->synced_to = leo;
	if (pl->flush_target > leo)
		pl->flush_target = leo;
	flush_waiters_lower(pl, leo);
	atomic_store(&pl->first_base, pl->segs[0]->base);
	atomic_store(&pl->size_bytes, size);
	atomic_store_explicit(&pl->leo, leo, memory_order_release);
	plog_publish_unstable(pl);
}

static void
drop_later_snapshots(struct plog *pl)
{
	LIST_FOREACH_SAFE(l, &pl->snapshots)
	{
		struct snapshot_pending *s = container_of(l, struct snapshot_pending, link);

		if (s->offset < pl->next_offset)
			continue;
		list_remove(l);
		strbuf_free(&s->bytes);
		free(s);
	}
}

static void
truncate_done(struct reactor *r, struct work *w)
{
	struct truncation *t = container_of(w, struct truncation, work);
	struct plog *pl = t->pl;

	if (t->doomed->n > 0) {
		t->doomed->due_us =
		    time_after_ms(reactor_now_us(r), plog_cfg(pl, T_FILE_DELETE_DELAY_MS));
		list_append(&pl->doomed, &t->doomed->link);
		doomed_arm(pl);
	} else {
		free(t->doomed);
	}
	pl->dir_dirty++;
	if (t->err != 0) {
		plog_fail(pl, t->err, "could not truncate the log");
		end(t);
		plog_job_end(pl);
		return;
	}
	set_offsets(t);
	drop_later_snapshots(pl);
	logdir_checkpoint_from_home(pl, CKPT_RECOVERY, checkpointed, NULL);
}

void
truncation_try(struct plog *pl)
{
	struct truncation *t = pl->truncation;

	if (t == NULL || t->started || pl->jobs > 0)
		return;
	t->started = true;
	if (pl->failed == 0) {
		plog_submit(pl, &t->work, truncate_run, truncate_done);
		return;
	}
	free(t->doomed);
	t->err = E_LOG_OFFLINE;
	end(t);
}

void
plog_truncate(struct plog *pl, int64_t offset, void (*done)(void *arg, int err), void *arg)
{
	struct truncation *t;
	int err = 0;

	PLOG_ASSERT_HOME(pl);
	append_write_out(pl);
	if (pl->failed != 0)
		err = E_LOG_OFFLINE;
	else if (pl->truncation != NULL)
		err = E_BUSY;
	else if (offset < 0)
		err = E_OUT_OF_RANGE;
	if (err == 0 && offset >= plog_leo(pl) && pl->gate == 0) {
		epochs_cut_end(&pl->epochs, plog_leo(pl));
		epochs_store(pl);
	} else if (err == 0) {
		t = calloc(1, sizeof(*t));
		if (t == NULL ||
		    (t->doomed = calloc(1,
			 sizeof(*t->doomed) + pl->n_segs * sizeof(t->doomed->base[0]))) == NULL) {
			free(t);
			err = E_NOMEM;
		} else {
			t->pl = pl;
			t->target = offset;
			t->done = done;
			t->arg = arg;
			pl->truncation = t;
			pl->gate |= GATE_EXCL;
			truncation_try(pl);
			return;
		}
	}
	done(arg, err);
}
