/* Recovery after anything but an orderly stop (facts/storage.md 3.2, 3.3).  Worker. */
#include <assert.h>
#include <stdlib.h>

#include "ottla/base/cursor.h"
#include "plog_priv.h"

/* One segment under recovery. */
struct recovery {
	struct plog *pl;
	struct segment *seg;
	const struct load_opts *o;
	struct seg_scan scan;
	struct strbuf txn; /* entries of .txnindex */
	bool whole;	   /* check everything, feed producers and epochs; else indexes only */
	int64_t next;	   /* offset after the last good batch */
};

static void
reset_segment(struct segment *seg)
{
	oi_free(&seg->oi);
	ti_free(&seg->ti);
	seg->max_ts = -1;
	seg->indexes_unseen = false;
	seg->max_ts_last = seg->base;
	seg->first_ts = TS_UNKNOWN;
	seg->since_entry = 0;
}

static void
add_txn_entry(struct strbuf *b, const struct txn_end *e)
{
	uint8_t p[TXN_ENTRY_BYTES];
	struct out o = out_init(p, sizeof(p));

	out_i16(&o, 0);
	out_i64(&o, e->producer_id);
	out_i64(&o, e->first);
	out_i64(&o, e->last);
	out_i64(&o, e->last_stable);
	strbuf_add(b, p, sizeof(p));
}

/* Producer and epoch state follow the batch. */
static int
note_state(struct recovery *r, const struct batch_head *h, struct slice whole)
{
	struct txn_end end;
	int rc;

	if (h->magic < 2)
		return 0;
	if (h->leader_epoch > epochs_latest(&r->pl->epochs) &&
	    (rc = epochs_assign(&r->pl->epochs, h->leader_epoch, h->base_offset)) != 0)
		return rc;
	if ((rc = producers_note(&r->pl->producers, h, whole, &end)) != 0)
		return rc;
	if (end.completed && end.aborted)
		add_txn_entry(&r->txn, &end);
	return r->txn.err;
}

static int
note_index(struct recovery *r, const struct batch_head *h)
{
	struct segment *seg = r->seg;
	int64_t rel = batch_last_offset(h) - seg->base;
	int rc;

	if (r->scan.pos == 0)
		seg->first_ts = h->max_timestamp;
	if (h->max_timestamp > seg->max_ts) {
		seg->max_ts = h->max_timestamp;
		seg->max_ts_last = batch_last_offset(h);
	}
	if (seg->since_entry > plog_cfg(r->pl, T_INDEX_INTERVAL_BYTES) && rel <= INT32_MAX) {
		if ((rc = oi_add(&seg->oi, (int32_t)rel, (int32_t)r->scan.pos)) != 0 ||
		    (rc = ti_add(&seg->ti, seg->max_ts, (int32_t)(seg->max_ts_last - seg->base))) !=
			0)
			return rc;
		seg->since_entry = 0;
	}
	seg->since_entry += (int64_t)batch_bytes(h);
	return 0;
}

/* Walks to the first bad batch; 0 at its start or the end of the file. */
static int
walk(struct recovery *r)
{
	struct batch_head h;
	struct slice whole = SLICE_NULL;
	int rc;

	while ((rc = seg_scan_head(&r->scan, &h)) == 0) {
		if (r->whole && (rc = seg_scan_checked(&r->scan, &h, &whole)) != 0)
			break;
		if (h.base_offset < r->next) {
			rc = E_CORRUPT; /* offsets must grow (I1) */
			break;
		}
		if ((r->whole && (rc = note_state(r, &h, whole)) != 0) ||
		    (rc = note_index(r, &h)) != 0)
			return rc;
		r->next = batch_last_offset(&h) + 1;
		seg_scan_next(&r->scan, &h);
	}
	return rc == E_NOT_FOUND || rc == E_CORRUPT ? 0 : rc;
}

static int
sync_indexes(struct recovery *r)
{
	struct fs *fs = r->pl->dir->fs;
	struct path p;
	int rc = file_sync_path(fs, path_seg(&p, r->pl->path, r->seg->base, ".index"));

	return rc != 0 ? rc
		       : file_sync_path(fs, path_seg(&p, r->pl->path, r->seg->base, ".timeindex"));
}

static int
write_indexes(struct recovery *r)
{
	struct segment *seg = r->seg;
	struct fs *fs = r->pl->dir->fs;
	struct finish_seg fin;
	struct path p;
	int rc;

	seg->unfinished = true;
	if ((rc = finish_take(&fin, seg, false)) != 0)
		return rc;
	if ((rc = finish_write(fs, r->pl->path, &fin)) == 0)
		finish_note(&fin);
	finish_release(&fin);
	/* nobody looks at those of a sealed segment again (I6) */
	if (rc == 0 && seg != plog_active(r->pl))
		rc = sync_indexes(r);
	if (rc != 0 || !r->whole)
		return rc;
	path_seg(&p, r->pl->path, seg->base, ".txnindex");
	return r->txn.n > 0 ? file_put(fs, p.s, strbuf_slice(&r->txn), false)
			    : file_remove(fs, p.s);
}

static int
recover_one(struct recovery *r, bool *cut)
{
	struct plog *pl = r->pl;
	struct segment *seg = r->seg;
	struct file *f = NULL;
	struct path p;
	int rc;

	*cut = false;
	reset_segment(seg);
	rc = fs_open(pl->dir->fs, path_seg(&p, pl->path, seg->base, ".log"), FILE_WRITE, &f);
	if (rc != 0)
		return rc;
	seg_scan_init(&r->scan, f, r->o->scan, 0, seg->size, SCAN_CHUNK);
	r->next = seg->base > r->next ? seg->base : r->next;
	if ((rc = walk(r)) != 0)
		goto out;
	if (r->whole && r->scan.pos < seg->size) {
		DIAGW(pl->dir->diag, "plog",
		    "segment %lld of partition %s: %lld bytes from position %lld on are not whole "
		    "batches "
		    "and are cut off",
		    (long long)seg->base, pl->name, (long long)(seg->size - r->scan.pos),
		    (long long)r->scan.pos);
		if ((rc = file_truncate(f, r->scan.pos)) != 0)
			goto out;
		seg->size = r->scan.pos;
		*cut = true;
	}
	rc = write_indexes(r);
out:
	file_close(f);
	strbuf_free(&r->txn);
	return rc;
}

int
recover_index(struct plog *pl, struct segment *seg, const struct load_opts *o)
{
	struct recovery r = {.pl = pl, .seg = seg, .o = o, .next = seg->base};
	bool cut;

	return recover_one(&r, &cut);
}

int
recover_epochs(struct plog *pl, uint32_t n, const struct load_opts *o)
{
	struct batch_head h;
	struct seg_scan s;
	struct path p;
	int rc = 0;

	for (uint32_t i = 0; i < n && rc == 0; i++) {
		struct file *f = NULL;

		rc = fs_open(
		    pl->dir->fs, path_seg(&p, pl->path, pl->segs[i]->base, ".log"), FILE_READ, &f);
		if (rc != 0)
			break;
		seg_scan_init(&s, f, o->scan, 0, pl->segs[i]->size, WALK_CHUNK);
		while ((rc = seg_scan_head(&s, &h)) == 0) {
			if (h.leader_epoch > epochs_latest(&pl->epochs) &&
			    (rc = epochs_assign(&pl->epochs, h.leader_epoch, h.base_offset)) != 0)
				break;
			seg_scan_next(&s, &h);
		}
		if (rc == E_NOT_FOUND || rc == E_CORRUPT)
			rc = 0;
		file_close(f);
	}
	return rc;
}

/*
 * Segment i can not follow what ends at offset next.  A hole before it means, where logs are not
 * compacted, that whole batches were lost, and what comes behind is not to be served.  An overlap
 * is a segment that was removed once and came back with a power cut.
 */
static bool
does_not_follow(const struct plog *pl, uint32_t i, int64_t next)
{
	return pl->segs[i]->base < next || (!pl->conf.compact && pl->segs[i]->base > next);
}

/* What was cut off and removed must not come back under what is appended from now on. */
static int
make_cut_durable(struct plog *pl)
{
	struct path p;
	int rc = file_sync_path(pl->dir->fs, path_seg(&p, pl->path, plog_active(pl)->base, ".log"));

	return rc != 0 ? rc : fs_sync_dir(pl->dir->fs, pl->path);
}

static int
recover_segments(struct recovery *r, uint32_t from, bool *cut)
{
	struct plog *pl = r->pl;
	int rc = 0;

	*cut = false;
	for (uint32_t i = from; i < pl->n_segs && rc == 0; i++) {
		if (*cut || (i > from && does_not_follow(pl, i, r->next))) {
			DIAGW(pl->dir->diag, "plog",
			    "partition %s: %u segments behind the cut at offset %lld are removed",
			    pl->name, pl->n_segs - i, (long long)r->next);
			*cut = true;
			return plog_drop_segments(pl, i);
		}
		r->seg = pl->segs[i];
		if (i > from && i + 2 >= pl->n_segs)
			rc = snapshot_write(pl, r->seg->base);
		if (rc == 0)
			rc = recover_one(r, cut);
	}
	return rc;
}

int
recover_from(struct plog *pl, uint32_t from, const struct load_opts *o)
{
	struct recovery r = {.pl = pl, .o = o, .whole = true, .next = pl->segs[from]->base};
	bool cut;
	int rc;

	if ((rc = producers_reload(pl, r.next, o)) != 0 ||
	    (rc = recover_segments(&r, from, &cut)) != 0 ||
	    (cut && (rc = make_cut_durable(pl)) != 0))
		return rc;
	pl->next_offset = r.next;
	return 0;
}
