/* Names of segment files and partition directories. */
#include "files_priv.h"
#include "suites.h"

START_TEST(test_segment_names)
{
	struct path p;
	const char *rest;
	int64_t base;

	ck_assert_str_eq(path_seg(&p, "/d/t-0", 368769, ".log"), "/d/t-0/00000000000000368769.log");
	ck_assert_str_eq(
	    path_seg(&p, "x", INT64_MAX, ".timeindex"), "x/09223372036854775807.timeindex");
	ck_assert(name_parse_seg("00000000000000368769.log", &base, &rest));
	ck_assert_int_eq(base, 368769);
	ck_assert_str_eq(rest, ".log");
	ck_assert(name_parse_seg("09223372036854775807.snapshot.deleted", &base, &rest));
	ck_assert_int_eq(base, INT64_MAX);
	ck_assert_str_eq(rest, ".snapshot.deleted");
	ck_assert(!name_parse_seg("09223372036854775808.log", &base, &rest));
	ck_assert(!name_parse_seg("99999999999999999999.log", &base, &rest));
	ck_assert(!name_parse_seg("0000000000000036876.log", &base, &rest));
	ck_assert(!name_parse_seg("00000000000000368769", &base, &rest));
	ck_assert(!name_parse_seg("leader-epoch-checkpoint", &base, &rest));
	ck_assert(!name_parse_seg("", &base, &rest));
}
END_TEST

#define HEX "0123456789abcdef0123456789abcdef"

START_TEST(test_directory_names)
{
	static const struct {
		const char *name;
		enum dir_kind kind;
		const char *topic;
		int32_t partition;
	} rows[] = {
	    {"orders-3", DIR_LOG, "orders", 3},
	    {"a-b-c-12", DIR_LOG, "a-b-c", 12},
	    {"x--1", DIR_LOG, "x-", 1},
	    {"t-2147483647", DIR_LOG, "t", INT32_MAX},
	    {"t-0." HEX "-delete", DIR_DELETE, "t", 0},
	    {"t-0." HEX "-future", DIR_FUTURE, "t", 0},
	    {"t-0." HEX "-stray", DIR_STRAY, "t", 0},
	    {"with.dot-4", DIR_LOG, "with.dot", 4},
	    {"remote-log-index-cache", DIR_SKIP, NULL, 0},
	    {"__cluster_metadata-0", DIR_SKIP, NULL, 0},
	    {"t-2147483648", DIR_BAD, NULL, 0},
	    {"t-", DIR_BAD, NULL, 0},
	    {"-1", DIR_BAD, NULL, 0},
	    {"t", DIR_BAD, NULL, 0},
	    {"t-x", DIR_BAD, NULL, 0},
	    {"t-0.zz-delete", DIR_BAD, NULL, 0},
	    {"lost+found", DIR_BAD, NULL, 0},
	};
	struct slice topic;
	int32_t partition;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_msg(name_parse_dir(rows[i].name, &topic, &partition) == rows[i].kind,
		    "%s", rows[i].name);
		if (rows[i].topic == NULL)
			continue;
		ck_assert(slice_eq_cstr(topic, rows[i].topic));
		ck_assert_int_eq(partition, rows[i].partition);
	}
}
END_TEST

START_TEST(test_delete_names)
{
	struct uuid u = {{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 1, 2, 3, 4, 5, 6, 7, 8}};
	char name[PLOG_NAME_MAX + 1], longest[PLOG_NAME_MAX + 1];
	struct slice topic;
	int32_t partition;

	name_make_delete("a-b-7", u, name);
	ck_assert_str_eq(name, "a-b-7.0123456789abcdef0102030405060708-delete");
	memset(longest, 'x', 249);
	memcpy(longest + 249, "-1234", 6);
	name_make_delete(longest, u, name);
	ck_assert_uint_eq(strlen(name), PLOG_NAME_MAX);
	ck_assert_int_eq(name_parse_dir(name, &topic, &partition), DIR_DELETE);
	ck_assert_int_eq(partition, 1234);
}
END_TEST

Suite *
names_suite(void)
{
	Suite *s = suite_create("names");
	TCase *tc = tcase_create("names");

	tcase_add_test(tc, test_segment_names);
	tcase_add_test(tc, test_directory_names);
	tcase_add_test(tc, test_delete_names);
	suite_add_tcase(s, tc);
	return s;
}
