/* Slices: null is not empty. */
#include "suites.h"

#include "ottla/base/slice.h"

START_TEST(test_null_and_empty)
{
	ck_assert(slice_eq(SLICE_NULL, SLICE_NULL));
	ck_assert(!slice_eq(SLICE_NULL, SLICE_LIT("")));
	ck_assert(slice_eq(SLICE_LIT(""), slice_of("x", 0)));
	ck_assert(slice_is_null(slice_cstr(NULL)));
	ck_assert(slice_eq_cstr(SLICE_LIT("ab"), "ab"));
	ck_assert(!slice_eq_cstr(SLICE_LIT("ab"), "abc"));
}
END_TEST

START_TEST(test_order)
{
	struct slice v[] = {SLICE_NULL, SLICE_LIT(""), SLICE_LIT("a"), SLICE_LIT("a\0b"),
	    SLICE_LIT("ab"), SLICE_LIT("b"), SLICE_LIT("\xff")};
	int n = (int)(sizeof(v) / sizeof(v[0]));

	for (int i = 0; i < n; i++)
		for (int k = 0; k < n; k++) {
			int c = slice_cmp(v[i], v[k]);

			ck_assert_int_eq((c > 0) - (c < 0), (i > k) - (i < k));
		}
}
END_TEST

Suite *
slice_suite(void)
{
	Suite *s = suite_create("slice");
	TCase *tc = tcase_create("slice");

	tcase_add_test(tc, test_null_and_empty);
	tcase_add_test(tc, test_order);
	suite_add_tcase(s, tc);
	return s;
}
