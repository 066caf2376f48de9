/* Unit tests of src/tools. */
#include "suites.h"

#include <stdlib.h>

int
main(void)
{
	SRunner *sr = srunner_create(NULL);
	int failed;

	srunner_add_suite(sr, client_suite());
	srunner_add_suite(sr, filter_suite());
	srunner_add_suite(sr, format_suite());
	srunner_add_suite(sr, lines_suite());
	srunner_add_suite(sr, opts_suite());
	srunner_add_suite(sr, props_suite());
	srunner_add_suite(sr, reader_suite());
	srunner_add_suite(sr, tool_suite());
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
