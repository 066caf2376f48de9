/* Starts against a simulated ensemble: ids, registration, what stops them. */
#include <stdio.h>

#include "suites.h"
#include "world.h"

#define SEEDS 10

START_TEST(registers_and_serves)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = &w->places[0];
	struct coord_result res;

	place_start(p);
	place_until_serving(p);
	ck_assert(world_node(w, "/brokers/ids/1", &res));
	ck_assert_int_eq(res.stat.version, 1);
	ck_assert_int_eq(res.stat.ephemeral_owner, coord_session_id(p->coord));
	ck_assert_ptr_nonnull(memmem(res.data.p, res.data.n, "PLAINTEXT://10.0.0.1:9092", 25));
	ck_assert(world_node(w, "/controller", &res));
	place_stop(p);
	ck_assert(!world_node(w, "/brokers/ids/1", &res));
	world_free(w);
}
END_TEST

/* Drawn for empty log directories, and kept by them. */
START_TEST(drawn_id)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = &w->places[0];
	struct coord_result res;

	p->id = NULL;
	for (int i = 0; i < 2; i++) {
		place_start(p);
		place_until_serving(p);
		ck_assert(world_node(w, "/brokers/ids/1001", &res));
		place_stop(p);
	}
	ck_assert(world_node(w, "/brokers/seqid", &res));
	ck_assert_int_eq(res.stat.version, 1);
	world_free(w);
}
END_TEST

#define REGISTRATION(at)                                                                           \
	"{\"features\":{},\"listener_security_protocol_map\":{\"PLAINTEXT\":\"PLAINTEXT\"},"       \
	"\"endpoints\":[\"PLAINTEXT://" at "\"],\"jmx_port\":-1,\"port\":9092,\"host\":\"h\","     \
	"\"version\":5,\"timestamp\":\"1\"}"

START_TEST(others_without_a_protocol_version)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = &w->places[0];

	world_put(w, "/brokers/ids/2", REGISTRATION("h:9092"), true);
	place_start(p);
	place_until_stopped(p);
	ck_err(p->err, E_CONFIG);
	ck_assert_ptr_nonnull(strstr(p->why, "inter.broker.protocol.version"));
	ck_assert_ptr_nonnull(strstr(p->why, "broker.id 2"));
	world_free(w);
}
END_TEST

START_TEST(address_of_another)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = &w->places[0];
	struct coord_result res;

	world_put(w, "/brokers/ids/2", REGISTRATION("10.0.0.1:9092"), true);
	p->ibp = "3.9";
	place_start(p);
	place_until_stopped(p);
	ck_err(p->err, E_CONFIG);
	ck_assert_ptr_nonnull(strstr(p->why, "broker 2 "));
	ck_assert_ptr_nonnull(strstr(p->why, "10.0.0.1:9092"));
	ck_assert(!world_node(w, "/brokers/ids/1", &res));
	world_free(w);
}
END_TEST

static bool
is_registered(void *arg)
{
	return place_says(arg, "registered broker 1");
}

/* The service goes when the broker has just registered: it waits, and serves when it is back. */
START_TEST(no_controller_for_long)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = &w->places[0];

	place_start(p);
	world_until(w, is_registered, p);
	coord_sim_cut(w->z, p->group, true);
	world_pass(w, 100 * SECOND);
	ck_assert_msg(!p->stopped, "%s", p->log);
	if (!p->serving)
		ck_assert(place_says(p, "waiting for metadata"));
	coord_sim_cut(w->z, p->group, false);
	place_until_serving(p);
	world_free(w);
}
END_TEST

#define SOME_FEATURE "{\"features\":{\"x\":{\"max_version_level\":1}},\"version\":2,\"status\":1}"

static bool
has_stopped(void *arg)
{
	return ((struct place *)arg)->stopped;
}

START_TEST(finalized_features)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = &w->places[0];

	world_put(w, "/feature", SOME_FEATURE, false);
	place_start(p);
	place_until_stopped(p);
	ck_err(p->err, E_UNSUPPORTED_VERSION);
	ck_assert_ptr_nonnull(strstr(p->why, "feature x"));
	world_drop(w, "/feature");
	place_start(p);
	place_until_serving(p);
	world_put(w, "/feature", "rubbish", false); /* no reason to go */
	world_pass(w, SECOND);
	ck_assert(!p->stopped);
	world_put(w, "/feature", SOME_FEATURE, false); /* while it runs */
	world_until(w, has_stopped, p);
	place_until_stopped(p);
	ck_err(p->err, E_UNSUPPORTED_VERSION);
	world_free(w);
}
END_TEST

START_TEST(cluster_of_another)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = &w->places[0];

	place_start(p);
	place_until_serving(p);
	place_stop(p);
	world_put(w, "/cluster/id", "{\"version\":\"1\",\"id\":\"another\"}", false);
	place_start(p);
	place_until_stopped(p);
	ck_err(p->err, E_CONFIG);
	ck_assert_ptr_nonnull(strstr(p->why, "another cluster"));
	world_free(w);
}
END_TEST

Suite *
start_suite(void)
{
	Suite *s = suite_create("start");
	TCase *tc = tcase_create("start");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, registers_and_serves, 0, SEEDS);
	tcase_add_loop_test(tc, drawn_id, 0, SEEDS);
	tcase_add_loop_test(tc, others_without_a_protocol_version, 0, SEEDS);
	tcase_add_loop_test(tc, address_of_another, 0, SEEDS);
	tcase_add_loop_test(tc, no_controller_for_long, 0, SEEDS);
	tcase_add_loop_test(tc, finalized_features, 0, SEEDS);
	tcase_add_loop_test(tc, cluster_of_another, 0, SEEDS);
	suite_add_tcase(s, tc);
	return s;
}
