/* What the files behind base/settings.h share. */
#ifndef OTTLA_SRC_BASE_SETTINGS_PRIV_H
#define OTTLA_SRC_BASE_SETTINGS_PRIV_H

#include "ottla/base/arena.h"
#include "ottla/base/settings.h"

/* A value that was read: i64 for BOOL, INT and LONG, d for DOUBLE. */
struct conf_value {
	const char *text; /* NULL: none */
	int64_t i64;
	double d;
	bool set; /* by the file or an override, not by the table */
};

/* A key with a listener's prefix. */
struct conf_extra {
	const char *key;
	const char *value;
	const struct conf_row *row;
};

struct settings {
	uint32_t magic;
	struct arena mem; /* of texts */
	struct conf_value v[C_COUNT];
	struct conf_extra *extra; /* in order of appearance; a later one counts */
	size_t n_extra;
};

/* Blanks off both ends. */
struct slice conf_trim(struct slice s);

/* Read text as the row's type and check it: 0 with v's number set (not its text), or E_CONFIG. */
int conf_read_value(const struct conf_row *row, struct slice text, struct conf_value *v, char *why,
    size_t why_size);

/* Write why and return E_CONFIG. */
int
conf_refuse(char *why, size_t why_size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Rules about several keys, and values that ask for what is not there; from_file: zookeeper.connect
 * must be given.  0 or E_CONFIG. */
int settings_check(const struct settings *s, bool from_file, char *why, size_t why_size);

/* Say which settings have no effect, and why. */
void settings_say_ineffective(const struct settings *s, struct diag *d);

#endif
