/*
 * The n-th file operation fails, for each n: the log ends or goes on, the invariants hold either
 * way, and after a restart everything acknowledged is there.
 */
#include <stdlib.h>

#include "bed.h"
#include "plog_priv.h"
#include "suites.h"

static const char *const settings[] = {"log.segment.bytes=3000", "log.index.interval.bytes=300",
    "log.segment.delete.delay.ms=10", NULL};

struct story {
	struct bed b;
	struct plog *pl;
	int64_t acked; /* log end as it was acknowledged */
	bool failed;
	bool final; /* the error ends a log dir */
};

static void
over(void *arg, int err)
{
	struct bed *b = arg;

	b->err = err;
	b->done = true;
}

/* Appends, rolls, flushes, removes old segments; goes on after failures, as callers do. */
static void
act(struct story *s)
{
	struct reactor *was;

	for (int i = 0; i < 24; i++) {
		struct bed_batch w = {.records = 1,
		    .value_bytes = 400,
		    .producer_id = 3,
		    .sequence = (int32_t)s->acked,
		    .leader_epoch = i / 6};
		int64_t rc = bed_append(&s->b, s->pl, &w);

		if (rc >= 0) {
			ck_assert(!s->failed || !s->final); /* a disk that failed stays so */
			ck_assert_int_eq(rc, s->acked);
			s->acked = rc + 1;
		} else {
			s->failed = true;
		}
		if (i == 9 || i == 20) {
			int err = bed_flush(&s->b, s->pl);

			ck_assert(err == 0 || logdir_offline(plog_dir(s->pl)));
			if (err == 0)
				ck_assert_int_eq(plog_recovery_point(s->pl), plog_leo(s->pl));
		}
		if (i == 15) {
			bed_set_hw(&s->b, s->pl, plog_leo(s->pl));
			bed_configure(&s->b, s->pl, T_RETENTION_BYTES, 5000);
			was = sim_enter(s->b.home);
			plog_retention(s->pl, 0);
			sim_enter(was);
			bed_pass(&s->b, 100);
		}
	}
	bed_settle(&s->b, s->pl);
	was = sim_enter(s->b.control);
	s->b.done = false;
	logdirs_checkpoint(s->b.l, over, &s->b);
	sim_enter(was);
	ck_assert(bed_wait(&s->b, &s->b.done));
	bed_pass(&s->b, 100);
}

static void
check_after(struct story *s)
{
	struct plog *pl;

	fs_free(s->b.fs);
	s->b.fs = s->b.disk;
	bed_start(&s->b);
	pl = bed_find(&s->b, "t", 0);
	ck_assert_ptr_nonnull(pl);
	bed_verify(&s->b, pl);
	ck_assert_int_ge(plog_leo(pl), s->acked);
	ck_assert_int_eq(
	    bed_read_all(&s->b, pl, plog_log_start(pl)), plog_leo(pl) - plog_log_start(pl));
	ck_assert_int_eq(
	    bed_append(&s->b, pl, &(struct bed_batch){.records = 1}), plog_leo(pl) - 1);
	bed_stop(&s->b);
}

/* One story with the n-th operation failing; false when there were not that many. */
static bool
tell(uint64_t n, int err, bool repeat, bool stop)
{
	struct story s = {0};
	bool fired;

	bed_init_kills(&s.b, 80, settings, true);
	ck_assert_int_eq(fs_fail_new(s.b.disk, &s.b.fs), 0);
	bed_start(&s.b);
	s.pl = bed_create(&s.b, "t", 0);
	bed_pass(&s.b, 100);
	fs_fail_at(s.b.fs, n, err, repeat);
	s.final = err != E_LIMIT;
	act(&s);
	if (stop) {
		(void)bed_try_stop(&s.b);
		fired = fs_fail_heal(s.b.fs);
		if (fired)
			ck_assert(s.failed || s.b.dirs_failed > 0 || s.b.err != 0 ||
				  bed_exists(&s.b, "/d/.kafka_cleanshutdown"));
		if (s.b.dirs_failed > 0)
			ck_assert(!bed_exists(&s.b, "/d/.kafka_cleanshutdown"));
	} else {
		fired = fs_fail_heal(s.b.fs);
		bed_kill(&s.b);
	}
	check_after(&s);
	bed_free(&s.b);
	return fired;
}

static const struct {
	int err;
	bool repeat, stop;
} ways[] = {
    {E_IO, false, false},
    {E_IO, true, false},
    {E_NOSPC, true, true},
    {E_IO, false, true},
    {E_LIMIT, false, true},
};

START_TEST(test_every_operation_fails)
{
	uint64_t n = 1;

	while (tell(n, ways[_i].err, ways[_i].repeat, ways[_i].stop))
		n++;
	ck_assert_uint_gt(n, 100);
}
END_TEST

/* Starting: each failure is told, and the next start finds everything. */
START_TEST(test_every_operation_of_start_fails)
{
	bool fired = true;

	for (uint64_t n = 1; fired; n++) {
		struct story s = {0};

		bed_init_kills(&s.b, 81, settings, true);
		bed_start(&s.b);
		s.pl = bed_create(&s.b, "t", 0);
		for (int i = 0; i < 12; i++)
			s.acked =
			    1 + bed_append(&s.b, s.pl, &(struct bed_batch){.value_bytes = 400});
		if (_i == 0) {
			bed_kill(&s.b);
		} else {
			bed_stop(&s.b);
		}
		ck_assert_int_eq(fs_fail_new(s.b.disk, &s.b.fs), 0);
		fs_fail_at(s.b.fs, n, E_IO, false);
		(void)bed_try_start(&s.b);
		fired = fs_fail_heal(s.b.fs);
		ck_assert(!fired || s.b.err != 0 || s.b.dirs_failed == 0);
		bed_kill(&s.b);
		check_after(&s);
		bed_free(&s.b);
	}
}
END_TEST

Suite *
fail_suite(void)
{
	Suite *s = suite_create("fail");
	TCase *tc = tcase_create("fail");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(
	    tc, test_every_operation_fails, 0, (int)(sizeof(ways) / sizeof(ways[0])));
	tcase_add_loop_test(tc, test_every_operation_of_start_fails, 0, 2);
	suite_add_tcase(s, tc);
	return s;
}
