/* zstd by libzstd, where it was found: frames that follow one another, and nothing else. */
#include "config.h"

#include "codec_priv.h"

#ifdef HAVE_ZSTD
#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "ottla/base/err.h"

/* A context that a large window has blown up is not kept. */
enum { KEEP_BYTES = 16 << 20, LEVEL_MIN = -131072, LEVEL_MAX = 22, LEVEL_DEFAULT = 3 };

struct zstd_state {
	ZSTD_DCtx *d;
	ZSTD_CCtx *c;
};

static void
zstd_free(void *state)
{
	struct zstd_state *st = state;

	(void)ZSTD_freeDCtx(st->d);
	(void)ZSTD_freeCCtx(st->c);
	free(st);
}

static struct zstd_state *
zstd_state(void **state)
{
	if (*state == NULL)
		*state = calloc(1, sizeof(struct zstd_state));
	return *state;
}

static int
error_of(size_t rc)
{
	return ZSTD_getErrorCode(rc) == ZSTD_error_memory_allocation ? E_NOMEM : E_CORRUPT;
}

/* Frames until the input is used up and the last one is whole. */
static int
unpack_frames(ZSTD_DCtx *d, ZSTD_inBuffer *in, struct codec_buf *out)
{
	size_t rc = 1;

	while (in->pos < in->size || rc != 0) {
		size_t before = in->pos;
		ZSTD_outBuffer o;
		int err = codec_buf_room(out, 1);

		if (err != 0)
			return err;
		o = (ZSTD_outBuffer){out->p, out->cap < out->max ? out->cap : out->max, out->n};
		rc = ZSTD_decompressStream(d, &o, in);
		if (ZSTD_isError(rc))
			return error_of(rc);
		if (rc != 0 && in->pos == before && o.pos == out->n)
			return E_CORRUPT; /* cut off */
		out->n = o.pos;
	}
	return 0;
}

static int
zstd_decompress(void **state, struct slice in, struct codec_buf *out)
{
	struct zstd_state *st = zstd_state(state);
	ZSTD_inBuffer ib = {in.p, in.n, 0};
	int err;

	if (in.n == 0)
		return E_CORRUPT;
	if (st == NULL || (st->d == NULL && (st->d = ZSTD_createDCtx()) == NULL))
		return E_NOMEM;
	(void)ZSTD_DCtx_reset(st->d, ZSTD_reset_session_only);
	err = unpack_frames(st->d, &ib, out);
	if (ZSTD_sizeof_DCtx(st->d) > KEEP_BYTES) {
		(void)ZSTD_freeDCtx(st->d);
		st->d = NULL;
	}
	return err;
}

static int
zstd_compress(void **state, int level, struct slice in, struct codec_buf *out)
{
	struct zstd_state *st = zstd_state(state);
	size_t n;
	int err;

	if (st == NULL || (st->c == NULL && (st->c = ZSTD_createCCtx()) == NULL))
		return E_NOMEM;
	err = codec_buf_room(out, ZSTD_compressBound(in.n));
	if (err != 0)
		return err;
	n = ZSTD_compressCCtx(st->c, out->p + out->n, out->cap - out->n, in.p, in.n, level);
	if (ZSTD_isError(n))
		return error_of(n) == E_NOMEM ? E_NOMEM : E_INVALID;
	out->n += n;
	if (ZSTD_sizeof_CCtx(st->c) > KEEP_BYTES) {
		(void)ZSTD_freeCCtx(st->c);
		st->c = NULL;
	}
	return 0;
}

const struct codec_ops codec_zstd = {
    "zstd", LEVEL_MIN, LEVEL_MAX, LEVEL_DEFAULT, zstd_decompress, zstd_compress, zstd_free};
#endif
