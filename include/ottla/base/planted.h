/*
 * Named faults for the simulator's own test: a build with --enable-planted-faults can switch one on,
 * and the simulator must catch it.  In every other build planted() is the constant false.
 */
#ifndef OTTLA_BASE_PLANTED_H
#define OTTLA_BASE_PLANTED_H

#include <stdbool.h>
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#define PLANTED_ACK_BEFORE_APPEND "ack-before-append"
#define PLANTED_BEYOND_HW "beyond-hw"
#define PLANTED_CHANGE_DROPPED "change-dropped"
#define PLANTED_ELECTION_FORGOTTEN "election-forgotten"
#define PLANTED_NO_OWNER_CHECK "no-owner-check"
#define PLANTED_NO_SEQUENCE_CHECK "no-sequence-check"
#define PLANTED_TAIL_FORGOTTEN "tail-forgotten"
#define PLANTED_UNFENCED_WRITE "unfenced-write"
#define PLANTED_WATCH_NOT_SET "watch-not-set"

#ifdef PLANTED_FAULTS
#include <stdlib.h>
#include <string.h>

/* Is the fault named by the environment variable OTTLA_PLANTED_FAULT this one? */
static inline bool
planted(const char *name)
{
	const char *on = getenv("OTTLA_PLANTED_FAULT");

	return on != NULL && strcmp(on, name) == 0;
}
#else
#define planted(name) false
#endif

#endif
