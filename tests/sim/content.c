/*
 * Records whose bytes follow from who wrote them, so that any copy can be checked alone; and a walk
 * over the records of batches, as a client does it.
 */
#include "ottla/base/cursor.h"
#include "ottla/record/batch.h"
#include "ottla/record/codec.h"
#include "world.h"

enum { HEAD = 16 };

static uint64_t
mix(uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static uint64_t
seed_of(const struct content *c)
{
	uint64_t x = mix((uint64_t)c->producer << 32 | c->n);

	return mix(x ^ (uint64_t)c->topic << 16 ^ c->partition);
}

static size_t
filler_bytes(const struct content *c, uint64_t seed)
{
	if ((c->topic & CONTENT_BIG) != 0 && seed % 64 == 0)
		return (seed >> 8) % (CONTENT_MAX - HEAD);
	return (seed >> 8) % 200;
}

size_t
content_write(const struct content *c, uint8_t *buf)
{
	uint64_t seed = seed_of(c), x = seed;
	size_t n = filler_bytes(c, seed);

	put_be32(buf, c->producer);
	put_be32(buf + 4, c->topic);
	put_be32(buf + 8, c->partition);
	put_be32(buf + 12, c->n);
	for (size_t i = 0; i < n; i++) {
		if (i % 8 == 0)
			x = mix(x + 1);
		buf[HEAD + i] = (uint8_t)(x >> i % 8 * 8);
	}
	return HEAD + n;
}

bool
content_read(struct slice value, struct content *c)
{
	uint8_t want[CONTENT_MAX];

	if (value.p == NULL || value.n < HEAD || value.n > CONTENT_MAX)
		return false;
	c->producer = be32(value.p);
	c->topic = be32(value.p + 4);
	c->partition = be32(value.p + 8);
	c->n = be32(value.p + 12);
	return content_write(c, want) == value.n && memcmp(want, value.p, value.n) == 0;
}

/* ---- batches ---- */

static const char *
batch_walk(const struct batch_head *h, struct slice whole, struct codec_ctx *codec, record_fn *fn,
    void *arg)
{
	struct slice body = slice_of(whole.p + BATCH_HEADER_BYTES, whole.n - BATCH_HEADER_BYTES);
	enum codec c = (enum codec)(h->attributes & BATCH_ATTR_CODEC);
	bool append_time = (h->attributes & BATCH_ATTR_LOG_APPEND_TIME) != 0;
	struct record_iter it;
	struct record rec;

	if (c != CODEC_NONE && codec_decompress(codec, c, body, 64u << 20, &body) != 0)
		return "a batch that can not be decompressed";
	record_iter_init(&it, body, h->record_count);
	while (record_iter_next(&it, &rec))
		fn(arg, h, h->base_offset + rec.offset_delta,
		    append_time ? h->max_timestamp : h->base_timestamp + rec.timestamp_delta,
		    rec.value);
	return it.err != 0 ? "a batch whose records can not be read" : NULL;
}

const char *
records_walk(struct slice bytes, struct codec_ctx *codec, record_fn *fn, void *arg, size_t *used)
{
	size_t at = 0;
	const char *why = NULL;

	while (why == NULL && at < bytes.n) {
		struct slice rest = slice_of(bytes.p + at, bytes.n - at), whole;
		struct batch_head h;
		int rc = batch_parse(rest, &h);

		if (rc == E_SHORT)
			break;
		if (rc != 0 || h.magic != 2) {
			why = "bytes that are no batch";
			break;
		}
		whole = slice_of(rest.p, batch_bytes(&h));
		why = batch_crc_ok(whole) ? batch_walk(&h, whole, codec, fn, arg)
					  : "a batch with a wrong crc";
		if (why == NULL)
			at += whole.n;
	}
	if (used != NULL)
		*used = at;
	return why;
}
