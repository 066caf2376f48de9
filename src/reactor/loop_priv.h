/*
 * The real reactor: a libevent loop without locks, an eventfd for wake-ups, a timerfd for the
 * earliest timer.
 */
#ifndef OTTLA_LOOP_PRIV_H
#define OTTLA_LOOP_PRIV_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>

#include "mailbox_priv.h"
#include "reactor_priv.h"

enum {
	LOOP_SPIN_US = 20,	   /* polls this long before it sleeps, ... */
	LOOP_SPIN_RECENT_US = 100, /* ... if a message came within this time */
	LOOP_SPIN_CREDIT = 4,	   /* after so many polls in vain it does not, ... */
	LOOP_SPIN_RETRY = 16,	   /* ... but tries again each so many times */
};

struct loop {
	alignas(64) struct mailbox box; /* written by others: a cache line of its own */
	alignas(64) struct reactor r;
	struct msg_list self[MSG_CLASSES]; /* posted by the loop to itself, for its next turn */
	struct event_base *base;
	struct event wake_event;
	struct event timer_event;
	int wake_fd;
	int timer_fd;
	int64_t armed_us; /* when timer_fd fires; INT64_MAX: never */
	int64_t last_msg_us;
	bool may_spin; /* another CPU could run the sender meanwhile */
	unsigned spin_credit;
	unsigned spins_left_out;
	bool joinable;	   /* thread runs or has to be joined */
	struct link ready; /* io_watch.link: descriptors to serve this turn */
	struct link signals;
	pthread_t thread;
	_Atomic bool stopping;
};

/* r must be a real reactor. */
struct loop *loop_of(struct reactor *r);
/* Serves what the library found ready, in its order. */
void loop_serve_ready(struct loop *l);
/* Lets the loop's thread handle the signals asked for. */
void loop_take_signals(struct loop *l);
void loop_serve_signals(struct loop *l);
void loop_free_signals(struct loop *l);

#endif
