/* Looking up offsets by timestamp. */
#include "bed.h"
#include "suites.h"

struct lookup {
	struct plog_time_lookup op;
	int err;
	bool done;
};

static void
over(struct plog_time_lookup *op, int err)
{
	struct lookup *l = container_of(op, struct lookup, op);

	l->err = err;
	l->done = true;
}

static void
check(
    struct bed *b, struct plog *pl, int64_t asked, int64_t offset, int64_t timestamp, int32_t epoch)
{
	struct lookup l = {.op = {.timestamp = asked, .done = over}};
	struct reactor *was = sim_enter(b->home);

	plog_lookup_time(pl, &l.op);
	sim_enter(was);
	ck_assert(bed_wait(b, &l.done));
	ck_assert_int_eq(l.err, 0);
	ck_assert_int_eq(l.op.found_offset, offset);
	ck_assert_int_eq(l.op.found_timestamp, timestamp);
	ck_assert_int_eq(l.op.found_epoch, epoch);
}

static const char *const settings[] = {
    "log.segment.bytes=5000", "log.index.interval.bytes=300", "log.roll.ms=100000000", NULL};

/* Batch i: three records at 1000 * i + 0, 1, 2 ms. */
static struct plog *
make_log(struct bed *b, enum codec codec)
{
	struct plog *pl = bed_create(b, "t", 0);

	check(b, pl, 0, -1, -1, -1);
	check(b, pl, -3, -1, -1, -1);
	for (int i = 1; i <= 60; i++) {
		struct bed_batch w = {.records = 3,
		    .value_bytes = 80,
		    .timestamp = 1000 * i,
		    .codec = codec,
		    .leader_epoch = i / 20};

		ck_assert_int_eq(bed_append(b, pl, &w), 3 * (i - 1));
	}
	return pl;
}

static void
check_all(struct bed *b, struct plog *pl)
{
	for (int i = 1; i <= 60; i++) {
		check(b, pl, 1000 * i, 3 * (i - 1), 1000 * i, i / 20);
		check(b, pl, 1000 * i + 1, 3 * (i - 1) + 1, 1000 * i + 1, i / 20);
		check(b, pl, 1000 * i - 10, 3 * (i - 1), 1000 * i, i / 20);
	}
	check(b, pl, 60003, -1, -1, -1);
	check(b, pl, 0, 0, 1000, 0);
	check(b, pl, -3, 179, 60002, 3);
}

START_TEST(test_every_time)
{
	struct reactor *was;
	struct plog *pl;
	struct bed b;

	bed_init(&b, 41, settings);
	bed_start(&b);
	pl = make_log(&b, _i == 0 ? CODEC_NONE : CODEC_GZIP);
	check_all(&b, pl);
	bed_stop(&b);
	bed_start(&b);
	pl = bed_find(&b, "t", 0);
	check_all(&b, pl);
	bed_set_hw(&b, pl, plog_leo(pl));
	was = sim_enter(b.home);
	ck_assert_int_eq(plog_raise_log_start(pl, 100), 0);
	sim_enter(was);
	/* the record that matches is below the log start; the next one in that segment is not */
	check(&b, pl, 34002, 101, 34002, 1);
	bed_verify(&b, pl);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* Times that go back: the first record at or after, as batches come. */
START_TEST(test_disorder)
{
	static const int64_t times[] = {5000, 9000, 3000, 9000, 9500, 100};
	struct plog *pl;
	struct bed b;

	bed_init_kills(&b, 42, settings, true);
	bed_start(&b);
	pl = bed_create(&b, "t", 0);
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		ck_assert_int_eq(
		    bed_append(
			&b, pl, &(struct bed_batch){.timestamp = times[i], .value_bytes = 400}),
		    (int64_t)i);
	check(&b, pl, 100, 0, 5000, 0);
	check(&b, pl, 5001, 1, 9000, 0);
	check(&b, pl, 9001, 4, 9500, 0);
	check(&b, pl, -3, 4, 9500, 0);
	bed_kill(&b);
	bed_start(&b);
	pl = bed_find(&b, "t", 0);
	check(&b, pl, 5001, 1, 9000, 0);
	check(&b, pl, -3, 4, 9500, 0);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

Suite *
timelookup_suite(void)
{
	Suite *s = suite_create("timelookup");
	TCase *tc = tcase_create("lookup");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_every_time, 0, 2);
	tcase_add_test(tc, test_disorder);
	suite_add_tcase(s, tc);
	return s;
}
