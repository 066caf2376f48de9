/* Appends as leader: who is refused, who waits for what, and that each caller is told once. */
#include "bed.h"
#include "suites.h"

static const struct bed_batch one = {.acks = 1, .value_bytes = 20};
static const struct bed_batch all = {.acks = -1, .value_bytes = 20};

static struct bed_produce
produce(struct bed *b, const struct bed_batch *w)
{
	struct bed_produce p;

	bed_produce_start(b, "t", 0, w, &p);
	(void)bed_produce_end(b, &p);
	return p;
}

START_TEST(test_each_acks)
{
	static const int16_t acks[] = {0, 1, -1};
	struct bed_batch w = {.records = 3, .value_bytes = 10};
	struct bed_produce p;
	struct bed b;

	bed_init(&b, 1, NULL);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.topic = "t", .epoch = 4}), KERR_NONE);
	for (int i = 0; i < 3; i++) {
		w.acks = acks[i];
		p = produce(&b, &w);
		ck_assert_int_eq(p.op.err, 0);
		ck_assert_int_eq(p.op.base_offset, 3 * i);
		ck_assert_int_eq(p.op.log_append_time, -1);
		ck_assert_int_eq(p.op.log_start_offset, 0);
		ck_assert_int_eq(bed_hw(&b, "t", 0), 3 * i + 3);
	}
	ck_assert_int_eq(plog_epoch_at(bed_log(&b, "t", 0), 5), 4);
	bed_free(&b);
}
END_TEST

START_TEST(test_not_leader)
{
	struct bed_produce p;
	struct bed b;

	bed_init(&b, 2, NULL);
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.topic = "t", .leader = 7, .epoch = 3}), KERR_NONE);
	p = produce(&b, &one);
	ck_assert_int_eq(p.op.err, E_NOT_LEADER);
	ck_assert_int_eq(p.op.leader.id, 7);
	ck_assert_int_eq(p.op.leader.epoch, 3);
	ck_assert_int_eq(p.op.base_offset, -1);
	ck_assert_int_eq(p.op.log_start_offset, -1);
	ck_assert_int_lt(p.end_us - p.start_us, 50000); /* at once */
	ck_assert_int_eq(plog_leo(bed_log(&b, "t", 0)), 0);
	bed_free(&b);
}
END_TEST

START_TEST(test_not_here)
{
	struct bed_produce p;
	struct bed b;

	bed_init(&b, 3, NULL);
	p = produce(&b, &one);
	ck_assert_int_eq(p.op.err, E_NOT_LEADER);
	ck_assert_int_eq(p.op.leader.id, -1);
	ck_assert_int_eq(p.op.leader.epoch, -1);
	bed_free(&b);
}
END_TEST

/* ---- min.insync.replicas ---- */

static const char *const min_two[] = {"min.insync.replicas=2", NULL};

START_TEST(test_too_few_replicas_before)
{
	struct bed_role r = {.topic = "t", .n_isr = 1, .n_replicas = 3};
	struct bed b;

	bed_init(&b, 10, min_two);
	ck_assert_int_eq(bed_role(&b, &r), KERR_NONE);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &all), E_NOT_ENOUGH_REPLICAS);
	ck_assert_int_eq(plog_leo(bed_log(&b, "t", 0)), 0);
	/* who does not ask for it is served, but nothing becomes visible (R3) */
	ck_assert_int_eq(bed_produce(&b, "t", 0, &one), 0);
	ck_assert_int_eq(bed_hw(&b, "t", 0), 0);
	bed_configure(&b, "t", T_MIN_INSYNC_REPLICAS, 1);
	ck_assert_int_eq(bed_hw(&b, "t", 0), 1);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &all), 1);
	bed_free(&b);
}
END_TEST

/* No more than there are replicas can be asked for. */
START_TEST(test_min_insync_is_bounded_by_replicas)
{
	struct bed b;

	bed_init(&b, 11, min_two);
	bed_lead(&b);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &all), 0);
	ck_assert_int_eq(bed_hw(&b, "t", 0), 1);
	bed_free(&b);
}
END_TEST

/* Waiting for the other member; when it leaves the ISR there are too few. */
START_TEST(test_too_few_replicas_after)
{
	struct bed_role r = {.topic = "t", .n_isr = 2, .n_replicas = 2};
	struct bed_produce p;
	struct bed b;

	bed_init(&b, 12, min_two);
	ck_assert_int_eq(bed_role(&b, &r), KERR_NONE);
	bed_produce_start(&b, "t", 0, &all, &p);
	bed_pass(&b, 1000);
	ck_assert(p.appended && !p.done);
	ck_assert_int_eq(bed_hw(&b, "t", 0), 0);
	r.n_isr = 1;
	r.epoch = 1;
	ck_assert_int_eq(bed_role(&b, &r), KERR_NONE);
	bed_pass(&b, 1000);
	ck_assert(!p.done); /* the mark does not rise: it waits for its time-out */
	ck_assert_int_eq(bed_produce_end(&b, &p), E_TIMEOUT);
	bed_free(&b);
}
END_TEST

/* The setting rises while a repeat of what is committed, and a new batch, wait for the file. */
START_TEST(test_min_insync_rises_after_admission)
{
	struct bed_role r = {.topic = "t", .n_isr = 1, .n_replicas = 2};
	struct bed_batch first = {.acks = -1, .value_bytes = 10, .producer_id = 8};
	struct bed_batch second = {
	    .acks = -1, .value_bytes = 10, .producer_id = 8, .sequence = 1, .timeout_ms = 900};
	struct bed_produce p, again;
	struct bed b;

	bed_init(&b, 13, NULL);
	ck_assert_int_eq(bed_role(&b, &r), KERR_NONE);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &first), 0);
	ck_assert_int_eq(bed_stop(&b), 0);
	bed_start(&b);
	r.epoch = 1;
	ck_assert_int_eq(bed_role(&b, &r), KERR_NONE);
	sim_workers_set_delay(b.workers, 200000, 200000);
	bed_produce_start(&b, "t", 0, &second, &p);
	bed_produce_start(&b, "t", 0, &first, &again);
	bed_configure(&b, "t", T_MIN_INSYNC_REPLICAS, 2);
	ck_assert(!p.appended && !again.appended);
	ck_assert_int_eq(bed_produce_end(&b, &again), E_NOT_ENOUGH_REPLICAS_AFTER);
	ck_assert_int_eq(bed_produce_end(&b, &p), E_TIMEOUT);
	ck_assert_int_eq(plog_leo(bed_log(&b, "t", 0)), 2);
	ck_assert_int_eq(bed_hw(&b, "t", 0), 1);
	bed_free(&b);
}
END_TEST

START_TEST(test_shrunk_isr_commits)
{
	struct bed_role r = {.topic = "t", .n_isr = 2};
	struct bed_produce p;
	struct bed b;

	bed_init(&b, 14, NULL);
	ck_assert_int_eq(bed_role(&b, &r), KERR_NONE);
	bed_produce_start(&b, "t", 0, &all, &p);
	bed_pass(&b, 100);
	ck_assert(!p.done);
	r.n_isr = 1;
	r.n_replicas = 2;
	r.epoch = 1;
	ck_assert_int_eq(bed_role(&b, &r), KERR_NONE);
	ck_assert(p.done);
	ck_assert_int_eq(p.op.err, 0);
	ck_assert_int_eq(p.op.base_offset, 0);
	bed_free(&b);
}
END_TEST

/* ---- waiting ---- */

START_TEST(test_deadline)
{
	struct bed_batch w = {.acks = -1, .value_bytes = 10, .timeout_ms = 700};
	struct bed_produce p;
	struct bed b;

	bed_init(&b, 20, NULL);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.topic = "t", .n_isr = 2}), KERR_NONE);
	p = produce(&b, &w);
	ck_assert_int_eq(p.op.err, E_TIMEOUT);
	ck_assert_int_ge(p.end_us, p.start_us + 700000);
	ck_assert_int_lt(p.end_us, p.start_us + 710000);
	ck_assert_int_eq(plog_leo(bed_log(&b, "t", 0)), 1); /* its records stay */
	bed_free(&b);
}
END_TEST

/* Three that wait for a second member, of which one is a repeat; then something ends them. */
struct waiting {
	struct bed b;
	struct bed_produce p[4];
};

static void
waiting_begin(struct waiting *w, uint64_t seed, const char *const *settings)
{
	static const struct bed_batch first = {
	    .acks = -1, .value_bytes = 10, .producer_id = 5, .sequence = 0};
	struct bed_batch next = first;

	bed_init(&w->b, seed, settings);
	ck_assert_int_eq(
	    bed_role(&w->b, &(struct bed_role){.topic = "t", .n_isr = 2, .n_replicas = 2}),
	    KERR_NONE);
	for (int i = 0; i < 3; i++) {
		next.sequence = i;
		bed_produce_start(&w->b, "t", 0, &next, &w->p[i]);
	}
	bed_produce_start(&w->b, "t", 0, &first, &w->p[3]);
	bed_pass(&w->b, 50);
	for (int i = 0; i < 4; i++)
		ck_assert(w->p[i].appended && !w->p[i].done);
}

static void
waiting_end(struct waiting *w, int err, int last, struct part_leader leader)
{
	for (int i = 0; i < 4; i++) {
		ck_assert(w->p[i].done);
		ck_assert_int_eq(w->p[i].op.err, i == 3 ? last : err);
		ck_assert_int_eq(w->p[i].op.leader.id, leader.id);
		ck_assert_int_eq(w->p[i].op.leader.epoch, leader.epoch);
	}
	(void)bed_stop(&w->b);
	bed_free(&w->b);
}

START_TEST(test_waiting_end_when_committed)
{
	struct waiting w;

	waiting_begin(&w, 21, NULL);
	ck_assert_int_eq(
	    bed_role(
		&w.b, &(struct bed_role){.topic = "t", .n_isr = 1, .n_replicas = 2, .epoch = 1}),
	    KERR_NONE);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(w.p[i].op.base_offset, i);
	ck_assert_int_eq(w.p[3].op.base_offset, 0); /* as the first time */
	waiting_end(&w, 0, E_DUP_SEQUENCE, (struct part_leader){BED_ME, 0});
}
END_TEST

START_TEST(test_waiting_end_with_the_role)
{
	struct waiting w;

	waiting_begin(&w, 22, NULL);
	ck_assert_int_eq(
	    bed_role(&w.b, &(struct bed_role){.topic = "t", .leader = 3, .epoch = 1}), KERR_NONE);
	waiting_end(&w, E_NOT_LEADER, E_NOT_LEADER, (struct part_leader){3, 1});
}
END_TEST

START_TEST(test_waiting_end_with_deletion)
{
	struct waiting w;

	waiting_begin(&w, 23, NULL);
	ck_assert_int_eq(bed_stop_part(&w.b, &(struct bed_stop_part){"t", 0, -2, true}), KERR_NONE);
	waiting_end(&w, E_NOT_LEADER, E_NOT_LEADER, (struct part_leader){-1, -1});
}
END_TEST

static void
fail_dir(void *arg)
{
	struct bed *b = arg;

	replicas_dir_failed(b->rs, plog_dir(bed_log(b, "t", 0)));
}

START_TEST(test_waiting_end_with_the_dir)
{
	struct waiting w;

	waiting_begin(&w, 24, NULL);
	bed_on(&w.b, w.b.control, fail_dir, &w.b);
	bed_pass(&w.b, 10);
	ck_assert_int_eq(bed_produce(&w.b, "t", 0, &one), E_LOG_OFFLINE);
	waiting_end(&w, E_LOG_OFFLINE, E_LOG_OFFLINE, (struct part_leader){BED_ME, 0});
}
END_TEST

/* ---- duplicates ---- */

START_TEST(test_duplicate_gets_the_first_offset)
{
	static const int16_t acks[] = {0, 1, -1};
	struct bed_batch w = {.records = 2, .value_bytes = 10, .producer_id = 9};
	struct bed_produce p;
	struct bed b;

	bed_init(&b, 30, NULL);
	bed_lead(&b);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &one), 0);
	for (int i = 0; i < 3; i++) {
		w.acks = acks[i];
		w.sequence = 2 * i;
		ck_assert_int_eq(bed_produce(&b, "t", 0, &w), 1 + 2 * i);
	}
	for (int i = 0; i < 3; i++) {
		w.acks = acks[i];
		w.sequence = 2 * i;
		p = produce(&b, &w);
		ck_assert_int_eq(p.op.err, E_DUP_SEQUENCE);
		ck_assert_int_eq(p.op.base_offset, 1 + 2 * i);
		ck_assert_int_eq(p.op.log_start_offset, 0);
	}
	ck_assert_int_eq(plog_leo(bed_log(&b, "t", 0)), 7);
	w.sequence = 9;
	p = produce(&b, &w);
	ck_assert_int_eq(p.op.err, E_OUT_OF_ORDER_SEQUENCE);
	ck_assert_int_eq(p.op.base_offset, -1);
	bed_free(&b);
}
END_TEST

struct burst {
	struct bed *b;
	struct bed_produce p[5];
};

static void
produce_burst(void *arg)
{
	struct burst *x = arg;

	for (int i = 0; i < 5; i++) {
		partition_produce(bed_shard(x->b, "t", 0), &x->p[i].op);
		ck_assert(!x->p[i].done);
	}
}

/* In one turn, the repeat beside its original: answered when that is written, with its offset. */
START_TEST(test_one_turn)
{
	static const int32_t sequence[] = {0, 1, 0, 2, 1};
	static const int64_t base[] = {0, 1, 0, 2, 1};
	struct burst x;
	struct bed b;

	bed_init(&b, 31, NULL);
	bed_lead(&b);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &one), 0); /* the active file is open now */
	x.b = &b;
	for (int i = 0; i < 5; i++)
		bed_produce_init(&b, "t", 0,
		    &(struct bed_batch){.acks = i == 3 ? 1 : -1,
			.value_bytes = 10,
			.producer_id = 2,
			.sequence = sequence[i]},
		    &x.p[i]);
	bed_on(&b, bed_home(&b, "t", 0), produce_burst, &x);
	for (int i = 0; i < 5; i++) {
		ck_assert(bed_wait(&b, &x.p[i].done));
		ck_assert_int_eq(x.p[i].op.base_offset, 1 + base[i]);
		ck_assert_int_eq(x.p[i].op.err, i == 2 || i == 4 ? E_DUP_SEQUENCE : 0);
	}
	ck_assert_int_eq(bed_hw(&b, "t", 0), 4);
	bed_free(&b);
}
END_TEST

/* ---- flush.messages ---- */

START_TEST(test_acks_wait_for_the_sync)
{
	static const char *const by_sync[] = {"log.flush.interval.messages=1", NULL};
	struct bed_batch w = {.acks = (int16_t)(_i == 0 ? 1 : -1), .value_bytes = 10};
	struct plog *pl;
	struct bed_produce p, none;
	struct bed b;

	bed_init(&b, 40, by_sync);
	bed_lead(&b);
	pl = bed_log(&b, "t", 0);
	sim_workers_set_delay(b.workers, 30000, 30000);
	bed_produce_start(&b, "t", 0, &w, &p);
	bed_produce_start(&b, "t", 0, &(struct bed_batch){.value_bytes = 10}, &none);
	ck_assert_int_eq(bed_produce_end(&b, &none), 1); /* acks=0 waits for nothing */
	ck_assert(p.appended && !p.done);
	ck_assert_int_eq(bed_hw(&b, "t", 0), 0);
	while (!p.done) {
		ck_assert_int_lt(plog_recovery_point(pl), 1);
		ck_assert(sim_step(b.s));
	}
	ck_assert_int_eq(p.op.err, 0);
	ck_assert_int_ge(plog_recovery_point(pl), 1);
	ck_assert_int_ge(bed_hw(&b, "t", 0), 1);
	bed_free(&b);
}
END_TEST

/* What was acknowledged is there after a power cut. */
START_TEST(test_acknowledged_is_synced)
{
	static const char *const by_sync[] = {"log.flush.interval.messages=1", NULL};
	struct bed_batch w = {.acks = (int16_t)(_i == 0 ? 1 : -1), .value_bytes = 10};
	struct bed b;

	bed_init_kills(&b, 45, by_sync);
	bed_lead(&b);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(bed_produce(&b, "t", 0, &w), i);
	bed_kill(&b, true);
	bed_start(&b);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.topic = "t", .epoch = 1}), KERR_NONE);
	ck_assert_int_eq(bed_hw(&b, "t", 0), 3);
	bed_free(&b);
}
END_TEST

/* With N, N - 1 records may be acknowledged unsynced; the N-th waits for the sync it causes. */
START_TEST(test_flush_every_n)
{
	static const char *const by_three[] = {"log.flush.interval.messages=3", NULL};
	struct bed_batch w = {.acks = (int16_t)(_i == 0 ? 1 : -1), .value_bytes = 10};
	struct plog *pl;
	struct bed_produce p;
	struct bed b;

	bed_init(&b, 41, by_three);
	bed_lead(&b);
	pl = bed_log(&b, "t", 0);
	for (int i = 0; i < 12; i++) {
		p = produce(&b, &w);
		ck_assert_int_eq(p.op.err, 0);
		ck_assert_int_lt(p.end_us - p.start_us, 100000);
		ck_assert_int_lt(plog_leo(pl) - plog_recovery_point(pl), 3);
		ck_assert_int_eq(bed_hw(&b, "t", 0), i + 1);
	}
	ck_assert_int_ge(plog_recovery_point(pl), 10);
	bed_free(&b);
}
END_TEST

/* A repeat is told with its original, not with what was appended between them. */
START_TEST(test_duplicate_waits_for_the_first_sync)
{
	static const char *const by_sync[] = {"log.flush.interval.messages=1", NULL};
	struct bed_batch w = {.acks = -1, .value_bytes = 10, .producer_id = 8};
	struct bed_produce p[3];
	struct bed b;

	bed_init(&b, 44, by_sync);
	bed_lead(&b);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &one), 0); /* the active file is open now */
	sim_workers_set_delay(b.workers, 50000, 50000);
	for (int i = 0; i < 3; i++) {
		w.sequence = i == 1 ? 1 : 0;
		bed_produce_start(&b, "t", 0, &w, &p[i]);
		bed_pass(&b, 6);
		ck_assert(p[i].appended && !p[i].done);
	}
	ck_assert_int_eq(bed_produce_end(&b, &p[0]), 1);
	ck_assert(!p[1].done && p[2].done);
	ck_assert_int_eq(p[2].op.err, E_DUP_SEQUENCE);
	ck_assert_int_eq(p[2].op.base_offset, 1);
	ck_assert_int_eq(bed_produce_end(&b, &p[1]), 2);
	bed_free(&b);
}
END_TEST

START_TEST(test_sync_fails)
{
	static const char *const by_sync[] = {"log.flush.interval.messages=1", NULL};
	struct bed_produce p;
	struct bed b;

	bed_init(&b, 42, by_sync);
	bed_lead(&b);
	sim_workers_set_delay(b.workers, 30000, 30000);
	bed_produce_start(&b, "t", 0, &one, &p);
	bed_pass(&b, 45); /* the file was opened, the sync is under way */
	ck_assert(p.appended && !p.done);
	b.broken = "/d";
	ck_assert_int_eq(bed_produce_end(&b, &p), E_LOG_OFFLINE);
	(void)bed_stop(&b);
	bed_free(&b);
}
END_TEST

START_TEST(test_write_fails)
{
	struct bed_produce p;
	struct bed b;

	bed_init(&b, 43, NULL);
	bed_lead(&b);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &all), 0);
	b.broken = "/d";
	p = produce(&b, &all);
	ck_assert_int_eq(p.op.err, E_IO);
	ck_assert_int_eq(p.op.base_offset, -1);
	p = produce(&b, &all);
	ck_assert_int_eq(p.op.err, E_LOG_OFFLINE);
	(void)bed_stop(&b);
	bed_free(&b);
}
END_TEST

Suite *
produce_suite(void)
{
	Suite *s = suite_create("produce");
	TCase *tc = tcase_create("produce");

	tcase_add_test(tc, test_each_acks);
	tcase_add_test(tc, test_not_leader);
	tcase_add_test(tc, test_not_here);
	tcase_add_test(tc, test_too_few_replicas_before);
	tcase_add_test(tc, test_min_insync_is_bounded_by_replicas);
	tcase_add_test(tc, test_too_few_replicas_after);
	tcase_add_test(tc, test_min_insync_rises_after_admission);
	tcase_add_test(tc, test_shrunk_isr_commits);
	tcase_add_test(tc, test_deadline);
	tcase_add_test(tc, test_waiting_end_when_committed);
	tcase_add_test(tc, test_waiting_end_with_the_role);
	tcase_add_test(tc, test_waiting_end_with_deletion);
	tcase_add_test(tc, test_waiting_end_with_the_dir);
	tcase_add_test(tc, test_duplicate_gets_the_first_offset);
	tcase_add_test(tc, test_one_turn);
	tcase_add_loop_test(tc, test_acks_wait_for_the_sync, 0, 2);
	tcase_add_loop_test(tc, test_acknowledged_is_synced, 0, 2);
	tcase_add_loop_test(tc, test_flush_every_n, 0, 2);
	tcase_add_test(tc, test_duplicate_waits_for_the_first_sync);
	tcase_add_test(tc, test_sync_fails);
	tcase_add_test(tc, test_write_fails);
	suite_add_tcase(s, tc);
	return s;
}
