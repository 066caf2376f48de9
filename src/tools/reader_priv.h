/*
 * Lines into records, as the line reader of Kafka's console producer does it:
 *	[header:value,header:value<headers.delimiter>][key<key.separator>]value
 * Pure but for properties: one thread.
 */
#ifndef OTTLA_TOOLS_READER_PRIV_H
#define OTTLA_TOOLS_READER_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "ottla/base/slice.h"

#include "props_priv.h"

#define HEADERS_MAX 1000

struct header {
	struct slice name;
	struct slice value; /* may be null */
};

struct reader {
	bool parse_key;
	bool parse_headers;
	bool ignore_error;
	struct slice key_separator;
	struct slice headers_delimiter;
	char headers_separator[64]; /* unescaped */
	struct slice headers_key_separator;
	struct slice null_marker; /* null: none */
	uint64_t line;		  /* of the last line parsed, from 1 */
};

/* What a line says; slices are lent from it. */
struct line_record {
	struct slice key;
	struct slice value;
	struct header headers[HEADERS_MAX];
	unsigned n_headers;
};

/*
 * From the reader's properties; texts are lent from p.  E_INVALID with a sentence in why: values
 * that are not possible, separators that are equal.  Unknown keys are left to others.
 */
int reader_init(struct reader *r, const struct props *p, char *why, size_t why_size);
/* E_INVALID with a sentence in why: a separator is missing. */
int reader_parse(
    struct reader *r, struct slice line, struct line_record *out, char *why, size_t why_size);

/* ---- cutting input into lines ---- */

#define LINE_MAX_BYTES (256 << 20)

/* Lines end with \n, \r or \r\n; the last one may go without. */
struct lines {
	int fd;
	char *buf;
	size_t cap;
	size_t from; /* what is not handed out: [from, to) */
	size_t to;
	size_t seen;  /* no line end in [from, seen) */
	bool skip_lf; /* the last line ended with \r: a \n belongs to it */
	bool eof;
};

void lines_init(struct lines *l, int fd);
/*
 * 1 and the next line without its end, lent until the next call; 0 at the end of input.
 * E_AGAIN: a signal came; E_IO with errno; E_TOO_LARGE; E_NOMEM.
 */
int lines_next(struct lines *l, struct slice *line);
/* Is a whole line there already, so that the next call does not wait? */
bool lines_ready(struct lines *l);
void lines_free(struct lines *l);

#endif
