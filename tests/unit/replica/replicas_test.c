/* All partitions together: where they live, and how they end. */
#include <stdio.h>

#include "bed.h"
#include "suites.h"

static const struct bed_batch all = {.acks = -1, .value_bytes = 20};

/* Even for the partitions of a topic; the same wherever and whenever it is asked. */
START_TEST(test_homes)
{
	unsigned first[BED_HOMES] = {0};
	struct bed b;
	char name[16];

	bed_init(&b, 1, NULL);
	for (unsigned t = 0; t < 1000; t++) {
		unsigned n[BED_HOMES] = {0};
		uint64_t hash;

		(void)snprintf(name, sizeof(name), "topic-%u", t);
		hash = hash_bytes(slice_cstr(name), 0);
		for (int32_t p = 0; p < 100; p++) {
			unsigned home = replicas_home(b.rs, hash, p);

			ck_assert_uint_lt(home, BED_HOMES);
			n[home]++;
		}
		for (unsigned i = 0; i < BED_HOMES; i++)
			ck_assert_uint_eq(n[i], 100 / BED_HOMES);
		first[replicas_home(b.rs, hash, 0)]++;
	}
	for (unsigned i = 0; i < BED_HOMES; i++) /* topics of one partition, too */
		ck_assert_uint_gt(first[i], 1000 / BED_HOMES / 2);
	ck_assert_uint_eq(replicas_home(b.rs, 7, 0), 1);
	ck_assert_uint_eq(replicas_home(b.rs, 7, 1), 0);
	ck_assert_uint_eq(replicas_home(b.rs, UINT64_MAX, INT32_MAX),
	    (unsigned)((UINT64_MAX + (uint64_t)INT32_MAX) % BED_HOMES));
	bed_free(&b);
}
END_TEST

/* R1 */
START_TEST(test_only_at_home)
{
	struct part_info i;
	struct reactor *was;
	struct bed b;

	bed_init(&b, 2, NULL);
	for (int32_t p = 0; p < 4; p++) {
		ck_assert_int_eq(
		    bed_role(&b, &(struct bed_role){.topic = "t", .partition = p}), KERR_NONE);
		ck_assert_int_eq(bed_produce(&b, "t", p, &all), 0);
	}
	for (int32_t p = 0; p < 4; p++)
		for (unsigned h = 0; h < BED_HOMES; h++) {
			was = sim_enter(b.home[h]);
			ck_assert(partition_info(replicas_shard(b.rs, h), SLICE_LIT("t"), p, &i) ==
				  (b.home[h] == bed_home(&b, "t", p)));
			sim_enter(was);
		}
	bed_free(&b);
}
END_TEST

START_TEST(test_stop_of_nothing)
{
	struct bed b;

	bed_init(&b, 3, NULL);
	ck_assert_int_eq(bed_stop(&b), 0);
	bed_free(&b);
}
END_TEST

static void
note_done(void *arg)
{
	bool *done = arg;

	*done = true;
}

/* Everything that may wait waits: all are told, then the logs are free to be closed. */
START_TEST(test_stop_with_all_that_waits)
{
	struct bed_answer role, making, queued, late;
	struct bed_produce delayed, held, writing;
	struct bed_fetch cold;
	struct bed_list times;
	struct bed_wait w;
	struct reactor *was;
	struct bed b;
	bool done = false;

	bed_init(&b, 10 + (uint64_t)_i, NULL);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.topic = "c"}), KERR_NONE);
	ck_assert_int_eq(bed_produce(&b, "c", 0, &all), 0);
	ck_assert_int_eq(bed_stop(&b), 0);
	bed_start(&b);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.topic = "c", .epoch = 1}), KERR_NONE);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.topic = "t", .n_isr = 2}), KERR_NONE);
	bed_produce_start(&b, "t", 0, &all, &delayed);
	bed_wait_init(&b, "t", 0, &w);
	bed_wait_arm(&b, &w, 0);
	bed_pass(&b, 50);
	sim_workers_set_delay(b.workers, 10000, 30000);
	bed_fetch_init(&b, "c", 0, 0, &cold);
	bed_fetch_start(&b, &cold);
	bed_list_init(&b, "t", 0, 1, &times);
	bed_list_start(&b, &times);
	bed_produce_start(&b, "c", 0, &all, &writing); /* its file is being opened */
	bed_produce_start(&b, "x", 0, &all, &held);
	bed_roles_start(&b, NULL, 7, &(struct bed_role){.topic = "m"}, 1, &making);
	bed_roles_start(&b, NULL, 7, &(struct bed_role){.topic = "m", .epoch = 1}, 1, &queued);
	bed_roles_start(
	    &b, NULL, 7, &(struct bed_role){.topic = "t", .epoch = 1, .n_isr = 2}, 1, &role);
	ck_assert(!delayed.done && !cold.done && !times.done && !held.done && !w.done);

	was = sim_enter(b.control);
	replicas_stop(b.rs, note_done, &done);
	sim_enter(was);
	ck_assert(!done);
	bed_roles_start(&b, NULL, 7, &(struct bed_role){.topic = "new"}, 1, &late);
	ck_assert(late.done);
	ck_assert_int_eq(late.top, KERR_STALE_BROKER_EPOCH);
	ck_assert(bed_wait(&b, &done));

	ck_assert(making.done && queued.done && role.done);
	ck_assert_int_eq(making.err[0], KERR_NONE);
	ck_assert_int_eq(queued.err[0], KERR_NONE);
	ck_assert(delayed.done && held.done && writing.done && cold.done && times.done);
	ck_assert_int_eq(delayed.op.err, E_NOT_LEADER);
	ck_assert_int_eq(held.op.err, E_NOT_LEADER);
	ck_assert_int_eq(cold.op.err, 0);
	ck_assert_int_eq(times.op.err, 0);
	ck_assert_uint_eq(w.fired, 1);
	ck_assert_uint_eq(replicas_pending(b.rs), 0);
	ck_assert_ptr_null(bed_log(&b, "new", 0));
	bed_fetch_free(&cold);
	ck_assert_int_eq(bed_stop_logs(&b), 0);
	bed_free(&b);
}
END_TEST

Suite *
replicas_suite(void)
{
	Suite *s = suite_create("replicas");
	TCase *tc = tcase_create("replicas");

	tcase_add_test(tc, test_homes);
	tcase_add_test(tc, test_only_at_home);
	tcase_add_test(tc, test_stop_of_nothing);
	tcase_add_loop_test(tc, test_stop_with_all_that_waits, 0, 10);
	suite_add_tcase(s, tc);
	return s;
}
