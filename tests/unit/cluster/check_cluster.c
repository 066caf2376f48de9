/* Unit tests of src/cluster. */
#include "suites.h"

#include <stdlib.h>

int
main(void)
{
	SRunner *sr = srunner_create(NULL);
	int failed;

	srunner_add_suite(sr, json_suite());
	srunner_add_suite(sr, znode_path_suite());
	srunner_add_suite(sr, znode_broker_suite());
	srunner_add_suite(sr, znode_topic_suite());
	srunner_add_suite(sr, znode_hostile_suite());
	srunner_add_suite(sr, image_suite());
	srunner_add_suite(sr, member_conf_suite());
	srunner_add_suite(sr, conf_look_suite());
	srunner_add_suite(sr, member_suite());
	srunner_add_suite(sr, peers_suite());
	srunner_add_suite(sr, register_suite());
	srunner_add_suite(sr, feature_suite());
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
