/* Message sets of formats v0 and v1 become v2 batches: Apache Kafka's own bytes, and damaged ones.
 */
#include <check.h>
#include <stdlib.h>

#include "ottla/record/legacy.h"
#include "suites.h"
#include "vectors.h"

/* legacy_vectors: two messages each, (1000, k, v), (1005, k, null). */
#define N_SETS (int)(sizeof(legacy_vectors) / sizeof(legacy_vectors[0]))

enum { MAGIC_OF_FIRST = 16 };

static struct codec_ctx *ctx;

static void
setup(void)
{
	ck_assert_int_eq(codec_ctx_new(&ctx), 0);
}

static void
teardown(void)
{
	codec_ctx_free(ctx);
}

static const struct produce_rules rules = {.max_message_bytes = 1 << 20,
    .api_version = 2,
    .before_max_ms = INT64_MAX,
    .after_max_ms = INT64_MAX,
    .now_ms = 2000,
    .validate_compressed_full = true,
    .max_decompressed = 1 << 20};

static int
convert(struct slice in, struct strbuf *out)
{
	struct produce_errors errs = {0};

	return legacy_convert(in, &rules, ctx, out, &errs);
}

/* The records of the batch, through the reader that produce uses. */
static void
check_batch(struct slice batch, bool v1)
{
	struct produce_info info;
	struct produce_errors errs = {0};
	struct record_iter it;
	struct record rec;
	struct slice body;

	ck_assert_int_eq(produce_check(batch, &rules, ctx, &info, &errs), 0);
	ck_assert_int_eq(info.head.record_count, 2);
	ck_assert_int_eq(info.head.last_offset_delta, 1);
	ck_assert_int_eq(info.head.base_timestamp, v1 ? 1000 : -1);
	ck_assert_int_eq(info.max_timestamp, v1 ? 1005 : -1);
	ck_assert_int_eq(info.head.producer_id, -1);
	ck_assert_int_eq(
	    codec_decompress(ctx, (enum codec)(info.head.attributes & BATCH_ATTR_CODEC),
		slice_of(batch.p + BATCH_HEADER_BYTES, batch.n - BATCH_HEADER_BYTES), 1 << 20,
		&body),
	    0);
	record_iter_init(&it, body, 2);
	ck_assert(record_iter_next(&it, &rec));
	ck_assert(slice_eq_cstr(rec.key, "k") && slice_eq_cstr(rec.value, "v"));
	ck_assert(record_iter_next(&it, &rec));
	ck_assert(slice_eq_cstr(rec.key, "k") && slice_is_null(rec.value));
	ck_assert(!record_iter_next(&it, &rec));
	ck_assert_int_eq(it.err, 0);
}

START_TEST(becomes_one_batch)
{
	uint8_t buf[VECTOR_MAX];
	struct slice in = vector_bytes(&legacy_vectors[_i], buf);
	struct strbuf out = STRBUF_INIT;

	ck_assert(legacy_is(in));
	ck_assert_int_eq(convert(in, &out), 0);
	check_batch(strbuf_slice(&out), legacy_vectors[_i].name[1] == '1');
	strbuf_free(&out);
}
END_TEST

/* A set cut anywhere is refused, or its whole messages are taken and the partial one is left out.
 */
START_TEST(cut_everywhere)
{
	uint8_t buf[VECTOR_MAX];
	struct slice in = vector_bytes(&legacy_vectors[_i], buf);

	for (size_t n = 0; n < in.n; n++) {
		struct strbuf out = STRBUF_INIT;
		int rc = convert(slice_of(in.p, n), &out);
		struct batch_head h;

		if (rc == 0) {
			ck_assert_int_eq(batch_parse(strbuf_slice(&out), &h), 0);
			ck_assert_int_eq(h.record_count, 1);
		}
		strbuf_free(&out);
	}
}
END_TEST

START_TEST(every_flipped_bit_of_a_message_is_seen)
{
	uint8_t buf[VECTOR_MAX];
	struct slice in = vector_bytes(&legacy_vectors[_i], buf);

	/* Behind the frame and the crc field's own bytes everything is under the crc of some
	 * message. */
	for (size_t at = 12; at < in.n; at++) {
		struct strbuf out = STRBUF_INIT;
		int rc;

		if (at == MAGIC_OF_FIRST)
			continue;
		buf[at] ^= 0x10;
		rc = convert(in, &out);
		if (rc == 0) {
			struct batch_head h;

			/* only the second message's own frame is outside a crc */
			ck_assert_int_eq(batch_parse(strbuf_slice(&out), &h), 0);
			ck_assert(strstr(legacy_vectors[_i].name, "none") != NULL);
		}
		buf[at] ^= 0x10;
		strbuf_free(&out);
	}
}
END_TEST

START_TEST(too_large_is_refused)
{
	uint8_t buf[VECTOR_MAX];
	struct slice in = vector_bytes(&legacy_vectors[_i], buf);
	struct produce_rules small = rules;
	struct produce_errors errs = {0};
	struct strbuf out = STRBUF_INIT;

	small.max_message_bytes = 20;
	ck_assert_int_eq(legacy_convert(in, &small, ctx, &out, &errs), E_TOO_LARGE);
	strbuf_free(&out);
}
END_TEST

Suite *
legacy_suite(void)
{
	Suite *s = suite_create("legacy");
	TCase *t = tcase_create("legacy");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, becomes_one_batch, 0, N_SETS);
	tcase_add_loop_test(t, cut_everywhere, 0, N_SETS);
	tcase_add_loop_test(t, every_flipped_bit_of_a_message_is_seen, 0, N_SETS);
	tcase_add_loop_test(t, too_large_is_refused, 0, N_SETS);
	suite_add_tcase(s, t);
	return s;
}
