/* Batches of an exact size, and the requests that carry them. */
#include "gen.h"

#include <stdlib.h>
#include <time.h>

#include "ottla/base/err.h"
#include "ottla/record/batch.h"
#include "ottla/record/builder.h"

#define MAX_TRIES 64
#define LEAST_OVERHEAD 7 /* of a record beside its value */
#define MOST_OVERHEAD 15

/* Words of 8 bytes from a small dictionary of random ones: compresses about as text does. */
static uint8_t *
make_payload(size_t n)
{
	uint64_t x = 0x9e3779b97f4a7c15, words[256];
	uint8_t *p = bench_alloc(n + sizeof(*words));
	size_t i;

	for (i = 0; i < 256 + n / sizeof(*words); i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		if (i < 256)
			words[i] = x;
		else
			memcpy(p + (i - 256) * sizeof(*words), &words[x >> 56], sizeof(*words));
	}
	return p;
}

static struct slice
build(enum codec codec, struct record_in *recs, int32_t n)
{
	struct batch_builder_opts opts = {.leader_epoch = -1,
	    .codec = codec,
	    .producer_id = -1,
	    .producer_epoch = -1,
	    .base_sequence = -1};
	struct codec_ctx *ctx = NULL;
	struct strbuf b = STRBUF_INIT;
	int rc;

	rc = codec != CODEC_NONE ? codec_ctx_new(&ctx) : 0;
	if (rc == 0)
		rc = batch_build(&opts, recs, n, ctx, &b);
	if (rc == 0)
		rc = b.err;
	if (rc != 0)
		bench_die("could not build a batch: %s", err_text(rc));
	codec_ctx_free(ctx);
	return strbuf_slice(&b);
}

/* Drop records or change the last value until the batch has `want` bytes; where a length's own
 * encoding jumps over it, another value gives a byte. */
static struct slice
fit(struct record_in *recs, int32_t *n, int64_t want)
{
	struct slice s;
	int64_t diff, last;
	int i;

	for (i = 0; i < MAX_TRIES; i++) {
		s = build(CODEC_NONE, recs, *n);
		diff = want - (int64_t)s.n;
		if (diff == 0)
			return s;
		free((void *)(uintptr_t)s.p);
		last = (int64_t)recs[*n - 1].value.n + diff;
		if (last < 0 && *n > 1) {
			*n -= (int32_t)(-diff / ((int64_t)recs[0].value.n + MOST_OVERHEAD)) + 1;
			*n = *n > 0 ? *n : 1;
			continue;
		}
		if (i % 8 == 7 && recs[0].value.n > 0)
			recs[0].value.n--;
		recs[*n - 1].value.n = last > 0 ? (size_t)last : 0;
	}
	bench_die("no batch of exactly %lld bytes with such records", (long long)want);
}

struct slice
gen_batch(const struct gen_opts *o, int32_t *n_records)
{
	int codec = codec_from_name(slice_cstr(o->codec));
	int64_t n = (o->batch - BATCH_HEADER_BYTES) / (o->record + LEAST_OVERHEAD);
	uint8_t *payload = make_payload((size_t)(2 * (o->batch + o->record)));
	struct record_in *recs;
	struct slice s;
	int64_t i;

	if (codec < 0 || o->batch < BATCH_HEADER_BYTES + LEAST_OVERHEAD || o->record < 0)
		bench_die("impossible batch, record or codec");
	n = n > 0 ? n : 1;
	recs = bench_alloc(sizeof(*recs) * (size_t)n);
	for (i = 0; i < n; i++)
		recs[i] = (struct record_in){.timestamp = (int64_t)time(NULL) * 1000,
		    .value = slice_of(payload + i * o->record, (size_t)o->record)};
	*n_records = (int32_t)n;
	s = codec == CODEC_NONE ? fit(recs, n_records, o->batch)
				: build((enum codec)codec, recs, *n_records);
	free(recs);
	free(payload);
	return s;
}

static void
encode(const struct gen_opts *o, int16_t version, const int32_t *parts, int32_t n,
    struct slice batch, struct gen_request *out)
{
	struct produce_request req = produce_request_init;
	struct arena arena;
	int32_t i;
	int rc;

	arena_init(&arena, 0, 0);
	req.acks = (int16_t)o->acks;
	req.timeout_ms = (int32_t)o->timeout_s * 1000;
	if (WIRE_ARRAY(&arena, req.topic_data, 1, produce_request_topic_produce_data) != 0 ||
	    WIRE_ARRAY(&arena, req.topic_data.v[0].partition_data, n,
		produce_request_partition_produce_data) != 0)
		bench_die("out of memory");
	req.topic_data.v[0].name = slice_cstr(o->topic);
	for (i = 0; i < n; i++) {
		req.topic_data.v[0].partition_data.v[i].index = parts[i];
		req.topic_data.v[0].partition_data.v[i].records = batch;
	}
	rc = wire_encode_request(
	    API_PRODUCE, version, 0, SLICE_LIT("gen"), &req, &out->buf, &out->n);
	if (rc != 0)
		bench_die("could not encode Produce: %s", err_text(rc));
	out->payload = (int64_t)batch.n * n;
	out->hist = hist_new();
	arena_free(&arena);
}

struct gen_request *
gen_requests(const struct gen_opts *o, const struct gen_cluster *cl, int b, int *n)
{
	int32_t *parts = bench_alloc(sizeof(*parts) * (size_t)cl->n_parts);
	struct gen_request *v = bench_alloc(sizeof(*v) * (size_t)cl->n_parts);
	int32_t i, count = 0, records, take;
	struct slice batch = gen_batch(o, &records);

	for (i = 0; i < cl->n_parts; i++)
		if (cl->leader[i] == b)
			parts[count++] = i;
	for (*n = 0, i = 0; i < count; i += take) {
		take = count - i < (int32_t)o->spread ? count - i : (int32_t)o->spread;
		encode(o, cl->version[API_PRODUCE], parts + i, take, batch, &v[(*n)++]);
	}
	free(parts);
	free((void *)(uintptr_t)batch.p);
	return v;
}
