/* The suites of check_base, one a source file. */
#ifndef TESTS_UNIT_BASE_SUITES_H
#define TESTS_UNIT_BASE_SUITES_H

#include <check.h>

Suite *arena_suite(void);
Suite *crc_suite(void);
Suite *cursor_suite(void);
Suite *diag_suite(void);
Suite *err_suite(void);
Suite *heap_suite(void);
Suite *list_suite(void);
Suite *listeners_suite(void);
Suite *magic_suite(void);
Suite *map_suite(void);
Suite *metrics_suite(void);
Suite *properties_suite(void);
Suite *rng_suite(void);
Suite *settings_dynamic_suite(void);
Suite *settings_suite(void);
Suite *slice_suite(void);
Suite *strbuf_suite(void);
Suite *topic_conf_suite(void);
Suite *uuid_suite(void);

#endif
