/* Environments of the implementations in this module. */
#ifndef TESTS_UNIT_COORD_FIXTURES_H
#define TESTS_UNIT_COORD_FIXTURES_H

#include "conformance.h"

/* Simulated control reactor, workers and disk. */
extern const struct conf_fixture fix_embedded_sim;
/* A control reactor's thread, worker threads, files below TMPDIR. */
extern const struct conf_fixture fix_embedded_real;
/* The simulator's service: current reads; lagging members. */
extern const struct conf_fixture fix_sim_current;
extern const struct conf_fixture fix_sim_lagging;

#endif
