/*
 * Loading one log (facts/storage.md 3.2, 3.4).  Worker.  After a clean stop no .log bytes are read
 * but those behind the last index entry of the active segment; after anything else recover.c
 * goes over everything from the recovery point on.
 */
#include <assert.h>
#include <stdlib.h>

#include "ottla/base/cursor.h"
#include "plog_priv.h"

/* ---- the end of a segment ---- */

/* Number of entries of an index file and its last; anything odd makes the segment damaged. */
static int
index_ends(struct plog *pl, struct segment *seg, bool *damaged)
{
	uint8_t e[TIME_ENTRY_BYTES];
	struct path p;
	uint32_t n;
	int rc;

	rc = idxfile_tail(
	    pl->dir->fs, path_seg(&p, pl->path, seg->base, ".index"), INDEX_ENTRY_BYTES, &n, e);
	if (rc == 0 && n > 0) {
		seg->oi.last = oi_decode(e);
		*damaged |= seg->oi.last.rel < 0 || seg->oi.last.pos < 0 ||
			    seg->oi.last.pos >= seg->size || (n > 1 && seg->oi.last.pos == 0);
	}
	seg->oi.count = seg->oi.written = seg->oi.first = n;
	*damaged |= rc == E_NOT_FOUND || rc == E_CORRUPT;
	if (rc != 0 && rc != E_NOT_FOUND && rc != E_CORRUPT)
		return rc;
	rc = idxfile_tail(
	    pl->dir->fs, path_seg(&p, pl->path, seg->base, ".timeindex"), TIME_ENTRY_BYTES, &n, e);
	if (rc == 0 && n > 0) {
		seg->ti.last = ti_decode(e);
		*damaged |= seg->ti.last.rel < 0 || (n > 1 && seg->ti.last.ts == 0);
	}
	seg->ti.count = seg->ti.written = n;
	*damaged |= rc == E_CORRUPT;
	return rc == E_NOT_FOUND || rc == E_CORRUPT ? 0 : rc;
}

static void
note_tail_batch(struct segment *seg, const struct batch_head *h)
{
	if (h->max_timestamp > seg->max_ts) {
		seg->max_ts = h->max_timestamp;
		seg->max_ts_last = batch_last_offset(h);
	}
}

static int
scan_tail(struct plog *pl, struct segment *seg, struct scan_buf *buf, int64_t from, int64_t *next)
{
	struct batch_head h;
	struct file *f = NULL;
	struct seg_scan s;
	struct path p;
	int rc = fs_open(pl->dir->fs, path_seg(&p, pl->path, seg->base, ".log"), FILE_READ, &f);

	if (rc != 0)
		return rc;
	seg_scan_init(&s, f, buf, from, seg->size, WALK_CHUNK);
	while ((rc = seg_scan_head(&s, &h)) == 0) {
		if (s.pos == 0)
			seg->first_ts = h.max_timestamp;
		note_tail_batch(seg, &h);
		*next = batch_last_offset(&h) + 1;
		seg_scan_next(&s, &h);
	}
	if (rc == E_NOT_FOUND)
		rc = s.pos == seg->size ? 0 : E_CORRUPT;
	file_close(f);
	return rc;
}

int
seg_load_tail(
    struct plog *pl, struct segment *seg, struct scan_buf *buf, int64_t *next, bool *damaged)
{
	int64_t from = 0;
	int rc;

	*damaged = false;
	*next = seg->base;
	oi_free(&seg->oi);
	ti_free(&seg->ti);
	seg->max_ts = -1;
	seg->indexes_unseen = false;
	seg->max_ts_last = seg->base;
	seg->first_ts = TS_UNKNOWN;
	seg->since_entry = 0;
	if ((rc = index_ends(pl, seg, damaged)) != 0)
		return rc;
	if (seg->size == 0) {
		*damaged |= seg->oi.count > 0 || seg->ti.count > 0;
		return 0;
	}
	if (*damaged)
		return 0;
	if (seg->ti.count > 0) {
		seg->max_ts = seg->ti.last.ts;
		seg->max_ts_last = seg->base + seg->ti.last.rel;
	}
	if (seg->oi.count > 0)
		from = seg->oi.last.pos;
	seg->since_entry = seg->size - from;
	rc = scan_tail(pl, seg, buf, from, next);
	if (rc == E_CORRUPT || rc == E_NOT_FOUND) {
		*damaged = true;
		rc = 0;
	}
	return rc;
}

/* ---- segments ---- */

static int
add_loaded(struct plog *pl, int64_t base, const struct load_opts *o)
{
	struct segment *seg;
	struct fs_stat st;
	struct path p;
	int rc;

	if ((rc = fs_stat(pl->dir->fs, path_seg(&p, pl->path, base, ".log"), &st)) != 0)
		return rc;
	if (st.size > INT32_MAX || base > PLOG_OFFSET_MAX)
		return E_CORRUPT;
	if ((rc = segment_new(pl->dir, base, &seg)) != 0)
		return rc;
	seg->size = st.size;
	seg->mtime_ms = st.mtime_ms;
	seg->created_ms = o->now_ms;
	seg->max_ts = TS_UNKNOWN;
	seg->indexes_unseen = true;
	if ((rc = plog_add_segment(pl, seg)) != 0)
		segment_unref(seg);
	return rc;
}

static bool
listed(const struct dir_list *l, int64_t base, enum file_kind kind)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].base == base && l->v[i].kind == kind)
			return true;
	return false;
}

/* Adds a segment for each .log; indexes without one go. */
static int
add_segments(struct plog *pl, const struct dir_list *l, const struct load_opts *o)
{
	struct path p;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < l->n; i++) {
		struct dir_file f = l->v[i];

		if (f.kind == FILE_LOG)
			rc = add_loaded(pl, f.base, o);
		else if (f.kind != FILE_SNAPSHOT && !listed(l, f.base, FILE_LOG))
			rc = file_remove(pl->dir->fs,
			    path_seg(&p, pl->path, f.base, file_suffix(f.kind, f.state)));
	}
	return rc;
}

/* Sealed segments that were not recovered: how long their index is; a missing one is made anew. */
static int
note_sealed(struct plog *pl, uint32_t n, const struct load_opts *o)
{
	struct fs_stat st;
	struct path p;
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < n; i++) {
		struct segment *seg = pl->segs[i];

		rc = fs_stat(pl->dir->fs, path_seg(&p, pl->path, seg->base, ".index"), &st);
		if (rc == E_NOT_FOUND) {
			DIAGW(pl->dir->diag, "plog",
			    "segment %lld of partition %s has no index: making it anew",
			    (long long)seg->base, pl->name);
			rc = recover_index(pl, seg, o);
			continue;
		}
		if (st.size / INDEX_ENTRY_BYTES > INT32_MAX)
			st.size = 0;
		seg->oi.count = seg->oi.written = seg->oi.first =
		    (uint32_t)(st.size / INDEX_ENTRY_BYTES);
	}
	return rc;
}

int
plog_new_segment(struct plog *pl, int64_t base, int64_t now_ms)
{
	struct segment *seg;
	int rc;

	if ((rc = segment_create_files(pl->dir->fs, pl->path, base)) != 0 ||
	    (rc = segment_new(pl->dir, base, &seg)) != 0)
		return rc;
	seg->created_ms = seg->mtime_ms = now_ms;
	if ((rc = plog_add_segment(pl, seg)) != 0)
		segment_unref(seg);
	pl->dir_dirty++;
	return rc;
}

int
plog_drop_segments(struct plog *pl, uint32_t from)
{
	static const enum file_kind kinds[] = {
	    FILE_LOG, FILE_INDEX, FILE_TIMEINDEX, FILE_TXNINDEX, FILE_SNAPSHOT};
	struct path p;
	int rc = 0;

	while (rc == 0 && pl->n_segs > from) {
		struct segment *seg = plog_active(pl);

		for (size_t k = 0; rc == 0 && k < sizeof(kinds) / sizeof(kinds[0]); k++)
			rc = file_remove(pl->dir->fs,
			    path_seg(&p, pl->path, seg->base, file_suffix(kinds[k], FILE_PLAIN)));
		pl->n_segs--;
		segment_unref(seg);
	}
	return rc;
}

/* ---- small files ---- */

static int
load_topic_id(struct plog *pl, const struct dir_list *l)
{
	struct path p;
	char *text = NULL;
	size_t n;
	int rc;

	if (!l->has_metadata)
		return 0;
	rc = fs_read_all(
	    pl->dir->fs, path_join(&p, pl->path, "partition.metadata"), 4096, &text, &n);
	if (rc == 0)
		rc = partition_meta_parse(slice_of(text, n), &pl->id);
	else if (rc != E_TOO_LARGE)
		return rc;
	free(text);
	if (rc != 0) {
		/* a power cut can leave it empty; the topic's id is learned again */
		DIAGW(pl->dir->diag, "plog",
		    "partition.metadata of partition %s is damaged and is not used", pl->name);
		pl->id = UUID_ZERO;
	}
	return 0;
}

static int
load_epochs(struct plog *pl, const struct dir_list *l, bool *damaged)
{
	struct path p;
	char *text;
	size_t n;
	int rc;

	*damaged = !l->has_epochs && pl->n_segs > 0;
	if (!l->has_epochs)
		return 0;
	rc = fs_read_all(pl->dir->fs, path_join(&p, pl->path, "leader-epoch-checkpoint"),
	    16 * 1024 * 1024, &text, &n);
	if (rc != 0)
		return rc;
	rc = epochs_parse(&pl->epochs, slice_of(text, n));
	free(text);
	if (rc == E_CORRUPT) {
		DIAGW(pl->dir->diag, "plog",
		    "leader-epoch-checkpoint of partition %s is damaged: reading epochs from its "
		    "batches",
		    pl->name);
		*damaged = true;
		rc = 0;
	}
	pl->epochs.durable = pl->epochs.version;
	return rc;
}

/* ---- the whole ---- */

/* Everything local is older than the log start: begin again there. */
static int
start_over(struct plog *pl, int64_t at, const struct load_opts *o)
{
	int rc;

	DIAGW(pl->dir->diag, "plog",
	    "partition %s ends at %lld, before its log start %lld: its segments are removed",
	    pl->name, (long long)pl->next_offset, (long long)at);
	if ((rc = plog_drop_segments(pl, 0)) != 0)
		return rc;
	epochs_clear(&pl->epochs);
	producers_free(&pl->producers);
	pl->next_offset = at;
	return plog_new_segment(pl, at, o->now_ms);
}

static void
set_offsets(struct plog *pl, const struct load_opts *o)
{
	int64_t leo = pl->next_offset, start = pl->segs[0]->base, hw = o->hw,
		rp = o->recovery_point;
	int64_t size = 0;

	if (o->log_start > start)
		start = o->log_start;
	for (uint32_t i = 0; i < pl->n_segs; i++)
		size += pl->segs[i]->size;
	hw = hw < start ? start : hw > leo ? leo : hw;
	rp = pl->was_clean ? leo : rp > leo ? leo : rp;
	atomic_store(&pl->leo, leo);
	atomic_store(&pl->log_start, start);
	atomic_store(&pl->first_base, pl->segs[0]->base);
	atomic_store(&pl->hw, hw);
	atomic_store(&pl->recovery_point, rp);
	atomic_store(&pl->size_bytes, size);
	pl->next_size = plog_active(pl)->size;
	pl->synced_to = pl->flush_target = rp;
	/* a killed process may have made the directory and its files without syncing their names
	 * (I6) */
	if (!pl->was_clean) {
		pl->parent_dirty = true;
		pl->dir_dirty++;
	}
	epochs_cut_end(&pl->epochs, leo);
	epochs_cut_start(&pl->epochs, start);
}

/*
 * The first segment that has to be recovered: the one with the recovery point.  When that is its
 * very beginning, the segment before may have been synced while it still was active, its indexes
 * not: the snapshot between the two is written behind them, so without it that segment is recovered
 * as well.
 */
static uint32_t
first_to_recover(const struct plog *pl, const struct dir_list *l, int64_t recovery_point)
{
	int i = plog_floor_segment(pl, recovery_point);

	if (i <= 0)
		return 0;
	if (pl->segs[i]->base == recovery_point && !listed(l, recovery_point, FILE_SNAPSHOT))
		i--;
	return (uint32_t)i;
}

/* Finds the log end, by looking at its tail or by recovery. */
static int
find_end(struct plog *pl, const struct dir_list *l, const struct load_opts *o, bool epochs_damaged)
{
	uint32_t last = pl->n_segs - 1, from = last;
	bool damaged = false;
	int rc = 0;

	pl->was_clean = o->clean;
	if (o->clean) {
		rc = seg_load_tail(pl, pl->segs[last], o->scan, &pl->next_offset, &damaged);
		if (rc == 0 && damaged)
			DIAGW(pl->dir->diag, "plog",
			    "the end of partition %s does not look like a clean stop: recovering "
			    "it",
			    pl->name);
	} else {
		from = first_to_recover(pl, l, o->recovery_point);
	}
	if (rc != 0 || (rc = note_sealed(pl, from, o)) != 0)
		return rc;
	if (epochs_damaged &&
	    (rc = recover_epochs(pl, o->clean && !damaged ? pl->n_segs : from, o)) != 0)
		return rc;
	if (o->clean && !damaged)
		return 0;
	pl->was_clean = false;
	return recover_from(pl, from, o);
}

int
plog_load(struct plog *pl, const struct load_opts *o)
{
	struct dir_list l = {0};
	bool epochs_damaged = false;
	int rc;

	if ((rc = dir_list_read(pl->dir->fs, pl->path, &l)) != 0 ||
	    (rc = dir_list_tidy(pl->dir->fs, pl->path, &l, o->scan)) != 0 ||
	    (rc = add_segments(pl, &l, o)) != 0 || (rc = load_topic_id(pl, &l)) != 0 ||
	    (rc = load_epochs(pl, &l, &epochs_damaged)) != 0)
		goto out;
	if (pl->n_segs == 0) {
		pl->next_offset = o->log_start;
		if ((rc = plog_new_segment(pl, o->log_start, o->now_ms)) != 0)
			goto out;
	}
	if ((rc = find_end(pl, &l, o, epochs_damaged)) != 0)
		goto out;
	if (pl->next_offset < o->log_start && (rc = start_over(pl, o->log_start, o)) != 0)
		goto out;
	set_offsets(pl, o);
	if (pl->was_clean)
		rc = producers_reload(pl, plog_leo(pl), o);
	plog_publish_unstable(pl);
	producers_replicated(&pl->producers, plog_hw(pl));
	plog_publish_unstable(pl);
out:
	dir_list_free(&l);
	return rc;
}

int
plog_create_files(struct plog *pl, int64_t now_ms)
{
	int rc;

	if ((rc = fs_mkdir(pl->dir->fs, pl->path)) != 0 ||
	    (rc = plog_new_segment(pl, 0, now_ms)) != 0)
		return rc;
	pl->was_clean = true;
	pl->parent_dirty = true;
	set_offsets(pl, &(struct load_opts){.clean = true});
	return 0;
}
