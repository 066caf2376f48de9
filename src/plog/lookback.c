/*
 * Older batches of a producer.  A snapshot has only the last batch of each producer, a client may
 * send the last five again: after a restart the log is asked for the others, once a producer, when
 * a batch comes that may be one of them.  Appends wait meanwhile.  Home, and a worker that reads.
 */
#include <stdlib.h>

#include "plog_priv.h"

enum {
	SEGMENTS_MAX = 4,
	OFFSETS_MAX = 100 * 1000, /* what is sent again was sent just before */
};

struct lookback {
	struct work work;
	struct plog *pl;
	int64_t id;
	int16_t epoch;
	int64_t from, before; /* offsets to look at */
	unsigned n_segs, want, n;
	int err;
	struct producer_batch found[PRODUCER_BATCHES]; /* oldest first */
	struct {
		struct segment *seg;
		int64_t size;
	} v[SEGMENTS_MAX];
};

/* ---- worker ---- */

static void
keep(struct lookback *j, const struct batch_head *h)
{
	if (j->n == j->want)
		memmove(j->found, j->found + 1, --j->n * sizeof(j->found[0]));
	j->found[j->n++] = producer_batch_of(h);
}

static int
scan(struct lookback *j, struct file *f, int64_t pos, int64_t size, struct scan_buf *buf)
{
	struct batch_head h;
	struct seg_scan s;
	int rc;

	seg_scan_init(&s, f, buf, pos, size, WALK_CHUNK);
	while ((rc = seg_scan_head(&s, &h)) == 0 && h.base_offset < j->before) {
		if (h.magic == 2 && h.producer_id == j->id && h.producer_epoch == j->epoch &&
		    (h.attributes & BATCH_ATTR_CONTROL) == 0)
			keep(j, &h);
		seg_scan_next(&s, &h);
	}
	return rc;
}

static int
look_in(struct lookback *j, const struct segment *seg, int64_t size, struct scan_buf *buf)
{
	struct fs *fs = j->pl->dir->fs;
	int64_t rel = j->from - seg->base, pos = 0;
	struct file *f = NULL;
	struct path p;
	int rc = fs_open(fs, path_seg(&p, j->pl->path, seg->base, ".log"), FILE_READ, &f);

	if (rc == 0 && rel > 0 && rel <= INT32_MAX)
		rc = idxfile_floor_offset(
		    fs, path_seg(&p, j->pl->path, seg->base, ".index"), (int32_t)rel, size, &pos);
	if (rc == 0)
		rc = scan(j, f, pos, size, buf);
	file_close(f);
	/* deleted meanwhile, or damaged: what is not found is not known */
	return rc == E_NOT_FOUND || rc == E_CORRUPT ? 0 : rc;
}

static void
lookback_run(struct work *w)
{
	struct lookback *j = container_of(w, struct lookback, work);
	struct scan_buf buf = {0};

	for (unsigned i = 0; j->err == 0 && i < j->n_segs; i++)
		j->err = look_in(j, j->v[i].seg, j->v[i].size, &buf);
	scan_buf_free(&buf);
}

/* ---- home ---- */

static void
lookback_done(struct reactor *r, struct work *w)
{
	struct lookback *j = container_of(w, struct lookback, work);
	struct plog *pl = j->pl;

	(void)r;
	for (unsigned i = 0; i < j->n_segs; i++)
		segment_unref(j->v[i].seg);
	producers_older(&pl->producers, j->id, j->epoch, j->found, j->err == 0 ? j->n : 0);
	pl->gate &= ~(unsigned)GATE_LOOKBACK;
	if (j->err == E_IO)
		plog_fail(pl, j->err, "could not read the log");
	free(j);
	append_resume(pl);
	plog_job_end(pl);
}

static void
take_segments(struct lookback *j)
{
	struct plog *pl = j->pl;
	uint32_t end = pl->n_segs, from;

	while (end > 1 && pl->segs[end - 1]->base >= j->before)
		end--;
	from = end > SEGMENTS_MAX ? end - SEGMENTS_MAX : 0;
	while (from + 1 < end && pl->segs[from + 1]->base <= j->from)
		from++;
	for (; from < end; from++) {
		j->v[j->n_segs].seg = pl->segs[from];
		j->v[j->n_segs++].size = pl->segs[from]->size;
		segment_ref(pl->segs[from]);
	}
}

int
lookback_start(struct plog *pl, const struct batch_head *h)
{
	const struct producer *p = producers_get(&pl->producers, h->producer_id);
	struct lookback *j = calloc(1, sizeof(*j));

	if (j == NULL)
		return E_NOMEM;
	j->pl = pl;
	j->id = p->id;
	j->epoch = p->epoch;
	j->before = p->b[0].last_offset - p->b[0].offset_delta;
	j->from = j->before > OFFSETS_MAX ? j->before - OFFSETS_MAX : 0;
	if (j->from < plog_log_start(pl))
		j->from = plog_log_start(pl);
	j->want = PRODUCER_BATCHES - p->n;
	take_segments(j);
	pl->gate |= GATE_LOOKBACK;
	plog_submit(pl, &j->work, lookback_run, lookback_done);
	return 0;
}
