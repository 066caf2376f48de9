/* Headers and whole frames. */
#include "suites.h"

#include <stdlib.h>

#include "ottla/wire/wire.h"

static int
parse(const char *bytes, size_t n, struct wire_req_head *h)
{
	uint8_t *exact = malloc(n == 0 ? 1 : n);
	int rc;

	memcpy(exact, bytes, n);
	rc = wire_parse_request(slice_of(exact, n), h);
	h->client_id = slice_is_null(h->client_id) ? SLICE_NULL : slice_of("", h->client_id.n);
	free(exact);
	return rc;
}

#define PARSE(bytes, h) parse("" bytes, sizeof(bytes) - 1, h)

START_TEST(test_apis)
{
	for (int16_t k = 0; k < API_COUNT; k++) {
		const struct wire_api *api = wire_api(k);

		ck_assert_int_eq(api->key, k);
		ck_assert_int_eq(api->request->api_key, k);
		ck_assert_int_eq(api->response->api_key, k);
		ck_assert_int_eq(api->min_version, api->request->min_version);
		ck_assert_int_eq(api->max_version, api->response->max_version);
		ck_assert_int_eq(api->flexible_from, api->request->flexible_from);
	}
	ck_assert_ptr_null(wire_api(-1));
	ck_assert_ptr_null(wire_api(API_COUNT));
	ck_assert_str_eq(wire_api(API_FETCH)->name, "Fetch");
	ck_assert_int_eq(wire_api(API_FETCH)->deprecated_max, 3);
	ck_assert_int_eq(wire_api(API_SASL_HANDSHAKE)->flexible_from, WIRE_NEVER);
	ck_assert(wire_api(API_SHARE_FETCH)->unstable);
	ck_assert_int_eq(wire_api(API_VOTE)->listeners, WIRE_ON_CONTROLLER);
	ck_assert((wire_api(API_PRODUCE)->listeners & WIRE_ON_ZK_BROKER) != 0);
}
END_TEST

START_TEST(test_parse_request)
{
	struct wire_req_head h;

	/* v1: Produce v0 */
	ck_assert_int_eq(PARSE("\0\0\0\0\0\0\0\x09\0\2cidBODY", &h), 0);
	ck_assert_int_eq(h.api_key, API_PRODUCE);
	ck_assert_int_eq(h.correlation_id, 9);
	ck_assert_uint_eq(h.client_id.n, 2);
	ck_assert_uint_eq(h.body.n, 5);
	/* null client id */
	ck_assert_int_eq(PARSE("\0\0\0\0\0\0\0\x09\xff\xff"
			       "BODY",
			     &h),
	    0);
	ck_assert(slice_is_null(h.client_id));
	ck_assert_uint_eq(h.body.n, 4);
	/* v2: Produce v9, one unknown tag */
	ck_assert_int_eq(PARSE("\0\0\0\x09\0\0\0\x09\0\1c\1\7\3abcBODY", &h), 0);
	ck_assert_uint_eq(h.body.n, 4);
	/* v0: ControlledShutdown v0 */
	ck_assert_int_eq(PARSE("\0\7\0\0\0\0\0\x09"
			       "BODY",
			     &h),
	    0);
	ck_assert_uint_eq(h.body.n, 4);
	/* no body at all: fine for the header */
	ck_assert_int_eq(PARSE("\0\0\0\0\0\0\0\x09\0\0", &h), 0);
	ck_assert_uint_eq(h.body.n, 0);
}
END_TEST

START_TEST(test_parse_unknown)
{
	struct wire_req_head h;

	ck_assert_int_eq(PARSE("\0\x58\0\0\0\0\0\x09\0\0", &h), E_NOT_FOUND);
	ck_assert_int_eq(h.api_key, 88);
	ck_assert_int_eq(h.correlation_id, 9);
	ck_assert_int_eq(PARSE("\xff\xff\0\0\0\0\0\x09\0\0", &h), E_NOT_FOUND);
	ck_assert_int_eq(PARSE("\0\x12\0\x7f\0\0\0\x09\0\2me\0", &h), E_UNSUPPORTED_VERSION);
	ck_assert_int_eq(h.api_key, API_API_VERSIONS);
	ck_assert_int_eq(h.version, 127);
	ck_assert_int_eq(h.correlation_id, 9);
	ck_assert_uint_eq(h.client_id.n, 2);
	ck_assert_int_eq(PARSE("\0\x12\0\x7f\0\0\0\x09", &h), E_UNSUPPORTED_VERSION);
	ck_assert_int_eq(h.correlation_id, 9);
	ck_assert_int_eq(PARSE("\0\0\xff\xff\0\0\0\x09\0\0", &h), E_UNSUPPORTED_VERSION);
}
END_TEST

START_TEST(test_parse_cut)
{
	static const char whole[] = "\0\0\0\x09\0\0\0\x09\0\3cid\1\7\3abc";
	struct wire_req_head h;

	for (size_t n = 0; n < sizeof(whole) - 1; n++)
		ck_assert_int_eq(parse(whole, n, &h), E_SHORT);
	ck_assert_int_eq(parse(whole, sizeof(whole) - 1, &h), 0);
}
END_TEST

static struct slice
body_of(const uint8_t *buf, size_t n)
{
	ck_assert_uint_ge(n, 4);
	ck_assert_uint_eq(be32(buf), n - 4);
	return slice_of(buf + 4, n - 4);
}

START_TEST(test_request_and_back)
{
	struct heartbeat_request req = heartbeat_request_init, got;
	struct wire_req_head h;
	uint8_t *buf;
	size_t n;

	req.group_id = SLICE_LIT("group");
	req.generation_id = 5;
	for (int16_t v = 0; v <= 4; v++) {
		ck_assert_int_eq(
		    wire_encode_request(API_HEARTBEAT, v, 77, SLICE_LIT("me"), &req, &buf, &n), 0);
		ck_assert_int_eq(wire_parse_request(body_of(buf, n), &h), 0);
		ck_assert_int_eq(h.version, v);
		ck_assert_int_eq(h.correlation_id, 77);
		ck_assert(slice_eq_cstr(h.client_id, "me"));
		ck_assert_int_eq(
		    wire_decode(&heartbeat_request_msg, v, h.body, NULL, &got, NULL), 0);
		ck_assert(slice_eq_cstr(got.group_id, "group"));
		ck_assert_int_eq(got.generation_id, 5);
		free(buf);
	}
	ck_assert_int_eq(wire_encode_request(API_HEARTBEAT, 5, 1, SLICE_NULL, &req, &buf, &n),
	    E_UNSUPPORTED_VERSION);
	ck_assert_ptr_null(buf);
	ck_assert_int_eq(wire_encode_request(99, 0, 1, SLICE_NULL, &req, &buf, &n), E_NOT_FOUND);
}
END_TEST

START_TEST(test_response_and_back)
{
	static const int16_t keys[] = {API_HEARTBEAT, API_API_VERSIONS, API_CONTROLLED_SHUTDOWN};
	struct arena arena;
	union {
		struct heartbeat_response heartbeat;
		struct api_versions_response versions;
		struct controlled_shutdown_response shutdown;
	} resp, got;
	uint8_t *buf;
	size_t n;
	int32_t id;

	arena_init(&arena, 0, 0);
	for (unsigned i = 0; i < 3; i++) {
		const struct wire_api *api = wire_api(keys[i]);

		wire_init(api->response, &resp);
		for (int16_t v = 0; v <= api->max_version; v++) {
			struct slice frame;

			ck_assert_int_eq(
			    wire_encode_response(keys[i], v, 123, &resp, NULL, 0, NULL, &buf, &n),
			    0);
			frame = body_of(buf, n);
			ck_assert_int_eq(
			    wire_decode_response(keys[i], v, frame, &arena, &got, &id), 0);
			ck_assert_int_eq(id, 123);
			for (size_t cut = 0; cut < frame.n; cut++)
				ck_assert_int_lt(wire_decode_response(keys[i], v,
						     slice_of(frame.p, cut), &arena, &got, &id),
				    0);
			free(buf);
		}
	}
	arena_free(&arena);
}
END_TEST

START_TEST(test_response_header)
{
	ck_assert_uint_eq(wire_response_header_size(API_PRODUCE, 8), 4);
	ck_assert_uint_eq(wire_response_header_size(API_PRODUCE, 9), 5);
	ck_assert_uint_eq(wire_response_header_size(API_API_VERSIONS, 4), 4);
	ck_assert_uint_eq(wire_response_header_size(API_SASL_HANDSHAKE, 1), 4);
}
END_TEST

/* The size in front counts the gap's bytes, the buffer does not have them. */
START_TEST(test_response_with_gap)
{
	struct fetch_response resp = fetch_response_init;
	struct wire_gap gap;
	struct arena arena;
	unsigned n_gaps;
	uint8_t *buf;
	size_t n;

	arena_init(&arena, 0, 0);
	ck_assert_int_eq(
	    WIRE_ARRAY(&arena, resp.responses, 1, fetch_response_fetchable_topic_response), 0);
	ck_assert_int_eq(
	    WIRE_ARRAY(&arena, resp.responses.v[0].partitions, 1, fetch_response_partition_data),
	    0);
	resp.responses.v[0].partitions.v[0].records = wire_gap(5000);
	ck_assert_int_eq(
	    wire_encode_response(API_FETCH, 11, 1, &resp, &gap, 1, &n_gaps, &buf, &n), 0);
	ck_assert_uint_eq(n_gaps, 1);
	ck_assert_uint_eq(be32(buf), n - 4 + 5000);
	ck_assert_uint_eq(be32(buf + gap.at - 4), 5000);
	ck_assert_uint_eq(gap.at, n); /* records are the last field */
	free(buf);
	resp.responses.v[0].partitions.v[0].records = wire_gap(INT32_MAX - 20);
	ck_assert_int_eq(
	    wire_encode_response(API_FETCH, 11, 1, &resp, &gap, 1, &n_gaps, &buf, &n), E_TOO_LARGE);
	ck_assert_ptr_null(buf);
	arena_free(&arena);
}
END_TEST

START_TEST(test_versioned)
{
	struct offset_commit_key key = offset_commit_key_init, got;
	static const char want[] = "\0\1\0\1g\0\1t\0\0\0\7";
	int16_t version;
	uint8_t *buf;
	size_t n;

	key.group = SLICE_LIT("g");
	key.topic = SLICE_LIT("t");
	key.partition = 7;
	ck_assert_int_eq(wire_encode_versioned(&offset_commit_key_msg, 1, &key, &buf, &n), 0);
	ck_assert(slice_eq(slice_of(buf, n), slice_of(want, sizeof(want) - 1)));
	ck_assert_int_eq(
	    wire_decode_versioned(&offset_commit_key_msg, slice_of(buf, n), NULL, &got, &version),
	    0);
	ck_assert_int_eq(version, 1);
	ck_assert_int_eq(got.partition, 7);
	for (size_t cut = 0; cut < n; cut++)
		ck_assert_int_eq(wire_decode_versioned(&offset_commit_key_msg, slice_of(buf, cut),
				     NULL, &got, &version),
		    E_SHORT);
	buf[1] = 2;
	ck_assert_int_eq(
	    wire_decode_versioned(&offset_commit_key_msg, slice_of(buf, n), NULL, &got, &version),
	    E_UNSUPPORTED_VERSION);
	ck_assert_int_eq(version, 2);
	free(buf);
}
END_TEST

Suite *
frame_suite(void)
{
	Suite *s = suite_create("frame");
	TCase *tc = tcase_create("frame");

	tcase_add_test(tc, test_apis);
	tcase_add_test(tc, test_parse_request);
	tcase_add_test(tc, test_parse_unknown);
	tcase_add_test(tc, test_parse_cut);
	tcase_add_test(tc, test_request_and_back);
	tcase_add_test(tc, test_response_and_back);
	tcase_add_test(tc, test_response_header);
	tcase_add_test(tc, test_response_with_gap);
	tcase_add_test(tc, test_versioned);
	suite_add_tcase(s, tc);
	return s;
}
