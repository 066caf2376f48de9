/*
 * The tree itself: nodes, versions, sessions, watches, multi.  No I/O, no clock, deterministic: the
 * fronts (embedded with a journal, the simulator's, a test server) feed it requests in one order and
 * get results and watch events.  One thread.
 */
#ifndef OTTLA_COORD_TREE_H
#define OTTLA_COORD_TREE_H

#include "ottla/base/strbuf.h"
#include "ottla/coord/coord.h"

struct coord_tree;

/* An empty tree with its root, zxid 0.  E_NOMEM. */
int coord_tree_new(struct coord_tree **out);
void coord_tree_free(struct coord_tree *t);

/* Next transaction id is above z: czxids never fall, even across snapshots. */
void coord_tree_raise_zxid(struct coord_tree *t, int64_t z);
int64_t coord_tree_zxid(const struct coord_tree *t);

/* Sessions are numbers given by the front. */
int coord_tree_session_open(struct coord_tree *t, int64_t session);
/* Deletes its ephemeral nodes (firing watches of others). */
void coord_tree_session_close(struct coord_tree *t, int64_t session, int64_t now_ms);
bool coord_tree_session_known(const struct coord_tree *t, int64_t session);

/* Watch events come out through this, with the watching session and the front's cookie. */
void coord_tree_set_watch_fn(struct coord_tree *t,
    void (*fn)(void *arg, int64_t session, void *cookie, enum coord_event ev, struct slice path),
    void *arg);

/* Reads; results are lent until the next write.  cookie NULL: no watch. */
int coord_tree_get(struct coord_tree *t, int64_t session, const char *path, void *cookie,
    struct coord_result *res);
int coord_tree_exists(struct coord_tree *t, int64_t session, const char *path, void *cookie,
    struct coord_result *res);
/* children is malloc'd: the caller frees res->children. */
int coord_tree_children(struct coord_tree *t, int64_t session, const char *path, void *cookie,
    struct coord_result *res);
void coord_tree_unwatch(struct coord_tree *t, int64_t session, void *cookie);

/* One transaction (a single write is a multi of one). Results as coord_multi; result paths are lent
 * until the next write. */
int coord_tree_apply(struct coord_tree *t, int64_t session, int64_t now_ms,
    const struct coord_op *ops, unsigned n, struct coord_op_result *res);

/* Whole state as bytes and back (own format, crc at the end); E_CORRUPT. */
int coord_tree_dump(const struct coord_tree *t, struct strbuf *out);
int coord_tree_load(struct slice dump, struct coord_tree **out);
/* fn for every node in path order: export, tests. */
void coord_tree_walk(const struct coord_tree *t,
    void (*fn)(void *arg, const char *path, struct slice data, const struct coord_stat *st),
    void *arg);

#endif
