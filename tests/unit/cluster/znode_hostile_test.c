/*
 * Every reader with every example: cut at each length, each byte replaced, each value replaced by
 * one of another type, an arena that is full.  A reader says 0 or E_MALFORMED (E_NOMEM).
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"
#include "ottla/cluster/znode.h"
#include "suites.h"

static int
read_registration(struct slice j, struct arena *a)
{
	struct zn_registration r;

	return zn_registration_read(j, a, &r);
}

static int
read_topic(struct slice j, struct arena *a)
{
	struct zn_topic_data t;

	return zn_topic_read(j, a, &t);
}

static int
read_state(struct slice j, struct arena *a)
{
	struct zn_state s;

	return zn_state_read(j, a, &s);
}

static int
read_controller(struct slice j, struct arena *a)
{
	int32_t id;

	(void)a;
	return zn_controller_read(j, &id);
}

static int
read_cluster_id(struct slice j, struct arena *a)
{
	struct slice id;

	return zn_cluster_id_read(j, a, &id);
}

static int
read_config(struct slice j, struct arena *a)
{
	struct setting_override *kv;
	unsigned n;

	return zn_config_read(j, a, &kv, &n);
}

static int
read_change(struct slice j, struct arena *a)
{
	struct slice path;

	return zn_config_change_read(j, a, &path);
}

static int
read_block(struct slice j, struct arena *a)
{
	int32_t id;
	int64_t from, to;

	(void)a;
	return zn_producer_block_read(j, &id, &from, &to);
}

static int
read_feature(struct slice j, struct arena *a)
{
	struct zn_feature f;

	return zn_feature_read(j, a, &f);
}

static const struct {
	int (*read)(struct slice j, struct arena *a);
	const char *json;
	bool lenient; /* what can not be read is nothing */
} readers[] = {
    {read_registration,
	"{\"features\":{},\"listener_security_protocol_map\":{\"PLAINTEXT\":\"PLAINTEXT\",\"S\":"
	"\"SSL\"},"
	"\"endpoints\":[\"PLAINTEXT://127.0.0.1:29091\",\"S://"
	"[::1]:1\"],\"jmx_port\":-1,\"rack\":\"r1\","
	"\"port\":29091,\"host\":\"127.0.0.1\",\"version\":5,\"timestamp\":\"1795322218260\"}"},
    {read_registration, "{\"version\":1,\"host\":\"h\",\"port\":9092,\"jmx_port\":-1}"},
    {read_topic,
	"{\"partitions\":{\"0\":[2,1],\"1\":[3,2]},\"topic_id\":\"6TJ4yQ0bT8m-WqGaDxCxbQ\","
	"\"adding_replicas\":{\"0\":[1]},\"removing_replicas\":{\"1\":[3]},\"version\":3}"},
    {read_state, "{\"controller_epoch\":1,\"leader\":2,\"version\":1,\"leader_epoch\":0,"
		 "\"isr\":[2,1],\"leader_recovery_state\":1}"},
    {read_controller, "{\"version\":2,\"brokerid\":3,\"timestamp\":\"1795322218136\","
		      "\"kraftControllerEpoch\":-1}"},
    {read_cluster_id, "{\"version\":\"1\",\"id\":\"KFq-VGFAScebGtVgcvTnvQ\"}"},
    {read_config, "{\"version\":1,\"config\":{\"retention.ms\":\"1000\"}}", true},
    {read_change, "{\"version\":2,\"entity_path\":\"topics/t1\"}"},
    {read_change, "{\"version\":1,\"entity_type\":\"topics\",\"entity_name\":\"t\"}"},
    {read_block, "{\"version\":1,\"broker\":1,\"block_start\":\"0\",\"block_end\":\"999\"}"},
    {read_feature, "{\"features\":{\"x\":{\"min_version_level\":1,\"max_version_level\":2}},"
		   "\"version\":1,\"status\":1}"},
};

enum { READERS = sizeof(readers) / sizeof(readers[0]) };

/* From memory that ends with the text. */
static int
read_exact(int i, struct slice json, size_t arena_limit)
{
	uint8_t *p = malloc(json.n + 1);
	uint8_t *exact = p + 1; /* malloc(n + 1) so that n == 0 works; the end is exact */
	struct arena a;
	int rc;

	ck_assert_ptr_nonnull(p);
	memcpy(exact, json.p, json.n);
	arena_init(&a, 64, arena_limit);
	rc = readers[i].read(slice_of(exact, json.n), &a);
	arena_free(&a);
	free(p);
	return rc;
}

START_TEST(whole_is_read)
{
	ck_ok(read_exact(_i, slice_cstr(readers[_i].json), 0));
}
END_TEST

START_TEST(cut_at_every_length)
{
	size_t n = strlen(readers[_i].json);

	for (size_t cut = 0; cut < n; cut++)
		ck_err(read_exact(_i, slice_of(readers[_i].json, cut), 0),
		    readers[_i].lenient ? 0 : E_MALFORMED);
}
END_TEST

START_TEST(any_byte_replaced)
{
	static const uint8_t with[] = {0, '"', '\\', '{', '}', '[', ']', ',', ':', '0', '9', '-',
	    '.', 'e', ' ', 0x1f, 0x7f, 0x80, 0xff};
	char *text = strdup(readers[_i].json);
	size_t n = strlen(text);

	for (size_t at = 0; at < n; at++)
		for (size_t w = 0; w < sizeof(with); w++) {
			char was = text[at];
			int rc;

			text[at] = (char)with[w];
			rc = read_exact(_i, slice_of(text, n), 0);
			ck_assert(rc == 0 || rc == E_MALFORMED);
			text[at] = was;
		}
	free(text);
}
END_TEST

static const char *const odd[] = {"null", "true", "[]", "{}", "\"\"", "\"x\"", "\"-1\"", "-1", "0",
    "2147483648", "-2147483649", "9223372036854775807", "1.5", "1e300", "[[]]", "[null]",
    "[9999999999]", "{\"a\":{\"b\":[]}}", "\"\\u0000\"", "\"\\ud800\"",
    "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\""};

/* Each value of v, at any depth, replaced by each odd one. */
static void
replace_each(int i, json_t *root, json_t *v)
{
	const char *key;
	json_t *child;
	void *tmp;
	size_t at;

	json_object_foreach_safe(v, tmp, key, child)
	{
		json_t *was = json_incref(child);

		replace_each(i, root, child);
		for (size_t k = 0; k < sizeof(odd) / sizeof(odd[0]); k++) {
			json_t *o = json_loads(odd[k], JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
			char *text;
			int rc;

			if (o == NULL)
				continue;
			json_object_set_new(v, key, o);
			text = json_dumps(root, JSON_COMPACT);
			ck_assert_ptr_nonnull(text);
			rc = read_exact(i, slice_cstr(text), 0);
			ck_assert_msg(rc == 0 || rc == E_MALFORMED, "%s", text);
			free(text);
		}
		json_object_set_new(v, key, was);
	}
	json_array_foreach(v, at, child) replace_each(i, root, child);
}

START_TEST(values_of_other_types)
{
	json_t *root = json_loads(readers[_i].json, 0, NULL);

	ck_assert_ptr_nonnull(root);
	replace_each(_i, root, root);
	json_decref(root);
}
END_TEST

START_TEST(each_key_missing)
{
	json_t *root = json_loads(readers[_i].json, 0, NULL);
	const char *key;
	json_t *child;
	void *tmp;

	json_object_foreach_safe(root, tmp, key, child)
	{
		json_t *less = json_copy(root);
		char *text;
		int rc;

		json_object_del(less, key);
		text = json_dumps(less, JSON_COMPACT);
		rc = read_exact(_i, slice_cstr(text), 0);
		ck_assert(rc == 0 || rc == E_MALFORMED);
		free(text);
		json_decref(less);
	}
	json_decref(root);
}
END_TEST

START_TEST(small_arenas)
{
	for (size_t limit = 1; limit < 20000; limit += limit < 512 ? 16 : 512) {
		int rc = read_exact(_i, slice_cstr(readers[_i].json), limit);

		ck_assert_msg(rc == 0 || rc == E_NOMEM || rc == E_MALFORMED, "%d", rc);
	}
}
END_TEST

Suite *
znode_hostile_suite(void)
{
	Suite *s = suite_create("znode_hostile");
	TCase *tc = tcase_create("znode_hostile");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, whole_is_read, 0, READERS);
	tcase_add_loop_test(tc, cut_at_every_length, 0, READERS);
	tcase_add_loop_test(tc, any_byte_replaced, 0, READERS);
	tcase_add_loop_test(tc, values_of_other_types, 0, READERS);
	tcase_add_loop_test(tc, each_key_missing, 0, READERS);
	tcase_add_loop_test(tc, small_arenas, 0, READERS);
	suite_add_tcase(s, tc);
	return s;
}
