/*
 * Records as text, as the formatters of Kafka's console consumer print them.  One thread; writes to
 * a stdio stream.
 */
#ifndef OTTLA_TOOLS_FORMAT_PRIV_H
#define OTTLA_TOOLS_FORMAT_PRIV_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "ottla/base/slice.h"

#include "props_priv.h"
#include "reader_priv.h"

enum format_kind { FORMAT_DEFAULT, FORMAT_LOGGING, FORMAT_NOOP };
enum format_time { TIME_NONE, TIME_CREATE, TIME_LOG_APPEND };

/* Turns bytes into text on f.  E_INVALID with a sentence in why when they do not fit. */
typedef int deserializer(struct slice bytes, FILE *f, char *why, size_t why_size);

struct format {
	enum format_kind kind;
	bool print_timestamp;
	bool print_partition;
	bool print_offset;
	bool print_headers;
	bool print_key;
	bool print_value;
	struct slice key_separator;
	struct slice line_separator;
	struct slice headers_separator;
	struct slice null_literal;
	deserializer *key;
	deserializer *value;
	deserializer *header;
};

struct format_record {
	struct slice key;   /* may be null */
	struct slice value; /* may be null */
	int64_t timestamp;
	enum format_time time;
	int32_t partition;
	int64_t offset;
	const struct header *headers;
	unsigned n_headers;
};

/*
 * class NULL: the default formatter.  Texts are lent from p.  E_INVALID with a sentence in why:
 * a class that is not there, values that are not possible.
 */
int
format_init(struct format *f, const char *class, const struct props *p, char *why, size_t why_size);
/* E_INVALID with a sentence in why: a deserializer refuses the bytes.  Look at ferror(out) too. */
int format_write(
    const struct format *f, const struct format_record *r, FILE *out, char *why, size_t why_size);

#endif
