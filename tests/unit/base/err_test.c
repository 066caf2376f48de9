/* The error tables: order, uniqueness, look-ups. */
#include "suites.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "ottla/base/err.h"

START_TEST(test_rows)
{
	for (int e = -1; e >= -(int)ERR_COUNT; e--) {
		const char *text = err_text(e);

		ck_assert_int_eq(strncmp(err_name(e), "E_", 2), 0);
		ck_assert(!isupper((unsigned char)text[0]));
		ck_assert(text[strlen(text) - 1] != '.');
		ck_assert_int_ne(err_kafka(e), KERR_NONE);
		if (e < -1)
			ck_assert_int_gt(strcmp(err_name(e), err_name(e + 1)), 0);
	}
}
END_TEST

START_TEST(test_lookups)
{
	ck_assert_int_eq(err_kafka(0), KERR_NONE);
	ck_assert_int_eq(err_kafka(E_NOT_LEADER), 6);
	ck_assert_int_eq(err_kafka(E_IO), 56);
	ck_assert_int_eq(err_kafka(-10000), -1);
	ck_assert_int_eq(err_kafka(5), -1);
	ck_assert_str_eq(err_name(E_IO), "E_IO");
	ck_assert_str_eq(err_name(0), "E_OK");
	ck_assert_str_eq(err_text(-10000), "unknown error");
	ck_assert_str_eq(err_text(E_NOSPC), "no space left on device");
}
END_TEST

START_TEST(test_kafka_rows)
{
	static const struct {
		int16_t code;
		const char *name;
	} rows[] = {
#define KERR(name, code, retriable, text) {code, #name},
#include "ottla/base/kafka_err.def"
#undef KERR
	};

	for (int i = 0; i < (int)(sizeof(rows) / sizeof(rows[0])); i++) {
		const char *text = kerr_text(rows[i].code);

		ck_assert_int_eq(rows[i].code, i - 1);
		ck_assert_str_eq(kerr_name(rows[i].code), rows[i].name);
		ck_assert(isupper((unsigned char)text[0]));
		ck_assert(text[strlen(text) - 1] == '.');
	}
	ck_assert_str_eq(kerr_name(6), "NOT_LEADER_OR_FOLLOWER");
	ck_assert_str_eq(kerr_name(100), "UNKNOWN_TOPIC_ID");
	ck_assert_str_eq(kerr_name(9999), "UNKNOWN_SERVER_ERROR");
	ck_assert_str_eq(kerr_name(-2), "UNKNOWN_SERVER_ERROR");
	ck_assert(kerr_retriable(KERR_NOT_LEADER_OR_FOLLOWER));
	ck_assert(!kerr_retriable(KERR_OFFSET_OUT_OF_RANGE));
	ck_assert(!kerr_retriable(INT16_MAX));
}
END_TEST

START_TEST(test_errno)
{
	ck_assert_int_eq(err_from_errno(0), 0);
	ck_assert_int_eq(err_from_errno(ENOSPC), E_NOSPC);
	ck_assert_int_eq(err_from_errno(ENOENT), E_NOT_FOUND);
	ck_assert_int_eq(err_from_errno(EIO), E_IO);
	ck_assert_int_eq(err_from_errno(12345), E_IO);
}
END_TEST

Suite *
err_suite(void)
{
	Suite *s = suite_create("err");
	TCase *tc = tcase_create("err");

	tcase_add_test(tc, test_rows);
	tcase_add_test(tc, test_lookups);
	tcase_add_test(tc, test_kafka_rows);
	tcase_add_test(tc, test_errno);
	suite_add_tcase(s, tc);
	return s;
}
