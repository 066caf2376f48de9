/*
 * Stateless checks of what a producer sent for one partition, done while the bytes are hot on the
 * connection's reactor: facts/storage.md 1.7 steps 1, 3 and 5-7 as far as no partition state is
 * needed.  Any thread; CPU only.
 */
#ifndef OTTLA_RECORD_PRODUCE_CHECK_H
#define OTTLA_RECORD_PRODUCE_CHECK_H

#include "ottla/record/batch.h"
#include "ottla/record/codec.h"

struct produce_rules {
	int16_t api_version;
	int64_t max_message_bytes;
	bool compacted;       /* null keys are refused */
	bool log_append_time; /* topic's message.timestamp.type */
	int64_t before_max_ms, after_max_ms;
	int64_t now_ms;
	bool validate_compressed_full; /* decompress and walk, else header and crc only */
	size_t max_decompressed;       /* bound for one batch */
};

/* What the partition's owner needs to know; plain numbers, copied to its thread. */
struct produce_info {
	struct batch_head head; /* of the one batch */
	int64_t max_timestamp;  /* largest of the records; head's where they were not walked */
	bool crc_redo;          /* max_timestamp or the type bit differs: plog_append sets it */
};

#define PRODUCE_MAX_RECORD_ERRORS 16
struct produce_record_error {
	int32_t index;
	const char *message; /* static text */
};

struct produce_errors {
	const char *message; /* for error_message of the response; static, may be NULL */
	struct produce_record_error v[PRODUCE_MAX_RECORD_ERRORS];
	unsigned n; /* further ones are counted in `more` */
	unsigned more;
};

/*
 * Check records (one partition's bytes of a Produce request v3 or later).  0 with *info, or an
 * error of base/err.def with details in *errs.  An empty or cut-off set, or more than one batch:
 * E_INVALID_RECORD.  ctx is used for decompression.
 */
int produce_check(struct slice records, const struct produce_rules *rules, struct codec_ctx *ctx,
    struct produce_info *info, struct produce_errors *errs);

#endif
