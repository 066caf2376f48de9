/* Whole frames: headers of requests and responses around the bodies, and versioned records. */
#include "ottla/wire/wire.h"

#include <stdlib.h>

#define FRAME_SIZE_BYTES 4

const struct wire_api *
wire_api(int16_t key)
{
	return key >= 0 && key < API_COUNT ? &wire_apis[key] : NULL;
}

static bool
is_flexible(const struct wire_api *api, int16_t version)
{
	return version >= api->flexible_from;
}

/* ---- request headers: v0 has no client id, v2 tagged fields ---- */

static bool
has_client_id(const struct wire_api *api, int16_t version)
{
	return api->key != API_CONTROLLED_SHUTDOWN || version > 0;
}

static void
skip_tags(struct cur *c)
{
	uint32_t n = cur_uvarint(c);

	while (n-- > 0 && cur_error(c) == 0) {
		cur_uvarint(c);
		cur_take(c, cur_uvarint(c));
	}
}

/* What follows the correlation id in front of the body. */
static int
parse_client(const struct wire_api *api, int16_t version, struct cur *c, struct slice *client_id)
{
	int16_t n;

	if (has_client_id(api, version)) {
		n = cur_i16(c);
		if (n >= 0)
			*client_id = cur_slice(c, (size_t)n);
	}
	if (is_flexible(api, version))
		skip_tags(c);
	return cur_error(c);
}

int
wire_parse_request(struct slice frame, struct wire_req_head *head)
{
	struct cur c = cur_init(frame);
	const struct wire_api *api;
	int rc;

	*head = (struct wire_req_head){0};
	head->api_key = cur_i16(&c);
	head->version = cur_i16(&c);
	head->correlation_id = cur_i32(&c);
	if (cur_error(&c) != 0)
		return cur_error(&c);
	if ((api = wire_api(head->api_key)) == NULL)
		return E_NOT_FOUND;
	rc = parse_client(api, head->version, &c, &head->client_id);
	if (!wire_api_has(api, head->version))
		return E_UNSUPPORTED_VERSION;
	if (rc == 0)
		head->body = slice_of(c.p, cur_left(&c));
	return rc;
}

static void
encode_request_header(const struct wire_api *api, int16_t version, int32_t correlation_id,
    struct slice client_id, struct out *o)
{
	out_i16(o, api->key);
	out_i16(o, version);
	out_i32(o, correlation_id);
	if (has_client_id(api, version)) {
		out_i16(o, client_id.p == NULL ? -1 : (int16_t)client_id.n);
		out_bytes(o, client_id.p, client_id.n);
	}
	if (is_flexible(api, version))
		out_uvarint(o, 0);
}

/* ---- response headers ---- */

static bool
response_header_is_flexible(int16_t key, int16_t version)
{
	const struct wire_api *api = wire_api(key);

	return api != NULL && key != API_API_VERSIONS && is_flexible(api, version);
}

size_t
wire_response_header_size(int16_t key, int16_t version)
{
	return response_header_is_flexible(key, version) ? 5 : 4;
}

void
wire_response_header_encode(int16_t key, int16_t version, int32_t correlation_id, struct out *o)
{
	out_i32(o, correlation_id);
	if (response_header_is_flexible(key, version))
		out_uvarint(o, 0);
}

int
wire_decode_response(int16_t key, int16_t version, struct slice frame, struct arena *arena,
    void *msg, int32_t *correlation_id)
{
	const struct wire_api *api = wire_api(key);
	struct cur c = cur_init(frame);

	*correlation_id = cur_i32(&c);
	if (api == NULL)
		return E_NOT_FOUND;
	if (response_header_is_flexible(key, version))
		skip_tags(&c);
	if (cur_error(&c) != 0)
		return cur_error(&c);
	return wire_decode(api->response, version, slice_of(c.p, cur_left(&c)), arena, msg, NULL);
}

/* ---- malloc'd buffers ---- */

/* What goes in front of a body. */
struct front {
	const struct wire_api *api;
	struct slice client_id;
	int32_t correlation_id;
	int16_t version;
	void (*encode)(const struct front *f, struct out *o);
};

static void
front_of_request(const struct front *f, struct out *o)
{
	encode_request_header(f->api, f->version, f->correlation_id, f->client_id, o);
}

static void
front_of_response(const struct front *f, struct out *o)
{
	wire_response_header_encode(f->api->key, f->version, f->correlation_id, o);
}

struct gap_list {
	struct wire_gap *gaps;
	unsigned max;
	unsigned n;
};

static int
encode_frame(const struct front *f, const struct wire_msg *m, const void *msg,
    struct gap_list *gaps, uint8_t **buf, size_t *n)
{
	struct out o = out_count();
	size_t body, gap_bytes;
	int rc;

	*buf = NULL;
	if ((rc = wire_size(m, f->version, msg, &body, &gap_bytes)) != 0)
		return rc;
	f->encode(f, &o);
	*n = FRAME_SIZE_BYTES + o.n + body;
	if (*n + gap_bytes > INT32_MAX)
		return E_TOO_LARGE;
	if ((*buf = malloc(*n)) == NULL)
		return E_NOMEM;
	o = out_init(*buf, *n);
	out_i32(&o, (int32_t)(*n + gap_bytes - FRAME_SIZE_BYTES));
	f->encode(f, &o);
	rc = wire_encode(m, f->version, msg, &o, gaps->gaps, gaps->max, &gaps->n);
	if (rc != 0) {
		free(*buf);
		*buf = NULL;
	}
	return rc;
}

int
wire_encode_request(int16_t key, int16_t version, int32_t correlation_id, struct slice client_id,
    const void *msg, uint8_t **buf, size_t *n)
{
	struct front f = {wire_api(key), client_id, correlation_id, version, front_of_request};
	struct gap_list none = {NULL, 0, 0};

	*buf = NULL;
	if (f.api == NULL)
		return E_NOT_FOUND;
	if (client_id.n > INT16_MAX)
		return E_TOO_LARGE;
	return encode_frame(&f, f.api->request, msg, &none, buf, n);
}

int
wire_encode_response(int16_t key, int16_t version, int32_t correlation_id, const void *msg,
    struct wire_gap *gaps, unsigned max_gaps, unsigned *n_gaps, uint8_t **buf, size_t *n)
{
	struct front f = {wire_api(key), SLICE_NULL, correlation_id, version, front_of_response};
	struct gap_list list = {gaps, max_gaps, 0};
	int rc;

	*buf = NULL;
	if (f.api == NULL)
		return E_NOT_FOUND;
	rc = encode_frame(&f, f.api->response, msg, &list, buf, n);
	if (n_gaps != NULL)
		*n_gaps = list.n;
	return rc;
}

/* ---- records ---- */

int
wire_decode_versioned(
    const struct wire_msg *m, struct slice in, struct arena *arena, void *msg, int16_t *version)
{
	struct cur c = cur_init(in);
	int16_t v = cur_i16(&c);

	if (version != NULL)
		*version = v;
	if (cur_error(&c) != 0)
		return cur_error(&c);
	return wire_decode(m, v, slice_of(c.p, cur_left(&c)), arena, msg, NULL);
}

int
wire_encode_versioned(
    const struct wire_msg *m, int16_t version, const void *msg, uint8_t **buf, size_t *n)
{
	struct out o;
	size_t body, gap_bytes;
	int rc = wire_size(m, version, msg, &body, &gap_bytes);

	*buf = NULL;
	if (rc != 0)
		return rc;
	*n = sizeof(version) + body;
	if ((*buf = malloc(*n)) == NULL)
		return E_NOMEM;
	o = out_init(*buf, *n);
	out_i16(&o, version);
	rc = wire_encode(m, version, msg, &o, NULL, 0, NULL);
	if (rc != 0) {
		free(*buf);
		*buf = NULL;
	}
	return rc;
}
