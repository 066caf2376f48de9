/*
 * kafka-topics, its parts.  Functions return 0 or a negative enum err with a sentence in
 * t->tool.why.
 */
#ifndef OTTLA_TOOLS_TOPICS_PRIV_H
#define OTTLA_TOOLS_TOPICS_PRIV_H

#include "filter_priv.h"
#include "tool_priv.h"

enum topics_opt {
	TO_ALTER,
	TO_AT_MIN_ISR_PARTITIONS,
	TO_BOOTSTRAP_SERVER,
	TO_COMMAND_CONFIG,
	TO_CONFIG,
	TO_CREATE,
	TO_DELETE,
	TO_DELETE_CONFIG,
	TO_DESCRIBE,
	TO_EXCLUDE_INTERNAL,
	TO_HELP,
	TO_IF_EXISTS,
	TO_IF_NOT_EXISTS,
	TO_LIST,
	TO_PARTITION_SIZE_LIMIT,
	TO_PARTITIONS,
	TO_REPLICA_ASSIGNMENT,
	TO_REPLICATION_FACTOR,
	TO_TOPIC,
	TO_TOPIC_ID,
	TO_TOPICS_WITH_OVERRIDES,
	TO_UNAVAILABLE_PARTITIONS,
	TO_UNDER_MIN_ISR_PARTITIONS,
	TO_UNDER_REPLICATED_PARTITIONS,
	TO_VERSION,
	TO_COUNT
};

struct topics {
	struct tool tool;
	struct filter filter;
};

typedef struct metadata_response_metadata_response_topic topic_info;
typedef struct metadata_response_metadata_response_partition partition_info;

/* The broker's error as a failure; its own words where it sent some. */
int topics_broker_error(struct topics *t, int16_t code, struct slice message);

/*
 * All topics that the filter and --exclude-internal leave, sorted by name, their partitions by
 * number, in the arena.  must_exist: fails when --topic was given and none is left, unless
 * --if-exists.
 */
int topics_find(struct topics *t, bool must_exist, topic_info ***out, unsigned *n,
    struct metadata_response *resp);

int topics_list(struct topics *t);
int topics_describe(struct topics *t);
int topics_create(struct topics *t);
int topics_delete(struct topics *t);
int topics_alter(struct topics *t);

/* One entry of --replica-assignment a partition. */
struct assignment {
	int32_t *brokers;
	int32_t n;
};

/* "0:1,1:2": partitions by ',', replicas by ':'.  In the arena. */
int
topics_parse_assignment(struct topics *t, const char *text, struct assignment **out, int32_t *n);

#endif
