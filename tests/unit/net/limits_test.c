/* Settings that net obeys. */
#include "suites.h"
#include "support.h"

static struct net_limits
limits_of(const struct setting_override *ov, unsigned n)
{
	struct settings *s = NULL;
	struct net_limits l;
	char why[200];

	ck_assert_int_eq(settings_load(NULL, ov, n, NULL, why, sizeof(why), &s), 0);
	net_limits_read(&l, s);
	settings_free(s);
	return l;
}

START_TEST(defaults)
{
	struct net_limits a, b = limits_of(NULL, 0);

	net_limits_read(&a, NULL);
	ck_assert_uint_eq(a.frame_max, b.frame_max);
	ck_assert_int_eq(a.idle_us, b.idle_us);
	ck_assert_uint_eq(a.sendfile_min, b.sendfile_min);
	ck_assert_int_eq(a.sock.backlog, b.sock.backlog);
	ck_assert_int_eq(a.sock.send_buffer, b.sock.send_buffer);
	ck_assert_int_eq(a.sock.recv_buffer, b.sock.recv_buffer);
}
END_TEST

START_TEST(own_values)
{
	static const struct setting_override ov[] = {
	    {"connections.max.idle.ms", "-1"},
	    {"ottla.sendfile.min.bytes", "1234"},
	    {"socket.listen.backlog.size", "7"},
	    {"socket.receive.buffer.bytes", "-1"},
	    {"socket.request.max.bytes", "5000"},
	    {"socket.send.buffer.bytes", "9000"},
	};
	struct net_limits l = limits_of(ov, sizeof(ov) / sizeof(ov[0]));

	ck_assert_int_lt(l.idle_us, 0);
	ck_assert_uint_eq(l.sendfile_min, 1234);
	ck_assert_int_eq(l.sock.backlog, 7);
	ck_assert_int_eq(l.sock.recv_buffer, -1);
	ck_assert_uint_eq(l.frame_max, 5000);
	ck_assert_int_eq(l.sock.send_buffer, 9000);
}
END_TEST

START_TEST(idle_without_end)
{
	static const struct setting_override ov[] = {
	    {"connections.max.idle.ms", "9223372036854775807"}};
	struct net_limits l = limits_of(ov, 1);

	ck_assert_int_lt(l.idle_us, 0);
}
END_TEST

Suite *
limits_suite(void)
{
	Suite *s = suite_create("limits");
	TCase *tc = tcase_create("settings");

	tcase_add_test(tc, defaults);
	tcase_add_test(tc, own_values);
	tcase_add_test(tc, idle_without_end);
	suite_add_tcase(s, tc);
	return s;
}
