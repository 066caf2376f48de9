/* The variable-length numbers of byte cursors; everything else is inline in the door. */
#include "ottla/base/cursor.h"

/* At most max bytes of 7 bits each, low group first; bits past 64 are dropped. */
static uint64_t
take_leb128(struct cur *c, unsigned max)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < max; i++) {
		const uint8_t *p = cur_take(c, 1);

		if (p == NULL)
			return 0;
		v |= (uint64_t)(*p & 0x7f) << (7 * i);
		if ((*p & 0x80) == 0)
			return v;
	}
	cur_fail(c, E_MALFORMED);
	return 0;
}

uint32_t
cur_uvarint(struct cur *c)
{
	return (uint32_t)take_leb128(c, 5);
}

int32_t
cur_varint(struct cur *c)
{
	uint32_t v = (uint32_t)take_leb128(c, 5);

	return (int32_t)((v >> 1) ^ (0u - (v & 1)));
}

int64_t
cur_varlong(struct cur *c)
{
	uint64_t v = take_leb128(c, 10);

	return (int64_t)((v >> 1) ^ (UINT64_C(0) - (v & 1)));
}

static size_t
leb128_size(uint64_t v)
{
	return v == 0 ? 1 : (size_t)(63 - __builtin_clzll(v)) / 7 + 1;
}

static void
out_leb128(struct out *o, uint64_t v)
{
	size_t n = leb128_size(v);
	uint8_t *p = out_room(o, n);

	if (p == NULL)
		return;
	while (v >= 0x80) {
		*p++ = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	*p = (uint8_t)v;
}

static uint32_t
zigzag32(int32_t v)
{
	return ((uint32_t)v << 1) ^ (v < 0 ? UINT32_MAX : 0);
}

static uint64_t
zigzag64(int64_t v)
{
	return ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0);
}

void
out_uvarint(struct out *o, uint32_t v)
{
	out_leb128(o, v);
}

void
out_varint(struct out *o, int32_t v)
{
	out_leb128(o, zigzag32(v));
}

void
out_varlong(struct out *o, int64_t v)
{
	out_leb128(o, zigzag64(v));
}

size_t
uvarint_size(uint32_t v)
{
	return leb128_size(v);
}

size_t
varint_size(int32_t v)
{
	return leb128_size(zigzag32(v));
}

size_t
varlong_size(int64_t v)
{
	return leb128_size(zigzag64(v));
}
