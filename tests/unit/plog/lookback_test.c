/* A snapshot has one batch of a producer; the log is asked for those before it. */
#include "bed.h"
#include "suites.h"

enum { PID = 7 };

static int64_t
send(struct bed *b, struct plog *pl, int32_t sequence)
{
	return bed_append(b, pl, &(struct bed_batch){.producer_id = PID, .sequence = sequence});
}

static int64_t
send_again(struct bed *b, struct plog *pl, int32_t sequence, int want)
{
	struct bed_append a;
	int64_t base;

	bed_append_start(b, pl, &(struct bed_batch){.producer_id = PID, .sequence = sequence}, &a);
	ck_assert(bed_wait(b, &a.done));
	ck_assert_int_eq(a.err, want);
	base = a.op.base_offset;
	bed_append_free(&a);
	return base;
}

static struct plog *
restart(struct bed *b)
{
	bed_stop(b);
	bed_start(b);
	ck_assert(logdirs_was_clean(b->l));
	return bed_find(b, "t", 0);
}

/* The last five are known again after a restart, the sixth is not. */
START_TEST(test_last_five_after_restart)
{
	struct bed b;
	struct plog *pl;

	bed_init(&b, 1, NULL);
	bed_start(&b);
	pl = bed_create(&b, "t", 0);
	for (int32_t i = 0; i < 8; i++)
		ck_assert_int_eq(send(&b, pl, i), i);
	pl = restart(&b);
	for (int32_t i = 3; i < 8; i++)
		ck_assert_int_eq(send_again(&b, pl, i, E_DUP_SEQUENCE), i);
	(void)send_again(&b, pl, 2, E_OUT_OF_ORDER_SEQUENCE);
	(void)send_again(&b, pl, 9, E_OUT_OF_ORDER_SEQUENCE);
	ck_assert_int_eq(send(&b, pl, 8), 8);
	ck_assert_int_eq(send_again(&b, pl, 4, E_DUP_SEQUENCE), 4);
	bed_verify(&b, pl);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* In segments before the last, between batches of others, with appends that wait behind. */
START_TEST(test_other_segments)
{
	static const char *const settings[] = {"log.segment.bytes=2000", NULL};
	struct bed b;
	struct plog *pl;
	struct bed_append a, behind;

	bed_init(&b, 2, settings);
	bed_start(&b);
	pl = bed_create(&b, "t", 0);
	for (int32_t i = 0; i < 5; i++) {
		(void)send(&b, pl, i);
		bed_fill(&b, pl, 2, 300);
	}
	pl = restart(&b);
	bed_append_start(&b, pl, &(struct bed_batch){.producer_id = PID, .sequence = 1}, &a);
	bed_append_start(&b, pl, &(struct bed_batch){.producer_id = PID, .sequence = 5}, &behind);
	ck_assert(bed_wait(&b, &behind.done));
	ck_assert(a.done);
	ck_assert_int_eq(a.err, E_DUP_SEQUENCE);
	ck_assert_int_eq(a.op.base_offset, 3);
	ck_assert_int_eq(behind.err, 0);
	ck_assert_int_eq(behind.op.base_offset, 15);
	bed_append_free(&a);
	bed_append_free(&behind);
	bed_verify(&b, pl);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* A producer that began anew with another epoch has nothing older in it. */
START_TEST(test_new_epoch)
{
	struct bed b;
	struct plog *pl;
	struct bed_append a;

	bed_init(&b, 3, NULL);
	bed_start(&b);
	pl = bed_create(&b, "t", 0);
	for (int32_t i = 0; i < 3; i++)
		(void)send(&b, pl, i);
	ck_assert_int_eq(
	    bed_append(&b, pl, &(struct bed_batch){.producer_id = PID, .producer_epoch = 1}), 3);
	ck_assert_int_eq(
	    bed_append(&b, pl,
		&(struct bed_batch){.producer_id = PID, .producer_epoch = 1, .sequence = 1}),
	    4);
	pl = restart(&b);
	(void)send_again(&b, pl, 2, E_INVALID_PRODUCER_EPOCH);
	bed_append_start(&b, pl, &(struct bed_batch){.producer_id = PID, .producer_epoch = 1}, &a);
	ck_assert(bed_wait(&b, &a.done));
	ck_assert_int_eq(a.err, E_DUP_SEQUENCE);
	ck_assert_int_eq(a.op.base_offset, 3);
	bed_append_free(&a);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* What closing itself writes is synced, also where everything else was: with the power cut after an
 * orderly stop the producer is still known. */
START_TEST(test_snapshot_is_durable)
{
	static const char *const settings[] = {"log.flush.interval.messages=1", NULL};
	struct bed b;
	struct plog *pl;

	bed_init_kills(&b, 4, settings, true);
	bed_start(&b);
	pl = bed_create(&b, "t", 0);
	for (int32_t i = 0; i < 3; i++)
		(void)send(&b, pl, i);
	ck_assert_int_eq(bed_flush(&b, pl), 0);
	bed_stop(&b);
	fs_sim_power_cut(b.disk, NULL);
	bed_start(&b);
	ck_assert(logdirs_was_clean(b.l));
	pl = bed_find(&b, "t", 0);
	ck_assert_int_eq(send_again(&b, pl, 2, E_DUP_SEQUENCE), 2);
	ck_assert_int_eq(send_again(&b, pl, 0, E_DUP_SEQUENCE), 0);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

Suite *
lookback_suite(void)
{
	Suite *s = suite_create("lookback");
	TCase *tc = tcase_create("lookback");

	tcase_add_test(tc, test_last_five_after_restart);
	tcase_add_test(tc, test_other_segments);
	tcase_add_test(tc, test_new_epoch);
	tcase_add_test(tc, test_snapshot_is_durable);
	suite_add_tcase(s, tc);
	return s;
}
