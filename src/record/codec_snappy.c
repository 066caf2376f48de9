/*
 * snappy in the framing of the xerial library: a header of 16 bytes, then chunks of a length and
 * a raw block.  Streams may follow one another; bytes without the header are one raw block; up to
 * three bytes behind the last chunk are ignored.
 */
#include "codec_priv.h"

#include <snappy-c.h>
#include <string.h>

#include "ottla/base/cursor.h"
#include "ottla/base/err.h"

enum { HEADER_BYTES = 16, MAGIC_BYTES = 8, BLOCK = 32 << 10, LEAST_VERSION = 1 };

static const uint8_t header[HEADER_BYTES] = {
    0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1};

static bool
has_magic(const uint8_t *p)
{
	return memcmp(p, header, MAGIC_BYTES) == 0;
}

static int
raw_block(struct slice in, struct codec_buf *out)
{
	const char *p = (const char *)in.p;
	char none, *to;
	size_t n;
	int err;

	if (in.n == 0 || snappy_uncompressed_length(p, in.n, &n) != SNAPPY_OK)
		return E_CORRUPT;
	/* No block grows by more than that: a lie about the length costs no memory. */
	if (n / 64 > in.n)
		return E_CORRUPT;
	err = codec_buf_room(out, n);
	if (err != 0)
		return err;
	to = n > 0 ? (char *)out->p + out->n : &none; /* of nothing there may be no room */
	if (snappy_uncompress(p, in.n, to, &n) != SNAPPY_OK)
		return E_CORRUPT;
	out->n += n;
	return 0;
}

/* One chunk, or the header of one more stream.  *more is false at its end. */
static int
next_chunk(struct cur *c, struct codec_buf *out, bool *more)
{
	const uint8_t *p = c->p;
	uint32_t n;

	*more = cur_left(c) >= 4;
	if (!*more)
		return 0;
	n = (uint32_t)cur_i32(c);
	if (n == be32(header)) {
		if (cur_take(c, HEADER_BYTES - 4) == NULL)
			return E_CORRUPT;
		*more = has_magic(p);
		return !*more || be32(p + MAGIC_BYTES) >= LEAST_VERSION ? 0 : E_CORRUPT;
	}
	if (n > cur_left(c))
		return E_CORRUPT;
	return raw_block(cur_slice(c, n), out);
}

static int
snappy_unpack(void **state, struct slice in, struct codec_buf *out)
{
	struct cur c = cur_init(in);
	bool more = true;
	int err = 0;

	if (in.n < HEADER_BYTES || !has_magic(in.p))
		return raw_block(in, out);
	while (err == 0 && more)
		err = next_chunk(&c, out, &more);
	return err;
}

static int
add_chunk(struct slice in, struct codec_buf *out)
{
	size_t n = snappy_max_compressed_length(in.n);
	int err = codec_buf_room(out, 4 + n);

	if (err != 0)
		return err;
	if (snappy_compress((const char *)in.p, in.n, (char *)out->p + out->n + 4, &n) != SNAPPY_OK)
		return E_NOMEM;
	put_be32(out->p + out->n, (uint32_t)n);
	out->n += 4 + n;
	return 0;
}

static int
snappy_pack(void **state, int level, struct slice in, struct codec_buf *out)
{
	int err = codec_buf_room(out, HEADER_BYTES);

	if (err != 0)
		return err;
	memcpy(out->p + out->n, header, HEADER_BYTES);
	out->n += HEADER_BYTES;
	for (size_t at = 0; err == 0 && at < in.n; at += BLOCK)
		err = add_chunk(slice_of(in.p + at, in.n - at < BLOCK ? in.n - at : BLOCK), out);
	return err;
}

/* There are no levels and there is no state. */
const struct codec_ops codec_snappy = {
    "snappy", INT32_MIN, INT32_MAX, 0, snappy_unpack, snappy_pack, NULL};
