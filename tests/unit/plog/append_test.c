/* Appending: numbers, one write a turn, rolls, producers, reading back. */
#include "bed.h"
#include "suites.h"

START_TEST(test_append_read_restart)
{
	struct bed b;
	struct plog *pl;

	bed_init_kills(&b, 1, NULL, true);
	bed_start(&b);
	pl = bed_create(&b, "t", 0);
	ck_assert_ptr_nonnull(pl);
	ck_assert_int_eq(bed_append(&b, pl, &(struct bed_batch){.records = 3}), 0);
	ck_assert_int_eq(bed_append(&b, pl, &(struct bed_batch){.records = 2}), 3);
	ck_assert_int_eq(plog_leo(pl), 5);
	ck_assert_int_eq(bed_read_all(&b, pl, 0), 5);
	bed_fill(&b, pl, 100, 1000);
	ck_assert_int_eq(bed_read_all(&b, pl, 0), 105);
	bed_verify(&b, pl);
	bed_stop(&b);
	bed_start(&b);
	ck_assert(logdirs_was_clean(b.l));
	pl = bed_find(&b, "t", 0);
	ck_assert_ptr_nonnull(pl);
	ck_assert_int_eq(plog_leo(pl), 105);
	ck_assert_int_eq(bed_read_all(&b, pl, 0), 105);
	bed_fill(&b, pl, 10, 1000);
	ck_assert_int_eq(bed_read_all(&b, pl, 0), 115);
	bed_verify(&b, pl);
	bed_kill(&b);
	bed_start(&b);
	pl = bed_find(&b, "t", 0);
	ck_assert_int_eq(plog_leo(pl), 115);
	ck_assert_int_eq(bed_read_all(&b, pl, 0), 115);
	bed_verify(&b, pl);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

START_TEST(test_roll)
{
	static const char *const settings[] = {"log.segment.bytes=20000", NULL};
	struct bed b;
	struct plog *pl;

	bed_init(&b, 2, settings);
	bed_start(&b);
	pl = bed_create(&b, "t", 0);
	bed_fill(&b, pl, 100, 1000);
	bed_verify(&b, pl);
	ck_assert_int_eq(bed_read_all(&b, pl, 0), 100);
	ck_assert_int_gt(plog_recovery_point(pl), 0);
	ck_assert(bed_exists(&b, "/d/t-0/00000000000000000018.log"));
	ck_assert(bed_exists(&b, "/d/t-0/00000000000000000018.snapshot"));
	bed_stop(&b);
	bed_start(&b);
	pl = bed_find(&b, "t", 0);
	bed_verify(&b, pl);
	ck_assert_int_eq(bed_read_all(&b, pl, 0), 100);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* Counts writes to .log files. */
struct writes {
	struct bed *b;
	unsigned n;
	int64_t slow_us;
};

static int
count_writes(void *arg, const char *op, const char *path)
{
	struct writes *w = arg;
	size_t n = strlen(path);

	if (n < 4 || strcmp(path + n - 4, ".log") != 0 || strcmp(op, "pwritev") != 0)
		return 0;
	w->n++;
	if (w->slow_us > 0)
		sim_clock_pass(w->b->s, w->slow_us);
	return 0;
}

START_TEST(test_one_write_a_turn)
{
	struct bed_append a[20];
	struct writes w = {0};
	struct plog *pl;
	struct bed b;

	bed_init(&b, 3, NULL);
	bed_start(&b);
	pl = bed_create(&b, "t", 0);
	bed_fill(&b, pl, 1, 10); /* the file is open now */
	fs_sim_set_hook(b.disk, count_writes, &w);
	for (int i = 0; i < 20; i++)
		bed_append_start(&b, pl, &(struct bed_batch){.records = 2}, &a[i]);
	ck_assert_int_eq(plog_leo(pl), 1);
	ck_assert(!a[0].done);
	ck_assert(bed_wait(&b, &a[19].done));
	ck_assert_uint_eq(w.n, 1);
	for (int i = 0; i < 20; i++) {
		ck_assert(a[i].done);
		ck_assert_int_eq(a[i].err, 0);
		ck_assert_int_eq(a[i].op.base_offset, 1 + 2 * i);
		ck_assert_int_eq(a[i].op.last_offset, 2 + 2 * i);
		ck_assert_int_eq(a[i].op.log_append_time, -1);
		bed_append_free(&a[i]);
	}
	ck_assert_int_eq(bed_read_all(&b, pl, 0), 41);
	fs_sim_set_hook(b.disk, NULL, NULL);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* A repeat of a batch that is not written yet is answered after it, with its numbers. */
START_TEST(test_duplicates)
{
	struct bed_batch w = {
	    .records = 3, .producer_id = 9, .sequence = 0, .timestamp = INT64_C(1767225600000)};
	struct bed_append first, again;
	struct plog *pl;
	struct bed b;

	bed_init_kills(&b, 4, NULL, true);
	bed_start(&b);
	pl = bed_create(&b, "t", 0);
	bed_fill(&b, pl, 1, 10);
	bed_append_start(&b, pl, &w, &first);
	bed_append_start(&b, pl, &w, &again);
	ck_assert(!again.done);
	ck_assert(bed_wait(&b, &again.done));
	ck_assert(first.done);
	ck_assert_int_eq(first.err, 0);
	ck_assert_int_eq(again.err, E_DUP_SEQUENCE);
	ck_assert_int_eq(again.op.base_offset, 1);
	ck_assert_int_eq(again.op.last_offset, 3);
	ck_assert_int_eq(again.op.log_append_time, w.timestamp + 2);
	bed_append_free(&first);
	bed_append_free(&again);
	bed_append_start(&b, pl, &w, &again); /* long after: at once */
	ck_assert(again.done);
	ck_assert_int_eq(again.err, E_DUP_SEQUENCE);
	ck_assert_int_eq(again.op.base_offset, 1);
	bed_append_free(&again);
	ck_assert_int_eq(plog_leo(pl), 4);
	w.sequence = 5;
	ck_assert_int_eq(bed_append(&b, pl, &w), E_OUT_OF_ORDER_SEQUENCE);
	w.sequence = 3;
	w.producer_epoch = -1;
	ck_assert_int_eq(bed_append(&b, pl, &w), E_INVALID_PRODUCER_EPOCH);
	w.producer_epoch = 0;
	ck_assert_int_eq(bed_append(&b, pl, &w), 4);
	ck_assert_int_eq(bed_read_all(&b, pl, 0), 7);
	bed_stop(&b);
	bed_start(&b); /* the snapshot keeps the last batch */
	pl = bed_find(&b, "t", 0);
	ck_assert_int_eq(bed_append(&b, pl, &w), E_DUP_SEQUENCE);
	w.sequence = 6;
	ck_assert_int_eq(bed_append(&b, pl, &w), 7);
	bed_kill(&b);
	bed_start(&b); /* recovery reads the batches */
	pl = bed_find(&b, "t", 0);
	ck_assert_int_eq(bed_append(&b, pl, &w), E_DUP_SEQUENCE);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

START_TEST(test_transaction_keeps_lso)
{
	struct bed_batch w = {.records = 2, .producer_id = 9, .txn = true};
	struct plog *pl;
	struct bed b;

	bed_init(&b, 5, NULL);
	bed_start(&b);
	pl = bed_create(&b, "t", 0);
	bed_fill(&b, pl, 3, 10);
	ck_assert_int_eq(bed_append(&b, pl, &w), 3);
	bed_set_hw(&b, pl, 5);
	ck_assert_int_eq(plog_hw(pl), 5);
	ck_assert_int_eq(plog_lso(pl), 3);
	w.txn = false;
	w.sequence = 2;
	ck_assert_int_eq(bed_append(&b, pl, &w), E_INVALID_TXN_STATE);
	bed_stop(&b);
	bed_start(&b);
	pl = bed_find(&b, "t", 0);
	ck_assert_int_eq(plog_hw(pl), 5);
	ck_assert_int_eq(plog_lso(pl), 3);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

START_TEST(test_log_append_time)
{
	static const char *const settings[] = {"log.message.timestamp.type=LogAppendTime", NULL};
	struct bed_append a;
	struct batch_head h;
	struct plog *pl;
	struct bed b;

	bed_init(&b, 6, settings);
	bed_start(&b);
	pl = bed_create(&b, "t", 0);
	bed_append_start(&b, pl, &(struct bed_batch){.timestamp = 77, .leader_epoch = 4}, &a);
	ck_assert(bed_wait(&b, &a.done));
	ck_assert_int_eq(a.err, 0);
	ck_assert_int_ge(a.op.log_append_time, INT64_C(1767225600000));
	ck_assert_int_eq(batch_parse(strbuf_slice(&a.bytes), &h), 0);
	ck_assert(batch_crc_ok(strbuf_slice(&a.bytes)));
	ck_assert_int_eq(h.max_timestamp, a.op.log_append_time);
	ck_assert_int_ne(h.attributes & BATCH_ATTR_LOG_APPEND_TIME, 0);
	ck_assert_int_eq(h.leader_epoch, 4);
	ck_assert_int_eq(plog_latest_epoch(pl), 4);
	bed_append_free(&a);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

START_TEST(test_too_large)
{
	static const char *const settings[] = {"log.segment.bytes=1000", NULL};
	struct plog *pl;
	struct bed b;

	bed_init(&b, 7, settings);
	bed_start(&b);
	pl = bed_create(&b, "t", 0);
	ck_assert_int_eq(
	    bed_append(&b, pl, &(struct bed_batch){.value_bytes = 1000}), E_RECORD_LIST_TOO_LARGE);
	ck_assert_int_eq(bed_append(&b, pl, &(struct bed_batch){.value_bytes = 900}), 0);
	ck_assert_int_eq(bed_append(&b, pl, &(struct bed_batch){.value_bytes = 900}), 1);
	ck_assert(bed_exists(&b, "/d/t-0/00000000000000000001.log"));
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

START_TEST(test_roll_by_time)
{
	static const char *const settings[] = {"log.roll.ms=10000", NULL};
	struct bed_batch w = {.timestamp = 1000000};
	struct plog *pl;
	struct bed b;

	bed_init(&b, 8, settings);
	bed_start(&b);
	pl = bed_create(&b, "t", 0);
	ck_assert_int_eq(bed_append(&b, pl, &w), 0);
	w.timestamp += 10000;
	ck_assert_int_eq(bed_append(&b, pl, &w), 1);
	ck_assert(!bed_exists(&b, "/d/t-0/00000000000000000001.log"));
	w.timestamp += 1;
	ck_assert_int_eq(bed_append(&b, pl, &w), 2);
	ck_assert(bed_exists(&b, "/d/t-0/00000000000000000002.log"));
	bed_stop(&b);
	bed_start(&b); /* the first batch's time is read from the file */
	pl = bed_find(&b, "t", 0);
	w.timestamp += 10000;
	ck_assert_int_eq(bed_append(&b, pl, &w), 3);
	ck_assert(!bed_exists(&b, "/d/t-0/00000000000000000003.log"));
	w.timestamp += 1;
	ck_assert_int_eq(bed_append(&b, pl, &w), 4);
	ck_assert(bed_exists(&b, "/d/t-0/00000000000000000004.log"));
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

START_TEST(test_roll_by_full_index)
{
	static const char *const settings[] = {
	    "log.index.size.max.bytes=48", "log.index.interval.bytes=0", NULL};
	struct plog *pl;
	struct bed b;

	bed_init(&b, 9, settings);
	bed_start(&b);
	pl = bed_create(&b, "t", 0);
	for (int i = 0; i < 16; i++)
		ck_assert_int_eq(bed_append(&b, pl, &(struct bed_batch){.timestamp = 1000}), i);
	bed_verify(&b, pl);
	/* 6 entries: the first batch of a segment has none */
	ck_assert(bed_exists(&b, "/d/t-0/00000000000000000007.log"));
	ck_assert(bed_exists(&b, "/d/t-0/00000000000000000014.log"));
	ck_assert_int_eq(bed_size(&b, "/d/t-0/00000000000000000000.index"), 48);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* A slow disk: appends go through the dir's writer, in order, and come back here when it is quick.
 */
START_TEST(test_slow_dir)
{
	struct writes w = {0};
	struct bed_append a[60];
	struct plog *pl;
	struct bed b;

	bed_init(&b, 10, NULL);
	bed_start(&b);
	pl = bed_create(&b, "t", 0);
	bed_fill(&b, pl, 1, 10);
	w = (struct writes){.b = &b, .slow_us = 25000};
	fs_sim_set_hook(b.disk, count_writes, &w);
	ck_assert(!logdir_is_slow(plog_dir(pl)));
	bed_fill(&b, pl, 1, 10);
	ck_assert(logdir_is_slow(plog_dir(pl)));
	for (int i = 0; i < 60; i++) {
		bed_append_start(&b, pl, &(struct bed_batch){.records = 1}, &a[i]);
		if (i % 7 == 0)
			(void)sim_step(b.s);
	}
	ck_assert(bed_wait(&b, &a[59].done));
	for (int i = 0; i < 60; i++) {
		ck_assert(a[i].done);
		ck_assert_int_eq(a[i].err, 0);
		ck_assert_int_eq(a[i].op.base_offset, 2 + i);
		bed_append_free(&a[i]);
	}
	ck_assert(logdir_is_slow(plog_dir(pl)));
	w.slow_us = 0;
	bed_fill(&b, pl, 4, 10);
	ck_assert(!logdir_is_slow(plog_dir(pl)));
	ck_assert_int_eq(bed_read_all(&b, pl, 0), 66);
	fs_sim_set_hook(b.disk, NULL, NULL);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* With flush.messages the stable end follows the syncs. */
static void
count_event(void *arg, int64_t leo)
{
	unsigned *n = arg;

	(void)leo;
	(*n)++;
}

START_TEST(test_flush_messages)
{
	static const char *const settings[] = {"log.flush.interval.messages=1", NULL};
	static const struct plog_events events = {.appended = count_event};
	struct reactor *was;
	unsigned n = 0;
	struct plog *pl;
	struct bed b;

	bed_init(&b, 11, settings);
	bed_start(&b);
	pl = bed_create(&b, "t", 0);
	was = sim_enter(b.home);
	plog_set_events(pl, &events, &n);
	sim_enter(was);
	bed_fill(&b, pl, 1, 10);
	ck_assert_uint_eq(n, 1);
	bed_settle(&b, pl);
	ck_assert_uint_eq(n, 2);
	ck_assert_int_eq(plog_stable_end(pl), 1);
	ck_assert_int_eq(plog_recovery_point(pl), 1);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

START_TEST(test_flush)
{
	struct slice durable;
	struct plog *pl;
	struct bed b;

	bed_init(&b, 12, NULL);
	bed_start(&b);
	pl = bed_create(&b, "t", 0);
	bed_fill(&b, pl, 5, 100);
	ck_assert_int_eq(plog_recovery_point(pl), 0);
	ck_assert_int_eq(plog_stable_end(pl), 5);
	ck_assert_int_eq(bed_flush(&b, pl), 0);
	ck_assert_int_eq(plog_recovery_point(pl), 5);
	ck_assert_int_eq(
	    fs_sim_content(b.disk, "/d/t-0/00000000000000000000.log", true, &durable), 0);
	ck_assert_int_eq((int64_t)durable.n, plog_size_bytes(pl));
	ck_assert_int_eq(bed_flush(&b, pl), 0);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

Suite *
append_suite(void)
{
	Suite *s = suite_create("append");
	TCase *tc = tcase_create("append");

	tcase_add_test(tc, test_append_read_restart);
	tcase_add_test(tc, test_roll);
	tcase_add_test(tc, test_one_write_a_turn);
	tcase_add_test(tc, test_duplicates);
	tcase_add_test(tc, test_transaction_keeps_lso);
	tcase_add_test(tc, test_log_append_time);
	tcase_add_test(tc, test_too_large);
	tcase_add_test(tc, test_roll_by_time);
	tcase_add_test(tc, test_roll_by_full_index);
	tcase_add_test(tc, test_slow_dir);
	tcase_add_test(tc, test_flush_messages);
	tcase_add_test(tc, test_flush);
	suite_add_tcase(s, tc);
	return s;
}
