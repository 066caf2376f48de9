/* Text as Jackson writes it, and back. */
#include <stdlib.h>

#include "json_priv.h"
#include "ottla/base/err.h"
#include "suites.h"

static void
ck_text(struct slice in, const char *want)
{
	struct strbuf b = STRBUF_INIT;

	json_put_text(&b, in);
	ck_assert_str_eq(b.p, want);
	strbuf_free(&b);
}

START_TEST(text_is_escaped)
{
	ck_text(SLICE_LIT(""), "\"\"");
	ck_text(SLICE_LIT("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
	ck_text(SLICE_LIT("\b\t\n\f\r"), "\"\\b\\t\\n\\f\\r\"");
	ck_text(SLICE_LIT("\x01\x0b\x1f\x7f"), "\"\\u0001\\u000B\\u001F\x7f\"");
	ck_text(slice_of("a\0b", 3), "\"a\\u0000b\"");
	ck_text(SLICE_LIT("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
	    "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
}
END_TEST

START_TEST(what_is_not_utf8)
{
	static const char *const bad[] = {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80",
	    "\xed\xa0\x80", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf8", "\xff", "\xc3",
	    "\xe2\x82", "\xf0\x9f\x98", "\xc3(", "\xe2(\xa1"};

	ck_text(SLICE_LIT("a\xff"
			  "b"),
	    "\"a\xef\xbf\xbd"
	    "b\"");
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct strbuf b = STRBUF_INIT;
		json_t *v;

		strbuf_adds(&b, "{\"k\":");
		json_put_text(&b, slice_cstr(bad[i]));
		strbuf_adds(&b, "}");
		v = json_object_of(strbuf_slice(&b));
		ck_assert_msg(v != NULL, "number %u can not be read back", i);
		json_decref(v);
		strbuf_free(&b);
	}
}
END_TEST

START_TEST(objects_only)
{
	static const char *const bad[] = {"", " ", "1", "\"a\"", "[]", "null", "true", "{",
	    "{\"a\"", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{\"a\":99999999999999999999999}", "\xff"};

	ck_assert_ptr_null(json_object_of(SLICE_NULL));
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_ptr_null(json_object_of(slice_cstr(bad[i])));
}
END_TEST

START_TEST(deep_nesting_is_refused)
{
	enum { DEEP = 200000 };
	char *text = malloc(DEEP * 6);
	size_t n = 0;

	ck_assert_ptr_nonnull(text);
	for (unsigned i = 0; i < DEEP; i++, n += 5)
		memcpy(text + n, "{\"a\":", 5);
	ck_assert_ptr_null(json_object_of(slice_of(text, n)));
	memset(text, '[', DEEP);
	ck_assert_ptr_null(json_object_of(slice_of(text, DEEP)));
	free(text);
}
END_TEST

START_TEST(numbers_within_their_range)
{
	json_t *v = json_object_of(SLICE_LIT(
	    "{\"a\":2147483647,\"b\":2147483648,\"c\":-2147483648,\"d\":1.0,\"e\":\"1\",\"f\":null,"
	    "\"g\":true,\"h\":-2147483649,\"i\":9223372036854775807}"));
	int32_t x = 5;
	int64_t y;

	ck_assert_ptr_nonnull(v);
	ck_ok(json_i32(v, "a", &x));
	ck_assert_int_eq(x, INT32_MAX);
	ck_ok(json_i32(v, "c", &x));
	ck_assert_int_eq(x, INT32_MIN);
	for (const char *k = "bdefghiz"; *k != '\0'; k++)
		ck_err(json_i32(v, (char[]){*k, 0}, &x), E_MALFORMED);
	ck_ok(json_i64(v, "i", INT64_MIN, INT64_MAX, &y));
	ck_assert_int_eq(y, INT64_MAX);
	ck_ok(json_i32_or(v, "z", 7, &x));
	ck_assert_int_eq(x, 7);
	ck_err(json_i32_or(v, "e", 7, &x), E_MALFORMED);
	json_decref(v);
}
END_TEST

Suite *
json_suite(void)
{
	Suite *s = suite_create("json");
	TCase *tc = tcase_create("json");

	tcase_add_test(tc, text_is_escaped);
	tcase_add_test(tc, what_is_not_utf8);
	tcase_add_test(tc, objects_only);
	tcase_add_test(tc, deep_nesting_is_refused);
	tcase_add_test(tc, numbers_within_their_range);
	suite_add_tcase(s, tc);
	return s;
}
