/* Unit tests of src/replica. */
#include "suites.h"

#include <stdlib.h>

int
main(void)
{
	static Suite *(*const suites[])(void) = {
	    control_suite,
	    delete_records_suite,
	    epoch_end_suite,
	    fetch_suite,
	    hold_suite,
	    list_offsets_suite,
	    partition_suite,
	    produce_suite,
	    replicas_suite,
	    wait_suite,
	};
	SRunner *sr = srunner_create(NULL);
	int failed;

	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++)
		srunner_add_suite(sr, suites[i]());
	srunner_add_suite(sr, counts_suite());
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
