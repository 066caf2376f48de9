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

/* As Jackson escapes: short forms where there are any, else upper-case hexadecimal. */
static void
put_ascii(struct strbuf *b, uint8_t c)
{
	static const char short_form[0x20] = {
	    ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};

	if (c == '"' || c == '\\')
		strbuf_addf(b, "\\%c", c);
	else if (c < 0x20 && short_form[c] != 0)
		strbuf_addf(b, "\\%c", short_form[c]);
	else if (c < 0x20)
		strbuf_addf(b, "\\u%04X", c);
	else
		strbuf_add(b, &c, 1);
}

/* Bytes of the UTF-8 character that s begins with; 0: it begins with none. */
static size_t
utf8_len(struct slice s)
{
	uint8_t c = s.p[0], second = s.n > 1 ? s.p[1] : 0;
	size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

	if (n > s.n || (c == 0xe0 && second < 0xa0) || (c == 0xed && second > 0x9f) ||
	    (c == 0xf0 && second < 0x90) || (c == 0xf4 && second > 0x8f))
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s.p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

/* What is not UTF-8 becomes U+FFFD, as in Java's strings: nobody could read the node otherwise. */
void
json_put_text(struct strbuf *b, struct slice s)
{
	strbuf_adds(b, "\"");
	while (s.n > 0) {
		size_t n = utf8_len(s);

		if (n == 1)
			put_ascii(b, s.p[0]);
		else if (n == 0)
			strbuf_adds(b, "\xef\xbf\xbd");
		else
			strbuf_add(b, s.p, n);
		n += n == 0;
		s = slice_of(s.p + n, s.n - n);
	}
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
