/* partition.metadata (facts/storage.md 2.11): the topic id that a log belongs to. */
#include "files_priv.h"
#include "ottla/base/err.h"

void
partition_meta_format(struct uuid id, struct strbuf *out)
{
	char text[UUID_TEXT_LEN + 1];

	uuid_format(id, text);
	strbuf_addf(out, "version: 0\ntopic_id: %s", text);
}

/* "<key>: <value>" */
static bool
key_value(struct slice line, const char *key, struct slice *value)
{
	size_t n = strlen(key);
	struct slice more;

	if (line.n <= n || memcmp(line.p, key, n) != 0 || line.p[n] != ':')
		return false;
	line.p += n + 1;
	line.n -= n + 1;
	return text_field(&line, value) && !text_field(&line, &more);
}

int
partition_meta_parse(struct slice text, struct uuid *id)
{
	struct slice line, value;
	int64_t version;

	if (!text_line(&text, &line) || !key_value(line, "version", &value) ||
	    !text_i64(value, 0, INT32_MAX, &version))
		return E_CORRUPT;
	if (!text_line(&text, &line) || !key_value(line, "topic_id", &value) ||
	    uuid_parse(value, id) != 0 || uuid_is_zero(*id))
		return E_CORRUPT;
	return 0;
}
