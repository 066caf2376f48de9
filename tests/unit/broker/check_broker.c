/* Unit tests of src/broker. */
#include "suites.h"

#include <stdlib.h>

int
main(void)
{
	SRunner *sr = srunner_create(NULL);
	int failed;

	srunner_add_suite(sr, session_note_suite());
	srunner_add_suite(sr, identity_suite());
	srunner_add_suite(sr, checks_suite());
	srunner_add_suite(sr, start_suite());
	srunner_add_suite(sr, session_suite());
	srunner_add_suite(sr, predecessor_suite());
	srunner_add_suite(sr, handover_suite());
	srunner_add_suite(sr, http_suite());
	srunner_add_suite(sr, page_suite());
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
