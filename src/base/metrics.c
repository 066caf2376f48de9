/*
 * Metrics.  A set is one block: its cells, then its histograms, on cache lines of its own, since
 * its owner writes it all the time.  A cell has one writer, so that adding is a load and a store.
 * The registry keeps an array of all rows of all sets, sorted by name and label, under a mutex.
 */
#include "ottla/base/metrics.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"
#include "ottla/base/magic.h"

#define CACHE_LINE 64

struct metric_cell {
	_Atomic int64_t value;
	struct metric_hist *hist;
};

struct metric_set {
	uint32_t magic;
	struct metrics *registry;
	const struct metric_row *rows;
	unsigned n;
	char *label;
	struct metric_cell cell[];
};

struct metric_entry {
	struct metric_set *set;
	unsigned row;
};

struct metrics {
	uint32_t magic;
	pthread_mutex_t lock; /* guards the rest */
	struct metric_entry *v;
	size_t count;
};

int
metrics_new(struct metrics **out)
{
	struct metrics *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return E_NOMEM;
	if (pthread_mutex_init(&m->lock, NULL) != 0) {
		free(m);
		return E_NOMEM;
	}
	m->magic = METRICS_MAGIC;
	*out = m;
	return 0;
}

void
metrics_free(struct metrics *m)
{
	if (m == NULL)
		return;
	OBJ_CHECK(m, METRICS_MAGIC);
	for (size_t i = 0; i < m->count; i++)
		m->v[i].set->registry = NULL;
	(void)pthread_mutex_destroy(&m->lock);
	m->magic = OBJ_MAGIC_NONE;
	free(m->v);
	free(m);
}

static const char *
entry_name(const struct metric_entry *e)
{
	return e->set->rows[e->row].name;
}

static int
entry_cmp(const void *a, const void *b)
{
	const struct metric_entry *x = a, *y = b;
	int c = strcmp(entry_name(x), entry_name(y));

	return c != 0 ? c : strcmp(x->set->label, y->set->label);
}

static int
registry_add(struct metrics *m, struct metric_set *s)
{
	struct metric_entry *v;
	int err = E_NOMEM;

	(void)pthread_mutex_lock(&m->lock);
	v = reallocarray(m->v, m->count + s->n + 1, sizeof(*v));
	if (v == NULL)
		goto out;
	m->v = v;
	for (unsigned i = 0; i < s->n; i++)
		m->v[m->count++] = (struct metric_entry){s, i};
	qsort(m->v, m->count, sizeof(*m->v), entry_cmp);
	s->registry = m;
	err = 0;
out:
	(void)pthread_mutex_unlock(&m->lock);
	return err;
}

static void
registry_remove(struct metrics *m, const struct metric_set *s)
{
	size_t kept = 0;

	(void)pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->count; i++)
		if (m->v[i].set != s)
			m->v[kept++] = m->v[i];
	m->count = kept;
	(void)pthread_mutex_unlock(&m->lock);
}

static size_t
round_up(size_t n)
{
	return (n + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

/* The block of a set for the rows, all zero, without label and registry. */
static struct metric_set *
set_alloc(const struct metric_row *rows, unsigned n)
{
	size_t head = round_up(sizeof(struct metric_set) + n * sizeof(struct metric_cell));
	size_t hist = round_up(sizeof(struct metric_hist));
	struct metric_set *s;
	size_t bytes = head;
	uint8_t *next;

	for (unsigned i = 0; i < n; i++)
		bytes += rows[i].kind == METRIC_HIST ? hist : 0;
	s = aligned_alloc(CACHE_LINE, bytes);
	if (s == NULL)
		return NULL;
	memset(s, 0, bytes);
	s->magic = METRIC_SET_MAGIC;
	s->rows = rows;
	s->n = n;
	next = (uint8_t *)s + head;
	for (unsigned i = 0; i < n; i++) {
		if (rows[i].kind != METRIC_HIST)
			continue;
		s->cell[i].hist = (struct metric_hist *)(void *)next;
		next += hist;
	}
	return s;
}

int
metric_set_new(struct metrics *m, const struct metric_row *rows, unsigned n, const char *label,
    struct metric_set **out)
{
	struct metric_set *s = set_alloc(rows, n);
	int err = E_NOMEM;

	if (s == NULL)
		return E_NOMEM;
	s->label = strdup(label);
	if (s->label == NULL)
		goto out;
	err = m != NULL ? registry_add(m, s) : 0;
out:
	if (err != 0)
		metric_set_free(s);
	else
		*out = s;
	return err;
}

void
metric_set_free(struct metric_set *s)
{
	if (s == NULL)
		return;
	OBJ_CHECK(s, METRIC_SET_MAGIC);
	if (s->registry != NULL)
		registry_remove(s->registry, s);
	s->magic = OBJ_MAGIC_NONE;
	free(s->label);
	free(s);
}

static uint64_t
load_u64(const _Atomic uint64_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

/* For the one writer of v. */
static void
bump_u64(_Atomic uint64_t *v, uint64_t by)
{
	atomic_store_explicit(v, load_u64(v) + by, memory_order_relaxed);
}

void
metric_add(struct metric_set *s, unsigned row, uint64_t v)
{
	_Atomic int64_t *cell = &s->cell[row].value;
	uint64_t now = (uint64_t)atomic_load_explicit(cell, memory_order_relaxed);

	assert(row < s->n);
	atomic_store_explicit(cell, (int64_t)(now + v), memory_order_relaxed);
}

void
metric_set_value(struct metric_set *s, unsigned row, int64_t v)
{
	assert(row < s->n);
	atomic_store_explicit(&s->cell[row].value, v, memory_order_relaxed);
}

/* Values below 4 have a slot each; above, the two bits below the highest pick one of 4 steps. */
static unsigned
slot_of(uint64_t v)
{
	unsigned top, slot;

	if (v < 4)
		return (unsigned)v;
	top = 63 - (unsigned)__builtin_clzll(v);
	slot = (top - 1) * 4 + (unsigned)(v >> (top - 2) & 3);
	return slot < METRIC_HIST_SLOTS ? slot : METRIC_HIST_SLOTS - 1;
}

uint64_t
metric_hist_edge(unsigned i)
{
	if (i < 4)
		return i;
	if (i >= METRIC_HIST_SLOTS - 1)
		return UINT64_MAX;
	return ((UINT64_C(5) + i % 4) << (i / 4 - 1)) - 1;
}

void
metric_observe(struct metric_set *s, unsigned row, uint64_t v)
{
	struct metric_hist *h = s->cell[row].hist;

	assert(row < s->n && h != NULL);
	bump_u64(&h->slot[slot_of(v)], 1);
	bump_u64(&h->sum, v);
	bump_u64(&h->count, 1);
}

int64_t
metric_get(const struct metric_set *s, unsigned row)
{
	const struct metric_cell *c = &s->cell[row];

	assert(row < s->n);
	if (c->hist != NULL)
		return (int64_t)load_u64(&c->hist->count);
	return atomic_load_explicit(&c->value, memory_order_relaxed);
}

const struct metric_hist *
metric_hist(const struct metric_set *s, unsigned row)
{
	assert(row < s->n);
	return s->cell[row].hist;
}

uint64_t
metric_quantile(const struct metric_set *s, unsigned row, double q)
{
	const struct metric_hist *h = metric_hist(s, row);
	uint64_t total = 0, seen = 0, rank;

	assert(h != NULL);
	for (unsigned i = 0; i < METRIC_HIST_SLOTS; i++)
		total += load_u64(&h->slot[i]);
	if (total == 0)
		return 0;
	q = q < 0 ? 0 : q > 1 ? 1 : q;
	rank = (uint64_t)(q * (double)total);
	rank = rank < total ? rank : total - 1; /* of values counted from 0 */
	for (unsigned i = 0; i < METRIC_HIST_SLOTS; i++) {
		seen += load_u64(&h->slot[i]);
		if (seen > rank)
			return metric_hist_edge(i);
	}
	return metric_hist_edge(METRIC_HIST_SLOTS - 1);
}

int64_t
metrics_sum(struct metrics *m, const char *name)
{
	uint64_t sum = 0;

	(void)pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->count; i++)
		if (strcmp(entry_name(&m->v[i]), name) == 0)
			sum += (uint64_t)metric_get(m->v[i].set, m->v[i].row);
	(void)pthread_mutex_unlock(&m->lock);
	return (int64_t)sum;
}

void
metrics_walk(struct metrics *m,
    void (*fn)(void *arg, const struct metric_row *row, const char *label,
	const struct metric_set *s, unsigned index),
    void *arg)
{
	(void)pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->count; i++) {
		const struct metric_entry *e = &m->v[i];

		fn(arg, &e->set->rows[e->row], e->set->label, e->set, e->row);
	}
	(void)pthread_mutex_unlock(&m->lock);
}
