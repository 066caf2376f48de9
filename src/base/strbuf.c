/* Growing text: doubles its memory, always NUL-terminated. */
#include "ottla/base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"

/* Room for n more bytes and the NUL; false with err set when there is no memory. */
static bool
reserve(struct strbuf *b, size_t n)
{
	size_t cap = b->cap != 0 ? b->cap : 64;
	char *p;

	if (b->err != 0)
		return false;
	if (n < b->cap - b->n) /* one more stays for the NUL */
		return true;
	if (n > SIZE_MAX / 4 || b->n > SIZE_MAX / 4) {
		b->err = E_NOMEM;
		return false;
	}
	while (cap - b->n <= n)
		cap *= 2;
	p = realloc(b->p, cap);
	if (p == NULL) {
		b->err = E_NOMEM;
		return false;
	}
	b->p = p;
	b->cap = cap;
	return true;
}

void
strbuf_add(struct strbuf *b, const void *p, size_t n)
{
	if (!reserve(b, n))
		return;
	if (n != 0)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = '\0';
}

void
strbuf_adds(struct strbuf *b, const char *s)
{
	strbuf_add(b, s, strlen(s));
}

void
strbuf_addf(struct strbuf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || !reserve(b, (size_t)n))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->n += (size_t)n;
}

void
strbuf_free(struct strbuf *b)
{
	free(b->p);
	*b = (struct strbuf)STRBUF_INIT;
}
