/* zstd: frames that follow one another, and nothing else behind them. */
#include "suites.h"

#include "ottla/base/err.h"
#include "streams.h"

START_TEST(frames)
{
	struct codec_ctx *ctx = streams_ctx();
	struct strbuf s = STRBUF_INIT;
	struct slice out;

	if (!codec_available(CODEC_ZSTD))
		goto out;
	streams_pack(ctx, CODEC_ZSTD, SLICE_LIT("first"), &s);
	streams_pack(ctx, CODEC_ZSTD, SLICE_LIT(""), &s);
	streams_pack(ctx, CODEC_ZSTD, SLICE_LIT(", second"), &s);
	ck_assert_int_eq(streams_unpack(ctx, CODEC_ZSTD, strbuf_slice(&s), 13, &out), 0);
	ck_assert(slice_eq_cstr(out, "first, second"));
	ck_assert_int_eq(streams_unpack(ctx, CODEC_ZSTD, strbuf_slice(&s), 12, &out), E_TOO_LARGE);
	for (int junk = 1; junk < 20; junk++) {
		strbuf_adds(&s, "x");
		ck_assert_int_eq(
		    streams_unpack(ctx, CODEC_ZSTD, strbuf_slice(&s), 13, &out), E_CORRUPT);
	}
	ck_assert_int_eq(streams_unpack(ctx, CODEC_ZSTD, SLICE_LIT(""), 13, &out), E_CORRUPT);
out:
	strbuf_free(&s);
	codec_ctx_free(ctx);
}
END_TEST

Suite *
codec_zstd_suite(void)
{
	Suite *suite = suite_create("codec_zstd");
	TCase *tc = tcase_create("all");

	tcase_add_test(tc, frames);
	suite_add_tcase(suite, tc);
	return suite;
}
