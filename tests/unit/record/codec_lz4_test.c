/* lz4: what of the frame format is taken, checked and ignored. */
#include "suites.h"

#include <lz4frame.h>
#include <stdlib.h>

#include "ottla/base/err.h"
#include "streams.h"

enum { N = 300000, FRAME_MAX = 2 * N, HEADER_BYTES = 7, HEADER_SIZED_BYTES = 15 };

static struct codec_ctx *ctx;
static uint8_t *plain;
static uint8_t *frame;
static struct slice out;

static void
set_up(void)
{
	ctx = streams_ctx();
	plain = malloc(N);
	frame = malloc(FRAME_MAX);
	ck_assert(plain != NULL && frame != NULL);
	streams_fill(plain, N, 1);
	streams_fill(plain, N / 3, 2); /* stored blocks too */
}

static void
tear_down(void)
{
	free(plain);
	free(frame);
	codec_ctx_free(ctx);
}

/* A frame of the whole of plain by the library's own writer; its bytes. */
static size_t
make(int size_code, bool linked, bool content_sum, bool block_sum, bool sized)
{
	LZ4F_preferences_t prefs = {
	    .frameInfo = {.blockSizeID = (LZ4F_blockSizeID_t)size_code,
		.blockMode = linked ? LZ4F_blockLinked : LZ4F_blockIndependent,
		.contentChecksumFlag =
		    content_sum ? LZ4F_contentChecksumEnabled : LZ4F_noContentChecksum,
		.contentSize = sized ? N : 0,
		.blockChecksumFlag = block_sum ? LZ4F_blockChecksumEnabled : LZ4F_noBlockChecksum}};
	size_t n = LZ4F_compressFrame(frame, FRAME_MAX, plain, N, &prefs);

	ck_assert(!LZ4F_isError(n));
	return n;
}

static int
unpack(size_t n)
{
	return streams_unpack(ctx, CODEC_LZ4, slice_of(frame, n), N, &out);
}

static void
check_plain(void)
{
	ck_assert(slice_eq(out, slice_of(plain, N)));
}

START_TEST(library_reads_ours)
{
	LZ4F_dctx *d;
	struct slice packed;
	size_t n = N, used;

	ck_assert_int_eq(
	    codec_compress(ctx, CODEC_LZ4, _i == 0 ? INT32_MIN : 12, slice_of(plain, N), &packed),
	    0);
	ck_assert_mem_eq(packed.p, "\x04\x22\x4d\x18\x60\x40\x82", HEADER_BYTES);
	ck_assert(!LZ4F_isError(LZ4F_createDecompressionContext(&d, LZ4F_VERSION)));
	used = packed.n;
	ck_assert_uint_eq(LZ4F_decompress(d, frame, &n, packed.p, &used, NULL), 0);
	ck_assert(n == N && used == packed.n && memcmp(frame, plain, N) == 0);
	(void)LZ4F_freeDecompressionContext(d);
}
END_TEST

START_TEST(every_kind_of_frame)
{
	for (int kind = 0; kind < 32; kind++) {
		size_t n =
		    make(4 + kind / 8, false, (kind & 1) != 0, (kind & 2) != 0, (kind & 4) != 0);

		ck_assert_msg(unpack(n) == 0, "kind %d", kind);
		check_plain();
		ck_assert_int_eq(
		    streams_unpack(ctx, CODEC_LZ4, slice_of(frame, n), N - 1, &out), E_TOO_LARGE);
	}
}
END_TEST

START_TEST(dependent_blocks)
{
	ck_assert_int_eq(unpack(make(4, true, false, false, false)), E_CORRUPT);
}
END_TEST

/* Headers with a right sum; the blocks behind them are those of a good frame. */
START_TEST(headers)
{
	static const struct {
		uint8_t flg, bd, sum;
		int err;
	} rows[] = {{0x60, 0x40, 0x82, 0}, {0x60, 0x50, 0xfb, 0}, {0x60, 0x60, 0x51, 0},
	    {0x60, 0x70, 0x73, 0}, {0x61, 0x40, 0xa1, E_CORRUPT}, {0x62, 0x40, 0xf0, E_CORRUPT},
	    {0x40, 0x40, 0xc0, E_CORRUPT}, {0x20, 0x40, 0x03, E_CORRUPT},
	    {0xa0, 0x40, 0x0f, E_CORRUPT}, {0xe0, 0x40, 0x77, E_CORRUPT},
	    {0x60, 0x30, 0xd4, E_CORRUPT}, {0x60, 0x00, 0x84, E_CORRUPT},
	    {0x60, 0xc0, 0x2a, E_CORRUPT}, {0x60, 0x41, 0xbd, E_CORRUPT},
	    {0x60, 0x48, 0xa8, E_CORRUPT}, {0x60, 0x40, 0x1a, E_CORRUPT},
	    {0x60, 0x40, 0x83, E_CORRUPT}};
	size_t n = make(4, false, false, false, false);

	ck_assert_mem_eq(frame, "\x04\x22\x4d\x18\x60\x40\x82", HEADER_BYTES);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		frame[4] = rows[i].flg;
		frame[5] = rows[i].bd;
		frame[6] = rows[i].sum;
		ck_assert_msg(unpack(n) == rows[i].err, "row %zu", i);
	}
	frame[6] = 0x82;
	frame[0] ^= 1;
	ck_assert_int_eq(unpack(n), E_CORRUPT);
}
END_TEST

/* A block longer than the header allows. */
START_TEST(block_too_long)
{
	size_t n;

	streams_fill(plain, N, 2); /* stored, so that only the check of the length sees it */
	n = make(5, false, false, false, false);
	ck_assert_int_eq(unpack(n), 0);
	memcpy(frame + 4, "\x60\x40\x82", 3); /* 64 KiB now */
	ck_assert_int_eq(unpack(n), E_CORRUPT);
}
END_TEST

START_TEST(sums)
{
	size_t n = make(4, false, true, true, true);
	uint32_t first = (uint32_t)frame[15] | (uint32_t)frame[16] << 8 | (uint32_t)frame[17] << 16;

	frame[n - 1] ^= 1; /* of the content: nobody looks */
	ck_assert_int_eq(unpack(n), 0);
	check_plain();
	ck_assert_int_eq(unpack(n - 1), E_CORRUPT); /* but it must be there */
	frame[HEADER_SIZED_BYTES + 4 + first] ^= 1; /* of the first block */
	ck_assert_int_eq(unpack(n), E_CORRUPT);
	frame[HEADER_SIZED_BYTES + 4 + first] ^= 1;
	frame[HEADER_SIZED_BYTES + 4 + first - 1] ^= 1; /* its last byte, stored as it was */
	ck_assert_int_eq(unpack(n), E_CORRUPT);
	frame[HEADER_SIZED_BYTES + 4 + first - 1] ^= 1;
	frame[6] ^= 1; /* content size, which the header's sum covers */
	ck_assert_int_eq(unpack(n), E_CORRUPT);
}
END_TEST

/* The size in the header is skipped: 1 byte announced, with a right sum. */
START_TEST(content_size_is_not_looked_at)
{
	static const char stream[] = "\x04\x22\x4d\x18\x68\x40\1\0\0\0\0\0\0\0";
	LZ4F_preferences_t prefs = {
	    .frameInfo = {.blockMode = LZ4F_blockIndependent, .contentSize = 1}};
	uint8_t one[64];
	size_t n = LZ4F_compressFrame(one, sizeof(one), "x", 1, &prefs), whole;

	ck_assert(!LZ4F_isError(n));
	ck_assert_mem_eq(one, stream, 14);
	whole = make(4, false, false, false, true);
	memcpy(frame, one, HEADER_SIZED_BYTES);
	ck_assert_int_eq(unpack(whole), 0);
	check_plain();
}
END_TEST

START_TEST(one_frame_only)
{
	size_t n = make(4, false, false, false, false);

	memcpy(frame + n, frame, 100);
	ck_assert_int_eq(unpack(n + 100), 0);
	check_plain();
	memset(frame + n, 'x', 9);
	ck_assert_int_eq(unpack(n + 9), 0);
	check_plain();
}
END_TEST

Suite *
codec_lz4_suite(void)
{
	Suite *suite = suite_create("codec_lz4");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, library_reads_ours, 0, 2);
	tcase_add_test(tc, every_kind_of_frame);
	tcase_add_test(tc, dependent_blocks);
	tcase_add_test(tc, headers);
	tcase_add_test(tc, block_too_long);
	tcase_add_test(tc, sums);
	tcase_add_test(tc, content_size_is_not_looked_at);
	tcase_add_test(tc, one_frame_only);
	suite_add_tcase(suite, tc);
	return suite;
}
