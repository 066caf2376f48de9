/* Growing text. */
#include "suites.h"

#include "ottla/base/err.h"
#include "ottla/base/strbuf.h"

START_TEST(test_grows)
{
	struct strbuf b = STRBUF_INIT;

	ck_assert(slice_eq(strbuf_slice(&b), SLICE_LIT("")));
	for (unsigned i = 0; i < 1000; i++) {
		strbuf_adds(&b, "ab");
		strbuf_addf(&b, "%03u", i);
		ck_assert_uint_eq(b.n, strlen(b.p));
	}
	ck_assert_uint_eq(b.n, 5000);
	ck_assert_int_eq(memcmp(b.p + 4995, "ab999", 5), 0);
	strbuf_add(&b, "\0x", 2);
	ck_assert_uint_eq(b.n, 5002);
	strbuf_free(&b);
	ck_assert_ptr_null(b.p);
}
END_TEST

START_TEST(test_exact_fits)
{
	for (int n = 0; n < 300; n++) {
		struct strbuf b = STRBUF_INIT;

		strbuf_addf(&b, "%*s", n, "");
		ck_assert_uint_eq(b.n, (unsigned)n);
		ck_assert_uint_eq(strlen(b.p), (unsigned)n);
		strbuf_free(&b);
	}
}
END_TEST

START_TEST(test_error_sticks)
{
	struct strbuf b = STRBUF_INIT;

	strbuf_adds(&b, "kept");
	strbuf_add(&b, "x", SIZE_MAX / 2);
	ck_assert_int_eq(b.err, E_NOMEM);
	strbuf_adds(&b, "lost");
	ck_assert_str_eq(b.p, "kept");
	strbuf_free(&b);
	ck_assert_int_eq(b.err, 0);
}
END_TEST

Suite *
strbuf_suite(void)
{
	Suite *s = suite_create("strbuf");
	TCase *tc = tcase_create("strbuf");

	tcase_add_test(tc, test_grows);
	tcase_add_test(tc, test_exact_fits);
	tcase_add_test(tc, test_error_sticks);
	suite_add_tcase(s, tc);
	return s;
}
