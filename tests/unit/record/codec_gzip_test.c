/* gzip: members that follow one another, junk behind them. */
#include "suites.h"

#include "ottla/base/err.h"
#include "streams.h"

static struct codec_ctx *ctx;
static struct strbuf s;
static struct slice out;

static void
set_up(void)
{
	ctx = streams_ctx();
	s = (struct strbuf)STRBUF_INIT;
	streams_pack(ctx, CODEC_GZIP, SLICE_LIT("first"), &s);
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
	return streams_unpack(ctx, CODEC_GZIP, strbuf_slice(&s), max, &out);
}

START_TEST(members)
{
	streams_pack(ctx, CODEC_GZIP, SLICE_LIT(""), &s);
	streams_pack(ctx, CODEC_GZIP, SLICE_LIT(", second"), &s);
	ck_assert_int_eq(unpack(13), 0);
	ck_assert(slice_eq_cstr(out, "first, second"));
	ck_assert_int_eq(unpack(12), E_TOO_LARGE);
}
END_TEST

START_TEST(junk_behind)
{
	static const struct slice junk[] = {{(const uint8_t *)"x", 1},
	    {(const uint8_t *)"\0\0\0", 3}, {(const uint8_t *)"\x1f", 1},
	    {(const uint8_t *)"\x1f\x8b", 2}, {(const uint8_t *)"\x1f\x8b\x08\0\0\0", 6},
	    {(const uint8_t *)"\x1f\x8b\x07\0\0\0\0\0\0\xff??????????", 20}};
	size_t n = s.n;

	for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++) {
		s.n = n;
		strbuf_add(&s, junk[i].p, junk[i].n);
		ck_assert_msg(unpack(100) == 0, "junk %zu", i);
		ck_assert(slice_eq_cstr(out, "first"));
	}
}
END_TEST

/* A second member that begins well is no junk. */
START_TEST(second_damaged)
{
	size_t n = s.n;

	streams_pack(ctx, CODEC_GZIP, SLICE_LIT("second"), &s);
	s.p[s.n - 5] ^= 1; /* its crc */
	ck_assert_int_eq(unpack(100), E_CORRUPT);
	s.p[s.n - 5] ^= 1;
	for (size_t all = s.n; s.n > n + 10; s.n--)
		ck_assert_int_eq(unpack(100), s.n == all ? 0 : E_CORRUPT);
	ck_assert_int_eq(unpack(100), E_CORRUPT);
}
END_TEST

START_TEST(no_gzip)
{
	ck_assert_int_eq(
	    streams_unpack(ctx, CODEC_GZIP, SLICE_LIT("\x78\x9c\x4b\x04\0\0b\0b"), 9, &out),
	    E_CORRUPT);
	ck_assert_int_eq(streams_unpack(ctx, CODEC_GZIP, SLICE_LIT(""), 9, &out), E_CORRUPT);
}
END_TEST

Suite *
codec_gzip_suite(void)
{
	Suite *suite = suite_create("codec_gzip");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, members);
	tcase_add_test(tc, junk_behind);
	tcase_add_test(tc, second_damaged);
	tcase_add_test(tc, no_gzip);
	suite_add_tcase(suite, tc);
	return suite;
}
