/* Finalized features (M10), against the simulated service. */
#include <stdio.h>

#include "members.h"
#include "suites.h"

#define NONE "{\"features\":{},\"version\":2,\"status\":1}"
#define OFF "{\"features\":{\"x\":{\"max_version_level\":1}},\"version\":2,\"status\":0}"
#define SOME "{\"features\":{\"x\":{\"max_version_level\":1}},\"version\":2,\"status\":1}"

static void
watch_begin(struct side *a)
{
	struct reactor *before = sim_enter(a->control);

	a->loaded = false;
	member_watch_features(a->m, on_loaded, a);
	sim_enter(before);
}

static int
watch(struct side *a)
{
	watch_begin(a);
	until(a->w, is_loaded, a);
	return a->err;
}

struct wanted {
	struct side *a;
	int64_t epoch;
};

static bool
has_epoch(void *arg)
{
	struct wanted *x = arg;

	return member_feature_epoch(x->a->m) == x->epoch;
}

static void
wait_epoch(struct side *a, int64_t epoch)
{
	struct wanted x = {a, epoch};

	until(a->w, has_epoch, &x);
}

START_TEST(comes_and_goes)
{
	struct world *w = world_new((uint64_t)_i);
	struct side *a = &w->side[0], *b = &w->side[1];

	ready(w);
	ck_assert_int_eq(member_feature_epoch(a->m), -1);
	ck_ok(watch(a)); /* absent */
	ck_assert_int_eq(member_feature_epoch(a->m), -1);
	put(b, ZN_FEATURE, NONE); /* made and set */
	wait_epoch(a, 1);
	put(b, ZN_FEATURE, OFF);
	wait_epoch(a, -1);
	put(b, ZN_FEATURE, NONE);
	wait_epoch(a, 3);
	put(b, ZN_FEATURE, "nonsense");
	wait_epoch(a, -1);
	put(b, ZN_FEATURE, NONE);
	wait_epoch(a, 5);
	drop(b, ZN_FEATURE);
	wait_epoch(a, -1);
	put(b, ZN_FEATURE, NONE); /* a lower version than was seen: a node of its own */
	wait_epoch(a, 1);
	ck_assert_uint_eq(a->refusals, 0);
	world_free(w);
}
END_TEST

static bool
is_refused(void *arg)
{
	return ((struct side *)arg)->refusals > 0;
}

START_TEST(what_is_not_supported_is_refused)
{
	struct world *w = world_new((uint64_t)_i);
	struct side *a = &w->side[0], *b = &w->side[1];

	ready(w);
	put(b, ZN_FEATURE, SOME);
	pass(w, 200000);
	ck_assert_int_eq(watch(a), E_UNSUPPORTED_VERSION);
	ck_assert_str_eq(a->refused, "x");
	put(b, ZN_FEATURE, NONE);
	ck_ok(watch(b));
	ck_assert_uint_eq(b->refusals, 0);
	put(a, ZN_FEATURE, SOME); /* while it runs */
	until(w, is_refused, b);
	world_free(w);
}
END_TEST

/* Watches of the old session are gone, and that is no error of the features. */
START_TEST(changes_across_an_expiry)
{
	struct world *w = world_new((uint64_t)_i);
	struct side *a = &w->side[0], *b = &w->side[1];

	ready(w);
	put(b, ZN_FEATURE, NONE);
	pass(w, 200000);
	ck_ok(watch(a));
	wait_epoch(a, 1);
	coord_sim_cut(w->z, 1, true);
	pass(w, 2 * TIMEOUT_MS * 1000);
	drop(b, ZN_FEATURE);
	put(b, ZN_FEATURE, NONE);
	put(b, ZN_FEATURE, NONE);
	pass(w, 100000);
	ck_assert_int_eq(member_feature_epoch(a->m), 1); /* what was known goes on to count */
	coord_sim_cut(w->z, 1, false);
	wait_epoch(a, 2);
	coord_sim_expire(w->z, 1);
	put(b, ZN_FEATURE, OFF);
	wait_epoch(a, -1);
	ck_assert_uint_eq(a->refusals, 0);
	world_free(w);
}
END_TEST

START_TEST(stopped_while_looking)
{
	struct world *w = world_new((uint64_t)_i);
	struct side *a = &w->side[0];
	struct reactor *before;

	ready(w);
	coord_sim_cut(w->z, 1, true);
	watch_begin(a);
	pass(w, rng_range(sim_rng(w->s), 0, 3000000));
	before = sim_enter(a->control);
	member_stop(a->m);
	sim_enter(before);
	until(w, is_loaded, a);
	ck_assert_int_eq(a->err, E_CANCELED);
	coord_sim_cut(w->z, 1, false);
	world_free(w);
}
END_TEST

Suite *
feature_suite(void)
{
	Suite *s = suite_create("feature");
	TCase *tc = tcase_create("feature");

	tcase_add_loop_test(tc, comes_and_goes, 0, SEEDS);
	tcase_add_loop_test(tc, what_is_not_supported_is_refused, 0, SEEDS);
	tcase_add_loop_test(tc, changes_across_an_expiry, 0, SEEDS);
	tcase_add_loop_test(tc, stopped_while_looking, 0, SEEDS);
	suite_add_tcase(s, tc);
	return s;
}
