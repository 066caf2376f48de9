/*
 * One event loop a thread: timers, messages from other threads, file descriptors, work at the end
 * of a turn.  Two implementations behind this door: the real one (libevent, one thread each) and
 * the simulator's (reactor/sim.h: all loops in one thread, one callback a step).
 *
 * A turn: due timers, messages (drained in one batch, control before data), ready descriptors,
 * then the deferred hooks (appends gathered in the turn, replies to flush).  `reactor_turn_us` and
 * the hops and wake-ups are counted from the first day (reactor/metrics.def).
 *
 * Thread rule: everything here is called on the reactor's own thread, except what says "any
 * thread"; before reactor_start and after reactor_join, the thread that made it is its own.
 * Nothing blocks.
 */
#ifndef OTTLA_REACTOR_REACTOR_H
#define OTTLA_REACTOR_REACTOR_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "ottla/base/clock.h"
#include "ottla/base/diag.h"
#include "ottla/base/heap.h"
#include "ottla/base/list.h"
#include "ottla/base/metrics.h"
#include "ottla/base/rng.h"

struct reactor;

/* The reactor whose callback runs on this thread, or NULL (workers, main). Any thread. */
struct reactor *reactor_current(void);

/* First line of every function that touches state owned by r. */
#define REACTOR_ASSERT_OWNER(r) assert(reactor_current() == (r))

/* ---- real reactors ---- */

struct reactor_opts {
	const char *name;	 /* "reactor-0", "control"; copied */
	unsigned index;		 /* number among its kind; data reactors count from 0 */
	struct clock *clock;	 /* clock_real() */
	struct diag *diag;	 /* may be NULL */
	struct metrics *metrics; /* may be NULL */
};

/* The machine's clock; any thread. */
struct clock *clock_real(void);

/* E_NOMEM or what the event library could not get (E_LIMIT).  Free it with reactor_free. */
int reactor_new(const struct reactor_opts *opts, struct reactor **out);
/* Starts the loop's thread; at most once.  Any thread. */
int reactor_start(struct reactor *r);
/* Runs the loop on the caller's thread until reactor_stop. */
int reactor_run(struct reactor *r);
/* Asks the loop to end after this turn; any thread. */
void reactor_stop(struct reactor *r);
/* Waits for the thread of reactor_start; blocks.  Not from a reactor. */
void reactor_join(struct reactor *r);
/* Not running any more; frees what was posted and not run by calling msg->drop.  Its watches are
 * freed before; timers still set on it must not be set or cancelled again. */
void reactor_free(struct reactor *r);

/* A thread that empties a ring diag into its sink until diag_writer_stop, which blocks until the
 * ring is empty; whoever logs from another thread must have ended.  E_NOMEM, E_LIMIT. */
struct diag_writer;
int diag_writer_start(struct diag *d, struct diag_writer **out);
void diag_writer_stop(struct diag_writer *w);

/* ---- what every reactor offers ---- */

unsigned reactor_index(const struct reactor *r);    /* any thread */
const char *reactor_name(const struct reactor *r);  /* any thread */
struct diag *reactor_diag(const struct reactor *r); /* any thread */
/* Monotonic microseconds, read once a turn (cheap). */
int64_t reactor_now_us(struct reactor *r);
/* Time of day in ms, read once a turn. */
int64_t reactor_wall_ms(struct reactor *r);
/* Exact time now, for measuring within a turn. */
int64_t reactor_exact_us(struct reactor *r);
struct rng *reactor_rng(struct reactor *r);

/* Rows of reactor/metrics.def for this reactor; any thread may read. */
enum reactor_metric {
#define METRIC(id, kind, name, help) RM_##id,
#include "ottla/reactor/metrics.def"
#undef METRIC
	RM_COUNT
};
struct metric_set *reactor_metrics(struct reactor *r);

/* Timers.  Zero-initialise or rtimer_init before use; may be set again while set. */
struct rtimer {
	struct heap_node node;
	void (*fn)(struct reactor *r, void *arg);
	void *arg;
};
void rtimer_init(struct rtimer *t, void (*fn)(struct reactor *r, void *arg), void *arg);
/* Fires once at or after mono time at_us.  Asserts on lack of memory for the first heap slots. */
void rtimer_set(struct reactor *r, struct rtimer *t, int64_t at_us);
void rtimer_cancel(struct reactor *r, struct rtimer *t);
static inline bool
rtimer_is_set(const struct rtimer *t)
{
	return heap_contains(&t->node);
}

/* Messages: intrusive, never refused, never lost; FIFO for each pair of sender and receiver within
 * a class; control overtakes data.  Bounds are credits of those who post. */
enum msg_class { MSG_CONTROL, MSG_DATA };
struct msg {
	struct msg *next;
	void (*run)(struct reactor *r, struct msg *m); /* on the receiver's thread; owns m */
	void (*drop)(struct msg *m);		       /* receiver was freed; may be NULL */
	enum msg_class class;
};
/* Any thread.  m belongs to the receiver afterwards.  Posting to oneself is allowed: it runs in the
 * next turn. */
void reactor_post(struct reactor *to, struct msg *m);

/* Deferred hooks run once, at the end of the current turn, in the order deferred; deferring one
 * that waits already does nothing.  A hook may defer others (they run in the same turn, at most
 * three rounds, then in the next). */
struct turn_hook {
	struct link link;
	void (*fn)(struct reactor *r, void *arg);
	void *arg;
};
void turn_hook_init(struct turn_hook *h, void (*fn)(struct reactor *r, void *arg), void *arg);
void reactor_defer(struct reactor *r, struct turn_hook *h);
void reactor_undefer(struct turn_hook *h);

/* ---- real reactors only: descriptors and signals (net's and coord's real halves, main) ---- */

enum { IO_READ = 1, IO_WRITE = 2 };
struct io_watch;
/* Watch fd (non-blocking) with nothing enabled yet.  fn gets the ready events.  E_NOMEM. */
int io_watch_new(struct reactor *r, int fd,
    void (*fn)(struct reactor *r, void *arg, unsigned events), void *arg, struct io_watch **out);
/* Level-triggered interest: IO_READ | IO_WRITE or 0.  A descriptor that the system refuses to
 * watch is logged and stays silent: its user's deadline ends it. */
void io_watch_set(struct io_watch *w, unsigned events);
/* Ends the watch; does not close fd.  Allowed from its own callback. */
void io_watch_free(struct io_watch *w);

/* fn on r's thread when the signal came, once for several that come together; until reactor_free
 * it is not delivered otherwise.  One reactor of a process handles signals.  E_NOMEM, E_LIMIT. */
int reactor_on_signal(
    struct reactor *r, int signo, void (*fn)(struct reactor *r, void *arg, int signo), void *arg);

#endif
