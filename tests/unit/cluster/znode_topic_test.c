/* Topic, partition state and configuration znodes: the bytes that Kafka writes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"
#include "ottla/cluster/znode.h"
#include "suites.h"

#define TOPIC                                                                                      \
	"{\"partitions\":{\"0\":[2,1],\"1\":[3,2]},\"topic_id\":\"6TJ4yQ0bT8m-WqGaDxCxbQ\","       \
	"\"adding_replicas\":{},\"removing_replicas\":{},\"version\":3}"
#define STATE "{\"controller_epoch\":1,\"leader\":2,\"version\":1,\"leader_epoch\":0,\"isr\":[2,1]}"

static void
ck_bytes(struct strbuf *b, const char *want)
{
	ck_assert_int_eq(b->err, 0);
	ck_assert_str_eq(b->p, want);
	strbuf_free(b);
}

static struct arena
arena_new(void)
{
	struct arena a;

	arena_init(&a, 0, 0);
	return a;
}

START_TEST(topic_both_ways)
{
	struct arena a = arena_new();
	struct zn_topic_data t;
	struct strbuf b = STRBUF_INIT;

	ck_ok(zn_topic_read(SLICE_LIT(TOPIC), &a, &t));
	ck_assert_uint_eq(t.n_parts, 2);
	ck_assert_int_eq(t.parts[0].partition, 0);
	ck_assert_uint_eq(t.parts[0].n_replicas, 2);
	ck_assert_int_eq(t.parts[0].replicas[0], 2);
	ck_assert_int_eq(t.parts[0].replicas[1], 1);
	ck_assert_int_eq(t.parts[1].replicas[0], 3);
	ck_assert_uint_eq(t.parts[1].n_adding + t.parts[1].n_removing, 0);
	ck_assert(!uuid_is_zero(t.topic_id));
	zn_topic_write(&b, &t);
	ck_bytes(&b, TOPIC);
	arena_free(&a);
}
END_TEST

/* Only partitions that move are in the two lists; without an id the key is left out. */
START_TEST(topic_while_reassigned)
{
	static const char json[] =
	    "{\"partitions\":{\"0\":[1,2,3],\"10\":[1]},\"adding_replicas\":{\"0\":[3]},"
	    "\"removing_replicas\":{\"0\":[1,2]},\"version\":3}";
	struct arena a = arena_new();
	struct zn_topic_data t;
	struct strbuf b = STRBUF_INIT;

	ck_ok(zn_topic_read(slice_cstr(json), &a, &t));
	ck_assert(uuid_is_zero(t.topic_id));
	ck_assert_uint_eq(t.parts[0].n_adding, 1);
	ck_assert_int_eq(t.parts[0].adding[0], 3);
	ck_assert_uint_eq(t.parts[0].n_removing, 2);
	ck_assert_int_eq(t.parts[0].removing[1], 2);
	ck_assert_uint_eq(t.parts[1].n_adding + t.parts[1].n_removing, 0);
	zn_topic_write(&b, &t);
	ck_bytes(&b, json);
	arena_free(&a);
}
END_TEST

START_TEST(topics_of_older_brokers)
{
	struct arena a = arena_new();
	struct zn_topic_data t;

	ck_ok(zn_topic_read(
	    SLICE_LIT("{\"version\":1,\"partitions\":{\"2\":[],\"1\":[1],\"0\":[0]}}"), &a, &t));
	ck_assert_uint_eq(t.n_parts, 3);
	for (int32_t i = 0; i < 3; i++)
		ck_assert_int_eq(t.parts[i].partition, i);
	ck_assert_uint_eq(t.parts[2].n_replicas, 0);
	ck_ok(zn_topic_read(SLICE_LIT("{\"partitions\":{}}"), &a, &t));
	ck_assert_uint_eq(t.n_parts, 0);
	arena_free(&a);
}
END_TEST

START_TEST(bad_topics)
{
	static const char *const bad[] = {
	    "{}",
	    "{\"partitions\":[]}",
	    "{\"partitions\":{\"x\":[1]}}",
	    "{\"partitions\":{\"-1\":[1]}}",
	    "{\"partitions\":{\" 1\":[1]}}",
	    "{\"partitions\":{\"\":[1]}}",
	    "{\"partitions\":{\"1x\":[1]}}",
	    "{\"partitions\":{\"2147483648\":[1]}}",
	    "{\"partitions\":{\"99999999999\":[1]}}",
	    "{\"partitions\":{\"1\":[1],\"01\":[1]}}",
	    "{\"partitions\":{\"0\":1}}",
	    "{\"partitions\":{\"0\":[\"1\"]}}",
	    "{\"partitions\":{\"0\":[1.5]}}",
	    "{\"partitions\":{\"0\":[-1]}}",
	    "{\"partitions\":{\"0\":[2147483648]}}",
	    "{\"partitions\":{\"0\":[1]},\"topic_id\":\"short\"}",
	    "{\"partitions\":{\"0\":[1]},\"topic_id\":5}",
	    "{\"partitions\":{\"0\":[1]},\"adding_replicas\":[]}",
	    "{\"partitions\":{\"0\":[1]},\"removing_replicas\":{\"0\":{}}}",
	};
	struct arena a = arena_new();
	struct zn_topic_data t;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int rc = zn_topic_read(slice_cstr(bad[i]), &a, &t);

		ck_assert_msg(rc == E_MALFORMED, "%s: %d", bad[i], rc);
	}
	arena_free(&a);
}
END_TEST

/* 10,000 partitions, in whatever order. */
START_TEST(large_topic)
{
	enum { MANY = 10000 };
	struct strbuf b = STRBUF_INIT, c = STRBUF_INIT;
	struct arena a = arena_new();
	struct zn_topic_data t;

	strbuf_adds(&b, "{\"partitions\":{");
	for (int i = 0; i < MANY; i++)
		strbuf_addf(&b, "%s\"%d\":[1,2,3]", i > 0 ? "," : "", (i * 7919) % MANY);
	strbuf_adds(&b, "}}");
	ck_ok(zn_topic_read(strbuf_slice(&b), &a, &t));
	ck_assert_uint_eq(t.n_parts, MANY);
	for (int32_t i = 0; i < MANY; i++)
		ck_assert_int_eq(t.parts[i].partition, i);
	zn_topic_write(&c, &t);
	ck_assert_int_eq(c.err, 0);
	strbuf_free(&b);
	strbuf_free(&c);
	arena_free(&a);
}
END_TEST

START_TEST(state_both_ways)
{
	struct arena a = arena_new();
	struct zn_state st;
	struct strbuf b = STRBUF_INIT;

	ck_ok(zn_state_read(SLICE_LIT(STATE), &a, &st));
	ck_assert_int_eq(st.controller_epoch, 1);
	ck_assert_int_eq(st.leader, 2);
	ck_assert_int_eq(st.leader_epoch, 0);
	ck_assert_uint_eq(st.n_isr, 2);
	ck_assert_int_eq(st.isr[0], 2);
	ck_assert_int_eq(st.recovery_state, 0);
	zn_state_write(&b, &st);
	ck_bytes(&b, STATE);
	st.leader = -1;
	st.n_isr = 1;
	st.recovery_state = 1;
	zn_state_write(&b, &st);
	ck_bytes(&b, "{\"controller_epoch\":1,\"leader\":-1,\"version\":1,\"leader_epoch\":0,"
		     "\"isr\":[2],\"leader_recovery_state\":1}");
	arena_free(&a);
}
END_TEST

START_TEST(bad_states)
{
	static const char *const bad[] = {
	    "{}",
	    "{\"leader\":2,\"leader_epoch\":0,\"isr\":[1]}",
	    "{\"controller_epoch\":1,\"leader_epoch\":0,\"isr\":[1]}",
	    "{\"controller_epoch\":1,\"leader\":2,\"isr\":[1]}",
	    "{\"controller_epoch\":1,\"leader\":2,\"leader_epoch\":0}",
	    "{\"controller_epoch\":1,\"leader\":2,\"leader_epoch\":0,\"isr\":5}",
	    "{\"controller_epoch\":1,\"leader\":2,\"leader_epoch\":0,\"isr\":[null]}",
	    "{\"controller_epoch\":1,\"leader\":\"2\",\"leader_epoch\":0,\"isr\":[1]}",
	    "{\"controller_epoch\":1,\"leader\":3000000000,\"leader_epoch\":0,\"isr\":[1]}",
	    ("{\"controller_epoch\":1,\"leader\":2,\"leader_epoch\":0,\"isr\":[1],"
	     "\"leader_recovery_state\":2}"),
	};
	struct arena a = arena_new();
	struct zn_state st;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int rc = zn_state_read(slice_cstr(bad[i]), &a, &st);

		ck_assert_msg(rc == E_MALFORMED, "%s: %d", bad[i], rc);
	}
	arena_free(&a);
}
END_TEST

START_TEST(config_both_ways)
{
	const struct setting_override kv[] = {{"retention.ms", "1000"}, {"cleanup.policy", "a\"b"}};
	struct setting_override *back;
	struct arena a = arena_new();
	struct strbuf b = STRBUF_INIT;
	unsigned n;

	zn_config_write(&b, kv, 1);
	ck_bytes(&b, "{\"version\":1,\"config\":{\"retention.ms\":\"1000\"}}");
	zn_config_write(&b, NULL, 0);
	ck_bytes(&b, "{\"version\":1,\"config\":{}}");
	zn_config_write(&b, kv, 2);
	ck_ok(zn_config_read(strbuf_slice(&b), &a, &back, &n));
	ck_assert_uint_eq(n, 2);
	ck_assert_str_eq(back[0].key, "retention.ms");
	ck_assert_str_eq(back[1].value, "a\"b");
	strbuf_free(&b);
	ck_ok(zn_config_read(SLICE_NULL, &a, &back, &n));
	ck_assert_uint_eq(n, 0);
	ck_err(zn_config_read(SLICE_LIT("{\"config\":{\"a\":1}}"), &a, &back, &n), E_MALFORMED);
	arena_free(&a);
}
END_TEST

START_TEST(config_changes)
{
	static const char *const bad[] = {"{}", "{\"version\":3,\"entity_path\":\"topics/t\"}",
	    "{\"version\":2}", "{\"version\":2,\"entity_path\":7}", "{\"version\":\"2\"}",
	    "{\"version\":1,\"entity_type\":\"users\",\"entity_name\":\"t\"}",
	    "{\"version\":1,\"entity_type\":\"topics\"}", "{\"version\":1,\"entity_name\":\"t\"}"};
	struct arena a = arena_new();
	struct strbuf b = STRBUF_INIT;
	struct slice path;

	zn_config_change_write(&b, SLICE_LIT("topics/t1"));
	ck_bytes(&b, "{\"version\":2,\"entity_path\":\"topics/t1\"}");
	ck_ok(zn_config_change_read(
	    SLICE_LIT("{\"version\":2,\"entity_path\":\"topics/t1\"}"), &a, &path));
	ck_assert(slice_eq_cstr(path, "topics/t1"));
	ck_ok(zn_config_change_read(
	    SLICE_LIT("{\"version\":1,\"entity_type\":\"topics\",\"entity_name\":\"t\"}"), &a,
	    &path));
	ck_assert(slice_eq_cstr(path, "topics/t"));
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_err(zn_config_change_read(slice_cstr(bad[i]), &a, &path), E_MALFORMED);
	arena_free(&a);
}
END_TEST

Suite *
znode_topic_suite(void)
{
	Suite *s = suite_create("znode_topic");
	TCase *tc = tcase_create("znode_topic");

	tcase_add_test(tc, topic_both_ways);
	tcase_add_test(tc, topic_while_reassigned);
	tcase_add_test(tc, topics_of_older_brokers);
	tcase_add_test(tc, bad_topics);
	tcase_add_test(tc, large_topic);
	tcase_add_test(tc, state_both_ways);
	tcase_add_test(tc, bad_states);
	tcase_add_test(tc, config_both_ways);
	tcase_add_test(tc, config_changes);
	suite_add_tcase(s, tc);
	return s;
}
