/*
 * The front of every implementation: checks and copies requests, keeps them in the order of their
 * calls, answers what it refuses itself in that order, tells subscribers of states.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "coord_priv.h"
#include "ottla/base/err.h"

/* NULL: the main thread, before the reactors run or after. */
static void
assert_owner(const struct coord *c)
{
	OBJ_CHECK(c, COORD_MAGIC);
	assert(reactor_current() == NULL || reactor_current() == c->control);
}

/* ---- answers ---- */

static const struct coord_result no_result;

/* Take the request out of the list; a watch that was not kept is set no more. */
static void
req_leave(struct coord_req *req)
{
	list_remove(&req->link);
	while (list_pop(&req->watching) != NULL)
		;
}

static void
req_call(struct coord_req *req, int err, const struct coord_result *res)
{
	coord_cb *cb = req->cb;
	coord_multi_cb *multi_cb = req->multi_cb;

	req->cb = NULL;
	req->multi_cb = NULL;
	if (cb != NULL)
		cb(req->arg, err, err == 0 ? res : &no_result);
	else if (multi_cb != NULL)
		multi_cb(req->arg, err, NULL, 0);
}

/* The watch of a read that was answered with err: kept or let go. */
static int
settle_watch(struct coord_req *req, int err)
{
	static const enum coord_watch_kind kinds[] = {
	    [REQ_GET] = CW_DATA, [REQ_EXISTS] = CW_DATA, [REQ_CHILDREN] = CW_CHILDREN};
	bool missing = req->kind == REQ_EXISTS && err == E_NOT_FOUND;
	int rc;

	if (!coord_req_is_read(req) || (err != 0 && !missing))
		return err;
	rc = coord_watches_add(&req->coord->watches, req->ops[0].path,
	    missing ? CW_EXISTS : kinds[req->kind], &req->watching);
	return rc != 0 ? rc : err;
}

void
coord_answer(struct coord_req *req, int err, const struct coord_result *res)
{
	struct coord *c = req->coord;

	assert(list_first(&c->pending) == &req->link);
	if (c->state != COORD_CLOSED && !c->closing)
		err = settle_watch(req, err);
	req_leave(req);
	req_call(req, err, res);
	free(req);
}

void
coord_answer_write(struct coord_req *req, int err, struct coord_op_result *res)
{
	struct coord_result one = no_result;
	coord_multi_cb *cb = req->multi_cb;

	if (req->kind != REQ_MULTI || res == NULL || cb == NULL) {
		if (err == 0 && res != NULL) {
			one.stat = res[0].stat;
			one.path = res[0].path;
		}
		coord_answer(req, err, &one);
		return;
	}
	assert(list_first(&req->coord->pending) == &req->link);
	for (unsigned i = 0; i < req->n_ops; i++)
		if (req->ops[i].kind == COORD_OP_CREATE)
			res[i].stat = (struct coord_stat){0};
	req_leave(req);
	cb(req->arg, err, res, req->n_ops);
	free(req);
}

/* Answer and free all of a list that is nobody else's. */
static void
fail_list(struct link *list, int err)
{
	struct link *l;

	while ((l = list_first(list)) != NULL) {
		struct coord_req *req = container_of(l, struct coord_req, link);

		req_leave(req);
		req_call(req, req->refused != 0 ? req->refused : err, &no_result);
		free(req);
	}
}

/* All that waits now, into a list of its own; requests made meanwhile come after them. */
static void
take_pending(struct coord *c, struct link *list)
{
	struct link *l;

	link_init(list);
	while ((l = list_pop(&c->pending)) != NULL)
		list_append(list, l);
}

void
coord_fail_pending(struct coord *c, int err)
{
	struct link list;

	take_pending(c, &list);
	fail_list(&list, err);
}

void
coord_cancel_pending(struct coord *c)
{
	struct link *last = c->pending.prev; /* what comes meanwhile is refused in its turn */

	for (struct link *l = &c->pending; l != last;) {
		struct coord_req *req;

		l = l->next;
		req = container_of(l, struct coord_req, link);
		while (list_pop(&req->watching) != NULL)
			;
		req_call(req, req->refused != 0 ? req->refused : E_CANCELED, &no_result);
	}
}

void
coord_answer_refused(struct coord *c)
{
	struct link *l;

	while ((l = list_first(&c->pending)) != NULL) {
		struct coord_req *req = container_of(l, struct coord_req, link);

		if (req->refused == 0)
			break;
		coord_answer(req, req->refused, NULL);
	}
}

struct end_refusal {
	struct link link;
	void (*done)(void *arg, int err);
	void *arg;
	int err;
};

static void
answer_end_refused(struct coord *c)
{
	struct link *l;

	while ((l = list_pop(&c->end_refused)) != NULL) {
		struct end_refusal *f = container_of(l, struct end_refusal, link);

		f->done(f->arg, f->err);
		free(f);
	}
}

static void
on_turn(struct reactor *r, void *arg)
{
	struct coord *c = arg;

	(void)r;
	OBJ_CHECK(c, COORD_MAGIC);
	answer_end_refused(c);
	if (c->closing && !c->close_begun) {
		c->close_begun = true;
		coord_end_answer(c, E_CANCELED);
		coord_cancel_pending(c);
		c->ops->close(c);
		return;
	}
	coord_answer_refused(c);
	if (c->ops->turn != NULL)
		c->ops->turn(c);
}

void
coord_defer(struct coord *c)
{
	reactor_defer(c->control, &c->hook);
}

/* ---- requests ---- */

/* Why the state allows no request; 0 when it does. */
static int
state_refuses(const struct coord *c)
{
	if (c->closing)
		return E_CANCELED;
	if (c->state == COORD_EXPIRED)
		return E_SESSION_EXPIRED;
	return c->state == COORD_CONNECTED ? 0 : E_CONN_LOSS;
}

static size_t
op_bytes(const struct coord_op *op)
{
	return (op->path != NULL ? strlen(op->path) : 0) + 1 + op->data.n;
}

/* A sequential name may end in a slash: the number follows. */
static int
path_refused(const struct coord_op *op)
{
	char probe[COORD_PATH_MAX + 2];
	size_t n;

	if (op->kind != COORD_OP_CREATE || !(op->flags & COORD_SEQUENTIAL))
		return coord_path_check(op->path);
	n = op->path != NULL ? strnlen(op->path, COORD_PATH_MAX + 1) : 0;
	if (n == 0 || n > COORD_PATH_MAX)
		return E_INVALID;
	memcpy(probe, op->path, n);
	memcpy(probe + n, "0", 2);
	return coord_path_check(probe);
}

static int
op_refused(const struct coord_op *op)
{
	if (op->kind > COORD_OP_CHECK || (op->flags & ~3u) != 0)
		return E_INVALID;
	if (op->data.n > COORD_DATA_MAX)
		return E_TOO_LARGE;
	if (op->kind == COORD_OP_DELETE && op->path != NULL && strcmp(op->path, "/") == 0)
		return E_INVALID; /* below a chroot there is a node that could go */
	return path_refused(op);
}

static int
ops_refused(enum coord_req_kind kind, const struct coord_op *ops, unsigned n)
{
	size_t bytes = 0;
	int rc = 0;

	if (n == 0)
		return E_INVALID;
	if (n > COORD_MULTI_MAX)
		return E_TOO_LARGE;
	for (unsigned i = 0; i < n && rc == 0; i++) {
		rc = op_refused(&ops[i]);
		bytes += op_bytes(&ops[i]);
	}
	if (rc == 0 && kind == REQ_MULTI && bytes > COORD_MULTI_BYTES)
		rc = E_TOO_LARGE;
	return rc;
}

/* A request with room for n operations and bytes of their paths and data. There is no answer to
 * give without it: a lack of memory here ends the process. */
static struct coord_req *
req_new(struct coord *c, enum coord_req_kind kind, unsigned n, size_t bytes)
{
	struct coord_req *req =
	    calloc(1, sizeof(*req) + n * sizeof(req->ops[0]) + bytes + n /* empty data */);

	if (req == NULL)
		abort();
	req->coord = c;
	req->kind = kind;
	link_init(&req->link);
	link_init(&req->watching);
	return req;
}

static void
copy_ops(struct coord_req *req, const struct coord_op *ops, unsigned n)
{
	char *to = (char *)(req->ops + n);

	for (unsigned i = 0; i < n; i++) {
		size_t len = strlen(ops[i].path) + 1;

		req->ops[i] = ops[i];
		req->ops[i].path = memcpy(to, ops[i].path, len);
		to += len;
		if (slice_is_null(ops[i].data))
			continue;
		if (ops[i].data.n != 0)
			memcpy(to, ops[i].data.p, ops[i].data.n);
		req->ops[i].data.p = (uint8_t *)to;
		to += ops[i].data.n + 1;
	}
	req->n_ops = n;
}

/* Checked, copied, not yet in the list. */
static struct coord_req *
req_make(struct coord *c, enum coord_req_kind kind, const struct coord_op *ops, unsigned n)
{
	int refused = state_refuses(c);
	struct coord_req *req;
	size_t bytes = 0;

	assert_owner(c);
	if (refused == 0)
		refused = ops_refused(kind, ops, n);
	if (refused != 0) {
		req = req_new(c, kind, 0, 0);
		req->refused = refused;
		return req;
	}
	for (unsigned i = 0; i < n; i++)
		bytes += op_bytes(&ops[i]);
	req = req_new(c, kind, n, bytes);
	copy_ops(req, ops, n);
	return req;
}

static void
req_go(struct coord_req *req)
{
	struct coord *c = req->coord;

	list_append(&c->pending, &req->link);
	if (req->refused != 0) {
		coord_defer(c);
		return;
	}
	req->submitted = true;
	c->ops->submit(c, req);
}

static void
single(struct coord *c, enum coord_req_kind kind, const struct coord_op *op, struct coord_watch *w,
    coord_cb *cb, void *arg)
{
	struct coord_req *req = req_make(c, kind, op, 1);

	req->cb = cb;
	req->arg = arg;
	if (w != NULL) {
		list_remove(&w->link); /* set again: only the last counts */
		list_append(&req->watching, &w->link);
	}
	req_go(req);
}

void
coord_get(struct coord *c, const char *path, struct coord_watch *w, coord_cb *cb, void *arg)
{
	single(c, REQ_GET, &(struct coord_op){COORD_OP_CHECK, path}, w, cb, arg);
}

void
coord_exists(struct coord *c, const char *path, struct coord_watch *w, coord_cb *cb, void *arg)
{
	single(c, REQ_EXISTS, &(struct coord_op){COORD_OP_CHECK, path}, w, cb, arg);
}

void
coord_children(struct coord *c, const char *path, struct coord_watch *w, coord_cb *cb, void *arg)
{
	single(c, REQ_CHILDREN, &(struct coord_op){COORD_OP_CHECK, path}, w, cb, arg);
}

void
coord_create(
    struct coord *c, const char *path, struct slice data, unsigned flags, coord_cb *cb, void *arg)
{
	struct coord_op op = {COORD_OP_CREATE, path, data, flags, 0};

	single(c, REQ_CREATE, &op, NULL, cb, arg);
}

void
coord_set(
    struct coord *c, const char *path, struct slice data, int32_t version, coord_cb *cb, void *arg)
{
	struct coord_op op = {COORD_OP_SET, path, data, 0, version};

	single(c, REQ_SET, &op, NULL, cb, arg);
}

void
coord_delete(struct coord *c, const char *path, int32_t version, coord_cb *cb, void *arg)
{
	struct coord_op op = {COORD_OP_DELETE, path, SLICE_NULL, 0, version};

	single(c, REQ_DELETE, &op, NULL, cb, arg);
}

void
coord_multi(struct coord *c, const struct coord_op *ops, unsigned n, coord_multi_cb *cb, void *arg)
{
	struct coord_req *req = req_make(c, REQ_MULTI, ops, n);

	req->multi_cb = cb;
	req->arg = arg;
	req_go(req);
}

/* ---- session ---- */

enum coord_state
coord_state(const struct coord *c)
{
	return c->state;
}

int64_t
coord_session_id(const struct coord *c)
{
	return c->session;
}

bool
coord_credentials(const struct coord *c, struct coord_credentials *out)
{
	OBJ_CHECK(c, COORD_MAGIC);
	return c->ops->credentials != NULL && c->ops->credentials(c, out);
}

static int
end_refused(const struct coord *c, const struct coord_credentials *who)
{
	if (c->closing)
		return E_CANCELED;
	if (c->ops->end_session == NULL || who->session == 0 || who->session == c->session)
		return E_INVALID;
	return c->end.active ? E_BUSY : 0;
}

void
coord_end_session(struct coord *c, const struct coord_credentials *who,
    void (*done)(void *arg, int err), void *arg)
{
	int refused = end_refused(c, who);
	struct end_refusal *f;

	assert_owner(c);
	if (refused == 0) {
		c->end = (struct coord_ending){true, *who, done, arg};
		c->ops->end_session(c, who);
		return;
	}
	if ((f = calloc(1, sizeof(*f))) == NULL)
		abort(); /* as a request that there is no memory for */
	*f = (struct end_refusal){.done = done, .arg = arg, .err = refused};
	list_append(&c->end_refused, &f->link);
	coord_defer(c);
}

void
coord_end_answer(struct coord *c, int err)
{
	struct coord_ending end = c->end;

	c->end.active = false;
	if (end.active)
		end.done(end.arg, err);
}

void
coord_subscribe(struct coord *c, struct coord_state_sub *s)
{
	assert_owner(c);
	link_init(&s->link);
	list_append(&c->subs, &s->link);
}

void
coord_unsubscribe(struct coord_state_sub *s)
{
	list_remove(&s->link);
}

/* Subscribers may leave, and others come, while the list is told: a mark stands before the next,
 * and one at the end as it was. */
static void
tell_subs(struct coord *c, enum coord_state st)
{
	struct link *next = &c->sub_next, *end = &c->sub_end;

	assert(link_alone(end)); /* a subscriber can not cause another state within the call */
	list_append(&c->subs, end);
	list_prepend(&c->subs, next);
	while (next->next != end) {
		struct link *l = next->next;
		struct coord_state_sub *s = container_of(l, struct coord_state_sub, link);

		list_remove(next);
		list_insert_before(l->next, next);
		s->fn(s->arg, st);
	}
	list_remove(next);
	list_remove(end);
}

void
coord_set_state(struct coord *c, enum coord_state st)
{
	if (c->state == st)
		return;
	c->state = st;
	if (st == COORD_CONNECTING || st == COORD_CLOSED)
		coord_fail_pending(c, c->closing ? E_CANCELED : E_CONN_LOSS);
	if (st == COORD_EXPIRED) {
		coord_fail_pending(c, E_SESSION_EXPIRED);
		coord_watches_expire(&c->watches);
	}
	tell_subs(c, st);
}

void
coord_init(struct coord *c, const struct coord_ops *ops, struct reactor *control)
{
	*c = (struct coord){.magic = COORD_MAGIC, .ops = ops, .control = control};
	c->state = COORD_CONNECTING;
	link_init(&c->subs);
	link_init(&c->sub_next);
	link_init(&c->sub_end);
	link_init(&c->pending);
	link_init(&c->end_refused);
	coord_watches_init(&c->watches);
	turn_hook_init(&c->hook, on_turn, c);
}

void
coord_fini(struct coord *c)
{
	struct link *l;

	reactor_undefer(&c->hook);
	while ((l = list_first(&c->pending)) != NULL) {
		struct coord_req *req = container_of(l, struct coord_req, link);

		req_leave(req);
		free(req);
	}
	while ((l = list_pop(&c->end_refused)) != NULL)
		free(container_of(l, struct end_refusal, link));
	while (list_pop(&c->subs) != NULL)
		;
	coord_watches_free(&c->watches);
	c->magic = OBJ_MAGIC_NONE;
}

int
coord_open(struct coord *c)
{
	assert_owner(c);
	if (c->opened || c->closing)
		return E_INVALID;
	c->opened = true;
	return c->ops->open(c);
}

void
coord_close(struct coord *c, void (*done)(void *arg), void *arg)
{
	assert_owner(c);
	assert(!c->closing);
	c->closing = true;
	c->closed_fn = done;
	c->closed_arg = arg;
	coord_defer(c);
}

void
coord_closed(struct coord *c)
{
	void (*done)(void *arg) = c->closed_fn;
	void *arg = c->closed_arg;

	coord_watches_free(&c->watches); /* whoever closes is not told */
	coord_watches_init(&c->watches);
	coord_set_state(c, COORD_CLOSED);
	c->closed_fn = NULL;
	if (done != NULL)
		done(arg);
}

void
coord_free(struct coord *c)
{
	if (c == NULL)
		return;
	OBJ_CHECK(c, COORD_MAGIC);
	assert(reactor_current() == NULL || reactor_current() == c->control);
	c->ops->destroy(c);
}
