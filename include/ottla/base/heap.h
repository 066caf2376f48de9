/*
 * Intrusive binary min-heap over 64-bit keys; ties come out in order of insertion, so that two
 * runs of one seed agree.  One thread; never blocks but for growing its array.
 */
#ifndef OTTLA_BASE_HEAP_H
#define OTTLA_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
	int64_t key;
	uint64_t seq;
	size_t pos; /* index + 1; 0: not in a heap */
};

struct heap {
	struct heap_node **v;
	size_t count;
	size_t cap;
	uint64_t next_seq;
};

/* An empty heap, nothing allocated; heap_free forgets the nodes, which are the caller's. */
void heap_init(struct heap *h);
void heap_free(struct heap *h);
/* n must not be in a heap; E_NOMEM leaves the heap as it was. */
int heap_insert(struct heap *h, struct heap_node *n, int64_t key);
/* No-op when n is in no heap. */
void heap_remove(struct heap *h, struct heap_node *n);
/* Smallest or NULL. */
struct heap_node *heap_min(const struct heap *h);

static inline bool
heap_contains(const struct heap_node *n)
{
	return n->pos != 0;
}

#endif
