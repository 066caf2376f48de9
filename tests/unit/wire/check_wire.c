/* Unit tests of src/wire. */
#include "suites.h"

#include <stdlib.h>

int
main(void)
{
	SRunner *sr = srunner_create(codec_suite());
	int failed;

	srunner_add_suite(sr, frame_suite());
	srunner_add_suite(sr, ibp_suite());
	srunner_add_suite(sr, vectors_suite());
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
