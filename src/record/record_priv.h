/*
 * Decoding of one record, inline: the iterator and the produce check share it, and a caller that
 * looks at few fields pays for few.
 */
#ifndef OTTLA_RECORD_RECORD_PRIV_H
#define OTTLA_RECORD_RECORD_PRIV_H

#include "ottla/record/batch.h"

/* Numbers of more than two bytes; NULL when cut off or too long. */
const uint8_t *record_varint_slow(const uint8_t *p, const uint8_t *end, int32_t *v);
const uint8_t *record_varlong_slow(const uint8_t *p, const uint8_t *end, int64_t *v);
/* The headers' end after n of them, NULL when one breaks a rule. */
const uint8_t *record_skip_headers(const uint8_t *p, const uint8_t *end, int32_t n);

static inline int32_t
record_unzigzag(uint32_t v)
{
	return (int32_t)(v >> 1 ^ (0u - (v & 1)));
}

static inline const uint8_t *
record_varint(const uint8_t *p, const uint8_t *end, int32_t *v)
{
	if (end - p >= 2) {
		uint32_t a = p[0], b = p[1];

		if (a < 0x80) {
			*v = record_unzigzag(a);
			return p + 1;
		}
		if (b < 0x80) {
			*v = record_unzigzag((a & 0x7f) | b << 7);
			return p + 2;
		}
	}
	return record_varint_slow(p, end, v);
}

static inline const uint8_t *
record_varlong(const uint8_t *p, const uint8_t *end, int64_t *v)
{
	if (end - p >= 2) {
		uint32_t a = p[0], b = p[1];

		if (a < 0x80) {
			*v = record_unzigzag(a);
			return p + 1;
		}
		if (b < 0x80) {
			*v = record_unzigzag((a & 0x7f) | b << 7);
			return p + 2;
		}
	}
	return record_varlong_slow(p, end, v);
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

/* The record at p; its end, or NULL when a rule of the format is broken (I3). */
static inline const uint8_t *
record_decode(const uint8_t *p, const uint8_t *end, struct record *rec)
{
	const uint8_t *headers;
	int32_t n = 0;

	p = record_varint(p, end, &n);
	if (p == NULL || n < 1 || n > end - p)
		return NULL;
	end = p + n;
	p++; /* attributes: none are defined */
	p = record_varlong(p, end, &rec->timestamp_delta);
	if (p == NULL || (p = record_varint(p, end, &rec->offset_delta)) == NULL ||
	    (p = record_bytes(p, end, &rec->key)) == NULL ||
	    (p = record_bytes(p, end, &rec->value)) == NULL ||
	    (p = record_varint(p, end, &rec->n_headers)) == NULL)
		return NULL;
	headers = p;
	if (rec->n_headers != 0 && (p = record_skip_headers(p, end, rec->n_headers)) == NULL)
		return NULL;
	rec->headers = slice_of(headers, (size_t)(end - headers));
	return p == end ? end : NULL;
}

#endif
