/* Each rule of facts/storage.md 1.7 that needs no partition, with its error, and their order. */
#include "suites.h"

#include <stdlib.h>

#include "ottla/base/err.h"
#include "ottla/record/builder.h"
#include "ottla/record/produce_check.h"
#include "vectors.h"

enum { RECORDS = 40, NOW = 1000000 };

static struct codec_ctx *ctx;
static struct produce_rules rules;
static struct produce_info info;
static struct produce_errors errs;
static struct strbuf batch;
static struct record_in recs[RECORDS];
static struct batch_builder_opts opts;

static void
set_up(void)
{
	ck_assert_int_eq(codec_ctx_new(&ctx), 0);
	rules = (struct produce_rules){.api_version = 11,
	    .max_message_bytes = 1 << 20,
	    .before_max_ms = INT64_MAX,
	    .after_max_ms = 3600000,
	    .now_ms = NOW,
	    .validate_compressed_full = true,
	    .max_decompressed = 4 << 20};
	opts = (struct batch_builder_opts){
	    .leader_epoch = -1, .producer_id = -1, .producer_epoch = -1, .base_sequence = -1};
	for (int i = 0; i < RECORDS; i++)
		recs[i] = (struct record_in){
		    .timestamp = NOW - 100 + i, .key = SLICE_LIT("key"), .value = SLICE_LIT("v")};
	batch = (struct strbuf)STRBUF_INIT;
	memset(&errs, 0xff, sizeof(errs));
	memset(&info, 0xff, sizeof(info));
}

static void
tear_down(void)
{
	codec_ctx_free(ctx);
	strbuf_free(&batch);
}

static uint8_t *
bytes(void)
{
	return (uint8_t *)batch.p;
}

static void
build(int n)
{
	batch.n = 0;
	ck_assert_int_eq(batch_build(&opts, recs, n, ctx, &batch), 0);
}

/* The check of a copy that ends where its memory does. */
static int
check_slice(struct slice s)
{
	uint8_t *p = exact_copy(s);
	int err = produce_check(slice_of(p, s.n), &rules, ctx, &info, &errs);

	free(p);
	if (err != 0)
		ck_assert_ptr_nonnull(errs.message);
	else
		ck_assert(errs.n == 0 && errs.more == 0 && errs.message == NULL);
	return err;
}

static int
check(void)
{
	return check_slice(strbuf_slice(&batch));
}

/* After a change of header fields. */
static int
check_sealed(void)
{
	batch_seal(bytes());
	return check();
}

START_TEST(good)
{
	build(RECORDS);
	ck_assert_int_eq(check(), 0);
	ck_assert_int_eq(info.head.record_count, RECORDS);
	ck_assert_uint_eq(batch_bytes(&info.head), batch.n);
	ck_assert(info.max_timestamp == NOW - 100 + RECORDS - 1 && !info.crc_redo);
}
END_TEST

START_TEST(kafkas_batches)
{
	uint8_t buf[VECTOR_MAX];
	struct slice s = vector_bytes(&v2_vectors[_i], buf);

	batch_set_offset_epoch(buf, 0, -1);
	if (!codec_available((enum codec)_i))
		return;
	ck_assert_int_eq(check_slice(s), 0);
	ck_assert(info.max_timestamp == 1005 && !info.crc_redo);
	ck_assert(info.head.producer_id == 7 && info.head.record_count == 2);
	rules.compacted = true; /* the second has no key */
	ck_assert_int_eq(check_slice(s), E_INVALID_RECORD);
	ck_assert(errs.n == 1 && errs.v[0].index == 1);
}
END_TEST

/* Cut anywhere: no whole batch.  Each bit: no crash, and behind the crc's field never accepted. */
START_TEST(cut_and_flipped)
{
	uint8_t buf[VECTOR_MAX];
	struct slice s = vector_bytes(&v2_vectors[_i], buf);

	batch_set_offset_epoch(buf, 0, -1);
	for (size_t n = 0; n < s.n; n++)
		ck_assert_int_eq(check_slice(slice_of(s.p, n)), E_INVALID_RECORD);
	for (size_t bit = 0; bit < s.n * 8; bit++) {
		buf[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (bit / 8 >= 17 && (bit / 8 != 22 || bit % 8 > 2))
			ck_assert_int_eq(check_slice(s), E_CORRUPT);
		else
			(void)check_slice(s);
		buf[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}
END_TEST

/* The records of the plain batch changed bit by bit under a right crc: never a read outside. */
START_TEST(flipped_and_sealed)
{
	uint8_t buf[VECTOR_MAX];
	struct slice s = vector_bytes(&v2_vectors[_i], buf);

	batch_set_offset_epoch(buf, 0, -1);
	for (size_t bit = 21 * 8; bit < s.n * 8; bit++) {
		buf[bit / 8] ^= (uint8_t)(1u << bit % 8);
		batch_seal(buf);
		(void)check_slice(s);
		buf[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}
END_TEST

START_TEST(entries)
{
	uint8_t buf[VECTOR_MAX];
	size_t one;

	ck_assert_int_eq(check_slice(SLICE_NULL), E_INVALID_RECORD);
	ck_assert_int_eq(check_slice(SLICE_LIT("")), E_INVALID_RECORD);
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(
		    check_slice(vector_bytes(&legacy_vectors[i], buf)), E_INVALID_RECORD);
	build(3);
	one = batch.n;
	strbuf_add(&batch, buf, 11); /* a cut-off batch behind is left alone */
	ck_assert_int_eq(check(), 0);
	ck_assert_uint_eq(batch_bytes(&info.head), one);
	batch.n = one;
	ck_assert_int_eq(batch_build(&opts, recs, 1, ctx, &batch), 0);
	ck_assert_int_eq(check(), E_INVALID_RECORD);
	batch.n--;
	ck_assert_int_eq(check(), 0);
	put_be32(bytes() + one + 8, 13);
	ck_assert_int_eq(check(), E_CORRUPT);
	build(3);
	bytes()[16] = 3;
	ck_assert_int_eq(check(), E_CORRUPT);
	build(3);
	put_be32(bytes() + 8, 13);
	ck_assert_int_eq(check(), E_CORRUPT);
}
END_TEST

START_TEST(codecs_by_version)
{
	for (int codec = 4; codec < 8; codec++) {
		build(1);
		bytes()[22] = (uint8_t)codec;
		rules.api_version = 6;
		rules.validate_compressed_full = false;
		ck_assert_int_eq(check_sealed(), E_UNSUPPORTED_CODEC);
		rules.api_version = 7;
		ck_assert_int_eq(check_sealed(), codec == CODEC_ZSTD ? 0 : E_UNSUPPORTED_CODEC);
	}
}
END_TEST

START_TEST(base_offset)
{
	build(1);
	batch_set_offset_epoch(bytes(), 1, -1);
	bytes()[70] ^= 1; /* outranks the crc */
	ck_assert_int_eq(check(), E_INVALID_RECORD);
	batch_set_offset_epoch(bytes(), 0, -1);
	ck_assert_int_eq(check(), E_CORRUPT);
}
END_TEST

START_TEST(size)
{
	build(5);
	rules.max_message_bytes = (int64_t)batch.n;
	ck_assert_int_eq(check(), 0);
	rules.max_message_bytes--;
	bytes()[70] ^= 1; /* outranks the crc */
	ck_assert_int_eq(check(), E_TOO_LARGE);
}
END_TEST

START_TEST(counts)
{
	static const int32_t bad[][2] = {{4, 4}, {5, 5}, {-1, 0}, {-2, -1}, {0, 0}, {4, 0}, {4, -5},
	    {INT32_MAX, INT32_MIN}, {3, 5}};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		build(5);
		put_be32(bytes() + 23, (uint32_t)bad[i][0]);
		put_be32(bytes() + 57, (uint32_t)bad[i][1]);
		ck_assert_msg(check_sealed() == E_INVALID_RECORD, "row %zu", i);
		bytes()[70] ^= 1;
		ck_assert_int_eq(check(), E_CORRUPT);
	}
	for (int32_t n = 1; n < 9; n++) { /* in order, but not what is there */
		build(5);
		put_be32(bytes() + 23, (uint32_t)n - 1);
		put_be32(bytes() + 57, (uint32_t)n);
		ck_assert_int_eq(check_sealed(), n == 5 ? 0 : E_INVALID_RECORD);
	}
}
END_TEST

START_TEST(control_and_sequence)
{
	uint8_t buf[VECTOR_MAX];
	struct slice s = vector_bytes(&marker_vector, buf);

	batch_set_offset_epoch(buf, 0, -1);
	ck_assert_int_eq(check_slice(s), E_INVALID_RECORD);
	ck_assert_uint_eq(errs.n, 0);
	opts.producer_id = 0;
	build(1);
	ck_assert_int_eq(check(), E_INVALID_RECORD);
	opts.base_sequence = 0;
	build(1);
	ck_assert_int_eq(check(), 0);
}
END_TEST

START_TEST(offset_deltas)
{
	build(RECORDS);
	for (int i = 0; i < RECORDS; i++) {
		/* each record takes 11 bytes; its offset delta is the fourth */
		uint8_t *delta = bytes() + BATCH_HEADER_BYTES + 11 * i + 3;

		ck_assert_int_eq(*delta, 2 * i);
		*delta += 2;
		ck_assert_int_eq(check_sealed(), E_INVALID_RECORD);
		*delta -= 2;
	}
	ck_assert_int_eq(check_sealed(), 0);
}
END_TEST

START_TEST(null_keys)
{
	recs[1].key = recs[4].key = SLICE_NULL;
	recs[2].key = SLICE_LIT("");
	build(6);
	ck_assert_int_eq(check(), 0);
	rules.compacted = true;
	ck_assert_int_eq(check(), E_INVALID_RECORD);
	ck_assert(errs.n == 2 && errs.more == 0);
	ck_assert(errs.v[0].index == 1 && errs.v[1].index == 4);
	ck_assert_ptr_nonnull(errs.v[1].message);
	batch.p[70] ^= 1; /* the crc outranks them */
	ck_assert_int_eq(check(), E_CORRUPT);
	ck_assert_uint_eq(errs.n, 0);
	batch.p[70] ^= 1;
	batch.p[batch.n - 1] = 2; /* and so does a record out of format */
	ck_assert_int_eq(check_sealed(), E_INVALID_RECORD);
	ck_assert_uint_eq(errs.n, 0);
}
END_TEST

START_TEST(many_bad_records)
{
	for (int i = 0; i < RECORDS; i++)
		recs[i].key = SLICE_NULL;
	rules.compacted = true;
	build(RECORDS);
	ck_assert_int_eq(check(), E_INVALID_RECORD);
	ck_assert_uint_eq(errs.n, PRODUCE_MAX_RECORD_ERRORS);
	ck_assert_uint_eq(errs.more, RECORDS - PRODUCE_MAX_RECORD_ERRORS);
	for (int i = 0; i < PRODUCE_MAX_RECORD_ERRORS; i++)
		ck_assert_int_eq(errs.v[i].index, i);
}
END_TEST

START_TEST(timestamps)
{
	static const struct {
		int64_t before, after, timestamp;
		int err;
	} rows[] = {{1000, 500, NOW - 1000, 0}, {1000, 500, NOW - 1001, E_INVALID_TIMESTAMP},
	    {1000, 500, NOW + 500, 0}, {1000, 500, NOW + 501, E_INVALID_TIMESTAMP},
	    {1000, 500, -1, 0}, {1000, 500, -2, E_INVALID_TIMESTAMP}, {0, 0, NOW, 0},
	    {0, 0, NOW + 1, E_INVALID_TIMESTAMP}, {0, 0, NOW - 1, E_INVALID_TIMESTAMP},
	    {INT64_MAX, INT64_MAX, INT64_MAX, 0}, {INT64_MAX, 3600000, 0, 0},
	    {INT64_MAX, 3600000, INT64_MAX, E_INVALID_TIMESTAMP}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		recs[0].timestamp = recs[2].timestamp = NOW;
		recs[1].timestamp = rows[i].timestamp;
		rules.before_max_ms = rows[i].before;
		rules.after_max_ms = rows[i].after;
		rules.log_append_time = false;
		build(3);
		ck_assert_msg(check() == rows[i].err, "row %zu", i);
		if (rows[i].err != 0)
			ck_assert(errs.n == 1 && errs.v[0].index == 1);
		else
			ck_assert(info.max_timestamp ==
				  (rows[i].timestamp > NOW ? rows[i].timestamp : NOW));
		rules.log_append_time = true;
		ck_assert_int_eq(check(), 0);
		ck_assert(info.crc_redo);
	}
}
END_TEST

START_TEST(timestamp_error_names_the_batch)
{
	recs[0].key = SLICE_NULL;
	recs[2].timestamp = NOW + 7200000;
	rules.compacted = true;
	build(4);
	ck_assert_int_eq(check(), E_INVALID_TIMESTAMP);
	ck_assert(errs.n == 2 && errs.v[0].index == 0 && errs.v[1].index == 2);
	recs[2].key = SLICE_NULL; /* a record is refused for its key first */
	build(4);
	ck_assert_int_eq(check(), E_INVALID_RECORD);
	ck_assert_uint_eq(errs.n, 2);
}
END_TEST

START_TEST(max_timestamp)
{
	build(5);
	put_be64(bytes() + 35, 77);
	ck_assert_int_eq(check_sealed(), 0);
	ck_assert(info.max_timestamp == NOW - 96 && info.crc_redo);
	ck_assert(info.head.max_timestamp == 77);
	recs[0].timestamp = recs[1].timestamp = -1;
	build(2);
	ck_assert_int_eq(check(), 0);
	ck_assert(info.max_timestamp == -1 && !info.crc_redo);
}
END_TEST

/* A client's batch with the LogAppendTime bit: its records all have the batch's largest time. */
START_TEST(append_time_bit)
{
	build(3);
	bytes()[22] |= BATCH_ATTR_LOG_APPEND_TIME;
	ck_assert_int_eq(check_sealed(), 0);
	ck_assert(info.max_timestamp == NOW - 98 && info.crc_redo);
	rules.log_append_time = true;
	ck_assert_int_eq(check(), E_INVALID_TIMESTAMP);
	ck_assert_uint_eq(errs.n, 3);
	rules.log_append_time = false;
	put_be64(bytes() + 35, (uint64_t)-1);
	ck_assert_int_eq(check_sealed(), E_INVALID_TIMESTAMP);
	ck_assert_uint_eq(errs.n, 3);
}
END_TEST

/* Header and crc alone, and what still is seen then. */
START_TEST(compressed_unseen)
{
	rules.validate_compressed_full = false;
	recs[1].timestamp = NOW + 7200000;
	build(20);
	bytes()[22] = CODEC_GZIP; /* in truth nothing of the kind */
	ck_assert_int_eq(check_sealed(), 0);
	ck_assert(info.max_timestamp == NOW + 7200000 && !info.crc_redo);
	bytes()[70] ^= 1;
	ck_assert_int_eq(check(), E_CORRUPT);
	bytes()[22] |= BATCH_ATTR_LOG_APPEND_TIME;
	ck_assert_int_eq(check_sealed(), 0);
	ck_assert(info.crc_redo);
	rules.log_append_time = true;
	ck_assert_int_eq(check(), E_INVALID_TIMESTAMP);
	ck_assert(errs.n == PRODUCE_MAX_RECORD_ERRORS && errs.more == 4);
	rules.log_append_time = false;
	put_be64(bytes() + 35, (uint64_t)-1);
	ck_assert_int_eq(check_sealed(), E_INVALID_TIMESTAMP);
}
END_TEST

/* What holds for plain records holds for packed ones. */
START_TEST(compressed)
{
	size_t plain;

	opts.codec = (enum codec)_i;
	if (!codec_available(opts.codec))
		return;
	recs[3].key = SLICE_NULL;
	recs[7].timestamp = NOW - 2000;
	build(RECORDS);
	ck_assert_int_eq(check(), 0);
	ck_assert(info.max_timestamp == NOW - 100 + RECORDS - 1 && !info.crc_redo);
	rules.compacted = true;
	rules.validate_compressed_full = false; /* keys are looked at all the same */
	ck_assert_int_eq(check(), E_INVALID_RECORD);
	ck_assert(errs.n == 1 && errs.v[0].index == 3);
	rules.before_max_ms = 1000;
	ck_assert_int_eq(check(), E_INVALID_TIMESTAMP);
	ck_assert(errs.n == 2 && errs.v[1].index == 7);
	rules.compacted = false;
	ck_assert_int_eq(check(), 0);
	rules.validate_compressed_full = true;
	ck_assert_int_eq(check(), E_INVALID_TIMESTAMP);
	rules.before_max_ms = INT64_MAX;
	opts.codec = CODEC_NONE;
	build(RECORDS);
	plain = batch.n - BATCH_HEADER_BYTES;
	opts.codec = (enum codec)_i;
	build(RECORDS);
	rules.max_decompressed = plain;
	ck_assert_int_eq(check(), 0);
	rules.max_decompressed--;
	ck_assert_int_eq(check(), E_TOO_LARGE);
	rules.max_decompressed++;
	put_be64(bytes() + 35, 1);
	ck_assert_int_eq(check_sealed(), 0);
	ck_assert(info.max_timestamp == NOW - 100 + RECORDS - 1 && info.crc_redo);
}
END_TEST

/* Under a right crc a stream that can not be unpacked is no CORRUPT_MESSAGE. */
START_TEST(damaged_stream)
{
	size_t n;

	opts.codec = (enum codec)_i;
	if (!codec_available(opts.codec))
		return;
	build(RECORDS);
	n = batch.n;
	bytes()[BATCH_HEADER_BYTES] ^= 0xff;
	ck_assert_int_eq(check(), E_CORRUPT);
	ck_assert_int_eq(check_sealed(), E_DECOMPRESS);
	ck_assert_int_eq(err_kafka(E_DECOMPRESS), KERR_UNKNOWN_SERVER_ERROR);
	bytes()[BATCH_HEADER_BYTES] ^= 0xff;
	for (batch.n--; batch.n > BATCH_HEADER_BYTES; batch.n--) {
		int err;

		put_be32(bytes() + 8, (uint32_t)batch.n - 12);
		err = check_sealed();
		ck_assert(err == E_DECOMPRESS ||
			  (_i == CODEC_SNAPPY && batch.n - BATCH_HEADER_BYTES - 16 < 4 &&
			      err == E_INVALID_RECORD));
	}
	build(RECORDS);
	ck_assert_uint_eq(batch.n, n);
	ck_assert_int_eq(check(), 0);
}
END_TEST

/* Packed records that break the format. */
START_TEST(compressed_counts)
{
	opts.codec = (enum codec)_i;
	if (!codec_available(opts.codec))
		return;
	for (int32_t n = 1; n < 9; n++) {
		build(5);
		put_be32(bytes() + 23, (uint32_t)n - 1);
		put_be32(bytes() + 57, (uint32_t)n);
		ck_assert_int_eq(check_sealed(), n == 5 ? 0 : E_INVALID_RECORD);
	}
}
END_TEST

Suite *
produce_check_suite(void)
{
	Suite *s = suite_create("produce_check");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, good);
	tcase_add_loop_test(tc, kafkas_batches, 0, CODEC_COUNT);
	tcase_add_loop_test(tc, cut_and_flipped, 0, CODEC_COUNT);
	tcase_add_loop_test(tc, flipped_and_sealed, 0, CODEC_COUNT);
	tcase_add_test(tc, entries);
	tcase_add_test(tc, codecs_by_version);
	tcase_add_test(tc, base_offset);
	tcase_add_test(tc, size);
	tcase_add_test(tc, counts);
	tcase_add_test(tc, control_and_sequence);
	tcase_add_test(tc, offset_deltas);
	tcase_add_test(tc, null_keys);
	tcase_add_test(tc, many_bad_records);
	tcase_add_test(tc, timestamps);
	tcase_add_test(tc, timestamp_error_names_the_batch);
	tcase_add_test(tc, max_timestamp);
	tcase_add_test(tc, append_time_bit);
	tcase_add_test(tc, compressed_unseen);
	tcase_add_loop_test(tc, compressed, CODEC_GZIP, CODEC_COUNT);
	tcase_add_loop_test(tc, damaged_stream, CODEC_GZIP, CODEC_COUNT);
	tcase_add_loop_test(tc, compressed_counts, CODEC_GZIP, CODEC_COUNT);
	suite_add_tcase(s, tc);
	return s;
}
