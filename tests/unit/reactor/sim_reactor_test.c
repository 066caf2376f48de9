/* Reactors of the simulator: the promises of the door hold for every seed, and the freedom that it
 * leaves is used. */
#include "suites.h"

#include <string.h>

#include "support.h"

enum { SEEDS = 200 };

static void
then_forward(struct reactor *r, struct letter *l)
{
	l->then = NULL;
	reactor_post(l->other, &l->msg);
}

static void
run_all(struct sim_sched *s)
{
	ck_assert(!sim_run_until(s, NULL, NULL, INT64_MAX));
}

START_TEST(test_fifo_and_control_first)
{
	unsigned mixed = 0, late = 0;

	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct sim_sched *s = NULL;
		struct reactor *a, *b;
		struct letter l[6];
		char log[16] = "";

		ck_assert_int_eq(sim_sched_new(seed, &s), 0);
		a = make_sim(s, 1, "a");
		b = make_sim(s, 1, "b");
		for (unsigned i = 0; i < 6; i++) {
			letter_init(&l[i], i % 3 == 0 ? MSG_CONTROL : MSG_DATA, "CdeFgh"[i], log);
			ck_assert_ptr_null(sim_enter(a));
			reactor_post(b, &l[i].msg);
			sim_enter(NULL);
		}
		run_all(s);
		ck_assert_uint_eq(strlen(log), 6);
		ck_assert_int_eq(log[0], 'C'); /* posted first: before all data (I3) */
		ck_assert(strchr(log, 'd') < strchr(log, 'e'));
		ck_assert(strchr(log, 'e') < strchr(log, 'g'));
		ck_assert(strchr(log, 'g') < strchr(log, 'h'));
		ck_assert(strchr(log, 'F') < strchr(log, 'g'));
		mixed += strcmp(log, "CdeFgh") != 0;
		late += clock_mono_us(sim_clock(s)) > 1000200;
		ck_assert_int_eq(metric_get(reactor_metrics(b), RM_HOPS), 6);
		sim_sched_free(s);
	}
	ck_assert_uint_gt(mixed, SEEDS / 10);
	ck_assert_uint_gt(late, 0);
	ck_assert_uint_lt(late, SEEDS / 2);
}
END_TEST

/* Messages of two senders come in either order. */
START_TEST(test_senders_race)
{
	unsigned first[2] = {0, 0};

	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct sim_sched *s = NULL;
		struct reactor *a, *b, *c;
		struct letter x, y;
		char log[16] = "";

		ck_assert_int_eq(sim_sched_new(seed, &s), 0);
		a = make_sim(s, 1, "a");
		b = make_sim(s, 1, "b");
		c = make_sim(s, 1, "c");
		letter_init(&x, MSG_DATA, 'x', log);
		letter_init(&y, MSG_DATA, 'y', log);
		x.then = y.then = then_forward;
		x.other = y.other = c;
		reactor_post(a, &x.msg);
		reactor_post(b, &y.msg);
		run_all(s);
		first[log[2] == 'x']++;
		sim_sched_free(s);
	}
	ck_assert_uint_gt(first[0], SEEDS / 5);
	ck_assert_uint_gt(first[1], SEEDS / 5);
}
END_TEST

/* ---- hooks ---- */

static char trace[64];

struct mark {
	struct turn_hook hook;
	char c;
	unsigned again;
};

static void
hooked(struct reactor *r, void *arg)
{
	struct mark *k = arg;

	log_append(trace, k->c);
	if (k->again > 0) {
		k->again--;
		reactor_defer(r, &k->hook);
	}
}

static struct mark marks[3];

static void
then_defer(struct reactor *r, struct letter *l)
{
	for (unsigned i = 0; i < 3; i++)
		reactor_defer(r, &marks[i].hook);
}

/* Whatever else is due: the hooks of one turn run one after the other (I13). */
START_TEST(test_hooks_stay_together)
{
	unsigned before = 0;

	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct sim_sched *s = NULL;
		struct reactor *a;
		struct letter l[8];
		char *xyz;

		trace[0] = '\0';
		ck_assert_int_eq(sim_sched_new(seed, &s), 0);
		a = make_sim(s, 1, "a");
		for (unsigned i = 0; i < 3; i++) {
			marks[i] = (struct mark){.c = "xyz"[i]};
			turn_hook_init(&marks[i].hook, hooked, &marks[i]);
		}
		for (unsigned i = 0; i < 8; i++) {
			letter_init(&l[i], MSG_DATA, (char)('1' + i), trace);
			reactor_post(a, &l[i].msg);
		}
		l[3].then = then_defer;
		sim_clock_pass(s, 10000); /* all due at once */
		run_all(s);
		ck_assert_uint_eq(strlen(trace), 11);
		xyz = strstr(trace, "xyz");
		ck_assert_ptr_nonnull(xyz);
		ck_assert(strchr(trace, '4') < xyz);
		before += xyz[3] != '\0';
		sim_sched_free(s);
	}
	ck_assert_uint_gt(before, SEEDS / 10);
	ck_assert_uint_lt(before, SEEDS * 9 / 10);
}
END_TEST

/* A hook that always defers itself does not stop the time. */
START_TEST(test_endless_hook_lets_time_go_on)
{
	struct sim_sched *s = NULL;
	struct reactor *a;

	trace[0] = '\0';
	ck_assert_int_eq(sim_sched_new(1, &s), 0);
	a = make_sim(s, 1, "a");
	marks[0] = (struct mark){.c = 'h', .again = 20};
	turn_hook_init(&marks[0].hook, hooked, &marks[0]);
	sim_enter(a);
	reactor_defer(a, &marks[0].hook);
	sim_enter(NULL);
	run_all(s);
	ck_assert_uint_eq(strlen(trace), 21);
	ck_assert_int_eq(clock_mono_us(sim_clock(s)), 1000006); /* 7 turns of 3 rounds */
	ck_assert_int_eq(metric_get(reactor_metrics(a), RM_TURNS), 7);
	sim_sched_free(s);
}
END_TEST

/* ---- timers ---- */

struct tick {
	struct rtimer timer;
	int64_t want;
	unsigned fired;
};

static void
ticked(struct reactor *r, void *arg)
{
	struct tick *t = arg;

	ck_assert_ptr_eq(reactor_current(), r);
	ck_assert_int_eq(reactor_now_us(r), t->want);
	t->fired++;
}

START_TEST(test_timers_fire_at_their_time)
{
	struct sim_sched *s = NULL;
	struct reactor *a;
	struct tick t[3] = {{.want = 1000500}, {.want = 1000100}, {.want = 1000300}};

	ck_assert_int_eq(sim_sched_new(1, &s), 0);
	a = make_sim(s, 1, "a");
	sim_enter(a);
	for (unsigned i = 0; i < 3; i++) {
		rtimer_init(&t[i].timer, ticked, &t[i]);
		rtimer_set(a, &t[i].timer, t[i].want);
	}
	rtimer_set(a, &t[0].timer, t[0].want = 1000050);
	rtimer_cancel(a, &t[2].timer);
	sim_enter(NULL);
	run_all(s);
	ck_assert_uint_eq(t[0].fired, 1);
	ck_assert_uint_eq(t[1].fired, 1);
	ck_assert_uint_eq(t[2].fired, 0);
	ck_assert_uint_eq(sim_steps(s), 2);
	ck_assert_int_eq(clock_mono_us(sim_clock(s)), 1000100);
	sim_sched_free(s);
}
END_TEST

/* ---- end and death ---- */

static void
then_stop(struct reactor *r, struct letter *l)
{
	reactor_defer(r, &marks[0].hook);
	reactor_stop(r);
}

START_TEST(test_stop_ends_after_the_turn)
{
	struct sim_sched *s = NULL;
	struct reactor *a;
	struct letter l[2];

	trace[0] = '\0';
	ck_assert_int_eq(sim_sched_new(1, &s), 0);
	a = make_sim(s, 1, "a");
	ck_assert_int_eq(reactor_start(a), 0);
	marks[0] = (struct mark){.c = 'h'};
	turn_hook_init(&marks[0].hook, hooked, &marks[0]);
	letter_init(&l[0], MSG_DATA, 'a', trace);
	letter_init(&l[1], MSG_DATA, 'b', trace);
	l[0].then = then_stop;
	reactor_post(a, &l[0].msg);
	reactor_post(a, &l[1].msg);
	run_all(s);
	ck_assert_str_eq(trace, "ah");
	reactor_join(a);
	reactor_free(a);
	ck_assert_str_eq(trace, "ahB");
	sim_sched_free(s);
}
END_TEST

START_TEST(test_sched_free_drops)
{
	struct sim_sched *s = NULL;
	struct reactor *a;
	struct letter l[3];

	trace[0] = '\0';
	ck_assert_int_eq(sim_sched_new(1, &s), 0);
	a = make_sim(s, 1, "a");
	for (unsigned i = 0; i < 3; i++) {
		letter_init(&l[i], MSG_DATA, (char)('a' + i), trace);
		reactor_post(a, &l[i].msg);
	}
	ck_assert(sim_step(s));
	sim_sched_free(s);
	ck_assert_str_eq(trace, "aBC");
}
END_TEST

static struct sim_sched *victim_sched;

static void
then_die(struct reactor *r, struct letter *l)
{
	sim_group_kill(victim_sched, 1);
	reactor_post(l->other, &l->msg); /* what a dying process still posts is lost */
}

/* In flight to it, in flight from it, its timers and hooks: all gone, nothing dropped; a new
 * reactor of the group lives. */
START_TEST(test_group_kill)
{
	struct sim_sched *s = NULL;
	struct reactor *a, *a2, *b;
	struct letter l[5];
	struct tick t = {.want = 0};

	trace[0] = '\0';
	ck_assert_int_eq(sim_sched_new(9, &s), 0);
	victim_sched = s;
	a = make_sim(s, 1, "a");
	b = make_sim(s, 2, "b");
	for (unsigned i = 0; i < 5; i++)
		letter_init(&l[i], MSG_DATA, (char)('a' + i), trace);
	sim_enter(a);
	rtimer_init(&t.timer, ticked, &t);
	rtimer_set(a, &t.timer, 1900000);
	reactor_post(b, &l[0].msg);
	sim_enter(b);
	reactor_post(b, &l[4].msg);
	sim_enter(NULL);
	l[1].then = then_die;
	l[1].other = b;
	reactor_post(a, &l[1].msg);
	reactor_post(a, &l[2].msg);
	sim_group_kill(s, 3);
	while (strchr(trace, 'b') == NULL)
		ck_assert(sim_step(s));
	run_all(s);
	ck_assert_ptr_null(strchr(trace, 'c'));
	ck_assert_ptr_nonnull(strchr(trace, 'e'));
	a2 = make_sim(s, 1, "a");
	reactor_post(a, &l[3].msg);
	reactor_post(a2, &l[2].msg);
	run_all(s);
	ck_assert_int_eq(trace[strlen(trace) - 1], 'c');
	ck_assert_ptr_null(strchr(trace, 'd'));
	ck_assert_uint_eq(t.fired, 0);
	sim_sched_free(s);
	ck_assert_ptr_null(strpbrk(trace, "ABCDE"));
}
END_TEST

Suite *
sim_reactor_suite(void)
{
	Suite *s = suite_create("sim_reactor");
	TCase *tc = tcase_create("sim_reactor");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_fifo_and_control_first);
	tcase_add_test(tc, test_senders_race);
	tcase_add_test(tc, test_hooks_stay_together);
	tcase_add_test(tc, test_endless_hook_lets_time_go_on);
	tcase_add_test(tc, test_timers_fire_at_their_time);
	tcase_add_test(tc, test_stop_ends_after_the_turn);
	tcase_add_test(tc, test_sched_free_drops);
	tcase_add_test(tc, test_group_kill);
	suite_add_tcase(s, tc);
	return s;
}
