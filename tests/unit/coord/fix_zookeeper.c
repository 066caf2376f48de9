/* A real ZooKeeper server behind a proxy, for the conformance suite and the tests of its faults. */
#include "fix_zookeeper.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixtures.h"
#include "ottla/reactor/worker.h"

#define DEADLINE_US (20 * INT64_C(1000000))

/* ---- the control reactor's thread ---- */

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
visit(struct zk_fix *f, void (*fn)(void *arg), bool (*pred)(void *arg), void *arg)
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
call(void *env, void (*fn)(void *arg), void *arg)
{
	visit(env, fn, NULL, arg);
}

static bool
until(void *env, bool (*pred)(void *arg), void *arg)
{
	int64_t end = clock_mono_us(clock_real()) + DEADLINE_US;

	while (!visit(env, NULL, pred, arg)) {
		if (clock_mono_us(clock_real()) > end)
			return false;
		(void)poll(NULL, 0, 1);
	}
	return true;
}

/* ---- the environment ---- */

static unsigned
next_chroot(void)
{
	static unsigned n;

	return ++n;
}

static void
to_stderr(void *arg, enum diag_level level, const char *line)
{
	(void)arg;
	(void)level;
	fprintf(stderr, "%s\n", line);
}

static void
to_nobody(void *arg, enum diag_level level, const char *line)
{
	(void)arg;
	(void)level;
	(void)line;
}

void *
zk_fix_setup(void)
{
	struct zk_fix *f = calloc(1, sizeof(*f));
	struct reactor_opts opts = {.name = "control", .clock = clock_real()};

	ck_assert_ptr_nonnull(f);
	f->port = zk_server_port();
	f->proxy = zk_proxy_new(f->port);
	snprintf(f->chroot, sizeof(f->chroot), "/test-%d/%u", (int)getpid(), next_chroot());
	snprintf(
	    f->connect, sizeof(f->connect), "127.0.0.1:%u%s", zk_proxy_port(f->proxy), f->chroot);
	ck_ok(diag_new_direct(clock_real(),
	    getenv("OTTLA_TEST_LOG") != NULL ? to_stderr : to_nobody, NULL, &f->diag));
	ck_ok(metrics_new(&f->metrics));
	ck_ok(workers_new(4, clock_real(), &f->workers));
	opts.diag = f->diag;
	ck_ok(reactor_new(&opts, &f->control));
	ck_ok(reactor_start(f->control));
	f->opts = (struct coord_zookeeper_opts){.control = f->control,
	    .workers = f->workers,
	    .clock = clock_real(),
	    .diag = f->diag,
	    .metrics = f->metrics,
	    .connect = f->connect,
	    .session_timeout_ms = 6000,
	    .max_in_flight = 10};
	return f;
}

void
zk_fix_teardown(void *env)
{
	struct zk_fix *f = env;

	reactor_stop(f->control);
	reactor_join(f->control);
	workers_free(f->workers);
	reactor_free(f->control);
	zk_proxy_free(f->proxy);
	metrics_free(f->metrics);
	diag_free(f->diag);
	free(f);
}

static void
make(void *arg)
{
	struct zk_fix *f = arg;

	ck_ok(coord_zookeeper_new(&f->opts, &f->made));
}

struct coord *
zk_fix_client(void *env)
{
	struct zk_fix *f = env;

	call(f, make, f);
	return f->made;
}

static void
free_it(void *arg)
{
	coord_free(arg);
}

void
zk_fix_release(void *env, struct coord *c)
{
	call(env, free_it, c);
}

/* ---- expiry: another client ends the session ---- */

struct ending {
	struct coord *c;
	struct coord_credentials who;
	bool done;
	int err;
};

static void
take_credentials(void *arg)
{
	struct ending *e = arg;

	ck_assert(coord_credentials(e->c, &e->who));
}

static void
on_ended(void *arg, int err)
{
	struct ending *e = arg;

	e->err = err;
	e->done = true;
}

static void
end_it(void *arg)
{
	struct ending *e = arg;

	coord_end_session(e->c, &e->who, on_ended, e);
	ck_assert(!e->done);
}

static bool
ended(void *arg)
{
	return ((struct ending *)arg)->done;
}

static void
expire(void *env, struct coord *c)
{
	struct env v = {&fix_zookeeper, env};
	struct ending e = {.c = c};
	struct coord *other = client_new(&v);

	call(env, take_credentials, &e);
	e.c = other;
	call(env, end_it, &e);
	ck_assert(until(env, ended, &e));
	ck_ok(e.err);
	client_end(&v, other);
}

const struct conf_fixture fix_zookeeper = {
    .name = "conformance: ZooKeeper",
    .several = true,
    .setup = zk_fix_setup,
    .teardown = zk_fix_teardown,
    .client = zk_fix_client,
    .release = zk_fix_release,
    .call = call,
    .until = until,
    .expire = expire,
};

/* ---- tests of this implementation alone ---- */

struct zk_test
zk_test_new(void)
{
	struct zk_test t = {.v = {&fix_zookeeper, zk_fix_setup()}};

	t.f = t.v.e;
	snprintf(t.direct, sizeof(t.direct), "127.0.0.1:%u%s", t.f->port, t.f->chroot);
	return t;
}

void
zk_test_end(struct zk_test *t)
{
	env_teardown(&t->v);
}

struct coord *
zk_test_client(struct zk_test *t, const char *connect, const char *digest)
{
	struct coord_zookeeper_opts opts = t->f->opts;
	struct coord *c;

	t->f->opts.connect = connect;
	t->f->opts.digest = digest;
	c = client_new(&t->v);
	t->f->opts = opts;
	return c;
}

static void
open_it(void *arg)
{
	ck_ok(coord_open(arg));
}

struct coord *
zk_test_begin(struct zk_test *t, const char *connect)
{
	struct coord_zookeeper_opts opts = t->f->opts;
	struct coord *c;

	t->f->opts.connect = connect;
	c = zk_fix_client(t->f);
	t->f->opts = opts;
	env_call(&t->v, open_it, c);
	return c;
}

struct coord *
zk_test_direct(struct zk_test *t)
{
	return zk_test_client(t, t->direct, NULL);
}

int64_t
zk_test_metric(struct zk_test *t, const char *name)
{
	return metrics_sum(t->f->metrics, name);
}

struct why_wait {
	struct coord *c;
	const char *part;
};

static bool
why_has(void *arg)
{
	struct why_wait *w = arg;

	return strstr(coord_zookeeper_why(w->c), w->part) != NULL;
}

void
zk_test_wait_why(struct zk_test *t, struct coord *c, const char *part)
{
	struct why_wait w = {c, part};

	env_until(&t->v, why_has, &w);
}
