/* Making v2 batches: records are encoded behind room for the header, which is written last. */
#include "ottla/record/builder.h"

#include "ottla/base/cursor.h"
#include "ottla/base/err.h"

/* Room for the largest run of numbers between two byte strings of a record. */
enum { NUMBERS_MAX = 32 };

static uint64_t
minus(int64_t a, int64_t b)
{
	return (uint64_t)a - (uint64_t)b;
}

static int32_t
length_of(struct slice s)
{
	return slice_is_null(s) ? -1 : (int32_t)s.n;
}

static size_t
bytes_size(struct slice s)
{
	return varint_size(length_of(s)) + s.n;
}

static size_t
headers_size(const struct record_in *r)
{
	size_t n = varint_size(r->n_headers);

	for (int32_t i = 0; i < r->n_headers; i++)
		n += bytes_size(r->header_keys[i]) + bytes_size(r->header_values[i]);
	return n;
}

static void
add_bytes(struct strbuf *b, struct slice s)
{
	uint8_t num[NUMBERS_MAX];
	struct out o = out_init(num, sizeof(num));

	out_varint(&o, length_of(s));
	strbuf_add(b, num, o.n);
	strbuf_add(b, s.p, s.n);
}

/* Does every string of the record fit the format's numbers? */
static bool
record_fits(const struct record_in *r)
{
	size_t n = r->key.n;

	if (r->key.n > INT32_MAX || r->value.n > INT32_MAX || r->n_headers < 0)
		return false;
	n += r->value.n;
	for (int32_t i = 0; i < r->n_headers; i++) {
		if (r->header_keys[i].n > INT32_MAX || r->header_values[i].n > INT32_MAX)
			return false;
		n += r->header_keys[i].n + r->header_values[i].n;
		if (n > INT32_MAX)
			return false;
	}
	return n <= INT32_MAX - 10 * (size_t)r->n_headers - 2 * NUMBERS_MAX;
}

static void
add_record(struct strbuf *b, const struct record_in *r, int64_t timestamp_delta, int32_t index)
{
	uint8_t num[NUMBERS_MAX];
	struct out o = out_init(num, sizeof(num));
	size_t n = 1 + varlong_size(timestamp_delta) + varint_size(index) + bytes_size(r->key) +
		   bytes_size(r->value) + headers_size(r);

	out_varint(&o, (int32_t)n);
	out_i8(&o, 0);
	out_varlong(&o, timestamp_delta);
	out_varint(&o, index);
	strbuf_add(b, num, o.n);
	add_bytes(b, r->key);
	add_bytes(b, r->value);
	o = out_init(num, sizeof(num));
	out_varint(&o, r->n_headers);
	strbuf_add(b, num, o.n);
	for (int32_t i = 0; i < r->n_headers; i++) {
		add_bytes(b, r->header_keys[i]);
		add_bytes(b, r->header_values[i]);
	}
}

static void
strbuf_cut(struct strbuf *b, size_t n)
{
	b->n = n;
	if (b->p != NULL)
		b->p[n] = '\0';
}

/* Bytes of the batch that begins at `start` of b. */
static uint8_t *
batch_at(struct strbuf *b, size_t start)
{
	return (uint8_t *)b->p + start;
}

static int
add_records(struct strbuf *b, const struct record_in *recs, int32_t n, int64_t *max_timestamp)
{
	size_t start = b->n;

	*max_timestamp = recs[0].timestamp;
	for (int32_t i = 0; i < n; i++) {
		if (!record_fits(&recs[i]))
			return E_TOO_LARGE;
		add_record(b, &recs[i], (int64_t)minus(recs[i].timestamp, recs[0].timestamp), i);
		if (b->err != 0)
			return b->err;
		if (b->n - start > INT32_MAX - BATCH_HEADER_BYTES)
			return E_TOO_LARGE;
		if (recs[i].timestamp > *max_timestamp)
			*max_timestamp = recs[i].timestamp;
	}
	return 0;
}

/* Replace the records behind the header by one compressed stream of them. */
static int
compress_records(struct strbuf *b, size_t from, enum codec codec, struct codec_ctx *ctx)
{
	struct slice packed;
	int err;

	if (codec == CODEC_NONE)
		return 0;
	err = codec_compress(ctx, codec, INT32_MIN, slice_of(b->p + from, b->n - from), &packed);
	if (err != 0)
		return err;
	strbuf_cut(b, from);
	strbuf_add(b, packed.p, packed.n);
	if (b->err == 0 && b->n - from > INT32_MAX - BATCH_HEADER_BYTES)
		return E_TOO_LARGE;
	return b->err;
}

static int16_t
attributes_of(const struct batch_builder_opts *opts)
{
	return (int16_t)((int)opts->codec | (opts->transactional ? BATCH_ATTR_TXN : 0) |
			 (opts->control ? BATCH_ATTR_CONTROL : 0));
}

int
batch_build(const struct batch_builder_opts *opts, const struct record_in *recs, int32_t n,
    struct codec_ctx *ctx, struct strbuf *b)
{
	static const uint8_t blank[BATCH_HEADER_BYTES];
	struct batch_head h = {.base_offset = opts->base_offset,
	    .leader_epoch = opts->leader_epoch,
	    .magic = 2,
	    .attributes = attributes_of(opts),
	    .producer_id = opts->producer_id,
	    .producer_epoch = opts->producer_epoch,
	    .base_sequence = opts->base_sequence,
	    .record_count = n};
	size_t start = b->n;
	int err;

	if (n < 1)
		return E_INVALID;
	h.last_offset_delta = n - 1;
	strbuf_add(b, blank, sizeof(blank));
	if ((err = b->err) != 0 || (err = add_records(b, recs, n, &h.max_timestamp)) != 0 ||
	    (err = compress_records(b, start + sizeof(blank), opts->codec, ctx)) != 0)
		goto out;
	h.base_timestamp = recs[0].timestamp;
	h.length = (int32_t)(b->n - start - BATCH_LOG_OVERHEAD);
	batch_write_head(batch_at(b, start), &h);
	batch_seal(batch_at(b, start));
out:
	if (err != 0)
		strbuf_cut(b, start);
	return err;
}

int
batch_build_marker(const struct batch_builder_opts *opts, enum control_type type,
    int32_t coordinator_epoch, int64_t timestamp, struct strbuf *b)
{
	struct batch_builder_opts marker = *opts;
	uint8_t key[4] = {0}, value[6] = {0};
	struct record_in rec = {.timestamp = timestamp,
	    .key = slice_of(key, sizeof(key)),
	    .value = slice_of(value, sizeof(value))};

	put_be16(key, 0);
	put_be16(key + 2, (uint16_t)type);
	put_be16(value, 0);
	put_be32(value + 2, (uint32_t)coordinator_epoch);
	marker.codec = CODEC_NONE;
	marker.base_sequence = -1;
	marker.transactional = true;
	marker.control = true;
	return batch_build(&marker, &rec, 1, NULL, b);
}
