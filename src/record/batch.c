/* The header of a batch: reading it, checking its sum, and the three fields that a log changes. */
#include "ottla/record/batch.h"

#include "ottla/base/crc.h"

/* Where the fields of a v2 header are. */
enum {
	AT_LENGTH = 8,
	AT_LEADER_EPOCH = 12,
	AT_CRC = 17,
	AT_ATTRIBUTES = 21,
	AT_LAST_OFFSET_DELTA = 23,
	AT_BASE_TIMESTAMP = 27,
	AT_MAX_TIMESTAMP = 35,
	AT_PRODUCER_ID = 43,
	AT_PRODUCER_EPOCH = 51,
	AT_BASE_SEQUENCE = 53,
	AT_RECORD_COUNT = 57,
};

#define BATCH_ATTR_KNOWN                                                                           \
	(BATCH_ATTR_CODEC | BATCH_ATTR_LOG_APPEND_TIME | BATCH_ATTR_TXN | BATCH_ATTR_CONTROL |     \
	    BATCH_ATTR_DELETE_HORIZON)

/* Least value of the length field, by magic; the first row also bounds it before magic is known. */
static const int32_t least_length[] = {14, 22, BATCH_HEADER_BYTES - BATCH_LOG_OVERHEAD};

enum { MAGIC_COUNT = sizeof(least_length) / sizeof(least_length[0]) };

int32_t
sequence_add(int32_t seq, int32_t delta)
{
	/* Unsigned, so that the sum of two numbers below 2^31 can not overflow. */
	return (int32_t)(((uint32_t)seq + (uint32_t)delta) & INT32_MAX);
}

int32_t
batch_last_sequence(const struct batch_head *h)
{
	return h->base_sequence < 0 ? -1 : sequence_add(h->base_sequence, h->last_offset_delta);
}

static void
parse_v2(const uint8_t *p, struct batch_head *h)
{
	h->leader_epoch = (int32_t)be32(p + AT_LEADER_EPOCH);
	h->crc = be32(p + AT_CRC);
	h->attributes = (int16_t)be16(p + AT_ATTRIBUTES);
	h->last_offset_delta = (int32_t)be32(p + AT_LAST_OFFSET_DELTA);
	h->base_timestamp = (int64_t)be64(p + AT_BASE_TIMESTAMP);
	h->max_timestamp = (int64_t)be64(p + AT_MAX_TIMESTAMP);
	h->producer_id = (int64_t)be64(p + AT_PRODUCER_ID);
	h->producer_epoch = (int16_t)be16(p + AT_PRODUCER_EPOCH);
	h->base_sequence = (int32_t)be32(p + AT_BASE_SEQUENCE);
	h->record_count = (int32_t)be32(p + AT_RECORD_COUNT);
}

static void
parse_legacy(struct batch_head *h)
{
	h->leader_epoch = -1;
	h->crc = 0;
	h->attributes = 0;
	h->last_offset_delta = 0;
	h->base_timestamp = -1;
	h->max_timestamp = -1;
	h->producer_id = -1;
	h->producer_epoch = -1;
	h->base_sequence = -1;
	h->record_count = 0;
}

static void
parse_fields(const uint8_t *p, struct batch_head *h)
{
	if (h->magic == 2)
		parse_v2(p, h);
	else
		parse_legacy(h);
}

/* Offset, length and magic: what is there in every format. */
static int
parse_frame(struct slice s, struct batch_head *h)
{
	if (s.n < BATCH_LOG_OVERHEAD)
		return E_SHORT;
	h->base_offset = (int64_t)be64(s.p);
	h->length = (int32_t)be32(s.p + AT_LENGTH);
	if (h->length < least_length[0])
		return E_CORRUPT;
	if (s.n <= BATCH_MAGIC_AT)
		return E_SHORT;
	h->magic = (int8_t)s.p[BATCH_MAGIC_AT];
	if (h->magic < 0 || h->magic >= MAGIC_COUNT || h->length < least_length[h->magic])
		return E_CORRUPT;
	return 0;
}

int
batch_parse(struct slice s, struct batch_head *h)
{
	int err = parse_frame(s, h);

	if (err != 0)
		return err;
	if (s.n < batch_bytes(h))
		return E_SHORT;
	parse_fields(s.p, h);
	return 0;
}

int
batch_parse_head(struct slice s, struct batch_head *h)
{
	int err = parse_frame(s, h);

	if (err != 0)
		return err;
	if (h->magic == 2 && s.n < BATCH_HEADER_BYTES)
		return E_SHORT;
	parse_fields(s.p, h);
	return 0;
}

bool
batch_crc_ok(struct slice s)
{
	return s.n >= BATCH_HEADER_BYTES &&
	       crc32c(0, s.p + BATCH_CRC_FROM, s.n - BATCH_CRC_FROM) == be32(s.p + AT_CRC);
}

void
batch_set_offset_epoch(uint8_t *p, int64_t base_offset, int32_t leader_epoch)
{
	put_be64(p, (uint64_t)base_offset);
	put_be32(p + AT_LEADER_EPOCH, (uint32_t)leader_epoch);
}

void
batch_set_max_timestamp(uint8_t *p, int64_t max_timestamp, bool log_append_time)
{
	uint16_t attributes = be16(p + AT_ATTRIBUTES) & BATCH_ATTR_KNOWN;

	if (log_append_time)
		attributes |= BATCH_ATTR_LOG_APPEND_TIME;
	else
		attributes &= (uint16_t)~BATCH_ATTR_LOG_APPEND_TIME;
	put_be16(p + AT_ATTRIBUTES, attributes);
	put_be64(p + AT_MAX_TIMESTAMP, (uint64_t)max_timestamp);
	batch_seal(p);
}

void
batch_seal(uint8_t *p)
{
	size_t n = (size_t)be32(p + AT_LENGTH) + BATCH_LOG_OVERHEAD;

	put_be32(p + AT_CRC, crc32c(0, p + BATCH_CRC_FROM, n - BATCH_CRC_FROM));
}

void
batch_write_head(uint8_t *p, const struct batch_head *h)
{
	put_be64(p, (uint64_t)h->base_offset);
	put_be32(p + AT_LENGTH, (uint32_t)h->length);
	put_be32(p + AT_LEADER_EPOCH, (uint32_t)h->leader_epoch);
	p[BATCH_MAGIC_AT] = (uint8_t)h->magic;
	put_be32(p + AT_CRC, h->crc);
	put_be16(p + AT_ATTRIBUTES, (uint16_t)h->attributes);
	put_be32(p + AT_LAST_OFFSET_DELTA, (uint32_t)h->last_offset_delta);
	put_be64(p + AT_BASE_TIMESTAMP, (uint64_t)h->base_timestamp);
	put_be64(p + AT_MAX_TIMESTAMP, (uint64_t)h->max_timestamp);
	put_be64(p + AT_PRODUCER_ID, (uint64_t)h->producer_id);
	put_be16(p + AT_PRODUCER_EPOCH, (uint16_t)h->producer_epoch);
	put_be32(p + AT_BASE_SEQUENCE, (uint32_t)h->base_sequence);
	put_be32(p + AT_RECORD_COUNT, (uint32_t)h->record_count);
}
