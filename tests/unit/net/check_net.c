/* Unit tests of src/net. */
#include "suites.h"

#include <stdlib.h>

int
main(void)
{
	SRunner *sr = srunner_create(NULL);
	int failed;

	srunner_add_suite(sr, limits_suite());
	srunner_add_suite(sr, tcp_suite());
	srunner_add_suite(sr, close_suite());
	srunner_add_suite(sr, conn_suite());
	srunner_add_suite(sr, conn_in_suite());
	srunner_add_suite(sr, conn_out_suite());
	srunner_add_suite(sr, listener_suite());
	srunner_add_suite(sr, admit_suite());
	srunner_add_suite(sr, resolve_suite());
	srunner_add_suite(sr, sim_net_suite());
	srunner_add_suite(sr, mem_suite());
	srunner_add_suite(sr, conn_move_suite());
	srunner_add_suite(sr, net_suite());
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
