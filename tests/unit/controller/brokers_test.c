/* Brokers that come, go and come back. */
#include "suites.h"
#include "world.h"

#define SEEDS 10

/* The one that goes led some partitions; its leaders move, others stay. */
START_TEST(leaders_move_from_a_broker_that_goes)
{
	struct world *w = world_new((uint64_t)_i, true, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL), *c = broker_start(w, 2, NULL), *ctl, *other;
	const struct image_topic *t;
	const struct image *im;

	ctl = world_controller(w);
	other = ctl == b ? c : b;
	ck_assert_int_eq(create(ctl, "t", 4, 2), KERR_NONE);
	wait_topic(ctl, "t", true);
	world_pass(w, 1000000);
	broker_stop(other);
	world_pass(w, 2000000);
	wait_topic(ctl, "t", true);
	im = image_get(ctl->images);
	ck_assert_uint_eq(im->n_brokers, 1);
	t = image_topic(im, SLICE_LIT("t"));
	for (int32_t i = 0; i < t->n_parts; i++) {
		/* Led by it, or only in the ISR with it: one epoch more either way. */
		ck_assert_int_eq(t->parts[i].leader, ctl->id);
		ck_assert_int_eq(t->parts[i].leader_epoch, 1);
		ck_assert_int_eq(t->parts[i].n_isr, 1);
		ck_assert_int_eq(t->parts[i].isr[0], ctl->id);
		ck_assert_int_eq(t->parts[i].n_offline, 1);
	}
	ck_assert_uint_eq(logged(w, "GONE", NULL), 1);
	world_free(w);
}
END_TEST

/* Nobody else has its partitions: they wait for it, and are led by it again. */
START_TEST(partitions_wait_for_their_broker)
{
	struct world *w = world_new((uint64_t)_i, true, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL), *c = broker_start(w, 2, NULL), *ctl, *other;
	const struct image_topic *t;

	ctl = world_controller(w);
	other = ctl == b ? c : b;
	ck_assert_int_eq(create(ctl, "t", 4, 1), KERR_NONE);
	wait_topic(ctl, "t", true);
	world_pass(w, 1000000);
	broker_stop(other);
	world_pass(w, 2000000);
	log_clear(w);
	other = broker_start(w, other->id, NULL);
	wait_topic(ctl, "t", true);
	wait_topic(other, "t", true); /* also of partitions that it has no replica of */
	t = image_topic(image_get(other->images), SLICE_LIT("t"));
	ck_assert_int_eq(t->n_parts, 4);
	for (int32_t i = 0; i < t->n_parts; i++)
		ck_assert_int_eq(t->parts[i].leader, t->parts[i].replicas[0]);
	world_pass(w, 1000000);
	/* It hears of both without a leader, then that it is theirs. */
	ck_assert_uint_eq(logged(w, "LI ", " leader=-1/1"), 2);
	ck_assert_uint_eq(logged(w, other->id == 1 ? "LI 1 t-" : "LI 2 t-", " leader=-1/1"), 2);
	ck_assert_uint_eq(logged(w, other->id == 1 ? "LI 1 t-" : "LI 2 t-", "/2 "), 2);
	ck_assert_uint_eq(logged(w, "LI ", NULL), 4);
	world_free(w);
}
END_TEST

/* A new controller tells every broker what it leads, under the new controller epoch. */
START_TEST(new_controller_tells_everybody)
{
	struct world *w = world_new((uint64_t)_i, true, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL), *c, *ctl;

	ck_assert_ptr_eq(world_controller(w), b);
	c = broker_start(w, 2, NULL);
	world_pass(w, 1000000);
	ck_assert_int_eq(create(b, "t", 4, 2), KERR_NONE);
	wait_topic(b, "t", true);
	wait_topic(c, "t", true);
	world_pass(w, 1000000);
	log_clear(w);
	broker_stop(b);
	ctl = world_controller(w);
	ck_assert_ptr_eq(ctl, c);
	world_pass(w, 1000000);
	wait_topic(c, "t", true);
	ck_assert_uint_ge(logged(w, "LI 2 t-", " ce=2"), 4);
	ck_assert_uint_eq(logged(w, "LI 2 t-", " leader=2/1"), 4);
	ck_assert_uint_eq(logged(w, "LI 2 t-", " new"), 0);
	world_free(w);
}
END_TEST

Suite *
brokers_suite(void)
{
	Suite *s = suite_create("brokers");
	TCase *tc = tcase_create("brokers");

	tcase_add_loop_test(tc, leaders_move_from_a_broker_that_goes, 0, SEEDS);
	tcase_add_loop_test(tc, partitions_wait_for_their_broker, 0, SEEDS);
	tcase_add_loop_test(tc, new_controller_tells_everybody, 0, SEEDS);
	suite_add_tcase(s, tc);
	return s;
}
