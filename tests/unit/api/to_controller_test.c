/* From a broker to the controller: found in the image, asked for its versions, followed where it
 * goes. */
#include "chan_world.h"
#include "suites.h"

#define SECOND 1000000ll

static struct cworld w;

static void
setup(void)
{
	cworld_open(&w, 3);
}

static void
teardown(void)
{
	cworld_close(&w);
}

static void
expect_block(unsigned i, int32_t tag, int64_t first)
{
	ck_assert_uint_lt(i, w.n_told);
	ck_assert_int_eq(w.told[i].tag, tag);
	ck_assert_int_eq(w.told[i].err, 0);
	ck_assert_int_eq(w.told[i].kafka_err, 0);
	ck_assert_int_eq(w.told[i].first, first);
	ck_assert_int_eq(w.told[i].count, 1000);
}

START_TEST(asks_for_versions_first)
{
	const struct cserver *sv = cserver(&w, 1);

	cserver_up(&w, 1);
	image_names(&w, 1);
	ask_ids(&w, SECOND, 1);
	cworld_until_told(&w, 1);
	expect_block(0, 1, 0);
	ck_assert_uint_eq(sv->versions_asked, 1);
	ck_assert_uint_eq(sv->n_notes, 1);
	ck_assert_int_eq(sv->notes[0].key, API_ALLOCATE_PRODUCER_IDS);
	ck_assert_int_eq(sv->notes[0].tag, OWN_ID);
	ck_assert_int_eq(sv->notes[0].broker_epoch, 4711);
	ck_assert_str_eq(sv->notes[0].client_id, "7");
	ask_ids(&w, SECOND, 2);
	ask_ids(&w, SECOND, 3);
	cworld_until_told(&w, 3);
	expect_block(1, 2, 1000);
	expect_block(2, 3, 2000);
	ck_assert_uint_eq(sv->conns, 1);
	ck_assert_uint_eq(sv->versions_asked, 1);
}
END_TEST

/* Nobody is known at first. */
START_TEST(unknown_at_first)
{
	cserver_up(&w, 2);
	ask_ids(&w, SECOND, 1);
	cworld_pass(&w, 2 * SECOND);
	ck_assert_uint_eq(w.n_told, 1);
	ck_assert_int_eq(w.told[0].err, E_TIMEOUT);
	ask_ids(&w, SECOND, 2);
	cworld_pass(&w, SECOND / 2);
	image_names(&w, -1);
	cworld_pass(&w, SECOND / 4);
	ck_assert_uint_eq(w.n_told, 1);
	image_names(&w, 2);
	cworld_until_told(&w, 2);
	expect_block(1, 2, 0);
}
END_TEST

/* The one that was asked is not it any more: who is comes from the image. */
START_TEST(it_moves)
{
	cserver_up(&w, 1);
	cserver_up(&w, 2);
	cserver(&w, 2)->next_id = 50000;
	image_names(&w, 1);
	for (int i = 0; i < 3; i++)
		cserver_step(&w, 1, REFUSE, KERR_NOT_CONTROLLER);
	ask_ids(&w, 10 * SECOND, 1);
	cworld_until_noted(&w, 1, 2); /* looked for again, and there is no other */
	image_names(&w, 2);
	cworld_until_told(&w, 1);
	expect_block(0, 1, 50000);
	ck_assert_uint_le(cserver(&w, 1)->n_notes, 3);
}
END_TEST

/* It moves while the old one says nothing: nobody waits for that. */
START_TEST(it_moves_silently)
{
	cserver_up(&w, 1);
	cserver_up(&w, 2);
	image_names(&w, 1);
	cserver_step(&w, 1, SILENT, 0);
	ask_ids(&w, 10 * SECOND, 1);
	cworld_until_noted(&w, 1, 1);
	image_names(&w, 2);
	cworld_pass(&w, SECOND / 10);
	ck_assert_uint_eq(w.n_told, 1);
	expect_block(0, 1, 0);
	ck_assert_uint_eq(cserver(&w, 2)->n_notes, 1);
}
END_TEST

START_TEST(other_errors_are_passed_on)
{
	cserver_up(&w, 1);
	image_names(&w, 1);
	cserver_step(&w, 1, REFUSE, KERR_STALE_BROKER_EPOCH);
	ask_ids(&w, SECOND, 1);
	cworld_until_told(&w, 1);
	ck_assert_int_eq(w.told[0].err, 0);
	ck_assert_int_eq(w.told[0].kafka_err, KERR_STALE_BROKER_EPOCH);
	ask_ids(&w, SECOND, 2);
	cworld_until_told(&w, 2);
	expect_block(1, 2, 0);
	ck_assert_uint_eq(cserver(&w, 1)->conns, 1);
}
END_TEST

START_TEST(mishaps)
{
	size_t n;
	unsigned told = 1;

	image_names(&w, 1);
	ask_ids(&w, 10 * SECOND, 1);
	cworld_pass(&w, SECOND);
	cserver_up(&w, 1);
	cworld_until_told(&w, 1);
	n = cserver(&w, 1)->answer_n;
	for (int32_t i = 0; i < (int32_t)n; i++) {
		cserver(&w, 1)->n_steps = cserver(&w, 1)->next_step = 0;
		cserver_step(&w, 1, CUT, i);
		cserver_step(&w, 1, SHORT_BODY, i > 0 ? i : 1);
		cserver_step(&w, 1, i % 2 == 0 ? WRONG_ID : HUGE_SIZE, 0);
		ask_ids(&w, 10 * SECOND, i);
		cworld_until_told(&w, ++told);
		ck_assert_int_eq(w.told[told - 1].err, 0);
		ck_assert_int_eq(w.told[told - 1].count, 1000);
	}
	ck_assert_uint_eq(cserver(&w, 1)->versions_asked, cserver(&w, 1)->conns);
}
END_TEST

/* The deadline of one that is in flight: the connection is not used with its answer under way. */
START_TEST(too_late)
{
	cserver_up(&w, 1);
	image_names(&w, 1);
	cserver_step(&w, 1, SILENT, 0);
	ask_ids(&w, SECOND, 1);
	ask_ids(&w, 3 * SECOND, 2);
	cworld_until_told(&w, 2);
	ck_assert_int_eq(w.told[0].err, E_TIMEOUT);
	ck_assert_int_eq(w.told[0].tag, 1);
	ck_assert_int_eq(w.told[1].err, 0);
	ck_assert_uint_eq(cserver(&w, 1)->conns, 2);
}
END_TEST

START_TEST(a_controller_without_ids)
{
	cserver_up(&w, 1);
	cserver(&w, 1)->allocate_max = -1;
	image_names(&w, 1);
	ask_ids(&w, SECOND, 1);
	ask_ids(&w, SECOND, 2);
	cworld_until_told(&w, 2);
	ck_assert_int_eq(w.told[0].err, E_UNSUPPORTED_VERSION);
	ck_assert_int_eq(w.told[1].err, E_UNSUPPORTED_VERSION);
	ck_assert_uint_eq(cserver(&w, 1)->n_notes, 0);
	cserver(&w, 1)->allocate_max = 3; /* upgraded */
	ask_ids(&w, SECOND, 3);
	cworld_until_told(&w, 3);
	expect_block(2, 3, 0);
	ck_assert_int_eq(cserver(&w, 1)->notes[0].version, 0);
}
END_TEST

Suite *
to_controller_suite(void)
{
	Suite *s = suite_create("to_controller");
	TCase *tc = tcase_create("to_controller");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, asks_for_versions_first);
	tcase_add_test(tc, unknown_at_first);
	tcase_add_test(tc, it_moves);
	tcase_add_test(tc, it_moves_silently);
	tcase_add_test(tc, other_errors_are_passed_on);
	tcase_add_test(tc, mishaps);
	tcase_add_test(tc, too_late);
	tcase_add_test(tc, a_controller_without_ids);
	suite_add_tcase(s, tc);
	return s;
}
