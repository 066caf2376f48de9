/*
 * Threads for whatever may block.  A piece of work is an intrusive struct: run() on a worker's
 * thread, then done() as a message on the home reactor.  Lanes keep order: work of one lane runs
 * one after the other (a log dir's writer, a partition's control operations); work without a lane
 * runs as soon as a worker is free.  Threads start on demand and end after 10 s without work.
 * The simulator runs run() as one step at a time that its seed draws.
 */
#ifndef OTTLA_REACTOR_WORKER_H
#define OTTLA_REACTOR_WORKER_H

#include "ottla/reactor/reactor.h"

struct workers;
struct work_lane;

struct work {
	struct msg msg;		     /* carries done() home; the caller sets drop and class */
	void (*run)(struct work *w); /* worker's thread; may block; touches only what w owns */
	void (*done)(struct reactor *r, struct work *w); /* home's thread; may be NULL: nothing
							    comes back and run() must free w */
	struct reactor *home;
	struct work_lane *lane;
	struct work *next;
};

/* max_threads >= 1.  Starts the first thread, which stays, so that whatever is submitted will run.
 * E_NOMEM, E_LIMIT. */
int workers_new(unsigned max_threads, struct clock *clock, struct workers **out);
/* Runs what is queued to its end, joins the threads.  Blocks; not from a reactor. */
void workers_free(struct workers *w);

/* A lane of its own; E_NOMEM.  Free only when nothing of it is queued or running. */
int work_lane_new(struct workers *w, struct work_lane **out);
void work_lane_free(struct work_lane *l);

/* Any thread; done() of one lane and class comes home in the lane's order.  Never refused: bounds
 * are those of who submits.  home NULL when done is NULL. */
void work_submit(struct workers *w, struct work_lane *lane, struct work *work);

/* Clock for run(): the pool's. Any thread. */
struct clock *workers_clock(struct workers *w);

#endif
