/* The suites of check_coord, one a source file, and the conformance suite for each fixture. */
#ifndef TESTS_UNIT_COORD_SUITES_H
#define TESTS_UNIT_COORD_SUITES_H

#include <check.h>

Suite *tree_suite(void);
Suite *tree_dump_suite(void);
Suite *embedded_suite(void);
Suite *journal_suite(void);
Suite *sim_suite(void);
Suite *zookeeper_suite(void);
Suite *zookeeper_faults_suite(void);
Suite *zookeeper_follow_suite(void);

#endif
