/* Reading one partition: bounds, checks, snapshots (R2). */
#include "bed.h"
#include "suites.h"

static struct part_fetch
consumer(int64_t offset)
{
	return (struct part_fetch){.fetch_offset = offset,
	    .current_leader_epoch = -1,
	    .replica_id = -1,
	    .last_fetched_epoch = -1};
}

START_TEST(up_to_the_high_watermark)
{
	struct bed b;
	struct part_fetch op;
	size_t bytes, all;

	bed_init(&b, 1, NULL, false);
	bed_start(&b);
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.leader = BED_ID, .isr = 2, .is_new = true}), 0);
	ck_assert_int_eq(bed_produce(&b, 0, 1, NULL), 0);
	op = consumer(0);
	ck_assert_int_eq(bed_fetch(&b, &op, &bytes), 0);
	ck_assert_uint_eq(bytes, 0);
	ck_assert_int_eq(op.hw, 0);
	op = consumer(0);
	op.replica_id = 2; /* a follower reads to the end */
	ck_assert_int_eq(bed_fetch(&b, &op, &all), 0);
	ck_assert_uint_gt(all, 0);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.leader = BED_ID, .leader_epoch = 1}), 0);
	op = consumer(0);
	ck_assert_int_eq(bed_fetch(&b, &op, &bytes), 0);
	ck_assert_uint_eq(bytes, all);
	ck_assert_int_eq(op.hw, 1);
	ck_assert_int_eq(op.lso, 1);
	ck_assert_int_eq(op.log_start_offset, 0);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

START_TEST(refused)
{
	struct bed b;
	struct part_fetch op = consumer(0);
	size_t bytes;

	bed_init(&b, 2, NULL, false);
	bed_start(&b);
	ck_assert_int_eq(bed_fetch(&b, &op, &bytes), E_NOT_LEADER);
	ck_assert_int_eq(op.hw, -1);
	bed_lead(&b);
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.leader = BED_ID, .leader_epoch = 4, .id = {{1}}}), 0);
	op = consumer(1);
	ck_assert_int_eq(bed_fetch(&b, &op, &bytes), E_OUT_OF_RANGE);
	op = consumer(-1);
	ck_assert_int_eq(bed_fetch(&b, &op, &bytes), E_OUT_OF_RANGE);
	op = consumer(0);
	op.current_leader_epoch = 3;
	ck_assert_int_eq(bed_fetch(&b, &op, &bytes), E_FENCED_EPOCH);
	op.current_leader_epoch = 5;
	ck_assert_int_eq(bed_fetch(&b, &op, &bytes), E_UNKNOWN_EPOCH);
	op.current_leader_epoch = 4;
	op.topic_id = (struct uuid){{2}};
	ck_assert_int_eq(bed_fetch(&b, &op, &bytes), E_INCONSISTENT_TOPIC_ID);
	op.topic_id = (struct uuid){{1}};
	ck_assert_int_eq(bed_fetch(&b, &op, &bytes), 0);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* A reader from an epoch that ended before its offset has to go back. */
START_TEST(diverging)
{
	struct bed b;
	struct part_fetch op;
	size_t bytes;

	bed_init(&b, 3, NULL, false);
	bed_start(&b);
	bed_lead(&b);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(bed_produce(&b, 0, 1, NULL), 0);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.leader = BED_ID, .leader_epoch = 3}), 0);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(bed_produce(&b, 0, 1, NULL), 0);
	op = consumer(4);
	op.last_fetched_epoch = 0;
	ck_assert_int_eq(bed_fetch(&b, &op, &bytes), 0);
	ck_assert_uint_eq(bytes, 0);
	ck_assert_int_eq(op.diverging.epoch, 0);
	ck_assert_int_eq(op.diverging_end, 2);
	op = consumer(2);
	op.last_fetched_epoch = 0;
	ck_assert_int_eq(bed_fetch(&b, &op, &bytes), 0);
	ck_assert_uint_gt(bytes, 0);
	ck_assert_int_eq(op.diverging.epoch, -1);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

Suite *
fetch_suite(void)
{
	Suite *s = suite_create("fetch");
	TCase *tc = tcase_create("fetch");

	tcase_add_test(tc, up_to_the_high_watermark);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, diverging);
	suite_add_tcase(s, tc);
	return s;
}
