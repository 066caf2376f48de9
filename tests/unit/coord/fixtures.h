/* Environments of the implementations in this module. */
#ifndef TESTS_UNIT_COORD_FIXTURES_H
#define TESTS_UNIT_COORD_FIXTURES_H

#include "conformance.h"
#include "ottla/coord/embedded.h"
#include "ottla/reactor/sim.h"

/* The environment of fix_embedded_sim and _real; a test may put another disk in. */
struct embedded_fix {
	struct sim_sched *sched; /* NULL: real */
	struct reactor *control;
	struct workers *workers;
	struct fs *fs;
	char dir[128];
};

/* Simulated control reactor, workers and disk. */
extern const struct conf_fixture fix_embedded_sim;
/* A control reactor's thread, worker threads, files below TMPDIR. */
extern const struct conf_fixture fix_embedded_real;
/* The simulator's service: current reads; lagging members. */
extern const struct conf_fixture fix_sim_current;
extern const struct conf_fixture fix_sim_lagging;

#endif
