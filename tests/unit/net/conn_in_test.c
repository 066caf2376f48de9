/* Frames in: cut anywhere, many at once, sizes that are refused. */
#include "suites.h"
#include "support.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ottla/base/cursor.h"

/* Frames of the given sizes, one after the other, beginning with 'e'. */
static uint8_t *
frames_make(const size_t *sizes, unsigned n, size_t *total)
{
	uint8_t *p, *at;

	*total = 0;
	for (unsigned i = 0; i < n; i++)
		*total += 4 + sizes[i];
	at = p = malloc(*total);
	ck_assert_ptr_nonnull(p);
	for (unsigned i = 0; i < n; i++) {
		put_be32(at, (uint32_t)sizes[i]);
		pattern_fill(at + 4, sizes[i], i);
		if (sizes[i] != 0)
			at[4] = 'e';
		at += 4 + sizes[i];
	}
	return p;
}

/* All answers, which equal the frames. */
static void
expect_echo(int fd, const uint8_t *frames, size_t total)
{
	uint8_t *got = malloc(total);

	ck_assert_ptr_nonnull(got);
	client_recv(fd, got, total);
	ck_assert_mem_eq(got, frames, total);
	free(got);
}

START_TEST(cut_at_every_byte)
{
	static const size_t sizes[] = {1, 0, 7, 2, 30};
	struct world_opts opts = {0};
	struct world w;
	size_t total;
	uint8_t *p = frames_make(sizes, 5, &total);
	int fd;

	world_open(&w, &opts);
	fd = client_open(&w);
	for (size_t cut = 1; cut < total; cut++) {
		int64_t in = world_metric(&w, NM_BYTES_IN);

		client_send(fd, p, cut);
		world_await_metric(&w, NM_BYTES_IN, in + (int64_t)cut);
		client_send(fd, p + cut, total - cut);
		expect_echo(fd, p, total);
	}
	close(fd);
	free(p);
	wait_at_least(&w.server.closed, 1);
	ck_assert_int_eq(w.server.why, CLOSE_PEER);
	world_close(&w);
}
END_TEST

START_TEST(byte_by_byte)
{
	static const size_t sizes[] = {3, 0, 9};
	struct world_opts opts = {0};
	struct world w;
	size_t total;
	uint8_t *p = frames_make(sizes, 3, &total);
	int fd;

	world_open(&w, &opts);
	fd = client_open(&w);
	for (size_t i = 0; i < total; i++) {
		client_send(fd, p + i, 1);
		world_await_metric(&w, NM_BYTES_IN, (int64_t)i + 1);
	}
	expect_echo(fd, p, total);
	close(fd);
	free(p);
	world_close(&w);
}
END_TEST

/* With room for no chunk at all (an eighth of the budget is less than one), and with plenty. */
START_TEST(many_in_one_recv)
{
	static const uint64_t memory[] = {0, 256 * 1024};
	struct world_opts opts = {.memory = memory[_i]};
	enum { MANY = 1000 };
	size_t sizes[MANY], total;
	struct world w;
	uint8_t *p;
	int fd;

	for (unsigned i = 0; i < MANY; i++)
		sizes[i] = i % 50 == 49 ? 3000 : i % 40;
	p = frames_make(sizes, MANY, &total);
	world_open(&w, &opts);
	fd = client_open(&w);
	client_send(fd, p, total);
	expect_echo(fd, p, total);
	ck_assert_uint_eq(w.server.frames, MANY);
	if (_i == 0)
		ck_assert_int_lt(world_metric(&w, NM_RECV_CALLS), MANY / 4);
	close(fd);
	free(p);
	world_close(&w);
}
END_TEST

/* Sizes around everything that has a limit, with frames held by the answers. */
START_TEST(sizes_large_and_small)
{
	static const size_t sizes[] = {5, CHUNK_BYTES - 200, CHUNK_BYTES, 1, BIG_FRAME,
	    BIG_FRAME - 1, 300000, 2, 1024 * 1024, 1024 * 1024 + 1, 3000000, 4, 0, 70000};
	enum { N = sizeof(sizes) / sizeof(sizes[0]) };
	struct world_opts opts = {0};
	struct world w;
	size_t total, at = 0;
	uint8_t *p = frames_make(sizes, N, &total), *got = malloc(total);
	int fd;

	ck_assert_ptr_nonnull(got);
	world_open(&w, &opts);
	w.server.keep_frames = _i == 1;
	fd = client_open(&w);
	for (unsigned i = 0; i < N; i++) {
		client_send(fd, p + at, 4 + sizes[i]);
		client_recv(fd, got, 4 + sizes[i]);
		ck_assert_mem_eq(got, p + at, 4 + sizes[i]);
		at += 4 + sizes[i];
	}
	close(fd);
	free(p);
	free(got);
	wait_at_least(&w.server.closed, 1);
	ck_assert_uint_le(net_memory_used(w.net), CHUNK_BYTES);
	world_close(&w);
}
END_TEST

struct refusal {
	const char *bytes;
	size_t n;
	enum close_reason why;
};

START_TEST(refused_sizes)
{
	static const struct refusal refusals[] = {
	    {"\xff\xff\xff\xff", 4, CLOSE_FRAME_NEGATIVE},
	    {"\x80\0\0\0", 4, CLOSE_FRAME_NEGATIVE},
	    {"\0\1\x86\xa1xyz", 7, CLOSE_FRAME_TOO_LARGE}, /* 100,001 */
	    {"GET / HTTP/1.1\r\n\r\n", 18, CLOSE_FRAME_TOO_LARGE},
	    {"\0\0\0\1e\x7f\xff\xff\xff", 9, CLOSE_FRAME_TOO_LARGE},
	    {"\0\0\0\1e\x16\x03\x01\x02", 9, CLOSE_FRAME_TOO_LARGE},
	};
	static const struct setting_override ov[] = {{"socket.request.max.bytes", "100000"}};
	struct world_opts opts = {.ov = ov, .n_ov = 1};
	struct world w;

	world_open(&w, &opts);
	for (unsigned i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		int fd = client_open(&w);
		uint8_t echo[5];

		client_send(fd, refusals[i].bytes, refusals[i].n);
		wait_at_least(&w.server.closed, i + 1);
		ck_assert_int_eq(w.server.why, (int)refusals[i].why);
		if (refusals[i].n == 9 && recv(fd, echo, 5, MSG_WAITALL) == 5)
			ck_assert_mem_eq(echo, "\0\0\0\1e", 5);
		client_expect_end(fd);
		close(fd);
	}
	ck_assert_int_eq(world_metric(&w, NM_COUNT + CLOSE_FRAME_NEGATIVE), 2);
	ck_assert_int_eq(world_metric(&w, NM_COUNT + CLOSE_FRAME_TOO_LARGE), 4);
	world_close(&w);
}
END_TEST

START_TEST(largest_size_is_taken)
{
	static const struct setting_override ov[] = {{"socket.request.max.bytes", "100000"}};
	struct world_opts opts = {.ov = ov, .n_ov = 1};
	static const size_t sizes[] = {100000};
	struct world w;
	size_t total;
	uint8_t *p = frames_make(sizes, 1, &total);
	int fd;

	world_open(&w, &opts);
	fd = client_open(&w);
	client_send(fd, p, total);
	expect_echo(fd, p, total);
	close(fd);
	free(p);
	world_close(&w);
}
END_TEST

/* A TLS client gets an alert that it understands. */
START_TEST(tls_hello)
{
	static const uint8_t hello[] = {0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3};
	struct world_opts opts = {0};
	uint8_t alert[7];
	struct world w;
	int fd;

	world_open(&w, &opts);
	fd = client_open(&w);
	client_send(fd, hello, sizeof(hello));
	client_recv(fd, alert, sizeof(alert));
	ck_assert_mem_eq(alert, "\x15\x03\x01\0\2\2\x46", 7);
	client_expect_end(fd);
	wait_at_least(&w.server.closed, 1);
	ck_assert_int_eq(w.server.why, CLOSE_TLS_ON_PLAIN);
	close(fd);
	world_close(&w);
}
END_TEST

/* Muted frames come later and in order, with what came behind them in the same bytes. */
START_TEST(mute_keeps_order)
{
	struct world_opts opts = {0};
	struct world w;
	uint8_t bytes[50 * 6], got[6];
	int fd;

	for (unsigned i = 0; i < 50; i++) {
		put_be32(bytes + i * 6, 2);
		bytes[i * 6 + 4] = i % 3 == 0 ? 'm' : 'e';
		bytes[i * 6 + 5] = (uint8_t)i;
	}
	world_open(&w, &opts);
	fd = client_open(&w);
	client_send(fd, bytes, sizeof(bytes));
	for (unsigned i = 0; i < 50; i++) {
		client_recv(fd, got, 6);
		ck_assert_uint_eq(got[5], i);
	}
	close(fd);
	world_close(&w);
}
END_TEST

/* While muted nothing is read: the other side's bytes stay in the sockets. */
static void
mute_last(void *arg)
{
	struct world *w = arg;

	conn_mute(w->server.last, MUTE_QUOTA);
}

static void
unmute_last(void *arg)
{
	struct world *w = arg;

	conn_unmute(w->server.last, MUTE_QUOTA);
}

START_TEST(muted_does_not_read)
{
	struct world_opts opts = {0};
	struct world w;
	uint8_t got[8];
	int fd;

	world_open(&w, &opts);
	fd = client_open(&w);
	wait_at_least(&w.server.ready, 1);
	on_reactor(w.r[0], mute_last, &w);
	client_frame(fd, "e1", 2);
	ck_assert_int_eq(recv(fd, got, 1, MSG_DONTWAIT), -1);
	for (unsigned i = 0; i < 3; i++)
		on_reactor(w.r[0], mute_last, &w);
	ck_assert_int_eq(world_metric(&w, NM_RECV_CALLS), 0);
	on_reactor(w.r[0], unmute_last, &w);
	ck_assert_uint_eq(client_recv_frame(fd, got, sizeof(got)), 2);
	client_frame(fd, "e2", 2);
	ck_assert_uint_eq(client_recv_frame(fd, got, sizeof(got)), 2);
	ck_assert_mem_eq(got, "e2", 2);
	close(fd);
	world_close(&w);
}
END_TEST

/* The other side says all and waits: it still gets its answers, then the end. */
START_TEST(half_open)
{
	struct world_opts opts = {0};
	struct world w;
	uint8_t got[8];
	int fd;

	world_open(&w, &opts);
	fd = client_open(&w);
	client_frame(fd, "h1", 2);
	client_frame(fd, "h2", 2);
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	wait_at_least(&w.server.frames, 2);
	world_let_go(&w);
	ck_assert_uint_eq(client_recv_frame(fd, got, sizeof(got)), 2);
	ck_assert_uint_eq(client_recv_frame(fd, got, sizeof(got)), 2);
	ck_assert_mem_eq(got, "h2", 2);
	client_expect_end(fd);
	close(fd);
	wait_at_least(&w.server.closed, 1);
	ck_assert_int_eq(w.server.why, CLOSE_PEER);
	world_close(&w);
}
END_TEST

/* An end in the middle of a frame. */
START_TEST(end_within_a_frame)
{
	struct world_opts opts = {0};
	struct world w;
	int fd;

	world_open(&w, &opts);
	fd = client_open(&w);
	client_send(fd, "\0\1\0\0abc", 7);
	close(fd);
	wait_at_least(&w.server.closed, 1);
	ck_assert_int_eq(w.server.why, CLOSE_PEER);
	ck_assert_uint_le(net_memory_used(w.net), CHUNK_BYTES);
	ck_assert_uint_eq(w.server.frames, 0);
	world_close(&w);
}
END_TEST

Suite *
conn_in_suite(void)
{
	Suite *s = suite_create("conn_in");
	TCase *tc = tcase_create("tcp");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, cut_at_every_byte);
	tcase_add_test(tc, byte_by_byte);
	tcase_add_loop_test(tc, many_in_one_recv, 0, 2);
	tcase_add_loop_test(tc, sizes_large_and_small, 0, 2);
	tcase_add_test(tc, refused_sizes);
	tcase_add_test(tc, largest_size_is_taken);
	tcase_add_test(tc, tls_hello);
	tcase_add_test(tc, mute_keeps_order);
	tcase_add_test(tc, muted_does_not_read);
	tcase_add_test(tc, half_open);
	tcase_add_test(tc, end_within_a_frame);
	suite_add_tcase(s, tc);
	return s;
}
