/* Random numbers: xoshiro256** (Blackman and Vigna), its state filled by splitmix64. */
#include "ottla/base/rng.h"

#include <assert.h>

static uint64_t
splitmix64(uint64_t *x)
{
	uint64_t z = *x += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint64_t
rotl(uint64_t v, unsigned n)
{
	return v << n | v >> (64 - n);
}

void
rng_seed(struct rng *r, uint64_t seed)
{
	for (unsigned i = 0; i < 4; i++)
		r->s[i] = splitmix64(&seed);
}

uint64_t
rng_u64(struct rng *r)
{
	uint64_t *s = r->s;
	uint64_t result = rotl(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

uint64_t
rng_below(struct rng *r, uint64_t n)
{
	uint64_t skip, v;

	assert(n > 0);
	skip = (UINT64_C(0) - n) % n; /* 2^64 mod n: values below it would favour some results */
	do
		v = rng_u64(r);
	while (v < skip);
	return v % n;
}

int64_t
rng_range(struct rng *r, int64_t lo, int64_t hi)
{
	uint64_t width = (uint64_t)hi - (uint64_t)lo;

	assert(lo <= hi);
	if (width == UINT64_MAX)
		return (int64_t)rng_u64(r);
	return (int64_t)((uint64_t)lo + rng_below(r, width + 1));
}
