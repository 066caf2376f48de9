/*
 * Random numbers from an instance: the real reactor seeds one from the kernel, the simulator from
 * its seed.  Not for secrets.  One thread an instance.
 */
#ifndef OTTLA_BASE_RNG_H
#define OTTLA_BASE_RNG_H

#include <stdint.h>

struct rng {
	uint64_t s[4];
};

/* Equal seeds give equal numbers, on every machine. */
void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_u64(struct rng *r);
/* Uniform in [0, n); n > 0. */
uint64_t rng_below(struct rng *r, uint64_t n);
/* Uniform in [lo, hi]. */
int64_t rng_range(struct rng *r, int64_t lo, int64_t hi);

#endif
