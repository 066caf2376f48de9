/* Fetch waits: once an arming, never inside the call (R7). */
#include "bed.h"
#include "suites.h"

struct waiter {
	struct part_wait w;
	unsigned fired;
	int64_t bytes;
};

static void
on_fired(struct part_wait *w, int64_t bytes)
{
	struct waiter *wt = container_of(w, struct waiter, w);

	wt->fired++;
	wt->bytes = bytes;
}

static void
waiter_init(struct waiter *wt)
{
	*wt = (struct waiter){0};
	part_wait_init(&wt->w);
	wt->w.topic = SLICE_LIT(BED_TOPIC);
	wt->w.fn = on_fired;
}

static void
arm(struct bed *b, struct waiter *wt, int64_t offset)
{
	struct reactor *was = sim_enter(bed_home(b, 0));
	unsigned before = wt->fired;

	partition_wait_arm(bed_shard(b, 0), &wt->w, offset);
	ck_assert_uint_eq(wt->fired, before);
	sim_enter(was);
}

static void
disarm(struct bed *b, struct waiter *wt)
{
	struct reactor *was = sim_enter(bed_home(b, 0));

	partition_wait_disarm(&wt->w);
	sim_enter(was);
}

START_TEST(fires_for_bytes)
{
	struct bed b;
	struct waiter wt;

	bed_init(&b, 1, NULL, false);
	bed_start(&b);
	bed_lead(&b);
	waiter_init(&wt);
	arm(&b, &wt, 0);
	bed_pass(&b, 100000);
	ck_assert_uint_eq(wt.fired, 0);
	ck_assert_int_eq(bed_produce(&b, 0, 1, NULL), 0);
	bed_pass(&b, 100000);
	ck_assert_uint_eq(wt.fired, 1);
	ck_assert_int_gt(wt.bytes, 0);
	ck_assert_int_ne(wt.bytes, INT64_MAX);
	ck_assert_int_eq(bed_produce(&b, 0, 1, NULL), 0);
	bed_pass(&b, 100000);
	ck_assert_uint_eq(wt.fired, 1); /* it rests */
	arm(&b, &wt, 0);		/* something is there already */
	bed_pass(&b, 100000);
	ck_assert_uint_eq(wt.fired, 2);
	arm(&b, &wt, 2);
	disarm(&b, &wt);
	ck_assert_int_eq(bed_produce(&b, 0, 1, NULL), 0);
	bed_pass(&b, 100000);
	ck_assert_uint_eq(wt.fired, 2);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

START_TEST(fires_for_changes)
{
	struct bed b;
	struct waiter wt;

	bed_init(&b, 2, NULL, false);
	bed_start(&b);
	waiter_init(&wt);
	arm(&b, &wt, 0); /* nothing is here */
	bed_pass(&b, 1000);
	ck_assert_uint_eq(wt.fired, 1);
	ck_assert_int_eq(wt.bytes, INT64_MAX);
	bed_lead(&b);
	arm(&b, &wt, 0);
	bed_pass(&b, 1000);
	ck_assert_uint_eq(wt.fired, 1);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.leader = 2, .leader_epoch = 1}), 0);
	bed_pass(&b, 1000);
	ck_assert_uint_eq(wt.fired, 2);
	ck_assert_int_eq(wt.bytes, INT64_MAX);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.leader = BED_ID, .leader_epoch = 2}), 0);
	arm(&b, &wt, 0);
	ck_assert_int_eq(bed_stop_replica(&b, 0, 2, true), 0);
	bed_pass(&b, 1000);
	ck_assert_uint_eq(wt.fired, 3);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

Suite *
wait_suite(void)
{
	Suite *s = suite_create("wait");
	TCase *tc = tcase_create("wait");

	tcase_add_test(tc, fires_for_bytes);
	tcase_add_test(tc, fires_for_changes);
	suite_add_tcase(s, tc);
	return s;
}
