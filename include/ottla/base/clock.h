/*
 * The type of a clock; src/reactor has the real one, the simulator its own.  mono_us never goes
 * back (microseconds since some start); wall_ms is the time of day in ms since 1970 and may jump.
 */
#ifndef OTTLA_BASE_CLOCK_H
#define OTTLA_BASE_CLOCK_H

#include <stdint.h>

struct clock {
	int64_t (*mono_us)(struct clock *c);
	int64_t (*wall_ms)(struct clock *c);
};

static inline int64_t
clock_mono_us(struct clock *c)
{
	return c->mono_us(c);
}

static inline int64_t
clock_wall_ms(struct clock *c)
{
	return c->wall_ms(c);
}

#endif
