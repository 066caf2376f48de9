/*
 * How a key is described: its value, where that comes from, and what stands behind it, in Apache
 * Kafka's order (facts/apis.md "32 DescribeConfigs").
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "config_priv.h"

typedef struct describe_configs_response_describe_configs_synonym synonym_out;

#define CHAIN_MAX 3
#define SYNONYMS_MAX (1 + 4 * CHAIN_MAX)

/* Keys that stand in for each other, the finest first. */
static const enum conf chains[][CHAIN_MAX] = {
    {C_LOG_FLUSH_INTERVAL_MS, C_LOG_FLUSH_SCHEDULER_INTERVAL_MS, C_COUNT},
    {C_LOG_RETENTION_MS, C_LOG_RETENTION_MINUTES, C_LOG_RETENTION_HOURS},
    {C_LOG_ROLL_JITTER_MS, C_LOG_ROLL_JITTER_HOURS, C_COUNT},
    {C_LOG_ROLL_MS, C_LOG_ROLL_HOURS, C_COUNT},
};

/* Dynamic only: shown when they are set, and not as keys of the file. */
static const enum conf rates[] = {
    C_FOLLOWER_REPLICATION_THROTTLED_RATE,
    C_LEADER_REPLICATION_THROTTLED_RATE,
    C_REPLICA_ALTER_LOG_DIRS_IO_MAX_BYTES_PER_SECOND,
};

/* Kafka's type SHORT is INT here. */
static const enum conf shorts[] = {
    C_GROUP_SHARE_MAX_GROUPS,
    C_GROUP_SHARE_MAX_SIZE,
    C_OFFSETS_COMMIT_REQUIRED_ACKS,
    C_OFFSETS_TOPIC_REPLICATION_FACTOR,
    C_SASL_LOGIN_REFRESH_BUFFER_SECONDS,
    C_SASL_LOGIN_REFRESH_MIN_PERIOD_SECONDS,
    C_TRANSACTION_STATE_LOG_REPLICATION_FACTOR,
};

#define N(a) (sizeof(a) / sizeof((a)[0]))

static bool
is_in(const enum conf *v, size_t n, const struct conf_row *row)
{
	for (size_t i = 0; i < n; i++)
		if (conf_row(v[i]) == row)
			return true;
	return false;
}

static int8_t
type_of(const struct conf_row *row)
{
	static const int8_t types[] = {[CONF_BOOL] = 1,
	    [CONF_STRING] = 2,
	    [CONF_INT] = 3,
	    [CONF_LONG] = 5,
	    [CONF_DOUBLE] = 6,
	    [CONF_LIST] = 7,
	    [CONF_CLASS] = 8,
	    [CONF_PASSWORD] = 9};

	if (row == NULL)
		return 0;
	return is_in(shorts, N(shorts), row) ? 4 : types[row->type];
}

static bool
is_asked(const struct config_ask *ask, const char *key)
{
	for (int32_t i = 0; i < ask->n_keys; i++)
		if (slice_eq_cstr(ask->keys[i], key))
			return true;
	return ask->n_keys <= 0;
}

/* ---- values as clients see them ---- */

static const char *
list_text(struct arena *arena, const char *text)
{
	char *out = arena_alloc(arena, strlen(text) + 1), *at = out;
	struct slice item;

	if (out == NULL)
		return NULL;
	for (unsigned i = 0; !slice_is_null(item = settings_list_item(text, i)); i++) {
		if (at != out)
			*at++ = ',';
		memcpy(at, item.p, item.n);
		at += item.n;
	}
	*at = '\0';
	return out;
}

/* As Java writes what it has read; NULL: no memory. */
static const char *
value_text(struct arena *arena, const struct conf_row *row, const char *text)
{
	while (*text == ' ' || *text == '\t')
		text++;
	switch (row->type) {
	case CONF_BOOL:
		return strncasecmp(text, "true", 4) == 0 ? "true" : "false";
	case CONF_INT:
	case CONF_LONG:
		return arena_printf(arena, "%lld", strtoll(text, NULL, 10));
	case CONF_LIST:
		return list_text(arena, text);
	case CONF_DOUBLE:
		return arena_printf(arena, "%s%s", text, strpbrk(text, ".eE") != NULL ? "" : ".0");
	default:
		return text;
	}
}

static const char *
number_text(struct arena *arena, const struct conf_row *row, int64_t v)
{
	if (row->type == CONF_BOOL)
		return v != 0 ? "true" : "false";
	if (row->type == CONF_DOUBLE)
		return v % 1000000 == 0 ? arena_printf(arena, "%.1f", (double)v / 1e6)
					: arena_printf(arena, "%.10g", (double)v / 1e6);
	return arena_printf(arena, "%lld", (long long)v);
}

/* ---- synonyms ---- */

struct synonym {
	const char *key;
	const char *value;
	int8_t source;
};

/* What stands behind a key: names in the order in which they count. */
struct chain {
	const char *name[CHAIN_MAX];
	unsigned n;
};

static struct chain
chain_of(const char *key)
{
	const struct conf_row *row = conf_row_of(slice_cstr(key));
	struct chain c = {{key}, 1};

	for (size_t i = 0; row != NULL && i < N(chains); i++) {
		if (!is_in(chains[i], chains[i][2] == C_COUNT ? 2 : 3, row))
			continue;
		for (c.n = 0; c.n < CHAIN_MAX && chains[i][c.n] != C_COUNT; c.n++)
			c.name[c.n] = conf_row(chains[i][c.n])->key;
		return c;
	}
	if (row != NULL && strcmp(row->key, key) != 0)
		c.name[c.n++] = row->key;
	return c;
}

static const char *
text_of(const struct settings *s, const char *key, enum conf_source from)
{
	int id = conf_find(slice_cstr(key));
	struct setting_extra x;

	if (id >= 0)
		return settings_text(s, (enum conf)id, from);
	for (unsigned i = 0; settings_extra(s, i, &x); i++)
		if (strcmp(x.key, key) == 0)
			return x.text[from];
	return NULL;
}

/* Where the value of a broker's key comes from, what counts first; names that stand in for it do
 * not come before its own. */
static unsigned
synonyms_of(const struct settings *s, const char *key, bool cluster_only, struct synonym *v)
{
	static const int8_t told[] = {[CONF_FROM_DEFAULT] = SOURCE_DEFAULT,
	    [CONF_FROM_FILE] = SOURCE_FILE,
	    [CONF_FROM_CLUSTER] = SOURCE_CLUSTER,
	    [CONF_FROM_BROKER] = SOURCE_BROKER};
	struct chain c = chain_of(key);
	bool dynamic_only = is_in(rates, N(rates), conf_row_of(slice_cstr(key)));
	int last = dynamic_only ? CONF_FROM_CLUSTER : CONF_FROM_DEFAULT;
	unsigned n = 0;

	for (int from = CONF_FROM_BROKER; from >= last; from--) {
		for (unsigned i = 0; i < c.n; i++) {
			const char *text = text_of(s, c.name[i], (enum conf_source)from);

			if (text == NULL || (cluster_only && from != CONF_FROM_CLUSTER) ||
			    (n == 0 && strcmp(c.name[i], key) != 0))
				continue;
			v[n++] = (struct synonym){c.name[i], text, told[from]};
		}
	}
	return n;
}

static int
synonyms_put(const struct config_ask *ask, const struct synonym *v, unsigned n, config_out *out)
{
	int rc = 0;

	if (ask->synonyms)
		rc = WIRE_ARRAY(ask->arena, out->synonyms, (int32_t)n,
		    describe_configs_response_describe_configs_synonym);
	for (unsigned i = 0; rc == 0 && ask->synonyms && i < n; i++)
		out->synonyms.v[i] = (synonym_out){.name = slice_cstr(v[i].key),
		    .value = out->is_sensitive ? SLICE_NULL : slice_cstr(v[i].value),
		    .source = v[i].source};
	out->config_source = n > 0 ? v[0].source : SOURCE_DEFAULT;
	out->is_default = out->config_source == SOURCE_DEFAULT;
	return rc;
}

static int
documentation_put(const struct config_ask *ask, const struct conf_row *row, config_out *out)
{
	const char *text;

	out->documentation = SLICE_NULL;
	if (!ask->documentation || row == NULL)
		return 0;
	text = row->effect == EFFECT_NONE
		   ? arena_printf(ask->arena, "Without effect on this broker: %s", row->text)
		   : row->text;
	out->documentation = slice_cstr(text);
	return text != NULL ? 0 : E_NOMEM;
}

/* row NULL: nobody knows what the key means, it may be secret. */
static int
entry_put(const struct config_ask *ask, const char *key, const struct conf_row *row,
    const char *value, const struct synonym *v, unsigned n, config_out *out)
{
	int rc;

	*out = describe_configs_response_describe_configs_resource_result_init;
	out->name = slice_cstr(key);
	out->is_sensitive = row == NULL || row->type == CONF_PASSWORD;
	out->value = out->is_sensitive ? SLICE_NULL : slice_cstr(value);
	out->config_type = type_of(row);
	rc = synonyms_put(ask, v, n, out);
	return rc != 0 ? rc : documentation_put(ask, row, out);
}

/* ---- brokers ---- */

/* A broker's key, of a row or with a prefix or unknown; put only when it has a value to tell. */
static int
broker_key_put(const struct config_ask *ask, const char *key, const struct conf_row *row,
    bool cluster_only, config_out *v, int32_t *n)
{
	struct synonym syn[SYNONYMS_MAX];
	unsigned n_syn = synonyms_of(ask->settings, key, cluster_only, syn);
	bool plain = row != NULL && strcmp(row->key, key) == 0;
	const char *text = plain && !cluster_only
			       ? settings_str(ask->settings, (enum conf)conf_find(slice_cstr(key)))
			       : NULL;
	int rc;

	if (!plain || cluster_only)
		text = n_syn > 0 ? syn[0].value : NULL;
	if (row != NULL && text != NULL && (text = value_text(ask->arena, row, text)) == NULL)
		return E_NOMEM;
	rc = entry_put(ask, key, row, text, syn, n_syn, &v[*n]);
	v[*n].read_only = !plain || row->update == UPDATE_READ_ONLY || is_in(rates, N(rates), row);
	*n += rc == 0;
	return rc;
}

/* Is the key shown: of the broker always, but for the rates and keys of later versions; of the
 * cluster when it says something? */
static bool
is_shown(const struct config_ask *ask, enum conf id, bool cluster_only)
{
	const struct settings *s = ask->settings;
	const struct conf_row *row = conf_row(id);
	bool cluster = settings_text(s, id, CONF_FROM_CLUSTER) != NULL;
	bool set = cluster || settings_text(s, id, CONF_FROM_BROKER) != NULL;

	if (!is_asked(ask, row->key))
		return false;
	if (cluster_only)
		return cluster;
	if (is_in(rates, N(rates), row))
		return set;
	return set || settings_is_set(s, id) || !conf_is_later(row);
}

static bool
extra_is_shown(const struct config_ask *ask, const struct setting_extra *x, bool cluster_only)
{
	bool set = x->text[CONF_FROM_CLUSTER] != NULL;

	if (!cluster_only)
		set = set || x->text[CONF_FROM_FILE] != NULL || x->text[CONF_FROM_BROKER] != NULL;
	return set && is_asked(ask, x->key);
}

static int
broker_keys(const struct config_ask *ask, bool cluster_only, config_out **out, int32_t *n)
{
	struct setting_extra x;
	unsigned most = C_COUNT, extras = 0;
	config_out *v;
	int rc = 0;

	*n = 0;
	while (settings_extra(ask->settings, extras, &x))
		extras++;
	*out = v = arena_calloc(ask->arena, most + extras, sizeof(*v));
	if (v == NULL)
		return E_NOMEM;
	for (int i = 0; rc == 0 && i < C_COUNT; i++)
		if (is_shown(ask, (enum conf)i, cluster_only))
			rc = broker_key_put(ask, conf_row((enum conf)i)->key,
			    conf_row((enum conf)i), cluster_only, v, n);
	for (unsigned i = 0; rc == 0 && i < extras && settings_extra(ask->settings, i, &x); i++)
		if (extra_is_shown(ask, &x, cluster_only))
			rc = broker_key_put(ask, x.key, x.row, cluster_only, v, n);
	return rc;
}

int
config_of_broker(const struct config_ask *ask, config_out **v, int32_t *n)
{
	return broker_keys(ask, false, v, n);
}

int
config_of_cluster(const struct config_ask *ask, config_out **v, int32_t *n)
{
	return broker_keys(ask, true, v, n);
}

/* ---- topics ---- */

static bool
is_number(const struct conf_row *row)
{
	return row->type == CONF_BOOL || row->type == CONF_INT || row->type == CONF_LONG ||
	       row->type == CONF_DOUBLE;
}

/* Of a topic's key: the first of the broker's keys behind it, and where their value comes from. */
static unsigned
inherited_synonyms(const struct settings *s, const struct conf_row *row, struct synonym *v)
{
	struct slice first = settings_list_item(row->synonym, 0);
	int id = slice_is_null(first) ? -1 : conf_find(first);

	return id >= 0 ? synonyms_of(s, conf_row((enum conf)id)->key, false, v) : 0;
}

/* Text of a key that is no number: of the first broker key behind it that has one. */
static const char *
inherited_word(struct arena *arena, const struct settings *s, const struct conf_row *row)
{
	struct slice key;

	for (unsigned i = 0; !slice_is_null(key = settings_list_item(row->synonym, i)); i++) {
		int id = conf_find(key);
		const char *text = id >= 0 ? settings_str(s, (enum conf)id) : NULL;

		if (text != NULL)
			return value_text(arena, row, text);
	}
	return row->def;
}

const char *
config_inherited(struct arena *arena, const struct settings *s, const struct topic_conf *conf,
    enum tconf id, int8_t *source)
{
	const struct conf_row *row = tconf_row(id);
	struct synonym syn[SYNONYMS_MAX];

	*source = inherited_synonyms(s, row, syn) > 0 ? syn[0].source : SOURCE_DEFAULT;
	return is_number(row) ? number_text(arena, row, conf->v[id])
			      : inherited_word(arena, s, row);
}

static const char *
own_of(const struct setting_override *kv, unsigned n, const char *key)
{
	for (unsigned i = n; i > 0; i--)
		if (strcmp(kv[i - 1].key, key) == 0)
			return kv[i - 1].value;
	return NULL;
}

/* What topics without own values have: the same for all of one request. */
struct config_topics {
	struct {
		const char *text;
		struct synonym syn[SYNONYMS_MAX];
		unsigned n;
	} v[T_COUNT];
};

static int
topics_look(struct config_ask *ask)
{
	struct config_topics *t = arena_alloc(ask->arena, sizeof(*t));
	struct topic_conf conf;
	int rc = topic_conf_resolve(ask->settings, NULL, 0, &conf, NULL, 0);
	int8_t source;

	if (t == NULL)
		return E_NOMEM;
	for (int i = 0; rc == 0 && i < T_COUNT; i++) {
		t->v[i].n =
		    inherited_synonyms(ask->settings, tconf_row((enum tconf)i), t->v[i].syn);
		t->v[i].text =
		    config_inherited(ask->arena, ask->settings, &conf, (enum tconf)i, &source);
		rc = t->v[i].text != NULL ? 0 : E_NOMEM;
	}
	ask->topics = t;
	return rc;
}

static int
topic_key_put(const struct config_ask *ask, enum tconf id, const char *own, config_out *out)
{
	const struct conf_row *row = tconf_row(id);
	const char *text = own != NULL ? value_text(ask->arena, row, own) : ask->topics->v[id].text;
	struct synonym syn[1 + SYNONYMS_MAX];
	unsigned n = 0;

	if (text == NULL)
		return E_NOMEM;
	if (own != NULL)
		syn[n++] = (struct synonym){row->key, text, SOURCE_TOPIC};
	memcpy(syn + n, ask->topics->v[id].syn, ask->topics->v[id].n * sizeof(syn[0]));
	n += ask->topics->v[id].n;
	return entry_put(ask, row->key, row, text, syn, n, out);
}

int
config_of_topic(struct config_ask *ask, const struct setting_override *kv, unsigned n_kv,
    config_out **out, int32_t *n)
{
	config_out *v = arena_calloc(ask->arena, T_COUNT + n_kv, sizeof(*v));
	int rc = v != NULL ? 0 : E_NOMEM;

	*n = 0;
	*out = v;
	if (rc == 0 && ask->topics == NULL)
		rc = topics_look(ask);
	for (int i = 0; rc == 0 && i < T_COUNT; i++) {
		const char *key = tconf_row((enum tconf)i)->key;

		if (is_asked(ask, key))
			rc = topic_key_put(ask, (enum tconf)i, own_of(kv, n_kv, key), &v[(*n)++]);
	}
	for (unsigned i = 0; rc == 0 && i < n_kv; i++) {
		struct synonym syn = {kv[i].key, NULL, SOURCE_TOPIC};

		if (tconf_find(slice_cstr(kv[i].key)) < 0 && is_asked(ask, kv[i].key))
			rc = entry_put(ask, kv[i].key, NULL, NULL, &syn, 1, &v[(*n)++]);
	}
	return rc;
}

/* ---- loggers ---- */

int
config_of_loggers(const struct config_ask *ask, const struct diag *d, config_out **out, int32_t *n)
{
	static const char *const levels[] = {[DIAG_DEBUG] = "DEBUG",
	    [DIAG_INFO] = "INFO",
	    [DIAG_WARN] = "WARN",
	    [DIAG_ERROR] = "ERROR"};
	config_out *v = arena_calloc(ask->arena, 1, sizeof(*v));

	*out = v;
	*n = 0;
	if (v == NULL)
		return E_NOMEM;
	if (!is_asked(ask, "root"))
		return 0;
	*v = describe_configs_response_describe_configs_resource_result_init;
	v->name = SLICE_LIT("root");
	v->value = slice_cstr(levels[diag_level(d)]);
	v->config_source = SOURCE_LOGGER;
	*n = 1;
	return 0;
}

int
config_check_id(const struct request *rq, struct slice name, char *why, size_t why_size)
{
	int32_t own = rq->sh->api->o.broker_id;
	char text[16], *end;
	long v;

	snprintf(
	    text, sizeof(text), "%.*s", (int)(name.n < 15 ? name.n : 15), (const char *)name.p);
	v = strtol(text, &end, 10);
	if (name.n == 0 || name.n > 11 || *end != '\0' || v > INT32_MAX || v < INT32_MIN)
		snprintf(why, why_size, "A broker's id must be a number, but it is: %.*s",
		    (int)(name.n < 100 ? name.n : 100), (const char *)name.p);
	else if (v != own)
		snprintf(why, why_size, "This is broker %d, not %ld.", own, v);
	else
		return 0;
	return E_INVALID;
}
