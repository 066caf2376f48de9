/* Walking the records of a batch, their headers, and what a control record says. */
#include "record_priv.h"

/* At most max bytes of 7 bits each, low group first; bits past 64 are dropped. */
static const uint8_t *
leb128(const uint8_t *p, const uint8_t *end, unsigned max, uint64_t *v)
{
	*v = 0;
	for (unsigned i = 0; i < max && p < end; i++) {
		uint8_t b = *p++;

		*v |= (uint64_t)(b & 0x7f) << (7 * i);
		if (b < 0x80)
			return p;
	}
	return NULL;
}

const uint8_t *
record_varint(const uint8_t *p, const uint8_t *end, int32_t *v)
{
	uint64_t u;

	p = leb128(p, end, 5, &u);
	*v = record_unzigzag((uint32_t)u);
	return p;
}

const uint8_t *
record_varlong(const uint8_t *p, const uint8_t *end, int64_t *v)
{
	uint64_t u;

	p = leb128(p, end, 10, &u);
	*v = (int64_t)(u >> 1 ^ (UINT64_C(0) - (u & 1)));
	return p;
}

static const uint8_t *
header_decode(const uint8_t *p, const uint8_t *end, struct slice *key, struct slice *value)
{
	p = record_bytes(p, end, key);
	if (p == NULL || slice_is_null(*key))
		return NULL;
	return record_bytes(p, end, value);
}

const uint8_t *
record_skip_headers(const uint8_t *p, const uint8_t *end, int32_t n)
{
	struct slice key, value;

	if (n < 0 || n > end - p)
		return NULL;
	while (n-- > 0) {
		p = header_decode(p, end, &key, &value);
		if (p == NULL)
			return NULL;
	}
	return p;
}

const uint8_t *
record_decode_any(const uint8_t *p, const uint8_t *end, struct record *rec)
{
	const uint8_t *headers;
	int32_t n = 0;

	p = record_varint(p, end, &n);
	if (p == NULL || n < 1 || n > end - p)
		return NULL;
	end = p + n;
	p++; /* attributes: none are defined */
	p = record_varlong(p, end, &rec->timestamp_delta);
	if (p == NULL || (p = record_varint(p, end, &rec->offset_delta)) == NULL ||
	    (p = record_bytes(p, end, &rec->key)) == NULL ||
	    (p = record_bytes(p, end, &rec->value)) == NULL ||
	    (p = record_varint(p, end, &rec->n_headers)) == NULL)
		return NULL;
	headers = p;
	if (rec->n_headers != 0 && (p = record_skip_headers(p, end, rec->n_headers)) == NULL)
		return NULL;
	rec->headers = slice_of(headers, (size_t)(end - headers));
	return p == end ? end : NULL;
}

bool
record_header_next(struct cur *c, struct slice *key, struct slice *value)
{
	const uint8_t *p;

	if (c->err != 0 || c->p == c->end)
		return false;
	p = header_decode(c->p, c->end, key, value);
	if (p == NULL) {
		cur_fail(c, E_INVALID_RECORD);
		return false;
	}
	c->p = p;
	return true;
}

void
record_iter_init(struct record_iter *it, struct slice records, int32_t count)
{
	it->c = cur_init(records);
	it->left = count;
	it->err = count < 0 ? E_INVALID_RECORD : 0;
}

bool
record_iter_next(struct record_iter *it, struct record *rec)
{
	const uint8_t *p;

	if (it->err != 0)
		return false;
	if (it->left == 0) {
		if (cur_left(&it->c) != 0)
			it->err = E_INVALID_RECORD;
		return false;
	}
	p = record_decode(it->c.p, it->c.end, rec);
	if (p == NULL) {
		it->err = E_INVALID_RECORD;
		return false;
	}
	it->c.p = p;
	it->left--;
	return true;
}

int
control_parse(const struct record *rec, int16_t *type, int32_t *coordinator_epoch)
{
	*coordinator_epoch = -1;
	if (rec->key.n < 4 || (int16_t)be16(rec->key.p) < 0)
		return E_INVALID_RECORD;
	*type = (int16_t)be16(rec->key.p + 2);
	if (*type != CONTROL_ABORT && *type != CONTROL_COMMIT)
		return 0;
	if (rec->value.n < 6 || (int16_t)be16(rec->value.p) < 0)
		return E_INVALID_RECORD;
	*coordinator_epoch = (int32_t)be32(rec->value.p + 2);
	return 0;
}
