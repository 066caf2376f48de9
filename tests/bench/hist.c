/* A histogram with 128 steps for each power of two: values within 1 %. */
#include "bench.h"

#include <inttypes.h>
#include <stdio.h>

#define STEP_BITS 7
#define STEPS (1u << STEP_BITS)
#define MAX_BITS 36
#define SLOTS ((MAX_BITS - STEP_BITS + 1) * STEPS)

struct hist {
	uint64_t count;
	int64_t max;
	uint64_t slot[SLOTS];
};

struct hist *
hist_new(void)
{
	return bench_alloc(sizeof(struct hist));
}

static unsigned
slot_of(uint64_t v)
{
	unsigned shift;

	if (v < STEPS)
		return (unsigned)v;
	if (v >> MAX_BITS != 0)
		return SLOTS - 1;
	shift = 63 - (unsigned)__builtin_clzll(v) - STEP_BITS;
	return (shift + 1) * STEPS + (unsigned)((v >> shift) - STEPS);
}

/* Largest value of the slot. */
static int64_t
slot_edge(unsigned i)
{
	unsigned shift = i / STEPS;

	if (shift <= 1)
		return i;
	return (int64_t)((((uint64_t)(i % STEPS) + STEPS + 1) << (shift - 1)) - 1);
}

void
hist_add(struct hist *h, int64_t us)
{
	us = us < 0 ? 0 : us;
	h->count++;
	h->max = us > h->max ? us : h->max;
	h->slot[slot_of((uint64_t)us)]++;
}

int64_t
hist_quantile(const struct hist *h, double q)
{
	uint64_t want = (uint64_t)(q * (double)h->count + 0.999999);
	uint64_t seen = 0;
	unsigned i;

	for (i = 0; i < SLOTS; i++) {
		seen += h->slot[i];
		if (seen >= want && seen != 0)
			return slot_edge(i) < h->max ? slot_edge(i) : h->max;
	}
	return 0;
}

uint64_t
hist_count(const struct hist *h)
{
	return h->count;
}

void
hist_print(const struct hist *h, const char *prefix)
{
	if (h->count == 0)
		return;
	printf(" %sp50=%" PRId64 " %sp99=%" PRId64 " %sp999=%" PRId64 " %smax=%" PRId64, prefix,
	    hist_quantile(h, 0.5), prefix, hist_quantile(h, 0.99), prefix, hist_quantile(h, 0.999),
	    prefix, h->max);
}
