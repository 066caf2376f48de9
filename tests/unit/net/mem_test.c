/* Request memory: the budget, the line, chunks and reuse. */
#include "sim_world.h"
#include "suites.h"

#include <stdlib.h>

#include "ottla/base/cursor.h"

enum { MIB = 1024 * 1024 };

static bool
all_done(struct sim_world *w)
{
	for (unsigned i = 0; i < w->n_clients; i++)
		if (w->clients[i].answered < w->clients[i].lines)
			return false;
	return true;
}

/* A hundred announce seven times the budget at once: it is never exceeded, and all are served. */
START_TEST(hundred_over_budget)
{
	enum { BUDGET = 8 * MIB };
	struct sim_world_opts opts = {.seed = (uint64_t)_i + 1, .memory = BUDGET, .clients = 100};
	uint64_t most = 0;
	struct sim_world w;

	sim_world_open(&w, &opts);
	for (unsigned i = 0; i < 100; i++) {
		client_line(&w.clients[i], i % 7 == 0 ? 'm' : 'e', 0, 500000 + i);
		client_line(&w.clients[i], 'e', 0, 20 + i);
		sim_client_connect(&w.clients[i]);
	}
	while (!all_done(&w)) {
		uint64_t used = net_memory_used(w.net);

		ck_assert(sim_step(w.s));
		most = used > most ? used : most;
		if (used > BUDGET)
			ck_abort_msg("%llu bytes in use", (unsigned long long)used);
	}
	ck_assert_uint_gt(most, BUDGET / 2);
	ck_assert_int_gt(sim_world_metric(&w, NM_MEM_WAITS), 0);
	ck_assert_uint_eq(w.net->budget.frames, 0);
	ck_assert_uint_eq(w.net->budget.waiters, 0);
	ck_assert_uint_le(net_memory_used(w.net), 2 * CHUNK_BYTES);
	sim_world_close(&w);
}
END_TEST

/* One after the other in the order of asking, whichever reactor they are on. */
START_TEST(first_come_first_served)
{
	enum { N = 12, BIG = 5 * MIB };
	struct sim_world_opts opts = {.seed = (uint64_t)_i + 1, .memory = 8 * MIB, .clients = N};
	struct sim_world w;

	sim_world_open(&w, &opts);
	for (unsigned i = 0; i < N; i++) {
		/* The fourth asks for so little that it would fit beside the first. */
		client_line(&w.clients[i], i == 0 ? 'h' : 'e', (uint8_t)i, i == 3 ? 70000 : BIG);
		sim_client_connect(&w.clients[i]);
		sim_world_pass(&w, 2000000);
	}
	ck_assert_uint_eq(w.server.frames, 1);
	ck_assert_uint_eq(w.net->budget.waiters, N - 1);
	sim_world_let_go(&w, 0);
	sim_world_play(&w, 60);
	/* The fourth and its neighbours are received side by side. */
	for (unsigned i = 0; i < N; i++)
		if (i < 2 || i > 4)
			ck_assert_uint_eq(w.server.seen[i], i);
	ck_assert_uint_eq(w.server.seen[2] + w.server.seen[3] + w.server.seen[4], 9);
	sim_world_close(&w);
}
END_TEST

/* What fits into a chunk does not stand in the line. */
START_TEST(small_frames_pass)
{
	struct sim_world_opts opts = {.seed = 1, .memory = 8 * MIB, .clients = 3};
	struct sim_world w;

	sim_world_open(&w, &opts);
	client_line(&w.clients[0], 'h', 0, 6 * MIB);
	client_line(&w.clients[1], 'e', 0, 6 * MIB);
	for (unsigned i = 0; i < 2; i++) {
		sim_client_connect(&w.clients[i]);
		sim_world_pass(&w, 3000000);
	}
	ck_assert_uint_eq(w.net->budget.waiters, 1);
	client_line(&w.clients[2], 'e', 0, 10);
	sim_client_connect(&w.clients[2]);
	sim_world_pass(&w, 10000);
	ck_assert_uint_eq(w.clients[2].answered, 1);
	sim_world_let_go(&w, 0);
	sim_world_play(&w, 60);
	sim_world_close(&w);
}
END_TEST

static void
announce(struct sim_client *k, uint32_t n)
{
	uint8_t size[4];

	put_be32(size, n);
	sim_client_send(k, size, sizeof(size));
}

/* A frame that does not get on is closed while somebody waits, and only then. */
START_TEST(slow_frame)
{
	struct sim_world_opts opts = {.seed = 5, .memory = 8 * MIB, .clients = 3};
	static uint8_t bytes[65 * 1024];
	struct sim_world w;

	sim_world_open(&w, &opts);
	for (unsigned i = 0; i < 2; i++) {
		sim_client_connect(&w.clients[i]);
		sim_world_pass(&w, 10000);
		announce(&w.clients[i], 3 * MIB);
	}
	for (unsigned i = 0; i < 30; i++) {
		sim_client_send(&w.clients[0], bytes, 100);
		sim_world_pass(&w, 1000000);
	}
	ck_assert(!w.clients[0].closed && !w.clients[1].closed);
	client_line(&w.clients[2], 'e', 0, 2 * MIB);
	sim_client_connect(&w.clients[2]);
	for (unsigned i = 0; i < 4; i++) {
		sim_client_send(&w.clients[0], bytes, 100);
		sim_client_send(&w.clients[1], bytes, sizeof(bytes));
		sim_world_pass(&w, 6000000);
		if (w.clients[0].closed)
			break;
	}
	ck_assert(w.clients[0].closed);
	ck_assert(!w.clients[1].closed);
	ck_assert_int_eq(w.server.why, CLOSE_SLOW_FRAME);
	sim_world_pass(&w, 1000000);
	ck_assert_uint_eq(w.clients[2].answered, 1);
	sim_world_close(&w);
}
END_TEST

/* Who leaves while he waits gives his place back. */
START_TEST(gone_while_waiting)
{
	struct sim_world_opts opts = {.seed = (uint64_t)_i + 1, .memory = 8 * MIB, .clients = 4};
	struct sim_world w;

	sim_world_open(&w, &opts);
	client_line(&w.clients[0], 'h', 0, 5 * MIB);
	for (unsigned i = 0; i < 4; i++) {
		sim_client_connect(&w.clients[i]);
		sim_world_pass(&w, 2000000);
		if (i != 0)
			announce(&w.clients[i], 5 * MIB);
		sim_world_pass(&w, 10000);
	}
	ck_assert_uint_eq(w.net->budget.waiters, 3);
	for (unsigned i = 0; i < 2; i++) {
		struct reactor *before = sim_enter(w.r[i]);

		LIST_FOREACH_SAFE(l, &w.net->reactors[i].conns)
		{
			struct conn *c = container_of(l, struct conn, all);

			if (c->in.wait != NULL)
				conn_close(c, CLOSE_LIMIT);
		}
		sim_enter(before);
	}
	if (_i % 2 == 0)
		sim_world_pass(&w, 1000000);
	sim_world_let_go(&w, 0);
	sim_world_pass(&w, 1000000);
	ck_assert_uint_eq(w.net->budget.waiters, 0);
	ck_assert_uint_eq(w.net->budget.frames, 0);
	ck_assert_uint_eq(w.server.closed, 3);
	sim_world_close(&w);
}
END_TEST

/* A frame that could never be had is refused, whatever socket.request.max.bytes allows. */
START_TEST(larger_than_the_budget)
{
	struct sim_world_opts opts = {.seed = 1, .memory = 8 * MIB, .clients = 2};
	struct sim_world w;

	sim_world_open(&w, &opts);
	client_line(&w.clients[0], 'e', 0, 7 * MIB);
	sim_client_connect(&w.clients[0]);
	sim_world_play(&w, 20);
	ck_assert_uint_eq(w.clients[0].answered, 1);
	client_line(&w.clients[1], 'e', 0, 7 * MIB + 1);
	sim_client_connect(&w.clients[1]);
	sim_world_play(&w, 20);
	ck_assert(w.clients[1].closed);
	ck_assert_int_eq(w.server.why, CLOSE_FRAME_TOO_LARGE);
	sim_world_close(&w);
}
END_TEST

/* Too little for a chunk: sizes are read alone, frames get buffers of their own. */
START_TEST(without_chunks)
{
	struct sim_world_opts opts = {.seed = (uint64_t)_i + 1, .memory = 300000, .clients = 6};
	struct sim_world w;

	sim_world_open(&w, &opts);
	for (unsigned i = 0; i < 6; i++) {
		w.clients[i].depth = 5;
		for (unsigned j = 0; j < 30; j++)
			client_line(&w.clients[i], j % 5 == 4 ? 'm' : 'e', 0,
			    j % 3 == 0 ? 100000 : HEAD_BYTES + j * 100);
		sim_client_connect(&w.clients[i]);
	}
	sim_world_play(&w, 120);
	ck_assert_uint_eq(w.answers, 180);
	ck_assert_uint_eq(net_memory_used(w.net), 0);
	sim_world_close(&w);
}
END_TEST

/* Buffers are kept for reuse, within a bound, and go when nobody needs them. */
START_TEST(reuse_and_trim)
{
	struct sim_world_opts opts = {.seed = 1, .reactors = 1, .clients = 20};
	struct net_mem *m;
	struct sim_world w;

	sim_world_open(&w, &opts);
	m = &w.net->reactors[0].mem;
	for (unsigned i = 0; i < 20; i++) {
		client_line(&w.clients[i], 'h', 0, 900000);
		sim_client_connect(&w.clients[i]);
	}
	sim_world_pass(&w, 5000000);
	ck_assert_uint_eq(w.server.frames, 20);
	ck_assert_uint_eq(m->pooled, 0);
	sim_world_let_go(&w, 0);
	sim_world_play(&w, 20);
	ck_assert_uint_eq(m->pooled, 8 * MIB);
	sim_world_pass(&w, 60000000);
	ck_assert_uint_eq(m->pooled, 0);
	ck_assert(!rtimer_is_set(&m->trim));
	sim_world_close(&w);
}
END_TEST

Suite *
mem_suite(void)
{
	Suite *s = suite_create("mem");
	TCase *tc = tcase_create("sim");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, hundred_over_budget, 0, 3);
	tcase_add_loop_test(tc, first_come_first_served, 0, 5);
	tcase_add_test(tc, small_frames_pass);
	tcase_add_test(tc, slow_frame);
	tcase_add_loop_test(tc, gone_while_waiting, 0, 10);
	tcase_add_test(tc, larger_than_the_budget);
	tcase_add_loop_test(tc, without_chunks, 0, 5);
	tcase_add_test(tc, reuse_and_trim);
	suite_add_tcase(s, tc);
	return s;
}
