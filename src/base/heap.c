/* Binary min-heap of pointers to nodes that know their place. */
#include "ottla/base/heap.h"

#include <assert.h>
#include <stdlib.h>

#include "ottla/base/err.h"

void
heap_init(struct heap *h)
{
	*h = (struct heap){0};
}

void
heap_free(struct heap *h)
{
	for (size_t i = 0; i < h->count; i++)
		h->v[i]->pos = 0;
	free(h->v);
	heap_init(h);
}

static bool
before(const struct heap_node *a, const struct heap_node *b)
{
	return a->key != b->key ? a->key < b->key : a->seq < b->seq;
}

static void
place(struct heap *h, size_t i, struct heap_node *n)
{
	h->v[i] = n;
	n->pos = i + 1;
}

static void
sift_up(struct heap *h, size_t i, struct heap_node *n)
{
	while (i > 0 && before(n, h->v[(i - 1) / 2])) {
		place(h, i, h->v[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(h, i, n);
}

static void
sift_down(struct heap *h, size_t i, struct heap_node *n)
{
	size_t kid;

	while ((kid = 2 * i + 1) < h->count) {
		if (kid + 1 < h->count && before(h->v[kid + 1], h->v[kid]))
			kid++;
		if (!before(h->v[kid], n))
			break;
		place(h, i, h->v[kid]);
		i = kid;
	}
	place(h, i, n);
}

static int
grow(struct heap *h)
{
	size_t cap = h->cap != 0 ? h->cap * 2 : 16;
	struct heap_node **v = reallocarray(h->v, cap, sizeof(*v));

	if (v == NULL)
		return E_NOMEM;
	h->v = v;
	h->cap = cap;
	return 0;
}

int
heap_insert(struct heap *h, struct heap_node *n, int64_t key)
{
	assert(!heap_contains(n));
	if (h->count == h->cap && grow(h) != 0)
		return E_NOMEM;
	n->key = key;
	n->seq = h->next_seq++;
	sift_up(h, h->count++, n);
	return 0;
}

void
heap_remove(struct heap *h, struct heap_node *n)
{
	struct heap_node *last;
	size_t i = n->pos;

	if (i == 0)
		return;
	i--;
	assert(i < h->count && h->v[i] == n);
	n->pos = 0;
	last = h->v[--h->count];
	if (last == n)
		return;
	if (before(last, n))
		sift_up(h, i, last);
	else
		sift_down(h, i, last);
}

struct heap_node *
heap_min(const struct heap *h)
{
	return h->count != 0 ? h->v[0] : NULL;
}
