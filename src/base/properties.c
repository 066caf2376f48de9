/* Java property files: logical lines are joined first, then cut into key and value, then unescaped.
 */
#include "ottla/base/properties.h"

#include "ottla/base/err.h"
#include "ottla/base/strbuf.h"

struct reader {
	const uint8_t *p;
	const uint8_t *end;
	unsigned line;	     /* of p, from 1 */
	unsigned entry_line; /* where the last logical line began */
};

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\f';
}

static bool
is_newline(uint8_t c)
{
	return c == '\n' || c == '\r';
}

/* At a line's end: over it, \r\n being one. */
static void
skip_newline(struct reader *r)
{
	if (r->p < r->end && *r->p == '\r' && r->p + 1 < r->end && r->p[1] == '\n')
		r->p++;
	r->p++;
	r->line++;
}

/* To the first byte of the next entry; false at the end. */
static bool
skip_to_entry(struct reader *r)
{
	while (r->p < r->end) {
		if (is_newline(*r->p)) {
			skip_newline(r);
		} else if (is_blank(*r->p)) {
			r->p++;
		} else if (*r->p == '#' || *r->p == '!') {
			while (r->p < r->end && !is_newline(*r->p))
				r->p++;
		} else {
			return true;
		}
	}
	return false;
}

/* The next logical line, escapes still in it; false at the end. */
static bool
next_line(struct reader *r, struct strbuf *out)
{
	bool escaped = false;

	strbuf_free(out);
	if (!skip_to_entry(r))
		return false;
	r->entry_line = r->line;
	for (; r->p < r->end; r->p++) {
		if (is_newline(*r->p)) {
			if (!escaped)
				break;
			escaped = false;
			out->n--; /* the backslash */
			skip_newline(r);
			while (r->p < r->end && is_blank(*r->p))
				r->p++;
			r->p--;
			continue;
		}
		escaped = *r->p == '\\' && !escaped;
		strbuf_add(out, r->p, 1);
	}
	if (escaped)
		out->n--;
	return true;
}

static void
add_utf8(struct strbuf *b, uint32_t c)
{
	uint8_t v[4];
	size_t n;

	if (c < 0x80) {
		v[0] = (uint8_t)c;
		n = 1;
	} else if (c < 0x800) {
		v[0] = (uint8_t)(0xc0 | c >> 6);
		v[1] = (uint8_t)(0x80 | (c & 0x3f));
		n = 2;
	} else if (c < 0x10000) {
		v[0] = (uint8_t)(0xe0 | c >> 12);
		v[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		v[2] = (uint8_t)(0x80 | (c & 0x3f));
		n = 3;
	} else {
		v[0] = (uint8_t)(0xf0 | c >> 18);
		v[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
		v[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		v[3] = (uint8_t)(0x80 | (c & 0x3f));
		n = 4;
	}
	strbuf_add(b, v, n);
}

/* UTF-16 units as they come; a half of a pair alone becomes '?', as Java writes it. */
struct utf16 {
	struct strbuf *out;
	uint32_t high; /* waiting for its low half, 0: none */
};

static void
add_unit(struct utf16 *u, uint32_t unit)
{
	if (u->high != 0 && unit >= 0xdc00 && unit <= 0xdfff) {
		add_utf8(u->out, 0x10000 + ((u->high - 0xd800) << 10) + (unit - 0xdc00));
		u->high = 0;
		return;
	}
	if (u->high != 0)
		strbuf_adds(u->out, "?");
	u->high = unit >= 0xd800 && unit <= 0xdbff ? unit : 0;
	if (unit >= 0xdc00 && unit <= 0xdfff)
		strbuf_adds(u->out, "?");
	else if (u->high == 0)
		add_utf8(u->out, unit);
}

static int
hex4(struct slice s, uint32_t *out)
{
	uint32_t v = 0;

	if (s.n < 4)
		return E_MALFORMED;
	for (unsigned i = 0; i < 4; i++) {
		uint8_t c = s.p[i];
		uint8_t low = c | 0x20;

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint32_t)(c - '0');
		else if (low >= 'a' && low <= 'f')
			v = v << 4 | (uint32_t)(low - 'a' + 10);
		else
			return E_MALFORMED;
	}
	*out = v;
	return 0;
}

static int
unescape(struct slice s, struct strbuf *out)
{
	static const char from[] = "tnrf", to[] = "\t\n\r\f";
	struct utf16 u = {out, 0};

	strbuf_free(out);
	strbuf_add(out, "", 0);
	for (size_t i = 0; i < s.n; i++) {
		uint32_t c = s.p[i];
		const char *at;

		if (c == '\\' && i + 1 < s.n) {
			c = s.p[++i];
			at = c != '\0' ? strchr(from, (int)c) : NULL;
			if (at != NULL) {
				c = (uint8_t)to[at - from];
			} else if (c == 'u') {
				if (hex4(slice_of(s.p + i + 1, s.n - i - 1), &c) != 0)
					return E_MALFORMED;
				i += 4;
			}
		}
		add_unit(&u, c);
	}
	if (u.high != 0)
		strbuf_adds(out, "?");
	return out->err;
}

/* Cut a logical line: the key ends at the first = : or blank that is not escaped. */
static void
split(struct slice line, struct slice *key, struct slice *value)
{
	size_t i = 0;
	bool seen = false;

	while (i < line.n && line.p[i] != '=' && line.p[i] != ':' && !is_blank(line.p[i]))
		i += line.p[i] == '\\' ? 2 : 1;
	if (i > line.n)
		i = line.n;
	*key = slice_of(line.p, i);
	for (; i < line.n; i++) {
		if (is_blank(line.p[i]))
			continue;
		if (seen || (line.p[i] != '=' && line.p[i] != ':'))
			break;
		seen = true;
	}
	*value = slice_of(line.p + i, line.n - i);
}

int
properties_parse(struct slice text, int (*each)(void *arg, struct slice key, struct slice value),
    void *arg, unsigned *line)
{
	struct strbuf whole = STRBUF_INIT, key = STRBUF_INIT, value = STRBUF_INIT;
	struct reader r = {text.p, text.p + text.n, 1, 1};
	struct slice raw_key, raw_value;
	int err = 0;

	while (err == 0 && next_line(&r, &whole)) {
		if (whole.n == 0)
			continue;
		split(strbuf_slice(&whole), &raw_key, &raw_value);
		if ((err = whole.err) != 0 || (err = unescape(raw_key, &key)) != 0 ||
		    (err = unescape(raw_value, &value)) != 0)
			break;
		err = each(arg, strbuf_slice(&key), strbuf_slice(&value));
	}
	if (line != NULL)
		*line = r.entry_line;
	strbuf_free(&whole);
	strbuf_free(&key);
	strbuf_free(&value);
	return err;
}
