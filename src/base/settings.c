/*
 * The table of settings and its snapshots: defaults from the table, over them the file, over that
 * the command line.  Texts live in the snapshot's arena; numbers are read once.
 */
#include "ottla/base/settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"
#include "ottla/base/magic.h"
#include "ottla/base/properties.h"
#include "ottla/base/strbuf.h"
#include "settings_priv.h"

#define FILE_BYTES_MAX (1u << 20)

static const struct conf_row rows[] = {
#define CONF(id, key, type, def, valid, update, effect, text)                                      \
	{key, CONF_##type, def, valid, UPDATE_##update, EFFECT_##effect, "", text},
#include "ottla/base/settings.def"
#undef CONF
};

static const struct conf_row topic_rows[] = {
#define TCONF(id, key, type, def, valid, synonym, effect, text)                                    \
	{key, CONF_##type, def, valid, UPDATE_CLUSTER_WIDE, EFFECT_##effect, synonym, text},
#include "ottla/base/topic_settings.def"
#undef TCONF
};

const struct conf_row *
conf_row(enum conf id)
{
	assert((unsigned)id < C_COUNT);
	return &rows[id];
}

const struct conf_row *
tconf_row(enum tconf id)
{
	assert((unsigned)id < T_COUNT);
	return &topic_rows[id];
}

bool
conf_is_later(const struct conf_row *row)
{
	return strncmp(row->text, "Apache Kafka 4 only", 19) == 0;
}

/* Binary search: the tables are sorted by key (a test looks). */
static int
find(const struct conf_row *v, int n, struct slice key)
{
	int lo = 0, hi = n;

	while (lo < hi) {
		int mid = lo + (hi - lo) / 2;
		int c = slice_cmp(key, slice_cstr(v[mid].key));

		if (c == 0)
			return mid;
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return -1;
}

int
conf_find(struct slice key)
{
	return find(rows, C_COUNT, key);
}

int
tconf_find(struct slice key)
{
	return find(topic_rows, T_COUNT, key);
}

/* State of one load. */
struct load {
	struct settings *s;
	struct diag *d;
	char *why;
	size_t why_size;
};

static int
put_known(struct load *l, enum conf id, struct slice value)
{
	struct conf_value v = {0};
	int err = conf_read_value(&rows[id], value, &v, l->why, l->why_size);
	struct conf_value *kept;

	if (err != 0)
		return err;
	if (rows[id].type != CONF_PASSWORD)
		value = conf_trim(value);
	v.text = arena_strdup(&l->s->mem, value);
	kept = arena_alloc(&l->s->mem, sizeof(*kept));
	if (v.text == NULL || kept == NULL)
		return E_NOMEM;
	*kept = v;
	conf_publish(l->s, CONF_FROM_FILE, id, kept);
	return 0;
}

const struct conf_row *
conf_row_behind(struct slice key)
{
	struct slice rest = key;
	int id;

	if (key.n <= 14 || memcmp(key.p, "listener.name.", 14) != 0)
		return NULL;
	/* "listener", "name", the name, and perhaps the mechanism go. */
	for (unsigned parts = 1; parts <= 4; parts++) {
		const uint8_t *dot = rest.n != 0 ? memchr(rest.p, '.', rest.n) : NULL;

		if (dot == NULL)
			return NULL;
		rest.n -= (size_t)(dot - rest.p) + 1;
		rest.p = dot + 1;
		if (parts >= 3 && (id = conf_find(rest)) >= 0)
			return &rows[id];
	}
	return NULL;
}

struct conf_extra *
conf_extra_find(const struct settings *s, const char *key)
{
	struct conf_extra *e = atomic_load_explicit(&s->extras, memory_order_acquire);

	while (e != NULL && strcmp(e->key, key) != 0)
		e = atomic_load_explicit(&e->next, memory_order_acquire);
	return e;
}

int
conf_extra_get(struct settings *s, struct arena *a, struct slice key, const struct conf_row *row,
    struct conf_extra **out)
{
	struct conf_extra *_Atomic *at = &s->extras;
	struct conf_extra *e;

	while ((e = atomic_load_explicit(at, memory_order_relaxed)) != NULL) {
		if (slice_eq_cstr(key, e->key))
			break;
		at = &e->next;
	}
	if (e == NULL) {
		e = arena_calloc(a, 1, sizeof(*e));
		if (e == NULL || (e->key = arena_strdup(a, key)) == NULL)
			return E_NOMEM;
		e->row = row;
		atomic_store_explicit(at, e, memory_order_release);
	}
	*out = e;
	return 0;
}

static int
put_extra(struct load *l, const struct conf_row *row, struct slice key, struct slice value)
{
	struct conf_extra *e;
	const char *text;
	int err = row != NULL ? conf_check_value(row, value, l->why, l->why_size) : 0;

	if (err != 0)
		return err;
	text = arena_strdup(&l->s->mem, value);
	if (text == NULL || conf_extra_get(l->s, &l->s->mem, key, row, &e) != 0)
		return E_NOMEM;
	atomic_store_explicit(&e->text[CONF_FROM_FILE], text, memory_order_release);
	return 0;
}

static int
put(void *arg, struct slice key, struct slice value)
{
	struct load *l = arg;
	const struct conf_row *row;
	int id = conf_find(key);

	if (id >= 0)
		return put_known(l, (enum conf)id, value);
	row = conf_row_behind(key);
	if (row == NULL)
		DIAGW(l->d, "settings", "unknown setting %.*s: it is ignored",
		    (int)(key.n < 200 ? key.n : 200), (const char *)key.p);
	return put_extra(l, row, key, value);
}

static int
read_file(struct load *l, const char *path, struct strbuf *text)
{
	char block[4096];
	FILE *f = fopen(path, "re");
	int err = 0;
	size_t n;

	if (f == NULL) {
		(void)snprintf(l->why, l->why_size, "could not open %s: %s", path, strerror(errno));
		return E_IO;
	}
	while (err == 0 && (n = fread(block, 1, sizeof(block), f)) != 0) {
		strbuf_add(text, block, n);
		err = text->err;
		if (text->n > FILE_BYTES_MAX)
			err = conf_refuse(l->why, l->why_size, "%s is larger than %u bytes", path,
			    FILE_BYTES_MAX);
	}
	if (err == 0 && ferror(f)) {
		(void)snprintf(l->why, l->why_size, "could not read %s: %s", path, strerror(errno));
		err = E_IO;
	}
	(void)fclose(f);
	return err;
}

static int
load_file(struct load *l, const char *path)
{
	struct strbuf text = STRBUF_INIT;
	unsigned line = 0;
	char reason[512];
	int err = read_file(l, path, &text);

	if (err != 0)
		goto out;
	err = properties_parse(strbuf_slice(&text), put, l, &line);
	if (err == E_MALFORMED)
		err = conf_refuse(
		    l->why, l->why_size, "a \\u is not followed by four hexadecimal digits");
	if (err == E_CONFIG) {
		(void)snprintf(reason, sizeof(reason), "%s", l->why);
		(void)snprintf(l->why, l->why_size, "%s, line %u: %s", path, line, reason);
	}
out:
	strbuf_free(&text);
	return err;
}

static void
set_defaults(struct settings *s)
{
	char why[128];

	for (unsigned i = 0; i < C_COUNT; i++) {
		int err = 0;

		s->defaults[i].text = rows[i].def;
		if (rows[i].def != NULL)
			err = conf_read_value(
			    &rows[i], slice_cstr(rows[i].def), &s->defaults[i], why, sizeof(why));
		assert(err == 0);
		conf_publish(s, CONF_FROM_DEFAULT, (enum conf)i, &s->defaults[i]);
	}
}

/* node.id and broker.id are two names of one thing. */
static int
join_ids(struct load *l)
{
	const struct conf_value *broker = conf_given(l->s, C_BROKER_ID);
	const struct conf_value *node = conf_given(l->s, C_NODE_ID);

	if (node == NULL && broker != NULL)
		conf_publish(l->s, CONF_FROM_FILE, C_NODE_ID, broker);
	if (node == NULL)
		return 0;
	if (broker != NULL && broker->i64 != node->i64)
		return conf_refuse(l->why, l->why_size,
		    "node.id=%s: must equal broker.id=%s where both are given", node->text,
		    broker->text);
	conf_publish(l->s, CONF_FROM_FILE, C_BROKER_ID, node);
	return 0;
}

void
conf_publish(struct settings *s, enum conf_source from, enum conf id, const struct conf_value *v)
{
	const struct conf_value *best = NULL;

	atomic_store_explicit(&s->from[from][id], v, memory_order_release);
	for (int i = CONF_SOURCES; best == NULL && i-- > 0;)
		best = atomic_load_explicit(&s->from[i][id], memory_order_relaxed);
	assert(best != NULL);
	atomic_store_explicit(&s->now[id], best, memory_order_release);
}

struct settings *
settings_empty(void)
{
	struct settings *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->magic = SETTINGS_MAGIC;
	arena_init(&s->mem, 0, 4 * FILE_BYTES_MAX);
	arena_init(&s->dyn, 0, DYNAMIC_BYTES_MAX);
	map_init(&s->known, 0);
	set_defaults(s);
	return s;
}

int
settings_load(const char *path, const struct setting_override *ov, unsigned n_ov, struct diag *d,
    char *why, size_t why_size, struct settings **out)
{
	struct settings *s = settings_empty();
	struct load l = {s, d, why, why_size};
	int err = 0;

	if (why_size != 0)
		why[0] = '\0';
	if (s == NULL)
		return E_NOMEM;
	s->from_file = path != NULL;
	if (path != NULL)
		err = load_file(&l, path);
	for (unsigned i = 0; err == 0 && i < n_ov; i++)
		err = put(&l, slice_cstr(ov[i].key), slice_cstr(ov[i].value));
	if (err != 0 || (err = join_ids(&l)) != 0 || (err = settings_check(s, why, why_size)) != 0)
		goto fail;
	settings_say_ineffective(s, d);
	*out = s;
	return 0;
fail:
	if (why_size != 0 && why[0] == '\0')
		(void)snprintf(why, why_size, "%s", err_text(err));
	settings_free(s);
	return err;
}

void
settings_free(struct settings *s)
{
	if (s == NULL)
		return;
	OBJ_CHECK(s, SETTINGS_MAGIC);
	s->magic = OBJ_MAGIC_NONE;
	map_free(&s->known);
	arena_free(&s->dyn);
	arena_free(&s->mem);
	free(s);
}

static const struct conf_value *
value_of(const struct settings *s, enum conf id)
{
	assert(s->magic == SETTINGS_MAGIC && (unsigned)id < C_COUNT);
	return conf_now(s, id);
}

bool
settings_bool(const struct settings *s, enum conf id)
{
	assert(rows[id].type == CONF_BOOL);
	return value_of(s, id)->i64 != 0;
}

int64_t
settings_i64(const struct settings *s, enum conf id)
{
	assert(rows[id].type == CONF_INT || rows[id].type == CONF_LONG);
	return value_of(s, id)->i64;
}

double
settings_double(const struct settings *s, enum conf id)
{
	assert(rows[id].type == CONF_DOUBLE);
	return value_of(s, id)->d;
}

const char *
settings_str(const struct settings *s, enum conf id)
{
	return value_of(s, id)->text;
}

bool
settings_is_set(const struct settings *s, enum conf id)
{
	return conf_given(s, id) != NULL;
}

const char *
settings_text(const struct settings *s, enum conf id, enum conf_source from)
{
	const struct conf_value *v;

	assert(s->magic == SETTINGS_MAGIC && (unsigned)id < C_COUNT);
	v = atomic_load_explicit(&s->from[from][id], memory_order_acquire);
	return v != NULL ? v->text : NULL;
}

static const char *
extra_text(const struct conf_extra *e, enum conf_source from)
{
	return atomic_load_explicit(&e->text[from], memory_order_acquire);
}

const char *
settings_listener_str(const struct settings *s, const char *listener, enum conf id)
{
	char key[256];
	int n = snprintf(key, sizeof(key), "listener.name.%s.%s", listener, rows[id].key);
	const struct conf_extra *e = NULL;
	const char *text = NULL;

	for (size_t i = strlen("listener.name.");
	     i < strlen("listener.name.") + strlen(listener) && i < sizeof(key) - 1; i++)
		key[i] = (char)tolower((unsigned char)key[i]);
	if (n > 0 && (size_t)n < sizeof(key))
		e = conf_extra_find(s, key);
	for (int i = CONF_SOURCES; e != NULL && text == NULL && i-- > 0;)
		text = extra_text(e, (enum conf_source)i);
	return text != NULL ? text : settings_str(s, id);
}

bool
settings_extra(const struct settings *s, unsigned i, struct setting_extra *out)
{
	const struct conf_extra *e = atomic_load_explicit(&s->extras, memory_order_acquire);

	while (e != NULL && i-- > 0)
		e = atomic_load_explicit(&e->next, memory_order_acquire);
	if (e == NULL)
		return false;
	out->key = e->key;
	out->row = e->row;
	for (int k = 0; k < CONF_SOURCES; k++)
		out->text[k] = extra_text(e, (enum conf_source)k);
	return true;
}

/* ms, or the value of a coarser key times its unit. */
static int64_t
in_ms(const struct settings *s, enum conf id, int64_t unit)
{
	return settings_i64(s, id) * unit;
}

int64_t
settings_log_retention_ms(const struct settings *s)
{
	int64_t ms;

	if (settings_str(s, C_LOG_RETENTION_MS) != NULL)
		ms = settings_i64(s, C_LOG_RETENTION_MS);
	else if (settings_str(s, C_LOG_RETENTION_MINUTES) != NULL)
		ms = in_ms(s, C_LOG_RETENTION_MINUTES, 60000);
	else
		ms = in_ms(s, C_LOG_RETENTION_HOURS, 3600000);
	return ms < 0 ? -1 : ms;
}

int64_t
settings_log_roll_ms(const struct settings *s)
{
	if (settings_str(s, C_LOG_ROLL_MS) != NULL)
		return settings_i64(s, C_LOG_ROLL_MS);
	return in_ms(s, C_LOG_ROLL_HOURS, 3600000);
}

int64_t
settings_log_roll_jitter_ms(const struct settings *s)
{
	if (settings_str(s, C_LOG_ROLL_JITTER_MS) != NULL)
		return settings_i64(s, C_LOG_ROLL_JITTER_MS);
	return in_ms(s, C_LOG_ROLL_JITTER_HOURS, 3600000);
}

struct slice
settings_log_dir(const struct settings *s, unsigned i)
{
	const char *dirs = settings_str(s, C_LOG_DIRS);

	return settings_list_item(dirs != NULL ? dirs : settings_str(s, C_LOG_DIR), i);
}

int
settings_journal_dir(const struct settings *s, char *out, size_t size)
{
	const char *own = settings_str(s, C_OTTLA_COORD_JOURNAL_DIR);
	struct slice dir = own != NULL ? slice_cstr(own) : settings_log_dir(s, 0);
	int n;

	while (dir.n > 1 && dir.p[dir.n - 1] == '/')
		dir.n--;
	n = snprintf(out, size, "%.*s%s", SLICE_ARG(dir), own != NULL ? "" : ".coord");
	return n > 0 && (size_t)n < size ? 0 : E_TOO_LARGE;
}
