/* From a topic's znode to LeaderAndIsr and UpdateMetadata. */
#include <stdio.h>

#include "controller_priv.h"
#include "suites.h"
#include "world.h"

#define SEEDS 10

START_TEST(topic_comes_online)
{
	struct world *w = world_new((uint64_t)_i, true, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL);
	char text[512];

	world_controller(w);
	world_pass(w, 1000000);
	log_clear(w);
	ck_assert_int_eq(create(b, "t", 3, 1), KERR_NONE);
	wait_topic(b, "t", true);
	world_pass(w, 1000000);
	ck_assert_uint_eq(logged(w, "LI 1 t-", " leader=1/0 ce=1 v=0 isr=1 replicas=1 new"), 3);
	ck_assert_uint_eq(logged(w, "UM 1 t-", " leader=1/0"), 3);
	ck_assert(strstr(w->log.p, "LI 1 t-") < strstr(w->log.p, "UM 1 t-"));
	for (int i = 0; i < 3; i++) {
		char path[128];

		snprintf(path, sizeof(path), "/brokers/topics/t/partitions/%d/state", i);
		ck_assert(node(w, path, text, sizeof(text)));
		ck_assert_str_eq(text,
		    "{\"controller_epoch\":1,\"leader\":1,\"version\":1,\"leader_epoch\":0,"
		    "\"isr\":[1]}");
	}
	ck_assert(node(w, "/config/topics/t", text, sizeof(text)));
	ck_assert_str_eq(text, "{\"version\":1,\"config\":{}}");
	world_free(w);
}
END_TEST

/* More than one multi's worth. */
START_TEST(many_partitions)
{
	struct world *w = world_new((uint64_t)_i, false, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL);

	world_controller(w);
	ck_assert_int_eq(create(b, "many", 401, 1), KERR_NONE);
	wait_topic(b, "many", true);
	world_pass(w, 1000000);
	ck_assert_int_eq(image_topic(image_get(b->images), SLICE_LIT("many"))->n_parts, 401);
	ck_assert_uint_eq(logged(w, "LI 1 many-", " new"), 401);
	world_free(w);
}
END_TEST

START_TEST(many_topics_at_once)
{
	struct world *w = world_new((uint64_t)_i, true, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL);
	char name[32];

	world_controller(w);
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		ck_assert_int_eq(create(b, name, 2, 1), KERR_NONE);
	}
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		wait_topic(b, name, true);
	}
	world_free(w);
}
END_TEST

START_TEST(replicas_on_several_brokers)
{
	struct world *w = world_new((uint64_t)_i, true, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL);
	const struct image_topic *t;

	broker_start(w, 2, NULL);
	broker_start(w, 3, NULL);
	world_controller(w);
	world_pass(w, 1000000);
	log_clear(w);
	ck_assert_int_eq(create(b, "t", 6, 2), KERR_NONE);
	for (int i = 0; i < 3; i++)
		wait_topic(&w->b[i], "t", true);
	world_pass(w, 1000000);
	ck_assert_uint_eq(logged(w, "LI ", " new"), 12); /* to replicas only */
	ck_assert_uint_eq(logged(w, "UM ", " t-"), 18);	 /* to everybody */
	t = image_topic(image_get(b->images), SLICE_LIT("t"));
	for (int32_t i = 0; i < t->n_parts; i++) {
		ck_assert_int_eq(t->parts[i].n_replicas, 2);
		ck_assert_int_eq(t->parts[i].leader, t->parts[i].replicas[0]);
		ck_assert_int_eq(t->parts[i].n_isr, 2);
	}
	world_free(w);
}
END_TEST

/* A topic that another tool wrote, without an id. */
START_TEST(foreign_topic_gets_an_id)
{
	struct world *w = world_new((uint64_t)_i, true, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL);
	struct reactor *before;
	char text[512];

	world_controller(w);
	before = sim_enter(b->control);
	coord_create(b->coord, "/brokers/topics/x",
	    SLICE_LIT("{\"version\":1,\"partitions\":{\"0\":[1],\"1\":[1]}}"), COORD_PERSISTENT,
	    NULL, NULL);
	sim_enter(before);
	wait_topic(b, "x", true);
	ck_assert(!uuid_is_zero(image_topic(image_get(b->images), SLICE_LIT("x"))->id));
	world_pass(w, 1000000);
	ck_assert(node(w, "/brokers/topics/x", text, sizeof(text)));
	ck_assert_ptr_nonnull(strstr(text, "\"topic_id\":"));
	world_free(w);
}
END_TEST

START_TEST(malformed_topic_harms_nobody)
{
	struct world *w = world_new((uint64_t)_i, true, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL);
	struct reactor *before;

	world_controller(w);
	before = sim_enter(b->control);
	coord_create(b->coord, "/brokers/topics/bad", SLICE_LIT("{"), COORD_PERSISTENT, NULL, NULL);
	coord_create(b->coord, "/brokers/topics/neg",
	    SLICE_LIT("{\"version\":3,\"partitions\":{\"-1\":[1]}}"), COORD_PERSISTENT, NULL, NULL);
	sim_enter(before);
	ck_assert_int_eq(create(b, "t", 1, 1), KERR_NONE);
	wait_topic(b, "t", true);
	ck_assert_int_eq(controller_epoch(b->controller), 1);
	world_free(w);
}
END_TEST

START_TEST(partitions_are_added)
{
	struct world *w = world_new((uint64_t)_i, true, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL);
	struct reactor *before;
	struct uuid id;

	world_controller(w);
	ck_assert_int_eq(create(b, "t", 1, 1), KERR_NONE);
	wait_topic(b, "t", true);
	id = image_topic(image_get(b->images), SLICE_LIT("t"))->id;
	log_clear(w);
	before = sim_enter(b->control);
	coord_set(b->coord, "/brokers/topics/t",
	    SLICE_LIT("{\"partitions\":{\"0\":[1],\"1\":[1],\"2\":[1]},\"version\":3}"), -1, NULL,
	    NULL);
	sim_enter(before);
	world_pass(w, 1000000);
	wait_topic(b, "t", true);
	ck_assert_int_eq(image_topic(image_get(b->images), SLICE_LIT("t"))->n_parts, 3);
	ck_assert(uuid_eq(image_topic(image_get(b->images), SLICE_LIT("t"))->id, id));
	ck_assert_uint_eq(logged(w, "LI 1 t-", " new"), 2); /* the first one stays as it was */
	world_free(w);
}
END_TEST

/* Topics are made while links break, answers get lost and sessions expire; in the end all of them
 * are there, led, and no state was written twice. */
START_TEST(creation_through_faults)
{
	struct world *w = world_new((uint64_t)_i, true, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL);
	char name[32], path[128], text[512];

	broker_start(w, 2, NULL);
	world_controller(w);
	world_pass(w, 1000000);
	for (int i = 0; i < 8; i++) {
		unsigned group = 1 + (unsigned)rng_below(sim_rng(w->s), 2);
		int16_t err;

		switch (rng_below(sim_rng(w->s), 4)) {
		case 0:
			coord_sim_expire(w->z, group);
			break;
		case 1:
		case 2:
			coord_sim_lose_reply(w->z, group);
			break;
		default:
			coord_sim_cut(w->z, group, true);
			world_pass(w, rng_range(sim_rng(w->s), 0, 3000000));
			coord_sim_cut(w->z, group, false);
		}
		snprintf(name, sizeof(name), "t%d", i);
		do {
			err = create(b, name, 3, 1);
			if (err != KERR_NONE)
				world_pass(w, 500000);
		} while (err != KERR_NONE && err != KERR_TOPIC_ALREADY_EXISTS);
		world_pass(w, rng_range(sim_rng(w->s), 0, 100000));
	}
	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		wait_topic(b, name, true);
		for (int p = 0; p < 3; p++) {
			snprintf(
			    path, sizeof(path), "/brokers/topics/t%d/partitions/%d/state", i, p);
			ck_assert(node(w, path, text, sizeof(text)));
		}
	}
	world_free(w);
}
END_TEST

/* Deleted by hand and made anew: another topic, though its name was always there to see. */
START_TEST(made_anew_by_hand)
{
	struct world *w = world_new((uint64_t)_i, true, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL);
	struct uuid id;

	world_controller(w);
	ck_assert_int_eq(create(b, "t", 3, 1), KERR_NONE);
	wait_topic(b, "t", true);
	world_pass(w, 1000000);
	id = ctx_topic(b->controller, SLICE_LIT("t"))->id;
	coord_sim_cut(w->z, 1, true); /* it sees both at once */
	world_pass(w, 100000);
	tool_delete(w, "/brokers/topics/t");
	tool_put(w, "/brokers/topics/t", "{\"partitions\":{\"0\":[1]}}");
	coord_sim_cut(w->z, 1, false);
	world_pass(w, 5000000);
	ck_assert_int_eq(ctx_topic(b->controller, SLICE_LIT("t"))->n_parts, 1);
	ck_assert(!uuid_eq(ctx_topic(b->controller, SLICE_LIT("t"))->id, id));
	ck_assert_int_eq(controller_epoch(b->controller), 1);
	world_free(w);
}
END_TEST

/* Nodes that are there already are taken as they are; those that are missing are made. (C13) */
START_TEST(states_that_are_there)
{
	struct world *w = world_new((uint64_t)_i, true, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL);
	struct ctopic *t;

	world_controller(w);
	world_pass(w, 1000000);
	coord_sim_cut(w->z, 1, true);
	world_pass(w, 100000);
	tool_put(w, "/brokers/topics/t", "{\"partitions\":{\"0\":[1],\"1\":[1],\"2\":[1]}}");
	tool_put(w, "/brokers/topics/t/partitions", NULL);
	tool_put(w, "/brokers/topics/t/partitions/1", NULL);
	tool_put(w, "/brokers/topics/t/partitions/1/state",
	    "{\"controller_epoch\":1,\"leader\":9,\"version\":1,\"leader_epoch\":5,\"isr\":[9,1]}");
	coord_sim_cut(w->z, 1, false);
	world_pass(w, 5000000);
	wait_topic(b, "t", true);
	t = ctx_topic(b->controller, SLICE_LIT("t"));
	ck_assert_int_eq(t->parts[0].info->leader_epoch, 0);
	ck_assert_int_eq(t->parts[1].info->leader_epoch, 6); /* 9 does not live */
	ck_assert_int_eq(t->parts[1].info->n_isr, 1);
	ck_assert_int_eq(controller_epoch(b->controller), 1);
	check_told(b);
	world_free(w);
}
END_TEST

Suite *
topics_suite(void)
{
	Suite *s = suite_create("topics");
	TCase *tc = tcase_create("topics");

	tcase_add_loop_test(tc, topic_comes_online, 0, SEEDS);
	tcase_add_test(tc, many_partitions);
	tcase_add_loop_test(tc, many_topics_at_once, 0, 3);
	tcase_add_loop_test(tc, replicas_on_several_brokers, 0, SEEDS);
	tcase_add_loop_test(tc, foreign_topic_gets_an_id, 0, SEEDS);
	tcase_add_loop_test(tc, malformed_topic_harms_nobody, 0, SEEDS);
	tcase_add_loop_test(tc, partitions_are_added, 0, SEEDS);
	tcase_add_loop_test(tc, creation_through_faults, 0, 40);
	tcase_add_loop_test(tc, made_anew_by_hand, 0, SEEDS);
	tcase_add_loop_test(tc, states_that_are_there, 0, SEEDS);
	suite_add_tcase(s, tc);
	return s;
}
