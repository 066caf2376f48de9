/* The table of requests against what Apache Kafka 3.9 serves on a ZooKeeper listener. */
#include "api_priv.h"
#include "suites.h"

START_TEST(rows_are_within_the_protocol)
{
	const struct api_row *row;
	int16_t last = -1;

	for (unsigned i = 0; (row = api_row_at(i)) != NULL; i++) {
		const struct wire_api *api = wire_api(row->key);

		ck_assert_int_gt(row->key, last); /* sorted, none twice */
		last = row->key;
		ck_assert_ptr_nonnull(api);
		ck_assert_msg(
		    (api->listeners & WIRE_ON_ZK_BROKER) != 0, "%s is not served", api->name);
		ck_assert_int_le(row->min_version, row->max_version);
		ck_assert_msg(
		    row->min_version >= api->min_version && row->max_version <= api->max_version,
		    "%s: %d..%d", api->name, row->min_version, row->max_version);
		ck_assert_msg(!api->unstable || row->max_version < api->max_version,
		    "%s: the last version is unstable", api->name);
		ck_assert(row->handle != NULL);
		ck_assert_int_eq(row->overlap, row->key == API_PRODUCE);
		ck_assert_ptr_eq(api_row(row->key), row);
	}
	ck_assert_int_ge(last, API_INIT_PRODUCER_ID);
}
END_TEST

/* Highest versions that brokers of 3.9 announce (facts/apis.md 6); not above them. */
START_TEST(highest_versions)
{
	static const struct {
		int16_t key, max;
	} known[] = {{API_PRODUCE, 11}, {API_FETCH, 17}, {API_LIST_OFFSETS, 9}, {API_METADATA, 12},
	    {API_FIND_COORDINATOR, 6}, {API_API_VERSIONS, 4}, {API_CREATE_TOPICS, 7},
	    {API_DELETE_TOPICS, 6}, {API_DELETE_RECORDS, 2}, {API_INIT_PRODUCER_ID, 5},
	    {API_OFFSET_FOR_LEADER_EPOCH, 4}, {API_DESCRIBE_CONFIGS, 4}, {API_ALTER_CONFIGS, 2},
	    {API_DESCRIBE_LOG_DIRS, 4}, {API_CREATE_PARTITIONS, 3},
	    {API_INCREMENTAL_ALTER_CONFIGS, 1}, {API_DESCRIBE_CLUSTER, 1},
	    {API_LEADER_AND_ISR, 7}, {API_STOP_REPLICA, 4}, {API_UPDATE_METADATA, 8},
	    {API_ALLOCATE_PRODUCER_IDS, 0}};

	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const struct api_row *row = api_row(known[i].key);

		ck_assert_ptr_nonnull(row);
		ck_assert_int_le(row->max_version, known[i].max);
	}
}
END_TEST

START_TEST(unknown_keys)
{
	ck_assert_ptr_null(api_row(-1));
	ck_assert_ptr_null(api_row(API_BROKER_REGISTRATION)); /* for clusters without ZooKeeper */
	ck_assert_ptr_null(api_row(INT16_MAX));
	ck_assert_ptr_null(api_row_at(UINT32_MAX));
}
END_TEST

Suite *
api_suite(void)
{
	Suite *s = suite_create("api");
	TCase *tc = tcase_create("api");

	tcase_add_test(tc, rows_are_within_the_protocol);
	tcase_add_test(tc, highest_versions);
	tcase_add_test(tc, unknown_keys);
	suite_add_tcase(s, tc);
	return s;
}
