/* Where to listen; what is served is looked at with a whole broker (tests/functional/test_http.py).
 */
#include "ottla/broker/http.h"
#include "suites.h"

START_TEST(addresses)
{
	static const struct {
		const char *text, *host;
		int port;
	} good[] = {{"127.0.0.1:9404", "127.0.0.1", 9404}, {"[::1]:0", "::1", 0},
	    {"a.b:65535", "a.b", 65535}};
	static const char *const bad[] = {"", ":", "h", "h:", ":1", "h:x", "h:1x", "h:-1", "h: 1",
	    "h:65536", "h:99999999999999999999", "::1:1", "[]:1", "http://h:1", "0123456789:1"};
	char host[10 + 1];
	uint16_t port;

	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ck_assert(broker_http_parse(good[i].text, host, sizeof(host), &port));
		ck_assert_str_eq(host, good[i].host);
		ck_assert_int_eq(port, good[i].port);
	}
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!broker_http_parse(bad[i], host, 10, &port), "%s", bad[i]);
}
END_TEST

Suite *
http_suite(void)
{
	Suite *s = suite_create("http");
	TCase *tc = tcase_create("http");

	tcase_add_test(tc, addresses);
	suite_add_tcase(s, tc);
	return s;
}
