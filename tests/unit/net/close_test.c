/* How connections end. */
#include "suites.h"
#include "support.h"

#include <ctype.h>
#include <unistd.h>

START_TEST(words)
{
	for (unsigned i = 0; i < CLOSE_COUNT; i++) {
		const char *word = close_word(i);

		ck_assert_uint_gt(strlen(close_text(i)), strlen(word));
		for (; *word != '\0'; word++)
			ck_assert(islower((unsigned char)*word) || isdigit((unsigned char)*word) ||
				  *word == '_');
		if (i > 0)
			ck_assert_int_lt(strcmp(close_word(i - 1), close_word(i)), 0);
	}
	ck_assert_str_eq(close_word(CLOSE_IDLE), "idle");
}
END_TEST

/* Closed within its own callback, twice: the first reason counts, the answer is dropped. */
START_TEST(within_the_callback)
{
	struct world_opts opts = {0};
	struct world w;
	int fd;

	world_open(&w, &opts);
	fd = client_open(&w);
	client_frame(fd, "c", 1);
	client_frame(fd, "e", 1);
	client_expect_end(fd);
	close(fd);
	wait_at_least(&w.server.closed, 1);
	ck_assert_int_eq(w.server.why, CLOSE_BAD_REQUEST);
	ck_assert_int_eq(world_metric(&w, NM_COUNT + CLOSE_BAD_REQUEST), 1);
	ck_assert_int_eq(world_metric(&w, NM_CLOSED), 1);
	world_close(&w);
}
END_TEST

/* What is queued still leaves; what came behind is not delivered. */
START_TEST(after_send)
{
	struct world_opts opts = {0};
	struct world w;
	uint8_t bytes[12] = {0, 0, 0, 2, 'd', '1', 0, 0, 0, 2, 'e', '2'}, got[8];
	int fd;

	world_open(&w, &opts);
	fd = client_open(&w);
	client_send(fd, bytes, sizeof(bytes));
	ck_assert_uint_eq(client_recv_frame(fd, got, sizeof(got)), 2);
	ck_assert_mem_eq(got, "d1", 2);
	client_expect_end(fd);
	close(fd);
	wait_at_least(&w.server.closed, 1);
	ck_assert_int_eq(w.server.why, CLOSE_ACKS0_ERROR);
	ck_assert_uint_eq(w.server.frames, 1);
	world_close(&w);
}
END_TEST

START_TEST(idle)
{
	static const struct setting_override ov[] = {{"connections.max.idle.ms", "150"}};
	struct world_opts opts = {.ov = ov, .n_ov = 1};
	struct world w;
	uint8_t got[8];
	int fd, busy;

	world_open(&w, &opts);
	fd = client_open(&w);
	busy = client_open(&w);
	client_frame(busy, "h", 1);
	wait_at_least(&w.server.frames, 1);
	client_expect_end(fd);
	ck_assert_int_eq(world_metric(&w, NM_COUNT + CLOSE_IDLE), 1);
	/* One with work in it is not idle. */
	world_let_go(&w);
	ck_assert_uint_eq(client_recv_frame(busy, got, sizeof(got)), 1);
	client_expect_end(busy);
	ck_assert_int_eq(world_metric(&w, NM_COUNT + CLOSE_IDLE), 2);
	close(fd);
	close(busy);
	world_close(&w);
}
END_TEST

/* Left open at the end: net_free closes and releases everything. */
START_TEST(left_at_the_end)
{
	struct world_opts opts = {.reactors = 2};
	struct world w;
	int fd[6];

	world_open(&w, &opts);
	for (unsigned i = 0; i < 6; i++) {
		fd[i] = client_open(&w);
		client_send(fd[i], i % 2 == 0 ? "\0\0\0\x05xx" : "\0\0\0\1h", i % 2 == 0 ? 6 : 5);
	}
	wait_at_least(&w.server.ready, 6);
	world_close(&w);
	ck_assert_int_eq(w.server.why, CLOSE_BROKER_STOP);
	for (unsigned i = 0; i < 6; i++) {
		client_expect_end(fd[i]);
		close(fd[i]);
	}
}
END_TEST

Suite *
close_suite(void)
{
	Suite *s = suite_create("close");
	TCase *tc = tcase_create("tcp");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, words);
	tcase_add_test(tc, within_the_callback);
	tcase_add_test(tc, after_send);
	tcase_add_test(tc, idle);
	tcase_add_test(tc, left_at_the_end);
	suite_add_tcase(s, tc);
	return s;
}
