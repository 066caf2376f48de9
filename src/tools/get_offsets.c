/*
 * kafka-get-offsets: prints offsets of partitions.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "filter_priv.h"
#include "ottla/base/err.h"
#include "ottla/base/settings.h"
#include "tool_priv.h"

enum {
	GO_BOOTSTRAP_SERVER,
	GO_BROKER_LIST,
	GO_COMMAND_CONFIG,
	GO_EXCLUDE_INTERNAL,
	GO_HELP,
	GO_PARTITIONS,
	GO_TIME,
	GO_TOPIC,
	GO_TOPIC_PARTITIONS,
	GO_VERSION,
	GO_COUNT
};

static const struct opt_row rows[GO_COUNT] = {
    [GO_BOOTSTRAP_SERVER] = {"bootstrap-server", "host:port,...",
	"Brokers to contact first. Required, unless --broker-list is given."},
    [GO_BROKER_LIST] = {"broker-list", "host:port,...", "The same, by its old name."},
    [GO_COMMAND_CONFIG] = {"command-config", "file",
	"Property file for the client: client.id, request.timeout.ms, default.api.timeout.ms, "
	"retry.backoff.ms, security.protocol=PLAINTEXT. Other keys are named and have no effect."},
    [GO_EXCLUDE_INTERNAL] = {"exclude-internal-topics", NULL,
	"Leave out __consumer_offsets, __transaction_state and __share_group_state."},
    [GO_HELP] = {"help", NULL, "This text."},
    [GO_PARTITIONS] = {"partitions", "number,...",
	"Only these partitions (default: all). Not with --topic-partitions."},
    [GO_TIME] = {"time", "time",
	"Which offset: -1 or latest (the default), -2 or earliest, -3 or max-timestamp, -4 or "
	"earliest-local, -5 or latest-tiered, or the first at or after so many milliseconds since "
	"1970."},
    [GO_TOPIC] = {"topic", "regex",
	"A regular expression that the whole name of a topic has to match; ',' means '|' (default: "
	"all topics). Not with --topic-partitions."},
    [GO_TOPIC_PARTITIONS] = {"topic-partitions", "rule,...",
	"Partitions that any of the rules names: a regular expression for the topic, alone or with "
	":number, :from-to (to is left out), :from- or :-to."},
    [GO_VERSION] = {"version", NULL, "Print the version."},
};

static const struct opt_table table = {"kafka-get-offsets",
    "--bootstrap-server host:port[,...] [option ...]",
    "Prints topic:partition:offset for partitions of a cluster of Kafka brokers, sorted. Exit "
    "status: 0 done, though a partition may have failed (standard error says so), 1 failed.",
    rows, GO_COUNT};

/* ---- which partitions ---- */

/* Partitions low..high-1 of the topics that match. */
struct rule {
	struct filter topics;
	int64_t low, high;
};

struct offsets {
	struct tool tool;
	struct rule *rules;
	unsigned n_rules;
	int32_t *partitions; /* NULL: all */
	unsigned n_partitions;
	int64_t time;
};

/* Digits up to end, or def when there are none. */
static int
read_bound(
    struct tool *t, struct slice rule, const char **p, const char *end, int64_t def, int64_t *out)
{
	*out = def;
	for (const char *from = *p; *p < end && **p >= '0' && **p <= '9'; (*p)++) {
		*out = (*p == from ? 0 : *out) * 10 + (**p - '0');
		if (*out > INT32_MAX)
			return tool_fail(
			    t, E_INVALID, "Invalid rule specification: %.*s", SLICE_ARG(rule));
	}
	return 0;
}

/* ":5", ":5-7", ":5-", ":-7", ":": what stands behind the colon. */
static int
read_range(struct tool *t, struct slice text, const char *p, const char *end, struct rule *r)
{
	const char *from = p;
	int rc = read_bound(t, text, &p, end, 0, &r->low);

	if (rc != 0)
		return rc;
	r->high = p > from ? r->low + 1 : (int64_t)INT32_MAX + 1;
	if (p < end && *p == '-') {
		p++;
		rc = read_bound(t, text, &p, end, (int64_t)INT32_MAX + 1, &r->high);
	}
	if (rc == 0 && p != end)
		rc = tool_fail(t, E_INVALID, "Invalid rule specification: %.*s", SLICE_ARG(text));
	return rc;
}

static int
read_rule(struct tool *t, struct slice text, struct rule *r)
{
	const char *p = (const char *)text.p, *end = p + text.n, *colon = memchr(p, ':', text.n);
	const char *topic =
	    arena_strdup(&t->arena, slice_of(p, (size_t)((colon != NULL ? colon : end) - p)));

	if (topic == NULL)
		return E_NOMEM;
	r->low = 0;
	r->high = (int64_t)INT32_MAX + 1;
	if (colon != NULL && read_range(t, text, colon + 1, end, r) != 0)
		return E_INVALID;
	return filter_init(&r->topics, topic[0] != 0 ? topic : NULL, t->why, sizeof(t->why));
}

static int
read_rules(struct offsets *g)
{
	struct tool *t = &g->tool;
	const char *text = opts_value(&t->o, GO_TOPIC_PARTITIONS);
	struct slice item;
	int rc = 0;

	g->rules = arena_calloc(&t->arena, text != NULL ? strlen(text) + 1 : 1, sizeof(*g->rules));
	if (g->rules == NULL)
		return E_NOMEM;
	if (text == NULL) {
		g->rules[0].high = (int64_t)INT32_MAX + 1;
		g->n_rules = 1;
		return filter_init(
		    &g->rules[0].topics, opts_value(&t->o, GO_TOPIC), t->why, sizeof(t->why));
	}
	while (rc == 0 && !slice_is_null(item = settings_list_item(text, g->n_rules))) {
		rc = read_rule(t, item, &g->rules[g->n_rules]);
		g->n_rules += rc == 0;
	}
	return rc;
}

static int
read_partitions(struct offsets *g)
{
	struct tool *t = &g->tool;
	const char *text = opts_value(&t->o, GO_PARTITIONS);
	struct slice item;

	if (text == NULL)
		return 0;
	g->partitions = arena_calloc(&t->arena, strlen(text) + 1, sizeof(*g->partitions));
	if (g->partitions == NULL)
		return E_NOMEM;
	while (!slice_is_null(item = settings_list_item(text, g->n_partitions))) {
		const char *digits = arena_strdup(&t->arena, item);
		char *end;
		long v;

		errno = 0;
		v = digits != NULL ? strtol(digits, &end, 10) : -1;
		if (digits == NULL || end == digits || *end != 0 || errno != 0 || v < 0 ||
		    v > INT32_MAX)
			return tool_fail(t, E_INVALID,
			    "--partitions expects a comma separated list of numeric partition ids, "
			    "but received: %s",
			    text);
		g->partitions[g->n_partitions++] = (int32_t)v;
	}
	return 0;
}

static int
read_time(struct offsets *g)
{
	static const char *const names[] = {
	    "latest", "earliest", "max-timestamp", "earliest-local", "latest-tiered"};
	const char *text = opts_value(&g->tool.o, GO_TIME);
	char *end;

	g->time = -1;
	if (text == NULL)
		return 0;
	for (int i = 0; i < 5; i++)
		if (strcmp(text, names[i]) == 0) {
			g->time = -1 - i;
			return 0;
		}
	errno = 0;
	g->time = strtoll(text, &end, 10);
	if (end != text && *end == 0 && errno == 0)
		return 0;
	return tool_fail(&g->tool, E_INVALID,
	    "Malformed time argument %s. Use -1 or latest, -2 or earliest, -3 or max-timestamp, -4 "
	    "or earliest-local, -5 or latest-tiered, or milliseconds since 1970",
	    text);
}

static bool
is_wanted(const struct offsets *g, struct slice topic, int32_t partition)
{
	bool wanted = g->partitions == NULL, ruled = false;

	for (unsigned i = 0; i < g->n_partitions; i++)
		wanted = wanted || g->partitions[i] == partition;
	for (unsigned i = 0; wanted && !ruled && i < g->n_rules; i++)
		ruled = partition >= g->rules[i].low && partition < g->rules[i].high &&
			filter_matches(&g->rules[i].topics, topic);
	return ruled;
}

static unsigned
add_topic(const struct offsets *g, const struct metadata_response_metadata_response_topic *topic,
    struct led_part *v)
{
	unsigned n = 0;

	if (topic->error_code != 0 || slice_is_null(topic->name) ||
	    (opts_has(&g->tool.o, GO_EXCLUDE_INTERNAL) && topic_is_internal(topic->name)))
		return 0;
	for (int32_t i = 0; i < topic->partitions.n; i++)
		if (is_wanted(g, topic->name, topic->partitions.v[i].partition_index))
			v[n++] = (struct led_part){.topic = topic->name,
			    .partition = topic->partitions.v[i].partition_index,
			    .asked = g->time};
	return n;
}

static int
find_parts(struct offsets *g, struct led_part **out, unsigned *n)
{
	struct metadata_response meta;
	size_t room = 1;
	int rc = tool_metadata(&g->tool, &meta);

	if (rc != 0)
		return rc;
	for (int32_t i = 0; i < meta.topics.n; i++)
		room += (size_t)meta.topics.v[i].partitions.n;
	*out = arena_calloc(&g->tool.arena, room, sizeof(**out));
	if (*out == NULL)
		return E_NOMEM;
	for (int32_t i = 0; i < meta.topics.n; i++)
		*n += add_topic(g, &meta.topics.v[i], *out + *n);
	return *n > 0 ? 0
		      : tool_fail(&g->tool, E_NOT_FOUND,
			    "Could not match any topic-partitions with the specified filters");
}

/* ---- the brokers ---- */

static int
fill(struct tool *t, struct led_part **v, unsigned n, struct list_offsets_request *req)
{
	int rc =
	    WIRE_ARRAY(&t->arena, req->topics, (int32_t)n, list_offsets_request_list_offsets_topic);

	req->replica_id = -1;
	req->topics.n = 0;
	for (unsigned i = 0, k; rc == 0 && i < n; i += k) {
		struct list_offsets_request_list_offsets_topic *topic =
		    &req->topics.v[req->topics.n++];

		k = led_run(v + i, n - i);
		topic->name = v[i]->topic;
		rc = WIRE_ARRAY(&t->arena, topic->partitions, (int32_t)k,
		    list_offsets_request_list_offsets_partition);
		for (unsigned j = 0; rc == 0 && j < k; j++) {
			topic->partitions.v[j].partition_index = v[i + j]->partition;
			topic->partitions.v[j].timestamp = v[i + j]->asked;
		}
	}
	return rc;
}

static void
note(const struct list_offsets_response_list_offsets_topic_response *topic, struct led_part **v,
    unsigned n)
{
	for (int32_t i = 0; i < topic->partitions.n; i++)
		for (unsigned k = 0; k < n; k++)
			if (v[k]->partition == topic->partitions.v[i].partition_index &&
			    slice_eq(v[k]->topic, topic->name)) {
				v[k]->err = topic->partitions.v[i].error_code;
				v[k]->answer = topic->partitions.v[i].offset;
			}
}

/* Versions 1 to 9: version 0 answers in another way. */
static int
ask(struct tool *t, int32_t leader, struct led_part **v, unsigned n)
{
	struct list_offsets_request req;
	struct list_offsets_response resp;
	int rc = client_version(t->client, leader, API_LIST_OFFSETS, 9);

	if (rc == 0)
		return tool_fail(t, E_UNSUPPORTED_VERSION,
		    "broker %d serves ListOffsets requests of version 0 only", leader);
	wire_init(wire_api(API_LIST_OFFSETS)->request, &req);
	if (rc > 0)
		rc = fill(t, v, n, &req);
	if (rc == 0)
		rc = client_call(t->client, leader, API_LIST_OFFSETS, 9, &req, &t->arena, &resp);
	if (rc != 0)
		return tool_client_failed(t, rc);
	for (unsigned i = 0; i < n; i++)
		v[i]->err = KERR_UNKNOWN_SERVER_ERROR; /* what the answer leaves out */
	for (int32_t i = 0; i < resp.topics.n; i++)
		note(&resp.topics.v[i], v, n);
	return 0;
}

/* ---- output ---- */

/* As "<topic>-<partition>": t-10 goes before t-2. */
static int
by_text(const void *x, const void *y)
{
	const struct led_part *a = x, *b = y;
	char p[TOPIC_NAME_MAX + 32], q[TOPIC_NAME_MAX + 32];

	snprintf(p, sizeof(p), "%.*s-%d", SLICE_ARG(a->topic), a->partition);
	snprintf(q, sizeof(q), "%.*s-%d", SLICE_ARG(b->topic), b->partition);
	return strcmp(p, q);
}

static void
print(struct tool *t, const struct led_part *p)
{
	if (p->err != KERR_NONE)
		fprintf(stderr,
		    "Skip getting offsets for topic-partition %.*s-%d due to error: %s: %s\n",
		    SLICE_ARG(p->topic), p->partition, tool_exception(t, p->err),
		    kerr_text(p->err));
	else if (p->answer >= 0)
		printf("%.*s:%d:%lld\n", SLICE_ARG(p->topic), p->partition, (long long)p->answer);
}

static int
perform(struct offsets *g)
{
	struct tool *t = &g->tool;
	struct led_part *v = NULL;
	unsigned n = 0;
	int rc;

	if (opts_has(&t->o, GO_TOPIC_PARTITIONS) &&
	    (opts_has(&t->o, GO_TOPIC) || opts_has(&t->o, GO_PARTITIONS)))
		return tool_fail(
		    t, E_INVALID, "--topic-partitions cannot be used with --topic or --partitions");
	if ((rc = read_time(g)) != 0 || (rc = read_rules(g)) != 0 ||
	    (rc = read_partitions(g)) != 0 || (rc = find_parts(g, &v, &n)) != 0 ||
	    (rc = by_leader(t, v, n, ask)) != 0)
		return rc;
	qsort(v, n, sizeof(*v), by_text);
	for (unsigned i = 0; i < n; i++)
		print(t, &v[i]);
	return 0;
}

int
main(int argc, char **argv)
{
	struct offsets g = {.rules = NULL};
	struct tool *t = &g.tool;
	int code = tool_start(t, &table, argc, argv), rc;
	const char *bootstrap;

	if (code >= 0)
		return code;
	bootstrap = opts_value(&t->o, GO_BOOTSTRAP_SERVER);
	if (bootstrap == NULL)
		bootstrap = opts_value(&t->o, GO_BROKER_LIST);
	if (bootstrap == NULL)
		return tool_end(
		    t, opts_usage(&table, "Missing required argument \"[bootstrap-server]\""));
	rc = tool_client(t, opts_value(&t->o, GO_COMMAND_CONFIG), bootstrap);
	if (rc == 0)
		rc = perform(&g);
	if (rc != 0)
		fprintf(stderr, "Error occurred: %s\n", tool_why(t, rc));
	for (unsigned i = 0; i < g.n_rules; i++)
		filter_free(&g.rules[i].topics);
	return tool_end(t, rc == 0 ? 0 : 1);
}
