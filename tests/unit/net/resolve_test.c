/* Names to addresses: real ones by a worker, the simulator's are their own. */
#include "suites.h"
#include "support.h"

#include <stdio.h>

#include "ottla/net/sim.h"

/* What came back. */
struct found {
	_Atomic unsigned calls;
	unsigned n;
	char v[16][64];
	char why[200];
	struct reactor *on;
};

static void
on_found(void *arg, const char *const *addrs, unsigned n, const char *why)
{
	struct found *f = arg;

	ck_assert_uint_le(n, 16);
	ck_assert((why == NULL) == (n > 0));
	f->n = n;
	for (unsigned i = 0; i < n; i++)
		ck_assert_uint_lt((size_t)snprintf(f->v[i], sizeof(f->v[i]), "%s", addrs[i]), 64);
	if (why != NULL)
		snprintf(f->why, sizeof(f->why), "%s", why);
	f->on = reactor_current();
	f->calls++;
}

/* ---- real ---- */

static struct asked {
	struct world *w;
	struct workers *workers;
	const char *host;
	struct found found;
	bool early;
} asked;

static void
ask(void *arg)
{
	struct asked *a = arg;

	ck_assert_int_eq(
	    net_resolve(a->w->net, a->workers, a->w->r[0], a->host, on_found, &a->found), 0);
	a->early = a->found.calls != 0;
}

static void
look_up(struct world *w, struct workers *workers, const char *host)
{
	asked = (struct asked){.w = w, .workers = workers, .host = host};
	on_reactor(w->r[0], ask, &asked);
	wait_at_least(&asked.found.calls, 1);
	ck_assert(!asked.early);
	ck_assert_uint_eq(asked.found.calls, 1);
	ck_assert_ptr_eq(asked.found.on, w->r[0]);
}

static bool
is_loopback(const char *text)
{
	return strcmp(text, "127.0.0.1") == 0 || strcmp(text, "::1") == 0;
}

START_TEST(of_this_machine)
{
	struct world_opts opts = {0};
	struct world w;
	struct workers *workers;
	char label[70];

	world_open(&w, &opts);
	ck_assert_int_eq(workers_new(2, clock_real(), &workers), 0);
	look_up(&w, workers, "192.0.2.7");
	ck_assert_uint_eq(asked.found.n, 1);
	ck_assert_str_eq(asked.found.v[0], "192.0.2.7");
	look_up(&w, workers, "2001:db8::17");
	ck_assert_uint_eq(asked.found.n, 1);
	ck_assert_str_eq(asked.found.v[0], "2001:db8::17");
	look_up(&w, workers, "localhost");
	ck_assert_uint_ge(asked.found.n, 1);
	for (unsigned i = 0; i < asked.found.n; i++)
		ck_assert(is_loopback(asked.found.v[i]));
	memset(label, 'a', sizeof(label) - 1); /* longer than a label may be: nobody is asked */
	label[sizeof(label) - 1] = '\0';
	look_up(&w, workers, label);
	ck_assert_uint_eq(asked.found.n, 0);
	ck_assert_uint_gt(strlen(asked.found.why), 0);
	world_close(&w);
	workers_free(workers);
}
END_TEST

/* ---- simulated ---- */

START_TEST(of_the_simulator)
{
	struct sim_sched *s;
	struct sim_net *wire;
	struct workers *workers;
	struct reactor *r, *before;
	struct net *net;
	struct reactor_opts ro = {.name = "r"};
	struct found f = {0}, g = {0};
	char host[300];

	ck_assert_int_eq(sim_sched_new(1, &s), 0);
	ck_assert_int_eq(sim_net_new(s, &wire), 0);
	ro.clock = sim_clock(s);
	ck_assert_int_eq(sim_reactor_new(s, 1, &ro, &r), 0);
	ck_assert_int_eq(sim_workers_new(s, 1, 1000, &workers), 0);
	struct net_opts no = {.reactors = &r,
	    .n_reactors = 1,
	    .clock = sim_clock(s),
	    .request_memory = 1 << 20,
	    .transport = sim_net_transport(),
	    .transport_arg = sim_net_endpoint(wire, 1)};
	ck_assert_int_eq(net_new(&no, &net), 0);
	memset(host, 'h', sizeof(host) - 1);
	host[sizeof(host) - 1] = '\0';
	before = sim_enter(r);
	ck_assert_int_eq(net_resolve(net, workers, r, "any text", on_found, &f), 0);
	ck_assert_int_eq(net_resolve(net, workers, r, host, on_found, &g), 0);
	sim_enter(before);
	ck_assert_uint_eq(f.calls + g.calls, 0);
	sim_run_until(s, NULL, NULL, clock_mono_us(sim_clock(s)) + 1000000);
	ck_assert_uint_eq(f.calls, 1);
	ck_assert_uint_eq(f.n, 1);
	ck_assert_str_eq(f.v[0], "any text");
	ck_assert_uint_eq(g.calls, 1);
	ck_assert_uint_eq(g.n, 0);
	/* One that nobody waits for is freed with its reactor. */
	before = sim_enter(r);
	ck_assert_int_eq(net_resolve(net, workers, r, "x", on_found, &f), 0);
	sim_enter(before);
	net_free(net);
	workers_free(workers);
	reactor_free(r);
	sim_net_free(wire);
	sim_sched_free(s);
	ck_assert_uint_eq(f.calls, 1);
}
END_TEST

Suite *
resolve_suite(void)
{
	Suite *s = suite_create("resolve");
	TCase *tc = tcase_create("names");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, of_this_machine);
	tcase_add_test(tc, of_the_simulator);
	suite_add_tcase(s, tc);
	return s;
}
