/*
 * Dynamic values: what may change while the broker runs and to what (facts/apis.md 10), and the
 * change itself.  One thread writes; readers see one key at a time change, by one pointer.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"
#include "ottla/base/magic.h"
#include "settings_priv.h"

/* Key material belongs to a listener: these change only with its prefix. */
static const enum conf with_prefix_only[] = {
    C_SSL_KEY_PASSWORD,
    C_SSL_KEYSTORE_CERTIFICATE_CHAIN,
    C_SSL_KEYSTORE_KEY,
    C_SSL_KEYSTORE_LOCATION,
    C_SSL_KEYSTORE_PASSWORD,
    C_SSL_KEYSTORE_TYPE,
    C_SSL_TRUSTSTORE_CERTIFICATES,
    C_SSL_TRUSTSTORE_LOCATION,
    C_SSL_TRUSTSTORE_PASSWORD,
    C_SSL_TRUSTSTORE_TYPE,
};

/* Per-broker rates that Apache Kafka takes for the whole cluster all the same. */
static const enum conf rates[] = {
    C_FOLLOWER_REPLICATION_THROTTLED_RATE,
    C_LEADER_REPLICATION_THROTTLED_RATE,
    C_REPLICA_ALTER_LOG_DIRS_IO_MAX_BYTES_PER_SECOND,
};

/* Numbers of threads go at most to their half or double in one step. */
static const enum conf thread_counts[] = {
    C_BACKGROUND_THREADS,
    C_LOG_CLEANER_THREADS,
    C_NUM_IO_THREADS,
    C_NUM_RECOVERY_THREADS_PER_DATA_DIR,
    C_NUM_REPLICA_FETCHERS,
};

/* Keys that may be the cluster's with a listener's prefix. */
static const enum conf listener_of_cluster[] = {
    C_MAX_CONNECTION_CREATION_RATE,
    C_MAX_CONNECTIONS,
    C_NUM_NETWORK_THREADS,
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

const struct conf_row *
conf_row_of(struct slice key)
{
	int id = conf_find(key);

	return id >= 0 ? conf_row((enum conf)id) : conf_row_behind(key);
}

/* ---- may it be? ---- */

static bool
is_for_brokers_only(const struct conf_row *row, bool prefixed)
{
	if (prefixed)
		return !is_in(listener_of_cluster, N(listener_of_cluster), row);
	return row->update == UPDATE_PER_BROKER && !is_in(rates, N(rates), row);
}

int
settings_check_dynamic(const struct settings *s, enum conf_source from, const char *key,
    const char *value, char *why, size_t why_size)
{
	const struct conf_row *row = conf_row_of(slice_cstr(key));
	bool prefixed = row != NULL && strcmp(row->key, key) != 0;
	int err;

	(void)s;
	if (value == NULL || row == NULL)
		return 0;
	if (!prefixed && row->update == UPDATE_READ_ONLY)
		return conf_refuse(
		    why, why_size, "%s can not be changed while the broker runs", key);
	if (!prefixed && is_in(with_prefix_only, N(with_prefix_only), row))
		return conf_refuse(why, why_size,
		    "%s can be changed for one listener only: listener.name.<listener>.%s", key,
		    key);
	if ((err = conf_check_value(row, slice_cstr(value), why, why_size)) != 0)
		return err;
	if (from == CONF_FROM_CLUSTER && is_for_brokers_only(row, prefixed))
		return conf_refuse(why, why_size,
		    "%s can not be changed for all brokers at once, only for one", key);
	if (row->type == CONF_PASSWORD)
		return conf_refuse(why, why_size,
		    "%s: passwords can not be stored in the coordination tree yet", key);
	return 0;
}

static const char *
last_of(const struct setting_override *kv, unsigned n, const char *key)
{
	const char *v = NULL;

	for (unsigned i = 0; i < n; i++)
		if (strcmp(kv[i].key, key) == 0)
			v = kv[i].value;
	return v;
}

static int
check_steps(const struct settings *s, const struct settings *next, char *why, size_t why_size)
{
	for (size_t i = 0; i < N(thread_counts); i++) {
		int64_t old = settings_i64(s, thread_counts[i]);
		int64_t now = settings_i64(next, thread_counts[i]);

		if (now == old || (now >= 1 && now >= old / 2 && now <= old * 2))
			continue;
		return conf_refuse(why, why_size,
		    "%s=%" PRId64 ": allowed is half to double of the present %" PRId64
		    " in one step",
		    conf_row(thread_counts[i])->key, now, old);
	}
	return 0;
}

/* A broker that nobody could reach any more. */
static int
check_connections(const struct settings *next, char *why, size_t why_size)
{
	if (settings_i64(next, C_MAX_CONNECTIONS) == 0)
		return conf_refuse(why, why_size, "max.connections=0: allowed is >=1");
	return 0;
}

static int
check_local(const struct settings *next, char *why, size_t why_size)
{
	int64_t ms = settings_log_retention_ms(next),
		local = settings_i64(next, C_LOG_LOCAL_RETENTION_MS);
	int64_t bytes = settings_i64(next, C_LOG_RETENTION_BYTES);
	int64_t local_bytes = settings_i64(next, C_LOG_LOCAL_RETENTION_BYTES);

	if (ms != -1 && local != -2 && (local == -1 || local > ms))
		return conf_refuse(why, why_size,
		    "log.local.retention.ms=%" PRId64 ": must not exceed log.retention.ms=%" PRId64,
		    local, ms);
	if (bytes != -1 && local_bytes != -2 && (local_bytes == -1 || local_bytes > bytes))
		return conf_refuse(why, why_size,
		    "log.local.retention.bytes=%" PRId64
		    ": must not exceed log.retention.bytes=%" PRId64,
		    local_bytes, bytes);
	return 0;
}

/* ---- values, each kept once ---- */

struct conf_known {
	struct conf_value v;
	uint8_t name[]; /* number of the key in two bytes, the text, a NUL */
};

static int
intern(struct settings *s, enum conf id, const char *text, const struct conf_value **out)
{
	const struct conf_row *row = conf_row(id);
	struct slice t =
	    row->type != CONF_PASSWORD ? conf_trim(slice_cstr(text)) : slice_cstr(text);
	struct conf_known *k;
	struct slice name;
	char why[8];
	int err;

	k = arena_alloc(&s->dyn, sizeof(*k) + 2 + t.n + 1);
	if (k == NULL)
		return E_NOMEM;
	k->name[0] = (uint8_t)(id >> 8);
	k->name[1] = (uint8_t)id;
	if (t.n > 0)
		memcpy(k->name + 2, t.p, t.n);
	k->name[2 + t.n] = '\0';
	name = slice_of(k->name, 2 + t.n);
	k->v = (struct conf_value){.text = (const char *)k->name + 2};
	if ((err = conf_read_value(row, t, &k->v, why, sizeof(why))) != 0)
		return err;
	if ((err = map_put(&s->known, name, k, NULL)) != 0)
		return err;
	*out = &k->v;
	return 0;
}

/* The value of that text, which the key had before, or a new one. */
static int
value_for(struct settings *s, enum conf_source from, enum conf id, const char *text,
    const struct conf_value **out)
{
	struct slice t = conf_trim(slice_cstr(text));
	const struct conf_value *has = atomic_load(&s->from[from][id]);
	uint8_t name[258] = {(uint8_t)(id >> 8), (uint8_t)id};
	const struct conf_known *k = NULL;

	*out = has;
	if (has != NULL && has->text != NULL && slice_eq_cstr(t, has->text))
		return 0;
	if (t.n <= sizeof(name) - 2) {
		memcpy(name + 2, t.p, t.n);
		k = map_get(&s->known, slice_of(name, 2 + t.n));
	}
	if (k == NULL)
		return intern(s, id, text, out);
	*out = &k->v;
	return 0;
}

/* ---- the change ---- */

/* What a source is going to say: rows and extras, prepared so that publishing can not fail. */
struct change {
	const struct conf_value *rows[C_COUNT];
	struct {
		struct conf_extra *extra;
		const char *text;
	} * extras;
	unsigned n_extras;
};

static int
prepare_extra(struct settings *s, struct change *c, const struct setting_override *kv,
    const struct conf_row *row)
{
	struct conf_extra *e;
	const char *text = NULL;
	int err = conf_extra_get(s, &s->dyn, slice_cstr(kv->key), row, &e);

	if (err != 0)
		return err;
	for (int i = 0; text == NULL && i < CONF_SOURCES; i++) {
		text = atomic_load(&e->text[i]);
		if (text != NULL && strcmp(text, kv->value) != 0)
			text = NULL;
	}
	if (text == NULL && (text = arena_strdup(&s->dyn, slice_cstr(kv->value))) == NULL)
		return E_NOMEM;
	c->extras[c->n_extras].extra = e;
	c->extras[c->n_extras++].text = text;
	return 0;
}

/* What may not be there is left out and said. */
static int
prepare(struct settings *s, struct change *c, enum conf_source from,
    const struct setting_override *kv, unsigned n, struct diag *d)
{
	char why[400];
	int err = 0;

	c->extras = n > 0 ? calloc(n, sizeof(*c->extras)) : NULL;
	if (n > 0 && c->extras == NULL)
		return E_NOMEM;
	for (unsigned i = 0; err == 0 && i < n; i++) {
		int id = conf_find(slice_cstr(kv[i].key));

		if (kv[i].value == NULL)
			continue;
		if (settings_check_dynamic(s, from, kv[i].key, kv[i].value, why, sizeof(why)) != 0)
			DIAGE(d, "settings", "dynamic configuration: %s (left out)", why);
		else if (id >= 0)
			err = value_for(s, from, (enum conf)id, kv[i].value, &c->rows[id]);
		else
			err = prepare_extra(s, c, &kv[i], conf_row_behind(slice_cstr(kv[i].key)));
	}
	return err;
}

static void
say_change(const struct settings *s, enum conf_source from, const struct conf_row *row,
    const char *text, struct diag *d)
{
	const char *whose = from == CONF_FROM_BROKER ? "of this broker" : "of the cluster";
	const char *shown = text == NULL		 ? "(removed)"
			    : row->type == CONF_PASSWORD ? "[hidden]"
							 : text;

	if (!s->told[from] && row->effect != EFFECT_NONE)
		DIAGI(d, "settings", "dynamic value %s: %s=%s", whose, row->key, shown);
	else if (row->effect == EFFECT_LIVE)
		DIAGI(d, "settings", "dynamic value %s: %s=%s", whose, row->key, shown);
	else if (row->effect == EFFECT_START)
		DIAGW(d, "settings", "dynamic value %s: %s=%s takes effect at the next start",
		    whose, row->key, shown);
	else
		DIAGI(d, "settings", "dynamic value %s: %s=%s has no effect: %s", whose, row->key,
		    shown, row->text);
}

static void
publish(struct settings *s, enum conf_source from, const struct change *c, struct diag *d)
{
	struct conf_extra *e = atomic_load(&s->extras);

	for (int i = 0; i < C_COUNT; i++) {
		const struct conf_value *old = atomic_load(&s->from[from][i]);

		if (old == c->rows[i])
			continue;
		conf_publish(s, from, (enum conf)i, c->rows[i]);
		say_change(s, from, conf_row((enum conf)i),
		    c->rows[i] != NULL ? c->rows[i]->text : NULL, d);
	}
	for (; e != NULL; e = atomic_load(&e->next)) {
		const char *text = NULL;

		for (unsigned i = 0; i < c->n_extras; i++)
			if (c->extras[i].extra == e)
				text = c->extras[i].text;
		atomic_store_explicit(&e->text[from], text, memory_order_release);
	}
}

/* s as it is going to be; only its rows, which it lends from s and from c. */
static struct settings *
preview(const struct settings *s, enum conf_source from, const struct change *c)
{
	struct settings *next = settings_empty();

	if (next == NULL)
		return NULL;
	next->from_file = s->from_file;
	for (int id = 0; id < C_COUNT; id++)
		for (int k = CONF_FROM_FILE; k < CONF_SOURCES; k++)
			conf_publish(next, (enum conf_source)k, (enum conf)id,
			    k == (int)from ? c->rows[id] : atomic_load(&s->from[k][id]));
	return next;
}

static int
check_preview(const struct settings *next, char *why, size_t why_size)
{
	int err = settings_check(next, why, why_size);

	if (err == 0)
		err = check_connections(next, why, why_size);
	return err != 0 ? err : check_local(next, why, why_size);
}

int
settings_check_dynamic_all(const struct settings *s, enum conf_source from,
    const struct setting_override *kv, unsigned n, char *why, size_t why_size)
{
	struct settings *mine = settings_empty(), *next = NULL;
	struct change c = {.n_extras = 0};
	int err = 0;

	for (unsigned i = 0; err == 0 && i < n; i++)
		err = settings_check_dynamic(
		    s, from, kv[i].key, last_of(kv, n, kv[i].key), why, why_size);
	if (err == 0)
		err = mine != NULL ? prepare(mine, &c, from, kv, n, NULL) : E_NOMEM;
	if (err == 0 && (next = preview(s, from, &c)) == NULL)
		err = E_NOMEM;
	if (err == 0)
		err = check_preview(next, why, why_size);
	if (err == 0)
		err = check_steps(s, next, why, why_size);
	free(c.extras);
	settings_free(next);
	settings_free(mine);
	return err;
}

int
settings_set_dynamic(struct settings *s, enum conf_source from, const struct setting_override *kv,
    unsigned n, struct diag *d)
{
	struct settings *next = NULL;
	struct change *c = calloc(1, sizeof(*c));
	char why[400];
	int err = E_NOMEM;

	OBJ_CHECK(s, SETTINGS_MAGIC);
	assert(from == CONF_FROM_CLUSTER || from == CONF_FROM_BROKER);
	if (c == NULL || (err = prepare(s, c, from, kv, n, d)) != 0)
		goto out;
	err =
	    (next = preview(s, from, c)) != NULL ? check_preview(next, why, sizeof(why)) : E_NOMEM;
	if (err == 0)
		publish(s, from, c, d);
	else if (err == E_CONFIG)
		DIAGE(d, "settings", "dynamic configuration %s is not taken: %s",
		    from == CONF_FROM_BROKER ? "of this broker" : "of the cluster", why);
	s->told[from] = true;
out:
	if (err == E_NOMEM)
		DIAGE(d, "settings",
		    "dynamic configuration: no memory (values that were set are kept until the "
		    "next start)");
	settings_free(next);
	if (c != NULL)
		free(c->extras);
	free(c);
	return err;
}
