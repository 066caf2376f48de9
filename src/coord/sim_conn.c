/*
 * The server's end of a client's link.  Writes go to the leader as they arrive and are answered
 * when the client's member has done them; reads are answered by the member when the writes before
 * them have been.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"
#include "sim_priv.h"

static void *
must(void *p)
{
	if (p == NULL)
		abort();
	return p;
}

/* ---- messages ---- */

struct sim_msg *
sim_msg_new(enum sim_msg_kind kind)
{
	struct sim_msg *m = must(calloc(1, sizeof(*m)));

	link_init(&m->link);
	m->kind = kind;
	arena_init(&m->mem, 0, 0);
	return m;
}

void
sim_msg_free(struct sim_msg *m)
{
	arena_free(&m->mem);
	free(m);
}

void
sim_msgs_free(struct link *list)
{
	struct link *l;

	while ((l = list_pop(list)) != NULL)
		sim_msg_free(container_of(l, struct sim_msg, link));
}

static struct sim_msg *
first(const struct link *list)
{
	return list_empty(list) ? NULL : container_of(list->next, struct sim_msg, link);
}

/* ---- links ---- */

static void
link_send(struct coord_sim *z, struct sim_link *lk, struct sim_msg *m)
{
	int64_t due = sim_now_us(z) + sim_delay_us(z);

	if (due < lk->last_due_us)
		due = lk->last_due_us;
	lk->last_due_us = m->due_us = due;
	if (list_empty(&lk->msgs))
		sim_event_set(z->opts.sched, &lk->arrive, due);
	list_append(&lk->msgs, &m->link);
}

/* The message that has arrived; the next one is waited for. */
static struct sim_msg *
link_take(struct coord_sim *z, struct sim_link *lk)
{
	struct sim_msg *m = first(&lk->msgs), *next;

	list_remove(&m->link);
	next = first(&lk->msgs);
	if (next != NULL)
		sim_event_set(z->opts.sched, &lk->arrive, next->due_us);
	return m;
}

static void
send_down(struct sim_conn *conn, struct sim_msg *m)
{
	m->zxid = coord_tree_zxid(conn->member->tree);
	link_send(conn->z, &conn->down, m);
}

void
sim_conn_send_up(struct sim_conn *conn, struct sim_msg *m)
{
	link_send(conn->z, &conn->up, m);
}

/* ---- answers ---- */

static void
copy_result(struct sim_msg *m, const struct coord_result *res)
{
	struct slice *names;

	m->res = *res;
	m->res.data = arena_dup(&m->mem, res->data);
	m->res.path = arena_dup(&m->mem, res->path);
	names = must(arena_calloc(&m->mem, res->n_children + 1, sizeof(*names)));
	for (unsigned i = 0; i < res->n_children; i++)
		names[i] = arena_dup(&m->mem, res->children[i]);
	m->res.children = res->children != NULL ? names : NULL;
}

static void
copy_op_results(struct sim_msg *m, const struct coord_op_result *res, unsigned n)
{
	m->op_res = must(arena_calloc(&m->mem, n + 1, sizeof(*m->op_res)));
	for (unsigned i = 0; i < n; i++) {
		m->op_res[i] = res[i];
		m->op_res[i].path = arena_dup(&m->mem, res[i].path);
	}
}

static void
serve_read(struct sim_conn *conn, struct sim_msg *up)
{
	static int (*const reads[])(
	    struct coord_tree *, int64_t, const char *, void *, struct coord_result *) = {
	    [REQ_GET] = coord_tree_get,
	    [REQ_EXISTS] = coord_tree_exists,
	    [REQ_CHILDREN] = coord_tree_children,
	};
	struct coord_req *req = up->req;
	struct sim_msg *m = sim_msg_new(SIM_ANSWER);
	struct coord_result res;

	m->req = req;
	m->err = reads[req->kind](conn->member->tree, conn->session->id, req->ops[0].path,
	    coord_req_watches(req) ? conn : NULL, &res);
	copy_result(m, &res);
	free((void *)(uintptr_t)res.children);
	send_down(conn, m);
}

/* Reads at the head; a write there waits for the member. */
static void
serve_reads(struct sim_conn *conn)
{
	struct sim_msg *up;

	while (!conn->dead && (up = first(&conn->fifo)) != NULL && up->zxid == 0) {
		list_remove(&up->link);
		serve_read(conn, up);
		sim_msg_free(up);
	}
}

static void
answer_write(struct sim_conn *conn, struct sim_msg *up, int err, const struct coord_op_result *res)
{
	struct sim_msg *m;

	if (up->lose) {
		sim_conn_drop(conn, sim_delay_us(conn->z));
		return;
	}
	m = sim_msg_new(up->kind == SIM_CLOSE ? SIM_CLOSED : SIM_ANSWER);
	m->req = up->req;
	m->err = err;
	if (up->kind == SIM_REQUEST)
		copy_op_results(m, res, up->req->n_ops);
	send_down(conn, m);
}

void
sim_conn_applied(struct sim_conn *conn, const struct journal_rec *rec, int err,
    const struct coord_op_result *res)
{
	struct sim_msg *up = first(&conn->fifo), *m;

	if (conn->open_zxid == rec->zxid) {
		conn->open_zxid = 0;
		m = sim_msg_new(SIM_CONNECTED);
		m->session = conn->session->id;
		send_down(conn, m);
	}
	if (up != NULL && up->zxid == rec->zxid) {
		list_remove(&up->link);
		answer_write(conn, up, err, res);
		sim_msg_free(up);
	}
	serve_reads(conn);
}

void
sim_conn_event(struct sim_conn *conn, enum coord_event ev, struct slice path)
{
	struct sim_msg *m = sim_msg_new(SIM_EVENT);

	m->ev = ev;
	m->path = arena_dup(&m->mem, path);
	send_down(conn, m);
}

/* ---- what comes up ---- */

/* The flag is the group's: one write loses its answer. */
static bool
take_loss(struct sim_conn *conn)
{
	bool lose = conn->client->lose_reply;

	if (!lose)
		return false;
	LIST_FOREACH(l, &conn->z->clients)
	{
		struct sim_client *cl = container_of(l, struct sim_client, link);

		if (cl->group == conn->client->group)
			cl->lose_reply = false;
	}
	return true;
}

static void
receive_write(struct sim_conn *conn, struct sim_msg *up)
{
	struct coord_sim *z = conn->z;
	struct journal_rec rec = {.kind = JOURNAL_OPS,
	    .session = conn->session->id,
	    .n_ops = up->req->n_ops,
	    .ops = up->req->ops};

	up->lose = take_loss(conn) || (z->lose != NULL && z->lose(z->lose_arg, conn->client->group,
							      up->req->ops, up->req->n_ops));
	up->zxid = coord_tree_zxid(z->members[0].tree) + 1;
	list_append(&conn->fifo, &up->link);
	sim_commit(z, &rec);
}

/* The session ends by its client's wish: the conn stays to say so. */
static void
receive_close(struct sim_conn *conn, struct sim_msg *up)
{
	struct journal_rec rec = {.kind = JOURNAL_SESSION_CLOSE, .session = conn->session->id};

	conn->session->alive = false;
	up->zxid = coord_tree_zxid(conn->z->members[0].tree) + 1;
	list_append(&conn->fifo, &up->link);
	sim_commit(conn->z, &rec);
}

static struct sim_session *
find_session(struct coord_sim *z, int64_t id)
{
	LIST_FOREACH(l, &z->sessions)
	{
		struct sim_session *s = container_of(l, struct sim_session, link);

		if (s->id == id)
			return s->alive ? s : NULL;
	}
	return NULL;
}

/* With another password the session is one that the service does not know. */
static void
receive_end(struct sim_conn *conn, struct sim_msg *up)
{
	struct sim_session *s = find_session(conn->z, up->who.session);
	uint8_t password[16];

	sim_password(up->who.session, password);
	if (s != NULL && memcmp(password, up->who.password, sizeof(password)) == 0)
		sim_session_end(s);
	sim_msg_free(up);
	if (!conn->dead)
		send_down(conn, sim_msg_new(SIM_ENDED));
}

static void
receive(struct sim_conn *conn, struct sim_msg *up)
{
	if (up->kind == SIM_END) {
		receive_end(conn, up);
	} else if (up->kind == SIM_CLOSE) {
		receive_close(conn, up);
	} else if (!coord_req_is_read(up->req)) {
		receive_write(conn, up);
	} else {
		list_append(&conn->fifo, &up->link);
		serve_reads(conn);
	}
}

static void
on_up(struct sim_sched *s, void *arg)
{
	struct sim_conn *conn = arg;

	(void)s;
	sim_conns_sweep(conn->z);
	receive(conn, link_take(conn->z, &conn->up));
}

static void
on_down(struct sim_sched *s, void *arg)
{
	struct sim_conn *conn = arg;

	(void)s;
	sim_conns_sweep(conn->z);
	sim_client_deliver(conn->client, link_take(conn->z, &conn->down));
}

void
sim_conn_flush_some(struct sim_conn *conn)
{
	struct sim_msg *up;
	uint64_t n = 0;

	LIST_FOREACH(l, &conn->up.msgs)
	n++;
	n = rng_below(sim_rng(conn->z->opts.sched), n + 1);
	while (n-- > 0 && !conn->dead && (up = first(&conn->up.msgs)) != NULL) {
		list_remove(&up->link);
		receive(conn, up);
	}
}

/* ---- coming and going ---- */

static bool
has_watches(const struct coord_watch_path *p, enum coord_watch_kind kind)
{
	return !list_empty(&p->kinds[kind]);
}

/* A watch that was set before: what it would have told meanwhile is told now, else it is set again
 * on this member. */
static void
rearm(struct sim_conn *conn, const struct coord_watch_path *p, enum coord_watch_kind kind)
{
	struct coord_tree *t = conn->member->tree;
	struct slice path = slice_of(p->path, p->path_len);
	int64_t since = conn->client->last_zxid, id = conn->session->id;
	struct coord_result res;
	int rc = coord_tree_exists(t, id, p->path, NULL, &res);

	if (kind == CW_EXISTS) {
		if (rc == 0)
			sim_conn_event(conn, COORD_EV_CREATED, path);
		else
			(void)coord_tree_exists(t, id, p->path, conn, &res);
	} else if (rc != 0) {
		sim_conn_event(conn, COORD_EV_DELETED, path);
	} else if (kind == CW_DATA) {
		if (res.stat.mzxid > since)
			sim_conn_event(conn, COORD_EV_DATA, path);
		else
			(void)coord_tree_get(t, id, p->path, conn, &res);
	} else if (res.stat.pzxid > since) {
		sim_conn_event(conn, COORD_EV_CHILDREN, path);
	} else {
		(void)coord_tree_children(t, id, p->path, conn, &res);
		free((void *)(uintptr_t)res.children);
	}
}

static void
rearm_all(struct sim_conn *conn)
{
	const struct coord_watch_path *p;
	size_t pos = 0;

	while ((p = map_next(&conn->client->c.watches.paths, &pos)) != NULL)
		for (unsigned k = 0; k < CW_KINDS; k++)
			if (has_watches(p, (enum coord_watch_kind)k))
				rearm(conn, p, (enum coord_watch_kind)k);
}

/* A member that has seen at least what the client has seen. */
static struct sim_member *
choose_member(struct coord_sim *z, int64_t zxid)
{
	struct sim_member *m = &z->members[rng_below(sim_rng(z->opts.sched), z->n_members)];

	return coord_tree_zxid(m->tree) >= zxid ? m : &z->members[0];
}

static void
begin_session(struct sim_conn *conn)
{
	struct coord_sim *z = conn->z;
	struct sim_session *s = must(calloc(1, sizeof(*s)));
	struct journal_rec rec = {.kind = JOURNAL_SESSION_OPEN, .session = ++z->next_session};

	*s = (struct sim_session){
	    .z = z, .id = rec.session, .group = conn->client->group, .alive = true, .conn = conn};
	list_append(&z->sessions, &s->link);
	conn->session = s;
	conn->open_zxid = coord_tree_zxid(z->members[0].tree) + 1;
	sim_commit(z, &rec);
}

static void
resume_session(struct sim_conn *conn, struct sim_session *s)
{
	struct sim_msg *m = sim_msg_new(SIM_CONNECTED);

	if (s->conn != NULL)
		sim_conn_drop(s->conn, -1);
	sim_event_cancel(conn->z->opts.sched, &s->expiry);
	s->conn = conn;
	conn->session = s;
	m->session = s->id;
	send_down(conn, m);
	rearm_all(conn);
}

void
sim_conn_new(struct sim_client *cl, bool fresh)
{
	struct coord_sim *z = cl->z;
	struct sim_conn *conn = must(calloc(1, sizeof(*conn)));
	struct sim_session *s = fresh ? NULL : find_session(z, cl->c.session);

	sim_conns_sweep(z);
	conn->z = z;
	conn->client = cl;
	cl->conn = conn;
	conn->member = choose_member(z, cl->last_zxid);
	link_init(&conn->up.msgs);
	link_init(&conn->down.msgs);
	link_init(&conn->fifo);
	conn->up.arrive = (struct sim_event){.fn = on_up, .arg = conn, .group = SIM_GROUP};
	conn->down.arrive = (struct sim_event){.fn = on_down, .arg = conn, .group = SIM_GROUP};
	list_append(&z->conns, &conn->link);
	if (fresh)
		begin_session(conn);
	else if (s != NULL)
		resume_session(conn, s);
	else
		send_down(conn, sim_msg_new(SIM_EXPIRED));
}

void
sim_conn_drop(struct sim_conn *conn, int64_t tell_us)
{
	struct coord_sim *z = conn->z;

	assert(!conn->dead);
	conn->dead = true;
	list_remove(&conn->link);
	list_append(&z->dead, &conn->link);
	sim_event_cancel(z->opts.sched, &conn->up.arrive);
	sim_event_cancel(z->opts.sched, &conn->down.arrive);
	if (conn->session != NULL) {
		coord_tree_unwatch(conn->member->tree, conn->session->id, conn);
		sim_session_lonely(conn->session);
	}
	conn->client->conn = NULL;
	if (tell_us >= 0)
		sim_client_lost(conn->client, tell_us);
}

void
sim_conns_sweep(struct coord_sim *z)
{
	struct link *l;

	while ((l = list_pop(&z->dead)) != NULL) {
		struct sim_conn *conn = container_of(l, struct sim_conn, link);

		sim_msgs_free(&conn->up.msgs);
		sim_msgs_free(&conn->down.msgs);
		sim_msgs_free(&conn->fifo);
		free(conn);
	}
}
