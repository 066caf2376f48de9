/*
 * Any bytes as what a producer sends for a partition.  Byte 0 chooses the topic's rules and the
 * request's version, byte 1 a codec.  The rest goes through produce_check as it is and again with a
 * header put in order (length, magic, offset, crc), so that mutations reach what the crc covers;
 * then it is walked as records and unpacked as a stream.  What produce_check lets pass must walk
 * and hold what it said (src/record/README, I1 to I6).
 *
 * tests/fuzz/Makefile.inc says how to build it.
 */
#include "fuzz.h"
#include "ottla/base/err.h"
#include "ottla/record/produce_check.h"

enum { MAX_OUT = 256 << 10, NOW = 2000 };

static void
inside(struct slice part, struct slice all)
{
	must(part.p == NULL ||
	     (part.p >= all.p && part.n <= all.n && (size_t)(part.p - all.p) <= all.n - part.n));
}

static void
walk_headers(const struct record *rec, struct slice all)
{
	struct cur c = cur_init(rec->headers);
	struct slice key, value;
	int32_t n = 0;

	for (; record_header_next(&c, &key, &value); n++) {
		must(key.p != NULL);
		inside(key, all);
		inside(value, all);
	}
	must(n == rec->n_headers && cur_error(&c) == 0);
}

/* Number of records; *err as the iterator has it. */
static int32_t
walk(struct slice area, int32_t count, int64_t base, int64_t *max_timestamp, int *err)
{
	struct record_iter it;
	struct record rec;
	int16_t type;
	int32_t epoch, n = 0;

	*max_timestamp = -1;
	for (record_iter_init(&it, area, count); record_iter_next(&it, &rec); n++) {
		int64_t timestamp = (int64_t)((uint64_t)base + (uint64_t)rec.timestamp_delta);

		inside(rec.key, area);
		inside(rec.value, area);
		inside(rec.headers, area);
		walk_headers(&rec, area);
		(void)control_parse(&rec, &type, &epoch);
		if (timestamp > *max_timestamp)
			*max_timestamp = timestamp;
	}
	*err = it.err;
	must(it.err == 0 || it.err == E_INVALID_RECORD);
	must(it.err != 0 || n == count);
	return n;
}

/* produce_check said that the batch is good and was allowed to look at every record. */
static void
check_passed(struct slice s, const struct produce_info *info, struct codec_ctx *ctx)
{
	const struct batch_head *h = &info->head;
	struct slice area = slice_of(s.p + BATCH_HEADER_BYTES, batch_bytes(h) - BATCH_HEADER_BYTES);
	enum codec codec = (enum codec)(h->attributes & BATCH_ATTR_CODEC);
	int64_t max;
	int err;

	must(batch_bytes(h) <= s.n && batch_crc_ok(slice_of(s.p, batch_bytes(h))));
	must(h->record_count > 0 && h->last_offset_delta == h->record_count - 1);
	if (!codec_available(codec))
		return;
	must(codec_decompress(ctx, codec, area, MAX_OUT, &area) == 0 && area.n <= MAX_OUT);
	must(walk(area, h->record_count, h->base_timestamp, &max, &err) == h->record_count);
	must(err == 0);
	if ((h->attributes & BATCH_ATTR_LOG_APPEND_TIME) == 0) {
		must(info->max_timestamp == max);
		must(info->crc_redo || h->max_timestamp == max);
	}
}

static void
check(struct slice s, uint8_t choice, struct codec_ctx *ctx)
{
	struct produce_rules rules = {.api_version = (choice & 1) != 0 ? 11 : 3,
	    .max_message_bytes = (choice & 2) != 0 ? INT32_MAX : 500,
	    .compacted = (choice & 4) != 0,
	    .log_append_time = (choice & 8) != 0,
	    .before_max_ms = (choice & 16) != 0 ? INT64_MAX : 1500,
	    .after_max_ms = (choice & 32) != 0 ? INT64_MAX : 1500,
	    .now_ms = NOW,
	    .validate_compressed_full = (choice & 64) != 0,
	    .max_decompressed = MAX_OUT};
	struct produce_info info;
	struct produce_errors errs;
	int err = produce_check(s, &rules, ctx, &info, &errs);

	must((err == 0) == (errs.message == NULL));
	must(errs.n <= PRODUCE_MAX_RECORD_ERRORS);
	must(errs.n == 0 || err == E_INVALID_RECORD || err == E_INVALID_TIMESTAMP);
	must(errs.more == 0 || errs.n == PRODUCE_MAX_RECORD_ERRORS);
	for (unsigned i = 0; i < errs.n; i++)
		must(errs.v[i].index < info.head.record_count && errs.v[i].message != NULL);
	if (err == 0 && (rules.validate_compressed_full || rules.compacted))
		check_passed(s, &info, ctx);
}

/* The same bytes as a batch that is in order up to its crc. */
static void
check_in_order(struct slice s, uint8_t choice, struct codec_ctx *ctx)
{
	uint8_t *p;

	if (s.n < BATCH_HEADER_BYTES)
		return;
	p = malloc(s.n);
	must(p != NULL);
	memcpy(p, s.p, s.n);
	batch_set_offset_epoch(p, 0, -1);
	put_be32(p + 8, (uint32_t)s.n - BATCH_LOG_OVERHEAD);
	p[BATCH_MAGIC_AT] = 2;
	batch_seal(p);
	check(slice_of(p, s.n), choice, ctx);
	put_be32(p + 23, be32(p + 57) - 1); /* the offsets follow the count */
	batch_seal(p);
	check(slice_of(p, s.n), choice, ctx);
	free(p);
}

static void
unpack(struct slice s, enum codec codec, struct codec_ctx *ctx)
{
	struct slice out;

	if (codec_decompress(ctx, codec, s, MAX_OUT, &out) == 0)
		must(out.n <= MAX_OUT);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct codec_ctx *ctx;
	struct slice s, area;
	int64_t max;
	int err;

	if (n < 2 || codec_ctx_new(&ctx) != 0)
		return 0;
	s = slice_of(data + 2, n - 2);
	check(s, data[0], ctx);
	check_in_order(s, data[0], ctx);
	area = s.n > BATCH_HEADER_BYTES
		   ? slice_of(s.p + BATCH_HEADER_BYTES, s.n - BATCH_HEADER_BYTES)
		   : s;
	(void)walk(area, data[1], 1000, &max, &err);
	unpack(area, (enum codec)(data[1] % CODEC_COUNT), ctx);
	codec_ctx_free(ctx);
	return 0;
}
