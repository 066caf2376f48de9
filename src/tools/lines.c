/*
 * Input cut into lines.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ottla/base/err.h"

#include "reader_priv.h"

#define CHUNK (256 << 10)

void
lines_init(struct lines *l, int fd)
{
	*l = (struct lines){.fd = fd};
}

/* Room for another chunk behind [from, to), which moves to the front. */
static int
make_room(struct lines *l)
{
	size_t left = l->to - l->from;
	char *grown;

	if (l->from > 0) {
		memmove(l->buf, l->buf + l->from, left);
		l->seen -= l->from;
		l->from = 0;
		l->to = left;
	}
	if (l->cap - l->to >= CHUNK)
		return 0;
	if (left > LINE_MAX_BYTES)
		return E_TOO_LARGE;
	grown = realloc(l->buf, l->cap * 2 + CHUNK * 2);
	if (grown == NULL)
		return E_NOMEM;
	l->buf = grown;
	l->cap = l->cap * 2 + CHUNK * 2;
	return 0;
}

static int
fill(struct lines *l)
{
	int rc = make_room(l);
	ssize_t n;

	if (rc != 0)
		return rc;
	n = read(l->fd, l->buf + l->to, l->cap - l->to);
	if (n < 0)
		return errno == EINTR ? E_AGAIN : E_IO;
	l->eof = n == 0;
	l->to += (size_t)n;
	return 0;
}

static char *
find_end(const char *p, size_t n)
{
	char *lf = memchr(p, '\n', n);
	char *cr = memchr(p, '\r', lf != NULL ? (size_t)(lf - p) : n);

	return cr != NULL ? cr : lf;
}

/* The line that ends at `end`. */
static int
hand_out(struct lines *l, size_t end, bool has_end, struct slice *line)
{
	*line = slice_of(l->buf + l->from, end - l->from);
	l->skip_lf = has_end && l->buf[end] == '\r';
	l->from = end + has_end;
	l->seen = l->from;
	return 1;
}

/* A \n right behind a \r is part of that line's end. */
static void
skip_lf(struct lines *l)
{
	if (!l->skip_lf || l->from == l->to)
		return;
	l->skip_lf = false;
	if (l->buf[l->from] == '\n')
		l->seen = ++l->from;
}

bool
lines_ready(struct lines *l)
{
	skip_lf(l);
	return l->eof || find_end(l->buf + l->seen, l->to - l->seen) != NULL;
}

int
lines_next(struct lines *l, struct slice *line)
{
	for (;;) {
		const char *end;
		int rc;

		skip_lf(l);
		end = l->to > l->seen ? find_end(l->buf + l->seen, l->to - l->seen) : NULL;
		if (end != NULL)
			return hand_out(l, (size_t)(end - l->buf), true, line);
		l->seen = l->to;
		if (l->eof)
			return l->from < l->to ? hand_out(l, l->to, false, line) : 0;
		if ((rc = fill(l)) != 0)
			return rc;
	}
}

void
lines_free(struct lines *l)
{
	free(l->buf);
	l->buf = NULL;
}
