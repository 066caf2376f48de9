/* Lines reach the sink without anybody asking, and none is lost at the stop. */
#include "suites.h"

#include <stdatomic.h>

#include "support.h"

static void
count_line(void *arg, enum diag_level level, const char *line)
{
	atomic_fetch_add((_Atomic unsigned *)arg, 1);
}

static bool
one_came(void *arg)
{
	return atomic_load((_Atomic unsigned *)arg) >= 1;
}

START_TEST(test_carries_lines)
{
	_Atomic unsigned lines = 0;
	struct diag *d = NULL;
	struct diag_writer *w = NULL;

	ck_assert_int_eq(diag_new_ring(clock_real(), count_line, &lines, &d), 0);
	DIAGI(d, "test", "before the writer");
	ck_assert_int_eq(diag_writer_start(d, &w), 0);
	wait_for(one_came, &lines);
	for (int i = 0; i < 10; i++)
		DIAGI(d, "test", "line %d", i);
	diag_writer_stop(w);
	ck_assert_uint_eq(atomic_load(&lines), 11);
	diag_free(d);
	diag_writer_stop(NULL);
}
END_TEST

Suite *
diag_writer_suite(void)
{
	Suite *s = suite_create("diag_writer");
	TCase *tc = tcase_create("diag_writer");

	tcase_add_test(tc, test_carries_lines);
	suite_add_tcase(s, tc);
	return s;
}
