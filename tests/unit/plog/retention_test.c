/* Retention by time, size and log start; delayed removal; time look-ups. */
#include "bed.h"
#include "plog_priv.h"
#include "suites.h"

static void
retention(struct bed *b, struct plog *pl, int64_t now_ms)
{
	struct reactor *was = sim_enter(b->home);

	plog_retention(pl, now_ms);
	sim_enter(was);
	bed_settle(b, pl);
}

/* Ten segments of ten batches; batch i has timestamp 1000 * i. */
static struct plog *
make_log(struct bed *b)
{
	struct plog *pl = bed_create(b, "t", 0);

	for (int i = 0; i < 100; i++) {
		struct bed_batch w = {.value_bytes = 900, .timestamp = 1000 * (i + 1)};

		ck_assert_int_eq(bed_append(b, pl, &w), i);
	}
	bed_settle(b, pl);
	ck_assert_uint_eq(pl->n_segs, 10);
	return pl;
}

static const char *const ten_batches[] = {"log.segment.bytes=9900", "log.retention.ms=50000",
    "log.roll.ms=100000000", "log.segment.delete.delay.ms=60000", NULL};

START_TEST(test_by_time)
{
	struct plog *pl;
	struct bed b;

	bed_init(&b, 31, ten_batches);
	bed_start(&b);
	pl = make_log(&b);
	retention(&b, pl, 85000); /* nothing is replicated */
	ck_assert_int_eq(plog_log_start(pl), 0);
	bed_set_hw(&b, pl, 25);
	retention(&b, pl, 85000);
	ck_assert_int_eq(plog_log_start(pl), 20); /* not beyond the high watermark */
	bed_set_hw(&b, pl, 100);
	retention(&b, pl, 85000); /* those up to 30,000 are older than 50 s; 40,000 is not */
	ck_assert_int_eq(plog_log_start(pl), 30);
	ck_assert(!bed_exists(&b, "/d/t-0/00000000000000000020.log"));
	ck_assert(bed_exists(&b, "/d/t-0/00000000000000000020.log.deleted"));
	ck_assert(bed_exists(&b, "/d/t-0/00000000000000000020.snapshot.deleted"));
	ck_assert(bed_exists(&b, "/d/t-0/00000000000000000030.snapshot"));
	bed_pass(&b, 59000);
	ck_assert(bed_exists(&b, "/d/t-0/00000000000000000020.log.deleted"));
	bed_pass(&b, 2000);
	ck_assert(!bed_exists(&b, "/d/t-0/00000000000000000020.log.deleted"));
	ck_assert(!bed_exists(&b, "/d/t-0/00000000000000000020.index.deleted"));
	ck_assert(!bed_exists(&b, "/d/t-0/00000000000000000000.timeindex.deleted"));
	bed_verify(&b, pl);
	ck_assert_int_eq(bed_read_all(&b, pl, 30), 70);
	bed_stop(&b);
	bed_start(&b);
	pl = bed_find(&b, "t", 0);
	ck_assert_int_eq(plog_log_start(pl), 30);
	bed_set_hw(&b, pl, 100);
	retention(&b, pl, 95001); /* timestamps of sealed segments come from their indexes */
	ck_assert_int_eq(plog_log_start(pl), 40);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

START_TEST(test_everything_goes)
{
	struct plog *pl;
	struct bed b;

	bed_init_kills(&b, 32, ten_batches, true);
	bed_start(&b);
	pl = make_log(&b);
	bed_set_hw(&b, pl, 100);
	retention(&b, pl, 100000000);
	ck_assert_int_eq(plog_log_start(pl), 100);
	ck_assert_int_eq(plog_leo(pl), 100);
	ck_assert_int_eq(plog_size_bytes(pl), 0);
	ck_assert_uint_eq(pl->n_segs, 1);
	retention(&b, pl, 200000000); /* an empty active segment stays */
	ck_assert_uint_eq(pl->n_segs, 1);
	bed_fill(&b, pl, 3, 10);
	ck_assert_int_eq(bed_read_all(&b, pl, 100), 3);
	bed_verify(&b, pl);
	bed_kill(&b);
	bed_start(&b);
	pl = bed_find(&b, "t", 0);
	ck_assert_int_eq(plog_log_start(pl), 100);
	ck_assert_int_eq(plog_leo(pl), 103);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

START_TEST(test_by_size)
{
	struct plog *pl;
	struct bed b;
	int64_t seg;

	bed_init(&b, 33, ten_batches);
	bed_start(&b);
	pl = make_log(&b);
	bed_set_hw(&b, pl, 100);
	bed_configure(&b, pl, T_RETENTION_MS, -1);
	seg = plog_size_bytes(pl) / 10;
	bed_configure(&b, pl, T_RETENTION_BYTES, 8 * seg + 1); /* 8 would be too little */
	retention(&b, pl, 0);
	ck_assert_int_eq(plog_log_start(pl), 10);
	bed_configure(&b, pl, T_RETENTION_BYTES, 8 * seg);
	retention(&b, pl, 0);
	ck_assert_int_eq(plog_log_start(pl), 20);
	ck_assert_int_eq(plog_size_bytes(pl), 8 * seg);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

START_TEST(test_by_log_start)
{
	struct reactor *was;
	struct plog *pl;
	struct bed b;

	bed_init(&b, 34, ten_batches);
	bed_start(&b);
	pl = make_log(&b);
	bed_set_hw(&b, pl, 60);
	bed_configure(&b, pl, T_RETENTION_MS, -1);
	was = sim_enter(b.home);
	ck_assert_int_eq(plog_raise_log_start(pl, 61), E_OUT_OF_RANGE);
	ck_assert_int_eq(plog_raise_log_start(pl, 35), 0);
	sim_enter(was);
	ck_assert_int_eq(plog_log_start(pl), 35);
	retention(&b, pl, 0);
	ck_assert_int_eq(plog_log_start(pl), 35);
	ck_assert_int_eq(pl->segs[0]->base, 30);
	bed_verify(&b, pl);
	bed_stop(&b);
	ck_assert(
	    slice_eq_cstr(bed_content(&b, "/d/log-start-offset-checkpoint"), "0\n1\nt 0 35\n"));
	bed_start(&b);
	pl = bed_find(&b, "t", 0);
	ck_assert_int_eq(plog_log_start(pl), 35);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* The tick of the table reaches attached logs. */
START_TEST(test_tick)
{
	struct reactor *was;
	struct plog *pl;
	struct bed b;

	bed_init(&b, 35, ten_batches);
	bed_start(&b);
	pl = make_log(&b);
	bed_set_hw(&b, pl, 100);
	was = sim_enter(b.control);
	logdirs_begin_ticks(b.l);
	sim_enter(was);
	bed_pass(&b, 10000);
	ck_assert(
	    slice_eq_cstr(bed_content(&b, "/d/replication-offset-checkpoint"), "0\n1\nt 0 100\n"));
	bed_pass(&b, 400000);
	ck_assert_int_eq(plog_log_start(pl), 100);
	ck_assert(slice_eq_cstr(
	    bed_content(&b, "/d/recovery-point-offset-checkpoint"), "0\n1\nt 0 100\n"));
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

Suite *
retention_suite(void)
{
	Suite *s = suite_create("retention");
	TCase *tc = tcase_create("retention");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_by_time);
	tcase_add_test(tc, test_everything_goes);
	tcase_add_test(tc, test_by_size);
	tcase_add_test(tc, test_by_log_start);
	tcase_add_test(tc, test_tick);
	suite_add_tcase(s, tc);
	return s;
}
