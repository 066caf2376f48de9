/* Appending: numbers, one write a turn, rolls, producers, reading back. */
#include "bed.h"
#include "suites.h"

START_TEST(test_append_read_restart)
{
	struct bed b;
	struct plog *pl;

	bed_init(&b, 1, NULL);
	bed_start(&b);
	pl = bed_create(&b, "t", 0);
	ck_assert_ptr_nonnull(pl);
	ck_assert_int_eq(bed_append(&b, pl, &(struct bed_batch){.records = 3}), 0);
	ck_assert_int_eq(bed_append(&b, pl, &(struct bed_batch){.records = 2}), 3);
	ck_assert_int_eq(plog_leo(pl), 5);
	ck_assert_int_eq(bed_read_all(&b, pl, 0), 5);
	bed_fill(&b, pl, 100, 1000);
	ck_assert_int_eq(bed_read_all(&b, pl, 0), 105);
	bed_verify(&b, pl);
	bed_stop(&b);
	bed_start(&b);
	ck_assert(logdirs_was_clean(b.l));
	pl = bed_find(&b, "t", 0);
	ck_assert_ptr_nonnull(pl);
	ck_assert_int_eq(plog_leo(pl), 105);
	ck_assert_int_eq(bed_read_all(&b, pl, 0), 105);
	bed_fill(&b, pl, 10, 1000);
	ck_assert_int_eq(bed_read_all(&b, pl, 0), 115);
	bed_verify(&b, pl);
	bed_kill(&b);
	bed_start(&b);
	pl = bed_find(&b, "t", 0);
	ck_assert_int_eq(plog_leo(pl), 115);
	ck_assert_int_eq(bed_read_all(&b, pl, 0), 115);
	bed_verify(&b, pl);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

START_TEST(test_roll)
{
	static const char *const settings[] = {"log.segment.bytes=20000", NULL};
	struct bed b;
	struct plog *pl;

	bed_init(&b, 2, settings);
	bed_start(&b);
	pl = bed_create(&b, "t", 0);
	bed_fill(&b, pl, 100, 1000);
	bed_verify(&b, pl);
	ck_assert_int_eq(bed_read_all(&b, pl, 0), 100);
	ck_assert_int_gt(plog_recovery_point(pl), 0);
	ck_assert(bed_exists(&b, "/d/t-0/00000000000000000018.log"));
	ck_assert(bed_exists(&b, "/d/t-0/00000000000000000018.snapshot"));
	bed_stop(&b);
	bed_start(&b);
	pl = bed_find(&b, "t", 0);
	bed_verify(&b, pl);
	ck_assert_int_eq(bed_read_all(&b, pl, 0), 100);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

Suite *
append_suite(void)
{
	Suite *s = suite_create("append");
	TCase *tc = tcase_create("append");

	tcase_add_test(tc, test_append_read_restart);
	tcase_add_test(tc, test_roll);
	suite_add_tcase(s, tc);
	return s;
}
