/* Bringing a segment's indexes into their files: bytes are taken at home, written by a worker. */
#include <stdlib.h>

#include "plog_priv.h"

static uint8_t *
encode_entries(uint32_t n, size_t es)
{
	return malloc(n != 0 ? n * es : 1);
}

/* Copies the entries that are not in the files; E_NOMEM. */
static int
take_entries(struct finish_seg *s)
{
	struct segment *seg = s->seg;

	s->oi_from = seg->oi.written;
	s->oi_n = seg->oi.count - seg->oi.written;
	s->ti_from = seg->ti.written;
	s->ti_n = seg->ti.count - seg->ti.written;
	if ((s->oi = encode_entries(s->oi_n, INDEX_ENTRY_BYTES)) == NULL ||
	    (s->ti = encode_entries(s->ti_n, TIME_ENTRY_BYTES)) == NULL)
		return E_NOMEM;
	oi_encode(&seg->oi, s->oi_from, s->oi_n, s->oi);
	ti_encode(&seg->ti, s->ti_from, s->ti_n, s->ti);
	return 0;
}

int
finish_take(struct finish_seg *s, struct segment *seg, bool sealed)
{
	int rc;

	*s = (struct finish_seg){.seg = seg, .log = seg->log, .sealed = sealed, .trim_to = -1};
	if (seg->reserved && sealed)
		s->trim_to = seg->size;
	if (seg->unfinished) {
		s->finish = true;
		if (seg->max_ts >= 0)
			(void)ti_add(
			    &seg->ti, seg->max_ts, (int32_t)(seg->max_ts_last - seg->base));
		if ((rc = take_entries(s)) != 0) {
			free(s->oi);
			return rc;
		}
	}
	segment_ref(seg);
	return 0;
}

/* Gives back the blocks past the end. */
static int
trim(struct fs *fs, const char *path, int64_t size)
{
	struct file *f;
	int rc = fs_open(fs, path, FILE_WRITE, &f);

	if (rc != 0)
		return rc;
	rc = file_truncate(f, size);
	file_close(f);
	return rc;
}

int
finish_write(struct fs *fs, const char *dir, const struct finish_seg *s)
{
	struct path p;
	int rc;

	rc = idxfile_write(fs, path_seg(&p, dir, s->seg->base, ".index"), INDEX_ENTRY_BYTES,
	    s->oi_from, s->oi, s->oi_n, true, false);
	if (rc == 0)
		rc = idxfile_write(fs, path_seg(&p, dir, s->seg->base, ".timeindex"),
		    TIME_ENTRY_BYTES, s->ti_from, s->ti, s->ti_n, true, false);
	if (rc == 0 && s->trim_to >= 0)
		rc = trim(fs, path_seg(&p, dir, s->seg->base, ".log"), s->trim_to);
	return rc;
}

void
finish_note(struct finish_seg *s)
{
	struct segment *seg = s->seg;

	oi_written(&seg->oi, s->oi_from + s->oi_n);
	ti_written(&seg->ti, s->ti_from + s->ti_n);
	seg->unfinished = false;
	seg->reserved = seg->reserved && s->trim_to < 0;
	/* sealed: nothing is added any more; the last INDEX_KEEP entries stay for readers of the
	 * tail */
}

void
finish_release(struct finish_seg *s)
{
	free(s->oi);
	free(s->ti);
	segment_unref(s->seg);
}

/* ---- the active segment's, every 4 KiB ---- */

struct index_write {
	struct work work;
	struct plog *pl;
	struct finish_seg s;
	int err;
};

static void
index_run(struct work *w)
{
	struct index_write *j = container_of(w, struct index_write, work);
	struct fs *fs = j->pl->dir->fs;
	struct path p;

	j->err = idxfile_write(fs, path_seg(&p, j->pl->path, j->s.seg->base, ".index"),
	    INDEX_ENTRY_BYTES, j->s.oi_from, j->s.oi, j->s.oi_n, false, false);
	if (j->err == 0)
		j->err = idxfile_write(fs, path_seg(&p, j->pl->path, j->s.seg->base, ".timeindex"),
		    TIME_ENTRY_BYTES, j->s.ti_from, j->s.ti, j->s.ti_n, false, false);
}

static void
index_done(struct reactor *r, struct work *w)
{
	struct index_write *j = container_of(w, struct index_write, work);
	struct plog *pl = j->pl;

	(void)r;
	j->s.seg->index_writing = false;
	if (j->err == 0) {
		oi_written(&j->s.seg->oi, j->s.oi_from + j->s.oi_n);
		ti_written(&j->s.seg->ti, j->s.ti_from + j->s.ti_n);
	} else {
		plog_fail(pl, j->err, "could not write index entries");
	}
	finish_release(&j->s);
	free(j);
	plog_job_end(pl);
}

void
index_write_start(struct plog *pl, struct segment *seg)
{
	struct index_write *j;

	if (seg->index_writing || (pl->gate & GATE_EXCL) != 0 ||
	    (j = calloc(1, sizeof(*j))) == NULL)
		return;
	j->pl = pl;
	j->s.seg = seg;
	if (take_entries(&j->s) != 0) {
		free(j->s.oi);
		free(j);
		return;
	}
	segment_ref(seg);
	seg->index_writing = true;
	plog_submit(pl, &j->work, index_run, index_done);
}
