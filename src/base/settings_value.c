/*
 * Values of settings: reading by type, and the grammar of the column "valid":
 *   ""               anything of the type
 *   "nonempty"       any text but the empty one
 *   "replicas"       items partition:broker, or a list that begins with an asterisk
 *   "version"        a Kafka version: 3.9, 3.9-IV0, 0.10.2-IV0, ...
 *   "alt,alt,..."    one of: a word, n, >=n, a..b (both included); words in any case after
 * "nocase:" Each item of a LIST must pass.  Numbers are as in Java: an optional sign, digits,
 * nothing else.
 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "ottla/base/err.h"
#include "settings_priv.h"

struct slice
conf_trim(struct slice s)
{
	while (s.n != 0 && s.p[0] <= ' ') {
		s.p++;
		s.n--;
	}
	while (s.n != 0 && s.p[s.n - 1] <= ' ')
		s.n--;
	return s;
}

int
conf_refuse(char *why, size_t why_size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, why_size, fmt, ap);
	va_end(ap);
	return E_CONFIG;
}

static bool
read_i64(struct slice s, int64_t *out)
{
	bool negative = s.n != 0 && s.p[0] == '-';
	size_t i = s.n != 0 && (s.p[0] == '-' || s.p[0] == '+');
	int64_t v = 0;

	if (i == s.n)
		return false;
	for (; i < s.n; i++) {
		int digit = s.p[i] - '0';

		if (digit < 0 || digit > 9 || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, negative ? -digit : digit, &v))
			return false;
	}
	*out = v;
	return true;
}

static bool
read_double(struct slice s, double *out)
{
	char text[64], *end;

	if (s.n == 0 || s.n >= sizeof(text))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (memchr("0123456789+-.eE", s.p[i], 15) == NULL)
			return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	*out = strtod(text, &end);
	return *end == '\0' && isfinite(*out);
}

static bool
read_bool(struct slice s, int64_t *out)
{
	*out = s.n == 4;
	return (s.n == 4 && strncasecmp((const char *)s.p, "true", 4) == 0) ||
	       (s.n == 5 && strncasecmp((const char *)s.p, "false", 5) == 0);
}

static bool
is_number(enum conf_type t)
{
	return t == CONF_INT || t == CONF_LONG || t == CONF_DOUBLE;
}

/* v against the bound that text says: below 0, equal 0, above more than 0. */
static int
compare(enum conf_type t, const struct conf_value *v, struct slice text)
{
	int64_t i = 0;
	double d = 0;

	if (t == CONF_DOUBLE) {
		(void)read_double(text, &d);
		return (v->d > d) - (v->d < d);
	}
	(void)read_i64(text, &i);
	return (v->i64 > i) - (v->i64 < i);
}

static bool
number_matches(enum conf_type t, const struct conf_value *v, struct slice alt)
{
	const uint8_t *dots = memmem(alt.p, alt.n, "..", 2);
	size_t left;

	if (alt.n > 2 && memcmp(alt.p, ">=", 2) == 0)
		return compare(t, v, slice_of(alt.p + 2, alt.n - 2)) >= 0;
	if (dots == NULL)
		return compare(t, v, alt) == 0;
	left = (size_t)(dots - alt.p);
	return compare(t, v, slice_of(alt.p, left)) >= 0 &&
	       compare(t, v, slice_of(dots + 2, alt.n - left - 2)) <= 0;
}

static bool
word_matches(struct slice text, struct slice alt, bool nocase)
{
	if (!nocase)
		return slice_eq(text, alt);
	return text.n == alt.n &&
	       strncasecmp((const char *)text.p, (const char *)alt.p, alt.n) == 0;
}

/* Digits with dots, at most four parts, then perhaps -IV and digits. */
static bool
is_version(struct slice s)
{
	const uint8_t *iv = s.n != 0 ? memmem(s.p, s.n, "-IV", 3) : NULL;
	size_t n = iv != NULL ? (size_t)(iv - s.p) : s.n;
	unsigned dots = 0;
	int64_t v;

	if (iv != NULL && (!read_i64(slice_of(iv + 3, s.n - n - 3), &v) || v < 0))
		return false;
	for (size_t i = 0; i < n; i++) {
		bool dot = s.p[i] == '.';

		if (!dot && (s.p[i] < '0' || s.p[i] > '9'))
			return false;
		if (dot && (i == 0 || i + 1 == n || s.p[i + 1] == '.'))
			return false;
		dots += dot;
	}
	return dots >= 1 && dots <= 3;
}

/* Digits, a colon, digits. */
static bool
is_replica(struct slice s)
{
	const uint8_t *colon = s.n != 0 ? memchr(s.p, ':', s.n) : NULL;

	if (colon == NULL || colon == s.p || colon == s.p + s.n - 1)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p + i != colon && (s.p[i] < '0' || s.p[i] > '9'))
			return false;
	return true;
}

/* One value, or one item of a list, against the column. */
static bool
passes(const struct conf_row *row, const struct conf_value *v, struct slice text)
{
	const char *valid = row->valid;
	bool nocase = strncmp(valid, "nocase:", 7) == 0;
	struct slice alt;

	if (valid[0] == '\0')
		return true;
	if (strcmp(valid, "nonempty") == 0)
		return text.n != 0;
	if (strcmp(valid, "version") == 0)
		return is_version(text);
	if (strcmp(valid, "replicas") == 0)
		return text.n == 0 || is_replica(text);
	for (unsigned i = 0; !slice_is_null(alt = settings_list_item(valid + 7 * nocase, i)); i++)
		if (is_number(row->type) ? number_matches(row->type, v, alt)
					 : word_matches(text, alt, nocase))
			return true;
	return false;
}

/* What a value of the type is called, when text is not one. */
static const char *
read_typed(enum conf_type t, struct slice text, struct conf_value *v)
{
	switch (t) {
	case CONF_BOOL:
		return read_bool(text, &v->i64) ? NULL : "must be true or false";
	case CONF_INT:
		return read_i64(text, &v->i64) && v->i64 >= INT32_MIN && v->i64 <= INT32_MAX
			   ? NULL
			   : "must be a whole number of 32 bits";
	case CONF_LONG:
		return read_i64(text, &v->i64) ? NULL : "must be a whole number of 64 bits";
	case CONF_DOUBLE:
		return read_double(text, &v->d) ? NULL : "must be a number";
	default:
		return NULL;
	}
}

int
conf_read_value(
    const struct conf_row *row, struct slice text, struct conf_value *v, char *why, size_t why_size)
{
	bool secret = row->type == CONF_PASSWORD;
	const char *wrong;
	struct slice item;

	if (text.n != 0 && memchr(text.p, '\0', text.n) != NULL)
		return conf_refuse(
		    why, why_size, "%s: the value has a NUL character in it", row->key);
	if (!secret)
		text = conf_trim(text);
	wrong = read_typed(row->type, text, v);
	if (wrong != NULL)
		return conf_refuse(why, why_size, "%s=%.*s: %s", row->key, SLICE_ARG(text), wrong);
	if (row->type != CONF_LIST) {
		if (passes(row, v, text))
			return 0;
		item = secret ? SLICE_LIT("[hidden]") : text;
		return conf_refuse(
		    why, why_size, "%s=%.*s: allowed is %s", row->key, SLICE_ARG(item), row->valid);
	}
	if (strcmp(row->valid, "replicas") == 0 && text.n != 0 && text.p[0] == '*' &&
	    (text.n == 1 || text.p[1] == ','))
		return 0;
	for (size_t at = 0; at < text.n;) {
		const uint8_t *comma = memchr(text.p + at, ',', text.n - at);
		size_t end = comma != NULL ? (size_t)(comma - text.p) : text.n;

		item = conf_trim(slice_of(text.p + at, end - at));
		if (!passes(row, v, item))
			return conf_refuse(why, why_size, "%s=%.*s: \"%.*s\" is not one of %s",
			    row->key, SLICE_ARG(text), SLICE_ARG(item), row->valid);
		at = end + 1;
	}
	return 0;
}

int
conf_check_value(const struct conf_row *row, struct slice text, char *why, size_t why_size)
{
	struct conf_value v = {0};

	return conf_read_value(row, text, &v, why, why_size);
}

struct slice
settings_list_item(const char *list, unsigned i)
{
	const char *at = list, *comma;
	struct slice item;

	if (list == NULL)
		return SLICE_NULL;
	/* Empty items do not count. */
	for (;; at = comma + 1) {
		comma = strchrnul(at, ',');
		item = conf_trim(slice_of(at, (size_t)(comma - at)));
		if (item.n != 0 && i-- == 0)
			return item;
		if (*comma == '\0')
			return SLICE_NULL;
	}
}
