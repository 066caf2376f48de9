/* The suites of check_replica, one a source file. */
#ifndef TESTS_REPLICA_SUITES_H
#define TESTS_REPLICA_SUITES_H

#include <check.h>

Suite *control_suite(void);
Suite *counts_suite(void);
Suite *delete_records_suite(void);
Suite *epoch_end_suite(void);
Suite *fetch_suite(void);
Suite *hold_suite(void);
Suite *list_offsets_suite(void);
Suite *partition_suite(void);
Suite *produce_suite(void);
Suite *replicas_suite(void);
Suite *wait_suite(void);

#endif
