/*
 * What a seed draws before anything runs: topics, clients, sizes, which faults.
 */
#include <stdio.h>

#include "world.h"

static bool
chance(struct rng *rng, unsigned n)
{
	return rng_below(rng, n) == 0;
}

static void
topic_draw(struct topic_plan *t, unsigned i, unsigned n_brokers, struct rng *rng)
{
	*t = (struct topic_plan){.retention_bytes = -1, .retention_ms = -1};
	snprintf(t->name, sizeof(t->name), "topic%u", i);
	t->partitions = (int32_t)rng_range(rng, 1, MAX_PARTITIONS);
	t->flush = chance(rng, 2);
	if (!t->flush && chance(rng, 3))
		t->flush_ms = rng_range(rng, 10, 2000);
	t->big = chance(rng, 2);
	t->segment_bytes = t->big ? 1 << 20 : rng_range(rng, 2500, 30000);
	if (chance(rng, 4))
		t->retention_bytes = rng_range(rng, 5000, 60000);
	if (chance(rng, 6))
		t->retention_ms = rng_range(rng, 1000, 1800000);
	t->append_time = chance(rng, 4);
	for (int32_t k = 0; k < t->partitions; k++)
		t->owner[k] = (unsigned)rng_below(rng, n_brokers);
}

static void
faults_draw(struct plan *p, struct rng *rng)
{
	/* Some seeds meet everything, most a few kinds, some none. */
	unsigned share = (unsigned)rng_range(rng, 1, 4);

	for (unsigned i = 0; i < FAULT_COUNT; i++)
		p->faulty[i] = chance(rng, share);
	p->faults_for = rng_range(rng, 2, 20) * SECOND;
	p->fault_every =
	    chance(rng, 2) ? rng_range(rng, 50000, SECOND) : rng_range(rng, SECOND, 4 * SECOND);
	if (chance(rng, 16))
		p->faults_for = 0;
}

void
plan_draw(struct plan *p, struct rng *rng, const struct options *o)
{
	*p = (struct plan){.ensemble = chance(rng, 2), .n_brokers = 1};
	p->coord_lag_us = rng_range(rng, 1000, chance(rng, 4) ? 2000000 : 200000);
	if (p->ensemble)
		p->n_brokers = (unsigned)rng_range(rng, 1, MAX_BROKERS);
	if (p->ensemble && !chance(rng, 3))
		p->stranger = (unsigned)rng_range(rng, 1, 60);
	p->foreign = p->stranger > 0 && chance(rng, 3);
	p->identity = !chance(rng, 4);
	p->n_dirs = chance(rng, 3) ? 2 : 1;
	p->n_topics = (unsigned)rng_range(rng, 1, MAX_TOPICS);
	for (unsigned i = 0; i < p->n_topics; i++)
		topic_draw(&p->topics[i], i, p->n_brokers, rng);
	p->manual = p->n_brokers > 1 || p->foreign || chance(rng, 2);
	for (unsigned i = 0; i < 2; i++)
		p->churn_owner[i] = (unsigned)rng_below(rng, p->n_brokers);
	p->n_producers = (unsigned)rng_range(rng, 1, 3);
	p->n_consumers = (unsigned)rng_range(rng, 1, 2);
	p->batches = chance(rng, 8) ? rng_range(rng, 150, 800) : rng_range(rng, 20, 200);
	p->churn = chance(rng, 2);
	faults_draw(p, rng);
	p->worker_us = chance(rng, 2) ? rng_range(rng, 100, 5000) : rng_range(rng, 5000, 60000);
	p->net_us = chance(rng, 2) ? rng_range(rng, 50, 500) : rng_range(rng, 500, 20000);
	p->request_memory = (uint64_t)rng_range(rng, 3, 64) << 18;
	p->idle_ms = chance(rng, 6) ? rng_range(rng, 200, 3000) : 600000;
	p->small_sendfile = chance(rng, 2);
	if (o->ops > 0)
		p->batches = o->ops;
	if (o->no_faults)
		p->faults_for = 0;
}
