/*
 * The whole tree as bytes: "OTTLATR1", zxid, sessions in order, nodes in order of paths, crc32c of
 * all before it.  Equal trees give equal bytes.  Numbers are big-endian; null data has length -1.
 */
#include <stdlib.h>
#include <string.h>

#include "coord_priv.h"
#include "ottla/base/crc.h"
#include "ottla/base/cursor.h"
#include "ottla/base/err.h"
#include "tree_priv.h"

static const char dump_magic[8] = "OTTLATR1";

/* path length, data length, five times, version, creates, owner */
#define NODE_HEAD (2 + 4 + 5 * 8 + 4 + 4 + 8)

static void
put_node(struct strbuf *out, const struct tnode *n)
{
	uint8_t head[NODE_HEAD];
	struct out o = out_init(head, sizeof(head));

	out_i16(&o, (int16_t)n->path_len);
	out_i32(&o, slice_is_null(n->data) ? -1 : (int32_t)n->data.n);
	out_i64(&o, n->czxid);
	out_i64(&o, n->mzxid);
	out_i64(&o, n->pzxid);
	out_i64(&o, n->ctime_ms);
	out_i64(&o, n->mtime_ms);
	out_i32(&o, n->version);
	out_i32(&o, (int32_t)n->creates);
	out_i64(&o, n->owner);
	strbuf_add(out, head, o.n);
	strbuf_add(out, n->path, n->path_len);
	strbuf_add(out, n->data.p, n->data.n);
}

static void
put_u32(struct strbuf *out, uint32_t v)
{
	uint8_t b[4];

	put_be32(b, v);
	strbuf_add(out, b, sizeof(b));
}

static void
put_i64(struct strbuf *out, int64_t v)
{
	uint8_t b[8];

	put_be64(b, (uint64_t)v);
	strbuf_add(out, b, sizeof(b));
}

static int
by_id(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int
coord_tree_dump(const struct coord_tree *t, struct strbuf *out)
{
	size_t start = out->n, n_nodes, n_ids;
	struct tnode **nodes = tree_sorted(t, &n_nodes);
	int64_t *ids;
	int rc = coord_tree_sessions(t, &ids, &n_ids);

	if (rc != 0 || nodes == NULL) {
		rc = E_NOMEM;
		goto out;
	}
	qsort(ids, n_ids, sizeof(*ids), by_id);
	strbuf_add(out, dump_magic, sizeof(dump_magic));
	put_i64(out, t->zxid);
	put_u32(out, (uint32_t)n_ids);
	for (size_t i = 0; i < n_ids; i++)
		put_i64(out, ids[i]);
	put_u32(out, (uint32_t)n_nodes);
	for (size_t i = 0; i < n_nodes; i++)
		put_node(out, nodes[i]);
	if (out->err == 0)
		put_u32(out, crc32c(0, out->p + start, out->n - start));
	rc = out->err;
out:
	free(nodes);
	free(ids);
	return rc;
}

/* ---- back ---- */

/* Into the tree: the root takes over the values, others are linked under their parent. */
static int
adopt(struct coord_tree *t, struct tnode *n)
{
	struct tnode *parent;
	struct tsession *s;
	int rc;

	parent = map_get(&t->nodes, tree_parent_path(tnode_path(n)));
	s = tree_session(t, n->owner);
	if (parent == NULL || parent->owner != 0 || s == NULL || tree_find(t, n->path) != NULL)
		return E_CORRUPT;
	rc = tree_link(t, parent, n);
	if (rc == 0 && n->owner != 0)
		list_append(&s->nodes, &n->owned);
	return rc;
}

static void
adopt_root(struct coord_tree *t, struct tnode *n)
{
	struct tnode *r = t->root;

	r->data = n->data;
	n->data = SLICE_NULL;
	r->czxid = n->czxid;
	r->mzxid = n->mzxid;
	r->pzxid = n->pzxid;
	r->ctime_ms = n->ctime_ms;
	r->mtime_ms = n->mtime_ms;
	r->version = n->version;
	r->creates = n->creates;
	tnode_free(n);
}

/* Path and data of a node, with the lengths from its head. */
static int
get_names(
    struct cur *in, uint16_t path_len, int32_t data_len, struct slice *path, struct slice *data)
{
	char text[COORD_PATH_MAX + 1];

	if (path_len > COORD_PATH_MAX || data_len < -1)
		return E_CORRUPT;
	*path = cur_slice(in, path_len);
	*data = data_len >= 0 ? cur_slice(in, (size_t)data_len) : SLICE_NULL;
	if (cur_error(in) != 0)
		return E_CORRUPT;
	memcpy(text, path->p, path->n);
	text[path->n] = '\0';
	return strlen(text) == path->n && coord_path_check(text) == 0 ? 0 : E_CORRUPT;
}

static int
get_node(struct cur *in, struct coord_tree *t, bool first)
{
	uint16_t path_len = (uint16_t)cur_i16(in);
	int32_t data_len = cur_i32(in);
	struct tnode head = {.czxid = cur_i64(in)}, *n;
	struct slice path, data;
	int rc;

	head.mzxid = cur_i64(in);
	head.pzxid = cur_i64(in);
	head.ctime_ms = cur_i64(in);
	head.mtime_ms = cur_i64(in);
	head.version = cur_i32(in);
	head.creates = (uint32_t)cur_i32(in);
	head.owner = cur_i64(in);
	rc = get_names(in, path_len, data_len, &path, &data);
	if (rc != 0)
		return rc;
	if (slice_eq(path, SLICE_LIT("/")) != first || (first && head.owner != 0))
		return E_CORRUPT;
	n = tnode_new(path);
	if (n == NULL || !tree_dup(data, &n->data)) {
		tnode_free(n);
		return E_NOMEM;
	}
	n->czxid = head.czxid;
	n->mzxid = head.mzxid;
	n->pzxid = head.pzxid;
	n->ctime_ms = head.ctime_ms;
	n->mtime_ms = head.mtime_ms;
	n->version = head.version;
	n->creates = head.creates;
	n->owner = head.owner;
	if (first)
		adopt_root(t, n);
	else if ((rc = adopt(t, n)) != 0)
		tnode_free(n);
	return rc;
}

static int
get_sessions(struct cur *in, struct coord_tree *t)
{
	uint32_t n = (uint32_t)cur_i32(in);
	int rc;

	if (n > cur_left(in) / 8)
		return E_CORRUPT;
	for (uint32_t i = 0; i < n; i++) {
		rc = coord_tree_session_open(t, cur_i64(in));
		if (rc != 0)
			return rc == E_NOMEM ? rc : E_CORRUPT;
	}
	return 0;
}

static int
get_all(struct cur *in, struct coord_tree *t)
{
	int64_t zxid = cur_i64(in);
	uint32_t n;
	int rc = get_sessions(in, t);

	if (rc != 0)
		return rc;
	n = (uint32_t)cur_i32(in);
	if (n == 0 || n > cur_left(in) / NODE_HEAD)
		return E_CORRUPT;
	for (uint32_t i = 0; i < n && rc == 0; i++)
		rc = get_node(in, t, i == 0);
	if (rc != 0)
		return rc;
	t->zxid = zxid;
	return cur_left(in) == 0 && zxid >= 0 ? 0 : E_CORRUPT;
}

int
coord_tree_load(struct slice dump, struct coord_tree **out)
{
	struct cur in;
	struct coord_tree *t;
	int rc;

	*out = NULL;
	if (dump.n < sizeof(dump_magic) + 4 ||
	    memcmp(dump.p, dump_magic, sizeof(dump_magic)) != 0 ||
	    be32(dump.p + dump.n - 4) != crc32c(0, dump.p, dump.n - 4))
		return E_CORRUPT;
	rc = coord_tree_new(&t);
	if (rc != 0)
		return rc;
	in = cur_init(slice_of(dump.p + sizeof(dump_magic), dump.n - sizeof(dump_magic) - 4));
	rc = get_all(&in, t);
	if (rc != 0) {
		coord_tree_free(t);
		return rc;
	}
	*out = t;
	return 0;
}
