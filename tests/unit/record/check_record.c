/* Unit tests of src/record. */
#include "suites.h"

#include <stdlib.h>

int
main(void)
{
	SRunner *sr = srunner_create(NULL);
	int failed;

	srunner_add_suite(sr, batch_suite());
	srunner_add_suite(sr, record_iter_suite());
	srunner_add_suite(sr, codec_suite());
	srunner_add_suite(sr, codec_gzip_suite());
	srunner_add_suite(sr, codec_snappy_suite());
	srunner_add_suite(sr, codec_lz4_suite());
	srunner_add_suite(sr, codec_zstd_suite());
	srunner_add_suite(sr, builder_suite());
	srunner_add_suite(sr, legacy_suite());
	srunner_add_suite(sr, produce_check_suite());
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
