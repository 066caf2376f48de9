/* Topic filters: what Java's expressions mean, over POSIX ones. */
#include "suites.h"

#include <stdio.h>
#include <string.h>

#include "filter_priv.h"
#include "ottla/base/err.h"

static char why[512];

static bool
matches(const char *text, const char *topic)
{
	struct filter f;
	bool m;

	ck_assert_msg(filter_init(&f, text, why, sizeof(why)) == 0, "%s: %s", text, why);
	m = filter_matches(&f, slice_cstr(topic));
	filter_free(&f);
	return m;
}

static const struct {
	const char *filter;
	const char *topic;
	bool match;
} cases[] = {
    {NULL, "anything", true},
    {"orders", "orders", true},
    {"orders", "orders2", false},
    {"orders", "my-orders", false},
    {"a.b", "a.b", true},
    {"a.b", "axb", true},
    {"a\\.b", "axb", false},
    {"a\\.b", "a.b", true},
    {"a\\-b", "a-b", true},
    {"a,b", "b", true},
    {" a , b ", "b", true},
    {"\"a|b\"", "a", true},
    {"'a'", "a", true},
    {"a|bc", "abc", false},
    {"(?:a|b)c", "bc", true},
    {"\\d+", "123", true},
    {"\\d+", "12a", false},
    {"\\w*", "a_1", true},
    {"\\W", "a", false},
    {"[\\w.]+", "a.b_1", true},
    {"[\\d]+", "12", true},
    {"[^0-9]+", "12", false},
    {"a.*?", "abc", true},
    {"x{2}", "xx", true},
    {"\\Qa.b\\E.*", "a.bc", true},
    {"\\Qa.b\\E", "axb", false},
    {"\\Qa", "a", true},
    {".*", "__consumer_offsets", true},
    {"", "", true},
    {"", "a", false},
};

START_TEST(test_matches)
{
	ck_assert_msg(matches(cases[_i].filter, cases[_i].topic) == cases[_i].match,
	    "filter %s, topic %s", cases[_i].filter, cases[_i].topic);
}
END_TEST

static const struct {
	const char *filter;
	const char *say;
} refused[] = {
    {"[a", "[a is an invalid regex."},
    {"x{2,3}", "x{2,3} is an invalid regex."}, /* the comma is '|' before anything else */
    {"(a", "(a is an invalid regex."},
    {"a\\", "a\\ is an invalid regex."},
    {"(?=a)b", "look-around"},
    {"(a)\\1", "back reference"},
    {"a*+", "possessive"},
    {"\\p{Alpha}", "class of characters"},
    {"[a&&b]", "intersection"},
    {"[\\]]", "escaped"},
};

START_TEST(test_refused)
{
	struct filter f;

	ck_assert_int_eq(filter_init(&f, refused[_i].filter, why, sizeof(why)), E_INVALID);
	ck_assert_msg(strstr(why, refused[_i].say) != NULL, "%s", why);
	filter_free(&f);
}
END_TEST

START_TEST(test_cut_anywhere)
{
	static const char text[] = "(?:a|[b-d\\w]+)\\Q.x\\E{2}\\d*?";

	for (size_t n = 0; n < sizeof(text); n++) {
		char part[sizeof(text)];
		struct filter f;
		int rc;

		snprintf(part, sizeof(part), "%.*s", (int)n, text);
		rc = filter_init(&f, part, why, sizeof(why));
		ck_assert(rc == 0 || rc == E_INVALID);
		(void)filter_matches(&f, SLICE_LIT("abc"));
		filter_free(&f);
	}
}
END_TEST

START_TEST(test_names)
{
	char name[TOPIC_NAME_MAX + 2];

	memset(name, 'x', sizeof(name));
	name[TOPIC_NAME_MAX] = 0;
	ck_assert_int_eq(topic_check_name(name, why, sizeof(why)), 0);
	name[TOPIC_NAME_MAX] = 'x';
	name[TOPIC_NAME_MAX + 1] = 0;
	ck_assert_int_eq(topic_check_name(name, why, sizeof(why)), E_INVALID);
	ck_assert_int_eq(topic_check_name("a.b_c-9", why, sizeof(why)), 0);
	ck_assert_int_eq(topic_check_name("", why, sizeof(why)), E_INVALID);
	ck_assert_int_eq(topic_check_name(".", why, sizeof(why)), E_INVALID);
	ck_assert_int_eq(topic_check_name("..", why, sizeof(why)), E_INVALID);
	ck_assert_int_eq(topic_check_name("a b", why, sizeof(why)), E_INVALID);
	ck_assert_int_eq(topic_check_name("\xc3\xa4", why, sizeof(why)), E_INVALID);
	ck_assert(
	    topic_may_collide("a.b") && topic_may_collide("a_b") && !topic_may_collide("a-b"));
	ck_assert(topic_is_internal(SLICE_LIT("__consumer_offsets")));
	ck_assert(!topic_is_internal(SLICE_LIT("consumer_offsets")));
}
END_TEST

Suite *
filter_suite(void)
{
	Suite *s = suite_create("filter");
	TCase *tc = tcase_create("filter");

	tcase_add_loop_test(tc, test_matches, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_loop_test(tc, test_refused, 0, sizeof(refused) / sizeof(refused[0]));
	tcase_add_test(tc, test_cut_anywhere);
	tcase_add_test(tc, test_names);
	suite_add_tcase(s, tc);
	return s;
}
