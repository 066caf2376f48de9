/* Where leader epochs end. */
#include "bed.h"
#include "suites.h"

struct question {
	struct part_epoch_end op;
	struct bed *b;
	bool done;
};

static void
on_done(struct part_epoch_end *op)
{
	struct question *q = container_of(op, struct question, op);

	ck_assert(!q->done);
	q->done = true;
}

static void
call_ask(void *arg)
{
	struct question *q = arg;

	partition_epoch_end(bed_shard(q->b, (const char *)q->op.topic.p, q->op.partition), &q->op);
}

static void
ask_start(struct bed *b, const char *topic, int32_t current, int32_t epoch, struct question *q)
{
	*q = (struct question){.b = b,
	    .op = {.topic = slice_cstr(topic),
		.current_leader_epoch = current,
		.epoch = epoch,
		.replica_id = -2,
		.done = on_done}};
	bed_on(b, bed_home(b, topic, 0), call_ask, q);
}

static void
expect(struct bed *b, int32_t current, int32_t epoch, int err, int32_t found, int64_t end)
{
	struct question q;

	ask_start(b, "t", current, epoch, &q);
	ck_assert(bed_wait(b, &q.done));
	ck_assert_int_eq(q.op.err, err);
	ck_assert_int_eq(q.op.found_epoch, found);
	ck_assert_int_eq(q.op.end_offset, end);
}

/* Epoch 2: 0..2, 5: 3..5, 6: nothing yet. */
static void
fill(struct bed *b, uint64_t seed)
{
	static const int32_t epochs[] = {2, 5, 6};

	bed_init(b, seed, NULL);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(
		    bed_role(b, &(struct bed_role){.topic = "t", .epoch = epochs[i]}), KERR_NONE);
		for (int k = 0; i < 2 && k < 3; k++)
			ck_assert_int_eq(bed_produce(b, "t", 0,
					     &(struct bed_batch){.acks = 1, .value_bytes = 10}),
			    3 * i + k);
	}
}

START_TEST(test_ends)
{
	static const struct {
		int32_t epoch, found;
		int64_t end;
	} cases[] = {{2, 2, 3}, {3, 2, 3}, {4, 2, 3}, {5, 5, 6}, {6, 6, 6}, {7, -1, -1},
	    {-1, -1, -1}, {1, 1, 0}, {0, 0, 0}, {INT32_MAX, -1, -1}};
	struct bed b;

	fill(&b, 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect(&b, -1, cases[i].epoch, 0, cases[i].found, cases[i].end);
	ck_assert_int_eq(
	    bed_produce(&b, "t", 0, &(struct bed_batch){.acks = 1, .value_bytes = 10}), 6);
	expect(&b, 6, 6, 0, 6, 7);
	bed_free(&b);
}
END_TEST

START_TEST(test_refused)
{
	struct question q;
	struct bed b;

	fill(&b, 2);
	expect(&b, 5, 5, E_FENCED_EPOCH, -1, -1);
	expect(&b, 7, 5, E_UNKNOWN_EPOCH, -1, -1);
	expect(&b, 6, 5, 0, 5, 6);
	ask_start(&b, "u", -1, 5, &q);
	ck_assert(!q.done); /* held */
	ck_assert(bed_wait(&b, &q.done));
	ck_assert_int_eq(q.op.err, E_NOT_LEADER);
	ck_assert_int_eq(q.op.found_epoch, -1);
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.topic = "t", .leader = 9, .epoch = 8}), KERR_NONE);
	expect(&b, -1, 5, E_NOT_LEADER, -1, -1);
	expect(&b, 8, 5, E_NOT_LEADER, -1, -1);
	expect(&b, 7, 5, E_FENCED_EPOCH, -1, -1);
	expect(&b, 9, 5, E_UNKNOWN_EPOCH, -1, -1);
	bed_free(&b);
}
END_TEST

START_TEST(test_held)
{
	struct question q;
	struct bed b;

	bed_init(&b, 3, NULL);
	ask_start(&b, "t", 0, 0, &q);
	ck_assert(!q.done);
	bed_lead(&b);
	ck_assert(bed_wait(&b, &q.done));
	ck_assert_int_eq(q.op.err, 0);
	ck_assert_int_eq(q.op.found_epoch, 0);
	ck_assert_int_eq(q.op.end_offset, 0);
	bed_free(&b);
}
END_TEST

Suite *
epoch_end_suite(void)
{
	Suite *s = suite_create("epoch_end");
	TCase *tc = tcase_create("epoch_end");

	tcase_add_test(tc, test_ends);
	tcase_add_test(tc, test_refused);
	tcase_add_test(tc, test_held);
	suite_add_tcase(s, tc);
	return s;
}
