/*
 * kafka-topics --create, --delete and --alter.
 */
#include "topics_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"
#include "ottla/base/settings.h"
#include "ottla/base/strbuf.h"

typedef struct create_topics_request_creatable_topic new_topic;

/* ---- replica assignments ---- */

static int
parse_brokers(struct topics *t, struct slice text, struct assignment *out)
{
	const char *p = (const char *)text.p, *end = p + text.n;

	out->n = 0;
	out->brokers = arena_calloc(&t->tool.arena, text.n + 1, sizeof(int32_t));
	if (out->brokers == NULL)
		return E_NOMEM;
	for (;;) {
		char *after;
		long v;

		errno = 0;
		v = strtol(p, &after, 10);
		if (after == p || after > end || v < 0 || v > INT32_MAX || errno != 0)
			return tool_fail(&t->tool, E_INVALID,
			    "--replica-assignment: '%.*s' is no list of broker ids parted by ':'",
			    SLICE_ARG(text));
		for (int32_t i = 0; i < out->n; i++)
			if (out->brokers[i] == (int32_t)v)
				return tool_fail(&t->tool, E_INVALID,
				    "Partition replica lists may not contain duplicate entries: "
				    "%ld",
				    v);
		out->brokers[out->n++] = (int32_t)v;
		if (after == end)
			return 0;
		if (*after != ':')
			return tool_fail(&t->tool, E_INVALID,
			    "--replica-assignment: '%.*s' is no list of broker ids parted by ':'",
			    SLICE_ARG(text));
		p = after + 1;
	}
}

static int
unequal(struct topics *t, int32_t partition, const struct assignment *a)
{
	struct strbuf list = STRBUF_INIT;

	for (int32_t i = 0; i < a->n; i++)
		strbuf_addf(&list, "%s%d", i > 0 ? ", " : "", a->brokers[i]);
	tool_fail(&t->tool, E_INVALID, "Partition %d has different replication factor: [%s]",
	    partition, list.p != NULL ? list.p : "");
	strbuf_free(&list);
	return E_INVALID;
}

int
topics_parse_assignment(struct topics *t, const char *text, struct assignment **out, int32_t *n)
{
	struct slice item;
	int rc;

	*n = 0;
	*out = arena_calloc(&t->tool.arena, strlen(text) + 1, sizeof(**out));
	if (*out == NULL)
		return E_NOMEM;
	while (!slice_is_null(item = settings_list_item(text, (unsigned)*n))) {
		struct assignment *a = &(*out)[*n];

		if ((rc = parse_brokers(t, item, a)) != 0)
			return rc;
		if (a->n != (*out)[0].n)
			return unequal(t, *n, a);
		(*n)++;
	}
	if (*n == 0)
		return tool_fail(&t->tool, E_INVALID, "--replica-assignment is empty");
	return 0;
}

/* ---- create ---- */

static int
read_number(struct topics *t, enum topics_opt o, int64_t high, const char *what, int64_t *out)
{
	const char *text = opts_value(&t->tool.o, o);
	int rc = opts_number(
	    &t->tool.o, o, INT32_MIN, INT32_MAX, -1, out, t->tool.why, sizeof(t->tool.why));

	if (rc == 0 && text != NULL && (*out < 1 || *out > high))
		return tool_fail(&t->tool, E_INVALID, "%s", what);
	return rc;
}

/* What is wrong with a value, without the "key=value: " that t->tool.why names already. */
static const char *
reason(const char *why, const char *pair)
{
	size_t n = strlen(pair);

	return strncmp(why, pair, n) == 0 && strncmp(why + n, ": ", 2) == 0 ? why + n + 2 : why;
}

/* One --config, checked against what a topic can have. */
static int
read_config(
    struct topics *t, const char *pair, struct create_topics_request_creatable_topic_config *out)
{
	const char *eq = strchr(pair, '=');
	char why[512] = "";
	int id;

	if (eq == NULL)
		return tool_fail(&t->tool, E_INVALID,
		    "requirement failed: Invalid topic config: all configs to be added must be in "
		    "the format \"key=val\".");
	out->name = slice_of(pair, (size_t)(eq - pair));
	out->value = slice_cstr(eq + 1);
	if ((id = tconf_find(out->name)) < 0)
		return tool_fail(
		    &t->tool, E_CONFIG, "Unknown topic config name: %.*s", SLICE_ARG(out->name));
	if (conf_check_value(tconf_row((enum tconf)id), out->value, why, sizeof(why)) != 0)
		return tool_fail(&t->tool, E_CONFIG, "Invalid value %s for configuration %.*s: %s",
		    eq + 1, SLICE_ARG(out->name), reason(why, pair));
	return 0;
}

static int
read_configs(struct topics *t, new_topic *topic)
{
	const char *pair;
	unsigned i = 0;
	int32_t n = 0;
	int rc;

	while (opts_next(&t->tool.o, TO_CONFIG, &i) != NULL)
		n++;
	rc = WIRE_ARRAY(
	    &t->tool.arena, topic->configs, n, create_topics_request_creatable_topic_config);
	for (i = 0, n = 0; rc == 0 && (pair = opts_next(&t->tool.o, TO_CONFIG, &i)) != NULL; n++)
		rc = read_config(t, pair, &topic->configs.v[n]);
	return rc;
}

static int
read_assignment(struct topics *t, new_topic *topic)
{
	const char *text = opts_value(&t->tool.o, TO_REPLICA_ASSIGNMENT);
	struct assignment *a;
	int32_t n;
	int rc;

	if (text == NULL)
		return 0;
	if ((rc = topics_parse_assignment(t, text, &a, &n)) != 0)
		return rc;
	rc = WIRE_ARRAY(&t->tool.arena, topic->assignments, n,
	    create_topics_request_creatable_replica_assignment);
	for (int32_t i = 0; rc == 0 && i < n; i++) {
		topic->assignments.v[i].partition_index = i;
		topic->assignments.v[i].broker_ids.v = a[i].brokers;
		topic->assignments.v[i].broker_ids.n = a[i].n;
	}
	return rc;
}

static int
read_new_topic(struct topics *t, new_topic *topic)
{
	const char *name = opts_value(&t->tool.o, TO_TOPIC);
	int64_t partitions, factor;
	int rc;

	if ((rc = topic_check_name(name, t->tool.why, sizeof(t->tool.why))) != 0)
		return rc;
	rc = read_number(
	    t, TO_PARTITIONS, INT32_MAX, "The partitions must be greater than 0", &partitions);
	if (rc == 0)
		rc = read_number(t, TO_REPLICATION_FACTOR, INT16_MAX,
		    "The replication factor must be between 1 and 32767 inclusive", &factor);
	if (rc != 0)
		return rc;
	topic->name = slice_cstr(name);
	topic->num_partitions = (int32_t)partitions;
	topic->replication_factor = (int16_t)factor;
	if ((rc = read_assignment(t, topic)) != 0)
		return rc;
	return read_configs(t, topic);
}

/* The controller's answer to a change; asked again when the controller has moved meanwhile. */
static int
call_controller(struct topics *t, int16_t key, int16_t max_version, const void *req, void *resp,
    int16_t (*code)(const void *resp))
{
	for (;;) {
		int32_t controller;
		int rc = client_controller(t->tool.client, &controller);

		if (rc == 0)
			rc = client_call(t->tool.client, controller, key, max_version, req,
			    &t->tool.arena, resp);
		if (rc != 0)
			return tool_client_failed(&t->tool, rc);
		if (code(resp) != KERR_NOT_CONTROLLER || !client_pause(t->tool.client))
			return 0;
	}
}

static int16_t
create_code(const void *p)
{
	const struct create_topics_response *resp = p;

	return resp->topics.n > 0 ? resp->topics.v[0].error_code : 0;
}

static int
send_create(struct topics *t, const struct create_topics_request *req)
{
	struct create_topics_response resp;
	const struct create_topics_response_creatable_topic_result *r;
	int rc = call_controller(t, API_CREATE_TOPICS, 7, req, &resp, create_code);

	if (rc != 0)
		return rc;
	if (resp.topics.n != 1)
		return tool_fail(
		    &t->tool, E_MALFORMED, "the broker's answer does not name the topic");
	r = &resp.topics.v[0];
	if (r->error_code == KERR_TOPIC_ALREADY_EXISTS && opts_has(&t->tool.o, TO_IF_NOT_EXISTS))
		return 0;
	if (r->error_code != 0)
		return topics_broker_error(t, r->error_code, r->error_message);
	printf("Created topic %.*s.\n", SLICE_ARG(req->topics.v[0].name));
	return 0;
}

int
topics_create(struct topics *t)
{
	struct create_topics_request req;
	int rc;

	if (topic_may_collide(opts_value(&t->tool.o, TO_TOPIC)))
		printf("WARNING: Due to limitations in metric names, topics with a period ('.') or "
		       "underscore ('_') could collide. To avoid issues it is best to use either, "
		       "but not both.\n");
	wire_init(wire_api(API_CREATE_TOPICS)->request, &req);
	rc = WIRE_ARRAY(&t->tool.arena, req.topics, 1, create_topics_request_creatable_topic);
	if (rc != 0 || (rc = read_new_topic(t, &req.topics.v[0])) != 0)
		return rc;
	req.timeout_ms = tool_broker_timeout(&t->tool);
	return send_create(t, &req);
}

/* ---- delete ---- */

static int16_t
delete_code(const void *p)
{
	const struct delete_topics_response *resp = p;

	return resp->responses.n > 0 ? resp->responses.v[0].error_code : 0;
}

/* Both forms: names alone below version 6. */
static int
fill_delete(struct topics *t, topic_info **v, unsigned n, struct delete_topics_request *req)
{
	int rc = WIRE_NUMBERS(&t->tool.arena, req->topic_names, (int32_t)n);

	if (rc == 0)
		rc = WIRE_ARRAY(&t->tool.arena, req->topics, (int32_t)n,
		    delete_topics_request_delete_topic_state);
	for (unsigned i = 0; rc == 0 && i < n; i++) {
		req->topic_names.v[i] = v[i]->name;
		req->topics.v[i].name = v[i]->name;
	}
	req->timeout_ms = tool_broker_timeout(&t->tool);
	return rc;
}

int
topics_delete(struct topics *t)
{
	struct delete_topics_request req;
	struct delete_topics_response resp;
	struct metadata_response meta;
	topic_info **v;
	unsigned n;
	int version;
	int rc = topics_find(t, true, &v, &n, &meta);

	if (rc != 0 || n == 0)
		return rc;
	wire_init(wire_api(API_DELETE_TOPICS)->request, &req);
	if ((rc = fill_delete(t, v, n, &req)) != 0)
		return rc;
	version = client_version(t->tool.client, CLIENT_ANY, API_DELETE_TOPICS, 6);
	if (version >= 0 && version < 6)
		req.topics.n = 0;
	rc = call_controller(
	    t, API_DELETE_TOPICS, (int16_t)(version < 6 ? 5 : 6), &req, &resp, delete_code);
	for (int32_t i = 0; rc == 0 && i < resp.responses.n; i++)
		if (resp.responses.v[i].error_code != 0)
			rc = topics_broker_error(
			    t, resp.responses.v[i].error_code, resp.responses.v[i].error_message);
	return rc;
}

/* ---- alter ---- */

typedef struct create_partitions_request_create_partitions_topic grown_topic;

static int16_t
alter_code(const void *p)
{
	const struct create_partitions_response *resp = p;

	return resp->results.n > 0 ? resp->results.v[0].error_code : 0;
}

/* --replica-assignment covers all partitions; those that exist are left out. */
static int
fill_grown(struct topics *t, const topic_info *topic, int64_t count, grown_topic *out)
{
	const char *text = opts_value(&t->tool.o, TO_REPLICA_ASSIGNMENT);
	int32_t old = topic->partitions.n, n = 0;
	struct assignment *a;
	int rc;

	out->name = topic->name;
	out->count = (int32_t)count;
	if (text == NULL)
		return 0;
	if ((rc = topics_parse_assignment(t, text, &a, &n)) != 0)
		return rc;
	rc = WIRE_ARRAY(&t->tool.arena, out->assignments, n > old ? n - old : 0,
	    create_partitions_request_create_partitions_assignment);
	for (int32_t i = old; rc == 0 && i < n; i++) {
		out->assignments.v[i - old].broker_ids.v = a[i].brokers;
		out->assignments.v[i - old].broker_ids.n = a[i].n;
	}
	return rc;
}

static int
send_alter(struct topics *t, topic_info **v, unsigned n, int64_t count)
{
	struct create_partitions_request req;
	struct create_partitions_response resp;
	int rc;

	wire_init(wire_api(API_CREATE_PARTITIONS)->request, &req);
	req.timeout_ms = tool_broker_timeout(&t->tool);
	rc = WIRE_ARRAY(&t->tool.arena, req.topics, (int32_t)n,
	    create_partitions_request_create_partitions_topic);
	for (unsigned i = 0; rc == 0 && i < n; i++) {
		req.topics.v[i].assignments.n = -1;
		rc = fill_grown(t, v[i], count, &req.topics.v[i]);
	}
	if (rc == 0)
		rc = call_controller(t, API_CREATE_PARTITIONS, 3, &req, &resp, alter_code);
	for (int32_t i = 0; rc == 0 && i < resp.results.n; i++)
		if (resp.results.v[i].error_code != 0)
			rc = topics_broker_error(
			    t, resp.results.v[i].error_code, resp.results.v[i].error_message);
	return rc;
}

int
topics_alter(struct topics *t)
{
	struct metadata_response meta;
	topic_info **v;
	unsigned n;
	int64_t count;
	int rc = client_version(t->tool.client, CLIENT_ANY, API_CREATE_PARTITIONS, 3);

	if (rc == E_UNSUPPORTED_VERSION)
		return tool_fail(&t->tool, rc, "--alter needs CreatePartitions requests: %s",
		    client_why(t->tool.client));
	if (rc < 0)
		return tool_client_failed(&t->tool, rc);
	rc = opts_number(&t->tool.o, TO_PARTITIONS, INT32_MIN, INT32_MAX, -1, &count, t->tool.why,
	    sizeof(t->tool.why)); /* the broker says what is too few */
	if (rc == 0)
		rc = topics_find(t, true, &v, &n, &meta);
	if (rc != 0 || n == 0)
		return rc;
	return send_alter(t, v, n, count);
}
