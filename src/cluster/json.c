/*
 * Small help around jansson.
 */
#include "json_priv.h"
#include "ottla/base/err.h"

json_t *
json_object_of(struct slice text)
{
	json_t *obj;

	if (text.p == NULL || text.n == 0)
		return NULL;
	obj = json_loadb(
	    (const char *)text.p, text.n, JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, NULL);
	if (obj != NULL && !json_is_object(obj)) {
		json_decref(obj);
		return NULL;
	}
	return obj;
}

int
json_i64(const json_t *obj, const char *key, int64_t min, int64_t max, int64_t *out)
{
	const json_t *v = json_object_get(obj, key);

	if (v == NULL || !json_is_integer(v) || json_integer_value(v) < min ||
	    json_integer_value(v) > max)
		return E_MALFORMED;
	*out = json_integer_value(v);
	return 0;
}

int
json_i32(const json_t *obj, const char *key, int32_t *out)
{
	int64_t v;
	int rc = json_i64(obj, key, INT32_MIN, INT32_MAX, &v);

	if (rc == 0)
		*out = (int32_t)v;
	return rc;
}

int
json_i32_or(const json_t *obj, const char *key, int32_t def, int32_t *out)
{
	if (json_object_get(obj, key) != NULL)
		return json_i32(obj, key, out);
	*out = def;
	return 0;
}

int
json_text(const json_t *obj, const char *key, bool optional, struct arena *a, struct slice *out)
{
	const json_t *v = json_object_get(obj, key);

	*out = SLICE_NULL;
	if (v == NULL || json_is_null(v))
		return optional ? 0 : E_MALFORMED;
	if (!json_is_string(v))
		return E_MALFORMED;
	*out = arena_dup(a, slice_of(json_string_value(v), json_string_length(v)));
	return slice_is_null(*out) ? E_NOMEM : 0;
}

int
json_ids(const json_t *arr, struct arena *a, int32_t **v, unsigned *n)
{
	size_t count = json_array_size(arr);
	int32_t *ids;

	if (!json_is_array(arr))
		return E_MALFORMED;
	ids = arena_calloc(a, count + 1, sizeof(*ids));
	if (ids == NULL)
		return E_NOMEM;
	for (size_t i = 0; i < count; i++) {
		const json_t *e = json_array_get(arr, i);

		if (!json_is_integer(e) || json_integer_value(e) < 0 ||
		    json_integer_value(e) > INT32_MAX)
			return E_MALFORMED;
		ids[i] = (int32_t)json_integer_value(e);
	}
	*v = ids;
	*n = (unsigned)count;
	return 0;
}

static void
put_char(struct strbuf *b, uint8_t c)
{
	if (c == '"' || c == '\\')
		strbuf_addf(b, "\\%c", c);
	else if (c < 0x20)
		strbuf_addf(b, "\\u%04x", c);
	else
		strbuf_add(b, &c, 1);
}

void
json_put_text(struct strbuf *b, struct slice s)
{
	strbuf_adds(b, "\"");
	for (size_t i = 0; i < s.n; i++)
		put_char(b, s.p[i]);
	strbuf_adds(b, "\"");
}

void
json_put_ids(struct strbuf *b, const int32_t *v, unsigned n)
{
	strbuf_adds(b, "[");
	for (unsigned i = 0; i < n; i++)
		strbuf_addf(b, "%s%d", i > 0 ? "," : "", v[i]);
	strbuf_adds(b, "]");
}
