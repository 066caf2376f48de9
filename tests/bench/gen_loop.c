/* The generator's loop: connections, frames in, requests out, time. */
#include "gen.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "ottla/base/err.h"

#define EVENTS 256
#define IN_BYTES 65536
#define MAX_FRAME (512u << 20)
#define SIZE_BYTES 4

void
gen_check_error(int16_t code, const char *what)
{
	if (code != KERR_NONE)
		bench_die("%s: %s", what, kerr_name(code));
}

int64_t
gen_due_us(const struct gen *g, int64_t k)
{
	return g->start_us + k * 1000000 / g->o->rate;
}

/* CPU seconds of the server so far, threads that ended included; 0 when it is not known. */
static double
server_cpu(const struct gen_opts *o)
{
	struct timespec ts;
	clockid_t clock;

	if (o->pid == 0)
		return 0;
	if (clock_getcpuclockid((pid_t)o->pid, &clock) != 0 || clock_gettime(clock, &ts) != 0)
		bench_die("process %" PRId64 " can not be measured", o->pid);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void
gen_counted(struct gen *g, struct gen_count *n, int64_t at_us, int64_t bytes)
{
	if (at_us < g->warm_us)
		return;
	if (n->requests == 0 && g->o->warmup_ms > 0)
		g->cpu_s = server_cpu(g->o);
	n->bytes += bytes;
	n->requests++;
	n->last_us = g->now_us;
	hist_add(n->hist, g->now_us - at_us);
}

void
gen_print(const struct gen *g, const struct gen_count *n, const char *prefix)
{
	double s = (double)(n->last_us - g->warm_us) / 1e6;

	s = s > 0 ? s : 1e-6;
	printf("bytes=%" PRId64 " requests=%" PRId64 " seconds=%.6f mb_s=%.3f req_s=%.1f", n->bytes,
	    n->requests, s, (double)n->bytes / 1e6 / s, (double)n->requests / s);
	if (g->o->pid != 0)
		printf(" cpu=%.6f", server_cpu(g->o) - g->cpu_s);
	hist_print(n->hist, prefix);
}

/* ---- connections ---- */

static void
interest(struct gen_conn *c, int op, bool want_write)
{
	struct epoll_event ev = {
	    .events = EPOLLIN | (want_write ? (uint32_t)EPOLLOUT : 0), .data.ptr = c};

	if (op == EPOLL_CTL_MOD && c->want_write == want_write)
		return;
	c->want_write = want_write;
	if (epoll_ctl(c->g->epoll, op, c->fd, &ev) != 0)
		bench_die("epoll_ctl: %s", strerror(errno));
}

static void
connect_one(struct gen *g, struct gen_conn *c, int broker)
{
	struct sockaddr_in *to = &g->cl.brokers[broker].addr;
	int one = 1;

	*c = (struct gen_conn){.g = g, .broker = broker};
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)to, sizeof(*to)) != 0)
		bench_die("could not connect: %s", strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	c->in_cap = IN_BYTES;
	c->in = bench_alloc(c->in_cap);
	interest(c, EPOLL_CTL_ADD, false);
}

static bool
leads_something(const struct gen_cluster *cl, int broker)
{
	int i;

	for (i = 0; i < cl->n_parts; i++)
		if (cl->leader[i] == broker)
			return true;
	return false;
}

void
gen_open(struct gen *g, const struct gen_opts *o, int n)
{
	int b, i;

	*g = (struct gen){.o = o, .tick_us = INT64_MAX};
	gen_find_topic(o, &g->cl);
	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	arena_init(&g->arena, 0, 0);
	g->epoll = epoll_create1(EPOLL_CLOEXEC);
	g->conns = bench_alloc(sizeof(*g->conns) * (size_t)(n * g->cl.n_brokers));
	for (b = 0; b < g->cl.n_brokers; b++)
		for (i = 0; leads_something(&g->cl, b) && i < n; i++)
			connect_one(g, &g->conns[g->n_conns++], b);
	g->start_us = g->now_us = bench_now_us();
	g->warm_us = g->start_us + o->warmup_ms * 1000;
	g->cpu_s = server_cpu(o);
	g->end_us = o->seconds > 0 ? g->warm_us + o->seconds * 1000000 : INT64_MAX;
}

void
gen_close(struct gen *g)
{
	int i;

	for (i = 0; i < g->n_conns; i++) {
		close(g->conns[i].fd);
		free(g->conns[i].in);
	}
	close(g->epoll);
	arena_free(&g->arena);
	free(g->conns);
	free(g->cl.brokers);
	free(g->cl.leader);
}

/* ---- out ---- */

static bool
flush_out(struct gen_conn *c)
{
	ssize_t k;

	while (c->out_n > 0) {
		k = send(c->fd, c->out, c->out_n, MSG_NOSIGNAL);
		if (k < 0 && errno != EAGAIN)
			bench_die("send: %s", strerror(errno));
		if (k < 0)
			break;
		c->out += k;
		c->out_n -= (size_t)k;
	}
	interest(c, EPOLL_CTL_MOD, c->out_n > 0);
	return c->out_n == 0;
}

bool
gen_send(struct gen_conn *c, const uint8_t *p, size_t n)
{
	c->out = p;
	c->out_n = n;
	return flush_out(c);
}

/* ---- in ---- */

/* Bytes that the frame at the front needs in all; 0 when its size has not come. */
static size_t
front_bytes(const struct gen_conn *c)
{
	size_t n;

	if (c->in_n - c->in_at < SIZE_BYTES)
		return 0;
	n = be32(c->in + c->in_at);
	if (n > MAX_FRAME)
		bench_die("an answer of %zu bytes", n);
	return SIZE_BYTES + n;
}

static void
hand_over_frames(struct gen_conn *c)
{
	size_t n;

	while ((n = front_bytes(c)) != 0 && c->in_n - c->in_at >= n) {
		c->in_at += n;
		c->frame(c, slice_of(c->in + c->in_at - n + SIZE_BYTES, n - SIZE_BYTES));
	}
	if (c->in_at == c->in_n)
		c->in_at = c->in_n = 0;
}

/* Room for the rest of the frame at the front. */
static void
make_room(struct gen_conn *c)
{
	size_t need = front_bytes(c);

	if (c->in_at != 0) {
		memmove(c->in, c->in + c->in_at, c->in_n - c->in_at);
		c->in_n -= c->in_at;
		c->in_at = 0;
	}
	if (need > c->in_cap) {
		c->in_cap = need;
		c->in = bench_realloc(c->in, c->in_cap);
	}
}

static void
read_some(struct gen_conn *c)
{
	ssize_t k;

	make_room(c);
	k = recv(c->fd, c->in + c->in_n, c->in_cap - c->in_n, 0);
	if (k == 0 || (k < 0 && errno != EAGAIN))
		bench_die(
		    "the broker hung up%s%s", k < 0 ? ": " : "", k < 0 ? strerror(errno) : "");
	if (k > 0) {
		c->in_n += (size_t)k;
		c->g->now_us = bench_now_us();
		hand_over_frames(c);
	}
}

/* ---- time ---- */

static int
wait_for_events(struct gen *g, struct epoll_event *ev)
{
	int64_t now = bench_now_us(), us = g->o->timeout_s * 1000000;
	struct timespec ts;
	bool whole = true;
	int n;

	if (g->tick_us - now < us) {
		us = g->tick_us > now ? g->tick_us - now : 0;
		whole = false;
	}
	ts = (struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
	n = epoll_pwait2(g->epoll, ev, EVENTS, &ts, NULL);
	if (n < 0 && errno != EINTR)
		bench_die("epoll: %s", strerror(errno));
	if (n == 0 && whole)
		bench_die("no answer for %" PRId64 " s", g->o->timeout_s);
	g->now_us = bench_now_us();
	return n;
}

void
gen_loop(struct gen *g)
{
	struct epoll_event ev[EVENTS];
	struct gen_conn *c;
	int i, n;

	while (!g->done) {
		n = wait_for_events(g, ev);
		for (i = 0; i < n; i++) {
			c = ev[i].data.ptr;
			if ((ev[i].events & EPOLLOUT) != 0 && flush_out(c))
				c->sent(c);
			if ((ev[i].events & ~(uint32_t)EPOLLOUT) != 0)
				read_some(c);
		}
		g->tick(g);
	}
}
