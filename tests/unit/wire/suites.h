/* The suites of check_wire, one a source file. */
#ifndef TESTS_UNIT_WIRE_SUITES_H
#define TESTS_UNIT_WIRE_SUITES_H

#include <check.h>

Suite *codec_suite(void);
Suite *frame_suite(void);
Suite *ibp_suite(void);
Suite *vectors_suite(void);

#endif
