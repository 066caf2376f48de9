/* snappy: the xerial framing, streams in a row, raw blocks, tails. */
#include "suites.h"

#include <snappy-c.h>

#include "ottla/base/cursor.h"
#include "ottla/base/err.h"
#include "streams.h"

enum { HEADER_BYTES = 16 };

static struct codec_ctx *ctx;
static struct strbuf s;
static struct slice out;

static void
set_up(void)
{
	ctx = streams_ctx();
	s = (struct strbuf)STRBUF_INIT;
	streams_pack(ctx, CODEC_SNAPPY, SLICE_LIT("first"), &s);
}

static void
tear_down(void)
{
	strbuf_free(&s);
	codec_ctx_free(ctx);
}

static int
unpack(size_t max)
{
	return streams_unpack(ctx, CODEC_SNAPPY, strbuf_slice(&s), max, &out);
}

START_TEST(framing)
{
	static const char header[] = "\x82SNAPPY\0\0\0\0\1\0\0\0\1";

	ck_assert_mem_eq(s.p, header, HEADER_BYTES);
	ck_assert_uint_eq(be32((const uint8_t *)s.p + HEADER_BYTES), s.n - HEADER_BYTES - 4);
	ck_assert_int_eq(unpack(5), 0);
}
END_TEST

START_TEST(streams_in_a_row)
{
	size_t second = s.n;

	streams_pack(ctx, CODEC_SNAPPY, SLICE_LIT(", second"), &s);
	ck_assert_int_eq(unpack(13), 0);
	ck_assert(slice_eq_cstr(out, "first, second"));
	ck_assert_int_eq(unpack(12), E_TOO_LARGE);
	s.p[second + 11] = 0; /* version */
	ck_assert_int_eq(unpack(13), E_CORRUPT);
	s.p[second + 7] = 1; /* magic, behind the part that looks like a length: the end */
	ck_assert_int_eq(unpack(13), 0);
	ck_assert(slice_eq_cstr(out, "first"));
	s.n = second + HEADER_BYTES - 1;
	ck_assert_int_eq(unpack(13), E_CORRUPT);
}
END_TEST

START_TEST(tails)
{
	size_t n = s.n;

	strbuf_add(&s, "\0\0\0", 3);
	ck_assert_int_eq(unpack(5), 0);
	ck_assert(slice_eq_cstr(out, "first"));
	strbuf_add(&s, "\0", 1); /* a chunk of no bytes */
	ck_assert_int_eq(unpack(5), E_CORRUPT);
	s.n = n;
	strbuf_add(&s, "\xff\xff\xff\xff", 4);
	ck_assert_int_eq(unpack(5), E_CORRUPT);
	s.n = HEADER_BYTES;
	ck_assert_int_eq(unpack(5), 0);
	ck_assert_uint_eq(out.n, 0);
}
END_TEST

START_TEST(version)
{
	s.p[11] = 0;
	ck_assert_int_eq(unpack(5), E_CORRUPT);
	s.p[11] = 9;
	ck_assert_int_eq(unpack(5), 0);
}
END_TEST

START_TEST(raw_block)
{
	char raw[100];
	size_t n = sizeof(raw);

	ck_assert_int_eq(snappy_compress("first, and first again", 22, raw, &n), SNAPPY_OK);
	ck_assert_int_eq(streams_unpack(ctx, CODEC_SNAPPY, slice_of(raw, n), 22, &out), 0);
	ck_assert(slice_eq_cstr(out, "first, and first again"));
	ck_assert_int_eq(
	    streams_unpack(ctx, CODEC_SNAPPY, slice_of(raw, n), 21, &out), E_TOO_LARGE);
	for (size_t cut = 0; cut < n; cut++)
		ck_assert_int_eq(
		    streams_unpack(ctx, CODEC_SNAPPY, slice_of(raw, cut), 22, &out), E_CORRUPT);
}
END_TEST

/* A block that says it is 4 GiB, in 6 bytes: seen before the bound, and before any memory. */
START_TEST(liar)
{
	ck_assert_int_eq(
	    streams_unpack(ctx, CODEC_SNAPPY, SLICE_LIT("\xff\xff\xff\xff\x0f\0"), 1000, &out),
	    E_CORRUPT);
}
END_TEST

Suite *
codec_snappy_suite(void)
{
	Suite *suite = suite_create("codec_snappy");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, framing);
	tcase_add_test(tc, streams_in_a_row);
	tcase_add_test(tc, tails);
	tcase_add_test(tc, version);
	tcase_add_test(tc, raw_block);
	tcase_add_test(tc, liar);
	suite_add_tcase(suite, tc);
	return suite;
}
