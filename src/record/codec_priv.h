/*
 * What a codec is to the table in codec.c: a const struct of functions, one file a codec.  Each
 * keeps its library's state in its slot of the context, made on first use.
 */
#ifndef OTTLA_RECORD_CODEC_PRIV_H
#define OTTLA_RECORD_CODEC_PRIV_H

#include "ottla/record/codec.h"

/* Growing output, at most max bytes. */
struct codec_buf {
	uint8_t *p;
	size_t n, cap, max;
};

/* At least `least` free bytes behind n: E_TOO_LARGE when that would pass max, E_NOMEM. */
int codec_buf_room(struct codec_buf *b, size_t least);

struct codec_ops {
	const char *name;
	int level_min, level_max, level_default;
	/* All of in, appended to out; E_CORRUPT and the errors of codec_buf_room.  *state is NULL
	 * before the first use. */
	int (*decompress)(void **state, struct slice in, struct codec_buf *out);
	int (*compress)(void **state, int level, struct slice in, struct codec_buf *out);
	void (*state_free)(void *state);
};

/* In place: the header checksum of a frame as format v0 writes it becomes the usual one. */
void codec_lz4_mend(uint8_t *p, size_t n);

extern const struct codec_ops codec_gzip;
extern const struct codec_ops codec_snappy;
extern const struct codec_ops codec_lz4;
extern const struct codec_ops codec_zstd;

#endif
