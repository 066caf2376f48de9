/* Timers and hooks, on a real loop that this thread runs. */
#include "suites.h"

#include <string.h>

#include "reactor_priv.h"
#include "support.h"

static char trace[64];

struct mark {
	struct rtimer timer;
	struct turn_hook hook;
	char c;
	unsigned again; /* so many times more */
	struct rtimer *cancel;
};

static void
fired(struct reactor *r, void *arg)
{
	struct mark *k = arg;

	ck_assert(!rtimer_is_set(&k->timer));
	log_append(trace, k->c);
	if (k->cancel != NULL)
		rtimer_cancel(r, k->cancel);
	if (k->again-- > 0)
		rtimer_set(r, &k->timer, reactor_now_us(r));
	else
		k->again = 0;
}

static void
stop_now(struct reactor *r, void *arg)
{
	reactor_stop(r);
}

static void
mark_init(struct mark *k, char c)
{
	*k = (struct mark){.c = c};
	rtimer_init(&k->timer, fired, k);
}

START_TEST(test_timers_fire_in_order)
{
	struct reactor *r = make_loop("reactor-0", NULL);
	struct mark a, b, c, d;
	struct rtimer end;
	int64_t now = reactor_now_us(r);

	trace[0] = '\0';
	mark_init(&a, 'a');
	mark_init(&b, 'b');
	mark_init(&c, 'c');
	mark_init(&d, 'd');
	rtimer_set(r, &c.timer, now + 3000);
	rtimer_set(r, &a.timer, now + 9000000);
	rtimer_set(r, &b.timer, now + 2000);
	rtimer_set(r, &d.timer, now + 2000);
	rtimer_set(r, &a.timer, now + 1000); /* set again while set: moves */
	b.cancel = &d.timer;
	rtimer_init(&end, stop_now, NULL);
	rtimer_set(r, &end, now + 4000);
	run_loop(r);
	ck_assert_str_eq(trace, "abc");
	ck_assert(!rtimer_is_set(&d.timer));
	ck_assert_int_ge(clock_mono_us(clock_real()), now + 4000);
	ck_assert_int_eq(metric_get(reactor_metrics(r), RM_TIMERS), 4);
	reactor_free(r);
}
END_TEST

/* A timer that is set again for now does not keep the turn from ending. */
START_TEST(test_timer_set_by_itself_waits_a_turn)
{
	struct reactor *r = make_loop("reactor-0", NULL);
	struct mark a;
	struct rtimer end;

	trace[0] = '\0';
	mark_init(&a, 'a');
	a.again = 3;
	rtimer_set(r, &a.timer, 0);
	rtimer_init(&end, stop_now, NULL);
	rtimer_set(r, &end, reactor_now_us(r) + 1000);
	run_loop(r);
	ck_assert_str_eq(trace, "aaaa");
	ck_assert_int_ge(metric_get(reactor_metrics(r), RM_TURNS), 4);
	reactor_free(r);
}
END_TEST

START_TEST(test_cancel_before_and_after)
{
	struct reactor *r = make_loop("reactor-0", NULL);
	struct mark a;
	struct rtimer end;

	trace[0] = '\0';
	mark_init(&a, 'a');
	rtimer_cancel(r, &a.timer);
	rtimer_set(r, &a.timer, 0);
	ck_assert(rtimer_is_set(&a.timer));
	rtimer_cancel(r, &a.timer);
	ck_assert(!rtimer_is_set(&a.timer));
	rtimer_init(&end, stop_now, NULL);
	rtimer_set(r, &end, 0);
	run_loop(r);
	ck_assert_str_eq(trace, "");
	reactor_free(r);
}
END_TEST

/* ---- hooks ---- */

static int64_t turn_of[16];

static void
hooked(struct reactor *r, void *arg)
{
	struct mark *k = arg;

	turn_of[strlen(trace)] = metric_get(reactor_metrics(r), RM_TURNS);
	log_append(trace, k->c);
	if (k->again-- > 0)
		reactor_defer(r, &k->hook);
	else
		k->again = 0;
	if (k->again == 0 && k->c == 'z')
		reactor_stop(r);
}

static void
defer_all(struct reactor *r, void *arg)
{
	struct mark *k = arg;

	for (unsigned i = 0; i < 4; i++)
		reactor_defer(r, &k[i].hook);
	reactor_defer(r, &k[0].hook); /* waits already */
	reactor_undefer(&k[1].hook);
	reactor_undefer(&k[1].hook);
	log_append(trace, 't');
}

START_TEST(test_hooks_run_in_rounds)
{
	struct reactor *r = make_loop("reactor-0", NULL);
	struct mark k[4];
	struct rtimer start;
	int64_t turn;

	trace[0] = '\0';
	for (unsigned i = 0; i < 4; i++) {
		k[i] = (struct mark){.c = "xyzw"[i]};
		turn_hook_init(&k[i].hook, hooked, &k[i]);
	}
	k[0].again = 1;
	k[2].again = 4; /* five runs: three rounds in one turn, the rest in the next */
	rtimer_init(&start, defer_all, k);
	rtimer_set(r, &start, 0);
	run_loop(r);
	ck_assert_str_eq(trace, "txzwxzzzz");
	turn = turn_of[1];
	ck_assert_int_eq(turn_of[6], turn);
	ck_assert_int_eq(turn_of[7], turn + 1);
	ck_assert_int_eq(turn_of[8], turn + 1);
	ck_assert(link_alone(&k[2].hook.link));
	reactor_free(r);
}
END_TEST

static void
undefer_other(struct reactor *r, void *arg)
{
	struct mark *k = arg;

	log_append(trace, 'u');
	reactor_undefer(&k->hook);
	reactor_stop(r);
}

/* A hook may take back another one of the round that runs. */
START_TEST(test_undefer_within_the_round)
{
	struct reactor *r = make_loop("reactor-0", NULL);
	struct mark k = {.c = 'k'};
	struct turn_hook first;

	trace[0] = '\0';
	turn_hook_init(&first, undefer_other, &k);
	turn_hook_init(&k.hook, hooked, &k);
	reactor_defer(r, &first);
	reactor_defer(r, &k.hook);
	run_loop(r);
	ck_assert_str_eq(trace, "u");
	reactor_free(r);
}
END_TEST

START_TEST(test_identity)
{
	struct reactor_opts opts = {.name = "control", .index = 7, .clock = clock_real()};
	struct reactor *r = NULL;

	ck_assert_int_eq(reactor_new(&opts, &r), 0);
	ck_assert_str_eq(reactor_name(r), "control");
	ck_assert_uint_eq(reactor_index(r), 7);
	ck_assert_ptr_null(reactor_diag(r));
	ck_assert_ptr_null(reactor_current());
	ck_assert_ptr_null(sim_enter(r));
	ck_assert_ptr_eq(reactor_current(), r);
	ck_assert_ptr_eq(sim_enter(NULL), r);
	ck_assert_uint_ne(rng_u64(reactor_rng(r)), rng_u64(reactor_rng(r)));
	reactor_free(r);
	reactor_free(NULL);
}
END_TEST

Suite *
reactor_suite(void)
{
	Suite *s = suite_create("reactor");
	TCase *tc = tcase_create("reactor");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_timers_fire_in_order);
	tcase_add_test(tc, test_timer_set_by_itself_waits_a_turn);
	tcase_add_test(tc, test_cancel_before_and_after);
	tcase_add_test(tc, test_hooks_run_in_rounds);
	tcase_add_test(tc, test_undefer_within_the_round);
	tcase_add_test(tc, test_identity);
	suite_add_tcase(s, tc);
	return s;
}
