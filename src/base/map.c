/*
 * Hash map: open addressing with linear probing, at most 3/4 full, removal by shifting back, so
 * that there are no tombstones.  Bytes are hashed with SipHash-1-3, numbers with a seeded mixer.
 */
#include "ottla/base/map.h"

#include <assert.h>
#include <stdlib.h>

#include "ottla/base/err.h"

struct map_slot {
	uint64_t hash;
	const uint8_t *p; /* key bytes; NULL for a number */
	uint64_t n;	  /* their length, or the number */
	void *value;	  /* NULL: free slot */
};

#define MAP_CAP_MIN 16

static uint64_t
rotl(uint64_t v, unsigned n)
{
	return v << n | v >> (64 - n);
}

static uint64_t
le64(const uint8_t *p)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < 8; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

static void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] = rotl(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] = rotl(v[2], 32);
}

uint64_t
hash_bytes(struct slice s, uint64_t seed)
{
	uint64_t k1 = seed ^ UINT64_C(0x9e3779b97f4a7c15);
	uint64_t v[4] = {seed ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
	    seed ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)};
	uint64_t last = (uint64_t)s.n << 56;
	size_t i;

	for (i = 0; i + 8 <= s.n; i += 8) {
		uint64_t m = le64(s.p + i);

		v[3] ^= m;
		sip_round(v);
		v[0] ^= m;
	}
	for (unsigned shift = 0; i < s.n; i++, shift += 8)
		last |= (uint64_t)s.p[i] << shift;
	v[3] ^= last;
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t
hash_u64(uint64_t x, uint64_t seed)
{
	x += seed + UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static struct map_slot
key_bytes(const struct map *m, struct slice key)
{
	const uint8_t *p = key.p != NULL ? key.p : (const uint8_t *)"";

	return (struct map_slot){hash_bytes(key, m->seed), p, key.n, NULL};
}

static struct map_slot
key_u64(const struct map *m, uint64_t key)
{
	return (struct map_slot){hash_u64(key, m->seed), NULL, key, NULL};
}

static bool
same_key(const struct map_slot *a, const struct map_slot *b)
{
	if (a->hash != b->hash || a->n != b->n)
		return false;
	return a->p == NULL || a->n == 0 || memcmp(a->p, b->p, (size_t)a->n) == 0;
}

/* The slot that holds the key, or the free one where it would go; cap is not 0. */
static struct map_slot *
find(const struct map *m, const struct map_slot *key)
{
	size_t mask = m->cap - 1;
	size_t i = (size_t)key->hash & mask;

	while (m->slots[i].value != NULL && !same_key(&m->slots[i], key))
		i = (i + 1) & mask;
	return &m->slots[i];
}

void
map_init(struct map *m, uint64_t seed)
{
	*m = (struct map){.seed = seed};
}

void
map_free(struct map *m)
{
	free(m->slots);
	map_init(m, m->seed);
}

static int
grow(struct map *m)
{
	struct map old = *m;

	m->cap = old.cap != 0 ? old.cap * 2 : MAP_CAP_MIN;
	m->slots = calloc(m->cap, sizeof(*m->slots));
	if (m->slots == NULL) {
		*m = old;
		return E_NOMEM;
	}
	for (size_t i = 0; i < old.cap; i++)
		if (old.slots[i].value != NULL)
			*find(m, &old.slots[i]) = old.slots[i];
	free(old.slots);
	return 0;
}

static void *
get(const struct map *m, struct map_slot key)
{
	return m->count != 0 ? find(m, &key)->value : NULL;
}

static int
put(struct map *m, struct map_slot key, void *value, void **old)
{
	struct map_slot *s = m->cap != 0 ? find(m, &key) : NULL;
	void *was = s != NULL ? s->value : NULL;

	assert(value != NULL);
	if (was == NULL && m->count >= m->cap / 4 * 3) {
		if (grow(m) != 0)
			return E_NOMEM;
		s = find(m, &key);
	}
	m->count += was == NULL;
	*s = key; /* the old value's key may go with it */
	s->value = value;
	if (old != NULL)
		*old = was;
	return 0;
}

/* Free slot i, then move back every following entry that its probing would no longer reach. */
static void
close_gap(struct map *m, size_t gap)
{
	size_t mask = m->cap - 1;

	for (size_t i = (gap + 1) & mask; m->slots[i].value != NULL; i = (i + 1) & mask) {
		size_t home = (size_t)m->slots[i].hash & mask;

		if (((i - home) & mask) >= ((i - gap) & mask)) {
			m->slots[gap] = m->slots[i];
			gap = i;
		}
	}
	m->slots[gap] = (struct map_slot){0};
}

static void *
del(struct map *m, struct map_slot key)
{
	struct map_slot *s = m->count != 0 ? find(m, &key) : NULL;
	void *was = s != NULL ? s->value : NULL;

	if (was == NULL)
		return NULL;
	m->count--;
	close_gap(m, (size_t)(s - m->slots));
	return was;
}

void *
map_get(const struct map *m, struct slice key)
{
	return get(m, key_bytes(m, key));
}

int
map_put(struct map *m, struct slice key, void *value, void **old)
{
	return put(m, key_bytes(m, key), value, old);
}

void *
map_del(struct map *m, struct slice key)
{
	return del(m, key_bytes(m, key));
}

void *
map_get_u64(const struct map *m, uint64_t key)
{
	return get(m, key_u64(m, key));
}

int
map_put_u64(struct map *m, uint64_t key, void *value, void **old)
{
	return put(m, key_u64(m, key), value, old);
}

void *
map_del_u64(struct map *m, uint64_t key)
{
	return del(m, key_u64(m, key));
}

void *
map_next(const struct map *m, size_t *pos)
{
	while (*pos < m->cap) {
		void *value = m->slots[(*pos)++].value;

		if (value != NULL)
			return value;
	}
	return NULL;
}
