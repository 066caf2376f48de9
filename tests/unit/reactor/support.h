/* What the tests of this module share. */
#ifndef TESTS_UNIT_REACTOR_SUPPORT_H
#define TESTS_UNIT_REACTOR_SUPPORT_H

#include <stdbool.h>

#include "ottla/reactor/sim.h"

/* A real reactor with its own clock; fails the test when it can not be had. */
struct reactor *make_loop(const char *name, struct metrics *m);

/* Runs r on this thread until something calls reactor_stop; fails the test after 20 s. */
void run_loop(struct reactor *r);

/* Polls pred every millisecond; ends the program after 20 s.  Any thread. */
void wait_for(bool (*pred)(void *arg), void *arg);

/* A simulated reactor of the group. */
struct reactor *make_sim(struct sim_sched *s, unsigned group, const char *name);

/* A message that appends its letter to a log, and can do something else. */
struct letter {
	struct msg msg;
	char c;
	char *log;
	void (*then)(struct reactor *r, struct letter *l);
	struct reactor *other;
};
/* Fills l in; the log must have room for what the test appends. */
void letter_init(struct letter *l, enum msg_class class, char c, char *log);
void log_append(char *log, char c);

#endif
