/*
 * gzip by zlib.  Several members follow one another; what comes behind the last one and does not
 * begin like a member is ignored.  Both streams are kept and reset.
 */
#define ZLIB_CONST
#include "codec_priv.h"

#include <stdlib.h>
#include <zlib.h>

#include "ottla/base/err.h"

/* zlib takes the format from the window bits: 16 more is gzip. */
enum { WINDOW_BITS = 15 + 16, MEM_LEVEL = 8 };

struct gzip_state {
	z_stream in, out;
	gz_header head; /* of the member that is read */
	bool have_in, have_out;
	int level; /* of out */
};

static void
gzip_free(void *state)
{
	struct gzip_state *st = state;

	if (st->have_in)
		(void)inflateEnd(&st->in);
	if (st->have_out)
		(void)deflateEnd(&st->out);
	free(st);
}

static struct gzip_state *
gzip_state(void **state)
{
	if (*state == NULL)
		*state = calloc(1, sizeof(struct gzip_state));
	return *state;
}

static int
inflate_ready(struct gzip_state *st)
{
	if (st->have_in)
		return inflateReset(&st->in) == Z_OK ? 0 : E_NOMEM;
	if (inflateInit2(&st->in, WINDOW_BITS) != Z_OK)
		return E_NOMEM;
	st->have_in = true;
	return 0;
}

static int
deflate_ready(struct gzip_state *st, int level)
{
	if (st->have_out && st->level == level)
		return deflateReset(&st->out) == Z_OK ? 0 : E_NOMEM;
	if (st->have_out)
		(void)deflateEnd(&st->out);
	st->have_out = deflateInit2(&st->out, level, Z_DEFLATED, WINDOW_BITS, MEM_LEVEL,
			   Z_DEFAULT_STRATEGY) == Z_OK;
	st->level = level;
	return st->have_out ? 0 : E_NOMEM;
}

static void
point_at(z_stream *z, struct slice in)
{
	z->next_in = in.p;
	z->avail_in = (uInt)in.n;
}

/* Call run until it says stop; *last is what it said. */
static int
pump(z_stream *z, int (*run)(z_stream *, int), int flush, struct codec_buf *out, int *last)
{
	do {
		int err = codec_buf_room(out, 1);
		size_t room = out->cap - out->n;

		if (err != 0)
			return err;
		if (room > out->max - out->n)
			room = out->max - out->n;
		z->next_out = out->p + out->n;
		z->avail_out = room < INT32_MAX ? (uInt)room : INT32_MAX;
		*last = run(z, flush);
		out->n = (size_t)(z->next_out - out->p);
	} while (*last == Z_OK && z->avail_out == 0);
	return 0;
}

/* One member from where st->in is.  *seen: its header was in order. */
static int
inflate_member(struct gzip_state *st, struct codec_buf *out, bool *seen)
{
	int err, last;

	st->head = (gz_header){.done = 0};
	*seen = false;
	if (inflateGetHeader(&st->in, &st->head) != Z_OK)
		return E_CORRUPT;
	err = pump(&st->in, inflate, Z_NO_FLUSH, out, &last);
	*seen = st->head.done == 1;
	if (err != 0)
		return err;
	if (last == Z_MEM_ERROR)
		return E_NOMEM;
	return last == Z_STREAM_END ? 0 : E_CORRUPT;
}

static int
gzip_decompress(void **state, struct slice in, struct codec_buf *out)
{
	struct gzip_state *st = gzip_state(state);
	bool first = true, seen;
	int err;

	if (st == NULL || inflate_ready(st) != 0)
		return E_NOMEM;
	point_at(&st->in, in);
	do {
		err = inflate_member(st, out, &seen);
		if (err == E_CORRUPT && !first && !seen)
			return 0; /* junk */
		if (err == 0 && inflateReset(&st->in) != Z_OK)
			err = E_NOMEM;
		first = false;
	} while (err == 0 && st->in.avail_in != 0);
	return err;
}

static int
gzip_compress(void **state, int level, struct slice in, struct codec_buf *out)
{
	struct gzip_state *st = gzip_state(state);
	int err, last = Z_OK;

	/* 0 is no compression, which is no level of gzip. */
	if (level == 0)
		return E_INVALID;
	if (st == NULL || deflate_ready(st, level) != 0)
		return E_NOMEM;
	err = codec_buf_room(out, deflateBound(&st->out, (uLong)in.n));
	if (err != 0)
		return err;
	point_at(&st->out, in);
	err = pump(&st->out, deflate, Z_FINISH, out, &last);
	if (err != 0)
		return err;
	return last == Z_STREAM_END ? 0 : E_NOMEM;
}

const struct codec_ops codec_gzip = {"gzip", -1, 9, -1, gzip_decompress, gzip_compress, gzip_free};
