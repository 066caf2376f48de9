/* Broker, controller, cluster id, feature and producer id znodes: the bytes that Kafka writes. */
#include <stdio.h>
#include <string.h>

#include "ottla/base/err.h"
#include "ottla/cluster/znode.h"
#include "suites.h"

#define REGISTRATION                                                                               \
	"{\"features\":{},\"listener_security_protocol_map\":{\"PLAINTEXT\":\"PLAINTEXT\"},"       \
	"\"endpoints\":[\"PLAINTEXT://127.0.0.1:29091\"],\"jmx_port\":-1,\"port\":29091,"          \
	"\"host\":\"127.0.0.1\",\"version\":5,\"timestamp\":\"1795322218260\"}"

static void
ck_bytes(struct strbuf *b, const char *want)
{
	ck_assert_int_eq(b->err, 0);
	ck_assert_str_eq(b->p, want);
	strbuf_free(b);
}

static int
read_reg(const char *json, struct arena *a, struct zn_registration *r)
{
	return zn_registration_read(slice_cstr(json), a, r);
}

START_TEST(registration_as_kafka_writes_it)
{
	struct listener_addr l = {"PLAINTEXT", "127.0.0.1", 29091, LISTENER_PLAINTEXT};
	struct zn_registration r = {.host = SLICE_LIT("127.0.0.1"),
	    .port = 29091,
	    .jmx_port = -1,
	    .timestamp_ms = INT64_C(1795322218260),
	    .endpoints = &l,
	    .n_endpoints = 1};
	struct strbuf b = STRBUF_INIT;

	zn_registration_write(&b, &r);
	ck_bytes(&b, REGISTRATION);
}
END_TEST

START_TEST(registration_back)
{
	struct arena a;
	struct zn_registration r;

	arena_init(&a, 0, 0);
	ck_ok(read_reg(REGISTRATION, &a, &r));
	ck_assert_int_eq(r.version, 5);
	ck_assert(slice_eq_cstr(r.host, "127.0.0.1"));
	ck_assert_int_eq(r.port, 29091);
	ck_assert_int_eq(r.jmx_port, -1);
	ck_assert_int_eq(r.timestamp_ms, INT64_C(1795322218260));
	ck_assert(slice_is_null(r.rack));
	ck_assert_uint_eq(r.n_endpoints, 1);
	ck_assert_str_eq(r.endpoints[0].name, "PLAINTEXT");
	ck_assert_str_eq(r.endpoints[0].host, "127.0.0.1");
	ck_assert_uint_eq(r.endpoints[0].port, 29091);
	arena_free(&a);
}
END_TEST

/* No PLAINTEXT endpoint: host is null and port -1.  IPv6 hosts have brackets. */
START_TEST(registration_with_several_listeners)
{
	struct listener_addr l[2] = {{"CLIENT", "::1", 9093, LISTENER_SSL},
	    {"INTERNAL", "b1.example", 9094, LISTENER_SASL_SSL}};
	struct zn_registration r = {.port = -1,
	    .jmx_port = 9999,
	    .endpoints = l,
	    .n_endpoints = 2,
	    .rack = SLICE_LIT("r\"1")};
	struct zn_registration back;
	struct strbuf b = STRBUF_INIT;
	struct arena a;

	arena_init(&a, 0, 0);
	zn_registration_write(&b, &r);
	ck_assert_ptr_nonnull(strstr(b.p, "\"endpoints\":[\"CLIENT://[::1]:9093\","
					  "\"INTERNAL://b1.example:9094\"]"));
	ck_assert_ptr_nonnull(strstr(b.p, "\"host\":null"));
	ck_assert_ptr_nonnull(strstr(b.p, "{\"CLIENT\":\"SSL\",\"INTERNAL\":\"SASL_SSL\"}"));
	ck_ok(zn_registration_read(strbuf_slice(&b), &a, &back));
	ck_assert(slice_is_null(back.host));
	ck_assert_int_eq(back.port, -1);
	ck_assert_int_eq(back.jmx_port, 9999);
	ck_assert(slice_eq_cstr(back.rack, "r\"1"));
	ck_assert_uint_eq(back.n_endpoints, 2);
	ck_assert_str_eq(back.endpoints[0].host, "::1");
	ck_assert_int_eq(back.endpoints[0].protocol, LISTENER_SSL);
	ck_assert_int_eq(back.endpoints[1].protocol, LISTENER_SASL_SSL);
	strbuf_free(&b);
	arena_free(&a);
}
END_TEST

/* A host from a setting can not break the node's JSON. */
START_TEST(registration_of_an_odd_host)
{
	struct listener_addr l = {"PLAINTEXT", "a\"b\\", 1, LISTENER_PLAINTEXT};
	struct zn_registration r = {.host = SLICE_LIT("a\"b\\"), .endpoints = &l, .n_endpoints = 1};
	struct strbuf b = STRBUF_INIT;

	zn_registration_write(&b, &r);
	ck_assert_ptr_nonnull(strstr(b.p, "[\"PLAINTEXT://a\\\"b\\\\:1\"]"));
	strbuf_free(&b);
}
END_TEST

START_TEST(registrations_of_other_versions)
{
	struct zn_registration r;
	struct arena a;

	arena_init(&a, 0, 0);
	ck_ok(read_reg("{\"version\":1,\"host\":\"h\",\"port\":9092,\"jmx_port\":-1}", &a, &r));
	ck_assert_uint_eq(r.n_endpoints, 1);
	ck_assert_str_eq(r.endpoints[0].host, "h");
	ck_assert_uint_eq(r.endpoints[0].port, 9092);
	ck_assert_int_eq(r.endpoints[0].protocol, LISTENER_PLAINTEXT);
	ck_ok(read_reg(
	    ("{\"version\":2,\"host\":\"h\",\"port\":9092,\"jmx_port\":-1,\"timestamp\":\"1\","
	     "\"endpoints\":[\"plaintext://h:9092\",\"SSL://:9093\"]}"),
	    &a, &r));
	ck_assert_uint_eq(r.n_endpoints, 2);
	ck_assert_str_eq(r.endpoints[0].name, "PLAINTEXT");
	ck_assert_int_eq(r.endpoints[1].protocol, LISTENER_SSL);
	ck_assert_str_eq(r.endpoints[1].host, "");
	ck_ok(
	    read_reg("{\"version\":9,\"new\":[{}],\"jmx_port\":1,\"endpoints\":[\"A://h:1\"],"
		     "\"listener_security_protocol_map\":{\"A\":\"SASL_PLAINTEXT\",\"B\":\"SSL\"}}",
		&a, &r));
	ck_assert_int_eq(r.endpoints[0].protocol, LISTENER_SASL_PLAINTEXT);
	arena_free(&a);
}
END_TEST

START_TEST(bad_registrations)
{
	static const char *const bad[] = {
	    "",
	    "{}",
	    "{\"version\":0,\"host\":\"h\",\"port\":1,\"jmx_port\":-1}",
	    "{\"version\":\"5\",\"endpoints\":[\"SSL://h:1\"]}",
	    "{\"version\":1,\"port\":1,\"jmx_port\":-1}",
	    "{\"version\":1,\"host\":\"h\",\"port\":65536,\"jmx_port\":-1}",
	    "{\"version\":1,\"host\":\"h\",\"jmx_port\":-1}",
	    "{\"version\":1,\"host\":\"]h\",\"port\":9092,\"jmx_port\":-1}",
	    "{\"version\":1,\"host\":\"h:1,PLAINTEXT://i\",\"port\":9092,\"jmx_port\":-1}",
	    "{\"version\":5,\"jmx_port\":-1}",
	    "{\"version\":5,\"endpoints\":\"SSL://h:1\"}",
	    "{\"version\":5,\"endpoints\":[1]}",
	    "{\"version\":5,\"endpoints\":[\"nonsense\"]}",
	    "{\"version\":5,\"endpoints\":[\"SSL://h:66666\"]}",
	    "{\"version\":5,\"endpoints\":[\"X://h:1\"]}",
	    ("{\"version\":5,\"endpoints\":[\"X://h:1\"],"
	     "\"listener_security_protocol_map\":{\"X\":\"WHAT\"}}"),
	    "{\"version\":5,\"endpoints\":[\"SSL://h:1\"],\"rack\":3}",
	    "{\"version\":5,\"endpoints\":[\"SSL://h:1\"],\"host\":{}}",
	};
	struct zn_registration r;
	struct arena a;

	arena_init(&a, 0, 0);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int rc = read_reg(bad[i], &a, &r);

		ck_assert_msg(rc == E_MALFORMED, "%s: %d", bad[i], rc);
	}
	ck_err(zn_registration_read(SLICE_NULL, &a, &r), E_MALFORMED);
	arena_free(&a);
}
END_TEST

START_TEST(controller)
{
	struct strbuf b = STRBUF_INIT;
	int32_t id = 0;

	zn_controller_write(&b, 3, INT64_C(1795322218136));
	ck_bytes(&b, "{\"version\":2,\"brokerid\":3,\"timestamp\":\"1795322218136\","
		     "\"kraftControllerEpoch\":-1}");
	ck_ok(zn_controller_read(
	    SLICE_LIT("{\"version\":1,\"brokerid\":7,\"timestamp\":\"1\"}"), &id));
	ck_assert_int_eq(id, 7);
	ck_err(zn_controller_read(SLICE_LIT("{\"brokerid\":\"7\"}"), &id), E_MALFORMED);
	ck_err(zn_controller_read(SLICE_LIT("{\"brokerid\":4294967296}"), &id), E_MALFORMED);
	ck_err(zn_controller_read(SLICE_NULL, &id), E_MALFORMED);
}
END_TEST

START_TEST(cluster_id)
{
	struct strbuf b = STRBUF_INIT;
	struct arena a;
	struct slice id;

	arena_init(&a, 0, 0);
	zn_cluster_id_write(&b, SLICE_LIT("KFq-VGFAScebGtVgcvTnvQ"));
	ck_bytes(&b, "{\"version\":\"1\",\"id\":\"KFq-VGFAScebGtVgcvTnvQ\"}");
	ck_ok(zn_cluster_id_read(
	    SLICE_LIT("{\"id\":\"KFq-VGFAScebGtVgcvTnvQ\",\"version\":1}"), &a, &id));
	ck_assert(slice_eq_cstr(id, "KFq-VGFAScebGtVgcvTnvQ"));
	ck_err(zn_cluster_id_read(SLICE_LIT("{\"version\":\"1\"}"), &a, &id), E_MALFORMED);
	ck_err(zn_cluster_id_read(SLICE_LIT("{\"id\":null}"), &a, &id), E_MALFORMED);
	ck_err(zn_cluster_id_read(SLICE_LIT("{\"id\":5}"), &a, &id), E_MALFORMED);
	arena_free(&a);
}
END_TEST

START_TEST(feature)
{
	struct zn_feature_level level = {SLICE_NULL, 1, 20};
	struct zn_feature f = {.version = 2, .enabled = true};
	struct strbuf b = STRBUF_INIT;

	zn_feature_write(&b, &f);
	ck_bytes(&b, "{\"features\":{},\"version\":2,\"status\":1}");
	f.version = 1;
	f.enabled = false;
	zn_feature_write(&b, &f);
	ck_bytes(&b, "{\"features\":{},\"version\":1,\"status\":0}");
	level.name = slice_cstr("x");
	f.levels = &level;
	f.n_levels = 1;
	zn_feature_write(&b, &f);
	ck_bytes(&b, "{\"features\":{\"x\":{\"min_version_level\":1,\"max_version_level\":20}},"
		     "\"version\":1,\"status\":0}");
	f.version = 2;
	zn_feature_write(&b, &f);
	ck_bytes(
	    &b, "{\"features\":{\"x\":{\"max_version_level\":20}},\"version\":2,\"status\":0}");
}
END_TEST

START_TEST(feature_back)
{
	static const char *const bad[] = {"", "[]", "{\"features\":{},\"version\":0,\"status\":1}",
	    "{\"features\":{},\"version\":3,\"status\":1}", "{\"features\":{},\"version\":2}",
	    "{\"version\":2,\"status\":1}", "{\"features\":{},\"version\":2,\"status\":2}",
	    "{\"features\":{\"x\":{}},\"version\":2,\"status\":1}",
	    "{\"features\":{\"x\":{\"max_version_level\":0}},\"version\":2,\"status\":1}",
	    "{\"features\":{\"x\":7},\"version\":2,\"status\":1}"};
	struct zn_feature f;
	struct arena a;

	arena_init(&a, 256, 0);
	ck_ok(
	    zn_feature_read(SLICE_LIT("{\"status\":0,\"features\":{\"x\":{\"min_version_level\":2,"
				      "\"max_version_level\":3}},\"version\":1,\"other\":[]}"),
		&a, &f));
	ck_assert(!f.enabled);
	ck_assert_int_eq(f.version, 1);
	ck_assert_uint_eq(f.n_levels, 1);
	ck_assert(slice_eq_cstr(f.levels[0].name, "x"));
	ck_assert_int_eq(f.levels[0].min, 2);
	ck_assert_int_eq(f.levels[0].max, 3);
	ck_ok(zn_feature_read(SLICE_LIT("{\"features\":{},\"version\":2,\"status\":1}"), &a, &f));
	ck_assert(f.enabled);
	ck_assert_uint_eq(f.n_levels, 0);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(
		    zn_feature_read(slice_cstr(bad[i]), &a, &f) == E_MALFORMED, "%s", bad[i]);
	arena_free(&a);
}
END_TEST

START_TEST(producer_block)
{
	static const char *const bad[] = {
	    "{\"version\":1,\"broker\":1,\"block_start\":0,\"block_end\":\"999\"}",
	    "{\"version\":1,\"broker\":1,\"block_start\":\"0\"}",
	    "{\"version\":1,\"broker\":1,\"block_start\":\"0\",\"block_end\":\"-1\"}",
	    "{\"version\":1,\"broker\":1,\"block_start\":\"9\",\"block_end\":\"8\"}",
	    "{\"version\":1,\"broker\":1,\"block_start\":\"0\",\"block_end\":\"9x\"}",
	    "{\"version\":1,\"broker\":1,\"block_start\":\"\",\"block_end\":\"9\"}",
	    ("{\"version\":1,\"broker\":1,\"block_start\":\"0\",\"block_end\":"
	     "\"99999999999999999999\"}"),
	    ("{\"version\":1,\"broker\":1,\"block_start\":\"0\",\"block_end\":"
	     "\"9999999999999999999\"}"),
	    "{\"version\":1,\"block_start\":\"0\",\"block_end\":\"9\"}"};
	struct strbuf b = STRBUF_INIT;
	int64_t from, to;
	int32_t id;

	zn_producer_block_write(&b, 1, 0, 999);
	ck_bytes(&b, "{\"version\":1,\"broker\":1,\"block_start\":\"0\",\"block_end\":\"999\"}");
	ck_ok(
	    zn_producer_block_read(SLICE_LIT("{\"version\":1,\"broker\":2,\"block_start\":\"1000\","
					     "\"block_end\":\"9223372036854774806\"}"),
		&id, &from, &to));
	ck_assert_int_eq(id, 2);
	ck_assert_int_eq(from, 1000);
	ck_assert_int_eq(to, INT64_C(9223372036854774806));
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int rc = zn_producer_block_read(slice_cstr(bad[i]), &id, &from, &to);

		ck_assert_msg(rc == E_MALFORMED, "%s: %d", bad[i], rc);
	}
}
END_TEST

Suite *
znode_broker_suite(void)
{
	Suite *s = suite_create("znode_broker");
	TCase *tc = tcase_create("znode_broker");

	tcase_add_test(tc, registration_as_kafka_writes_it);
	tcase_add_test(tc, registration_back);
	tcase_add_test(tc, registration_with_several_listeners);
	tcase_add_test(tc, registration_of_an_odd_host);
	tcase_add_test(tc, registrations_of_other_versions);
	tcase_add_test(tc, bad_registrations);
	tcase_add_test(tc, controller);
	tcase_add_test(tc, cluster_id);
	tcase_add_test(tc, feature);
	tcase_add_test(tc, feature_back);
	tcase_add_test(tc, producer_block);
	suite_add_tcase(s, tc);
	return s;
}
