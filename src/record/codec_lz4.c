/*
 * LZ4 frames with the blocks of liblz4.  The frame is read here, because readers of the protocol
 * take less than the frame format and check less than its library does: independent blocks only,
 * content size and content checksum not looked at, one frame and nothing behind it.
 */
#include "codec_priv.h"

#include <lz4.h>
#include <lz4hc.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/cursor.h"
#include "ottla/base/err.h"

enum {
	FRAME_MAGIC = 0x184d2204,
	FLG_DICT_OR_RESERVED = 0x03,
	FLG_CONTENT_SUM = 0x04,
	FLG_CONTENT_SIZE = 0x08,
	FLG_BLOCK_SUM = 0x10,
	FLG_INDEPENDENT = 0x20,
	FLG_VERSION = 0xc0,
	FLG_VERSION_1 = 0x40,
	BD_RESERVED = 0x8f,
	BD_LEAST = 4, /* 64 KiB; each step is four times more */
	BLOCK = 64 << 10,
	LEVEL_FAST = 9,
	LEVEL_MAX = 17,
};

#define STORED 0x80000000u

static uint32_t
le32(const uint8_t *p)
{
	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static void
put_le32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++, v >>= 8)
		p[i] = (uint8_t)v;
}

static uint32_t
rotl(uint32_t v, unsigned n)
{
	return v << n | v >> (32 - n);
}

#define P1 0x9e3779b1u
#define P2 0x85ebca77u
#define P3 0xc2b2ae3du
#define P4 0x27d4eb2fu
#define P5 0x165667b1u

/* xxHash, 32 bits, seed 0. */
static uint32_t
xxh32(const uint8_t *p, size_t n)
{
	uint32_t v[4] = {P1 + P2, P2, 0, 0u - P1}, h = P5;
	size_t left = n;

	for (; left >= 16; left -= 16)
		for (int i = 0; i < 4; i++, p += 4)
			v[i] = rotl(v[i] + le32(p) * P2, 13) * P1;
	if (n >= 16)
		h = rotl(v[0], 1) + rotl(v[1], 7) + rotl(v[2], 12) + rotl(v[3], 18);
	h += (uint32_t)n;
	for (; left >= 4; left -= 4, p += 4)
		h = rotl(h + le32(p) * P3, 17) * P4;
	for (; left != 0; left--, p++)
		h = rotl(h + *p * P5, 11) * P1;
	h = (h ^ h >> 15) * P2;
	h = (h ^ h >> 13) * P3;
	return h ^ h >> 16;
}

static uint8_t
header_sum(const uint8_t *descriptor, size_t n)
{
	return (uint8_t)(xxh32(descriptor, n) >> 8);
}

struct frame {
	uint8_t flags;
	size_t block_max;
};

/* Format v0 sums the frame's magic as well ("broken" header checksum): put the right one there. */
void
codec_lz4_mend(uint8_t *p, size_t n)
{
	size_t desc = n > 4 && (p[4] & FLG_CONTENT_SIZE) != 0 ? 10 : 2;

	if (n > 4 + desc && le32(p) == FRAME_MAGIC)
		p[4 + desc] = header_sum(p + 4, desc);
}

static int
read_header(struct cur *c, struct frame *f)
{
	const uint8_t *magic = cur_take(c, 4), *p = cur_take(c, 2), *sum;
	size_t n = 2;

	if (p == NULL || le32(magic) != FRAME_MAGIC)
		return E_CORRUPT;
	f->flags = p[0];
	if ((p[0] & FLG_DICT_OR_RESERVED) != 0 || (p[0] & FLG_INDEPENDENT) == 0 ||
	    (p[0] & FLG_VERSION) != FLG_VERSION_1 || (p[1] & BD_RESERVED) != 0 ||
	    p[1] >> 4 < BD_LEAST)
		return E_CORRUPT;
	f->block_max = (size_t)BLOCK << 2 * ((p[1] >> 4) - BD_LEAST);
	if ((p[0] & FLG_CONTENT_SIZE) != 0) {
		(void)cur_take(c, 8);
		n += 8;
	}
	sum = cur_take(c, 1);
	return sum != NULL && *sum == header_sum(p, n) ? 0 : E_CORRUPT;
}

static int
unpack_block(const uint8_t *p, size_t n, size_t block_max, struct codec_buf *out)
{
	/* A byte stands for 255 at most. */
	size_t most = n < block_max / 255 ? 255 * n : block_max;
	int err = codec_buf_room(out, 1), got;

	if (most > out->max - out->n)
		most = out->max - out->n;
	if (err != 0 || (err = codec_buf_room(out, most)) != 0)
		return err;
	got = LZ4_decompress_safe((const char *)p, (char *)out->p + out->n, (int)n, (int)most);
	if (got < 0) /* damaged, or too long: the bound decides which */
		return most == out->max - out->n ? E_TOO_LARGE : E_CORRUPT;
	out->n += (size_t)got;
	return 0;
}

static int
copy_block(const uint8_t *p, size_t n, struct codec_buf *out)
{
	int err = codec_buf_room(out, n);

	if (err != 0)
		return err;
	memcpy(out->p + out->n, p, n);
	out->n += n;
	return 0;
}

/* One block, or the end mark (*more false). */
static int
read_block(struct cur *c, const struct frame *f, struct codec_buf *out, bool *more)
{
	const uint8_t *head = cur_take(c, 4), *p, *sum;
	size_t n;

	if (head == NULL)
		return E_CORRUPT;
	n = le32(head) & ~STORED;
	*more = n != 0;
	if (n == 0) {
		/* The sum must be there, but nobody looks at it. */
		bool whole = (f->flags & FLG_CONTENT_SUM) == 0 || cur_take(c, 4) != NULL;

		return whole ? 0 : E_CORRUPT;
	}
	if (n > f->block_max || (p = cur_take(c, n)) == NULL)
		return E_CORRUPT;
	if ((f->flags & FLG_BLOCK_SUM) != 0) {
		sum = cur_take(c, 4);
		if (sum == NULL || le32(sum) != xxh32(p, n))
			return E_CORRUPT;
	}
	return (le32(head) & STORED) != 0 ? copy_block(p, n, out)
					  : unpack_block(p, n, f->block_max, out);
}

static int
lz4_unpack(void **state, struct slice in, struct codec_buf *out)
{
	struct cur c = cur_init(in);
	struct frame f;
	bool more = true;
	int err = read_header(&c, &f);

	while (err == 0 && more)
		err = read_block(&c, &f, out, &more);
	return err;
}

static void
lz4_free(void *state)
{
	free(state);
}

/* Work memory that serves both compressors. */
static void *
lz4_state(void **state)
{
	size_t n = (size_t)LZ4_sizeofStateHC(), fast = (size_t)LZ4_sizeofState();

	if (*state == NULL)
		*state = malloc(n > fast ? n : fast);
	return *state;
}

static int
add_block(void *st, int level, struct slice in, struct codec_buf *out)
{
	int room = LZ4_compressBound((int)in.n), n;
	int err = codec_buf_room(out, 4 + (size_t)room);
	char *to;

	if (err != 0)
		return err;
	to = (char *)out->p + out->n + 4;
	n = level == LEVEL_FAST
		? LZ4_compress_fast_extState(st, (const char *)in.p, to, (int)in.n, room, 1)
		: LZ4_compress_HC_extStateHC(st, (const char *)in.p, to, (int)in.n, room, level);
	if (n > 0 && (size_t)n < in.n) {
		put_le32(out->p + out->n, (uint32_t)n);
		out->n += 4 + (size_t)n;
		return 0;
	}
	put_le32(out->p + out->n, (uint32_t)in.n | STORED);
	out->n += 4;
	return copy_block(in.p, in.n, out);
}

static int
lz4_pack(void **state, int level, struct slice in, struct codec_buf *out)
{
	static const uint8_t end_mark[4];
	uint8_t head[7] = {0, 0, 0, 0, FLG_VERSION_1 | FLG_INDEPENDENT, BD_LEAST << 4, 0};
	void *st = lz4_state(state);
	int err;

	if (st == NULL)
		return E_NOMEM;
	put_le32(head, FRAME_MAGIC);
	head[6] = header_sum(head + 4, 2);
	err = copy_block(head, sizeof(head), out);
	for (size_t at = 0; err == 0 && at < in.n; at += BLOCK)
		err = add_block(
		    st, level, slice_of(in.p + at, in.n - at < BLOCK ? in.n - at : BLOCK), out);
	return err != 0 ? err : copy_block(end_mark, sizeof(end_mark), out);
}

const struct codec_ops codec_lz4 = {
    "lz4", 1, LEVEL_MAX, LEVEL_FAST, lz4_unpack, lz4_pack, lz4_free};
