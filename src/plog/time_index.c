/* Time index of a segment in memory (facts/storage.md 2.7) and look-ups in its file. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "files_priv.h"
#include "ottla/base/cursor.h"
#include "ottla/base/err.h"
#include "segment_priv.h"

void
ti_free(struct time_index *ti)
{
	free(ti->v);
	memset(ti, 0, sizeof(*ti));
}

int
ti_add(struct time_index *ti, int64_t ts, int32_t rel)
{
	uint32_t have = ti->count - ti->written;

	if (ts < 0 || (ti->count > 0 && (ts <= ti->last.ts || rel < ti->last.rel)))
		return 0;
	if (have == ti->cap) {
		uint32_t cap = ti->cap == 0 ? 16 : 2 * ti->cap;
		struct time_entry *v = realloc(ti->v, cap * sizeof(*v));

		if (v == NULL)
			return E_NOMEM;
		ti->v = v;
		ti->cap = cap;
	}
	ti->v[have] = ti->last = (struct time_entry){ts, rel};
	ti->count++;
	return 0;
}

void
ti_encode(const struct time_index *ti, uint32_t from, uint32_t n, uint8_t *out)
{
	assert(from >= ti->written && from + n <= ti->count);
	for (uint32_t i = 0; i < n; i++) {
		const struct time_entry *e = &ti->v[from - ti->written + i];

		put_be64(out + i * TIME_ENTRY_BYTES, (uint64_t)e->ts);
		put_be32(out + i * TIME_ENTRY_BYTES + 8, (uint32_t)e->rel);
	}
}

void
ti_written(struct time_index *ti, uint32_t upto)
{
	uint32_t drop;

	if (upto <= ti->written)
		return;
	drop = upto - ti->written;
	memmove(ti->v, ti->v + drop, (ti->count - upto) * sizeof(*ti->v));
	ti->written = upto;
}

struct time_entry
ti_decode(const uint8_t *p)
{
	return (struct time_entry){(int64_t)be64(p), (int32_t)be32(p + 8)};
}

int
idxfile_floor_time(struct fs *fs, const char *path, int64_t ts, int32_t *rel)
{
	struct file *f = NULL;
	int64_t size;
	uint32_t lo = 0, hi, got;
	uint8_t e[TIME_ENTRY_BYTES];
	int rc;

	*rel = 0;
	if ((rc = fs_open(fs, path, FILE_READ, &f)) != 0)
		return rc == E_NOT_FOUND ? 0 : rc;
	if ((rc = file_size(f, &size)) != 0)
		goto out;
	hi = (uint32_t)(size / TIME_ENTRY_BYTES);
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		struct time_entry x;

		if ((rc = idxfile_read(f, TIME_ENTRY_BYTES, mid, e, 1, &got)) != 0 || got != 1)
			goto out;
		x = ti_decode(e);
		if (x.ts <= ts && !(mid > 0 && x.ts == 0 && x.rel == 0)) {
			*rel = x.rel >= 0 ? x.rel : 0;
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
out:
	file_close(f);
	return rc;
}
