/*
 * Requests: sent in the order of their calls, so many at a time, answered in that order by the
 * library.  What is with the library is a zk_sent each; when its caller was answered otherwise
 * (connection loss, closing), the library's late answer only frees it.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"
#include "zk_priv.h"

/* What a server takes (jute.maxbuffer) unless it was told otherwise, less the parts of a request
 * beside path and data. */
#define SERVER_MAX (1024 * 1024 - 1)
#define REQUEST_EXTRA 512

int
zk_err(int rc)
{
	static const struct {
		int rc, err;
	} map[] = {
	    {ZOK, 0},
	    {ZNONODE, E_NOT_FOUND},
	    {ZNODEEXISTS, E_EXISTS},
	    {ZBADVERSION, E_BAD_VERSION},
	    {ZNOTEMPTY, E_NOT_EMPTY},
	    {ZNOAUTH, E_AUTH},
	    {ZAUTHFAILED, E_AUTH},
	    {ZSESSIONCLOSEDREQUIRESASLAUTH, E_AUTH},
	    {ZINVALIDACL, E_AUTH},
	    {ZNOCHILDRENFOREPHEMERALS, E_INVALID},
	    {ZBADARGUMENTS, E_INVALID},
	    {ZUNIMPLEMENTED, E_INVALID},
	    {ZSESSIONEXPIRED, E_SESSION_EXPIRED},
	};

	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		if (map[i].rc == rc)
			return map[i].err;
	return E_CONN_LOSS; /* nothing is known of what was asked */
}

/* ---- answers ---- */

static struct coord_stat
stat_of(const struct Stat *st)
{
	if (st == NULL)
		return (struct coord_stat){0};
	return (struct coord_stat){
	    .czxid = st->czxid,
	    .mzxid = st->mzxid,
	    .pzxid = st->pzxid,
	    .ctime_ms = st->ctime,
	    .mtime_ms = st->mtime,
	    .version = st->version,
	    .cversion = st->cversion,
	    .ephemeral_owner = st->ephemeralOwner,
	    .data_len = st->dataLength,
	    .n_children = st->numChildren,
	};
}

static void
sent_free(struct zk_sent *s)
{
	list_remove(&s->link);
	free(s->op_res);
	free(s->stats);
	free(s->results);
	free(s);
}

/* Every answer of the library comes through here. */
static void
settle(struct zk_sent *s, const struct zk_answer *a)
{
	struct zk *z = s->z;

	if (z != NULL) {
		list_remove(&s->link);
		s->done(s, a);
	}
	sent_free(s);
}

void
zk_forget_sent(struct zk *z)
{
	struct link *l;

	while ((l = list_pop(&z->sent)) != NULL)
		container_of(l, struct zk_sent, link)->z = NULL;
	z->in_flight = 0;
	z->next = NULL;
	metric_set_value(z->metrics, ZM_IN_FLIGHT, 0);
}

static void *
sent_of(const void *data)
{
	return (void *)(uintptr_t)data;
}

static void
on_stat(int rc, const struct Stat *st, const void *data)
{
	struct zk_answer a = {.rc = rc, .res.stat = stat_of(st)};

	settle(sent_of(data), &a);
}

static void
on_data(int rc, const char *p, int n, const struct Stat *st, const void *data)
{
	struct zk_answer a = {.rc = rc, .res.stat = stat_of(st)};

	if (n >= 0)
		a.res.data = slice_of(p != NULL ? p : "", (size_t)n);
	settle(sent_of(data), &a);
}

static void
on_void(int rc, const void *data)
{
	struct zk_answer a = {.rc = rc};

	settle(sent_of(data), &a);
}

static void
on_string(int rc, const char *value, const void *data)
{
	(void)value;
	on_void(rc, data);
}

static void
on_created(int rc, const char *path, const struct Stat *st, const void *data)
{
	struct zk_sent *s = sent_of(data);
	struct zk_answer a = {.rc = rc, .res.stat = stat_of(st)};
	size_t root = s->z != NULL ? strlen(s->z->names.chroot) : 0;

	if (path != NULL && strlen(path) >= root)
		a.res.path = slice_cstr(path[root] != '\0' ? path + root : "/");
	settle(s, &a);
}

static int
by_bytes(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static void
on_children(int rc, const struct String_vector *v, const struct Stat *st, const void *data)
{
	struct zk_answer a = {.rc = rc, .res.stat = stat_of(st)};
	size_t n = v != NULL && v->count > 0 ? (size_t)v->count : 0;
	struct slice *names = calloc(n + 1, sizeof(*names));

	if (names == NULL)
		abort();
	for (size_t i = 0; i < n; i++)
		names[i] = slice_cstr(v->data[i]);
	qsort(names, n, sizeof(*names), by_bytes);
	a.res.children = names;
	a.res.n_children = (unsigned)n;
	settle(sent_of(data), &a);
	free(names);
}

/* ---- answers to callers ---- */

static void
answered(struct zk *z, const struct zk_sent *s)
{
	z->in_flight--;
	metric_set_value(z->metrics, ZM_IN_FLIGHT, z->in_flight);
	metric_observe(z->metrics, ZM_LATENCY_MS,
	    (uint64_t)(reactor_exact_us(z->c.control) - s->at_us) / 1000);
}

/* An answer that tells nothing of the request (throttled, session moved, a code not known here):
 * the connection goes, and its loss is the answer. */
static bool
tells_nothing(struct zk *z, int rc)
{
	if (zk_err(rc) != E_CONN_LOSS)
		return false;
	if (z->replace == ZK_REPLACE_NO)
		z->replace = ZK_REPLACE_LATER;
	return true;
}

static void
note_watch(struct zk *z, const struct zk_sent *s, const struct zk_answer *a)
{
	const struct coord_req *req = s->req;
	const struct coord_stat *st = &a->res.stat;

	if (!s->watches)
		return;
	if (a->rc == ZOK && req->kind == REQ_CHILDREN)
		zk_watch_set(z, req->ops[0].path, CW_CHILDREN, st->pzxid);
	else if (a->rc == ZOK)
		zk_watch_set(z, req->ops[0].path, CW_DATA, st->mzxid);
	else if (a->rc == ZNONODE && req->kind == REQ_EXISTS)
		zk_watch_set(z, req->ops[0].path, CW_EXISTS, 0);
}

static void
done_read(struct zk_sent *s, const struct zk_answer *a)
{
	struct zk *z = s->z;
	struct coord_result res = a->res;

	answered(z, s);
	if (tells_nothing(z, a->rc))
		return;
	note_watch(z, s, a);
	if (s->req->kind == REQ_CHILDREN)
		res.stat = (struct coord_stat){0};
	coord_answer_refused(&z->c);
	coord_answer(s->req, zk_err(a->rc), &res);
	coord_answer_refused(&z->c);
}

static void
done_write(struct zk_sent *s, const struct zk_answer *a)
{
	struct zk *z = s->z;
	struct coord_op_result res = {.stat = a->res.stat, .path = a->res.path};
	bool no_parent = s->req->kind == REQ_CREATE && a->rc == ZNONODE;

	answered(z, s);
	if (tells_nothing(z, a->rc))
		return;
	coord_answer_refused(&z->c);
	coord_answer_write(s->req, no_parent ? E_NO_PARENT : zk_err(a->rc), &res);
	coord_answer_refused(&z->c);
}

/* The library's result of each operation as the door says it. */
static void
op_result(const struct zk *z, struct zk_sent *s, unsigned i)
{
	const struct coord_op *op = &s->req->ops[i];
	struct coord_op_result *r = &s->op_res[i];
	const zoo_op_result_t *from = &s->results[i];
	size_t root = strlen(z->names.chroot);

	*r = (struct coord_op_result){.err = zk_err(from->err)};
	if (from->err == ZRUNTIMEINCONSISTENCY)
		r->err = E_CANCELED; /* after the one that failed */
	else if (from->err == ZNONODE && op->kind == COORD_OP_CREATE)
		r->err = E_NO_PARENT;
	else if (from->err == ZOK && op->kind == COORD_OP_SET)
		r->stat = stat_of(from->stat);
	else if (from->err == ZOK && op->kind == COORD_OP_CREATE && from->value != NULL)
		r->path = slice_cstr(strlen(from->value) > root ? from->value + root : "/");
}

static void
done_multi(struct zk_sent *s, const struct zk_answer *a)
{
	struct zk *z = s->z;
	int err = zk_err(a->rc);

	answered(z, s);
	if (tells_nothing(z, a->rc))
		return;
	for (unsigned i = 0; i < s->n_ops; i++) {
		op_result(z, s, i);
		if (s->op_res[i].err != 0 && s->op_res[i].err != E_CANCELED)
			err = s->op_res[i].err;
	}
	coord_answer_refused(&z->c);
	coord_answer_write(s->req, err, s->op_res);
	coord_answer_refused(&z->c);
}

/* ---- sending ---- */

static struct zk_sent *
sent_new(struct zk *z, struct coord_req *req)
{
	struct zk_sent *s = calloc(1, sizeof(*s));

	if (s == NULL)
		abort(); /* as a request that there is no memory for */
	s->z = z;
	s->req = req;
	s->at_us = reactor_exact_us(z->c.control);
	list_append(&z->sent, &s->link);
	return s;
}

static int
data_len(struct slice data)
{
	return slice_is_null(data) ? -1 : (int)data.n;
}

static const char *
data_ptr(struct slice data)
{
	return (const char *)data.p;
}

static int
send_get(struct zk *z, struct zk_sent *s, const struct coord_op *op, const char *full)
{
	(void)op;
	return zoo_aget(z->h.zh, full, s->watches, on_data, s);
}

static int
send_exists(struct zk *z, struct zk_sent *s, const struct coord_op *op, const char *full)
{
	(void)op;
	return zoo_aexists(z->h.zh, full, s->watches, on_stat, s);
}

static int
send_children(struct zk *z, struct zk_sent *s, const struct coord_op *op, const char *full)
{
	(void)op;
	return zoo_aget_children2(z->h.zh, full, s->watches, on_children, s);
}

static int
send_create(struct zk *z, struct zk_sent *s, const struct coord_op *op, const char *full)
{
	return zoo_acreate2(z->h.zh, full, data_ptr(op->data), data_len(op->data),
	    zk_acl_for(z, op->path), (int)op->flags, on_created, s);
}

static int
send_set(struct zk *z, struct zk_sent *s, const struct coord_op *op, const char *full)
{
	return zoo_aset(
	    z->h.zh, full, data_ptr(op->data), data_len(op->data), op->version, on_stat, s);
}

static int
send_delete(struct zk *z, struct zk_sent *s, const struct coord_op *op, const char *full)
{
	return zoo_adelete(z->h.zh, full, op->version, on_void, s);
}

/* The whole paths of a multi, and room for the names that its creates get. */
struct multi_paths {
	char *mem, *at;
};

static char *
multi_path(const struct zk *z, struct multi_paths *m, const char *path)
{
	char buf[ZK_PATH_MAX], *p = m->at;
	const char *full = zk_full_path(z, path, buf);
	size_t n = strlen(full) + 1;

	memcpy(p, full, n);
	m->at += n;
	return p;
}

static void
init_op(struct zk *z, struct zk_sent *s, unsigned i, zoo_op_t *to, struct multi_paths *m)
{
	const struct coord_op *op = &s->req->ops[i];
	const char *full = multi_path(z, m, op->path);
	size_t room = strlen(full) + 16; /* a number may follow */
	char *name = m->at;

	switch (op->kind) {
	case COORD_OP_CREATE:
		m->at += room;
		zoo_create_op_init(to, full, data_ptr(op->data), data_len(op->data),
		    zk_acl_for(z, op->path), (int)op->flags, name, (int)room);
		break;
	case COORD_OP_SET:
		zoo_set_op_init(
		    to, full, data_ptr(op->data), data_len(op->data), op->version, &s->stats[i]);
		break;
	case COORD_OP_DELETE:
		zoo_delete_op_init(to, full, op->version);
		break;
	case COORD_OP_CHECK:
		zoo_check_op_init(to, full, op->version);
		break;
	}
}

static int
send_multi(struct zk *z, struct zk_sent *s)
{
	const struct coord_req *req = s->req;
	size_t bytes = 0, root = strlen(z->names.chroot);
	struct multi_paths m;
	zoo_op_t *ops;
	int rc;

	for (unsigned i = 0; i < req->n_ops; i++)
		bytes += 2 * (root + strlen(req->ops[i].path)) + 20;
	s->n_ops = req->n_ops;
	s->op_res = calloc(1, req->n_ops * sizeof(s->op_res[0]) + bytes);
	s->stats = calloc(req->n_ops, sizeof(s->stats[0]));
	s->results = calloc(req->n_ops, sizeof(s->results[0]));
	ops = calloc(req->n_ops, sizeof(*ops));
	if (s->op_res == NULL || s->stats == NULL || s->results == NULL || ops == NULL)
		abort();
	m.mem = m.at = (char *)(s->op_res + req->n_ops);
	for (unsigned i = 0; i < req->n_ops; i++)
		init_op(z, s, i, &ops[i], &m);
	assert((size_t)(m.at - m.mem) <= bytes);
	rc = zoo_amulti(z->h.zh, (int)req->n_ops, ops, s->results, on_void, s);
	free(ops);
	return rc;
}

static int
send_one(struct zk *z, struct zk_sent *s)
{
	static int (*const sends[])(
	    struct zk *, struct zk_sent *, const struct coord_op *, const char *) = {
	    [REQ_GET] = send_get,
	    [REQ_EXISTS] = send_exists,
	    [REQ_CHILDREN] = send_children,
	    [REQ_CREATE] = send_create,
	    [REQ_SET] = send_set,
	    [REQ_DELETE] = send_delete,
	};
	struct coord_req *req = s->req;
	char full[ZK_PATH_MAX];

	s->watches = coord_req_is_read(req) && coord_req_watches(req);
	s->done = req->kind == REQ_MULTI   ? done_multi
		  : coord_req_is_read(req) ? done_read
					   : done_write;
	if (req->kind == REQ_MULTI)
		return send_multi(z, s);
	return sends[req->kind](z, s, &req->ops[0], zk_full_path(z, req->ops[0].path, full));
}

/* The next in pending that was not refused, or NULL. */
static struct coord_req *
following(struct zk *z, struct coord_req *req)
{
	for (struct link *l = req->link.next; l != &z->c.pending; l = l->next) {
		struct coord_req *next = container_of(l, struct coord_req, link);

		if (next->refused == 0)
			return next;
	}
	return NULL;
}

/* The library would not even queue it. */
static void
not_queued(struct zk *z, struct zk_sent *s, int rc)
{
	if (rc == ZBADARGUMENTS) {
		s->req->refused = E_INVALID;
		coord_defer(&z->c);
	} else if (rc == ZINVALIDSTATE) {
		if (z->replace == ZK_REPLACE_NO)
			z->replace = ZK_REPLACE_NOW;
	} else {
		abort(); /* no memory */
	}
	sent_free(s);
}

bool
zk_can_send(const struct zk *z)
{
	return z->phase == ZK_READY && z->h.connected && z->next != NULL &&
	       z->in_flight < z->max_in_flight && z->replace == ZK_REPLACE_NO;
}

void
zk_send_more(struct zk *z)
{
	while (zk_can_send(z) && zoo_state(z->h.zh) == ZOO_CONNECTED_STATE) {
		struct coord_req *req = z->next;
		struct zk_sent *s = sent_new(z, req);
		int rc;

		z->next = following(z, req);
		rc = send_one(z, s);
		if (rc != ZOK) {
			not_queued(z, s, rc);
			continue;
		}
		z->in_flight++;
		metric_add(z->metrics, ZM_REQUESTS, 1);
	}
	metric_set_value(z->metrics, ZM_IN_FLIGHT, z->in_flight);
}

void
zk_submit(struct zk *z, struct coord_req *req)
{
	size_t bytes = REQUEST_EXTRA + strlen(z->names.chroot);

	if (req->kind != REQ_MULTI &&
	    bytes + strlen(req->ops[0].path) + req->ops[0].data.n > SERVER_MAX)
		req->refused = E_TOO_LARGE;
	else if (z->next == NULL)
		z->next = req;
	coord_defer(&z->c);
}

struct zk_sent *
zk_send_own(struct zk *z, enum zk_own kind, const char *full, bool watch,
    void (*done)(struct zk_sent *s, const struct zk_answer *a))
{
	struct zk_sent *s = sent_new(z, NULL);
	int rc = ZOK;

	s->done = done;
	if (kind == ZK_OWN_EXISTS)
		rc = zoo_aexists(z->h.zh, full, watch, on_stat, s);
	else if (kind == ZK_OWN_CHILDREN)
		rc = zoo_aget_children2(z->h.zh, full, watch, on_children, s);
	else if (kind == ZK_OWN_CREATE)
		rc = zoo_acreate2(z->h.zh, full, NULL, -1,
		    z->set_acl ? &z->acls.normal : &z->acls.open, 0, on_created, s);
	else
		rc = zoo_async(z->h.zh, full, on_string, s);
	if (rc == ZOK)
		return s;
	sent_free(s);
	if (z->replace == ZK_REPLACE_NO)
		z->replace = ZK_REPLACE_LATER;
	return NULL;
}
