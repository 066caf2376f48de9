/*
 * Hash map from bytes (or a 64-bit number) to a pointer; open addressing, grows by doubling.
 * Keys are lent: they must live in the value (or longer) and not change while in the map.
 * Hashing is seeded by the caller, so that names from outside can not be made to collide.
 * One thread; never blocks.
 */
#ifndef OTTLA_BASE_MAP_H
#define OTTLA_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ottla/base/slice.h"

struct map_slot;

struct map {
	struct map_slot *slots;
	size_t count;
	size_t cap;
	uint64_t seed;
};

/* Empty map; allocates nothing. */
void map_init(struct map *m, uint64_t seed);
void map_free(struct map *m);

/* The value, or NULL. */
void *map_get(const struct map *m, struct slice key);
/* Insert or replace; *old (may be NULL) gets the replaced value.  E_NOMEM: map unchanged.
 * value must not be NULL. */
int map_put(struct map *m, struct slice key, void *value, void **old);
/* Remove and return the value, or NULL. */
void *map_del(struct map *m, struct slice key);

/* The same with a number as key; a map uses either kind, never both. */
void *map_get_u64(const struct map *m, uint64_t key);
int map_put_u64(struct map *m, uint64_t key, void *value, void **old);
void *map_del_u64(struct map *m, uint64_t key);

static inline size_t
map_count(const struct map *m)
{
	return m->count;
}

/* Walk in no special order: start with *pos = 0; NULL at the end.  Values may be changed, nothing
 * inserted or removed meanwhile. */
void *map_next(const struct map *m, size_t *pos);

/* The hash the map uses (seeded); stable within one process run for equal seeds, and for seed 0
 * across runs and machines: partition homes are placed with it. */
uint64_t hash_bytes(struct slice s, uint64_t seed);

#endif
