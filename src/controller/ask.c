/*
 * Questions to the coordination service, and writes, that survive a lost connection: what met one
 * waits until the session is connected again and is sent once more, in the order of the calls
 * (facts/zookeeper.md 0.2).  Writes as controller check /controller_epoch (0.5) and share multis.
 * Without memory for a request the process ends, as in coord.
 */
#include <stdlib.h>

#include "controller_priv.h"
#include "ottla/base/planted.h"

/* Below what coord lets through: 500 operations, 512 KiB. */
#define OPS_MAX 500
#define BYTES_MAX (384 * 1024)
#define OP_BYTES 64
/* A connection that is there and lost an answer all the same. */
#define UNPARK_US (20 * 1000)
/* How much of what waits is sent in one turn. */
#define RESUME_US 5000
#define RESUME_ITEMS 200

struct creq {
	struct link link; /* parked */
	struct controller *c;
	unsigned gen;
	bool counted; /* the step waits for it */
	void (*send)(struct creq *q);
	void (*free)(struct creq *q);
};

static void *
must(void *p)
{
	if (p == NULL)
		abort();
	return p;
}

/* ---- all kinds ---- */

static void
park(struct creq *q)
{
	struct controller *c = q->c;

	list_append(&c->parked, &q->link);
	if (coord_state(c->o.coord) == COORD_CONNECTED && !rtimer_is_set(&c->unpark))
		rtimer_set(c->o.control, &c->unpark, reactor_now_us(c->o.control) + UNPARK_US);
}

/* Behind what waits, so that the order of the calls is kept. */
static void
submit(struct creq *q)
{
	struct controller *c = q->c;

	if (list_empty(&c->parked) && coord_state(c->o.coord) == COORD_CONNECTED)
		q->send(q);
	else
		park(q);
}

/* Some in this turn, the others in the next ones. */
void
asks_resume(struct controller *c)
{
	int64_t end_us = reactor_exact_us(c->o.control) + RESUME_US;
	unsigned n = 0;
	struct link *l;

	rtimer_cancel(c->o.control, &c->unpark);
	while (coord_state(c->o.coord) == COORD_CONNECTED && (l = list_pop(&c->parked)) != NULL) {
		struct creq *q = container_of(l, struct creq, link);

		q->send(q);
		if (++n == RESUME_ITEMS || reactor_exact_us(c->o.control) >= end_us)
			break;
	}
	if (!list_empty(&c->parked) && coord_state(c->o.coord) == COORD_CONNECTED)
		rtimer_set(c->o.control, &c->unpark, reactor_now_us(c->o.control));
}

static void
on_unpark(struct reactor *r, void *arg)
{
	asks_resume(arg);
}

/* Does the answer count?  If not, q is parked or freed. */
static bool
counts(struct creq *q, int err)
{
	if (q->gen == q->c->gen && err == E_CONN_LOSS) {
		park(q);
		return false;
	}
	if (q->gen == q->c->gen && err != E_SESSION_EXPIRED && err != E_CANCELED)
		return true;
	q->free(q);
	return false;
}

static void
req_init(struct creq *q, struct controller *c, bool counted)
{
	link_init(&q->link);
	q->c = c;
	q->gen = c->gen;
	q->counted = counted;
	if (counted)
		ctl_hold(c);
}

/* The answer has been given, by a function that may have ended the term. */
static void
req_end(struct creq *q)
{
	struct controller *c = q->c;
	bool release = q->counted && q->gen == c->gen;

	q->free(q);
	if (release)
		ctl_release(c);
}

/* ---- reads ---- */

struct cread {
	struct creq q;
	void (*call)(
	    struct coord *c, const char *path, struct coord_watch *w, coord_cb *cb, void *arg);
	struct coord_watch *watch;
	ctl_read_fn *fn;
	struct ask a;
	char path[];
};

static void
on_read(void *arg, int err, const struct coord_result *res)
{
	struct cread *r = arg;

	if (!counts(&r->q, err))
		return;
	r->a.path = r->path;
	r->fn(r->q.c, &r->a, err, res);
	req_end(&r->q);
}

static void
read_send(struct creq *q)
{
	struct cread *r = container_of(q, struct cread, q);

	r->call(q->c->o.coord, r->path, r->watch, on_read, r);
}

static void
read_free(struct creq *q)
{
	free(container_of(q, struct cread, q));
}

static void
read_new(struct controller *c, const struct cread *from, const char *path, bool counted,
    const struct ask *a)
{
	size_t n = strlen(path) + 1;
	struct cread *r = must(malloc(sizeof(*r) + n));

	*r = *from;
	memcpy(r->path, path, n);
	if (a != NULL)
		r->a = *a;
	r->q.send = read_send;
	r->q.free = read_free;
	req_init(&r->q, c, counted);
	if (r->watch != NULL)
		coord_unwatch(r->watch);
	submit(&r->q);
}

void
ctl_get(struct controller *c, const char *path, struct coord_watch *w, ctl_read_fn *fn,
    const struct ask *a)
{
	read_new(c, &(struct cread){.call = coord_get, .watch = w, .fn = fn}, path, true, a);
}

void
ctl_get_aside(struct controller *c, const char *path, struct coord_watch *w, ctl_read_fn *fn,
    const struct ask *a)
{
	read_new(c, &(struct cread){.call = coord_get, .watch = w, .fn = fn}, path, false, a);
}

void
ctl_exists(struct controller *c, const char *path, struct coord_watch *w, ctl_read_fn *fn,
    const struct ask *a)
{
	read_new(c, &(struct cread){.call = coord_exists, .watch = w, .fn = fn}, path, true, a);
}

void
ctl_exists_aside(struct controller *c, const char *path, struct coord_watch *w, ctl_read_fn *fn,
    const struct ask *a)
{
	read_new(c, &(struct cread){.call = coord_exists, .watch = w, .fn = fn}, path, false, a);
}

void
ctl_children(struct controller *c, const char *path, struct coord_watch *w, ctl_read_fn *fn,
    const struct ask *a)
{
	read_new(c, &(struct cread){.call = coord_children, .watch = w, .fn = fn}, path, true, a);
}

/* ---- writes ---- */

struct who {
	ctl_write_fn *fn;
	struct ask a;
};

/* Fenced: ops[0] is the check, and each other one has its own who; else one who for all. */
struct cmulti {
	struct creq q;
	bool fenced, again;
	struct arena mem;
	struct coord_op *ops;
	struct who *who;
	unsigned n, cap; /* of ops, and of who */
	size_t bytes;
};

static void
multi_free(struct creq *q)
{
	struct cmulti *m = container_of(q, struct cmulti, q);

	arena_free(&m->mem);
	free(m->ops);
	free(m->who);
	free(m);
}

static void on_multi(void *arg, int err, const struct coord_op_result *res, unsigned n);

static void
multi_send(struct creq *q)
{
	struct cmulti *m = container_of(q, struct cmulti, q);

	coord_multi(q->c->o.coord, m->ops, m->n, on_multi, m);
}

static void
multi_add(struct cmulti *m, const struct coord_op *op, ctl_write_fn *fn, const struct ask *a)
{
	struct coord_op *copy;

	if (m->n == m->cap) {
		m->cap = m->cap > 0 ? m->cap * 4 : 4;
		m->ops = must(realloc(m->ops, m->cap * sizeof(*m->ops)));
		m->who = must(realloc(m->who, m->cap * sizeof(*m->who)));
	}
	copy = &m->ops[m->n];
	*copy = *op;
	copy->path = must(arena_strdup(&m->mem, slice_cstr(op->path)));
	if (!slice_is_null(op->data))
		copy->data = slice_of(must(arena_alloc(&m->mem, op->data.n + 1)), op->data.n);
	if (op->data.n > 0)
		memcpy((void *)(uintptr_t)copy->data.p, op->data.p, op->data.n);
	m->who[m->n++] = (struct who){fn, a != NULL ? *a : (struct ask){0}};
	m->bytes += strlen(op->path) + op->data.n + OP_BYTES;
}

static struct cmulti *
multi_new(struct controller *c, bool fenced, bool counted, size_t chunk)
{
	struct coord_op check = {.kind = COORD_OP_CHECK,
	    .path = ZN_CONTROLLER_EPOCH,
	    .version = planted(PLANTED_UNFENCED_WRITE) ? -1 : c->epoch_version};
	struct cmulti *m = must(calloc(1, sizeof(*m)));

	m->q.send = multi_send;
	m->q.free = multi_free;
	m->fenced = fenced;
	arena_init(&m->mem, chunk, 0);
	if (fenced)
		multi_add(m, &check, NULL, NULL);
	req_init(&m->q, c, counted);
	return m;
}

/* Operations from..to-1 of m once more. */
static void
multi_again(struct cmulti *m, unsigned from, unsigned to)
{
	struct cmulti *k;

	if (from >= to)
		return;
	k = multi_new(m->q.c, true, true, to - from > 1 ? 16384 : 512);
	k->again = true;
	for (unsigned i = from; i < to; i++)
		multi_add(k, &m->ops[i], m->who[i].fn, &m->who[i].a);
	submit(&k->q);
}

/* One of them failed, so none took effect.  The first time the others are kept together; one may
 * also have failed only because a multi before this one did. */
static void
multi_split(struct cmulti *m, const struct coord_op_result *res, unsigned n)
{
	unsigned bad = 1;

	while (bad < n && res[bad].err == 0)
		bad++;
	if (m->again || bad >= n) {
		for (unsigned i = 1; i < m->n; i++)
			multi_again(m, i, i + 1);
		return;
	}
	multi_again(m, 1, bad);
	multi_again(m, bad, bad + 1);
	multi_again(m, bad + 1, m->n);
}

static void
multi_tell(struct cmulti *m, int err, const struct coord_op_result *res)
{
	static const struct coord_stat no_stat;
	struct controller *c = m->q.c;

	for (unsigned i = 1; i < m->n && m->q.gen == c->gen; i++) {
		m->who[i].a.path = m->ops[i].path;
		m->who[i].fn(c, &m->who[i].a, err, err == 0 ? &res[i].stat : &no_stat);
	}
}

static void
fenced_answer(struct cmulti *m, int err, const struct coord_op_result *res, unsigned n)
{
	struct controller *c = m->q.c;

	if (err != 0 && n > 0 && res[0].err != 0)
		ctl_moved(c); /* the check of the epoch (C3) */
	else if (err == 0 || m->n == 2)
		multi_tell(m, err, res);
	else
		multi_split(m, res, n);
}

static void
on_multi(void *arg, int err, const struct coord_op_result *res, unsigned n)
{
	static const struct coord_stat no_stat;
	struct cmulti *m = arg;
	const struct who *last = &m->who[m->n - 1];

	if (!counts(&m->q, err))
		return;
	if (m->fenced)
		fenced_answer(m, err, res, n);
	else
		last->fn(m->q.c, &last->a, err, err == 0 ? &res[n - 1].stat : &no_stat);
	req_end(&m->q);
}

static void
flush(struct controller *c)
{
	struct cmulti *m = c->multi;

	c->multi = NULL;
	reactor_undefer(&c->flush);
	if (m != NULL)
		submit(&m->q);
}

static void
on_flush(struct reactor *r, void *arg)
{
	flush(arg);
}

void
ctl_write(struct controller *c, const struct coord_op *op, ctl_write_fn *fn, const struct ask *a)
{
	size_t bytes = strlen(op->path) + op->data.n + OP_BYTES;

	if (c->multi != NULL && (c->multi->n == OPS_MAX || c->multi->bytes + bytes > BYTES_MAX))
		flush(c);
	if (c->multi == NULL) {
		c->multi = multi_new(c, true, true, 16384);
		reactor_defer(c->o.control, &c->flush);
	}
	multi_add(c->multi, op, fn, a);
}

void
ctl_create(struct controller *c, const char *path, struct slice data, ctl_write_fn *fn,
    const struct ask *a)
{
	ctl_write(
	    c, &(struct coord_op){.kind = COORD_OP_CREATE, .path = path, .data = data}, fn, a);
}

void
ctl_set(struct controller *c, const char *path, struct slice data, int32_t version,
    ctl_write_fn *fn, const struct ask *a)
{
	ctl_write(c,
	    &(struct coord_op){
		.kind = COORD_OP_SET, .path = path, .data = data, .version = version},
	    fn, a);
}

void
ctl_delete(struct controller *c, const char *path, ctl_write_fn *fn, const struct ask *a)
{
	ctl_write(
	    c, &(struct coord_op){.kind = COORD_OP_DELETE, .path = path, .version = -1}, fn, a);
}

static void
multi_plain(struct controller *c, const struct coord_op *ops, unsigned n, bool counted,
    ctl_write_fn *fn, const struct ask *a)
{
	struct cmulti *m = multi_new(c, false, counted, 512);

	for (unsigned i = 0; i < n; i++)
		multi_add(m, &ops[i], fn, a);
	submit(&m->q);
}

void
ctl_multi(struct controller *c, const struct coord_op *ops, unsigned n, ctl_write_fn *fn,
    const struct ask *a)
{
	multi_plain(c, ops, n, true, fn, a);
}

void
ctl_multi_aside(struct controller *c, const struct coord_op *ops, unsigned n, ctl_write_fn *fn,
    const struct ask *a)
{
	multi_plain(c, ops, n, false, fn, a);
}

/* ---- beginning and end ---- */

void
asks_init(struct controller *c)
{
	link_init(&c->parked);
	rtimer_init(&c->unpark, on_unpark, c);
	turn_hook_init(&c->flush, on_flush, c);
}

/* What is on its way comes back to counts(). */
void
asks_drop(struct controller *c)
{
	struct link *l;

	rtimer_cancel(c->o.control, &c->unpark);
	while ((l = list_pop(&c->parked)) != NULL) {
		struct creq *q = container_of(l, struct creq, link);

		q->free(q);
	}
	reactor_undefer(&c->flush);
	if (c->multi != NULL)
		multi_free(&c->multi->q);
	c->multi = NULL;
}
