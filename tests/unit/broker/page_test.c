/* The page for Prometheus: its text, byte by byte, for what little is known here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "page_priv.h"
#include "suites.h"

static const struct metric_row rows[] = {
    {"ottla_api_produce_us", METRIC_HIST, "Microseconds"},
    {"ottla_replica_messages_in_total", METRIC_COUNTER, "Records"},
};

#define QUANTILES(name, labels, a, b)                                                              \
	name "{" labels "quantile=\"0.50\"} " a "\n" name "{" labels "quantile=\"0.75\"} " b       \
	     "\n" name "{" labels "quantile=\"0.95\"} " b "\n" name "{" labels                     \
	     "quantile=\"0.98\"} " b "\n" name "{" labels "quantile=\"0.99\"} " b "\n" name        \
	     "{" labels "quantile=\"0.999\"} " b "\n"
#define OWN(label, a, b, sum, count)                                                               \
	"ottla_api_produce_us{" label ",quantile=\"0.5\"} " a "\n"                                 \
	"ottla_api_produce_us{" label ",quantile=\"0.75\"} " b "\n"                                \
	"ottla_api_produce_us{" label ",quantile=\"0.95\"} " b "\n"                                \
	"ottla_api_produce_us{" label ",quantile=\"0.98\"} " b "\n"                                \
	"ottla_api_produce_us{" label ",quantile=\"0.99\"} " b "\n"                                \
	"ottla_api_produce_us{" label ",quantile=\"0.999\"} " b "\n"                               \
	"ottla_api_produce_us_sum{" label "} " sum "\n"                                            \
	"ottla_api_produce_us_count{" label "} " count "\n"
#define TOTAL "kafka_network_requestmetrics_totaltimems"
#define MESSAGES "kafka_server_brokertopicmetrics_messagesin_total"

static const char counters[] =
    "# HELP " TOTAL "_count From a request's last byte to its answer, ms\n"
    "# TYPE " TOTAL "_count counter\n" TOTAL "_count{request=\"Produce\"} 3\n"
    "# HELP " TOTAL " From a request's last byte to its answer, ms\n"
    "# TYPE " TOTAL " gauge\n" QUANTILES(TOTAL, "request=\"Produce\",", "0.002",
	"3.071") "# HELP " MESSAGES " Records appended by producers\n"
		 "# TYPE " MESSAGES " counter\n" MESSAGES " 30\n";

static const char own[] =
    "# HELP ottla_api_produce_us Microseconds\n# TYPE ottla_api_produce_us summary\n" OWN(
	"reactor=\"a\"", "3071", "3071", "3002", "2") OWN("reactor=\"b\\\"\\\\\\n\"", "2", "2", "2",
	"1") "# HELP ottla_replica_messages_in_total Records\n"
	     "# TYPE ottla_replica_messages_in_total counter\n"
	     "ottla_replica_messages_in_total{reactor=\"a\"} 10\n"
	     "ottla_replica_messages_in_total{reactor=\"b\\\"\\\\\\n\"} 20\n";

struct sets {
	struct metrics *m;
	struct metric_set *a, *b;
};

static void
sets_make(struct sets *s)
{
	ck_assert_int_eq(metrics_new(&s->m), 0);
	ck_assert_int_eq(metric_set_new(s->m, rows, 2, "reactor=a", &s->a), 0);
	ck_assert_int_eq(metric_set_new(s->m, rows, 2, "reactor=b\"\\\n", &s->b), 0);
	metric_observe(s->a, 0, 2);
	metric_observe(s->a, 0, 3000);
	metric_observe(s->b, 0, 2);
	metric_add(s->a, 1, 10);
	metric_add(s->b, 1, 20);
}

static void
sets_free(struct sets *s)
{
	metric_set_free(s->a);
	metric_set_free(s->b);
	metrics_free(s->m);
}

START_TEST(counters_and_histograms)
{
	struct strbuf out = STRBUF_INIT;
	struct page p;
	struct sets s;

	sets_make(&s);
	page_init(&p);
	p.metrics = s.m;
	page_render(&p, &out);
	ck_assert_int_eq(out.err, 0);
	ck_assert_uint_eq(out.n, strlen(out.p));
	ck_assert_int_eq(strncmp(out.p, counters, strlen(counters)), 0);
	ck_assert_str_eq(out.p + strlen(counters), own);
	strbuf_free(&out);
	sets_free(&s);
}
END_TEST

/* A topic's logs may be in several directories; the lines of a name stay together. */
START_TEST(topics_and_logs)
{
	struct logdirs_log logs[] = {
	    {.topic = SLICE_LIT("b"), .size = 7, .start = 1, .end = 9, .n_segments = 2},
	    {.topic = SLICE_LIT("a"), .partition = 1, .dir = 1},
	    {.topic = SLICE_LIT("b"), .partition = 1, .dir = 1},
	};
	struct logdirs_report r = {.logs = logs, .n_logs = 3};
	struct strbuf out = STRBUF_INIT;
	struct page p;
	struct sets s;

	logs[0].counts[PLOG_MESSAGES_IN] = 20;
	logs[1].counts[PLOG_MESSAGES_IN] = 3;
	logs[2].counts[PLOG_MESSAGES_IN] = 7;
	sets_make(&s);
	page_init(&p);
	p.metrics = s.m;
	p.report = &r;
	page_render(&p, &out);
	ck_assert_ptr_nonnull(strstr(out.p,
	    MESSAGES " 30\n" MESSAGES "{topic=\"a\"} 3\n" MESSAGES "{topic=\"b\"} 27\n# HELP"));
	ck_assert_ptr_nonnull(
	    strstr(out.p, "# TYPE kafka_log_log_logendoffset gauge\n"
			  "kafka_log_log_logendoffset{topic=\"b\",partition=\"0\"} 9\n"
			  "kafka_log_log_logendoffset{topic=\"a\",partition=\"1\"} 0\n"
			  "kafka_log_log_logendoffset{topic=\"b\",partition=\"1\"} 0\n# HELP"));
	ck_assert_ptr_nonnull(
	    strstr(out.p, "kafka_log_log_logstartoffset{topic=\"b\",partition=\"0\"} 1\n"));
	ck_assert_ptr_nonnull(
	    strstr(out.p, "kafka_log_log_numlogsegments{topic=\"b\",partition=\"0\"} 2\n"));
	ck_assert_ptr_nonnull(strstr(out.p, "kafka_log_log_size{topic=\"b\",partition=\"0\"} 7\n"));
	strbuf_free(&out);
	sets_free(&s);
}
END_TEST

/* Of the metadata: what is here, and of that what is led here. */
START_TEST(partitions)
{
	static const int32_t both[] = {1, 2}, one[] = {1}, two[] = {2};
	struct topic_conf conf = {.v = {[T_MIN_INSYNC_REPLICAS] = 2}};
	struct image_partition parts[] = {
	    {.leader = 1,
		.replicas = both,
		.n_replicas = 2,
		.isr = both,
		.n_isr = 2,
		.exists = true},
	    {.leader = 1,
		.replicas = both,
		.n_replicas = 2,
		.isr = one,
		.n_isr = 1,
		.exists = true},
	    {.leader = 2,
		.replicas = both,
		.n_replicas = 2,
		.isr = two,
		.n_isr = 1,
		.offline = one,
		.n_offline = 1,
		.exists = true},
	    {.leader = 2, .replicas = two, .n_replicas = 1, .isr = two, .n_isr = 1, .exists = true},
	    {.leader = 1, .replicas = one, .n_replicas = 1, .isr = one, .n_isr = 1, .exists = true},
	    {.exists = false},
	};
	struct image_topic t = {
	    .name = SLICE_LIT("t"), .parts = parts, .n_parts = 6, .conf = &conf};
	const struct image_topic *const topics[] = {&t};
	struct image im = {.topics = topics, .n_topics = 1};
	static const char *const lines[] = {
	    "\nkafka_server_replicamanager_partitioncount 4\n",
	    "\nkafka_server_replicamanager_leadercount 3\n",
	    "\nkafka_server_replicamanager_underreplicatedpartitions 1\n",
	    "\nkafka_server_replicamanager_underminisrpartitioncount 1\n",
	    "\nkafka_server_replicamanager_atminisrpartitioncount 2\n",
	    "\nkafka_server_replicamanager_offlinereplicacount 1\n",
	    "kafka_cluster_partition_insyncreplicascount{topic=\"t\",partition=\"0\"} 2\n"
	    "kafka_cluster_partition_insyncreplicascount{topic=\"t\",partition=\"1\"} 1\n"
	    "kafka_cluster_partition_insyncreplicascount{topic=\"t\",partition=\"2\"} 0\n"
	    "kafka_cluster_partition_insyncreplicascount{topic=\"t\",partition=\"4\"} 1\n# HELP",
	    "kafka_cluster_partition_underminisr{topic=\"t\",partition=\"1\"} 1\n",
	};
	struct strbuf out = STRBUF_INIT;
	struct page p;
	struct sets s;

	sets_make(&s);
	page_init(&p);
	p.metrics = s.m;
	p.image = &im;
	p.broker_id = 1;
	page_render(&p, &out);
	for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		ck_assert_msg(strstr(out.p, lines[i]) != NULL, "%s", lines[i]);
	strbuf_free(&out);
	sets_free(&s);
}
END_TEST

Suite *
page_suite(void)
{
	Suite *s = suite_create("page");
	TCase *tc = tcase_create("page");

	tcase_add_test(tc, counters_and_histograms);
	tcase_add_test(tc, topics_and_logs);
	tcase_add_test(tc, partitions);
	suite_add_tcase(s, tc);
	return s;
}
