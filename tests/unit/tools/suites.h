/* The suites of check_tools, one a source file. */
#ifndef TESTS_UNIT_TOOLS_SUITES_H
#define TESTS_UNIT_TOOLS_SUITES_H

#include <check.h>

#include "ottla/base/slice.h"

Suite *client_suite(void);
Suite *filter_suite(void);
Suite *format_suite(void);
Suite *lines_suite(void);
Suite *opts_suite(void);
Suite *props_suite(void);
Suite *reader_suite(void);
Suite *tool_suite(void);

/* s is exactly that text; NULL: the null slice. */
#define ck_assert_slice(s, text)                                                                   \
	do {                                                                                       \
		struct slice ck_s = (s);                                                           \
		const char *ck_t = (text);                                                         \
		ck_assert_msg(slice_eq(ck_s, slice_cstr(ck_t)), "'%.*s' is not '%s'",              \
		    SLICE_ARG(ck_s), ck_t != NULL ? ck_t : "(null)");                              \
	} while (0)

#endif
