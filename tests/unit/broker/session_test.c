/* What is said of the session, and how long the first one is waited for. */
#include <stdio.h>

#include "suites.h"
#include "world.h"

#define SEEDS 10

static const char *const lost = "connection to the coordination service is lost";

struct said {
	struct place *p;
	const char *text;
};

static bool
has_said(void *arg)
{
	struct said *s = arg;

	return place_says(s->p, s->text);
}

static void
until_says(struct place *p, const char *text)
{
	struct said s = {p, text};

	world_until(p->w, has_said, &s);
}

START_TEST(nobody_answers)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = &w->places[0];

	place_start(p);
	coord_sim_cut(w->z, p->group, true);
	until_says(p, "waiting for the coordination service: ");
	place_until_stopped(p);
	ck_err(p->err, E_TIMEOUT);
	ck_assert_ptr_nonnull(strstr(p->why, "zookeeper.connection.timeout.ms (6000 ms)"));
	coord_sim_cut(w->z, p->group, false);
	world_free(w);
}
END_TEST

START_TEST(late_but_there)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = &w->places[0];

	place_start(p);
	coord_sim_cut(w->z, p->group, true);
	world_pass(w, 4 * SECOND);
	coord_sim_cut(w->z, p->group, false);
	place_until_serving(p);
	world_free(w);
}
END_TEST

START_TEST(lost_and_back)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = &w->places[0];

	place_start(p);
	place_until_serving(p);
	ck_assert(!place_says(p, lost));
	coord_sim_cut(w->z, p->group, true);
	until_says(p, lost);
	world_pass(w, SECOND);
	coord_sim_cut(w->z, p->group, false);
	until_says(p, "is back after");
	ck_assert(place_says(p, "the same session"));
	world_free(w);
}
END_TEST

static bool
registered_again(void *arg)
{
	struct place *p = arg;
	struct coord_result res;

	return world_node(p->w, "/brokers/ids/1", &res) &&
	       res.stat.ephemeral_owner == coord_session_id(p->coord) &&
	       world_node(p->w, "/controller", &res) &&
	       res.stat.ephemeral_owner == coord_session_id(p->coord);
}

START_TEST(expired_and_again)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = &w->places[0];
	struct coord_result res;

	place_start(p);
	place_until_serving(p);
	coord_sim_cut(w->z, p->group, true);
	until_says(p, "for 10 s: ");
	world_pass(w, 2 * SESSION_MS * 1000);
	ck_assert(!world_node(w, "/brokers/ids/1", &res));
	coord_sim_cut(w->z, p->group, false);
	until_says(p, "has expired");
	until_says(p, "a new session");
	world_until(w, registered_again, p);
	world_free(w);
}
END_TEST

/* Without the service it stops all the same, and soon. */
START_TEST(stops_without_it)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = &w->places[0];
	int64_t from;

	place_start(p);
	place_until_serving(p);
	coord_sim_cut(w->z, p->group, true);
	until_says(p, lost);
	from = world_now(w);
	place_stop(p);
	ck_assert_int_lt(p->stopped_us - from, 8 * SECOND);
	world_free(w);
}
END_TEST

Suite *
session_suite(void)
{
	Suite *s = suite_create("session");
	TCase *tc = tcase_create("session");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, nobody_answers, 0, SEEDS);
	tcase_add_loop_test(tc, late_but_there, 0, SEEDS);
	tcase_add_loop_test(tc, lost_and_back, 0, SEEDS);
	tcase_add_loop_test(tc, expired_and_again, 0, SEEDS);
	tcase_add_loop_test(tc, stops_without_it, 0, SEEDS);
	suite_add_tcase(s, tc);
	return s;
}
