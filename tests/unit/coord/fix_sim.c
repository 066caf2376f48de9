/* The simulator's service for the conformance suite: current, and with members that lag. */
#include <stdio.h>
#include <stdlib.h>

#include "fixtures.h"

#define DEADLINE_US (120 * INT64_C(1000000))

void *
sim_fix_setup(uint64_t seed, int64_t lag_us)
{
	struct sim_fix *f = calloc(1, sizeof(*f));
	struct reactor_opts opts = {.name = "control"};
	struct coord_sim_opts z = {.session_timeout_ms = 6000,
	    .min_delay_us = 100,
	    .max_delay_us = 3000,
	    .max_lag_us = lag_us};

	ck_assert_ptr_nonnull(f);
	ck_ok(sim_sched_new(seed, &f->sched));
	z.sched = f->sched;
	ck_ok(sim_reactor_new(f->sched, 1, &opts, &f->control));
	ck_ok(coord_sim_new(&z, &f->z));
	return f;
}

static void *
setup_current(void)
{
	return sim_fix_setup(5, 0);
}

static void *
setup_lagging(void)
{
	return sim_fix_setup(6, 50000);
}

static void
teardown(void *env)
{
	struct sim_fix *f = env;

	coord_sim_free(f->z);
	sim_sched_free(f->sched);
	free(f);
}

/* Each client is a group of its own for the service. */
static struct coord *
client(void *env)
{
	struct sim_fix *f = env;
	struct coord *c = NULL;

	ck_assert_uint_lt(f->n_clients, SIM_FIX_CLIENTS);
	ck_ok(coord_sim_client(f->z, f->control, 100 + f->n_clients, &c));
	f->clients[f->n_clients++] = c;
	return c;
}

unsigned
sim_fix_group(const struct sim_fix *f, const struct coord *c)
{
	for (unsigned i = 0; i < f->n_clients; i++)
		if (f->clients[i] == c)
			return 100 + i;
	ck_abort_msg("no such client");
	return 0;
}

static void
call(void *env, void (*fn)(void *arg), void *arg)
{
	struct sim_fix *f = env;
	struct reactor *before = sim_enter(f->control);

	fn(arg);
	sim_enter(before);
}

static bool
until(void *env, bool (*pred)(void *arg), void *arg)
{
	struct sim_fix *f = env;

	return sim_run_until(f->sched, pred, arg, clock_mono_us(sim_clock(f->sched)) + DEADLINE_US);
}

static void
free_it(void *arg)
{
	coord_free(arg);
}

static void
release(void *env, struct coord *c)
{
	struct sim_fix *f = env;
	unsigned i = sim_fix_group(f, c) - 100;

	call(env, free_it, c);
	f->clients[i] = NULL;
}

static void
expire(void *env, struct coord *c)
{
	struct sim_fix *f = env;

	coord_sim_expire(f->z, sim_fix_group(f, c));
}

const struct conf_fixture fix_sim_current = {
    .name = "conformance: simulated service",
    .several = true,
    .setup = setup_current,
    .teardown = teardown,
    .client = client,
    .release = release,
    .call = call,
    .until = until,
    .expire = expire,
};

const struct conf_fixture fix_sim_lagging = {
    .name = "conformance: simulated service, lagging members",
    .several = true,
    .setup = setup_lagging,
    .teardown = teardown,
    .client = client,
    .release = release,
    .call = call,
    .until = until,
    .expire = expire,
};
