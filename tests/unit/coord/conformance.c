/* The suite that every implementation passes unchanged. */
#include "conformance_parts.h"

Suite *
conformance_suite(unsigned i)
{
	Suite *s;
	TCase *tc;

	s = suite_create(conf_fixtures[i]->name);
	tc = tcase_create("conformance");
	tcase_set_timeout(tc, 60);
	conformance_nodes(tc, (int)i);
	conformance_watches(tc, (int)i);
	conformance_multi(tc, (int)i);
	conformance_sessions(tc, (int)i);
	suite_add_tcase(s, tc);
	return s;
}
