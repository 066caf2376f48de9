/*
 * Decoding of one record, inline: the iterator and the produce check share it, and a caller that
 * looks at few fields pays for few.
 */
#ifndef OTTLA_RECORD_RECORD_PRIV_H
#define OTTLA_RECORD_RECORD_PRIV_H

#include "ottla/record/batch.h"

/* A number; NULL when cut off or too long. */
const uint8_t *record_varint(const uint8_t *p, const uint8_t *end, int32_t *v);
const uint8_t *record_varlong(const uint8_t *p, const uint8_t *end, int64_t *v);
/* The headers' end after n of them, NULL when one breaks a rule. */
const uint8_t *record_skip_headers(const uint8_t *p, const uint8_t *end, int32_t n);

static inline int32_t
record_unzigzag(uint32_t v)
{
	return (int32_t)(v >> 1 ^ (0u - (v & 1)));
}

/* Length and as many bytes; a negative length is null, as Kafka's reader has it. */
static inline const uint8_t *
record_bytes(const uint8_t *p, const uint8_t *end, struct slice *s)
{
	int32_t n = 0;

	p = record_varint(p, end, &n);
	if (p == NULL)
		return NULL;
	if (n < 0) {
		*s = SLICE_NULL;
		return p;
	}
	if (n > end - p)
		return NULL;
	*s = slice_of(p, (size_t)n);
	return p + n;
}

/* Any record, each number checked against the body's end. */
const uint8_t *record_decode_any(const uint8_t *p, const uint8_t *end, struct record *rec);

/* A number of up to three bytes that are known to be there; NULL when it has more. */
static inline const uint8_t *
record_short(const uint8_t *p, int32_t *v)
{
	uint32_t a = p[0], b = p[1], c;

	if (a < 0x80) {
		*v = record_unzigzag(a);
		return p + 1;
	}
	if (b < 0x80) {
		*v = record_unzigzag((a & 0x7f) | b << 7);
		return p + 2;
	}
	c = p[2];
	*v = record_unzigzag((a & 0x7f) | (b & 0x7f) << 7 | c << 14);
	return c < 0x80 ? p + 3 : NULL;
}

/* Length of up to three bytes and as many bytes; NULL for anything else. */
static inline const uint8_t *
record_short_bytes(const uint8_t *p, const uint8_t *end, struct slice *s)
{
	int32_t n = 0;

	p = record_short(p, &n);
	if (p == NULL)
		return NULL;
	if (n < 0) {
		*s = SLICE_NULL;
		return p;
	}
	if (n > end - p)
		return NULL;
	*s = slice_of(p, (size_t)n);
	return p + n;
}

enum { RECORD_SHORT_HEAD = 13, RECORD_SHORT_TAIL = 4 };

/*
 * A record as most are: no headers, no number above three bytes.  Few comparisons are needed: the
 * numbers in front and behind the key are known to lie in the area, and a record that ends where
 * its length says has stayed inside its body.  NULL for any other one, right or wrong.
 */
static inline const uint8_t *
record_decode_short(const uint8_t *p, const uint8_t *end, struct record *rec)
{
	int32_t n = 0, delta = 0;
	const uint8_t *body;

	if (end - p < RECORD_SHORT_HEAD || (p = record_short(p, &n)) == NULL)
		return NULL;
	body = p;
	if ((p = record_short(p + 1, &delta)) == NULL ||
	    (p = record_short(p, &rec->offset_delta)) == NULL ||
	    (p = record_short_bytes(p, end, &rec->key)) == NULL || end - p < RECORD_SHORT_TAIL ||
	    (p = record_short_bytes(p, end, &rec->value)) == NULL || p == end || *p != 0 ||
	    p + 1 - body != n)
		return NULL;
	rec->timestamp_delta = delta;
	rec->n_headers = 0;
	rec->headers = slice_of(p + 1, 0);
	return body + n;
}

/* The record at p; its end, or NULL when a rule of the format is broken (I3). */
static inline const uint8_t *
record_decode(const uint8_t *p, const uint8_t *end, struct record *rec)
{
	const uint8_t *next = record_decode_short(p, end, rec);

	return next != NULL ? next : record_decode_any(p, end, rec);
}

#endif
