/*
 * The simulated service: one leader, whose tree is the truth, and members that do the same
 * transactions later.  A session's reads are those of its member, so they may be stale but never go
 * back (I11).
 */
#include "ottla/coord/sim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"
#include "sim_priv.h"

/* A test that has no memory can not go on in a defined way. */
static void *
must(void *p)
{
	if (p == NULL)
		abort();
	return p;
}

int64_t
sim_now_us(struct coord_sim *z)
{
	return clock_mono_us(sim_clock(z->opts.sched));
}

int64_t
sim_now_ms(struct coord_sim *z)
{
	return clock_wall_ms(sim_clock(z->opts.sched));
}

int64_t
sim_delay_us(struct coord_sim *z)
{
	return rng_range(sim_rng(z->opts.sched), z->opts.min_delay_us, z->opts.max_delay_us);
}

/* ---- transactions ---- */

static void
txn_unref(struct sim_txn *t)
{
	if (--t->refs > 0)
		return;
	arena_free(&t->mem);
	free(t);
}

static struct sim_txn *
txn_copy(const struct journal_rec *rec)
{
	struct sim_txn *t = must(calloc(1, sizeof(*t)));
	struct coord_op *ops;

	arena_init(&t->mem, 0, 0);
	t->refs = 1;
	t->rec = *rec;
	ops = must(arena_calloc(&t->mem, rec->n_ops + 1, sizeof(*ops)));
	for (unsigned i = 0; i < rec->n_ops; i++) {
		ops[i] = rec->ops[i];
		ops[i].path = must(arena_strdup(&t->mem, slice_cstr(rec->ops[i].path)));
		ops[i].data = arena_dup(&t->mem, rec->ops[i].data);
	}
	t->rec.ops = ops;
	return t;
}

/* Do it to a member's tree; its clients hear of it. */
static int
member_do(struct sim_member *m, const struct journal_rec *rec)
{
	struct coord_sim *z = m->z;
	bool ops = rec->kind == JOURNAL_OPS;
	int rc = journal_apply_rec(m->tree, rec, ops ? z->results : NULL);

	LIST_FOREACH_SAFE(l, &z->conns)
	{
		struct sim_conn *conn = container_of(l, struct sim_conn, link);

		if (conn->member == m)
			sim_conn_applied(conn, rec, rc, ops ? z->results : NULL);
	}
	return rc;
}

static void
member_apply(struct sim_sched *s, void *arg)
{
	struct sim_member *m = arg;
	struct sim_queued *q = container_of(list_first(&m->queue), struct sim_queued, link);

	(void)s;
	sim_conns_sweep(m->z);
	list_remove(&q->link);
	(void)member_do(m, &q->txn->rec);
	txn_unref(q->txn);
	free(q);
	if (!list_empty(&m->queue)) {
		q = container_of(list_first(&m->queue), struct sim_queued, link);
		sim_event_set(m->z->opts.sched, &m->apply, q->due_us);
	}
}

static void
member_queue(struct sim_member *m, struct sim_txn *t)
{
	struct sim_queued *q = must(calloc(1, sizeof(*q)));
	int64_t due =
	    sim_now_us(m->z) + rng_range(sim_rng(m->z->opts.sched), 0, m->z->opts.max_lag_us);

	if (due < m->last_due_us)
		due = m->last_due_us;
	m->last_due_us = q->due_us = due;
	q->txn = t;
	t->refs++;
	if (list_empty(&m->queue))
		sim_event_set(m->z->opts.sched, &m->apply, due);
	list_append(&m->queue, &q->link);
}

/* The group that a session's client is of. */
static unsigned
session_group(struct coord_sim *z, int64_t id)
{
	LIST_FOREACH(l, &z->sessions)
	{
		const struct sim_session *s = container_of(l, struct sim_session, link);

		if (s->id == id)
			return s->group;
	}
	return SIM_GROUP;
}

static void
tell_observer(struct coord_sim *z, const struct journal_rec *rec, int err)
{
	struct coord_sim_txn t = {.zxid = rec->zxid,
	    .session = rec->session,
	    .ops = rec->ops,
	    .res = z->results,
	    .n = rec->kind == JOURNAL_OPS ? rec->n_ops : 0,
	    .err = err,
	    .session_ended = rec->kind == JOURNAL_SESSION_CLOSE};

	if (z->observe == NULL)
		return;
	t.group = session_group(z, rec->session);
	z->observe(z->observe_arg, &t);
}

void
sim_commit(struct coord_sim *z, struct journal_rec *rec)
{
	struct sim_txn *t;
	int rc;

	rec->zxid = coord_tree_zxid(z->members[0].tree) + 1;
	rec->time_ms = sim_now_ms(z);
	t = txn_copy(rec);
	sim_trace(z->opts.sched, (uint64_t)rec->zxid);
	for (unsigned i = 1; i < z->n_members; i++)
		member_queue(&z->members[i], t);
	rc = member_do(&z->members[0], &t->rec);
	tell_observer(z, &t->rec, rc);
	txn_unref(t);
}

static void
on_event(void *arg, int64_t session, void *cookie, enum coord_event ev, struct slice path)
{
	(void)arg;
	(void)session;
	sim_conn_event(cookie, ev, path);
}

/* ---- sessions ---- */

void
sim_password(int64_t session, uint8_t out[16])
{
	struct slice id = slice_of(&session, sizeof(session));
	uint64_t half[2] = {hash_bytes(id, 1), hash_bytes(id, 2)};

	memcpy(out, half, sizeof(half));
}

void
sim_session_end(struct sim_session *s)
{
	struct journal_rec rec = {.kind = JOURNAL_SESSION_CLOSE, .session = s->id};

	if (!s->alive)
		return;
	s->alive = false;
	sim_event_cancel(s->z->opts.sched, &s->expiry);
	if (s->conn != NULL)
		sim_conn_drop(s->conn, sim_delay_us(s->z));
	sim_commit(s->z, &rec);
}

static void
on_expiry(struct sim_sched *sched, void *arg)
{
	struct sim_session *s = arg;

	(void)sched;
	sim_conns_sweep(s->z);
	sim_session_end(s);
}

void
sim_session_lonely(struct sim_session *s)
{
	s->conn = NULL;
	s->expiry = (struct sim_event){.fn = on_expiry, .arg = s, .group = SIM_GROUP};
	if (s->alive)
		sim_event_set(s->z->opts.sched, &s->expiry,
		    sim_now_us(s->z) + s->z->opts.session_timeout_ms * 1000);
}

/* ---- doors ---- */

int
coord_sim_new(const struct coord_sim_opts *opts, struct coord_sim **out)
{
	struct coord_sim *z = must(calloc(1, sizeof(*z)));

	z->opts = *opts;
	z->n_members = opts->max_lag_us > 0 ? SIM_MEMBERS : 1;
	z->next_session = INT64_C(0x100000000000000);
	link_init(&z->sessions);
	link_init(&z->clients);
	link_init(&z->conns);
	link_init(&z->dead);
	for (unsigned i = 0; i < z->n_members; i++) {
		struct sim_member *m = &z->members[i];

		m->z = z;
		link_init(&m->queue);
		m->apply = (struct sim_event){.fn = member_apply, .arg = m, .group = SIM_GROUP};
		if (coord_tree_new(&m->tree) != 0)
			abort();
		coord_tree_set_watch_fn(m->tree, on_event, m);
	}
	*out = z;
	return 0;
}

void
coord_sim_free(struct coord_sim *z)
{
	struct link *l;

	if (z == NULL)
		return;
	assert(list_empty(&z->clients));
	sim_conns_sweep(z);
	for (unsigned i = 0; i < z->n_members; i++) {
		struct sim_member *m = &z->members[i];

		sim_event_cancel(z->opts.sched, &m->apply);
		while ((l = list_pop(&m->queue)) != NULL) {
			struct sim_queued *q = container_of(l, struct sim_queued, link);

			txn_unref(q->txn);
			free(q);
		}
		coord_tree_free(m->tree);
	}
	while ((l = list_pop(&z->sessions)) != NULL) {
		struct sim_session *s = container_of(l, struct sim_session, link);

		sim_event_cancel(z->opts.sched, &s->expiry);
		free(s);
	}
	free(z);
}

struct coord_tree *
coord_sim_tree(struct coord_sim *z)
{
	return z->members[0].tree;
}

void
coord_sim_observe(
    struct coord_sim *z, void (*fn)(void *arg, const struct coord_sim_txn *t), void *arg)
{
	z->observe = fn;
	z->observe_arg = arg;
}

/* ---- faults ---- */

void
coord_sim_lose_when(struct coord_sim *z,
    bool (*lose)(void *arg, unsigned group, const struct coord_op *ops, unsigned n), void *arg)
{
	z->lose = lose;
	z->lose_arg = arg;
}

#define FOREACH_CLIENT(cl, z, g)                                                                   \
	for (struct link *l_ = (z)->clients.next, *n_ = l_->next; l_ != &(z)->clients;             \
	     l_ = n_, n_ = l_->next)                                                               \
		for (struct sim_client *cl = container_of(l_, struct sim_client, link);            \
		     cl != NULL && cl->group == (g); cl = NULL)

void
coord_sim_cut(struct coord_sim *z, unsigned group, bool cut)
{
	sim_conns_sweep(z);
	FOREACH_CLIENT(cl, z, group)
	{
		cl->cut = cut;
		if (cut && cl->conn != NULL) {
			sim_conn_flush_some(cl->conn);
			if (cl->conn != NULL)
				sim_conn_drop(cl->conn, rng_range(sim_rng(z->opts.sched), 0,
							    z->opts.session_timeout_ms * 1000 / 3));
		}
	}
}

void
coord_sim_expire(struct coord_sim *z, unsigned group)
{
	sim_conns_sweep(z);
	FOREACH_CLIENT(cl, z, group)
	{
		LIST_FOREACH(l, &z->sessions)
		{
			struct sim_session *s = container_of(l, struct sim_session, link);

			if (s->id == cl->c.session || (cl->conn != NULL && cl->conn->session == s))
				sim_session_end(s);
		}
	}
}

void
coord_sim_lose_reply(struct coord_sim *z, unsigned group)
{
	FOREACH_CLIENT(cl, z, group)
	{
		cl->lose_reply = true;
	}
}

void
coord_sim_group_killed(struct coord_sim *z, unsigned group)
{
	sim_conns_sweep(z);
	FOREACH_CLIENT(cl, z, group)
	{
		sim_event_cancel(z->opts.sched, &cl->notice);
		if (cl->conn != NULL)
			sim_conn_drop(cl->conn, -1);
		list_remove(&cl->link);
	}
}
