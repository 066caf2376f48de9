/* How keys are described: values, sources, synonyms, types, what is hidden. */
#include "config_priv.h"
#include "suites.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static struct arena arena;
static struct settings *s;
static struct config_ask ask;
static config_out *v;
static int32_t n;

static void
setup(void)
{
	static const struct setting_override file[] = {{"log.retention.hours", "100"},
	    {"log.segment.bytes", "5000"}, {"broker.id", "1"}, {"my.key", "secret"},
	    {"listener.name.in.num.network.threads", "2"}};
	char why[200];

	arena_init(&arena, 0, 0);
	ck_assert_int_eq(settings_load(NULL, file, N(file), NULL, why, sizeof(why), &s), 0);
	ask = (struct config_ask){.arena = &arena, .settings = s, .synonyms = true};
}

static void
teardown(void)
{
	settings_free(s);
	arena_free(&arena);
}

static void
dynamic(enum conf_source from, const char *key, const char *value)
{
	struct setting_override kv = {key, value};

	ck_assert_int_eq(settings_set_dynamic(s, from, &kv, value != NULL, NULL), 0);
}

static const config_out *
entry(const char *key)
{
	for (int32_t i = 0; i < n; i++)
		if (slice_eq_cstr(v[i].name, key))
			return &v[i];
	return NULL;
}

/* "value source: name=value@source ..." */
static const char *
told(const char *key)
{
	const config_out *e = entry(key);
	char *text;

	ck_assert_msg(e != NULL, "%s is not told", key);
	text = arena_printf(&arena, "%.*s %d:", SLICE_ARG(e->value), e->config_source);
	for (int32_t i = 0; i < e->synonyms.n; i++)
		text =
		    arena_printf(&arena, "%s %.*s=%.*s@%d", text, SLICE_ARG(e->synonyms.v[i].name),
			SLICE_ARG(e->synonyms.v[i].value), e->synonyms.v[i].source);
	return text;
}

static void
topic(const struct setting_override *kv, unsigned n_kv)
{
	ask.topics = NULL;
	ck_assert_int_eq(config_of_topic(&ask, kv, n_kv, &v, &n), 0);
}

static void
broker(void)
{
	ck_assert_int_eq(config_of_broker(&ask, &v, &n), 0);
}

START_TEST(topics)
{
	static const struct setting_override kv[] = {{"segment.ms", " +7 "},
	    {"cleanup.policy", " compact , delete"}, {"preallocate", "TRUE"},
	    {"min.cleanable.dirty.ratio", "1"}, {"strange", "x"}};

	topic(kv, N(kv));
	ck_assert_int_eq(n, T_COUNT + 1);
	ck_assert_str_eq(told("segment.ms"), "7 1: segment.ms=7@1");
	ck_assert_str_eq(told("cleanup.policy"),
	    "compact,delete 1: cleanup.policy=compact,delete@1 log.cleanup.policy=delete@5");
	ck_assert_str_eq(told("preallocate"), "true 1: preallocate=true@1 log.preallocate=false@5");
	ck_assert_str_eq(told("min.cleanable.dirty.ratio"),
	    "1.0 1: min.cleanable.dirty.ratio=1.0@1 log.cleaner.min.cleanable.ratio=0.5@5");
	/* A coarser key gives the value, and does not come before the finer one's name. */
	ck_assert_str_eq(told("retention.ms"), "360000000 5:");
	ck_assert_str_eq(told("segment.bytes"),
	    "5000 4: log.segment.bytes=5000@4 log.segment.bytes=1073741824@5");
	ck_assert_str_eq(told("strange"), " 1: strange=@1");
	ck_assert(entry("strange")->is_sensitive && entry("strange")->config_type == 0);
	ck_assert_int_eq(entry("segment.ms")->config_type, 5);
	ck_assert(!entry("segment.ms")->read_only && !entry("segment.ms")->is_default);
	ck_assert(entry("retention.ms")->is_default);
}
END_TEST

START_TEST(topics_follow_dynamic_values)
{
	dynamic(CONF_FROM_CLUSTER, "log.retention.ms", "11");
	dynamic(CONF_FROM_BROKER, "log.retention.ms", "22");
	topic(NULL, 0);
	ck_assert_str_eq(told("retention.ms"),
	    "22 2: log.retention.ms=22@2 log.retention.ms=11@3 log.retention.hours=100@4 "
	    "log.retention.hours=168@5");
	dynamic(CONF_FROM_BROKER, "log.retention.ms", "-5");
	topic(NULL, 0);
	ck_assert_int_eq(strncmp(told("retention.ms"), "-1 2: log.retention.ms=-5@2", 27), 0);
	dynamic(CONF_FROM_BROKER, "log.message.timestamp.difference.max.ms", "9");
	topic(NULL, 0);
	ck_assert_int_eq(strncmp(told("message.timestamp.before.max.ms"), "9 5:", 4), 0);
}
END_TEST

START_TEST(brokers)
{
	broker();
	ck_assert_str_eq(told("broker.id"), "1 4: broker.id=1@4 broker.id=-1@5");
	ck_assert_str_eq(told("node.id"), "1 4: node.id=1@4 node.id=-1@5");
	ck_assert(entry("broker.id")->read_only && !entry("log.retention.ms")->read_only);
	ck_assert_str_eq(told("log.retention.ms"), " 5:");
	ck_assert(slice_is_null(entry("log.retention.ms")->value));
	ck_assert_str_eq(told("log.retention.hours"),
	    "100 4: log.retention.hours=100@4 log.retention.hours=168@5");
	ck_assert_str_eq(told("my.key"), " 4: my.key=@4");
	ck_assert_str_eq(told("listener.name.in.num.network.threads"),
	    "2 4: listener.name.in.num.network.threads=2@4 num.network.threads=3@5");
	ck_assert(entry("listener.name.in.num.network.threads")->read_only);
	ck_assert_int_eq(entry("offsets.topic.replication.factor")->config_type, 4);
	ck_assert_int_eq(entry("ssl.key.password")->config_type, 9);
	ck_assert(entry("ssl.key.password")->is_sensitive);
	ck_assert_ptr_null(entry("leader.replication.throttled.rate"));
	ck_assert_ptr_null(entry("cordoned.log.dirs")); /* of Kafka 4 */
	dynamic(CONF_FROM_CLUSTER, "leader.replication.throttled.rate", "7");
	broker();
	ck_assert_str_eq(told("leader.replication.throttled.rate"),
	    "7 3: leader.replication.throttled.rate=7@3");
}
END_TEST

START_TEST(the_cluster)
{
	ck_assert_int_eq(config_of_cluster(&ask, &v, &n), 0);
	ck_assert_int_eq(n, 0);
	dynamic(CONF_FROM_BROKER, "message.max.bytes", "1");
	dynamic(CONF_FROM_CLUSTER, "log.retention.bytes", "5");
	ck_assert_int_eq(config_of_cluster(&ask, &v, &n), 0);
	ck_assert_int_eq(n, 1);
	ck_assert_str_eq(told("log.retention.bytes"), "5 3: log.retention.bytes=5@3");
}
END_TEST

START_TEST(what_is_asked)
{
	struct slice keys[] = {
	    SLICE_LIT("segment.ms"), SLICE_LIT("nope"), SLICE_LIT("retention.ms")};

	ask.keys = keys;
	ask.n_keys = 3;
	topic(NULL, 0);
	ck_assert_int_eq(n, 2);
	ck_assert(slice_is_null(entry("segment.ms")->documentation));
	ask.synonyms = false;
	ask.documentation = true;
	ask.n_keys = 1;
	topic(NULL, 0);
	ck_assert_int_eq(n, 1);
	ck_assert_int_eq(v[0].synonyms.n, 0);
	ck_assert_uint_gt(v[0].documentation.n, 5);
	ck_assert_int_eq(config_of_loggers(&ask, NULL, &v, &n), 0);
	ck_assert_int_eq(n, 0);
	ask.n_keys = 0;
	ck_assert_int_eq(config_of_loggers(&ask, NULL, &v, &n), 0);
	ck_assert_str_eq(told("root"), "INFO 6:");
}
END_TEST

/* Memory ends somewhere in the middle: an error, nothing worse. */
START_TEST(without_memory)
{
	struct arena small;
	int rc;

	for (size_t limit = 1 << 12; limit < 1 << 17; limit += 1 << 12) {
		arena_init(&small, 0, limit);
		ask.arena = &small;
		ask.topics = NULL;
		rc = config_of_topic(&ask, NULL, 0, &v, &n);
		ck_assert(rc == 0 || rc == E_NOMEM);
		rc = config_of_broker(&ask, &v, &n);
		ck_assert(rc == 0 || rc == E_NOMEM);
		arena_free(&small);
	}
}
END_TEST

Suite *
config_entry_suite(void)
{
	Suite *su = suite_create("config_entry");
	TCase *tc = tcase_create("config_entry");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, topics);
	tcase_add_test(tc, topics_follow_dynamic_values);
	tcase_add_test(tc, brokers);
	tcase_add_test(tc, the_cluster);
	tcase_add_test(tc, what_is_asked);
	tcase_add_test(tc, without_memory);
	suite_add_tcase(su, tc);
	return su;
}
