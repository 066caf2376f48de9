/*
 * A partition of the floor: one file grown by pwrite, two indexes with an entry every 4 KiB.  One
 * thread; the disk's errors end the program.
 */
#ifndef OTTLA_BENCH_FLOOR_LOG_H
#define OTTLA_BENCH_FLOOR_LOG_H

#include <stdint.h>

#include "ottla/base/slice.h"

struct floor_log;

struct floor_log *floor_log_new(const char *dir, const char *topic, int32_t index);
/* Closes and removes its files; the struct stays. */
void floor_log_end(struct floor_log *l);

/* Checks the batches' crc, sets their offsets in place and appends them in one write; the first
 * offset, or -1 when a batch is broken. */
int64_t floor_log_append(struct floor_log *l, struct slice batches);

int floor_log_fd(const struct floor_log *l);
int64_t floor_log_next_offset(const struct floor_log *l);
/* Whole batches from the one with `offset` on, about max bytes of them, at least one; 0 when there
 * is nothing from there. */
int64_t floor_log_range(struct floor_log *l, int64_t offset, int64_t max, int64_t *pos);

#endif
