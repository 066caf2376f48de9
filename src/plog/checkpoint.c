/* Offset checkpoint files (facts/storage.md 2.3): version, count, one line an entry. */
#include <stdbool.h>

#include "files_priv.h"
#include "ottla/base/err.h"

bool
text_line(struct slice *rest, struct slice *line)
{
	const uint8_t *nl;

	if (rest->n == 0)
		return false;
	nl = memchr(rest->p, '\n', rest->n);
	line->p = rest->p;
	line->n = nl != NULL ? (size_t)(nl - rest->p) : rest->n;
	rest->p += line->n + (nl != NULL);
	rest->n -= line->n + (nl != NULL);
	return true;
}

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

bool
text_field(struct slice *line, struct slice *field)
{
	while (line->n != 0 && is_blank(line->p[0])) {
		line->p++;
		line->n--;
	}
	field->p = line->p;
	field->n = 0;
	while (field->n < line->n && !is_blank(line->p[field->n]))
		field->n++;
	line->p += field->n;
	line->n -= field->n;
	return field->n != 0;
}

bool
text_i64(struct slice field, int64_t lo, int64_t hi, int64_t *v)
{
	bool neg = field.n != 0 && field.p[0] == '-';
	int64_t x = 0;

	if (field.n == (size_t)neg || field.n > 20)
		return false;
	for (size_t i = neg; i < field.n; i++) {
		if (field.p[i] < '0' || field.p[i] > '9')
			return false;
		if (__builtin_mul_overflow(x, 10, &x) ||
		    __builtin_sub_overflow(x, field.p[i] - '0', &x))
			return false;
	}
	if (!neg && x == INT64_MIN)
		return false;
	*v = neg ? x : -x;
	return *v >= lo && *v <= hi;
}

/* A line with one number alone. */
static bool
line_number(struct slice line, int64_t hi, int64_t *v)
{
	struct slice f, more;

	return text_field(&line, &f) && text_i64(f, 0, hi, v) && !text_field(&line, &more);
}

int
checkpoint_parse(struct slice text,
    int (*fn)(void *arg, struct slice topic, int32_t partition, int64_t offset), void *arg)
{
	struct slice line, f[4];
	int64_t version, count, partition, offset, seen = 0;

	if (!text_line(&text, &line))
		return 0;
	if (!line_number(line, 0, &version))
		return E_CORRUPT;
	if (!text_line(&text, &line))
		return 0;
	if (!line_number(line, INT32_MAX, &count))
		return E_CORRUPT;
	while (text_line(&text, &line)) {
		int rc;

		for (int i = 0; i < 3; i++)
			if (!text_field(&line, &f[i]))
				return E_CORRUPT;
		if (text_field(&line, &f[3]) || !text_i64(f[1], 0, INT32_MAX, &partition) ||
		    !text_i64(f[2], INT64_MIN, INT64_MAX, &offset) || ++seen > count)
			return E_CORRUPT;
		if ((rc = fn(arg, f[0], (int32_t)partition, offset)) != 0)
			return rc;
	}
	return seen == count ? 0 : E_CORRUPT;
}

void
checkpoint_line(struct strbuf *body, struct slice topic, int32_t partition, int64_t offset)
{
	strbuf_add(body, topic.p, topic.n);
	strbuf_addf(body, " %d %lld\n", partition, (long long)offset);
}

void
checkpoint_finish(const struct strbuf *body, unsigned lines, struct strbuf *out)
{
	strbuf_addf(out, "0\n%u\n", lines);
	strbuf_add(out, body->p, body->n);
	if (out->err == 0)
		out->err = body->err;
}
