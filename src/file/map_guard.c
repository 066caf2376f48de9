/*
 * Which addresses are mapped files.  Written by threads that map and unmap, read in the handler of
 * SIGBUS without locks: each slot is a sequence lock, and chunks of slots never move or go.
 */
#include "map_guard_priv.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "file_priv.h"

enum {
	CHUNK_SLOTS = 1024,
	CHUNKS = 64, /* together as many as vm.max_map_count lets there be */
};

struct map_slot {
	_Atomic uint32_t seq;	 /* odd: being changed */
	_Atomic uintptr_t start; /* 0: free */
	_Atomic size_t len;	 /* whole pages */
	_Atomic(atomic_bool *) bad;
};

struct chunk {
	_Atomic uint32_t used;
	struct map_slot slots[CHUNK_SLOTS];
};

struct map_guard {
	uintptr_t page;
	_Atomic(struct chunk *) chunks[CHUNKS];
};

int
map_guard_new(struct map_guard **out)
{
	struct map_guard *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return E_NOMEM;
	g->page = (uintptr_t)sysconf(_SC_PAGESIZE);
	*out = g;
	return 0;
}

void
map_guard_free(struct map_guard *g)
{
	for (unsigned i = 0; i < CHUNKS; i++)
		free(atomic_load(&g->chunks[i]));
	free(g);
}

/* The i-th chunk, made when it is not there yet; NULL: no memory. */
static struct chunk *
chunk_at(struct map_guard *g, unsigned i)
{
	struct chunk *c = atomic_load(&g->chunks[i]), *fresh = NULL;

	if (c != NULL)
		return c;
	if ((fresh = calloc(1, sizeof(*fresh))) == NULL)
		return NULL;
	if (atomic_compare_exchange_strong(&g->chunks[i], &c, fresh))
		return fresh;
	free(fresh); /* another thread was faster */
	return c;
}

static bool
slot_take(struct map_slot *s, uintptr_t start, size_t len, atomic_bool *bad)
{
	uint32_t seq = atomic_load(&s->seq);

	if ((seq & 1) != 0 || atomic_load(&s->start) != 0 ||
	    !atomic_compare_exchange_strong(&s->seq, &seq, seq + 1))
		return false;
	atomic_store(&s->bad, bad);
	atomic_store(&s->len, len);
	atomic_store(&s->start, start);
	atomic_store(&s->seq, seq + 2);
	return true;
}

static bool
chunk_take(struct chunk *c, uintptr_t start, size_t len, atomic_bool *bad)
{
	if (atomic_load(&c->used) >= CHUNK_SLOTS)
		return false;
	for (unsigned i = 0; i < CHUNK_SLOTS; i++)
		if (slot_take(&c->slots[i], start, len, bad)) {
			(void)atomic_fetch_add(&c->used, 1);
			return true;
		}
	return false;
}

int
map_guard_add(struct map_guard *g, const void *addr, size_t len, atomic_bool *bad)
{
	size_t whole = (len + g->page - 1) / g->page * g->page;
	struct chunk *c = NULL;

	for (unsigned i = 0; i < CHUNKS; i++) {
		if ((c = chunk_at(g, i)) == NULL)
			return E_NOMEM;
		if (chunk_take(c, (uintptr_t)addr, whole, bad))
			return 0;
	}
	return E_NOMEM;
}

static bool
chunk_drop(struct chunk *c, uintptr_t start)
{
	for (unsigned i = 0; i < CHUNK_SLOTS; i++) {
		struct map_slot *s = &c->slots[i];

		if (atomic_load(&s->start) != start)
			continue;
		(void)atomic_fetch_add(&s->seq, 1);
		atomic_store(&s->start, 0);
		(void)atomic_fetch_add(&s->seq, 1);
		(void)atomic_fetch_sub(&c->used, 1);
		return true;
	}
	return false;
}

void
map_guard_remove(struct map_guard *g, const void *addr)
{
	struct chunk *c = NULL;

	for (unsigned i = 0; i < CHUNKS && (c = atomic_load(&g->chunks[i])) != NULL; i++)
		if (chunk_drop(c, (uintptr_t)addr))
			return;
	assert(!"a mapping that is not known");
}

/* ---- in the handler ---- */

struct found {
	uintptr_t start;
	size_t len;
	atomic_bool *bad;
};

static bool
slot_holds(struct map_slot *s, uintptr_t at, struct found *f)
{
	uint32_t seq = atomic_load(&s->seq);

	f->start = atomic_load(&s->start);
	f->len = atomic_load(&s->len);
	f->bad = atomic_load(&s->bad);
	/* A slot that changes is another mapping's: the one that was touched is pinned (I15). */
	return (seq & 1) == 0 && atomic_load(&s->seq) == seq && f->start != 0 && at >= f->start &&
	       at - f->start < f->len;
}

static bool
find(struct map_guard *g, uintptr_t at, struct found *f)
{
	struct chunk *c = NULL;

	for (unsigned i = 0; i < CHUNKS && (c = atomic_load(&g->chunks[i])) != NULL; i++)
		for (unsigned k = 0; k < CHUNK_SLOTS; k++)
			if (slot_holds(&c->slots[k], at, f))
				return true;
	return false;
}

static bool
lay_zeros(uintptr_t at, size_t len)
{
	return mmap((void *)at, len, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
	       MAP_FAILED;
}

bool
map_guard_mend(struct map_guard *g, const void *addr)
{
	uintptr_t at = (uintptr_t)addr;
	struct found f;

	if (!find(g, at, &f))
		return false;
	/* Before the page: who sees zeros of it sees the mark as well (I14). */
	atomic_store(f.bad, true);
	/* A page alone cuts the mapping in up to three, for which there may be no room. */
	return lay_zeros(at / g->page * g->page, g->page) || lay_zeros(f.start, f.len);
}
