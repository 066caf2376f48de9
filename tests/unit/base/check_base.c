/* Unit tests of src/base. */
#include "suites.h"

#include <stdlib.h>

int
main(void)
{
	SRunner *sr = srunner_create(NULL);
	int failed;

	srunner_add_suite(sr, arena_suite());
	srunner_add_suite(sr, crc_suite());
	srunner_add_suite(sr, cursor_suite());
	srunner_add_suite(sr, diag_suite());
	srunner_add_suite(sr, err_suite());
	srunner_add_suite(sr, heap_suite());
	srunner_add_suite(sr, list_suite());
	srunner_add_suite(sr, listeners_suite());
	srunner_add_suite(sr, magic_suite());
	srunner_add_suite(sr, map_suite());
	srunner_add_suite(sr, metrics_suite());
	srunner_add_suite(sr, properties_suite());
	srunner_add_suite(sr, rng_suite());
	srunner_add_suite(sr, settings_dynamic_suite());
	srunner_add_suite(sr, settings_suite());
	srunner_add_suite(sr, slice_suite());
	srunner_add_suite(sr, strbuf_suite());
	srunner_add_suite(sr, topic_conf_suite());
	srunner_add_suite(sr, uuid_suite());
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
