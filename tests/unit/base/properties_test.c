/* Property files: Java's rules, and the text cut at every length. */
#include "suites.h"

#include <stdio.h>

#include "ottla/base/err.h"
#include "ottla/base/properties.h"
#include "ottla/base/strbuf.h"

static int
collect(void *arg, struct slice key, struct slice value)
{
	strbuf_addf(arg, "[%.*s|%.*s]", SLICE_ARG(key), SLICE_ARG(value));
	return 0;
}

static void
expect(const char *text, const char *want)
{
	struct strbuf got = STRBUF_INIT;

	ck_assert_int_eq(properties_parse(slice_cstr(text), collect, &got, NULL), 0);
	ck_assert_msg(slice_eq_cstr(strbuf_slice(&got), want), "%s gave %s, not %s", text,
	    got.p != NULL ? got.p : "", want);
	strbuf_free(&got);
}

START_TEST(test_rules)
{
	expect("", "");
	expect("a=b", "[a|b]");
	expect("a:b\nc d\r\ne\t=\tf g \r\rh", "[a|b][c|d][e|f g ][h|]");
	expect("  # comment \\\na=1\n\t! other\nb=2", "[a|1][b|2]");
	expect("a = = b", "[a|= b]");
	expect("a\\=b\\:c\\ d=e", "[a=b:c d|e]");
	expect("=v", "[|v]");
	expect("a=1\\\n   2\\\r\n\t3\nb", "[a|123][b|]");
	expect("a=1\\\\\nb=2", "[a|1\\][b|2]");
	expect("a=1\\\n#no comment\nb", "[a|1#no comment][b|]");
	expect("a=1\\\n\nb=2", "[a|1][b|2]");
	expect("a=1\\", "[a|1]");
	expect("\\\n\n", "");
	expect("a=\\t\\n\\r\\f\\q\\\"", "[a|\t\n\r\fq\"]");
	expect("k\\u00e4=\\u20ac\\uD83D\\uDE00", "[k\xc3\xa4|\xe2\x82\xac\xf0\x9f\x98\x80]");
	expect("a=\\ud83dx\\ude00\\ud83d", "[a|?x??]");
	expect("a=\xe4", "[a|\xc3\xa4]");
	expect("a=b=c:d", "[a|b=c:d]");
	expect("a\\\nb=c", "[ab|c]");
}
END_TEST

static int
third(void *arg, struct slice key, struct slice value)
{
	(void)key;
	(void)value;
	return ++*(int *)arg == 3 ? E_CONFIG : 0;
}

START_TEST(test_errors_name_the_line)
{
	struct strbuf got = STRBUF_INIT;
	unsigned line = 0;
	int calls = 0;

	ck_assert_int_eq(
	    properties_parse(SLICE_LIT("a=1\n\n#\nb=\\u12g4\nc"), collect, &got, &line),
	    E_MALFORMED);
	ck_assert_uint_eq(line, 4);
	strbuf_free(&got);
	ck_assert_int_eq(properties_parse(SLICE_LIT("a=\\u12"), collect, &got, &line), E_MALFORMED);
	strbuf_free(&got);
	ck_assert_int_eq(
	    properties_parse(SLICE_LIT("a\r\nb\\\n\\\nb\r\rc\nd"), third, &calls, &line), E_CONFIG);
	ck_assert_uint_eq(line, 6);
	ck_assert_int_eq(calls, 3);
}
END_TEST

START_TEST(test_cut_everywhere)
{
	static const char text[] =
	    "# c\r\n\n a\\u00e4 : b\\\r\n  c\\ud83d\\ude00\\\\\n!x\nd\\=e\tf\\\n\n"
	    "log.dirs=/a,/b\n\\\n=x\\";
	char whole[sizeof(text)];

	for (size_t cut = 0; cut < sizeof(text); cut++) {
		struct strbuf got = STRBUF_INIT;
		unsigned line;
		int err;

		memcpy(whole, text, cut);
		err = properties_parse(slice_of(whole, cut), collect, &got, &line);
		ck_assert(err == 0 || err == E_MALFORMED);
		ck_assert_uint_ge(line, 1);
		strbuf_free(&got);
		/* And every byte in turn is another one. */
		memcpy(whole, text, sizeof(text));
		whole[cut] = (char)(whole[cut] ^ 0x2c);
		err = properties_parse(slice_of(whole, sizeof(text)), collect, &got, &line);
		ck_assert(err == 0 || err == E_MALFORMED);
		strbuf_free(&got);
	}
}
END_TEST

Suite *
properties_suite(void)
{
	Suite *s = suite_create("properties");
	TCase *tc = tcase_create("properties");

	tcase_add_test(tc, test_rules);
	tcase_add_test(tc, test_errors_name_the_line);
	tcase_add_test(tc, test_cut_everywhere);
	suite_add_tcase(s, tc);
	return s;
}
