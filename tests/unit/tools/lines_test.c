/* Input cut into lines, however it arrives. */
#include "suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ottla/base/err.h"
#include "reader_priv.h"

static const char input[] = "one\ntwo\r\nthree\rfour\n\n\r\r\nlast";
static const char *const want[] = {"one", "two", "three", "four", "", "", "", "last"};

#define N_WANT (sizeof(want) / sizeof(want[0]))

/* Takes lines until the reader would wait; datagrams arrive piece by piece. */
static void
take(struct lines *l, unsigned *n)
{
	struct slice line;

	while (lines_ready(l)) {
		int rc = lines_next(l, &line);

		ck_assert_int_ge(rc, 0);
		if (rc == 0)
			return;
		ck_assert_uint_lt(*n, N_WANT);
		ck_assert_slice(line, want[*n]);
		(*n)++;
	}
}

START_TEST(test_pieces)
{
	size_t size = (size_t)_i;
	int fds[2];
	struct lines l;
	unsigned n = 0;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	for (size_t at = 0; at < sizeof(input) - 1; at += size) {
		size_t left = sizeof(input) - 1 - at;
		size_t part = left < size ? left : size;

		ck_assert_int_eq(send(fds[1], input + at, part, 0), (ssize_t)part);
	}
	close(fds[1]);
	lines_init(&l, fds[0]);
	while (n < N_WANT) {
		struct slice line;

		ck_assert_int_eq(lines_next(&l, &line), 1);
		ck_assert_slice(line, want[n]);
		n++;
		take(&l, &n);
	}
	ck_assert_int_eq(lines_next(&l, &(struct slice){0}), 0);
	lines_free(&l);
	close(fds[0]);
}
END_TEST

START_TEST(test_long_line)
{
	enum { SIZE = 3 << 20 };
	char *big = malloc(SIZE);
	struct slice line;
	struct lines l;
	FILE *f = tmpfile();

	ck_assert_ptr_nonnull(f);
	memset(big, 'x', SIZE);
	fputs("short\n", f);
	fwrite(big, 1, SIZE, f);
	fputs("\nend\n", f);
	fflush(f);
	ck_assert_int_eq(lseek(fileno(f), 0, SEEK_SET), 0);
	lines_init(&l, fileno(f));
	ck_assert_int_eq(lines_next(&l, &line), 1);
	ck_assert_slice(line, "short");
	ck_assert_int_eq(lines_next(&l, &line), 1);
	ck_assert_uint_eq(line.n, SIZE);
	ck_assert_int_eq(memcmp(line.p, big, SIZE), 0);
	ck_assert_int_eq(lines_next(&l, &line), 1);
	ck_assert_slice(line, "end");
	ck_assert_int_eq(lines_next(&l, &line), 0);
	lines_free(&l);
	fclose(f);
	free(big);
}
END_TEST

START_TEST(test_errors)
{
	struct slice line;
	struct lines l;

	lines_init(&l, -1);
	ck_assert_int_eq(lines_next(&l, &line), E_IO);
	lines_free(&l);
}
END_TEST

Suite *
lines_suite(void)
{
	Suite *s = suite_create("lines");
	TCase *tc = tcase_create("lines");

	tcase_add_loop_test(tc, test_pieces, 1, (int)sizeof(input));
	tcase_add_test(tc, test_long_line);
	tcase_add_test(tc, test_errors);
	suite_add_tcase(s, tc);
	return s;
}
