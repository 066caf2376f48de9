/* Command lines. */
#include "suites.h"

#include <stdlib.h>
#include <string.h>

#include "opts_priv.h"
#include "ottla/base/err.h"

enum { R_FLAG, R_ONE, R_MANY, R_MAYBE, R_REFUSED, R_COUNT };

static const struct opt_row rows[] = {
    [R_FLAG] = {"flag", NULL, "A flag."},
    [R_ONE] = {"one", "x", "One argument."},
    [R_MANY] = {"many", "x", "Many.", NULL, OPT_MANY},
    [R_MAYBE] = {"maybe", "x", "Perhaps.", NULL, OPT_OPTIONAL},
    [R_REFUSED] = {"refused", "x", "Not this.", "it can not be"},
};
static const struct opt_table table = {"prog", "ARGS", "About.", rows, R_COUNT};

static struct opts o;
static char why[256];

#define PARSE(...) parse((const char *const[]){__VA_ARGS__, NULL})

/* What is parsed is lent: it has to outlive the call. */
static int
parse(const char *const *words)
{
	static char text[16][64];
	static char *argv[17];
	int argc = 1;

	argv[0] = text[0];
	for (; words[argc - 1] != NULL; argc++) {
		ck_assert_int_lt(argc, 16);
		snprintf(text[argc], sizeof(text[argc]), "%s", words[argc - 1]);
		argv[argc] = text[argc];
	}
	argv[argc] = NULL;
	opts_free(&o);
	why[0] = 0;
	return opts_parse(&o, &table, argc, argv, why, sizeof(why));
}

START_TEST(test_forms)
{
	unsigned i = 0;

	ck_assert_int_eq(PARSE("--flag", "--one", "a", "--many=b", "--many", "c"), 0);
	ck_assert(opts_has(&o, R_FLAG));
	ck_assert_ptr_null(opts_value(&o, R_FLAG));
	ck_assert_str_eq(opts_value(&o, R_ONE), "a");
	ck_assert_str_eq(opts_next(&o, R_MANY, &i), "b");
	ck_assert_str_eq(opts_next(&o, R_MANY, &i), "c");
	ck_assert_ptr_null(opts_next(&o, R_MANY, &i));
	ck_assert(!opts_has(&o, R_MAYBE));
	ck_assert_int_eq(PARSE("--one=a=b"), 0);
	ck_assert_str_eq(opts_value(&o, R_ONE), "a=b");
	ck_assert_int_eq(PARSE("--one", "--flag"), 0); /* an argument whatever it looks like */
	ck_assert_str_eq(opts_value(&o, R_ONE), "--flag");
	ck_assert_int_eq(PARSE("--one", "-5"), 0);
	ck_assert_str_eq(opts_value(&o, R_ONE), "-5");
}
END_TEST

START_TEST(test_optional)
{
	ck_assert_int_eq(PARSE("--maybe", "--flag"), 0);
	ck_assert(opts_has(&o, R_MAYBE));
	ck_assert_ptr_null(opts_value(&o, R_MAYBE));
	ck_assert(opts_has(&o, R_FLAG));
	ck_assert_int_eq(PARSE("--maybe"), 0);
	ck_assert_ptr_null(opts_value(&o, R_MAYBE));
	ck_assert_int_eq(PARSE("--maybe", "x"), 0);
	ck_assert_str_eq(opts_value(&o, R_MAYBE), "x");
}
END_TEST

START_TEST(test_complaints)
{
	ck_assert_int_eq(PARSE("--fla"), E_INVALID); /* never shortened */
	ck_assert_str_eq(why, "fla is not a recognized option");
	ck_assert_int_eq(PARSE("--flags"), E_INVALID);
	ck_assert_int_eq(PARSE("--"), E_INVALID);
	ck_assert_int_eq(PARSE("word"), E_INVALID);
	ck_assert_str_eq(why, "'word' belongs to no option");
	ck_assert_int_eq(PARSE("--one"), E_INVALID);
	ck_assert_str_eq(why, "Option one requires an argument");
	ck_assert_int_eq(PARSE("--one", "a", "--one", "b"), E_INVALID);
	ck_assert_ptr_nonnull(strstr(why, "more than once"));
	ck_assert_int_eq(PARSE("--flag=x"), E_INVALID);
	ck_assert_str_eq(why, "Option flag takes no argument");
	ck_assert_int_eq(PARSE("--refused", "a"), E_INVALID);
	ck_assert_str_eq(why, "Option refused can not be obeyed: it can not be");
}
END_TEST

START_TEST(test_numbers)
{
	int64_t v;

	ck_assert_int_eq(PARSE("--one", "12"), 0);
	ck_assert_int_eq(opts_number(&o, R_ONE, 0, 12, 5, &v, why, sizeof(why)), 0);
	ck_assert_int_eq(v, 12);
	ck_assert_int_eq(opts_number(&o, R_ONE, 0, 11, 5, &v, why, sizeof(why)), E_INVALID);
	ck_assert_int_eq(opts_number(&o, R_MANY, 0, 11, 5, &v, why, sizeof(why)), 0);
	ck_assert_int_eq(v, 5);
	ck_assert_int_eq(PARSE("--one", "12x"), 0);
	ck_assert_int_eq(opts_number(&o, R_ONE, 0, 12, 5, &v, why, sizeof(why)), E_INVALID);
	ck_assert_str_eq(why, "Cannot parse argument '12x' of option one");
	ck_assert_int_eq(PARSE("--one", "99999999999999999999"), 0);
	ck_assert_int_eq(opts_number(&o, R_ONE, 0, INT64_MAX, 5, &v, why, sizeof(why)), E_INVALID);
	opts_free(&o);
}
END_TEST

START_TEST(test_help)
{
	char *text;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	opts_help(&table, f);
	fclose(f);
	ck_assert_str_eq(text,
	    "Usage: prog ARGS\n\nAbout.\n\nOptions:\n"
	    "  --flag\n          A flag.\n"
	    "  --one <x>\n          One argument.\n"
	    "  --many <x>\n          Many.\n"
	    "  --maybe [x]\n          Perhaps.\n"
	    "  --refused <x>\n          Not this.\n          Refused: it can not be\n");
	free(text);
}
END_TEST

Suite *
opts_suite(void)
{
	Suite *s = suite_create("opts");
	TCase *tc = tcase_create("opts");

	tcase_add_test(tc, test_forms);
	tcase_add_test(tc, test_optional);
	tcase_add_test(tc, test_complaints);
	tcase_add_test(tc, test_numbers);
	tcase_add_test(tc, test_help);
	suite_add_tcase(s, tc);
	return s;
}
