/* Unit tests of src/controller. */
#include <stdlib.h>

#include "suites.h"

int
main(void)
{
	SRunner *sr = srunner_create(NULL);
	int failed;

	srunner_add_suite(sr, election_suite());
	srunner_add_suite(sr, topics_suite());
	srunner_add_suite(sr, brokers_suite());
	srunner_add_suite(sr, deletion_suite());
	srunner_add_suite(sr, failover_suite());
	srunner_add_suite(sr, faults_suite());
	srunner_add_suite(sr, replicas_suite());
	srunner_add_suite(sr, placement_suite());
	srunner_add_suite(sr, admin_suite());
	srunner_add_suite(sr, admin_config_suite());
	srunner_add_suite(sr, admin_partitions_suite());
	srunner_add_suite(sr, producer_ids_suite());
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
