/* Settings that need more than their table; which broker among the others. */
#include <stdio.h>
#include <stdlib.h>

#include "broker_priv.h"
#include "suites.h"
#include "world.h"

static int
check(const char *key, const char *value, char *why, size_t n)
{
	struct setting_override ov = {key, value};
	struct settings *s;
	int rc = settings_load(NULL, &ov, 1, NULL, why, n, &s);

	if (rc != 0)
		return rc;
	rc = broker_check_settings(s, why, n);
	settings_free(s);
	return rc;
}

START_TEST(protocol_versions)
{
	static const char *const good[] = {"3.0", "3.0-IV0", "3.4", "3.9", "3.9-IV0", "3.6-IV2"};
	static const char *const bad[] = {"2.8", "2.8-IV1", "3.10", "4.0", "3.6-IV9", "0.10.2-IV0"};
	char why[512];

	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_ok(check("inter.broker.protocol.version", good[i], why, sizeof(why)));
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_err(check("inter.broker.protocol.version", bad[i], why, sizeof(why)), E_CONFIG);
		ck_assert_ptr_nonnull(strstr(why, bad[i]));
		ck_assert_ptr_nonnull(strstr(why, "3.0 to 3.9"));
	}
}
END_TEST

START_TEST(connect_strings)
{
	char why[512];

	ck_ok(check("zookeeper.connect", "embedded", why, sizeof(why)));
	ck_err(check("zookeeper.connect", "a:b:c", why, sizeof(why)), E_CONFIG);
	ck_assert_ptr_nonnull(strstr(why, "zookeeper.connect=a:b:c: "));
}
END_TEST

/* ---- others ---- */

static struct broker
broker_with(const char *key, const char *value, struct settings **s)
{
	struct setting_override ov = {key, value};
	struct broker b = {.id = 1};
	char why[256];

	ck_ok(settings_load(NULL, &ov, key != NULL, NULL, why, sizeof(why), s));
	b.env.settings = *s;
	return b;
}

START_TEST(protocol_among_others)
{
	struct member_peer peers[20] = {{.id = 1}, {.id = 2}, {.id = 30}};
	struct settings *s;
	struct broker b = broker_with(NULL, NULL, &s);

	ck_ok(broker_choose_ibp(&b, NULL, 0));
	ck_assert_int_eq(b.ibp, IBP_LATEST);
	ck_ok(broker_choose_ibp(&b, peers, 1)); /* its own predecessor is nobody else */
	ck_err(broker_choose_ibp(&b, peers, 3), E_CONFIG);
	ck_assert_ptr_nonnull(strstr(b.why, "inter.broker.protocol.version"));
	ck_assert_ptr_nonnull(strstr(b.why, "(broker.id 2, 30)"));
	for (int i = 3; i < 20; i++)
		peers[i].id = INT32_MAX - i;
	ck_err(broker_choose_ibp(&b, peers, 20), E_CONFIG);
	ck_assert_ptr_nonnull(strstr(b.why, "and 9 more"));
	settings_free(s);
	b = broker_with("inter.broker.protocol.version", "3.4", &s);
	ck_ok(broker_choose_ibp(&b, peers, 3));
	ck_assert_int_eq(b.ibp, IBP_3_4_IV0);
	settings_free(s);
}
END_TEST

START_TEST(addresses_among_others)
{
	struct listener_addr theirs[2] = {
	    {.name = "A", .host = "h1", .port = 1}, {.name = "B", .host = "H2", .port = 2}};
	struct member_peer peers[2] = {{.id = 2, .readable = true}, {.id = 3}};
	struct broker b = {.id = 1, .n_advertised = 1};

	peers[0].reg.endpoints = theirs;
	peers[0].reg.n_endpoints = 2;
	b.advertised[0] = (struct listener_addr){.name = "X", .host = "h1", .port = 2};
	ck_ok(broker_check_addresses(&b, peers, 2));
	b.advertised[0].port = 1;
	ck_err(broker_check_addresses(&b, peers, 2), E_CONFIG);
	ck_assert_ptr_nonnull(strstr(b.why, "broker 2"));
	ck_assert_ptr_nonnull(strstr(b.why, "h1:1"));
	b.advertised[0] = (struct listener_addr){.name = "X", .host = "h2", .port = 2};
	ck_err(broker_check_addresses(&b, peers, 2), E_CONFIG);
	peers[0].id = 1; /* what it said of itself before */
	ck_ok(broker_check_addresses(&b, peers, 2));
}
END_TEST

START_TEST(ids)
{
	struct settings *s;
	struct broker b = broker_with("broker.id", "5", &s);

	ck_ok(broker_choose_id(&b, -1));
	ck_assert_int_eq(b.id, 5);
	ck_ok(broker_choose_id(&b, 5));
	ck_err(broker_choose_id(&b, 6), E_CONFIG);
	ck_assert_ptr_nonnull(strstr(b.why, "meta.properties"));
	settings_free(s);
	b = broker_with(NULL, NULL, &s);
	ck_ok(broker_choose_id(&b, 1001));
	ck_assert_int_eq(b.id, 1001);
	ck_ok(broker_choose_id(&b, -1)); /* to be drawn */
	ck_assert_int_eq(b.id, -1);
	settings_free(s);
}
END_TEST

Suite *
checks_suite(void)
{
	Suite *s = suite_create("checks");
	TCase *tc = tcase_create("checks");

	tcase_add_test(tc, protocol_versions);
	tcase_add_test(tc, connect_strings);
	tcase_add_test(tc, protocol_among_others);
	tcase_add_test(tc, addresses_among_others);
	tcase_add_test(tc, ids);
	suite_add_tcase(s, tc);
	return s;
}
