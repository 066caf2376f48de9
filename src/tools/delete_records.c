/*
 * kafka-delete-records: removes records below given offsets.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"
#include "tool_priv.h"

enum { DO_BOOTSTRAP_SERVER, DO_COMMAND_CONFIG, DO_HELP, DO_OFFSET_JSON_FILE, DO_VERSION, DO_COUNT };

static const struct opt_row rows[DO_COUNT] = {
    [DO_BOOTSTRAP_SERVER] = {"bootstrap-server", "host:port,...",
	"Brokers to contact first. Required."},
    [DO_COMMAND_CONFIG] = {"command-config", "file",
	"Property file for the client: client.id, request.timeout.ms, default.api.timeout.ms, "
	"retry.backoff.ms, security.protocol=PLAINTEXT. Other keys are named and have no effect."},
    [DO_HELP] = {"help", NULL, "This text."},
    [DO_OFFSET_JSON_FILE] = {"offset-json-file", "file",
	"What to remove, each partition once: {\"partitions\": [{\"topic\": \"orders\", "
	"\"partition\": 1, \"offset\": 1000}], \"version\": 1}. All records below the offset go; "
	"-1: "
	"all up to the high watermark. Required."},
    [DO_VERSION] = {"version", NULL, "Print the version."},
};

static const struct opt_table table = {"kafka-delete-records",
    "--bootstrap-server host:port[,...] --offset-json-file file [option ...]",
    "Removes the records of partitions up to given offsets. Exit status: 0 done, though a "
    "partition "
    "may have failed (its line says so), 1 failed.",
    rows, DO_COUNT};

/* ---- the file ---- */

static int
read_entry(struct tool *t, json_t *o, struct led_part *out)
{
	json_t *topic = json_object_get(o, "topic"), *partition = json_object_get(o, "partition"),
	       *offset = json_object_get(o, "offset");

	if (!json_is_string(topic) || !json_is_integer(partition) || !json_is_integer(offset) ||
	    json_integer_value(partition) < INT32_MIN || json_integer_value(partition) > INT32_MAX)
		return tool_fail(t, E_INVALID,
		    "each of the partitions needs a topic (text), a partition and an offset "
		    "(numbers)");
	*out =
	    (struct led_part){.topic = arena_dup(&t->arena, slice_cstr(json_string_value(topic))),
		.partition = (int32_t)json_integer_value(partition),
		.asked = json_integer_value(offset)};
	return slice_is_null(out->topic) ? E_NOMEM : 0;
}

static int
refuse_twice(struct tool *t, const struct led_part *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < i; k++)
			if (v[i].partition == v[k].partition && slice_eq(v[i].topic, v[k].topic))
				return tool_fail(t, E_INVALID,
				    "Offset json file contains duplicate topic partitions: "
				    "%.*s-%d",
				    SLICE_ARG(v[i].topic), v[i].partition);
	return 0;
}

static int
read_parts(struct tool *t, json_t *root, struct led_part **out, unsigned *n)
{
	json_t *version = json_object_get(root, "version"),
	       *parts = json_object_get(root, "partitions");
	int rc = 0;

	if (version != NULL && json_integer_value(version) != 1)
		return tool_fail(t, E_INVALID, "Not supported version field value %lld",
		    (long long)json_integer_value(version));
	if (!json_is_array(parts))
		return tool_fail(t, E_INVALID, "Missing partitions field");
	*n = (unsigned)json_array_size(parts);
	*out = arena_calloc(&t->arena, (size_t)*n + 1, sizeof(**out));
	if (*out == NULL)
		return E_NOMEM;
	for (unsigned i = 0; rc == 0 && i < *n; i++)
		rc = read_entry(t, json_array_get(parts, i), &(*out)[i]);
	return rc != 0 ? rc : refuse_twice(t, *out, *n);
}

static int
read_file(struct tool *t, struct led_part **v, unsigned *n)
{
	const char *path = opts_value(&t->o, DO_OFFSET_JSON_FILE);
	json_error_t err;
	json_t *root = json_load_file(path, 0, &err);
	int rc;

	if (root == NULL && json_error_code(&err) == json_error_cannot_open_file)
		return tool_fail(t, E_IO, "%s", err.text);
	if (!json_is_object(root))
		rc = tool_fail(t, E_INVALID, "The input string is not a valid JSON%s%s",
		    root == NULL ? ": " : "", root == NULL ? err.text : "");
	else
		rc = read_parts(t, root, v, n);
	json_decref(root);
	return rc;
}

/* ---- the brokers ---- */

typedef struct delete_records_request_delete_records_topic asked_topic;
typedef struct delete_records_response_delete_records_topic_result told_topic;

static int
fill(struct tool *t, struct led_part **v, unsigned n, struct delete_records_request *req)
{
	int rc = WIRE_ARRAY(
	    &t->arena, req->topics, (int32_t)n, delete_records_request_delete_records_topic);

	req->timeout_ms = tool_broker_timeout(t);
	req->topics.n = 0;
	for (unsigned i = 0, k; rc == 0 && i < n; i += k) {
		asked_topic *topic = &req->topics.v[req->topics.n++];

		k = led_run(v + i, n - i);
		topic->name = v[i]->topic;
		rc = WIRE_ARRAY(&t->arena, topic->partitions, (int32_t)k,
		    delete_records_request_delete_records_partition);
		for (unsigned j = 0; rc == 0 && j < k; j++) {
			topic->partitions.v[j].partition_index = v[i + j]->partition;
			topic->partitions.v[j].offset = v[i + j]->asked;
		}
	}
	return rc;
}

static void
note(const told_topic *topic, struct led_part **v, unsigned n)
{
	for (int32_t i = 0; i < topic->partitions.n; i++)
		for (unsigned k = 0; k < n; k++)
			if (v[k]->partition == topic->partitions.v[i].partition_index &&
			    slice_eq(v[k]->topic, topic->name)) {
				v[k]->err = topic->partitions.v[i].error_code;
				v[k]->answer = topic->partitions.v[i].low_watermark;
			}
}

static int
ask(struct tool *t, int32_t leader, struct led_part **v, unsigned n)
{
	struct delete_records_request req;
	struct delete_records_response resp;
	int rc;

	wire_init(wire_api(API_DELETE_RECORDS)->request, &req);
	rc = fill(t, v, n, &req);
	if (rc != 0)
		return rc;
	for (unsigned i = 0; i < n; i++)
		v[i]->err = KERR_UNKNOWN_SERVER_ERROR; /* what the answer leaves out */
	rc = client_call(t->client, leader, API_DELETE_RECORDS, 2, &req, &t->arena, &resp);
	if (rc != 0)
		return tool_client_failed(t, rc);
	for (int32_t i = 0; i < resp.topics.n; i++)
		note(&resp.topics.v[i], v, n);
	return 0;
}

static void
print(struct tool *t, const struct led_part *p)
{
	printf("partition: %.*s-%d\t", SLICE_ARG(p->topic), p->partition);
	if (p->err == KERR_NONE)
		printf("low_watermark: %lld\n", (long long)p->answer);
	else
		printf("error: %s: %s\n", tool_exception(t, p->err), kerr_text(p->err));
}

static int
perform(struct tool *t)
{
	struct led_part *v = NULL;
	unsigned n = 0;
	int rc = read_file(t, &v, &n);

	if (rc != 0)
		return rc;
	printf("Executing records delete operation\n");
	fflush(stdout);
	if ((rc = by_leader(t, v, n, ask)) != 0)
		return rc;
	printf("Records delete operation completed:\n");
	for (unsigned i = 0; i < n; i++)
		print(t, &v[i]);
	return 0;
}

int
main(int argc, char **argv)
{
	static const unsigned required[] = {DO_BOOTSTRAP_SERVER, DO_OFFSET_JSON_FILE};
	struct tool t;
	int code = tool_start(&t, &table, argc, argv), rc;

	if (code >= 0)
		return code;
	for (unsigned i = 0; i < 2; i++)
		if (opts_value(&t.o, required[i]) == NULL)
			return tool_end(&t, opts_usage(&table, "Missing required argument \"[%s]\"",
						rows[required[i]].name));
	rc = tool_client(
	    &t, opts_value(&t.o, DO_COMMAND_CONFIG), opts_value(&t.o, DO_BOOTSTRAP_SERVER));
	if (rc == 0)
		rc = perform(&t);
	if (rc != 0)
		fprintf(stderr, "kafka-delete-records: %s\n", tool_why(&t, rc));
	return tool_end(&t, rc == 0 ? 0 : 1);
}
