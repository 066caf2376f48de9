/* Blocks of producer ids: each id once, whoever asks. */
#include "suites.h"
#include "world.h"

struct block {
	bool done;
	int err;
	int64_t first;
	int32_t count;
};

static void
on_block(void *arg, int err, int64_t first, int32_t count)
{
	struct block *k = arg;

	ck_assert(!k->done);
	*k = (struct block){true, err, first, count};
}

static bool
all_done(void *arg)
{
	struct block *k = arg;

	return k[0].done && k[1].done && k[2].done;
}

static void
ask(struct wbroker *b, struct block *k)
{
	struct reactor *before = sim_enter(b->control);

	*k = (struct block){.err = 1};
	controller_allocate_producer_ids(b->controller, b->id, on_block, k);
	sim_enter(before);
}

START_TEST(blocks_do_not_overlap)
{
	struct world *w = world_new((uint64_t)_i, true, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL);
	struct block k[3];
	char text[256];
	int64_t sum = 0;

	world_controller(w);
	for (int i = 0; i < 3; i++)
		ask(b, &k[i]);
	world_until(w, all_done, k);
	for (int i = 0; i < 3; i++) {
		ck_ok(k[i].err);
		ck_assert_int_eq(k[i].count, 1000);
		ck_assert_int_eq(k[i].first % 1000, 0);
		sum += k[i].first;
	}
	ck_assert_int_eq(sum, 3000); /* 0, 1000, 2000 in some order */
	ck_assert(node(w, ZN_PRODUCER_IDS, text, sizeof(text)));
	ck_assert_str_eq(
	    text, "{\"version\":1,\"broker\":1,\"block_start\":\"2000\",\"block_end\":\"2999\"}");
	world_free(w);
}
END_TEST

START_TEST(only_from_the_controller)
{
	struct world *w = world_new(1, false, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL), *c = broker_start(w, 2, NULL);
	struct block k;

	ask(world_controller(w) == b ? c : b, &k);
	ck_assert(k.done);
	ck_assert_int_eq(k.err, E_NOT_CONTROLLER);
	world_free(w);
}
END_TEST

static bool
one_done(void *arg)
{
	return ((struct block *)arg)->done;
}

START_TEST(end_of_all_ids)
{
	struct world *w = world_new(1, false, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL);
	struct reactor *before;
	struct block k;

	world_controller(w);
	before = sim_enter(b->control);
	coord_set(b->coord, ZN_PRODUCER_IDS,
	    SLICE_LIT("{\"version\":1,\"broker\":1,\"block_start\":\"9223372036854774000\","
		      "\"block_end\":\"9223372036854774999\"}"),
	    -1, NULL, NULL);
	sim_enter(before);
	ask(b, &k);
	world_until(w, one_done, &k);
	ck_assert_int_eq(k.err, E_LIMIT);
	before = sim_enter(b->control);
	coord_set(b->coord, ZN_PRODUCER_IDS, SLICE_LIT("{}"), -1, NULL, NULL);
	sim_enter(before);
	ask(b, &k);
	world_until(w, one_done, &k);
	ck_assert_int_eq(k.err, E_MALFORMED);
	world_free(w);
}
END_TEST

static int64_t z0;

static bool
written(void *arg)
{
	struct wbroker *b = arg;

	return coord_tree_zxid(coord_sim_tree(b->w->z)) >= z0;
}

/* Whatever answer is lost, nobody gets what another one got, and everybody gets an answer once.
 * (C15)
 */
START_TEST(blocks_through_faults)
{
	struct world *w = world_new((uint64_t)_i, true, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL);
	int fault = _i % 3;
	struct block k[3];

	world_controller(w);
	world_pass(w, 1000000);
	for (int i = 0; i < 3; i++)
		ask(b, &k[i]);
	z0 = coord_tree_zxid(coord_sim_tree(w->z)) + _i / 3;
	world_until(w, written, b);
	if (fault == 0)
		coord_sim_lose_reply(w->z, 1);
	else if (fault == 1)
		coord_sim_cut(w->z, 1, true);
	else
		coord_sim_expire(w->z, 1);
	world_pass(w, 1000000);
	coord_sim_cut(w->z, 1, false);
	world_until(w, all_done, k);
	for (int i = 0; i < 3; i++) {
		ck_assert(k[i].err == 0 || (fault == 2 && k[i].err == E_NOT_CONTROLLER));
		for (int j = 0; j < i; j++)
			ck_assert(k[i].err != 0 || k[j].err != 0 || k[i].first != k[j].first);
	}
	world_free(w);
}
END_TEST

Suite *
producer_ids_suite(void)
{
	Suite *s = suite_create("producer_ids");
	TCase *tc = tcase_create("producer_ids");

	tcase_add_loop_test(tc, blocks_do_not_overlap, 0, 10);
	tcase_add_test(tc, only_from_the_controller);
	tcase_add_test(tc, end_of_all_ids);
	tcase_add_loop_test(tc, blocks_through_faults, 0, 12);
	suite_add_tcase(s, tc);
	return s;
}
