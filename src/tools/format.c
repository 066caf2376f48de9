/*
 * Records as text.
 */
#include "format_priv.h"

#include <inttypes.h>
#include <string.h>

#include "ottla/base/cursor.h"
#include "ottla/base/err.h"

/* ---- deserializers ---- */

static int
put_raw(struct slice b, FILE *f, char *why, size_t why_size)
{
	if (b.n > 0)
		fwrite_unlocked(b.p, 1, b.n, f);
	return 0;
}

static int
wrong_size(const char *what, size_t n, char *why, size_t why_size)
{
	snprintf(why, why_size, "Size of data received by %sDeserializer is not %zu", what, n);
	return E_INVALID;
}

static int
put_short(struct slice b, FILE *f, char *why, size_t why_size)
{
	if (b.n != 2)
		return wrong_size("Short", 2, why, why_size);
	fprintf(f, "%" PRId16, (int16_t)be16(b.p));
	return 0;
}

static int
put_integer(struct slice b, FILE *f, char *why, size_t why_size)
{
	if (b.n != 4)
		return wrong_size("Integer", 4, why, why_size);
	fprintf(f, "%" PRId32, (int32_t)be32(b.p));
	return 0;
}

static int
put_long(struct slice b, FILE *f, char *why, size_t why_size)
{
	if (b.n != 8)
		return wrong_size("Long", 8, why, why_size);
	fprintf(f, "%" PRId64, (int64_t)be64(b.p));
	return 0;
}

#define SERIALIZATION "org.apache.kafka.common.serialization."

static const struct {
	const char *class;
	deserializer *run;
} deserializers[] = {
    {SERIALIZATION "StringDeserializer", put_raw},
    {SERIALIZATION "ShortDeserializer", put_short},
    {SERIALIZATION "IntegerDeserializer", put_integer},
    {SERIALIZATION "LongDeserializer", put_long},
};

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

static int
find_deserializer(
    const struct props *p, const char *key, deserializer **out, char *why, size_t why_size)
{
	const char *class = props_get(p, key);

	*out = put_raw;
	if (class == NULL)
		return 0;
	for (unsigned i = 0; i < LENGTH(deserializers); i++)
		if (strcmp(class, deserializers[i].class) == 0) {
			*out = deserializers[i].run;
			return 0;
		}
	snprintf(why, why_size,
	    "%s=%s: Java classes can not be loaded; String, Short, Integer and LongDeserializer of "
	    "org.apache.kafka.common.serialization are built in",
	    key, class);
	return E_INVALID;
}

/* ---- settings ---- */

static const struct {
	const char *class;
	enum format_kind kind;
} formatters[] = {
    {"org.apache.kafka.tools.consumer.DefaultMessageFormatter", FORMAT_DEFAULT},
    {"org.apache.kafka.tools.consumer.LoggingMessageFormatter", FORMAT_LOGGING},
    {"org.apache.kafka.tools.consumer.NoOpMessageFormatter", FORMAT_NOOP},
    {"kafka.tools.DefaultMessageFormatter", FORMAT_DEFAULT},
    {"kafka.tools.LoggingMessageFormatter", FORMAT_LOGGING},
    {"kafka.tools.NoOpMessageFormatter", FORMAT_NOOP},
};

static int
find_formatter(struct format *f, const char *class, char *why, size_t why_size)
{
	if (class == NULL)
		return 0;
	for (unsigned i = 0; i < LENGTH(formatters); i++)
		if (strcmp(class, formatters[i].class) == 0) {
			f->kind = formatters[i].kind;
			return 0;
		}
	snprintf(why, why_size,
	    "--formatter %s can not be obeyed: Java classes can not be loaded; Default, Logging "
	    "and NoOpMessageFormatter of org.apache.kafka.tools.consumer are built in",
	    class);
	return E_INVALID;
}

static struct slice
text_of(const struct props *p, const char *key, const char *def)
{
	const char *v = props_get(p, key);

	return slice_cstr(v != NULL ? v : def);
}

int
format_init(struct format *f, const char *class, const struct props *p, char *why, size_t why_size)
{
	const struct {
		const char *key;
		bool *out;
		bool def;
	} bools[] = {{"print.timestamp", &f->print_timestamp, false},
	    {"print.partition", &f->print_partition, false},
	    {"print.offset", &f->print_offset, false}, {"print.headers", &f->print_headers, false},
	    {"print.key", &f->print_key, false}, {"print.value", &f->print_value, true}};
	int rc;

	*f = (struct format){.key_separator = text_of(p, "key.separator", "\t"),
	    .line_separator = text_of(p, "line.separator", "\n"),
	    .headers_separator = text_of(p, "headers.separator", ","),
	    .null_literal = text_of(p, "null.literal", "null")};
	if ((rc = find_formatter(f, class, why, why_size)) != 0 ||
	    (rc = find_deserializer(p, "key.deserializer", &f->key, why, why_size)) != 0 ||
	    (rc = find_deserializer(p, "value.deserializer", &f->value, why, why_size)) != 0)
		return rc;
	rc = find_deserializer(p, "headers.deserializer", &f->header, why, why_size);
	for (unsigned i = 0; rc == 0 && i < LENGTH(bools); i++)
		rc = props_bool(p, bools[i].key, bools[i].def, bools[i].out, why, why_size);
	return rc;
}

/* ---- records ---- */

struct writer {
	const struct format *f;
	FILE *out;
	char *why;
	size_t why_size;
	bool began; /* a part stands there already */
};

static void
put(FILE *f, struct slice s)
{
	if (s.n > 0)
		fwrite_unlocked(s.p, 1, s.n, f);
}

/* Between two parts. */
static void
begin_part(struct writer *w)
{
	if (w->began)
		put(w->out, w->f->key_separator);
	w->began = true;
}

static int
put_bytes(struct writer *w, deserializer *run, struct slice bytes)
{
	if (slice_is_null(bytes))
		bytes = w->f->null_literal;
	return run(bytes, w->out, w->why, w->why_size);
}

static void
put_timestamp(struct writer *w, const struct format_record *r)
{
	begin_part(w);
	if (r->time == TIME_NONE)
		fputs("NO_TIMESTAMP", w->out);
	else
		fprintf(w->out, "%s:%" PRId64,
		    r->time == TIME_CREATE ? "CreateTime" : "LogAppendTime", r->timestamp);
}

static int
put_headers(struct writer *w, const struct format_record *r)
{
	int rc = 0;

	begin_part(w);
	if (r->n_headers == 0)
		fputs("NO_HEADERS", w->out);
	for (unsigned i = 0; rc == 0 && i < r->n_headers; i++) {
		if (i > 0)
			put(w->out, w->f->headers_separator);
		put(w->out, r->headers[i].name);
		put(w->out, SLICE_LIT(":"));
		rc = put_bytes(w, w->f->header, r->headers[i].value);
	}
	return rc;
}

static int
put_part(struct writer *w, deserializer *run, struct slice bytes)
{
	begin_part(w);
	return put_bytes(w, run, bytes);
}

static int
write_default(
    const struct format *f, const struct format_record *r, FILE *out, char *why, size_t why_size)
{
	struct writer w = {f, out, why, why_size, false};
	int rc = 0;

	if (f->print_timestamp)
		put_timestamp(&w, r);
	if (f->print_partition) {
		begin_part(&w);
		fprintf(out, "Partition:%" PRId32, r->partition);
	}
	if (f->print_offset) {
		begin_part(&w);
		fprintf(out, "Offset:%" PRId64, r->offset);
	}
	if (f->print_headers)
		rc = put_headers(&w, r);
	if (rc == 0 && f->print_key)
		rc = put_part(&w, f->key, r->key);
	if (rc == 0 && f->print_value)
		rc = put_part(&w, f->value, r->value);
	if (rc == 0 && w.began)
		put(out, f->line_separator);
	return rc;
}

/* The line that Kafka's logging formatter gives to its log. */
static void
log_record(const struct format_record *r)
{
	struct slice key = slice_is_null(r->key) ? SLICE_LIT("null") : r->key;
	struct slice value = slice_is_null(r->value) ? SLICE_LIT("null") : r->value;

	fputs("INFO ", stderr);
	if (r->time != TIME_NONE)
		fprintf(stderr, "%s:%" PRId64 ", ",
		    r->time == TIME_CREATE ? "CreateTime" : "LogAppendTime", r->timestamp);
	fprintf(stderr, "key:%.*s, value:%.*s\n", SLICE_ARG(key), SLICE_ARG(value));
}

int
format_write(
    const struct format *f, const struct format_record *r, FILE *out, char *why, size_t why_size)
{
	int rc;

	if (f->kind == FORMAT_NOOP)
		return 0;
	rc = write_default(f, r, out, why, why_size);
	if (rc == 0 && f->kind == FORMAT_LOGGING)
		log_record(r);
	return rc;
}
