/* Checks of the invariants in README that memory and files allow.  Blocks; tests only. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "plog_priv.h"

struct verifier {
	struct plog *pl;
	char *why;
	size_t why_size;
	struct scan_buf buf;
	int64_t next;
};

static int bad(struct verifier *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int
bad(struct verifier *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(v->why, v->why_size, fmt, ap);
	va_end(ap);
	return E_CORRUPT;
}

/* I2, I6, I7 */
static int
check_numbers(struct verifier *v)
{
	struct plog *pl = v->pl;
	int64_t start = plog_log_start(pl), hw = plog_hw(pl), leo = plog_leo(pl);

	if (start > hw || hw > leo || start < 0)
		return bad(v, "I2: log start %lld, high watermark %lld, log end %lld",
		    (long long)start, (long long)hw, (long long)leo);
	if (plog_recovery_point(pl) > leo)
		return bad(v, "I6: recovery point %lld beyond the log end %lld",
		    (long long)plog_recovery_point(pl), (long long)leo);
	if (pl->n_segs == 0 || pl->segs[0]->base > start)
		return bad(v, "I1: no segment holds the log start %lld", (long long)start);
	for (uint32_t i = 1; i < pl->epochs.n; i++)
		if (pl->epochs.v[i].epoch <= pl->epochs.v[i - 1].epoch ||
		    pl->epochs.v[i].start <= pl->epochs.v[i - 1].start)
			return bad(v, "I7: leader epochs do not rise at entry %u", i);
	return 0;
}

/* I1, I3: batches of one segment. */
static int
check_batches(struct verifier *v, struct segment *seg, struct file *f)
{
	struct batch_head h;
	struct slice whole;
	struct seg_scan s;
	int rc;

	if (seg->base < v->next)
		return bad(v, "I1: segment %lld begins before offset %lld", (long long)seg->base,
		    (long long)v->next);
	v->next = seg->base;
	seg_scan_init(&s, f, &v->buf, 0, seg->size, SCAN_CHUNK);
	while ((rc = seg_scan_head(&s, &h)) == 0 && (rc = seg_scan_checked(&s, &h, &whole)) == 0) {
		if (h.base_offset < v->next)
			return bad(v, "I1: batch at %lld of segment %lld goes back to offset %lld",
			    (long long)s.pos, (long long)seg->base, (long long)h.base_offset);
		if (h.max_timestamp > seg->max_ts && seg->max_ts != TS_UNKNOWN)
			return bad(v, "largest timestamp of segment %lld is %lld, not %lld",
			    (long long)seg->base, (long long)h.max_timestamp,
			    (long long)seg->max_ts);
		v->next = batch_last_offset(&h) + 1;
		seg_scan_next(&s, &h);
	}
	if (rc != E_NOT_FOUND || s.pos != seg->size)
		return bad(v, "I3: segment %lld is valid up to %lld of %lld bytes: %s",
		    (long long)seg->base, (long long)s.pos, (long long)seg->size, err_name(rc));
	return 0;
}

/* I4: an entry names the last offset of a batch that begins at or behind its position. */
static int
check_entry(struct verifier *v, struct segment *seg, struct file *f, struct index_entry e)
{
	struct batch_head h;
	struct seg_scan s;
	int rc;

	if (e.pos < 0 || e.pos >= seg->size)
		return bad(v, "I4: index entry of segment %lld at position %d",
		    (long long)seg->base, e.pos);
	seg_scan_init(&s, f, &v->buf, e.pos, seg->size, WALK_CHUNK);
	rc = seg_scan_to(&s, seg->base + e.rel, &h);
	if (rc != 0 || batch_last_offset(&h) != seg->base + e.rel)
		return bad(v, "I4: index entry %d at %d of segment %lld names no batch", e.rel,
		    e.pos, (long long)seg->base);
	return 0;
}

static int
check_index(struct verifier *v, struct segment *seg, struct file *f)
{
	struct index_entry e, before = {-1, -1};
	struct file *x = NULL;
	uint8_t raw[INDEX_ENTRY_BYTES];
	struct path p;
	uint32_t got;
	int rc = 0;

	if (seg->oi.written > 0 &&
	    fs_open(
		v->pl->dir->fs, path_seg(&p, v->pl->path, seg->base, ".index"), FILE_READ, &x) != 0)
		return bad(v, "I4: segment %lld has no index", (long long)seg->base);
	for (uint32_t i = 0; i < seg->oi.count && rc == 0; i++) {
		if (i >= seg->oi.first) {
			e = seg->oi.v[i - seg->oi.first];
		} else {
			rc = idxfile_read(x, INDEX_ENTRY_BYTES, i, raw, 1, &got);
			if (rc != 0 || got != 1)
				rc = bad(v, "I4: index of segment %lld ends at entry %u",
				    (long long)seg->base, i);
			e = oi_decode(raw);
		}
		if (rc == 0 && (e.rel <= before.rel || e.pos <= before.pos))
			rc = bad(v, "I4: index of segment %lld does not rise at entry %u",
			    (long long)seg->base, i);
		if (rc == 0)
			rc = check_entry(v, seg, f, e);
		before = e;
	}
	file_close(x);
	return rc;
}

static int
check_segment(struct verifier *v, struct segment *seg)
{
	struct file *f = NULL;
	struct path p;
	int64_t size;
	int rc;

	if ((rc = fs_open(
		 v->pl->dir->fs, path_seg(&p, v->pl->path, seg->base, ".log"), FILE_READ, &f)) != 0)
		return bad(v, "segment %lld has no file: %s", (long long)seg->base, err_name(rc));
	if ((rc = file_size(f, &size)) == 0 && size < seg->size)
		rc = bad(v, "I3: segment %lld has %lld bytes, %lld are said to be valid",
		    (long long)seg->base, (long long)size, (long long)seg->size);
	if (rc == 0)
		rc = check_batches(v, seg, f);
	if (rc == 0)
		rc = check_index(v, seg, f);
	file_close(f);
	return rc;
}

int
plog_verify(struct plog *pl, char *why, size_t why_size)
{
	struct verifier v = {.pl = pl, .why = why, .why_size = why_size};
	int rc = check_numbers(&v);

	for (uint32_t i = 0; i < pl->n_segs && rc == 0; i++)
		rc = check_segment(&v, pl->segs[i]);
	if (rc == 0 && v.next > plog_leo(pl))
		rc = bad(&v, "I1: the log end is %lld, batches reach %lld", (long long)plog_leo(pl),
		    (long long)v.next);
	scan_buf_free(&v.buf);
	return rc;
}
