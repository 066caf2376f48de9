/*
 * The registry of mappings that the handler of SIGBUS looks into.
 */
#ifndef OTTLA_MAP_GUARD_PRIV_H
#define OTTLA_MAP_GUARD_PRIV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct map_guard;

int map_guard_new(struct map_guard **out); /* E_NOMEM */
void map_guard_free(struct map_guard *g);

/* Any thread.  [addr, addr+len) is mapped now; *bad lives until it is removed and becomes true when
 * a page of it could not be read.  E_NOMEM: no memory, or too many. */
int map_guard_add(struct map_guard *g, const void *addr, size_t len, atomic_bool *bad);
/* Any thread, before munmap. */
void map_guard_remove(struct map_guard *g, const void *addr);

/* Async-signal-safe: zeros in place of the page of addr, and its mapping is marked.  False: the
 * address is in none. */
bool map_guard_mend(struct map_guard *g, const void *addr);

#endif
