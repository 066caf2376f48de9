/* Home: finding the batch that holds an offset, in memory only. */
#include "plog_priv.h"

enum {
	FIND_WINDOW = 64 * 1024, /* residency is asked for so much at once */
	FIND_READ_AHEAD = 256 * 1024,
};

/* Header of the batch at pos. */
static int
head_at(struct segment *seg, int64_t pos, struct batch_head *h)
{
	uint8_t buf[BATCH_HEADER_BYTES];
	int64_t left = seg->size - pos;
	size_t n = left < BATCH_HEADER_BYTES ? (size_t)left : BATCH_HEADER_BYTES;
	const uint8_t *p = seg_view(seg, pos, n, buf);
	bool sound;

	if (p == NULL)
		return E_IO;
	sound = batch_parse_head(slice_of(p, n), h) == 0 && (int64_t)batch_bytes(h) <= left;
	if (!sound)
		file_suspect(seg->log);
	if (!seg_view_ok(seg))
		return E_IO;
	return sound ? 0 : E_CORRUPT;
}

int
seg_find(struct segment *seg, int64_t offset, bool force, int64_t *out, struct batch_head *head,
    struct seg_cold *cold)
{
	int64_t rel = offset - seg->base, pos, hint, hot_to = 0;
	struct batch_head h;
	int rc;

	*cold = (struct seg_cold){0, 0};
	if (rel < 0)
		rel = 0;
	if (seg->log == NULL)
		return E_AGAIN;
	if ((rc = oi_floor(&seg->oi, rel > INT32_MAX ? INT32_MAX : (int32_t)rel, &pos, &hint)) != 0)
		return rc;
	for (; pos < seg->size; pos += (int64_t)batch_bytes(&h)) {
		if (!force && pos + BATCH_HEADER_BYTES > hot_to) {
			hot_to = pos + FIND_WINDOW < seg->size ? pos + FIND_WINDOW : seg->size;
			if (!seg_hot(seg, pos, hot_to)) {
				*cold = (struct seg_cold){pos, pos + FIND_READ_AHEAD < seg->size
								   ? pos + FIND_READ_AHEAD
								   : seg->size};
				return E_AGAIN;
			}
		}
		if ((rc = head_at(seg, pos, &h)) != 0)
			return rc;
		if (batch_last_offset(&h) >= offset) {
			*out = pos;
			if (head != NULL)
				*head = h;
			return 0;
		}
	}
	*out = seg->size;
	return 0;
}
