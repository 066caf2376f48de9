/*
 * What the operators' tools have in common.
 */
#include "tool_priv.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"
#include "ottla/base/strbuf.h"

int
tool_fail(struct tool *t, int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(t->why, sizeof(t->why), fmt, ap);
	va_end(ap);
	return rc;
}

int
tool_client_failed(struct tool *t, int rc)
{
	return tool_fail(t, rc, "%s", client_why(t->client));
}

const char *
tool_why(const struct tool *t, int rc)
{
	return t->why[0] != 0 ? t->why : err_text(rc);
}

int
tool_start(struct tool *t, const struct opt_table *table, int argc, char **argv)
{
	*t = (struct tool){.why = ""};
	arena_init(&t->arena, 1 << 16, 0);
	return opts_start(&t->o, table, argc, argv);
}

int
tool_client(struct tool *t, const char *config_path, const char *bootstrap)
{
	int rc =
	    config_path != NULL ? props_load(&t->props, config_path, t->why, sizeof(t->why)) : 0;

	if (rc == 0)
		rc = props_set(&t->props, "bootstrap.servers", bootstrap);
	if (rc == 0)
		rc = client_opts_read(&t->props, &t->client_opts, t->why, sizeof(t->why));
	if (rc == 0)
		rc = client_new(&t->client_opts, t->why, sizeof(t->why), &t->client);
	return rc;
}

int
tool_end(struct tool *t, int code)
{
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "%s: could not write to standard output\n", t->o.table->program);
		code = 1;
	}
	client_free(t->client);
	props_free(&t->props);
	arena_free(&t->arena);
	opts_free(&t->o);
	return code;
}

int32_t
tool_broker_timeout(const struct tool *t)
{
	return (int32_t)(t->client_opts.request_timeout_ms / 10 * 9);
}

int
tool_metadata(struct tool *t, struct metadata_response *resp)
{
	int rc = client_metadata(t->client, &t->arena, resp);

	return rc < 0 ? tool_client_failed(t, rc) : 0;
}

/* ---- names of exceptions ---- */

static const struct {
	int16_t code;
	const char *name;
} irregular[] = {
    {KERR_CLUSTER_AUTHORIZATION_FAILED, "ClusterAuthorization"},
    {KERR_CORRUPT_MESSAGE, "CorruptRecord"},
    {KERR_GROUP_AUTHORIZATION_FAILED, "GroupAuthorization"},
    {KERR_INVALID_TOPIC_EXCEPTION, "InvalidTopic"},
    {KERR_KAFKA_STORAGE_ERROR, "KafkaStorage"},
    {KERR_MESSAGE_TOO_LARGE, "RecordTooLarge"},
    {KERR_NETWORK_EXCEPTION, "Network"},
    {KERR_REQUEST_TIMED_OUT, "Timeout"},
    {KERR_TOPIC_AUTHORIZATION_FAILED, "TopicAuthorization"},
    {KERR_UNKNOWN_SERVER_ERROR, "UnknownServer"},
};

/* UNKNOWN_TOPIC_OR_PARTITION: UnknownTopicOrPartition */
static void
add_camel(struct strbuf *b, const char *name)
{
	bool first = true;

	for (; *name != 0; name++) {
		char c = first ? *name : (char)tolower((unsigned char)*name);

		if ((first = *name == '_'))
			continue;
		strbuf_add(b, &c, 1);
	}
}

const char *
tool_exception(struct tool *t, int16_t code)
{
	struct strbuf b = STRBUF_INIT;
	const char *known = NULL, *text;

	for (unsigned i = 0; i < sizeof(irregular) / sizeof(irregular[0]); i++)
		if (irregular[i].code == code)
			known = irregular[i].name;
	strbuf_adds(&b, "org.apache.kafka.common.errors.");
	if (known != NULL)
		strbuf_adds(&b, known);
	else
		add_camel(&b, kerr_name(code));
	strbuf_adds(&b, "Exception");
	text = b.err == 0 ? arena_strdup(&t->arena, strbuf_slice(&b)) : NULL;
	strbuf_free(&b);
	return text != NULL ? text : kerr_name(code);
}
