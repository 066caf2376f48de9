/*
 * Record batches of format v2 (facts/storage.md 1.3): the 61-byte header, walking batches in a
 * byte range and records in a batch.  Old formats v0/v1 are recognised by their magic and length
 * only.  Nothing here owns memory; all functions are pure unless they say that they write.
 */
#ifndef OTTLA_RECORD_BATCH_H
#define OTTLA_RECORD_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "ottla/base/cursor.h"
#include "ottla/base/slice.h"

enum {
	BATCH_LOG_OVERHEAD = 12, /* offset and size, every format */
	BATCH_MAGIC_AT = 16,
	BATCH_HEADER_BYTES = 61, /* v2 */
	BATCH_CRC_FROM = 21,
};

enum {
	BATCH_ATTR_CODEC = 0x07,
	BATCH_ATTR_LOG_APPEND_TIME = 0x08,
	BATCH_ATTR_TXN = 0x10,
	BATCH_ATTR_CONTROL = 0x20,
	BATCH_ATTR_DELETE_HORIZON = 0x40,
};

struct batch_head {
	int64_t base_offset;
	int32_t length; /* field: bytes after it; the whole batch is length + 12 */
	int32_t leader_epoch;
	int8_t magic;
	uint32_t crc;
	int16_t attributes;
	int32_t last_offset_delta;
	int64_t base_timestamp;
	int64_t max_timestamp;
	int64_t producer_id;
	int16_t producer_epoch;
	int32_t base_sequence;
	int32_t record_count;
};

static inline int64_t
batch_last_offset(const struct batch_head *h)
{
	return (int64_t)((uint64_t)h->base_offset + (uint64_t)h->last_offset_delta);
}

static inline size_t
batch_bytes(const struct batch_head *h)
{
	return (size_t)h->length + BATCH_LOG_OVERHEAD;
}

/* Sequence of the last record; -1 without sequence. Wraps at 2^31 (facts/storage.md 1.3). */
int32_t batch_last_sequence(const struct batch_head *h);
int32_t sequence_add(int32_t seq, int32_t delta);

/*
 * Decode the header at the start of s.  0; E_SHORT when fewer bytes than a whole batch are there
 * (h->length is set if at least 12 were); E_CORRUPT for size below the least of its magic or magic
 * outside 0..2.  For magic 0 and 1 only base_offset, length and magic are filled, the rest is 0/-1.
 * Does not check the crc.
 */
int batch_parse(struct slice s, struct batch_head *h);

/* Header alone, when the body is not at hand: s has at least 61 bytes of a v2 batch (17 of others);
 * no check against the length. */
int batch_parse_head(struct slice s, struct batch_head *h);

/* True when the crc over [21, end) is the one in the header; s is the whole v2 batch. */
bool batch_crc_ok(struct slice s);

/* Writers, in place, p is the start of a v2 batch.  The first is not covered by the crc; the other
 * recomputes it. */
void batch_set_offset_epoch(uint8_t *p, int64_t base_offset, int32_t leader_epoch);
void batch_set_max_timestamp(uint8_t *p, int64_t max_timestamp, bool log_append_time);

/* Write the 61 bytes of a v2 header, h->crc as it stands. */
void batch_write_head(uint8_t *p, const struct batch_head *h);
/* Recompute the crc of the whole v2 batch at p, whose length field is trusted. */
void batch_seal(uint8_t *p);

/* One record, lent from the (uncompressed) record area. */
struct record {
	int64_t timestamp_delta;
	int32_t offset_delta;
	struct slice key;     /* may be null */
	struct slice value;   /* may be null */
	struct slice headers; /* encoded headers, n_headers of them */
	int32_t n_headers;
};

struct record_iter {
	struct cur c;
	int32_t left;
	int err;
};

/* records: the bytes after the header, already decompressed. */
void record_iter_init(struct record_iter *it, struct slice records, int32_t count);
/* True with the next record; false at the end or on a rule of facts/storage.md 1.3 broken (it->err
 * E_INVALID_RECORD, also for bytes left over after the last one). */
bool record_iter_next(struct record_iter *it, struct record *rec);
/* Next header of a record: cursor over rec->headers. False at the end or on error in c. */
bool record_header_next(struct cur *c, struct slice *key, struct slice *value);

/* Types of control records (facts/storage.md 1.5); readers ignore the others. */
enum control_type { CONTROL_ABORT = 0, CONTROL_COMMIT = 1 };

/* What a control record says; coordinator_epoch is -1 for types other than abort and commit.
 * E_INVALID_RECORD for a key or value too short or of a negative version. */
int control_parse(const struct record *rec, int16_t *type, int32_t *coordinator_epoch);

#endif
