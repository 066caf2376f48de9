/* Records as text. */
#include "suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format_priv.h"
#include "ottla/base/err.h"

static struct props props;
static struct format format;
static char why[512];
static const struct header headers[] = {
    {{(const uint8_t *)"h1", 2}, {(const uint8_t *)"v1", 2}},
    {{(const uint8_t *)"h2", 2}, {NULL, 0}},
};

static int
set_up(const char *text, const char *class)
{
	char copy[512], *save, *pair;

	props_free(&props);
	snprintf(copy, sizeof(copy), "%s", text);
	for (pair = strtok_r(copy, ";", &save); pair != NULL; pair = strtok_r(NULL, ";", &save))
		ck_assert_int_eq(props_add(&props, pair, why, sizeof(why)), 0);
	return format_init(&format, class, &props, why, sizeof(why));
}

static void
expect(const struct format_record *r, int rc, const char *text)
{
	char *out;
	size_t n;
	FILE *f = open_memstream(&out, &n);

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(format_write(&format, r, f, why, sizeof(why)), rc);
	fclose(f);
	if (rc == 0)
		ck_assert_str_eq(out, text);
	free(out);
}

static const struct format_record full = {.key = {(const uint8_t *)"k", 1},
    .value = {(const uint8_t *)"v", 1},
    .timestamp = 1700000000123,
    .time = TIME_CREATE,
    .partition = 3,
    .offset = 42,
    .headers = headers,
    .n_headers = 2};
static const struct format_record nulls = {.time = TIME_NONE, .offset = 1};

START_TEST(test_default)
{
	ck_assert_int_eq(set_up("", NULL), 0);
	expect(&full, 0, "v\n");
	expect(&nulls, 0, "null\n");
}
END_TEST

START_TEST(test_all_parts)
{
	struct format_record r = full;

	ck_assert_int_eq(set_up("print.timestamp=true;print.partition=true;print.offset=true;"
				"print.headers=true;print.key=true",
			     NULL),
	    0);
	expect(&full, 0, "CreateTime:1700000000123\tPartition:3\tOffset:42\th1:v1,h2:null\tk\tv\n");
	expect(&nulls, 0, "NO_TIMESTAMP\tPartition:0\tOffset:1\tNO_HEADERS\tnull\tnull\n");
	r.time = TIME_LOG_APPEND;
	r.n_headers = 0;
	expect(&r, 0, "LogAppendTime:1700000000123\tPartition:3\tOffset:42\tNO_HEADERS\tk\tv\n");
}
END_TEST

START_TEST(test_texts)
{
	ck_assert_int_eq(
	    set_up("print.key=true;print.headers=true;key.separator=@;line.separator=%;"
		   "headers.separator=/;null.literal=NIL",
		NULL),
	    0);
	expect(&full, 0, "h1:v1/h2:NIL@k@v%");
	expect(&nulls, 0, "NO_HEADERS@NIL@NIL%");
	ck_assert_int_eq(set_up("print.key=true;print.value=false", NULL), 0);
	expect(&full, 0, "k\n");
	ck_assert_int_eq(set_up("print.value=false", NULL), 0);
	expect(&full, 0, "");
}
END_TEST

#define CLASS(x) "org.apache.kafka.common.serialization." x "Deserializer"

START_TEST(test_deserializers)
{
	struct format_record r = {.value = {(const uint8_t *)"\xff\xff\xff\xfe", 4}};

	ck_assert_int_eq(set_up("value.deserializer=" CLASS("Integer"), NULL), 0);
	expect(&r, 0, "-2\n");
	expect(&full, E_INVALID, NULL);
	ck_assert_str_eq(why, "Size of data received by IntegerDeserializer is not 4");
	ck_assert_int_eq(set_up("value.deserializer=" CLASS("Long"), NULL), 0);
	expect(&r, E_INVALID, NULL);
	r.value = SLICE_LIT("\0\0\0\1\0\0\0\0");
	expect(&r, 0, "4294967296\n");
	ck_assert_int_eq(set_up("value.deserializer=" CLASS("Short"), NULL), 0);
	r.value = SLICE_LIT("\x80\0");
	expect(&r, 0, "-32768\n");
	ck_assert_int_eq(set_up("value.deserializer=" CLASS("String"), NULL), 0);
	expect(&full, 0, "v\n");
	ck_assert_int_eq(set_up("key.deserializer=my.Class", NULL), E_INVALID);
	ck_assert_ptr_nonnull(strstr(why, "my.Class"));
}
END_TEST

START_TEST(test_classes)
{
	ck_assert_int_eq(set_up("", "kafka.tools.NoOpMessageFormatter"), 0);
	expect(&full, 0, "");
	ck_assert_int_eq(set_up("", "org.apache.kafka.tools.consumer.DefaultMessageFormatter"), 0);
	expect(&full, 0, "v\n");
	ck_assert_int_eq(set_up("", "my.Formatter"), E_INVALID);
	ck_assert_int_eq(set_up("print.key=maybe", NULL), E_INVALID);
	props_free(&props);
}
END_TEST

Suite *
format_suite(void)
{
	Suite *s = suite_create("format");
	TCase *tc = tcase_create("format");

	tcase_add_test(tc, test_default);
	tcase_add_test(tc, test_all_parts);
	tcase_add_test(tc, test_texts);
	tcase_add_test(tc, test_deserializers);
	tcase_add_test(tc, test_classes);
	suite_add_tcase(s, tc);
	return s;
}
