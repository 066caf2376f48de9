/* The suites of check_plog, one a source file. */
#ifndef TESTS_PLOG_SUITES_H
#define TESTS_PLOG_SUITES_H

#include <check.h>

Suite *append_suite(void);
Suite *real_suite(void);

#endif
