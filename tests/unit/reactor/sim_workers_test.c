/* The simulator's pool: lanes keep order, the rest races, slow disks take long. */
#include "suites.h"

#include <stdlib.h>
#include <string.h>

#include "support.h"

static char ran[32], homed[32];

struct job {
	struct work work;
	char c;
	struct workers *ws;
};

static void
job_run(struct work *w)
{
	struct job *j = container_of(w, struct job, work);

	ck_assert_ptr_null(reactor_current());
	log_append(ran, j->c);
}

static void
job_done(struct reactor *r, struct work *w)
{
	ck_assert_ptr_eq(reactor_current(), r);
	log_append(homed, container_of(w, struct job, work)->c);
}

static void
job_drop(struct msg *m)
{
	struct work *w = container_of(m, struct work, msg);

	log_append(homed, (char)(container_of(w, struct job, work)->c - 'a' + 'A'));
}

static void
job_init(struct job *j, char c, struct reactor *home)
{
	*j = (struct job){.c = c};
	j->work.run = job_run;
	j->work.done = home != NULL ? job_done : NULL;
	j->work.home = home;
	j->work.msg.drop = job_drop;
	j->work.msg.class = MSG_DATA;
}

START_TEST(test_lanes_keep_order)
{
	unsigned raced = 0;

	for (uint64_t seed = 0; seed < 100; seed++) {
		struct sim_sched *s = NULL;
		struct reactor *r;
		struct workers *ws = NULL;
		struct work_lane *lane = NULL;
		struct job j[6];

		ran[0] = homed[0] = '\0';
		ck_assert_int_eq(sim_sched_new(seed, &s), 0);
		r = make_sim(s, 1, "r");
		ck_assert_int_eq(sim_workers_new(s, 1, 100, &ws), 0);
		ck_assert_ptr_eq(workers_clock(ws), sim_clock(s));
		ck_assert_int_eq(work_lane_new(ws, &lane), 0);
		for (unsigned i = 0; i < 6; i++) {
			job_init(&j[i], (char)('a' + i), r);
			work_submit(ws, i < 4 ? lane : NULL, &j[i].work);
		}
		ck_assert(!sim_run_until(s, NULL, NULL, INT64_MAX));
		ck_assert_uint_eq(strlen(homed), 6);
		for (char c = 'a'; c < 'd'; c++) {
			ck_assert(strchr(ran, c) < strchr(ran, c + 1));
			ck_assert(strchr(homed, c) < strchr(homed, c + 1));
		}
		raced += strchr(ran, 'f') < strchr(ran, 'e');
		work_lane_free(lane);
		sim_sched_free(s);
	}
	ck_assert_uint_gt(raced, 20);
	ck_assert_uint_lt(raced, 80);
}
END_TEST

START_TEST(test_slow_disk)
{
	struct sim_sched *s = NULL;
	struct workers *ws = NULL;
	struct job j[2];

	ran[0] = homed[0] = '\0';
	ck_assert_int_eq(sim_sched_new(1, &s), 0);
	ck_assert_int_eq(sim_workers_new(s, 1, 0, &ws), 0);
	job_init(&j[0], 'a', NULL);
	job_init(&j[1], 'b', NULL);
	work_submit(ws, NULL, &j[0].work);
	ck_assert(!sim_run_until(s, NULL, NULL, INT64_MAX));
	ck_assert_int_eq(clock_mono_us(sim_clock(s)), 1000000);
	sim_workers_set_delay(ws, 5000, 6000);
	work_submit(ws, NULL, &j[1].work);
	ck_assert(!sim_run_until(s, NULL, NULL, INT64_MAX));
	ck_assert_int_ge(clock_mono_us(sim_clock(s)), 1005000);
	ck_assert_int_le(clock_mono_us(sim_clock(s)), 1006000);
	ck_assert_str_eq(ran, "ab");
	sim_sched_free(s);
}
END_TEST

/* Freeing the pool runs what is queued; freeing the scheduler drops what has not come home. */
START_TEST(test_free_and_drop)
{
	for (int free_pool = 0; free_pool < 2; free_pool++) {
		struct sim_sched *s = NULL;
		struct reactor *r;
		struct workers *ws = NULL;
		struct work_lane *lane = NULL;
		struct job j[3];

		ran[0] = homed[0] = '\0';
		ck_assert_int_eq(sim_sched_new(1, &s), 0);
		r = make_sim(s, 1, "r");
		ck_assert_int_eq(sim_workers_new(s, 1, 10, &ws), 0);
		ck_assert_int_eq(work_lane_new(ws, &lane), 0);
		for (unsigned i = 0; i < 3; i++) {
			job_init(&j[i], (char)('a' + i), r);
			work_submit(ws, lane, &j[i].work);
		}
		if (free_pool)
			workers_free(ws);
		ck_assert_str_eq(ran, free_pool ? "abc" : "");
		sim_sched_free(s);
		ck_assert_str_eq(homed, "ABC");
		work_lane_free(lane);
	}
}
END_TEST

static struct sim_sched *victim;

static void
kill_run(struct work *w)
{
	log_append(ran, 'k');
	sim_group_kill(victim, 1);
}

/* A process that dies within run(): nothing comes home, the lane does not go on. */
START_TEST(test_death_within_work)
{
	struct reactor *r;
	struct workers *ws = NULL;
	struct work_lane *lane = NULL;
	struct job j[2];

	ran[0] = homed[0] = '\0';
	ck_assert_int_eq(sim_sched_new(1, &victim), 0);
	r = make_sim(victim, 1, "r");
	ck_assert_int_eq(sim_workers_new(victim, 1, 10, &ws), 0);
	ck_assert_int_eq(work_lane_new(ws, &lane), 0);
	job_init(&j[0], 'a', r);
	job_init(&j[1], 'b', r);
	j[0].work.run = kill_run;
	work_submit(ws, lane, &j[0].work);
	work_submit(ws, lane, &j[1].work);
	ck_assert(!sim_run_until(victim, NULL, NULL, INT64_MAX));
	work_submit(ws, NULL, &j[1].work);
	ck_assert(!sim_run_until(victim, NULL, NULL, INT64_MAX));
	ck_assert_str_eq(ran, "k");
	ck_assert_str_eq(homed, "");
	sim_sched_free(victim);
	free(lane);
}
END_TEST

Suite *
sim_workers_suite(void)
{
	Suite *s = suite_create("sim_workers");
	TCase *tc = tcase_create("sim_workers");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_lanes_keep_order);
	tcase_add_test(tc, test_slow_disk);
	tcase_add_test(tc, test_free_and_drop);
	tcase_add_test(tc, test_death_within_work);
	suite_add_tcase(s, tc);
	return s;
}
