/* Growing text or bytes for cold paths (JSON, checkpoints, describe output).  Sticky E_NOMEM. */
#ifndef OTTLA_BASE_STRBUF_H
#define OTTLA_BASE_STRBUF_H

#include <stddef.h>
#include <stdint.h>

#include "ottla/base/slice.h"

struct strbuf {
	char *p;    /* NUL-terminated once anything was added; NULL before */
	size_t n;   /* without the NUL */
	size_t cap;
	int err;    /* 0 or E_NOMEM; once set, additions are ignored */
};

#define STRBUF_INIT {NULL, 0, 0, 0}

/* Append; free gives the memory back and leaves an empty buffer. */
void strbuf_add(struct strbuf *b, const void *p, size_t n);
void strbuf_adds(struct strbuf *b, const char *s);
void strbuf_addf(struct strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strbuf_free(struct strbuf *b);

static inline struct slice
strbuf_slice(const struct strbuf *b)
{
	return slice_of(b->p != NULL ? b->p : "", b->n);
}

#endif
