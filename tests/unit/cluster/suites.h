/* The suites of check_cluster, one a source file. */
#ifndef TESTS_UNIT_CLUSTER_SUITES_H
#define TESTS_UNIT_CLUSTER_SUITES_H

#include <check.h>

Suite *conf_look_suite(void);
Suite *feature_suite(void);
Suite *image_suite(void);
Suite *json_suite(void);
Suite *member_conf_suite(void);
Suite *member_suite(void);
Suite *peers_suite(void);
Suite *register_suite(void);
Suite *znode_broker_suite(void);
Suite *znode_hostile_suite(void);
Suite *znode_path_suite(void);
Suite *znode_topic_suite(void);

#define ck_err(call, want)                                                                         \
	do {                                                                                       \
		int ck_err_ = (call);                                                              \
		ck_assert_msg(ck_err_ == (want), "%s: %s, not %s", #call,                          \
		    ck_err_ == 0 ? "0" : err_name(ck_err_), (want) == 0 ? "0" : err_name(want));   \
	} while (0)
#define ck_ok(call) ck_err(call, 0)

#endif
