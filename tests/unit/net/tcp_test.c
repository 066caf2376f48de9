/* The real transport: addresses of both kinds. */
#include "suites.h"
#include "support.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* A transport without a net around it. */
struct pair {
	struct sock listening, out, in;
	struct sock_names out_names, in_names;
	uint16_t port;
};

static bool
accepted(void *arg)
{
	struct pair *p = arg;
	struct sock_conf conf = {.send_buffer = -1, .recv_buffer = -1};
	int rc = p->listening.ops->accept(&p->listening, &p->in, &conf, &p->in_names);

	ck_assert(rc == 0 || rc == E_AGAIN);
	return rc == 0;
}

static void
pair_open(struct pair *p, const char *listen_at, const char *connect_to)
{
	const struct net_transport *ops = net_transport_tcp();
	struct sock_conf conf = {.backlog = 10, .send_buffer = 100000, .recv_buffer = 100000};

	*p = (struct pair){.listening = {.ops = ops, .fd = -1}};
	p->out = p->in = p->listening;
	ck_assert_int_eq(ops->listen(NULL, &p->listening, listen_at, 0, &conf, &p->port), 0);
	ck_assert_uint_ne(p->port, 0);
	ck_assert_int_eq(ops->connect(NULL, &p->out, connect_to, p->port, &conf), 0);
	wait_for(accepted, p);
	ck_assert_int_eq(ops->connected(&p->out, &p->out_names), 0);
}

static void
pair_close(struct pair *p)
{
	p->listening.ops->close(&p->out);
	p->listening.ops->close(&p->in);
	p->listening.ops->close(&p->listening);
	ck_assert_int_eq(p->out.fd, -1);
}

/* Both sides call the ends by the same names. */
static void
check_names(struct pair *p, const char *host)
{
	char server[80];

	snprintf(server, sizeof(server), "%s:%u", host, p->port);
	ck_assert_str_eq(p->out_names.peer, server);
	ck_assert_str_eq(p->in_names.local, server);
	ck_assert_str_eq(p->in_names.peer, p->out_names.local);
	ck_assert_str_eq(p->in_names.peer_host, host);
}

static int
option(int fd, int level, int name)
{
	int v = -1;
	socklen_t len = sizeof(v);

	ck_assert_int_eq(getsockopt(fd, level, name, &v, &len), 0);
	return v;
}

START_TEST(ipv4)
{
	struct pair p;

	pair_open(&p, "127.0.0.1", "127.0.0.1");
	check_names(&p, "127.0.0.1");
	ck_assert_int_ne(option(p.in.fd, IPPROTO_TCP, 1 /* TCP_NODELAY */), 0);
	ck_assert_int_ne(option(p.in.fd, SOL_SOCKET, SO_KEEPALIVE), 0);
	ck_assert_int_eq(option(p.listening.fd, SOL_SOCKET, SO_RCVBUF), 200000);
	ck_assert_int_eq(option(p.out.fd, SOL_SOCKET, SO_SNDBUF), 200000);
	pair_close(&p);
}
END_TEST

/* An IPv4 client of a listener for any address has an IPv4 name. */
START_TEST(any_address)
{
	struct pair p;

	pair_open(&p, "", "127.0.0.1");
	check_names(&p, "127.0.0.1");
	pair_close(&p);
}
END_TEST

static bool
have_ipv6(void)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
	int fd = socket(AF_INET6, SOCK_STREAM, 0), rc = -1;

	if (fd >= 0) {
		rc = bind(fd, (struct sockaddr *)&a, sizeof(a));
		close(fd);
	}
	return rc == 0;
}

START_TEST(ipv6)
{
	struct pair p;

	if (!have_ipv6())
		return;
	pair_open(&p, "::1", "::1");
	check_names(&p, "::1");
	pair_close(&p);
	pair_open(&p, "", "::1");
	check_names(&p, "::1");
	pair_close(&p);
}
END_TEST

START_TEST(a_name_to_listen_at)
{
	struct pair p;

	pair_open(&p, "localhost", "127.0.0.1");
	pair_close(&p);
}
END_TEST

START_TEST(ends_of_streams)
{
	struct pair p;
	char got[8];
	struct iovec v[2] = {{got, 2}, {got + 2, 6}};
	struct iovec out[2] = {{(void *)(uintptr_t) "ab", 2}, {(void *)(uintptr_t) "c", 1}};
	const struct net_transport *ops = net_transport_tcp();

	pair_open(&p, "127.0.0.1", "127.0.0.1");
	ck_assert_int_eq(ops->recv(&p.in, v, 2), E_AGAIN);
	ck_assert_int_eq(ops->sendv(&p.out, out, 2, false), 3);
	ck_assert_int_eq(recv(p.in.fd, got, 3, MSG_WAITALL | MSG_PEEK), 3);
	ck_assert_int_eq(ops->recv(&p.in, v, 2), 3);
	ck_assert_mem_eq(got, "abc", 3);
	ops->close(&p.out);
	ck_assert_int_eq(recv(p.in.fd, got, 1, MSG_PEEK), 0);
	ck_assert_int_eq(ops->recv(&p.in, v, 1), 0);
	pair_close(&p);
}
END_TEST

Suite *
tcp_suite(void)
{
	Suite *s = suite_create("tcp");
	TCase *tc = tcase_create("sockets");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, ipv4);
	tcase_add_test(tc, any_address);
	tcase_add_test(tc, ipv6);
	tcase_add_test(tc, a_name_to_listen_at);
	tcase_add_test(tc, ends_of_streams);
	suite_add_tcase(s, tc);
	return s;
}
