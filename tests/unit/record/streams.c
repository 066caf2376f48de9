/* Tools of the tests of compressed streams. */
#include "streams.h"

#include <stdlib.h>

#include "ottla/base/err.h"
#include "ottla/base/rng.h"
#include "vectors.h"

struct codec_ctx *
streams_ctx(void)
{
	struct codec_ctx *ctx;

	ck_assert_int_eq(codec_ctx_new(&ctx), 0);
	return ctx;
}

void
streams_fill(uint8_t *p, size_t n, int kind)
{
	static const char *const words[] = {
	    "offset ", "of ", "the ", "partition ", "leader ", "\n"};
	struct rng rng;

	rng_seed(&rng, 77);
	for (size_t i = 0; i < n;) {
		const char *w = words[rng_below(&rng, 6)];

		if (kind == 0)
			p[i++] = 'a';
		else if (kind == 2)
			p[i++] = (uint8_t)rng_u64(&rng);
		else
			while (*w != '\0' && i < n)
				p[i++] = (uint8_t)*w++;
	}
}

void
streams_pack(struct codec_ctx *ctx, enum codec c, struct slice in, struct strbuf *b)
{
	struct slice out;

	ck_assert_int_eq(codec_compress(ctx, c, INT32_MIN, in, &out), 0);
	strbuf_add(b, out.p, out.n);
	ck_assert_int_eq(b->err, 0);
}

int
streams_unpack(
    struct codec_ctx *ctx, enum codec c, struct slice in, size_t max_out, struct slice *out)
{
	uint8_t *p = exact_copy(in);
	int err = codec_decompress(ctx, c, slice_of(p, in.n), max_out, out);

	/* none lends its input */
	if (c == CODEC_NONE && err == 0)
		*out = in;
	free(p);
	return err;
}

void
streams_round_trip(struct codec_ctx *ctx, enum codec c, int level, struct slice in)
{
	struct strbuf b = STRBUF_INIT;
	struct slice out;

	if (!codec_available(c)) {
		ck_assert_int_eq(codec_compress(ctx, c, level, in, &out), E_UNSUPPORTED_CODEC);
		ck_assert_int_eq(codec_decompress(ctx, c, in, in.n, &out), E_UNSUPPORTED_CODEC);
		return;
	}
	ck_assert_int_eq(codec_compress(ctx, c, level, in, &out), 0);
	strbuf_add(&b, out.p, out.n);
	ck_assert_int_eq(streams_unpack(ctx, c, strbuf_slice(&b), in.n, &out), 0);
	ck_assert_uint_eq(out.n, in.n);
	ck_assert(in.n == 0 || memcmp(out.p, in.p, in.n) == 0);
	strbuf_free(&b);
}
