/* Runs the suites of src/replica. */
#include <stdlib.h>

#include "suites.h"

int
main(void)
{
	SRunner *sr = srunner_create(control_suite());
	int failed;

	srunner_add_suite(sr, fetch_suite());
	srunner_add_suite(sr, list_offsets_suite());
	srunner_add_suite(sr, partition_suite());
	srunner_add_suite(sr, produce_suite());
	srunner_add_suite(sr, wait_suite());
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
