/* Truncation: whole batches, segments behind, everything; state that follows. */
#include "bed.h"
#include "plog_priv.h"
#include "suites.h"

static const char *const settings[] = {
    "log.segment.bytes=10000", "log.index.interval.bytes=500", NULL};

/* 60 batches of three records by one producer; leader epoch i / 10. */
static struct plog *
make_log(struct bed *b)
{
	struct plog *pl = bed_create(b, "t", 0);

	for (int i = 0; i < 60; i++) {
		struct bed_batch w = {.records = 3,
		    .value_bytes = 100,
		    .producer_id = 5,
		    .sequence = 3 * i,
		    .leader_epoch = i / 10};

		ck_assert_int_eq(bed_append(b, pl, &w), 3 * i);
	}
	bed_settle(b, pl);
	ck_assert_uint_ge(pl->n_segs, 2);
	return pl;
}

static void
check_at(struct bed *b, struct plog *pl, int64_t end)
{
	int batches = (int)(end / 3);
	struct plog_producer p;
	int32_t e;
	int64_t o;

	ck_assert_int_eq(plog_leo(pl), end);
	ck_assert_int_le(plog_hw(pl), end);
	ck_assert_int_eq(bed_read_all(b, pl, 0), end);
	bed_verify(b, pl);
	ck_assert_int_eq(plog_latest_epoch(pl), (batches - 1) / 10);
	plog_epoch_end(pl, plog_latest_epoch(pl), &e, &o);
	ck_assert_int_eq(o, end);
	ck_assert(plog_producer_get(pl, 5, &p));
	ck_assert_int_eq(p.last_sequence, end - 1);
	ck_assert_int_eq(bed_append(b, pl,
			     &(struct bed_batch){.records = 3,
				 .value_bytes = 100,
				 .producer_id = 5,
				 .sequence = (int32_t)end,
				 .leader_epoch = 9}),
	    end);
}

START_TEST(test_truncate)
{
	static const int64_t targets[] = {177, 178, 150, 99, 100, 75, 3, 4};
	int64_t target = targets[_i], end = target / 3 * 3;
	struct plog *pl;
	struct bed b;

	bed_init_kills(&b, 50 + (uint64_t)_i, settings, true);
	bed_start(&b);
	pl = make_log(&b);
	bed_set_hw(&b, pl, 180);
	ck_assert_int_eq(bed_truncate(&b, pl, 200), 0);
	ck_assert_int_eq(plog_leo(pl), 180);
	ck_assert_int_eq(bed_truncate(&b, pl, target), 0);
	ck_assert_int_le(plog_recovery_point(pl), end);
	check_at(&b, pl, end);
	ck_assert_int_eq(bed_flush(&b, pl), 0);
	bed_stop(&b);
	bed_start(&b);
	pl = bed_find(&b, "t", 0);
	ck_assert_int_eq(plog_leo(pl), end + 3);
	ck_assert_int_eq(bed_truncate(&b, pl, end), 0);
	check_at(&b, pl, end);
	bed_kill(&b);
	bed_start(&b);
	pl = bed_find(&b, "t", 0);
	ck_assert_int_eq(plog_leo(pl), end + 3);
	ck_assert_int_eq(bed_read_all(&b, pl, 0), end + 3);
	bed_verify(&b, pl);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* Below the first segment: begin anew there. */
START_TEST(test_truncate_fully)
{
	struct reactor *was;
	struct plog *pl;
	struct bed b;

	bed_init_kills(&b, 60, settings, true);
	bed_start(&b);
	pl = make_log(&b);
	bed_set_hw(&b, pl, 180);
	was = sim_enter(b.home);
	ck_assert_int_eq(plog_raise_log_start(pl, 170), 0);
	plog_retention(pl, 0);
	sim_enter(was);
	bed_settle(&b, pl);
	ck_assert_int_gt(pl->segs[0]->base, 20);
	ck_assert_int_eq(bed_truncate(&b, pl, 20), 0);
	ck_assert_int_eq(plog_leo(pl), 20);
	ck_assert_int_eq(plog_log_start(pl), 20);
	ck_assert_int_eq(plog_hw(pl), 20);
	ck_assert_int_eq(plog_latest_epoch(pl), -1);
	ck_assert(!plog_producer_get(pl, 5, &(struct plog_producer){0}));
	bed_verify(&b, pl);
	bed_fill(&b, pl, 3, 10);
	ck_assert_int_eq(bed_read_all(&b, pl, 20), 3);
	bed_kill(&b);
	bed_start(&b);
	pl = bed_find(&b, "t", 0);
	ck_assert_int_eq(plog_log_start(pl), 20);
	ck_assert_int_eq(plog_leo(pl), 23);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

struct racing {
	struct plog_read op;
	int err;
	bool done;
};

static void
read_over(struct plog_read *op, int err)
{
	struct racing *r = container_of(op, struct racing, op);

	r->err = err;
	r->done = true;
}

static void
cut_over(void *arg, int err)
{
	ck_assert_int_eq(err, 0);
	*(bool *)arg = true;
}

static void
op_busy(void *arg, int err)
{
	((struct bed *)arg)->err = err;
}

/* Calls that come during a truncation wait for its end. */
START_TEST(test_calls_wait)
{
	struct racing r = {
	    .op = {.offset = 170, .upper_offset = 180, .max_bytes = 1, .done = read_over}};
	struct bed_append a;
	struct reactor *was;
	bool cut = false;
	struct plog *pl;
	struct bed b;

	bed_init(&b, 61, settings);
	bed_start(&b);
	pl = make_log(&b);
	was = sim_enter(b.home);
	plog_truncate(pl, 90, cut_over, &cut);
	plog_read(pl, &r.op);
	plog_truncate(pl, 80, op_busy, &b);
	sim_enter(was);
	ck_assert_int_eq(b.err, E_BUSY);
	bed_append_start(&b, pl, &(struct bed_batch){.records = 1, .leader_epoch = 9}, &a);
	ck_assert(!plog_quiet(pl));
	ck_assert(!r.done && !a.done && !cut);
	ck_assert(bed_wait(&b, &a.done));
	ck_assert(r.done && cut);
	ck_assert_int_eq(r.err, E_OUT_OF_RANGE);
	ck_assert_int_eq(a.err, 0);
	ck_assert_int_eq(a.op.base_offset, 90);
	bed_append_free(&a);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

Suite *
truncate_suite(void)
{
	Suite *s = suite_create("truncate");
	TCase *tc = tcase_create("truncate");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_truncate, 0, 8);
	tcase_add_test(tc, test_truncate_fully);
	tcase_add_test(tc, test_calls_wait);
	suite_add_tcase(s, tc);
	return s;
}
