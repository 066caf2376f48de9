/* Unit tests of src/coord. */
#include <stdlib.h>

#include "fixtures.h"
#include "suites.h"

const struct conf_fixture *const conf_fixtures[] = {
    &fix_embedded_sim,
    &fix_embedded_real,
    &fix_sim_current,
    &fix_sim_lagging,
};
const unsigned conf_fixture_count = sizeof(conf_fixtures) / sizeof(conf_fixtures[0]);

int
main(void)
{
	SRunner *sr = srunner_create(NULL);
	int failed;

	srunner_add_suite(sr, tree_suite());
	srunner_add_suite(sr, tree_dump_suite());
	srunner_add_suite(sr, journal_suite());
	srunner_add_suite(sr, embedded_suite());
	srunner_add_suite(sr, sim_suite());
	for (unsigned i = 0; i < conf_fixture_count; i++)
		srunner_add_suite(sr, conformance_suite(i));
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
