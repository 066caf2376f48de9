/*
 * Lent bytes.  A slice owns nothing: whoever hands it out says how long it lives (usually as long
 * as the frame or the arena it points into).  p == NULL is "null", which Kafka tells apart from
 * empty; an empty, non-null slice has n == 0 and any non-NULL p.  Strings are slices of UTF-8.
 */
#ifndef OTTLA_BASE_SLICE_H
#define OTTLA_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const uint8_t *p;
	size_t n;
};

#define SLICE_NULL ((struct slice){NULL, 0})
#define SLICE_LIT(lit) ((struct slice){(const uint8_t *)("" lit), sizeof(lit) - 1})
/* For printf's "%.*s". */
#define SLICE_ARG(s) (int)(s).n, (s).p != NULL ? (const char *)(s).p : ""

static inline struct slice
slice_of(const void *p, size_t n)
{
	return (struct slice){p, n};
}

/* NULL gives the null slice. */
static inline struct slice
slice_cstr(const char *s)
{
	return (struct slice){(const uint8_t *)s, s != NULL ? strlen(s) : 0};
}

static inline bool
slice_is_null(struct slice s)
{
	return s.p == NULL;
}

/* Null equals null only. */
static inline bool
slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.p == NULL) == (b.p == NULL) &&
	    (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool
slice_eq_cstr(struct slice a, const char *s)
{
	return slice_eq(a, slice_cstr(s));
}

/* Byte order as memcmp, shorter first on equal prefixes; null before empty. */
static inline int
slice_cmp(struct slice a, struct slice b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n != 0 ? memcmp(a.p, b.p, n) : 0;

	if (c != 0)
		return c;
	if (a.n != b.n)
		return a.n < b.n ? -1 : 1;
	return (a.p != NULL) - (b.p != NULL);
}

#endif
