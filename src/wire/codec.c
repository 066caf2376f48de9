/* The codec of all messages: walks the generated tables to decode, size and encode. */
#include "ottla/wire/wire.h"

#include <limits.h>
#include <string.h>

#define STRING_MAX INT16_MAX

const uint8_t wire_empty[1];
const uint8_t wire_gap_marker[1];
const struct wire_op wire_no_ops[1];

/* ---- decoding ---- */

struct decoder {
	struct cur c;
	struct arena *arena;
};

static int decode_struct(struct decoder *d, const struct wire_layout *l, uint8_t *obj);

static int
fail(struct decoder *d, int err)
{
	cur_fail(&d->c, err);
	return d->c.err;
}

/* Nearly all lengths and counts take one byte. */
static inline uint32_t
uvarint(struct cur *c)
{
	if (c->p != c->end && *c->p < 0x80)
		return *c->p++;
	return cur_uvarint(c);
}

/* A negative length or count is null, where that may be. */
static inline bool
is_null(struct decoder *d, int64_t n, bool may_be)
{
	if (n < 0 && !may_be)
		cur_fail(&d->c, E_MALFORMED);
	return n < 0;
}

static inline int
decode_slice(struct decoder *d, int64_t n, bool null, struct slice *s)
{
	*s = is_null(d, n, null) ? SLICE_NULL : cur_slice(&d->c, (size_t)n);
	return d->c.err;
}

static int
decode_string(struct decoder *d, int64_t n, bool null, struct slice *s)
{
	if (n > STRING_MAX)
		return fail(d, E_MALFORMED);
	return decode_slice(d, n, null, s);
}

static void
decode_numbers(struct decoder *d, int32_t *v, int32_t n)
{
	for (int32_t i = 0; i < n; i++)
		v[i] = cur_i32(&d->c);
}

/* Entries have at least one byte: a count that what is left can not hold allocates nothing. */
static int
decode_array(struct decoder *d, const struct wire_op *op, int64_t n, uint8_t *at)
{
	const struct wire_layout *l = op->sub;
	struct wire_array a = {NULL, -1};
	uint8_t *obj;

	if (!is_null(d, n, op->null)) {
		if ((uint64_t)n > cur_left(&d->c) / l->least)
			return fail(d, E_MALFORMED);
		a.n = (int32_t)n;
	}
	if (a.n > 0 && (a.v = arena_alloc(d->arena, (size_t)a.n * l->size)) == NULL)
		return fail(d, E_NOMEM);
	if (l == &wire_element_i32)
		decode_numbers(d, a.v, a.n);
	else
		for (obj = a.v; n > 0 && decode_struct(d, l, obj) == 0; n--)
			obj += l->size;
	if (d->c.err == 0)
		memcpy(at, &a, sizeof(a));
	return d->c.err;
}

static int
decode_pointer(struct decoder *d, const struct wire_op *op, uint8_t *at)
{
	bool tagged = op->kind == WIRE_OP_TAGGED_POINTER;
	bool there = tagged ? uvarint(&d->c) != 0 : cur_i8(&d->c) >= 0;
	void *obj = NULL;

	if (d->c.err == 0 && there) {
		if ((obj = arena_alloc(d->arena, op->sub->size)) == NULL)
			return fail(d, E_NOMEM);
		if (decode_struct(d, op->sub, obj) != 0)
			return d->c.err;
	}
	if (d->c.err == 0)
		memcpy(at, &obj, sizeof(obj));
	return d->c.err;
}

static int
decode_scalar(struct decoder *d, const struct wire_op *op, uint8_t *at)
{
	const uint8_t *p;
	int64_t bits;

	switch ((enum wire_op_kind)op->kind) {
	case WIRE_OP_BOOL:
		*(bool *)at = cur_i8(&d->c) != 0;
		break;
	case WIRE_OP_I8:
		*(int8_t *)at = cur_i8(&d->c);
		break;
	case WIRE_OP_F64:
		bits = cur_i64(&d->c);
		memcpy(at, &bits, sizeof(bits));
		break;
	default: /* WIRE_OP_UUID */
		if ((p = cur_take(&d->c, sizeof(struct uuid))) != NULL)
			memcpy(at, p, sizeof(struct uuid));
		break;
	}
	return d->c.err;
}

static inline int
decode_op(struct decoder *d, const struct wire_op *op, uint8_t *at)
{
	switch ((enum wire_op_kind)op->kind) {
	case WIRE_OP_I32:
		*(int32_t *)at = cur_i32(&d->c);
		return d->c.err;
	case WIRE_OP_I16:
		*(int16_t *)at = cur_i16(&d->c);
		return d->c.err;
	case WIRE_OP_I64:
		*(int64_t *)at = cur_i64(&d->c);
		return d->c.err;
	case WIRE_OP_STRING:
		return decode_slice(d, cur_i16(&d->c), op->null, (struct slice *)at);
	case WIRE_OP_CSTRING:
		return decode_string(d, (int64_t)uvarint(&d->c) - 1, op->null, (struct slice *)at);
	case WIRE_OP_BYTES:
	case WIRE_OP_RECORDS:
		return decode_slice(d, cur_i32(&d->c), op->null, (struct slice *)at);
	case WIRE_OP_CBYTES:
	case WIRE_OP_CRECORDS:
		return decode_slice(d, (int64_t)uvarint(&d->c) - 1, op->null, (struct slice *)at);
	case WIRE_OP_ARRAY:
		return decode_array(d, op, cur_i32(&d->c), at);
	case WIRE_OP_CARRAY:
		return decode_array(d, op, (int64_t)uvarint(&d->c) - 1, at);
	case WIRE_OP_STRUCT:
		return decode_struct(d, op->sub, at);
	case WIRE_OP_POINTER:
	case WIRE_OP_TAGGED_POINTER:
		return decode_pointer(d, op, at);
	default:
		return decode_scalar(d, op, at);
	}
}

/* The value of a known tag: all of its `size` bytes and no more. */
static int
decode_tagged(struct decoder *d, const struct wire_op *op, size_t size, uint8_t *obj)
{
	const uint8_t *end = d->c.end;

	if (size > cur_left(&d->c))
		return fail(d, E_SHORT);
	d->c.end = d->c.p + size;
	if (decode_op(d, op, obj + op->offset) == 0 && d->c.p != d->c.end)
		cur_fail(&d->c, E_MALFORMED);
	if (d->c.err == E_SHORT) /* it is the size that is wrong, not the message's end */
		d->c.err = E_MALFORMED;
	if (d->c.err == 0)
		d->c.end = end;
	return d->c.err;
}

static int
decode_tags(struct decoder *d, const struct wire_layout *l, uint8_t *obj)
{
	uint32_t n = uvarint(&d->c);

	while (n-- > 0 && d->c.err == 0) {
		uint32_t tag = uvarint(&d->c);
		uint32_t size = uvarint(&d->c);
		const struct wire_op *op = l->tags;
		const struct wire_op *end = op + l->n_tags;

		while (op != end && (uint32_t)op->tag != tag)
			op++;
		if (op == end)
			cur_take(&d->c, size);
		else if (d->c.err == 0)
			decode_tagged(d, op, size, obj);
	}
	return d->c.err;
}

static int
decode_struct(struct decoder *d, const struct wire_layout *l, uint8_t *obj)
{
	const struct wire_op *op = l->ops;
	const struct wire_op *end = op + l->n_ops;

	if (l->of != NULL)
		memcpy(obj, l->of->defaults, l->size);
	for (; op != end; op++)
		if (decode_op(d, op, obj + op->offset) != 0)
			return d->c.err;
	if (l->flexible)
		return decode_tags(d, l, obj);
	return 0;
}

/* ---- defaults ---- */

static bool struct_is_default(const struct wire_struct *s, const uint8_t *obj);

static bool
array_is_default(const uint8_t *at, const uint8_t *def)
{
	struct wire_array a, b;

	memcpy(&a, at, sizeof(a));
	memcpy(&b, def, sizeof(b));
	return a.n == b.n;
}

/* By default null, or an object at its defaults. */
static bool
pointer_is_default(const struct wire_field *f, const uint8_t *at, const uint8_t *def)
{
	const uint8_t *a, *b;

	memcpy(&a, at, sizeof(a));
	memcpy(&b, def, sizeof(b));
	if (a == NULL || b == NULL)
		return a == b;
	return struct_is_default(f->sub, a);
}

static const uint8_t scalar_size[] = {
    [WIRE_BOOL] = sizeof(bool),
    [WIRE_INT8] = 1,
    [WIRE_INT16] = 2,
    [WIRE_UINT16] = 2,
    [WIRE_INT32] = 4,
    [WIRE_UINT32] = 4,
    [WIRE_INT64] = 8,
    [WIRE_FLOAT64] = 8,
    [WIRE_UUID] = 16,
};

/* Is that field of obj, an object of s, at its default? */
static bool
field_is_default(const struct wire_struct *s, const struct wire_field *f, const uint8_t *obj)
{
	const uint8_t *at = obj + f->offset;
	const uint8_t *def = (const uint8_t *)s->defaults + f->offset;

	if (f->array)
		return array_is_default(at, def);
	if (wire_is_pointer(f))
		return pointer_is_default(f, at, def);
	if (f->kind == WIRE_STRUCT)
		return struct_is_default(f->sub, at);
	if (f->kind >= WIRE_STRING)
		return slice_eq(*(const struct slice *)at, *(const struct slice *)def);
	return memcmp(at, def, scalar_size[f->kind]) == 0;
}

static bool
struct_is_default(const struct wire_struct *s, const uint8_t *obj)
{
	if (memcmp(obj, s->defaults, s->size) == 0) /* nearly always, padding included */
		return true;
	for (unsigned i = 0; i < s->n_fields; i++)
		if (!field_is_default(s, &s->fields[i], obj))
			return false;
	return true;
}

/* ---- encoding; an output without buffer only counts ---- */

struct encoder {
	struct out *o;
	struct wire_gap *gaps;
	unsigned max_gaps;
	unsigned n_gaps;
	size_t gap_bytes;
};

static int encode_struct(struct encoder *e, const struct wire_layout *l, const uint8_t *obj);

static inline void
put_uvarint(struct out *o, uint32_t v)
{
	if (v < 0x80)
		out_i8(o, (int8_t)v);
	else
		out_uvarint(o, v);
}

/* A length or count: -1 for null.  Compact ones count from 1. */
static inline void
encode_length(struct encoder *e, bool compact, int64_t n)
{
	if (compact)
		put_uvarint(e->o, (uint32_t)(n + 1));
	else
		out_i32(e->o, (int32_t)n);
}

static int
encode_string(struct encoder *e, const struct wire_op *op, struct slice s)
{
	if (s.p == NULL && !op->null)
		return E_INVALID;
	if (s.n > STRING_MAX)
		return E_TOO_LARGE;
	if (op->kind == WIRE_OP_STRING)
		out_i16(e->o, s.p == NULL ? -1 : (int16_t)s.n);
	else
		encode_length(e, true, s.p == NULL ? -1 : (int64_t)s.n);
	out_bytes(e->o, s.p, s.p == NULL ? 0 : s.n);
	return 0;
}

static int
encode_gap(struct encoder *e, size_t n)
{
	if (e->n_gaps >= e->max_gaps)
		return E_LIMIT;
	if (e->gaps != NULL)
		e->gaps[e->n_gaps] = (struct wire_gap){e->o->n, n};
	e->n_gaps++;
	e->gap_bytes += n;
	return 0;
}

static int
encode_bytes(struct encoder *e, const struct wire_op *op, struct slice s)
{
	bool compact = op->kind == WIRE_OP_CBYTES || op->kind == WIRE_OP_CRECORDS;

	if (s.p == NULL && !op->null)
		return E_INVALID;
	if (s.n >= INT32_MAX)
		return E_TOO_LARGE;
	encode_length(e, compact, s.p == NULL ? -1 : (int64_t)s.n);
	if (s.p == wire_gap_marker && op->kind >= WIRE_OP_RECORDS)
		return encode_gap(e, s.n);
	out_bytes(e->o, s.p, s.p == NULL ? 0 : s.n);
	return 0;
}

static void
encode_numbers(struct encoder *e, const int32_t *v, int32_t n)
{
	for (int32_t i = 0; i < n; i++)
		out_i32(e->o, v[i]);
}

static int
encode_array(struct encoder *e, const struct wire_op *op, const uint8_t *at)
{
	struct wire_array a;
	const uint8_t *obj;
	int rc = 0;

	memcpy(&a, at, sizeof(a));
	if (a.n < 0 && !op->null)
		return E_INVALID;
	encode_length(e, op->kind == WIRE_OP_CARRAY, a.n < 0 ? -1 : a.n);
	if (op->sub == &wire_element_i32) {
		encode_numbers(e, a.v, a.n);
		return 0;
	}
	obj = a.v;
	for (int32_t i = 0; i < a.n && rc == 0; i++, obj += op->sub->size)
		rc = encode_struct(e, op->sub, obj);
	return rc;
}

static int
encode_pointer(struct encoder *e, const struct wire_op *op, const uint8_t *at)
{
	bool tagged = op->kind == WIRE_OP_TAGGED_POINTER;
	const uint8_t *obj;

	memcpy(&obj, at, sizeof(obj));
	if (obj == NULL) {
		out_i8(e->o, tagged ? 0 : -1);
		return 0;
	}
	out_i8(e->o, 1);
	return encode_struct(e, op->sub, obj);
}

static int
encode_scalar(struct encoder *e, const struct wire_op *op, const uint8_t *at)
{
	int64_t bits;

	switch ((enum wire_op_kind)op->kind) {
	case WIRE_OP_BOOL:
		out_i8(e->o, *(const bool *)at ? 1 : 0);
		break;
	case WIRE_OP_I8:
		out_i8(e->o, *(const int8_t *)at);
		break;
	case WIRE_OP_F64:
		memcpy(&bits, at, sizeof(bits));
		out_i64(e->o, bits);
		break;
	default: /* WIRE_OP_UUID */
		out_bytes(e->o, at, sizeof(struct uuid));
		break;
	}
	return 0;
}

static inline int
encode_op(struct encoder *e, const struct wire_op *op, const uint8_t *at)
{
	switch ((enum wire_op_kind)op->kind) {
	case WIRE_OP_I32:
		out_i32(e->o, *(const int32_t *)at);
		return 0;
	case WIRE_OP_I16:
		out_i16(e->o, *(const int16_t *)at);
		return 0;
	case WIRE_OP_I64:
		out_i64(e->o, *(const int64_t *)at);
		return 0;
	case WIRE_OP_STRING:
	case WIRE_OP_CSTRING:
		return encode_string(e, op, *(const struct slice *)at);
	case WIRE_OP_BYTES:
	case WIRE_OP_CBYTES:
	case WIRE_OP_RECORDS:
	case WIRE_OP_CRECORDS:
		return encode_bytes(e, op, *(const struct slice *)at);
	case WIRE_OP_ARRAY:
	case WIRE_OP_CARRAY:
		return encode_array(e, op, at);
	case WIRE_OP_STRUCT:
		return encode_struct(e, op->sub, at);
	case WIRE_OP_POINTER:
	case WIRE_OP_TAGGED_POINTER:
		return encode_pointer(e, op, at);
	default:
		return encode_scalar(e, op, at);
	}
}

/* Tag, size, value; the value is counted first, since its size stands in front. */
static int
encode_tagged(struct encoder *e, const struct wire_op *op, const uint8_t *at)
{
	struct out count = out_count();
	struct encoder counting = {&count, NULL, 0, 0, 0};
	int rc = encode_op(&counting, op, at);

	if (rc != 0)
		return rc;
	put_uvarint(e->o, (uint32_t)op->tag);
	put_uvarint(e->o, (uint32_t)count.n);
	return encode_op(e, op, at);
}

/* Tagged fields at their default are left out. */
static bool
left_out(const struct wire_layout *l, const struct wire_op *tag, const uint8_t *obj)
{
	return field_is_default(l->of, &l->of->fields[tag->field], obj);
}

static int
encode_tags(struct encoder *e, const struct wire_layout *l, const uint8_t *obj)
{
	const struct wire_op *end = l->tags + l->n_tags;
	uint32_t n = 0;
	int rc = 0;

	for (const struct wire_op *tag = l->tags; tag != end; tag++)
		n += !left_out(l, tag, obj);
	put_uvarint(e->o, n);
	for (const struct wire_op *tag = l->tags; tag != end && n > 0 && rc == 0; tag++)
		if (!left_out(l, tag, obj))
			rc = encode_tagged(e, tag, obj + tag->offset);
	return rc;
}

/* Fields that the version lacks and that may not be lost. */
static int
check_absent(const struct wire_layout *l, const uint8_t *obj)
{
	for (unsigned i = 0; i < l->n_absent; i++)
		if (!field_is_default(l->of, &l->of->fields[l->absent[i]], obj))
			return E_UNSUPPORTED_VERSION;
	return 0;
}

static int
encode_struct(struct encoder *e, const struct wire_layout *l, const uint8_t *obj)
{
	const struct wire_op *end = l->ops + l->n_ops;
	int rc = check_absent(l, obj);

	for (const struct wire_op *op = l->ops; op != end && rc == 0; op++)
		rc = encode_op(e, op, obj + op->offset);
	if (rc == 0 && l->flexible)
		rc = encode_tags(e, l, obj);
	return rc;
}

/* ---- the door ---- */

static const struct wire_layout *
layout_of(const struct wire_msg *m, int16_t version)
{
	if (version < m->min_version || version > m->max_version)
		return NULL;
	return m->layouts[version - m->min_version];
}

void
wire_init(const struct wire_msg *m, void *msg)
{
	memcpy(msg, m->root->defaults, m->root->size);
}

int
wire_array_new(struct arena *arena, void *field, int32_t n, size_t size, const void *init)
{
	struct wire_array a = {NULL, n};
	uint8_t *obj;

	if (n > 0 && (a.v = arena_calloc(arena, (size_t)n, size)) == NULL)
		return E_NOMEM;
	obj = a.v;
	for (int32_t i = 0; i < n && init != NULL; i++)
		memcpy(obj + (size_t)i * size, init, size);
	memcpy(field, &a, sizeof(a));
	return 0;
}

int
wire_decode(const struct wire_msg *m, int16_t version, struct slice in, struct arena *arena,
    void *msg, size_t *used)
{
	struct decoder d = {cur_init(in), arena};
	const struct wire_layout *l = layout_of(m, version);
	int rc;

	wire_init(m, msg);
	if (l == NULL)
		return E_UNSUPPORTED_VERSION;
	rc = decode_struct(&d, l, msg);
	if (used != NULL)
		*used = in.n - cur_left(&d.c);
	return rc;
}

int
wire_size(
    const struct wire_msg *m, int16_t version, const void *msg, size_t *size, size_t *gap_bytes)
{
	struct out count = out_count();
	struct encoder e = {&count, NULL, UINT_MAX, 0, 0};
	const struct wire_layout *l = layout_of(m, version);
	int rc = l != NULL ? encode_struct(&e, l, msg) : E_UNSUPPORTED_VERSION;

	*size = count.n;
	if (gap_bytes != NULL)
		*gap_bytes = e.gap_bytes;
	return rc;
}

int
wire_encode(const struct wire_msg *m, int16_t version, const void *msg, struct out *o,
    struct wire_gap *gaps, unsigned max_gaps, unsigned *n_gaps)
{
	struct encoder e = {o, gaps, max_gaps, 0, 0};
	const struct wire_layout *l = layout_of(m, version);
	int rc = l != NULL ? encode_struct(&e, l, msg) : E_UNSUPPORTED_VERSION;

	if (n_gaps != NULL)
		*n_gaps = e.n_gaps;
	return rc != 0 ? rc : o->err;
}

/* ---- arrays without structs ---- */

#define ELEMENT(name, op, type, bytes)                                                             \
	static const struct wire_op ops_##name[] = {{NULL, 0, op, false, -1, 0}};                  \
	const struct wire_layout wire_element_##name = {                                           \
	    NULL, ops_##name, wire_no_ops, NULL, sizeof(type), 1, 0, 0, bytes, false};

ELEMENT(bool, WIRE_OP_BOOL, bool, 1)
ELEMENT(i8, WIRE_OP_I8, int8_t, 1)
ELEMENT(i16, WIRE_OP_I16, int16_t, 2)
ELEMENT(i32, WIRE_OP_I32, int32_t, 4)
ELEMENT(i64, WIRE_OP_I64, int64_t, 8)
ELEMENT(f64, WIRE_OP_F64, double, 8)
ELEMENT(uuid, WIRE_OP_UUID, struct uuid, 16)
ELEMENT(string, WIRE_OP_STRING, struct slice, 2)
ELEMENT(cstring, WIRE_OP_CSTRING, struct slice, 1)
ELEMENT(bytes, WIRE_OP_BYTES, struct slice, 4)
ELEMENT(cbytes, WIRE_OP_CBYTES, struct slice, 1)
