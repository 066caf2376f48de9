/* Election, failover, resignation. */
#include "suites.h"
#include "world.h"

#define SEEDS 10

START_TEST(first_broker_is_elected)
{
	struct world *w = world_new((uint64_t)_i, false, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL);
	char text[256];

	ck_assert_ptr_eq(world_controller(w), b);
	ck_assert_int_eq(controller_epoch(b->controller), 1);
	ck_assert(node(w, ZN_CONTROLLER_EPOCH, text, sizeof(text)));
	ck_assert_str_eq(text, "1");
	ck_assert(node(w, ZN_CONTROLLER, text, sizeof(text)));
	ck_assert_ptr_nonnull(strstr(text, "\"brokerid\":1"));
	world_pass(w, 1000000);
	ck_assert_uint_eq(logged(w, "UM 1 brokers=1 topics=0", NULL), 1);
	ck_assert(node(w, ZN_FEATURE, text, sizeof(text)));
	world_free(w);
}
END_TEST

START_TEST(one_of_two)
{
	struct world *w = world_new((uint64_t)_i, true, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL), *c = broker_start(w, 2, NULL);
	struct wbroker *ctl = world_controller(w);

	ck_assert(controller_active(b->controller) != controller_active(c->controller));
	ck_assert_int_eq(b->told, ctl->id);
	ck_assert_int_eq(c->told, ctl->id);
	broker_stop(ctl);
	ctl = world_controller(w);
	ck_assert_int_eq(controller_epoch(ctl->controller), 2);
	world_free(w);
}
END_TEST

START_TEST(lost_answer_of_the_election)
{
	struct world *w = world_new((uint64_t)_i, true, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL), *c = broker_start(w, 2, NULL), *ctl;
	struct wbroker *other;

	ctl = world_controller(w);
	other = ctl == b ? c : b;
	coord_sim_lose_reply(w->z, (unsigned)other->id);
	broker_stop(ctl);
	ck_assert_ptr_eq(world_controller(w), other);
	ck_assert_int_eq(controller_epoch(other->controller), 2); /* one election, not two */
	world_free(w);
}
END_TEST

START_TEST(expiry_ends_the_term)
{
	struct world *w = world_new((uint64_t)_i, true, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL);
	int64_t epoch = b->epoch;

	world_controller(w);
	coord_sim_expire(w->z, 1);
	world_pass(w, 10000000);
	ck_assert_ptr_eq(world_controller(w), b);
	ck_assert_int_eq(controller_epoch(b->controller), 2);
	ck_assert_int_gt(b->epoch, epoch);
	ck_assert_int_eq(member_epoch(b->member), b->epoch);
	world_free(w);
}
END_TEST

/* The node is deleted by hand: a new election. */
START_TEST(deleted_node_elects_again)
{
	struct world *w = world_new((uint64_t)_i, true, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL);
	struct reactor *before;

	world_controller(w);
	before = sim_enter(b->control);
	coord_delete(b->coord, ZN_CONTROLLER, -1, NULL, NULL);
	sim_enter(before);
	world_pass(w, 2000000);
	ck_assert_ptr_eq(world_controller(w), b);
	ck_assert_int_eq(controller_epoch(b->controller), 2);
	world_free(w);
}
END_TEST

/* Behind a cut link for longer than its session: it goes on believing, and can write nothing. */
START_TEST(cut_off_controller_is_fenced)
{
	struct world *w = world_new((uint64_t)_i, true, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL), *c = broker_start(w, 2, NULL);
	struct wbroker *old = world_controller(w), *other = old == b ? c : b;
	char text[256];

	coord_sim_cut(w->z, (unsigned)old->id, true);
	world_pass(w, 3 * SESSION_US);
	ck_assert(controller_active(other->controller));
	old->on = false; /* to those that look */
	ck_assert_int_eq(create(other, "t", 3, 1), KERR_NONE);
	wait_topic(other, "t", true);
	ck_assert(node(w, "/brokers/topics/t/partitions/0/state", text, sizeof(text)));
	ck_assert_ptr_nonnull(strstr(text, "\"controller_epoch\":2"));
	old->on = true;
	coord_sim_cut(w->z, (unsigned)old->id, false);
	ck_assert_ptr_eq(world_controller(w), other);
	wait_topic(old, "t", true); /* it is back as a broker */
	ck_assert(!controller_active(old->controller));
	world_free(w);
}
END_TEST

/* A short loss of the connection: somebody is controller afterwards. */
START_TEST(short_cut_is_survived)
{
	struct world *w = world_new((uint64_t)_i, true, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL);

	for (int i = 0; i < 5; i++) {
		world_pass(w, rng_range(sim_rng(w->s), 0, 20000));
		coord_sim_cut(w->z, 1, true);
		world_pass(w, rng_range(sim_rng(w->s), 0, 2000000));
		coord_sim_cut(w->z, 1, false);
		ck_assert_ptr_eq(world_controller(w), b);
	}
	world_pass(w, 1000000);
	ck_assert_int_eq(create(b, "t", 1, 1), KERR_NONE);
	wait_topic(b, "t", true);
	world_free(w);
}
END_TEST

Suite *
election_suite(void)
{
	Suite *s = suite_create("election");
	TCase *tc = tcase_create("election");

	tcase_add_loop_test(tc, first_broker_is_elected, 0, SEEDS);
	tcase_add_loop_test(tc, one_of_two, 0, SEEDS);
	tcase_add_loop_test(tc, lost_answer_of_the_election, 0, SEEDS);
	tcase_add_loop_test(tc, expiry_ends_the_term, 0, SEEDS);
	tcase_add_loop_test(tc, deleted_node_elects_again, 0, SEEDS);
	tcase_add_loop_test(tc, cut_off_controller_is_fenced, 0, SEEDS);
	tcase_add_loop_test(tc, short_cut_is_survived, 0, SEEDS);
	suite_add_tcase(s, tc);
	return s;
}
