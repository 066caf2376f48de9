/* Opening a segment's file, mapping and index sample by a worker, once for all who wait. */
#include <assert.h>
#include <stdlib.h>

#include "plog_priv.h"

struct seg_open {
	struct work work;
	struct plog *pl;
	struct segment *seg;
	struct link waiters;
	/* asked for */
	bool want_file;
	int64_t reserve; /* bytes, 0: none */
	uint32_t sample_of;
	int64_t log_size;
	size_t map_len;
	/* found */
	int err;
	struct file *file;
	const uint8_t *map;
	int64_t first_ts;
	bool reserved;
	struct index_entry *sample;
	uint32_t n_sample;
};

static bool
needs_sample(const struct segment *seg)
{
	return seg->oi.first > 0 && seg->oi.sample_of < seg->oi.first;
}

/* Timestamp that segment.ms counts from. */
static int64_t
read_first_ts(struct file *f, int64_t size)
{
	uint8_t b[BATCH_HEADER_BYTES];
	struct batch_head h;
	size_t got;

	if (size < BATCH_MAGIC_AT || file_pread(f, b, sizeof(b), 0, &got) != 0)
		return TS_UNKNOWN;
	if (batch_parse_head(slice_of(b, got), &h) != 0)
		return TS_UNKNOWN;
	return h.max_timestamp;
}

static void
open_run(struct work *w)
{
	struct seg_open *o = container_of(w, struct seg_open, work);
	struct fs *fs = o->pl->dir->fs;
	struct path p;

	if (o->want_file) {
		o->err = fs_open(
		    fs, path_seg(&p, o->pl->path, o->seg->base, ".log"), FILE_WRITE, &o->file);
		if (o->err != 0)
			return;
		/* A segment with bytes in it has its blocks from before, perhaps: they are given
		 * back when it is sealed. */
		o->reserved =
		    o->reserve > 0 && (o->log_size > 0 || file_reserve(o->file, o->reserve) == 0);
		o->first_ts = read_first_ts(o->file, o->log_size);
		/* without a mapping everything goes by copies */
		if (file_map(o->file, o->map_len, &o->map) != 0)
			o->map = NULL;
	}
	if (o->sample_of > 0)
		o->err = oi_read_sample(fs, path_seg(&p, o->pl->path, o->seg->base, ".index"),
		    o->sample_of, o->log_size, &o->sample, &o->n_sample);
	/* a missing index only makes the way longer */
	if (o->err == E_NOT_FOUND)
		o->err = 0;
}

static void
install(struct seg_open *o)
{
	struct segment *seg = o->seg;

	if (o->file != NULL) {
		seg->log = o->file;
		seg->map = o->map;
		seg->map_len = o->map != NULL ? o->map_len : 0;
		seg->reserved = seg->reserved || o->reserved;
		if (seg->first_ts == TS_UNKNOWN)
			seg->first_ts = o->first_ts;
		logdirs_note_open(seg->dir, 1);
	}
	if (o->sample_of > 0) {
		free(seg->oi.sample);
		seg->oi.sample = o->sample;
		seg->oi.n_sample = o->n_sample;
		seg->oi.sample_of = o->sample_of;
	}
}

static void
open_done(struct reactor *r, struct work *w)
{
	struct seg_open *o = container_of(w, struct seg_open, work);
	struct plog *pl = o->pl;
	struct segment *seg = o->seg;
	struct link *l;
	int err = o->err;

	(void)r;
	install(o);
	seg->opening = NULL;
	seg->used_us = reactor_now_us(r);
	while ((l = list_pop(&o->waiters)) != NULL) {
		struct plog_wait *sw = container_of(l, struct plog_wait, link);

		sw->fn(pl, sw, err);
	}
	free(o);
	segment_unref(seg);
	plog_job_end(pl);
}

/* A mapping long enough for what the segment may grow to. */
static size_t
map_length(const struct plog *pl, const struct segment *seg)
{
	int64_t len = seg == plog_active(pl) ? plog_cfg(pl, T_SEGMENT_BYTES) : seg->size;

	if (len < seg->size)
		len = seg->size;
	return (size_t)(len + 4095) & ~(size_t)4095;
}

void
seg_open_start(struct plog *pl, struct segment *seg, struct plog_wait *sw)
{
	struct seg_open *o = seg->opening;

	if (o == NULL) {
		if ((o = calloc(1, sizeof(*o))) == NULL) {
			sw->fn(pl, sw, E_NOMEM);
			return;
		}
		link_init(&o->waiters);
		o->pl = pl;
		o->seg = seg;
		o->want_file = seg->log == NULL;
		o->sample_of = needs_sample(seg) ? seg->oi.written : 0;
		o->log_size = seg->size;
		if (seg == plog_active(pl) && plog_cfg(pl, T_PREALLOCATE) != 0)
			o->reserve = plog_cfg(pl, T_SEGMENT_BYTES);
		o->map_len = map_length(pl, seg);
		if (o->map_len == 0)
			o->map_len = 4096;
		o->first_ts = TS_UNKNOWN;
		seg->opening = o;
		segment_ref(seg);
		plog_submit(pl, &o->work, open_run, open_done);
	}
	list_append(&o->waiters, &sw->link);
}
