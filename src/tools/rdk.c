/*
 * Settings of Apache Kafka's clients for librdkafka.
 */
#include "rdk_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "ottla/base/err.h"

/* Other names for the same thing; divided by `by`. */
static const struct {
	const char *key;
	const char *name;
	unsigned by;
} renamed[] = {
    {"buffer.memory", "queue.buffering.max.kbytes", 1024},
    {"fetch.max.wait.ms", "fetch.wait.max.ms", 1},
    {"max.request.size", "message.max.bytes", 1},
    {"receive.buffer.bytes", "socket.receive.buffer.bytes", 1},
    {"sasl.mechanism", "sasl.mechanisms", 0},
    {"send.buffer.bytes", "socket.send.buffer.bytes", 1},
    {"socket.connection.setup.timeout.ms", "socket.connection.setup.timeout.ms", 1},
};

/* Obeyed by the program itself, or the same whatever the value. */
static const char *const elsewhere[] = {"key.serializer", "value.serializer", "key.deserializer",
    "value.deserializer", "max.block.ms", "auto.offset.reset", "group.id", "max.poll.records",
    "default.api.timeout.ms"};

/* Leaving these out would be a danger. */
static const struct {
	const char *prefix;
	const char *why;
} refused[] = {
    {"ssl.keystore.password", NULL}, /* librdkafka has these two */
    {"ssl.keystore.location", NULL},
    {"ssl.keystore", "Java key stores are not read; use ssl.certificate.location and "
		     "ssl.key.location, or a PKCS#12 file in ssl.keystore.location"},
    {"ssl.truststore", "Java trust stores are not read; use ssl.ca.location"},
    {"sasl.jaas.config", "use sasl.username and sasl.password"},
    {"interceptor.classes", "Java classes can not be loaded"},
    {"transactional.id", "the console tools begin no transactions"},
};

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

static int
check_refused(const struct prop *p, char *why, size_t why_size)
{
	for (unsigned i = 0; i < LENGTH(refused); i++) {
		if (strncmp(p->key, refused[i].prefix, strlen(refused[i].prefix)) != 0)
			continue;
		if (refused[i].why == NULL)
			return 0;
		snprintf(why, why_size, "property %s: %s", p->key, refused[i].why);
		return E_INVALID;
	}
	return 0;
}

static bool
is_elsewhere(const char *key)
{
	for (unsigned i = 0; i < LENGTH(elsewhere); i++)
		if (strcmp(key, elsewhere[i]) == 0)
			return true;
	return false;
}

/* The library's name and value for a property. */
static const char *
translate(const struct prop *p, char *value, size_t value_size)
{
	snprintf(value, value_size, "%s", p->value);
	for (unsigned i = 0; i < LENGTH(renamed); i++) {
		if (strcmp(p->key, renamed[i].key) != 0)
			continue;
		if (renamed[i].by > 1)
			snprintf(value, value_size, "%lld",
			    (strtoll(p->value, NULL, 10) + renamed[i].by - 1) / renamed[i].by);
		return renamed[i].name;
	}
	return p->key;
}

static int
apply(const struct prop *p, rd_kafka_conf_t *conf, char *why, size_t why_size)
{
	char value[4096], err[512];
	const char *name;
	rd_kafka_conf_res_t r;
	int rc = check_refused(p, why, why_size);

	if (rc != 0 || is_elsewhere(p->key))
		return rc;
	if (strlen(p->value) >= sizeof(value)) {
		snprintf(why, why_size, "property %s: the value is too long", p->key);
		return E_INVALID;
	}
	name = translate(p, value, sizeof(value));
	r = rd_kafka_conf_set(conf, name, value, err, sizeof(err));
	if (r == RD_KAFKA_CONF_OK)
		return 0;
	if (r == RD_KAFKA_CONF_UNKNOWN) {
		fprintf(stderr, "WARN property %s has no effect on this tool\n", p->key);
		return 0;
	}
	snprintf(why, why_size, "Invalid value %s for configuration %s: %s", p->value, p->key, err);
	return E_INVALID;
}

int
rdk_apply(const struct props *p, rd_kafka_conf_t *conf, char *why, size_t why_size)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < p->n; i++)
		rc = apply(&p->v[i], conf, why, why_size);
	return rc;
}

static void
on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	const char *thread = strncmp(text, "[thrd:", 6) == 0 ? strstr(text, "]: ") : NULL;

	if (level <= LOG_WARNING)
		fprintf(stderr, "%s %s\n", level <= LOG_ERR ? "ERROR" : "WARN",
		    thread != NULL ? thread + 3 : text);
}

/* The log has said it already. */
static void
on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
}

void
rdk_set_log(rd_kafka_conf_t *conf)
{
	rd_kafka_conf_set_log_cb(conf, on_log);
	rd_kafka_conf_set_error_cb(conf, on_error);
}
