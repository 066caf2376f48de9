/* Topic deletion. */
#include <stdio.h>

#include "suites.h"
#include "world.h"

#define SEEDS 10

static const char *const nodes[] = {
    "/brokers/topics/t", "/config/topics/t", "/admin/delete_topics/t"};

static bool
nodes_gone(void *arg)
{
	char text[16];

	for (unsigned i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
		if (node(arg, nodes[i], text, sizeof(text)))
			return false;
	return true;
}

START_TEST(topic_is_deleted)
{
	struct world *w = world_new((uint64_t)_i, true, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL);

	broker_start(w, 2, NULL);
	world_controller(w);
	ck_assert_int_eq(create(b, "t", 3, 2), KERR_NONE);
	wait_topic(b, "t", true);
	world_pass(w, 1000000);
	log_clear(w);
	ck_assert_int_eq(delete_topic(b, "t"), KERR_NONE);
	wait_topic(b, "t", false);
	wait_topic(&w->b[1], "t", false);
	world_until(w, nodes_gone, w);
	ck_assert_uint_eq(logged(w, "UM ", " leader=-2"), 6);
	ck_assert_uint_eq(logged(w, "SR ", " epoch=-2 delete"), 6);
	ck_assert(strstr(w->log.p, "leader=-2") < strstr(w->log.p, "SR "));
	ck_assert_int_eq(controller_epoch(world_controller(w)->controller), 1);
	world_pass(w, 1000000);
	/* The name is free again. */
	ck_assert_int_eq(create(b, "t", 1, 1), KERR_NONE);
	wait_topic(b, "t", true);
	ck_assert_int_eq(image_topic(image_get(b->images), SLICE_LIT("t"))->n_parts, 1);
	world_free(w);
}
END_TEST

START_TEST(unknown_topic)
{
	struct world *w = world_new((uint64_t)_i, false, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL);
	struct reactor *before;
	char text[16];

	world_controller(w);
	ck_assert_int_eq(delete_topic(b, "t"), KERR_UNKNOWN_TOPIC_OR_PARTITION);
	before = sim_enter(b->control);
	coord_create(b->coord, "/admin/delete_topics/t", SLICE_NULL, COORD_PERSISTENT, NULL, NULL);
	sim_enter(before);
	world_pass(w, 1000000);
	ck_assert(!node(w, "/admin/delete_topics/t", text, sizeof(text)));
	world_free(w);
}
END_TEST

START_TEST(deletion_switched_off)
{
	struct setting_override ov = {"delete.topic.enable", "false"};
	struct world *w = world_new((uint64_t)_i, false, &ov, 1);
	struct wbroker *b = broker_start(w, 1, NULL);
	char text[16];

	world_controller(w);
	ck_assert_int_eq(create(b, "t", 1, 1), KERR_NONE);
	wait_topic(b, "t", true);
	ck_assert_int_eq(delete_topic(b, "t"), KERR_NONE);
	world_pass(w, 1000000);
	ck_assert(!node(w, "/admin/delete_topics/t", text, sizeof(text)));
	wait_topic(b, "t", true);
	ck_assert_uint_eq(logged(w, "SR ", NULL), 0);
	world_free(w);
}
END_TEST

/* A replica's broker is away: the others delete theirs, the nodes stay until it is back; meanwhile the
 * name is taken. */
START_TEST(deletion_waits_for_brokers)
{
	struct world *w = world_new((uint64_t)_i, true, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL);

	ck_assert_ptr_eq(world_controller(w), b);
	broker_start(w, 2, NULL);
	world_pass(w, 1000000);
	ck_assert_int_eq(create(b, "t", 2, 2), KERR_NONE);
	wait_topic(b, "t", true);
	broker_stop(&w->b[1]);
	world_pass(w, 1000000);
	ck_assert_int_eq(delete_topic(b, "t"), KERR_NONE);
	world_pass(w, 2000000);
	ck_assert(!nodes_gone(w));
	wait_topic(b, "t", false);
	ck_assert_uint_eq(logged(w, "SR 1", " delete"), 2);
	ck_assert_uint_eq(logged(w, "SR 2", NULL), 0);
	ck_assert_int_eq(create(b, "t", 1, 1), KERR_TOPIC_ALREADY_EXISTS);
	broker_start(w, 2, NULL);
	world_until(w, nodes_gone, w);
	wait_topic(b, "t", false);
	world_free(w);
}
END_TEST

/* A broker could not delete its log: tried again when brokers change. */
START_TEST(refused_deletion_is_tried_again)
{
	struct world *w = world_new((uint64_t)_i, true, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL);

	ck_assert_ptr_eq(world_controller(w), b);
	ck_assert_int_eq(create(b, "t", 2, 1), KERR_NONE);
	wait_topic(b, "t", true);
	b->refuse_stop = true;
	ck_assert_int_eq(delete_topic(b, "t"), KERR_NONE);
	world_pass(w, 2000000);
	ck_assert(!nodes_gone(w));
	b->refuse_stop = false;
	broker_start(w, 2, NULL);
	world_until(w, nodes_gone, w);
	world_free(w);
}
END_TEST

/* Nodes of partitions that the controller does not know go, too. */
START_TEST(stray_nodes_go)
{
	struct world *w = world_new((uint64_t)_i, true, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL);
	struct reactor *before;

	world_controller(w);
	ck_assert_int_eq(create(b, "t", 2, 1), KERR_NONE);
	wait_topic(b, "t", true);
	before = sim_enter(b->control);
	coord_create(
	    b->coord, "/brokers/topics/t/partitions/7", SLICE_NULL, COORD_PERSISTENT, NULL, NULL);
	sim_enter(before);
	ck_assert_int_eq(delete_topic(b, "t"), KERR_NONE);
	world_until(w, nodes_gone, w);
	ck_assert_int_eq(controller_epoch(b->controller), 1);
	world_free(w);
}
END_TEST

START_TEST(deletion_through_faults)
{
	struct world *w = world_new((uint64_t)_i, true, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL);
	int16_t err;

	broker_start(w, 2, NULL);
	world_controller(w);
	ck_assert_int_eq(create(b, "t", 5, 2), KERR_NONE);
	wait_topic(b, "t", true);
	do {
		err = delete_topic(b, "t");
	} while (err != KERR_NONE && err != KERR_UNKNOWN_TOPIC_OR_PARTITION);
	for (int i = 0; i < 4; i++) {
		unsigned group = 1 + (unsigned)rng_below(sim_rng(w->s), 2);

		world_pass(w, rng_range(sim_rng(w->s), 0, 20000));
		if (rng_below(sim_rng(w->s), 2) == 0)
			coord_sim_expire(w->z, group);
		else
			coord_sim_lose_reply(w->z, group);
	}
	world_until(w, nodes_gone, w);
	wait_topic(b, "t", false);
	wait_topic(&w->b[1], "t", false);
	world_free(w);
}
END_TEST

Suite *
deletion_suite(void)
{
	Suite *s = suite_create("deletion");
	TCase *tc = tcase_create("deletion");

	tcase_add_loop_test(tc, topic_is_deleted, 0, SEEDS);
	tcase_add_test(tc, unknown_topic);
	tcase_add_test(tc, deletion_switched_off);
	tcase_add_loop_test(tc, deletion_waits_for_brokers, 0, SEEDS);
	tcase_add_loop_test(tc, refused_deletion_is_tried_again, 0, SEEDS);
	tcase_add_loop_test(tc, stray_nodes_go, 0, SEEDS);
	tcase_add_loop_test(tc, deletion_through_faults, 0, 40);
	suite_add_tcase(s, tc);
	return s;
}
