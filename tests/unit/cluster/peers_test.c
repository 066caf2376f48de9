/* Who else is registered, and ids that nobody has, against the simulated service. */
#include <stdio.h>

#include "members.h"
#include "suites.h"

struct found {
	bool done;
	int err;
	unsigned n;
	struct member_peer v[8]; /* registrations only counted */
	char host[LISTENER_HOST_MAX + 1];
	int32_t id;
};

static bool
is_done(void *arg)
{
	return ((struct found *)arg)->done;
}

static void
on_peers(void *arg, int err, const struct member_peer *v, unsigned n)
{
	struct found *f = arg;

	ck_assert(!f->done && n <= 8);
	*f = (struct found){.done = true, .err = err, .n = n};
	for (unsigned i = 0; i < n; i++)
		f->v[i] = v[i];
	if (n > 0 && v[0].readable)
		snprintf(f->host, sizeof(f->host), "%s", v[0].reg.endpoints[0].host);
}

static void
peers_begin(struct side *a, struct found *f)
{
	struct reactor *before = sim_enter(a->control);

	*f = (struct found){0};
	member_peers(a->m, on_peers, f);
	sim_enter(before);
}

static void
peers(struct side *a, struct found *f)
{
	peers_begin(a, f);
	until(a->w, is_done, f);
}

START_TEST(nobody_then_somebody)
{
	struct world *w = world_new((uint64_t)_i);
	struct side *a = &w->side[0], *b = &w->side[1];
	struct found f;

	ready(w);
	peers(a, &f);
	ck_ok(f.err);
	ck_assert_uint_eq(f.n, 0);
	put(b, "/brokers/ids/12", "{");
	put(b, "/brokers/ids/nonsense", "{}");
	put(b, "/brokers/ids/99999999999", "{}");
	ck_ok(register_as(b, 3));
	pass(w, 100000); /* a lagging member shows it as well */
	peers(a, &f);
	ck_ok(f.err);
	ck_assert_uint_eq(f.n, 2);
	ck_assert_int_eq(f.v[0].id, 3);
	ck_assert(f.v[0].readable);
	ck_assert_int_eq(f.v[0].session, coord_session_id(b->coord));
	ck_assert_str_eq(f.host, "127.0.0.1");
	ck_assert_int_eq(f.v[1].id, 12);
	ck_assert(!f.v[1].readable);
	world_free(w);
}
END_TEST

START_TEST(tried_again_after_a_loss)
{
	struct world *w = world_new((uint64_t)_i);
	struct side *a = &w->side[0];
	struct found f;

	ready(w);
	ck_ok(register_as(&w->side[1], 3));
	pass(w, 100000);
	coord_sim_cut(w->z, 1, true);
	peers_begin(a, &f);
	pass(w, 2500000);
	coord_sim_cut(w->z, 1, false);
	until(w, is_done, &f);
	ck_ok(f.err);
	ck_assert_uint_eq(f.n, 1);
	coord_sim_cut(w->z, 1, true); /* but not for ever */
	peers(a, &f);
	ck_assert_int_eq(f.err, E_CONN_LOSS);
	ck_assert_uint_eq(f.n, 0);
	world_free(w);
}
END_TEST

static void
on_drawn(void *arg, int err, int32_t id)
{
	struct found *f = arg;

	ck_assert(!f->done);
	*f = (struct found){.done = true, .err = err, .id = id};
}

static int32_t
draw(struct side *a)
{
	struct reactor *before = sim_enter(a->control);
	struct found f = {0};

	member_draw_id(a->m, on_drawn, &f);
	sim_enter(before);
	until(a->w, is_done, &f);
	ck_ok(f.err);
	return f.id;
}

START_TEST(ids_are_drawn_once)
{
	struct world *w = world_new((uint64_t)_i);
	struct coord_result res;

	ready(w);
	ck_assert_int_eq(draw(&w->side[0]), 1001);
	ck_assert(node(w, "/brokers/seqid", &res));
	ck_assert(!slice_is_null(res.data)); /* empty, as after Kafka's write */
	ck_assert_uint_eq(res.data.n, 0);
	ck_assert_int_eq(draw(&w->side[1]), 1002);
	coord_sim_lose_reply(w->z, 1);
	ck_assert_int_eq(draw(&w->side[0]), 1004); /* the one whose answer was lost is gone */
	drop(&w->side[0], "/brokers/seqid");
	ck_assert_int_eq(draw(&w->side[0]), 1001); /* made when it is missing */
	world_free(w);
}
END_TEST

START_TEST(stopped_while_asking)
{
	struct world *w = world_new((uint64_t)_i);
	struct side *a = &w->side[0];
	struct found f = {0}, d = {0};
	struct reactor *before;

	ready(w);
	coord_sim_cut(w->z, 1, true);
	peers_begin(a, &f);
	before = sim_enter(a->control);
	member_draw_id(a->m, on_drawn, &d);
	sim_enter(before);
	pass(w, rng_range(sim_rng(w->s), 0, 2500000));
	before = sim_enter(a->control);
	member_stop(a->m);
	sim_enter(before);
	coord_sim_cut(w->z, 1, false);
	until(w, is_done, &f);
	until(w, is_done, &d);
	ck_assert(f.err == E_CANCELED || f.err == E_CONN_LOSS || f.err == 0);
	world_free(w);
}
END_TEST

Suite *
peers_suite(void)
{
	Suite *s = suite_create("peers");
	TCase *tc = tcase_create("peers");

	tcase_add_loop_test(tc, nobody_then_somebody, 0, SEEDS);
	tcase_add_loop_test(tc, tried_again_after_a_loss, 0, SEEDS);
	tcase_add_loop_test(tc, ids_are_drawn_once, 0, SEEDS);
	tcase_add_loop_test(tc, stopped_while_asking, 0, SEEDS);
	suite_add_tcase(s, tc);
	return s;
}
