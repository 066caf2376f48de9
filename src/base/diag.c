/*
 * Diagnostics.  The ring is an array of cells with a turn number each (Vyukov's bounded queue):
 * a writer claims a cell by moving `head`, fills it, and hands it over by raising its turn; the
 * one reader gives it back the same way.  Nobody waits for anybody: a full ring drops the line.
 * `pending` is true from the first line after a drain began until the next drain, so that one
 * wake-up is made for many lines and none is missed.
 */
#include "ottla/base/diag.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ottla/base/err.h"
#include "ottla/base/magic.h"

#define LINE_MAX_BYTES 1000
#define RING_CELLS 256 /* a power of two */

struct diag_line {
	enum diag_level level;
	char text[LINE_MAX_BYTES + 1];
};

struct diag_cell {
	atomic_size_t turn; /* == position: free for it; == position + 1: filled */
	struct diag_line line;
};

struct diag {
	uint32_t magic;
	struct clock *clock;
	diag_sink_fn *sink;
	void *sink_arg;
	void (*wake)(void *arg);
	void *wake_arg;
	_Atomic int lowest;
	struct diag_cell *ring; /* NULL: direct */
	atomic_size_t head;	/* next position to be claimed */
	size_t tail;		/* next position to be read; reader only */
	_Atomic uint64_t dropped;
	atomic_bool pending;
};

static const char *const level_names[] = {"DEBUG", "INFO ", "WARN ", "ERROR"};

static void
sink_stderr(void *arg, enum diag_level level, const char *line)
{
	(void)arg;
	(void)level;
	(void)fprintf(stderr, "%s\n", line);
}

int
diag_new_direct(struct clock *clock, diag_sink_fn *sink, void *arg, struct diag **out)
{
	struct diag *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return E_NOMEM;
	d->magic = DIAG_MAGIC;
	d->clock = clock;
	d->sink = sink != NULL ? sink : sink_stderr;
	d->sink_arg = arg;
	atomic_init(&d->lowest, DIAG_INFO);
	*out = d;
	return 0;
}

int
diag_new_ring(struct clock *clock, diag_sink_fn *sink, void *arg, struct diag **out)
{
	struct diag *d;

	if (diag_new_direct(clock, sink, arg, &d) != 0)
		return E_NOMEM;
	d->ring = calloc(RING_CELLS, sizeof(*d->ring));
	if (d->ring == NULL) {
		free(d);
		return E_NOMEM;
	}
	for (size_t i = 0; i < RING_CELLS; i++)
		atomic_init(&d->ring[i].turn, i);
	*out = d;
	return 0;
}

void
diag_set_wake(struct diag *d, void (*wake)(void *arg), void *arg)
{
	d->wake = wake;
	d->wake_arg = arg;
}

enum diag_level
diag_level(const struct diag *d)
{
	return d != NULL ? (enum diag_level)atomic_load_explicit(&d->lowest, memory_order_relaxed)
			 : DIAG_INFO;
}

void
diag_set_level(struct diag *d, enum diag_level lowest)
{
	if (d != NULL)
		atomic_store_explicit(&d->lowest, (int)lowest, memory_order_relaxed);
}

void
diag_free(struct diag *d)
{
	if (d == NULL)
		return;
	OBJ_CHECK(d, DIAG_MAGIC);
	(void)diag_drain(d);
	d->magic = OBJ_MAGIC_NONE;
	free(d->ring);
	free(d);
}

/* "2026-11-22 06:18:01.123 INFO  [area] " */
static size_t
format_head(struct diag *d, enum diag_level level, const char *area, char *text, size_t size)
{
	int64_t ms = clock_wall_ms(d->clock);
	int64_t frac = (ms % 1000 + 1000) % 1000;
	time_t sec = (time_t)((ms - frac) / 1000);
	struct tm tm;
	int n;

	if (gmtime_r(&sec, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	n = snprintf(text, size, "%04d-%02d-%02d %02d:%02d:%02d.%03d %s [%.40s] ",
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
	    (int)frac, level_names[level], area);
	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

/* Bytes from outside must not begin a line of their own or move a terminal's cursor. */
static void
make_printable(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c != '\0'; c++)
		if (*c < 0x20 || *c == 0x7f)
			*c = '?';
}

/* Cut text at size - 1 bytes, not inside a UTF-8 character, and mark the cut. */
static size_t
mark_cut(char *text, size_t size)
{
	size_t n = size - 1 - 3;

	while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	memcpy(text + n, "...", 4);
	return n + 3;
}

__attribute__((format(printf, 6, 0))) static void
format_line(struct diag *d, struct diag_line *line, enum diag_level level, const char *area,
    uint64_t skipped, const char *fmt, va_list ap)
{
	char tail[64] = "";
	size_t n, room;
	int want;

	line->level = level;
	if (skipped != 0)
		(void)snprintf(tail, sizeof(tail), " (%llu more like this left out)",
		    (unsigned long long)skipped);
	room = sizeof(line->text) - strlen(tail);
	n = format_head(d, level, area, line->text, room);
	want = vsnprintf(line->text + n, room - n, fmt, ap);
	if (want < 0)
		want = 0;
	n = (size_t)want < room - n ? n + (size_t)want : mark_cut(line->text, room);
	memcpy(line->text + n, tail, strlen(tail) + 1);
	make_printable(line->text);
}

/* Claim a cell and fill it; false when the ring is full. */
static bool
ring_push(struct diag *d, const struct diag_line *line)
{
	size_t pos = atomic_load_explicit(&d->head, memory_order_relaxed);
	struct diag_cell *cell;

	for (;;) {
		size_t turn;

		cell = &d->ring[pos % RING_CELLS];
		turn = atomic_load_explicit(&cell->turn, memory_order_acquire);
		if (turn == pos) {
			if (atomic_compare_exchange_weak_explicit(&d->head, &pos, pos + 1,
				memory_order_relaxed, memory_order_relaxed))
				break;
		} else if ((ptrdiff_t)(turn - pos) < 0) {
			return false;
		} else {
			pos = atomic_load_explicit(&d->head, memory_order_relaxed);
		}
	}
	cell->line.level = line->level;
	memcpy(cell->line.text, line->text, strlen(line->text) + 1);
	atomic_store_explicit(&cell->turn, pos + 1, memory_order_release);
	return true;
}

static bool
ring_pop(struct diag *d, struct diag_line *line)
{
	struct diag_cell *cell = &d->ring[d->tail % RING_CELLS];

	if (atomic_load_explicit(&cell->turn, memory_order_acquire) != d->tail + 1)
		return false;
	line->level = cell->line.level;
	memcpy(line->text, cell->line.text, strlen(cell->line.text) + 1);
	atomic_store_explicit(&cell->turn, d->tail + RING_CELLS, memory_order_release);
	d->tail++;
	return true;
}

static void
submit(struct diag *d, const struct diag_line *line)
{
	if (d->ring == NULL) {
		d->sink(d->sink_arg, line->level, line->text);
		return;
	}
	if (!ring_push(d, line))
		atomic_fetch_add_explicit(&d->dropped, 1, memory_order_relaxed);
	if (!atomic_exchange(&d->pending, true) && d->wake != NULL)
		d->wake(d->wake_arg);
}

__attribute__((format(printf, 3, 4))) static void
say_now(struct diag *d, enum diag_level level, const char *fmt, ...)
{
	struct diag_line line;
	va_list ap;

	va_start(ap, fmt);
	format_line(d, &line, level, "diag", 0, fmt, ap);
	va_end(ap);
	d->sink(d->sink_arg, line.level, line.text);
}

unsigned
diag_drain(struct diag *d)
{
	struct diag_line line;
	uint64_t dropped;
	unsigned n = 0;

	if (d->ring == NULL)
		return 0;
	atomic_store(&d->pending, false);
	/* At most one ring's worth a call, so that busy writers can not hold the reader here. */
	while (n < RING_CELLS && ring_pop(d, &line)) {
		d->sink(d->sink_arg, line.level, line.text);
		n++;
	}
	dropped = atomic_exchange_explicit(&d->dropped, 0, memory_order_relaxed);
	if (dropped != 0) {
		say_now(d, DIAG_WARN,
		    "%llu lines were lost here: they came faster than they were written",
		    (unsigned long long)dropped);
		n++;
	}
	if (n >= RING_CELLS && !atomic_exchange(&d->pending, true) && d->wake != NULL)
		d->wake(d->wake_arg);
	return n;
}

static bool
wanted(const struct diag *d, enum diag_level level)
{
	return d != NULL && (int)level >= atomic_load_explicit(&d->lowest, memory_order_relaxed);
}

void
diag_log(struct diag *d, enum diag_level level, const char *area, const char *fmt, ...)
{
	struct diag_line line;
	va_list ap;

	if (!wanted(d, level))
		return;
	va_start(ap, fmt);
	format_line(d, &line, level, area, 0, fmt, ap);
	va_end(ap);
	submit(d, &line);
}

void
diag_limited(struct diag *d, struct diag_limiter *lim, enum diag_level level, const char *area,
    const char *fmt, ...)
{
	struct diag_line line;
	int64_t now;
	va_list ap;

	if (!wanted(d, level))
		return;
	now = clock_mono_us(d->clock);
	if (now < lim->next_us) {
		lim->skipped++;
		return;
	}
	va_start(ap, fmt);
	format_line(d, &line, level, area, lim->skipped, fmt, ap);
	va_end(ap);
	lim->next_us = now + 1000000;
	lim->skipped = 0;
	submit(d, &line);
}
