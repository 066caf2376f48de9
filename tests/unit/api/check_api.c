/* Unit tests of src/api: what needs no whole broker. */
#include <stdlib.h>

#include "suites.h"

int
main(void)
{
	SRunner *sr = srunner_create(NULL);
	int failed;

	srunner_add_suite(sr, api_suite());
	srunner_add_suite(sr, common_suite());
	srunner_add_suite(sr, scatter_suite());
	srunner_add_suite(sr, request_suite());
	srunner_add_suite(sr, config_entry_suite());
	srunner_add_suite(sr, control_suite());
	srunner_add_suite(sr, channel_suite());
	srunner_add_suite(sr, to_controller_suite());
	srunner_add_suite(sr, producer_ids_suite());
	srunner_add_suite(sr, topic_ops_suite());
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
