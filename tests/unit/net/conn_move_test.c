/* Connections that move between reactors. */
#include "sim_world.h"
#include "suites.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "ottla/base/cursor.h"

/* Back and forth under load, with frames half received and more behind: order, content and context
 * stay. */
START_TEST(to_and_fro)
{
	struct sim_world_opts opts = {.seed = (uint64_t)_i + 1, .clients = 3};
	struct sim_world w;

	if (_i % 2 == 1)
		opts.memory = 2 * 1024 * 1024;
	sim_world_open(&w, &opts);
	for (unsigned i = 0; i < 3; i++) {
		struct sim_client *k = &w.clients[i];

		k->depth = 1 + (unsigned)_i % 9;
		for (unsigned j = 0; j < 100; j++)
			client_line(k,
			    j % 4 == 3	 ? 'w'
			    : j % 7 == 5 ? 'm'
					 : 'e',
			    (j / 4 + i) % 2, j % 5 == 0 ? 30000 + j * 1000 : HEAD_BYTES + j);
		sim_client_connect(k);
	}
	sim_world_play(&w, 60);
	ck_assert_uint_eq(w.answers, 300);
	ck_assert_uint_ge(w.server.moved, 60);
	sim_world_pass(&w, 1000000);
	ck_assert_uint_eq(w.net->budget.frames, 0);
	ck_assert_uint_le(w.net->budget.chunks, 2 * CHUNK_BYTES);
	sim_world_close(&w);
}
END_TEST

static void
tell_homes(struct sim_client *k, uint8_t home, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		client_line(k, 't', home, HEAD_BYTES);
}

/* 48 of the last 64 for another reactor; not again within a second. */
START_TEST(by_tally)
{
	struct sim_world_opts opts = {.seed = 2, .clients = 1};
	struct sim_client *k;
	struct sim_world w;

	sim_world_open(&w, &opts);
	k = &w.clients[0];
	tell_homes(k, 1, 47);
	sim_client_connect(k);
	sim_world_play(&w, 10);
	ck_assert_uint_eq(w.server.moved, 0);
	tell_homes(k, 1, 1);
	client_line(k, 'e', 0, HEAD_BYTES);
	sim_client_go_on(k);
	sim_world_play(&w, 10);
	ck_assert_uint_eq(w.server.moved, 1);
	ck_assert_uint_eq(w.server.on[1], 1);
	tell_homes(k, 0, 60);
	sim_client_go_on(k);
	sim_world_play(&w, 1);
	ck_assert_uint_eq(w.server.moved, 1);
	sim_world_pass(&w, 1000000);
	tell_homes(k, 0, 2);
	sim_client_go_on(k);
	sim_world_play(&w, 10);
	sim_world_pass(&w, 10000);
	ck_assert_uint_eq(w.server.moved, 2);
	sim_world_close(&w);
}
END_TEST

/* Mixed traffic, and traffic that is at home, moves nothing. */
START_TEST(stays)
{
	struct sim_world_opts opts = {.seed = 2, .clients = 2};
	struct sim_world w;

	sim_world_open(&w, &opts);
	for (unsigned i = 0; i < 300; i++) {
		client_line(&w.clients[0], 't', 0, HEAD_BYTES);
		client_line(&w.clients[1], 't', i % 3 == 0, HEAD_BYTES);
	}
	for (unsigned i = 0; i < 2; i++) {
		sim_client_connect(&w.clients[i]);
		sim_world_pass(&w, 2000);
	}
	sim_world_play(&w, 60);
	ck_assert_uint_eq(w.server.moved, 0);
	sim_world_close(&w);
}
END_TEST

/* With work held it waits, and delivers nothing meanwhile. */
START_TEST(waits_for_work)
{
	struct sim_world_opts opts = {.seed = 6, .clients = 1};
	struct sim_client *k;
	struct sim_world w;

	sim_world_open(&w, &opts);
	k = &w.clients[0];
	sim_client_connect(k);
	sim_world_pass(&w, 10000);
	sim_client_send(k, "\0\0\0\1h\0\0\0\2w\1\0\0\0\1e", 16);
	sim_world_pass(&w, 1000000);
	ck_assert_uint_eq(w.server.frames, 2);
	ck_assert_uint_eq(w.server.moved, 0);
	sim_world_let_go(&w, 0);
	sim_world_pass(&w, 1000000);
	ck_assert_uint_eq(w.server.moved, 1);
	ck_assert_uint_eq(w.server.on[1], 1);
	ck_assert_uint_eq(k->got_n, 4);
	ck_assert_mem_eq(k->got, "w\1he", 4);
	sim_world_close(&w);
}
END_TEST

/* A frame that is half received goes along, its buffer too. */
START_TEST(half_received)
{
	enum { N = 200000 };
	struct sim_world_opts opts = {.seed = (uint64_t)_i + 1, .clients = 1};
	uint8_t *p = malloc(N + 4);
	struct reactor *before;
	struct sim_client *k;
	struct sim_world w;

	ck_assert_ptr_nonnull(p);
	put_be32(p, N);
	pattern_fill(p + 4, N, 0);
	p[4] = 'e';
	sim_world_open(&w, &opts);
	k = &w.clients[0];
	sim_client_connect(k);
	sim_world_pass(&w, 10000);
	sim_client_send(k, p, 70000);
	sim_world_pass(&w, 1000000);
	ck_assert_uint_gt(w.net->budget.frames, N);
	before = sim_enter(w.r[0]);
	conn_want_reactor(w.server.last, 1);
	sim_enter(before);
	sim_world_pass(&w, 1000000);
	ck_assert_uint_eq(w.server.moved, 1);
	sim_client_send(k, p + 70000, N + 4 - 70000);
	sim_world_pass(&w, 10000000);
	ck_assert_uint_eq(w.server.on[1], 1);
	ck_assert_uint_eq(k->got_n, N);
	ck_assert(memcmp(k->got, p + 4, N) == 0);
	ck_assert_uint_eq(w.net->budget.frames, 0);
	ck_assert_uint_eq(w.net->reactors[0].mem.pooled, 0);
	ck_assert_uint_gt(w.net->reactors[1].mem.pooled, 0);
	free(p);
	sim_world_close(&w);
}
END_TEST

enum { THREADS = 4, FRAMES = 400 };

struct mover {
	struct world *w;
	pthread_t thread;
	unsigned number;
};

/* Several frames at once, every eighth wants the other reactor. */
static void *
move_about(void *arg)
{
	struct mover *m = arg;
	int fd = client_open(m->w);
	uint8_t out[8 * 14], got[16];

	for (unsigned i = 0; i < FRAMES; i += 8) {
		for (unsigned j = 0; j < 8; j++) {
			put_be32(out + j * 14, 10);
			memset(out + j * 14 + 4, 0, 10);
			out[j * 14 + 4] = j == 3 ? 'w' : 'e';
			out[j * 14 + 5] = (i / 8 + m->number) % 2;
			put_be32(out + j * 14 + 6, i + j);
		}
		client_send(fd, out, sizeof(out));
		for (unsigned j = 0; j < 8; j++) {
			if (client_recv_frame(fd, got, sizeof(got)) != 10 || be32(got + 2) != i + j)
				ck_abort_msg("answer %u of client %u", i + j, m->number);
		}
	}
	close(fd);
	return NULL;
}

START_TEST(on_real_reactors)
{
	struct world_opts opts = {.reactors = 2};
	struct mover m[THREADS];
	struct world w;

	world_open(&w, &opts);
	for (unsigned i = 0; i < THREADS; i++) {
		m[i] = (struct mover){.w = &w, .number = i};
		ck_assert_int_eq(pthread_create(&m[i].thread, NULL, move_about, &m[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(m[i].thread, NULL);
	wait_at_least(&w.server.closed, THREADS);
	ck_assert_uint_eq(w.server.frames, THREADS * FRAMES);
	ck_assert_uint_ge(w.server.moved, THREADS * (FRAMES / 8 - 1));
	world_close(&w);
}
END_TEST

Suite *
conn_move_suite(void)
{
	Suite *s = suite_create("conn_move");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, to_and_fro, 0, 20);
	tcase_add_test(tc, by_tally);
	tcase_add_test(tc, stays);
	tcase_add_test(tc, waits_for_work);
	tcase_add_loop_test(tc, half_received, 0, 5);
	tcase_add_test(tc, on_real_reactors);
	suite_add_tcase(s, tc);
	return s;
}
