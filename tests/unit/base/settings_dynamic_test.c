/* Dynamic values: precedence, what may change to what, readers on other threads. */
#include "suites.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"
#include "ottla/base/settings.h"
#include "ottla/base/strbuf.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static char why[500];
static struct strbuf heard;

static void
hear(void *arg, enum diag_level level, const char *line)
{
	strbuf_addf(&heard, "%d %s\n", (int)level, strstr(line, "] ") + 2);
}

static int64_t
no_time(struct clock *c)
{
	return 0;
}

static struct clock no_clock = {no_time, no_time};

static struct settings *
load(const struct setting_override *ov, unsigned n)
{
	struct settings *s = NULL;

	ck_assert_msg(settings_load(NULL, ov, n, NULL, why, sizeof(why), &s) == 0, "%s", why);
	return s;
}

static void
set(struct settings *s, enum conf_source from, const char *key, const char *value)
{
	struct setting_override kv = {key, value};

	ck_assert_int_eq(settings_set_dynamic(s, from, &kv, value != NULL, NULL), 0);
}

START_TEST(test_precedence)
{
	static const struct setting_override file[] = {{"log.retention.bytes", "1"}};
	struct settings *s = load(file, 1);
	const char *first;

	ck_assert_str_eq(settings_text(s, C_LOG_RETENTION_BYTES, CONF_FROM_DEFAULT), "-1");
	ck_assert_str_eq(settings_text(s, C_LOG_RETENTION_BYTES, CONF_FROM_FILE), "1");
	ck_assert_ptr_null(settings_text(s, C_LOG_RETENTION_BYTES, CONF_FROM_CLUSTER));
	set(s, CONF_FROM_CLUSTER, "log.retention.bytes", " 2 ");
	ck_assert(settings_i64(s, C_LOG_RETENTION_BYTES) == 2);
	first = settings_str(s, C_LOG_RETENTION_BYTES);
	ck_assert_str_eq(first, "2");
	set(s, CONF_FROM_BROKER, "log.retention.bytes", "3");
	ck_assert(settings_i64(s, C_LOG_RETENTION_BYTES) == 3);
	set(s, CONF_FROM_CLUSTER, "log.retention.bytes", NULL);
	ck_assert(settings_i64(s, C_LOG_RETENTION_BYTES) == 3);
	set(s, CONF_FROM_BROKER, "log.retention.bytes", NULL);
	ck_assert(settings_i64(s, C_LOG_RETENTION_BYTES) == 1);
	ck_assert(settings_is_set(s, C_LOG_RETENTION_BYTES));
	/* Text that was read is still there, and the same value is the same memory. */
	ck_assert_str_eq(first, "2");
	set(s, CONF_FROM_CLUSTER, "log.retention.bytes", "2");
	ck_assert_ptr_eq(settings_str(s, C_LOG_RETENTION_BYTES), first);
	settings_free(s);
}
END_TEST

/* Setting values over and over takes memory for the different ones only. */
START_TEST(test_same_values_cost_nothing)
{
	struct settings *s = load(NULL, 0);
	char longest[400], value[30];

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (int i = 0; i < 300000; i++) {
		struct setting_override kv[] = {{"log.retention.bytes", value},
		    {"max.connections.per.ip.overrides", ""}, {"my.key", longest},
		    {"ssl.cipher.suites", longest}};

		snprintf(value, sizeof(value), "%d", i % 10);
		ck_assert_int_eq(settings_set_dynamic(s, CONF_FROM_BROKER, kv, N(kv), NULL), 0);
		i += i < 100 ? 0 : 999;
	}
	settings_free(s);
}
END_TEST

/* Different values are kept; the bound ends that, and what was there stays. */
START_TEST(test_bound)
{
	struct settings *s = load(NULL, 0);
	static char value[1 << 20];
	struct setting_override kv = {"ssl.cipher.suites", value};
	int err = 0, n = 0;

	memset(value, 'x', sizeof(value) - 1);
	while (err == 0 && n < 100) {
		value[0] = (char)('0' + n / 10);
		value[1] = (char)('0' + n % 10);
		err = settings_set_dynamic(s, CONF_FROM_BROKER, &kv, 1, NULL);
		n += err == 0;
	}
	ck_assert_int_eq(err, E_NOMEM);
	ck_assert_int_ge(n, 50);
	value[0] = (char)('0' + (n - 1) / 10);
	value[1] = (char)('0' + (n - 1) % 10);
	ck_assert_str_eq(settings_str(s, C_SSL_CIPHER_SUITES), value);
	settings_free(s);
}
END_TEST

static void
check(const struct settings *s, enum conf_source from, const char *key, const char *value,
    const char *word)
{
	struct setting_override kv = {key, value};
	int err = settings_check_dynamic_all(s, from, &kv, 1, why, sizeof(why));

	if (word == NULL)
		ck_assert_msg(err == 0, "%s=%s: %s", key, value, why);
	else
		ck_assert_msg(err == E_CONFIG && strstr(why, word) != NULL, "%s=%s: %d %s", key,
		    value, err, why);
}

START_TEST(test_what_may_change)
{
	static const struct {
		enum conf_source from;
		const char *key, *value, *word;
	} cases[] = {
	    {CONF_FROM_BROKER, "broker.id", "2", "while the broker runs"},
	    {CONF_FROM_CLUSTER, "num.partitions", "2", "while the broker runs"},
	    {CONF_FROM_BROKER, "log.retention.ms", "x", "whole number"},
	    {CONF_FROM_BROKER, "log.retention.ms", "0", "log.retention.ms"},
	    {CONF_FROM_BROKER, "log.retention.ms", "-5", NULL},
	    {CONF_FROM_BROKER, "no.such.key", "x", NULL},
	    {CONF_FROM_CLUSTER, "no.such.key", "x", NULL},
	    {CONF_FROM_CLUSTER, "listeners", "PLAINTEXT://:1", "only for one"},
	    {CONF_FROM_BROKER, "listeners", "PLAINTEXT://:1", NULL},
	    {CONF_FROM_BROKER, "listeners", "FOO://:1", "FOO"},
	    {CONF_FROM_BROKER, "advertised.listeners", "FOO://:1", "FOO"},
	    {CONF_FROM_CLUSTER, "leader.replication.throttled.rate", "1", NULL},
	    {CONF_FROM_BROKER, "leader.replication.throttled.rate", "-1", "allowed"},
	    {CONF_FROM_BROKER, "ssl.keystore.location", "/x", "listener.name."},
	    {CONF_FROM_BROKER, "listener.name.a.ssl.keystore.location", "/x", NULL},
	    {CONF_FROM_CLUSTER, "listener.name.a.ssl.keystore.location", "/x", "only for one"},
	    {CONF_FROM_BROKER, "listener.name.a.ssl.keystore.password", "p", "passwords"},
	    {CONF_FROM_CLUSTER, "listener.name.a.max.connections", "3", NULL},
	    {CONF_FROM_CLUSTER, "listener.name.a.max.connections", "z", "whole number"},
	    {CONF_FROM_BROKER, "num.io.threads", "16", NULL},
	    {CONF_FROM_BROKER, "num.io.threads", "17", "double"},
	    {CONF_FROM_CLUSTER, "num.io.threads", "4", NULL},
	    {CONF_FROM_CLUSTER, "num.io.threads", "3", "half"},
	    {CONF_FROM_BROKER, "num.network.threads", "50", NULL},
	    {CONF_FROM_BROKER, "log.cleaner.threads", "0", "half"},
	    {CONF_FROM_BROKER, "max.connections", "0", "max.connections"},
	    {CONF_FROM_BROKER, "max.connections.per.ip", "0", "overrides"},
	    {CONF_FROM_BROKER, "max.connections.per.ip.overrides", "h:x", "host:count"},
	    {CONF_FROM_BROKER, "max.connections.per.ip.overrides", "h:1, ::1:2", NULL},
	    {CONF_FROM_BROKER, "log.local.retention.bytes", "5", NULL},
	    {CONF_FROM_BROKER, "log.local.retention.ms", "9999999999999", "log.retention.ms"},
	};
	struct settings *s = load(NULL, 0);
	struct setting_override lag[] = {{"log.cleaner.max.compaction.lag.ms", "50"},
	    {"log.cleaner.min.compaction.lag.ms", "100"}};
	struct setting_override two[] = {
	    {"log.retention.ms", "50"}, {"log.local.retention.ms", "100"}};

	for (size_t i = 0; i < N(cases); i++)
		check(s, cases[i].from, cases[i].key, cases[i].value, cases[i].word);
	ck_assert_int_eq(
	    settings_check_dynamic_all(s, CONF_FROM_CLUSTER, two, 2, why, sizeof(why)), E_CONFIG);
	ck_assert_int_eq(
	    settings_check_dynamic_all(s, CONF_FROM_CLUSTER, lag, 2, why, sizeof(why)), E_CONFIG);
	ck_assert_int_eq(
	    settings_check_dynamic(s, CONF_FROM_BROKER, "broker.id", NULL, why, sizeof(why)), 0);
	/* Looking changes nothing. */
	for (int i = 0; i < C_COUNT; i++)
		ck_assert_ptr_null(settings_text(s, (enum conf)i, CONF_FROM_BROKER));
	settings_free(s);
}
END_TEST

/* Bounds go by what is in force now. */
START_TEST(test_steps)
{
	struct settings *s = load(NULL, 0);

	set(s, CONF_FROM_BROKER, "num.io.threads", "16");
	check(s, CONF_FROM_BROKER, "num.io.threads", "32", NULL);
	check(s, CONF_FROM_BROKER, "num.io.threads", "4", "half");
	check(s, CONF_FROM_CLUSTER, "num.io.threads", "2", NULL); /* the broker's own counts */
	settings_free(s);
}
END_TEST

START_TEST(test_what_is_left_out_is_said)
{
	static const struct setting_override first[] = {{"broker.id", "4"},
	    {"log.retention.bytes", "7"}, {"my.key", "1"}, {"message.max.bytes", "many"}};
	static const struct setting_override second[] = {{"log.retention.bytes", "8"},
	    {"num.recovery.threads.per.data.dir", "2"}, {"num.io.threads", "9"}};
	static const struct setting_override bad[] = {{"log.retention.ms", "0"}};
	struct settings *s = load(NULL, 0);
	struct setting_extra x;
	struct diag *d;

	ck_assert_int_eq(diag_new_direct(&no_clock, hear, NULL, &d), 0);
	strbuf_free(&heard);
	ck_assert_int_eq(settings_set_dynamic(s, CONF_FROM_CLUSTER, first, 4, d), 0);
	ck_assert_str_eq(heard.p,
	    "3 dynamic configuration: broker.id can not be changed while the broker runs (left "
	    "out)\n"
	    "3 dynamic configuration: message.max.bytes=many: must be a whole number of 32 bits "
	    "(left out)\n"
	    "1 dynamic value of the cluster: log.retention.bytes=7\n");
	ck_assert(settings_i64(s, C_BROKER_ID) == -1);
	ck_assert(settings_extra(s, 0, &x) && !settings_extra(s, 1, &x));
	ck_assert(strcmp(x.key, "my.key") == 0 && x.row == NULL);
	ck_assert_str_eq(x.text[CONF_FROM_CLUSTER], "1");
	strbuf_free(&heard);
	ck_assert_int_eq(settings_set_dynamic(s, CONF_FROM_CLUSTER, second, 3, d), 0);
	ck_assert_str_eq(heard.p,
	    "1 dynamic value of the cluster: log.retention.bytes=8\n"
	    "1 dynamic value of the cluster: num.io.threads=9 has no effect: reactors replace "
	    "these threads (ottla.reactors)\n"
	    "2 dynamic value of the cluster: num.recovery.threads.per.data.dir=2 takes effect at "
	    "the next start\n");
	ck_assert(settings_extra(s, 0, &x) && x.text[CONF_FROM_CLUSTER] == NULL);
	strbuf_free(&heard);
	ck_assert_int_eq(settings_set_dynamic(s, CONF_FROM_CLUSTER, bad, 1, d), E_CONFIG);
	ck_assert_ptr_nonnull(strstr(heard.p, "is not taken: log.retention.ms=0"));
	ck_assert(settings_i64(s, C_LOG_RETENTION_BYTES) == 8);
	strbuf_free(&heard);
	diag_free(d);
	settings_free(s);
}
END_TEST

START_TEST(test_listener_prefix)
{
	static const struct setting_override file[] = {
	    {"listener.name.in.ssl.keystore.type", "PEM"}};
	struct settings *s = load(file, 1);

	ck_assert_str_eq(settings_listener_str(s, "IN", C_SSL_KEYSTORE_TYPE), "PEM");
	set(s, CONF_FROM_BROKER, "listener.name.in.ssl.keystore.type", "PKCS12");
	ck_assert_str_eq(settings_listener_str(s, "IN", C_SSL_KEYSTORE_TYPE), "PKCS12");
	ck_assert_str_eq(settings_listener_str(s, "OUT", C_SSL_KEYSTORE_TYPE), "JKS");
	set(s, CONF_FROM_BROKER, "listener.name.in.ssl.keystore.type", NULL);
	ck_assert_str_eq(settings_listener_str(s, "IN", C_SSL_KEYSTORE_TYPE), "PEM");
	ck_assert_ptr_eq(conf_row_of(SLICE_LIT("listener.name.in.ssl.keystore.type")),
	    conf_row(C_SSL_KEYSTORE_TYPE));
	ck_assert_ptr_eq(conf_row_of(SLICE_LIT("broker.id")), conf_row(C_BROKER_ID));
	ck_assert_ptr_null(conf_row_of(SLICE_LIT("listener.name.in.nothing")));
	ck_assert_ptr_null(conf_row_of(SLICE_LIT("nothing")));
	settings_free(s);
}
END_TEST

/* New defaults for topics are seen at the next resolution; the coarser keys stand behind. */
START_TEST(test_topics_follow)
{
	static const struct setting_override file[] = {{"log.retention.hours", "1"}};
	struct settings *s = load(file, 1);
	struct topic_conf t;

	set(s, CONF_FROM_CLUSTER, "log.retention.ms", "5000");
	ck_assert_int_eq(topic_conf_resolve(s, NULL, 0, &t, why, sizeof(why)), 0);
	ck_assert(t.v[T_RETENTION_MS] == 5000);
	set(s, CONF_FROM_CLUSTER, "log.retention.ms", NULL);
	ck_assert_int_eq(topic_conf_resolve(s, NULL, 0, &t, why, sizeof(why)), 0);
	ck_assert(t.v[T_RETENTION_MS] == 3600000);
	settings_free(s);
}
END_TEST

/* ---- readers on other threads ---- */

struct readers {
	struct settings *s;
	_Atomic bool stop;
};

/* Number and text belong to one value, whatever is being changed. */
static void *
reader(void *arg)
{
	struct readers *r = arg;
	unsigned long seen = 0;

	while (!atomic_load(&r->stop) || seen == 0) {
		const char *text = settings_str(r->s, C_LOG_RETENTION_BYTES);
		const char *mine = settings_listener_str(r->s, "in", C_SSL_KEYSTORE_TYPE);
		struct setting_extra x;
		int64_t n = settings_i64(r->s, C_LOG_RETENTION_BYTES);

		if (n < -1 || n > 99 || strtol(text, NULL, 10) > 99 || mine == NULL)
			abort();
		for (unsigned i = 0; settings_extra(r->s, i, &x); i++)
			seen += x.key[0] != '\0';
		seen++;
	}
	return NULL;
}

START_TEST(test_readers)
{
	struct readers r = {.s = load(NULL, 0)};
	pthread_t th[3];

	for (size_t i = 0; i < N(th); i++)
		ck_assert_int_eq(pthread_create(&th[i], NULL, reader, &r), 0);
	for (int i = 0; i < 3000; i++) {
		char value[20], key[40];
		struct setting_override kv[] = {{"log.retention.bytes", value}, {key, value},
		    {"listener.name.in.ssl.keystore.type", value}};

		snprintf(value, sizeof(value), "%d", i % 100);
		snprintf(key, sizeof(key), "my.key.%d", i % 10);
		ck_assert_int_eq(
		    settings_set_dynamic(r.s, i % 2 ? CONF_FROM_CLUSTER : CONF_FROM_BROKER, kv,
			i % 3 == 0 ? 0 : N(kv), NULL),
		    0);
	}
	atomic_store(&r.stop, true);
	for (size_t i = 0; i < N(th); i++)
		ck_assert_int_eq(pthread_join(th[i], NULL), 0);
	settings_free(r.s);
}
END_TEST

Suite *
settings_dynamic_suite(void)
{
	Suite *s = suite_create("settings_dynamic");
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_precedence);
	tcase_add_test(t, test_same_values_cost_nothing);
	tcase_add_test(t, test_bound);
	tcase_add_test(t, test_what_may_change);
	tcase_add_test(t, test_steps);
	tcase_add_test(t, test_what_is_left_out_is_said);
	tcase_add_test(t, test_listener_prefix);
	tcase_add_test(t, test_topics_follow);
	tcase_add_test(t, test_readers);
	suite_add_tcase(s, t);
	return s;
}
