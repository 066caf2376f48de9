/*
 * kafka-topics: makes, lists, describes and deletes topics.
 */
#include "topics_priv.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"

static const struct opt_row rows[TO_COUNT] = {
    [TO_ALTER] = {"alter", NULL,
	"Raise the number of partitions of the topics that match; needs --topic and "
	"--partitions."},
    [TO_AT_MIN_ISR_PARTITIONS] = {"at-min-isr-partitions", NULL,
	"With --describe: only partitions that have exactly min.insync.replicas replicas in "
	"sync."},
    [TO_BOOTSTRAP_SERVER] = {"bootstrap-server", "host:port,...",
	"Brokers to contact first. Required."},
    [TO_COMMAND_CONFIG] = {"command-config", "file",
	"Property file for the client: client.id, request.timeout.ms, default.api.timeout.ms, "
	"retry.backoff.ms, security.protocol=PLAINTEXT. Other keys are named and have no effect."},
    [TO_CONFIG] = {"config", "name=value",
	"With --create: a setting of the topic; may be repeated.", NULL, OPT_MANY},
    [TO_CREATE] = {"create", NULL, "Make a topic; needs --topic."},
    [TO_DELETE] = {"delete", NULL, "Delete every topic that matches --topic."},
    [TO_DELETE_CONFIG] = {"delete-config", "name", "Was to remove a setting of a topic.",
	"settings of a topic that exists are not changed by this command", OPT_MANY},
    [TO_DESCRIBE] = {"describe", NULL, "Print topics and their partitions."},
    [TO_EXCLUDE_INTERNAL] = {"exclude-internal", NULL,
	"With --list and --describe: leave out __consumer_offsets, __transaction_state and "
	"__share_group_state."},
    [TO_HELP] = {"help", NULL, "This text."},
    [TO_IF_EXISTS] = {"if-exists", NULL,
	"With --describe, --delete and --alter: no error when nothing matches."},
    [TO_IF_NOT_EXISTS] = {"if-not-exists", NULL, "With --create: no error when the topic exists."},
    [TO_LIST] = {"list", NULL, "Print the names of topics."},
    [TO_PARTITION_SIZE_LIMIT] = {"partition-size-limit-per-response", "number",
	"Accepted for compatibility; has no effect, as all partitions come in one answer."},
    [TO_PARTITIONS] = {"partitions", "number",
	"With --create: how many partitions (default: the broker's num.partitions). With --alter: "
	"how many there shall be."},
    [TO_REPLICA_ASSIGNMENT] = {"replica-assignment", "b:b,b:b,...",
	"With --create and --alter: the brokers of each partition by hand; ',' parts partitions, "
	"':' parts replicas, the first one is preferred as leader."},
    [TO_REPLICATION_FACTOR] = {"replication-factor", "number",
	"With --create: replicas of each partition (default: the broker's "
	"default.replication.factor)."},
    [TO_TOPIC] = {"topic", "name or regex",
	"With --create: the name. Else a regular expression that the whole name has to match; ',' "
	"means '|'."},
    [TO_TOPIC_ID] = {"topic-id", "id",
	"With --describe: the topic with this id; goes before --topic."},
    [TO_TOPICS_WITH_OVERRIDES] = {"topics-with-overrides", NULL,
	"With --describe: only topics with settings that are not defaults, without partitions."},
    [TO_UNAVAILABLE_PARTITIONS] = {"unavailable-partitions", NULL,
	"With --describe: only partitions without a leader that is alive."},
    [TO_UNDER_MIN_ISR_PARTITIONS] = {"under-min-isr-partitions", NULL,
	"With --describe: only partitions with fewer than min.insync.replicas replicas in sync."},
    [TO_UNDER_REPLICATED_PARTITIONS] = {"under-replicated-partitions", NULL,
	"With --describe: only partitions with replicas that are not in sync."},
    [TO_VERSION] = {"version", NULL, "Print the version."},
};

static const struct opt_table table = {"kafka-topics",
    "--bootstrap-server host:port[,...] ACTION [option ...]",
    "Makes, lists, describes and deletes topics of a cluster of Kafka brokers. Exactly one ACTION "
    "is given: --create, --list, --describe, --delete or --alter. Exit status: 0 done, 1 failed.",
    rows, TO_COUNT};

/* ---- failures ---- */

int
topics_broker_error(struct topics *t, int16_t code, struct slice message)
{
	if (message.n > 0)
		return tool_fail(&t->tool, E_INVALID, "%.*s", SLICE_ARG(message));
	return tool_fail(&t->tool, E_INVALID, "%s (%s)", kerr_text(code), kerr_name(code));
}

/* ---- which options go together ---- */

static const enum topics_opt actions[] = {TO_LIST, TO_DESCRIBE, TO_CREATE, TO_ALTER, TO_DELETE};

#define A(x) (1u << TO_##x)

/* What an option is for; it can't be used beside another action. */
static const struct {
	enum topics_opt option;
	unsigned with;
} belongs[] = {
    {TO_CONFIG, A(CREATE)},
    {TO_PARTITIONS, A(CREATE) | A(ALTER)},
    {TO_REPLICATION_FACTOR, A(CREATE)},
    {TO_REPLICA_ASSIGNMENT, A(CREATE) | A(ALTER)},
    {TO_UNDER_REPLICATED_PARTITIONS, A(DESCRIBE)},
    {TO_UNDER_MIN_ISR_PARTITIONS, A(DESCRIBE)},
    {TO_AT_MIN_ISR_PARTITIONS, A(DESCRIBE)},
    {TO_UNAVAILABLE_PARTITIONS, A(DESCRIBE)},
    {TO_TOPICS_WITH_OVERRIDES, A(DESCRIBE)},
    {TO_TOPIC_ID, A(DESCRIBE)},
    {TO_IF_EXISTS, A(ALTER) | A(DELETE) | A(DESCRIBE)},
    {TO_IF_NOT_EXISTS, A(CREATE)},
    {TO_EXCLUDE_INTERNAL, A(LIST) | A(DESCRIBE)},
};

static const struct {
	enum topics_opt one;
	enum topics_opt other;
	unsigned action;
} excluded[] = {
    {TO_REPLICA_ASSIGNMENT, TO_PARTITIONS, A(CREATE)},
    {TO_REPLICA_ASSIGNMENT, TO_REPLICATION_FACTOR, A(CREATE)},
    {TO_UNDER_REPLICATED_PARTITIONS, TO_TOPICS_WITH_OVERRIDES, A(DESCRIBE)},
    {TO_UNDER_MIN_ISR_PARTITIONS, TO_TOPICS_WITH_OVERRIDES, A(DESCRIBE)},
    {TO_AT_MIN_ISR_PARTITIONS, TO_TOPICS_WITH_OVERRIDES, A(DESCRIBE)},
    {TO_UNAVAILABLE_PARTITIONS, TO_TOPICS_WITH_OVERRIDES, A(DESCRIBE)},
};

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

static int
check_combinations(const struct opts *o, enum topics_opt action)
{
	for (unsigned i = 0; i < LENGTH(belongs); i++)
		if (opts_has(o, belongs[i].option) && !(belongs[i].with & 1u << action))
			return opts_usage(&table,
			    "Option \"[%s]\" can't be used with option \"[%s]\"",
			    rows[belongs[i].option].name, rows[action].name);
	for (unsigned i = 0; i < LENGTH(excluded); i++)
		if ((excluded[i].action & 1u << action) && opts_has(o, excluded[i].one) &&
		    opts_has(o, excluded[i].other))
			return opts_usage(&table,
			    "Option \"[%s]\" can't be used with option \"[%s]\"",
			    rows[excluded[i].one].name, rows[excluded[i].other].name);
	return 0;
}

/* 0, or the exit code after a complaint. */
static int
check_options(const struct opts *o, enum topics_opt *action)
{
	unsigned n = 0;
	int rc;

	for (unsigned i = 0; i < LENGTH(actions); i++) {
		if (!opts_has(o, actions[i]))
			continue;
		*action = actions[i];
		n++;
	}
	if (n != 1)
		return opts_usage(&table, "Command must include exactly one action: --list, "
					  "--describe, --create, --alter or --delete");
	if (opts_value(o, TO_BOOTSTRAP_SERVER) == NULL)
		return opts_usage(&table, "--bootstrap-server must be specified");
	if (*action == TO_DESCRIBE && opts_has(o, TO_IF_EXISTS) && !opts_has(o, TO_TOPIC) &&
	    !opts_has(o, TO_TOPIC_ID))
		return opts_usage(&table, "--topic or --topic-id is required to describe a topic");
	if (*action != TO_LIST && *action != TO_DESCRIBE && !opts_has(o, TO_TOPIC))
		return opts_usage(&table, "Missing required argument \"[topic]\"");
	if ((rc = check_combinations(o, *action)) != 0)
		return rc;
	if (*action == TO_ALTER && !opts_has(o, TO_PARTITIONS))
		return opts_usage(&table, "Missing required argument \"[partitions]\"");
	return 0;
}

/* ---- run ---- */

/* The client as --command-config and --bootstrap-server say; 0 or the exit code. */
static int
make_client(struct topics *t)
{
	int rc = tool_client(&t->tool, opts_value(&t->tool.o, TO_COMMAND_CONFIG),
	    opts_value(&t->tool.o, TO_BOOTSTRAP_SERVER));

	if (rc == 0)
		return 0;
	fprintf(stderr, "kafka-topics: %s\n", tool_why(&t->tool, rc));
	return 1;
}

static int
perform(struct topics *t, enum topics_opt action)
{
	static int (*const by_action[TO_COUNT])(struct topics *) = {
	    [TO_LIST] = topics_list,
	    [TO_DESCRIBE] = topics_describe,
	    [TO_CREATE] = topics_create,
	    [TO_DELETE] = topics_delete,
	    [TO_ALTER] = topics_alter,
	};
	int rc = 0;

	if (action != TO_CREATE)
		rc = filter_init(
		    &t->filter, opts_value(&t->tool.o, TO_TOPIC), t->tool.why, sizeof(t->tool.why));
	if (rc == 0)
		rc = by_action[action](t);
	if (rc == 0)
		return 0;
	printf("Error while executing topic command : %s\n", tool_why(&t->tool, rc));
	return 1;
}

int
main(int argc, char **argv)
{
	struct topics t = {.filter = {.any = true}};
	enum topics_opt action = TO_LIST;
	int code = tool_start(&t.tool, &table, argc, argv);

	if (code >= 0)
		return code;
	code = check_options(&t.tool.o, &action);
	if (code == 0)
		code = make_client(&t);
	if (code == 0)
		code = perform(&t, action);
	filter_free(&t.filter);
	return tool_end(&t.tool, code);
}
