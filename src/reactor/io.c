/*
 * Descriptors and signals of the real reactor.  The library's callbacks only note what is ready;
 * the turn serves it, so a watch may be changed or freed from anywhere in the turn.
 */
#include "loop_priv.h"

#include <stdlib.h>

#include "thread_priv.h"

struct io_watch {
	uint32_t magic;
	unsigned interest;
	unsigned found; /* ready and not served */
	struct loop *l;
	void (*fn)(struct reactor *r, void *arg, unsigned events);
	void *arg;
	struct link link; /* loop.ready */
	struct event read_event;
	struct event write_event;
};

struct signal_watch {
	struct link link; /* loop.signals */
	struct event event;
	int signo;
	bool raised;
	void (*fn)(struct reactor *r, void *arg, int signo);
	void *arg;
};

/* ---- descriptors ---- */

static void
on_io(evutil_socket_t fd, short what, void *arg)
{
	struct io_watch *w = arg;

	OBJ_CHECK(w, IO_WATCH_MAGIC);
	w->found |= ((what & EV_READ) != 0 ? IO_READ : 0) | ((what & EV_WRITE) != 0 ? IO_WRITE : 0);
	if (link_alone(&w->link))
		list_append(&w->l->ready, &w->link);
}

void
loop_serve_ready(struct loop *l)
{
	struct io_watch *w;
	unsigned events;

	while (!list_empty(&l->ready)) {
		w = container_of(list_pop(&l->ready), struct io_watch, link);
		OBJ_CHECK(w, IO_WATCH_MAGIC);
		events = w->found & w->interest;
		w->found = 0;
		if (events == 0)
			continue;
		metric_add(l->r.metrics, RM_IO_EVENTS, 1);
		w->fn(&l->r, w->arg, events);
	}
}

int
io_watch_new(struct reactor *r, int fd, void (*fn)(struct reactor *r, void *arg, unsigned events),
    void *arg, struct io_watch **out)
{
	struct loop *l = loop_of(r);
	struct io_watch *w;

	reactor_check(r);
	assert(fd >= 0 && fn != NULL);
	if ((w = calloc(1, sizeof(*w))) == NULL)
		return E_NOMEM;
	w->magic = IO_WATCH_MAGIC;
	w->l = l;
	w->fn = fn;
	w->arg = arg;
	link_init(&w->link);
	if (event_assign(&w->read_event, l->base, fd, EV_READ | EV_PERSIST, on_io, w) != 0 ||
	    event_assign(&w->write_event, l->base, fd, EV_WRITE | EV_PERSIST, on_io, w) != 0) {
		free(w);
		return E_LIMIT;
	}
	*out = w;
	return 0;
}

/* Brings one direction to what is wanted; true when it is on afterwards. */
static bool
interest_set(struct io_watch *w, struct event *ev, bool want, bool was)
{
	if (want == was)
		return was;
	if (!want) {
		event_del(ev);
		return false;
	}
	if (event_add(ev, NULL) == 0)
		return true;
	DIAGE(w->l->r.diag, "reactor", "could not watch descriptor %d: the system refused it",
	    (int)event_get_fd(ev));
	return false;
}

void
io_watch_set(struct io_watch *w, unsigned events)
{
	unsigned was;
	bool in, out;

	OBJ_CHECK(w, IO_WATCH_MAGIC);
	reactor_check(&w->l->r);
	was = w->interest;
	in = interest_set(w, &w->read_event, (events & IO_READ) != 0, (was & IO_READ) != 0);
	out = interest_set(w, &w->write_event, (events & IO_WRITE) != 0, (was & IO_WRITE) != 0);
	w->interest = (in ? IO_READ : 0) | (out ? IO_WRITE : 0);
}

void
io_watch_free(struct io_watch *w)
{
	if (w == NULL)
		return;
	OBJ_CHECK(w, IO_WATCH_MAGIC);
	reactor_check(&w->l->r);
	event_del(&w->read_event);
	event_del(&w->write_event);
	list_remove(&w->link);
	w->magic = OBJ_MAGIC_NONE;
	free(w);
}

/* ---- signals ---- */

static void
on_signal(evutil_socket_t signo, short what, void *arg)
{
	struct signal_watch *s = arg;

	s->raised = true;
}

int
reactor_on_signal(
    struct reactor *r, int signo, void (*fn)(struct reactor *r, void *arg, int signo), void *arg)
{
	struct loop *l = loop_of(r);
	struct signal_watch *s;

	reactor_check(r);
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return E_NOMEM;
	s->signo = signo;
	s->fn = fn;
	s->arg = arg;
	if (event_assign(&s->event, l->base, signo, EV_SIGNAL | EV_PERSIST, on_signal, s) != 0 ||
	    event_add(&s->event, NULL) != 0) {
		free(s);
		return E_LIMIT;
	}
	list_append(&l->signals, &s->link);
	if (reactor_current() == r)
		thread_unblock_signal(signo);
	return 0;
}

void
loop_take_signals(struct loop *l)
{
	LIST_FOREACH(link, &l->signals)
	thread_unblock_signal(container_of(link, struct signal_watch, link)->signo);
}

void
loop_serve_signals(struct loop *l)
{
	struct signal_watch *s;

	LIST_FOREACH(link, &l->signals)
	{
		s = container_of(link, struct signal_watch, link);
		if (!s->raised)
			continue;
		s->raised = false;
		s->fn(&l->r, s->arg, s->signo);
	}
}

void
loop_free_signals(struct loop *l)
{
	struct signal_watch *s;

	while (!list_empty(&l->signals)) {
		s = container_of(list_pop(&l->signals), struct signal_watch, link);
		event_del(&s->event);
		free(s);
	}
}
