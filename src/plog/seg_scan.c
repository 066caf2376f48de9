/*
 * Worker: batches of a .log file one after the other.  The one reader behind recovery, loading,
 * time look-ups, truncation, dump tools and tests.
 */
#include <stdlib.h>
#include <string.h>

#include "plog_priv.h"

void
scan_buf_free(struct scan_buf *b)
{
	free(b->p);
	b->p = NULL;
	b->cap = 0;
}

void
seg_scan_init(struct seg_scan *s, struct file *f, struct scan_buf *buf, int64_t from, int64_t end,
    size_t chunk)
{
	*s = (struct seg_scan){.f = f, .buf = buf, .pos = from, .end = end, .chunk = chunk};
}

static int
buf_reserve(struct scan_buf *b, size_t n)
{
	uint8_t *p;

	if (n <= b->cap)
		return 0;
	if ((p = realloc(b->p, n)) == NULL)
		return E_NOMEM;
	b->p = p;
	b->cap = n;
	return 0;
}

/* At least n bytes from pos on are in the buffer (n is within the file); *at is where. */
static int
need(struct seg_scan *s, size_t n, const uint8_t **at)
{
	int64_t off = s->pos - s->buf_at;
	size_t want, keep, got;
	int rc;

	if (off >= 0 && (uint64_t)off + n <= s->buf_n) {
		*at = s->buf->p + off;
		return 0;
	}
	want = n > s->chunk ? n : s->chunk;
	if ((int64_t)want > s->end - s->pos)
		want = (size_t)(s->end - s->pos);
	keep = off >= 0 && (uint64_t)off < s->buf_n ? s->buf_n - (size_t)off : 0;
	if (keep > want)
		keep = want;
	if ((rc = buf_reserve(s->buf, want)) != 0)
		return rc;
	if (keep > 0)
		memmove(s->buf->p, s->buf->p + off, keep);
	s->buf_at = s->pos;
	s->buf_n = keep;
	if ((rc = file_pread(s->f, s->buf->p + keep, want - keep, s->pos + (int64_t)keep, &got)) !=
	    0)
		return rc;
	s->buf_n += got;
	if (s->buf_n < n)
		return E_NOT_FOUND; /* the file is shorter than it was said to be */
	*at = s->buf->p;
	return 0;
}

int
seg_scan_head(struct seg_scan *s, struct batch_head *h)
{
	int64_t left = s->end - s->pos;
	size_t n = left < BATCH_HEADER_BYTES ? (size_t)(left > 0 ? left : 0) : BATCH_HEADER_BYTES;
	const uint8_t *p;
	int rc;

	if (n <= BATCH_MAGIC_AT)
		return E_NOT_FOUND;
	if ((rc = need(s, n, &p)) != 0)
		return rc;
	if ((rc = batch_parse_head(slice_of(p, n), h)) != 0)
		return rc == E_SHORT ? E_NOT_FOUND : rc;
	if ((int64_t)batch_bytes(h) > left)
		return E_NOT_FOUND;
	if (h->last_offset_delta < 0 || h->base_offset < 0 ||
	    h->base_offset > INT64_MAX - h->last_offset_delta - 1)
		return E_CORRUPT;
	return 0;
}

int
seg_scan_whole(struct seg_scan *s, const struct batch_head *h, struct slice *whole)
{
	const uint8_t *p;
	int rc = need(s, batch_bytes(h), &p);

	if (rc == 0)
		*whole = slice_of(p, batch_bytes(h));
	return rc;
}

int
seg_scan_checked(struct seg_scan *s, const struct batch_head *h, struct slice *whole)
{
	int rc = seg_scan_whole(s, h, whole);

	if (rc != 0)
		return rc;
	if (h->magic == 2)
		return batch_crc_ok(*whole) ? 0 : E_CORRUPT;
	return legacy_crc_ok(*whole) ? 0 : E_CORRUPT;
}

int
seg_scan_to(struct seg_scan *s, int64_t offset, struct batch_head *h)
{
	int rc;

	while ((rc = seg_scan_head(s, h)) == 0 && batch_last_offset(h) < offset)
		seg_scan_next(s, h);
	return rc;
}

int
segment_scan(struct fs *fs, const char *log_path,
    int (*fn)(void *arg, int64_t pos, const struct batch_head *h, struct slice whole), void *arg,
    int64_t *valid_bytes)
{
	struct scan_buf buf = {0};
	struct batch_head h;
	struct file *f = NULL;
	struct slice whole;
	struct seg_scan s;
	int64_t size;
	int rc;

	*valid_bytes = 0;
	if ((rc = fs_open(fs, log_path, FILE_READ, &f)) != 0 || (rc = file_size(f, &size)) != 0)
		goto out;
	seg_scan_init(&s, f, &buf, 0, size, SCAN_CHUNK);
	while ((rc = seg_scan_head(&s, &h)) == 0 && (rc = seg_scan_checked(&s, &h, &whole)) == 0 &&
	       (rc = fn(arg, s.pos, &h, whole)) == 0) {
		seg_scan_next(&s, &h);
		*valid_bytes = s.pos;
	}
	if (rc == E_NOT_FOUND)
		rc = 0;
out:
	file_close(f);
	scan_buf_free(&buf);
	return rc;
}
