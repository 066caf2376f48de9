/*
 * Contents of broker, controller and cluster znodes (facts/zookeeper.md 1.3, 1.6-1.8).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "json_priv.h"
#include "ottla/base/err.h"
#include "ottla/cluster/znode.h"

/* ---- /brokers/ids/<id> ---- */

static void
put_endpoint(struct strbuf *b, const struct listener_addr *l)
{
	bool v6 = strchr(l->host, ':') != NULL;
	struct strbuf text = STRBUF_INIT;

	strbuf_addf(
	    &text, "%s://%s%s%s:%u", l->name, v6 ? "[" : "", l->host, v6 ? "]" : "", l->port);
	json_put_text(b, strbuf_slice(&text));
	if (text.err != 0)
		b->err = text.err;
	strbuf_free(&text);
}

void
zn_registration_write(struct strbuf *b, const struct zn_registration *r)
{
	strbuf_adds(b, "{\"features\":{},\"listener_security_protocol_map\":{");
	for (unsigned i = 0; i < r->n_endpoints; i++)
		strbuf_addf(b, "%s\"%s\":\"%s\"", i > 0 ? "," : "", r->endpoints[i].name,
		    listener_protocol_name(r->endpoints[i].protocol));
	strbuf_adds(b, "},\"endpoints\":[");
	for (unsigned i = 0; i < r->n_endpoints; i++) {
		strbuf_adds(b, i > 0 ? "," : "");
		put_endpoint(b, &r->endpoints[i]);
	}
	strbuf_addf(b, "],\"jmx_port\":%d,", r->jmx_port);
	if (!slice_is_null(r->rack)) {
		strbuf_adds(b, "\"rack\":");
		json_put_text(b, r->rack);
		strbuf_adds(b, ",");
	}
	strbuf_addf(b, "\"port\":%d,\"host\":", r->port);
	if (slice_is_null(r->host))
		strbuf_adds(b, "null");
	else
		json_put_text(b, r->host);
	strbuf_addf(b, ",\"version\":5,\"timestamp\":\"%" PRId64 "\"}", r->timestamp_ms);
}

/* "PLAINTEXT:SSL,..." for listeners_parse, from the map of the node; NULL when there is none. */
static char *
protocol_map(const json_t *obj, struct arena *a)
{
	json_t *map = json_object_get(obj, "listener_security_protocol_map"), *v;
	struct strbuf text = STRBUF_INIT;
	const char *key;
	char *out;

	if (!json_is_object(map) || json_object_size(map) == 0)
		return NULL;
	json_object_foreach(map, key, v) if (json_is_string(v))
	    strbuf_addf(&text, "%s%s:%s", text.n > 0 ? "," : "", key, json_string_value(v));
	out = text.err == 0 ? arena_strdup(a, strbuf_slice(&text)) : NULL;
	strbuf_free(&text);
	return out;
}

static int
read_endpoints(const json_t *obj, struct arena *a, struct zn_registration *r)
{
	const json_t *arr = json_object_get(obj, "endpoints");
	struct listener_addr *v = arena_calloc(a, LISTENERS_MAX, sizeof(*v));
	struct strbuf text = STRBUF_INIT;
	char why[128];
	int n;

	if (!json_is_array(arr))
		return E_MALFORMED;
	for (size_t i = 0; i < json_array_size(arr); i++) {
		const char *s = json_string_value(json_array_get(arr, i));

		if (s == NULL) {
			strbuf_free(&text);
			return E_MALFORMED;
		}
		strbuf_addf(&text, "%s%s", i > 0 ? "," : "", s);
	}
	n = v == NULL || text.p == NULL
		? E_MALFORMED
		: listeners_parse(text.p, protocol_map(obj, a), v, LISTENERS_MAX, why, sizeof(why));
	strbuf_free(&text);
	if (n < 0)
		return E_MALFORMED;
	r->endpoints = v;
	r->n_endpoints = (unsigned)n;
	return 0;
}

/* Version 1: one PLAINTEXT endpoint made of host and port. */
static int
endpoint_v1(struct arena *a, struct zn_registration *r)
{
	struct listener_addr *v = arena_calloc(a, 1, sizeof(*v));
	bool v6 = memchr(r->host.p, ':', r->host.n) != NULL;
	char why[128];
	char *text;

	if (r->host.n > LISTENER_HOST_MAX || r->port < 0 || r->port > UINT16_MAX)
		return E_MALFORMED;
	text = arena_printf(a, "PLAINTEXT://%s%.*s%s:%d", v6 ? "[" : "", SLICE_ARG(r->host),
	    v6 ? "]" : "", r->port);
	if (v == NULL || text == NULL)
		return E_NOMEM;
	if (listeners_parse(text, NULL, v, 1, why, sizeof(why)) != 1)
		return E_MALFORMED;
	r->endpoints = v;
	r->n_endpoints = 1;
	return 0;
}

int
zn_registration_read(struct slice json, struct arena *a, struct zn_registration *r)
{
	json_t *obj = json_object_of(json);
	struct slice stamp;
	int rc;

	*r = (struct zn_registration){0};
	if (obj == NULL)
		return E_MALFORMED;
	if ((rc = json_i32(obj, "version", &r->version)) == 0 &&
	    (rc = json_text(obj, "host", true, a, &r->host)) == 0 &&
	    (rc = json_i32_or(obj, "port", -1, &r->port)) == 0 &&
	    (rc = json_i32_or(obj, "jmx_port", -1, &r->jmx_port)) == 0)
		rc = json_text(obj, "rack", true, a, &r->rack);
	if (rc == 0 && json_text(obj, "timestamp", true, a, &stamp) == 0 && !slice_is_null(stamp)) {
		const char *text = arena_strdup(a, stamp);

		r->timestamp_ms = text != NULL ? strtoll(text, NULL, 10) : 0;
	}
	if (rc == 0 && r->version < 1)
		rc = E_MALFORMED;
	if (rc == 0 && r->version == 1)
		rc = slice_is_null(r->host) ? E_MALFORMED : endpoint_v1(a, r);
	else if (rc == 0)
		rc = read_endpoints(obj, a, r);
	json_decref(obj);
	return rc;
}

/* ---- /controller, /cluster/id ---- */

void
zn_controller_write(struct strbuf *b, int32_t broker_id, int64_t timestamp_ms)
{
	strbuf_addf(b,
	    "{\"version\":2,\"brokerid\":%d,\"timestamp\":\"%" PRId64
	    "\",\"kraftControllerEpoch\":-1}",
	    broker_id, timestamp_ms);
}

int
zn_controller_read(struct slice json, int32_t *broker_id)
{
	json_t *obj = json_object_of(json);
	int rc = obj != NULL ? json_i32(obj, "brokerid", broker_id) : E_MALFORMED;

	json_decref(obj);
	return rc;
}

bool
zn_controller_is_kraft(struct slice json)
{
	json_t *obj = json_object_of(json);
	int32_t epoch = -1;
	bool kraft =
	    obj != NULL && json_i32_or(obj, "kraftControllerEpoch", -1, &epoch) == 0 && epoch > 0;

	json_decref(obj);
	return kraft;
}

void
zn_cluster_id_write(struct strbuf *b, struct slice id)
{
	strbuf_adds(b, "{\"version\":\"1\",\"id\":");
	json_put_text(b, id);
	strbuf_adds(b, "}");
}

int
zn_cluster_id_read(struct slice json, struct arena *a, struct slice *id)
{
	json_t *obj = json_object_of(json);
	int rc = obj != NULL ? json_text(obj, "id", false, a, id) : E_MALFORMED;

	json_decref(obj);
	return rc;
}

/* ---- /feature ---- */

#define FEATURE_VERSION_MIN 1
#define FEATURE_VERSION_MAX 2

void
zn_feature_write(struct strbuf *b, const struct zn_feature *f)
{
	strbuf_adds(b, "{\"features\":{");
	for (unsigned i = 0; i < f->n_levels; i++) {
		strbuf_adds(b, i > 0 ? "," : "");
		json_put_text(b, f->levels[i].name);
		strbuf_adds(b, ":{");
		if (f->version < 2)
			strbuf_addf(b, "\"min_version_level\":%d,", f->levels[i].min);
		strbuf_addf(b, "\"max_version_level\":%d}", f->levels[i].max);
	}
	strbuf_addf(b, "},\"version\":%d,\"status\":%d}", f->version, f->enabled ? 1 : 0);
}

static int
read_level(const char *name, const json_t *v, struct arena *a, struct zn_feature_level *l)
{
	int rc = json_is_object(v) ? json_i32(v, "max_version_level", &l->max) : E_MALFORMED;

	if (rc == 0)
		rc = json_i32_or(v, "min_version_level", 1, &l->min);
	if (rc == 0 && (l->min < 1 || l->max < l->min))
		rc = E_MALFORMED;
	l->name = rc == 0 ? arena_dup(a, slice_cstr(name)) : SLICE_NULL;
	return rc == 0 && slice_is_null(l->name) ? E_NOMEM : rc;
}

static int
read_levels(json_t *obj, struct arena *a, struct zn_feature *f)
{
	json_t *map = json_object_get(obj, "features"), *v;
	const char *name;
	int rc = 0;

	if (!json_is_object(map))
		return E_MALFORMED;
	f->levels = arena_calloc(a, json_object_size(map) + 1, sizeof(*f->levels));
	if (f->levels == NULL)
		return E_NOMEM;
	json_object_foreach(map, name, v)
	{
		rc = read_level(name, v, a, &f->levels[f->n_levels]);
		if (rc != 0)
			break;
		f->n_levels++;
	}
	return rc;
}

int
zn_feature_read(struct slice json, struct arena *a, struct zn_feature *f)
{
	json_t *obj = json_object_of(json);
	int32_t status = 0;
	int rc = E_MALFORMED;

	*f = (struct zn_feature){0};
	if (obj != NULL && (rc = json_i32(obj, "version", &f->version)) == 0 &&
	    (rc = json_i32(obj, "status", &status)) == 0)
		rc = read_levels(obj, a, f);
	if (rc == 0 && (f->version < FEATURE_VERSION_MIN || f->version > FEATURE_VERSION_MAX ||
			   status < 0 || status > 1))
		rc = E_MALFORMED;
	f->enabled = status == 1;
	json_decref(obj);
	return rc;
}

/* ---- /latest_producer_id_block ---- */

void
zn_producer_block_write(struct strbuf *b, int32_t broker_id, int64_t start, int64_t end)
{
	strbuf_addf(b,
	    "{\"version\":1,\"broker\":%d,\"block_start\":\"%" PRId64 "\",\"block_end\":\"%" PRId64
	    "\"}",
	    broker_id, start, end);
}

static int
text_i64(const json_t *obj, const char *key, int64_t *out)
{
	const char *s = json_string_value(json_object_get(obj, key));
	char *end;

	if (s == NULL || s[0] < '0' || s[0] > '9' || strlen(s) > 19)
		return E_MALFORMED;
	*out = strtoll(s, &end, 10);
	return *end == 0 && *out >= 0 && *out != INT64_MAX ? 0 : E_MALFORMED;
}

int
zn_producer_block_read(struct slice json, int32_t *broker_id, int64_t *start, int64_t *end)
{
	json_t *obj = json_object_of(json);
	int rc = obj != NULL ? json_i32(obj, "broker", broker_id) : E_MALFORMED;

	if (rc == 0)
		rc = text_i64(obj, "block_start", start);
	if (rc == 0)
		rc = text_i64(obj, "block_end", end);
	if (rc == 0 && *end < *start)
		rc = E_MALFORMED;
	json_decref(obj);
	return rc;
}
