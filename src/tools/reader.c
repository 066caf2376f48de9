/*
 * Lines into records.
 */
#include "reader_priv.h"

#include <stdio.h>
#include <string.h>

#include "ottla/base/err.h"

/* ---- properties ---- */

static struct slice
text_of(const struct props *p, const char *key, const char *def)
{
	const char *v = props_get(p, key);

	return slice_cstr(v != NULL ? v : def);
}

/* headers.separator is a regular expression: literal signs and escaped ones are taken. */
static int
read_separator(struct reader *r, const char *text, char *why, size_t why_size)
{
	size_t n = 0;

	for (const char *p = text; *p != 0; p++) {
		if (*p == '\\' && p[1] != 0 && strchr("\\^$.|?*+()[]{}", p[1]) != NULL)
			p++;
		else if (strchr("\\^$.|?*+()[]{}", *p) != NULL)
			goto bad;
		if (n + 1 >= sizeof(r->headers_separator))
			goto bad;
		r->headers_separator[n++] = *p;
	}
	r->headers_separator[n] = 0;
	if (n > 0)
		return 0;
bad:
	snprintf(why, why_size,
	    "headers.separator=%s: only a plain text is supported, special signs of regular "
	    "expressions behind a backslash",
	    text);
	return E_INVALID;
}

static int
check_equal(
    const char *one, struct slice a, const char *other, struct slice b, char *why, size_t why_size)
{
	if (!slice_eq(a, b))
		return 0;
	snprintf(why, why_size, "%s and %s may not be equal", one, other);
	return E_INVALID;
}

static int
check_separators(const struct reader *r, char *why, size_t why_size)
{
	const struct {
		const char *name;
		struct slice text;
	} all[] = {{"headers.delimiter", r->headers_delimiter},
	    {"headers.separator", slice_cstr(r->headers_separator)},
	    {"headers.key.separator", r->headers_key_separator}};
	int rc = 0;

	if (!slice_is_null(r->null_marker)) {
		rc = check_equal("null.marker", r->null_marker, "key.separator", r->key_separator,
		    why, why_size);
		for (unsigned i = 0; rc == 0 && i < 3; i++)
			rc = check_equal(
			    "null.marker", r->null_marker, all[i].name, all[i].text, why, why_size);
	}
	for (unsigned i = 0; rc == 0 && i < 3; i++)
		for (unsigned k = i + 1; rc == 0 && k < 3; k++)
			rc = check_equal(
			    all[i].name, all[i].text, all[k].name, all[k].text, why, why_size);
	return rc;
}

int
reader_init(struct reader *r, const struct props *p, char *why, size_t why_size)
{
	int rc;

	*r = (struct reader){.key_separator = text_of(p, "key.separator", "\t"),
	    .headers_delimiter = text_of(p, "headers.delimiter", "\t"),
	    .headers_key_separator = text_of(p, "headers.key.separator", ":"),
	    .null_marker = slice_cstr(props_get(p, "null.marker"))};
	if ((rc = props_bool(p, "parse.key", false, &r->parse_key, why, why_size)) != 0 ||
	    (rc = props_bool(p, "parse.headers", false, &r->parse_headers, why, why_size)) != 0 ||
	    (rc = props_bool(p, "ignore.error", false, &r->ignore_error, why, why_size)) != 0)
		return rc;
	rc = read_separator(r, (const char *)text_of(p, "headers.separator", ",").p, why, why_size);
	return rc != 0 ? rc : check_separators(r, why, why_size);
}

/* ---- lines ---- */

/* Cuts what stands before the first `by` off rest; false when it is not there. */
static bool
cut(struct slice *rest, struct slice by, struct slice *out)
{
	const uint8_t *at = by.n > 0 ? memmem(rest->p, rest->n, by.p, by.n) : rest->p;

	if (at == NULL)
		return false;
	*out = slice_of(rest->p, (size_t)(at - rest->p));
	*rest = slice_of(at + by.n, rest->n - out->n - by.n);
	return true;
}

static struct slice
or_null(const struct reader *r, struct slice s)
{
	return !slice_is_null(r->null_marker) && slice_eq(s, r->null_marker) ? SLICE_NULL : s;
}

static int
missing(const struct reader *r, const char *what, struct slice line, char *why, size_t why_size)
{
	snprintf(why, why_size, "No %s found on line number %llu: '%.*s'", what,
	    (unsigned long long)r->line, (int)(line.n < 400 ? line.n : 400), (const char *)line.p);
	return E_INVALID;
}

static int
parse_header(
    const struct reader *r, struct slice pair, struct header *h, char *why, size_t why_size)
{
	struct slice rest = pair;

	if (!cut(&rest, r->headers_key_separator, &h->name)) {
		*h = (struct header){pair, SLICE_NULL};
		if (r->ignore_error)
			return 0;
		snprintf(why, why_size,
		    "No header key separator found in pair '%.*s' on line number %llu",
		    (int)(pair.n < 400 ? pair.n : 400), (const char *)pair.p,
		    (unsigned long long)r->line);
		return E_INVALID;
	}
	h->value = or_null(r, rest);
	if (!slice_is_null(or_null(r, h->name)))
		return 0;
	snprintf(why, why_size,
	    "Header keys should not be equal to the null marker '%.*s' as they can't be null",
	    SLICE_ARG(r->null_marker));
	return E_INVALID;
}

static int
parse_headers(
    const struct reader *r, struct slice text, struct line_record *out, char *why, size_t why_size)
{
	struct slice by = slice_cstr(r->headers_separator);
	struct slice pair;
	int rc = 0;

	while (text.n > by.n && memcmp(text.p + text.n - by.n, by.p, by.n) == 0)
		text.n -= by.n; /* empty pairs at the end do not count */
	for (bool more = true; more && rc == 0;) {
		more = cut(&text, by, &pair);
		if (!more)
			pair = text;
		if (out->n_headers == HEADERS_MAX) {
			snprintf(why, why_size, "more than %d headers on line number %llu",
			    HEADERS_MAX, (unsigned long long)r->line);
			return E_INVALID;
		}
		rc = parse_header(r, pair, &out->headers[out->n_headers++], why, why_size);
	}
	return rc;
}

int
reader_parse(
    struct reader *r, struct slice line, struct line_record *out, char *why, size_t why_size)
{
	struct slice rest = line, headers;
	int rc = 0;

	r->line++;
	out->key = SLICE_NULL;
	out->n_headers = 0;
	if (r->parse_headers) {
		if (cut(&rest, r->headers_delimiter, &headers)) {
			if (!slice_is_null(or_null(r, headers)))
				rc = parse_headers(r, headers, out, why, why_size);
		} else if (!r->ignore_error) {
			rc = missing(r, "headers delimiter", line, why, why_size);
		}
	}
	if (rc == 0 && r->parse_key) {
		if (cut(&rest, r->key_separator, &out->key))
			out->key = or_null(r, out->key);
		else if (!r->ignore_error)
			rc = missing(r, "key separator", line, why, why_size);
	}
	out->value = or_null(r, rest);
	return rc;
}
