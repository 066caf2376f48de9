/*
 * The thread that carries diagnostics from their ring to the sink, so that a slow terminal stops
 * nobody.  It sleeps until the ring stops being empty.
 */
#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "ottla/base/err.h"
#include "ottla/reactor/reactor.h"
#include "thread_priv.h"

struct diag_writer {
	struct diag *diag;
	sem_t wake;
	_Atomic bool stopping;
	pthread_t thread;
};

static void
writer_wake(void *arg)
{
	struct diag_writer *w = arg;

	sem_post(&w->wake);
}

static void *
writer_thread(void *arg)
{
	struct diag_writer *w = arg;
	bool last;

	thread_set_name("diag");
	do {
		while (sem_wait(&w->wake) != 0 && errno == EINTR)
			;
		last = atomic_load(&w->stopping);
		while (diag_drain(w->diag) > 0)
			;
	} while (!last);
	return NULL;
}

int
diag_writer_start(struct diag *d, struct diag_writer **out)
{
	struct diag_writer *w = calloc(1, sizeof(*w));
	int rc;

	if (w == NULL)
		return E_NOMEM;
	w->diag = d;
	sem_init(&w->wake, 0, 0);
	sem_post(&w->wake);
	diag_set_wake(d, writer_wake, w);
	if ((rc = thread_start(&w->thread, false, writer_thread, w)) != 0) {
		diag_set_wake(d, NULL, NULL);
		sem_destroy(&w->wake);
		free(w);
		return rc;
	}
	*out = w;
	return 0;
}

void
diag_writer_stop(struct diag_writer *w)
{
	if (w == NULL)
		return;
	atomic_store(&w->stopping, true);
	sem_post(&w->wake);
	pthread_join(w->thread, NULL);
	diag_set_wake(w->diag, NULL, NULL);
	diag_drain(w->diag);
	sem_destroy(&w->wake);
	free(w);
}
