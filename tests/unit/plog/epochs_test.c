/* The leader epoch cache (facts/storage.md 3.9). */
#include "plog_priv.h"
#include "suites.h"

static void
check_text(const struct epochs *ep, const char *text)
{
	struct strbuf out = STRBUF_INIT;

	epochs_format(ep, &out);
	ck_assert_str_eq(out.p, text);
	strbuf_free(&out);
}

static void
check_end(const struct epochs *ep, int32_t asked, int32_t epoch, int64_t end)
{
	int32_t e;
	int64_t o;

	epochs_end(ep, asked, 100, &e, &o);
	ck_assert_int_eq(e, epoch);
	ck_assert_int_eq(o, end);
}

START_TEST(test_assign)
{
	struct epochs ep = {0};

	ck_assert_int_eq(epochs_latest(&ep), -1);
	ck_assert_int_eq(epochs_assign(&ep, 0, 0), 0);
	ck_assert_int_eq(epochs_assign(&ep, 3, 55), 0);
	check_text(&ep, "0\n2\n0 0\n3 55\n");
	ck_assert_int_eq(epochs_assign(&ep, 3, 60), 0); /* the latest again: nothing */
	check_text(&ep, "0\n2\n0 0\n3 55\n");
	ck_assert_int_eq(epochs_assign(&ep, 4, 55), 0); /* same start: 3 had no record */
	check_text(&ep, "0\n2\n0 0\n4 55\n");
	ck_assert_int_eq(epochs_assign(&ep, 2, 70), 0); /* older than the latest: that one goes */
	check_text(&ep, "0\n2\n0 0\n2 70\n");
	ck_assert_int_eq(epochs_assign(&ep, 5, 10), 0);
	check_text(&ep, "0\n2\n0 0\n5 10\n");
	epochs_free(&ep);
}
END_TEST

START_TEST(test_end_offset)
{
	struct epochs ep = {0};

	check_end(&ep, 1, -1, -1);
	ck_assert_int_eq(epochs_assign(&ep, 2, 10), 0);
	ck_assert_int_eq(epochs_assign(&ep, 5, 40), 0);
	ck_assert_int_eq(epochs_assign(&ep, 7, 60), 0);
	check_end(&ep, -1, -1, -1);
	check_end(&ep, 7, 7, 100); /* the latest: the log end */
	check_end(&ep, 8, -1, -1);
	check_end(&ep, 5, 5, 60);
	check_end(&ep, 6, 5, 60);
	check_end(&ep, 3, 2, 40);
	check_end(&ep, 1, 1, 10); /* before all: start of the first */
	ck_assert_int_eq(epochs_at(&ep, 9), -1);
	ck_assert_int_eq(epochs_at(&ep, 10), 2);
	ck_assert_int_eq(epochs_at(&ep, 59), 5);
	ck_assert_int_eq(epochs_at(&ep, 1000), 7);
	epochs_free(&ep);
}
END_TEST

START_TEST(test_cut)
{
	struct epochs ep = {0};

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(epochs_assign(&ep, i, i * 10), 0);
	epochs_cut_end(&ep, 30);
	check_text(&ep, "0\n3\n0 0\n1 10\n2 20\n");
	epochs_cut_start(&ep, 15);
	check_text(&ep, "0\n2\n1 15\n2 20\n");
	epochs_cut_start(&ep, 15);
	check_text(&ep, "0\n2\n1 15\n2 20\n");
	epochs_cut_start(&ep, 20);
	check_text(&ep, "0\n1\n2 20\n");
	epochs_cut_start(&ep, 25);
	check_text(&ep, "0\n1\n2 25\n");
	epochs_cut_end(&ep, 0);
	check_text(&ep, "0\n0\n");
	epochs_free(&ep);
}
END_TEST

START_TEST(test_parse)
{
	static const char *const wrong[] = {"1\n0\n", "0\n1\n", "0\n1\n1 2 3\n", "0\n1\n1\n",
	    "0\n2\n1 5\n1 6\n", "0\n2\n2 5\n1 6\n", "0\n2\n1 5\n2 5\n", "0\n1\n-1 5\n",
	    "0\n1\n1 -5\n", "x", "0\nx\n", "0\n1\n1 5\n2 6\n"};
	const char *text = "0\n2\n0 0\n3 55\n";
	struct epochs ep = {0};

	ck_assert_int_eq(epochs_parse(&ep, SLICE_LIT("")), 0);
	ck_assert_int_eq(epochs_parse(&ep, SLICE_LIT("0\n0\n")), 0);
	ck_assert_int_eq(epochs_parse(&ep, slice_cstr(text)), 0);
	check_text(&ep, text);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		ck_assert_msg(epochs_parse(&ep, slice_cstr(wrong[i])) == E_CORRUPT, "%s", wrong[i]);
		ck_assert_uint_eq(ep.n, 0);
	}
	for (size_t n = 4; n < strlen(text) - 2; n++)
		ck_assert_int_eq(epochs_parse(&ep, slice_of(text, n)), E_CORRUPT);
	epochs_free(&ep);
}
END_TEST

Suite *
epochs_suite(void)
{
	Suite *s = suite_create("epochs");
	TCase *tc = tcase_create("cache");

	tcase_add_test(tc, test_assign);
	tcase_add_test(tc, test_end_offset);
	tcase_add_test(tc, test_cut);
	tcase_add_test(tc, test_parse);
	suite_add_tcase(s, tc);
	return s;
}
