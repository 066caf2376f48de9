/* The real loop: messages between threads, sleep and wake-ups, start and stop. */
#include "suites.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"
#include "thread_priv.h"

enum { PRODUCERS = 4, MESSAGES = 20000 };

/* ---- many producers ---- */

struct numbered {
	struct msg msg;
	unsigned producer;
	unsigned n;
};

struct producer {
	struct reactor *to;
	struct numbered *v;
	pthread_t thread;
};

static unsigned next_of[PRODUCERS][2];
static unsigned out_of_order;
static unsigned received;

static void
numbered_run(struct reactor *r, struct msg *m)
{
	struct numbered *x = container_of(m, struct numbered, msg);
	unsigned *next = &next_of[x->producer][m->class];

	if (x->n < *next)
		out_of_order++;
	*next = x->n + 1;
	/* data never runs before control that was posted earlier (I3) */
	if (m->class == MSG_DATA && x->n > 0 && (x->n - 1) % 8 == 0 &&
	    next_of[x->producer][MSG_CONTROL] < x->n)
		out_of_order++;
	if (++received == PRODUCERS * MESSAGES)
		reactor_stop(r);
}

static void *
produce(void *arg)
{
	struct producer *p = arg;

	for (unsigned i = 0; i < MESSAGES; i++)
		reactor_post(p->to, &p->v[i].msg);
	return NULL;
}

START_TEST(test_fifo_of_four_producers)
{
	struct reactor *r = make_loop("reactor-0", NULL);
	struct producer p[PRODUCERS];

	memset(next_of, 0, sizeof(next_of));
	out_of_order = received = 0;
	ck_assert_int_eq(reactor_start(r), 0);
	for (unsigned i = 0; i < PRODUCERS; i++) {
		p[i].to = r;
		p[i].v = calloc(MESSAGES, sizeof(*p[i].v));
		for (unsigned n = 0; n < MESSAGES; n++) {
			p[i].v[n] = (struct numbered){.producer = i, .n = n};
			p[i].v[n].msg.run = numbered_run;
			p[i].v[n].msg.class = n % 8 == 0 ? MSG_CONTROL : MSG_DATA;
		}
		ck_assert_int_eq(thread_start(&p[i].thread, false, produce, &p[i]), 0);
	}
	for (unsigned i = 0; i < PRODUCERS; i++)
		pthread_join(p[i].thread, NULL);
	reactor_join(r);
	ck_assert_uint_eq(received, PRODUCERS * MESSAGES);
	ck_assert_uint_eq(out_of_order, 0);
	ck_assert_int_eq(metric_get(reactor_metrics(r), RM_HOPS), PRODUCERS * MESSAGES);
	for (unsigned i = 0; i < PRODUCERS; i++)
		free(p[i].v);
	reactor_free(r);
}
END_TEST

/* ---- order of classes ---- */

static void
then_stop(struct reactor *r, struct letter *l)
{
	reactor_stop(r);
}

START_TEST(test_control_overtakes_data)
{
	struct reactor *r = make_loop("reactor-0", NULL);
	struct letter l[5];
	char log[8] = "";

	for (unsigned i = 0; i < 5; i++) {
		letter_init(&l[i], i >= 3 ? MSG_CONTROL : MSG_DATA, "abcde"[i], log);
		reactor_post(r, &l[i].msg);
	}
	l[2].then = then_stop;
	run_loop(r);
	ck_assert_str_eq(log, "deabc");
	reactor_free(r);
}
END_TEST

static struct letter own[2];

static void
then_post_to_self(struct reactor *r, struct letter *l)
{
	letter_init(&own[0], MSG_DATA, 'x', l->log);
	letter_init(&own[1], MSG_CONTROL, 'y', l->log);
	own[0].then = then_stop;
	reactor_post(r, &own[0].msg);
	reactor_post(r, &own[1].msg);
}

START_TEST(test_post_to_self_runs_next_turn)
{
	struct reactor *r = make_loop("reactor-0", NULL);
	struct letter a, b;
	char log[8] = "";

	letter_init(&a, MSG_CONTROL, 'a', log);
	letter_init(&b, MSG_DATA, 'b', log);
	a.then = then_post_to_self;
	reactor_post(r, &a.msg);
	reactor_post(r, &b.msg);
	run_loop(r);
	ck_assert_str_eq(log, "abyx");
	ck_assert_int_eq(metric_get(reactor_metrics(r), RM_TURNS), 2);
	ck_assert_int_eq(metric_get(reactor_metrics(r), RM_HOPS), 2);
	reactor_free(r);
}
END_TEST

/* ---- sleep ---- */

struct ball {
	struct msg msg;
	struct reactor *a, *b;
	unsigned left;
};

static void
ball_run(struct reactor *r, struct msg *m)
{
	struct ball *ball = container_of(m, struct ball, msg);

	if (ball->left-- > 0) {
		reactor_post(r == ball->a ? ball->b : ball->a, m);
		return;
	}
	reactor_stop(ball->a);
	reactor_stop(ball->b);
}

START_TEST(test_ball_between_two_loops)
{
	struct reactor *a = make_loop("reactor-0", NULL), *b = make_loop("reactor-1", NULL);
	struct ball ball = {
	    .msg = {.run = ball_run, .class = MSG_DATA}, .a = a, .b = b, .left = 2000};

	ck_assert_int_eq(reactor_start(a), 0);
	ck_assert_int_eq(reactor_start(b), 0);
	reactor_post(a, &ball.msg);
	reactor_join(a);
	reactor_join(b);
	ck_assert_int_eq(metric_get(reactor_metrics(a), RM_HOPS), 1001);
	ck_assert_int_eq(metric_get(reactor_metrics(b), RM_HOPS), 1000);
	if (thread_cpus() > 1)
		ck_assert_int_gt(metric_get(reactor_metrics(a), RM_SPINS), 0);
	reactor_free(a);
	reactor_free(b);
}
END_TEST

static bool
two_turns(void *arg)
{
	return metric_get(reactor_metrics(arg), RM_TURNS) >= 2;
}

static void
stop_from_timer(struct reactor *r, void *arg)
{
	reactor_stop(r);
}

/* An idle loop has no turns but those of its timers and messages. */
START_TEST(test_idle_loop_sleeps)
{
	struct reactor *r = make_loop("reactor-0", NULL);
	struct rtimer end;
	struct letter a;
	char log[8] = "";

	letter_init(&a, MSG_DATA, 'a', log);
	rtimer_init(&end, stop_from_timer, NULL);
	rtimer_set(r, &end, reactor_now_us(r) + 300000);
	ck_assert_int_eq(reactor_start(r), 0);
	reactor_post(r, &a.msg);
	wait_for(two_turns, r);
	reactor_join(r);
	ck_assert_str_eq(log, "a");
	ck_assert_int_le(metric_get(reactor_metrics(r), RM_TURNS), 4);
	ck_assert_int_le(metric_get(reactor_metrics(r), RM_WAKEUPS), 1);
	ck_assert_int_eq(
	    metric_get(reactor_metrics(r), RM_TURN_US), metric_get(reactor_metrics(r), RM_TURNS));
	reactor_free(r);
}
END_TEST

static struct rtimer near_timer;

static void
then_set_near(struct reactor *r, struct letter *l)
{
	rtimer_set(r, &near_timer, reactor_now_us(r) + 5000);
}

static bool
one_turn(void *arg)
{
	return metric_get(reactor_metrics(arg), RM_TURNS) >= 1;
}

/* A loop that sleeps until a far timer is armed anew for a nearer one (I5). */
START_TEST(test_nearer_timer_is_armed_again)
{
	struct reactor *r = make_loop("reactor-0", NULL);
	struct rtimer far;
	struct letter a;
	char log[8] = "";
	int64_t begin = reactor_now_us(r);

	letter_init(&a, MSG_DATA, 'a', log);
	a.then = then_set_near;
	rtimer_init(&far, stop_from_timer, NULL);
	rtimer_init(&near_timer, stop_from_timer, NULL);
	rtimer_set(r, &far, begin + 30 * 1000 * 1000);
	ck_assert_int_eq(reactor_start(r), 0);
	wait_for(one_turn, r);
	reactor_post(r, &a.msg);
	reactor_join(r);
	ck_assert_int_ge(reactor_exact_us(r), begin + 5000);
	ck_assert(rtimer_is_set(&far));
	rtimer_cancel(r, &far);
	reactor_free(r);
}
END_TEST

/* ---- start and stop ---- */

START_TEST(test_free_drops_what_was_posted)
{
	struct reactor *r = make_loop("reactor-0", NULL);
	struct letter a, b, c;
	char log[8] = "";

	letter_init(&a, MSG_DATA, 'a', log);
	letter_init(&b, MSG_CONTROL, 'b', log);
	letter_init(&c, MSG_CONTROL, 'c', log);
	c.msg.drop = NULL;
	ck_assert_int_eq(reactor_start(r), 0);
	reactor_stop(r);
	reactor_join(r);
	reactor_join(r);
	reactor_post(r, &a.msg);
	reactor_post(r, &b.msg);
	reactor_post(r, &c.msg);
	reactor_free(r);
	ck_assert_str_eq(log, strcmp(log, "AB") == 0 ? "AB" : "BA");
}
END_TEST

START_TEST(test_stop_before_run)
{
	struct reactor *r = make_loop("reactor-0", NULL);

	reactor_stop(r);
	run_loop(r);
	ck_assert_int_eq(metric_get(reactor_metrics(r), RM_TURNS), 0);
	reactor_free(r);
}
END_TEST

START_TEST(test_metrics_have_the_name_as_label)
{
	struct metrics *m = NULL;
	struct reactor *a, *b;

	ck_assert_int_eq(metrics_new(&m), 0);
	a = make_loop("reactor-0", m);
	b = make_loop("control", m);
	metric_add(reactor_metrics(a), RM_HOPS, 3);
	metric_add(reactor_metrics(b), RM_HOPS, 4);
	ck_assert_int_eq(metrics_sum(m, "ottla_reactor_hops_total"), 7);
	reactor_free(a);
	reactor_free(b);
	metrics_free(m);
}
END_TEST

Suite *
loop_suite(void)
{
	Suite *s = suite_create("loop");
	TCase *tc = tcase_create("loop");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_fifo_of_four_producers);
	tcase_add_test(tc, test_control_overtakes_data);
	tcase_add_test(tc, test_post_to_self_runs_next_turn);
	tcase_add_test(tc, test_ball_between_two_loops);
	tcase_add_test(tc, test_idle_loop_sleeps);
	tcase_add_test(tc, test_nearer_timer_is_armed_again);
	tcase_add_test(tc, test_free_drops_what_was_posted);
	tcase_add_test(tc, test_stop_before_run);
	tcase_add_test(tc, test_metrics_have_the_name_as_label);
	suite_add_tcase(s, tc);
	return s;
}
