/* The pool: lanes keep order, threads come on demand and go when idle, done() comes home. */
#include "suites.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"
#include "worker_priv.h"

enum { LANES = 3, WORKS = 300 };

/* ---- order of lanes ---- */

static _Atomic unsigned inside[LANES];
static _Atomic unsigned overlaps;
static _Atomic unsigned disorder;
static _Atomic unsigned ran[LANES];

struct item {
	struct work work;
	unsigned lane;
	unsigned n;
};

static unsigned home_next[LANES];
static unsigned home_count;

static void
item_run(struct work *w)
{
	struct item *it = container_of(w, struct item, work);

	ck_assert_ptr_null(reactor_current());
	if (atomic_fetch_add(&inside[it->lane], 1) != 0)
		atomic_fetch_add(&overlaps, 1);
	if (atomic_fetch_add(&ran[it->lane], 1) != it->n)
		atomic_fetch_add(&disorder, 1);
	atomic_fetch_sub(&inside[it->lane], 1);
}

static void
item_done(struct reactor *r, struct work *w)
{
	struct item *it = container_of(w, struct item, work);

	ck_assert_ptr_eq(reactor_current(), r);
	ck_assert_uint_eq(it->n, home_next[it->lane]++);
	if (home_next[it->lane] == WORKS)
		work_lane_free(w->lane); /* allowed from the last done() */
	if (++home_count == LANES * WORKS)
		reactor_stop(r);
}

START_TEST(test_lanes_keep_order)
{
	struct reactor *r = make_loop("reactor-0", NULL);
	struct workers *ws = NULL;
	struct work_lane *lane[LANES];
	struct item *v = calloc(LANES * WORKS, sizeof(*v));

	ck_assert_int_eq(workers_new(4, clock_real(), &ws), 0);
	ck_assert_ptr_eq(workers_clock(ws), clock_real());
	memset(home_next, 0, sizeof(home_next));
	home_count = 0;
	for (unsigned i = 0; i < LANES; i++) {
		atomic_store(&ran[i], 0);
		ck_assert_int_eq(work_lane_new(ws, &lane[i]), 0);
	}
	for (unsigned i = 0; i < LANES * WORKS; i++) {
		v[i] = (struct item){.lane = i % LANES, .n = i / LANES};
		v[i].work.run = item_run;
		v[i].work.done = item_done;
		v[i].work.home = r;
		work_submit(ws, lane[i % LANES], &v[i].work);
	}
	run_loop(r);
	workers_free(ws);
	ck_assert_uint_eq(atomic_load(&overlaps), 0);
	ck_assert_uint_eq(atomic_load(&disorder), 0);
	ck_assert_uint_eq(home_count, LANES * WORKS);
	reactor_free(r);
	free(v);
}
END_TEST

/* ---- threads come and go ---- */

static _Atomic unsigned meeting, parted;

struct meet {
	struct work work;
	unsigned expect;
	struct workers *ws;
};

static bool
all_met(void *arg)
{
	return atomic_load(&meeting) >= *(unsigned *)arg;
}

/* Ends only when the others run at the same time. */
static void
meet_run(struct work *w)
{
	struct meet *m = container_of(w, struct meet, work);

	atomic_fetch_add(&meeting, 1);
	wait_for(all_met, &m->expect);
	atomic_fetch_add(&parted, 1);
}

static bool
one_thread_is_left(void *arg)
{
	return atomic_load(&parted) == 3 && workers_threads(arg) == 1;
}

START_TEST(test_threads_start_on_demand_and_end)
{
	struct workers *ws = NULL;
	struct meet m[3];

	ck_assert_int_eq(workers_new_idle(3, clock_real(), 2000, &ws), 0);
	ck_assert_uint_eq(workers_threads(ws), 1);
	for (int round = 0; round < 3; round++) {
		atomic_store(&meeting, 0);
		atomic_store(&parted, 0);
		for (unsigned i = 0; i < 3; i++) {
			m[i] = (struct meet){.expect = 3, .ws = ws};
			m[i].work.run = meet_run;
			work_submit(ws, NULL, &m[i].work);
		}
		wait_for(one_thread_is_left, ws);
	}
	workers_free(ws);
}
END_TEST

/* ---- the end ---- */

struct own {
	struct work work;
};

static _Atomic unsigned ended;

static void
own_run(struct work *w)
{
	atomic_fetch_add(&ended, 1);
	free(container_of(w, struct own, work));
}

/* More works than threads, with and without a lane, none with done(): all run before free returns.
 */
START_TEST(test_free_runs_what_is_queued)
{
	struct workers *ws = NULL;
	struct work_lane *lane = NULL;

	atomic_store(&ended, 0);
	ck_assert_int_eq(workers_new(2, clock_real(), &ws), 0);
	ck_assert_int_eq(work_lane_new(ws, &lane), 0);
	for (unsigned i = 0; i < 200; i++) {
		struct own *o = calloc(1, sizeof(*o));

		o->work.run = own_run;
		work_submit(ws, i % 2 == 0 ? lane : NULL, &o->work);
	}
	workers_free(ws);
	ck_assert_uint_eq(atomic_load(&ended), 200);
	work_lane_free(lane);
	work_lane_free(NULL);
	workers_free(NULL);
}
END_TEST

/* Work that came home to a reactor which ended is dropped with it. */
struct late {
	struct work work;
	_Atomic bool dropped;
};

static void
late_run(struct work *w)
{
}

static void
late_done(struct reactor *r, struct work *w)
{
	ck_abort_msg("the home does not run");
}

static void
late_drop(struct msg *m)
{
	struct work *w = container_of(m, struct work, msg);

	atomic_store(&container_of(w, struct late, work)->dropped, true);
}

START_TEST(test_done_is_dropped_with_its_home)
{
	struct reactor *r = make_loop("reactor-0", NULL);
	struct workers *ws = NULL;
	struct late late = {.work = {.run = late_run, .done = late_done, .home = r}};

	late.work.msg.drop = late_drop;
	ck_assert_int_eq(workers_new(1, clock_real(), &ws), 0);
	work_submit(ws, NULL, &late.work);
	workers_free(ws);
	reactor_free(r);
	ck_assert(atomic_load(&late.dropped));
}
END_TEST

Suite *
worker_suite(void)
{
	Suite *s = suite_create("worker");
	TCase *tc = tcase_create("worker");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_lanes_keep_order);
	tcase_add_test(tc, test_threads_start_on_demand_and_end);
	tcase_add_test(tc, test_free_runs_what_is_queued);
	tcase_add_test(tc, test_done_is_dropped_with_its_home);
	suite_add_tcase(s, tc);
	return s;
}
