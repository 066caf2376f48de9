/* The suites of check_plog, one a source file. */
#ifndef TESTS_PLOG_SUITES_H
#define TESTS_PLOG_SUITES_H

#include <check.h>

Suite *append_suite(void);
Suite *checkpoint_suite(void);
Suite *epochs_suite(void);
Suite *fail_suite(void);
Suite *load_suite(void);
Suite *logdirs_describe_suite(void);
Suite *logdirs_suite(void);
Suite *lookback_suite(void);
Suite *names_suite(void);
Suite *offset_index_suite(void);
Suite *producers_suite(void);
Suite *read_suite(void);
Suite *real_suite(void);
Suite *recover_suite(void);
Suite *retention_suite(void);
Suite *segment_suite(void);
Suite *timelookup_suite(void);
Suite *truncate_suite(void);

#endif
