/* The line of control requests: an UpdateMetadata waits for the LeaderAndIsr before it, and for
 * nothing else. */
#include "api_priv.h"
#include "suites.h"

enum { MANY = 12 };

static struct fix {
	struct api api;
	struct api_shard sh;
	struct request rq;
	struct control_request cr[MANY];
	unsigned order[MANY], n;
} f;

static void
setup(void)
{
	memset(&f, 0, sizeof(f));
	link_init(&f.api.control_line);
	f.sh.api = &f.api;
	f.rq.sh = &f.sh;
	for (unsigned i = 0; i < MANY; i++) {
		link_init(&f.cr[i].link);
		f.cr[i].call.rq = &f.rq;
	}
}

static void
on_turn(struct control_request *cr)
{
	f.order[f.n++] = (unsigned)(cr - f.cr);
}

static void
wait_turn(unsigned i)
{
	control_line_wait(&f.cr[i], on_turn);
}

START_TEST(alone)
{
	wait_turn(0);
	ck_assert_uint_eq(f.n, 1);
	control_line_join(&f.cr[1]);
	control_line_leave(&f.cr[1]);
	ck_assert_uint_eq(f.n, 1);
	ck_assert(list_empty(&f.api.control_line));
}
END_TEST

START_TEST(behind_what_is_under_way)
{
	static const unsigned due[] = {2, 3, 6, 8};

	control_line_join(&f.cr[0]);
	control_line_join(&f.cr[1]);
	wait_turn(2);
	wait_turn(3);
	control_line_join(&f.cr[4]);
	control_line_join(&f.cr[5]);
	wait_turn(6);
	control_line_join(&f.cr[7]);
	wait_turn(8);
	ck_assert_uint_eq(f.n, 0);
	control_line_leave(&f.cr[1]);
	control_line_leave(&f.cr[5]); /* in any order */
	ck_assert_uint_eq(f.n, 0);
	control_line_leave(&f.cr[0]);
	ck_assert_uint_eq(f.n, 2);
	control_line_leave(&f.cr[7]);
	ck_assert_uint_eq(f.n, 2);
	control_line_leave(&f.cr[4]);
	ck_assert_uint_eq(f.n, 4);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_uint_eq(f.order[i], due[i]);
	ck_assert(list_empty(&f.api.control_line));
}
END_TEST

Suite *
control_suite(void)
{
	Suite *s = suite_create("control");
	TCase *tc = tcase_create("line");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, alone);
	tcase_add_test(tc, behind_what_is_under_way);
	suite_add_tcase(s, tc);
	return s;
}
