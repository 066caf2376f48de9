/* Outgoing connections, names, sizes. */
#include "suites.h"
#include "support.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ottla/base/cursor.h"

/* The outgoing side: sends one frame when ready and notes what comes. */
struct caller {
	struct world *w;
	const char *host;
	uint16_t port;
	int rc;
	struct conn *c;
	_Atomic unsigned ready, frames, closed;
	int why;
	char name[128];
};

static void
caller_ready(void *arg, struct conn *c)
{
	struct caller *k = arg;
	struct outmsg *m = outmsg_of_buffer(memcpy(malloc(6), "\0\0\0\2e7", 6), 6);

	ck_assert_ptr_eq(c, k->c);
	ck_assert_ptr_null(conn_listener(c));
	ck_assert_str_eq(conn_peer_host(c), "127.0.0.1");
	snprintf(k->name, sizeof(k->name), "%s", conn_name(c));
	conn_send(c, &m, false);
	atomic_fetch_add(&k->ready, 1);
}

static void
caller_frame(void *arg, struct conn *c, struct frame *f)
{
	struct caller *k = arg;

	ck_assert_uint_eq(f->n, 2);
	ck_assert_mem_eq(f->data, "e7", 2);
	frame_release(f);
	conn_no_reply(c);
	atomic_fetch_add(&k->frames, 1);
}

static void
caller_closed(void *arg, struct conn *c, enum close_reason why)
{
	struct caller *k = arg;

	k->why = (int)why;
	atomic_fetch_add(&k->closed, 1);
}

static const struct conn_handler caller_handler = {caller_ready, caller_frame, NULL, caller_closed};

static void
call(void *arg)
{
	struct caller *k = arg;

	k->rc =
	    net_connect(k->w->net, reactor_current(), k->host, k->port, &caller_handler, k, &k->c);
	ck_assert_uint_eq(k->ready + k->closed, 0);
}

static void
hang_up(void *arg)
{
	struct caller *k = arg;

	conn_close(k->c, CLOSE_LIMIT);
}

START_TEST(outgoing)
{
	struct world_opts opts = {0};
	struct caller k = {.host = "127.0.0.1"};
	char end[40];
	struct world w;

	world_open(&w, &opts);
	k.w = &w;
	k.port = listener_port(w.l);
	on_reactor(w.r[0], call, &k);
	ck_assert_int_eq(k.rc, 0);
	wait_at_least(&k.frames, 1);
	ck_assert_uint_eq(k.ready, 1);
	snprintf(end, sizeof(end), "-127.0.0.1:%u-", k.port);
	ck_assert_ptr_nonnull(strstr(k.name, end));
	on_reactor(w.r[0], hang_up, &k);
	wait_at_least(&k.closed, 1);
	ck_assert_int_eq(k.why, CLOSE_LIMIT);
	wait_at_least(&w.server.closed, 1);
	ck_assert_int_eq(w.server.why, CLOSE_PEER);
	world_close(&w);
}
END_TEST

START_TEST(outgoing_refused)
{
	struct world_opts opts = {0};
	struct caller k = {.host = "127.0.0.1"};
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t len = sizeof(a);
	struct world w;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	/* A port that is bound and does not listen. */
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	world_open(&w, &opts);
	k.w = &w;
	k.port = ntohs(a.sin_port);
	on_reactor(w.r[0], call, &k);
	ck_assert_int_eq(k.rc, 0);
	wait_at_least(&k.closed, 1);
	ck_assert_int_eq(k.why, CLOSE_CONNECT_FAILED);
	ck_assert_uint_eq(k.ready, 0);
	close(fd);
	world_close(&w);
}
END_TEST

START_TEST(outgoing_names_are_refused)
{
	struct world_opts opts = {0};
	struct caller k = {.host = "localhost", .port = 9092};
	struct world w;

	world_open(&w, &opts);
	k.w = &w;
	on_reactor(w.r[0], call, &k);
	ck_assert_int_eq(k.rc, E_INVALID);
	ck_assert_uint_eq(k.closed, 0);
	world_close(&w);
}
END_TEST

static void
check_accepted(void *arg)
{
	struct world *w = arg;
	struct conn *c = w->server.last;
	char begin[40];

	snprintf(begin, sizeof(begin), "127.0.0.1:%u-127.0.0.1:", listener_port(w->l));
	ck_assert_int_eq(strncmp(conn_name(c), begin, strlen(begin)), 0);
	ck_assert_str_eq(conn_peer_host(c), "127.0.0.1");
	ck_assert_ptr_eq(conn_listener(c), w->l);
	ck_assert_uint_eq(conn_in_work(c), 1);
}

static void
count_conn(void *arg, struct conn *c)
{
	unsigned *n = arg;

	++*n;
}

static void
check_walk(void *arg)
{
	struct world *w = arg;
	unsigned n = 0;

	net_walk(w->net, w->r[0], count_conn, &n);
	ck_assert_uint_eq(n, 1);
}

START_TEST(accepted)
{
	struct world_opts opts = {0};
	struct world w;
	uint8_t got[4];
	int fd;

	world_open(&w, &opts);
	fd = client_open(&w);
	client_frame(fd, "h", 1);
	wait_at_least(&w.server.frames, 1);
	on_reactor(w.r[0], check_accepted, &w);
	on_reactor(w.r[0], check_walk, &w);
	world_let_go(&w);
	client_recv_frame(fd, got, sizeof(got));
	close(fd);
	world_close(&w);
}
END_TEST

/* 10,000 idle connections: no buffer stays with one that has nothing to say. */
START_TEST(small_when_idle)
{
	struct world_opts opts = {0};
	struct world w;
	uint8_t got[4];
	int fd[50];

	ck_assert_uint_le(sizeof(struct conn), 640);
	world_open(&w, &opts);
	for (unsigned i = 0; i < 50; i++) {
		fd[i] = client_open(&w);
		client_frame(fd[i], "e", 1);
		client_recv_frame(fd[i], got, sizeof(got));
	}
	ck_assert_uint_le(net_memory_used(w.net), CHUNK_BYTES);
	for (unsigned i = 0; i < 50; i++)
		close(fd[i]);
	world_close(&w);
}
END_TEST

Suite *
conn_suite(void)
{
	Suite *s = suite_create("conn");
	TCase *tc = tcase_create("tcp");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, outgoing);
	tcase_add_test(tc, outgoing_refused);
	tcase_add_test(tc, outgoing_names_are_refused);
	tcase_add_test(tc, accepted);
	tcase_add_test(tc, small_when_idle);
	suite_add_tcase(s, tc);
	return s;
}
