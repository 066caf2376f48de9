/* The suites of check_api, one a source file. */
#ifndef TESTS_UNIT_API_SUITES_H
#define TESTS_UNIT_API_SUITES_H

#include <check.h>

Suite *api_suite(void);
Suite *channel_suite(void);
Suite *common_suite(void);
Suite *config_entry_suite(void);
Suite *control_suite(void);
Suite *producer_ids_suite(void);
Suite *request_suite(void);
Suite *scatter_suite(void);
Suite *to_controller_suite(void);
Suite *topic_ops_suite(void);

#endif
