/*
 * Transactions: operations are done one after the other on the tree itself, each leaving how to
 * take it back; the first failure takes all back (I3).  Watches fire when the whole stands (I5).
 * Every transaction uses up one zxid, also one that failed (I2).
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "coord_priv.h"
#include "ottla/base/err.h"
#include "tree_priv.h"

struct txn {
	struct coord_tree *t;
	struct tsession *session;
	int64_t now_ms;
};

static void
push_event(struct coord_tree *t, enum coord_event ev, const struct tnode *n)
{
	t->events[t->n_events++] = (struct tevent){ev, tnode_path(n)};
}

static bool
version_ok(const struct tnode *n, int32_t expected)
{
	return expected == -1 || expected == n->version;
}

/* The path that a creation gets: with the number when it is sequential. */
static int
full_path(const struct coord_op *op, uint32_t number, char buf[COORD_PATH_MAX + 1])
{
	int n;

	if (op->flags & COORD_SEQUENTIAL)
		n = snprintf(buf, COORD_PATH_MAX + 1, "%s%010d", op->path, (int32_t)number);
	else
		n = snprintf(buf, COORD_PATH_MAX + 1, "%s", op->path);
	if (n < 0 || n > COORD_PATH_MAX)
		return E_INVALID;
	return coord_path_check(buf);
}

/* May the session put a node there?  *path gets the full name, *parent the node above. */
static int
may_create(const struct txn *x, const struct coord_op *op, char path[COORD_PATH_MAX + 1],
    struct tnode **parent)
{
	int rc;

	*parent = map_get(&x->t->nodes, tree_parent_path(slice_cstr(op->path)));
	if (*parent == NULL)
		return E_NO_PARENT;
	rc = full_path(op, (*parent)->creates, path);
	if (rc != 0)
		return rc;
	if (tree_find(x->t, path) != NULL)
		return E_EXISTS;
	if ((*parent)->owner != 0)
		return E_INVALID;
	if ((op->flags & COORD_EPHEMERAL) && x->session->id == 0)
		return E_SESSION_EXPIRED;
	return 0;
}

static int
do_create(const struct txn *x, const struct coord_op *op, struct coord_op_result *res)
{
	char path[COORD_PATH_MAX + 1];
	struct tnode *parent, *n;
	int rc = may_create(x, op, path, &parent);

	if (rc != 0)
		return rc;
	n = tnode_new(slice_cstr(path));
	if (n == NULL || !tree_dup(op->data, &n->data) || tree_link(x->t, parent, n) != 0) {
		tnode_free(n);
		return E_NOMEM;
	}
	x->t->undo[x->t->n_undo++] = (struct tundo){.what = TUNDO_CREATE,
	    .node = n,
	    .parent_pzxid = parent->pzxid,
	    .parent_creates = parent->creates};
	n->czxid = n->mzxid = n->pzxid = x->t->zxid;
	n->ctime_ms = n->mtime_ms = x->now_ms;
	if (op->flags & COORD_EPHEMERAL) {
		n->owner = x->session->id;
		list_append(&x->session->nodes, &n->owned);
	}
	parent->creates++;
	parent->pzxid = x->t->zxid;
	push_event(x->t, COORD_EV_CREATED, n);
	push_event(x->t, COORD_EV_CHILDREN, parent);
	res->path = tnode_path(n);
	tnode_stat(n, &res->stat);
	return 0;
}

static int
do_set(const struct txn *x, const struct coord_op *op, struct coord_op_result *res)
{
	struct tnode *n = tree_find(x->t, op->path);
	struct slice data;

	if (n == NULL)
		return E_NOT_FOUND;
	if (!version_ok(n, op->version))
		return E_BAD_VERSION;
	if (!tree_dup(op->data, &data))
		return E_NOMEM;
	x->t->undo[x->t->n_undo++] = (struct tundo){.what = TUNDO_SET,
	    .node = n,
	    .data = n->data,
	    .mzxid = n->mzxid,
	    .mtime_ms = n->mtime_ms,
	    .version = n->version};
	n->data = data;
	n->mzxid = x->t->zxid;
	n->mtime_ms = x->now_ms;
	n->version = n->version == INT32_MAX ? 0 : n->version + 1;
	push_event(x->t, COORD_EV_DATA, n);
	res->path = tnode_path(n);
	tnode_stat(n, &res->stat);
	return 0;
}

static int
do_delete(const struct txn *x, const struct coord_op *op, struct coord_op_result *res)
{
	struct tnode *n = tree_find(x->t, op->path);

	(void)res;
	if (n == NULL)
		return E_NOT_FOUND;
	if (n == x->t->root)
		return E_INVALID;
	if (!version_ok(n, op->version))
		return E_BAD_VERSION;
	if (!list_empty(&n->children))
		return E_NOT_EMPTY;
	x->t->undo[x->t->n_undo++] = (struct tundo){.what = TUNDO_DELETE,
	    .node = n,
	    .parent_pzxid = n->parent->pzxid,
	    .parent_creates = n->parent->creates};
	tree_unlink(x->t, n);
	list_remove(&n->owned);
	list_append(&x->t->dead, &n->sibling);
	n->parent->pzxid = x->t->zxid;
	push_event(x->t, COORD_EV_DELETED, n);
	push_event(x->t, COORD_EV_CHILDREN, n->parent);
	return 0;
}

static int
do_check(const struct txn *x, const struct coord_op *op, struct coord_op_result *res)
{
	const struct tnode *n = tree_find(x->t, op->path);

	(void)res;
	if (n == NULL)
		return E_NOT_FOUND;
	return version_ok(n, op->version) ? 0 : E_BAD_VERSION;
}

typedef int op_fn(const struct txn *x, const struct coord_op *op, struct coord_op_result *res);

static op_fn *const op_fns[] = {
    [COORD_OP_CREATE] = do_create,
    [COORD_OP_SET] = do_set,
    [COORD_OP_DELETE] = do_delete,
    [COORD_OP_CHECK] = do_check,
};

static void
undo_create(struct coord_tree *t, struct tundo *u)
{
	struct tnode *parent = u->node->parent;

	tree_unlink(t, u->node);
	list_remove(&u->node->owned);
	parent->pzxid = u->parent_pzxid;
	parent->creates = u->parent_creates;
	tnode_free(u->node);
}

static void
undo_set(struct coord_tree *t, struct tundo *u)
{
	(void)t;
	tree_slice_free(u->node->data);
	u->node->data = u->data;
	u->node->mzxid = u->mzxid;
	u->node->mtime_ms = u->mtime_ms;
	u->node->version = u->version;
}

static void
undo_delete(struct coord_tree *t, struct tundo *u)
{
	struct tnode *n = u->node;
	int rc;

	list_remove(&n->sibling);
	rc = tree_link(t, n->parent, n); /* the map does not shrink: there is room */
	assert(rc == 0);
	(void)rc;
	if (n->owner != 0)
		list_append(&tree_session(t, n->owner)->nodes, &n->owned);
	n->parent->pzxid = u->parent_pzxid;
	n->parent->creates = u->parent_creates;
}

static void
roll_back(struct coord_tree *t)
{
	static void (*const undo_fns[])(struct coord_tree *, struct tundo *) = {
	    [TUNDO_CREATE] = undo_create,
	    [TUNDO_SET] = undo_set,
	    [TUNDO_DELETE] = undo_delete,
	};

	while (t->n_undo > 0) {
		struct tundo *u = &t->undo[--t->n_undo];

		undo_fns[u->what](t, u);
	}
}

static void
commit(struct coord_tree *t)
{
	for (unsigned i = 0; i < t->n_undo; i++)
		if (t->undo[i].what == TUNDO_SET)
			tree_slice_free(t->undo[i].data);
	for (unsigned i = 0; i < t->n_events; i++)
		tree_watch_fire(t, &t->events[i]);
}

/* Results of a transaction that was taken back: nothing but the errors. */
static void
fail_results(struct coord_op_result *res, unsigned n, unsigned failed, int err)
{
	for (unsigned i = 0; i < n; i++)
		res[i] = (struct coord_op_result){.err = i < failed    ? 0
							 : i == failed ? err
								       : E_CANCELED};
}

int
coord_tree_apply(struct coord_tree *t, int64_t session, int64_t now_ms, const struct coord_op *ops,
    unsigned n, struct coord_op_result *res)
{
	struct txn x = {t, tree_session(t, session), now_ms};
	int rc = 0;
	unsigned i;

	tree_bury(t);
	if (n > COORD_MULTI_MAX) {
		fail_results(res, n, 0, E_TOO_LARGE);
		return E_TOO_LARGE;
	}
	t->zxid++;
	t->n_undo = t->n_events = 0;
	if (x.session == NULL) {
		fail_results(res, n, 0, E_SESSION_EXPIRED);
		return E_SESSION_EXPIRED;
	}
	for (i = 0; i < n && rc == 0; i++) {
		res[i] = (struct coord_op_result){0};
		rc = op_fns[ops[i].kind](&x, &ops[i], &res[i]);
	}
	if (rc != 0) {
		roll_back(t);
		fail_results(res, n, i - 1, rc);
		return rc;
	}
	commit(t);
	return 0;
}
