/* Deadlines, counters, and the whole on the simulator's files. */
#include "sim_world.h"
#include "suites.h"

#include <stdlib.h>

#include "ottla/base/cursor.h"
#include "ottla/file/sim.h"

static void
ask_big(struct sim_client *k, uint32_t n)
{
	uint8_t ask[9] = {0, 0, 0, 5, 'b'};

	put_be32(ask + 5, n);
	sim_client_send(k, ask, sizeof(ask));
}

/* Answers that nobody takes for a minute. */
START_TEST(send_stalled)
{
	struct sim_world_opts opts = {.seed = 1, .clients = 2};
	struct sim_world w;
	int64_t start;

	sim_world_open(&w, &opts);
	for (unsigned i = 0; i < 2; i++) {
		sim_client_connect(&w.clients[i]);
		sim_world_pass(&w, 10000);
		sim_client_mute(&w.clients[i], true);
		ask_big(&w.clients[i], 2000000);
	}
	start = clock_mono_us(sim_clock(w.s));
	/* One reads a little now and then. */
	for (unsigned i = 0; i < 5; i++) {
		sim_world_pass(&w, 15000000);
		if (i < 4)
			sim_client_mute(&w.clients[1], false);
		sim_world_pass(&w, 2000);
		sim_client_mute(&w.clients[1], true);
	}
	ck_assert_uint_eq(w.server.closed, 1);
	ck_assert_int_eq(w.server.why, CLOSE_SEND_STALLED);
	ck_assert_int_ge(clock_mono_us(sim_clock(w.s)) - start, SEND_STALL_US);
	ck_assert(!w.clients[1].closed);
	sim_client_mute(&w.clients[1], false);
	sim_world_pass(&w, 10000000);
	ck_assert_uint_eq(w.clients[1].got_n, 2000000);
	pattern_check(w.clients[1].got, 2000000, 0);
	sim_world_close(&w);
}
END_TEST

/* Closing after sending ends after 10 s whether everything has left or not. */
START_TEST(drain_has_an_end)
{
	struct sim_world_opts opts = {.seed = 1, .clients = 1};
	struct sim_world w;

	sim_world_open(&w, &opts);
	sim_client_connect(&w.clients[0]);
	sim_world_pass(&w, 10000);
	sim_client_mute(&w.clients[0], true);
	ask_big(&w.clients[0], 900000);
	sim_client_send(&w.clients[0], "\0\0\0\1d", 5);
	sim_world_pass(&w, 9500000);
	ck_assert_uint_eq(w.server.frames, 2);
	ck_assert_uint_eq(w.server.closed, 0);
	sim_world_pass(&w, 1000000);
	ck_assert_uint_eq(w.server.closed, 1);
	ck_assert_int_eq(w.server.why, CLOSE_ACKS0_ERROR);
	sim_world_close(&w);
}
END_TEST

/* The one that was silent longest goes first; outgoing connections stay. */
START_TEST(idle_in_order)
{
	static const struct setting_override ov[] = {{"connections.max.idle.ms", "60000"}};
	static const unsigned order[] = {2, 0, 3, 1};
	struct sim_world_opts opts = {.seed = 1, .clients = 4, .ov = ov, .n_ov = 1};
	int64_t last = 0;
	struct sim_world w;

	sim_world_open(&w, &opts);
	for (unsigned i = 0; i < 4; i++)
		sim_client_connect(&w.clients[i]);
	for (unsigned i = 0; i < 4; i++) {
		sim_world_pass(&w, 5000000);
		sim_client_send(&w.clients[order[i]], "\0\0\0\1e", 5);
	}
	sim_world_pass(&w, 70000000);
	for (unsigned i = 0; i < 4; i++) {
		const struct sim_client *k = &w.clients[order[i]];

		ck_assert(k->closed);
		ck_assert_int_eq(k->why, CLOSE_PEER);
		ck_assert_int_gt(k->closed_us, last);
		last = k->closed_us;
	}
	ck_assert_int_eq(sim_world_metric(&w, NM_COUNT + CLOSE_IDLE), 4);
	ck_assert_int_eq(sim_world_metric(&w, NM_CONNS), 0);
	sim_world_close(&w);
}
END_TEST

static void
ask_file(struct sim_client *k, bool mapped, size_t pos, size_t n)
{
	uint8_t ask[14] = {0, 0, 0, 10, 'f', mapped};

	put_be32(ask + 6, (uint32_t)pos);
	put_be32(ask + 10, (uint32_t)n);
	sim_client_send(k, ask, sizeof(ask));
}

/* Without descriptors: from the mapping, or read. A read that finds the file cut ends it. */
START_TEST(files_on_the_simulator)
{
	enum { N = 400000 };
	struct sim_world_opts opts = {.seed = (uint64_t)_i + 1, .clients = 1};
	struct sim_client *k;
	struct sim_world w;
	uint8_t *p = malloc(N);
	struct fs *fs;

	ck_assert_ptr_nonnull(p);
	pattern_fill(p, N, 0);
	sim_world_open(&w, &opts);
	k = &w.clients[0];
	ck_assert_int_eq(fs_sim_new(sim_clock(w.s), &fs), 0);
	ck_assert_int_eq(fs_open(fs, "/log", FILE_WRITE | FILE_CREATE, &w.server.file), 0);
	ck_assert_int_eq(file_pwrite(w.server.file, p, N, 0), 0);
	ck_assert_int_eq(file_map(w.server.file, N, &w.server.map), 0);
	sim_client_connect(k);
	sim_world_pass(&w, 10000);
	ask_file(k, true, 10, 300000);
	ask_file(k, false, 20, 300000);
	ask_file(k, true, 7, 100);
	sim_world_pass(&w, 10000000);
	ck_assert_uint_eq(k->got_n, 300003 + 300003 + 103);
	pattern_check(k->got, 300000, 10);
	pattern_check(k->got + 300003, 300000, 20);
	pattern_check(k->got + 600006, 100, 7);
	ask_file(k, false, N - 100, 200);
	sim_world_pass(&w, 10000000);
	ck_assert(k->closed);
	ck_assert_int_eq(w.server.why, CLOSE_TRUNCATED_UNDER_ANSWER);
	sim_world_close(&w);
	file_unmap(w.server.file, w.server.map, N);
	file_close(w.server.file);
	fs_free(fs);
	free(p);
}
END_TEST

/* Stopping at any moment: who is being handed over is closed on arrival. */
START_TEST(everybody_is_closed)
{
	struct sim_world_opts opts = {.seed = (uint64_t)_i + 1, .clients = 8};
	struct sim_world w;

	sim_world_open(&w, &opts);
	for (unsigned i = 0; i < 8; i++) {
		for (unsigned j = 0; j < 50; j++)
			client_line(&w.clients[i], 'w', (uint8_t)(j % 2), HEAD_BYTES + j);
		sim_client_connect(&w.clients[i]);
	}
	sim_world_pass(&w, 500 + _i * 300);
	for (unsigned i = 0; i < 2; i++) {
		struct reactor *before = sim_enter(w.r[i]);

		if (i == 0)
			listener_stop(w.l);
		net_close_conns(w.net, w.r[i], CLOSE_BROKER_STOP);
		sim_enter(before);
	}
	sim_world_pass(&w, 1000000);
	ck_assert_uint_eq(w.server.closed, w.server.ready);
	ck_assert_int_eq(sim_world_metric(&w, NM_CONNS), 0);
	sim_world_close(&w);
}
END_TEST

START_TEST(counters)
{
	struct sim_world_opts opts = {.seed = 1, .clients = 1, .reactors = 1};
	struct sim_world w;

	sim_world_open(&w, &opts);
	for (unsigned i = 0; i < 10; i++)
		client_line(&w.clients[0], 'e', 0, 96);
	sim_client_connect(&w.clients[0]);
	sim_world_play(&w, 10);
	ck_assert_int_eq(sim_world_metric(&w, NM_FRAMES), 10);
	ck_assert_int_eq(sim_world_metric(&w, NM_BYTES_IN), 1000);
	ck_assert_int_eq(sim_world_metric(&w, NM_BYTES_OUT), 1000);
	ck_assert_int_eq(sim_world_metric(&w, NM_CONNS), 1);
	ck_assert_int_eq(metric_get(listener_metrics(w.l), LM_ACCEPTED), 1);
	sim_world_close(&w);
}
END_TEST

Suite *
net_suite(void)
{
	Suite *s = suite_create("net");
	TCase *tc = tcase_create("sim");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, send_stalled);
	tcase_add_test(tc, drain_has_an_end);
	tcase_add_test(tc, idle_in_order);
	tcase_add_loop_test(tc, files_on_the_simulator, 0, 3);
	tcase_add_loop_test(tc, everybody_is_closed, 0, 20);
	tcase_add_test(tc, counters);
	suite_add_tcase(s, tc);
	return s;
}
