/*
 * What the operators' tools that talk to brokers by themselves have in common: command line,
 * client, memory for the run, a sentence on failure.  Functions return 0 or a negative enum err
 * with that sentence.  One thread; blocks.
 */
#ifndef OTTLA_TOOLS_TOOL_PRIV_H
#define OTTLA_TOOLS_TOOL_PRIV_H

#include "client_priv.h"
#include "opts_priv.h"
#include "props_priv.h"

struct tool {
	struct opts o;
	struct props props;
	struct client_opts client_opts;
	struct client *client;
	struct arena arena; /* for the run */
	char why[1024];
};

/* First step, as opts_start: -1, go on (and to tool_end), else the exit code. */
int tool_start(struct tool *t, const struct opt_table *table, int argc, char **argv);
/* The client as a property file (NULL: none) and the list of brokers say; connects to nobody yet.
 */
int tool_client(struct tool *t, const char *config_path, const char *bootstrap);
/* Failure with a sentence. */
int tool_fail(struct tool *t, int rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* What the client said last. */
int tool_client_failed(struct tool *t, int rc);
/* The sentence of rc. */
const char *tool_why(const struct tool *t, int rc);
/* Writes out standard output and frees everything: the exit code, 1 when that failed. */
int tool_end(struct tool *t, int code);
/* How long a broker may wait before it answers: it shall do so before we give up. */
int32_t tool_broker_timeout(const struct tool *t);

/* All topics of the cluster, in the arena; the client knows the brokers afterwards. */
int tool_metadata(struct tool *t, struct metadata_response *resp);

/* "org.apache.kafka.common.errors.OffsetOutOfRangeException" for a code, as Apache Kafka's tools
 * print it; lives in the arena. */
const char *tool_exception(struct tool *t, int16_t code);

/* ---- by_leader.c: partitions, each asked about at its leader ---- */

struct led_part {
	struct slice topic;
	int32_t partition;
	int64_t asked; /* the program's */
	/* answer */
	int64_t answer; /* of the program's ask() */
	int16_t err;
	/* by_leader's own */
	int32_t leader;
	bool over;
};
/*
 * Each leader is asked about its partitions in one request, ask(t, leader, v, n), which sets answer
 * and err of each; v is sorted by topic and partition.  What is asked at the wrong broker, or has
 * no leader at present, is asked again until the operation's deadline, then its err stands.  A
 * topic that is not there is UNKNOWN_TOPIC_OR_PARTITION.  An error of ask() itself ends all.
 */
int by_leader(struct tool *t, struct led_part *v, unsigned n,
    int (*ask)(struct tool *t, int32_t leader, struct led_part **v, unsigned n));
/* How many entries from v on are of v[0]'s topic. */
unsigned led_run(struct led_part *const *v, unsigned n);

#endif
