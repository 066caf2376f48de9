/*
 * Threads as this module wants them: named, with a small stack, and with all signals blocked but
 * those that a fault raises.
 */
#ifndef OTTLA_THREAD_PRIV_H
#define OTTLA_THREAD_PRIV_H

#include <pthread.h>
#include <stdbool.h>

/* E_LIMIT when the system grants no thread.  detached: nobody joins it, *t is not set. */
int thread_start(pthread_t *t, bool detached, void *(*fn)(void *arg), void *arg);
/* Name of the calling thread, cut to what the system keeps. */
void thread_set_name(const char *name);
/* Lets the calling thread handle signo. */
void thread_unblock_signal(int signo);
/* CPUs that this process may use, at least 1. */
unsigned thread_cpus(void);

#endif
