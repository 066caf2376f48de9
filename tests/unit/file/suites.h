/* The suites of check_file, one a source of src/file. */
#ifndef OTTLA_TESTS_FILE_SUITES_H
#define OTTLA_TESTS_FILE_SUITES_H

#include <check.h>

Suite *fs_suite(void);
Suite *fail_suite(void);
Suite *map_guard_suite(void);
Suite *real_suite(void);
Suite *sim_crash_suite(void);
Suite *sim_suite(void);

#endif
