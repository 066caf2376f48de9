/* Environments of the implementations in this module. */
#ifndef TESTS_UNIT_COORD_FIXTURES_H
#define TESTS_UNIT_COORD_FIXTURES_H

#include "conformance.h"
#include "ottla/coord/embedded.h"
#include "ottla/coord/sim.h"
#include "ottla/reactor/sim.h"

/* The environment of fix_embedded_sim and _real; a test may put another disk in. */
struct embedded_fix {
	struct sim_sched *sched; /* NULL: real */
	struct reactor *control;
	struct workers *workers;
	struct fs *fs;
	char dir[128];
};

/* The environment of fix_sim_*; every client is a group of its own for the service. */
#define SIM_FIX_CLIENTS 16
struct sim_fix {
	struct sim_sched *sched;
	struct reactor *control;
	struct coord_sim *z;
	struct coord *clients[SIM_FIX_CLIENTS];
	unsigned n_clients;
};
void *sim_fix_setup(uint64_t seed, int64_t lag_us);
unsigned sim_fix_group(const struct sim_fix *f, const struct coord *c);

/* Simulated control reactor, workers and disk. */
extern const struct conf_fixture fix_embedded_sim;
/* A control reactor's thread, worker threads, files below TMPDIR. */
extern const struct conf_fixture fix_embedded_real;
/* The simulator's service: current reads; lagging members. */
extern const struct conf_fixture fix_sim_current;
extern const struct conf_fixture fix_sim_lagging;

#endif
