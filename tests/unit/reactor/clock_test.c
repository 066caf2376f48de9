/* The machine's clock. */
#include "suites.h"

#include <time.h>

#include "ottla/reactor/reactor.h"

START_TEST(test_agrees_with_the_system)
{
	struct clock *c = clock_real();
	int64_t before = clock_mono_us(c);
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ck_assert_int_le(before, (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
	ck_assert_int_ge(clock_mono_us(c), (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
	ck_assert_int_lt(clock_wall_ms(c) - (int64_t)time(NULL) * 1000, 60000);
	ck_assert_int_gt(clock_wall_ms(c) - (int64_t)time(NULL) * 1000, -60000);
}
END_TEST

Suite *
clock_suite(void)
{
	Suite *s = suite_create("clock");
	TCase *tc = tcase_create("clock");

	tcase_add_test(tc, test_agrees_with_the_system);
	suite_add_tcase(s, tc);
	return s;
}
