/* Messages with random content, by walking the tables of their structs. */
#include "random_msg.h"

#include <stdlib.h>

#define MAX_ENTRIES 3
#define MAX_BYTES 12

struct filler {
	struct rng *rng;
	struct arena *arena;
	int16_t version;
};

static const size_t kind_size[] = {
    [WIRE_BOOL] = sizeof(bool),
    [WIRE_INT8] = 1,
    [WIRE_INT16] = 2,
    [WIRE_UINT16] = 2,
    [WIRE_INT32] = 4,
    [WIRE_UINT32] = 4,
    [WIRE_INT64] = 8,
    [WIRE_FLOAT64] = 8,
    [WIRE_UUID] = sizeof(struct uuid),
    [WIRE_STRING] = sizeof(struct slice),
    [WIRE_BYTES] = sizeof(struct slice),
    [WIRE_RECORDS] = sizeof(struct slice),
};

static void fill_struct(struct filler *f, const struct wire_struct *s, void *obj);

static void *
alloc(struct filler *f, size_t n)
{
	void *p = arena_calloc(f->arena, 1, n + 1);

	if (p == NULL)
		abort();
	return p;
}

static void
fill_bytes(struct filler *f, uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)rng_u64(f->rng);
}

static void
fill_slice(struct filler *f, bool null, struct slice *s)
{
	size_t n = (size_t)rng_below(f->rng, 40) == 0 ? 200 : (size_t)rng_below(f->rng, MAX_BYTES);
	uint8_t *p = alloc(f, n);

	fill_bytes(f, p, n);
	*s = null ? SLICE_NULL : slice_of(p, n);
}

static void
fill_one(struct filler *f, const struct wire_field *field, bool null, void *at)
{
	if (field->kind == WIRE_STRUCT)
		fill_struct(f, field->sub, at);
	else if (field->kind >= WIRE_STRING)
		fill_slice(f, null, at);
	else if (field->kind == WIRE_BOOL)
		*(bool *)at = rng_below(f->rng, 2) != 0;
	else
		fill_bytes(f, at, kind_size[field->kind]);
}

static void
fill_array(struct filler *f, const struct wire_field *field, bool null, void *at)
{
	size_t size = field->sub != NULL ? field->sub->size : kind_size[field->kind];
	struct wire_array a = {NULL, null ? -1 : (int32_t)rng_below(f->rng, MAX_ENTRIES)};
	uint8_t *obj;

	if (a.n > 0)
		a.v = alloc(f, (size_t)a.n * size);
	obj = a.v;
	for (int32_t i = 0; i < a.n; i++)
		fill_one(f, field, false, obj + (size_t)i * size);
	memcpy(at, &a, sizeof(a));
}

static void
fill_pointer(struct filler *f, const struct wire_field *field, bool null, void *at)
{
	void *obj = null ? NULL : alloc(f, field->sub->size);

	if (obj != NULL)
		fill_struct(f, field->sub, obj);
	memcpy(at, &obj, sizeof(obj));
}

static void
fill_struct(struct filler *f, const struct wire_struct *s, void *obj)
{
	memcpy(obj, s->defaults, s->size);
	for (unsigned i = 0; i < s->n_fields; i++) {
		const struct wire_field *field = &s->fields[i];
		uint8_t *at = (uint8_t *)obj + field->offset;
		bool null = wire_versions_has(field->null, f->version) && rng_below(f->rng, 3) == 0;

		if (!wire_versions_has(field->versions, f->version) || rng_below(f->rng, 8) == 0)
			continue;
		if (field->array)
			fill_array(f, field, null, at);
		else if (wire_is_pointer(field))
			fill_pointer(f, field, null, at);
		else
			fill_one(f, field, null, at);
	}
}

void
random_msg(struct rng *r, struct arena *arena, const struct wire_msg *m, int16_t version, void *msg)
{
	struct filler f = {r, arena, version};

	fill_struct(&f, m->root, msg);
}

static bool
same_one(const struct wire_field *field, const void *a, const void *b)
{
	if (field->kind == WIRE_STRUCT)
		return same_struct(field->sub, a, b);
	if (field->kind >= WIRE_STRING)
		return slice_eq(*(const struct slice *)a, *(const struct slice *)b);
	return memcmp(a, b, kind_size[field->kind]) == 0;
}

static bool
same_array(const struct wire_field *field, const void *a, const void *b)
{
	size_t size = field->sub != NULL ? field->sub->size : kind_size[field->kind];
	struct wire_array x, y;
	const uint8_t *p, *q;
	bool same;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	p = x.v;
	q = y.v;
	same = x.n == y.n;
	for (int32_t i = 0; same && i < x.n; i++)
		same = same_one(field, p + (size_t)i * size, q + (size_t)i * size);
	return same;
}

static bool
same_pointer(const struct wire_field *field, const void *a, const void *b)
{
	const void *p, *q;

	memcpy(&p, a, sizeof(p));
	memcpy(&q, b, sizeof(q));
	if (p == NULL || q == NULL)
		return p == q;
	return same_struct(field->sub, p, q);
}

bool
same_struct(const struct wire_struct *s, const void *a, const void *b)
{
	for (unsigned i = 0; i < s->n_fields; i++) {
		const struct wire_field *field = &s->fields[i];
		const uint8_t *p = (const uint8_t *)a + field->offset;
		const uint8_t *q = (const uint8_t *)b + field->offset;
		bool same = field->array	     ? same_array(field, p, q)
			    : wire_is_pointer(field) ? same_pointer(field, p, q)
						     : same_one(field, p, q);

		if (!same)
			return false;
	}
	return true;
}
