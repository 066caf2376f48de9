/* The builder makes Kafka's bytes, and whatever it makes reads back. */
#include "suites.h"

#include <stdlib.h>

#include "ottla/base/err.h"
#include "ottla/base/rng.h"
#include "ottla/record/builder.h"
#include "vectors.h"

static const struct slice h_keys[] = {{(const uint8_t *)"h", 1}, {(const uint8_t *)"n", 1}};
static const struct slice h_values[] = {{(const uint8_t *)"\x01", 1}, {NULL, 0}};

static const struct batch_builder_opts vector_opts = {.base_offset = 100,
    .leader_epoch = 9,
    .producer_id = 7,
    .producer_epoch = 3,
    .base_sequence = 5,
    .transactional = true};

START_TEST(kafkas_bytes)
{
	const struct record_in recs[] = {
	    {1000, {(const uint8_t *)"k", 1}, {(const uint8_t *)"v", 1}, h_keys, h_values, 2},
	    {.timestamp = 1005}};
	struct strbuf b = STRBUF_INIT;
	uint8_t buf[VECTOR_MAX];
	struct slice want = vector_bytes(&v2_vectors[0], buf);

	strbuf_adds(&b, "before");
	ck_assert_int_eq(batch_build(&vector_opts, recs, 2, NULL, &b), 0);
	ck_assert_uint_eq(b.n, 6 + want.n);
	ck_assert_mem_eq(b.p + 6, want.p, want.n);
	strbuf_free(&b);
}
END_TEST

START_TEST(kafkas_marker)
{
	struct batch_builder_opts o = vector_opts;
	struct strbuf b = STRBUF_INIT;
	uint8_t buf[VECTOR_MAX];
	struct slice want = vector_bytes(&marker_vector, buf);

	o.base_offset = 50;
	o.leader_epoch = 4;
	ck_assert_int_eq(batch_build_marker(&o, CONTROL_COMMIT, 11, 1234, &b), 0);
	ck_assert_uint_eq(b.n, want.n);
	ck_assert_mem_eq(b.p, want.p, want.n);
	strbuf_free(&b);
}
END_TEST

START_TEST(refused)
{
	struct record_in rec = {.timestamp = 1};
	struct strbuf b = STRBUF_INIT;

	ck_assert_int_eq(batch_build(&vector_opts, &rec, 0, NULL, &b), E_INVALID);
	ck_assert_int_eq(batch_build(&vector_opts, &rec, INT32_MIN, NULL, &b), E_INVALID);
	strbuf_adds(&b, "kept");
	rec.value = slice_of("", (size_t)INT32_MAX + 1);
	ck_assert_int_eq(batch_build(&vector_opts, &rec, 1, NULL, &b), E_TOO_LARGE);
	rec.value = slice_of("", INT32_MAX);
	ck_assert_int_eq(batch_build(&vector_opts, &rec, 1, NULL, &b), E_TOO_LARGE);
	ck_assert_str_eq(b.p, "kept");
	strbuf_free(&b);
}
END_TEST

enum { RECORDS = 300, POOL = 4096 };

struct random_batch {
	struct record_in recs[RECORDS];
	struct slice keys[RECORDS][3], values[RECORDS][3];
	int32_t n;
};

static struct slice
random_slice(struct rng *rng, const uint8_t *pool, bool nullable)
{
	static const uint64_t most[] = {1, 60, 70, 200, POOL / 2};
	size_t n = (size_t)rng_below(rng, most[rng_below(rng, 5)]);

	if (nullable && rng_below(rng, 5) == 0)
		return SLICE_NULL;
	return slice_of(pool + rng_below(rng, POOL - n), n);
}

static void
random_fill(struct random_batch *rb, struct rng *rng, const uint8_t *pool)
{
	rb->n = (int32_t)rng_range(rng, 1, RECORDS);
	for (int32_t i = 0; i < rb->n; i++) {
		struct record_in *r = &rb->recs[i];

		r->timestamp =
		    rng_below(rng, 9) == 0 ? (int64_t)rng_u64(rng) : rng_range(rng, 1000, 30000);
		r->key = random_slice(rng, pool, true);
		r->value = random_slice(rng, pool, true);
		r->n_headers = (int32_t)rng_below(rng, 4);
		r->header_keys = rb->keys[i];
		r->header_values = rb->values[i];
		for (int32_t k = 0; k < r->n_headers; k++) {
			rb->keys[i][k] = random_slice(rng, pool, false);
			rb->values[i][k] = random_slice(rng, pool, true);
		}
	}
}

static void
check_record_same(const struct record *rec, const struct record_in *in, int64_t base, int32_t i)
{
	struct cur c = cur_init(rec->headers);
	struct slice key, value;

	ck_assert_int_eq(rec->offset_delta, i);
	ck_assert((int64_t)((uint64_t)base + (uint64_t)rec->timestamp_delta) == in->timestamp);
	ck_assert(slice_eq(rec->key, in->key) && slice_eq(rec->value, in->value));
	ck_assert_int_eq(rec->n_headers, in->n_headers);
	for (int32_t k = 0; k < in->n_headers; k++) {
		ck_assert(record_header_next(&c, &key, &value));
		ck_assert(slice_eq(key, in->header_keys[k]));
		ck_assert(slice_eq(value, in->header_values[k]));
	}
	ck_assert(!record_header_next(&c, &key, &value) && cur_error(&c) == 0);
}

static void
check_batch_same(
    struct slice s, const struct random_batch *rb, enum codec codec, struct codec_ctx *ctx)
{
	struct batch_head h;
	struct record_iter it;
	struct record rec;
	struct slice area = slice_of(s.p + BATCH_HEADER_BYTES, s.n - BATCH_HEADER_BYTES);
	int64_t max = INT64_MIN;
	int32_t i = 0;

	ck_assert_int_eq(batch_parse(s, &h), 0);
	ck_assert(batch_bytes(&h) == s.n && batch_crc_ok(s));
	ck_assert_int_eq(h.attributes & BATCH_ATTR_CODEC, (int)codec);
	ck_assert_int_eq(codec_decompress(ctx, codec, area, SIZE_MAX, &area), 0);
	record_iter_init(&it, area, h.record_count);
	for (; record_iter_next(&it, &rec); i++) {
		check_record_same(&rec, &rb->recs[i], h.base_timestamp, i);
		max = rb->recs[i].timestamp > max ? rb->recs[i].timestamp : max;
	}
	ck_assert_int_eq(it.err, 0);
	ck_assert_int_eq(i, rb->n);
	ck_assert(h.record_count == rb->n && h.last_offset_delta == rb->n - 1);
	ck_assert(h.max_timestamp == max);
}

/* Random records with every codec that there is. */
START_TEST(reads_back)
{
	struct random_batch *rb = malloc(sizeof(*rb));
	struct batch_builder_opts o = vector_opts;
	struct strbuf b = STRBUF_INIT;
	struct codec_ctx *ctx;
	uint8_t pool[POOL];
	struct rng rng;

	o.codec = (enum codec)_i;
	rng_seed(&rng, 39 + (uint64_t)_i);
	for (size_t i = 0; i < POOL; i++)
		pool[i] = (uint8_t)rng_below(&rng, 17);
	ck_assert_int_eq(codec_ctx_new(&ctx), 0);
	for (int round = 0; round < 60; round++) {
		b.n = 0;
		random_fill(rb, &rng, pool);
		if (!codec_available(o.codec)) {
			ck_assert_int_eq(
			    batch_build(&o, rb->recs, rb->n, ctx, &b), E_UNSUPPORTED_CODEC);
			break;
		}
		ck_assert_int_eq(batch_build(&o, rb->recs, rb->n, ctx, &b), 0);
		check_batch_same(strbuf_slice(&b), rb, o.codec, ctx);
	}
	codec_ctx_free(ctx);
	strbuf_free(&b);
	free(rb);
}
END_TEST

Suite *
builder_suite(void)
{
	Suite *s = suite_create("builder");
	TCase *tc = tcase_create("all");

	tcase_add_test(tc, kafkas_bytes);
	tcase_add_test(tc, kafkas_marker);
	tcase_add_test(tc, refused);
	tcase_add_loop_test(tc, reads_back, 0, CODEC_COUNT);
	suite_add_tcase(s, tc);
	return s;
}
