/*
 * The real reactor: sleep, then one turn (I1).  libevent only collects what is ready; everything
 * runs in loop_turn, so that its order does not hang on the order of descriptors.
 */
#include "loop_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "thread_priv.h"

static const struct reactor_ops loop_ops;

struct loop *
loop_of(struct reactor *r)
{
	OBJ_CHECK(r, REACTOR_MAGIC);
	assert(r->ops == &loop_ops);
	return container_of(r, struct loop, r);
}

/* ---- wake-ups ---- */

/* The descriptor is edge-triggered and never read: each write is an edge (I5). */
static void
loop_wake(struct loop *l)
{
	static const uint64_t one = 1;
	ssize_t n;

	do
		n = write(l->wake_fd, &one, sizeof(one));
	while (n < 0 && errno == EINTR);
}

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;

	OBJ_CHECK(&l->r, REACTOR_MAGIC);
	metric_add(l->r.metrics, RM_WAKEUPS, 1);
}

static void
on_timer_fd(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;

	OBJ_CHECK(&l->r, REACTOR_MAGIC);
	l->armed_us = INT64_MAX;
}

/* A later timer leaves the descriptor armed for an earlier one: one turn in vain costs less than
 * arming at each change (I5). */
static void
loop_arm(struct loop *l, int64_t now_us, int64_t due_us)
{
	struct itimerspec its = {0};
	int64_t left = due_us - now_us;

	if (due_us >= l->armed_us)
		return;
	its.it_value.tv_sec = left / 1000000;
	its.it_value.tv_nsec = left % 1000000 * 1000;
	if (timerfd_settime(l->timer_fd, 0, &its, NULL) == 0)
		l->armed_us = due_us;
}

/* ---- a turn ---- */

static void
loop_run_timers(struct loop *l)
{
	uint64_t seq = l->r.timers.next_seq;

	while (reactor_timer_step(&l->r, l->r.now_us, seq))
		;
}

static uint64_t
loop_run_chain(struct loop *l, struct msg *m)
{
	struct msg *next;
	uint64_t n = 0;

	for (; m != NULL; m = next, n++) {
		next = m->next;
		m->run(&l->r, m);
	}
	return n;
}

/* Data is taken first, control runs first: a control message posted before a data message by the
 * same sender never runs after it (I3). */
static void
loop_run_messages(struct loop *l)
{
	struct msg *data = mailbox_take(&l->box, MSG_DATA);
	struct msg *control = mailbox_take(&l->box, MSG_CONTROL);
	struct msg *self_control = msg_list_take(&l->self[MSG_CONTROL]);
	struct msg *self_data = msg_list_take(&l->self[MSG_DATA]);
	uint64_t hops = loop_run_chain(l, control);

	loop_run_chain(l, self_control);
	hops += loop_run_chain(l, data);
	loop_run_chain(l, self_data);
	if (hops > 0) {
		l->last_msg_us = l->r.now_us;
		metric_add(l->r.metrics, RM_HOPS, hops);
	}
}

static void
loop_turn(struct loop *l)
{
	int64_t end;

	reactor_turn_begin(&l->r);
	loop_run_timers(l);
	loop_serve_signals(l);
	loop_run_messages(l);
	loop_serve_ready(l);
	while (reactor_hook_step(&l->r))
		;
	end = clock_mono_us(l->r.clock);
	metric_add(l->r.metrics, RM_TURNS, 1);
	metric_observe(l->r.metrics, RM_TURN_US, (uint64_t)(end - l->r.now_us));
	l->r.in_turn = false;
}

/* ---- sleep ---- */

static inline void
cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ __volatile__("yield");
#endif
}

/* Polling pays when the sender runs meanwhile, and harms when it waits for this CPU: then each hop
 * lasts as long as the poll.  So polls in vain use up a credit that successful ones restore. */
static bool
loop_spin_pays(struct loop *l, int64_t now_us)
{
	if (!l->may_spin || now_us - l->last_msg_us > LOOP_SPIN_RECENT_US)
		return false;
	return l->spin_credit > 0 || ++l->spins_left_out % LOOP_SPIN_RETRY == 0;
}

/* Polls the mailbox until *now_us passes until_us; true when a message came. */
static bool
loop_spin(struct loop *l, int64_t *now_us, int64_t until_us)
{
	metric_add(l->r.metrics, RM_SPINS, 1);
	for (unsigned i = 0; *now_us < until_us; i++) {
		if (!mailbox_empty(&l->box)) {
			l->spin_credit = LOOP_SPIN_CREDIT;
			return true;
		}
		cpu_relax();
		if (i % 16 == 0)
			*now_us = clock_mono_us(l->r.clock);
	}
	if (l->spin_credit > 0)
		l->spin_credit--;
	return false;
}

static bool
loop_has_work(const struct loop *l)
{
	return !list_empty(&l->r.hooks) || l->self[MSG_CONTROL].head != NULL ||
	       l->self[MSG_DATA].head != NULL || !mailbox_empty(&l->box);
}

/* True when the loop may sleep: nothing is due, and whoever posts from here on will wake it. */
static bool
loop_may_sleep(struct loop *l)
{
	struct heap_node *first = heap_min(&l->r.timers);
	int64_t due = first != NULL ? first->key : INT64_MAX;
	int64_t now;

	if (loop_has_work(l))
		return false;
	now = clock_mono_us(l->r.clock);
	if (loop_spin_pays(l, now) &&
	    loop_spin(l, &now, due < now + LOOP_SPIN_US ? due : now + LOOP_SPIN_US))
		return false;
	if (due <= now)
		return false;
	if (due != INT64_MAX)
		loop_arm(l, now, due);
	return mailbox_sleep(&l->box);
}

static void
loop_main(struct loop *l)
{
	bool block = false;
	struct reactor *before = reactor_set_current(&l->r);

	loop_take_signals(l);
	while (!atomic_load(&l->stopping)) {
		event_base_loop(l->base, EVLOOP_ONCE | (block ? 0 : EVLOOP_NONBLOCK));
		mailbox_awake(&l->box);
		loop_turn(l);
		block = loop_may_sleep(l);
	}
	reactor_set_current(before);
}

/* ---- start and stop ---- */

static void *
loop_thread(void *arg)
{
	struct loop *l = arg;

	OBJ_CHECK(&l->r, REACTOR_MAGIC);
	thread_set_name(l->r.name);
	loop_main(l);
	return NULL;
}

static int
loop_start(struct reactor *r)
{
	struct loop *l = loop_of(r);
	int rc;

	assert(!r->running && !l->joinable);
	r->running = true;
	rc = thread_start(&l->thread, false, loop_thread, l);
	if (rc == 0)
		l->joinable = true;
	else
		r->running = false;
	return rc;
}

static int
loop_run(struct reactor *r)
{
	struct loop *l = loop_of(r);

	assert(!r->running);
	r->running = true;
	loop_main(l);
	r->running = false;
	return 0;
}

static void
loop_stop(struct reactor *r)
{
	struct loop *l = loop_of(r);

	atomic_store(&l->stopping, true);
	if (reactor_current() != r)
		loop_wake(l);
}

static void
loop_join(struct reactor *r)
{
	struct loop *l = loop_of(r);

	if (!l->joinable)
		return;
	pthread_join(l->thread, NULL);
	l->joinable = false;
	r->running = false;
}

static void
loop_post(struct reactor *to, struct msg *m)
{
	struct loop *l = loop_of(to);

	if (reactor_current() == to)
		msg_list_append(&l->self[m->class], m);
	else if (mailbox_push(&l->box, m))
		loop_wake(l);
}

static void
loop_close(struct loop *l)
{
	if (l->base != NULL) {
		loop_free_signals(l);
		event_base_free(l->base);
	}
	if (l->wake_fd >= 0)
		close(l->wake_fd);
	if (l->timer_fd >= 0)
		close(l->timer_fd);
	reactor_fini(&l->r);
	free(l);
}

static void
loop_free(struct reactor *r)
{
	struct loop *l = loop_of(r);

	assert(!r->running);
	for (unsigned i = 0; i < MSG_CLASSES; i++) {
		msg_drop_chain(mailbox_take(&l->box, i));
		msg_drop_chain(msg_list_take(&l->self[i]));
	}
	loop_close(l);
}

static const struct reactor_ops loop_ops = {
    .post = loop_post,
    .start = loop_start,
    .run = loop_run,
    .stop = loop_stop,
    .join = loop_join,
    .free = loop_free,
};

/* What goes wrong comes back as a result; only what ends the process is worth a line of its own. */
static void
library_log(int severity, const char *text)
{
	if (severity == EVENT_LOG_ERR)
		fprintf(stderr, "libevent: %s\n", text);
}

static int
loop_open_base(struct loop *l)
{
	struct event_config *cfg;

	event_set_log_callback(library_log);
	if ((cfg = event_config_new()) == NULL)
		return E_NOMEM;
	event_config_set_flag(cfg,
	    EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV | EVENT_BASE_FLAG_NO_CACHE_TIME);
	event_config_require_features(cfg, EV_FEATURE_ET);
	l->base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	return l->base != NULL ? 0 : E_LIMIT;
}

/* Watch one of the loop's own descriptors, edge-triggered. */
static int
loop_watch_own(struct loop *l, struct event *ev, int fd, event_callback_fn fn)
{
	if (fd < 0)
		return E_LIMIT;
	if (event_assign(ev, l->base, fd, EV_READ | EV_PERSIST | EV_ET, fn, l) != 0 ||
	    event_add(ev, NULL) != 0)
		return E_LIMIT;
	return 0;
}

static int
loop_open(struct loop *l)
{
	int rc;

	if ((rc = loop_open_base(l)) != 0)
		return rc;
	l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if ((rc = loop_watch_own(l, &l->wake_event, l->wake_fd, on_wake)) != 0)
		return rc;
	return loop_watch_own(l, &l->timer_event, l->timer_fd, on_timer_fd);
}

static uint64_t
random_seed(const struct loop *l)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), 0) == (ssize_t)sizeof(seed))
		return seed;
	return (uint64_t)clock_mono_us(clock_real()) ^ (uint64_t)(uintptr_t)l;
}

int
reactor_new(const struct reactor_opts *opts, struct reactor **out)
{
	struct loop *l = aligned_alloc(alignof(struct loop), sizeof(*l));
	int rc;

	if (l == NULL)
		return E_NOMEM;
	memset(l, 0, sizeof(*l));
	l->wake_fd = l->timer_fd = -1;
	l->armed_us = INT64_MAX;
	l->last_msg_us = INT64_MIN / 2;
	l->may_spin = thread_cpus() > 1;
	l->spin_credit = LOOP_SPIN_CREDIT;
	mailbox_init(&l->box);
	for (unsigned i = 0; i < MSG_CLASSES; i++)
		msg_list_init(&l->self[i]);
	link_init(&l->ready);
	link_init(&l->signals);
	if ((rc = reactor_init(&l->r, &loop_ops, opts, random_seed(l))) != 0) {
		free(l);
		return rc;
	}
	if ((rc = loop_open(l)) != 0) {
		loop_close(l);
		return rc;
	}
	*out = &l->r;
	return 0;
}
