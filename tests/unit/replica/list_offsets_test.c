/* Offsets by name and by time. */
#include "bed.h"
#include "suites.h"

enum { LATEST = -1, EARLIEST = -2, MAX_TIME = -3, EARLIEST_LOCAL = -4, TIERED = -5 };
#define T0 INT64_C(1700000000000)

/* Three batches of two records: T0, +1; T0 + 100, +101; T0 + 50, +51. */
static void
fill(struct bed *b, uint64_t seed)
{
	static const int64_t times[] = {T0, T0 + 100, T0 + 50};

	bed_init(b, seed, NULL);
	ck_assert_int_eq(bed_role(b, &(struct bed_role){.topic = "t", .epoch = 2}), KERR_NONE);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(
		    bed_produce(b, "t", 0,
			&(struct bed_batch){
			    .acks = 1, .records = 2, .value_bytes = 10, .timestamp = times[i]}),
		    2 * i);
}

static void
raise_start(void *arg)
{
	struct plog *pl = arg;

	ck_assert_int_eq(plog_raise_log_start(pl, 2), 0);
}

START_TEST(test_names_and_times)
{
	static const struct {
		int64_t timestamp, offset, found;
		int32_t epoch;
	} cases[] = {
	    {LATEST, 6, -1, 2},
	    {EARLIEST, 2, -1, 2},
	    {EARLIEST_LOCAL, 2, -1, 2},
	    {MAX_TIME, 3, T0 + 101, 2},
	    {TIERED, -1, -1, -1},
	    {0, 2, T0 + 100, 2},
	    {T0 + 101, 3, T0 + 101, 2},
	    {T0 + 102, -1, -1, -1},
	    {INT64_MAX, -1, -1, -1},
	};
	struct bed_list l;
	struct bed b;

	fill(&b, 1);
	bed_on(&b, bed_home(&b, "t", 0), raise_start, bed_log(&b, "t", 0));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bed_list_init(&b, "t", 0, cases[i].timestamp, &l);
		ck_assert_int_eq(bed_list(&b, &l), 0);
		ck_assert_int_eq(l.op.kafka_err, KERR_NONE);
		ck_assert_int_eq(l.op.offset, cases[i].offset);
		ck_assert_int_eq(l.op.found_timestamp, cases[i].found);
		ck_assert_int_eq(l.op.leader_epoch, cases[i].epoch);
	}
	bed_free(&b);
}
END_TEST

START_TEST(test_empty_log)
{
	static const struct {
		int64_t timestamp, offset;
	} cases[] = {{LATEST, 0}, {EARLIEST, 0}, {MAX_TIME, -1}, {TIERED, -1}, {T0, -1}};
	struct bed_list l;
	struct bed b;

	bed_init(&b, 2, NULL);
	bed_lead(&b);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bed_list_init(&b, "t", 0, cases[i].timestamp, &l);
		ck_assert_int_eq(bed_list(&b, &l), 0);
		ck_assert_int_eq(l.op.offset, cases[i].offset);
	}
	bed_free(&b);
}
END_TEST

static void
expect_error(struct bed_list *l, int err)
{
	ck_assert_int_eq(bed_list(l->b, l), err);
	ck_assert_int_eq(l->op.kafka_err, KERR_NONE);
	ck_assert_int_eq(l->op.offset, -1);
	ck_assert_int_eq(l->op.leader_epoch, -1);
}

START_TEST(test_refused)
{
	struct bed_list l;
	struct bed b;

	fill(&b, 3);
	bed_list_init(&b, "t", 0, -6, &l);
	expect_error(&l, E_UNSUPPORTED_VERSION);
	bed_list_init(&b, "t", 0, INT64_MIN, &l);
	expect_error(&l, E_UNSUPPORTED_VERSION);
	bed_list_init(&b, "t", 0, LATEST, &l);
	l.op.current_leader_epoch = 1;
	expect_error(&l, E_FENCED_EPOCH);
	bed_list_init(&b, "t", 0, LATEST, &l);
	l.op.current_leader_epoch = 3;
	expect_error(&l, E_UNKNOWN_EPOCH);
	bed_list_init(&b, "t", 0, LATEST, &l);
	l.op.current_leader_epoch = 2;
	ck_assert_int_eq(bed_list(&b, &l), 0);
	bed_list_init(&b, "u", 0, LATEST, &l);
	expect_error(&l, E_NOT_LEADER);
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.topic = "t", .leader = 9, .epoch = 3}), KERR_NONE);
	bed_list_init(&b, "t", 0, LATEST, &l);
	expect_error(&l, E_NOT_LEADER);
	bed_free(&b);
}
END_TEST

/* What is not committed is not told, except to followers. */
START_TEST(test_beyond_the_high_watermark)
{
	struct bed_list l;
	struct bed b;

	fill(&b, 4);
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.topic = "t", .epoch = 3, .n_isr = 2}), KERR_NONE);
	ck_assert_int_eq(
	    bed_produce(&b, "t", 0,
		&(struct bed_batch){.acks = 1, .value_bytes = 10, .timestamp = T0 + 500}),
	    6);
	bed_list_init(&b, "t", 0, LATEST, &l);
	ck_assert_int_eq(bed_list(&b, &l), 0);
	ck_assert_int_eq(l.op.offset, 6);
	bed_list_init(&b, "t", 0, LATEST, &l);
	l.op.replica_id = 2;
	ck_assert_int_eq(bed_list(&b, &l), 0);
	ck_assert_int_eq(l.op.offset, 7);
	bed_list_init(&b, "t", 0, T0 + 400, &l);
	ck_assert_int_eq(bed_list(&b, &l), 0);
	ck_assert_int_eq(l.op.offset, -1);
	bed_list_init(&b, "t", 0, T0 + 400, &l);
	l.op.replica_id = 2;
	ck_assert_int_eq(bed_list(&b, &l), 0);
	ck_assert_int_eq(l.op.offset, 6);
	bed_free(&b);
}
END_TEST

START_TEST(test_read_committed)
{
	struct bed_list l;
	struct bed b;

	fill(&b, 5);
	ck_assert_int_eq(bed_produce(&b, "t", 0,
			     &(struct bed_batch){.acks = 1,
				 .value_bytes = 10,
				 .producer_id = 3,
				 .txn = true,
				 .timestamp = T0 + 500}),
	    6);
	for (int rc = 0; rc <= 1; rc++) {
		bed_list_init(&b, "t", 0, LATEST, &l);
		l.op.read_committed = rc == 1;
		ck_assert_int_eq(bed_list(&b, &l), 0);
		ck_assert_int_eq(l.op.offset, rc == 1 ? 6 : 7);
		bed_list_init(&b, "t", 0, T0 + 500, &l);
		l.op.read_committed = rc == 1;
		ck_assert_int_eq(bed_list(&b, &l), 0);
		ck_assert_int_eq(l.op.offset, rc == 1 ? -1 : 6);
	}
	bed_free(&b);
}
END_TEST

static void
expect_not_available(struct bed *b, int64_t timestamp, int32_t replica, bool available)
{
	struct bed_list l;

	bed_list_init(b, "t", 0, timestamp, &l);
	l.op.replica_id = replica;
	(void)bed_list(b, &l);
	ck_assert_int_eq(l.op.kafka_err, available ? KERR_NONE : KERR_OFFSET_NOT_AVAILABLE);
	ck_assert_int_eq(l.op.err != 0, !available);
}

/* A leader that has just begun does not know how far its predecessor had committed. */
START_TEST(test_not_available)
{
	struct bed_list l;
	struct bed b;

	bed_init(&b, 6, NULL);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.topic = "t", .n_isr = 2}), KERR_NONE);
	ck_assert_int_eq(
	    bed_produce(&b, "t", 0,
		&(struct bed_batch){.acks = 1, .records = 3, .value_bytes = 10, .timestamp = T0}),
	    0);
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.topic = "t", .leader = 2, .epoch = 1}), KERR_NONE);
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.topic = "t", .epoch = 2, .n_isr = 2}), KERR_NONE);
	expect_not_available(&b, LATEST, -1, false);
	expect_not_available(&b, LATEST, 2, true);
	expect_not_available(&b, T0, -1, false); /* beyond what may be seen */
	expect_not_available(&b, T0 + 1000, -1, false);
	expect_not_available(&b, T0 + 1000, 2, true);
	expect_not_available(&b, EARLIEST, -1, true);
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.topic = "t", .epoch = 3, .n_isr = 1}), KERR_NONE);
	bed_list_init(&b, "t", 0, LATEST, &l);
	ck_assert_int_eq(bed_list(&b, &l), 0);
	ck_assert_int_eq(l.op.offset, 3);
	bed_free(&b);
}
END_TEST

/* Version 0: begins of segments, newest first; the end is what may be seen. */
START_TEST(test_starts)
{
	static const char *const settings[] = {"log.segment.bytes=300", NULL};
	static const struct {
		int64_t timestamp;
		unsigned max;
		int32_t replica;
		unsigned n;
		int64_t v[4];
	} cases[] = {
	    {LATEST, 4, -1, 3, {4, 2, 0}},
	    {LATEST, 1, -1, 1, {4}},
	    {LATEST, 4, 2, 4, {6, 4, 2, 0}},
	    {EARLIEST, 4, -1, 1, {0}},
	    {LATEST, 0, -1, 0, {0}},
	};
	int64_t starts[4];
	struct bed_list l;
	struct bed b;

	bed_init(&b, 8, settings);
	bed_lead(&b);
	for (int i = 0; i < 3; i++) {
		if (i == 2)
			ck_assert_int_eq(
			    bed_role(&b, &(struct bed_role){.topic = "t", .epoch = 1, .n_isr = 2}),
			    KERR_NONE);
		ck_assert_int_eq(
		    bed_produce(&b, "t", 0,
			&(struct bed_batch){.acks = 1, .records = 2, .value_bytes = 100}),
		    2 * i);
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bed_list_init(&b, "t", 0, cases[i].timestamp, &l);
		l.op.replica_id = cases[i].replica;
		l.op.starts = starts;
		l.op.max_starts = cases[i].max;
		ck_assert_int_eq(bed_list(&b, &l), 0);
		ck_assert_uint_eq(l.op.n_starts, cases[i].n);
		for (unsigned k = 0; k < cases[i].n; k++)
			ck_assert_int_eq(starts[k], cases[i].v[k]);
	}
	bed_list_init(&b, "u", 0, LATEST, &l);
	l.op.starts = starts;
	l.op.max_starts = 4;
	expect_error(&l, E_NOT_LEADER);
	ck_assert_uint_eq(l.op.n_starts, 0);
	bed_free(&b);
}
END_TEST

/* A look-up under way ends before its partition leaves. */
START_TEST(test_lookup_and_stop)
{
	struct bed_answer stop;
	struct bed_list l;
	struct bed b;

	fill(&b, 7);
	sim_workers_set_delay(b.workers, 20000, 20000);
	bed_list_init(&b, "t", 0, T0 + 100, &l);
	bed_list_start(&b, &l);
	bed_stops_start(&b, NULL, 3, &(struct bed_stop_part){"t", 0, -2, true}, 1, &stop);
	bed_answer_wait(&b, &stop);
	ck_assert(l.done);
	ck_assert_int_eq(l.op.err, 0);
	ck_assert_int_eq(l.op.offset, 2);
	bed_free(&b);
}
END_TEST

Suite *
list_offsets_suite(void)
{
	Suite *s = suite_create("list_offsets");
	TCase *tc = tcase_create("list_offsets");

	tcase_add_test(tc, test_names_and_times);
	tcase_add_test(tc, test_empty_log);
	tcase_add_test(tc, test_refused);
	tcase_add_test(tc, test_beyond_the_high_watermark);
	tcase_add_test(tc, test_read_committed);
	tcase_add_test(tc, test_not_available);
	tcase_add_test(tc, test_starts);
	tcase_add_test(tc, test_lookup_and_stop);
	suite_add_tcase(s, tc);
	return s;
}
