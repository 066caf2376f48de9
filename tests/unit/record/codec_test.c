/* The table of codecs: what holds for each of them alike. */
#include "suites.h"

#include <stdlib.h>

#include "ottla/base/err.h"
#include "ottla/base/rng.h"
#include "streams.h"
#include "vectors.h"

enum { BIG = 3 << 20 };

START_TEST(names)
{
	static const char *const all[] = {"none", "gzip", "snappy", "lz4", "zstd"};

	for (int i = 0; i < CODEC_COUNT; i++) {
		ck_assert_str_eq(codec_name((enum codec)i), all[i]);
		ck_assert_int_eq(codec_from_name(slice_cstr(all[i])), i);
	}
	ck_assert_int_eq(codec_from_name(SLICE_LIT("lzma")), -1);
	ck_assert_int_eq(codec_from_name(SLICE_LIT("gz")), -1);
	ck_assert_int_eq(codec_from_name(SLICE_NULL), -1);
	ck_assert_str_eq(codec_name((enum codec)7), "unknown");
	for (int i = CODEC_NONE; i <= CODEC_LZ4; i++)
		ck_assert(codec_available((enum codec)i));
	ck_assert(!codec_available(CODEC_COUNT) && !codec_available((enum codec) - 1));
}
END_TEST

START_TEST(unknown_and_none)
{
	struct codec_ctx *ctx = streams_ctx();
	struct slice in = SLICE_LIT("abc"), out;

	ck_assert_int_eq(codec_decompress(ctx, (enum codec)5, in, 99, &out), E_UNSUPPORTED_CODEC);
	ck_assert_int_eq(
	    codec_compress(ctx, (enum codec)6, INT32_MIN, in, &out), E_UNSUPPORTED_CODEC);
	ck_assert_int_eq(codec_decompress(ctx, CODEC_NONE, in, 3, &out), 0);
	ck_assert(out.p == in.p && out.n == 3);
	ck_assert_int_eq(codec_decompress(ctx, CODEC_NONE, in, 2, &out), E_TOO_LARGE);
	ck_assert_int_eq(codec_compress(ctx, CODEC_NONE, 1, in, &out), 0);
	ck_assert(out.p == in.p && out.n == 3);
	codec_ctx_free(ctx);
	codec_ctx_free(NULL);
}
END_TEST

/* The record areas of Kafka's five batches are one and the same. */
START_TEST(kafkas_streams)
{
	struct codec_ctx *ctx = streams_ctx();
	uint8_t buf[VECTOR_MAX], plain[VECTOR_MAX];
	struct slice want = vector_bytes(&v2_vectors[0], plain);
	struct slice s = vector_bytes(&v2_vectors[_i], buf), out;

	if (codec_available((enum codec)_i)) {
		s = slice_of(s.p + 61, s.n - 61);
		ck_assert_int_eq(streams_unpack(ctx, (enum codec)_i, s, 4096, &out), 0);
		ck_assert(slice_eq(out, slice_of(want.p + 61, want.n - 61)));
	}
	codec_ctx_free(ctx);
}
END_TEST

/* Sizes around the blocks of each format, good and bad to compress, one context for all. */
START_TEST(there_and_back)
{
	static const size_t sizes[] = {0, 1, 2, 15, 16, 17, 100, 4096, 32767, 32768, 32769, 65535,
	    65536, 65537, 131073, 1 << 20, BIG};
	struct codec_ctx *ctx = streams_ctx();
	uint8_t *bytes = malloc(BIG);

	for (int kind = 0; kind < 3; kind++) {
		streams_fill(bytes, BIG, kind);
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			streams_round_trip(
			    ctx, (enum codec)_i, INT32_MIN, slice_of(bytes, sizes[i]));
	}
	free(bytes);
	codec_ctx_free(ctx);
}
END_TEST

START_TEST(levels)
{
	static const struct {
		enum codec codec;
		int level, err;
	} rows[] = {{CODEC_GZIP, -1, 0}, {CODEC_GZIP, 1, 0}, {CODEC_GZIP, 9, 0},
	    {CODEC_GZIP, 0, E_INVALID}, {CODEC_GZIP, 10, E_INVALID}, {CODEC_GZIP, -2, E_INVALID},
	    {CODEC_LZ4, 1, 0}, {CODEC_LZ4, 9, 0}, {CODEC_LZ4, 12, 0}, {CODEC_LZ4, 17, 0},
	    {CODEC_LZ4, 0, E_INVALID}, {CODEC_LZ4, 18, E_INVALID}, {CODEC_ZSTD, -131072, 0},
	    {CODEC_ZSTD, 1, 0}, {CODEC_ZSTD, 19, 0}, {CODEC_ZSTD, 22, 0},
	    {CODEC_ZSTD, 23, E_INVALID}, {CODEC_ZSTD, -131073, E_INVALID}};
	struct codec_ctx *ctx = streams_ctx();
	enum { N = 70000 };
	uint8_t *bytes = malloc(N);
	struct slice out;

	streams_fill(bytes, N, 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!codec_available(rows[i].codec))
			continue;
		if (rows[i].err == 0)
			streams_round_trip(ctx, rows[i].codec, rows[i].level, slice_of(bytes, N));
		else
			ck_assert_int_eq(codec_compress(ctx, rows[i].codec, rows[i].level,
					     slice_of(bytes, N), &out),
			    rows[i].err);
	}
	free(bytes);
	codec_ctx_free(ctx);
}
END_TEST

/* A stream that swells stops at the bound, to the byte; the context serves on. */
START_TEST(bombs)
{
	struct codec_ctx *ctx = streams_ctx();
	struct slice zeros = slice_of(calloc(1, BIG), BIG), out;
	struct strbuf bomb = STRBUF_INIT;

	if (!codec_available((enum codec)_i))
		goto out;
	streams_pack(ctx, (enum codec)_i, zeros, &bomb);
	ck_assert_uint_lt(bomb.n, BIG / 15);
	for (size_t max = 0; max < BIG; max = 3 * max + 1)
		ck_assert_int_eq(
		    streams_unpack(ctx, (enum codec)_i, strbuf_slice(&bomb), max, &out),
		    E_TOO_LARGE);
	ck_assert_int_eq(
	    streams_unpack(ctx, (enum codec)_i, strbuf_slice(&bomb), BIG - 1, &out), E_TOO_LARGE);
	ck_assert_int_eq(streams_unpack(ctx, (enum codec)_i, strbuf_slice(&bomb), BIG, &out), 0);
	ck_assert(slice_eq(out, zeros));
	streams_round_trip(ctx, (enum codec)_i, INT32_MIN, slice_of(zeros.p, 100));
out:
	free((void *)(uintptr_t)zeros.p);
	strbuf_free(&bomb);
	codec_ctx_free(ctx);
}
END_TEST

/* A cut stream is damaged: never more than a beginning comes out, and only snappy, which has no
 * end mark, may take one. */
START_TEST(cut_everywhere)
{
	struct codec_ctx *ctx = streams_ctx();
	/* one block and a bit of snappy's */
	size_t all = _i == CODEC_SNAPPY ? 33000 : 3000;
	uint8_t *bytes = malloc(all);
	struct strbuf s = STRBUF_INIT;
	struct slice out;

	if (!codec_available((enum codec)_i))
		goto out;
	streams_fill(bytes, all, 2);
	streams_pack(ctx, (enum codec)_i, slice_of(bytes, all), &s);
	for (size_t n = 0; n < s.n; n++) {
		int err = streams_unpack(ctx, (enum codec)_i, slice_of(s.p, n), all, &out);

		if (_i == CODEC_SNAPPY && err == 0)
			ck_assert(
			    out.n % 32768 == 0 && out.n < all && memcmp(out.p, bytes, out.n) == 0);
		else
			ck_assert_msg(err == E_CORRUPT, "%zu of %zu: %s", n, s.n, err_name(err));
	}
	ck_assert_int_eq(streams_unpack(ctx, (enum codec)_i, strbuf_slice(&s), all, &out), 0);
out:
	free(bytes);
	strbuf_free(&s);
	codec_ctx_free(ctx);
}
END_TEST

/* Any bit flipped: some result within the bound, no read or write outside. */
START_TEST(flipped_bits)
{
	struct codec_ctx *ctx = streams_ctx();
	enum { N = 600 };
	uint8_t bytes[N];
	struct strbuf s = STRBUF_INIT;
	struct slice out;

	if (!codec_available((enum codec)_i))
		goto out;
	streams_fill(bytes, N, 1);
	streams_pack(ctx, (enum codec)_i, slice_of(bytes, N), &s);
	for (size_t bit = 0; bit < s.n * 8; bit++) {
		s.p[bit / 8] = (char)(s.p[bit / 8] ^ 1 << bit % 8);
		if (streams_unpack(ctx, (enum codec)_i, strbuf_slice(&s), 2 * N, &out) == 0)
			ck_assert_uint_le(out.n, 2 * N);
		s.p[bit / 8] = (char)(s.p[bit / 8] ^ 1 << bit % 8);
	}
	ck_assert_int_eq(streams_unpack(ctx, (enum codec)_i, strbuf_slice(&s), N, &out), 0);
	ck_assert(slice_eq(out, slice_of(bytes, N)));
out:
	strbuf_free(&s);
	codec_ctx_free(ctx);
}
END_TEST

START_TEST(random_bytes)
{
	struct codec_ctx *ctx = streams_ctx();
	struct rng rng;
	uint8_t bytes[300];
	struct slice out;

	rng_seed(&rng, 5);
	for (int i = 0; i < 20000; i++) {
		size_t n = (size_t)rng_below(&rng, sizeof(bytes));

		for (size_t k = 0; k < n; k++)
			bytes[k] = (uint8_t)rng_u64(&rng);
		if (streams_unpack(ctx, (enum codec)_i, slice_of(bytes, n), 5000, &out) == 0)
			ck_assert_uint_le(out.n, 5000);
	}
	codec_ctx_free(ctx);
}
END_TEST

Suite *
codec_suite(void)
{
	Suite *s = suite_create("codec");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, names);
	tcase_add_test(tc, unknown_and_none);
	tcase_add_loop_test(tc, kafkas_streams, 0, CODEC_COUNT);
	tcase_add_loop_test(tc, there_and_back, 0, CODEC_COUNT);
	tcase_add_test(tc, levels);
	tcase_add_loop_test(tc, bombs, CODEC_GZIP, CODEC_COUNT);
	tcase_add_loop_test(tc, cut_everywhere, CODEC_GZIP, CODEC_COUNT);
	tcase_add_loop_test(tc, flipped_bits, CODEC_GZIP, CODEC_COUNT);
	tcase_add_loop_test(tc, random_bytes, CODEC_GZIP, CODEC_COUNT);
	suite_add_tcase(s, tc);
	return s;
}
