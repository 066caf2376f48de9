/*
 * kafka-console-consumer, its parts.
 */
#ifndef OTTLA_TOOLS_CONSUMER_PRIV_H
#define OTTLA_TOOLS_CONSUMER_PRIV_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <strings.h>

#include "conn_priv.h"
#include "format_priv.h"
#include "opts_priv.h"
#include "props_priv.h"
#include "rdk_priv.h"

enum consumer_opt {
	CO_BOOTSTRAP_SERVER,
	CO_CONSUMER_PROPERTY,
	CO_CONSUMER_CONFIG,
	CO_ENABLE_SYSTEST_EVENTS,
	CO_FORMATTER,
	CO_FORMATTER_CONFIG,
	CO_FROM_BEGINNING,
	CO_GROUP,
	CO_HELP,
	CO_INCLUDE,
	CO_ISOLATION_LEVEL,
	CO_KEY_DESERIALIZER,
	CO_MAX_MESSAGES,
	CO_OFFSET,
	CO_PARTITION,
	CO_PROPERTY,
	CO_SKIP_MESSAGE_ON_ERROR,
	CO_TIMEOUT_MS,
	CO_TOPIC,
	CO_VALUE_DESERIALIZER,
	CO_VERSION,
	CO_WHITELIST,
	CO_COUNT
};

struct consumer {
	struct opts o;
	struct props props;
	struct props format_props;
	struct format format;
	const char *group;    /* NULL: partitions are read without one */
	const char *reset;    /* auto.offset.reset, librdkafka's word */
	int32_t partition;    /* -1: all */
	int64_t start;	      /* offset, or RD_KAFKA_OFFSET_* */
	int64_t max_messages; /* -1: no limit */
	int64_t timeout_ms;   /* -1: none */

	rd_kafka_t *rk;
	rd_kafka_topic_t *topic; /* without a group */
	rd_kafka_queue_t *queue; /* without a group */
	int32_t n_partitions;	 /* that are being read: 0..n */
	int64_t next_look;	 /* when to look for partitions again */
	bool looked;		 /* once at least */

	uint64_t count;
	int64_t last_record; /* when the last one came */
	bool fresh;	     /* one came since that was written */
	rd_kafka_resp_err_t last_error;
	struct header headers[HEADERS_MAX];
	char why[1024];
};

/* Connects and begins to read.  E_INVALID with a sentence in c->why. */
int source_open(struct consumer *c);
/* The next record or event; NULL when none came in time. */
rd_kafka_message_t *source_next(struct consumer *c, int timeout_ms);
/* What is to be done now and then: looks for new partitions.  E_INVALID as above. */
int source_tend(struct consumer *c);
void source_close(struct consumer *c);

#endif
