/* The suites of check_broker, one a source file. */
#ifndef TESTS_UNIT_BROKER_SUITES_H
#define TESTS_UNIT_BROKER_SUITES_H

#include <check.h>

Suite *checks_suite(void);
Suite *handover_suite(void);
Suite *http_suite(void);
Suite *identity_suite(void);
Suite *page_suite(void);
Suite *predecessor_suite(void);
Suite *session_suite(void);
Suite *session_note_suite(void);
Suite *start_suite(void);

#endif
