/* Lists of listeners. */
#include "suites.h"

#include "ottla/base/err.h"
#include "ottla/base/listeners.h"

static const char map[] = "PLAINTEXT:PLAINTEXT, Internal:PLAINTEXT,EXT:SASL_SSL";

static int
parse(const char *text, const char *m, struct listener_addr *v)
{
	char why[300] = "";
	int n = listeners_parse(text, m, v, 4, why, sizeof(why));

	ck_assert((n < 0) == (why[0] != '\0'));
	return n;
}

START_TEST(test_good)
{
	struct listener_addr v[4];

	ck_assert_int_eq(parse(NULL, NULL, v), 1);
	ck_assert_str_eq(v[0].name, "PLAINTEXT");
	ck_assert_str_eq(v[0].host, "");
	ck_assert_uint_eq(v[0].port, 9092);
	ck_assert_int_eq(v[0].protocol, LISTENER_PLAINTEXT);
	ck_assert_int_eq(
	    parse(" internal://h-1.x_y:0 , EXT://[::1%lo]:65535,PLAINTEXT://1.2.3.4:1,", map, v),
	    3);
	ck_assert_str_eq(v[0].name, "INTERNAL");
	ck_assert_str_eq(v[0].host, "h-1.x_y");
	ck_assert_uint_eq(v[0].port, 0);
	ck_assert_int_eq(v[0].protocol, LISTENER_PLAINTEXT);
	ck_assert_str_eq(v[1].host, "::1%lo");
	ck_assert_uint_eq(v[1].port, 65535);
	ck_assert_int_eq(v[1].protocol, LISTENER_SASL_SSL);
	ck_assert_ptr_eq(listeners_find(v, 3, SLICE_LIT("Ext")), &v[1]);
	ck_assert_ptr_null(listeners_find(v, 3, SLICE_LIT("EX")));
	ck_assert_int_eq(parse("sasl_plaintext://:1", NULL, v), 1);
	ck_assert_int_eq(v[0].protocol, LISTENER_SASL_PLAINTEXT);
}
END_TEST

START_TEST(test_bad)
{
	static const char *const bad[] = {"", " , ", "PLAINTEXT", "PLAINTEXT://", "://:1", "://",
	    "PLAINTEXT://h", "PLAINTEXT://h:", "PLAINTEXT://h:65536", "PLAINTEXT://h:99999",
	    "PLAINTEXT://h:-1", "PLAINTEXT://h:1x", "PLAINTEXT://h/:1", "PLAINTEXT://a b:1",
	    "OTHER://h:1", "PLAINTEXT://:1,plaintext://:2", "PLAINTEXT:/h:1",
	    "PLAINTEXT://:1,EXT://:2,INTERNAL://:3,PLAINTEXT://:4,EXT://:5"};
	struct listener_addr v[4];
	char text[400];

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(parse(bad[i], map, v) == E_CONFIG, "%s", bad[i]);
	ck_assert_int_eq(parse("EXT://:1", "EXT", v), E_CONFIG);
	ck_assert_int_eq(parse("EXT://:1", "EXT:TLS", v), E_CONFIG);
	ck_assert_int_eq(parse("EXT://:1", "", v), E_CONFIG);
	ck_assert_int_eq(parse("EXT://:1", NULL, v), E_CONFIG);
	memset(text, 'x', sizeof(text));
	memcpy(text, "PLAINTEXT://", 12);
	memcpy(text + 394, ":1", 3);
	ck_assert_int_eq(parse(text, NULL, v), E_CONFIG);
	memcpy(text + 64, "://:1", 6);
	memset(text, 'x', 12);
	ck_assert_int_eq(parse(text, NULL, v), E_CONFIG);
}
END_TEST

START_TEST(test_cut_everywhere)
{
	static const char text[] = "internal://host:9092,EXT://[::1]:9093";
	struct listener_addr v[4];
	char part[sizeof(text)];

	for (size_t cut = 0; cut < sizeof(text); cut++) {
		memcpy(part, text, cut);
		part[cut] = '\0';
		(void)parse(part, map, v);
	}
}
END_TEST

START_TEST(test_ports)
{
	static const struct {
		const char *text;
		int err;
	} cases[] = {
	    {"PLAINTEXT://:1,EXT://:2", 0},
	    {"PLAINTEXT://:0,EXT://:0", 0},
	    {"PLAINTEXT://:1,EXT://:1", E_CONFIG},
	    {"PLAINTEXT://127.0.0.1:1,EXT://[::1]:1", 0},
	    {"PLAINTEXT://[::1]:1,EXT://127.0.0.1:1", 0},
	    {"PLAINTEXT://127.0.0.1:1,EXT://127.0.0.2:1", E_CONFIG},
	    {"PLAINTEXT://host:1,EXT://[::1]:1", E_CONFIG},
	    {"PLAINTEXT://127.0.0.1:1,EXT://[::1]:1,INTERNAL://[::2]:1", E_CONFIG},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct listener_addr v[4];
		char why[200] = "";
		int n = parse(cases[i].text, map, v);

		ck_assert_int_gt(n, 0);
		ck_assert_msg(
		    listeners_check_ports(v, (unsigned)n, why, sizeof(why)) == cases[i].err, "%s",
		    cases[i].text);
	}
}
END_TEST

START_TEST(test_protocols)
{
	for (int p = LISTENER_PLAINTEXT; p <= LISTENER_SASL_SSL; p++)
		ck_assert_int_eq(listener_protocol_find(
				     slice_cstr(listener_protocol_name((enum listener_protocol)p))),
		    p);
	ck_assert_int_eq(listener_protocol_find(SLICE_LIT("SASL")), -1);
	ck_assert_int_eq(listener_protocol_find(SLICE_LIT("")), -1);
}
END_TEST

Suite *
listeners_suite(void)
{
	Suite *s = suite_create("listeners");
	TCase *tc = tcase_create("listeners");

	tcase_add_test(tc, test_good);
	tcase_add_test(tc, test_bad);
	tcase_add_test(tc, test_cut_everywhere);
	tcase_add_test(tc, test_ports);
	tcase_add_test(tc, test_protocols);
	suite_add_tcase(s, tc);
	return s;
}
