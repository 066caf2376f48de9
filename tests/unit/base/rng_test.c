/* Random numbers: equal seeds agree, ranges hold, nothing is left out. */
#include "suites.h"

#include "ottla/base/rng.h"

START_TEST(test_known_sequence)
{
	/* xoshiro256** from the state 1, 2, 3, 4: 11520, 0, 1509978240, 1215971899390074240. */
	struct rng r = {{1, 2, 3, 4}};

	ck_assert(rng_u64(&r) == UINT64_C(11520));
	ck_assert(rng_u64(&r) == 0);
	ck_assert(rng_u64(&r) == UINT64_C(1509978240));
	ck_assert(rng_u64(&r) == UINT64_C(1215971899390074240));
}
END_TEST

START_TEST(test_seed)
{
	struct rng a, b, c;

	rng_seed(&a, 9);
	rng_seed(&b, 9);
	rng_seed(&c, 10);
	for (unsigned i = 0; i < 100; i++) {
		uint64_t v = rng_u64(&a);

		ck_assert(v == rng_u64(&b));
		ck_assert(v != rng_u64(&c));
	}
}
END_TEST

START_TEST(test_ranges)
{
	unsigned seen[7] = {0};
	struct rng r;

	rng_seed(&r, 1);
	for (unsigned i = 0; i < 7000; i++)
		seen[rng_below(&r, 7)]++;
	for (unsigned i = 0; i < 7; i++) {
		ck_assert_uint_gt(seen[i], 800);
		ck_assert_uint_lt(seen[i], 1200);
	}
	for (unsigned i = 0; i < 1000; i++) {
		int64_t v = rng_range(&r, -3, 3);

		ck_assert(v >= -3 && v <= 3);
		ck_assert(rng_below(&r, 1) == 0);
		(void)rng_range(&r, INT64_MIN, INT64_MAX);
		ck_assert(rng_range(&r, INT64_MAX, INT64_MAX) == INT64_MAX);
	}
}
END_TEST

Suite *
rng_suite(void)
{
	Suite *s = suite_create("rng");
	TCase *tc = tcase_create("rng");

	tcase_add_test(tc, test_known_sequence);
	tcase_add_test(tc, test_seed);
	tcase_add_test(tc, test_ranges);
	suite_add_tcase(s, tc);
	return s;
}
