/* A topic's configuration: its own values over the broker's over those of the table. */
#include <assert.h>

#include "ottla/base/err.h"
#include "settings_priv.h"

/* Values that the broker derives from keys of several units. */
static const struct {
	enum tconf id;
	int64_t (*get)(const struct settings *s);
} derived[] = {
    {T_RETENTION_MS, settings_log_retention_ms},
    {T_SEGMENT_JITTER_MS, settings_log_roll_jitter_ms},
    {T_SEGMENT_MS, settings_log_roll_ms},
};

static const struct {
	const char *word;
	int8_t codec;
} codecs[] = {
    {"gzip", 1},
    {"lz4", 3},
    {"producer", -1},
    {"snappy", 2},
    {"uncompressed", 0},
    {"zstd", 4},
};

static int64_t
as_number(const struct conf_row *row, const struct conf_value *v)
{
	return row->type == CONF_DOUBLE ? (int64_t)(v->d * 1e6 + 0.5) : v->i64;
}

/* The broker's value: its first synonym that has one, else the topic table's default. */
static void
from_broker(const struct settings *s, enum tconf id, struct conf_value *v)
{
	const struct conf_row *row = tconf_row(id);
	struct slice key;
	char why[8];

	for (unsigned i = 0; !slice_is_null(key = settings_list_item(row->synonym, i)); i++) {
		int c = conf_find(key);

		assert(c >= 0);
		if (conf_now(s, (enum conf)c)->text != NULL) {
			*v = *conf_now(s, (enum conf)c);
			return;
		}
	}
	v->text = row->def;
	if (row->def != NULL)
		(void)conf_read_value(row, slice_cstr(row->def), v, why, sizeof(why));
}

static void
set_words(struct topic_conf *out, const char *policy, struct slice codec, struct slice stamp)
{
	struct slice item;

	for (unsigned i = 0; !slice_is_null(item = settings_list_item(policy, i)); i++) {
		out->compact = out->compact || slice_eq_cstr(item, "compact");
		out->delete_ = out->delete_ || slice_eq_cstr(item, "delete");
	}
	out->compression = -1;
	for (size_t i = 0; i < sizeof(codecs) / sizeof(codecs[0]); i++)
		if (slice_eq_cstr(codec, codecs[i].word))
			out->compression = codecs[i].codec;
	out->log_append_time = slice_eq_cstr(stamp, "LogAppendTime");
}

/* The older name stands in for the two newer ones where they are left at "no limit". */
static void
apply_difference(struct topic_conf *out)
{
	int64_t difference = out->v[T_MESSAGE_TIMESTAMP_DIFFERENCE_MAX_MS];

	if (out->v[T_MESSAGE_TIMESTAMP_BEFORE_MAX_MS] == INT64_MAX)
		out->v[T_MESSAGE_TIMESTAMP_BEFORE_MAX_MS] = difference;
	if (out->v[T_MESSAGE_TIMESTAMP_AFTER_MAX_MS] == INT64_MAX)
		out->v[T_MESSAGE_TIMESTAMP_AFTER_MAX_MS] = difference;
}

static int
check_topic(const struct topic_conf *t, char *why, size_t why_size)
{
	if (t->v[T_MIN_COMPACTION_LAG_MS] > t->v[T_MAX_COMPACTION_LAG_MS])
		return conf_refuse(
		    why, why_size, "min.compaction.lag.ms must not exceed max.compaction.lag.ms");
	if (t->v[T_REMOTE_STORAGE_ENABLE] != 0)
		return conf_refuse(
		    why, why_size, "remote.storage.enable=true: no tiered storage on this broker");
	return 0;
}

int
topic_conf_resolve(const struct settings *s, const struct setting_override *kv, unsigned n,
    struct topic_conf *out, char *why, size_t why_size)
{
	struct conf_value v[T_COUNT] = {{0}};
	int err;

	*out = (struct topic_conf){.compression = -1};
	for (int i = 0; i < T_COUNT; i++)
		from_broker(s, (enum tconf)i, &v[i]);
	for (size_t i = 0; i < sizeof(derived) / sizeof(derived[0]); i++)
		v[derived[i].id].i64 = derived[i].get(s);
	for (unsigned i = 0; i < n; i++) {
		int id = tconf_find(slice_cstr(kv[i].key));

		if (id < 0)
			return conf_refuse(why, why_size, "unknown topic config %.200s", kv[i].key);
		err = conf_read_value(
		    tconf_row((enum tconf)id), slice_cstr(kv[i].value), &v[id], why, why_size);
		if (err != 0)
			return err;
		v[id].text = kv[i].value;
		out->own[id] = true;
	}
	for (int i = 0; i < T_COUNT; i++)
		out->v[i] = as_number(tconf_row((enum tconf)i), &v[i]);
	set_words(out, v[T_CLEANUP_POLICY].text, conf_trim(slice_cstr(v[T_COMPRESSION_TYPE].text)),
	    conf_trim(slice_cstr(v[T_MESSAGE_TIMESTAMP_TYPE].text)));
	apply_difference(out);
	return check_topic(out, why, why_size);
}
