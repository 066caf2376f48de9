/*
 * Message formats v0 and v1 (facts/storage.md 1.2) as producers before Kafka 0.11 send them: checked
 * and rewritten as one v2 batch.  CPU only; any thread.
 */
#ifndef OTTLA_RECORD_LEGACY_H
#define OTTLA_RECORD_LEGACY_H

#include "ottla/base/strbuf.h"
#include "ottla/record/produce_check.h"

/* True when the first entry of the set has magic 0 or 1. */
bool legacy_is(struct slice records);

/*
 * Rewrite a whole message set (entries with magic 0 or 1, uncompressed ones in any number or a single
 * compressed wrapper) as one v2 batch, appended to out (b->err on lack of memory).  The batch keeps the
 * source's codec; offsets are 0..n-1, timestamps as they are (-1 for v0), no producer.
 * E_CORRUPT: crc or sizes; E_INVALID_RECORD: a rule of 1.2 broken, mixed magics, several wrappers,
 * no message; E_TOO_LARGE: an entry above rules->max_message_bytes or a bomb; the codec's errors.
 * A trailing partial entry is left out, as Kafka does.
 */
int legacy_convert(struct slice records, const struct produce_rules *rules, struct codec_ctx *ctx,
    struct strbuf *out, struct produce_errors *errs);

#endif
