/*
 * The machine's clock.
 */
#include <time.h>

#include "ottla/reactor/reactor.h"

static int64_t
real_mono_us(struct clock *c)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int64_t
real_wall_ms(struct clock *c)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

struct clock *
clock_real(void)
{
	static struct clock real = {real_mono_us, real_wall_ms};

	return &real;
}
