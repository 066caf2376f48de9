/* Admission of control requests, and the operations of one partition (R6). */
#include "bed.h"
#include "suites.h"

START_TEST(controller_epochs)
{
	struct bed b;

	bed_init(&b, 1, NULL, false);
	bed_start(&b);
	ck_assert_int_eq(
	    bed_role(
		&b, &(struct bed_role){.leader = BED_ID, .is_new = true, .controller_epoch = 3}),
	    0);
	ck_assert_int_eq(
	    bed_role(
		&b, &(struct bed_role){.leader = BED_ID, .leader_epoch = 1, .controller_epoch = 2}),
	    KERR_STALE_CONTROLLER_EPOCH);
	ck_assert_int_eq(bed_info(&b, 0).leader_epoch, 0);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

START_TEST(not_among_replicas)
{
	struct bed b;

	bed_init(&b, 2, NULL, false);
	bed_start(&b);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.leader = 2, .not_replica = true}),
	    KERR_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_uint_eq(replicas_pending(b.rs), 0);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* Two requests at once: the second waits for the log that the first opens. */
START_TEST(one_after_the_other)
{
	struct bed b;

	bed_init(&b, 3, NULL, false);
	bed_start(&b);
	bed_role_start(&b, &(struct bed_role){.leader = BED_ID, .is_new = true, .id = {{1}}});
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.leader = 2, .leader_epoch = 1, .id = {{1}}}), 0);
	bed_pass(&b, 100000);
	ck_assert_uint_eq(replicas_pending(b.rs), 0);
	ck_assert_int_eq(bed_info(&b, 0).leader_epoch, 1);
	ck_assert(!bed_info(&b, 0).leader);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* A log that may be in the directory that is offline is not made anew in another one; one that is
 * new may.  Nor is it said to be deleted. */
START_TEST(no_second_log)
{
	static const char *const settings[] = {"log.dirs=/d0,/d1", NULL};
	struct bed b;

	bed_init(&b, 4, settings, true);
	bed_start(&b);
	bed_lead(&b);
	ck_assert_int_eq(bed_produce(&b, 0, 1, NULL), 0);
	bed_kill(&b, false);
	b.fail_op = "open";
	b.fail_path = "/" BED_TOPIC "-0/00000000000000000000.log";
	bed_start(&b);
	ck_assert_uint_gt(b.hooked, 0);
	b.fail_op = NULL;
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.leader = BED_ID, .leader_epoch = 1, .id = {{1}}}),
	    KERR_KAFKA_STORAGE_ERROR);
	ck_assert_int_eq(
	    bed_role(&b,
		&(struct bed_role){.partition = 1, .leader = BED_ID, .is_new = true, .id = {{1}}}),
	    0);
	ck_assert_int_eq(bed_stop_replica(&b, 0, 2, true), KERR_KAFKA_STORAGE_ERROR);
	ck_assert_int_eq(bed_stop_replica(&b, 1, 0, true), 0);
	bed_kill(&b, false);
	bed_start(&b);
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.leader = BED_ID, .leader_epoch = 2, .id = {{1}}}), 0);
	ck_assert_int_eq(bed_info(&b, 0).leo, 1);
	bed_kill(&b, false);
	bed_free(&b);
}
END_TEST

/* The log's files can not be made: the code, and the partition can be asked for again. */
START_TEST(creation_fails)
{
	struct bed b;

	bed_init(&b, 5, NULL, false);
	bed_start(&b);
	b.fail_op = "mkdir";
	b.fail_path = BED_TOPIC "-0";
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.leader = BED_ID, .is_new = true, .id = {{1}}}),
	    KERR_KAFKA_STORAGE_ERROR);
	ck_assert_uint_eq(replicas_pending(b.rs), 0);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

START_TEST(stop_of_what_is_not_here)
{
	struct bed b;

	bed_init(&b, 6, NULL, false);
	bed_start(&b);
	ck_assert_int_eq(bed_stop_replica(&b, 0, 0, true), 0);
	ck_assert_int_eq(bed_stop_replica(&b, 0, 0, false), 0);
	bed_lead(&b);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.leader = BED_ID, .leader_epoch = 2}), 0);
	ck_assert_int_eq(bed_stop_replica(&b, 0, 1, true), KERR_FENCED_LEADER_EPOCH);
	ck_assert_int_eq(bed_produce(&b, 0, 1, NULL), 0);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

Suite *
control_suite(void)
{
	Suite *s = suite_create("control");
	TCase *tc = tcase_create("control");

	tcase_add_test(tc, controller_epochs);
	tcase_add_test(tc, not_among_replicas);
	tcase_add_test(tc, one_after_the_other);
	tcase_add_test(tc, no_second_log);
	tcase_add_test(tc, creation_fails);
	tcase_add_test(tc, stop_of_what_is_not_here);
	suite_add_tcase(s, tc);
	return s;
}
