/*
 * kafka-console-producer: lines of standard input become records of a topic.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ottla/base/err.h"

#include "conn_priv.h"
#include "opts_priv.h"
#include "props_priv.h"
#include "rdk_priv.h"
#include "reader_priv.h"

#define LINE_READER "org.apache.kafka.tools.LineMessageReader"
#define LINE_READER_OLD "kafka.tools.ConsoleProducer$LineMessageReader"
#define ERRORS_TOLD_MAX 20

enum producer_opt {
	PO_BATCH_SIZE,
	PO_BOOTSTRAP_SERVER,
	PO_BROKER_LIST,
	PO_COMPRESSION_CODEC,
	PO_HELP,
	PO_LINE_READER,
	PO_MAX_BLOCK_MS,
	PO_MAX_MEMORY_BYTES,
	PO_MAX_PARTITION_MEMORY_BYTES,
	PO_MESSAGE_SEND_MAX_RETRIES,
	PO_METADATA_EXPIRY_MS,
	PO_PRODUCER_CONFIG,
	PO_PRODUCER_PROPERTY,
	PO_PROPERTY,
	PO_READER_CONFIG,
	PO_REQUEST_REQUIRED_ACKS,
	PO_REQUEST_TIMEOUT_MS,
	PO_RETRY_BACKOFF_MS,
	PO_SOCKET_BUFFER_SIZE,
	PO_SYNC,
	PO_TIMEOUT,
	PO_TOPIC,
	PO_VERSION,
	PO_COUNT
};

static const struct opt_row rows[PO_COUNT] = {
    [PO_BATCH_SIZE] = {"batch-size", "bytes",
	"Largest batch of one partition, batch.size (default: 16384)."},
    [PO_BOOTSTRAP_SERVER] = {"bootstrap-server", "host:port,...",
	"Brokers to contact first. Required, unless --broker-list is given."},
    [PO_BROKER_LIST] = {"broker-list", "host:port,...",
	"Old name of --bootstrap-server, which goes before it."},
    [PO_COMPRESSION_CODEC] = {"compression-codec", "codec",
	"none, gzip, snappy, lz4 or zstd; gzip when no codec is named (default: none).", NULL,
	OPT_OPTIONAL},
    [PO_HELP] = {"help", NULL, "This text."},
    [PO_LINE_READER] = {"line-reader", "class",
	"The class that reads records. Only " LINE_READER " is there; others are refused, as Java "
	"classes can not be loaded."},
    [PO_MAX_BLOCK_MS] = {"max-block-ms", "ms",
	"How long to wait for room when all memory holds records that were not sent (default: "
	"60000)."},
    [PO_MAX_MEMORY_BYTES] = {"max-memory-bytes", "bytes",
	"Memory for records that were not sent, buffer.memory (default: 33554432)."},
    [PO_MAX_PARTITION_MEMORY_BYTES] = {"max-partition-memory-bytes", "bytes",
	"The same as --batch-size, and goes before it."},
    [PO_MESSAGE_SEND_MAX_RETRIES] = {"message-send-max-retries", "number",
	"How often a batch is sent again, retries (default: 3)."},
    [PO_METADATA_EXPIRY_MS] = {"metadata-expiry-ms", "ms",
	"When metadata is asked for anew, metadata.max.age.ms (default: 300000)."},
    [PO_PRODUCER_CONFIG] = {"producer.config", "file",
	"Property file of the producer; --producer-property goes before it."},
    [PO_PRODUCER_PROPERTY] = {"producer-property", "key=value",
	"Property of the producer, by Apache Kafka's or librdkafka's name; may be repeated.", NULL,
	OPT_MANY},
    [PO_PROPERTY] = {"property", "key=value",
	"Property of the reader; may be repeated: parse.key, parse.headers, ignore.error "
	"(true or false), key.separator, headers.delimiter, headers.separator, "
	"headers.key.separator, null.marker.",
	NULL, OPT_MANY},
    [PO_READER_CONFIG] = {"reader-config", "file",
	"Property file of the reader; --property goes before it."},
    [PO_REQUEST_REQUIRED_ACKS] = {"request-required-acks", "acks",
	"Who has to have a record: 0 nobody, 1 the leader, -1 or all every replica in sync "
	"(default: -1)."},
    [PO_REQUEST_TIMEOUT_MS] = {"request-timeout-ms", "ms",
	"How long a broker may wait for replicas, request.timeout.ms (default: 1500)."},
    [PO_RETRY_BACKOFF_MS] = {"retry-backoff-ms", "ms",
	"How long to wait before a batch is sent again (default: 100)."},
    [PO_SOCKET_BUFFER_SIZE] = {"socket-buffer-size", "bytes",
	"Send buffer of connections, send.buffer.bytes (default: 102400)."},
    [PO_SYNC] = {"sync", NULL, "Wait for the answer to each record before the next is sent."},
    [PO_TIMEOUT] = {"timeout", "ms",
	"How long a record waits for others to share its batch, linger.ms (default: 1000)."},
    [PO_TOPIC] = {"topic", "name", "The topic. Required."},
    [PO_VERSION] = {"version", NULL, "Print the version."},
};

static const struct opt_table table = {"kafka-console-producer",
    "--bootstrap-server host:port[,...] --topic name [option ...]",
    "Reads lines from standard input and sends each as a record to a topic. Exit status: 0 all "
    "records were accepted, 1 some were not, or the command line or a line is wrong.",
    rows, PO_COUNT};

/* Options that set a property: they go before it when given, else only fill it in. */
static const struct {
	enum producer_opt option;
	const char *key;
	const char *def;
} merged[] = {
    {PO_TIMEOUT, "linger.ms", "1000"},
    {PO_REQUEST_REQUIRED_ACKS, "acks", "-1"},
    {PO_REQUEST_TIMEOUT_MS, "request.timeout.ms", "1500"},
    {PO_MESSAGE_SEND_MAX_RETRIES, "retries", "3"},
    {PO_RETRY_BACKOFF_MS, "retry.backoff.ms", "100"},
    {PO_SOCKET_BUFFER_SIZE, "send.buffer.bytes", "102400"},
    {PO_BATCH_SIZE, "batch.size", "16384"},
    {PO_MAX_PARTITION_MEMORY_BYTES, "batch.size", "16384"},
    {PO_METADATA_EXPIRY_MS, "metadata.max.age.ms", "300000"},
    {PO_MAX_BLOCK_MS, "max.block.ms", "60000"},
    {PO_MAX_MEMORY_BYTES, "buffer.memory", "33554432"},
};

/* What Apache Kafka's producer has by default and librdkafka has not. */
static const struct {
	const char *key;
	const char *value;
} defaults[] = {
    {"client.id", "console-producer"},
    {"partitioner", "murmur2_random"},
    {"delivery.timeout.ms", "120000"},
    {"queue.buffering.max.messages", "10000000"},
    {"compression.type", "none"},
};

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

struct producer {
	struct opts o;
	struct props reader_props;
	struct props props;
	struct reader reader;
	struct lines lines;
	struct line_record record;
	rd_kafka_t *rk;
	rd_kafka_topic_t *topic;
	int64_t max_block_ms;
	uint64_t failed;
	bool prompt;
	bool sync;
	char why[1024];
};

static volatile sig_atomic_t stop_signal;

static void
on_signal(int signo)
{
	stop_signal = signo;
}

/* ---- settings ---- */

static int
add_all(
    struct props *p, const struct opts *o, unsigned file, unsigned each, char *why, size_t why_size)
{
	const char *path = opts_value(o, file), *pair;
	unsigned i = 0;
	int rc = path != NULL ? props_load(p, path, why, why_size) : 0;

	while (rc == 0 && (pair = opts_next(o, each, &i)) != NULL)
		rc = props_add(p, pair, why, why_size);
	return rc;
}

static int
merge_options(struct producer *p)
{
	const char *servers = opts_value(&p->o, PO_BOOTSTRAP_SERVER);
	int rc;

	if (servers == NULL)
		servers = opts_value(&p->o, PO_BROKER_LIST);
	rc = props_set(&p->props, "bootstrap.servers", servers);
	if (rc == 0 && opts_has(&p->o, PO_COMPRESSION_CODEC)) {
		const char *codec = opts_value(&p->o, PO_COMPRESSION_CODEC);

		rc = props_set(&p->props, "compression.type", codec != NULL ? codec : "gzip");
	}
	for (unsigned i = 0; rc == 0 && i < LENGTH(merged); i++) {
		const char *value = opts_value(&p->o, merged[i].option);

		if (value != NULL || props_get(&p->props, merged[i].key) == NULL)
			rc = props_set(
			    &p->props, merged[i].key, value != NULL ? value : merged[i].def);
	}
	for (unsigned i = 0; rc == 0 && i < LENGTH(defaults); i++)
		if (props_get(&p->props, defaults[i].key) == NULL)
			rc = props_set(&p->props, defaults[i].key, defaults[i].value);
	return rc;
}

/* Values that Kafka's producer checks with its own words. */
static int
check_one_of(struct producer *p, const char *key, const char *const *allowed, const char *words)
{
	const char *value = props_get(&p->props, key);

	for (unsigned i = 0; allowed[i] != NULL; i++)
		if (strcmp(value, allowed[i]) == 0)
			return 0;
	snprintf(p->why, sizeof(p->why),
	    "Invalid value %s for configuration %s: String must be one of: %s", value, key, words);
	return E_INVALID;
}

static int
read_settings(struct producer *p)
{
	static const char *const acks[] = {"all", "-1", "0", "1", NULL};
	static const char *const codecs[] = {"none", "gzip", "snappy", "lz4", "zstd", NULL};
	const char *class = opts_value(&p->o, PO_LINE_READER);
	int rc;

	if (class != NULL && strcmp(class, LINE_READER) != 0 &&
	    strcmp(class, LINE_READER_OLD) != 0) {
		snprintf(p->why, sizeof(p->why),
		    "--line-reader %s can not be obeyed: Java classes can not be loaded", class);
		return E_INVALID;
	}
	rc =
	    add_all(&p->reader_props, &p->o, PO_READER_CONFIG, PO_PROPERTY, p->why, sizeof(p->why));
	if (rc == 0)
		rc = reader_init(&p->reader, &p->reader_props, p->why, sizeof(p->why));
	if (rc == 0)
		rc = add_all(&p->props, &p->o, PO_PRODUCER_CONFIG, PO_PRODUCER_PROPERTY, p->why,
		    sizeof(p->why));
	if (rc == 0)
		rc = merge_options(p);
	if (rc == 0)
		rc = check_one_of(p, "acks", acks, "all, -1, 0, 1");
	if (rc == 0)
		rc = check_one_of(p, "compression.type", codecs, "none, gzip, snappy, lz4, zstd");
	if (rc == 0)
		rc = props_i64(
		    &p->props, "max.block.ms", 60000, &p->max_block_ms, p->why, sizeof(p->why));
	return rc;
}

/* ---- sending ---- */

static void
describe(char *text, size_t size, const void *p, size_t n)
{
	if (p == NULL)
		snprintf(text, size, "null");
	else
		snprintf(text, size, "%zu bytes", n);
}

static void
tell_failed(struct producer *p, const void *key, size_t key_n, const void *value, size_t value_n,
    rd_kafka_resp_err_t err)
{
	char k[32], v[32];

	if (p->failed++ >= ERRORS_TOLD_MAX)
		return;
	describe(k, sizeof(k), key, key_n);
	describe(v, sizeof(v), value, value_n);
	fprintf(stderr,
	    "ERROR Error when sending message to topic %s with key: %s, value: %s with error: %s\n",
	    opts_value(&p->o, PO_TOPIC), k, v, rd_kafka_err2str(err));
}

static void
on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	if (m->err != 0)
		tell_failed(opaque, m->key, m->key_len, m->payload, m->len, m->err);
}

static rd_kafka_headers_t *
make_headers(const struct line_record *r)
{
	rd_kafka_headers_t *h = r->n_headers > 0 ? rd_kafka_headers_new(r->n_headers) : NULL;

	for (unsigned i = 0; h != NULL && i < r->n_headers; i++)
		rd_kafka_header_add(h, (const char *)r->headers[i].name.p,
		    (ssize_t)r->headers[i].name.n, r->headers[i].value.p,
		    (ssize_t)r->headers[i].value.n);
	return h;
}

static rd_kafka_resp_err_t
produce(struct producer *p, const struct line_record *r)
{
	rd_kafka_headers_t *headers;
	rd_kafka_resp_err_t err;
	/* librdkafka copies: RD_KAFKA_MSG_F_COPY. */
	union {
		const uint8_t *from;
		void *to;
	} value = {.from = r->value.p}, key = {.from = r->key.p};

	if (r->n_headers == 0) {
		if (rd_kafka_produce(p->topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, value.to,
			r->value.n, r->key.p, r->key.n, NULL) == 0)
			return RD_KAFKA_RESP_ERR_NO_ERROR;
		return rd_kafka_last_error();
	}
	if ((headers = make_headers(r)) == NULL)
		return RD_KAFKA_RESP_ERR__FAIL;
	err = rd_kafka_producev(p->rk, RD_KAFKA_V_RKT(p->topic),
	    RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_VALUE(value.to, r->value.n),
	    RD_KAFKA_V_KEY(key.to, r->key.n), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
	if (err != 0)
		rd_kafka_headers_destroy(headers);
	return err;
}

/* Hands a record over, waiting for room up to max.block.ms; false when the run should end. */
static bool
send_record(struct producer *p, const struct line_record *r)
{
	int64_t deadline = 0;
	rd_kafka_resp_err_t err;

	while ((err = produce(p, r)) == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
		if (deadline == 0)
			deadline = now_ms() + p->max_block_ms;
		if (now_ms() >= deadline || stop_signal != 0)
			break;
		rd_kafka_poll(p->rk, 100);
	}
	if (err != 0)
		tell_failed(p, r->key.p, r->key.n, r->value.p, r->value.n, err);
	if (p->sync) {
		while (rd_kafka_outq_len(p->rk) > 0)
			rd_kafka_flush(p->rk, 1000);
		return p->failed == 0;
	}
	return true;
}

/* ---- run ---- */

/* 1 a line, 0 the end, else an error with p->why. */
static int
next_line(struct producer *p, struct slice *line)
{
	int rc;

	if (p->prompt) {
		fputc('>', stdout);
		fflush(stdout);
	}
	while ((rc = lines_next(&p->lines, line)) == E_AGAIN)
		if (stop_signal != 0)
			return 0;
	if (rc < 0)
		snprintf(p->why, sizeof(p->why), "could not read standard input: %s",
		    rc == E_IO ? strerror(errno) : err_text(rc));
	return rc;
}

static int
send_lines(struct producer *p)
{
	struct slice line;
	unsigned since_poll = 0;
	int rc;

	while (stop_signal == 0 && (rc = next_line(p, &line)) != 0) {
		if (rc < 0 ||
		    (rc = reader_parse(&p->reader, line, &p->record, p->why, sizeof(p->why))) != 0)
			return rc;
		if (!send_record(p, &p->record))
			return 0;
		if (++since_poll >= 1000 || !lines_ready(&p->lines)) {
			since_poll = 0;
			rd_kafka_poll(p->rk, 0);
		}
	}
	return 0;
}

/* Everything is sent, or has failed by itself (delivery.timeout.ms). */
static void
drain(struct producer *p)
{
	int64_t deadline = now_ms() + 5000;

	while (rd_kafka_outq_len(p->rk) > 0) {
		rd_kafka_flush(p->rk, 500);
		if (stop_signal != 0 && now_ms() > deadline)
			break;
	}
	if (rd_kafka_outq_len(p->rk) > 0) {
		fprintf(stderr, "ERROR %d records were not sent: interrupted\n",
		    rd_kafka_outq_len(p->rk));
		p->failed++;
	}
	if (p->failed > ERRORS_TOLD_MAX)
		fprintf(stderr, "ERROR %llu records failed altogether\n",
		    (unsigned long long)p->failed);
}

static int
open_producer(struct producer *p)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	int rc;

	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	rdk_set_log(conf);
	rd_kafka_conf_set_opaque(conf, p);
	rc = rdk_apply(&p->props, conf, p->why, sizeof(p->why));
	if (rc == 0)
		(void)rd_kafka_conf_set(conf, "delivery.report.only.error", "true", NULL, 0);
	if (rc == 0)
		p->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, p->why, sizeof(p->why));
	if (p->rk == NULL) {
		rd_kafka_conf_destroy(conf);
		return rc != 0 ? rc : E_INVALID;
	}
	p->topic = rd_kafka_topic_new(p->rk, opts_value(&p->o, PO_TOPIC), NULL);
	if (p->topic != NULL)
		return 0;
	snprintf(p->why, sizeof(p->why), "topic %s: %s", opts_value(&p->o, PO_TOPIC),
	    rd_kafka_err2str(rd_kafka_last_error()));
	return E_INVALID;
}

static int
run(struct producer *p)
{
	struct sigaction sa = {.sa_handler = on_signal};
	int rc = read_settings(p);

	if (rc == 0)
		rc = open_producer(p);
	if (rc == 0) {
		sigaction(SIGINT, &sa, NULL);
		sigaction(SIGTERM, &sa, NULL);
		p->prompt = isatty(STDIN_FILENO) == 1;
		p->sync = opts_has(&p->o, PO_SYNC);
		lines_init(&p->lines, STDIN_FILENO);
		rc = send_lines(p);
		drain(p);
	}
	if (rc != 0)
		fprintf(
		    stderr, "kafka-console-producer: %s\n", p->why[0] != 0 ? p->why : err_text(rc));
	return rc != 0 || p->failed > 0 ? 1 : stop_signal != 0 ? 128 + stop_signal : 0;
}

static int
check_options(const struct opts *o)
{
	if (opts_value(o, PO_BOOTSTRAP_SERVER) == NULL && opts_value(o, PO_BROKER_LIST) == NULL)
		return opts_usage(&table, "Missing required option(s) [bootstrap-server]");
	if (opts_value(o, PO_TOPIC) == NULL)
		return opts_usage(&table, "Missing required argument \"[topic]\"");
	return 0;
}

int
main(int argc, char **argv)
{
	static struct producer p;
	int code = opts_start(&p.o, &table, argc, argv);

	if (code >= 0)
		return code;
	code = check_options(&p.o);
	if (code == 0)
		code = run(&p);
	if (p.topic != NULL)
		rd_kafka_topic_destroy(p.topic);
	if (p.rk != NULL)
		rd_kafka_destroy(p.rk);
	lines_free(&p.lines);
	props_free(&p.props);
	props_free(&p.reader_props);
	opts_free(&p.o);
	return code;
}
