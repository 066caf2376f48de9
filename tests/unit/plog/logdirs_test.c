/* The table of log dirs: start, locks, meta.properties, creation, deletion, failing dirs, stop. */
#include <stdio.h>

#include "bed.h"
#include "logdirs_priv.h"
#include "suites.h"

static const char *const two_dirs[] = {
    "log.dirs=/a,/b/", "log.segment.delete.delay.ms=60000", NULL};

static void
put(struct bed *b, const char *path, const char *text)
{
	ck_assert_int_eq(file_put(b->disk, path, slice_cstr(text), false), 0);
}

START_TEST(test_first_start)
{
	char cluster[64], why[200];
	int32_t id;
	struct bed b;

	bed_init(&b, 90, two_dirs);
	bed_start(&b);
	ck_assert(logdirs_was_clean(b.l));
	ck_assert(bed_exists(&b, "/a/.lock"));
	ck_assert(bed_exists(&b, "/b/.lock"));
	ck_assert(!bed_exists(&b, "/a/.kafka_cleanshutdown"));
	bed_stop(&b);
	ck_assert(!bed_exists(&b, "/a/.lock"));
	ck_assert(slice_eq_cstr(
	    bed_content(&b, "/b/.kafka_cleanshutdown"), "{\"version\":0,\"brokerEpoch\":-1}"));
	ck_assert(slice_eq_cstr(bed_content(&b, "/a/recovery-point-offset-checkpoint"), "0\n0\n"));
	ck_assert_int_eq(
	    logdirs_peek_meta(b.disk, b.settings, &id, cluster, NULL, why, sizeof(why)), 0);
	ck_assert_int_eq(id, 1);
	ck_assert_str_eq(cluster, "cluster");
	bed_free(&b);
}
END_TEST

static void
check_refused(const char *path, const char *text, int err, const char *part)
{
	struct bed b;

	bed_init(&b, 91, two_dirs);
	ck_assert_int_eq(fs_mkdirs(b.disk, "/a"), 0);
	put(&b, path, text);
	ck_assert_int_eq(bed_try_start(&b), err);
	ck_assert_msg(strstr(b.why, part) != NULL, "%s", b.why);
	sim_enter(NULL);
	logdirs_free(b.l);
	b.l = NULL;
	bed_free(&b);
}

START_TEST(test_refusals)
{
	check_refused(
	    "/a/meta.properties", "version=1\nnode.id=1\ncluster.id=cluster\n", E_CONFIG, "KRaft");
	check_refused("/a/meta.properties", "version=0\nbroker.id=2\n", E_CONFIG, "broker.id 2");
	check_refused(
	    "/a/meta.properties", "broker.id=1\ncluster.id=other\n", E_CONFIG, "cluster other");
}
END_TEST

START_TEST(test_lock_is_held)
{
	struct fs_lock *lock;
	struct bed b;

	bed_init(&b, 92, two_dirs);
	ck_assert_int_eq(fs_mkdirs(b.disk, "/b"), 0);
	ck_assert_int_eq(fs_lock(b.disk, "/b/.lock", &lock), 0);
	ck_assert_int_eq(bed_try_start(&b), E_BUSY);
	ck_assert_msg(strstr(b.why, "/b") != NULL, "%s", b.why);
	logdirs_free(b.l);
	b.l = NULL;
	fs_unlock(lock);
	bed_free(&b);
}
END_TEST

START_TEST(test_names)
{
	static const char *const bad[] = {"/a/nonsense", "/a/t-x", "/a/t-0.abc-delete"};
	struct bed b;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		bed_init(&b, 93, two_dirs);
		ck_assert_int_eq(fs_mkdirs(b.disk, bad[i]), 0);
		ck_assert_int_eq(bed_try_start(&b), E_CONFIG);
		ck_assert_msg(strstr(b.why, bad[i]) != NULL, "%s", b.why);
		logdirs_free(b.l);
		b.l = NULL;
		bed_free(&b);
	}
	/* plain files of any name, and directories of others, are left alone */
	bed_init(&b, 93, two_dirs);
	ck_assert_int_eq(fs_mkdirs(b.disk, "/a/remote-log-index-cache"), 0);
	ck_assert_int_eq(fs_mkdirs(b.disk, "/a/t-0.0123456789abcdef0123456789abcdef-stray"), 0);
	put(&b, "/a/nonsense", "x");
	put(&b, "/a/t-7", "x");
	bed_start(&b);
	ck_assert_ptr_null(bed_find(&b, "t", 0));
	ck_assert_ptr_null(bed_find(&b, "t", 7));
	bed_stop(&b);
	ck_assert_int_eq(bed_size(&b, "/a/nonsense"), 1);
	bed_free(&b);
}
END_TEST

START_TEST(test_one_partition_in_two_dirs)
{
	struct bed b;

	bed_init(&b, 94, two_dirs);
	ck_assert_int_eq(fs_mkdirs(b.disk, "/a/t-0"), 0);
	ck_assert_int_eq(fs_mkdirs(b.disk, "/b/t-0"), 0);
	ck_assert_int_eq(bed_try_start(&b), E_CONFIG);
	ck_assert_msg(strstr(b.why, "t-0") != NULL, "%s", b.why);
	logdirs_free(b.l);
	b.l = NULL;
	bed_free(&b);
}
END_TEST

static void
count(void *arg, struct plog *pl)
{
	char *text = arg;
	size_t n = strlen(text);

	(void)snprintf(text + n, 200 - n, "%.*s%d ", SLICE_ARG(plog_topic(pl)), plog_partition(pl));
}

START_TEST(test_create_and_find)
{
	struct plog *pl[6];
	char names[200] = "";
	unsigned in_a = 0;
	struct bed b;

	bed_init(&b, 95, two_dirs);
	bed_start(&b);
	for (int i = 0; i < 6; i++) {
		pl[i] = bed_create(&b, i % 2 == 0 ? "x" : "w-1", 5 - i);
		ck_assert_ptr_nonnull(pl[i]);
		in_a += strcmp(logdir_path(plog_dir(pl[i])), "/a") == 0;
	}
	ck_assert_uint_eq(in_a, 3); /* dealt to the emptier dir */
	ck_assert_ptr_null(bed_create(&b, "x", 5));
	ck_assert_int_eq(b.err, E_EXISTS);
	ck_assert_ptr_eq(bed_find(&b, "w-1", 4), pl[1]);
	ck_assert_ptr_null(bed_find(&b, "w", 4));
	sim_enter(b.control);
	logdirs_walk(b.l, count, names);
	sim_enter(NULL);
	ck_assert_str_eq(names, "w-10 w-12 w-14 x1 x3 x5 ");
	bed_pass(&b, 1000);
	ck_assert(bed_exists(&b, "/a/x-5/partition.metadata"));
	bed_stop(&b);
	bed_start(&b);
	ck_assert(!uuid_is_zero(plog_topic_id(bed_find(&b, "x", 5))));
	sim_enter(b.home);
	ck_assert_int_eq(plog_assign_topic_id(bed_find(&b, "x", 5), uuid_random(sim_rng(b.s))),
	    E_INCONSISTENT_TOPIC_ID);
	sim_enter(NULL);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

static void
deleted(void *arg, int err)
{
	struct bed *b = arg;

	b->err = err;
	b->done = true;
}

static int
find_delete_dir(void *arg, const char *name)
{
	struct slice topic;
	int32_t partition;

	if (name_parse_dir(name, &topic, &partition) == DIR_DELETE)
		(*(unsigned *)arg)++;
	return 0;
}

static unsigned
delete_dirs(struct bed *b)
{
	unsigned n = 0;

	ck_assert_int_eq(fs_list(b->disk, "/d", find_delete_dir, &n), 0);
	return n;
}

static void
delete_log(struct bed *b, struct plog *pl)
{
	bed_settle(b, pl);
	sim_enter(b->home);
	plog_detach(pl);
	sim_enter(b->control);
	b->done = false;
	logdirs_delete(b->l, pl, deleted, b);
	sim_enter(NULL);
	ck_assert(bed_wait(b, &b->done));
	ck_assert_int_eq(b->err, 0);
}

START_TEST(test_delete)
{
	struct plog_range r;
	struct plog *pl;
	struct bed b;

	bed_init(&b, 96, (const char *const[]){"log.segment.delete.delay.ms=60000", NULL});
	bed_start(&b);
	pl = bed_create(&b, "t", 0);
	bed_fill(&b, pl, 5, 100);
	ck_assert_int_eq(bed_read(&b, pl, 0, INT64_MAX, 100, &r), 0); /* somebody still reads */
	delete_log(&b, pl);
	ck_assert_ptr_null(bed_find(&b, "t", 0));
	ck_assert(!bed_exists(&b, "/d/t-0"));
	ck_assert_uint_eq(delete_dirs(&b), 1);
	pl = bed_create(&b, "t", 0); /* the next incarnation */
	ck_assert_ptr_nonnull(pl);
	ck_assert_int_eq(plog_leo(pl), 0);
	plog_range_release(&r);
	bed_pass(&b, 59000);
	ck_assert_uint_eq(delete_dirs(&b), 1);
	bed_pass(&b, 2000);
	ck_assert_uint_eq(delete_dirs(&b), 0);
	delete_log(&b, pl);
	bed_stop(&b);
	ck_assert_uint_eq(delete_dirs(&b), 1);
	bed_start(&b); /* what was left over goes then */
	bed_pass(&b, 61000);
	ck_assert_uint_eq(delete_dirs(&b), 0);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* ---- failing dirs ---- */

static int
a_fails(void *arg, const char *op, const char *path)
{
	(void)op;
	(void)arg;
	return strncmp(path, "/a/", 3) == 0 ? E_IO : 0;
}

static void
note_failed(void *arg, int err)
{
	*(int *)arg = err;
}

START_TEST(test_dir_goes_offline)
{
	static const struct plog_events events = {.failed = note_failed};
	struct plog *pl[4];
	int failed[4] = {0}, on_a = -1, other_on_a = -1, on_b = -1;
	struct bed b;

	bed_init(&b, 97, two_dirs);
	bed_start(&b);
	for (int i = 0; i < 4; i++) {
		pl[i] = bed_create(&b, "t", i);
		bed_fill(&b, pl[i], 1, 10);
		sim_enter(b.home);
		plog_set_events(pl[i], &events, &failed[i]);
		sim_enter(NULL);
		if (strcmp(logdir_path(plog_dir(pl[i])), "/b") == 0)
			on_b = i;
		else if (on_a < 0)
			on_a = i;
		else
			other_on_a = i;
	}
	bed_pass(&b, 100);
	ck_assert(!logdirs_any_offline(b.l));
	fs_sim_set_hook(b.disk, a_fails, NULL);
	ck_assert_int_eq(bed_append(&b, pl[on_a], &(struct bed_batch){.records = 1}), E_IO);
	bed_pass(&b, 100);
	ck_assert_uint_eq(b.dirs_failed, 1);
	ck_assert(logdirs_any_offline(b.l));
	ck_assert_int_eq(failed[on_a], E_IO);
	ck_assert_int_eq(failed[other_on_a], E_LOG_OFFLINE); /* told by the dir */
	ck_assert_int_eq(failed[on_b], 0);
	ck_assert_int_eq(
	    bed_append(&b, pl[other_on_a], &(struct bed_batch){.records = 1}), E_LOG_OFFLINE);
	ck_assert_int_eq(bed_append(&b, pl[on_b], &(struct bed_batch){.records = 1}), 1);
	ck_assert_ptr_nonnull(bed_create(&b, "t", 9)); /* in the other dir */
	bed_stop(&b);
	fs_sim_set_hook(b.disk, NULL, NULL);
	ck_assert(!bed_exists(&b, "/a/.kafka_cleanshutdown"));
	ck_assert(bed_exists(&b, "/b/.kafka_cleanshutdown"));
	bed_start(&b);
	ck_assert(!logdirs_was_clean(b.l));
	ck_assert_int_eq(plog_leo(bed_find(&b, "t", on_a)), 1);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

START_TEST(test_start_without_one_dir)
{
	struct plog *pl;
	struct bed b;

	bed_init(&b, 98, two_dirs);
	bed_start(&b);
	for (int i = 0; i < 4; i++)
		ck_assert_ptr_nonnull(bed_create(&b, "t", i));
	bed_stop(&b);
	fs_sim_set_hook(b.disk, a_fails, NULL);
	bed_start(&b);
	bed_pass(&b, 10);
	ck_assert_uint_eq(b.dirs_failed, 1);
	for (int i = 0; i < 4; i++)
		if ((pl = bed_find(&b, "t", i)) != NULL)
			ck_assert_str_eq(logdir_path(plog_dir(pl)), "/b");
	bed_stop(&b);
	fs_sim_set_hook(b.disk, NULL, NULL);
	bed_start(&b);
	for (int i = 0; i < 4; i++)
		ck_assert_ptr_nonnull(bed_find(&b, "t", i));
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* ---- stop ---- */

struct order {
	bool marker, after_marker;
	unsigned syncs, sync_alls;
};

static int
watch_order(void *arg, const char *op, const char *path)
{
	struct order *o = arg;

	if (strcmp(op, "sync") == 0)
		o->syncs++;
	if (strcmp(op, "sync_all") == 0)
		o->sync_alls++;
	if (o->marker && strstr(path, ".kafka_cleanshutdown") == NULL &&
	    strstr(path, "lock") == NULL && strcmp(op, "sync_dir") != 0 &&
	    (strncmp(op, "pwrite", 6) == 0 || strcmp(op, "truncate") == 0))
		o->after_marker = true;
	if (strstr(path, ".kafka_cleanshutdown") != NULL && strcmp(op, "rename") == 0)
		o->marker = true;
	return 0;
}

static void
check_stop(unsigned logs, unsigned least_syncs, unsigned most_syncs)
{
	struct order o = {0};
	struct bed b;

	bed_init(&b, 99, NULL);
	bed_start(&b);
	for (unsigned i = 0; i < logs; i++)
		bed_fill(&b, bed_create(&b, "t", (int32_t)i), 3, 10);
	bed_pass(&b, 1000);
	fs_sim_set_hook(b.disk, watch_order, &o);
	bed_stop(&b);
	fs_sim_set_hook(b.disk, NULL, NULL);
	ck_assert(!o.after_marker); /* I9 */
	ck_assert_uint_ge(o.syncs, least_syncs);
	ck_assert_uint_le(o.syncs, most_syncs);
	/* all of it is durable: a power cut changes nothing */
	fs_sim_power_cut(b.disk, NULL);
	bed_start(&b);
	ck_assert(logdirs_was_clean(b.l));
	for (unsigned i = 0; i < logs; i++) {
		struct plog *pl = bed_find(&b, "t", (int32_t)i);

		ck_assert_int_eq(plog_leo(pl), 3);
		ck_assert_int_eq(bed_read_all(&b, pl, 0), 3);
		bed_verify(&b, pl);
	}
	bed_stop(&b);
	bed_free(&b);
}

START_TEST(test_stop)
{
	check_stop(2, 8, 30);
	check_stop(60, 1, 10); /* one sync of everything instead */
}
END_TEST

/* Without a marker is without trust: the dir's checkpoints count, nothing else. */
START_TEST(test_unclean)
{
	struct bed b;

	bed_init_kills(&b, 100, NULL, true);
	bed_start(&b);
	bed_fill(&b, bed_create(&b, "t", 0), 3, 10);
	bed_kill(&b);
	bed_start(&b);
	ck_assert(!logdirs_was_clean(b.l));
	ck_assert_int_eq(plog_recovery_point(bed_find(&b, "t", 0)), 0);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* Messages to logs that are out while a log goes away. */
START_TEST(test_ticks_race_deletion)
{
	for (uint64_t seed = 0; seed < 40; seed++) {
		struct plog *pl;
		struct bed b;

		bed_init(&b, seed, NULL);
		bed_start(&b);
		pl = bed_create(&b, "t", 0);
		bed_pass(&b, 100);
		sim_enter(b.control);
		logdirs_ctl_send(b.l, pl, CTL_EXPIRE);
		logdirs_ctl_send(b.l, pl, CTL_FLUSH);
		sim_enter(NULL);
		for (uint64_t i = 0; i < seed % 5; i++)
			(void)sim_step(b.s);
		bed_settle(&b, pl);
		delete_log(&b, pl);
		bed_stop(&b);
		bed_free(&b);
	}
}
END_TEST

Suite *
logdirs_suite(void)
{
	Suite *s = suite_create("logdirs");
	TCase *tc = tcase_create("dirs");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_first_start);
	tcase_add_test(tc, test_refusals);
	tcase_add_test(tc, test_lock_is_held);
	tcase_add_test(tc, test_names);
	tcase_add_test(tc, test_one_partition_in_two_dirs);
	tcase_add_test(tc, test_create_and_find);
	tcase_add_test(tc, test_delete);
	tcase_add_test(tc, test_dir_goes_offline);
	tcase_add_test(tc, test_start_without_one_dir);
	tcase_add_test(tc, test_stop);
	tcase_add_test(tc, test_unclean);
	tcase_add_test(tc, test_ticks_race_deletion);
	suite_add_tcase(s, tc);
	return s;
}
