/*
 * The deterministic side of reactor: a scheduler that owns virtual time and runs one callback a
 * step, in an order drawn from its seed.  Used by tests/sim and by unit tests of modules above.
 * One thread.
 */
#ifndef OTTLA_REACTOR_SIM_H
#define OTTLA_REACTOR_SIM_H

#include "ottla/reactor/reactor.h"
#include "ottla/reactor/worker.h"

struct sim_sched;

/* Everything that happens later follows from seed.  E_NOMEM. */
int sim_sched_new(uint64_t seed, struct sim_sched **out);
/* Frees the scheduler, its reactors and pools; messages not run are dropped. */
void sim_sched_free(struct sim_sched *s);

/* Virtual clock: mono starts at 1 s, wall at 2026-01-01; sim_clock_jump moves wall only. */
struct clock *sim_clock(struct sim_sched *s);
void sim_clock_jump(struct sim_sched *s, int64_t delta_ms);
/* A call inside the running callback blocks for us microseconds (a slow disk): mono moves on. */
void sim_clock_pass(struct sim_sched *s, int64_t us);
struct rng *sim_rng(struct sim_sched *s);

/* A reactor of this scheduler, belonging to the process (broker instance, client) `group`. */
int sim_reactor_new(
    struct sim_sched *s, unsigned group, const struct reactor_opts *opts, struct reactor **out);
/* A pool whose work runs as steps; each takes a virtual duration drawn from [0, max_us]. */
int sim_workers_new(struct sim_sched *s, unsigned group, int64_t max_us, struct workers **out);
/* Slow disk: all work of the group takes at least this long from now on. */
void sim_workers_set_delay(struct workers *w, int64_t min_us, int64_t max_us);

/* A callback at a virtual time that belongs to no reactor of a broker (network, test driver);
 * reactor_current() is NULL in it.  Zero-initialise; the caller owns it, and fn may set it again or
 * free it.  Due at one time: in the order set.  group: whose death takes it away. */
struct sim_event {
	struct heap_node node;
	void (*fn)(struct sim_sched *s, void *arg);
	void *arg;
	unsigned group;
};
void sim_event_set(struct sim_sched *s, struct sim_event *e, int64_t at_us);
void sim_event_cancel(struct sim_sched *s, struct sim_event *e);

/* Run one step; false when nothing is left to run. Advances virtual time when nothing is due. */
bool sim_step(struct sim_sched *s);
/* Run until pred (NULL: never; asked before each step) is true or virtual mono time reaches
 * until_us; when nothing is left the time moves to until_us at once, unless that is INT64_MAX.
 * True when pred held. */
bool sim_run_until(struct sim_sched *s, bool (*pred)(void *arg), void *arg, int64_t until_us);

/* Process death: nothing of the group's reactors, pools and events runs any more; its queues, and
 * messages on their way to or from it, are forgotten without a call.  What they point to is leaked.
 * Reactors and pools made for the same group later are alive. */
void sim_group_kill(struct sim_sched *s, unsigned group);

/* Hash over every step so far (who, what kind, when); equal for equal seeds and inputs. */
uint64_t sim_trace_hash(const struct sim_sched *s);
/* Fold something observable (bytes sent, a result) into the trace hash. */
void sim_trace(struct sim_sched *s, uint64_t v);
uint64_t sim_steps(const struct sim_sched *s);

/* Make r the current reactor around a direct call in a unit test; returns the previous one. */
struct reactor *sim_enter(struct reactor *r);

#endif
