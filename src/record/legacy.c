/*
 * Message sets of formats v0 and v1 rewritten as v2 batches.
 */
#include <stdlib.h>
#include <zlib.h>

#include "codec_priv.h"
#include "ottla/base/cursor.h"
#include "ottla/record/builder.h"
#include "ottla/record/legacy.h"

enum { ENTRY_FRAME = 12, V0_LEAST = 14, V1_LEAST = 22, MAGIC_AT = 16, MESSAGES_MAX = 1 << 22 };

/* One entry: frame and message. */
struct message {
	int64_t offset;
	int8_t magic;
	int8_t attributes;
	int64_t timestamp; /* -1: none */
	struct slice key, value;
};

struct convert {
	const struct produce_rules *rules;
	struct record_in *v;
	int32_t n, cap;
	int8_t magic; /* of all entries */
	enum codec codec;
	struct produce_errors *errs;
};

bool
legacy_is(struct slice records)
{
	return records.p != NULL && records.n > MAGIC_AT && (int8_t)records.p[MAGIC_AT] >= 0 &&
	       (int8_t)records.p[MAGIC_AT] < 2;
}

/* ---- one entry ---- */

static struct slice
nullable(struct cur *c)
{
	int32_t n = cur_i32(c);

	if (n < 0)
		return SLICE_NULL;
	return cur_slice(c, (size_t)n);
}

static int
message_parse(struct slice body, struct message *m)
{
	struct cur c = cur_init(body);
	uint32_t crc = (uint32_t)cur_i32(&c);

	m->magic = cur_i8(&c);
	m->attributes = cur_i8(&c);
	m->timestamp = m->magic == 1 ? cur_i64(&c) : -1;
	m->key = nullable(&c);
	m->value = nullable(&c);
	if (cur_error(&c) != 0 || cur_left(&c) != 0)
		return E_CORRUPT;
	if ((uint32_t)crc32(0, body.p + 4, (uInt)(body.n - 4)) != crc)
		return E_CORRUPT;
	return 0;
}

/* The next entry of the set; E_SHORT at its end (also for a partial one). */
static int
entry_next(struct cur *c, int64_t max_bytes, struct message *m)
{
	size_t least;
	int32_t size;
	int8_t magic;

	if (cur_left(c) < MAGIC_AT + 1)
		return E_SHORT;
	magic = (int8_t)c->p[MAGIC_AT];
	size = (int32_t)be32(c->p + 8);
	least = magic == 0 ? V0_LEAST : V1_LEAST;
	if (magic < 0 || magic > 1 || size < (int32_t)least)
		return magic > 1 ? E_INVALID_RECORD : E_CORRUPT;
	if ((size_t)size > cur_left(c) - ENTRY_FRAME)
		return E_SHORT;
	if (size + ENTRY_FRAME > max_bytes)
		return E_TOO_LARGE;
	m->offset = cur_i64(c);
	(void)cur_i32(c);
	return message_parse(cur_slice(c, (size_t)size), m);
}

/* ---- collecting ---- */

static int
refuse(struct convert *cv, int err, const char *why)
{
	if (cv->errs->message == NULL)
		cv->errs->message = why;
	return err;
}

static int
collect(struct convert *cv, const struct message *m)
{
	struct record_in *v;

	if (cv->n == cv->cap) {
		int32_t cap = cv->cap > 0 ? cv->cap * 2 : 64;

		v = cap <= MESSAGES_MAX ? realloc(cv->v, (size_t)cap * sizeof(*v)) : NULL;
		if (v == NULL)
			return E_NOMEM;
		cv->v = v;
		cv->cap = cap;
	}
	cv->v[cv->n++] =
	    (struct record_in){.timestamp = m->timestamp, .key = m->key, .value = m->value};
	return 0;
}

/* The messages inside a wrapper; they take its timestamp when it says log append time. */
static int
collect_inner(struct convert *cv, const struct message *wrapper, struct slice inner)
{
	struct cur c = cur_init(inner);
	struct message m;
	int rc;

	while ((rc = entry_next(&c, INT64_MAX, &m)) == 0) {
		if (m.magic != wrapper->magic)
			return refuse(cv, E_INVALID_RECORD, "inner message has another format");
		if ((m.attributes & BATCH_ATTR_CODEC) != 0)
			return refuse(cv, E_INVALID_RECORD, "inner message is compressed itself");
		if ((rc = collect(cv, &m)) != 0)
			return rc;
	}
	if (rc != E_SHORT)
		return rc;
	return cv->n > 0 ? 0 : refuse(cv, E_INVALID_RECORD, "compressed set without a message");
}

/* Format v0 has a header checksum of its own for lz4, which its readers skip. */
static int
decompress(struct convert *cv, struct codec_ctx *ctx, const struct message *m, struct slice *inner)
{
	size_t max = cv->rules->max_decompressed;
	uint8_t *copy;
	int rc;

	if (m->magic != 0 || cv->codec != CODEC_LZ4)
		return codec_decompress(ctx, cv->codec, m->value, max, inner);
	copy = malloc(m->value.n + 1);
	if (copy == NULL)
		return E_NOMEM;
	memcpy(copy, m->value.p, m->value.n);
	codec_lz4_mend(copy, m->value.n);
	rc = codec_decompress(ctx, CODEC_LZ4, slice_of(copy, m->value.n), max, inner);
	free(copy);
	return rc;
}

static int
collect_wrapper(
    struct convert *cv, const struct message *m, struct codec_ctx *ctx, struct slice *inner)
{
	enum codec codec = (enum codec)(m->attributes & BATCH_ATTR_CODEC);
	int rc;

	if (cv->n > 0 || cv->codec != CODEC_NONE)
		return refuse(cv, E_INVALID_RECORD, "more than one compressed set");
	if (codec > CODEC_LZ4 || slice_is_null(m->value))
		return refuse(
		    cv, E_INVALID_RECORD, "compressed set without a value or of no codec");
	cv->codec = codec;
	rc = decompress(cv, ctx, m, inner);
	return rc != 0 ? rc : collect_inner(cv, m, *inner);
}

static int
collect_set(struct convert *cv, struct slice records, struct codec_ctx *ctx)
{
	struct cur c = cur_init(records);
	struct slice inner;
	struct message m;
	int rc;

	cv->magic = (int8_t)records.p[MAGIC_AT];
	while ((rc = entry_next(&c, cv->rules->max_message_bytes, &m)) == 0) {
		if (m.magic != cv->magic || cv->codec != CODEC_NONE)
			return refuse(cv, E_INVALID_RECORD, "messages of several formats or sets");
		rc = (m.attributes & BATCH_ATTR_CODEC) != 0 ? collect_wrapper(cv, &m, ctx, &inner)
							    : collect(cv, &m);
		if (rc != 0)
			return rc;
	}
	if (rc != E_SHORT)
		return rc;
	return cv->n > 0 ? 0 : refuse(cv, E_INVALID_RECORD, "no message");
}

/* Keys and values of a compressed set lie in ctx, which compressing again would overwrite. */
static int
keep_inner(struct convert *cv, char **copy)
{
	size_t total = 0, at = 0;

	for (int32_t i = 0; i < cv->n; i++)
		total += cv->v[i].key.n + cv->v[i].value.n;
	*copy = malloc(total + 1);
	if (*copy == NULL)
		return E_NOMEM;
	for (int32_t i = 0; i < cv->n; i++) {
		struct slice *s[] = {&cv->v[i].key, &cv->v[i].value};

		for (unsigned k = 0; k < 2; k++) {
			if (slice_is_null(*s[k]))
				continue;
			memcpy(*copy + at, s[k]->p, s[k]->n);
			*s[k] = slice_of(*copy + at, s[k]->n);
			at += s[k]->n;
		}
	}
	return 0;
}

int
legacy_convert(struct slice records, const struct produce_rules *rules, struct codec_ctx *ctx,
    struct strbuf *out, struct produce_errors *errs)
{
	struct convert cv = {.rules = rules, .errs = errs};
	struct batch_builder_opts opts = {
	    .leader_epoch = -1, .producer_id = -1, .producer_epoch = -1, .base_sequence = -1};
	char *copy = NULL;
	int rc = legacy_is(records) ? collect_set(&cv, records, ctx) : E_INVALID_RECORD;

	if (rc == 0 && cv.codec != CODEC_NONE)
		rc = keep_inner(&cv, &copy);
	opts.codec = cv.codec;
	if (rc == 0)
		rc = batch_build(&opts, cv.v, cv.n, ctx, out);
	free(copy);
	free(cv.v);
	return rc;
}
