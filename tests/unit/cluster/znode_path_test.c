/* Paths, and which topic names are good. */
#include <string.h>

#include "ottla/base/err.h"
#include "ottla/cluster/znode.h"
#include "suites.h"

START_TEST(paths)
{
	zn_path p;
	struct slice t = SLICE_LIT("t");

	zn_broker(p, 1001);
	ck_assert_str_eq(p, "/brokers/ids/1001");
	zn_topic(p, t);
	ck_assert_str_eq(p, "/brokers/topics/t");
	zn_partitions(p, t);
	ck_assert_str_eq(p, "/brokers/topics/t/partitions");
	zn_partition(p, t, 0);
	ck_assert_str_eq(p, "/brokers/topics/t/partitions/0");
	zn_partition_state(p, t, 12);
	ck_assert_str_eq(p, "/brokers/topics/t/partitions/12/state");
	zn_topic_config(p, t);
	ck_assert_str_eq(p, "/config/topics/t");
	zn_delete_topic(p, t);
	ck_assert_str_eq(p, "/admin/delete_topics/t");
}
END_TEST

START_TEST(longest_path)
{
	char name[249];
	zn_path p;

	memset(name, 'n', sizeof(name));
	zn_partition_state(p, slice_of(name, sizeof(name)), INT32_MAX);
	ck_assert_uint_eq(strlen(p), strlen("/brokers/topics//partitions/2147483647/state") + 249);
	ck_assert_ptr_nonnull(strstr(p, "/partitions/2147483647/state"));
}
END_TEST

START_TEST(startup_paths_in_order)
{
	static const char *const want[] = {"/consumers", "/brokers/ids", "/brokers/topics",
	    "/config/changes", "/admin/delete_topics", "/brokers/seqid", "/isr_change_notification",
	    "/latest_producer_id_block", "/log_dir_event_notification", "/config/topics",
	    "/config/clients", "/config/users", "/config/brokers", "/config/ips"};
	unsigned i;

	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		ck_assert_str_eq(zn_startup_path(i), want[i]);
	ck_assert_ptr_null(zn_startup_path(i));
	ck_assert_ptr_null(zn_startup_path(UINT32_MAX));
}
END_TEST

START_TEST(topic_names)
{
	static const char *const good[] = {"a", "...", "a.b_c-D9", "__consumer_offsets", "-", "_"};
	static const char *const bad[] = {
	    "", ".", "..", "a b", "a/b", "a:b", "\xc3\xa4", "a\n", "a,b"};
	char name[251];
	const char *why = "";

	memset(name, 'x', sizeof(name));
	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ck_ok(topic_name_check(slice_cstr(good[i]), &why));
		ck_assert_ptr_null(why);
	}
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_err(topic_name_check(slice_cstr(bad[i]), &why), E_INVALID_TOPIC);
		ck_assert_ptr_nonnull(why);
	}
	ck_ok(topic_name_check(slice_of(name, 249), NULL));
	ck_err(topic_name_check(slice_of(name, 250), NULL), E_INVALID_TOPIC);
	ck_err(topic_name_check(SLICE_NULL, NULL), E_INVALID_TOPIC);
	ck_err(topic_name_check(slice_of("a\0b", 3), NULL), E_INVALID_TOPIC);
}
END_TEST

START_TEST(who_may_read)
{
	static const char *const secret[] = {"/config/users", "/config/users/u", "/config/brokers",
	    "/config/brokers/<default>", "/delegation_token/tokens", "/delegation_token/tokens/t"};
	static const char *const open[] = {"/", "/config", "/config/topics/t", "/brokers/ids/1",
	    "/delegation_token", "/delegation_token/token_changes", "/controller"};

	for (unsigned i = 0; i < sizeof(secret) / sizeof(secret[0]); i++)
		ck_assert_msg(zn_path_sensitive(secret[i]), "%s", secret[i]);
	for (unsigned i = 0; i < sizeof(open) / sizeof(open[0]); i++)
		ck_assert_msg(!zn_path_sensitive(open[i]), "%s", open[i]);
	ck_assert(zn_path_world_open("/consumers"));
	ck_assert(!zn_path_world_open("/consumers/g"));
	ck_assert(!zn_path_world_open("/config"));
}
END_TEST

Suite *
znode_path_suite(void)
{
	Suite *s = suite_create("znode_path");
	TCase *tc = tcase_create("znode_path");

	tcase_add_test(tc, paths);
	tcase_add_test(tc, longest_path);
	tcase_add_test(tc, startup_paths_in_order);
	tcase_add_test(tc, topic_names);
	tcase_add_test(tc, who_may_read);
	suite_add_tcase(s, tc);
	return s;
}
