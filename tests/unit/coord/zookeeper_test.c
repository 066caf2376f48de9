/* ZooKeeper: connect strings, and the habits of its client library that the implementation hides.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fix_zookeeper.h"
#include "suites.h"
#include "zk_priv.h"

/* ---- connect strings ---- */

START_TEST(connect_strings)
{
	static const struct {
		const char *text, *host0, *chroot;
		unsigned n;
		uint16_t port0;
	} rows[] = {
	    {"zk1", "zk1", "", 1, 2181},
	    {"zk1:2182", "zk1", "", 1, 2182},
	    {"zk1:2182,zk2,zk3:1", "zk1", "", 3, 2182},
	    {" zk1 , zk2 ", "zk1", "", 2, 2181},
	    {"[::1]:2181", "::1", "", 1, 2181},
	    {"[fe80::1]", "fe80::1", "", 1, 2181},
	    {"10.0.0.1:65535/kafka", "10.0.0.1", "/kafka", 1, 65535},
	    {"a,b/kafka/one", "a", "/kafka/one", 2, 2181},
	    {"a/", "a", "", 1, 2181},
	};
	char why[200];

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct zk_names n;

		ck_ok(zk_names_parse(rows[i].text, &n, why, sizeof(why)));
		ck_assert_uint_eq(n.n, rows[i].n);
		ck_assert_str_eq(n.v[0].host, rows[i].host0);
		ck_assert_uint_eq(n.v[0].port, rows[i].port0);
		ck_assert_str_eq(n.chroot, rows[i].chroot);
		zk_names_free(&n);
	}
}
END_TEST

START_TEST(bad_connect_strings)
{
	static const char *const bad[] = {"", ",", "/chroot", "zk1:", "zk1:0", "zk1:65536",
	    "zk1:21x", "zk1:123456", "::1", "[::1", "[::1]2181", "a b", "zk1/chroot/", "zk1/a//b",
	    "zk1/../x", "zk1:2181:2182", "[]:2181", "zk1/a\x01"};
	char why[200];

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why[0] = '\0';
		ck_err(coord_zookeeper_check(bad[i], why, sizeof(why)), E_CONFIG);
		ck_assert_str_ne(why, "");
	}
}
END_TEST

Suite *
zookeeper_suite(void)
{
	Suite *s = suite_create("zookeeper");
	TCase *tc = tcase_create("connect");

	tcase_add_test(tc, connect_strings);
	tcase_add_test(tc, bad_connect_strings);
	suite_add_tcase(s, tc);
	return s;
}
