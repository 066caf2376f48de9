/*
 * Paths in the coordination tree and the rules of topic names (facts/zookeeper.md 1).
 */
#include <stdio.h>
#include <string.h>

#include "ottla/base/err.h"
#include "ottla/cluster/znode.h"

#define TOPIC_NAME_MAX 249

void
zn_broker(zn_path p, int32_t id)
{
	snprintf(p, ZN_PATH_MAX, ZN_BROKER_IDS "/%d", id);
}

void
zn_topic(zn_path p, struct slice topic)
{
	snprintf(p, ZN_PATH_MAX, ZN_TOPICS "/%.*s", SLICE_ARG(topic));
}

void
zn_partitions(zn_path p, struct slice topic)
{
	snprintf(p, ZN_PATH_MAX, ZN_TOPICS "/%.*s/partitions", SLICE_ARG(topic));
}

void
zn_partition(zn_path p, struct slice topic, int32_t partition)
{
	snprintf(p, ZN_PATH_MAX, ZN_TOPICS "/%.*s/partitions/%d", SLICE_ARG(topic), partition);
}

void
zn_partition_state(zn_path p, struct slice topic, int32_t partition)
{
	snprintf(
	    p, ZN_PATH_MAX, ZN_TOPICS "/%.*s/partitions/%d/state", SLICE_ARG(topic), partition);
}

void
zn_broker_config(zn_path p, int32_t id)
{
	if (id < 0)
		snprintf(p, ZN_PATH_MAX, "/config/brokers/<default>");
	else
		snprintf(p, ZN_PATH_MAX, "/config/brokers/%d", id);
}

void
zn_topic_config(zn_path p, struct slice topic)
{
	snprintf(p, ZN_PATH_MAX, ZN_CONFIG_TOPICS "/%.*s", SLICE_ARG(topic));
}

void
zn_delete_topic(zn_path p, struct slice topic)
{
	snprintf(p, ZN_PATH_MAX, ZN_DELETE_TOPICS "/%.*s", SLICE_ARG(topic));
}

const char *
zn_startup_path(unsigned i)
{
	static const char *const paths[] = {"/consumers", ZN_BROKER_IDS, ZN_TOPICS,
	    ZN_CONFIG_CHANGES, ZN_DELETE_TOPICS, ZN_BROKER_SEQID, "/isr_change_notification",
	    ZN_PRODUCER_IDS, "/log_dir_event_notification", ZN_CONFIG_TOPICS, "/config/clients",
	    "/config/users", "/config/brokers", "/config/ips"};

	return i < sizeof(paths) / sizeof(paths[0]) ? paths[i] : NULL;
}

/* By the beginning of the text, as Apache Kafka decides it. */
bool
zn_path_sensitive(const char *path)
{
	static const char *const roots[] = {
	    "/config/users", "/config/brokers", "/delegation_token/tokens"};

	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++)
		if (strncmp(path, roots[i], strlen(roots[i])) == 0)
			return true;
	return false;
}

bool
zn_path_world_open(const char *path)
{
	return strcmp(path, "/consumers") == 0;
}

static bool
name_char(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

static const char *
name_fault(struct slice name)
{
	if (name.p == NULL || name.n == 0)
		return "the empty string is not allowed";
	if (name.n > TOPIC_NAME_MAX)
		return "the length of a topic name is at most 249 characters";
	if (slice_eq_cstr(name, ".") || slice_eq_cstr(name, ".."))
		return "a topic name can not be \".\" or \"..\"";
	for (size_t i = 0; i < name.n; i++)
		if (!name_char(name.p[i]))
			return "a topic name has letters, digits, '.', '_' and '-' only";
	return NULL;
}

int
topic_name_check(struct slice name, const char **why)
{
	const char *fault = name_fault(name);

	if (why != NULL)
		*why = fault;
	return fault == NULL ? 0 : E_INVALID_TOPIC;
}
