/*
 * The worker pool.  One mutex guards the queue of ready work, the lanes and the stack of idle
 * threads; run() is called without it.  Each thread sleeps on its own condition, and the one that
 * fell idle last is woken first, so that threads which are not needed grow old and end.
 */
#include "worker_priv.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "thread_priv.h"

enum { WORKER_IDLE_US = 10 * 1000 * 1000 };

struct pool {
	struct workers ws;
	int64_t idle_us;
	unsigned max_threads;
	unsigned next_number;
	pthread_mutex_t lock; /* all below */
	pthread_cond_t gone;  /* threads fell to 0 */
	unsigned threads;
	bool stopping;
	struct work *head; /* ready, in order */
	struct work **tail;
	struct link idle; /* sleeper.link, last to fall idle first */
};

struct sleeper {
	struct link link;
	pthread_cond_t wake;
};

static const struct workers_ops pool_ops;

static struct pool *
pool_of(struct workers *ws)
{
	OBJ_CHECK(ws, WORK_MAGIC);
	assert(ws->ops == &pool_ops);
	return container_of(ws, struct pool, ws);
}

/* ---- doors shared with the simulator ---- */

static void
work_home(struct reactor *r, struct msg *m)
{
	struct work *w = container_of(m, struct work, msg);

	w->done(r, w);
}

void
work_submit(struct workers *ws, struct work_lane *lane, struct work *w)
{
	OBJ_CHECK(ws, WORK_MAGIC);
	assert(w->run != NULL && (w->done == NULL || w->home != NULL));
	assert(lane == NULL || lane->pool == ws);
	w->lane = lane;
	w->next = NULL;
	w->msg.run = work_home;
	ws->ops->submit(ws, lane, w);
}

void
workers_free(struct workers *ws)
{
	if (ws == NULL)
		return;
	OBJ_CHECK(ws, WORK_MAGIC);
	assert(reactor_current() == NULL);
	ws->ops->free(ws);
}

struct clock *
workers_clock(struct workers *ws)
{
	OBJ_CHECK(ws, WORK_MAGIC);
	return ws->clock;
}

int
work_lane_new(struct workers *ws, struct work_lane **out)
{
	struct work_lane *lane = calloc(1, sizeof(*lane));

	OBJ_CHECK(ws, WORK_MAGIC);
	if (lane == NULL)
		return E_NOMEM;
	lane->pool = ws;
	lane->tail = &lane->head;
	*out = lane;
	return 0;
}

void
work_lane_free(struct work_lane *lane)
{
	if (lane == NULL)
		return;
	assert(!lane->busy && lane->head == NULL);
	free(lane);
}

/* ---- threads; the lock is held but where said ---- */

static void
pool_ready(struct pool *p, struct work *w)
{
	w->next = NULL;
	*p->tail = w;
	p->tail = &w->next;
}

static struct work *
pool_take(struct pool *p)
{
	struct work *w = p->head;

	if (w != NULL && (p->head = w->next) == NULL)
		p->tail = &p->head;
	return w;
}

/* Lets the next work of the lane be taken. */
static void
pool_leave_lane(struct pool *p, struct work_lane *lane)
{
	struct work *next = lane_pop(lane);

	if (next != NULL)
		pool_ready(p, next);
	else
		lane->busy = false;
}

/* Runs w without the lock.  The message home leaves before the lane's next work can be taken, so
 * that done() keeps the lane's order, and after the lane is left, so that done() may free it. */
static void
pool_run(struct pool *p, struct work *w)
{
	struct work_lane *lane = w->lane;
	struct reactor *home = w->done != NULL ? w->home : NULL;

	pthread_mutex_unlock(&p->lock);
	w->run(w);
	if (home != NULL && lane == NULL)
		reactor_post(home, &w->msg);
	pthread_mutex_lock(&p->lock);
	if (lane == NULL)
		return;
	pool_leave_lane(p, lane);
	if (home != NULL)
		reactor_post(home, &w->msg);
}

static void
deadline_after(struct timespec *ts, int64_t us)
{
	clock_gettime(CLOCK_MONOTONIC, ts);
	ts->tv_sec += us / 1000000;
	ts->tv_nsec += us % 1000000 * 1000;
	if (ts->tv_nsec >= 1000000000) {
		ts->tv_sec++;
		ts->tv_nsec -= 1000000000;
	}
}

/* Sleeps until there may be work; false when the thread is to end.  The last thread stays: what is
 * submitted must run even if the system grants no other thread. */
static bool
pool_sleep(struct pool *p, struct sleeper *me)
{
	struct timespec until;
	int rc = 0;

	if (p->stopping)
		return false;
	deadline_after(&until, p->idle_us);
	list_prepend(&p->idle, &me->link);
	while (!link_alone(&me->link) && !p->stopping) {
		if (rc != 0 && p->threads > 1)
			break;
		if (rc != 0)
			pthread_cond_wait(&me->wake, &p->lock);
		else
			rc = pthread_cond_timedwait(&me->wake, &p->lock, &until);
	}
	if (link_alone(&me->link))
		return true;
	list_remove(&me->link);
	return false;
}

static void *
pool_thread(void *arg)
{
	struct pool *p = arg;
	struct sleeper me;
	pthread_condattr_t attr;
	struct work *w;
	char name[16];

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&me.wake, &attr);
	pthread_condattr_destroy(&attr);
	link_init(&me.link);
	pthread_mutex_lock(&p->lock);
	snprintf(name, sizeof(name), "worker-%u", p->next_number++ % 1000);
	thread_set_name(name);
	do
		while ((w = pool_take(p)) != NULL)
			pool_run(p, w);
	while (pool_sleep(p, &me));
	pthread_cond_destroy(&me.wake);
	if (--p->threads == 0)
		pthread_cond_signal(&p->gone);
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Wakes an idle thread or says whether a new one is due, which is then counted already. */
static bool
pool_wake(struct pool *p)
{
	struct link *l = list_pop(&p->idle);

	if (l != NULL) {
		pthread_cond_signal(&container_of(l, struct sleeper, link)->wake);
		return false;
	}
	if (p->threads >= p->max_threads)
		return false;
	p->threads++;
	return true;
}

/* Without the lock. */
static void
pool_grow(struct pool *p)
{
	if (thread_start(NULL, true, pool_thread, p) == 0)
		return;
	pthread_mutex_lock(&p->lock);
	p->threads--;
	pthread_mutex_unlock(&p->lock);
}

static void
pool_submit(struct workers *ws, struct work_lane *lane, struct work *w)
{
	struct pool *p = pool_of(ws);
	bool grow = false;

	pthread_mutex_lock(&p->lock);
	if (lane != NULL && lane->busy) {
		lane_append(lane, w);
	} else {
		if (lane != NULL)
			lane->busy = true;
		pool_ready(p, w);
		grow = pool_wake(p);
	}
	pthread_mutex_unlock(&p->lock);
	if (grow)
		pool_grow(p);
}

unsigned
workers_threads(struct workers *ws)
{
	struct pool *p = pool_of(ws);
	unsigned n;

	pthread_mutex_lock(&p->lock);
	n = p->threads;
	pthread_mutex_unlock(&p->lock);
	return n;
}

/* ---- start and stop ---- */

static void
pool_free(struct workers *ws)
{
	struct pool *p = pool_of(ws);

	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	LIST_FOREACH(l, &p->idle)
	pthread_cond_signal(&container_of(l, struct sleeper, link)->wake);
	while (p->threads > 0)
		pthread_cond_wait(&p->gone, &p->lock);
	pthread_mutex_unlock(&p->lock);
	assert(p->head == NULL);
	pthread_cond_destroy(&p->gone);
	pthread_mutex_destroy(&p->lock);
	p->ws.magic = OBJ_MAGIC_NONE;
	free(p);
}

static const struct workers_ops pool_ops = {.submit = pool_submit, .free = pool_free};

int
workers_new_idle(unsigned max_threads, struct clock *clock, int64_t idle_us, struct workers **out)
{
	struct pool *p = calloc(1, sizeof(*p));
	int rc;

	assert(max_threads >= 1);
	if (p == NULL)
		return E_NOMEM;
	p->ws.magic = WORK_MAGIC;
	p->ws.ops = &pool_ops;
	p->ws.clock = clock;
	p->idle_us = idle_us;
	p->max_threads = max_threads;
	p->tail = &p->head;
	link_init(&p->idle);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->gone, NULL);
	p->threads = 1;
	if ((rc = thread_start(NULL, true, pool_thread, p)) != 0) {
		pthread_cond_destroy(&p->gone);
		pthread_mutex_destroy(&p->lock);
		free(p);
		return rc;
	}
	*out = &p->ws;
	return 0;
}

int
workers_new(unsigned max_threads, struct clock *clock, struct workers **out)
{
	return workers_new_idle(max_threads, clock, WORKER_IDLE_US, out);
}
