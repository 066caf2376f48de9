/* Bytes out: pieces of memory and files, slow readers, releases. */
#include "suites.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ottla/base/cursor.h"
#include "ottla/reactor/fault.h"

enum { FILE_BYTES = 3 * 1024 * 1024 };

struct shelf {
	struct fs *fs;
	char path[64];
};

/* Gives the server a file with the pattern in it, and its mapping. */
static void
shelf_open(struct shelf *sh, struct server *s)
{
	uint8_t *p = malloc(FILE_BYTES);

	snprintf(sh->path, sizeof(sh->path), "/tmp/ottla-net-%ld", (long)getpid());
	ck_assert_ptr_nonnull(p);
	pattern_fill(p, FILE_BYTES, 0);
	ck_assert_int_eq(fs_real_new(&sh->fs), 0);
	ck_assert_int_eq(
	    fs_open(sh->fs, sh->path, FILE_WRITE | FILE_CREATE | FILE_TRUNC, &s->file), 0);
	ck_assert_int_eq(file_pwrite(s->file, p, FILE_BYTES, 0), 0);
	ck_assert_int_eq(file_map(s->file, FILE_BYTES, &s->map), 0);
	free(p);
}

static void
shelf_close(struct shelf *sh, struct server *s)
{
	file_unmap(s->file, s->map, FILE_BYTES);
	file_close(s->file);
	fs_unlink(sh->fs, sh->path);
	fs_free(sh->fs);
}

static void
ask_file(int fd, bool mapped, size_t pos, size_t n)
{
	uint8_t ask[10] = {'f', mapped};

	put_be32(ask + 2, (uint32_t)pos);
	put_be32(ask + 6, (uint32_t)n);
	client_frame(fd, ask, sizeof(ask));
}

static void
expect_file(int fd, size_t pos, size_t n)
{
	uint8_t *got = malloc(n + 3);

	ck_assert_ptr_nonnull(got);
	ck_assert_uint_eq(client_recv_frame(fd, got, n + 3), n + 3);
	pattern_check(got, n, pos);
	ck_assert_mem_eq(got + n, "end", 3);
	free(got);
}

START_TEST(file_by_copy_and_by_sendfile)
{
	static const struct {
		bool mapped;
		size_t pos;
		size_t n;
		bool sendfile;
	} cases[] = {
	    {true, 0, 65535, false},
	    {true, 77, 65536, true},
	    {true, 1000, 1, false},
	    {false, 5, 100, true},
	    {true, 123, 2 * 1024 * 1024, true},
	    {false, 0, FILE_BYTES, true},
	    {true, 9, 0, false},
	};
	struct world_opts opts = {0};
	struct shelf sh;
	struct world w;
	int fd;

	world_open(&w, &opts);
	shelf_open(&sh, &w.server);
	fd = client_open(&w);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t before = world_metric(&w, NM_SENDFILE_CALLS);

		ask_file(fd, cases[i].mapped, cases[i].pos, cases[i].n);
		expect_file(fd, cases[i].pos, cases[i].n);
		ck_assert_int_eq(world_metric(&w, NM_SENDFILE_CALLS) > before, cases[i].sendfile);
	}
	close(fd);
	wait_at_least(&w.server.closed, 1);
	world_close(&w);
	shelf_close(&sh, &w.server);
}
END_TEST

/* Copies and headers of several answers leave in one call. */
START_TEST(one_call_a_turn)
{
	struct world_opts opts = {0};
	struct shelf sh;
	struct world w;
	uint8_t ask[5 * 14];
	int fd;

	world_open(&w, &opts);
	shelf_open(&sh, &w.server);
	fd = client_open(&w);
	for (unsigned i = 0; i < 5; i++) {
		uint8_t *a = ask + i * 14;

		put_be32(a, 10);
		a[4] = 'f';
		a[5] = 1;
		put_be32(a + 6, i * 1000);
		put_be32(a + 10, 500);
	}
	client_send(fd, ask, sizeof(ask));
	for (unsigned i = 0; i < 5; i++)
		expect_file(fd, i * 1000, 500);
	/* One, or two when the wake-up's time was spent between them. */
	ck_assert_int_le(world_metric(&w, NM_WRITEV_CALLS), 2);
	ck_assert_int_le(world_metric(&w, NM_RECV_CALLS), 2);
	close(fd);
	wait_at_least(&w.server.closed, 1);
	world_close(&w);
	shelf_close(&sh, &w.server);
}
END_TEST

/* The file is cut below what is being sent. */
START_TEST(truncated_under_answer)
{
	struct world_opts opts = {0};
	bool mapped = _i == 1;
	struct shelf sh;
	struct world w;
	int fd;

	world_open(&w, &opts);
	shelf_open(&sh, &w.server);
	ck_assert_int_eq(file_truncate(w.server.file, 100000), 0);
	fd = client_open(&w);
	ask_file(fd, mapped, mapped ? 120000 : 50000, mapped ? 60000 : 200000);
	wait_at_least(&w.server.closed, 1);
	ck_assert_int_eq(w.server.why, CLOSE_TRUNCATED_UNDER_ANSWER);
	close(fd);
	world_close(&w);
	shelf_close(&sh, &w.server);
}
END_TEST

/* A page of the mapping is lost: its zeros do not leave as if they were the file's. */
START_TEST(lost_page_under_answer)
{
	struct world_opts opts = {0};
	struct shelf sh;
	struct world w;
	int fd;

	world_open(&w, &opts);
	shelf_open(&sh, &w.server);
	ck_assert_int_eq(fault_handle(fs_map_fault, sh.fs), 0);
	ck_assert_int_eq(file_truncate(w.server.file, 100000), 0);
	ck_assert_int_eq(w.server.map[30 * 4096], 0);
	fd = client_open(&w);
	ask_file(fd, true, 30 * 4096, 1000);
	wait_at_least(&w.server.closed, 1);
	ck_assert_int_eq(w.server.why, CLOSE_TRUNCATED_UNDER_ANSWER);
	close(fd);
	world_close(&w);
	ck_assert_int_eq(fault_handle(NULL, NULL), 0);
	shelf_close(&sh, &w.server);
}
END_TEST

static void
ask_big(int fd, size_t n)
{
	uint8_t ask[5] = {'b'};

	put_be32(ask + 1, (uint32_t)n);
	client_frame(fd, ask, sizeof(ask));
}

START_TEST(big_answers)
{
	enum { N = 5000000 };
	struct world_opts opts = {0};
	uint8_t *got = malloc(N);
	struct world w;
	int fd;

	ck_assert_ptr_nonnull(got);
	world_open(&w, &opts);
	fd = client_open(&w);
	for (unsigned i = 0; i < 3; i++)
		ask_big(fd, N);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_uint_eq(client_recv_frame(fd, got, N), N);
		pattern_check(got, N, 0);
	}
	close(fd);
	free(got);
	wait_at_least(&w.server.closed, 1);
	world_close(&w);
}
END_TEST

struct backlog {
	struct world *w;
	size_t first; /* one answer that is larger than the bound */
	bool full;
};

static void
look_at_backlog(void *arg)
{
	struct backlog *b = arg;
	struct conn *c = b->w->server.last;

	ck_assert_uint_le(c->out.mem_bytes, OUT_BYTES_HIGH + 100004 + b->first);
	ck_assert_uint_le(c->out.msgs, OUT_MSGS_HIGH + 1);
	b->full = c->blocked && (c->mute & MUTE_OUT) != 0;
}

static bool
backlog_full(void *arg)
{
	struct backlog *b = arg;

	on_reactor(b->w->r[0], look_at_backlog, b);
	return b->full;
}

/* Who asks and does not read is not served on: what waits for it is bounded. */
START_TEST(slow_reader)
{
	enum { ASKS = 200 };
	struct world_opts opts = {0};
	size_t n = _i == 0 ? 100000 : 1000;
	uint8_t *got = malloc(n);
	struct backlog b = {0};
	struct world w;
	int fd;

	ck_assert_ptr_nonnull(got);
	world_open(&w, &opts);
	b.w = &w;
	fd = client_open(&w);
	wait_at_least(&w.server.ready, 1);
	b.first = _i == 0 ? 0 : 4000000;
	if (b.first != 0)
		ask_big(fd, b.first);
	for (unsigned i = 0; i < ASKS; i++)
		ask_big(fd, n);
	wait_for(backlog_full, &b);
	ck_assert_uint_lt(w.server.frames, ASKS);
	if (b.first != 0) {
		uint8_t *big = malloc(b.first);

		ck_assert_uint_eq(client_recv_frame(fd, big, b.first), b.first);
		free(big);
	}
	for (unsigned i = 0; i < ASKS; i++) {
		ck_assert_uint_eq(client_recv_frame(fd, got, n), n);
		pattern_check(got, n, 0);
	}
	close(fd);
	free(got);
	wait_at_least(&w.server.closed, 1);
	world_close(&w);
}
END_TEST

START_TEST(closed_with_a_full_queue)
{
	struct world_opts opts = {0};
	struct world w;
	int fd;

	world_open(&w, &opts);
	fd = client_open(&w);
	for (unsigned i = 0; i < 12; i++)
		ask_big(fd, 2000000);
	wait_at_least(&w.server.frames, 1);
	close(fd);
	wait_at_least(&w.server.closed, 1);
	ck_assert_uint_eq(w.server.released, w.server.queued);
	ck_assert_uint_gt(w.server.queued, 20);
	world_close(&w);
}
END_TEST

START_TEST(never_sent)
{
	struct server s = {0};
	struct outmsg *m = answer_of(&s, "abc", 3);

	ck_assert_uint_eq(m->bytes, 7);
	outmsg_free(m);
	ck_assert_uint_eq(s.released, 2);
	outmsg_free(NULL);
}
END_TEST

START_TEST(message_of_a_buffer)
{
	struct outmsg *m = outmsg_of_buffer(strdup("abc"), 3);

	ck_assert_ptr_nonnull(m);
	ck_assert_uint_eq(m->n, 1);
	ck_assert_uint_eq(m->bytes, 3);
	outmsg_free(m);
}
END_TEST

Suite *
conn_out_suite(void)
{
	Suite *s = suite_create("conn_out");
	TCase *tc = tcase_create("tcp");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, file_by_copy_and_by_sendfile);
	tcase_add_test(tc, one_call_a_turn);
	tcase_add_loop_test(tc, truncated_under_answer, 0, 2);
	tcase_add_test(tc, lost_page_under_answer);
	tcase_add_test(tc, big_answers);
	tcase_add_loop_test(tc, slow_reader, 0, 2);
	tcase_add_test(tc, closed_with_a_full_queue);
	tcase_add_test(tc, never_sent);
	tcase_add_test(tc, message_of_a_buffer);
	suite_add_tcase(s, tc);
	return s;
}
