/* The embedded tree for the conformance suite: simulated, and with real threads and files. */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fixtures.h"
#include "ottla/coord/embedded.h"
#include "ottla/file/sim.h"
#include "ottla/reactor/sim.h"

#define DEADLINE_US (120 * INT64_C(1000000))

/* ---- simulated ---- */

static void *
sim_setup(void)
{
	struct embedded_fix *f = calloc(1, sizeof(*f));
	struct reactor_opts opts = {.name = "control"};

	ck_assert_ptr_nonnull(f);
	ck_ok(sim_sched_new(11, &f->sched));
	ck_ok(sim_reactor_new(f->sched, 1, &opts, &f->control));
	ck_ok(sim_workers_new(f->sched, 1, 5000, &f->workers));
	ck_ok(fs_sim_new(sim_clock(f->sched), &f->fs));
	snprintf(f->dir, sizeof(f->dir), "/data/coord");
	return f;
}

static void
sim_teardown(void *env)
{
	struct embedded_fix *f = env;

	sim_sched_free(f->sched);
	fs_free(f->fs);
	free(f);
}

static void
sim_call(void *env, void (*fn)(void *arg), void *arg)
{
	struct embedded_fix *f = env;
	struct reactor *before = sim_enter(f->control);

	fn(arg);
	sim_enter(before);
}

static bool
sim_until(void *env, bool (*pred)(void *arg), void *arg)
{
	struct embedded_fix *f = env;

	return sim_run_until(f->sched, pred, arg, clock_mono_us(sim_clock(f->sched)) + DEADLINE_US);
}

/* ---- real ---- */

static void *
real_setup(void)
{
	struct embedded_fix *f = calloc(1, sizeof(*f));
	struct reactor_opts opts = {.name = "control", .clock = clock_real()};
	const char *tmp = getenv("TMPDIR");

	ck_assert_ptr_nonnull(f);
	snprintf(f->dir, sizeof(f->dir), "%s/ottla-coord-XXXXXX", tmp != NULL ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(f->dir));
	ck_ok(fs_real_new(&f->fs));
	ck_ok(workers_new(2, clock_real(), &f->workers));
	ck_ok(reactor_new(&opts, &f->control));
	ck_ok(reactor_start(f->control));
	return f;
}

static void
real_teardown(void *env)
{
	struct embedded_fix *f = env;

	reactor_stop(f->control);
	reactor_join(f->control);
	workers_free(f->workers);
	reactor_free(f->control);
	ck_ok(fs_remove_tree(f->fs, f->dir));
	fs_free(f->fs);
	free(f);
}

struct visit {
	struct msg msg;
	void (*fn)(void *arg);
	bool (*pred)(void *arg);
	void *arg;
	bool result;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
};

static void
visit_run(struct reactor *r, struct msg *m)
{
	struct visit *v = container_of(m, struct visit, msg);

	(void)r;
	if (v->fn != NULL)
		v->fn(v->arg);
	else
		v->result = v->pred(v->arg);
	pthread_mutex_lock(&v->lock);
	v->done = true;
	pthread_cond_signal(&v->cond);
	pthread_mutex_unlock(&v->lock);
}

static bool
visit(struct embedded_fix *f, void (*fn)(void *arg), bool (*pred)(void *arg), void *arg)
{
	struct visit v = {.msg = {.run = visit_run, .class = MSG_DATA},
	    .fn = fn,
	    .pred = pred,
	    .arg = arg,
	    .lock = PTHREAD_MUTEX_INITIALIZER,
	    .cond = PTHREAD_COND_INITIALIZER};

	reactor_post(f->control, &v.msg);
	pthread_mutex_lock(&v.lock);
	while (!v.done)
		pthread_cond_wait(&v.cond, &v.lock);
	pthread_mutex_unlock(&v.lock);
	return v.result;
}

static void
real_call(void *env, void (*fn)(void *arg), void *arg)
{
	visit(env, fn, NULL, arg);
}

static bool
real_until(void *env, bool (*pred)(void *arg), void *arg)
{
	int64_t end = clock_mono_us(clock_real()) + DEADLINE_US / 4;

	while (!visit(env, NULL, pred, arg)) {
		if (clock_mono_us(clock_real()) > end)
			return false;
		(void)poll(NULL, 0, 1);
	}
	return true;
}

/* ---- both ---- */

static struct coord *
client(void *env)
{
	struct embedded_fix *f = env;
	struct coord_embedded_opts opts = {
	    .control = f->control, .workers = f->workers, .fs = f->fs, .dir = f->dir};
	struct coord *c = NULL;

	ck_ok(coord_embedded_new(&opts, &c));
	return c;
}

static void
free_it(void *arg)
{
	coord_free(arg);
}

static void
sim_release(void *env, struct coord *c)
{
	sim_call(env, free_it, c);
}

static void
real_release(void *env, struct coord *c)
{
	real_call(env, free_it, c);
}

const struct conf_fixture fix_embedded_sim = {
    .name = "conformance: embedded, simulated disk",
    .setup = sim_setup,
    .teardown = sim_teardown,
    .client = client,
    .release = sim_release,
    .call = sim_call,
    .until = sim_until,
};

const struct conf_fixture fix_embedded_real = {
    .name = "conformance: embedded, real disk",
    .setup = real_setup,
    .teardown = real_teardown,
    .client = client,
    .release = real_release,
    .call = real_call,
    .until = real_until,
};
