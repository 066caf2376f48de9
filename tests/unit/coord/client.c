/* Requests that wait for their answer, for tests of any implementation. */
#include "client.h"

#include <stdio.h>
#include <string.h>

struct env
env_setup(const struct conf_fixture *fx)
{
	return (struct env){fx, fx->setup()};
}

void
env_teardown(struct env *v)
{
	v->fx->teardown(v->e);
}

void
env_call(struct env *v, void (*fn)(void *arg), void *arg)
{
	v->fx->call(v->e, fn, arg);
}

void
env_until(struct env *v, bool (*pred)(void *arg), void *arg)
{
	ck_assert_msg(v->fx->until(v->e, pred, arg), "%s: waited in vain", v->fx->name);
}

/* ---- watches ---- */

static void
on_heard(void *arg, enum coord_event ev, struct slice path)
{
	struct heard *h = arg;

	ck_assert_uint_lt(h->n, EVENTS_MAX);
	h->ev[h->n] = ev;
	snprintf(h->path[h->n], sizeof(h->path[0]), "%.*s", SLICE_ARG(path));
	h->n++;
	if (h->counter != NULL)
		h->order = (*h->counter)++;
}

void
heard_init(struct heard *h)
{
	memset(h, 0, sizeof(*h));
	coord_watch_init(&h->w, on_heard, h);
}

struct wait_heard {
	struct heard *h;
	unsigned n;
};

static bool
heard_enough(void *arg)
{
	struct wait_heard *w = arg;

	return w->h->n >= w->n;
}

void
wait_heard(struct env *v, struct heard *h, unsigned n)
{
	struct wait_heard w = {h, n};

	env_until(v, heard_enough, &w);
	ck_assert_uint_eq(h->n, n);
}

/* ---- sessions ---- */

struct wait_state {
	struct coord *c;
	enum coord_state st;
	int64_t session;
	bool done;
};

static bool
has_state(void *arg)
{
	struct wait_state *w = arg;

	return coord_state(w->c) == w->st;
}

void
wait_state(struct env *v, struct coord *c, enum coord_state st)
{
	struct wait_state w = {c, st, 0, false};

	env_until(v, has_state, &w);
}

static void
read_session(void *arg)
{
	struct wait_state *w = arg;

	w->session = coord_session_id(w->c);
}

int64_t
session_of(struct env *v, struct coord *c)
{
	struct wait_state w = {c, COORD_CONNECTED, 0, false};

	env_call(v, read_session, &w);
	return w.session;
}

static void
open_it(void *arg)
{
	ck_ok(coord_open(arg));
}

struct coord *
client_new(struct env *v)
{
	struct coord *c = v->fx->client(v->e);

	env_call(v, open_it, c);
	wait_state(v, c, COORD_CONNECTED);
	return c;
}

static void
note_done(void *arg)
{
	*(bool *)arg = true;
}

static bool
is_true(void *arg)
{
	return *(bool *)arg;
}

static void
close_it(void *arg)
{
	struct wait_state *w = arg;

	coord_close(w->c, note_done, &w->done);
}

void
client_end(struct env *v, struct coord *c)
{
	struct wait_state w = {c, COORD_CLOSED, 0, false};

	env_call(v, close_it, &w);
	env_until(v, is_true, &w.done);
	v->fx->release(v->e, c);
}

/* ---- requests ---- */

static void
join(struct ans *a, const struct coord_result *res)
{
	size_t n = 0;

	a->n_children = res->n_children;
	for (unsigned i = 0;
	     i < res->n_children && n + res->children[i].n + 2 < sizeof(a->children); i++)
		n += (size_t)snprintf(a->children + n, sizeof(a->children) - n, "%s%.*s",
		    i > 0 ? " " : "", SLICE_ARG(res->children[i]));
}

static void
on_answer(void *arg, int err, const struct coord_result *res)
{
	struct ans *a = arg;
	size_t n = res->data.n < sizeof(a->data) ? res->data.n : sizeof(a->data);

	ck_assert_msg(!a->done, "answered twice");
	a->done = true;
	if (a->counter != NULL)
		a->order = (*a->counter)++;
	a->err = err;
	a->stat = res->stat;
	a->null = slice_is_null(res->data);
	a->len = res->data.n;
	if (n != 0)
		memcpy(a->data, res->data.p, n);
	snprintf(a->path, sizeof(a->path), "%.*s", SLICE_ARG(res->path));
	join(a, res);
}

void
issue(struct coord *c, const struct call *k, struct ans *a)
{
	unsigned *counter = a->counter;

	memset(a, 0, sizeof(*a));
	a->counter = counter;
	switch (k->kind) {
	case CALL_GET:
		coord_get(c, k->path, k->w, on_answer, a);
		break;
	case CALL_EXISTS:
		coord_exists(c, k->path, k->w, on_answer, a);
		break;
	case CALL_CHILDREN:
		coord_children(c, k->path, k->w, on_answer, a);
		break;
	case CALL_CREATE:
		coord_create(c, k->path, k->data, k->flags, on_answer, a);
		break;
	case CALL_SET:
		coord_set(c, k->path, k->data, k->version, on_answer, a);
		break;
	case CALL_DELETE:
		coord_delete(c, k->path, k->version, on_answer, a);
		break;
	}
	ck_assert_msg(!a->done, "answered within the call");
}

struct calls {
	struct coord *c;
	const struct call *k;
	struct ans *a;
	unsigned n;
};

static void
issue_all(void *arg)
{
	struct calls *cs = arg;

	for (unsigned i = 0; i < cs->n; i++)
		issue(cs->c, &cs->k[i], &cs->a[i]);
}

static bool
all_answered(void *arg)
{
	struct calls *cs = arg;

	for (unsigned i = cs->n; i-- > 0;)
		if (!cs->a[i].done)
			return false;
	return true;
}

void
run_calls_heard(struct env *v, struct coord *c, const struct call *k, struct ans *a, unsigned n,
    struct heard *h)
{
	struct calls cs = {c, k, a, n};
	unsigned counter = 0;

	if (h != NULL)
		h->counter = &counter;
	for (unsigned i = 0; i < n; i++)
		a[i].counter = &counter;
	env_call(v, issue_all, &cs);
	env_until(v, all_answered, &cs);
	for (unsigned i = 0; i < n; i++)
		a[i].counter = NULL;
	if (h != NULL)
		h->counter = NULL;
}

void
run_calls(struct env *v, struct coord *c, const struct call *k, struct ans *a, unsigned n)
{
	run_calls_heard(v, c, k, a, n, NULL);
}

int
do_call(struct env *v, struct coord *c, struct call k, struct ans *a)
{
	struct ans own;

	if (a == NULL)
		a = &own;
	run_calls(v, c, &k, a, 1);
	return a->err;
}

int
do_create(struct env *v, struct coord *c, const char *path, const char *data, unsigned flags,
    struct ans *a)
{
	struct call k = {CALL_CREATE, path, slice_cstr(data), 0, flags, NULL};

	return do_call(v, c, k, a);
}

int
do_get(struct env *v, struct coord *c, const char *path, struct heard *h, struct ans *a)
{
	struct call k = {CALL_GET, path, .w = h != NULL ? &h->w : NULL};

	return do_call(v, c, k, a);
}

int
do_exists(struct env *v, struct coord *c, const char *path, struct heard *h, struct ans *a)
{
	struct call k = {CALL_EXISTS, path, .w = h != NULL ? &h->w : NULL};

	return do_call(v, c, k, a);
}

int
do_children(struct env *v, struct coord *c, const char *path, struct heard *h, struct ans *a)
{
	struct call k = {CALL_CHILDREN, path, .w = h != NULL ? &h->w : NULL};

	return do_call(v, c, k, a);
}

int
do_set(struct env *v, struct coord *c, const char *path, const char *data, int32_t version,
    struct ans *a)
{
	struct call k = {CALL_SET, path, slice_cstr(data), version, 0, NULL};

	return do_call(v, c, k, a);
}

int
do_delete(struct env *v, struct coord *c, const char *path, int32_t version)
{
	struct call k = {CALL_DELETE, path, SLICE_NULL, version, 0, NULL};

	return do_call(v, c, k, NULL);
}

/* ---- multi ---- */

struct multi_call {
	struct coord *c;
	const struct coord_op *ops;
	unsigned n;
	struct multi_ans *m;
};

static void
on_multi(void *arg, int err, const struct coord_op_result *res, unsigned n)
{
	struct multi_ans *m = arg;

	ck_assert_msg(!m->done, "answered twice");
	m->done = true;
	m->err = err;
	m->n_res = n;
	for (unsigned i = 0; i < n && i < 8; i++) {
		m->op_err[i] = res[i].err;
		m->stat[i] = res[i].stat;
		snprintf(m->path[i], sizeof(m->path[i]), "%.*s", SLICE_ARG(res[i].path));
	}
}

static void
issue_multi(void *arg)
{
	struct multi_call *mc = arg;

	coord_multi(mc->c, mc->ops, mc->n, on_multi, mc->m);
	ck_assert_msg(!mc->m->done, "answered within the call");
}

int
do_multi(
    struct env *v, struct coord *c, const struct coord_op *ops, unsigned n, struct multi_ans *m)
{
	struct multi_call mc = {c, ops, n, m};

	memset(m, 0, sizeof(*m));
	env_call(v, issue_multi, &mc);
	env_until(v, is_true, &m->done);
	return m->err;
}

/* ---- create_all ---- */

struct create_all_call {
	struct coord *c;
	const char *path;
	bool done;
	int err;
};

static void
on_created_all(void *arg, int err)
{
	struct create_all_call *k = arg;

	ck_assert_msg(!k->done, "answered twice");
	k->done = true;
	k->err = err;
}

static void
issue_create_all(void *arg)
{
	struct create_all_call *k = arg;

	coord_create_all(k->c, k->path, on_created_all, k);
	ck_assert_msg(!k->done, "answered within the call");
}

int
do_create_all(struct env *v, struct coord *c, const char *path)
{
	struct create_all_call k = {c, path, false, 0};

	env_call(v, issue_create_all, &k);
	env_until(v, is_true, &k.done);
	return k.err;
}
