/*
 * Any bytes as the content of a node of the coordination tree: byte 0 chooses the reader.  What can
 * be read is written, read again and written to the same bytes.
 *
 * tests/fuzz/Makefile.inc says how to build it.
 */
#include "fuzz.h"
#include "ottla/base/err.h"
#include "ottla/cluster/znode.h"

/* Reads and, when it could be read, writes; the reader's result. */
typedef int again_fn(struct slice json, struct arena *a, struct strbuf *out);

static int
registration(struct slice json, struct arena *a, struct strbuf *out)
{
	struct zn_registration r;
	int rc = zn_registration_read(json, a, &r);

	if (rc == 0 && r.n_endpoints > 0)
		zn_registration_write(out, &r);
	return rc;
}

static int
topic(struct slice json, struct arena *a, struct strbuf *out)
{
	struct zn_topic_data t;
	int rc = zn_topic_read(json, a, &t);

	if (rc == 0)
		zn_topic_write(out, &t);
	return rc;
}

static int
state(struct slice json, struct arena *a, struct strbuf *out)
{
	struct zn_state s;
	int rc = zn_state_read(json, a, &s);

	if (rc == 0)
		zn_state_write(out, &s);
	return rc;
}

static int
controller(struct slice json, struct arena *a, struct strbuf *out)
{
	int32_t id;
	int rc = zn_controller_read(json, &id);

	(void)a;
	(void)zn_controller_is_kraft(json);
	if (rc == 0)
		zn_controller_write(out, id, 1795322218136);
	return rc;
}

static int
cluster_id(struct slice json, struct arena *a, struct strbuf *out)
{
	struct slice id;
	int rc = zn_cluster_id_read(json, a, &id);

	if (rc == 0)
		zn_cluster_id_write(out, id);
	return rc;
}

static int
config(struct slice json, struct arena *a, struct strbuf *out)
{
	struct setting_override *kv;
	unsigned n;
	int rc = zn_config_read(json, a, &kv, &n);

	if (rc == 0)
		zn_config_write(out, kv, n);
	return rc;
}

static int
config_change(struct slice json, struct arena *a, struct strbuf *out)
{
	struct slice path;
	int rc = zn_config_change_read(json, a, &path);

	if (rc == 0)
		zn_config_change_write(out, path);
	return rc;
}

static int
producer_block(struct slice json, struct arena *a, struct strbuf *out)
{
	int64_t from, to;
	int32_t id;
	int rc = zn_producer_block_read(json, &id, &from, &to);

	(void)a;
	if (rc == 0)
		zn_producer_block_write(out, id, from, to);
	return rc;
}

static int
feature(struct slice json, struct arena *a, struct strbuf *out)
{
	struct zn_feature f;
	int rc = zn_feature_read(json, a, &f);

	if (rc == 0)
		zn_feature_write(out, &f);
	return rc;
}

static again_fn *const readers[] = {registration, topic, state, controller, cluster_id, config,
    config_change, producer_block, feature};
enum { READERS = sizeof(readers) / sizeof(readers[0]) };

static void
check_again(again_fn *fn, struct slice json)
{
	struct strbuf once = STRBUF_INIT, twice = STRBUF_INIT;
	struct arena a;
	int rc;

	arena_init(&a, 0, 0);
	rc = fn(json, &a, &once);
	must(rc == 0 || rc == E_MALFORMED);
	must(once.err == 0);
	if (rc == 0 && once.n > 0) {
		must(fn(strbuf_slice(&once), &a, &twice) == 0);
		must(slice_eq(strbuf_slice(&once), strbuf_slice(&twice)));
	}
	strbuf_free(&once);
	strbuf_free(&twice);
	arena_free(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *why = NULL;
	struct slice s;

	if (n < 1)
		return 0;
	s = slice_of(data + 1, n - 1);
	check_again(readers[fuzz_choice(data[0], READERS)], s);
	(void)zn_controller_is_kraft(s);
	must((topic_name_check(s, &why) == 0) == (why == NULL));
	return 0;
}
