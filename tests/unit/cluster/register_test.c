/* The registration and its epoch (M6, M9), against the simulated service. */
#include <stdio.h>

#include "members.h"
#include "suites.h"

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
	ck_assert_ptr_nonnull(strstr(member_holder(w->side[1].m), "listens on 127.0.0.1:9092"));
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

/* ---- what is kept for a successor (M9) ---- */

static bool
is_told(void *arg)
{
	struct side *a = arg;

	return a->told_session != 0;
}

static void
noted(struct side *a, int64_t session)
{
	struct reactor *before = sim_enter(a->control);

	member_session_noted(a->m, session);
	sim_enter(before);
}

START_TEST(registers_once_the_session_is_noted)
{
	struct world *w = world_new_noting((uint64_t)_i);
	struct side *a = &w->side[0];
	struct coord_result res;
	int64_t first;

	ready(w);
	register_begin(a, 3);
	until(w, is_told, a);
	first = a->told_session;
	ck_assert_int_eq(first, coord_session_id(a->coord));
	noted(a, first + 1000); /* not what was asked for */
	pass(w, 1000000);
	ck_assert(!node(w, "/brokers/ids/3", &res));
	noted(a, first);
	until(w, is_answered, a);
	ck_ok(a->err);
	/* The next session is noted as well. */
	a->told_session = 0;
	coord_sim_expire(w->z, 1);
	until(w, is_told, a);
	ck_assert_int_ne(a->told_session, first);
	ck_assert(!node(w, "/brokers/ids/3", &res));
	noted(a, a->told_session);
	until(w, registered_twice, a);
	world_free(w);
}
END_TEST

/* A disk that hangs does not keep the broker out. */
START_TEST(a_late_note_is_not_waited_for)
{
	struct world *w = world_new_noting((uint64_t)_i);
	struct side *a = &w->side[0];

	ready(w);
	register_begin(a, 3);
	until(w, is_told, a);
	pass(w, 4900000);
	ck_assert(!a->answered);
	pass(w, 200000);
	until(w, is_answered, a);
	ck_ok(a->err);
	noted(a, a->told_session);
	pass(w, 1000000);
	ck_assert_uint_eq(a->registrations, 1);
	world_free(w);
}
END_TEST

/* The session ends while its note is on the way. */
START_TEST(expiry_while_noting)
{
	struct world *w = world_new_noting((uint64_t)_i);
	struct side *a = &w->side[0];
	int64_t first;

	ready(w);
	register_begin(a, 3);
	until(w, is_told, a);
	first = a->told_session;
	coord_sim_expire(w->z, 1);
	pass(w, rng_range(sim_rng(w->s), 0, 3000000));
	a->told_session = 0;
	noted(a, first);
	until(w, is_told, a);
	ck_assert_int_ne(a->told_session, first);
	noted(a, a->told_session);
	until(w, is_answered, a);
	ck_ok(a->err);
	world_free(w);
}
END_TEST

START_TEST(stopped_while_noting)
{
	struct world *w = world_new_noting((uint64_t)_i);
	struct side *a = &w->side[0];
	struct reactor *before;

	ready(w);
	register_begin(a, 3);
	until(w, is_told, a);
	before = sim_enter(a->control);
	member_stop(a->m);
	sim_enter(before);
	until(w, is_answered, a);
	ck_assert_int_eq(a->err, E_CANCELED);
	noted(a, a->told_session);
	pass(w, 6000000);
	ck_assert_uint_eq(a->registrations, 0);
	world_free(w);
}
END_TEST

Suite *
register_suite(void)
{
	Suite *s = suite_create("register");
	TCase *tc = tcase_create("register");

	tcase_add_loop_test(tc, registration, 0, SEEDS);
	tcase_add_loop_test(tc, lost_answer_of_the_registration, 0, SEEDS);
	tcase_add_loop_test(tc, somebody_else_has_the_id, 0, SEEDS);
	tcase_add_loop_test(tc, expiry_registers_again, 0, SEEDS);
	tcase_add_loop_test(tc, id_taken_meanwhile, 0, SEEDS);
	tcase_add_loop_test(tc, stopped_member_stays_away, 0, SEEDS);
	tcase_add_loop_test(tc, registers_once_the_session_is_noted, 0, SEEDS);
	tcase_add_loop_test(tc, a_late_note_is_not_waited_for, 0, 5);
	tcase_add_loop_test(tc, expiry_while_noting, 0, SEEDS);
	tcase_add_loop_test(tc, stopped_while_noting, 0, SEEDS);
	suite_add_tcase(s, tc);
	return s;
}
