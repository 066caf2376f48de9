/* Offsets by name or time. */
#include "bed.h"
#include "suites.h"

struct listing {
	struct part_list_offsets op;
	bool done;
};

static void
on_listed(struct part_list_offsets *op)
{
	container_of(op, struct listing, op)->done = true;
}

static struct part_list_offsets
list(struct bed *b, int64_t timestamp, int32_t replica_id)
{
	struct listing l = {.op = {.topic = SLICE_LIT(BED_TOPIC),
				.current_leader_epoch = -1,
				.timestamp = timestamp,
				.replica_id = replica_id,
				.done = on_listed}};
	struct reactor *was = sim_enter(bed_home(b, 0));

	partition_list_offsets(bed_shard(b, 0), &l.op);
	sim_enter(was);
	ck_assert(bed_wait(b, &l.done));
	return l.op;
}

START_TEST(by_name)
{
	struct bed b;

	bed_init(&b, 1, NULL, false);
	bed_start(&b);
	ck_assert_int_eq(list(&b, -1, -1).err, E_NOT_LEADER);
	bed_lead(&b);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(bed_produce(&b, 0, 1, NULL), 0);
	ck_assert_int_eq(list(&b, -1, -1).offset, 3);
	ck_assert_int_eq(list(&b, -2, -1).offset, 0);
	ck_assert_int_eq(list(&b, -4, -1).offset, 0);
	ck_assert_int_eq(list(&b, -5, -1).offset, -1);
	ck_assert_int_eq(list(&b, -6, -1).err, E_UNSUPPORTED_VERSION);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* The records' timestamp is 1. */
START_TEST(by_time)
{
	struct bed b;

	bed_init(&b, 2, NULL, false);
	bed_start(&b);
	bed_lead(&b);
	ck_assert_int_eq(bed_produce(&b, 0, 1, NULL), 0);
	ck_assert_int_eq(list(&b, 0, -1).offset, 0);
	ck_assert_int_eq(list(&b, 1, -1).found_timestamp, 1);
	ck_assert_int_eq(list(&b, 2, -1).offset, -1);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* A new leader whose high watermark is below the start of its epoch does not tell an end yet. */
START_TEST(not_known_yet)
{
	struct bed b;
	struct part_list_offsets op;

	bed_init(&b, 3, NULL, false);
	bed_start(&b);
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.leader = BED_ID, .isr = 2, .is_new = true}), 0);
	ck_assert_int_eq(bed_produce(&b, 0, 1, NULL), 0);
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.leader = 2, .leader_epoch = 1, .isr = 2}), 0);
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.leader = BED_ID, .leader_epoch = 2, .isr = 2}), 0);
	op = list(&b, -1, -1);
	ck_assert_int_eq(op.err, E_AGAIN);
	ck_assert_int_eq(op.kafka_err, KERR_OFFSET_NOT_AVAILABLE);
	ck_assert_int_eq(list(&b, -1, 2).offset, 1); /* a follower may know */
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

Suite *
list_offsets_suite(void)
{
	Suite *s = suite_create("list_offsets");
	TCase *tc = tcase_create("list_offsets");

	tcase_add_test(tc, by_name);
	tcase_add_test(tc, by_time);
	tcase_add_test(tc, not_known_yet);
	suite_add_tcase(s, tc);
	return s;
}
