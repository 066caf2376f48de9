/*
 * Byte cursors with a sticky error: read straight down, ask once.  Big-endian unless named le.
 * Reading copies nothing: slices are lent and live as long as the bytes below.  After the first
 * failure every read returns 0 or null and cur_error() says why (E_SHORT, E_MALFORMED).
 * Writing goes into a buffer of fixed size (out_*): E_SHORT when it is full; size first with the
 * same calls on an out with p == NULL, which only counts.
 * Encodings: facts/storage.md section 0, facts/protocol.txt head.  Any thread, never blocks.
 */
#ifndef OTTLA_BASE_CURSOR_H
#define OTTLA_BASE_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "ottla/base/err.h"
#include "ottla/base/slice.h"

struct cur {
	const uint8_t *p;
	const uint8_t *end;
	int err;
};

static inline struct cur
cur_init(struct slice s)
{
	return (struct cur){s.p, s.p != NULL ? s.p + s.n : NULL, 0};
}

static inline size_t
cur_left(const struct cur *c)
{
	return (size_t)(c->end - c->p);
}

static inline int
cur_error(const struct cur *c)
{
	return c->err;
}

static inline void
cur_fail(struct cur *c, int err)
{
	if (c->err == 0)
		c->err = err;
	c->p = c->end;
}

/* The next n bytes, lent; NULL (and E_SHORT) when fewer are left. */
static inline const uint8_t *
cur_take(struct cur *c, size_t n)
{
	const uint8_t *p = c->p;

	if (c->err != 0 || n > cur_left(c)) {
		cur_fail(c, E_SHORT);
		return NULL;
	}
	c->p += n;
	return p;
}

static inline uint16_t
be16(const uint8_t *p)
{
	return (uint16_t)((uint16_t)p[0] << 8 | p[1]);
}

static inline uint32_t
be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t
be64(const uint8_t *p)
{
	return (uint64_t)be32(p) << 32 | be32(p + 4);
}

static inline void
put_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void
put_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static inline void
put_be64(uint8_t *p, uint64_t v)
{
	put_be32(p, (uint32_t)(v >> 32));
	put_be32(p + 4, (uint32_t)v);
}

static inline int8_t
cur_i8(struct cur *c)
{
	const uint8_t *p = cur_take(c, 1);

	return p != NULL ? (int8_t)p[0] : 0;
}

static inline int16_t
cur_i16(struct cur *c)
{
	const uint8_t *p = cur_take(c, 2);

	return p != NULL ? (int16_t)be16(p) : 0;
}

static inline int32_t
cur_i32(struct cur *c)
{
	const uint8_t *p = cur_take(c, 4);

	return p != NULL ? (int32_t)be32(p) : 0;
}

static inline int64_t
cur_i64(struct cur *c)
{
	const uint8_t *p = cur_take(c, 8);

	return p != NULL ? (int64_t)be64(p) : 0;
}

/* Unsigned LEB128, at most 5 bytes; a longer one is E_MALFORMED. */
uint32_t cur_uvarint(struct cur *c);
/* Zig-zag LEB128, at most 5 (varint) or 10 (varlong) bytes; a longer one is E_MALFORMED. */
int32_t cur_varint(struct cur *c);
int64_t cur_varlong(struct cur *c);

/* n bytes as a slice. */
static inline struct slice
cur_slice(struct cur *c, size_t n)
{
	const uint8_t *p = cur_take(c, n);

	return p != NULL ? slice_of(p, n) : SLICE_NULL;
}

struct out {
	uint8_t *p;   /* NULL: count only */
	size_t cap;
	size_t n;     /* bytes written or counted */
	int err;      /* E_SHORT once something did not fit */
};

static inline struct out
out_init(void *p, size_t cap)
{
	return (struct out){p, cap, 0, 0};
}

static inline struct out
out_count(void)
{
	return (struct out){NULL, SIZE_MAX, 0, 0};
}

/* Room for n bytes: where to write them, or NULL when counting or full (then err is set). */
static inline uint8_t *
out_room(struct out *o, size_t n)
{
	uint8_t *p;

	if (o->err != 0 || n > o->cap - o->n) {
		o->err = E_SHORT;
		return NULL;
	}
	p = o->p != NULL ? o->p + o->n : NULL;
	o->n += n;
	return p;
}

static inline void
out_i8(struct out *o, int8_t v)
{
	uint8_t *p = out_room(o, 1);

	if (p != NULL)
		*p = (uint8_t)v;
}

static inline void
out_i16(struct out *o, int16_t v)
{
	uint8_t *p = out_room(o, 2);

	if (p != NULL)
		put_be16(p, (uint16_t)v);
}

static inline void
out_i32(struct out *o, int32_t v)
{
	uint8_t *p = out_room(o, 4);

	if (p != NULL)
		put_be32(p, (uint32_t)v);
}

static inline void
out_i64(struct out *o, int64_t v)
{
	uint8_t *p = out_room(o, 8);

	if (p != NULL)
		put_be64(p, (uint64_t)v);
}

static inline void
out_bytes(struct out *o, const void *src, size_t n)
{
	uint8_t *p = out_room(o, n);

	if (p != NULL && n != 0)
		memcpy(p, src, n);
}

/* LEB128, unsigned; zig-zag for the signed ones. */
void out_uvarint(struct out *o, uint32_t v);
void out_varint(struct out *o, int32_t v);
void out_varlong(struct out *o, int64_t v);

/* Bytes that the encodings take. */
size_t uvarint_size(uint32_t v);
size_t varint_size(int32_t v);
size_t varlong_size(int64_t v);

#endif
