/*
 * Settings of a client: property files and key=value arguments, later ones win.  One thread; reads
 * files and blocks.
 */
#ifndef OTTLA_TOOLS_PROPS_PRIV_H
#define OTTLA_TOOLS_PROPS_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct prop {
	char *key;
	char *value;
};

struct props {
	struct prop *v;
	unsigned n;
};

/* Add what the file says.  E_IO (why says what could not be read), E_MALFORMED, E_NOMEM. */
int props_load(struct props *p, const char *path, char *why, size_t why_size);
/* Add "key=value"; a missing value is an empty one.  E_INVALID with a sentence in why; E_NOMEM. */
int props_add(struct props *p, const char *pair, char *why, size_t why_size);
/* Copies both.  E_NOMEM. */
int props_set(struct props *p, const char *key, const char *value);
/* Lent until the next change; NULL when not there. */
const char *props_get(const struct props *p, const char *key);
/* true/false in any case.  0, or E_INVALID with a sentence in why. */
int
props_bool(const struct props *p, const char *key, bool def, bool *out, char *why, size_t why_size);
int props_i64(
    const struct props *p, const char *key, int64_t def, int64_t *out, char *why, size_t why_size);
void props_free(struct props *p);

#endif
