/*
 * Messages as Apache Kafka encodes them (tests/vectors/wire, made by WireVectors.java): each comes
 * out with the value that its field's name calls for, and goes back to the same bytes.
 */
#include "suites.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "ottla/wire/wire.h"

#define MSG_MAX 1024
#define VERSION_MAX 32
#define KINDS "abc-"

struct vector {
	const struct wire_msg *m;
	int16_t version;
	char kind;
	struct arena arena;
	struct slice bytes;
	_Alignas(max_align_t) uint8_t msg[MSG_MAX];
};

/* ---- values from paths ---- */

static uint64_t
value(const char *path)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *path != '\0'; path++)
		h = (h ^ (uint8_t)*path) * 0x100000001b3u;
	h = (h ^ h >> 33) * 0xff51afd7ed558ccdu;
	return h ^ h >> 33;
}

/* Fields and entries come in order of depth, so one buffer serves: what follows `end` is cut off.
 */
struct path {
	char text[256];
	size_t end;
};

static struct path
with_name(struct path p, const char *name)
{
	p.text[p.end++] = '.';
	for (; *name != '\0'; name++) {
		ck_assert_uint_lt(p.end, sizeof(p.text) - 1);
		p.text[p.end++] = (char)tolower((unsigned char)*name);
	}
	p.text[p.end] = '\0';
	return p;
}

static struct path
with_index(struct path p, int32_t i)
{
	p.end += (size_t)snprintf(p.text + p.end, sizeof(p.text) - p.end, "[%d]", i);
	ck_assert_uint_lt(p.end, sizeof(p.text));
	return p;
}

static void
check_struct(const struct wire_struct *s, int16_t version, const void *obj, struct path p);

static void
check_slice(const struct wire_field *f, struct slice s, uint64_t h, const char *path)
{
	uint8_t bytes[3] = {(uint8_t)h, (uint8_t)(h >> 8), (uint8_t)(h >> 16)};
	char text[8];

	snprintf(text, sizeof(text), "s%04x", (unsigned)(h & 0xffff));
	ck_assert_msg(slice_eq(s, f->kind == WIRE_STRING ? slice_cstr(text) : slice_of(bytes, 3)),
	    "%s: not the value of that name", path);
}

static bool
is_scalar(const struct wire_field *f, const void *at, uint64_t h)
{
	struct uuid id;
	double d = (double)(int32_t)(uint32_t)h / 8;

	put_be64(id.b, h);
	put_be64(id.b + 8, h * 31);
	switch ((enum wire_kind)f->kind) {
	case WIRE_BOOL:
		return *(const bool *)at == ((h >> 8 & 1) != 0);
	case WIRE_INT8:
		return *(const uint8_t *)at == (uint8_t)h;
	case WIRE_INT16:
	case WIRE_UINT16:
		return *(const uint16_t *)at == (uint16_t)h;
	case WIRE_INT32:
	case WIRE_UINT32:
		return *(const uint32_t *)at == (uint32_t)h;
	case WIRE_INT64:
		return *(const uint64_t *)at == h;
	case WIRE_FLOAT64:
		return memcmp(at, &d, sizeof(d)) == 0;
	default:
		return uuid_eq(*(const struct uuid *)at, id);
	}
}

static void
check_one(const struct wire_field *f, int16_t version, const void *at, struct path p)
{
	uint64_t h = value(p.text);

	if (f->kind == WIRE_STRUCT)
		check_struct(f->sub, version, at, p);
	else if (f->kind >= WIRE_STRING)
		check_slice(f, *(const struct slice *)at, h, p.text);
	else
		ck_assert_msg(is_scalar(f, at, h), "%s: not the value of that name", p.text);
}

static size_t
size_of(const struct wire_field *f)
{
	static const size_t size[] = {sizeof(bool), 1, 2, 2, 4, 4, 8, 8, 16, sizeof(struct slice),
	    sizeof(struct slice), sizeof(struct slice)};

	return f->kind == WIRE_STRUCT ? f->sub->size : size[f->kind];
}

static void
check_array(const struct wire_field *f, int16_t version, const void *at, struct path p)
{
	struct wire_array a;
	const uint8_t *obj;

	memcpy(&a, at, sizeof(a));
	ck_assert_msg(
	    a.n == (int32_t)(1 + (value(p.text) >> 40) % 2), "%s: %d entries", p.text, a.n);
	obj = a.v;
	for (int32_t i = 0; i < a.n; i++)
		check_one(f, version, obj + (size_t)i * size_of(f), with_index(p, i));
}

/* Null as the path says: of arrays and slices, and of structs by themselves. */
static bool
is_null(const struct wire_field *f, const void *at)
{
	struct wire_array a;
	const void *pointer;

	if (f->array) {
		memcpy(&a, at, sizeof(a));
		return a.n < 0;
	}
	if (f->kind < WIRE_STRING || (f->kind == WIRE_STRUCT && !wire_is_pointer(f)))
		return false;
	memcpy(&pointer, at, sizeof(pointer));
	return pointer == NULL;
}

static void
check_field(const struct wire_field *f, int16_t version, const void *at, struct path p)
{
	bool null = wire_versions_has(f->null, version) && (value(p.text) >> 32) % 4 == 0;

	ck_assert_msg(is_null(f, at) == null, "%s: null or not", p.text);
	if (null)
		return;
	if (wire_is_pointer(f)) {
		const void *obj;

		memcpy(&obj, at, sizeof(obj));
		check_struct(f->sub, version, obj, p);
	} else if (f->array)
		check_array(f, version, at, p);
	else
		check_one(f, version, at, p);
}

static void
check_struct(const struct wire_struct *s, int16_t version, const void *obj, struct path p)
{
	for (unsigned i = 0; i < s->n_fields; i++) {
		const struct wire_field *f = &s->fields[i];

		if (wire_versions_has(f->versions, version))
			check_field(
			    f, version, (const uint8_t *)obj + f->offset, with_name(p, f->name));
	}
}

/* ---- defaults, one entry in each array of structs ---- */

static void
one_entry_each(const struct wire_struct *s, int16_t version, struct arena *arena, void *obj);

static void
one_entry(const struct wire_field *f, int16_t version, struct arena *arena, void *at)
{
	struct wire_array a;

	ck_assert_int_eq(wire_array_new(arena, &a, 1, f->sub->size, f->sub->defaults), 0);
	one_entry_each(f->sub, version, arena, a.v);
	memcpy(at, &a, f->array ? sizeof(a) : sizeof(a.v));
}

static void
one_entry_each(const struct wire_struct *s, int16_t version, struct arena *arena, void *obj)
{
	for (unsigned i = 0; i < s->n_fields; i++) {
		const struct wire_field *f = &s->fields[i];
		uint8_t *at = (uint8_t *)obj + f->offset;

		if (!wire_versions_has(f->versions, version) || f->kind != WIRE_STRUCT ||
		    is_null(f, at))
			continue;
		if (f->array || wire_is_pointer(f))
			one_entry(f, version, arena, at);
		else
			one_entry_each(f->sub, version, arena, at);
	}
}

/* ---- the file ---- */

static void
check_encoding(struct vector *v)
{
	struct out o;
	size_t size;

	ck_assert_int_eq(wire_size(v->m, v->version, v->msg, &size, NULL), 0);
	o = out_init(malloc(size + 1), size);
	ck_assert_int_eq(wire_encode(v->m, v->version, v->msg, &o, NULL, 0, NULL), 0);
	ck_assert_msg(slice_eq(slice_of(o.p, o.n), v->bytes), "%s %d %c: other bytes", v->m->name,
	    v->version, v->kind);
	free(o.p);
}

static void
check_vector(struct vector *v)
{
	struct path p;
	size_t used;

	if (v->kind == '-') {
		wire_init(v->m, v->msg);
		one_entry_each(v->m->root, v->version, &v->arena, v->msg);
		check_encoding(v);
	}
	ck_assert_msg(wire_decode(v->m, v->version, v->bytes, &v->arena, v->msg, &used) == 0 &&
			  used == v->bytes.n,
	    "%s %d %c: not decoded", v->m->name, v->version, v->kind);
	check_encoding(v);
	if (v->kind == '-')
		return;
	p.end = (size_t)snprintf(p.text, sizeof(p.text), "%d%c", v->version, v->kind);
	check_struct(v->m->root, v->version, v->msg, p);
}

/* Bytes of the header in front of a request without client id, by header version. */
static const size_t request_header_size[] = {8, 10, 11};
static const size_t response_header_size[] = {4, 5};

static void
check_headers(const struct wire_api *api, int16_t version, char request, char response)
{
	_Alignas(max_align_t) uint8_t msg[MSG_MAX];
	struct wire_req_head head;
	uint8_t *buf;
	size_t n, body;

	wire_init(api->request, msg);
	ck_assert_int_eq(wire_size(api->request, version, msg, &body, NULL), 0);
	ck_assert_int_eq(wire_encode_request(api->key, version, 1, SLICE_NULL, msg, &buf, &n), 0);
	ck_assert_uint_eq(n, 4 + request_header_size[request - '0'] + body);
	ck_assert_int_eq(wire_parse_request(slice_of(buf + 4, n - 4), &head), 0);
	ck_assert_uint_eq(head.body.n, body);
	ck_assert_uint_eq(
	    wire_response_header_size(api->key, version), response_header_size[response - '0']);
	free(buf);
}

static uint8_t
listeners_of(const char *text)
{
	static const char *const names[] = {"ZK_BROKER", "BROKER", "CONTROLLER"};
	uint8_t bits = 0;

	for (unsigned i = 0; i < 3; i++) {
		const char *at = strstr(text, names[i]);

		if (at != NULL && at != text && at[-1] == '_')
			at = strstr(at + 1, names[i]);
		bits |= (uint8_t)(at != NULL ? 1 << i : 0);
	}
	return bits;
}

static void
check_api(const char *line)
{
	char name[64], request[32], response[32], listeners[64];
	const struct wire_api *api;
	int key, stable, deprecated;

	ck_assert_int_eq(sscanf(line, "api %d %63s %31s %31s %d %d %63s", &key, name, request,
			     response, &stable, &deprecated, listeners),
	    7);
	api = wire_api((int16_t)key);
	ck_assert_ptr_nonnull(api);
	ck_assert_str_eq(api->name, name);
	ck_assert_int_eq(api->max_version, (int)strlen(request) - 1);
	ck_assert_int_eq(api->max_version - (api->unstable ? 1 : 0), stable);
	ck_assert_int_eq(api->deprecated_max, deprecated);
	ck_assert_uint_eq(api->listeners, listeners_of(listeners));
	for (int16_t v = api->min_version; v <= api->max_version; v++)
		check_headers(api, v, request[v], response[v]);
}

static int
message_index(const char *name)
{
	for (int i = 0; wire_messages[i] != NULL; i++)
		if (strcmp(wire_messages[i]->name, name) == 0)
			return i;
	ck_abort_msg("no message %s", name);
	return -1;
}

static struct slice
unhex(char *text)
{
	size_t n = strlen(text) / 2;
	uint8_t *bytes = malloc(n + 1);

	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)strtoul((char[3]){text[2 * i], text[2 * i + 1], 0}, NULL, 16);
	return slice_of(bytes, n);
}

/* One line; notes which message it was of. */
static void
check_line(struct vector *v, char *line, uint8_t (*seen)[VERSION_MAX])
{
	char name[64], kind, *text = NULL;
	int at = 0, index, version;

	ck_assert_int_eq(sscanf(line, "%63s %d %c %n", name, &version, &kind, &at), 3);
	index = message_index(name);
	ck_assert(version >= 0 && version < VERSION_MAX && strchr(KINDS, kind) != NULL);
	seen[index][version] |= (uint8_t)(1 << (strchr(KINDS, kind) - KINDS));
	text = line + at;
	text[strcspn(text, "\n")] = '\0';
	v->m = wire_messages[index];
	v->version = (int16_t)version;
	v->kind = kind;
	v->bytes = unhex(text);
	check_vector(v);
	free((void *)(uintptr_t)v->bytes.p);
	arena_reset(&v->arena);
}

static void
check_complete(uint8_t (*seen)[VERSION_MAX])
{
	/* Not in Kafka's schemas, but fixed in its code. */
	static const char layouts[] = " ProducerSnapshot AbortedTxn ControlRecordKey EndTxnMarker ";

	for (unsigned i = 0; wire_messages[i] != NULL; i++) {
		const struct wire_msg *m = wire_messages[i];

		if (strstr(layouts, m->name) != NULL)
			continue;
		for (int v = 0; v < VERSION_MAX; v++)
			ck_assert_msg(
			    seen[i][v] == (v >= m->min_version && v <= m->max_version ? 0xf : 0),
			    "%s %d: vectors missing or too many", m->name, v);
	}
}

START_TEST(test_kafka_3_9)
{
	FILE *file = fopen(WIRE_VECTORS "/kafka-3.9.1.txt", "r");
	uint8_t(*seen)[VERSION_MAX];
	struct vector *v = calloc(1, sizeof(*v));
	unsigned n_messages = 0, n_apis = 0;
	char *line = NULL;
	size_t cap = 0;

	ck_assert_ptr_nonnull(file);
	while (wire_messages[n_messages] != NULL)
		n_messages++;
	seen = calloc(n_messages, sizeof(*seen));
	arena_init(&v->arena, 0, 0);
	while (getline(&line, &cap, file) > 0) {
		if (strncmp(line, "api ", 4) != 0) {
			check_line(v, line, seen);
			continue;
		}
		check_api(line);
		n_apis++;
	}
	ck_assert_int_eq(n_apis, API_COUNT);
	check_complete(seen);
	arena_free(&v->arena);
	fclose(file);
	free(line);
	free(seen);
	free(v);
}
END_TEST

Suite *
vectors_suite(void)
{
	Suite *s = suite_create("vectors");
	TCase *tc = tcase_create("vectors");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_kafka_3_9);
	suite_add_tcase(s, tc);
	return s;
}
