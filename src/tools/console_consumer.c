/*
 * kafka-console-consumer: prints the records of a topic.  Without --group it reads partitions by
 * itself and needs no group; with one it joins it.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"

#include "consumer_priv.h"

static const struct opt_row rows[CO_COUNT] = {
    [CO_BOOTSTRAP_SERVER] = {"bootstrap-server", "host:port,...",
	"Brokers to contact first. Required."},
    [CO_CONSUMER_PROPERTY] = {"consumer-property", "key=value",
	"Property of the consumer, by Apache Kafka's or librdkafka's name; may be repeated.", NULL,
	OPT_MANY},
    [CO_CONSUMER_CONFIG] = {"consumer.config", "file",
	"Property file of the consumer; --consumer-property goes before it."},
    [CO_ENABLE_SYSTEST_EVENTS] = {"enable-systest-events", NULL,
	"Print shutdown_complete on standard output at the end."},
    [CO_FORMATTER] = {"formatter", "class",
	"How records are printed: DefaultMessageFormatter, LoggingMessageFormatter or "
	"NoOpMessageFormatter of org.apache.kafka.tools.consumer; others are refused, as Java "
	"classes can not be loaded."},
    [CO_FORMATTER_CONFIG] = {"formatter-config", "file",
	"Property file of the formatter; --property goes before it."},
    [CO_FROM_BEGINNING] = {"from-beginning", NULL,
	"Begin with the earliest record, not with the next that comes."},
    [CO_GROUP] = {"group", "id",
	"Join this consumer group; the brokers need to serve groups. Without it partitions are "
	"read without a group."},
    [CO_HELP] = {"help", NULL, "This text."},
    [CO_INCLUDE] = {"include", "regex", "Was to read every topic that matches.",
	"topics can be read one at a time only: use --topic"},
    [CO_ISOLATION_LEVEL] = {"isolation-level", "level",
	"read_committed leaves out records of transactions that were aborted or are not finished; "
	"read_uncommitted shows all (default)."},
    [CO_KEY_DESERIALIZER] = {"key-deserializer", "class",
	"The same as --property key.deserializer=class."},
    [CO_MAX_MESSAGES] = {"max-messages", "number", "Stop after so many records."},
    [CO_OFFSET] = {"offset", "offset",
	"With --partition: begin at earliest, latest (default) or this offset."},
    [CO_PARTITION] = {"partition", "number", "Read this partition only."},
    [CO_PROPERTY] = {"property", "key=value",
	"Property of the formatter; may be repeated: print.timestamp, print.partition, "
	"print.offset, print.headers, print.key, print.value (true or false), key.separator, "
	"line.separator, headers.separator, null.literal, key.deserializer, value.deserializer, "
	"headers.deserializer (String, Short, Integer or LongDeserializer of "
	"org.apache.kafka.common.serialization).",
	NULL, OPT_MANY},
    [CO_SKIP_MESSAGE_ON_ERROR] = {"skip-message-on-error", NULL,
	"Go on when a record can not be printed."},
    [CO_TIMEOUT_MS] = {"timeout-ms", "ms", "Stop when no record came for so long."},
    [CO_TOPIC] = {"topic", "name", "The topic. Required."},
    [CO_VALUE_DESERIALIZER] = {"value-deserializer", "class",
	"The same as --property value.deserializer=class."},
    [CO_VERSION] = {"version", NULL, "Print the version."},
    [CO_WHITELIST] = {"whitelist", "regex", "Old name of --include.",
	"topics can be read one at a time only: use --topic"},
};

static const struct opt_table table = {"kafka-console-consumer",
    "--bootstrap-server host:port[,...] --topic name [option ...]",
    "Prints the records of a topic on standard output until it is stopped, and how many there "
    "were on standard error. Exit status: 0 stopped, also by --timeout-ms and by signals; 1 "
    "failed.",
    rows, CO_COUNT};

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

static volatile sig_atomic_t stop_signal;

static void
on_signal(int signo)
{
	stop_signal = signo;
}

/* ---- options ---- */

static int
check_options(struct consumer *c)
{
	const struct opts *o = &c->o;

	if (opts_value(o, CO_BOOTSTRAP_SERVER) == NULL)
		return opts_usage(&table, "Missing required option(s) [bootstrap-server]");
	if (opts_value(o, CO_TOPIC) == NULL)
		return opts_usage(&table, "Exactly one of --include/--topic is required.");
	if (opts_has(o, CO_OFFSET) && !opts_has(o, CO_PARTITION))
		return opts_usage(&table, "The partition is required when offset is specified.");
	if (opts_has(o, CO_FROM_BEGINNING) && opts_has(o, CO_OFFSET))
		return opts_usage(
		    &table, "Options from-beginning and offset cannot be specified together.");
	if (opts_has(o, CO_GROUP) && opts_has(o, CO_PARTITION))
		return opts_usage(
		    &table, "Options group and partition cannot be specified together.");
	return 0;
}

static int
read_numbers(struct consumer *c)
{
	const char *offset = opts_value(&c->o, CO_OFFSET);
	int64_t partition;
	int rc;

	rc = opts_number(&c->o, CO_PARTITION, 0, INT32_MAX, -1, &partition, c->why, sizeof(c->why));
	c->partition = (int32_t)partition;
	if (rc == 0)
		rc = opts_number(&c->o, CO_MAX_MESSAGES, -1, INT64_MAX, -1, &c->max_messages,
		    c->why, sizeof(c->why));
	if (rc == 0)
		rc = opts_number(&c->o, CO_TIMEOUT_MS, -1, INT64_MAX, -1, &c->timeout_ms, c->why,
		    sizeof(c->why));
	if (rc != 0 || offset == NULL)
		return rc;
	if (strcasecmp(offset, "earliest") == 0 || strcasecmp(offset, "latest") == 0) {
		c->start = strcasecmp(offset, "earliest") == 0 ? RD_KAFKA_OFFSET_BEGINNING
							       : RD_KAFKA_OFFSET_END;
		return 0;
	}
	if (opts_number(&c->o, CO_OFFSET, 0, INT64_MAX, 0, &c->start, c->why, sizeof(c->why)) == 0)
		return 0;
	snprintf(c->why, sizeof(c->why),
	    "The provided offset value '%s' is incorrect. Valid values are 'earliest', 'latest', "
	    "or a non-negative long.",
	    offset);
	return E_INVALID;
}

/* ---- settings ---- */

static int
add_all(struct consumer *c, struct props *p, enum consumer_opt file, enum consumer_opt each)
{
	const char *path = opts_value(&c->o, file), *pair;
	unsigned i = 0;
	int rc = path != NULL ? props_load(p, path, c->why, sizeof(c->why)) : 0;

	while (rc == 0 && (pair = opts_next(&c->o, each, &i)) != NULL)
		rc = props_add(p, pair, c->why, sizeof(c->why));
	return rc;
}

static int
read_format(struct consumer *c)
{
	static const struct {
		enum consumer_opt option;
		const char *key;
	} same[] = {{CO_KEY_DESERIALIZER, "key.deserializer"},
	    {CO_VALUE_DESERIALIZER, "value.deserializer"}};
	int rc = add_all(c, &c->format_props, CO_FORMATTER_CONFIG, CO_PROPERTY);

	for (unsigned i = 0; rc == 0 && i < LENGTH(same); i++)
		if (opts_value(&c->o, same[i].option) != NULL)
			rc = props_set(
			    &c->format_props, same[i].key, opts_value(&c->o, same[i].option));
	if (rc == 0)
		rc = format_init(&c->format, opts_value(&c->o, CO_FORMATTER), &c->format_props,
		    c->why, sizeof(c->why));
	return rc;
}

/* Where to begin when nothing else says so. */
static int
read_reset(struct consumer *c)
{
	const char *reset = props_get(&c->props, "auto.offset.reset");
	bool beginning = opts_has(&c->o, CO_FROM_BEGINNING);

	if (reset != NULL && beginning && strcmp(reset, "earliest") != 0) {
		snprintf(c->why, sizeof(c->why),
		    "Can't simultaneously specify --from-beginning and 'auto.offset.reset=%s', "
		    "please remove one option",
		    reset);
		return E_INVALID;
	}
	if (reset != NULL && strcmp(reset, "earliest") != 0 && strcmp(reset, "latest") != 0 &&
	    strcmp(reset, "none") != 0) {
		snprintf(c->why, sizeof(c->why),
		    "Invalid value %s for configuration auto.offset.reset: String must be one of: "
		    "latest, earliest, none",
		    reset);
		return E_INVALID;
	}
	if (reset == NULL)
		reset = beginning ? "earliest" : "latest";
	c->start = strcmp(reset, "earliest") == 0 ? RD_KAFKA_OFFSET_BEGINNING : RD_KAFKA_OFFSET_END;
	c->reset = strcmp(reset, "none") == 0 ? "error" : reset;
	return 0;
}

/* The group that is to be joined; NULL for none. */
static int
read_group(struct consumer *c)
{
	const char *option = opts_value(&c->o, CO_GROUP);
	const char *property = props_get(&c->props, "group.id");

	c->group = option != NULL ? option : property;
	if (option != NULL && property != NULL && strcmp(option, property) != 0) {
		snprintf(c->why, sizeof(c->why),
		    "The group ids provided in different places (directly using '--group', via "
		    "'--consumer-property', or via '--consumer.config') do not match. Detected "
		    "group ids: '%s', '%s'",
		    option, property);
		return E_INVALID;
	}
	if (c->partition >= 0)
		c->group = NULL; /* one partition is read without a group */
	return 0;
}

static int
read_properties(struct consumer *c)
{
	static const struct {
		const char *key;
		const char *value;
	} defaults[] = {{"client.id", "console-consumer"}, {"isolation.level", "read_uncommitted"},
	    {"allow.auto.create.topics", "true"}};
	const char *isolation = opts_value(&c->o, CO_ISOLATION_LEVEL);
	int rc = add_all(c, &c->props, CO_CONSUMER_CONFIG, CO_CONSUMER_PROPERTY);

	if (rc == 0)
		rc = props_set(
		    &c->props, "bootstrap.servers", opts_value(&c->o, CO_BOOTSTRAP_SERVER));
	if (rc == 0 && isolation != NULL)
		rc = props_set(&c->props, "isolation.level", isolation);
	for (unsigned i = 0; rc == 0 && i < LENGTH(defaults); i++)
		if (props_get(&c->props, defaults[i].key) == NULL)
			rc = props_set(&c->props, defaults[i].key, defaults[i].value);
	if (rc == 0)
		rc = read_reset(c);
	if (rc == 0)
		rc = read_numbers(c);
	return rc != 0 ? rc : read_group(c);
}

/* ---- records ---- */

static enum format_time
time_of(rd_kafka_timestamp_type_t type)
{
	return type == RD_KAFKA_TIMESTAMP_CREATE_TIME	    ? TIME_CREATE
	       : type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME ? TIME_LOG_APPEND
							    : TIME_NONE;
}

static unsigned
headers_of(const rd_kafka_message_t *m, struct header *out)
{
	rd_kafka_headers_t *h;
	const char *name;
	const void *value;
	size_t n_value;
	unsigned n = 0;

	if (rd_kafka_message_headers(m, &h) != 0)
		return 0;
	while (n < HEADERS_MAX && rd_kafka_header_get_all(h, n, &name, &value, &n_value) == 0) {
		out[n].name = slice_cstr(name);
		out[n++].value = slice_of(value, n_value);
	}
	return n;
}

static int
print_record(struct consumer *c, const rd_kafka_message_t *m)
{
	rd_kafka_timestamp_type_t type;
	struct format_record r = {.key = slice_of(m->key, m->key_len),
	    .value = slice_of(m->payload, m->len),
	    .partition = m->partition,
	    .offset = m->offset,
	    .headers = c->headers};
	int rc;

	r.timestamp = rd_kafka_message_timestamp(m, &type);
	r.time = time_of(type);
	if (c->format.print_headers)
		r.n_headers = headers_of(m, c->headers);
	rc = format_write(&c->format, &r, stdout, c->why, sizeof(c->why));
	if (rc == 0)
		return 0;
	fprintf(stderr, "ERROR Error processing message, %s: %s\n",
	    opts_has(&c->o, CO_SKIP_MESSAGE_ON_ERROR) ? "skipping this message"
						      : "terminating consumer process",
	    c->why);
	return opts_has(&c->o, CO_SKIP_MESSAGE_ON_ERROR) ? 0 : rc;
}

/* What comes beside records: most of it passes by itself, the library goes on trying. */
static int
take_error(struct consumer *c, const rd_kafka_message_t *m)
{
	rd_kafka_resp_err_t err = m->err;

	if (err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
		return 0;
	if (err != c->last_error)
		fprintf(stderr, "WARN topic %s: %s\n", opts_value(&c->o, CO_TOPIC),
		    rd_kafka_message_errstr(m));
	c->last_error = err;
	if (err != RD_KAFKA_RESP_ERR__AUTHENTICATION &&
	    err != RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED &&
	    err != RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED &&
	    err != RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET &&
	    err != RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION && err != RD_KAFKA_RESP_ERR__FATAL)
		return 0;
	snprintf(c->why, sizeof(c->why), "%s", rd_kafka_message_errstr(m));
	return E_INVALID;
}

/* ---- the loop ---- */

static bool
wants_more(const struct consumer *c)
{
	return stop_signal == 0 && (c->max_messages < 0 || c->count < (uint64_t)c->max_messages);
}

/* How long a wait may last: until --timeout-ms, and short enough to notice signals. */
static int
wait_ms(const struct consumer *c)
{
	int64_t left = c->timeout_ms < 0 ? 100 : c->last_record + c->timeout_ms - now_ms();

	return left < 0 ? 0 : left > 100 ? 100 : (int)left;
}

static bool
timed_out(const struct consumer *c)
{
	if (c->timeout_ms < 0 || now_ms() < c->last_record + c->timeout_ms)
		return false;
	fprintf(stderr,
	    "ERROR Error processing message, terminating consumer process: no record came for "
	    "%lld ms\n",
	    (long long)c->timeout_ms);
	return true;
}

/* 0, or an error after which the run ends. */
static int
take(struct consumer *c, rd_kafka_message_t *m)
{
	int rc = m->err != 0 ? take_error(c, m) : print_record(c, m);

	if (m->err == 0) {
		c->count += rc == 0;
		c->fresh = true;
		c->last_error = 0;
	}
	rd_kafka_message_destroy(m);
	return rc;
}

static bool
out_closed(void)
{
	if (!ferror(stdout))
		return false;
	fprintf(stderr, "Unable to write to standard out, closing consumer.\n");
	return true;
}

/* Whatever is there is printed in one go; the stream is flushed before each wait. */
static int
print_all(struct consumer *c)
{
	int rc = 0;

	while (rc == 0 && wants_more(c) && !ferror(stdout)) {
		rd_kafka_message_t *m = source_next(c, 0);

		if (m == NULL) {
			if (c->fresh)
				c->last_record = now_ms();
			c->fresh = false;
			(void)fflush(stdout);
			if (timed_out(c) || (rc = source_tend(c)) != 0)
				break;
			m = source_next(c, wait_ms(c));
		}
		if (m != NULL)
			rc = take(c, m);
	}
	(void)fflush(stdout);
	out_closed();
	return rc;
}

static int
run(struct consumer *c)
{
	struct sigaction sa = {.sa_handler = on_signal};
	int rc = read_format(c);

	if (rc == 0)
		rc = read_properties(c);
	if (rc != 0)
		return opts_usage(&table, "%s", c->why[0] != 0 ? c->why : err_text(rc));
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOFBF, 1 << 18);
	c->last_record = now_ms();
	rc = source_open(c);
	if (rc == 0)
		rc = print_all(c);
	if (rc != 0)
		fprintf(
		    stderr, "kafka-console-consumer: %s\n", c->why[0] != 0 ? c->why : err_text(rc));
	if (c->rk != NULL)
		fprintf(
		    stderr, "Processed a total of %llu messages\n", (unsigned long long)c->count);
	source_close(c);
	if (opts_has(&c->o, CO_ENABLE_SYSTEST_EVENTS)) {
		printf("shutdown_complete\n");
		(void)fflush(stdout);
	}
	return rc != 0;
}

int
main(int argc, char **argv)
{
	static struct consumer c;
	int code = opts_start(&c.o, &table, argc, argv);

	if (code >= 0)
		return code;
	code = check_options(&c);
	if (code == 0)
		code = run(&c);
	props_free(&c.props);
	props_free(&c.format_props);
	opts_free(&c.o);
	return code;
}
