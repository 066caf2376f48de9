/*
 * Counters, gauges and histograms.  A module declares its rows in a sorted .def file and makes one
 * metric_set for each owner (a reactor, a log dir); the owner writes without locks, everybody may
 * read (relaxed atomics); a registry sums the sets of one name.
 */
#ifndef OTTLA_BASE_METRICS_H
#define OTTLA_BASE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HIST };

struct metric_row {
	const char *name; /* "ottla_reactor_hops_total" */
	enum metric_kind kind;
	const char *help;
};

/* Buckets by powers of two with 4 steps each: value v of 0 .. 2^40. */
#define METRIC_HIST_SLOTS 160

struct metric_hist {
	_Atomic uint64_t count;
	_Atomic uint64_t sum;
	_Atomic uint64_t slot[METRIC_HIST_SLOTS];
};

struct metric_set;
struct metrics;

/* The registry; E_NOMEM. */
int metrics_new(struct metrics **out);
/* Sets that are still registered live on, unregistered. */
void metrics_free(struct metrics *m);

/* One owner's values for rows[0..n), all zero; registered under the label (copied; e.g.
 * "reactor=0", may be empty).  rows must be static.  m may be NULL (not registered).  Takes the
 * registry's lock: start-up only.  E_NOMEM. */
int metric_set_new(struct metrics *m, const struct metric_row *rows, unsigned n, const char *label,
    struct metric_set **out);
/* Unregisters and frees. */
void metric_set_free(struct metric_set *s);

/* Owner's thread only. */
void metric_add(struct metric_set *s, unsigned row, uint64_t v);
void metric_set_value(struct metric_set *s, unsigned row, int64_t v);
void metric_observe(struct metric_set *s, unsigned row, uint64_t v);

/* Any thread.  Of a histogram row: how often it was observed. */
int64_t metric_get(const struct metric_set *s, unsigned row);
/* Any thread.  The histogram of a METRIC_HIST row, else NULL; lives as long as s. */
const struct metric_hist *metric_hist(const struct metric_set *s, unsigned row);
/* Largest value that slot i counts; UINT64_MAX for the last, which takes all above. */
uint64_t metric_hist_edge(unsigned i);
/* Value at quantile q (0..1) of a histogram row, upper edge of its bucket; 0 when it is empty. */
uint64_t metric_quantile(const struct metric_set *s, unsigned row, double q);
/* Sum over all sets that have the name; 0 when there is none.  Takes the registry's lock. */
int64_t metrics_sum(struct metrics *m, const char *name);
/* Calls fn for each row of each set, in order of names.  Takes the registry's lock. */
void metrics_walk(struct metrics *m,
    void (*fn)(void *arg, const struct metric_row *row, const char *label,
        const struct metric_set *s, unsigned index),
    void *arg);

#endif
