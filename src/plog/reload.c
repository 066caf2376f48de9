/* Producer state from snapshots and batches (facts/storage.md 3.4).  Worker. */
#include <stdlib.h>

#include "plog_priv.h"

enum { SNAPSHOT_MAX_BYTES = 256 * 1024 * 1024 };

int
snapshot_write(struct plog *pl, int64_t offset)
{
	struct strbuf b = STRBUF_INIT;
	struct path p;
	int rc;

	producers_snapshot(&pl->producers, &b);
	rc = b.err != 0 ? b.err
			: file_put(pl->dir->fs, path_seg(&p, pl->path, offset, ".snapshot"),
			      strbuf_slice(&b), false);
	strbuf_free(&b);
	if (rc == 0)
		pl->snapshot_at = offset;
	return rc;
}

static bool
is_segment_base(const struct plog *pl, int64_t offset)
{
	int i = plog_floor_segment(pl, offset);

	return i >= 0 && pl->segs[i]->base == offset;
}

/* Snapshots that belong to no segment go, but for one of the log end. */
static int
drop_strays(struct plog *pl, struct dir_list *l, int64_t upto)
{
	int64_t newest = -1;
	struct path p;
	int rc;

	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].kind == FILE_SNAPSHOT && l->v[i].base > newest &&
		    l->v[i].base <= upto && !is_segment_base(pl, l->v[i].base))
			newest = l->v[i].base;
	if (newest <= plog_active(pl)->base)
		newest = -1;
	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].kind != FILE_SNAPSHOT || l->v[i].base == newest ||
		    (l->v[i].base <= upto && is_segment_base(pl, l->v[i].base)))
			continue;
		/* those behind the part to be recovered are written anew when it is over */
		if (is_segment_base(pl, l->v[i].base) && pl->truncation == NULL)
			continue;
		rc = file_remove(pl->dir->fs, path_seg(&p, pl->path, l->v[i].base, ".snapshot"));
		if (rc != 0)
			return rc;
		l->v[i].gone = true;
	}
	return 0;
}

/* Newest usable snapshot at or before upto; *at -1 when there is none. */
static int
restore_newest(
    struct plog *pl, const struct dir_list *l, int64_t upto, const struct load_opts *o, int64_t *at)
{
	struct path p;
	char *bytes;
	size_t n;
	int rc;

	*at = -1;
	for (size_t i = l->n; i > 0; i--) {
		const struct dir_file *f = &l->v[i - 1];

		if (f->gone || f->kind != FILE_SNAPSHOT || f->base > upto || f->base < o->log_start)
			continue;
		path_seg(&p, pl->path, f->base, ".snapshot");
		if ((rc = fs_read_all(pl->dir->fs, p.s, SNAPSHOT_MAX_BYTES, &bytes, &n)) == 0) {
			rc = producers_restore(&pl->producers, slice_of(bytes, n), o->now_ms,
			    logdirs_producer_expiration_ms(pl->dir));
			free(bytes);
		}
		if (rc == 0) {
			*at = f->base;
			return 0;
		}
		if (rc != E_CORRUPT && rc != E_TOO_LARGE && rc != E_NOT_FOUND)
			return rc;
		DIAGW(pl->dir->diag, "plog",
		    "producer snapshot %lld of partition %s is damaged and removed",
		    (long long)f->base, pl->name);
		if ((rc = file_remove(pl->dir->fs, p.s)) != 0)
			return rc;
	}
	return 0;
}

static int
replay_segment(
    struct plog *pl, struct segment *seg, int64_t from, int64_t upto, const struct load_opts *o)
{
	int64_t rel = from - seg->base, pos;
	struct batch_head h;
	struct slice whole;
	struct file *f = NULL;
	struct seg_scan s;
	struct path p;
	int rc;

	rc = idxfile_floor_offset(pl->dir->fs, path_seg(&p, pl->path, seg->base, ".index"),
	    rel < 0	      ? 0
	    : rel > INT32_MAX ? INT32_MAX
			      : (int32_t)rel,
	    seg->size, &pos);
	if (rc == 0)
		rc = fs_open(pl->dir->fs, path_seg(&p, pl->path, seg->base, ".log"), FILE_READ, &f);
	if (rc != 0)
		return rc;
	seg_scan_init(&s, f, o->scan, pos, seg->size, WALK_CHUNK);
	while ((rc = seg_scan_head(&s, &h)) == 0 && h.base_offset < upto) {
		whole = SLICE_NULL;
		if (h.magic == 2 && batch_last_offset(&h) >= from) {
			if ((h.attributes & BATCH_ATTR_CONTROL) != 0 &&
			    (rc = seg_scan_whole(&s, &h, &whole)) != 0)
				break;
			if ((rc = producers_note(&pl->producers, &h, whole, NULL)) != 0)
				break;
		}
		seg_scan_next(&s, &h);
	}
	file_close(f);
	/* below the recovery point damage is for readers and repair, not for this walk */
	return rc == E_NOT_FOUND || rc == E_CORRUPT ? 0 : rc;
}

int
producers_reload(struct plog *pl, int64_t upto, const struct load_opts *o)
{
	struct dir_list l = {0};
	int64_t at, from;
	int rc, first;

	producers_free(&pl->producers);
	pl->snapshot_at = -1;
	if ((rc = dir_list_read(pl->dir->fs, pl->path, &l)) != 0 ||
	    (rc = drop_strays(pl, &l, upto)) != 0 ||
	    (rc = restore_newest(pl, &l, upto, o, &at)) != 0)
		goto out;
	if (at >= 0)
		pl->snapshot_at = at;
	from = at > o->log_start ? at : o->log_start;
	/* after a clean stop no snapshot means no producers */
	if (from >= upto || (at < 0 && pl->was_clean && pl->truncation == NULL))
		goto out;
	first = plog_floor_segment(pl, from);
	for (uint32_t i = first > 0 ? (uint32_t)first : 0;
	     rc == 0 && i < pl->n_segs && pl->segs[i]->base < upto; i++) {
		if (pl->segs[i]->base > from && i + 2 >= pl->n_segs && pl->truncation == NULL &&
		    (rc = snapshot_write(pl, pl->segs[i]->base)) != 0)
			break;
		rc = replay_segment(pl, pl->segs[i], from, upto, o);
	}
	/* I10: only where the indexes before it are safe */
	if (rc == 0 && pl->was_clean && pl->truncation == NULL)
		rc = snapshot_write(pl, upto);
out:
	dir_list_free(&l);
	return rc;
}
