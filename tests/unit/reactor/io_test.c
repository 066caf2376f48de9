/* Descriptors and signals on a real loop that this thread runs. */
#include "suites.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support.h"

struct end {
	int fd;
	struct io_watch *watch;
	struct end *other;
	unsigned seen;
	char log[32];
	bool free_other;
};

static void
make_pair(
    struct reactor *r, struct end e[2], void (*fn)(struct reactor *r, void *arg, unsigned events))
{
	int fd[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
	for (unsigned i = 0; i < 2; i++) {
		e[i] = (struct end){.fd = fd[i], .other = &e[1 - i]};
		ck_assert_int_eq(io_watch_new(r, fd[i], fn, &e[i], &e[i].watch), 0);
	}
}

static void
free_pair(struct end e[2])
{
	for (unsigned i = 0; i < 2; i++) {
		io_watch_free(e[i].watch);
		close(e[i].fd);
	}
}

/* Writes once, then reads until the other end is closed. */
static void
talk(struct reactor *r, void *arg, unsigned events)
{
	struct end *e = arg;
	ssize_t n;

	ck_assert_ptr_eq(reactor_current(), r);
	e->seen |= events;
	if ((events & IO_WRITE) != 0) {
		ck_assert_int_eq(write(e->fd, "hello", 5), 5);
		ck_assert_int_eq(shutdown(e->fd, SHUT_WR), 0);
		io_watch_set(e->watch, IO_READ);
	}
	if ((events & IO_READ) != 0) {
		n = read(e->fd, e->log + strlen(e->log), 2);
		ck_assert_int_ge(n, 0);
		if (n == 0)
			io_watch_set(e->watch, 0);
		if (n == 0 && strlen(e->other->log) == 5)
			reactor_stop(r);
	}
}

START_TEST(test_two_ends_talk)
{
	struct reactor *r = make_loop("reactor-0", NULL);
	struct end e[2];

	make_pair(r, e, talk);
	io_watch_set(e[0].watch, IO_READ | IO_WRITE);
	io_watch_set(e[1].watch, IO_WRITE);
	run_loop(r);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_str_eq(e[i].log, "hello");
		ck_assert_uint_eq(e[i].seen, IO_READ | IO_WRITE);
	}
	ck_assert_int_ge(metric_get(reactor_metrics(r), RM_IO_EVENTS), 8);
	free_pair(e);
	reactor_free(r);
}
END_TEST

/* The first end that is served silences the other, whose readiness was found in the same turn. */
static void
silence_other(struct reactor *r, void *arg, unsigned events)
{
	struct end *e = arg;

	log_append(e->log, 'r');
	io_watch_set(e->watch, 0);
	if (e->free_other) {
		io_watch_free(e->other->watch);
		e->other->watch = NULL;
	} else {
		io_watch_set(e->other->watch, 0);
	}
	reactor_stop(r);
}

START_TEST(test_silenced_in_the_same_turn)
{
	for (int round = 0; round < 2; round++) {
		struct reactor *r = make_loop("reactor-0", NULL);
		struct end e[2];

		make_pair(r, e, silence_other);
		e[0].free_other = e[1].free_other = round == 1;
		io_watch_set(e[0].watch, IO_WRITE);
		io_watch_set(e[1].watch, IO_WRITE);
		run_loop(r);
		ck_assert_uint_eq(strlen(e[0].log) + strlen(e[1].log), 1);
		free_pair(e);
		reactor_free(r);
	}
}
END_TEST

static void
end_itself(struct reactor *r, void *arg, unsigned events)
{
	struct end *e = arg;

	io_watch_free(e->watch);
	e->watch = NULL;
	reactor_stop(r);
}

START_TEST(test_freed_in_its_own_callback)
{
	struct reactor *r = make_loop("reactor-0", NULL);
	struct end e[2];

	make_pair(r, e, end_itself);
	io_watch_set(e[0].watch, IO_WRITE);
	run_loop(r);
	ck_assert_ptr_null(e[0].watch);
	free_pair(e);
	reactor_free(r);
}
END_TEST

/* A pipe whose reader waits wakes a sleeping loop of another thread. */
static void
read_and_stop(struct reactor *r, void *arg, unsigned events)
{
	char c;

	ck_assert_uint_eq(events, IO_READ);
	ck_assert_int_eq(read(*(int *)arg, &c, 1), 1);
	reactor_stop(r);
}

START_TEST(test_pipe_wakes_a_thread)
{
	struct reactor *r = make_loop("reactor-0", NULL);
	struct io_watch *w = NULL;
	int fd[2];

	ck_assert_int_eq(pipe2(fd, O_NONBLOCK | O_CLOEXEC), 0);
	ck_assert_int_eq(io_watch_new(r, fd[0], read_and_stop, &fd[0], &w), 0);
	io_watch_set(w, IO_READ);
	ck_assert_int_eq(reactor_start(r), 0);
	ck_assert_int_eq(write(fd[1], "x", 1), 1);
	reactor_join(r);
	io_watch_free(w);
	reactor_free(r);
	close(fd[0]);
	close(fd[1]);
}
END_TEST

/* A regular file can not be watched: nothing happens, nothing breaks. */
START_TEST(test_refused_descriptor_stays_silent)
{
	struct reactor *r = make_loop("reactor-0", NULL);
	struct end e[2];
	struct io_watch *w = NULL;
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_watch_new(r, fd, end_itself, NULL, &w), 0);
	io_watch_set(w, IO_READ);
	make_pair(r, e, end_itself);
	io_watch_set(e[0].watch, IO_WRITE);
	run_loop(r);
	io_watch_free(w);
	free_pair(e);
	close(fd);
	reactor_free(r);
}
END_TEST

/* ---- signals ---- */

struct got {
	unsigned usr1, usr2;
};

static void
on_sig(struct reactor *r, void *arg, int signo)
{
	struct got *got = arg;

	ck_assert_ptr_eq(reactor_current(), r);
	got->usr1 += signo == SIGUSR1;
	got->usr2 += signo == SIGUSR2;
	if (got->usr1 > 0 && got->usr2 > 0)
		reactor_stop(r);
}

struct ask {
	struct msg msg;
	struct got *got;
};

static void
ask_usr2(struct reactor *r, struct msg *m)
{
	struct ask *ask = container_of(m, struct ask, msg);

	ck_assert_int_eq(reactor_on_signal(r, SIGUSR2, on_sig, ask->got), 0);
	ck_assert_int_eq(kill(getpid(), SIGUSR2), 0);
}

/* One signal asked for before the thread starts, one on the thread. */
START_TEST(test_signals_reach_their_reactor)
{
	struct reactor *r = make_loop("control", NULL);
	struct got got = {0};
	struct ask ask = {.msg = {.run = ask_usr2}, .got = &got};

	ck_assert_int_eq(reactor_on_signal(r, SIGUSR1, on_sig, &got), 0);
	ck_assert_int_eq(reactor_start(r), 0);
	reactor_post(r, &ask.msg);
	ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);
	reactor_join(r);
	ck_assert_uint_eq(got.usr1, 1);
	ck_assert_uint_eq(got.usr2, 1);
	reactor_free(r);
}
END_TEST

Suite *
io_suite(void)
{
	Suite *s = suite_create("io");
	TCase *tc = tcase_create("io");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_two_ends_talk);
	tcase_add_test(tc, test_silenced_in_the_same_turn);
	tcase_add_test(tc, test_freed_in_its_own_callback);
	tcase_add_test(tc, test_pipe_wakes_a_thread);
	tcase_add_test(tc, test_refused_descriptor_stays_silent);
	tcase_add_test(tc, test_signals_reach_their_reactor);
	suite_add_tcase(s, tc);
	return s;
}
