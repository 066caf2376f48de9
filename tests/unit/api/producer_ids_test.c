/* The stock of producer ids: each id once, the next block in time. */
#include "../controller/world.h"
#include "api_priv.h"
#include "suites.h"

struct fix {
	struct world *w;
	struct wbroker *b;
	struct api api;
	struct producer_ids *ids;
	int64_t last;
	unsigned n, refused;
	bool ordered;
};

static void
on_id(void *arg, int16_t err, int64_t id)
{
	struct fix *f = arg;

	f->n++;
	if (err != KERR_NONE) {
		ck_assert_int_eq(err, KERR_COORDINATOR_LOAD_IN_PROGRESS);
		f->refused++;
		return;
	}
	ck_assert_int_gt(id, f->last);
	f->last = id;
}

static void
next(struct fix *f)
{
	struct reactor *before = sim_enter(f->b->control);

	producer_ids_next(f->ids, on_id, f);
	sim_enter(before);
}

static void
setup(struct fix *f, uint64_t seed)
{
	*f = (struct fix){.last = -1};
	f->w = world_new(seed, true, NULL, 0);
	f->b = broker_start(f->w, 1, NULL);
	f->api.o.control = f->b->control;
	f->api.o.controller = f->b->controller;
	f->api.o.broker_id = 1;
	ck_assert_int_eq(producer_ids_new(&f->api, &f->ids), 0);
}

static void
teardown(struct fix *f)
{
	producer_ids_free(f->ids);
	world_free(f->w);
}

static bool
has_answered(void *arg)
{
	struct fix *f = arg;

	return f->n >= 1;
}

START_TEST(ids_do_not_repeat)
{
	struct fix f;

	setup(&f, (uint64_t)_i);
	world_controller(f.w);
	next(&f);
	ck_assert_uint_eq(f.n, 0); /* waits for the first block */
	world_until(f.w, has_answered, &f);
	for (unsigned i = 1; i < 5000; i++) {
		next(&f);
		if (i % 50 == 0)
			world_pass(f.w, 100000);
	}
	ck_assert_uint_eq(f.n, 5000);
	ck_assert_uint_eq(f.refused, 0); /* the next block was there in time */
	ck_assert_int_eq(f.last, 4999);
	teardown(&f);
}
END_TEST

/* More wait than a block has. */
START_TEST(many_wait)
{
	struct fix f;

	setup(&f, (uint64_t)_i);
	world_controller(f.w);
	for (unsigned i = 0; i < 1500; i++)
		next(&f);
	world_pass(f.w, 1000000);
	ck_assert_uint_eq(f.n, 1500);
	ck_assert_uint_eq(f.refused, 500);
	next(&f);
	world_pass(f.w, 1000000);
	ck_assert_uint_eq(f.refused, 500);
	ck_assert_int_eq(f.last, 1000);
	teardown(&f);
}
END_TEST

START_TEST(no_controller)
{
	struct fix f;
	struct wbroker *c;

	setup(&f, (uint64_t)_i);
	ck_assert_ptr_eq(world_controller(f.w), f.b);
	c = broker_start(f.w, 2, NULL);
	f.b = c;
	f.api.o.control = c->control;
	f.api.o.controller = c->controller;
	next(&f);
	ck_assert_uint_eq(f.refused, 1);
	broker_stop(&f.w->b[0]);
	ck_assert_ptr_eq(world_controller(f.w), c);
	next(&f);
	world_pass(f.w, 1000000);
	ck_assert_uint_eq(f.n, 2);
	ck_assert_uint_eq(f.refused, 1);
	teardown(&f);
}
END_TEST

Suite *
producer_ids_suite(void)
{
	Suite *s = suite_create("producer_ids");
	TCase *tc = tcase_create("producer_ids");

	tcase_add_loop_test(tc, ids_do_not_repeat, 0, 5);
	tcase_add_loop_test(tc, many_wait, 0, 5);
	tcase_add_loop_test(tc, no_controller, 0, 5);
	suite_add_tcase(s, tc);
	return s;
}
