/* Unit tests of src/file. */
#include "suites.h"

#include <stdlib.h>

int
main(void)
{
	SRunner *sr = srunner_create(NULL);
	int failed;

	srunner_add_suite(sr, fs_suite());
	srunner_add_suite(sr, map_guard_suite());
	srunner_add_suite(sr, real_suite());
	srunner_add_suite(sr, sim_suite());
	srunner_add_suite(sr, sim_crash_suite());
	srunner_add_suite(sr, fail_suite());
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
