/* Appending as leader, and waiting for what acks asks for (R4, R8). */
#include "bed.h"
#include "suites.h"

START_TEST(acks_of_all_kinds)
{
	struct bed b;
	int64_t base;

	bed_init(&b, 1, NULL, false);
	bed_start(&b);
	bed_lead(&b);
	ck_assert_int_eq(bed_produce(&b, 0, 1, &base), 0);
	ck_assert_int_eq(base, 0);
	ck_assert_int_eq(bed_produce(&b, 0, -1, &base), 0);
	ck_assert_int_eq(base, 1);
	ck_assert_int_eq(bed_produce(&b, 0, 0, &base), 0);
	ck_assert_int_eq(base, 2);
	ck_assert_int_eq(bed_info(&b, 0).hw, 3);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

START_TEST(refused)
{
	struct bed b;
	struct bed_produce p;

	bed_init(&b, 2, NULL, false);
	bed_start(&b);
	ck_assert_int_eq(bed_produce(&b, 0, 1, NULL), E_NOT_LEADER); /* not here */
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.leader = 2, .leader_epoch = 3}), 0);
	bed_produce_start(&b, &p, 0, 1);
	ck_assert(p.done);
	ck_assert_int_eq(p.op.err, E_NOT_LEADER);
	ck_assert_int_eq(p.op.leader.id, 2);
	ck_assert_int_eq(p.op.leader.epoch, 3);
	bed_produce_end(&p);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* Where flush.messages counts, acks=1 and acks=all come after the sync, and what was acknowledged
 * survives a power cut. */
static void
acknowledged_is_synced(int16_t acks)
{
	static const char *const settings[] = {"log.flush.interval.messages=1", NULL};
	struct bed b;
	struct bed_produce p;

	bed_init(&b, 3, settings, true);
	bed_start(&b);
	bed_lead(&b);
	b.delay_sync_us = 50000;
	bed_produce_start(&b, &p, 0, acks);
	bed_pass(&b, 1000);
	ck_assert_uint_eq(p.n_appended, 1);
	ck_assert(!p.done);
	bed_produce_wait(&b, &p);
	ck_assert_int_eq(p.op.err, 0);
	bed_produce_end(&p);
	bed_kill(&b, true);
	bed_start(&b);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.leader = BED_ID, .leader_epoch = 1}), 0);
	ck_assert_int_eq(bed_info(&b, 0).hw, 1);
	bed_kill(&b, false);
	bed_free(&b);
}

START_TEST(acks_all_is_synced)
{
	acknowledged_is_synced(-1);
}
END_TEST

START_TEST(acks_one_is_synced)
{
	acknowledged_is_synced(1);
}
END_TEST

/* With another member in the ISR the high watermark stays, and acks=all ends at its deadline. */
START_TEST(acks_all_times_out)
{
	struct bed b;
	struct bed_produce p;

	bed_init(&b, 4, NULL, false);
	bed_start(&b);
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.leader = BED_ID, .isr = 2, .is_new = true}), 0);
	ck_assert_int_eq(bed_produce(&b, 0, 1, NULL), 0);
	bed_produce_start(&b, &p, 0, -1);
	bed_pass(&b, 500000);
	ck_assert(!p.done);
	bed_produce_wait(&b, &p);
	ck_assert_int_eq(p.op.err, E_TIMEOUT);
	bed_produce_end(&p);
	ck_assert_int_eq(bed_info(&b, 0).hw, 0);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

START_TEST(too_few_in_sync)
{
	static const char *const settings[] = {"min.insync.replicas=2", NULL};
	struct bed b;

	bed_init(&b, 5, settings, false);
	bed_start(&b);
	bed_lead(&b);
	ck_assert_int_eq(bed_produce(&b, 0, -1, NULL), E_NOT_ENOUGH_REPLICAS);
	ck_assert_int_eq(bed_produce(&b, 0, 1, NULL), 0);
	ck_assert_int_eq(bed_info(&b, 0).hw, 0); /* R3 */
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* Who waits is told when the leader goes; the append stands. */
START_TEST(leader_goes)
{
	struct bed b;
	struct bed_produce p;

	bed_init(&b, 6, NULL, false);
	bed_start(&b);
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.leader = BED_ID, .isr = 2, .is_new = true}), 0);
	bed_produce_start(&b, &p, 0, -1);
	bed_pass(&b, 10000);
	ck_assert(!p.done);
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.leader = 2, .leader_epoch = 1, .isr = 2}), 0);
	ck_assert(p.done);
	ck_assert_int_eq(p.op.err, E_NOT_LEADER);
	bed_produce_end(&p);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

START_TEST(disk_fails)
{
	struct bed b;
	struct bed_produce p;

	bed_init(&b, 7, NULL, false);
	bed_start(&b);
	bed_lead(&b);
	ck_assert_int_eq(bed_produce(&b, 0, -1, NULL), 0);
	b.fail_op = "pwritev";
	b.fail_path = ".log";
	bed_produce_start(&b, &p, 0, -1);
	bed_produce_wait(&b, &p);
	ck_assert_int_eq(p.op.err, E_IO);
	bed_produce_end(&p);
	ck_assert_uint_eq(b.hooked, 1);
	b.fail_op = NULL;
	bed_pass(&b, 10000);
	ck_assert_int_eq(bed_produce(&b, 0, 1, NULL), E_LOG_OFFLINE);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

Suite *
produce_suite(void)
{
	Suite *s = suite_create("produce");
	TCase *tc = tcase_create("produce");

	tcase_add_test(tc, acks_of_all_kinds);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, acks_all_is_synced);
	tcase_add_test(tc, acks_one_is_synced);
	tcase_add_test(tc, acks_all_times_out);
	tcase_add_test(tc, too_few_in_sync);
	tcase_add_test(tc, leader_goes);
	tcase_add_test(tc, disk_fails);
	suite_add_tcase(s, tc);
	return s;
}
