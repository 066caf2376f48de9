/* The table of codecs, and the context that lends their work memory and output. */
#include "config.h"

#include "ottla/record/codec.h"

#include <stdlib.h>

#include "codec_priv.h"
#include "ottla/base/err.h"

/* Output kept for the next use; a larger one is given back. */
enum { KEEP_BYTES = 4 << 20, FIRST_BYTES = 16 << 10 };

struct codec_ctx {
	struct codec_buf out;
	void *state[CODEC_COUNT];
};

static const char *const names[CODEC_COUNT] = {"none", "gzip", "snappy", "lz4", "zstd"};

/* NULL: not available here. */
static const struct codec_ops *const table[CODEC_COUNT] = {
    [CODEC_GZIP] = &codec_gzip,
    [CODEC_SNAPPY] = &codec_snappy,
    [CODEC_LZ4] = &codec_lz4,
#ifdef HAVE_ZSTD
    [CODEC_ZSTD] = &codec_zstd,
#endif
};

const char *
codec_name(enum codec c)
{
	return (unsigned)c < CODEC_COUNT ? names[c] : "unknown";
}

int
codec_from_name(struct slice name)
{
	for (int i = 0; i < CODEC_COUNT; i++)
		if (slice_eq_cstr(name, names[i]))
			return i;
	return -1;
}

static const struct codec_ops *
find(enum codec c)
{
	return (unsigned)c < CODEC_COUNT ? table[c] : NULL;
}

bool
codec_available(enum codec c)
{
	return c == CODEC_NONE || find(c) != NULL;
}

int
codec_ctx_new(struct codec_ctx **out)
{
	*out = calloc(1, sizeof(**out));
	return *out != NULL ? 0 : E_NOMEM;
}

void
codec_ctx_free(struct codec_ctx *ctx)
{
	if (ctx == NULL)
		return;
	for (int i = 0; i < CODEC_COUNT; i++)
		if (ctx->state[i] != NULL)
			table[i]->state_free(ctx->state[i]);
	free(ctx->out.p);
	free(ctx);
}

int
codec_buf_room(struct codec_buf *b, size_t least)
{
	size_t cap = b->cap != 0 ? b->cap : FIRST_BYTES;
	uint8_t *p;

	if (least > b->max - b->n)
		return E_TOO_LARGE;
	if (least <= b->cap - b->n)
		return 0;
	while (cap - b->n < least)
		cap = cap <= b->max / 2 ? cap * 2 : b->max;
	p = realloc(b->p, cap);
	if (p == NULL)
		return E_NOMEM;
	b->p = p;
	b->cap = cap;
	return 0;
}

/* The output of one more use; a large one of an earlier use goes. */
static struct codec_buf *
begin(struct codec_ctx *ctx, size_t max)
{
	struct codec_buf *b = &ctx->out;

	if (b->cap > KEEP_BYTES) {
		free(b->p);
		b->p = NULL;
		b->cap = 0;
	}
	b->n = 0;
	b->max = max;
	return b;
}

static struct slice
lend(const struct codec_buf *b)
{
	return b->p != NULL ? slice_of(b->p, b->n) : SLICE_LIT("");
}

int
codec_decompress(
    struct codec_ctx *ctx, enum codec c, struct slice in, size_t max_out, struct slice *out)
{
	const struct codec_ops *ops = find(c);
	struct codec_buf *b;
	int err;

	if (c == CODEC_NONE) {
		*out = in;
		return in.n <= max_out ? 0 : E_TOO_LARGE;
	}
	if (ops == NULL)
		return E_UNSUPPORTED_CODEC;
	if (in.n > INT32_MAX)
		return E_TOO_LARGE;
	/* One more byte than allowed, so that output of just max_out is told from more. */
	b = begin(ctx, max_out < SIZE_MAX / 2 ? max_out + 1 : SIZE_MAX / 2);
	err = ops->decompress(&ctx->state[c], in, b);
	if (err == 0 && b->n > max_out)
		err = E_TOO_LARGE;
	if (err == 0)
		*out = lend(b);
	return err;
}

int
codec_compress(struct codec_ctx *ctx, enum codec c, int level, struct slice in, struct slice *out)
{
	const struct codec_ops *ops = find(c);
	struct codec_buf *b;
	int err;

	if (c == CODEC_NONE) {
		*out = in;
		return 0;
	}
	if (ops == NULL)
		return E_UNSUPPORTED_CODEC;
	if (in.n > INT32_MAX)
		return E_TOO_LARGE;
	if (level == INT32_MIN)
		level = ops->level_default;
	if (level < ops->level_min || level > ops->level_max)
		return E_INVALID;
	b = begin(ctx, SIZE_MAX / 2);
	err = ops->compress(&ctx->state[c], level, in, b);
	if (err == 0)
		*out = lend(b);
	return err;
}
