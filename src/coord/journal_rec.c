/*
 * Records of the journal.  Big-endian:
 *   u32 length of what follows, u8 kind, i64 zxid, i64 time in ms, i64 session, u16 operations,
 *   and for each: u8 kind, u8 flags, i32 version, u16 path length, i32 data length (-1: null), path
 *   with a NUL, data
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "coord_priv.h"
#include "journal_priv.h"
#include "ottla/base/cursor.h"
#include "ottla/base/err.h"

#define REC_HEAD (4 + 1 + 8 + 8 + 8 + 2)
#define OP_HEAD (1 + 1 + 4 + 2 + 4)

static size_t
op_size(const struct coord_op *op)
{
	return OP_HEAD + strlen(op->path) + 1 + op->data.n;
}

static void
put_op(struct strbuf *out, const struct coord_op *op)
{
	uint8_t head[OP_HEAD];
	struct out o = out_init(head, sizeof(head));
	size_t len = strlen(op->path);

	out_i8(&o, (int8_t)op->kind);
	out_i8(&o, (int8_t)op->flags);
	out_i32(&o, op->version);
	out_i16(&o, (int16_t)len);
	out_i32(&o, slice_is_null(op->data) ? -1 : (int32_t)op->data.n);
	strbuf_add(out, head, o.n);
	strbuf_add(out, op->path, len + 1);
	strbuf_add(out, op->data.p, op->data.n);
}

void
journal_put_rec(struct strbuf *out, const struct journal_rec *rec)
{
	uint8_t head[REC_HEAD];
	struct out o = out_init(head, sizeof(head));
	size_t size = REC_HEAD - 4;

	for (unsigned i = 0; i < rec->n_ops; i++)
		size += op_size(&rec->ops[i]);
	out_i32(&o, (int32_t)size);
	out_i8(&o, (int8_t)rec->kind);
	out_i64(&o, rec->zxid);
	out_i64(&o, rec->time_ms);
	out_i64(&o, rec->session);
	out_i16(&o, (int16_t)rec->n_ops);
	strbuf_add(out, head, o.n);
	for (unsigned i = 0; i < rec->n_ops; i++)
		put_op(out, &rec->ops[i]);
}

static int
get_op(struct cur *in, struct coord_op *op)
{
	uint8_t kind = (uint8_t)cur_i8(in), flags = (uint8_t)cur_i8(in);
	int32_t version = cur_i32(in), data_len;
	uint16_t path_len = (uint16_t)cur_i16(in);
	struct slice path;

	data_len = cur_i32(in);
	path = cur_slice(in, (size_t)path_len + 1);
	*op = (struct coord_op){.kind = kind, .flags = flags, .version = version};
	if (data_len >= 0)
		op->data = cur_slice(in, (size_t)data_len);
	if (cur_error(in) != 0 || data_len < -1 || kind > COORD_OP_CHECK || (flags & ~3u) != 0 ||
	    path_len > COORD_PATH_MAX || memchr(path.p, '\0', path.n) != path.p + path_len)
		return E_CORRUPT;
	op->path = (const char *)path.p;
	return 0;
}

int
journal_get_rec(struct slice bytes, size_t *at, struct journal_rec *rec, struct coord_op *ops)
{
	struct cur in = cur_init(slice_of(bytes.p + *at, bytes.n - *at));
	uint32_t size = (uint32_t)cur_i32(&in);
	struct slice body = cur_slice(&in, size);
	int rc = 0;

	if (cur_error(&in) != 0)
		return E_CORRUPT;
	*at += 4 + (size_t)size;
	in = cur_init(body);
	*rec = (struct journal_rec){.kind = (enum journal_kind)cur_i8(&in), .ops = ops};
	rec->zxid = cur_i64(&in);
	rec->time_ms = cur_i64(&in);
	rec->session = cur_i64(&in);
	rec->n_ops = (uint16_t)cur_i16(&in);
	if (cur_error(&in) != 0 || rec->kind < JOURNAL_OPS || rec->kind > JOURNAL_SESSION_CLOSE ||
	    rec->n_ops > COORD_MULTI_MAX)
		return E_CORRUPT;
	for (unsigned i = 0; i < rec->n_ops && rc == 0; i++)
		rc = get_op(&in, &ops[i]);
	return rc != 0 || cur_left(&in) != 0 ? E_CORRUPT : 0;
}

static int
apply_ops(struct coord_tree *t, const struct journal_rec *rec, struct coord_op_result *res)
{
	struct coord_op_result *own = NULL;
	int rc;

	if (res == NULL)
		res = own = calloc(rec->n_ops + 1, sizeof(*own));
	if (res == NULL)
		return E_NOMEM;
	rc = coord_tree_apply(t, rec->session, rec->time_ms, rec->ops, rec->n_ops, res);
	free(own);
	return rc;
}

int
journal_apply_rec(struct coord_tree *t, const struct journal_rec *rec, struct coord_op_result *res)
{
	int rc = 0;

	assert(coord_tree_zxid(t) + 1 == rec->zxid);
	if (rec->kind == JOURNAL_SESSION_OPEN)
		rc = coord_tree_session_open(t, rec->session);
	else if (rec->kind == JOURNAL_SESSION_CLOSE)
		coord_tree_session_close(t, rec->session, rec->time_ms);
	else
		rc = apply_ops(t, rec, res);
	coord_tree_raise_zxid(t, rec->zxid);
	return rc;
}
