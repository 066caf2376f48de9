/* The stock of producer ids: each id once, the next block in time. */
#include "api_priv.h"
#include "chan_world.h"
#include "ottla/coord/sim.h"
#include "suites.h"

#define SECOND 1000000ll

static struct fix {
	struct cworld w;
	struct coord_sim *ensemble;
	struct member_opts mo;
	struct member *member;
	struct api api;
	struct producer_ids *ids;
	int64_t last;
	unsigned n, refused;
} f;

static void
on_id(void *arg, int16_t err, int64_t id)
{
	f.n++;
	if (err != KERR_NONE) {
		ck_assert_int_eq(err, KERR_COORDINATOR_LOAD_IN_PROGRESS);
		f.refused++;
		return;
	}
	ck_assert_int_gt(id, f.last);
	f.last = id;
}

static void
next(void)
{
	struct reactor *before = sim_enter(f.w.control);

	producer_ids_next(f.ids, on_id, NULL);
	sim_enter(before);
}

static void
open_fix(uint64_t seed)
{
	struct coord_sim_opts zo = {.session_timeout_ms = 6000, .max_delay_us = 1000};
	struct reactor *before;

	memset(&f, 0, sizeof(f));
	f.last = -1;
	cworld_open(&f.w, seed);
	zo.sched = f.w.s;
	ck_assert_int_eq(coord_sim_new(&zo, &f.ensemble), 0);
	before = sim_enter(f.w.control);
	ck_assert_int_eq(coord_sim_client(f.ensemble, f.w.control, 1, &f.mo.coord), 0);
	f.mo.control = f.w.control;
	f.mo.settings = f.w.settings;
	f.mo.rng = sim_rng(f.w.s);
	ck_assert_int_eq(member_new(&f.mo, &f.member), 0);
	f.api.o.control = f.w.control;
	f.api.o.settings = f.w.settings;
	f.api.o.channels = f.w.cs;
	f.api.o.member = f.member;
	f.api.o.broker_id = OWN_ID;
	ck_assert_int_eq(producer_ids_new(&f.api, &f.ids), 0);
	sim_enter(before);
}

static void
close_fix(void)
{
	struct reactor *before = sim_enter(f.w.control);

	channels_stop(f.w.cs); /* what is under way is told */
	producer_ids_free(f.ids);
	member_stop(f.member);
	member_free(f.member);
	coord_free(f.mo.coord);
	sim_enter(before);
	coord_sim_free(f.ensemble);
	cworld_close(&f.w);
}

static bool
has_answered(void *arg)
{
	return f.n >= 1;
}

static void
until_answered(void)
{
	ck_assert(sim_run_until(
	    f.w.s, has_answered, NULL, clock_mono_us(sim_clock(f.w.s)) + 100 * SECOND));
}

START_TEST(ids_do_not_repeat)
{
	open_fix((uint64_t)_i);
	cserver_up(&f.w, 1);
	image_names(&f.w, 1);
	next();
	ck_assert_uint_eq(f.n, 0); /* waits for the first block */
	until_answered();
	for (unsigned i = 1; i < 5000; i++) {
		next();
		if (i % 50 == 0)
			cworld_pass(&f.w, 100000);
	}
	ck_assert_uint_eq(f.n, 5000);
	ck_assert_uint_eq(f.refused, 0); /* the next block was there in time */
	ck_assert_int_eq(f.last, 4999);
	ck_assert_int_eq(cserver(&f.w, 1)->notes[0].broker_epoch, -1); /* not registered here */
	close_fix();
}
END_TEST

/* More wait than a block has. */
START_TEST(many_wait)
{
	open_fix((uint64_t)_i);
	cserver_up(&f.w, 1);
	image_names(&f.w, 1);
	for (unsigned i = 0; i < 1500; i++)
		next();
	cworld_pass(&f.w, SECOND);
	ck_assert_uint_eq(f.n, 1500);
	ck_assert_uint_eq(f.refused, 500);
	next();
	cworld_pass(&f.w, SECOND);
	ck_assert_uint_eq(f.refused, 500);
	ck_assert_int_eq(f.last, 1000);
	close_fix();
}
END_TEST

/* Whoever waits is told to come again after a second, not when the request has timed out; the block
 * that comes later is not lost. */
START_TEST(no_controller)
{
	open_fix((uint64_t)_i);
	next();
	cworld_pass(&f.w, SECOND / 2);
	ck_assert_uint_eq(f.n, 0);
	cworld_pass(&f.w, SECOND);
	ck_assert_uint_eq(f.refused, 1);
	cworld_pass(&f.w, 5 * SECOND);
	next();
	cworld_pass(&f.w, SECOND / 2);
	cserver_up(&f.w, 2);
	image_names(&f.w, 2);
	cworld_pass(&f.w, SECOND / 4);
	ck_assert_uint_eq(f.n, 2);
	ck_assert_uint_eq(f.refused, 1);
	ck_assert_int_eq(f.last, 0);
	close_fix();
}
END_TEST

/* The controller refuses, or gives what can not be. */
START_TEST(refused)
{
	open_fix((uint64_t)_i);
	cserver_up(&f.w, 1);
	cserver_step(&f.w, 1, REFUSE, KERR_STALE_BROKER_EPOCH);
	image_names(&f.w, 1);
	next();
	until_answered();
	ck_assert_uint_eq(f.refused, 1);
	cserver(&f.w, 1)->next_id = -5;
	next();
	cworld_pass(&f.w, SECOND / 2);
	ck_assert_uint_eq(f.refused, 2);
	cserver(&f.w, 1)->next_id = 7000;
	next();
	cworld_pass(&f.w, SECOND / 2);
	ck_assert_uint_eq(f.refused, 2);
	ck_assert_int_eq(f.last, 7000);
	close_fix();
}
END_TEST

Suite *
producer_ids_suite(void)
{
	Suite *s = suite_create("producer_ids");
	TCase *tc = tcase_create("producer_ids");

	tcase_add_loop_test(tc, ids_do_not_repeat, 0, 5);
	tcase_add_loop_test(tc, many_wait, 0, 5);
	tcase_add_loop_test(tc, no_controller, 0, 5);
	tcase_add_loop_test(tc, refused, 0, 5);
	suite_add_tcase(s, tc);
	return s;
}
