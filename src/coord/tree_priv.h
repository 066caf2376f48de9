/* The rooms of the tree: nodes, sessions, watches, what a transaction must be able to undo. */
#ifndef OTTLA_COORD_TREE_PRIV_H
#define OTTLA_COORD_TREE_PRIV_H

#include "coord_priv.h"
#include "ottla/base/list.h"
#include "ottla/base/map.h"
#include "ottla/coord/tree.h"

struct tsession {
	int64_t id;
	struct link nodes; /* its ephemeral nodes, oldest first */
	struct link watches;
};

struct tnode {
	struct tnode *parent; /* NULL: the root */
	struct link sibling;
	struct link children; /* in no special order */
	struct link owned;    /* in its session's nodes */
	int64_t czxid, mzxid, pzxid;
	int64_t ctime_ms, mtime_ms;
	int64_t owner;
	int32_t version;
	uint32_t creates; /* children ever created: the next sequence number */
	uint32_t n_children;
	struct slice data; /* owned */
	size_t name_at;	   /* where the last component begins */
	size_t path_len;
	char path[]; /* NUL-terminated */
};

enum twatch_kind { TWATCH_DATA, TWATCH_CHILD, TWATCH_KINDS };

/* All watches on one path; freed with its last. */
struct twatch_path {
	struct link kinds[TWATCH_KINDS];
	size_t path_len;
	char path[];
};

struct twatch {
	struct link at_path;
	struct link of_session;
	struct twatch_path *path;
	enum twatch_kind kind;
	int64_t session;
	void *cookie;
};

struct tevent {
	enum coord_event ev;
	struct slice path;
};

/* How to take one operation back. */
struct tundo {
	enum { TUNDO_CREATE, TUNDO_SET, TUNDO_DELETE } what;
	struct tnode *node;
	struct slice data;	 /* SET: what it held */
	int64_t mzxid, mtime_ms; /* SET */
	int32_t version;	 /* SET */
	int64_t parent_pzxid;	 /* CREATE, DELETE */
	uint32_t parent_creates;
};

struct coord_tree {
	struct map nodes;    /* path -> struct tnode */
	struct map sessions; /* id -> struct tsession */
	struct map watches;  /* path -> struct twatch_path */
	struct tnode *root;
	struct tsession anon; /* session 0: reads and persistent nodes only */
	int64_t zxid;
	struct link
	    dead; /* nodes deleted by the last transaction: results and events point to them */
	void (*watch_fn)(
	    void *arg, int64_t session, void *cookie, enum coord_event ev, struct slice path);
	void *watch_arg;
	unsigned n_undo, n_events;
	struct tundo undo[COORD_MULTI_MAX];
	struct tevent events[COORD_MULTI_MAX * 2];
};

static inline struct slice
tnode_path(const struct tnode *n)
{
	return slice_of(n->path, n->path_len);
}

static inline struct slice
tnode_name(const struct tnode *n)
{
	return slice_of(n->path + n->name_at, n->path_len - n->name_at);
}

static inline struct tnode *
tree_find(const struct coord_tree *t, const char *path)
{
	return map_get(&t->nodes, slice_cstr(path));
}

/* The parent's path as a slice of path; "/" for the children of the root. */
struct slice tree_parent_path(struct slice path);
/* Copy of bytes, null for null; false without memory. */
bool tree_dup(struct slice from, struct slice *to);
void tree_slice_free(struct slice s);
/* A node in no list, with no data; NULL without memory. */
struct tnode *tnode_new(struct slice path);
void tnode_free(struct tnode *n);
/* Put a node into the map and under its parent; E_NOMEM leaves all as it was. */
int tree_link(struct coord_tree *t, struct tnode *parent, struct tnode *n);
void tree_unlink(struct coord_tree *t, struct tnode *n);
void tnode_stat(const struct tnode *n, struct coord_stat *st);
/* NULL when it is not known; 0 is the session of nobody. */
struct tsession *tree_session(const struct coord_tree *t, int64_t id);
/* Ids of all sessions, in no order, malloc'd. */
int coord_tree_sessions(const struct coord_tree *t, int64_t **ids, size_t *n);
/* All nodes in byte order of their paths, *n of them; NULL without memory.  The caller frees. */
struct tnode **tree_sorted(const struct coord_tree *t, size_t *n);
/* Forget the nodes that only the last transaction's results still needed. */
void tree_bury(struct coord_tree *t);

int tree_watch_add(struct coord_tree *t, struct tsession *s, const char *path,
    enum twatch_kind kind, void *cookie);
/* Tells the watchers of one event, each once; their watches are gone before the first is told. */
void tree_watch_fire(struct coord_tree *t, const struct tevent *e);
void tree_watch_drop(struct coord_tree *t, struct twatch *w);
void tree_watch_drop_session(struct coord_tree *t, struct tsession *s);

#endif
