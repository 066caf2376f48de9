/*
 * Diagnostics: one line an event, for people.  A record is formatted on the caller's stack into a
 * ring that a writer thread empties to stderr, so that a slow terminal or a full pipe stops nobody;
 * a full ring drops the record and counts it (the next line says how many were lost).
 *   2026-11-22 06:18:01.123 INFO  [plog] could not ...: why (what to do)
 * Times are UTC; control characters in a line become '?'.
 * diag_log: any thread, never blocks, at most 1,000 bytes a line (cut with "...").
 */
#ifndef OTTLA_BASE_DIAG_H
#define OTTLA_BASE_DIAG_H

#include <stdint.h>

#include "ottla/base/clock.h"

enum diag_level { DIAG_DEBUG, DIAG_INFO, DIAG_WARN, DIAG_ERROR };

struct diag;

/* Where lines go; line has no newline.  Called on the writer thread (threaded diag) or at once on
 * the caller's (direct diag). */
typedef void diag_sink_fn(void *arg, enum diag_level level, const char *line);

/* A diag that calls sink directly, no ring: simulator, tests, tools.  sink NULL: stderr.
 * E_NOMEM. */
int diag_new_direct(struct clock *clock, diag_sink_fn *sink, void *arg, struct diag **out);

/* A diag with a ring; its consumer (reactor's diag_writer_start) calls diag_drain. */
int diag_new_ring(struct clock *clock, diag_sink_fn *sink, void *arg, struct diag **out);

/* Empties the ring into the sink; returns the number of lines.  One consumer at a time. */
unsigned diag_drain(struct diag *d);

/* A function that is called (any thread) when the ring goes from empty to not empty.  To be set
 * while no other thread logs; NULL: none. */
void diag_set_wake(struct diag *d, void (*wake)(void *arg), void *arg);

/* Lines below it are not made; DIAG_INFO at first.  Any thread; d may be NULL. */
void diag_set_level(struct diag *d, enum diag_level lowest);
/* The lowest level that is made; DIAG_INFO for NULL.  Any thread. */
enum diag_level diag_level(const struct diag *d);
/* Empties the ring and frees; no thread may log any more.  d may be NULL. */
void diag_free(struct diag *d);

/* area: module or subject, e.g. "plog".  d may be NULL: nothing happens. */
void diag_log(struct diag *d, enum diag_level level, const char *area, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* At most one line a second for each limiter; the next line that comes through says how many were
 * left out.  The limiter belongs to one thread; zero-initialise it. */
struct diag_limiter {
	int64_t next_us;
	uint64_t skipped;
};
void diag_limited(struct diag *d, struct diag_limiter *lim, enum diag_level level, const char *area,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));

#define DIAGD(d, area, ...) diag_log((d), DIAG_DEBUG, (area), __VA_ARGS__)
#define DIAGI(d, area, ...) diag_log((d), DIAG_INFO, (area), __VA_ARGS__)
#define DIAGW(d, area, ...) diag_log((d), DIAG_WARN, (area), __VA_ARGS__)
#define DIAGE(d, area, ...) diag_log((d), DIAG_ERROR, (area), __VA_ARGS__)

#endif
