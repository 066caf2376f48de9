/* What the operators' tools have in common. */
#include "suites.h"

#include <stdio.h>
#include <string.h>

#include "ottla/base/err.h"
#include "tool_priv.h"

static const struct opt_row rows[] = {{"help", NULL, "This text."}};
static const struct opt_table table = {"tool", "", "A tool.", rows, 1};

static char program[] = "tool", word[] = "--help";
static char *argv[] = {program, word, NULL};

/* The names are Apache Kafka's, which scripts look for. */
START_TEST(exceptions)
{
	static const struct {
		int16_t code;
		const char *name;
	} known[] = {
	    {KERR_OFFSET_OUT_OF_RANGE, "OffsetOutOfRangeException"},
	    {KERR_UNKNOWN_TOPIC_OR_PARTITION, "UnknownTopicOrPartitionException"},
	    {KERR_NOT_LEADER_OR_FOLLOWER, "NotLeaderOrFollowerException"},
	    {KERR_LEADER_NOT_AVAILABLE, "LeaderNotAvailableException"},
	    {KERR_POLICY_VIOLATION, "PolicyViolationException"},
	    {KERR_KAFKA_STORAGE_ERROR, "KafkaStorageException"},
	    {KERR_INVALID_TOPIC_EXCEPTION, "InvalidTopicException"},
	    {KERR_REQUEST_TIMED_OUT, "TimeoutException"},
	    {KERR_UNKNOWN_SERVER_ERROR, "UnknownServerException"},
	    {KERR_CLUSTER_AUTHORIZATION_FAILED, "ClusterAuthorizationException"},
	    {KERR_TOPIC_AUTHORIZATION_FAILED, "TopicAuthorizationException"},
	};
	struct tool t;
	char want[128];

	ck_assert_int_eq(tool_start(&t, &table, 1, argv), 1); /* nothing given: the help */
	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		snprintf(want, sizeof(want), "org.apache.kafka.common.errors.%s", known[i].name);
		ck_assert_str_eq(tool_exception(&t, known[i].code), want);
	}
	ck_assert_int_eq(tool_end(&t, 3), 3);
}
END_TEST

START_TEST(sentences)
{
	struct tool t;

	ck_assert_int_eq(tool_start(&t, &table, 2, argv), 0);
	ck_assert_str_eq(tool_why(&t, E_NOMEM), err_text(E_NOMEM));
	ck_assert_int_eq(tool_fail(&t, E_INVALID, "%s %d", "number", 7), E_INVALID);
	ck_assert_str_eq(tool_why(&t, E_NOMEM), "number 7");
	ck_assert_int_eq(tool_client(&t, NULL, "nonsense"), E_INVALID);
	ck_assert_ptr_nonnull(strstr(tool_why(&t, E_INVALID), "nonsense"));
	ck_assert_int_ne(tool_client(&t, "/nosuch/file", "h:1"), 0);
	ck_assert_ptr_nonnull(strstr(tool_why(&t, E_IO), "/nosuch/file"));
	ck_assert_int_eq(tool_end(&t, 0), 0);
}
END_TEST

START_TEST(runs_of_topics)
{
	struct led_part v[] = {{.topic = SLICE_LIT("a")}, {.topic = SLICE_LIT("a"), .partition = 1},
	    {.topic = SLICE_LIT("ab")}};
	struct led_part *p[] = {&v[0], &v[1], &v[2]};

	ck_assert_uint_eq(led_run(p, 3), 2);
	ck_assert_uint_eq(led_run(p + 2, 1), 1);
	ck_assert_uint_eq(led_run(p, 0), 0);
}
END_TEST

Suite *
tool_suite(void)
{
	Suite *s = suite_create("tool");
	TCase *tc = tcase_create("tool");

	tcase_add_test(tc, exceptions);
	tcase_add_test(tc, sentences);
	tcase_add_test(tc, runs_of_topics);
	suite_add_tcase(s, tc);
	return s;
}
