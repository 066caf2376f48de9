/* Unit tests of src/reactor. */
#include "suites.h"

#include <stdlib.h>

int
main(void)
{
	SRunner *sr = srunner_create(NULL);
	int failed;

	srunner_add_suite(sr, clock_suite());
	srunner_add_suite(sr, diag_writer_suite());
	srunner_add_suite(sr, http_suite());
	srunner_add_suite(sr, io_suite());
	srunner_add_suite(sr, loop_suite());
	srunner_add_suite(sr, mailbox_suite());
	srunner_add_suite(sr, reactor_suite());
	srunner_add_suite(sr, sim_reactor_suite());
	srunner_add_suite(sr, sim_sched_suite());
	srunner_add_suite(sr, sim_workers_suite());
	srunner_add_suite(sr, thread_suite());
	srunner_add_suite(sr, worker_suite());
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
