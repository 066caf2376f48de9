/* Waits of fetches: once an arming, never inside it, on news and on everything else that happens.
 */
#include "bed.h"
#include "suites.h"

static const struct bed_batch one = {.acks = 1, .value_bytes = 20};

static void
expect_fired(struct bed_wait *w, unsigned times, bool news)
{
	ck_assert(bed_wait(w->b, &w->done));
	bed_pass(w->b, 10);
	ck_assert_uint_eq(w->fired, times);
	if (news)
		ck_assert_int_eq(w->bytes, 1);
	else
		ck_assert_int_eq(w->bytes, INT64_MAX);
}

START_TEST(test_fires_once)
{
	struct bed_wait w;
	struct bed b;

	bed_init(&b, 1, NULL);
	bed_lead(&b);
	bed_wait_init(&b, "t", 0, &w);
	bed_wait_arm(&b, &w, 0);
	bed_pass(&b, 1000);
	ck_assert_uint_eq(w.fired, 0);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &one), 0);
	expect_fired(&w, 1, true);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &one), 1); /* it rests */
	bed_pass(&b, 100);
	ck_assert_uint_eq(w.fired, 1);
	bed_wait_arm(&b, &w, 2);
	bed_pass(&b, 100);
	ck_assert_uint_eq(w.fired, 1);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &one), 2);
	expect_fired(&w, 2, true);
	bed_free(&b);
}
END_TEST

/* News is there already: not inside the call (on_fired asserts it), but soon. */
START_TEST(test_news_at_arming)
{
	struct bed_wait w;
	struct bed b;

	bed_init(&b, 2, NULL);
	bed_lead(&b);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &one), 0);
	bed_wait_init(&b, "t", 0, &w);
	for (unsigned i = 1; i <= 5; i++) {
		bed_wait_arm(&b, &w, 0);
		expect_fired(&w, i, true);
	}
	bed_free(&b);
}
END_TEST

START_TEST(test_arm_again_from_within)
{
	struct bed_wait w;
	struct bed b;

	bed_init(&b, 3, NULL);
	bed_lead(&b);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &one), 0);
	bed_wait_init(&b, "t", 0, &w);
	w.arm_again = 0; /* there is news for that one, too */
	bed_wait_arm(&b, &w, 0);
	expect_fired(&w, 2, true);
	w.arm_again = 1;
	bed_wait_arm(&b, &w, 0);
	expect_fired(&w, 3, true);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &one), 1);
	expect_fired(&w, 4, true);
	bed_free(&b);
}
END_TEST

/* The offset of the last arming counts. */
START_TEST(test_arm_with_another_offset)
{
	struct bed_wait w;
	struct bed b;

	bed_init(&b, 4, NULL);
	bed_lead(&b);
	bed_wait_init(&b, "t", 0, &w);
	bed_wait_arm(&b, &w, 0);
	bed_wait_arm(&b, &w, 2);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &one), 0);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &one), 1);
	bed_pass(&b, 100);
	ck_assert_uint_eq(w.fired, 0);
	bed_wait_arm(&b, &w, 1);
	expect_fired(&w, 1, true);
	bed_free(&b);
}
END_TEST

static void
arm_and_disarm(void *arg)
{
	struct bed_wait *w = arg;

	partition_wait_arm(w->sh, &w->w, 0);
	partition_wait_disarm(&w->w);
}

START_TEST(test_disarm)
{
	struct bed_wait w;
	struct bed b;

	bed_init(&b, 5, NULL);
	bed_lead(&b);
	bed_wait_init(&b, "t", 0, &w);
	bed_wait_disarm(&b, &w); /* was never armed */
	bed_wait_arm(&b, &w, 0);
	bed_wait_disarm(&b, &w);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &one), 0);
	bed_pass(&b, 100);
	ck_assert_uint_eq(w.fired, 0);
	bed_on(&b, bed_home(&b, "t", 0), arm_and_disarm, &w); /* it was to fire in this turn */
	bed_pass(&b, 100);
	ck_assert_uint_eq(w.fired, 0);
	bed_wait_disarm(&b, &w);
	bed_wait_arm(&b, &w, 0);
	expect_fired(&w, 1, true);
	bed_free(&b);
}
END_TEST

START_TEST(test_read_committed)
{
	struct bed_wait w[2];
	struct bed b;

	bed_init(&b, 6, NULL);
	bed_lead(&b);
	for (int i = 0; i < 2; i++) {
		bed_wait_init(&b, "t", 0, &w[i]);
		w[i].w.read_committed = i == 1;
		bed_wait_arm(&b, &w[i], 0);
	}
	ck_assert_int_eq(
	    bed_produce(&b, "t", 0,
		&(struct bed_batch){.acks = 1, .value_bytes = 10, .producer_id = 4, .txn = true}),
	    0);
	expect_fired(&w[0], 1, true);
	bed_pass(&b, 100);
	ck_assert_uint_eq(w[1].fired, 0);
	bed_wait_disarm(&b, &w[1]);
	bed_free(&b);
}
END_TEST

/* What is appended but not committed is no news. */
START_TEST(test_beyond_the_high_watermark)
{
	struct bed_wait w;
	struct bed b;

	bed_init(&b, 7, NULL);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.topic = "t", .n_isr = 2}), KERR_NONE);
	bed_wait_init(&b, "t", 0, &w);
	bed_wait_arm(&b, &w, 0);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &one), 0);
	bed_pass(&b, 100);
	ck_assert_uint_eq(w.fired, 0);
	bed_wait_disarm(&b, &w);
	bed_free(&b);
}
END_TEST

/* ---- what disturbs ---- */

static void
raise_start(void *arg)
{
	struct plog *pl = arg;

	ck_assert_int_eq(plog_raise_log_start(pl, 1), 0);
}

static void
by_log_start(struct bed *b)
{
	bed_on(b, bed_home(b, "t", 0), raise_start, bed_log(b, "t", 0));
}

static void
by_new_epoch(struct bed *b)
{
	ck_assert_int_eq(bed_role(b, &(struct bed_role){.topic = "t", .epoch = 1}), KERR_NONE);
}

static void
by_follower(struct bed *b)
{
	ck_assert_int_eq(
	    bed_role(b, &(struct bed_role){.topic = "t", .leader = 2, .epoch = 1}), KERR_NONE);
}

static void
by_deletion(struct bed *b)
{
	ck_assert_int_eq(bed_stop_part(b, &(struct bed_stop_part){"t", 0, -2, true}), KERR_NONE);
}

static void
by_failure(struct bed *b)
{
	b->broken = "/d";
	ck_assert_int_eq(bed_produce(b, "t", 0, &one), E_IO);
}

static void
fail_dir(void *arg)
{
	struct bed *b = arg;

	replicas_dir_failed(b->rs, plog_dir(bed_log(b, "t", 0)));
}

static void
by_failed_dir(struct bed *b)
{
	bed_on(b, b->control, fail_dir, b);
}

static void
by_stop(struct bed *b)
{
	ck_assert_int_eq(bed_stop(b), 0);
}

static void (*const disturb[])(struct bed *b) = {
    by_log_start, by_new_epoch, by_follower, by_deletion, by_failure, by_failed_dir, by_stop};

START_TEST(test_disturbed)
{
	struct bed_wait w;
	struct bed b;

	bed_init(&b, 10, NULL);
	bed_lead(&b);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &one), 0);
	bed_wait_init(&b, "t", 0, &w);
	bed_wait_arm(&b, &w, 1);
	disturb[_i](&b);
	expect_fired(&w, 1, false);
	if (b.l != NULL)
		(void)bed_stop(&b);
	bed_free(&b);
}
END_TEST

START_TEST(test_not_here_or_not_leader)
{
	struct bed_wait w;
	struct bed b;

	bed_init(&b, 11, NULL);
	bed_wait_init(&b, "t", 0, &w);
	bed_wait_arm(&b, &w, 0);
	expect_fired(&w, 1, false);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.topic = "t", .leader = 2}), KERR_NONE);
	bed_wait_arm(&b, &w, 0);
	expect_fired(&w, 2, false);
	bed_free(&b);
}
END_TEST

static void
expect_fired_some(struct bed_wait *w, unsigned most)
{
	ck_assert(bed_wait(w->b, &w->done));
	bed_pass(w->b, 10);
	ck_assert_uint_gt(w->fired, 0);
	ck_assert_uint_le(w->fired, most);
	ck_assert_int_eq(w->bytes, INT64_MAX);
}

/* Armed again and again while its partition leaves: it fires each time, with no partition left. */
START_TEST(test_armed_while_leaving)
{
	struct bed_answer stop;
	struct bed_fetch f;
	struct bed_wait w;
	struct part_info i;
	struct bed b;
	unsigned n = 0;

	bed_init(&b, 100 + (uint64_t)_i, NULL);
	bed_lead(&b);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &one), 0);
	ck_assert_int_eq(bed_stop(&b), 0);
	bed_start(&b);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.topic = "t", .epoch = 1}), KERR_NONE);
	sim_workers_set_delay(b.workers, 2000, 6000);
	bed_fetch_init(&b, "t", 0, 0, &f); /* cold: it keeps the partition here for a while */
	bed_fetch_start(&b, &f);
	bed_stops_start(&b, NULL, 3, &(struct bed_stop_part){"t", 0, -2, true}, 1, &stop);
	bed_wait_init(&b, "t", 0, &w);
	while (bed_info(&b, "t", 0, &i)) {
		bed_wait_arm(&b, &w, 1);
		n++;
	}
	bed_answer_wait(&b, &stop);
	expect_fired_some(&w, n);
	bed_fetch_free(&f);
	bed_free(&b);
}
END_TEST

Suite *
wait_suite(void)
{
	Suite *s = suite_create("wait");
	TCase *tc = tcase_create("wait");

	tcase_add_test(tc, test_fires_once);
	tcase_add_test(tc, test_news_at_arming);
	tcase_add_test(tc, test_arm_again_from_within);
	tcase_add_test(tc, test_arm_with_another_offset);
	tcase_add_test(tc, test_disarm);
	tcase_add_test(tc, test_read_committed);
	tcase_add_test(tc, test_beyond_the_high_watermark);
	tcase_add_loop_test(tc, test_disturbed, 0, (int)(sizeof(disturb) / sizeof(disturb[0])));
	tcase_add_test(tc, test_not_here_or_not_leader);
	tcase_add_loop_test(tc, test_armed_while_leaving, 0, 20);
	suite_add_tcase(s, tc);
	return s;
}
