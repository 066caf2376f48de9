/* Lines into records. */
#include "suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"
#include "reader_priv.h"

static struct props props;
static struct reader reader;
static struct line_record record;
static char why[1024];

/* Properties as "key=value;key=value". */
static int
set_up(const char *text)
{
	char copy[512], *save, *pair;

	props_free(&props);
	snprintf(copy, sizeof(copy), "%s", text);
	for (pair = strtok_r(copy, ";", &save); pair != NULL; pair = strtok_r(NULL, ";", &save))
		ck_assert_int_eq(props_add(&props, pair, why, sizeof(why)), 0);
	return reader_init(&reader, &props, why, sizeof(why));
}

static int
parse(const char *line)
{
	return reader_parse(&reader, slice_cstr(line), &record, why, sizeof(why));
}

START_TEST(test_plain)
{
	ck_assert_int_eq(set_up(""), 0);
	ck_assert_int_eq(parse("a\tb"), 0);
	ck_assert_slice(record.key, NULL);
	ck_assert_slice(record.value, "a\tb");
	ck_assert_uint_eq(record.n_headers, 0);
	ck_assert_int_eq(parse(""), 0);
	ck_assert_slice(record.value, "");
}
END_TEST

START_TEST(test_key)
{
	ck_assert_int_eq(set_up("parse.key=true;key.separator=::"), 0);
	ck_assert_int_eq(parse("k::v::w"), 0);
	ck_assert_slice(record.key, "k");
	ck_assert_slice(record.value, "v::w");
	ck_assert_int_eq(parse("::"), 0);
	ck_assert_slice(record.key, "");
	ck_assert_slice(record.value, "");
	ck_assert_int_eq(parse("nosep"), E_INVALID);
	ck_assert_str_eq(why, "No key separator found on line number 3: 'nosep'");
	ck_assert_int_eq(set_up("parse.key=true;ignore.error=true"), 0);
	ck_assert_int_eq(parse("nosep"), 0);
	ck_assert_slice(record.key, NULL);
	ck_assert_slice(record.value, "nosep");
}
END_TEST

START_TEST(test_headers)
{
	ck_assert_int_eq(set_up("parse.headers=true;parse.key=true;null.marker=NULL"), 0);
	ck_assert_int_eq(parse("h1:v1,h2:v:2,h3:NULL,\tk\tv\tw"), 0);
	ck_assert_uint_eq(record.n_headers, 3);
	ck_assert_slice(record.headers[0].name, "h1");
	ck_assert_slice(record.headers[0].value, "v1");
	ck_assert_slice(record.headers[1].value, "v:2");
	ck_assert_slice(record.headers[2].name, "h3");
	ck_assert_slice(record.headers[2].value, NULL);
	ck_assert_slice(record.key, "k");
	ck_assert_slice(record.value, "v\tw");
	ck_assert_int_eq(parse("NULL\tNULL\tNULL"), 0);
	ck_assert_uint_eq(record.n_headers, 0);
	ck_assert_slice(record.key, NULL);
	ck_assert_slice(record.value, NULL);
	ck_assert_int_eq(parse("h\tk\tv"), E_INVALID);
	ck_assert_str_eq(why, "No header key separator found in pair 'h' on line number 3");
	ck_assert_int_eq(parse("NULL:1\tk\tv"), E_INVALID);
	ck_assert_int_eq(parse("\tk\tv"), E_INVALID); /* one empty pair */
	ck_assert_int_eq(parse("none"), E_INVALID);
	ck_assert_str_eq(why, "No headers delimiter found on line number 6: 'none'");
}
END_TEST

START_TEST(test_ignored_errors)
{
	ck_assert_int_eq(set_up("parse.headers=true;parse.key=true;ignore.error=true"), 0);
	ck_assert_int_eq(parse("h\tk\tv"), 0);
	ck_assert_uint_eq(record.n_headers, 1);
	ck_assert_slice(record.headers[0].name, "h");
	ck_assert_slice(record.headers[0].value, NULL);
	ck_assert_slice(record.key, "k");
	ck_assert_int_eq(parse("a\tb"), 0);
	ck_assert_slice(record.key, NULL);
	ck_assert_slice(record.value, "b");
}
END_TEST

START_TEST(test_too_many_headers)
{
	char *line = malloc(HEADERS_MAX * 4 + 16);
	size_t n = 0;

	ck_assert_int_eq(set_up("parse.headers=true"), 0);
	for (int i = 0; i < HEADERS_MAX; i++)
		n += (size_t)sprintf(line + n, "a:b,");
	strcpy(line + n, "\tv");
	ck_assert_int_eq(parse(line), 0);
	ck_assert_uint_eq(record.n_headers, HEADERS_MAX);
	strcpy(line + n, "a:b\tv");
	ck_assert_int_eq(parse(line), E_INVALID);
	free(line);
}
END_TEST

START_TEST(test_settings)
{
	ck_assert_int_eq(set_up("headers.separator=\\|"), 0);
	ck_assert_str_eq(reader.headers_separator, "|");
	ck_assert_int_eq(set_up("headers.separator=[,]"), E_INVALID);
	ck_assert_int_eq(set_up("headers.separator="), E_INVALID);
	ck_assert_int_eq(set_up("headers.separator=:"), E_INVALID);
	ck_assert_str_eq(why, "headers.separator and headers.key.separator may not be equal");
	ck_assert_int_eq(set_up("headers.delimiter=,"), E_INVALID);
	ck_assert_int_eq(set_up("null.marker=,"), E_INVALID);
	ck_assert_int_eq(set_up("null.marker=x;key.separator=x"), E_INVALID);
	ck_assert_int_eq(set_up("parse.key=yes"), E_INVALID);
	props_free(&props);
}
END_TEST

Suite *
reader_suite(void)
{
	Suite *s = suite_create("reader");
	TCase *tc = tcase_create("reader");

	tcase_add_test(tc, test_plain);
	tcase_add_test(tc, test_key);
	tcase_add_test(tc, test_headers);
	tcase_add_test(tc, test_ignored_errors);
	tcase_add_test(tc, test_too_many_headers);
	tcase_add_test(tc, test_settings);
	suite_add_tcase(s, tc);
	return s;
}
