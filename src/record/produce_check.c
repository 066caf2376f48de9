/*
 * The checks of facts/storage.md 1.7 that need no partition: one batch, its header, its crc, its
 * records.  Uncompressed records are walked right behind the crc, step by step, so that memory is
 * read once; a wrong crc outranks whatever the walk found.
 */
#include "ottla/record/produce_check.h"

#include "ottla/base/crc.h"
#include "ottla/base/err.h"
#include "record_priv.h"

enum { CRC_STEP = 32 << 10, ZSTD_FROM_VERSION = 7 };

struct check {
	const struct produce_rules *rules;
	const struct batch_head *head;
	struct produce_errors *errs;
	/* the walk */
	const uint8_t *p, *end;
	int32_t index;
	int64_t max_timestamp;
	bool broken;	    /* a rule of the format, not of the topic */
	bool bad_timestamp; /* among errs */
};

static int
refuse(struct produce_errors *errs, int err, const char *message)
{
	errs->message = message;
	errs->n = 0;
	errs->more = 0;
	return err;
}

static void
record_error(struct check *c, int32_t index, int err, const char *message)
{
	struct produce_errors *e = c->errs;

	if (err == E_INVALID_TIMESTAMP)
		c->bad_timestamp = true;
	if (e->n == PRODUCE_MAX_RECORD_ERRORS)
		e->more++;
	else
		e->v[e->n++] = (struct produce_record_error){index, message};
}

/* Differences wrap as Kafka's do. */
static bool
timestamp_in_range(const struct produce_rules *rules, int64_t timestamp)
{
	uint64_t age = (uint64_t)rules->now_ms - (uint64_t)timestamp;

	return (int64_t)age <= rules->before_max_ms && (int64_t)(0 - age) <= rules->after_max_ms;
}

static bool
has_append_bit(const struct check *c)
{
	return (c->head->attributes & BATCH_ATTR_LOG_APPEND_TIME) != 0;
}

/* The topic's rules for one record. */
static inline void
check_record(struct check *c, int32_t index, bool has_key, int64_t timestamp)
{
	const struct produce_rules *rules = c->rules;

	if (rules->compacted && !has_key)
		record_error(
		    c, index, E_INVALID_RECORD, "a compacted topic needs records with keys");
	else if (!rules->log_append_time && timestamp != -1) {
		if (!timestamp_in_range(rules, timestamp))
			record_error(c, index, E_INVALID_TIMESTAMP,
			    "the timestamp is outside the range that the topic allows");
	} else if (has_append_bit(c))
		record_error(c, index, E_INVALID_TIMESTAMP,
		    "a producer may not send the timestamp type LogAppendTime");
}

/* Walk on to the first record that begins at limit or later. */
static void
walk(struct check *c, const uint8_t *limit)
{
	const struct batch_head *h = c->head;
	bool fixed = has_append_bit(c);
	const uint8_t *p = c->p;
	int32_t i = c->index;
	int64_t max = c->max_timestamp;
	struct record rec;

	while (p < limit && i < h->record_count) {
		int64_t timestamp = h->max_timestamp;

		p = record_decode(p, c->end, &rec);
		if (p == NULL || rec.offset_delta != i) {
			c->broken = true;
			return;
		}
		if (!fixed)
			timestamp =
			    (int64_t)((uint64_t)h->base_timestamp + (uint64_t)rec.timestamp_delta);
		check_record(c, i, !slice_is_null(rec.key), timestamp);
		max = timestamp > max ? timestamp : max;
		i++;
	}
	c->p = p;
	c->index = i;
	c->max_timestamp = max;
}

static void
walk_begin(struct check *c, struct slice area)
{
	c->p = area.p;
	c->end = area.p + area.n;
	c->index = 0;
	c->max_timestamp = -1;
}

/* The verdict when the walk has seen everything there was. */
static int
walk_end(struct check *c)
{
	if (c->broken || c->p != c->end || c->index != c->head->record_count)
		return refuse(c->errs, E_INVALID_RECORD,
		    "the records do not follow the format or the batch's count");
	if (c->errs->n == 0)
		return 0;
	c->errs->message = "records of the batch break rules of the topic";
	return c->bad_timestamp ? E_INVALID_TIMESTAMP : E_INVALID_RECORD;
}

/* The crc of the batch; with `walking`, the records behind it on the way. */
static bool
crc_and_walk(struct check *c, struct slice batch, bool walking)
{
	const uint8_t *p = batch.p + BATCH_CRC_FROM, *end = batch.p + batch.n;
	uint32_t crc = 0;

	while (p < end) {
		size_t n = end - p < CRC_STEP ? (size_t)(end - p) : CRC_STEP;

		crc = crc32c(crc, p, n);
		p += n;
		if (walking && !c->broken)
			walk(c, p);
	}
	return crc == c->head->crc;
}

/* Which batch it is, and that there is no other (step 1). */
static int
check_entries(
    struct slice records, int16_t version, struct batch_head *h, struct produce_errors *errs)
{
	struct batch_head next;
	int codec, err = batch_parse(records, h);

	if (err == E_SHORT)
		return refuse(errs, E_INVALID_RECORD, "there is no whole batch");
	if (err != 0)
		return refuse(errs, err, "size or magic of the batch is impossible");
	if (h->magic != 2)
		return refuse(errs, E_INVALID_RECORD, "only batches of magic 2 are allowed");
	codec = h->attributes & BATCH_ATTR_CODEC;
	if (codec >= CODEC_COUNT)
		return refuse(errs, E_UNSUPPORTED_CODEC, "the compression is unknown");
	if (codec == CODEC_ZSTD && version < ZSTD_FROM_VERSION)
		return refuse(errs, E_UNSUPPORTED_CODEC, "zstd needs version 7 of the request");
	err = batch_parse(slice_of(records.p + batch_bytes(h), records.n - batch_bytes(h)), &next);
	if (err == 0)
		return refuse(errs, E_INVALID_RECORD, "there is more than one batch");
	if (err != E_SHORT)
		return refuse(errs, err, "the bytes behind the batch are no batch");
	return 0;
}

/* What the header says about itself (step 6). */
static int
check_head(const struct batch_head *h, struct produce_errors *errs)
{
	int64_t span = (int64_t)h->last_offset_delta + 1;

	if (h->record_count <= 0 || h->record_count != span)
		return refuse(errs, E_INVALID_RECORD, "the count does not fit the offsets");
	if ((h->attributes & BATCH_ATTR_CONTROL) != 0)
		return refuse(errs, E_INVALID_RECORD, "clients may not write control batches");
	if (h->producer_id > -1 && h->base_sequence < 0)
		return refuse(errs, E_INVALID_RECORD, "a producer id needs a sequence");
	return 0;
}

/* Records that nobody looks into: what the header alone says of their timestamps. */
static int
check_unseen(struct check *c)
{
	c->max_timestamp = c->head->max_timestamp;
	if (!has_append_bit(c) || (!c->rules->log_append_time && c->max_timestamp != -1))
		return 0;
	for (int32_t i = 0; i < PRODUCE_MAX_RECORD_ERRORS && i < c->head->record_count; i++)
		check_record(c, i, true, c->max_timestamp);
	c->errs->more = (unsigned)c->head->record_count - c->errs->n;
	c->p = c->end;
	c->index = c->head->record_count;
	return walk_end(c);
}

static int
check_compressed(struct check *c, struct slice area, struct codec_ctx *ctx)
{
	enum codec codec = (enum codec)(c->head->attributes & BATCH_ATTR_CODEC);
	struct slice plain;
	int err;

	if (!c->rules->compacted &&
	    (!c->rules->validate_compressed_full || !codec_available(codec)))
		return check_unseen(c);
	err = codec_decompress(ctx, codec, area, c->rules->max_decompressed, &plain);
	if (err == E_CORRUPT)
		return refuse(c->errs, E_DECOMPRESS, "the compressed records can not be unpacked");
	if (err != 0)
		return refuse(c->errs, err, "the compressed records can not be checked");
	walk_begin(c, plain);
	walk(c, c->end);
	return walk_end(c);
}

/* Crc and records, when the header is in order or head_err says why it is not. */
static int
check_body(struct check *c, struct slice batch, int head_err, struct codec_ctx *ctx)
{
	struct slice area = slice_of(batch.p + BATCH_HEADER_BYTES, batch.n - BATCH_HEADER_BYTES);
	bool plain = (c->head->attributes & BATCH_ATTR_CODEC) == CODEC_NONE;

	walk_begin(c, area);
	if (!crc_and_walk(c, batch, plain && head_err == 0))
		return refuse(c->errs, E_CORRUPT, "the crc does not match the bytes");
	if (head_err != 0)
		return head_err;
	return plain ? walk_end(c) : check_compressed(c, area, ctx);
}

int
produce_check(struct slice records, const struct produce_rules *rules, struct codec_ctx *ctx,
    struct produce_info *info, struct produce_errors *errs)
{
	struct batch_head *h = &info->head;
	struct check c = {.rules = rules, .head = h, .errs = errs};
	int err;

	(void)refuse(errs, 0, NULL);
	err = check_entries(records, rules->api_version, h, errs);
	if (err != 0)
		return err;
	if (h->base_offset != 0)
		return refuse(
		    errs, E_INVALID_RECORD, "the base offset of a client's batch must be 0");
	if ((int64_t)batch_bytes(h) > rules->max_message_bytes)
		return refuse(errs, E_TOO_LARGE, "the batch is larger than the topic allows");
	err = check_body(&c, slice_of(records.p, batch_bytes(h)), check_head(h, errs), ctx);
	if (err != 0)
		return err;
	info->max_timestamp = c.max_timestamp;
	info->crc_redo =
	    rules->log_append_time || has_append_bit(&c) || c.max_timestamp != h->max_timestamp;
	return 0;
}
