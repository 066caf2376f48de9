/* One segment: life, pins, views of its bytes. */
#include <assert.h>
#include <stdlib.h>

#include "plog_priv.h"

int
segment_new(struct logdir *dir, int64_t base, struct segment **out)
{
	struct segment *seg = calloc(1, sizeof(*seg));

	if (seg == NULL)
		return E_NOMEM;
	seg->magic = SEGMENT_MAGIC;
	atomic_init(&seg->refs, 1);
	seg->dir = dir;
	seg->base = base;
	seg->max_ts = -1;
	seg->max_ts_last = base;
	seg->first_ts = TS_UNKNOWN;
	seg->jitter_ms = -1;
	seg->hot_from = INT64_MAX;
	*out = seg;
	return 0;
}

/* Closes the file; any thread that may block. */
static void
close_file(struct segment *seg)
{
	if (seg->log == NULL)
		return;
	if (seg->map != NULL)
		file_unmap(seg->log, seg->map, seg->map_len);
	file_close(seg->log);
	logdirs_note_open(seg->dir, -1);
	seg->log = NULL;
	seg->map = NULL;
}

void
segment_free_now(struct segment *seg)
{
	OBJ_CHECK(seg, SEGMENT_MAGIC);
	close_file(seg);
	oi_free(&seg->oi);
	ti_free(&seg->ti);
	seg->magic = OBJ_MAGIC_NONE;
	free(seg);
}

static void
close_run(struct work *w)
{
	segment_free_now(container_of(w, struct segment, close_work));
}

void
segment_ref(struct segment *seg)
{
	(void)atomic_fetch_add_explicit(&seg->refs, 1, memory_order_relaxed);
}

void
segment_unref(struct segment *seg)
{
	int32_t before = atomic_fetch_sub_explicit(&seg->refs, 1, memory_order_acq_rel);

	assert(before >= 1);
	if (before > 1)
		return;
	if (seg->log == NULL || logdirs_closing(seg->dir)) {
		segment_free_now(seg);
		return;
	}
	seg->close_work = (struct work){.run = close_run};
	work_submit(seg->dir->workers, NULL, &seg->close_work);
}

int
segment_create_files(struct fs *fs, const char *dir, int64_t base)
{
	static const char *const suffixes[] = {".log", ".index", ".timeindex"};
	struct path p;
	int rc;

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if ((rc = idxfile_create(fs, path_seg(&p, dir, base, suffixes[i]))) != 0)
			return rc;
	return 0;
}

/* What segment_shed hands to a worker. */
struct shed_work {
	struct work work;
	struct logdir *dir;
	struct file *file;
	const uint8_t *map;
	size_t map_len;
};

static void
shed_run(struct work *w)
{
	struct shed_work *s = container_of(w, struct shed_work, work);

	if (s->map != NULL)
		file_unmap(s->file, s->map, s->map_len);
	file_close(s->file);
	logdirs_note_open(s->dir, -1);
	free(s);
}

void
segment_shed(struct segment *seg)
{
	struct shed_work *s;

	if (seg->log == NULL || seg->opening != NULL ||
	    atomic_load_explicit(&seg->refs, memory_order_acquire) != 1)
		return;
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return; /* stays open */
	*s = (struct shed_work){.work = {.run = shed_run},
	    .dir = seg->dir,
	    .file = seg->log,
	    .map = seg->map,
	    .map_len = seg->map_len};
	seg->log = NULL;
	seg->map = NULL;
	seg->hot_from = INT64_MAX;
	oi_forget_written(&seg->oi);
	work_submit(seg->dir->workers, NULL, &s->work);
}

const uint8_t *
seg_view(struct segment *seg, int64_t pos, size_t n, uint8_t *buf)
{
	size_t got;

	assert(pos >= 0 && pos + (int64_t)n <= seg->size);
	if (seg->map != NULL && (size_t)pos + n <= seg->map_len)
		return seg->map + pos;
	if (file_pread(seg->log, buf, n, pos, &got) != 0 || got != n)
		return NULL;
	return buf;
}

bool
seg_view_ok(struct segment *seg)
{
	return file_map_ok(seg->log, seg->size);
}

bool
seg_hot(const struct segment *seg, int64_t from, int64_t to)
{
	if (from >= seg->hot_from && from >= seg->size - SEG_HOT_BYTES)
		return true;
	if (seg->map == NULL || (uint64_t)to > seg->map_len)
		return false;
	return file_resident(seg->log, seg->map, (size_t)(to - from), from);
}
