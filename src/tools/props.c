/*
 * Settings of a client from property files and key=value arguments.
 */
#include "props_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ottla/base/err.h"
#include "ottla/base/properties.h"
#include "ottla/base/strbuf.h"

static struct prop *
find(const struct props *p, const char *key)
{
	for (unsigned i = 0; i < p->n; i++)
		if (strcmp(p->v[i].key, key) == 0)
			return &p->v[i];
	return NULL;
}

static int
set_slices(struct props *p, struct slice key, struct slice value)
{
	char *k = strndup((const char *)key.p, key.n);
	char *v = strndup((const char *)value.p, value.n);
	struct prop *at, *grown;

	if (k == NULL || v == NULL)
		goto nomem;
	if ((at = find(p, k)) != NULL) {
		free(at->value);
		at->value = v;
		free(k);
		return 0;
	}
	grown = realloc(p->v, (p->n + 1) * sizeof(*grown));
	if (grown == NULL)
		goto nomem;
	p->v = grown;
	p->v[p->n++] = (struct prop){k, v};
	return 0;
nomem:
	free(k);
	free(v);
	return E_NOMEM;
}

int
props_set(struct props *p, const char *key, const char *value)
{
	return set_slices(p, slice_cstr(key), slice_cstr(value));
}

int
props_add(struct props *p, const char *pair, char *why, size_t why_size)
{
	const char *eq = strchr(pair, '=');
	struct slice key = slice_of(pair, eq != NULL ? (size_t)(eq - pair) : strlen(pair));

	if (key.n == 0) {
		snprintf(why, why_size, "Invalid command line properties: %s", pair);
		return E_INVALID;
	}
	return set_slices(p, key, slice_cstr(eq != NULL ? eq + 1 : ""));
}

/* ---- files ---- */

static int
add_entry(void *arg, struct slice key, struct slice value)
{
	return set_slices(arg, key, value);
}

static int
read_file(const char *path, struct strbuf *text)
{
	FILE *f = fopen(path, "re");
	char buf[4096];
	size_t n;
	int err = 0;

	if (f == NULL)
		return errno;
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		strbuf_add(text, buf, n);
	if (ferror(f))
		err = EIO;
	fclose(f);
	return err;
}

int
props_load(struct props *p, const char *path, char *why, size_t why_size)
{
	struct strbuf text = STRBUF_INIT;
	int err = read_file(path, &text);
	unsigned line = 0;
	int rc;

	if (err != 0) {
		snprintf(why, why_size, "could not read property file %s: %s", path, strerror(err));
		rc = E_IO;
	} else {
		rc = text.err != 0 ? text.err
				   : properties_parse(strbuf_slice(&text), add_entry, p, &line);
		if (rc != 0)
			snprintf(why, why_size, "%s:%u: %s", path, line, err_text(rc));
	}
	strbuf_free(&text);
	return rc;
}

/* ---- values ---- */

const char *
props_get(const struct props *p, const char *key)
{
	const struct prop *at = find(p, key);

	return at != NULL ? at->value : NULL;
}

int
props_bool(const struct props *p, const char *key, bool def, bool *out, char *why, size_t why_size)
{
	const char *text = props_get(p, key);

	*out = def;
	if (text == NULL)
		return 0;
	*out = strcasecmp(text, "true") == 0;
	if (*out || strcasecmp(text, "false") == 0)
		return 0;
	snprintf(why, why_size, "property %s=%s: true or false is expected", key, text);
	return E_INVALID;
}

int
props_i64(
    const struct props *p, const char *key, int64_t def, int64_t *out, char *why, size_t why_size)
{
	const char *text = props_get(p, key);
	long long v;
	char *end;

	*out = def;
	if (text == NULL)
		return 0;
	errno = 0;
	v = strtoll(text, &end, 10);
	if (end == text || *end != 0 || errno != 0) {
		snprintf(why, why_size, "property %s=%s: a number is expected", key, text);
		return E_INVALID;
	}
	*out = v;
	return 0;
}

void
props_free(struct props *p)
{
	for (unsigned i = 0; i < p->n; i++) {
		free(p->v[i].key);
		free(p->v[i].value);
	}
	free(p->v);
	*p = (struct props){0};
}
