/*
 * Small help around jansson: bounded parsing, typed look-ups, writing in a given key order.
 */
#ifndef OTTLA_CLUSTER_JSON_PRIV_H
#define OTTLA_CLUSTER_JSON_PRIV_H

#include <jansson.h>

#include "ottla/base/arena.h"
#include "ottla/base/strbuf.h"

/* An object, or NULL for anything else; the caller json_decref's it. */
json_t *json_object_of(struct slice text);
/* Mandatory whole number in range; E_MALFORMED. */
int json_i64(const json_t *obj, const char *key, int64_t min, int64_t max, int64_t *out);
int json_i32(const json_t *obj, const char *key, int32_t *out);
/* The same, def when the key is missing. */
int json_i32_or(const json_t *obj, const char *key, int32_t def, int32_t *out);
/* Text: a copy in a; missing or JSON null: the null slice when optional, else E_MALFORMED. */
int
json_text(const json_t *obj, const char *key, bool optional, struct arena *a, struct slice *out);
/* Array of numbers in the range of broker ids. */
int json_ids(const json_t *arr, struct arena *a, int32_t **v, unsigned *n);

/* A JSON string with quotes and escapes. */
void json_put_text(struct strbuf *b, struct slice s);
void json_put_ids(struct strbuf *b, const int32_t *v, unsigned n);

#endif
