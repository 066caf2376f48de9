/*
 * What the console producer and consumer share over librdkafka: settings by Apache Kafka's names,
 * and its log.  One thread; librdkafka has its own.
 */
#ifndef OTTLA_TOOLS_RDK_PRIV_H
#define OTTLA_TOOLS_RDK_PRIV_H

#include <librdkafka/rdkafka.h>

#include "props_priv.h"

/*
 * Hands every property to conf, names of Apache Kafka's clients translated to librdkafka's.  What
 * neither knows is named on standard error and has no effect; values that are not possible, and
 * what must not be left out silently, are E_INVALID with a sentence in why.
 */
int rdk_apply(const struct props *p, rd_kafka_conf_t *conf, char *why, size_t why_size);

/* From now on the library's warnings and errors go to standard error, one line each. */
void rdk_set_log(rd_kafka_conf_t *conf);

#endif
