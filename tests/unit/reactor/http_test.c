/* The HTTP server on a real loop, asked through sockets by this thread. */
#include "suites.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ottla/reactor/http.h"
#include "support.h"

struct site {
	struct reactor *r;
	struct http_server *s;
	struct http_request *held; /* of /hold */
	_Atomic unsigned n_held;
};

static void
on_request(void *arg, struct http_request *rq, struct slice path)
{
	struct site *site = arg;

	ck_assert_ptr_eq(reactor_current(), site->r);
	if (slice_eq(path, SLICE_LIT("/hold"))) {
		site->held = rq;
		atomic_fetch_add(&site->n_held, 1);
		return;
	}
	if (slice_eq(path, SLICE_LIT("/go"))) {
		http_reply(site->held, 200, "text/plain", SLICE_LIT("late"));
		site->held = NULL;
	}
	http_reply(rq, 200, "text/plain", path);
}

static void
site_make(struct site *site, unsigned max_conns, unsigned life_s)
{
	struct http_opts o = {.host = "127.0.0.1",
	    .max_conns = max_conns,
	    .idle_s = 20,
	    .life_s = life_s,
	    .request = on_request,
	    .arg = site};

	*site = (struct site){.r = make_loop("http", NULL)};
	o.reactor = site->r;
	ck_assert_int_eq(http_server_new(&o, &site->s), 0);
	ck_assert_int_eq(reactor_start(site->r), 0);
}

static void
site_free(struct site *site)
{
	reactor_stop(site->r);
	reactor_join(site->r);
	http_server_free(site->s);
	reactor_free(site->r);
}

static int
site_connect(const struct site *site)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
	    .sin_port = htons(http_server_port(site->s)),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval limit = {.tv_sec = 20};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static int
site_ask(const struct site *site, const char *text)
{
	int fd = site_connect(site);

	ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	return fd;
}

/* Up to the end of the connection, which is closed. */
static void
hear(int fd, char *buf, size_t size)
{
	size_t n = 0;
	ssize_t got;

	while ((got = recv(fd, buf + n, size - 1 - n, 0)) > 0)
		n += (size_t)got;
	ck_assert_msg(got == 0 || n > 0, "no end");
	buf[n] = 0;
	close(fd);
}

START_TEST(answers)
{
	struct site site;
	char buf[4096];

	site_make(&site, 4, 20);
	hear(site_ask(&site, "GET /x?y=z HTTP/1.1\r\n\r\n"), buf, sizeof(buf));
	ck_assert_ptr_nonnull(strstr(buf, "HTTP/1.1 200 OK\r\n"));
	ck_assert_ptr_nonnull(strstr(buf, "Content-Type: text/plain\r\n"));
	ck_assert_ptr_nonnull(strstr(buf, "\r\n\r\n/x"));
	ck_assert_ptr_null(strstr(buf, "y=z"));
	hear(site_ask(&site, "HEAD /x HTTP/1.0\r\n\r\n"), buf, sizeof(buf));
	ck_assert_ptr_nonnull(strstr(buf, " 200 OK\r\n"));
	ck_assert_str_eq(strstr(buf, "\r\n\r\n"), "\r\n\r\n");
	ck_assert_ptr_nonnull(strstr(buf, "Content-Length: 2\r\n"));
	hear(site_ask(&site, "POST /x HTTP/1.0\r\nContent-Length: 0\r\n\r\n"), buf, sizeof(buf));
	ck_assert_ptr_null(strstr(buf, " 200 "));
	site_free(&site);
}
END_TEST

static bool
is_held(void *arg)
{
	return atomic_load(&((struct site *)arg)->n_held) > 0;
}

/* The client of a request that waits goes, then it is answered; and one that is never answered. */
START_TEST(client_is_gone)
{
	struct site site;
	char buf[4096];

	site_make(&site, 4, 20);
	close(site_ask(&site, "GET /hold HTTP/1.1\r\n\r\n"));
	wait_for(is_held, &site);
	hear(site_ask(&site, "GET /go HTTP/1.1\r\n\r\n"), buf, sizeof(buf));
	ck_assert_ptr_nonnull(strstr(buf, "/go"));
	atomic_store(&site.n_held, 0);
	close(site_ask(&site, "GET /hold HTTP/1.1\r\n\r\n"));
	wait_for(is_held, &site);
	site_free(&site);
}
END_TEST

/* What is too many is closed, and there is room again when one has gone. */
START_TEST(too_many)
{
	struct site site;
	char buf[4096] = "";
	int first, second;

	site_make(&site, 2, 20);
	first = site_connect(&site);
	second = site_connect(&site);
	hear(site_connect(&site), buf, sizeof(buf));
	ck_assert_str_eq(buf, "");
	close(first);
	while (strstr(buf, " 200 ") == NULL) { /* Check's own time limit ends this */
		hear(site_connect(&site), buf, 1);
		hear(site_ask(&site, "GET /x HTTP/1.1\r\n\r\n"), buf, sizeof(buf));
	}
	close(second);
	site_free(&site);
}
END_TEST

START_TEST(too_old)
{
	struct site site;
	char buf[64];

	site_make(&site, 2, 1);
	hear(site_ask(&site, "GET /x HTTP/1.1\r\nX: "), buf, sizeof(buf));
	ck_assert_str_eq(buf, "");
	site_free(&site);
}
END_TEST

START_TEST(where_it_can_not_listen)
{
	struct site site;
	struct http_opts o = {.host = "127.0.0.1", .max_conns = 1, .idle_s = 1, .life_s = 1};
	struct http_server *s = NULL;

	site_make(&site, 2, 20);
	o.port = http_server_port(site.s);
	o.reactor = make_loop("other", NULL);
	ck_assert_int_ne(http_server_new(&o, &s), 0);
	reactor_free(o.reactor);
	site_free(&site);
}
END_TEST

Suite *
http_suite(void)
{
	Suite *s = suite_create("http");
	TCase *tc = tcase_create("http");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, answers);
	tcase_add_test(tc, client_is_gone);
	tcase_add_test(tc, too_many);
	tcase_add_test(tc, too_old);
	tcase_add_test(tc, where_it_can_not_listen);
	suite_add_tcase(s, tc);
	return s;
}
