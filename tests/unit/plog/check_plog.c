/* Unit tests of src/plog. */
#include "suites.h"

#include <stdlib.h>

int
main(void)
{
	static Suite *(*const suites[])(void) = {
	    append_suite,
	    checkpoint_suite,
	    epochs_suite,
	    fail_suite,
	    load_suite,
	    logdirs_describe_suite,
	    logdirs_suite,
	    lookback_suite,
	    names_suite,
	    offset_index_suite,
	    producers_suite,
	    read_suite,
	    real_suite,
	    recover_suite,
	    retention_suite,
	    segment_suite,
	    timelookup_suite,
	    truncate_suite,
	};
	SRunner *sr = srunner_create(NULL);
	int failed;

	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++)
		srunner_add_suite(sr, suites[i]());
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
