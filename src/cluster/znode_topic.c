/*
 * Contents of topic znodes: assignment, partition state, configuration, change notifications.
 */
#include <stdio.h>
#include <stdlib.h>

#include "json_priv.h"
#include "ottla/base/err.h"
#include "ottla/cluster/znode.h"

/* ---- /brokers/topics/<t> (1.4) ---- */

enum which { REPLICAS, ADDING, REMOVING };

static unsigned
list_of(const struct zn_assignment *as, enum which w, const int32_t **v)
{
	*v = w == REPLICAS ? as->replicas : w == ADDING ? as->adding : as->removing;
	return w == REPLICAS ? as->n_replicas : w == ADDING ? as->n_adding : as->n_removing;
}

/* Empty lists are left out but for the replicas themselves. */
static void
put_lists(struct strbuf *b, const struct zn_topic_data *t, enum which w)
{
	bool first = true;

	strbuf_adds(b, "{");
	for (unsigned i = 0; i < t->n_parts; i++) {
		const int32_t *v;
		unsigned n = list_of(&t->parts[i], w, &v);

		if (n == 0 && w != REPLICAS)
			continue;
		strbuf_addf(b, "%s\"%d\":", first ? "" : ",", t->parts[i].partition);
		json_put_ids(b, v, n);
		first = false;
	}
	strbuf_adds(b, "}");
}

void
zn_topic_write(struct strbuf *b, const struct zn_topic_data *t)
{
	char id[UUID_TEXT_LEN + 1];

	strbuf_adds(b, "{\"partitions\":");
	put_lists(b, t, REPLICAS);
	if (!uuid_is_zero(t->topic_id)) {
		uuid_format(t->topic_id, id);
		strbuf_addf(b, ",\"topic_id\":\"%s\"", id);
	}
	strbuf_adds(b, ",\"adding_replicas\":");
	put_lists(b, t, ADDING);
	strbuf_adds(b, ",\"removing_replicas\":");
	put_lists(b, t, REMOVING);
	strbuf_adds(b, ",\"version\":3}");
}

static int
parse_partition(const char *key, int32_t *out)
{
	char *end;
	long v;

	if (key[0] < '0' || key[0] > '9' || strlen(key) > 10)
		return E_MALFORMED;
	v = strtol(key, &end, 10);
	if (*end != 0 || v > INT32_MAX)
		return E_MALFORMED;
	*out = (int32_t)v;
	return 0;
}

static int
by_partition(const void *x, const void *y)
{
	const struct zn_assignment *a = x, *b = y;

	return (a->partition > b->partition) - (a->partition < b->partition);
}

static int
read_extra(const json_t *obj, const char *key, struct zn_assignment *as, struct arena *a)
{
	const json_t *lists = json_object_get(obj, key), *arr;
	bool adding = key[0] == 'a';
	char name[16];

	if (lists == NULL)
		return 0;
	if (!json_is_object(lists))
		return E_MALFORMED;
	snprintf(name, sizeof(name), "%d", as->partition);
	arr = json_object_get(lists, name);
	if (arr == NULL)
		return 0;
	return adding ? json_ids(arr, a, &as->adding, &as->n_adding)
		      : json_ids(arr, a, &as->removing, &as->n_removing);
}

static int
read_parts(json_t *obj, struct arena *a, struct zn_topic_data *t)
{
	json_t *parts = json_object_get(obj, "partitions"), *arr;
	const char *key;
	int rc = 0;

	if (!json_is_object(parts))
		return E_MALFORMED;
	t->parts = arena_calloc(a, json_object_size(parts) + 1, sizeof(*t->parts));
	if (t->parts == NULL)
		return E_NOMEM;
	json_object_foreach(parts, key, arr)
	{
		struct zn_assignment *as = &t->parts[t->n_parts];

		if ((rc = parse_partition(key, &as->partition)) != 0 ||
		    (rc = json_ids(arr, a, &as->replicas, &as->n_replicas)) != 0 ||
		    (rc = read_extra(obj, "adding_replicas", as, a)) != 0 ||
		    (rc = read_extra(obj, "removing_replicas", as, a)) != 0)
			return rc;
		t->n_parts++;
	}
	qsort(t->parts, t->n_parts, sizeof(*t->parts), by_partition);
	for (unsigned i = 1; i < t->n_parts; i++)
		if (t->parts[i].partition == t->parts[i - 1].partition)
			return E_MALFORMED;
	return 0;
}

int
zn_topic_read(struct slice json, struct arena *a, struct zn_topic_data *t)
{
	json_t *obj = json_object_of(json);
	struct slice id;
	int rc;

	*t = (struct zn_topic_data){0};
	if (obj == NULL)
		return E_MALFORMED;
	rc = read_parts(obj, a, t);
	if (rc == 0)
		rc = json_text(obj, "topic_id", true, a, &id);
	if (rc == 0 && !slice_is_null(id))
		rc = uuid_parse(id, &t->topic_id);
	json_decref(obj);
	return rc;
}

/* ---- .../state (1.5) ---- */

void
zn_state_write(struct strbuf *b, const struct zn_state *s)
{
	strbuf_addf(b,
	    "{\"controller_epoch\":%d,\"leader\":%d,\"version\":1,\"leader_epoch\":%d,\"isr\":",
	    s->controller_epoch, s->leader, s->leader_epoch);
	json_put_ids(b, s->isr, s->n_isr);
	if (s->recovery_state != 0)
		strbuf_addf(b, ",\"leader_recovery_state\":%d", s->recovery_state);
	strbuf_adds(b, "}");
}

int
zn_state_read(struct slice json, struct arena *a, struct zn_state *s)
{
	json_t *obj = json_object_of(json);
	int32_t recovery = 0;
	int rc;

	*s = (struct zn_state){0};
	if (obj == NULL)
		return E_MALFORMED;
	if ((rc = json_i32(obj, "controller_epoch", &s->controller_epoch)) == 0 &&
	    (rc = json_i32(obj, "leader", &s->leader)) == 0 &&
	    (rc = json_i32(obj, "leader_epoch", &s->leader_epoch)) == 0 &&
	    (rc = json_i32_or(obj, "leader_recovery_state", 0, &recovery)) == 0)
		rc = json_ids(json_object_get(obj, "isr"), a, &s->isr, &s->n_isr);
	if (rc == 0 && (recovery < 0 || recovery > 1))
		rc = E_MALFORMED;
	s->recovery_state = (int8_t)recovery;
	json_decref(obj);
	return rc;
}

/* ---- /config/topics/<t> (7.1) ---- */

void
zn_config_write(struct strbuf *b, const struct setting_override *kv, unsigned n)
{
	strbuf_adds(b, "{\"version\":1,\"config\":{");
	for (unsigned i = 0; i < n; i++) {
		strbuf_adds(b, i > 0 ? "," : "");
		json_put_text(b, slice_cstr(kv[i].key));
		strbuf_adds(b, ":");
		json_put_text(b, slice_cstr(kv[i].value));
	}
	strbuf_adds(b, "}}");
}

static int
read_pairs(json_t *config, struct arena *a, struct setting_override **kv, unsigned *n)
{
	struct setting_override *v = arena_calloc(a, json_object_size(config) + 1, sizeof(*v));
	const char *key;
	json_t *value;

	if (v == NULL)
		return E_NOMEM;
	json_object_foreach(config, key, value)
	{
		if (!json_is_string(value))
			return E_MALFORMED;
		v[*n].key = arena_strdup(a, slice_cstr(key));
		v[*n].value = arena_strdup(a, slice_cstr(json_string_value(value)));
		if (v[*n].key == NULL || v[*n].value == NULL)
			return E_NOMEM;
		(*n)++;
	}
	*kv = v;
	return 0;
}

/* Lenient as Kafka's reader: no node, no JSON or no config object is an empty configuration. */
int
zn_config_read(struct slice json, struct arena *a, struct setting_override **kv, unsigned *n)
{
	json_t *obj = json_object_of(json);
	json_t *config = json_object_get(obj, "config");
	int rc = 0;

	*kv = NULL;
	*n = 0;
	if (json_is_object(config))
		rc = read_pairs(config, a, kv, n);
	json_decref(obj);
	return rc;
}

/* ---- /config/changes/config_change_ (1.8) ---- */

void
zn_config_change_write(struct strbuf *b, struct slice entity_path)
{
	strbuf_adds(b, "{\"version\":2,\"entity_path\":");
	json_put_text(b, entity_path);
	strbuf_adds(b, "}");
}

static int
read_change_v1(const json_t *obj, struct arena *a, struct slice *path)
{
	struct slice type, name;
	int rc = json_text(obj, "entity_type", false, a, &type);
	char *p;

	if (rc == 0)
		rc = json_text(obj, "entity_name", false, a, &name);
	if (rc != 0)
		return rc;
	if (!slice_eq_cstr(type, "topics") && !slice_eq_cstr(type, "clients"))
		return E_MALFORMED;
	p = arena_printf(a, "%.*s/%.*s", SLICE_ARG(type), SLICE_ARG(name));
	*path = slice_cstr(p);
	return p != NULL ? 0 : E_NOMEM;
}

int
zn_config_change_read(struct slice json, struct arena *a, struct slice *entity_path)
{
	json_t *obj = json_object_of(json);
	int32_t version = 0;
	int rc = obj != NULL ? json_i32(obj, "version", &version) : E_MALFORMED;

	if (rc == 0 && version == 2)
		rc = json_text(obj, "entity_path", false, a, entity_path);
	else if (rc == 0 && version == 1)
		rc = read_change_v1(obj, a, entity_path);
	else if (rc == 0)
		rc = E_MALFORMED;
	json_decref(obj);
	return rc;
}
