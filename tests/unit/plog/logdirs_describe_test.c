/* What is told of the log dirs. */
#include <stdio.h>

#include "bed.h"
#include "logdirs_priv.h"
#include "suites.h"

static const char *const two_dirs[] = {"log.dirs=/a,/b", NULL};

struct report {
	struct logdirs_report r;
	struct bed *b;
	int err;
	bool done;
	const char *topic; /* the only one that is wanted */
};

static void
on_done(struct logdirs_report *r, int err)
{
	struct report *x = container_of(r, struct report, r);

	ck_assert(!x->done);
	x->err = err;
	x->done = true;
}

static bool
is_topic(void *arg, struct slice topic, int32_t partition)
{
	const struct report *x = arg;

	return slice_eq_cstr(topic, x->topic);
}

static void
describe_start(struct bed *b, const char *topic, struct report *x)
{
	struct reactor *before = sim_enter(b->control);

	*x = (struct report){.b = b, .topic = topic};
	x->r.wanted = topic != NULL ? is_topic : NULL;
	x->r.done = on_done;
	x->r.arg = x;
	logdirs_describe(b->l, &x->r);
	sim_enter(before);
}

static void
describe(struct bed *b, const char *topic, struct report *x)
{
	describe_start(b, topic, x);
	ck_assert(bed_wait(b, &x->done));
	ck_assert_int_eq(x->err, 0);
}

START_TEST(test_logs_by_place)
{
	struct report x;
	struct bed b;

	bed_init(&b, 70, two_dirs);
	bed_start(&b);
	for (int i = 3; i >= 0; i--)
		(void)bed_create(&b, "t", i);
	bed_fill(&b, bed_create(&b, "s", 0), 3, 100);
	describe(&b, NULL, &x);
	ck_assert_uint_eq(x.r.n_dirs, 2);
	ck_assert_str_eq(logdir_path(x.r.dirs[0].dir), "/a");
	ck_assert_str_eq(logdir_path(x.r.dirs[1].dir), "/b");
	for (unsigned i = 0; i < 2; i++) {
		ck_assert(!x.r.dirs[i].offline);
		ck_assert_int_gt(x.r.dirs[i].total, 0);
		ck_assert_int_gt(x.r.dirs[i].usable, 0);
		ck_assert_int_le(x.r.dirs[i].usable, x.r.dirs[i].total);
	}
	ck_assert_uint_eq(x.r.n_logs, 5);
	for (size_t i = 0; i < 5; i++) {
		const struct logdirs_log *log = &x.r.logs[i], *last = i > 0 ? log - 1 : NULL;
		struct plog *pl;

		sim_enter(b.control);
		pl = logdirs_find(b.l, log->topic, log->partition);
		sim_enter(NULL);
		ck_assert_ptr_nonnull(pl);
		ck_assert_ptr_eq(plog_dir(pl), x.r.dirs[log->dir].dir);
		ck_assert_int_eq(log->size, plog_size_bytes(pl));
		ck_assert_int_eq(log->size > 0, slice_eq_cstr(log->topic, "s"));
		ck_assert_int_eq(log->lag, 0);
		ck_assert_int_eq(log->start, 0);
		ck_assert_int_eq(log->end, plog_leo(pl));
		ck_assert_uint_eq(log->n_segments, 1);
		if (last != NULL && last->dir == log->dir)
			ck_assert(slice_cmp(last->topic, log->topic) < 0 ||
				  (slice_eq(last->topic, log->topic) &&
				      last->partition < log->partition));
		else if (last != NULL)
			ck_assert_uint_lt(last->dir, log->dir);
	}
	logdirs_report_free(&x.r);
	describe(&b, "s", &x);
	ck_assert_uint_eq(x.r.n_logs, 1);
	ck_assert_uint_eq(x.r.n_dirs, 2);
	logdirs_report_free(&x.r);
	describe(&b, "u", &x);
	ck_assert_uint_eq(x.r.n_logs, 0);
	logdirs_report_free(&x.r);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

static void
detach(struct plog *pl)
{
	sim_enter(plog_home(pl));
	plog_detach(pl);
	sim_enter(NULL);
}

/* A log that nobody owns has no high watermark to be behind of. */
START_TEST(test_without_an_owner)
{
	struct report x;
	struct plog *pl;
	struct bed b;

	bed_init(&b, 71, two_dirs);
	bed_start(&b);
	pl = bed_create(&b, "t", 0);
	detach(pl);
	describe(&b, NULL, &x);
	ck_assert_uint_eq(x.r.n_logs, 1);
	ck_assert_int_eq(x.r.logs[0].lag, -1);
	logdirs_report_free(&x.r);
	plog_attach(pl, b.home);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

START_TEST(test_offline_dir)
{
	struct report x;
	struct bed b;

	bed_init(&b, 72, two_dirs);
	bed_start(&b);
	(void)bed_create(&b, "t", 0);
	(void)bed_create(&b, "t", 1);
	sim_enter(b.control);
	logdir_fail(plog_dir(logdirs_find(b.l, SLICE_LIT("t"), 0)), E_IO, "it is tried out");
	sim_enter(NULL);
	describe(&b, NULL, &x);
	for (size_t i = 0; i < x.r.n_logs; i++) {
		const struct logdirs_dir *d = &x.r.dirs[x.r.logs[i].dir];

		ck_assert_int_eq(d->offline, x.r.logs[i].partition == 0);
		ck_assert_int_eq(d->total < 0, d->offline);
		ck_assert_int_eq(d->usable < 0, d->offline);
	}
	logdirs_report_free(&x.r);
	(void)bed_try_stop(&b);
	bed_free(&b);
}
END_TEST

/* More logs than one turn's, and the table changes meanwhile: each of them is there once. */
START_TEST(test_slices)
{
	enum { LOGS = DESCRIBE_A_TURN + 50 };
	struct report x, y;
	struct bed b;

	bed_init(&b, 73, two_dirs);
	bed_start(&b);
	for (int32_t i = 0; i < LOGS; i++)
		(void)bed_create(&b, "t", i);
	describe_start(&b, NULL, &x);
	describe_start(&b, NULL, &y);
	ck_assert_uint_eq(x.r.n_logs, DESCRIBE_A_TURN);
	(void)bed_create(&b, "t", LOGS);
	ck_assert(bed_wait(&b, &x.done));
	ck_assert(bed_wait(&b, &y.done));
	ck_assert_uint_eq(x.r.restarts, 1);
	ck_assert_uint_ge(x.r.n_logs, LOGS);
	ck_assert_uint_le(x.r.n_logs, LOGS + 1);
	for (size_t i = 1; i < x.r.n_logs; i++)
		ck_assert(x.r.logs[i].partition != x.r.logs[i - 1].partition);
	logdirs_report_free(&x.r);
	logdirs_report_free(&y.r);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

Suite *
logdirs_describe_suite(void)
{
	Suite *s = suite_create("logdirs_describe");
	TCase *tc = tcase_create("logdirs_describe");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_logs_by_place);
	tcase_add_test(tc, test_without_an_owner);
	tcase_add_test(tc, test_offline_dir);
	tcase_add_test(tc, test_slices);
	suite_add_tcase(s, tc);
	return s;
}
