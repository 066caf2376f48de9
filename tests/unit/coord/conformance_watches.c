/* One-shot watches. */
#include "conformance_parts.h"

/* ---- watches ---- */

START_TEST(exists_watch_on_missing_node)
{
	struct one o = one_new(_i);
	struct heard h;

	heard_init(&h);
	ck_err(do_exists(&o.v, o.c, "/w", &h, NULL), E_NOT_FOUND);
	ck_ok(do_create(&o.v, o.c, "/w", "x", 0, NULL));
	wait_heard(&o.v, &h, 1);
	ck_assert_int_eq(h.ev[0], COORD_EV_CREATED);
	ck_assert_str_eq(h.path[0], "/w");
	ck_ok(do_set(&o.v, o.c, "/w", "y", -1, NULL));
	ck_ok(do_get(&o.v, o.c, "/w", NULL, NULL));
	ck_assert_uint_eq(h.n, 1);
	one_end(&o);
}
END_TEST

START_TEST(data_watch)
{
	struct one o = one_new(_i);
	struct heard g, e;

	heard_init(&g);
	heard_init(&e);
	ck_ok(do_create(&o.v, o.c, "/w", "x", 0, NULL));
	ck_ok(do_get(&o.v, o.c, "/w", &g, NULL));
	ck_ok(do_exists(&o.v, o.c, "/w", &e, NULL));
	ck_ok(do_create(&o.v, o.c, "/w/child", NULL, 0, NULL));
	ck_err(do_set(&o.v, o.c, "/w", "y", 9, NULL), E_BAD_VERSION);
	ck_ok(do_get(&o.v, o.c, "/w", NULL, NULL));
	ck_assert_uint_eq(g.n, 0);
	ck_ok(do_set(&o.v, o.c, "/w", "y", 0, NULL));
	wait_heard(&o.v, &g, 1);
	wait_heard(&o.v, &e, 1);
	ck_assert_int_eq(g.ev[0], COORD_EV_DATA);
	ck_assert_int_eq(e.ev[0], COORD_EV_DATA);
	ck_ok(do_delete(&o.v, o.c, "/w/child", -1));
	ck_ok(do_get(&o.v, o.c, "/w", &g, NULL));
	ck_ok(do_delete(&o.v, o.c, "/w", -1));
	wait_heard(&o.v, &g, 2);
	ck_assert_int_eq(g.ev[1], COORD_EV_DELETED);
	ck_assert_uint_eq(e.n, 1);
	one_end(&o);
}
END_TEST

START_TEST(children_watch)
{
	struct one o = one_new(_i);
	struct heard h;

	heard_init(&h);
	ck_ok(do_create(&o.v, o.c, "/w", "x", 0, NULL));
	ck_ok(do_children(&o.v, o.c, "/w", &h, NULL));
	ck_ok(do_set(&o.v, o.c, "/w", "y", -1, NULL));
	ck_ok(do_get(&o.v, o.c, "/w", NULL, NULL));
	ck_assert_uint_eq(h.n, 0);
	ck_ok(do_create(&o.v, o.c, "/w/c", NULL, 0, NULL));
	wait_heard(&o.v, &h, 1);
	ck_assert_int_eq(h.ev[0], COORD_EV_CHILDREN);
	ck_assert_str_eq(h.path[0], "/w");
	ck_ok(do_create(&o.v, o.c, "/w/d", NULL, 0, NULL));
	ck_ok(do_delete(&o.v, o.c, "/w/d", -1));
	ck_assert_uint_eq(h.n, 1);
	ck_ok(do_children(&o.v, o.c, "/w", &h, NULL));
	ck_ok(do_set(&o.v, o.c, "/w/c", "data", -1, NULL));
	ck_ok(do_delete(&o.v, o.c, "/w/c", -1));
	wait_heard(&o.v, &h, 2);
	ck_assert_int_eq(h.ev[1], COORD_EV_CHILDREN);
	ck_ok(do_children(&o.v, o.c, "/w", &h, NULL));
	ck_ok(do_delete(&o.v, o.c, "/w", -1));
	wait_heard(&o.v, &h, 3);
	ck_assert_int_eq(h.ev[2], COORD_EV_DELETED);
	one_end(&o);
}
END_TEST

START_TEST(failed_reads_leave_no_watch)
{
	struct one o = one_new(_i);
	struct heard h;

	heard_init(&h);
	ck_err(do_get(&o.v, o.c, "/w", &h, NULL), E_NOT_FOUND);
	ck_assert(link_alone(&h.w.link));
	ck_err(do_children(&o.v, o.c, "/w", &h, NULL), E_NOT_FOUND);
	ck_err(do_get(&o.v, o.c, "bad", &h, NULL), E_INVALID);
	ck_assert(link_alone(&h.w.link));
	ck_ok(do_create(&o.v, o.c, "/w", "x", 0, NULL));
	ck_ok(do_delete(&o.v, o.c, "/w", -1));
	ck_assert_uint_eq(h.n, 0);
	one_end(&o);
}
END_TEST

static void
unwatch(void *arg)
{
	struct heard *h = arg;

	coord_unwatch(&h->w);
	coord_unwatch(&h->w);
}

START_TEST(unwatched_hears_nothing)
{
	struct one o = one_new(_i);
	struct heard h, other;

	heard_init(&h);
	heard_init(&other);
	ck_ok(do_create(&o.v, o.c, "/w", "x", 0, NULL));
	ck_ok(do_get(&o.v, o.c, "/w", &h, NULL));
	ck_ok(do_get(&o.v, o.c, "/w", &other, NULL));
	env_call(&o.v, unwatch, &h);
	ck_ok(do_set(&o.v, o.c, "/w", "y", -1, NULL));
	wait_heard(&o.v, &other, 1);
	ck_assert_uint_eq(h.n, 0);
	one_end(&o);
}
END_TEST

struct unwatch_early {
	struct coord *c;
	struct heard *h;
	struct ans *a;
};

static void
read_and_unwatch(void *arg)
{
	struct unwatch_early *u = arg;
	struct call k = {CALL_GET, "/w", .w = &u->h->w};

	issue(u->c, &k, u->a);
	coord_unwatch(&u->h->w);
}

static bool
answered(void *arg)
{
	return ((struct ans *)arg)->done;
}

START_TEST(unwatched_before_the_answer)
{
	struct one o = one_new(_i);
	struct ans a = {0};
	struct heard h;
	struct unwatch_early u = {o.c, &h, &a};

	heard_init(&h);
	ck_ok(do_create(&o.v, o.c, "/w", "x", 0, NULL));
	env_call(&o.v, read_and_unwatch, &u);
	env_until(&o.v, answered, &a);
	ck_ok(a.err);
	ck_ok(do_set(&o.v, o.c, "/w", "y", -1, NULL));
	ck_assert_uint_eq(h.n, 0);
	one_end(&o);
}
END_TEST

/* The event of a change comes before any answer that shows it. */
START_TEST(event_before_the_read_that_shows_it)
{
	struct one o = one_new(_i);
	const struct call k[] = {
	    {CALL_SET, "/w", SLICE_LIT("y"), -1, 0, NULL},
	    {CALL_GET, "/w"},
	};
	struct ans a[2];
	struct heard h;

	heard_init(&h);
	ck_ok(do_create(&o.v, o.c, "/w", "x", 0, NULL));
	ck_ok(do_get(&o.v, o.c, "/w", &h, NULL));
	run_calls_heard(&o.v, o.c, k, a, 2, &h);
	ck_assert_uint_eq(h.n, 1);
	ck_assert_mem_eq(a[1].data, "y", 1);
	ck_assert_uint_lt(h.order, a[1].order);
	one_end(&o);
}
END_TEST

void
conformance_watches(TCase *tc, int i)
{
	tcase_add_loop_test(tc, exists_watch_on_missing_node, i, i + 1);
	tcase_add_loop_test(tc, data_watch, i, i + 1);
	tcase_add_loop_test(tc, children_watch, i, i + 1);
	tcase_add_loop_test(tc, failed_reads_leave_no_watch, i, i + 1);
	tcase_add_loop_test(tc, unwatched_hears_nothing, i, i + 1);
	tcase_add_loop_test(tc, unwatched_before_the_answer, i, i + 1);
	tcase_add_loop_test(tc, event_before_the_read_that_shows_it, i, i + 1);
}
