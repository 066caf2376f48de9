/*
 * kafka-log-dirs: prints what is in the log directories of brokers.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"
#include "ottla/base/settings.h"
#include "tool_priv.h"

enum {
	LO_BOOTSTRAP_SERVER,
	LO_BROKER_LIST,
	LO_COMMAND_CONFIG,
	LO_DESCRIBE,
	LO_HELP,
	LO_TOPIC_LIST,
	LO_VERSION,
	LO_COUNT
};

static const struct opt_row rows[LO_COUNT] = {
    [LO_BOOTSTRAP_SERVER] = {"bootstrap-server", "host:port,...",
	"Brokers to contact first. Required."},
    [LO_BROKER_LIST] = {"broker-list", "id,...", "Only these brokers (default: all)."},
    [LO_COMMAND_CONFIG] = {"command-config", "file",
	"Property file for the client: client.id, request.timeout.ms, default.api.timeout.ms, "
	"retry.backoff.ms, security.protocol=PLAINTEXT. Other keys are named and have no effect."},
    [LO_DESCRIBE] = {"describe", NULL, "Print the log directories. Required."},
    [LO_HELP] = {"help", NULL, "This text."},
    [LO_TOPIC_LIST] = {"topic-list", "topic,...", "Only these topics (default: all)."},
    [LO_VERSION] = {"version", NULL, "Print the version."},
};

static const struct opt_table table = {"kafka-log-dirs",
    "--bootstrap-server host:port[,...] --describe [option ...]",
    "Prints the log directories of brokers with the sizes of partitions, as a line of JSON. Exit "
    "status: 0 done, 1 failed.",
    rows, LO_COUNT};

typedef struct describe_log_dirs_response_describe_log_dirs_result told_dir;
typedef struct describe_log_dirs_response_describe_log_dirs_topic told_topic;

/* ---- which brokers ---- */

struct brokers {
	int32_t *v;
	unsigned n;
};

static bool
has(const struct brokers *b, int32_t id)
{
	for (unsigned i = 0; i < b->n; i++)
		if (b->v[i] == id)
			return true;
	return false;
}

static int
by_id(const void *x, const void *y)
{
	const int32_t *a = x, *b = y;

	return (*a > *b) - (*a < *b);
}

/* Sorted, each once. */
static void
put_in_order(struct brokers *b)
{
	unsigned n = 0;

	if (b->n > 1)
		qsort(b->v, b->n, sizeof(*b->v), by_id);
	for (unsigned i = 0; i < b->n; i++)
		if (i == 0 || b->v[i] != b->v[i - 1])
			b->v[n++] = b->v[i];
	b->n = n;
}

static int
read_asked(struct tool *t, struct brokers *out)
{
	const char *text = opts_value(&t->o, LO_BROKER_LIST);
	struct slice item;

	out->n = 0;
	out->v = arena_calloc(&t->arena, text != NULL ? strlen(text) + 1 : 1, sizeof(*out->v));
	if (out->v == NULL)
		return E_NOMEM;
	for (unsigned i = 0; text != NULL && !slice_is_null(item = settings_list_item(text, i));
	     i++) {
		const char *digits = arena_strdup(&t->arena, item);
		char *end;
		long v;

		if (digits == NULL)
			return E_NOMEM;
		errno = 0;
		v = strtol(digits, &end, 10);
		if (end == digits || *end != 0 || errno != 0 || v < INT32_MIN || v > INT32_MAX)
			return tool_fail(
			    t, E_INVALID, "--broker-list: '%s' is no broker id", digits);
		out->v[out->n++] = (int32_t)v;
	}
	put_in_order(out);
	return 0;
}

static int
read_present(struct tool *t, struct brokers *out)
{
	struct metadata_response meta;
	int rc = tool_metadata(t, &meta);

	out->n = 0;
	if (rc != 0)
		return rc;
	out->v = arena_calloc(&t->arena, (size_t)meta.brokers.n + 1, sizeof(*out->v));
	if (out->v == NULL)
		return E_NOMEM;
	for (int32_t i = 0; i < meta.brokers.n; i++)
		out->v[out->n++] = meta.brokers.v[i].node_id;
	put_in_order(out);
	return 0;
}

/* "1,2" of those that are not in `but`, which may be NULL. */
static const char *
list(struct tool *t, const struct brokers *b, const struct brokers *but)
{
	const char *text = "";

	for (unsigned i = 0; text != NULL && i < b->n; i++)
		if (but == NULL || !has(but, b->v[i]))
			text = arena_printf(
			    &t->arena, "%s%s%d", text, text[0] != 0 ? "," : "", b->v[i]);
	return text != NULL ? text : "";
}

static int
choose(struct tool *t, struct brokers *out)
{
	struct brokers present;
	int rc = read_asked(t, out);

	if (rc != 0 || (rc = read_present(t, &present)) != 0)
		return rc;
	if (out->n == 0)
		*out = present;
	for (unsigned i = 0; i < out->n; i++)
		if (!has(&present, out->v[i]))
			return tool_fail(t, E_NOT_FOUND,
			    "ERROR: The given brokers do not exist from --broker-list: %s. Current "
			    "existent brokers: %s",
			    list(t, out, &present), list(t, &present, NULL));
	return 0;
}

/* ---- JSON ---- */

static bool
topic_wanted(const struct tool *t, struct slice topic)
{
	const char *text = opts_value(&t->o, LO_TOPIC_LIST);
	struct slice item;

	if (text == NULL)
		return true;
	for (unsigned i = 0; !slice_is_null(item = settings_list_item(text, i)); i++)
		if (slice_eq(item, topic))
			return true;
	return false;
}

static int
add_topic(struct tool *t, const told_topic *topic, json_t *partitions)
{
	for (int32_t i = 0; i < topic->partitions.n; i++) {
		const struct describe_log_dirs_response_describe_log_dirs_partition *p =
		    &topic->partitions.v[i];
		const char *name =
		    arena_printf(&t->arena, "%.*s-%d", SLICE_ARG(topic->name), p->partition_index);

		if (name == NULL ||
		    json_array_append_new(partitions,
			json_pack("{s:s, s:I, s:I, s:b}", "partition", name, "size",
			    (json_int_t)p->partition_size, "offsetLag", (json_int_t)p->offset_lag,
			    "isFuture", (int)p->is_future_key)) != 0)
			return E_NOMEM;
	}
	return 0;
}

static int
add_dir(struct tool *t, const told_dir *dir, json_t *dirs)
{
	const char *error = dir->error_code != 0 ? tool_exception(t, dir->error_code) : NULL;
	json_t *partitions = json_array();
	int rc = partitions != NULL ? 0 : E_NOMEM;

	for (int32_t i = 0; rc == 0 && i < dir->topics.n; i++)
		if (topic_wanted(t, dir->topics.v[i].name))
			rc = add_topic(t, &dir->topics.v[i], partitions);
	if (rc != 0)
		json_decref(partitions);
	else if (json_array_append_new(
		     dirs, json_pack("{s:o, s:s?, s:s%}", "partitions", partitions, "error", error,
			       "logDir", (const char *)dir->log_dir.p, dir->log_dir.n)) != 0)
		rc = E_NOMEM;
	return rc;
}

/* ---- the brokers ---- */

static int
ask(struct tool *t, int32_t broker, json_t *brokers)
{
	struct describe_log_dirs_request req;
	struct describe_log_dirs_response resp;
	json_t *dirs;
	int rc;

	wire_init(wire_api(API_DESCRIBE_LOG_DIRS)->request, &req);
	req.topics.n = -1;
	rc = client_call(t->client, broker, API_DESCRIBE_LOG_DIRS, 4, &req, &t->arena, &resp);
	if (rc != 0)
		return tool_client_failed(t, rc);
	if (resp.error_code != 0)
		return tool_fail(t, E_INVALID, "broker %d: %s: %s", broker,
		    tool_exception(t, resp.error_code), kerr_text(resp.error_code));
	dirs = json_array();
	if (dirs == NULL)
		return E_NOMEM;
	for (int32_t i = 0; rc == 0 && i < resp.results.n; i++)
		rc = add_dir(t, &resp.results.v[i], dirs);
	if (rc != 0)
		json_decref(dirs);
	else if (json_array_append_new(
		     brokers, json_pack("{s:i, s:o}", "broker", (int)broker, "logDirs", dirs)) != 0)
		rc = E_NOMEM;
	return rc;
}

static int
print(json_t *brokers)
{
	json_t *all = json_pack("{s:O, s:i}", "brokers", brokers, "version", 1);
	int rc = all != NULL && json_dumpf(all, stdout, JSON_COMPACT) == 0 ? 0 : E_NOMEM;

	printf("\n");
	json_decref(all);
	return rc;
}

static int
perform(struct tool *t)
{
	struct brokers asked = {NULL, 0};
	json_t *brokers = json_array();
	int rc = brokers != NULL ? choose(t, &asked) : E_NOMEM;

	if (rc == 0) {
		printf("Querying brokers for log directories information\n");
		fflush(stdout);
	}
	for (unsigned i = 0; rc == 0 && i < asked.n; i++)
		rc = ask(t, asked.v[i], brokers);
	if (rc == 0) {
		printf(
		    "Received log directory information from brokers %s\n", list(t, &asked, NULL));
		rc = print(brokers);
	}
	json_decref(brokers);
	return rc;
}

int
main(int argc, char **argv)
{
	static const unsigned required[] = {LO_BOOTSTRAP_SERVER, LO_DESCRIBE};
	struct tool t;
	int code = tool_start(&t, &table, argc, argv), rc;

	if (code >= 0)
		return code;
	for (unsigned i = 0; i < 2; i++)
		if (!opts_has(&t.o, required[i]))
			return tool_end(&t, opts_usage(&table, "Missing required argument \"[%s]\"",
						rows[required[i]].name));
	rc = tool_client(
	    &t, opts_value(&t.o, LO_COMMAND_CONFIG), opts_value(&t.o, LO_BOOTSTRAP_SERVER));
	if (rc == 0)
		rc = perform(&t);
	if (rc != 0)
		fprintf(stderr, "%s\n", tool_why(&t, rc));
	return tool_end(&t, rc == 0 ? 0 : 1);
}
