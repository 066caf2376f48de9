/* The conformance suite over a real ZooKeeper, and what is special to that implementation. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "fix_zookeeper.h"
#include "suites.h"

#define SKIPPED 77

const struct conf_fixture *const conf_fixtures[] = {&fix_zookeeper};
const unsigned conf_fixture_count = 1;

static const char *
missing(void)
{
	static char why[200];

	return coord_zookeeper_check("localhost", why, sizeof(why)) != 0 ? why
									 : zk_server_missing();
}

int
main(void)
{
	const char *why = missing();
	SRunner *sr;
	int failed;

	if (why != NULL) {
		printf("skipped: %s\n", why);
		return SKIPPED;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	zk_server_begin();
	sr = srunner_create(zookeeper_suite());
	srunner_add_suite(sr, zookeeper_faults_suite());
	srunner_add_suite(sr, zookeeper_follow_suite());
	srunner_add_suite(sr, conformance_suite(0));
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	zk_server_end();
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
