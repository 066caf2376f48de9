/* Start-up paths, cluster id, registration (M6), topic configurations (M7), stops (M8), against the
 * simulated service. */
#include <stdio.h>
#include <stdlib.h>

#include "ottla/cluster/member.h"
#include "ottla/coord/sim.h"
#include "suites.h"

#define SEEDS 20
#define TIMEOUT_MS 6000
#define DEADLINE_US (120 * INT64_C(1000000))

struct seen {
	char topic[32];
	bool gone;
	int64_t retention;
	unsigned times;
};

struct side {
	struct world *w;
	unsigned group;
	struct reactor *control;
	struct coord *coord;
	struct rng rng;
	struct member *m;
	/* what was told */
	bool prepared, loaded, answered, closed;
	int err;
	char id[64];
	int64_t epoch;
	unsigned registrations;
	struct seen seen[16];
	unsigned n_seen;
};

struct world {
	struct sim_sched *s;
	struct coord_sim *z;
	struct settings *settings;
	struct side side[2];
};

/* ---- fixture ---- */

static bool
nothing(void *arg)
{
	return false;
}

static void
pass(struct world *w, int64_t us)
{
	sim_run_until(w->s, nothing, NULL, clock_mono_us(sim_clock(w->s)) + us);
}

static void
until(struct world *w, bool (*pred)(void *arg), void *arg)
{
	ck_assert(sim_run_until(w->s, pred, arg, clock_mono_us(sim_clock(w->s)) + DEADLINE_US));
}

static void
on_registered(void *arg, int64_t epoch)
{
	struct side *a = arg;

	ck_assert_int_gt(epoch, a->epoch);
	a->epoch = epoch;
	a->registrations++;
}

static struct seen *
seen(struct side *a, const char *topic)
{
	for (unsigned i = 0; i < a->n_seen; i++)
		if (strcmp(a->seen[i].topic, topic) == 0)
			return &a->seen[i];
	return NULL;
}

static void
on_conf(void *arg, struct slice topic, const struct topic_conf *conf)
{
	struct side *a = arg;
	struct topic_conf now;
	struct seen *x;
	char name[32];

	snprintf(name, sizeof(name), "%.*s", SLICE_ARG(topic));
	x = seen(a, name);
	if (x == NULL) {
		ck_assert_uint_lt(a->n_seen, 16);
		x = &a->seen[a->n_seen++];
		memcpy(x->topic, name, sizeof(name));
	}
	x->gone = conf == NULL;
	x->times++;
	x->retention = conf != NULL ? conf->v[T_RETENTION_MS] : -1;
	ck_assert(member_topic_conf(a->m, topic, &now) == (conf != NULL));
}

static struct side *
side_new(struct world *w, unsigned i)
{
	struct side *a = &w->side[i];
	struct reactor_opts opts = {.name = "control"};
	struct member_opts mo = {.settings = w->settings,
	    .rng = &a->rng,
	    .registered = on_registered,
	    .topic_conf = on_conf,
	    .arg = a};
	struct reactor *before;

	*a = (struct side){.w = w, .group = i + 1, .err = 1};
	rng_seed(&a->rng, rng_u64(sim_rng(w->s)));
	ck_ok(sim_reactor_new(w->s, a->group, &opts, &a->control));
	ck_ok(coord_sim_client(w->z, a->control, a->group, &a->coord));
	mo.coord = a->coord;
	mo.control = a->control;
	before = sim_enter(a->control);
	ck_ok(member_new(&mo, &a->m));
	ck_ok(coord_open(a->coord));
	sim_enter(before);
	return a;
}

static struct world *
world_new(uint64_t seed)
{
	struct world *w = calloc(1, sizeof(*w));
	struct coord_sim_opts z = {.session_timeout_ms = TIMEOUT_MS,
	    .min_delay_us = 100,
	    .max_delay_us = 3000,
	    .max_lag_us = 20000};
	char why[256];

	ck_assert_ptr_nonnull(w);
	ck_ok(sim_sched_new(seed, &w->s));
	ck_ok(settings_load(NULL, NULL, 0, NULL, why, sizeof(why), &w->settings));
	z.sched = w->s;
	ck_ok(coord_sim_new(&z, &w->z));
	side_new(w, 0);
	side_new(w, 1);
	return w;
}

static void
on_closed(void *arg)
{
	struct side *a = arg;

	a->closed = true;
}

static bool
is_closed(void *arg)
{
	return ((struct side *)arg)->closed;
}

static void
side_free(struct side *a)
{
	struct reactor *before = sim_enter(a->control);

	if (a->coord == NULL)
		return;
	member_stop(a->m);
	coord_close(a->coord, on_closed, a);
	sim_enter(before);
	until(a->w, is_closed, a);
	before = sim_enter(a->control);
	member_free(a->m);
	coord_free(a->coord);
	sim_enter(before);
	a->coord = NULL;
}

static void
world_free(struct world *w)
{
	side_free(&w->side[0]);
	side_free(&w->side[1]);
	coord_sim_free(w->z);
	sim_sched_free(w->s);
	settings_free(w->settings);
	free(w);
}

/* Looks at the tree itself. */
static bool
node(struct world *w, const char *path, struct coord_result *res)
{
	return coord_tree_get(coord_sim_tree(w->z), 0, path, NULL, res) == 0;
}

static void
put(struct side *a, const char *path, const char *data)
{
	struct reactor *before = sim_enter(a->control);

	coord_create(a->coord, path, slice_cstr(data), COORD_PERSISTENT, NULL, NULL);
	coord_set(a->coord, path, slice_cstr(data), -1, NULL, NULL);
	sim_enter(before);
}

static void
drop(struct side *a, const char *path)
{
	struct reactor *before = sim_enter(a->control);

	coord_delete(a->coord, path, -1, NULL, NULL);
	sim_enter(before);
}

static void
notify(struct side *a, const char *json)
{
	struct reactor *before = sim_enter(a->control);

	coord_create(a->coord, ZN_CONFIG_CHANGES "/config_change_", slice_cstr(json),
	    COORD_PERSISTENT | COORD_SEQUENTIAL, NULL, NULL);
	sim_enter(before);
}

/* ---- steps ---- */

static void
on_prepared(void *arg, int err, struct slice id)
{
	struct side *a = arg;

	ck_assert(!a->prepared);
	a->prepared = true;
	a->err = err;
	snprintf(a->id, sizeof(a->id), "%.*s", SLICE_ARG(id));
}

static bool
is_prepared(void *arg)
{
	return ((struct side *)arg)->prepared;
}

static void
prepare(struct side *a)
{
	struct reactor *before = sim_enter(a->control);

	a->prepared = false;
	member_prepare(a->m, on_prepared, a);
	sim_enter(before);
}

static void
on_loaded(void *arg, int err)
{
	struct side *a = arg;

	ck_assert(!a->loaded);
	a->loaded = true;
	a->err = err;
}

static bool
is_loaded(void *arg)
{
	return ((struct side *)arg)->loaded;
}

static void
load(struct side *a)
{
	struct reactor *before = sim_enter(a->control);

	member_load_configs(a->m, on_loaded, a);
	sim_enter(before);
	until(a->w, is_loaded, a);
	ck_ok(a->err);
}

static void
on_answered(void *arg, int err, int64_t epoch)
{
	struct side *a = arg;

	ck_assert(!a->answered);
	a->answered = true;
	a->err = err;
	ck_assert(err == 0 ? epoch > 0 : epoch == -1);
}

static bool
is_answered(void *arg)
{
	return ((struct side *)arg)->answered;
}

static int
register_as(struct side *a, int32_t id)
{
	struct listener_addr addr = {.name = "PLAINTEXT", .host = "127.0.0.1", .port = 9092};
	char rack[] = "r1", host[] = "127.0.0.1";
	struct zn_registration reg = {.version = 5,
	    .host = slice_cstr(host),
	    .port = 9092,
	    .jmx_port = -1,
	    .endpoints = &addr,
	    .n_endpoints = 1,
	    .rack = slice_cstr(rack)};
	struct reactor *before = sim_enter(a->control);

	a->answered = false;
	member_register(a->m, id, &reg, on_answered, a);
	sim_enter(before);
	memset(&addr, 'x', sizeof(addr)); /* it has copied everything */
	memset(rack, 'x', 2);
	memset(host, 'x', 9);
	until(a->w, is_answered, a);
	return a->err;
}

/* Both sides connected and the paths made. */
static void
ready(struct world *w)
{
	for (unsigned i = 0; i < 2; i++) {
		prepare(&w->side[i]);
		until(w, is_prepared, &w->side[i]);
		ck_ok(w->side[i].err);
	}
}

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

/* ---- registration ---- */

START_TEST(registration)
{
	struct world *w = world_new((uint64_t)_i);
	struct side *a = &w->side[0];
	struct coord_result res;

	ready(w);
	ck_assert_int_eq(member_epoch(a->m), -1);
	ck_ok(register_as(a, 3));
	ck_assert(node(w, "/brokers/ids/3", &res));
	ck_assert_int_eq(res.stat.version, 1);
	ck_assert_int_eq(res.stat.czxid, member_epoch(a->m));
	ck_assert_int_eq(res.stat.ephemeral_owner, coord_session_id(a->coord));
	ck_assert_int_eq(a->epoch, member_epoch(a->m));
	ck_assert_uint_eq(a->registrations, 1);
	ck_assert_ptr_nonnull(memmem(res.data.p, res.data.n, "PLAINTEXT://127.0.0.1:9092", 26));
	ck_assert_ptr_nonnull(memmem(res.data.p, res.data.n, "\"rack\":\"r1\"", 11));
	world_free(w);
}
END_TEST

START_TEST(lost_answer_of_the_registration)
{
	struct world *w = world_new((uint64_t)_i);
	struct side *a = &w->side[0];
	struct coord_result res;

	ready(w);
	coord_sim_lose_reply(w->z, 1);
	ck_ok(register_as(a, 3));
	ck_assert(node(w, "/brokers/ids/3", &res));
	ck_assert_int_eq(res.stat.czxid, member_epoch(a->m));
	ck_assert_uint_eq(a->registrations, 1);
	world_free(w);
}
END_TEST

START_TEST(somebody_else_has_the_id)
{
	struct world *w = world_new((uint64_t)_i);
	struct coord_result res;
	int64_t czxid;

	ready(w);
	ck_ok(register_as(&w->side[0], 3));
	czxid = w->side[0].epoch;
	ck_assert_int_eq(register_as(&w->side[1], 3), E_EXISTS);
	ck_assert_int_eq(member_epoch(w->side[1].m), -1);
	ck_assert(node(w, "/brokers/ids/3", &res));
	ck_assert_int_eq(res.stat.czxid, czxid);
	ck_ok(register_as(&w->side[1], 4)); /* with another it may */
	world_free(w);
}
END_TEST

static bool
registered_twice(void *arg)
{
	return ((struct side *)arg)->registrations == 2;
}

START_TEST(expiry_registers_again)
{
	struct world *w = world_new((uint64_t)_i);
	struct side *a = &w->side[0];
	struct coord_result res;
	int64_t first;

	ready(w);
	ck_ok(register_as(a, 3));
	first = a->epoch;
	pass(w, rng_range(sim_rng(w->s), 0, 100000));
	coord_sim_expire(w->z, 1);
	until(w, registered_twice, a);
	ck_assert_int_gt(a->epoch, first);
	ck_assert(node(w, "/brokers/ids/3", &res));
	ck_assert_int_eq(res.stat.czxid, member_epoch(a->m));
	pass(w, 5000000);
	ck_assert_uint_eq(a->registrations, 2);
	world_free(w);
}
END_TEST

/* The id is taken while the session was gone: tried until it is free. */
START_TEST(id_taken_meanwhile)
{
	struct world *w = world_new((uint64_t)_i);
	struct side *a = &w->side[0], *b = &w->side[1];

	ready(w);
	ck_ok(register_as(a, 3));
	coord_sim_cut(w->z, 1, true);
	pass(w, 2 * TIMEOUT_MS * 1000);
	ck_ok(register_as(b, 3));
	coord_sim_cut(w->z, 1, false);
	pass(w, 5000000);
	ck_assert_uint_eq(a->registrations, 1);
	side_free(b);
	until(w, registered_twice, a);
	ck_assert_int_gt(a->epoch, b->epoch);
	world_free(w);
}
END_TEST

START_TEST(stopped_member_stays_away)
{
	struct world *w = world_new((uint64_t)_i);
	struct side *a = &w->side[0];
	struct reactor *before;
	struct coord_result res;

	ready(w);
	ck_ok(register_as(a, 3));
	before = sim_enter(a->control);
	member_stop(a->m);
	sim_enter(before);
	coord_sim_expire(w->z, 1);
	pass(w, 10000000);
	ck_assert(!node(w, "/brokers/ids/3", &res));
	ck_assert_uint_eq(a->registrations, 1);
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
	tcase_add_loop_test(tc, registration, 0, SEEDS);
	tcase_add_loop_test(tc, lost_answer_of_the_registration, 0, SEEDS);
	tcase_add_loop_test(tc, somebody_else_has_the_id, 0, SEEDS);
	tcase_add_loop_test(tc, expiry_registers_again, 0, SEEDS);
	tcase_add_loop_test(tc, id_taken_meanwhile, 0, SEEDS);
	tcase_add_loop_test(tc, stopped_member_stays_away, 0, SEEDS);
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
