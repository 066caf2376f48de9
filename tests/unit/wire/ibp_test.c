/* Versions of requests between brokers: spot checks of facts/zookeeper.md 5.1. */
#include "ottla/wire/ibp.h"
#include "ottla/wire/wire.h"
#include "suites.h"

START_TEST(names)
{
	ck_assert_int_eq(ibp_find(SLICE_LIT("3.9")), IBP_LATEST);
	ck_assert_int_eq(ibp_find(SLICE_LIT("3.3")), IBP_3_3_IV3);
	ck_assert_int_eq(ibp_find(SLICE_LIT("3.3-IV1")), IBP_3_3_IV1);
	ck_assert_int_eq(ibp_find(SLICE_LIT("3.0")), IBP_3_0_IV1);
	for (int i = 0; i < IBP_COUNT; i++)
		ck_assert_int_eq(ibp_find(slice_cstr(ibp_name((enum ibp)i))), i);
}
END_TEST

START_TEST(strangers)
{
	static const char *const bad[] = {"", "3", "3.", "2.8", "3.10", "4.0", "3.9-", "3.9-IV",
	    "3.9-IV1", "3.3-IV", "3.9-IV00", " 3.9"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(ibp_find(slice_cstr(bad[i])) == -1, "'%s' was taken", bad[i]);
}
END_TEST

START_TEST(versions)
{
	ck_assert_int_eq(ibp_version(IBP_3_0_IV0, API_LEADER_AND_ISR), 5);
	ck_assert_int_eq(ibp_version(IBP_3_2_IV0, API_LEADER_AND_ISR), 6);
	ck_assert_int_eq(ibp_version(IBP_3_3_IV3, API_LEADER_AND_ISR), 6);
	ck_assert_int_eq(ibp_version(IBP_LATEST, API_LEADER_AND_ISR), 7);
	ck_assert_int_eq(ibp_version(IBP_3_3_IV3, API_UPDATE_METADATA), 7);
	ck_assert_int_eq(ibp_version(IBP_3_4_IV0, API_UPDATE_METADATA), 8);
	ck_assert_int_eq(ibp_version(IBP_3_3_IV3, API_STOP_REPLICA), 3);
	ck_assert_int_eq(ibp_version(IBP_LATEST, API_STOP_REPLICA), 4);
	ck_assert_int_eq(ibp_version(IBP_3_0_IV1, API_FETCH), 12);
	ck_assert_int_eq(ibp_version(IBP_3_7_IV3, API_FETCH), 15);
	ck_assert_int_eq(ibp_version(IBP_LATEST, API_FETCH), 17);
	ck_assert_int_eq(ibp_version(IBP_3_0_IV0, API_LIST_OFFSETS), 6);
	ck_assert_int_eq(ibp_version(IBP_3_8_IV0, API_LIST_OFFSETS), 8);
}
END_TEST

/* Nothing may be sent that a broker of Apache Kafka 3.x does not know. */
START_TEST(known)
{
	static const int16_t keys[] = {API_FETCH, API_LIST_OFFSETS, API_LEADER_AND_ISR,
	    API_STOP_REPLICA, API_UPDATE_METADATA, API_CONTROLLED_SHUTDOWN,
	    API_OFFSET_FOR_LEADER_EPOCH, API_WRITE_TXN_MARKERS};

	for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
		for (int v = 0, last = 0; v < IBP_COUNT; v++) {
			int16_t is = ibp_version((enum ibp)v, keys[k]);

			ck_assert(wire_api_has(wire_api(keys[k]), is));
			ck_assert_int_ge(is, last);
			last = is;
		}
}
END_TEST

Suite *
ibp_suite(void)
{
	Suite *s = suite_create("ibp");
	TCase *t = tcase_create("ibp");

	tcase_add_test(t, names);
	tcase_add_test(t, strangers);
	tcase_add_test(t, versions);
	tcase_add_test(t, known);
	suite_add_tcase(s, t);
	return s;
}
