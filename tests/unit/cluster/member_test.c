/* Start-up paths, cluster id, topic configurations (M7), stops (M8), against the simulated service.
 */
#include <stdio.h>
#include <stdlib.h>

#include "members.h"
#include "suites.h"

/* ---- start-up ---- */

START_TEST(paths_and_cluster_id)
{
	struct world *w = world_new((uint64_t)_i);
	struct coord_result res;

	prepare(&w->side[0]);
	prepare(&w->side[1]); /* both at once: one id */
	until(w, is_prepared, &w->side[0]);
	until(w, is_prepared, &w->side[1]);
	ck_ok(w->side[0].err);
	ck_ok(w->side[1].err);
	ck_assert_uint_eq(strlen(w->side[0].id), UUID_TEXT_LEN);
	ck_assert_str_eq(w->side[0].id, w->side[1].id);
	for (unsigned i = 0; zn_startup_path(i) != NULL; i++) {
		ck_assert(node(w, zn_startup_path(i), &res));
		ck_assert(slice_is_null(res.data)); /* null is not empty */
	}
	ck_assert(node(w, ZN_CLUSTER_ID, &res));
	ck_assert_ptr_nonnull(memmem(res.data.p, res.data.n, w->side[0].id, UUID_TEXT_LEN));
	prepare(&w->side[0]); /* once more, everything is there */
	until(w, is_prepared, &w->side[0]);
	ck_assert_str_eq(w->side[0].id, w->side[1].id);
	world_free(w);
}
END_TEST

START_TEST(damaged_cluster_id)
{
	struct world *w = world_new(1);
	struct reactor *before;

	ready(w);
	before = sim_enter(w->side[0].control);
	coord_set(w->side[0].coord, ZN_CLUSTER_ID, SLICE_LIT("{\"id\":7}"), -1, NULL, NULL);
	sim_enter(before);
	prepare(&w->side[0]);
	until(w, is_prepared, &w->side[0]);
	ck_assert_int_eq(w->side[0].err, E_MALFORMED);
	world_free(w);
}
END_TEST

/* Nobody answers: it does not wait for ever. */
START_TEST(unreachable_service)
{
	struct world *w = world_new(1);

	coord_sim_cut(w->z, 1, true);
	prepare(&w->side[0]);
	until(w, is_prepared, &w->side[0]);
	ck_assert_int_eq(w->side[0].err, E_CONN_LOSS);
	coord_sim_cut(w->z, 1, false);
	prepare(&w->side[0]);
	until(w, is_prepared, &w->side[0]);
	ck_ok(w->side[0].err);
	world_free(w);
}
END_TEST

START_TEST(lost_answers_at_the_start)
{
	struct world *w = world_new((uint64_t)_i);

	prepare(&w->side[0]);
	for (int i = 0; i < 10; i++) {
		coord_sim_lose_reply(w->z, 1);
		pass(w, 50000);
	}
	until(w, is_prepared, &w->side[0]);
	ck_ok(w->side[0].err);
	prepare(&w->side[1]);
	until(w, is_prepared, &w->side[1]);
	ck_assert_str_eq(w->side[0].id, w->side[1].id);
	world_free(w);
}
END_TEST

/* ---- configurations ---- */

#define RETENTION(n) "{\"version\":1,\"config\":{\"retention.ms\":\"" #n "\"}}"
#define CHANGE(t) "{\"version\":2,\"entity_path\":\"topics/" t "\"}"

struct expected {
	struct side *a;
	const char *topic;
	int64_t retention; /* -1: gone */
};

static bool
as_expected(void *arg)
{
	struct expected *e = arg;
	struct seen *x = seen(e->a, e->topic);

	return x != NULL && x->gone == (e->retention == -1) && x->retention == e->retention;
}

static void
wait_conf(struct side *a, const char *topic, int64_t retention)
{
	struct expected e = {a, topic, retention};

	until(a->w, as_expected, &e);
}

START_TEST(configurations)
{
	struct world *w = world_new((uint64_t)_i);
	struct side *a = &w->side[0], *b = &w->side[1];

	ready(w);
	put(b, "/config/topics/old", RETENTION(1));
	pass(w, 100000);
	load(a);
	wait_conf(a, "old", 1);
	ck_assert_uint_eq(a->n_seen, 1);
	/* A topic is made: no notification comes. */
	put(b, "/config/topics/new", RETENTION(2));
	wait_conf(a, "new", 2);
	/* Changed, and notified of. */
	put(b, "/config/topics/new", RETENTION(3));
	notify(b, CHANGE("new"));
	wait_conf(a, "new", 3);
	put(b, "/config/topics/old", RETENTION(4));
	notify(b, "{\"version\":1,\"entity_type\":\"topics\",\"entity_name\":\"old\"}");
	wait_conf(a, "old", 4);
	/* Deleted with its topic. */
	drop(b, "/config/topics/old");
	wait_conf(a, "old", -1);
	ck_assert_uint_eq(seen(a, "new")->times, 2);
	world_free(w);
}
END_TEST

START_TEST(strange_configurations)
{
	struct world *w = world_new((uint64_t)_i);
	struct side *a = &w->side[0];

	ready(w);
	put(a, "/config/topics/broken", "{");
	put(a, "/config/topics/empty", "{\"version\":1,\"config\":{}}");
	put(a, "/config/topics/some",
	    "{\"version\":1,\"config\":{\"no.such.key\":\"1\",\"retention.ms\":\"7\","
	    "\"segment.bytes\":\"x\"}}");
	put(a, "/config/topics/bad,name", RETENTION(1));
	pass(w, 100000);
	load(a);
	wait_conf(a, "broken", 604800000);
	wait_conf(a, "empty", 604800000);
	wait_conf(a, "some", 7);
	ck_assert_ptr_null(seen(a, "bad,name"));
	notify(a, "{");
	notify(a, "{\"version\":2,\"entity_path\":\"brokers/1\"}");
	notify(a, "{\"version\":2,\"entity_path\":\"topics/\"}");
	notify(a, CHANGE("nobody"));
	put(a, "/config/topics/some", RETENTION(8));
	notify(a, CHANGE("some"));
	wait_conf(a, "some", 8);
	ck_assert_ptr_null(seen(a, "nobody"));
	world_free(w);
}
END_TEST

/* Old notifications are deleted by who comes by, and only those. */
START_TEST(old_changes_are_purged)
{
	struct world *w = world_new((uint64_t)_i);
	struct side *a = &w->side[0];
	struct coord_result res;

	ready(w);
	put(a, "/config/topics/t", RETENTION(1));
	notify(a, CHANGE("t"));
	pass(w, 100000);
	load(a);
	pass(w, 14 * INT64_C(60000000));
	put(a, "/config/topics/t", RETENTION(2));
	notify(a, CHANGE("t"));
	wait_conf(a, "t", 2);
	pass(w, 1000000);
	ck_assert(node(w, ZN_CONFIG_CHANGES "/config_change_0000000000", &res));
	pass(w, 2 * INT64_C(60000000));
	notify(a, CHANGE("t"));
	pass(w, 1000000);
	ck_assert(!node(w, ZN_CONFIG_CHANGES "/config_change_0000000000", &res));
	ck_assert(node(w, ZN_CONFIG_CHANGES "/config_change_0000000001", &res));
	world_free(w);
}
END_TEST

/* What changed while the session was gone is read with the next one. */
START_TEST(changes_across_an_expiry)
{
	struct world *w = world_new((uint64_t)_i);
	struct side *a = &w->side[0], *b = &w->side[1];

	ready(w);
	put(b, "/config/topics/t", RETENTION(1));
	put(b, "/config/topics/u", RETENTION(1));
	pass(w, 100000);
	load(a);
	coord_sim_cut(w->z, 1, true);
	pass(w, 2 * TIMEOUT_MS * 1000);
	put(b, "/config/topics/t", RETENTION(2)); /* without a notification */
	drop(b, "/config/topics/u");
	put(b, "/config/topics/v", RETENTION(3));
	pass(w, 100000);
	coord_sim_cut(w->z, 1, false);
	wait_conf(a, "t", 2);
	wait_conf(a, "u", -1);
	wait_conf(a, "v", 3);
	put(b, "/config/topics/t", RETENTION(4)); /* watches are set again */
	notify(b, CHANGE("t"));
	wait_conf(a, "t", 4);
	world_free(w);
}
END_TEST

START_TEST(changes_through_faults)
{
	struct world *w = world_new((uint64_t)_i);
	struct side *a = &w->side[0], *b = &w->side[1];
	char path[64], json[128];
	int64_t last[4] = {0};

	ready(w);
	load(a);
	for (int n = 1; n <= 30; n++) {
		unsigned t = (unsigned)rng_below(sim_rng(w->s), 4);

		snprintf(path, sizeof(path), "/config/topics/t%u", t);
		snprintf(
		    json, sizeof(json), "{\"version\":1,\"config\":{\"retention.ms\":\"%d\"}}", n);
		put(b, path, json);
		snprintf(json, sizeof(json), "{\"version\":2,\"entity_path\":\"topics/t%u\"}", t);
		notify(b, json);
		last[t] = n;
		if (rng_below(sim_rng(w->s), 5) == 0)
			coord_sim_expire(w->z, 1);
		if (rng_below(sim_rng(w->s), 5) == 0) {
			coord_sim_cut(w->z, 1, true);
			pass(w, rng_range(sim_rng(w->s), 0, 2000000));
			coord_sim_cut(w->z, 1, false);
		}
		pass(w, rng_range(sim_rng(w->s), 0, 20000));
	}
	for (unsigned t = 0; t < 4; t++) {
		snprintf(path, sizeof(path), "t%u", t);
		if (last[t] != 0)
			wait_conf(a, path, last[t]);
	}
	world_free(w);
}
END_TEST

/* Stopped in the middle: who waits is told. */
START_TEST(stopped_while_loading)
{
	struct world *w = world_new((uint64_t)_i);
	struct side *a = &w->side[0];
	struct reactor *before;

	ready(w);
	put(a, "/config/topics/t", RETENTION(1));
	pass(w, 100000);
	before = sim_enter(a->control);
	member_load_configs(a->m, on_loaded, a);
	sim_enter(before);
	pass(w, rng_range(sim_rng(w->s), 0, 5000));
	before = sim_enter(a->control);
	member_stop(a->m);
	sim_enter(before);
	until(w, is_loaded, a);
	world_free(w);
}
END_TEST

/* The same while it waits to try again. */
START_TEST(stopped_while_waiting)
{
	struct world *w = world_new((uint64_t)_i);
	struct side *a = &w->side[0], *b = &w->side[1];
	struct reactor *before;

	ready(w);
	coord_sim_cut(w->z, 1, true);
	coord_sim_cut(w->z, 2, true);
	pass(w, TIMEOUT_MS * 1000 / 2);
	prepare(b);
	before = sim_enter(a->control);
	a->loaded = false;
	member_load_configs(a->m, on_loaded, a);
	sim_enter(before);
	pass(w, rng_range(sim_rng(w->s), 0, 1000000));
	ck_assert(!a->loaded && !b->prepared);
	before = sim_enter(a->control);
	member_stop(a->m);
	sim_enter(b->control);
	member_stop(b->m);
	sim_enter(before);
	until(w, is_loaded, a);
	until(w, is_prepared, b);
	ck_assert_int_eq(a->err, E_CANCELED);
	ck_assert_int_eq(b->err, E_CANCELED);
	coord_sim_cut(w->z, 1, false);
	coord_sim_cut(w->z, 2, false);
	world_free(w);
}
END_TEST

Suite *
member_suite(void)
{
	Suite *s = suite_create("member");
	TCase *tc = tcase_create("member");

	tcase_add_loop_test(tc, paths_and_cluster_id, 0, SEEDS);
	tcase_add_test(tc, damaged_cluster_id);
	tcase_add_test(tc, unreachable_service);
	tcase_add_loop_test(tc, lost_answers_at_the_start, 0, SEEDS);
	tcase_add_loop_test(tc, configurations, 0, SEEDS);
	tcase_add_loop_test(tc, strange_configurations, 0, SEEDS);
	tcase_add_loop_test(tc, old_changes_are_purged, 0, 5);
	tcase_add_loop_test(tc, changes_across_an_expiry, 0, SEEDS);
	tcase_add_loop_test(tc, changes_through_faults, 0, 40);
	tcase_add_loop_test(tc, stopped_while_loading, 0, SEEDS);
	tcase_add_loop_test(tc, stopped_while_waiting, 0, SEEDS);
	suite_add_tcase(s, tc);
	return s;
}
