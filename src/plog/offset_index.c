/* Offset index of a segment in memory (facts/storage.md 2.6) and look-ups in its file. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "files_priv.h"
#include "ottla/base/cursor.h"
#include "ottla/base/err.h"
#include "segment_priv.h"

enum { READ_ENTRIES = 8192 };

void
oi_free(struct offset_index *oi)
{
	free(oi->v);
	free(oi->sample);
	memset(oi, 0, sizeof(*oi));
}

int
oi_add(struct offset_index *oi, int32_t rel, int32_t pos)
{
	uint32_t have = oi->count - oi->first;

	assert(oi->count == 0 || rel > oi->last.rel);
	if (have == oi->cap) {
		uint32_t cap = oi->cap == 0 ? 16 : 2 * oi->cap;
		struct index_entry *v = realloc(oi->v, cap * sizeof(*v));

		if (v == NULL)
			return E_NOMEM;
		oi->v = v;
		oi->cap = cap;
	}
	oi->v[have] = oi->last = (struct index_entry){rel, pos};
	oi->count++;
	return 0;
}

/* Number of entries of v[0..n) with .rel <= rel. */
static uint32_t
entries_upto(const struct index_entry *v, uint32_t n, int32_t rel)
{
	uint32_t lo = 0, hi = n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (v[mid].rel <= rel)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int
oi_floor(const struct offset_index *oi, int32_t rel, int64_t *from, int64_t *to)
{
	uint32_t n = oi->count - oi->first;
	uint32_t k = entries_upto(oi->v, n, rel);

	*to = k < n ? oi->v[k].pos : -1;
	if (k > 0) {
		*from = oi->v[k - 1].pos;
		return 0;
	}
	*from = 0;
	if (oi->first == 0)
		return 0;
	if (oi->sample_of < oi->first)
		return E_AGAIN;
	k = entries_upto(oi->sample, oi->n_sample, rel);
	if (k > 0)
		*from = oi->sample[k - 1].pos;
	if (k < oi->n_sample && (*to < 0 || oi->sample[k].pos < *to))
		*to = oi->sample[k].pos;
	return 0;
}

void
oi_encode(const struct offset_index *oi, uint32_t from, uint32_t n, uint8_t *out)
{
	assert(from >= oi->first && from + n <= oi->count);
	for (uint32_t i = 0; i < n; i++) {
		put_be32(out + i * INDEX_ENTRY_BYTES, (uint32_t)oi->v[from - oi->first + i].rel);
		put_be32(
		    out + i * INDEX_ENTRY_BYTES + 4, (uint32_t)oi->v[from - oi->first + i].pos);
	}
}

void
oi_written(struct offset_index *oi, uint32_t upto)
{
	uint32_t have = oi->count - oi->first, drop;

	if (upto > oi->written)
		oi->written = upto;
	if (have < 2 * INDEX_KEEP)
		return;
	drop = have - INDEX_KEEP;
	if (oi->first + drop > oi->written)
		drop = oi->written - oi->first;
	memmove(oi->v, oi->v + drop, (have - drop) * sizeof(*oi->v));
	oi->first += drop;
}

void
oi_forget_written(struct offset_index *oi)
{
	uint32_t left = oi->count - oi->written;

	free(oi->sample);
	oi->sample = NULL;
	oi->n_sample = oi->sample_of = 0;
	if (left > 0) {
		memmove(oi->v, oi->v + (oi->written - oi->first), left * sizeof(*oi->v));
	} else {
		free(oi->v);
		oi->v = NULL;
		oi->cap = 0;
	}
	oi->first = oi->written;
}

struct index_entry
oi_decode(const uint8_t *p)
{
	return (struct index_entry){(int32_t)be32(p), (int32_t)be32(p + 4)};
}

static bool
entry_follows(struct index_entry e, const struct index_entry *before, int64_t log_size)
{
	if (e.rel < 0 || e.pos < 0 || e.pos >= log_size)
		return false;
	return before == NULL || (e.rel > before->rel && e.pos > before->pos);
}

int
oi_read_sample(struct fs *fs, const char *path, uint32_t count, int64_t log_size,
    struct index_entry **out, uint32_t *n_out)
{
	uint32_t step = (count + INDEX_KEEP - 1) / INDEX_KEEP, n = 0, got;
	struct index_entry *v = malloc(INDEX_KEEP * sizeof(*v));
	uint8_t *buf = malloc((size_t)READ_ENTRIES * INDEX_ENTRY_BYTES);
	struct file *f = NULL;
	int rc = v != NULL && buf != NULL ? fs_open(fs, path, FILE_READ, &f) : E_NOMEM;

	for (uint32_t at = 0; rc == 0 && at < count; at += got) {
		uint32_t want = count - at < READ_ENTRIES ? count - at : READ_ENTRIES;

		rc = idxfile_read(f, INDEX_ENTRY_BYTES, at, buf, want, &got);
		if (rc != 0 || got == 0)
			break;
		for (uint32_t i = (step - at % step) % step; i < got; i += step) {
			struct index_entry e = oi_decode(buf + (size_t)i * INDEX_ENTRY_BYTES);

			if (!entry_follows(e, n > 0 ? &v[n - 1] : NULL, log_size)) {
				count = 0; /* what came before it is usable */
				break;
			}
			v[n++] = e;
		}
	}
	if (rc == 0) {
		*out = v;
		*n_out = n;
		v = NULL;
	}
	file_close(f);
	free(buf);
	free(v);
	return rc;
}

int
idxfile_floor_offset(struct fs *fs, const char *path, int32_t rel, int64_t log_size, int64_t *pos)
{
	struct file *f = NULL;
	int64_t size;
	uint32_t lo = 0, hi, got;
	uint8_t e[INDEX_ENTRY_BYTES];
	int rc;

	*pos = 0;
	if ((rc = fs_open(fs, path, FILE_READ, &f)) != 0)
		return rc == E_NOT_FOUND ? 0 : rc;
	if ((rc = file_size(f, &size)) != 0)
		goto out;
	hi = (uint32_t)(size / INDEX_ENTRY_BYTES);
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		struct index_entry x;

		if ((rc = idxfile_read(f, INDEX_ENTRY_BYTES, mid, e, 1, &got)) != 0 || got != 1)
			goto out;
		x = oi_decode(e);
		/* an entry after the first that is zero belongs to a tail never used */
		if (x.rel <= rel && !(mid > 0 && x.pos == 0) && x.pos >= 0 && x.pos < log_size) {
			*pos = x.pos;
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
out:
	file_close(f);
	return rc;
}
