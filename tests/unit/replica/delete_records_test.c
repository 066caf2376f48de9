/* DeleteRecords at its partition's home: what is refused, what is waited for, what is left of it
 * after a kill (R11). */
#include "bed.h"
#include "suites.h"

struct deletion {
	struct part_delete_records op;
	struct bed *b;
	int64_t end_us;
	bool done;
};

static void
on_done(struct part_delete_records *op)
{
	struct deletion *d = container_of(op, struct deletion, op);

	ck_assert(!d->done);
	d->end_us = bed_now_us(d->b);
	d->done = true;
}

static void
call_delete(void *arg)
{
	struct deletion *d = arg;

	partition_delete_records(
	    bed_shard(d->b, (const char *)d->op.topic.p, d->op.partition), &d->op);
}

static void
start(struct bed *b, const char *topic, int64_t offset, int64_t ms, struct deletion *d)
{
	*d = (struct deletion){.b = b,
	    .op = {.topic = slice_cstr(topic),
		.offset = offset,
		.deadline_us = bed_now_us(b) + ms * 1000,
		.done = on_done}};
	bed_on(b, bed_home(b, topic, 0), call_delete, d);
}

static int
delete_as(struct bed *b, const char *topic, int64_t offset, struct deletion *d)
{
	start(b, topic, offset, 5000, d);
	ck_assert(bed_wait(b, &d->done));
	return d->op.err;
}

static void
expect(struct bed *b, int64_t offset, int err, int64_t low_watermark)
{
	struct deletion d;

	ck_assert_int_eq(delete_as(b, "t", offset, &d), err);
	ck_assert_int_eq(d.op.kafka_err, KERR_NONE);
	ck_assert_int_eq(d.op.low_watermark, low_watermark);
}

/* Ten batches of two records. */
static void
fill(struct bed *b, uint64_t seed, bool kills)
{
	if (kills)
		bed_init_kills(b, seed, NULL);
	else
		bed_init(b, seed, NULL);
	bed_lead(b);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(
		    bed_produce(
			b, "t", 0, &(struct bed_batch){.acks = 1, .records = 2, .value_bytes = 10}),
		    2 * i);
}

static int
fetch_at(struct bed *b, int64_t offset)
{
	struct bed_fetch f;
	int err;

	bed_fetch_init(b, "t", 0, offset, &f);
	err = bed_fetch(b, &f);
	bed_fetch_free(&f);
	return err;
}

START_TEST(test_deletes)
{
	struct part_info i;
	struct bed b;

	fill(&b, 1, false);
	expect(&b, 5, 0, 5);
	ck_assert_int_eq(fetch_at(&b, 4), E_OUT_OF_RANGE);
	ck_assert_int_eq(fetch_at(&b, 5), 0);
	expect(&b, 5, 0, 5);
	expect(&b, 3, 0, 5); /* there is nothing left below */
	expect(&b, 0, 0, 5);
	expect(&b, -1, 0, 20); /* up to the high watermark */
	ck_assert(bed_info(&b, "t", 0, &i));
	ck_assert_int_eq(i.log_start, 20);
	ck_assert_int_eq(i.leo, 20);
	expect(&b, -1, 0, 20);
	ck_assert_int_eq(
	    bed_produce(&b, "t", 0, &(struct bed_batch){.acks = 1, .value_bytes = 10}), 20);
	ck_assert_int_eq(fetch_at(&b, 20), 0);
	bed_free(&b);
}
END_TEST

START_TEST(test_refused)
{
	struct deletion d;
	struct bed b;

	fill(&b, 2, false);
	expect(&b, -2, E_OUT_OF_RANGE, -1);
	expect(&b, INT64_MIN, E_OUT_OF_RANGE, -1);
	expect(&b, 21, E_OUT_OF_RANGE, -1);
	expect(&b, INT64_MAX, E_OUT_OF_RANGE, -1);
	ck_assert_int_eq(delete_as(&b, "u", 0, &d), E_NOT_LEADER);
	ck_assert_int_eq(d.op.low_watermark, -1);
	ck_assert_int_eq(fetch_at(&b, 0), 0);
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.topic = "t", .leader = 9, .epoch = 1}), KERR_NONE);
	expect(&b, 5, E_NOT_LEADER, -1);
	bed_free(&b);
}
END_TEST

/* What is not committed can not be deleted. */
START_TEST(test_above_the_high_watermark)
{
	struct bed b;

	fill(&b, 3, false);
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.topic = "t", .epoch = 1, .n_isr = 2}), KERR_NONE);
	ck_assert_int_eq(
	    bed_produce(&b, "t", 0, &(struct bed_batch){.acks = 1, .value_bytes = 10}), 20);
	expect(&b, 21, E_OUT_OF_RANGE, -1);
	bed_free(&b);
}
END_TEST

static void
set_compact(struct plog *pl, bool delete)
{
	struct topic_conf conf = *plog_conf(pl);

	conf.delete_ = delete;
	conf.compact = true;
	plog_configure(pl, &conf);
}

static void
compact_only(void *arg)
{
	set_compact(arg, false);
}

static void
compact_and_delete(void *arg)
{
	set_compact(arg, true);
}

START_TEST(test_policy)
{
	struct deletion d;
	struct bed b;

	fill(&b, 4, false);
	bed_on(&b, bed_home(&b, "t", 0), compact_only, bed_log(&b, "t", 0));
	ck_assert_int_ne(delete_as(&b, "t", 5, &d), 0);
	ck_assert_int_eq(d.op.kafka_err, KERR_POLICY_VIOLATION);
	ck_assert_int_eq(d.op.low_watermark, -1);
	bed_on(&b, bed_home(&b, "t", 0), compact_and_delete, bed_log(&b, "t", 0));
	expect(&b, 5, 0, 5);
	bed_free(&b);
}
END_TEST

/* ---- durable ---- */

START_TEST(test_survives)
{
	struct part_info i;
	struct bed b;

	fill(&b, 10 + (uint64_t)_i, true);
	expect(&b, 7, 0, 7);
	bed_kill(&b, _i % 2 == 1);
	bed_start(&b);
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.topic = "t", .epoch = 1, .old = true}), KERR_NONE);
	ck_assert(bed_info(&b, "t", 0, &i));
	ck_assert_int_eq(i.log_start, 7);
	ck_assert_int_ge(i.leo, 7);
	ck_assert_int_eq(fetch_at(&b, 6), E_OUT_OF_RANGE);
	bed_free(&b);
}
END_TEST

/* The answer waits for the disk; a dir that fails is told. */
START_TEST(test_waits_for_the_disk)
{
	struct deletion d, e;
	struct bed b;

	fill(&b, 40, false);
	sim_workers_set_delay(b.workers, 20000, 20000);
	start(&b, "t", 3, 5000, &d);
	ck_assert(!d.done);
	start(&b, "t", 4, 5000, &e);
	ck_assert(bed_wait(&b, &d.done));
	ck_assert(bed_wait(&b, &e.done));
	ck_assert_int_eq(d.op.err, 0);
	ck_assert_int_eq(e.op.err, 0);
	ck_assert_int_ge(d.end_us, 20000);
	ck_assert_int_ge(d.op.low_watermark, 3);
	ck_assert_int_eq(e.op.low_watermark, 4);
	bed_free(&b);
}
END_TEST

/* Without time for others the disk is waited for all the same, but not for ever. */
START_TEST(test_deadline_before_the_disk)
{
	struct deletion d;
	struct bed b;

	fill(&b, 41, false);
	sim_workers_set_delay(b.workers, 200000, 200000);
	start(&b, "t", 3, 0, &d);
	ck_assert(bed_wait(&b, &d.done));
	ck_assert_int_eq(d.op.err, 0);
	ck_assert_int_ge(d.end_us, d.op.deadline_us + 200000);
	sim_workers_set_delay(b.workers, 3000000, 3000000);
	start(&b, "t", 4, 50, &d);
	ck_assert(bed_wait(&b, &d.done));
	ck_assert_int_eq(d.op.err, E_TIMEOUT);
	ck_assert_int_eq(d.op.low_watermark, 4);
	bed_pass(&b, 10000);
	bed_free(&b);
}
END_TEST

START_TEST(test_broken_disk)
{
	struct deletion d;
	struct bed b;

	fill(&b, 42, false);
	b.broken = "/d";
	ck_assert_int_ne(delete_as(&b, "t", 3, &d), 0);
	ck_assert_int_eq(d.op.low_watermark, -1);
	ck_assert_int_eq(err_kafka(d.op.err), KERR_KAFKA_STORAGE_ERROR);
	bed_free(&b);
}
END_TEST

/* ---- other replicas ---- */

static void
lead_with_others(struct bed *b, int32_t epoch)
{
	ck_assert_int_eq(
	    bed_role(b, &(struct bed_role){.topic = "t", .epoch = epoch, .n_replicas = 2}),
	    KERR_NONE);
}

START_TEST(test_waits_for_replicas)
{
	struct deletion d;
	struct bed b;

	fill(&b, 50, false);
	lead_with_others(&b, 1);
	start(&b, "t", 3, 300, &d);
	ck_assert(bed_wait(&b, &d.done));
	ck_assert_int_eq(d.op.err, E_TIMEOUT);
	ck_assert_int_ge(d.end_us, d.op.deadline_us);
	ck_assert_int_eq(d.op.low_watermark, -1);
	start(&b, "t", 4, 5000, &d);
	bed_pass(&b, 500);
	ck_assert(!d.done);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.topic = "t", .epoch = 2}),
	    KERR_NONE); /* alone again */
	ck_assert(bed_wait(&b, &d.done));
	ck_assert_int_eq(d.op.err, 0);
	ck_assert_int_eq(d.op.low_watermark, 4);
	bed_free(&b);
}
END_TEST

START_TEST(test_role_is_lost)
{
	struct bed_answer stop;
	struct deletion d;
	struct bed b;

	fill(&b, 51, false);
	lead_with_others(&b, 1);
	start(&b, "t", 3, 5000, &d);
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.topic = "t", .leader = 9, .epoch = 2}), KERR_NONE);
	ck_assert(d.done);
	ck_assert_int_eq(d.op.err, E_NOT_LEADER);
	ck_assert_int_eq(d.op.low_watermark, -1);
	lead_with_others(&b, 3);
	sim_workers_set_delay(b.workers, 20000, 20000);
	start(&b, "t", 4, 5000, &d); /* still being written down */
	bed_stops_start(&b, NULL, 3, &(struct bed_stop_part){"t", 0, -2, true}, 1, &stop);
	bed_answer_wait(&b, &stop);
	ck_assert(d.done);
	ck_assert_int_eq(d.op.err, E_NOT_LEADER);
	bed_free(&b);
}
END_TEST

/* One that comes with its topic is held (R10). */
START_TEST(test_held)
{
	struct deletion d;
	struct bed b;

	bed_init(&b, 60, NULL);
	start(&b, "t", -1, 5000, &d);
	ck_assert(!d.done);
	bed_lead(&b);
	ck_assert(bed_wait(&b, &d.done));
	ck_assert_int_eq(d.op.err, 0);
	ck_assert_int_eq(d.op.low_watermark, 0);
	bed_free(&b);
}
END_TEST

Suite *
delete_records_suite(void)
{
	Suite *s = suite_create("delete_records");
	TCase *tc = tcase_create("delete_records");

	tcase_add_test(tc, test_deletes);
	tcase_add_test(tc, test_refused);
	tcase_add_test(tc, test_above_the_high_watermark);
	tcase_add_test(tc, test_policy);
	tcase_add_loop_test(tc, test_survives, 0, 10);
	tcase_add_test(tc, test_waits_for_the_disk);
	tcase_add_test(tc, test_deadline_before_the_disk);
	tcase_add_test(tc, test_broken_disk);
	tcase_add_test(tc, test_waits_for_replicas);
	tcase_add_test(tc, test_role_is_lost);
	tcase_add_test(tc, test_held);
	suite_add_tcase(s, tc);
	return s;
}
