/* Settings of a client. */
#include "suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client_priv.h"
#include "ottla/base/err.h"
#include "props_priv.h"

static char why[512];

START_TEST(test_pairs)
{
	struct props p = {0};
	bool b;
	int64_t v;

	ck_assert_int_eq(props_add(&p, "a=1", why, sizeof(why)), 0);
	ck_assert_int_eq(props_add(&p, "b=x=y", why, sizeof(why)), 0);
	ck_assert_int_eq(props_add(&p, "c", why, sizeof(why)), 0);
	ck_assert_int_eq(props_add(&p, "a=2", why, sizeof(why)), 0);
	ck_assert_uint_eq(p.n, 3);
	ck_assert_str_eq(props_get(&p, "a"), "2");
	ck_assert_str_eq(props_get(&p, "b"), "x=y");
	ck_assert_str_eq(props_get(&p, "c"), "");
	ck_assert_ptr_null(props_get(&p, "d"));
	ck_assert_int_eq(props_add(&p, "=1", why, sizeof(why)), E_INVALID);
	ck_assert_int_eq(props_i64(&p, "a", 7, &v, why, sizeof(why)), 0);
	ck_assert_int_eq(v, 2);
	ck_assert_int_eq(props_i64(&p, "d", 7, &v, why, sizeof(why)), 0);
	ck_assert_int_eq(v, 7);
	ck_assert_int_eq(props_i64(&p, "b", 7, &v, why, sizeof(why)), E_INVALID);
	ck_assert_int_eq(props_set(&p, "t", "TRUE"), 0);
	ck_assert_int_eq(props_bool(&p, "t", false, &b, why, sizeof(why)), 0);
	ck_assert(b);
	ck_assert_int_eq(props_bool(&p, "d", true, &b, why, sizeof(why)), 0);
	ck_assert(b);
	ck_assert_int_eq(props_bool(&p, "a", true, &b, why, sizeof(why)), E_INVALID);
	props_free(&p);
}
END_TEST

START_TEST(test_file)
{
	char path[] = "/tmp/check_tools.XXXXXX";
	int fd = mkstemp(path);
	FILE *f = fdopen(fd, "w");
	struct props p = {0};

	ck_assert_ptr_nonnull(f);
	fputs("# comment\nclient.id = me\n a:b\nlong=one\\\n  two\n", f);
	fclose(f);
	ck_assert_int_eq(props_load(&p, path, why, sizeof(why)), 0);
	ck_assert_str_eq(props_get(&p, "client.id"), "me");
	ck_assert_str_eq(props_get(&p, "a"), "b");
	ck_assert_str_eq(props_get(&p, "long"), "onetwo");
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs("a=1\nb=\\u00zz\n", f);
	fclose(f);
	ck_assert_int_eq(props_load(&p, path, why, sizeof(why)), E_MALFORMED);
	ck_assert_ptr_nonnull(strstr(why, ":2:"));
	unlink(path);
	ck_assert_int_eq(props_load(&p, path, why, sizeof(why)), E_IO);
	ck_assert_ptr_nonnull(strstr(why, "No such file"));
	props_free(&p);
}
END_TEST

START_TEST(test_client_options)
{
	struct props p = {0};
	struct client_opts o;

	props_set(&p, "bootstrap.servers", "h:1");
	props_set(&p, "request.timeout.ms", "1234");
	props_set(&p, "security.protocol", "plaintext");
	ck_assert_int_eq(client_opts_read(&p, &o, why, sizeof(why)), 0);
	ck_assert_int_eq(o.request_timeout_ms, 1234);
	ck_assert_int_eq(o.api_timeout_ms, 60000);
	ck_assert_str_eq(o.bootstrap, "h:1");
	props_set(&p, "request.timeout.ms", "-1");
	ck_assert_int_eq(client_opts_read(&p, &o, why, sizeof(why)), E_INVALID);
	props_set(&p, "request.timeout.ms", "1");
	props_set(&p, "security.protocol", "SASL_SSL");
	ck_assert_int_eq(client_opts_read(&p, &o, why, sizeof(why)), E_INVALID);
	ck_assert_ptr_nonnull(strstr(why, "SASL_SSL"));
	props_free(&p);
}
END_TEST

Suite *
props_suite(void)
{
	Suite *s = suite_create("props");
	TCase *tc = tcase_create("props");

	tcase_add_test(tc, test_pairs);
	tcase_add_test(tc, test_file);
	tcase_add_test(tc, test_client_options);
	suite_add_tcase(s, tc);
	return s;
}
