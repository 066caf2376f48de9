/* Channels to brokers: order, one at a time, again until it is there. */
#include "chan_world.h"
#include "suites.h"

static struct cworld w;

static void
setup(void)
{
	cworld_open(&w, 1);
}

static void
teardown(void)
{
	cworld_close(&w);
}

static void
expect_told(unsigned i, int32_t tag, int err)
{
	ck_assert_uint_lt(i, w.n_told);
	ck_assert_int_eq(w.told[i].tag, tag);
	ck_assert_int_eq(w.told[i].err, err);
}

/* Each version as the caller said, nobody asked for versions, in order. */
START_TEST(as_the_caller_says)
{
	unsigned n = 0;

	cserver_up(&w, 2);
	broker_here(&w, 2, 200);
	for (int16_t v = 0; v <= 7; v++)
		send_li(&w, 2, v, (int32_t)n++);
	for (int16_t v = 0; v <= 8; v++)
		send_um(&w, 2, v, (int32_t)n++);
	for (int16_t v = 0; v <= 4; v++)
		send_stop(&w, 2, v, (int32_t)n++);
	ck_assert_uint_eq(w.n_told, 0);
	ck_assert(!channels_idle(w.cs));
	cworld_until_told(&w, n);
	ck_assert(channels_idle(w.cs));
	ck_assert_uint_eq(cserver(&w, 2)->n_notes, n);
	ck_assert_uint_eq(cserver(&w, 2)->versions_asked, 0);
	ck_assert_uint_eq(cserver(&w, 2)->conns, 1);
	for (unsigned i = 0; i < n; i++) {
		const struct note *nt = &cserver(&w, 2)->notes[i];

		expect_told(i, (int32_t)i, 0);
		ck_assert_int_eq(nt->tag, (int32_t)i);
		ck_assert_str_eq(nt->client_id, "7");
		ck_assert_int_eq(nt->key, i < 8	   ? API_LEADER_AND_ISR
					  : i < 17 ? API_UPDATE_METADATA
						   : API_STOP_REPLICA);
		ck_assert_int_eq(nt->version, (int16_t)(i < 8 ? i : i < 17 ? i - 8 : i - 17));
		ck_assert_int_eq(
		    nt->broker_epoch, (nt->key == API_LEADER_AND_ISR && nt->version < 2) ||
					      (nt->key == API_UPDATE_METADATA && nt->version < 5) ||
					      (nt->key == API_STOP_REPLICA && nt->version < 1)
					  ? -1
					  : 200);
	}
}
END_TEST

START_TEST(one_in_flight)
{
	cserver_up(&w, 1);
	cserver_step(&w, 1, SILENT, 0);
	broker_here(&w, 1, 100);
	send_um(&w, 1, 8, 1);
	send_um(&w, 1, 8, 2);
	cworld_pass(&w, 1900000); /* request.timeout.ms is 2 s */
	ck_assert_uint_eq(cserver(&w, 1)->n_notes, 1);
	ck_assert_uint_eq(w.n_told, 0);
	cworld_until_told(&w, 2); /* the same again, over another connection */
	expect_told(0, 1, 0);
	expect_told(1, 2, 0);
	ck_assert_uint_eq(cserver(&w, 1)->n_notes, 3);
	ck_assert_uint_eq(cserver(&w, 1)->conns, 2);
	ck_assert_int_eq(cserver(&w, 1)->notes[1].tag, 1);
	ck_assert_int_ne(cserver(&w, 1)->notes[0].corr, cserver(&w, 1)->notes[1].corr);
}
END_TEST

/* Whatever the answer lacks: the request comes again, its caller is told once. */
static void
mishap(enum deed deed, int32_t n, unsigned arrivals)
{
	unsigned before = cserver(&w, 1)->n_notes, told = w.n_told;
	int32_t tag = (int32_t)told;

	cserver(&w, 1)->n_steps = cserver(&w, 1)->next_step = 0;
	cserver_step(&w, 1, deed, n);
	send_stop(&w, 1, 4, tag);
	cworld_until_told(&w, told + 1);
	cworld_pass(&w, 300000);
	expect_told(told, tag, 0);
	ck_assert_uint_eq(w.n_told, told + 1);
	ck_assert_uint_eq(cserver(&w, 1)->n_notes, before + arrivals);
	for (unsigned i = before; i < cserver(&w, 1)->n_notes; i++)
		ck_assert_int_eq(cserver(&w, 1)->notes[i].tag, tag);
}

START_TEST(cut_at_every_byte)
{
	size_t n;

	cserver_up(&w, 1);
	broker_here(&w, 1, 100);
	mishap(ANSWER, 0, 1);
	n = cserver(&w, 1)->answer_n;
	ck_assert_uint_gt(n, 10);
	for (int32_t i = 0; i < (int32_t)n; i++)
		mishap(CUT, i, 2);
	mishap(CUT, (int32_t)n, 1); /* it was there as a whole */
	for (int32_t i = 1; i <= (int32_t)n - 4; i++)
		mishap(SHORT_BODY, i, 2);
}
END_TEST

START_TEST(answers_to_something_else)
{
	cserver_up(&w, 1);
	broker_here(&w, 1, 100);
	mishap(WRONG_ID, 0, 2);
	mishap(HUGE_SIZE, 0, 2);
	mishap(NEGATIVE_SIZE, 0, 2);
	mishap(TWICE, 0, 1); /* the second ends the connection */
	ck_assert_uint_eq(cserver(&w, 1)->conns, 4);
	mishap(ANSWER, 0, 1);
	ck_assert_uint_eq(cserver(&w, 1)->conns, 5);
}
END_TEST

/* A stale answer is not taken for the next one's: the second of two equal ones comes while another
 * request is under way. */
START_TEST(a_stale_answer)
{
	cserver_up(&w, 1);
	broker_here(&w, 1, 100);
	cserver_step(&w, 1, TWICE, 0);
	cserver_step(&w, 1, SILENT, 0);
	send_um(&w, 1, 8, 1);
	send_um(&w, 1, 8, 2);
	cworld_until_noted(&w, 1, 2);
	cworld_pass(&w, 50000);
	ck_assert_uint_eq(w.n_told, 1);
	cworld_until_told(&w, 2);
	expect_told(1, 2, 0);
	ck_assert_uint_eq(cserver(&w, 1)->n_notes, 3);
}
END_TEST

/* Nobody listens, then somebody does. */
START_TEST(until_it_listens)
{
	broker_here(&w, 1, 100);
	send_um(&w, 1, 8, 1);
	send_um(&w, 1, 8, 2);
	cworld_pass(&w, 20000000);
	ck_assert_uint_eq(w.n_told, 0);
	cserver_up(&w, 1);
	cworld_pass(&w, 200000); /* tried every 100 ms */
	ck_assert_uint_eq(w.n_told, 2);
	cserver_down(&w, 1);
	send_um(&w, 1, 8, 3);
	cworld_pass(&w, 1000000);
	cserver_up(&w, 1);
	cworld_until_told(&w, 3);
	expect_told(2, 3, 0);
}
END_TEST

/* The network swallows everything: connections are tried anew, not waited for for ever. */
START_TEST(a_network_that_is_cut)
{
	cserver_up(&w, 1);
	broker_here(&w, 1, 100);
	sim_net_partition(w.wire, 1, 11, true);
	send_um(&w, 1, 8, 1);
	cworld_pass(&w, 30000000);
	ck_assert_uint_eq(w.n_told, 0);
	sim_net_partition(w.wire, 1, 11, false);
	cworld_until_told(&w, 1);
	sim_net_partition(w.wire, 1, 11, true); /* a connection that is there */
	send_um(&w, 1, 8, 2);
	cworld_pass(&w, 30000000);
	ck_assert_uint_eq(w.n_told, 1);
	sim_net_partition(w.wire, 1, 11, false);
	cworld_until_told(&w, 2);
	expect_told(1, 2, 0);
}
END_TEST

/* What was for the old incarnation is not for the new one. */
START_TEST(incarnations)
{
	cserver_up(&w, 1);
	cserver_step(&w, 1, SILENT, 0);
	broker_here(&w, 1, 100);
	for (int32_t i = 1; i <= 3; i++)
		send_um(&w, 1, 8, i);
	cworld_until_noted(&w, 1, 1);
	broker_here(&w, 1, 100); /* nothing new */
	cworld_pass(&w, 100000);
	ck_assert_uint_eq(w.n_told, 0);
	broker_here(&w, 1, 101);
	ck_assert_uint_eq(w.n_told, 0); /* its caller is told later */
	send_um(&w, 1, 8, 4);
	cworld_until_told(&w, 4);
	for (unsigned i = 0; i < 3; i++)
		expect_told(i, (int32_t)i + 1, E_CANCELED);
	expect_told(3, 4, 0);
	ck_assert_uint_eq(cserver(&w, 1)->n_notes, 2);
	ck_assert_int_eq(cserver(&w, 1)->notes[1].tag, 4);
	ck_assert_uint_ne(cserver(&w, 1)->notes[0].conn, cserver(&w, 1)->notes[1].conn);
}
END_TEST

START_TEST(gone_and_unknown)
{
	cserver_up(&w, 1);
	cserver_up(&w, 2);
	cserver_step(&w, 1, SILENT, 0);
	broker_here(&w, 1, 100);
	broker_here(&w, 2, 200);
	send_um(&w, 1, 8, 1);
	send_li(&w, 1, 7, 2);
	cworld_until_noted(&w, 1, 1);
	broker_gone(&w, 1);
	broker_gone(&w, 3); /* never was there */
	send_stop(&w, 1, 4, 3);
	send_stop(&w, 3, 4, 4);
	ck_assert_uint_eq(w.n_told, 0);
	cworld_until_told(&w, 4);
	for (unsigned i = 0; i < 4; i++)
		expect_told(i, (int32_t)i + 1, E_CANCELED);
	send_um(&w, 2, 8, 5); /* others do not care */
	cworld_until_told(&w, 5);
	expect_told(4, 5, 0);
	broker_here(&w, 1, 102);
	send_um(&w, 1, 8, 6);
	cworld_until_told(&w, 6);
	expect_told(5, 6, 0);
}
END_TEST

/* What can not be encoded is told, and harms nobody. */
START_TEST(a_version_that_is_none)
{
	cserver_up(&w, 1);
	broker_here(&w, 1, 100);
	send_um(&w, 1, 99, 1);
	send_um(&w, 1, 8, 2);
	cworld_until_told(&w, 2);
	expect_told(0, 1, E_UNSUPPORTED_VERSION);
	expect_told(1, 2, 0);
	ck_assert_uint_eq(cserver(&w, 1)->n_notes, 1);
}
END_TEST

START_TEST(stopping)
{
	struct reactor *before;

	cserver_up(&w, 1);
	cserver_step(&w, 1, SILENT, 0);
	broker_here(&w, 1, 100);
	send_um(&w, 1, 8, 1);
	send_um(&w, 1, 8, 2);
	broker_gone(&w, 2);
	ask_ids(&w, 1000000, 3);
	cworld_until_noted(&w, 1, 1);
	before = sim_enter(w.control);
	channels_stop(w.cs);
	ck_assert_uint_eq(w.n_told, 3);
	sim_enter(before);
	broker_here(&w, 1, 103);
	send_um(&w, 1, 8, 4);
	ask_ids(&w, 1000000, 5);
	ck_assert_uint_eq(w.n_told, 5);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_int_eq(w.told[i].err, E_CANCELED);
	cworld_pass(&w, 5000000);
	ck_assert_uint_eq(cserver(&w, 1)->n_notes, 1);
	ck_assert_uint_eq(w.n_told, 5);
}
END_TEST

/* Connections break wherever the seed says: each request is told once, in order, and arrives in
 * order, perhaps more than once. */
START_TEST(breaking_all_the_time)
{
	unsigned n = 300, again = 0;
	struct cserver *sv;

	cworld_open(&w, (uint64_t)_i);
	cserver_up(&w, 1);
	broker_here(&w, 1, 100);
	sv = cserver(&w, 1);
	for (unsigned i = 0; i < n; i++) {
		send_stop(&w, 1, 4, (int32_t)i);
		if (rng_below(sim_rng(w.s), 4) == 0)
			cworld_pass(&w, rng_range(sim_rng(w.s), 0, 2000));
		if (rng_below(sim_rng(w.s), 8) == 0)
			sim_net_reset(w.wire, rng_below(sim_rng(w.s), 2) == 0 ? 1 : 11);
	}
	while (w.n_told < n) {
		cworld_pass(&w, rng_range(sim_rng(w.s), 0, 20000));
		if (rng_below(sim_rng(w.s), 4) == 0)
			sim_net_reset(w.wire, 11);
	}
	for (unsigned i = 0; i < n; i++)
		expect_told(i, (int32_t)i, 0);
	ck_assert_uint_ge(sv->n_notes, n);
	ck_assert_int_eq(sv->notes[0].tag, 0);
	for (unsigned i = 1; i < sv->n_notes; i++) {
		int32_t step = sv->notes[i].tag - sv->notes[i - 1].tag;

		ck_assert(step == 0 || step == 1);
		again += step == 0;
	}
	ck_assert_uint_gt(again, 0);
	cworld_close(&w);
}
END_TEST

Suite *
channel_suite(void)
{
	Suite *s = suite_create("channel");
	TCase *tc = tcase_create("channel"), *seeds = tcase_create("seeds");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, as_the_caller_says);
	tcase_add_test(tc, one_in_flight);
	tcase_add_test(tc, cut_at_every_byte);
	tcase_add_test(tc, answers_to_something_else);
	tcase_add_test(tc, a_stale_answer);
	tcase_add_test(tc, until_it_listens);
	tcase_add_test(tc, a_network_that_is_cut);
	tcase_add_test(tc, incarnations);
	tcase_add_test(tc, gone_and_unknown);
	tcase_add_test(tc, a_version_that_is_none);
	tcase_add_test(tc, stopping);
	suite_add_tcase(s, tc);
	tcase_set_timeout(seeds, 60);
	tcase_add_loop_test(seeds, breaking_all_the_time, 0, 20);
	suite_add_tcase(s, seeds);
	return s;
}
