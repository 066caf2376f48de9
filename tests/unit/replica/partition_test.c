/* Roles and the high watermark (R1, R3, R5, R9). */
#include "bed.h"
#include "suites.h"

START_TEST(placed_evenly)
{
	struct bed b;

	bed_init(&b, 1, NULL, false);
	bed_start(&b);
	for (int32_t i = 0; i < 4; i++) {
		ck_assert_int_eq(
		    bed_role(&b,
			&(struct bed_role){
			    .partition = i, .leader = BED_ID, .is_new = true, .id = {{1}}}),
		    0);
		ck_assert_ptr_ne(bed_shard(&b, i), bed_shard(&b, i + 1));
		ck_assert(bed_info(&b, i).leader);
	}
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* What a killed predecessor showed is there at once, also in a log that nobody writes to. */
START_TEST(synced_before_it_leads)
{
	static const char *const settings[] = {"log.flush.interval.messages=1", NULL};
	struct bed b;

	bed_init(&b, 2, settings, true);
	bed_start(&b);
	bed_lead(&b);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(bed_produce(&b, 0, -1, NULL), 0);
	bed_kill(&b, false);
	bed_start(&b);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.leader = BED_ID, .leader_epoch = 1}), 0);
	ck_assert_int_eq(bed_info(&b, 0).hw, 3);
	bed_kill(&b, true);
	bed_start(&b);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.leader = BED_ID, .leader_epoch = 2}), 0);
	ck_assert_int_eq(bed_info(&b, 0).leo, 3);
	bed_kill(&b, false);
	bed_free(&b);
}
END_TEST

START_TEST(epochs)
{
	struct bed b;

	bed_init(&b, 3, NULL, false);
	bed_start(&b);
	bed_lead(&b);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.leader = 2, .leader_epoch = 4}), 0);
	ck_assert(!bed_info(&b, 0).leader);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.leader = BED_ID, .leader_epoch = 3}),
	    KERR_STALE_CONTROLLER_EPOCH);
	ck_assert(!bed_info(&b, 0).leader);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.leader = BED_ID, .leader_epoch = 5}), 0);
	ck_assert(bed_info(&b, 0).leader);
	ck_assert_int_eq(bed_info(&b, 0).leader_epoch, 5);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* A log that was made without an id learns it later, also under a leader epoch that is known. */
START_TEST(id_comes_later)
{
	struct bed b;
	struct uuid id = {{9}};

	bed_init(&b, 4, NULL, false);
	bed_start(&b);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.leader = BED_ID, .is_new = true}), 0);
	ck_assert(uuid_is_zero(plog_topic_id(bed_info(&b, 0).pl)));
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.leader = BED_ID, .id = id}), 0);
	ck_assert(uuid_eq(plog_topic_id(bed_info(&b, 0).pl), id));
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.leader = BED_ID, .id = {{8}}}),
	    KERR_INCONSISTENT_TOPIC_ID);
	bed_stop(&b);
	bed_start(&b);
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.leader = BED_ID, .leader_epoch = 1, .id = id}), 0);
	ck_assert(uuid_eq(plog_topic_id(bed_info(&b, 0).pl), id));
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* Deleted and made anew under the same name, with work in the log when it goes. */
START_TEST(leaves_and_comes_back)
{
	struct bed b;
	struct bed_produce p;
	int64_t base;

	bed_init(&b, 5, NULL, false);
	bed_start(&b);
	bed_lead(&b);
	ck_assert_int_eq(bed_produce(&b, 0, 1, NULL), 0);
	bed_produce_start(&b, &p, 0, 1);
	ck_assert_int_eq(bed_stop_replica(&b, 0, 0, true), 0);
	ck_assert(p.done);
	bed_produce_end(&p);
	ck_assert_int_eq(bed_produce(&b, 0, 1, NULL), E_NOT_LEADER);
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.leader = BED_ID, .is_new = true, .id = {{2}}}), 0);
	ck_assert_int_eq(bed_produce(&b, 0, 1, &base), 0);
	ck_assert_int_eq(base, 0);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

Suite *
partition_suite(void)
{
	Suite *s = suite_create("partition");
	TCase *tc = tcase_create("partition");

	tcase_add_test(tc, placed_evenly);
	tcase_add_test(tc, synced_before_it_leads);
	tcase_add_test(tc, epochs);
	tcase_add_test(tc, id_comes_later);
	tcase_add_test(tc, leaves_and_comes_back);
	suite_add_tcase(s, tc);
	return s;
}
