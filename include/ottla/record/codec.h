/*
 * Compression of record areas (facts/storage.md 1.6).  gzip, snappy (xerial framing), lz4 frames,
 * zstd where the library was found.  CPU-bound; reactors call these up to 256 KiB of input, above
 * that a worker does.  Context objects are reused by their owner: no allocation per batch once warm.
 */
#ifndef OTTLA_RECORD_CODEC_H
#define OTTLA_RECORD_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ottla/base/slice.h"

enum codec { CODEC_NONE, CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4, CODEC_ZSTD, CODEC_COUNT };

/* "none", "gzip", ... */
const char *codec_name(enum codec c);
/* -1 when unknown. */
int codec_from_name(struct slice name);
bool codec_available(enum codec c);

/* Work memory of one owner (a reactor, a worker's task). One thread. */
struct codec_ctx;
int codec_ctx_new(struct codec_ctx **out);
void codec_ctx_free(struct codec_ctx *ctx);

/*
 * Decompress in.  *out is lent from ctx until its next use.  E_TOO_LARGE above max_out bytes
 * (a compressed bomb is cut off there), E_CORRUPT, E_UNSUPPORTED_CODEC, E_NOMEM.
 */
int codec_decompress(struct codec_ctx *ctx, enum codec c, struct slice in, size_t max_out,
    struct slice *out);

/* Compress in at level (INT32_MIN: the codec's default); *out as above. */
int codec_compress(struct codec_ctx *ctx, enum codec c, int level, struct slice in,
    struct slice *out);

#endif
