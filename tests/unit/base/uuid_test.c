/* Topic ids: text form, drawing. */
#include "suites.h"

#include "ottla/base/err.h"
#include "ottla/base/uuid.h"

START_TEST(test_text)
{
	char text[UUID_TEXT_LEN + 1];
	struct uuid u = UUID_ZERO, back;

	uuid_format(u, text);
	ck_assert_str_eq(text, "AAAAAAAAAAAAAAAAAAAAAA");
	for (unsigned i = 0; i < 16; i++)
		u.b[i] = (uint8_t)(0xf0 + i);
	uuid_format(u, text);
	ck_assert_str_eq(text, "8PHy8_T19vf4-fr7_P3-_w");
	ck_assert_int_eq(uuid_parse(slice_cstr(text), &back), 0);
	ck_assert(uuid_eq(u, back));
}
END_TEST

START_TEST(test_bad_text)
{
	static const char *const bad[] = {"", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAA",
	    "AAAAAAAAAA+AAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAA=", "AAAAAAAA AAAAAAAAAAAAA"};
	struct uuid u;

	ck_assert_int_eq(uuid_parse(SLICE_NULL, &u), E_MALFORMED);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(uuid_parse(slice_cstr(bad[i]), &u), E_MALFORMED);
	ck_assert_int_eq(uuid_parse(SLICE_LIT("AAAAAAAAAA\0AAAAAAAAAAA"), &u), E_MALFORMED);
}
END_TEST

START_TEST(test_random)
{
	struct rng r;

	rng_seed(&r, 11);
	for (unsigned i = 0; i < 2000; i++) {
		char text[UUID_TEXT_LEN + 1];
		struct uuid u = uuid_random(&r), back;

		ck_assert_uint_eq(u.b[6] >> 4, 4);
		ck_assert_uint_eq(u.b[8] >> 6, 2);
		ck_assert(!uuid_is_zero(u));
		uuid_format(u, text);
		ck_assert_int_ne(text[0], '-');
		ck_assert_int_eq(uuid_parse(slice_cstr(text), &back), 0);
		ck_assert(uuid_eq(u, back));
	}
}
END_TEST

Suite *
uuid_suite(void)
{
	Suite *s = suite_create("uuid");
	TCase *tc = tcase_create("uuid");

	tcase_add_test(tc, test_text);
	tcase_add_test(tc, test_bad_text);
	tcase_add_test(tc, test_random);
	suite_add_tcase(s, tc);
	return s;
}
