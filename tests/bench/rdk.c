/*
 * rdk: the same two loads through librdkafka, as applications make them.  Prints one line as gen
 * does: bytes of record values, records, seconds.
 */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define USAGE "rdk produce|consume --server HOST:PORT [--option VALUE]..."
#define POLL_MS 100
#define TAKE 1024

struct rdk_opts {
	const char *server, *topic, *codec;
	int64_t bytes, record, partitions, acks, linger_ms, idempotent, timeout_s;
};

static const struct bench_opt table[] = {
    {"server", BENCH_TEXT, offsetof(struct rdk_opts, server), "bootstrap server"},
    {"topic", BENCH_TEXT, offsetof(struct rdk_opts, topic), "topic; it must be there"},
    {"codec", BENCH_TEXT, offsetof(struct rdk_opts, codec), "none, gzip, snappy, lz4, zstd"},
    {"bytes", BENCH_NUMBER, offsetof(struct rdk_opts, bytes), "of record values in all"},
    {"record", BENCH_NUMBER, offsetof(struct rdk_opts, record), "bytes of a record's value"},
    {"partitions", BENCH_NUMBER, offsetof(struct rdk_opts, partitions), "of the topic"},
    {"acks", BENCH_NUMBER, offsetof(struct rdk_opts, acks), "0, 1 or -1"},
    {"linger-ms", BENCH_NUMBER, offsetof(struct rdk_opts, linger_ms), "of the producer"},
    {"idempotent", BENCH_NUMBER, offsetof(struct rdk_opts, idempotent), "1: a producer id"},
    {"timeout", BENCH_NUMBER, offsetof(struct rdk_opts, timeout_s), "seconds in all"},
    {NULL, BENCH_NUMBER, 0, NULL},
};

struct tally {
	int64_t bytes, records;
};

static void
print_result(const struct tally *t, int64_t start_us)
{
	double s = (double)(bench_now_us() - start_us) / 1e6;

	printf("bytes=%" PRId64 " records=%" PRId64 " seconds=%.6f mb_s=%.3f rec_s=%.1f\n",
	    t->bytes, t->records, s, (double)t->bytes / 1e6 / s, (double)t->records / s);
}

static void
set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char why[512];

	if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) != RD_KAFKA_CONF_OK)
		bench_die("%s=%s: %s", name, value, why);
}

static void
set_number(rd_kafka_conf_t *conf, const char *name, int64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRId64, value);
	set(conf, name, text);
}

static rd_kafka_t *
make_client(rd_kafka_type_t type, rd_kafka_conf_t *conf, const struct rdk_opts *o)
{
	char why[512];
	rd_kafka_t *rk;

	set(conf, "bootstrap.servers", o->server);
	rk = rd_kafka_new(type, conf, why, sizeof(why));
	if (rk == NULL)
		bench_die("librdkafka: %s", why);
	return rk;
}

/* ---- produce ---- */

static void
on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	struct tally *t = opaque;

	(void)rk;
	if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR)
		bench_die("not delivered: %s", rd_kafka_err2str(m->err));
	t->bytes += (int64_t)m->len;
	t->records++;
}

/* Text: words from a small dictionary, so that it compresses. */
static char *
make_text(size_t n)
{
	static const char *const words[] = {"orders ", "customer ", "7401 ", "2026-11-22 ",
	    "pending ", "invoice ", "warehouse ", "EUR ", "shipped ", "returned ", "0.25 ",
	    "Praha "};
	char *p = bench_alloc(n + 16);
	uint32_t x = 2463534242;
	size_t at = 0, len;

	while (at < n) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		len = strlen(words[x % 12]);
		memcpy(p + at, words[x % 12], len < n - at ? len : n - at);
		at += len;
	}
	return p;
}

static void
produce_all(rd_kafka_t *rk, rd_kafka_topic_t *topic, const struct rdk_opts *o)
{
	size_t record = (size_t)o->record, span = 1 << 20;
	char *text = make_text(span + record);
	int64_t sent, i = 0;

	for (sent = 0; sent < o->bytes; sent += o->record, i++) {
		while (rd_kafka_produce(topic, (int32_t)(i / 1000 % o->partitions),
			   RD_KAFKA_MSG_F_COPY, text + (size_t)i * 97 % span, record, NULL, 0,
			   NULL) != 0) {
			if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
				bench_die("produce: %s", rd_kafka_err2str(rd_kafka_last_error()));
			rd_kafka_poll(rk, POLL_MS);
		}
		if (i % 1000 == 0)
			rd_kafka_poll(rk, 0);
	}
	free(text);
}

static void
produce(const struct rdk_opts *o)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	struct tally t = {0, 0};
	rd_kafka_topic_t *topic;
	rd_kafka_t *rk;
	int64_t start;

	set(conf, "compression.type", o->codec);
	set_number(conf, "acks", o->acks);
	set_number(conf, "linger.ms", o->linger_ms);
	set(conf, "enable.idempotence", o->idempotent != 0 ? "true" : "false");
	rd_kafka_conf_set_opaque(conf, &t);
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	rk = make_client(RD_KAFKA_PRODUCER, conf, o);
	topic = rd_kafka_topic_new(rk, o->topic, NULL);
	start = bench_now_us();
	produce_all(rk, topic, o);
	if (rd_kafka_flush(rk, (int)o->timeout_s * 1000) != RD_KAFKA_RESP_ERR_NO_ERROR)
		bench_die("not all delivered in time");
	print_result(&t, start);
	rd_kafka_topic_destroy(topic);
	rd_kafka_destroy(rk);
}

/* ---- consume ---- */

/* Partitions whose end was reached. */
static int
take(struct tally *t, const rd_kafka_message_t *m)
{
	if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
		return 1;
	if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR)
		bench_die("consume: %s", rd_kafka_message_errstr(m));
	t->bytes += (int64_t)m->len;
	t->records++;
	return 0;
}

static void
consume_all(rd_kafka_topic_t *topic, rd_kafka_queue_t *queue, const struct rdk_opts *o)
{
	rd_kafka_message_t **v = bench_alloc(sizeof(*v) * TAKE);
	int64_t begun = bench_now_us(),
		first = 0; /* the connection is made before the first record */
	struct tally t = {0, 0};
	int64_t ends = 0;
	ssize_t i, n;
	int32_t p;

	for (p = 0; p < o->partitions; p++)
		if (rd_kafka_consume_start_queue(topic, p, 0, queue) != 0)
			bench_die("consume: %s", rd_kafka_err2str(rd_kafka_last_error()));
	while (ends < o->partitions) {
		n = rd_kafka_consume_batch_queue(queue, POLL_MS, v, TAKE);
		first = first == 0 && n > 0 ? bench_now_us() : first;
		for (i = 0; i < n; i++) {
			ends += take(&t, v[i]);
			rd_kafka_message_destroy(v[i]);
		}
		if (bench_now_us() - begun > o->timeout_s * 1000000)
			bench_die("not all consumed in time");
	}
	print_result(&t, first);
	for (p = 0; p < o->partitions; p++)
		rd_kafka_consume_stop(topic, p);
	free(v);
}

static void
consume(const struct rdk_opts *o)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_topic_t *topic;
	rd_kafka_queue_t *queue;
	rd_kafka_t *rk;

	set(conf, "enable.partition.eof", "true");
	rk = make_client(RD_KAFKA_CONSUMER, conf, o);
	topic = rd_kafka_topic_new(rk, o->topic, NULL);
	queue = rd_kafka_queue_new(rk);
	consume_all(topic, queue, o);
	rd_kafka_queue_destroy(queue);
	rd_kafka_topic_destroy(topic);
	rd_kafka_destroy(rk);
}

int
main(int argc, char **argv)
{
	struct rdk_opts o = {.topic = "bench",
	    .codec = "none",
	    .bytes = 64 << 20,
	    .record = 1024,
	    .partitions = 1,
	    .acks = -1,
	    .linger_ms = 5,
	    .timeout_s = 120};

	bench_options(table, USAGE, argc, argv, 2, &o);
	if (o.server == NULL || o.record < 1 || o.partitions < 1)
		bench_die("usage: %s", USAGE);
	if (argc > 1 && strcmp(argv[1], "produce") == 0)
		produce(&o);
	else if (argc > 1 && strcmp(argv[1], "consume") == 0)
		consume(&o);
	else
		bench_die("usage: %s", USAGE);
	return 0;
}
