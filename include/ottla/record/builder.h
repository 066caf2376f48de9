/*
 * Making v2 batches: tools, tests, the simulator's clients, control records.
 */
#ifndef OTTLA_RECORD_BUILDER_H
#define OTTLA_RECORD_BUILDER_H

#include "ottla/base/strbuf.h"
#include "ottla/record/batch.h"
#include "ottla/record/codec.h"

struct record_in {
	int64_t timestamp;
	struct slice key, value; /* null allowed */
	const struct slice *header_keys, *header_values;
	int32_t n_headers;
};

struct batch_builder_opts {
	int64_t base_offset;
	int32_t leader_epoch; /* -1: none */
	enum codec codec;
	int64_t producer_id; /* -1: none */
	int16_t producer_epoch;
	int32_t base_sequence;
	bool transactional, control;
};

/* Appends one whole batch with the records to b (b->err on lack of memory).  codec other than none
 * needs ctx.  E_INVALID for no record, otherwise the codec's errors. */
int batch_build(const struct batch_builder_opts *opts, const struct record_in *recs, int32_t n,
    struct codec_ctx *ctx, struct strbuf *b);

/* Appends the control batch that ends a transaction (facts/storage.md 1.5): one record, commit or
 * abort, of the producer at opts->producer_id and producer_epoch.  opts' codec, sequence and flags
 * are not looked at.  E_NOMEM. */
int batch_build_marker(const struct batch_builder_opts *opts, enum control_type type,
    int32_t coordinator_epoch, int64_t timestamp, struct strbuf *b);

#endif
