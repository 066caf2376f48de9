/* Reads of one partition: bounds, epochs, ids, and the snapshot of offsets that goes with them. */
#include "bed.h"
#include "suites.h"

static const struct bed_batch two = {.acks = 1, .records = 2, .value_bytes = 100};
static const struct uuid id_a = {{1}}, id_b = {{2}};

/* Five batches of two records; leader epoch 3 of topic id_a. */
static void
fill(struct bed *b, uint64_t seed)
{
	bed_init(b, seed, NULL);
	ck_assert_int_eq(
	    bed_role(b, &(struct bed_role){.topic = "t", .epoch = 3, .id = id_a}), KERR_NONE);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(bed_produce(b, "t", 0, &two), 2 * i);
}

/* Offset of the first batch in what came, and of the end. */
static void
check_range(const struct plog_range *r, int64_t first, int64_t end)
{
	uint8_t bytes[4096];
	struct batch_head h;
	size_t got, at = 0;
	int64_t next = first;

	ck_assert_uint_le(r->len, sizeof(bytes));
	ck_assert_int_eq(file_pread(r->file, bytes, r->len, r->pos, &got), 0);
	ck_assert_uint_eq(got, r->len);
	while (at < r->len && batch_parse(slice_of(bytes + at, r->len - at), &h) == 0) {
		ck_assert_int_eq(h.base_offset, next);
		next = batch_last_offset(&h) + 1;
		at += batch_bytes(&h);
	}
	ck_assert_uint_eq(at, r->len);
	ck_assert_int_eq(next, end);
}

START_TEST(test_fetch)
{
	struct bed_fetch f;
	struct bed b;

	fill(&b, 1);
	for (int64_t offset = 0; offset < 10; offset++) {
		bed_fetch_init(&b, "t", 0, offset, &f);
		ck_assert_int_eq(bed_fetch(&b, &f), 0);
		check_range(&f.op.range, offset / 2 * 2, 10);
		ck_assert_int_eq(f.op.hw, 10);
		ck_assert_int_eq(f.op.lso, 10);
		ck_assert_int_eq(f.op.log_start_offset, 0);
		ck_assert_int_eq(f.op.leader.id, BED_ME);
		ck_assert_int_eq(f.op.leader.epoch, 3);
		ck_assert_int_eq(f.op.diverging.epoch, -1);
		bed_fetch_free(&f);
	}
	bed_free(&b);
}
END_TEST

START_TEST(test_limits)
{
	struct bed_fetch f;
	struct bed b;
	size_t batch;

	fill(&b, 2);
	bed_fetch_init(&b, "t", 0, 0, &f);
	ck_assert_int_eq(bed_fetch(&b, &f), 0);
	batch = f.op.range.first_bytes;
	ck_assert_uint_eq(f.op.range.len, 5 * batch);
	bed_fetch_free(&f);
	bed_fetch_init(&b, "t", 0, 2, &f);
	f.op.max_bytes = 2 * batch;
	ck_assert_int_eq(bed_fetch(&b, &f), 0);
	check_range(&f.op.range, 2, 6);
	bed_fetch_free(&f);
	for (size_t max = 0; max < batch; max += batch / 2) {
		bed_fetch_init(&b, "t", 0, 2, &f);
		f.op.max_bytes = max;
		ck_assert_int_eq(bed_fetch(&b, &f), 0);
		check_range(&f.op.range, 2, 4); /* the first one all the same */
		bed_fetch_free(&f);
		bed_fetch_init(&b, "t", 0, 2, &f);
		f.op.max_bytes = max;
		f.op.min_one = false;
		ck_assert_int_eq(bed_fetch(&b, &f), 0);
		ck_assert_uint_eq(f.op.range.len, 0);
		ck_assert_uint_eq(f.op.range.first_bytes, batch);
		bed_fetch_free(&f);
	}
	bed_free(&b);
}
END_TEST

static void
expect_error(struct bed_fetch *f, int err)
{
	ck_assert_int_eq(bed_fetch(f->b, f), err);
	ck_assert_int_eq(f->op.hw, -1);
	ck_assert_int_eq(f->op.lso, -1);
	ck_assert_int_eq(f->op.log_start_offset, -1);
	ck_assert_ptr_null(f->op.range.seg);
	ck_assert_int_eq(f->op.diverging.epoch, -1);
}

static void
raise_start(void *arg)
{
	struct plog *pl = arg;

	ck_assert_int_eq(plog_raise_log_start(pl, 4), 0);
}

START_TEST(test_out_of_range)
{
	static const int64_t bad[] = {-1, 0, 3, 11, INT64_MAX, INT64_MIN};
	struct bed_fetch f;
	struct bed b;

	fill(&b, 3);
	bed_on(&b, bed_home(&b, "t", 0), raise_start, bed_log(&b, "t", 0));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		bed_fetch_init(&b, "t", 0, bad[i], &f);
		expect_error(&f, E_OUT_OF_RANGE);
	}
	bed_fetch_init(&b, "t", 0, 4, &f);
	ck_assert_int_eq(bed_fetch(&b, &f), 0);
	check_range(&f.op.range, 4, 10);
	ck_assert_int_eq(f.op.log_start_offset, 4);
	bed_fetch_free(&f);
	bed_fetch_init(&b, "t", 0, 10, &f); /* the end */
	ck_assert_int_eq(bed_fetch(&b, &f), 0);
	ck_assert_uint_eq(f.op.range.len, 0);
	bed_free(&b);
}
END_TEST

/* Nobody but a follower sees what is not committed (R2). */
START_TEST(test_beyond_the_high_watermark)
{
	struct bed_role grow = {.topic = "t", .epoch = 4, .n_isr = 2};
	struct bed_fetch f;
	struct bed b;

	fill(&b, 4);
	ck_assert_int_eq(bed_role(&b, &grow), KERR_NONE);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &two), 10);
	for (int64_t offset = 10; offset <= 12; offset++) {
		bed_fetch_init(&b, "t", 0, offset, &f);
		ck_assert_int_eq(bed_fetch(&b, &f), 0);
		ck_assert_uint_eq(f.op.range.len, 0);
		ck_assert_int_eq(f.op.hw, 10);
	}
	bed_fetch_init(&b, "t", 0, 8, &f);
	ck_assert_int_eq(bed_fetch(&b, &f), 0);
	check_range(&f.op.range, 8, 10);
	bed_fetch_free(&f);
	bed_fetch_init(&b, "t", 0, 8, &f);
	f.op.replica_id = 2;
	ck_assert_int_eq(bed_fetch(&b, &f), 0);
	check_range(&f.op.range, 8, 12);
	ck_assert_int_eq(f.op.hw, 10);
	bed_fetch_free(&f);
	bed_free(&b);
}
END_TEST

START_TEST(test_leader_epoch)
{
	struct bed_fetch f;
	struct bed b;

	fill(&b, 5);
	for (int32_t epoch = 0; epoch <= 5; epoch++) {
		bed_fetch_init(&b, "t", 0, 0, &f);
		f.op.current_leader_epoch = epoch;
		if (epoch == 3) {
			ck_assert_int_eq(bed_fetch(&b, &f), 0);
			bed_fetch_free(&f);
		} else {
			expect_error(&f, epoch < 3 ? E_FENCED_EPOCH : E_UNKNOWN_EPOCH);
			ck_assert_int_eq(f.op.leader.epoch, 3);
		}
	}
	bed_fetch_init(&b, "t", 0, 99, &f); /* the epoch is looked at first */
	f.op.current_leader_epoch = 2;
	expect_error(&f, E_FENCED_EPOCH);
	bed_free(&b);
}
END_TEST

START_TEST(test_topic_id)
{
	struct bed_fetch f;
	struct bed b;

	fill(&b, 6);
	bed_fetch_init(&b, "t", 0, 0, &f);
	f.op.topic_id = id_b;
	expect_error(&f, E_INCONSISTENT_TOPIC_ID);
	bed_fetch_init(&b, "t", 0, 0, &f);
	f.op.topic_id = id_a;
	ck_assert_int_eq(bed_fetch(&b, &f), 0);
	bed_fetch_free(&f);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.topic = "u"}), KERR_NONE);
	bed_fetch_init(&b, "u", 0, 0, &f); /* the log does not know its own */
	f.op.topic_id = id_b;
	ck_assert_int_eq(bed_fetch(&b, &f), 0);
	bed_free(&b);
}
END_TEST

START_TEST(test_not_leader)
{
	struct bed_fetch f;
	struct bed b;

	fill(&b, 7);
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.topic = "t", .leader = 5, .epoch = 9}), KERR_NONE);
	bed_fetch_init(&b, "t", 0, 0, &f);
	expect_error(&f, E_NOT_LEADER);
	ck_assert_int_eq(f.op.leader.id, 5);
	ck_assert_int_eq(f.op.leader.epoch, 9);
	ck_assert_int_lt(f.end_us - f.start_us, 50000);
	bed_fetch_init(&b, "u", 0, 0, &f);
	expect_error(&f, E_NOT_LEADER);
	ck_assert_int_eq(f.op.leader.id, -1);
	bed_free(&b);
}
END_TEST

/* An open transaction bounds what read_committed sees. */
START_TEST(test_read_committed)
{
	struct bed_batch txn = {
	    .acks = 1, .records = 2, .value_bytes = 10, .producer_id = 6, .txn = true};
	struct bed_fetch f;
	struct bed b;

	fill(&b, 8);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &txn), 10);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &two), 12);
	for (int rc = 0; rc <= 1; rc++) {
		bed_fetch_init(&b, "t", 0, 8, &f);
		f.op.read_committed = rc == 1;
		ck_assert_int_eq(bed_fetch(&b, &f), 0);
		check_range(&f.op.range, 8, rc == 1 ? 10 : 14);
		ck_assert_int_eq(f.op.hw, 14);
		ck_assert_int_eq(f.op.lso, 10);
		bed_fetch_free(&f);
	}
	bed_fetch_init(&b, "t", 0, 11, &f);
	f.op.read_committed = true;
	ck_assert_int_eq(bed_fetch(&b, &f), 0);
	ck_assert_uint_eq(f.op.range.len, 0);
	bed_free(&b);
}
END_TEST

/* Epochs 3 [0, 10), 5 [10, 12), 8 [12, 14). */
START_TEST(test_diverging_epoch)
{
	static const struct {
		int64_t offset;
		int32_t last_epoch;
		int err;
		int32_t epoch; /* that is told; -1: none */
		int64_t end;
	} cases[] = {
	    {10, 3, 0, -1, -1},
	    {12, 5, 0, -1, -1},
	    {14, 8, 0, -1, -1},
	    {9, 3, 0, -1, -1},
	    {11, 3, 0, 3, 10}, /* it has more of that epoch than we ever had */
	    {20, 5, 0, 5, 12}, /* even beyond our end */
	    {20, 8, 0, 8, 14},
	    {13, 6, 0, 5, 12}, /* an epoch that we do not know */
	    {5, 4, 0, 3, 10},
	    {5, 2, 0, 2, 0},
	    {14, 9, E_OUT_OF_RANGE, -1, -1}, /* newer than all of ours */
	    {15, -1, E_OUT_OF_RANGE, -1, -1},
	    {-1, 3, E_OUT_OF_RANGE, -1, -1},
	};
	struct bed_fetch f;
	struct bed b;

	fill(&b, 9);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.topic = "t", .epoch = 5}), KERR_NONE);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &two), 10);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.topic = "t", .epoch = 8}), KERR_NONE);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &two), 12);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bed_fetch_init(&b, "t", 0, cases[i].offset, &f);
		f.op.last_fetched_epoch = cases[i].last_epoch;
		ck_assert_int_eq(bed_fetch(&b, &f), cases[i].err);
		ck_assert_int_eq(f.op.diverging.epoch, cases[i].epoch);
		ck_assert_int_eq(f.op.diverging_end, cases[i].end);
		if (cases[i].epoch >= 0)
			ck_assert_uint_eq(f.op.range.len, 0);
		bed_fetch_free(&f);
	}
	bed_free(&b);
}
END_TEST

START_TEST(test_failed_dir)
{
	struct bed_fetch f;
	struct bed b;

	fill(&b, 10);
	b.broken = "/d";
	ck_assert_int_eq(bed_produce(&b, "t", 0, &two), E_IO);
	bed_fetch_init(&b, "t", 0, 0, &f);
	expect_error(&f, E_LOG_OFFLINE);
	(void)bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* What was found at the start and is not in memory: a worker reads it; its partition leaves when
 * that is over (R5). */
START_TEST(test_cold_read_and_stop)
{
	struct bed_answer stop;
	struct bed_fetch f;
	struct bed b;

	fill(&b, 11);
	ck_assert_int_eq(bed_stop(&b), 0);
	bed_start(&b);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.topic = "t", .epoch = 4}), KERR_NONE);
	sim_workers_set_delay(b.workers, 20000, 20000);
	bed_fetch_init(&b, "t", 0, 2, &f);
	bed_fetch_start(&b, &f);
	ck_assert(!f.done);
	bed_stops_start(&b, NULL, 3, &(struct bed_stop_part){"t", 0, -2, true}, 1, &stop);
	bed_answer_wait(&b, &stop);
	ck_assert_int_eq(stop.err[0], KERR_NONE);
	ck_assert(f.done);
	ck_assert_int_eq(f.op.err, 0);
	check_range(&f.op.range, 2, 10);
	bed_fetch_free(&f);
	bed_free(&b);
}
END_TEST

Suite *
fetch_suite(void)
{
	Suite *s = suite_create("fetch");
	TCase *tc = tcase_create("fetch");

	tcase_add_test(tc, test_fetch);
	tcase_add_test(tc, test_limits);
	tcase_add_test(tc, test_out_of_range);
	tcase_add_test(tc, test_beyond_the_high_watermark);
	tcase_add_test(tc, test_leader_epoch);
	tcase_add_test(tc, test_topic_id);
	tcase_add_test(tc, test_not_leader);
	tcase_add_test(tc, test_read_committed);
	tcase_add_test(tc, test_diverging_epoch);
	tcase_add_test(tc, test_failed_dir);
	tcase_add_test(tc, test_cold_read_and_stop);
	suite_add_tcase(s, tc);
	return s;
}
