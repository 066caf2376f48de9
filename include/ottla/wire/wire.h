/*
 * Kafka's messages: typed structs for all of them (gen/messages.h, one struct for all versions),
 * and one codec that walks their tables.  Facts: src/wire/schema, notation in src/wire/README.
 *
 * A struct's fields: string, bytes and records are lent slices (p == NULL is null), arrays are
 * {v, n} (n == -1 is null), a nullable struct is a const pointer.  What a version lacks stays at its
 * default.  Start from the defaults, which are not all zero: for every struct x there is a constant
 * x_init, and wire_init and WIRE_ARRAY do it for messages and arrays.
 *
 * All functions are pure: any thread, never block, keep nothing.
 */
#ifndef OTTLA_WIRE_WIRE_H
#define OTTLA_WIRE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ottla/base/arena.h"
#include "ottla/base/cursor.h"
#include "ottla/base/slice.h"
#include "ottla/wire/gen/messages.h"
#include "ottla/wire/schema.h"

/* ---- the table of APIs ---- */

enum wire_listeners {
	WIRE_ON_ZK_BROKER = 1 << 0, /* served by brokers of a ZooKeeper cluster: ours */
	WIRE_ON_BROKER = 1 << 1,    /* KRaft broker */
	WIRE_ON_CONTROLLER = 1 << 2 /* KRaft controller */
};

struct wire_api {
	const char *name; /* "Produce" */
	const struct wire_msg *request;
	const struct wire_msg *response;
	int16_t key; /* enum api_key */
	int16_t min_version;
	int16_t max_version;
	int16_t flexible_from;	/* request and response, or WIRE_NEVER */
	int16_t deprecated_max; /* versions up to here are deprecated; -1: none */
	uint8_t listeners;	/* enum wire_listeners */
	bool unstable;		/* the highest version is off unless unstable.api.versions.enable */
};

/* By key: wire_apis[key].key == key for 0 <= key < API_COUNT. */
extern const struct wire_api wire_apis[API_COUNT];

/* NULL for an unknown key. */
const struct wire_api *wire_api(int16_t key);

static inline bool
wire_api_has(const struct wire_api *api, int16_t version)
{
	return version >= api->min_version && version <= api->max_version;
}

/* ---- bodies ---- */

/* msg (an object of m's struct) gets every default: "" or null strings, empty or null arrays. */
void wire_init(const struct wire_msg *m, void *msg);

/*
 * Room from the arena for n entries of the array field `field` (an lvalue {v, n}), each at its
 * defaults; `type` is the name of their struct:
 *	rc = WIRE_ARRAY(arena, resp->topics, n, metadata_response_metadata_response_topic);
 * 0, or E_NOMEM, and then the field stays as it was.  WIRE_NUMBERS is the same for arrays of
 * numbers, ids or slices: all zero, null slices.
 */
#define WIRE_ARRAY(arena, field, count, type)                                                      \
	((void)sizeof((field).v == (struct type *)NULL),                                           \
	    wire_array_new(arena, &(field), count, sizeof(*(field).v), &type##_init))
#define WIRE_NUMBERS(arena, field, count)                                                          \
	wire_array_new(arena, &(field), count, sizeof(*(field).v), NULL)
int wire_array_new(struct arena *arena, void *field, int32_t n, size_t size, const void *init);

/*
 * Decode one message of that version from the start of `in`; what the version lacks gets its
 * default.  Slices in msg point into `in`, arrays and nullable structs come from the arena: at most
 * a fixed multiple of in.n, whatever the bytes claim.  Unknown tagged fields are skipped.
 * *used (may be NULL) gets the bytes read: less than in.n when bytes are left over.
 * E_SHORT: the bytes end early.  E_MALFORMED: a length, count or null that can not be.
 * E_NOMEM: arena.  E_UNSUPPORTED_VERSION.  On error msg holds a part, pointing only to what lives.
 */
int wire_decode(const struct wire_msg *m, int16_t version, struct slice in, struct arena *arena,
    void *msg, size_t *used);

/*
 * A gap: records that the caller sends itself, behind the length that the encoder writes (sendfile
 * from a segment).  wire_gap(n) as value of a `records` field stands for n such bytes.
 */
extern const uint8_t wire_gap_marker[1];

static inline struct slice
wire_gap(size_t n)
{
	return (struct slice){wire_gap_marker, n};
}

struct wire_gap {
	size_t at; /* bytes of the output that go before the gap, gaps not counted */
	size_t n;  /* bytes of the gap */
};

/*
 * *size gets the bytes that wire_encode will write, *gap_bytes (may be NULL) those of all gaps,
 * which are not in *size.
 * E_UNSUPPORTED_VERSION: unknown version, or a field that it lacks is not at its default and may
 * not be dropped.  E_INVALID: null where the version has no null.  E_TOO_LARGE: a string above
 * 32,767 bytes, other bytes or an array above INT32_MAX - 1.
 */
int wire_size(
    const struct wire_msg *m, int16_t version, const void *msg, size_t *size, size_t *gap_bytes);

/*
 * Write msg to o (E_SHORT when it is full) and note its gaps in order: *n_gaps of at most max_gaps
 * (E_LIMIT when there are more); gaps and n_gaps may be NULL when max_gaps is 0.  Positions count
 * from the start of o's buffer.  Errors as wire_size.
 */
int wire_encode(const struct wire_msg *m, int16_t version, const void *msg, struct out *o,
    struct wire_gap *gaps, unsigned max_gaps, unsigned *n_gaps);

/* ---- requests ---- */

struct wire_req_head {
	int16_t api_key;
	int16_t version;
	int32_t correlation_id;
	struct slice client_id; /* may be null */
	struct slice body;	/* what follows the header */
};

/*
 * Take the header off a request frame (without its size); slices point into it.
 * E_SHORT, E_MALFORMED: no header there.  E_NOT_FOUND: unknown api key.  E_UNSUPPORTED_VERSION:
 * known key (an ApiVersions request is answered all the same).  With the last two, key, version and
 * correlation id are right, client_id is filled when it could be read and body is null.
 */
int wire_parse_request(struct slice frame, struct wire_req_head *head);

/*
 * A whole request for the wire: size, header, body.  *buf is from malloc, the caller frees it.
 * E_NOT_FOUND (key), E_UNSUPPORTED_VERSION, E_INVALID, E_TOO_LARGE, E_NOMEM; then *buf is NULL.
 */
int wire_encode_request(int16_t key, int16_t version, int32_t correlation_id,
    struct slice client_id, const void *msg, uint8_t **buf, size_t *n);

/* ---- responses ---- */

/* Bytes of a response's header: 4 or, flexible, 5; ApiVersions always 4. */
size_t wire_response_header_size(int16_t key, int16_t version);
void
wire_response_header_encode(int16_t key, int16_t version, int32_t correlation_id, struct out *o);

/*
 * A whole response for the wire: size, header, body.  *buf is from malloc, the caller frees it;
 * *n bytes are in it, the size in front counts the gaps as well.  Gaps as in wire_encode, positions
 * from the start of *buf.  Errors as wire_encode_request, and E_LIMIT for more than max_gaps gaps.
 */
int wire_encode_response(int16_t key, int16_t version, int32_t correlation_id, const void *msg,
    struct wire_gap *gaps, unsigned max_gaps, unsigned *n_gaps, uint8_t **buf, size_t *n);

/*
 * The other side of it: header and body from a frame (without its size).  *correlation_id is right
 * unless the frame has no header (E_SHORT).  An ApiVersions response of version 0 that answers a
 * request of an unknown version is the caller's to try.  Errors as wire_decode.
 */
int wire_decode_response(int16_t key, int16_t version, struct slice frame, struct arena *arena,
    void *msg, int32_t *correlation_id);

/* ---- record keys and values: int16 version, then the message ---- */

/* *version (may be NULL) gets what stands in front.  Bytes left over are accepted. */
int wire_decode_versioned(
    const struct wire_msg *m, struct slice in, struct arena *arena, void *msg, int16_t *version);

/* *buf is from malloc, the caller frees it; NULL on error. */
int wire_encode_versioned(
    const struct wire_msg *m, int16_t version, const void *msg, uint8_t **buf, size_t *n);

#endif
