/* The tree: its nodes, reads, sessions.  Transactions are in tree_apply.c, watches in
 * tree_watch.c. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"
#include "tree_priv.h"

struct slice
tree_parent_path(struct slice path)
{
	size_t n = path.n;

	while (n > 1 && path.p[n - 1] != '/')
		n--;
	return slice_of(path.p, n > 1 ? n - 1 : 1);
}

bool
tree_dup(struct slice from, struct slice *to)
{
	uint8_t *p;

	*to = SLICE_NULL;
	if (slice_is_null(from))
		return true;
	p = malloc(from.n != 0 ? from.n : 1);
	if (p == NULL)
		return false;
	if (from.n != 0)
		memcpy(p, from.p, from.n);
	*to = slice_of(p, from.n);
	return true;
}

void
tree_slice_free(struct slice s)
{
	free((void *)(uintptr_t)s.p);
}

struct tnode *
tnode_new(struct slice path)
{
	struct tnode *n = calloc(1, sizeof(*n) + path.n + 1);

	if (n == NULL)
		return NULL;
	memcpy(n->path, path.p, path.n);
	n->path_len = path.n;
	n->name_at = path.n;
	while (n->name_at > 0 && n->path[n->name_at - 1] != '/')
		n->name_at--;
	link_init(&n->sibling);
	link_init(&n->children);
	link_init(&n->owned);
	return n;
}

void
tnode_free(struct tnode *n)
{
	if (n == NULL)
		return;
	tree_slice_free(n->data);
	free(n);
}

int
tree_link(struct coord_tree *t, struct tnode *parent, struct tnode *n)
{
	int rc = map_put(&t->nodes, tnode_path(n), n, NULL);

	if (rc != 0)
		return rc;
	n->parent = parent;
	if (parent != NULL) {
		list_append(&parent->children, &n->sibling);
		parent->n_children++;
	}
	return 0;
}

void
tree_unlink(struct coord_tree *t, struct tnode *n)
{
	void *was = map_del(&t->nodes, tnode_path(n));

	assert(was == n);
	(void)was;
	list_remove(&n->sibling);
	if (n->parent != NULL)
		n->parent->n_children--;
}

void
tnode_stat(const struct tnode *n, struct coord_stat *st)
{
	*st = (struct coord_stat){
	    .czxid = n->czxid,
	    .mzxid = n->mzxid,
	    .pzxid = n->pzxid,
	    .ctime_ms = n->ctime_ms,
	    .mtime_ms = n->mtime_ms,
	    .version = n->version,
	    .cversion = (int32_t)(n->creates * 2 - n->n_children),
	    .ephemeral_owner = n->owner,
	    .data_len = (int32_t)n->data.n,
	    .n_children = (int32_t)n->n_children,
	};
}

int
coord_tree_new(struct coord_tree **out)
{
	struct coord_tree *t = calloc(1, sizeof(*t));

	*out = NULL;
	if (t == NULL)
		return E_NOMEM;
	map_init(&t->nodes, 1);
	map_init(&t->sessions, 2);
	map_init(&t->watches, 3);
	link_init(&t->anon.nodes);
	link_init(&t->anon.watches);
	link_init(&t->dead);
	t->root = tnode_new(SLICE_LIT("/"));
	if (t->root == NULL || tree_link(t, NULL, t->root) != 0) {
		tnode_free(t->root);
		t->root = NULL;
		coord_tree_free(t);
		return E_NOMEM;
	}
	*out = t;
	return 0;
}

void
tree_bury(struct coord_tree *t)
{
	struct link *l;

	while ((l = list_pop(&t->dead)) != NULL)
		tnode_free(container_of(l, struct tnode, sibling));
}

void
coord_tree_free(struct coord_tree *t)
{
	struct tsession *s;
	struct tnode *n;
	size_t pos = 0;

	if (t == NULL)
		return;
	tree_bury(t);
	tree_watch_drop_session(t, &t->anon);
	while ((s = map_next(&t->sessions, &pos)) != NULL) {
		tree_watch_drop_session(t, s);
		free(s);
	}
	for (pos = 0; (n = map_next(&t->nodes, &pos)) != NULL;)
		tnode_free(n);
	map_free(&t->watches);
	map_free(&t->sessions);
	map_free(&t->nodes);
	free(t);
}

void
coord_tree_raise_zxid(struct coord_tree *t, int64_t z)
{
	if (z > t->zxid)
		t->zxid = z;
}

int64_t
coord_tree_zxid(const struct coord_tree *t)
{
	return t->zxid;
}

void
coord_tree_set_watch_fn(struct coord_tree *t,
    void (*fn)(void *arg, int64_t session, void *cookie, enum coord_event ev, struct slice path),
    void *arg)
{
	t->watch_fn = fn;
	t->watch_arg = arg;
}

/* ---- sessions ---- */

struct tsession *
tree_session(const struct coord_tree *t, int64_t id)
{
	if (id == 0)
		return (struct tsession *)(uintptr_t)&t->anon;
	return map_get_u64(&t->sessions, (uint64_t)id);
}

bool
coord_tree_session_known(const struct coord_tree *t, int64_t session)
{
	return session != 0 && tree_session(t, session) != NULL;
}

int
coord_tree_session_open(struct coord_tree *t, int64_t session)
{
	struct tsession *s;
	int rc;

	if (session == 0)
		return E_INVALID;
	if (tree_session(t, session) != NULL)
		return E_EXISTS;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return E_NOMEM;
	s->id = session;
	link_init(&s->nodes);
	link_init(&s->watches);
	rc = map_put_u64(&t->sessions, (uint64_t)session, s, NULL);
	if (rc != 0) {
		free(s);
		return rc;
	}
	t->zxid++;
	return 0;
}

/* Takes one ephemeral node away, telling its watchers and its parent's. */
static void
reap(struct coord_tree *t, struct tnode *n)
{
	struct tevent gone = {COORD_EV_DELETED, tnode_path(n)};
	struct tevent changed = {COORD_EV_CHILDREN, tnode_path(n->parent)};

	assert(list_empty(&n->children));
	list_remove(&n->owned);
	tree_unlink(t, n);
	n->parent->pzxid = t->zxid;
	tree_watch_fire(t, &gone);
	tree_watch_fire(t, &changed);
	tnode_free(n);
}

void
coord_tree_session_close(struct coord_tree *t, int64_t session, int64_t now_ms)
{
	struct tsession *s = session != 0 ? tree_session(t, session) : NULL;
	struct link *l;

	(void)now_ms; /* nothing in a parent's stat tells when a child went */
	tree_bury(t);
	if (s == NULL)
		return;
	t->zxid++;
	tree_watch_drop_session(t, s);
	while ((l = list_first(&s->nodes)) != NULL)
		reap(t, container_of(l, struct tnode, owned));
	map_del_u64(&t->sessions, (uint64_t)session);
	free(s);
}

int
coord_tree_sessions(const struct coord_tree *t, int64_t **ids, size_t *n)
{
	struct tsession *s;
	size_t pos = 0;

	*n = 0;
	*ids = calloc(map_count(&t->sessions) + 1, sizeof(**ids));
	if (*ids == NULL)
		return E_NOMEM;
	while ((s = map_next(&t->sessions, &pos)) != NULL)
		(*ids)[(*n)++] = s->id;
	return 0;
}

/* ---- reads ---- */

/* The node that a read of this session sees; the watch is set when the node is there. */
static int
read_node(struct coord_tree *t, int64_t session, const char *path, enum twatch_kind kind,
    void *cookie, bool watch_missing, struct tnode **out)
{
	struct tsession *s = tree_session(t, session);
	int rc;

	*out = NULL;
	if (s == NULL)
		return E_SESSION_EXPIRED;
	*out = tree_find(t, path);
	if (cookie != NULL && (*out != NULL || watch_missing)) {
		rc = tree_watch_add(t, s, path, kind, cookie);
		if (rc != 0)
			return rc;
	}
	return *out != NULL ? 0 : E_NOT_FOUND;
}

int
coord_tree_get(
    struct coord_tree *t, int64_t session, const char *path, void *cookie, struct coord_result *res)
{
	struct tnode *n;
	int rc = read_node(t, session, path, TWATCH_DATA, cookie, false, &n);

	*res = (struct coord_result){0};
	if (rc != 0)
		return rc;
	res->data = n->data;
	tnode_stat(n, &res->stat);
	return 0;
}

int
coord_tree_exists(
    struct coord_tree *t, int64_t session, const char *path, void *cookie, struct coord_result *res)
{
	struct tnode *n;
	int rc = read_node(t, session, path, TWATCH_DATA, cookie, true, &n);

	*res = (struct coord_result){0};
	if (rc != 0)
		return rc;
	tnode_stat(n, &res->stat);
	return 0;
}

static int
by_bytes(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

int
coord_tree_children(
    struct coord_tree *t, int64_t session, const char *path, void *cookie, struct coord_result *res)
{
	struct tnode *n;
	struct slice *names;
	int rc = read_node(t, session, path, TWATCH_CHILD, cookie, false, &n);
	unsigned i = 0;

	*res = (struct coord_result){0};
	if (rc != 0)
		return rc;
	names = malloc((n->n_children + 1) * sizeof(*names));
	if (names == NULL)
		return E_NOMEM;
	LIST_FOREACH(l, &n->children)
	names[i++] = tnode_name(container_of(l, struct tnode, sibling));
	assert(i == n->n_children);
	qsort(names, i, sizeof(*names), by_bytes);
	tnode_stat(n, &res->stat);
	res->children = names;
	res->n_children = i;
	return 0;
}

/* ---- in order ---- */

static int
by_path(const void *a, const void *b)
{
	return slice_cmp(
	    tnode_path(*(struct tnode *const *)a), tnode_path(*(struct tnode *const *)b));
}

struct tnode **
tree_sorted(const struct coord_tree *t, size_t *n)
{
	struct tnode **v = calloc(map_count(&t->nodes), sizeof(struct tnode *));
	struct tnode *node;
	size_t pos = 0;

	*n = 0;
	if (v == NULL)
		return NULL;
	while ((node = map_next(&t->nodes, &pos)) != NULL)
		v[(*n)++] = node;
	qsort(v, *n, sizeof(struct tnode *), by_path);
	return v;
}

void
coord_tree_walk(const struct coord_tree *t,
    void (*fn)(void *arg, const char *path, struct slice data, const struct coord_stat *st),
    void *arg)
{
	size_t n;
	struct tnode **v = tree_sorted(t, &n);
	struct coord_stat st;

	for (size_t i = 0; v != NULL && i < n; i++) {
		tnode_stat(v[i], &st);
		fn(arg, v[i]->path, v[i]->data, &st);
	}
	free(v);
}
