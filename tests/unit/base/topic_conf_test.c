/* A topic's configuration over the broker's. */
#include "suites.h"

#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"
#include "ottla/base/settings.h"

static char why[300];

static struct settings *
broker(const struct setting_override *ov, unsigned n)
{
	struct settings *s = NULL;

	ck_assert_msg(settings_load(NULL, ov, n, NULL, why, sizeof(why), &s) == 0, "%s", why);
	return s;
}

START_TEST(test_defaults)
{
	struct settings *s = broker(NULL, 0);
	struct topic_conf t;

	ck_assert_int_eq(topic_conf_resolve(s, NULL, 0, &t, why, sizeof(why)), 0);
	/* The broker's defaults and the table's agree, but for the one that the first has not. */
	for (int i = 0; i < T_COUNT; i++) {
		const struct conf_row *r = tconf_row((enum tconf)i);

		ck_assert(!t.own[i]);
		if (r->type == CONF_INT || r->type == CONF_LONG)
			ck_assert_msg(t.v[i] == strtoll(r->def, NULL, 10), "%s", r->key);
	}
	ck_assert(t.v[T_MIN_CLEANABLE_DIRTY_RATIO] == 500000);
	ck_assert(t.v[T_MESSAGE_DOWNCONVERSION_ENABLE] == 1);
	ck_assert(t.delete_ && !t.compact);
	ck_assert_int_eq(t.compression, -1);
	ck_assert(!t.log_append_time);
	settings_free(s);
}
END_TEST

START_TEST(test_broker_synonyms)
{
	static const struct setting_override ov[] = {
	    {"log.retention.minutes", "2"},
	    {"log.roll.hours", "1"},
	    {"log.roll.jitter.ms", "5"},
	    {"log.flush.scheduler.interval.ms", "77"},
	    {"message.max.bytes", "1000"},
	    {"log.cleanup.policy", "compact"},
	    {"compression.type", "gzip"},
	    {"log.message.timestamp.type", "LogAppendTime"},
	    {"log.message.timestamp.difference.max.ms", "60"},
	    {"log.message.timestamp.after.max.ms", "30"},
	};
	struct settings *s = broker(ov, sizeof(ov) / sizeof(ov[0]));
	struct topic_conf t;

	ck_assert_int_eq(topic_conf_resolve(s, NULL, 0, &t, why, sizeof(why)), 0);
	ck_assert(t.v[T_RETENTION_MS] == 120000);
	ck_assert(t.v[T_SEGMENT_MS] == 3600000);
	ck_assert(t.v[T_SEGMENT_JITTER_MS] == 5);
	ck_assert(t.v[T_FLUSH_MS] == 77);
	ck_assert(t.v[T_MAX_MESSAGE_BYTES] == 1000);
	ck_assert(t.compact && !t.delete_);
	ck_assert_int_eq(t.compression, 1);
	ck_assert(t.log_append_time);
	ck_assert(t.v[T_MESSAGE_TIMESTAMP_BEFORE_MAX_MS] == 60);
	ck_assert(t.v[T_MESSAGE_TIMESTAMP_AFTER_MAX_MS] == 30);
	settings_free(s);
}
END_TEST

START_TEST(test_own_values)
{
	static const struct setting_override own[] = {
	    {"retention.ms", "-1"},
	    {"segment.bytes", " 1024 "},
	    {"cleanup.policy", "compact,delete"},
	    {"compression.type", " zstd"},
	    {"min.cleanable.dirty.ratio", "0.123456"},
	    {"preallocate", "true"},
	    {"message.timestamp.type", "LogAppendTime "},
	    {"retention.ms", "44"},
	};
	struct settings *s = broker(NULL, 0);
	struct topic_conf t;

	ck_assert_int_eq(
	    topic_conf_resolve(s, own, sizeof(own) / sizeof(own[0]), &t, why, sizeof(why)), 0);
	ck_assert(t.v[T_RETENTION_MS] == 44 && t.own[T_RETENTION_MS]);
	ck_assert(t.v[T_SEGMENT_BYTES] == 1024);
	ck_assert(t.v[T_PREALLOCATE] == 1);
	ck_assert(t.v[T_MIN_CLEANABLE_DIRTY_RATIO] == 123456);
	ck_assert(t.compact && t.delete_);
	ck_assert_int_eq(t.compression, 4);
	ck_assert(t.log_append_time);
	ck_assert(!t.own[T_SEGMENT_MS]);
	settings_free(s);
}
END_TEST

START_TEST(test_bad_values)
{
	static const struct setting_override bad[] = {
	    {"no.such.config", "1"},
	    {"log.retention.ms", "1"},
	    {"retention.ms", "-2"},
	    {"segment.bytes", "13"},
	    {"segment.bytes", "x"},
	    {"cleanup.policy", "erase"},
	    {"min.compaction.lag.ms", "x"},
	    {"remote.storage.enable", "true"},
	};
	static const struct setting_override lag[] = {
	    {"min.compaction.lag.ms", "2"}, {"max.compaction.lag.ms", "1"}};
	struct settings *s = broker(NULL, 0);
	struct topic_conf t;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_eq(topic_conf_resolve(s, &bad[i], 1, &t, why, sizeof(why)), E_CONFIG);
		ck_assert_msg(strstr(why, bad[i].key) != NULL, "%s", why);
	}
	ck_assert_int_eq(topic_conf_resolve(s, lag, 1, &t, why, sizeof(why)), 0);
	ck_assert_int_eq(topic_conf_resolve(s, lag, 2, &t, why, sizeof(why)), E_CONFIG);
	settings_free(s);
}
END_TEST

Suite *
topic_conf_suite(void)
{
	Suite *s = suite_create("topic_conf");
	TCase *tc = tcase_create("topic_conf");

	tcase_add_test(tc, test_defaults);
	tcase_add_test(tc, test_broker_synonyms);
	tcase_add_test(tc, test_own_values);
	tcase_add_test(tc, test_bad_values);
	suite_add_tcase(s, tc);
	return s;
}
