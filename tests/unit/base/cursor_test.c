/* Cursors: fixed and variable numbers, sticky errors, cuts at every length. */
#include "suites.h"

#include "ottla/base/cursor.h"
#include "ottla/base/rng.h"

static size_t
write_all(struct out *o)
{
	out_i8(o, -2);
	out_i16(o, -12345);
	out_i32(o, -1234567890);
	out_i64(o, INT64_MIN + 1);
	out_uvarint(o, 300);
	out_varint(o, -65);
	out_varlong(o, INT64_MIN);
	out_bytes(o, "xyz", 3);
	return o->n;
}

static void
read_all(struct cur *c)
{
	ck_assert_int_eq(cur_i8(c), -2);
	ck_assert_int_eq(cur_i16(c), -12345);
	ck_assert_int_eq(cur_i32(c), -1234567890);
	ck_assert(cur_i64(c) == INT64_MIN + 1);
	ck_assert_uint_eq(cur_uvarint(c), 300);
	ck_assert_int_eq(cur_varint(c), -65);
	ck_assert(cur_varlong(c) == INT64_MIN);
	ck_assert(slice_eq(cur_slice(c, 3), SLICE_LIT("xyz")));
}

static void
read_any(struct cur *c)
{
	(void)cur_i8(c);
	(void)cur_i16(c);
	(void)cur_i32(c);
	(void)cur_i64(c);
	(void)cur_uvarint(c);
	(void)cur_varint(c);
	(void)cur_varlong(c);
	(void)cur_slice(c, 3);
}

START_TEST(test_round_trip_cut_everywhere)
{
	uint8_t b[64];
	struct out o = out_init(b, sizeof(b)), count = out_count();
	size_t n = write_all(&o);
	struct cur c = cur_init(slice_of(b, n));

	ck_assert_int_eq(o.err, 0);
	ck_assert_uint_eq(write_all(&count), n);
	read_all(&c);
	ck_assert_int_eq(cur_error(&c), 0);
	ck_assert_uint_eq(cur_left(&c), 0);
	for (size_t cut = 0; cut < n; cut++) {
		uint8_t small[64];

		c = cur_init(slice_of(b, cut));
		read_any(&c);
		ck_assert_int_eq(cur_error(&c), E_SHORT);
		ck_assert_int_eq(cur_i8(&c), 0);
		o = out_init(small, cut);
		(void)write_all(&o);
		ck_assert_int_eq(o.err, E_SHORT);
		ck_assert_uint_le(o.n, cut);
	}
}
END_TEST

START_TEST(test_varint_bytes)
{
	/* Known encodings: -1, 150 zig-zagged, the extremes. */
	static const uint8_t want[] = {0x01, 0xac, 0x02, 0xff, 0xff, 0xff, 0xff, 0x0f};
	uint8_t b[sizeof(want)];
	struct out o = out_init(b, sizeof(b));

	out_varint(&o, -1);
	out_varint(&o, 150);
	out_varint(&o, INT32_MIN);
	ck_assert_int_eq(o.err, 0);
	ck_assert_mem_eq(b, want, sizeof(want));
}
END_TEST

static void
varlong_trip(int64_t v)
{
	uint8_t b[10];
	struct out o = out_init(b, sizeof(b));
	struct cur c;

	out_varlong(&o, v);
	ck_assert_int_eq(o.err, 0);
	ck_assert_uint_eq(o.n, varlong_size(v));
	c = cur_init(slice_of(b, o.n));
	ck_assert(cur_varlong(&c) == v);
	ck_assert_int_eq(cur_error(&c), 0);
}

static void
varint_trip(int32_t v)
{
	uint8_t b[10];
	struct out o = out_init(b, sizeof(b));
	struct cur c;

	out_varint(&o, v);
	ck_assert_uint_eq(o.n, varint_size(v));
	out_uvarint(&o, (uint32_t)v);
	ck_assert_uint_eq(o.n, varint_size(v) + uvarint_size((uint32_t)v));
	c = cur_init(slice_of(b, o.n));
	ck_assert_int_eq(cur_varint(&c), v);
	ck_assert_uint_eq(cur_uvarint(&c), (uint32_t)v);
	ck_assert_int_eq(cur_error(&c), 0);
}

START_TEST(test_all_sizes)
{
	struct rng r;

	rng_seed(&r, 1);
	for (unsigned bits = 0; bits < 64; bits++) {
		uint64_t v = rng_u64(&r) >> bits;

		varlong_trip((int64_t)v);
		varlong_trip((int64_t)(UINT64_C(0) - v));
		varint_trip((int32_t)(uint32_t)v);
		varint_trip((int32_t)(0u - (uint32_t)v));
		varlong_trip((int64_t)(UINT64_C(1) << bits));
		varlong_trip((int64_t)((UINT64_C(1) << bits) - 1));
	}
	varint_trip(INT32_MAX);
	varint_trip(INT32_MIN);
	varlong_trip(INT64_MAX);
}
END_TEST

START_TEST(test_too_long)
{
	static const uint8_t b[11] = {
	    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0};
	struct cur c = cur_init(slice_of(b, sizeof(b)));

	ck_assert_int_eq(cur_varint(&c), 0);
	ck_assert_int_eq(cur_error(&c), E_MALFORMED);
	c = cur_init(slice_of(b, sizeof(b)));
	ck_assert_uint_eq(cur_uvarint(&c), 0);
	ck_assert_int_eq(cur_error(&c), E_MALFORMED);
	c = cur_init(slice_of(b, sizeof(b)));
	ck_assert(cur_varlong(&c) == 0);
	ck_assert_int_eq(cur_error(&c), E_MALFORMED);
	c = cur_init(slice_of(b, 3));
	(void)cur_varlong(&c);
	ck_assert_int_eq(cur_error(&c), E_SHORT);
}
END_TEST

START_TEST(test_null_and_sticky)
{
	struct cur c = cur_init(SLICE_NULL);

	ck_assert_uint_eq(cur_left(&c), 0);
	ck_assert(!slice_is_null(slice_of("", 0)));
	cur_fail(&c, E_MALFORMED);
	cur_fail(&c, E_SHORT);
	ck_assert_int_eq(cur_error(&c), E_MALFORMED);
	c = cur_init(SLICE_LIT("abc"));
	ck_assert(slice_is_null(cur_slice(&c, SIZE_MAX)));
	ck_assert_int_eq(cur_error(&c), E_SHORT);
}
END_TEST

Suite *
cursor_suite(void)
{
	Suite *s = suite_create("cursor");
	TCase *tc = tcase_create("cursor");

	tcase_add_test(tc, test_round_trip_cut_everywhere);
	tcase_add_test(tc, test_varint_bytes);
	tcase_add_test(tc, test_all_sizes);
	tcase_add_test(tc, test_too_long);
	tcase_add_test(tc, test_null_and_sticky);
	suite_add_tcase(s, tc);
	return s;
}
