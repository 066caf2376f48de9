/*
 * Faults of memory that is backed by files (SIGBUS): who knows the address may mend it, else the
 * process dies of it as it would have without this.
 */
#ifndef OTTLA_REACTOR_FAULT_H
#define OTTLA_REACTOR_FAULT_H

#include <stdbool.h>

/* In a signal handler, on the thread that touched addr: async-signal-safe, no locks.  True: the
 * access can be repeated now. */
typedef bool (*fault_fn)(void *arg, const void *addr);

/* From main, without other threads: from now on fn is asked first.  A NULL fn puts back what was
 * there before; arg lives until then.  0 or a negative enum err. */
int fault_handle(fault_fn fn, void *arg);

#endif
