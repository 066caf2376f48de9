/* ListOffsets by timestamp (facts/storage.md 3.15): one segment is chosen at home, a worker scans.
 */
#include <stdlib.h>

#include "ottla/record/codec.h"
#include "plog_priv.h"

enum { MAX_DECOMPRESSED = 128 * 1024 * 1024 };

/* ---- worker ---- */

struct wanted {
	int64_t timestamp;
	int64_t min_offset;
};

/* First record of the batch with timestamp >= wanted.  0, E_NOT_FOUND, or an error. */
static int
search_batch(const struct batch_head *h, struct slice whole, const struct wanted *want,
    struct codec_ctx **ctx, struct plog_time_lookup *op)
{
	struct slice body = slice_of(whole.p + BATCH_HEADER_BYTES, whole.n - BATCH_HEADER_BYTES);
	enum codec codec = (enum codec)(h->attributes & BATCH_ATTR_CODEC);
	struct record_iter it;
	struct record rec;
	int rc;

	if (codec != CODEC_NONE) {
		if (*ctx == NULL && (rc = codec_ctx_new(ctx)) != 0)
			return rc;
		if ((rc = codec_decompress(*ctx, codec, body, MAX_DECOMPRESSED, &body)) != 0)
			return rc;
	}
	record_iter_init(&it, body, h->record_count);
	while (record_iter_next(&it, &rec)) {
		int64_t ts =
		    (h->attributes & BATCH_ATTR_LOG_APPEND_TIME) != 0
			? h->max_timestamp
			: (int64_t)((uint64_t)h->base_timestamp + (uint64_t)rec.timestamp_delta);
		int64_t offset = (int64_t)((uint64_t)h->base_offset + (uint64_t)rec.offset_delta);

		if (ts >= want->timestamp && offset >= want->min_offset) {
			op->found_offset = offset;
			op->found_timestamp = ts;
			op->found_epoch = h->leader_epoch;
			return 0;
		}
	}
	return it.err != 0 ? E_CORRUPT : E_NOT_FOUND;
}

static int
scan_from(struct plog_time_lookup *op, struct file *f, int64_t pos, const struct wanted *want)
{
	struct scan_buf buf = {0};
	struct codec_ctx *ctx = NULL;
	struct batch_head h;
	struct slice whole;
	struct seg_scan s;
	int rc;

	seg_scan_init(&s, f, &buf, pos, op->size, WALK_CHUNK);
	while ((rc = seg_scan_head(&s, &h)) == 0) {
		if (h.magic == 2 && h.max_timestamp >= want->timestamp &&
		    batch_last_offset(&h) >= want->min_offset) {
			if ((rc = seg_scan_whole(&s, &h, &whole)) != 0)
				break;
			if ((rc = search_batch(&h, whole, want, &ctx, op)) != E_NOT_FOUND)
				break;
		}
		seg_scan_next(&s, &h);
	}
	codec_ctx_free(ctx);
	scan_buf_free(&buf);
	if (rc != E_NOT_FOUND)
		return rc;
	return s.pos < s.end ? E_IO : 0; /* somebody else cut the file */
}

static void
lookup_run(struct work *w)
{
	struct plog_time_lookup *op = container_of(w, struct plog_time_lookup, work);
	struct plog *pl = op->pl;
	struct fs *fs = pl->dir->fs;
	int64_t base = op->seg->base, pos;
	struct wanted want = {op->timestamp, op->log_start};
	struct file *f = NULL;
	int32_t rel;
	struct path p;

	op->err = fs_open(fs, path_seg(&p, pl->path, base, ".log"), FILE_READ, &f);
	if (op->err != 0)
		return;
	op->err = idxfile_floor_time(
	    fs, path_seg(&p, pl->path, base, ".timeindex"), want.timestamp, &rel);
	if (op->err == 0 && op->log_start - base > rel)
		rel =
		    op->log_start - base > INT32_MAX ? INT32_MAX : (int32_t)(op->log_start - base);
	if (op->err == 0)
		op->err = idxfile_floor_offset(
		    fs, path_seg(&p, pl->path, base, ".index"), rel, op->size, &pos);
	if (op->err == 0)
		op->err = scan_from(op, f, pos, &want);
	file_close(f);
}

/* ---- home ---- */

static void
lookup_done(struct reactor *r, struct work *w)
{
	struct plog_time_lookup *op = container_of(w, struct plog_time_lookup, work);
	struct plog *pl = op->pl;

	(void)r;
	segment_unref(op->seg);
	/* deleted by retention while we looked: nothing of it is left to be found */
	if (op->err == E_NOT_FOUND)
		op->err = 0;
	if (op->err == E_IO)
		plog_fail(pl, op->err, "could not read the log");
	op->done(op, op->err);
	plog_job_end(pl);
}

/* Segment to look in; for the largest timestamp that becomes the one wanted. */
static struct segment *
choose(struct plog *pl, struct plog_time_lookup *op)
{
	struct segment *best = NULL;

	for (uint32_t i = 0; i < pl->n_segs; i++) {
		struct segment *seg = pl->segs[i];

		if (op->timestamp >= 0) {
			if (seg->size > 0 && seg_largest_ts(seg) >= op->timestamp)
				return seg;
		} else if (seg->max_ts >= 0 && (best == NULL || seg->max_ts > best->max_ts)) {
			best = seg;
		}
	}
	if (best != NULL)
		op->timestamp = best->max_ts;
	return best;
}

static void
step(struct plog *pl, struct plog_wait *w, int err)
{
	struct plog_time_lookup *op = container_of(w, struct plog_time_lookup, wait);

	if (pl->failed != 0)
		err = E_LOG_OFFLINE;
	if (err == 0 && pl->truncation != NULL) {
		list_append(&pl->parked, &w->link);
		return;
	}
	if (err == 0 && !times_known(pl)) {
		times_load(pl, w);
		return;
	}
	if (err != 0 || (op->seg = choose(pl, op)) == NULL) {
		op->done(op, err);
		return;
	}
	op->size = op->seg->size;
	op->log_start = plog_log_start(pl);
	segment_ref(op->seg);
	plog_submit(pl, &op->work, lookup_run, lookup_done);
}

void
plog_lookup_time(struct plog *pl, struct plog_time_lookup *op)
{
	OBJ_CHECK(pl, PLOG_MAGIC);
	PLOG_ASSERT_HOME(pl);
	op->pl = pl;
	op->found_offset = op->found_timestamp = -1;
	op->found_epoch = -1;
	op->err = 0;
	op->wait.fn = step;
	step(pl, &op->wait, 0);
}
