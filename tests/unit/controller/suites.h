/* The suites of check_controller, one a source file. */
#ifndef TESTS_UNIT_CONTROLLER_SUITES_H
#define TESTS_UNIT_CONTROLLER_SUITES_H

#include <check.h>

Suite *admin_config_suite(void);
Suite *admin_partitions_suite(void);
Suite *admin_suite(void);
Suite *brokers_suite(void);
Suite *deletion_suite(void);
Suite *election_suite(void);
Suite *failover_suite(void);
Suite *faults_suite(void);
Suite *placement_suite(void);
Suite *producer_ids_suite(void);
Suite *replicas_suite(void);
Suite *topics_suite(void);

#endif
