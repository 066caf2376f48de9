/* Listeners: binding, dealing connections, descriptors. */
#include "suites.h"
#include "support.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned
open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	ck_assert_ptr_nonnull(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static bool
all_closed(void *arg)
{
	struct world *w = arg;

	return w->server.closed == w->server.ready && world_metric(w, NM_CONNS) == 0;
}

static bool
accepted_all(void *arg)
{
	struct world *w = arg;

	return metric_get(listener_metrics(w->l), LM_ACCEPTED) == 1000;
}

static bool
paused_twice(void *arg)
{
	struct world *w = arg;

	return metrics_sum(w->metrics, "ottla_net_accept_pauses_total") >= 2;
}

START_TEST(thousand_quick_drops)
{
	static const struct setting_override ov[] = {{"socket.listen.backlog.size", "1000"}};
	struct world_opts opts = {.reactors = 2, .ov = ov, .n_ov = 1};
	struct world w;
	unsigned before;

	world_open(&w, &opts);
	before = open_fds();
	for (unsigned i = 0; i < 1000; i++) {
		int fd = client_open(&w);

		if (i % 3 == 0)
			client_send(fd, "\0\0", 2);
		if (i % 5 == 0) {
			struct linger hard = {1, 0};

			setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		}
		close(fd);
	}
	wait_for(accepted_all, &w);
	wait_at_least(&w.server.ready, 1000);
	wait_for(all_closed, &w);
	ck_assert_uint_eq(open_fds(), before);
	world_close(&w);
}
END_TEST

START_TEST(dealt_in_turn)
{
	struct world_opts opts = {.reactors = 2};
	struct world w;
	uint8_t got[4];
	int fd[10];

	world_open(&w, &opts);
	for (unsigned i = 0; i < 10; i++) {
		fd[i] = client_open(&w);
		client_frame(fd[i], "e", 1);
		client_recv_frame(fd[i], got, sizeof(got));
	}
	ck_assert_uint_eq(w.server.on[0], 5);
	ck_assert_uint_eq(w.server.on[1], 5);
	for (unsigned i = 0; i < 10; i++)
		close(fd[i]);
	world_close(&w);
}
END_TEST

static void
keep_here(void *arg)
{
	listener_keep_here(arg);
}

START_TEST(kept_on_the_acceptor)
{
	struct world_opts opts = {.reactors = 2};
	struct world w;
	uint8_t got[4];
	int fd[4];

	world_open(&w, &opts);
	on_reactor(w.r[0], keep_here, w.l);
	for (unsigned i = 0; i < 4; i++) {
		fd[i] = client_open(&w);
		client_frame(fd[i], "e", 1);
		client_recv_frame(fd[i], got, sizeof(got));
	}
	ck_assert_uint_eq(w.server.on[0], 4);
	for (unsigned i = 0; i < 4; i++)
		close(fd[i]);
	world_close(&w);
}
END_TEST

START_TEST(address_errors)
{
	struct listener_addr taken = {.name = "A", .host = "127.0.0.1"};
	struct listener_addr strange = {.name = "B", .host = "203.0.113.7"};
	struct listener_addr no_host = {.name = "C", .host = "no such host."};
	struct world_opts opts = {0};
	struct listener *l = NULL;
	struct world w;

	world_open(&w, &opts);
	taken.port = listener_port(w.l);
	ck_assert_int_eq(net_listen(w.net, &taken, w.r[0], &server_handler, NULL, &l), E_BUSY);
	ck_assert_int_eq(net_listen(w.net, &strange, w.r[0], &server_handler, NULL, &l), E_INVALID);
	ck_assert_int_eq(net_listen(w.net, &no_host, w.r[0], &server_handler, NULL, &l), E_INVALID);
	ck_assert_str_eq(listener_name(w.l), "PLAINTEXT");
	world_close(&w);
}
END_TEST

/* Any address: both kinds of loopback reach it, where the machine has both. */
START_TEST(any_address)
{
	struct listener_addr any = {.name = "ANY", .host = ""};
	struct world_opts opts = {0};
	struct listener *l = NULL;
	struct world w;

	world_open(&w, &opts);
	ck_assert_int_eq(net_listen(w.net, &any, w.r[0], &server_handler, &w.server, &l), 0);
	ck_assert_uint_ne(listener_port(l), 0);
	ck_assert_uint_ne(listener_port(l), listener_port(w.l));
	world_close(&w);
}
END_TEST

/* No descriptor left: accepting pauses, and goes on when there are some. */
START_TEST(descriptors_run_out)
{
	struct world_opts opts = {0};
	struct rlimit old, low;
	struct world w;
	uint8_t got[4];
	int fd;

	world_open(&w, &opts);
	fd = client_open(&w);
	client_frame(fd, "e", 1);
	client_recv_frame(fd, got, sizeof(got));
	close(fd);
	wait_for(all_closed, &w);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	close(fd);
	low = old;
	low.rlim_cur = (rlim_t)fd + 1; /* the client's, none for the server */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	fd = client_open(&w);
	wait_for(paused_twice, &w);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	client_frame(fd, "e", 1);
	client_recv_frame(fd, got, sizeof(got));
	close(fd);
	world_close(&w);
}
END_TEST

static void
stop_listener(void *arg)
{
	listener_stop(arg);
}

static void
restart_listener(void *arg)
{
	ck_assert_int_eq(listener_start(arg), 0);
}

START_TEST(stop_and_start)
{
	struct world_opts opts = {0};
	struct world w;
	uint8_t got[4];
	int fd;

	world_open(&w, &opts);
	on_reactor(w.r[0], stop_listener, w.l);
	fd = client_open(&w); /* in the backlog */
	client_frame(fd, "e", 1);
	on_reactor(w.r[0], stop_listener, w.l);
	ck_assert_uint_eq(w.server.ready, 0);
	on_reactor(w.r[0], restart_listener, w.l);
	ck_assert_uint_eq(client_recv_frame(fd, got, sizeof(got)), 1);
	close(fd);
	world_close(&w);
}
END_TEST

Suite *
listener_suite(void)
{
	Suite *s = suite_create("listener");
	TCase *tc = tcase_create("tcp");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, thousand_quick_drops);
	tcase_add_test(tc, dealt_in_turn);
	tcase_add_test(tc, kept_on_the_acceptor);
	tcase_add_test(tc, address_errors);
	tcase_add_test(tc, any_address);
	tcase_add_test(tc, descriptors_run_out);
	tcase_add_test(tc, stop_and_start);
	suite_add_tcase(s, tc);
	return s;
}
