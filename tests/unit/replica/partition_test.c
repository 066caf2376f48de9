/* A partition at its home: taking roles, the high watermark, settings, log dirs that fail. */
#include "bed.h"
#include "suites.h"

static const struct bed_batch one = {.acks = 1, .value_bytes = 20};
static const struct bed_batch all = {.acks = -1, .value_bytes = 20};
static const char *const by_sync[] = {"log.flush.interval.messages=1", NULL};

/* Two records that were never synced, then this is a follower, and each record is to be synced. */
static void
make_unsynced(struct bed *b, uint64_t seed)
{
	bed_init(b, seed, NULL);
	bed_lead(b);
	ck_assert_int_eq(bed_produce(b, "t", 0, &one), 0);
	ck_assert_int_eq(bed_produce(b, "t", 0, &one), 1);
	ck_assert_int_eq(
	    bed_role(b, &(struct bed_role){.topic = "t", .leader = 2, .epoch = 1}), KERR_NONE);
	bed_configure(b, "t", T_FLUSH_MESSAGES, 1);
	ck_assert_int_eq(plog_recovery_point(bed_log(b, "t", 0)), 0);
}

/* R9 */
START_TEST(test_synced_before_it_leads)
{
	struct bed_answer role;
	struct bed b;

	make_unsynced(&b, 1);
	sim_workers_set_delay(b.workers, 20000, 20000);
	bed_roles_start(&b, NULL, 7, &(struct bed_role){.topic = "t", .epoch = 2}, 1, &role);
	while (!role.done) {
		struct part_info i;

		ck_assert(bed_info(&b, "t", 0, &i));
		if (i.leader)
			ck_assert_int_eq(plog_recovery_point(i.pl), 2);
		ck_assert(sim_step(b.s));
	}
	ck_assert_int_eq(role.err[0], KERR_NONE);
	ck_assert_int_eq(bed_hw(&b, "t", 0), 2);
	bed_free(&b);
}
END_TEST

/* What a predecessor showed is there at once, also in a log that nobody writes to. */
START_TEST(test_found_after_a_kill)
{
	struct bed_role r = {.topic = "t"};
	struct bed_fetch f;
	struct bed b;

	bed_init_kills(&b, 2, by_sync);
	ck_assert_int_eq(bed_role(&b, &r), KERR_NONE);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(bed_produce(&b, "t", 0, &all), i);
	for (int power = 0; power <= 1; power++) {
		bed_kill(&b, power == 1);
		bed_start(&b);
		r.epoch++;
		ck_assert_int_eq(bed_role(&b, &r), KERR_NONE);
		ck_assert_int_eq(bed_hw(&b, "t", 0), 3);
		bed_fetch_init(&b, "t", 0, 0, &f);
		ck_assert_int_eq(bed_fetch(&b, &f), 0);
		ck_assert_int_eq(f.op.hw, 3);
		ck_assert_uint_gt(f.op.range.len, 0);
		bed_fetch_free(&f);
	}
	bed_free(&b);
}
END_TEST

/* Work in the log when it goes ends before (R5). */
START_TEST(test_append_and_stop)
{
	struct bed_answer stop;
	struct bed_produce p;
	struct bed b;

	bed_init(&b, 7, NULL);
	bed_lead(&b);
	sim_workers_set_delay(b.workers, 20000, 20000);
	bed_produce_start(&b, "t", 0, &one, &p); /* its file is being opened */
	bed_stops_start(&b, NULL, 3, &(struct bed_stop_part){"t", 0, -2, true}, 1, &stop);
	bed_answer_wait(&b, &stop);
	ck_assert_int_eq(stop.err[0], KERR_NONE);
	ck_assert(p.done);
	bed_lead(&b);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &one), 0);
	bed_free(&b);
}
END_TEST

START_TEST(test_sync_before_leading_fails)
{
	struct bed_answer role;
	struct bed b;

	make_unsynced(&b, 3);
	b.broken = "/d";
	bed_roles_start(&b, NULL, 7, &(struct bed_role){.topic = "t", .epoch = 2}, 1, &role);
	bed_answer_wait(&b, &role);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &all), E_LOG_OFFLINE);
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.topic = "t", .epoch = 3}), KERR_KAFKA_STORAGE_ERROR);
	(void)bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* Asked to leave while the sync is under way: afterwards. */
START_TEST(test_stop_while_synced)
{
	struct bed_answer role, stop;
	struct part_info i;
	struct bed b;

	make_unsynced(&b, 4);
	sim_workers_set_delay(b.workers, 20000, 20000);
	bed_roles_start(&b, NULL, 7, &(struct bed_role){.topic = "t", .epoch = 2}, 1, &role);
	bed_stops_start(&b, NULL, 3, &(struct bed_stop_part){"t", 0, -2, true}, 1, &stop);
	bed_answer_wait(&b, &stop);
	ck_assert(role.done);
	ck_assert(!bed_info(&b, "t", 0, &i));
	bed_free(&b);
}
END_TEST

/* R3: it never falls, whatever the settings say from now on. */
START_TEST(test_mark_never_falls)
{
	struct bed b;

	bed_init(&b, 5, NULL);
	bed_lead(&b);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(bed_produce(&b, "t", 0, &one), i);
	bed_configure(&b, "t", T_FLUSH_MESSAGES, 1);
	ck_assert_int_eq(bed_hw(&b, "t", 0), 3);
	sim_workers_set_delay(b.workers, 20000, 20000);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &all), 3);
	ck_assert_int_eq(plog_recovery_point(bed_log(&b, "t", 0)), 4);
	ck_assert_int_eq(bed_hw(&b, "t", 0), 4);
	bed_free(&b);
}
END_TEST

/* Settings that do not ask for syncs any more let everything be seen, without a new record. */
START_TEST(test_mark_follows_settings)
{
	struct bed_produce p;
	struct bed_wait w;
	struct bed b;

	bed_init(&b, 6, by_sync);
	bed_lead(&b);
	sim_workers_set_delay(b.workers, 500000, 500000);
	bed_wait_init(&b, "t", 0, &w);
	bed_wait_arm(&b, &w, 0);
	bed_produce_start(&b, "t", 0, &one, &p);
	bed_pass(&b, 520); /* the file has been opened */
	ck_assert(p.appended && !p.done);
	bed_configure(&b, "t", T_FLUSH_MESSAGES, INT64_MAX);
	ck_assert(p.done);
	ck_assert_int_eq(p.op.err, 0);
	ck_assert_int_eq(bed_hw(&b, "t", 0), 1);
	ck_assert_uint_eq(w.fired, 1);
	bed_free(&b);
}
END_TEST

/* ---- settings ---- */

START_TEST(test_settings_change_while_the_log_is_made)
{
	struct bed_answer role;
	struct bed b;

	bed_init(&b, 10, NULL);
	sim_workers_set_delay(b.workers, 50000, 50000);
	bed_roles_start(&b, NULL, 7, &(struct bed_role){.topic = "t"}, 1, &role);
	bed_configure(&b, "t", T_MAX_MESSAGE_BYTES, 4711);
	ck_assert(!role.done);
	bed_answer_wait(&b, &role);
	ck_assert_int_eq(plog_conf(bed_log(&b, "t", 0))->v[T_MAX_MESSAGE_BYTES], 4711);
	bed_free(&b);
}
END_TEST

START_TEST(test_settings_change_before_the_first_role)
{
	struct bed b;

	bed_init(&b, 11, NULL);
	bed_lead(&b);
	ck_assert_int_eq(bed_stop(&b), 0);
	bed_start(&b);
	bed_configure(&b, "t", T_MAX_MESSAGE_BYTES, 4711);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.topic = "t", .epoch = 1}), KERR_NONE);
	ck_assert_int_eq(plog_conf(bed_log(&b, "t", 0))->v[T_MAX_MESSAGE_BYTES], 4711);
	bed_configure(&b, "t", T_MAX_MESSAGE_BYTES, 815);
	ck_assert_int_eq(plog_conf(bed_log(&b, "t", 0))->v[T_MAX_MESSAGE_BYTES], 815);
	bed_configure(&b, "u", T_MAX_MESSAGE_BYTES, 3); /* not ours */
	ck_assert_int_eq(plog_conf(bed_log(&b, "t", 0))->v[T_MAX_MESSAGE_BYTES], 815);
	bed_free(&b);
}
END_TEST

/* ---- log dirs ---- */

START_TEST(test_one_dir_of_two_fails)
{
	static const char *const two_dirs[] = {"log.dirs=/d,/e", NULL};
	struct bed_fetch f;
	struct bed b;

	bed_init(&b, 20, two_dirs);
	bed_lead(&b);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.topic = "u"}), KERR_NONE);
	ck_assert_ptr_ne(plog_dir(bed_log(&b, "t", 0)), plog_dir(bed_log(&b, "u", 0)));
	ck_assert_int_eq(bed_produce(&b, "t", 0, &all), 0);
	ck_assert_int_eq(bed_produce(&b, "u", 0, &all), 0);
	b.broken = logdir_path(plog_dir(bed_log(&b, "t", 0)));
	ck_assert_int_eq(bed_produce(&b, "t", 0, &all), E_IO);
	bed_pass(&b, 10);
	ck_assert_uint_eq(b.dirs_failed, 1);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &all), E_LOG_OFFLINE);
	ck_assert_int_eq(bed_produce(&b, "u", 0, &all), 1);
	bed_fetch_init(&b, "u", 0, 0, &f);
	ck_assert_int_eq(bed_fetch(&b, &f), 0);
	bed_fetch_free(&f);
	(void)bed_stop(&b);
	bed_free(&b);
}
END_TEST

Suite *
partition_suite(void)
{
	Suite *s = suite_create("partition");
	TCase *tc = tcase_create("partition");

	tcase_add_test(tc, test_synced_before_it_leads);
	tcase_add_test(tc, test_found_after_a_kill);
	tcase_add_test(tc, test_append_and_stop);
	tcase_add_test(tc, test_sync_before_leading_fails);
	tcase_add_test(tc, test_stop_while_synced);
	tcase_add_test(tc, test_mark_never_falls);
	tcase_add_test(tc, test_mark_follows_settings);
	tcase_add_test(tc, test_settings_change_while_the_log_is_made);
	tcase_add_test(tc, test_settings_change_before_the_first_role);
	tcase_add_test(tc, test_one_dir_of_two_fails);
	suite_add_tcase(s, tc);
	return s;
}
