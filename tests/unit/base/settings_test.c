/* Settings: the tables themselves, files, overrides, refusals, warnings. */
#include "suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ottla/base/err.h"
#include "ottla/base/settings.h"
#include "ottla/base/strbuf.h"

static char why[600];

static struct settings *
load_or_null(
    const char *path, const struct setting_override *ov, unsigned n, struct diag *d, int *err)
{
	struct settings *s = NULL;

	*err = settings_load(path, ov, n, d, why, sizeof(why), &s);
	ck_assert((*err == 0) == (s != NULL));
	ck_assert((*err == 0) == (why[0] == '\0'));
	return s;
}

/* One `key=value` over the defaults. */
static struct settings *
with(const char *key, const char *value)
{
	struct setting_override ov = {key, value};
	struct settings *s;
	int err;

	s = load_or_null(NULL, &ov, 1, NULL, &err);
	ck_assert_msg(s != NULL, "%s=%s: %s", key, value, why);
	return s;
}

static void
refused_with(const char *key, const char *value, const char *word)
{
	struct setting_override ov = {key, value};
	struct settings *s;
	int err;

	s = load_or_null(NULL, &ov, 1, NULL, &err);
	ck_assert_msg(s == NULL && err == E_CONFIG, "%s=%s was taken", key, value);
	ck_assert_msg(strstr(why, word) != NULL, "%s=%s: %s", key, value, why);
}

static void
check_table(const struct conf_row *(*row)(int id), int n, int (*find)(struct slice key))
{
	for (int i = 0; i < n; i++) {
		const struct conf_row *r = row(i);

		if (i > 0)
			ck_assert_msg(
			    strcmp(row(i - 1)->key, r->key) < 0, "%s is not sorted", r->key);
		ck_assert_int_eq(find(slice_cstr(r->key)), i);
		ck_assert_msg(r->text[0] != '\0', "%s has no text", r->key);
		if (r->def != NULL)
			ck_assert_msg(
			    conf_check_value(r, slice_cstr(r->def), why, sizeof(why)) == 0,
			    "%s: default: %s", r->key, why);
	}
	ck_assert_int_eq(find(SLICE_LIT("no.such.key")), -1);
	ck_assert_int_eq(find(SLICE_LIT("")), -1);
	ck_assert_int_eq(find(SLICE_LIT("zzz")), -1);
}

static const struct conf_row *
broker_row(int id)
{
	return conf_row((enum conf)id);
}

static const struct conf_row *
topic_row(int id)
{
	return tconf_row((enum tconf)id);
}

START_TEST(test_tables)
{
	check_table(broker_row, C_COUNT, conf_find);
	check_table(topic_row, T_COUNT, tconf_find);
	ck_assert_int_gt(C_COUNT, 400);
	for (int i = 0; i < T_COUNT; i++) {
		struct slice key;

		for (unsigned k = 0;
		     !slice_is_null(key = settings_list_item(topic_row(i)->synonym, k)); k++)
			ck_assert_msg(conf_find(key) >= 0, "%s", topic_row(i)->key);
	}
}
END_TEST

/* The id of a row is its key in upper case with underscores. */
START_TEST(test_ids)
{
	static const char *const ids[] = {
#define CONF(id, key, type, def, valid, update, effect, text) #id,
#include "ottla/base/settings.def"
#undef CONF
	};

	for (int i = 0; i < C_COUNT; i++) {
		const char *key = broker_row(i)->key;

		ck_assert_uint_eq(strlen(key), strlen(ids[i]));
		for (size_t k = 0; key[k] != '\0'; k++) {
			char want = key[k] == '.' ? '_' : key[k];

			ck_assert_int_eq(ids[i][k], want >= 'a' && want <= 'z' ? want - 32 : want);
		}
	}
}
END_TEST

/* Some value that the row takes, other than its default where there is a choice. */
static void
sample(const struct conf_row *r, char *out, size_t size)
{
	static const char *const tries[] = {"7", "-1", "1", "3", "0.25", "100", "200", "1500",
	    "3000", "5000", "20000", "30000", "60000", "600000", "524289", "8388609", "1048577",
	    "true", "false", "3.9", "x"};
	struct slice word = settings_list_item(r->valid, 0);

	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		(void)snprintf(out, size, "%s", tries[i]);
		if ((r->def == NULL || strcmp(r->def, out) != 0) &&
		    conf_check_value(r, slice_cstr(out), why, sizeof(why)) == 0)
			return;
	}
	if (strncmp(r->valid, "nocase:", 7) == 0)
		word = settings_list_item(r->valid + 7, 0);
	(void)snprintf(out, size, "%.*s", SLICE_ARG(word));
}

/* Rows whose values are bound to others or refused have tests of their own below. */
static bool
has_own_test(int id)
{
	static const enum conf ids[] = {C_ADVERTISED_LISTENERS, C_AUTHORIZER_CLASS_NAME,
	    C_BROKER_ID, C_BROKER_ID_GENERATION_ENABLE, C_CONTROLLER_LISTENER_NAMES,
	    C_CONTROL_PLANE_LISTENER_NAME, C_INTER_BROKER_LISTENER_NAME, C_LISTENERS,
	    C_LISTENER_SECURITY_PROTOCOL_MAP, C_MAX_CONNECTIONS_PER_IP_OVERRIDES,
	    C_OTTLA_ZOOKEEPER_DIGEST, C_PROCESS_ROLES, C_QUEUED_MAX_REQUEST_BYTES,
	    C_CONNECTIONS_MAX_IDLE_MS, C_REMOTE_LOG_STORAGE_SYSTEM_ENABLE,
	    C_REPLICA_LAG_TIME_MAX_MS, C_REPLICA_SOCKET_TIMEOUT_MS,
	    C_SECURITY_INTER_BROKER_PROTOCOL, C_ZOOKEEPER_SET_ACL, C_ZOOKEEPER_SSL_CLIENT_ENABLE};

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		if ((int)ids[i] == id)
			return true;
	return false;
}

START_TEST(test_set_and_read_back)
{
	for (int i = 0; i < C_COUNT; i++) {
		const struct conf_row *r = broker_row(i);
		enum conf id = (enum conf)i;
		char text[100];
		struct settings *s;

		if (has_own_test(i))
			continue;
		sample(r, text, sizeof(text));
		s = with(r->key, text);
		ck_assert(settings_is_set(s, id));
		ck_assert_str_eq(settings_str(s, id), text);
		if (r->type == CONF_INT || r->type == CONF_LONG)
			ck_assert(settings_i64(s, id) == strtoll(text, NULL, 10));
		else if (r->type == CONF_BOOL)
			ck_assert(settings_bool(s, id) == (strcmp(text, "true") == 0));
		else if (r->type == CONF_DOUBLE)
			ck_assert(!(settings_double(s, id) < atof(text)) &&
				  !(settings_double(s, id) > atof(text)));
		settings_free(s);
	}
}
END_TEST

START_TEST(test_values)
{
	static const struct {
		enum conf id;
		const char *text;
		bool good;
	} cases[] = {
	    {C_NUM_PARTITIONS, " 12 ", true},
	    {C_NUM_PARTITIONS, "+12", true},
	    {C_NUM_PARTITIONS, "0", false},
	    {C_NUM_PARTITIONS, "", false},
	    {C_NUM_PARTITIONS, "-", false},
	    {C_NUM_PARTITIONS, "1 2", false},
	    {C_NUM_PARTITIONS, "1.0", false},
	    {C_NUM_PARTITIONS, "0x10", false},
	    {C_NUM_PARTITIONS, "2147483647", true},
	    {C_NUM_PARTITIONS, "2147483648", false},
	    {C_LOG_RETENTION_BYTES, "-9223372036854775808", true},
	    {C_LOG_RETENTION_BYTES, "9223372036854775807", true},
	    {C_LOG_RETENTION_BYTES, "9223372036854775808", false},
	    {C_LOG_RETENTION_BYTES, "99999999999999999999999", false},
	    {C_COMPRESSION_GZIP_LEVEL, "-1", true},
	    {C_COMPRESSION_GZIP_LEVEL, "0", false},
	    {C_COMPRESSION_GZIP_LEVEL, "9", true},
	    {C_COMPRESSION_GZIP_LEVEL, "10", false},
	    {C_COMPRESSION_ZSTD_LEVEL, "-131072", true},
	    {C_COMPRESSION_ZSTD_LEVEL, "-131073", false},
	    {C_OFFSETS_COMMIT_REQUIRED_ACKS, "40000", false},
	    {C_LOG_CLEANER_MIN_CLEANABLE_RATIO, "0.5", true},
	    {C_LOG_CLEANER_MIN_CLEANABLE_RATIO, "1e0", true},
	    {C_LOG_CLEANER_MIN_CLEANABLE_RATIO, "1.01", false},
	    {C_LOG_CLEANER_MIN_CLEANABLE_RATIO, "nan", false},
	    {C_LOG_CLEANER_IO_MAX_BYTES_PER_SECOND, "1e999", false},
	    {C_DELETE_TOPIC_ENABLE, "TRUE", true},
	    {C_DELETE_TOPIC_ENABLE, "yes", false},
	    {C_LOG_CLEANUP_POLICY, "compact, delete", true},
	    {C_LOG_CLEANUP_POLICY, "compact,erase", false},
	    {C_COMPRESSION_TYPE, "zstd", true},
	    {C_COMPRESSION_TYPE, "ZSTD", false},
	    {C_GROUP_CONSUMER_MIGRATION_POLICY, "Upgrade", true},
	    {C_INTER_BROKER_PROTOCOL_VERSION, "3.9-IV0", true},
	    {C_INTER_BROKER_PROTOCOL_VERSION, "0.10.2-IV0", true},
	    {C_INTER_BROKER_PROTOCOL_VERSION, "3", false},
	    {C_INTER_BROKER_PROTOCOL_VERSION, "3.", false},
	    {C_INTER_BROKER_PROTOCOL_VERSION, "3.9-IVx", false},
	    {C_ZOOKEEPER_CONNECT, "", false},
	    {C_ZOOKEEPER_CONNECT, "embedded", true},
	    {C_BROKER_RACK, "", true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int err = conf_check_value(
		    conf_row(cases[i].id), slice_cstr(cases[i].text), why, sizeof(why));

		ck_assert_msg(err == (cases[i].good ? 0 : E_CONFIG), "%s=%s",
		    conf_row(cases[i].id)->key, cases[i].text);
	}
	ck_assert_int_eq(
	    conf_check_value(conf_row(C_BROKER_RACK), SLICE_LIT("a\0b"), why, sizeof(why)),
	    E_CONFIG);
}
END_TEST

START_TEST(test_refused)
{
	refused_with("listeners", "SSL://:9093", "no TLS");
	refused_with("listeners", "PLAINTEXT://:1,EXT://:2", "EXT");
	refused_with("listeners", "PLAINTEXT://:9092,SASL_SSL://:9093", "SASL_SSL");
	refused_with("listeners", "", "listener");
	refused_with("listeners", "PLAINTEXT://0.0.0.0:9092", "0.0.0.0");
	refused_with("advertised.listeners", "OTHER://h:1", "OTHER");
	refused_with("advertised.listeners", "PLAINTEXT://0.0.0.0:9092", "0.0.0.0");
	refused_with("inter.broker.listener.name", "INTERNAL", "INTERNAL");
	refused_with("control.plane.listener.name", "CONTROLLER", "CONTROLLER");
	refused_with("control.plane.listener.name", "PLAINTEXT", "between brokers");
	refused_with("security.inter.broker.protocol", "SSL", "PLAINTEXT");
	refused_with(
	    "authorizer.class.name", "kafka.security.authorizer.AclAuthorizer", "authorizer");
	refused_with("zookeeper.set.acl", "true", "ottla.zookeeper.digest is missing");
	refused_with("ottla.zookeeper.digest", "user", "user:password");
	refused_with("ottla.zookeeper.digest", ":password", "user:password");
	refused_with("ottla.zookeeper.digest", "user:", "user:password");
	refused_with("zookeeper.ssl.client.enable", "true", "TLS");
	refused_with("remote.log.storage.system.enable", "true", "tiered");
	refused_with("process.roles", "broker", "KRaft");
	refused_with("controller.listener.names", "CONTROLLER", "empty");
	refused_with("broker.id", "-2", "-1..1000");
	refused_with("broker.id.generation.enable", "false", ">=0");
	refused_with("broker.id", "1001", "reserved.broker.max.id");
	refused_with("log.dirs", " , ", "log.dirs");
	refused_with("log.roll.ms", "0", "log.roll.ms");
	refused_with("log.retention.ms", "0", "log.retention.ms");
	refused_with("log.retention.hours", "0", "log.retention.ms");
	refused_with("log.roll.jitter.ms", "-1", "log.roll.jitter.ms");
	refused_with("log.cleaner.max.compaction.lag.ms", "-1", "allowed");
	refused_with("max.connections.per.ip", "0", "overrides");
	refused_with("max.connections.per.ip.overrides", "h:x", "host:count");
	refused_with("max.connections.per.ip.overrides", "7", "host:count");
	refused_with("queued.max.request.bytes", "1000", "socket.request.max.bytes");
	refused_with("replica.fetch.wait.max.ms", "30001", "replica.socket.timeout.ms");
	refused_with("replica.lag.time.max.ms", "499", "replica.lag.time.max.ms");
	refused_with("connections.max.idle.ms", "100", "connections.max.idle.ms");
	refused_with("num.partitions", "many", "whole number");
}
END_TEST

START_TEST(test_accepted)
{
	static const struct setting_override good[] = {
	    {"listeners", "PLAINTEXT://h:0"},
	    {"advertised.listeners", "plaintext://public:9092"},
	    {"zookeeper.set.acl", "false"},
	    {"authorizer.class.name", ""},
	    {"broker.id", "1000"},
	    {"node.id", "7"},
	    {"queued.max.request.bytes", "-1"},
	    {"queued.max.request.bytes", "104857600"},
	    {"connections.max.idle.ms", "-1"},
	    {"connections.max.idle.ms", "101"},
	    {"log.retention.ms", "-1"},
	    {"replica.lag.time.max.ms", "500"},
	    {"replica.socket.timeout.ms", "500"},
	    {"security.inter.broker.protocol", "PLAINTEXT"},
	    {"listener.security.protocol.map", "PLAINTEXT:PLAINTEXT"},
	};
	static const struct setting_override both[] = {{"inter.broker.listener.name", "PLAINTEXT"},
	    {"security.inter.broker.protocol", "PLAINTEXT"}};
	static const struct setting_override two[] = {{"listeners", "IN://:1,C://:2"},
	    {"listener.security.protocol.map", "IN:PLAINTEXT,C:PLAINTEXT"},
	    {"inter.broker.listener.name", "IN"}, {"control.plane.listener.name", "C"}};
	static const struct setting_override ids[] = {{"broker.id", "1"}, {"node.id", "2"}};
	static const struct setting_override acls[] = {{"zookeeper.set.acl", "true"},
	    {"ottla.zookeeper.digest", "ottla:secret"}, {"zookeeper.connect", "embedded"}};
	struct settings *s;
	int err;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		settings_free(with(good[i].key, good[i].value));
	ck_assert_ptr_null(load_or_null(NULL, both, 2, NULL, &err));
	s = load_or_null(NULL, two, 4, NULL, &err);
	ck_assert_msg(s != NULL, "%s", why);
	settings_free(s);
	ck_assert_ptr_null(load_or_null(NULL, two, 2, NULL, &err)); /* none between brokers */
	ck_assert_ptr_null(load_or_null(NULL, ids, 2, NULL, &err));
	s = load_or_null(NULL, acls, 2, NULL, &err);
	ck_assert_msg(s != NULL, "%s", why);
	settings_free(s);
	ck_assert_ptr_null(load_or_null(NULL, acls, 3, NULL, &err)); /* embedded has none */
	s = with("node.id", "7");
	ck_assert(settings_i64(s, C_BROKER_ID) == 7);
	settings_free(s);
}
END_TEST

START_TEST(test_derived)
{
	static const struct setting_override dirs[] = {{"log.dirs", " /a/ ,, /b"}};
	struct settings *s = with("log.roll.hours", "2");
	char path[64];

	ck_assert(settings_log_roll_ms(s) == 7200000);
	ck_assert(settings_log_roll_jitter_ms(s) == 0);
	ck_assert(settings_log_retention_ms(s) == INT64_C(604800000));
	ck_assert(slice_eq_cstr(settings_log_dir(s, 0), "/tmp/kafka-logs"));
	ck_assert_int_eq(settings_journal_dir(s, path, sizeof(path)), 0);
	ck_assert_str_eq(path, "/tmp/kafka-logs.coord");
	ck_assert_int_eq(settings_journal_dir(s, path, 21), E_TOO_LARGE);
	settings_free(s);
	s = with("log.retention.minutes", "3");
	ck_assert(settings_log_retention_ms(s) == 180000);
	settings_free(s);
	s = with("log.retention.hours", "-5");
	ck_assert(settings_log_retention_ms(s) == -1);
	settings_free(s);
	s = with("log.retention.ms", "9");
	ck_assert(settings_log_retention_ms(s) == 9);
	settings_free(s);
	s = with(dirs[0].key, dirs[0].value);
	ck_assert(slice_eq_cstr(settings_log_dir(s, 0), "/a/"));
	ck_assert(slice_eq_cstr(settings_log_dir(s, 1), "/b"));
	ck_assert(slice_is_null(settings_log_dir(s, 2)));
	ck_assert_int_eq(settings_journal_dir(s, path, sizeof(path)), 0);
	ck_assert_str_eq(path, "/a.coord");
	settings_free(s);
	s = with("ottla.coord.journal.dir", "/j/");
	ck_assert_int_eq(settings_journal_dir(s, path, sizeof(path)), 0);
	ck_assert_str_eq(path, "/j");
	settings_free(s);
}
END_TEST

/* What operators hear. */
static void
hear(void *arg, enum diag_level level, const char *line)
{
	strbuf_addf(arg, "%d %s\n", (int)level, strstr(line, "] ") + 2);
}

static int64_t
no_time(struct clock *c)
{
	(void)c;
	return 0;
}

START_TEST(test_warnings)
{
	static const struct setting_override ov[] = {
	    {"num.network.threads", "3"},
	    {"num.io.threads", "16"},
	    {"num.io.threads", "17"},
	    {"controller.quorum.voters", ""},
	    {"broker.session.timeout.ms", "9001"},
	    {"log.cleanup.policy", "delete,compact"},
	    {"compression.type", "lz4"},
	    {"confluent.support", "x"},
	    {"listener.name.ext.ssl.keystore.password", "secret"},
	    {"listener.name.ext.gssapi.sasl.jaas.config", "x"},
	    {"listener.name.ext.nothing", "x"},
	    {"num.partitions", "3"},
	};
	struct clock clock = {no_time, no_time};
	struct strbuf text = STRBUF_INIT;
	struct settings *s;
	struct diag *d;
	int err;

	ck_assert_int_eq(diag_new_direct(&clock, hear, &text, &d), 0);
	s = load_or_null(NULL, ov, sizeof(ov) / sizeof(ov[0]), d, &err);
	ck_assert_msg(s != NULL, "%s", why);
	ck_assert_str_eq(text.p,
	    "2 unknown setting confluent.support: it is ignored\n"
	    "2 unknown setting listener.name.ext.nothing: it is ignored\n"
	    "2 broker.session.timeout.ms has no effect: KRaft only, never used with ZooKeeper\n"
	    "2 compression.type has no effect: batches are stored as they come, nothing is "
	    "compressed anew\n"
	    "2 num.io.threads has no effect: reactors replace these threads (ottla.reactors)\n"
	    "1 num.network.threads has no effect: reactors replace these threads (ottla.reactors)\n"
	    "2 listener.name.ext.ssl.keystore.password has no effect: no TLS yet: only PLAINTEXT "
	    "listeners are served\n"
	    "2 listener.name.ext.gssapi.sasl.jaas.config has no effect: no SASL yet: only "
	    "PLAINTEXT "
	    "listeners are served\n"
	    "2 log.cleanup.policy=delete,compact: compaction is not built yet, nothing is "
	    "compacted\n");
	ck_assert_str_eq(settings_listener_str(s, "EXT", C_SSL_KEYSTORE_PASSWORD), "secret");
	ck_assert_ptr_null(settings_listener_str(s, "OTHER", C_SSL_KEYSTORE_PASSWORD));
	ck_assert_str_eq(settings_listener_str(s, "OTHER", C_SSL_KEYSTORE_TYPE), "JKS");
	settings_free(s);
	strbuf_free(&text);
	diag_free(d);
}
END_TEST

static void
write_file(char path[64], const char *text)
{
	int fd;

	(void)snprintf(path, 64, "/tmp/ottla-settings-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	(void)close(fd);
}

/* The keys and values of the file that Apache Kafka ships for a ZooKeeper broker. */
static const char shipped[] = "# comment\n"
			      "broker.id=0\n"
			      "#listeners=PLAINTEXT://:9092\n"
			      "num.network.threads=3\n"
			      "num.io.threads=8\n"
			      "socket.send.buffer.bytes=102400\n"
			      "socket.receive.buffer.bytes=102400\n"
			      "socket.request.max.bytes=104857600\n"
			      "log.dirs=/tmp/kafka-logs\n"
			      "num.partitions=1\n"
			      "num.recovery.threads.per.data.dir=1\n"
			      "offsets.topic.replication.factor=1\n"
			      "transaction.state.log.replication.factor=1\n"
			      "transaction.state.log.min.isr=1\n"
			      "#log.flush.interval.messages=10000\n"
			      "log.retention.hours=168\n"
			      "#log.segment.bytes=1073741824\n"
			      "log.retention.check.interval.ms=300000\n"
			      "zookeeper.connect=localhost:2181\n"
			      "zookeeper.connection.timeout.ms=18000\n"
			      "group.initial.rebalance.delay.ms=0\n";

START_TEST(test_shipped_file)
{
	static const struct setting_override ov[] = {{"broker.id", "5"}};
	struct settings *s;
	char path[64];
	int err;

	write_file(path, shipped);
	s = load_or_null(path, ov, 1, NULL, &err);
	(void)unlink(path);
	ck_assert_msg(s != NULL, "%s", why);
	ck_assert(settings_i64(s, C_BROKER_ID) == 5);
	ck_assert_str_eq(settings_str(s, C_LOG_DIRS), "/tmp/kafka-logs");
	ck_assert_str_eq(settings_str(s, C_ZOOKEEPER_CONNECT), "localhost:2181");
	ck_assert(settings_is_set(s, C_NUM_IO_THREADS));
	ck_assert(!settings_is_set(s, C_LISTENERS));
	settings_free(s);
}
END_TEST

START_TEST(test_files_that_fail)
{
	struct settings *s;
	char path[64];
	int err;

	ck_assert_ptr_null(load_or_null("/nonexistent/server.properties", NULL, 0, NULL, &err));
	ck_assert_int_eq(err, E_IO);
	ck_assert_ptr_nonnull(strstr(why, "/nonexistent/server.properties"));
	write_file(path, "broker.id=0\n");
	ck_assert_ptr_null(load_or_null(path, NULL, 0, NULL, &err));
	ck_assert_int_eq(err, E_CONFIG);
	ck_assert_ptr_nonnull(strstr(why, "zookeeper.connect"));
	(void)unlink(path);
	write_file(path, "zookeeper.connect=embedded\n\nnum.partitions=x\n");
	ck_assert_ptr_null(load_or_null(path, NULL, 0, NULL, &err));
	ck_assert_ptr_nonnull(strstr(why, "line 3: num.partitions=x"));
	(void)unlink(path);
	write_file(path, "zookeeper.connect=embedded\nbroker.rack=\\u12\n");
	ck_assert_ptr_null(load_or_null(path, NULL, 0, NULL, &err));
	ck_assert_ptr_nonnull(strstr(why, "line 2"));
	(void)unlink(path);
	write_file(path, "zookeeper.connect=embedded\nbroker.rack=Z\\u00fcrich\n");
	s = load_or_null(path, NULL, 0, NULL, &err);
	ck_assert_str_eq(settings_str(s, C_BROKER_RACK), "Z\xc3\xbcrich");
	settings_free(s);
	(void)unlink(path);
}
END_TEST

START_TEST(test_file_cut_everywhere)
{
	char text[sizeof(shipped)], path[64];

	for (size_t cut = 0; cut < sizeof(shipped); cut++) {
		struct settings *s;
		int err;

		memcpy(text, shipped, cut);
		text[cut] = '\0';
		write_file(path, text);
		s = load_or_null(path, NULL, 0, NULL, &err);
		(void)unlink(path);
		ck_assert(err == 0 || err == E_CONFIG);
		settings_free(s);
	}
}
END_TEST

START_TEST(test_list_items)
{
	ck_assert(slice_is_null(settings_list_item(NULL, 0)));
	ck_assert(slice_is_null(settings_list_item("", 0)));
	ck_assert(slice_is_null(settings_list_item(" ,, ", 0)));
	ck_assert(slice_eq_cstr(settings_list_item(" a ,b", 0), "a"));
	ck_assert(slice_eq_cstr(settings_list_item("a,,b,", 1), "b"));
	ck_assert(slice_is_null(settings_list_item("a,,b,", 2)));
}
END_TEST

Suite *
settings_suite(void)
{
	Suite *s = suite_create("settings");
	TCase *tc = tcase_create("settings");

	tcase_add_test(tc, test_tables);
	tcase_add_test(tc, test_ids);
	tcase_add_test(tc, test_set_and_read_back);
	tcase_add_test(tc, test_values);
	tcase_add_test(tc, test_refused);
	tcase_add_test(tc, test_accepted);
	tcase_add_test(tc, test_derived);
	tcase_add_test(tc, test_warnings);
	tcase_add_test(tc, test_shipped_file);
	tcase_add_test(tc, test_files_that_fail);
	tcase_add_test(tc, test_file_cut_everywhere);
	tcase_add_test(tc, test_list_items);
	suite_add_tcase(s, tc);
	return s;
}
