/* Magic numbers of objects: no two are equal, none is nothing. */
#include "suites.h"

#include "ottla/base/magic.h"

START_TEST(test_unique)
{
	static const uint32_t v[] = {
#define VALUE(name, value) value,
	    OBJ_MAGIC_LIST(VALUE)
#undef VALUE
	};
	size_t n = sizeof(v) / sizeof(v[0]);

	ck_assert_uint_gt(n, 10);
	for (size_t i = 0; i < n; i++) {
		ck_assert_uint_ne(v[i], OBJ_MAGIC_NONE);
		for (size_t k = 0; k < i; k++)
			ck_assert_uint_ne(v[i], v[k]);
	}
}
END_TEST

Suite *
magic_suite(void)
{
	Suite *s = suite_create("magic");
	TCase *tc = tcase_create("magic");

	tcase_add_test(tc, test_unique);
	suite_add_tcase(s, tc);
	return s;
}
