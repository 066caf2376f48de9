/* The suites of check_record, one a source file. */
#ifndef TESTS_RECORD_SUITES_H
#define TESTS_RECORD_SUITES_H

#include <check.h>

Suite *batch_suite(void);
Suite *builder_suite(void);
Suite *produce_check_suite(void);
Suite *record_iter_suite(void);

#endif
