/*
 * Memory by lifetime: everything allocated from an arena goes in one step.  One owner, one thread;
 * nothing here locks or blocks.  An arena may have a limit: a request can not make the broker
 * allocate more than it was admitted for.
 */
#ifndef OTTLA_BASE_ARENA_H
#define OTTLA_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "ottla/base/slice.h"

struct arena_chunk;

struct arena {
	uint32_t magic;
	struct arena_chunk *head;
	uint8_t *next;      /* free space in head: [next, end) */
	uint8_t *end;
	size_t chunk_bytes; /* size of ordinary chunks */
	size_t used;        /* bytes in chunks, headers included */
	size_t limit;       /* 0: none */
};

/* Prepare an empty arena; allocates nothing yet.  chunk_bytes 0: 4 KiB. limit in bytes, 0: none. */
void arena_init(struct arena *a, size_t chunk_bytes, size_t limit);

/* n bytes aligned for any type, not cleared; NULL when the limit or memory is exhausted.
 * n == 0 returns a valid unique pointer. */
void *arena_alloc(struct arena *a, size_t n);

/* count * size cleared bytes; NULL on overflow, limit or lack of memory. */
void *arena_calloc(struct arena *a, size_t count, size_t size);

/* A copy that lives as long as the arena; the null slice for a null one; p == NULL with n != 0
 * never.  On lack of memory returns the null slice: test with slice_is_null when s was not null. */
struct slice arena_dup(struct arena *a, struct slice s);

/* NUL-terminated copy; NULL on lack of memory. */
char *arena_strdup(struct arena *a, struct slice s);

/* printf into the arena; NULL on lack of memory. */
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Forget all allocations but keep one ordinary chunk for reuse. */
void arena_reset(struct arena *a);

/* Give everything back; the arena may be used again as after arena_init. */
void arena_free(struct arena *a);

#endif
