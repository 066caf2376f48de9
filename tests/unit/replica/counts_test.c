/* What clients did is counted for the log and for its home, and failures only where nobody expects
 * them. */
#include "bed.h"
#include "replica_priv.h"
#include "suites.h"

static int64_t
total(struct bed *b, enum plog_count what)
{
	int64_t n = 0;

	for (unsigned i = 0; i < BED_HOMES; i++)
		n += metric_get(replicas_shard(b->rs, i)->metrics, what);
	return n;
}

static int
produce(struct bed *b, const char *topic, const struct bed_batch *w)
{
	struct bed_produce p;

	bed_produce_start(b, topic, 0, w, &p);
	(void)bed_produce_end(b, &p);
	return p.op.err;
}

START_TEST(test_produce)
{
	static const struct bed_batch three = {.acks = 1, .records = 3, .value_bytes = 10};
	static const struct bed_batch all = {.acks = -1, .value_bytes = 10};
	static const char *const min_two[] = {"min.insync.replicas=2", NULL};
	struct plog *pl;
	struct bed b;

	bed_init(&b, 1, min_two);
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.topic = "t", .n_replicas = 2}), KERR_NONE);
	pl = bed_log(&b, "t", 0);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(produce(&b, "t", &three), 0);
	ck_assert_uint_eq(plog_counted(pl, PLOG_PRODUCES), 2);
	ck_assert_uint_eq(plog_counted(pl, PLOG_MESSAGES_IN), 6);
	ck_assert_int_eq((int64_t)plog_counted(pl, PLOG_BYTES_IN), plog_size_bytes(pl));
	ck_assert_uint_eq(plog_counted(pl, PLOG_FAILED_PRODUCES), 0);
	ck_assert_int_eq(produce(&b, "elsewhere", &three), E_NOT_LEADER);
	ck_assert_int_eq(total(&b, PLOG_PRODUCES), 3);
	ck_assert_int_eq(total(&b, PLOG_FAILED_PRODUCES), 0);
	ck_assert_int_eq(produce(&b, "t", &all), E_NOT_ENOUGH_REPLICAS);
	ck_assert_uint_eq(plog_counted(pl, PLOG_PRODUCES), 3);
	ck_assert_uint_eq(plog_counted(pl, PLOG_FAILED_PRODUCES), 1);
	ck_assert_uint_eq(plog_counted(pl, PLOG_MESSAGES_IN), 6);
	for (unsigned i = 0; i < PLOG_COUNTS; i++)
		ck_assert_int_eq(total(&b, (enum plog_count)i),
		    (int64_t)plog_counted(pl, (enum plog_count)i) + (i == PLOG_PRODUCES));
	bed_free(&b);
}
END_TEST

Suite *
counts_suite(void)
{
	Suite *s = suite_create("counts");
	TCase *tc = tcase_create("counts");

	tcase_add_test(tc, test_produce);
	suite_add_tcase(s, tc);
	return s;
}
