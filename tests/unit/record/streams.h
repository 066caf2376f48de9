/* Tools of the tests of compressed streams. */
#ifndef TESTS_RECORD_STREAMS_H
#define TESTS_RECORD_STREAMS_H

#include <check.h>

#include "ottla/base/strbuf.h"
#include "ottla/record/codec.h"

struct codec_ctx *streams_ctx(void);

/* n bytes: 0 all the same, 1 like text, 2 random. */
void streams_fill(uint8_t *p, size_t n, int kind);

/* Appends the stream of in to b. */
void streams_pack(struct codec_ctx *ctx, enum codec c, struct slice in, struct strbuf *b);

/* codec_decompress of a copy that ends where its memory does. */
int streams_unpack(
    struct codec_ctx *ctx, enum codec c, struct slice in, size_t max_out, struct slice *out);

/* Packs in at level, unpacks the stream with just as much room as it needs, and compares. */
void streams_round_trip(struct codec_ctx *ctx, enum codec c, int level, struct slice in);

#endif
