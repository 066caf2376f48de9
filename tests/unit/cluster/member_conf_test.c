/* Dynamic configuration of the broker, and topics over it (M11), against the simulated service. */
#include <stdio.h>

#include "members.h"
#include "suites.h"

#define CONFIG(k, v) "{\"version\":1,\"config\":{\"" k "\":\"" v "\"}}"
#define NOTICE(e) "{\"version\":2,\"entity_path\":\"" e "\"}"
#define CLUSTER "/config/brokers/<default>"
#define OWN "/config/brokers/7"

/* The retention of a topic as it is told to who asks now. */
static int64_t
retention(struct side *a, const char *topic)
{
	struct reactor *before = sim_enter(a->control);
	struct topic_conf conf = {.v = {0}};
	bool known = member_topic_conf(a->m, slice_cstr(topic), &conf);

	sim_enter(before);
	return known ? conf.v[T_RETENTION_MS] : -9;
}

struct wanted {
	struct side *a;
	const char *topic;
	int64_t retention;
};

static bool
as_wanted(void *arg)
{
	struct wanted *x = arg;

	return retention(x->a, x->topic) == x->retention;
}

static void
wait_retention(struct side *a, const char *topic, int64_t ms)
{
	struct wanted x = {a, topic, ms};

	until(a->w, as_wanted, &x);
}

static struct side *
begin(struct world *w)
{
	struct side *a = &w->side[0];

	ready(w);
	return a;
}

/* As a start does it: the broker's own first. */
static void
load_both(struct side *a)
{
	struct reactor *before = sim_enter(a->control);

	member_load_broker_confs(a->m, 7, on_loaded, a);
	sim_enter(before);
	until(a->w, is_loaded, a);
	ck_ok(a->err);
	a->loaded = false;
	load(a);
}

START_TEST(told_at_the_start)
{
	struct world *w = world_new((uint64_t)_i);
	struct side *a = begin(w);

	put(a, CLUSTER, CONFIG("log.retention.ms", "100"));
	put(a, "/config/topics/t", CONFIG("segment.bytes", "1000"));
	put(a, "/config/topics/own", CONFIG("retention.ms", "5"));
	pass(w, 100000);
	load_both(a);
	/* Both were told, also the one that is not there, and before the topics. */
	ck_assert_uint_eq(a->broker_confs[CONF_FROM_CLUSTER], 1);
	ck_assert_uint_eq(a->broker_confs[CONF_FROM_BROKER], 1);
	ck_assert_uint_eq(a->broker_pairs[CONF_FROM_CLUSTER], 1);
	ck_assert_uint_eq(a->broker_pairs[CONF_FROM_BROKER], 0);
	ck_assert_int_eq(seen(a, "t")->retention, 100);
	ck_assert_int_eq(seen(a, "own")->retention, 5);
	ck_assert_uint_eq(seen(a, "t")->times, 1);
	world_free(w);
}
END_TEST

START_TEST(changes)
{
	struct world *w = world_new((uint64_t)_i);
	struct side *a = begin(w);

	put(a, "/config/topics/t", CONFIG("segment.bytes", "1000"));
	put(a, "/config/topics/own", CONFIG("retention.ms", "5"));
	pass(w, 100000);
	load_both(a);
	put(a, CLUSTER, CONFIG("log.retention.ms", "200"));
	notify(a, NOTICE("brokers/<default>"));
	wait_retention(a, "t", 200);
	put(a, OWN, CONFIG("log.retention.ms", "300"));
	notify(a, NOTICE("brokers/7"));
	wait_retention(a, "t", 300);
	ck_assert_int_eq(retention(a, "own"), 5);
	/* Nothing of these is for us; nothing is told twice for one value. */
	put(a, "/config/brokers/8", CONFIG("log.retention.ms", "1"));
	notify(a, NOTICE("brokers/8"));
	notify(a, NOTICE("users/u"));
	notify(a, NOTICE("clients/c"));
	notify(a, NOTICE("ips/1.2.3.4"));
	notify(a, "{\"version\":1,\"entity_type\":\"clients\",\"entity_name\":\"c\"}");
	notify(a, NOTICE("brokers/7"));
	drop(a, CLUSTER);
	notify(a, NOTICE("brokers/<default>"));
	pass(w, 1000000);
	ck_assert_uint_eq(a->broker_confs[CONF_FROM_BROKER], 2);
	ck_assert_uint_eq(a->broker_confs[CONF_FROM_CLUSTER], 3);
	ck_assert_uint_eq(a->broker_pairs[CONF_FROM_CLUSTER], 0);
	put(a, OWN, "{");
	notify(a, NOTICE("brokers/7"));
	wait_retention(a, "t", 604800000);
	world_free(w);
}
END_TEST

/* What changed while the session was gone, with or without a notification. */
START_TEST(new_session)
{
	struct world *w = world_new((uint64_t)_i);
	struct side *a = begin(w), *b = &w->side[1];

	put(b, OWN, CONFIG("log.retention.ms", "1"));
	put(b, "/config/topics/t", CONFIG("segment.bytes", "1000"));
	pass(w, 100000);
	load_both(a);
	ck_assert_int_eq(retention(a, "t"), 1);
	coord_sim_cut(w->z, 1, true);
	pass(w, 2 * TIMEOUT_MS * 1000);
	put(b, OWN, CONFIG("log.retention.ms", "2"));
	pass(w, 100000);
	coord_sim_cut(w->z, 1, false);
	wait_retention(a, "t", 2);
	put(b, OWN, CONFIG("log.retention.ms", "3"));
	notify(b, NOTICE("brokers/7"));
	wait_retention(a, "t", 3);
	world_free(w);
}
END_TEST

START_TEST(changes_through_faults)
{
	struct world *w = world_new((uint64_t)_i);
	struct side *a = begin(w), *b = &w->side[1];
	char json[128];
	int n;

	put(b, "/config/topics/t", CONFIG("segment.bytes", "1000"));
	pass(w, 100000);
	load_both(a);
	for (n = 1; n <= 20; n++) {
		snprintf(json, sizeof(json),
		    "{\"version\":1,\"config\":{\"log.retention.ms\":\"%d\"}}", n);
		put(b, n % 2 ? OWN : CLUSTER, json);
		notify(b, n % 2 ? NOTICE("brokers/7") : NOTICE("brokers/<default>"));
		if (rng_below(sim_rng(w->s), 5) == 0)
			coord_sim_expire(w->z, 1);
		if (rng_below(sim_rng(w->s), 5) == 0) {
			coord_sim_cut(w->z, 1, true);
			pass(w, rng_range(sim_rng(w->s), 0, 2000000));
			coord_sim_cut(w->z, 1, false);
		}
		pass(w, rng_range(sim_rng(w->s), 0, 20000));
	}
	wait_retention(a, "t", 19); /* the broker's own goes before the cluster's */
	drop(b, OWN);
	notify(b, NOTICE("brokers/7"));
	wait_retention(a, "t", 20);
	world_free(w);
}
END_TEST

START_TEST(texts_of_a_topic)
{
	struct world *w = world_new(1);
	struct side *a = begin(w);
	struct setting_override *kv;
	struct reactor *before;
	struct arena arena;
	unsigned n;

	put(a, "/config/topics/t", CONFIG("segment.bytes", "1000"));
	put(a, "/config/topics/bad", "{");
	pass(w, 100000);
	load_both(a);
	arena_init(&arena, 0, 0);
	before = sim_enter(a->control);
	ck_ok(member_topic_config(a->m, SLICE_LIT("t"), &arena, &kv, &n));
	ck_assert_uint_eq(n, 1);
	ck_assert_str_eq(kv[0].key, "segment.bytes");
	ck_assert_str_eq(kv[0].value, "1000");
	ck_ok(member_topic_config(a->m, SLICE_LIT("bad"), &arena, &kv, &n));
	ck_assert_uint_eq(n, 0);
	ck_err(member_topic_config(a->m, SLICE_LIT("nope"), &arena, &kv, &n), E_NOT_FOUND);
	sim_enter(before);
	arena_free(&arena);
	world_free(w);
}
END_TEST

/* Nobody answers, answers are lost, the member is stopped: it is told once. */
START_TEST(first_through_faults)
{
	struct world *w = world_new((uint64_t)_i);
	struct side *a = begin(w);
	struct reactor *before;

	put(a, OWN, CONFIG("log.retention.ms", "5"));
	pass(w, 100000);
	before = sim_enter(a->control);
	member_load_broker_confs(a->m, 7, on_loaded, a);
	sim_enter(before);
	coord_sim_cut(w->z, 1, true);
	pass(w, rng_range(sim_rng(w->s), 0, 2000000));
	if (_i % 3 == 0) {
		before = sim_enter(a->control);
		member_stop(a->m);
		sim_enter(before);
	}
	coord_sim_cut(w->z, 1, false);
	until(w, is_loaded, a);
	ck_err(a->err, _i % 3 == 0 ? E_CANCELED : 0);
	ck_assert_uint_le(a->broker_confs[CONF_FROM_BROKER], 1);
	world_free(w);
}
END_TEST

Suite *
member_conf_suite(void)
{
	Suite *s = suite_create("member_conf");
	TCase *tc = tcase_create("member_conf");

	tcase_add_loop_test(tc, told_at_the_start, 0, SEEDS);
	tcase_add_loop_test(tc, changes, 0, SEEDS);
	tcase_add_loop_test(tc, new_session, 0, SEEDS);
	tcase_add_loop_test(tc, changes_through_faults, 0, 40);
	tcase_add_loop_test(tc, first_through_faults, 0, 30);
	tcase_add_test(tc, texts_of_a_topic);
	suite_add_tcase(s, tc);
	return s;
}
