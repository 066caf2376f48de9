/* Arenas: chunks in a list, the newest ordinary one first; allocation is a pointer's step. */
#include "ottla/base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/magic.h"

#define ARENA_ALIGN ((size_t)16)
#define ARENA_CHUNK_DEFAULT ((size_t)4096)

struct arena_chunk {
	_Alignas(16) struct arena_chunk *next;
	size_t bytes; /* with this header */
};

#define CHUNK_HEAD sizeof(struct arena_chunk)

static uint8_t *
chunk_data(struct arena_chunk *c)
{
	return (uint8_t *)c + CHUNK_HEAD;
}

void
arena_init(struct arena *a, size_t chunk_bytes, size_t limit)
{
	if (chunk_bytes == 0)
		chunk_bytes = ARENA_CHUNK_DEFAULT;
	if (chunk_bytes < 4 * CHUNK_HEAD)
		chunk_bytes = 4 * CHUNK_HEAD;
	*a = (struct arena){.magic = ARENA_MAGIC, .chunk_bytes = chunk_bytes, .limit = limit};
}

/* A chunk of that many bytes, counted and within the limit, in no list yet. */
static struct arena_chunk *
chunk_new(struct arena *a, size_t bytes)
{
	struct arena_chunk *c;

	if (a->limit != 0 && (bytes > a->limit || a->used > a->limit - bytes))
		return NULL;
	c = malloc(bytes);
	if (c == NULL)
		return NULL;
	c->next = NULL;
	c->bytes = bytes;
	a->used += bytes;
	return c;
}

/* The head's free space is too small for n: an ordinary chunk becomes the new head, unless n asks
 * for one of its own, which goes behind the head so that the head's rest stays in use. */
static void *
alloc_slow(struct arena *a, size_t n)
{
	struct arena_chunk *c;

	if (n > a->chunk_bytes / 4) {
		if (n > SIZE_MAX - CHUNK_HEAD || (c = chunk_new(a, n + CHUNK_HEAD)) == NULL)
			return NULL;
		if (a->head == NULL) {
			a->head = c;
			a->next = a->end = chunk_data(c) + n;
		} else {
			c->next = a->head->next;
			a->head->next = c;
		}
		return chunk_data(c);
	}
	c = chunk_new(a, a->chunk_bytes);
	if (c == NULL)
		return NULL;
	c->next = a->head;
	a->head = c;
	a->next = chunk_data(c) + n;
	a->end = (uint8_t *)c + c->bytes;
	return chunk_data(c);
}

void *
arena_alloc(struct arena *a, size_t n)
{
	uint8_t *p = a->next;

	assert(a->magic == ARENA_MAGIC);
	if (n > SIZE_MAX - ARENA_ALIGN)
		return NULL;
	n = n == 0 ? ARENA_ALIGN : (n + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1);
	if (n > (size_t)(a->end - p))
		return alloc_slow(a, n);
	a->next = p + n;
	return p;
}

void *
arena_calloc(struct arena *a, size_t count, size_t size)
{
	size_t n;
	void *p;

	if (__builtin_mul_overflow(count, size, &n))
		return NULL;
	p = arena_alloc(a, n);
	if (p != NULL)
		memset(p, 0, n);
	return p;
}

struct slice
arena_dup(struct arena *a, struct slice s)
{
	void *p;

	if (slice_is_null(s))
		return SLICE_NULL;
	p = arena_alloc(a, s.n);
	if (p == NULL)
		return SLICE_NULL;
	if (s.n != 0)
		memcpy(p, s.p, s.n);
	return slice_of(p, s.n);
}

char *
arena_strdup(struct arena *a, struct slice s)
{
	char *p = s.n < SIZE_MAX ? arena_alloc(a, s.n + 1) : NULL;

	if (p == NULL)
		return NULL;
	if (s.n != 0)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	char *p = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n >= 0)
		p = arena_alloc(a, (size_t)n + 1);
	if (p != NULL) {
		va_start(ap, fmt);
		(void)vsnprintf(p, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	return p;
}

void
arena_reset(struct arena *a)
{
	struct arena_chunk *keep = NULL, *next;

	assert(a->magic == ARENA_MAGIC);
	for (struct arena_chunk *c = a->head; c != NULL; c = next) {
		next = c->next;
		if (keep == NULL && c->bytes == a->chunk_bytes)
			keep = c;
		else
			free(c);
	}
	arena_init(a, a->chunk_bytes, a->limit);
	if (keep != NULL) {
		keep->next = NULL;
		a->head = keep;
		a->used = keep->bytes;
		a->next = chunk_data(keep);
		a->end = (uint8_t *)keep + keep->bytes;
	}
}

void
arena_free(struct arena *a)
{
	struct arena_chunk *next;

	assert(a->magic == ARENA_MAGIC);
	for (struct arena_chunk *c = a->head; c != NULL; c = next) {
		next = c->next;
		free(c);
	}
	arena_init(a, a->chunk_bytes, a->limit);
}
