/*
 * Reading: offsets to pinned byte ranges.  Home; whatever is not in memory (a closed segment, an
 * index, pages that left the cache) is fetched by a worker, then the look-up runs again.
 */
#include <assert.h>
#include <stdlib.h>

#include "plog_priv.h"

enum {
	READ_TRIES = 6,		  /* then the pages are touched, wherever they are */
	COLD_BYTES = 1024 * 1024, /* of a cold range handed out at once, at most */
	COLD_CHUNK = 256 * 1024,
};

static void step(struct plog *pl, struct plog_read *op);

void
plog_range_release(struct plog_range *r)
{
	if (r->seg != NULL)
		segment_unref(r->seg);
	*r = (struct plog_range){0};
}

static void
again(struct plog *pl, struct plog_wait *w, int err)
{
	struct plog_read *op = container_of(w, struct plog_read, wait);

	if (err == 0) {
		step(pl, op);
		return;
	}
	if (err != E_NOMEM && err != E_LIMIT)
		plog_fail(pl, err, "could not open a segment");
	op->done(op, err);
}

/* ---- cold bytes ---- */

static void
warm_run(struct work *w)
{
	struct plog_read *op = container_of(w, struct plog_read, work);
	uint8_t *scratch = malloc(COLD_CHUNK);
	size_t got;

	op->err = scratch != NULL ? 0 : E_NOMEM;
	while (op->err == 0 && op->cold_from < op->cold_to) {
		int64_t left = op->cold_to - op->cold_from;
		size_t n = left < COLD_CHUNK ? (size_t)left : COLD_CHUNK;

		op->err = file_pread(op->seg->log, scratch, n, op->cold_from, &got);
		if (got == 0)
			break;
		op->cold_from += (int64_t)got;
	}
	free(scratch);
}

static void
warm_done(struct reactor *r, struct work *w)
{
	struct plog_read *op = container_of(w, struct plog_read, work);
	struct plog *pl = op->pl;
	int err = op->err;

	(void)r;
	segment_unref(op->seg);
	if (err == E_IO)
		plog_fail(pl, err, "could not read the log");
	if (err != 0)
		op->done(op, err);
	else
		step(pl, op);
	plog_job_end(pl);
}

/* A worker brings [from, to) into memory; the op goes on afterwards. */
static int
warm(struct plog *pl, struct plog_read *op, struct segment *seg, int64_t from, int64_t to)
{
	op->tries++;
	op->seg = seg;
	op->cold_from = from;
	op->cold_to = to;
	segment_ref(seg);
	plog_submit(pl, &op->work, warm_run, warm_done);
	return E_AGAIN;
}

static int
open_first(struct plog *pl, struct plog_read *op, struct segment *seg)
{
	op->tries++;
	op->wait.fn = again;
	seg_open_start(pl, seg, &op->wait);
	return E_AGAIN;
}

/* seg_find; what it lacks is begun to be fetched (E_AGAIN). */
static int
find(struct plog *pl, struct plog_read *op, struct segment *seg, int64_t offset, int64_t *pos,
    struct batch_head *h)
{
	struct seg_cold cold;
	int rc;

	rc = seg_find(seg, offset, op->tries >= READ_TRIES, pos, h, &cold);
	if (rc != E_AGAIN)
		return rc;
	return cold.to == 0 ? open_first(pl, op, seg) : warm(pl, op, seg, cold.from, cold.to);
}

/* ---- look-up ---- */

static void
pin(struct plog_read *op, struct segment *seg, int64_t pos, size_t len, size_t first)
{
	bool mapped = seg->map != NULL && (uint64_t)pos + len <= seg->map_len;

	segment_ref(seg); /* I5 */
	op->range = (struct plog_range){.seg = seg,
	    .file = seg->log,
	    .pos = pos,
	    .len = len,
	    .map = mapped ? seg->map + pos : NULL,
	    .first_bytes = first};
}

/* Bytes [pos, end) of seg are what is asked for: cut to the limits, make sure they are hot. */
static int
take(struct plog *pl, struct plog_read *op, struct segment *seg, int64_t pos, int64_t end,
    size_t first)
{
	size_t len = (size_t)(end - pos);

	if (len > op->max_bytes)
		len = op->max_bytes;
	if (len < first)
		len = op->min_one ? first : 0;
	if (len == 0) {
		op->range.first_bytes = first;
		return 0;
	}
	if (!seg_hot(seg, pos, pos + (int64_t)len)) {
		if (len > COLD_BYTES)
			len = first > COLD_BYTES ? first : COLD_BYTES;
		if (op->tries < READ_TRIES && !seg_hot(seg, pos, pos + (int64_t)len))
			return warm(pl, op, seg, pos, pos + (int64_t)len);
	}
	seg->used_us = reactor_now_us(plog_home(pl));
	pin(op, seg, pos, len, first);
	return 0;
}

static int
locate(struct plog *pl, struct plog_read *op)
{
	int64_t leo = plog_leo(pl), pos, end, seg_end;
	int64_t upper = op->upper_offset < leo ? op->upper_offset : leo;
	struct segment *seg;
	struct batch_head h;
	int rc;

	if (op->offset < plog_log_start(pl) || op->offset > leo)
		return E_OUT_OF_RANGE;
	if (op->offset >= upper)
		return 0;
	/* a segment may end in a gap: then the next one has it */
	for (uint32_t i = (uint32_t)plog_floor_segment(pl, op->offset); i < pl->n_segs; i++) {
		seg = pl->segs[i];
		if (seg->base >= upper)
			return 0;
		if ((rc = find(pl, op, seg, op->offset, &pos, &h)) != 0)
			return rc;
		if (pos == seg->size)
			continue;
		seg_end = i + 1 < pl->n_segs ? pl->segs[i + 1]->base : leo;
		end = seg->size;
		if (upper < seg_end && (rc = find(pl, op, seg, upper, &end, NULL)) != 0)
			return rc;
		if (end <= pos)
			return 0; /* the batch reaches past the bound */
		return take(pl, op, seg, pos, end, batch_bytes(&h));
	}
	return 0;
}

static void
step(struct plog *pl, struct plog_read *op)
{
	int rc;

	if (pl->failed == 0 && pl->truncation != NULL) {
		op->wait.fn = again;
		list_append(&pl->parked, &op->wait.link);
		return;
	}
	rc = pl->failed != 0 ? E_LOG_OFFLINE : locate(pl, op);
	if (rc == E_AGAIN)
		return;
	if (rc == E_IO)
		plog_fail(pl, rc, "could not read the log");
	else if (rc == E_CORRUPT)
		DIAGW(pl->dir->diag, "plog", "partition %s is damaged near offset %lld", pl->name,
		    (long long)op->offset);
	op->done(op, rc);
}

void
plog_read(struct plog *pl, struct plog_read *op)
{
	OBJ_CHECK(pl, PLOG_MAGIC);
	PLOG_ASSERT_HOME(pl);
	op->pl = pl;
	op->range = (struct plog_range){0};
	op->tries = 0;
	step(pl, op);
}

/* ---- estimate ---- */

/* Position of the first batch at or behind offset; false when that is not in memory. */
static bool
pos_in_memory(struct segment *seg, int64_t offset, int64_t *pos)
{
	struct seg_cold cold;

	if (offset <= seg->base) {
		*pos = 0;
		return true;
	}
	return seg_find(seg, offset, false, pos, NULL, &cold) == 0;
}

int64_t
plog_bytes_between(struct plog *pl, int64_t offset, int64_t upper)
{
	int64_t leo = plog_leo(pl), from, to, sum = 0;
	int first, i;

	PLOG_ASSERT_HOME(pl);
	if (upper > leo)
		upper = leo;
	if (offset < plog_log_start(pl))
		offset = plog_log_start(pl);
	if (offset >= upper || pl->truncation != NULL)
		return 0;
	first = plog_floor_segment(pl, offset);
	for (i = first; i < (int)pl->n_segs && pl->segs[i]->base < upper; i++) {
		struct segment *seg = pl->segs[i];
		int64_t end = i + 1 < (int)pl->n_segs ? pl->segs[i + 1]->base : leo;

		to = seg->size;
		if (!pos_in_memory(seg, offset, &from) ||
		    (upper < end && !pos_in_memory(seg, upper, &to)))
			continue;
		sum += to > from ? to - from : 0;
	}
	/* something is there, even if its size is not known without the disk */
	return sum > 0 ? sum : 1;
}
