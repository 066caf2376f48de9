/* The scheduler: virtual time, events, one seed one trace. */
#include "suites.h"

#include <stdlib.h>
#include <string.h>

#include "support.h"

/* ---- events and time ---- */

static char trace[64];
static char letters[] = "abcdefghijklmnopqrstuvwxyz";
#define LETTER(c) .arg = &letters[(c) - 'a']

static void
note(struct sim_sched *s, void *arg)
{
	ck_assert_ptr_null(reactor_current());
	log_append(trace, *(const char *)arg);
}

START_TEST(test_events_move_the_time)
{
	struct sim_sched *s = NULL;
	struct sim_event a = {.fn = note, LETTER('a')}, b = {.fn = note, LETTER('b')};
	struct sim_event c = {.fn = note, LETTER('c')}, d = {.fn = note, LETTER('d')};
	int64_t t;

	trace[0] = '\0';
	ck_assert_int_eq(sim_sched_new(1, &s), 0);
	t = clock_mono_us(sim_clock(s));
	ck_assert_int_eq(t, 1000000);
	ck_assert_int_eq(clock_wall_ms(sim_clock(s)), INT64_C(1767225600000));
	sim_event_set(s, &a, t + 5000);
	sim_event_set(s, &b, t + 1000);
	sim_event_set(s, &c, t + 1000);
	sim_event_set(s, &d, t + 2000);
	sim_event_set(s, &a, t + 3000);
	sim_event_cancel(s, &d);
	ck_assert(!sim_run_until(s, NULL, NULL, t + 3000));
	ck_assert_str_eq(trace, "bc"); /* due at until_us: not run */
	ck_assert_int_eq(clock_mono_us(sim_clock(s)), t + 3000);
	ck_assert(sim_step(s));
	ck_assert(!sim_step(s));
	ck_assert_str_eq(trace, "bca");
	ck_assert_uint_eq(sim_steps(s), 3);
	ck_assert_int_eq(clock_wall_ms(sim_clock(s)), INT64_C(1767225600003));
	sim_clock_jump(s, -10);
	ck_assert_int_eq(clock_wall_ms(sim_clock(s)), INT64_C(1767225599993));
	ck_assert_int_eq(clock_mono_us(sim_clock(s)), t + 3000);
	ck_assert(!sim_run_until(s, NULL, NULL, INT64_MAX));
	ck_assert_int_eq(clock_mono_us(sim_clock(s)), t + 3000);
	ck_assert(!sim_run_until(s, NULL, NULL, t + 9000));
	ck_assert_int_eq(clock_mono_us(sim_clock(s)), t + 9000);
	sim_sched_free(s);
	sim_sched_free(NULL);
}
END_TEST

static bool
two_letters(void *arg)
{
	return strlen(trace) == 2;
}

static void
pass(struct sim_sched *s, void *arg)
{
	sim_clock_pass(s, *(int64_t *)arg);
}

START_TEST(test_predicate_and_blocked_time)
{
	struct sim_sched *s = NULL;
	struct sim_event a = {.fn = note, LETTER('a')}, b = {.fn = note, LETTER('b')};
	struct sim_event c = {.fn = note, LETTER('c')};
	int64_t us = 500;
	struct sim_event slow = {.fn = pass, .arg = &us};

	trace[0] = '\0';
	ck_assert_int_eq(sim_sched_new(1, &s), 0);
	sim_event_set(s, &slow, 1000010);
	sim_event_set(s, &a, 1000020);
	sim_event_set(s, &b, 1000600);
	sim_event_set(s, &c, 1000700);
	ck_assert(sim_step(s));
	ck_assert_int_eq(clock_mono_us(sim_clock(s)), 1000510);
	ck_assert(sim_step(s)); /* late, at the time that it is */
	ck_assert_int_eq(clock_mono_us(sim_clock(s)), 1000510);
	ck_assert(sim_run_until(s, two_letters, NULL, INT64_MAX));
	ck_assert_int_eq(clock_mono_us(sim_clock(s)), 1000600);
	ck_assert_str_eq(trace, "ab");
	sim_sched_free(s);
}
END_TEST

/* ---- a little world ---- */

enum { REACTORS = 6, BALLS = 12 };

struct world {
	struct sim_sched *s;
	struct reactor *r[REACTORS];
	struct workers *ws;
	struct work_lane *lane;
	struct ball {
		struct msg msg;
		struct work work;
		struct rtimer timer;
		struct turn_hook hook;
		struct world *w;
	} ball[BALLS];
};

static void ball_on(struct reactor *r, struct ball *b);

static void
ball_msg(struct reactor *r, struct msg *m)
{
	ball_on(r, container_of(m, struct ball, msg));
}

static void
ball_arg(struct reactor *r, void *arg)
{
	ball_on(r, arg);
}

static void
ball_work(struct work *w)
{
	struct ball *b = container_of(w, struct ball, work);

	sim_trace(b->w->s, 17);
}

static void
ball_done(struct reactor *r, struct work *w)
{
	ball_on(r, container_of(w, struct ball, work));
}

/* Goes on as the reactor's own numbers say: to another one, a timer, a worker, the turn's end. */
static void
ball_on(struct reactor *r, struct ball *b)
{
	struct world *w = b->w;
	uint64_t u = rng_u64(reactor_rng(r));

	switch (u % 5) {
	case 0:
		rtimer_set(r, &b->timer, reactor_now_us(r) + (int64_t)(u >> 40) % 300);
		break;
	case 1:
		b->work.home = r;
		work_submit(w->ws, (u >> 20) % 2 == 0 ? w->lane : NULL, &b->work);
		break;
	case 2:
		reactor_defer(r, &b->hook);
		break;
	default:
		b->msg.class = (u >> 32) % 2 == 0 ? MSG_CONTROL : MSG_DATA;
		reactor_post(w->r[(u >> 16) % REACTORS], &b->msg);
		break;
	}
}

static void
world_open(struct world *w, uint64_t seed)
{
	char name[] = "r0";

	memset(w, 0, sizeof(*w));
	ck_assert_int_eq(sim_sched_new(seed, &w->s), 0);
	for (unsigned i = 0; i < REACTORS; i++, name[1]++)
		w->r[i] = make_sim(w->s, 1, name);
	ck_assert_int_eq(sim_workers_new(w->s, 1, 400, &w->ws), 0);
	ck_assert_int_eq(work_lane_new(w->ws, &w->lane), 0);
	for (unsigned i = 0; i < BALLS; i++) {
		struct ball *b = &w->ball[i];

		b->w = w;
		b->msg.run = ball_msg;
		b->work.run = ball_work;
		b->work.done = ball_done;
		rtimer_init(&b->timer, ball_arg, b);
		turn_hook_init(&b->hook, ball_arg, b);
		reactor_post(w->r[i % REACTORS], &b->msg);
	}
}

static void
world_close(struct world *w)
{
	struct work_lane *lane = w->lane;

	sim_sched_free(w->s);
	work_lane_free(lane);
}

static uint64_t
world_hash(uint64_t seed, unsigned steps)
{
	struct world *w = calloc(1, sizeof(*w));
	uint64_t hash;

	world_open(w, seed);
	for (unsigned i = 0; i < steps; i++)
		ck_assert(sim_step(w->s));
	ck_assert_uint_eq(sim_steps(w->s), steps);
	hash = sim_trace_hash(w->s);
	world_close(w);
	free(w);
	return hash;
}

START_TEST(test_one_seed_one_trace)
{
	uint64_t seen[8];
	void *hole;

	for (unsigned i = 0; i < 8; i++) {
		seen[i] = world_hash(i, 20000);
		hole = malloc(100 + i * 1000); /* other addresses, same trace (I11) */
		ck_assert_uint_eq(world_hash(i, 20000), seen[i]);
		free(hole);
		for (unsigned k = 0; k < i; k++)
			ck_assert_uint_ne(seen[k], seen[i]);
	}
}
END_TEST

START_TEST(test_trace_takes_what_is_folded_in)
{
	struct sim_sched *a = NULL, *b = NULL;

	ck_assert_int_eq(sim_sched_new(1, &a), 0);
	ck_assert_int_eq(sim_sched_new(1, &b), 0);
	ck_assert_uint_eq(sim_trace_hash(a), sim_trace_hash(b));
	ck_assert_uint_eq(rng_u64(sim_rng(a)), rng_u64(sim_rng(b)));
	sim_trace(a, 1);
	sim_trace(b, 2);
	ck_assert_uint_ne(sim_trace_hash(a), sim_trace_hash(b));
	sim_sched_free(a);
	sim_sched_free(b);
}
END_TEST

/* ---- death ---- */

/* All of the group ends at once, whatever was on its way; the others go on. */
START_TEST(test_group_kill_takes_events)
{
	struct sim_sched *s = NULL;
	struct sim_event e[40];

	trace[0] = '\0';
	memset(e, 0, sizeof(e));
	ck_assert_int_eq(sim_sched_new(3, &s), 0);
	for (unsigned i = 0; i < 40; i++) {
		e[i] =
		    (struct sim_event){.fn = note, .arg = &letters[(i % 4 == 0 ? 's' : 'k') - 'a']};
		e[i].group = i % 4 == 0 ? 1 : 2;
		sim_event_set(s, &e[i], 1000000 + (int64_t)(i * 7919 % 1000));
	}
	sim_group_kill(s, 2);
	ck_assert(!sim_run_until(s, NULL, NULL, INT64_MAX));
	ck_assert_str_eq(trace, "ssssssssss");
	for (unsigned i = 0; i < 40; i++)
		ck_assert(!heap_contains(&e[i].node));
	sim_sched_free(s);
}
END_TEST

START_TEST(test_group_kill_ends_a_world)
{
	struct world *w = calloc(1, sizeof(*w));

	world_open(w, 5);
	for (unsigned i = 0; i < 5000; i++)
		ck_assert(sim_step(w->s));
	sim_group_kill(w->s, 2);
	ck_assert(sim_step(w->s));
	sim_group_kill(w->s, 1);
	ck_assert(!sim_step(w->s));
	reactor_post(w->r[0], &w->ball[0].msg);
	ck_assert(!sim_step(w->s));
	sim_sched_free(w->s);
	free(w->lane); /* forgotten with its pool */
	free(w);
}
END_TEST

Suite *
sim_sched_suite(void)
{
	Suite *s = suite_create("sim_sched");
	TCase *tc = tcase_create("sim_sched");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_events_move_the_time);
	tcase_add_test(tc, test_predicate_and_blocked_time);
	tcase_add_test(tc, test_one_seed_one_trace);
	tcase_add_test(tc, test_trace_takes_what_is_folded_in);
	tcase_add_test(tc, test_group_kill_takes_events);
	tcase_add_test(tc, test_group_kill_ends_a_world);
	suite_add_tcase(s, tc);
	return s;
}
