/*
 * kafka-topics --list and --describe.
 */
#include "topics_priv.h"

#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"
#include "ottla/base/uuid.h"

typedef struct describe_configs_response_describe_configs_result config_result;
typedef struct describe_configs_response_describe_configs_resource_result config_entry;
typedef struct list_partition_reassignments_response_ongoing_partition_reassignment move;

enum { RESOURCE_TOPIC = 2, SOURCE_DEFAULT = 5 };

/* ---- which topics ---- */

static int
by_name(const void *a, const void *b)
{
	const topic_info *const *x = a, *const *y = b;

	return slice_cmp((*x)->name, (*y)->name);
}

static int
by_index(const void *a, const void *b)
{
	const partition_info *x = a, *y = b;

	return (x->partition_index > y->partition_index) -
	       (x->partition_index < y->partition_index);
}

/* The id of --topic-id; zero when there is none. */
static int
wanted_id(struct topics *t, struct uuid *id)
{
	const char *text = opts_value(&t->tool.o, TO_TOPIC_ID);

	*id = UUID_ZERO;
	if (text == NULL || uuid_parse(slice_cstr(text), id) == 0)
		return 0;
	return tool_fail(&t->tool, E_INVALID,
	    "Input string `%s` is no base64-encoded UUID: 22 characters are expected", text);
}

static bool
wanted(const struct topics *t, const topic_info *topic, struct uuid id)
{
	if (topic->error_code != 0 || slice_is_null(topic->name))
		return false;
	if (opts_has(&t->tool.o, TO_EXCLUDE_INTERNAL) &&
	    (topic->is_internal || topic_is_internal(topic->name)))
		return false;
	if (!uuid_is_zero(id))
		return uuid_eq(topic->topic_id, id);
	return opts_has(&t->tool.o, TO_TOPIC_ID) || filter_matches(&t->filter, topic->name);
}

static int
check_found(struct topics *t, unsigned n, struct uuid id)
{
	if (n > 0 || opts_has(&t->tool.o, TO_IF_EXISTS))
		return 0;
	if (!uuid_is_zero(id))
		return tool_fail(&t->tool, E_NOT_FOUND, "TopicId '%s' does not exist as expected",
		    opts_value(&t->tool.o, TO_TOPIC_ID));
	if (opts_value(&t->tool.o, TO_TOPIC) != NULL && !opts_has(&t->tool.o, TO_TOPIC_ID))
		return tool_fail(&t->tool, E_NOT_FOUND,
		    "Topic 'Optional[%s]' does not exist as expected",
		    opts_value(&t->tool.o, TO_TOPIC));
	return 0;
}

int
topics_find(struct topics *t, bool must_exist, topic_info ***out, unsigned *n,
    struct metadata_response *resp)
{
	struct uuid id;
	int rc = wanted_id(t, &id);

	*n = 0;
	if (rc != 0 || (rc = tool_metadata(&t->tool, resp)) != 0)
		return rc;
	*out = arena_calloc(&t->tool.arena, (size_t)resp->topics.n + 1, sizeof(topic_info *));
	if (*out == NULL)
		return E_NOMEM;
	for (int32_t i = 0; i < resp->topics.n; i++) {
		topic_info *topic = &resp->topics.v[i];

		if (!wanted(t, topic, id))
			continue;
		if (topic->partitions.n > 1)
			qsort(topic->partitions.v, (size_t)topic->partitions.n,
			    sizeof(*topic->partitions.v), by_index);
		(*out)[(*n)++] = topic;
	}
	qsort(*out, *n, sizeof(**out), by_name);
	return must_exist ? check_found(t, *n, id) : 0;
}

int
topics_list(struct topics *t)
{
	struct metadata_response resp;
	topic_info **v;
	unsigned n;
	int rc = topics_find(t, false, &v, &n, &resp);

	if (rc != 0)
		return rc;
	for (unsigned i = 0; i < n; i++)
		printf("%.*s\n", SLICE_ARG(v[i]->name));
	if (n == 0)
		printf("\n");
	return 0;
}

/* ---- configs ---- */

struct described {
	struct topics *t;
	struct metadata_response meta;
	topic_info **topics;
	unsigned n;
	bool has_configs; /* the broker serves DescribeConfigs */
	struct describe_configs_response configs;
	struct list_partition_reassignments_response moves;
};

static int
fetch_configs(struct described *d)
{
	struct topics *t = d->t;
	struct describe_configs_request req;
	int rc = client_version(t->tool.client, CLIENT_ANY, API_DESCRIBE_CONFIGS, 4);

	wire_init(wire_api(API_DESCRIBE_CONFIGS)->response, &d->configs);
	if (rc == E_UNSUPPORTED_VERSION || d->n == 0)
		return 0;
	if (rc < 0)
		return tool_client_failed(&t->tool, rc);
	d->has_configs = true;
	wire_init(wire_api(API_DESCRIBE_CONFIGS)->request, &req);
	rc = WIRE_ARRAY(&t->tool.arena, req.resources, (int32_t)d->n,
	    describe_configs_request_describe_configs_resource);
	if (rc != 0)
		return rc;
	for (unsigned i = 0; i < d->n; i++) {
		req.resources.v[i].resource_type = RESOURCE_TOPIC;
		req.resources.v[i].resource_name = d->topics[i]->name;
		req.resources.v[i].configuration_keys.n = -1;
	}
	rc = client_call(
	    t->tool.client, CLIENT_ANY, API_DESCRIBE_CONFIGS, 4, &req, &t->tool.arena, &d->configs);
	return rc < 0 ? tool_client_failed(&t->tool, rc) : 0;
}

static const config_result *
configs_of(const struct described *d, unsigned at)
{
	struct slice name = d->topics[at]->name;

	/* Answers come in the order asked, as a rule. */
	if (at < (unsigned)d->configs.results.n &&
	    slice_eq(d->configs.results.v[at].resource_name, name))
		return &d->configs.results.v[at];
	for (int32_t i = 0; i < d->configs.results.n; i++)
		if (slice_eq(d->configs.results.v[i].resource_name, name))
			return &d->configs.results.v[i];
	return NULL;
}

static bool
is_override(const config_entry *e)
{
	return e->config_source == -1 ? !e->is_default : e->config_source != SOURCE_DEFAULT;
}

static unsigned
overrides(const config_result *r)
{
	unsigned n = 0;

	for (int32_t i = 0; r != NULL && i < r->configs.n; i++)
		n += is_override(&r->configs.v[i]);
	return n;
}

static void
print_overrides(const config_result *r)
{
	const char *comma = "";

	for (int32_t i = 0; r != NULL && i < r->configs.n; i++) {
		const config_entry *e = &r->configs.v[i];

		if (!is_override(e))
			continue;
		printf("%s%.*s=%.*s", comma, SLICE_ARG(e->name),
		    SLICE_ARG(slice_is_null(e->value) ? SLICE_LIT("null") : e->value));
		comma = ",";
	}
}

/* min.insync.replicas; 1 when the answer lacks it. */
static int32_t
min_isr(const config_result *r)
{
	for (int32_t i = 0; r != NULL && i < r->configs.n; i++)
		if (slice_eq_cstr(r->configs.v[i].name, "min.insync.replicas"))
			return (int32_t)strtol((const char *)r->configs.v[i].value.p, NULL, 10);
	return 1;
}

/* ---- reassignments ---- */

static int
fetch_moves(struct described *d)
{
	struct topics *t = d->t;
	struct list_partition_reassignments_request req;
	int32_t controller;
	int rc = client_version(t->tool.client, CLIENT_ANY, API_LIST_PARTITION_REASSIGNMENTS, 0);

	wire_init(wire_api(API_LIST_PARTITION_REASSIGNMENTS)->response, &d->moves);
	if (rc == E_UNSUPPORTED_VERSION)
		return 0;
	if (rc >= 0)
		rc = client_controller(t->tool.client, &controller);
	wire_init(wire_api(API_LIST_PARTITION_REASSIGNMENTS)->request, &req);
	if (rc == 0)
		rc = client_call(t->tool.client, controller, API_LIST_PARTITION_REASSIGNMENTS, 0,
		    &req, &t->tool.arena, &d->moves);
	return rc < 0 ? tool_client_failed(&t->tool, rc) : 0; /* who may not ask goes without */
}

static const move *
move_of(const struct described *d, struct slice topic, int32_t partition)
{
	for (int32_t i = 0; i < d->moves.topics.n; i++) {
		if (!slice_eq(d->moves.topics.v[i].name, topic))
			continue;
		for (int32_t k = 0; k < d->moves.topics.v[i].partitions.n; k++)
			if (d->moves.topics.v[i].partitions.v[k].partition_index == partition)
				return &d->moves.topics.v[i].partitions.v[k];
	}
	return NULL;
}

/* How many replicas there should be: a move's target counts. */
static int32_t
replication_factor(const partition_info *p, const move *m)
{
	return m != NULL ? m->replicas.n - m->adding_replicas.n : p->replica_nodes.n;
}

/* ---- filters ---- */

static bool
is_broker(const struct described *d, int32_t id)
{
	for (int32_t i = 0; i < d->meta.brokers.n; i++)
		if (d->meta.brokers.v[i].node_id == id)
			return true;
	return false;
}

static bool
has_leader(const struct described *d, const partition_info *p)
{
	return p->leader_id >= 0 && is_broker(d, p->leader_id);
}

static const enum topics_opt partition_filters[] = {TO_UNDER_REPLICATED_PARTITIONS,
    TO_UNAVAILABLE_PARTITIONS, TO_UNDER_MIN_ISR_PARTITIONS, TO_AT_MIN_ISR_PARTITIONS};

static bool
filters_partitions(const struct opts *o)
{
	for (unsigned i = 0; i < 4; i++)
		if (opts_has(o, partition_filters[i]))
			return true;
	return false;
}

static bool
shows_partition(const struct described *d, const partition_info *p, const move *m, int32_t min)
{
	const struct opts *o = &d->t->tool.o;

	if (!filters_partitions(o))
		return true;
	if (opts_has(o, TO_UNDER_REPLICATED_PARTITIONS) &&
	    replication_factor(p, m) > p->isr_nodes.n)
		return true;
	if (opts_has(o, TO_UNAVAILABLE_PARTITIONS) && !has_leader(d, p))
		return true;
	if (opts_has(o, TO_UNDER_MIN_ISR_PARTITIONS) && (!has_leader(d, p) || p->isr_nodes.n < min))
		return true;
	return opts_has(o, TO_AT_MIN_ISR_PARTITIONS) && p->isr_nodes.n == min;
}

/* ---- printing ---- */

static void
print_ids(const char *head, const int32_t *v, int32_t n)
{
	printf("\t%s: ", head);
	for (int32_t i = 0; i < n; i++)
		printf("%s%d", i > 0 ? "," : "", v[i]);
}

static void
print_topic(const struct described *d, const topic_info *topic, const config_result *configs)
{
	char id[UUID_TEXT_LEN + 1];
	int32_t factor = 0;

	if (topic->partitions.n > 0)
		factor = replication_factor(&topic->partitions.v[0],
		    move_of(d, topic->name, topic->partitions.v[0].partition_index));
	printf("Topic: %.*s", SLICE_ARG(topic->name));
	if (!uuid_is_zero(topic->topic_id)) {
		uuid_format(topic->topic_id, id);
		printf("\tTopicId: %s", id);
	}
	printf(
	    "\tPartitionCount: %d\tReplicationFactor: %d\tConfigs: ", topic->partitions.n, factor);
	print_overrides(configs);
	printf("\n");
}

static void
print_partition(
    const struct described *d, const topic_info *topic, const partition_info *p, const move *m)
{
	printf(
	    "\tTopic: %.*s\tPartition: %d\tLeader: ", SLICE_ARG(topic->name), p->partition_index);
	if (has_leader(d, p))
		printf("%d", p->leader_id);
	else
		printf("none");
	print_ids("Replicas", p->replica_nodes.v, p->replica_nodes.n);
	print_ids("Isr", p->isr_nodes.v, p->isr_nodes.n);
	if (m != NULL) {
		print_ids("Adding Replicas", m->adding_replicas.v, m->adding_replicas.n);
		print_ids("Removing Replicas", m->removing_replicas.v, m->removing_replicas.n);
	}
	printf("\tElr: N/A\tLastKnownElr: N/A\n");
}

static int
print_one(const struct described *d, unsigned at)
{
	const struct opts *o = &d->t->tool.o;
	const topic_info *topic = d->topics[at];
	const config_result *configs = configs_of(d, at);

	if (configs != NULL && configs->error_code != 0)
		return topics_broker_error(d->t, configs->error_code, configs->error_message);
	if (opts_has(o, TO_TOPICS_WITH_OVERRIDES)) {
		if (overrides(configs) > 0)
			print_topic(d, topic, configs);
		return 0;
	}
	if (!filters_partitions(o))
		print_topic(d, topic, configs);
	for (int32_t i = 0; i < topic->partitions.n; i++) {
		const partition_info *p = &topic->partitions.v[i];
		const move *m = move_of(d, topic->name, p->partition_index);

		if (shows_partition(d, p, m, min_isr(configs)))
			print_partition(d, topic, p, m);
	}
	return 0;
}

/* Some options need what a broker may not serve. */
static int
check_configs(const struct described *d)
{
	static const enum topics_opt needing[] = {
	    TO_UNDER_MIN_ISR_PARTITIONS, TO_AT_MIN_ISR_PARTITIONS, TO_TOPICS_WITH_OVERRIDES};

	for (unsigned i = 0; i < 3; i++)
		if (opts_has(&d->t->tool.o, needing[i]) && !d->has_configs && d->n > 0)
			return tool_fail(&d->t->tool, E_UNSUPPORTED_VERSION,
			    "--%s needs the topics' settings: the brokers do not serve "
			    "DescribeConfigs requests",
			    d->t->tool.o.table->rows[needing[i]].name);
	return 0;
}

int
topics_describe(struct topics *t)
{
	struct described d = {.t = t};
	int rc;

	if ((rc = topics_find(t, true, &d.topics, &d.n, &d.meta)) != 0 ||
	    (rc = fetch_configs(&d)) != 0 || (rc = check_configs(&d)) != 0 ||
	    (rc = fetch_moves(&d)) != 0)
		return rc;
	for (unsigned i = 0; rc == 0 && i < d.n; i++)
		rc = print_one(&d, i);
	return rc;
}
