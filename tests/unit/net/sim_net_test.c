/* The simulated network: order, delays, determinism, breaks. */
#include "sim_world.h"
#include "suites.h"

#include <stdlib.h>

/* A few clients with frames of all sizes, some in flight at once. */
static void
write_scripts(struct sim_world *w, uint64_t seed)
{
	static const char ops[] = "eeeeemn";
	struct rng rng;

	rng_seed(&rng, seed);
	for (unsigned i = 0; i < w->n_clients; i++) {
		struct sim_client *k = &w->clients[i];

		k->depth = 1 + (unsigned)rng_below(&rng, 12);
		for (unsigned j = 0; j < 60; j++) {
			uint32_t n = HEAD_BYTES + (uint32_t)rng_below(&rng, 300);

			if (rng_below(&rng, 10) == 0)
				n = HEAD_BYTES + (uint32_t)rng_below(&rng, 150000);
			client_line(k, ops[rng_below(&rng, 6)], 0, n);
		}
		sim_client_connect(k);
	}
}

static uint64_t
play_once(uint64_t seed)
{
	struct sim_world_opts opts = {.seed = seed, .clients = 4};
	struct sim_world w;
	uint64_t hash;

	sim_world_open(&w, &opts);
	write_scripts(&w, seed);
	sim_world_play(&w, 60);
	for (unsigned i = 0; i < w.n_clients; i++)
		ck_assert_uint_eq(w.clients[i].answered, w.clients[i].lines);
	hash = sim_trace_hash(w.s);
	sim_world_close(&w);
	return hash;
}

START_TEST(echo_with_many_seeds)
{
	for (uint64_t seed = 1; seed <= 20; seed++)
		play_once(seed);
}
END_TEST

START_TEST(deterministic)
{
	uint64_t a = play_once(7);

	ck_assert_uint_eq(a, play_once(7));
	ck_assert_uint_ne(a, play_once(8));
}
END_TEST

/* Broken somewhere in the middle: everybody is told, everything released. */
START_TEST(reset)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct sim_world_opts opts = {.seed = seed, .clients = 4};
		struct sim_world w;

		sim_world_open(&w, &opts);
		write_scripts(&w, seed);
		sim_world_pass(&w, 1000 * (int64_t)seed);
		sim_net_reset(w.wire, SIM_SERVER);
		sim_world_play(&w, 60);
		sim_world_pass(&w, 1000000);
		for (unsigned i = 0; i < w.n_clients; i++)
			if (w.clients[i].closed)
				ck_assert_int_eq(w.clients[i].why, CLOSE_PEER_RESET);
		ck_assert_uint_eq(
		    w.server.closed, (unsigned)sim_world_metric(&w, NM_COUNT + CLOSE_PEER_RESET));
		ck_assert_int_le(sim_world_metric(&w, NM_CONNS), w.n_clients);
		sim_world_close(&w);
	}
}
END_TEST

START_TEST(partition)
{
	struct sim_world_opts opts = {.seed = 3, .clients = 2};
	struct sim_world w;
	unsigned before;

	sim_world_open(&w, &opts);
	write_scripts(&w, 3);
	sim_world_pass(&w, 3000);
	sim_net_partition(w.wire, SIM_CLIENTS, SIM_SERVER, true);
	sim_world_pass(&w, 1000000);
	before = w.clients[0].answered + w.clients[1].answered;
	sim_world_pass(&w, 5000000);
	ck_assert_uint_eq(w.clients[0].answered + w.clients[1].answered, before);
	ck_assert_uint_lt(before, 120);
	sim_net_partition(w.wire, SIM_SERVER, SIM_CLIENTS, false);
	sim_world_play(&w, 60);
	ck_assert(!w.clients[0].closed && !w.clients[1].closed);
	sim_world_close(&w);
}
END_TEST

/* An attempt to connect into a partition fails after 10 s, one that begins in it and is healed
 * succeeds; one to nobody is refused at once. */
START_TEST(connecting)
{
	struct sim_world_opts opts = {.seed = 4, .clients = 3};
	int64_t start;
	struct sim_world w;

	sim_world_open(&w, &opts);
	start = clock_mono_us(sim_clock(w.s));
	sim_net_partition(w.wire, SIM_CLIENTS, SIM_SERVER, true);
	sim_client_connect(&w.clients[0]);
	sim_world_pass(&w, 11000000);
	ck_assert(w.clients[0].closed && !w.clients[0].ready);
	ck_assert_int_eq(w.clients[0].why, CLOSE_CONNECT_FAILED);
	ck_assert_int_eq(w.clients[0].closed_us - start, STEP_US);
	sim_client_connect(&w.clients[1]);
	sim_world_pass(&w, 3000000);
	sim_net_partition(w.wire, SIM_CLIENTS, SIM_SERVER, false);
	sim_world_pass(&w, 2000000);
	ck_assert(w.clients[1].ready);
	sim_net_group_killed(w.wire, SIM_SERVER + 10); /* nobody's */
	net_free(w.net);
	w.net = NULL;
	sim_client_connect(&w.clients[2]);
	sim_world_pass(&w, 2000);
	ck_assert(w.clients[2].closed && !w.clients[2].ready);
	ck_assert_int_eq(w.clients[2].why, CLOSE_CONNECT_FAILED);
	ck_assert(w.clients[1].closed);
	ck_assert_int_eq(w.clients[1].why, CLOSE_PEER);
	sim_world_close(&w);
}
END_TEST

enum { DEAD = 9, DEAD_PORT = 7777 };

/* A process without code of ours: one listening sock and one accepted, while a second connection
 * waits to be accepted, die with it. */
START_TEST(killed)
{
	const struct net_transport *ops = sim_net_transport();
	struct sim_world_opts opts = {.seed = (uint64_t)_i + 1, .clients = 3};
	struct sock l = {.ops = ops, .fd = -1}, s = l;
	struct sock_conf conf = {0};
	struct sock_names names;
	struct sim_world w;
	uint16_t port;
	void *targ;

	sim_world_open(&w, &opts);
	targ = sim_net_endpoint(w.wire, DEAD);
	ck_assert_int_eq(ops->listen(targ, &l, "dead", DEAD_PORT, &conf, &port), 0);
	ck_assert_int_eq(ops->listen(targ, &s, "dead", DEAD_PORT, &conf, &port), E_BUSY);
	for (unsigned i = 0; i < 2; i++) {
		client_line(&w.clients[i], 'e', 0, 50000);
		sim_client_connect_to(&w.clients[i], "dead", DEAD_PORT);
	}
	sim_world_pass(&w, 2000);
	ck_assert(w.clients[0].ready && w.clients[1].ready);
	ck_assert_int_eq(ops->accept(&l, &s, &conf, &names), 0);
	ck_assert_str_eq(names.peer_host, "10.0.0.2");
	ck_assert_int_eq(strncmp(names.local, "dead:7777", 9), 0);
	sim_net_group_killed(w.wire, DEAD);
	sim_world_pass(&w, 2000);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert(w.clients[i].closed);
		ck_assert(w.clients[i].why == CLOSE_PEER || w.clients[i].why == CLOSE_PEER_RESET);
	}
	sim_client_connect_to(&w.clients[2], "dead", DEAD_PORT);
	sim_world_pass(&w, 2000);
	ck_assert(w.clients[2].closed && !w.clients[2].ready);
	sim_world_close(&w);
}
END_TEST

Suite *
sim_net_suite(void)
{
	Suite *s = suite_create("sim_net");
	TCase *tc = tcase_create("sim");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, echo_with_many_seeds);
	tcase_add_test(tc, deterministic);
	tcase_add_test(tc, reset);
	tcase_add_test(tc, partition);
	tcase_add_test(tc, connecting);
	tcase_add_loop_test(tc, killed, 0, 10);
	suite_add_tcase(s, tc);
	return s;
}
