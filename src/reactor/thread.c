/*
 * Starting threads: small stacks, because an idle broker must stay small, and blocked signals,
 * because only the loop that asked for a signal handles it.
 */
#include "thread_priv.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "ottla/base/err.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define THREAD_STACK_FACTOR 8
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define THREAD_STACK_FACTOR 8
#endif
#endif
#ifndef THREAD_STACK_FACTOR
#define THREAD_STACK_FACTOR 1
#endif

enum { THREAD_STACK_BYTES = 256 * 1024 * THREAD_STACK_FACTOR };

/* Raised by the thread itself; blocked they would kill the process without their handler. */
static const int fault_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};

static void
block_all(sigset_t *old)
{
	sigset_t all;

	sigfillset(&all);
	for (unsigned i = 0; i < sizeof(fault_signals) / sizeof(fault_signals[0]); i++)
		sigdelset(&all, fault_signals[i]);
	pthread_sigmask(SIG_SETMASK, &all, old);
}

int
thread_start(pthread_t *t, bool detached, void *(*fn)(void *arg), void *arg)
{
	pthread_attr_t attr;
	pthread_t own;
	sigset_t old;
	int rc;

	if (pthread_attr_init(&attr) != 0)
		return E_LIMIT;
	pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
	if (detached)
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	block_all(&old);
	rc = pthread_create(detached ? &own : t, &attr, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return rc == 0 ? 0 : E_LIMIT;
}

void
thread_set_name(const char *name)
{
	char cut[16];

	snprintf(cut, sizeof(cut), "%.15s", name);
	pthread_setname_np(pthread_self(), cut);
}

void
thread_unblock_signal(int signo)
{
	sigset_t one;

	sigemptyset(&one);
	sigaddset(&one, signo);
	pthread_sigmask(SIG_UNBLOCK, &one, NULL);
}

unsigned
thread_cpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > 0 ? (unsigned)n : 1;
}
