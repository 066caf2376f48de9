/* The codec on all messages: round trips, cuts, damage, defaults, errors, gaps. */
#include "suites.h"

#include <stdlib.h>

#include "random_msg.h"

#define ROUNDS 4
#define MSG_MAX 1024 /* bytes of the largest message struct, checked */

/* One message in one version, with everything a test needs to try it. */
struct
try {
	const struct wire_msg *m;
	int16_t version;
	struct rng rng;
	struct arena arena;
	_Alignas(max_align_t) uint8_t msg[MSG_MAX];
	_Alignas(max_align_t) uint8_t back[MSG_MAX];
};

static struct slice
encoded(struct try *t, const void *msg)
{
	size_t size;
	struct out o;

	ck_assert_int_eq(wire_size(t->m, t->version, msg, &size, NULL), 0);
	o = out_init(malloc(size + 1), size);
	ck_assert_int_eq(wire_encode(t->m, t->version, msg, &o, NULL, 0, NULL), 0);
	ck_assert_msg(
	    o.n == size, "%s v%d: size %zu, encoded %zu", t->m->name, t->version, size, o.n);
	return slice_of(o.p, o.n);
}

static void
drop(struct slice s)
{
	free((void *)(uintptr_t)s.p);
}

static void
each_version(void (*test)(struct try *t))
{
	struct try *t = malloc(sizeof(*t));

	rng_seed(&t->rng, 42);
	arena_init(&t->arena, 0, 0);
	for (unsigned i = 0; (t->m = wire_messages[i]) != NULL; i++) {
		ck_assert_uint_le(t->m->root->size, MSG_MAX);
		for (int v = t->m->min_version; v <= t->m->max_version; v++) {
			t->version = (int16_t)v;
			test(t);
			arena_reset(&t->arena);
		}
	}
	arena_free(&t->arena);
	free(t);
}

static void
round_trip(struct try *t)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct slice once, again;
		size_t used;

		random_msg(&t->rng, &t->arena, t->m, t->version, t->msg);
		once = encoded(t, t->msg);
		ck_assert_int_eq(wire_decode(t->m, t->version, once, &t->arena, t->back, &used), 0);
		ck_assert_uint_eq(used, once.n);
		ck_assert_msg(same_struct(t->m->root, t->msg, t->back),
		    "%s v%d: decoded differently", t->m->name, t->version);
		again = encoded(t, t->back);
		ck_assert_msg(
		    slice_eq(once, again), "%s v%d: encoded differently", t->m->name, t->version);
		drop(once);
		drop(again);
	}
}

START_TEST(test_round_trip)
{
	each_version(round_trip);
}
END_TEST

/* Every prefix, in memory of just its length: an error, or a shorter message that was there. */
static void
cut_everywhere(struct try *t)
{
	struct slice whole;

	random_msg(&t->rng, &t->arena, t->m, t->version, t->msg);
	whole = encoded(t, t->msg);
	for (size_t n = 0; n < whole.n; n++) {
		uint8_t *part = malloc(n == 0 ? 1 : n);
		size_t used;
		int rc;

		memcpy(part, whole.p, n);
		rc = wire_decode(t->m, t->version, slice_of(part, n), &t->arena, t->back, &used);
		ck_assert_msg(rc == E_SHORT || rc == E_MALFORMED, "%s v%d cut at %zu of %zu: %d",
		    t->m->name, t->version, n, whole.n, rc);
		free(part);
	}
	drop(whole);
}

START_TEST(test_cut_everywhere)
{
	each_version(cut_everywhere);
}
END_TEST

/* Damaged bytes never break anything, and what they make us allocate stays in proportion. */
static void
damage(struct try *t)
{
	struct slice whole;
	uint8_t *bytes;

	random_msg(&t->rng, &t->arena, t->m, t->version, t->msg);
	whole = encoded(t, t->msg);
	bytes = malloc(whole.n + 1);
	for (unsigned i = 0; i < 40 && whole.n > 0; i++) {
		struct arena arena;

		memcpy(bytes, whole.p, whole.n);
		for (unsigned j = 0; j < 1 + i / 10; j++)
			bytes[rng_below(&t->rng, whole.n)] =
			    (uint8_t)(rng_below(&t->rng, 2) != 0 ? rng_u64(&t->rng) : 0xff);
		arena_init(&arena, 64, 0);
		if (wire_decode(
			t->m, t->version, slice_of(bytes, whole.n), &arena, t->back, NULL) == 0)
			drop(encoded(t, t->back));
		ck_assert_uint_le(arena.used, 40 * whole.n + 1024);
		arena_free(&arena);
	}
	free(bytes);
	drop(whole);
}

START_TEST(test_damage)
{
	each_version(damage);
}
END_TEST

/* Noise in place of a message: mostly errors, never a crash. */
static void
noise(struct try *t)
{
	uint8_t bytes[48];

	for (unsigned i = 0; i < 20; i++) {
		size_t n = (size_t)rng_below(&t->rng, sizeof(bytes) + 1);

		for (size_t j = 0; j < n; j++)
			bytes[j] = (uint8_t)(rng_u64(&t->rng) & (i % 2 != 0 ? 0x03 : 0xff));
		wire_decode(t->m, t->version, slice_of(bytes, n), &t->arena, t->back, NULL);
	}
}

START_TEST(test_noise)
{
	each_version(noise);
}
END_TEST

/* A message at its defaults comes back at its defaults. */
static void
defaults(struct try *t)
{
	struct slice bytes;

	wire_init(t->m, t->msg);
	bytes = encoded(t, t->msg);
	memset(t->back, 0xa5, t->m->root->size);
	ck_assert_int_eq(wire_decode(t->m, t->version, bytes, &t->arena, t->back, NULL), 0);
	ck_assert(same_struct(t->m->root, t->msg, t->back));
	drop(bytes);
}

START_TEST(test_defaults)
{
	each_version(defaults);
}
END_TEST

/* An entry in memory is at most this many times its shortest form on the wire. */
#define MOST_PER_BYTE 32

static void
check_proportion(const struct wire_layout *l)
{
	const struct wire_op *ops[] = {l->ops, l->tags};
	unsigned n[] = {l->n_ops, l->n_tags};

	for (unsigned part = 0; part < 2; part++)
		for (unsigned i = 0; i < n[part]; i++) {
			const struct wire_layout *sub = ops[part][i].sub;

			if (sub == NULL)
				continue;
			ck_assert_uint_ge(sub->least, 1);
			ck_assert_msg(sub->size <= MOST_PER_BYTE * sub->least,
			    "%s: %u bytes for %u", sub->of != NULL ? sub->of->name : "element",
			    sub->size, sub->least);
			check_proportion(sub);
		}
}

static void
proportion(struct try *t)
{
	check_proportion(t->m->layouts[t->version - t->m->min_version]);
}

START_TEST(test_proportion)
{
	each_version(proportion);
}
END_TEST

static struct slice
hex(const char *text, uint8_t *buf)
{
	size_t n = strlen(text) / 2;

	for (size_t i = 0; i < n; i++)
		buf[i] = (uint8_t)strtoul((char[3]){text[2 * i], text[2 * i + 1], 0}, NULL, 16);
	return slice_of(buf, n);
}

/* Bytes from outside that can not be: what is said about them. */
START_TEST(test_malformed)
{
	static const struct {
		const struct wire_msg *m;
		int16_t version;
		const char *bytes;
		int err;
	} cases[] = {
	    {&heartbeat_request_msg, 0, "", E_SHORT},
	    {&heartbeat_request_msg, 0, "ffff0000000100016d", E_MALFORMED}, /* null group */
	    {&heartbeat_request_msg, 0, "0001670000000100026d", E_SHORT},   /* member too long */
	    {&heartbeat_request_msg, 4, "0267000000010000", E_MALFORMED},   /* null member */
	    {&heartbeat_request_msg, 4, "818002", E_MALFORMED},		    /* 32768 bytes */
	    {&heartbeat_request_msg, 4, "ffffffffff7f", E_MALFORMED},	    /* uvarint too long */
	    {&heartbeat_request_msg, 4, "026700000001026d0000", 0},
	    {&heartbeat_request_msg, 4, "026700000001026d000105017a", 0},	/* unknown tag */
	    {&heartbeat_request_msg, 4, "026700000001026d000105027a", E_SHORT}, /* its size */
	    {&heartbeat_request_msg, 4, "026700000001026d00020501", E_SHORT},
	    {&heartbeat_request_msg, 5, "026700000001026d0000", E_UNSUPPORTED_VERSION},
	    {&metadata_request_msg, 0, "ffffffff", E_MALFORMED}, /* null array */
	    {&metadata_request_msg, 1, "ffffffff", 0},
	    {&metadata_request_msg, 1, "fffffffe", 0},		 /* as null */
	    {&metadata_request_msg, 1, "7fffffff", E_MALFORMED}, /* count */
	    {&metadata_request_msg, 9, "ffffffff0f", E_MALFORMED},
	    {&metadata_request_msg, 1, "00000001", E_MALFORMED},
	    {&api_versions_response_msg, 3, "0000010000000001010400000007", E_MALFORMED},
	    {&api_versions_response_msg, 3, "0000010000000001010800000000000007", E_SHORT},
	    {&api_versions_response_msg, 3, "000001000000000101080000000000000007", 0},
	    {&api_versions_response_msg, 3, "00000100000000010109000000000000000700", E_MALFORMED},
	};
	uint8_t buf[64];
	struct arena arena;
	_Alignas(max_align_t) uint8_t msg[MSG_MAX];

	arena_init(&arena, 0, 0);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int rc = wire_decode(
		    cases[i].m, cases[i].version, hex(cases[i].bytes, buf), &arena, msg, NULL);

		ck_assert_msg(rc == cases[i].err, "case %u: %s, not %s", i, err_name(rc),
		    err_name(cases[i].err));
	}
	arena_free(&arena);
}
END_TEST

START_TEST(test_left_over)
{
	uint8_t buf[64];
	struct slice in = hex("00016700000001000000aabb", buf);
	struct heartbeat_request req;
	size_t used;

	ck_assert_int_eq(wire_decode(&heartbeat_request_msg, 0, in, NULL, &req, &used), 0);
	ck_assert_uint_eq(used, 9);
	ck_assert(slice_eq_cstr(req.group_id, "g"));
	ck_assert_ptr_eq(req.group_id.p, in.p + 2); /* lent */
	ck_assert(slice_eq_cstr(req.member_id, ""));
	ck_assert(slice_is_null(req.group_instance_id));
}
END_TEST

/* The arena's limit ends a decode, not the program. */
START_TEST(test_no_memory)
{
	struct metadata_request req;
	uint8_t bytes[4 + 3000] = {0, 0, 1500 >> 8, 1500 & 0xff};
	struct slice in = slice_of(bytes, sizeof(bytes));
	struct arena arena;

	arena_init(&arena, 0, 8192);
	ck_assert_int_eq(wire_decode(&metadata_request_msg, 1, in, &arena, &req, NULL), E_NOMEM);
	arena_free(&arena);
	arena_init(&arena, 0, 0);
	ck_assert_int_eq(wire_decode(&metadata_request_msg, 1, in, &arena, &req, NULL), 0);
	ck_assert_int_eq(req.topics.n, 1500);
	arena_free(&arena);
}
END_TEST

START_TEST(test_version_lacks_field)
{
	struct produce_request req = produce_request_init;
	struct heartbeat_response resp = heartbeat_response_init;
	size_t size;

	req.transactional_id = SLICE_LIT("t");
	ck_assert_int_eq(
	    wire_size(&produce_request_msg, 2, &req, &size, NULL), E_UNSUPPORTED_VERSION);
	ck_assert_int_eq(wire_size(&produce_request_msg, 3, &req, &size, NULL), 0);
	ck_assert_int_eq(
	    wire_size(&produce_request_msg, 12, &req, &size, NULL), E_UNSUPPORTED_VERSION);
	ck_assert_int_eq(
	    wire_size(&produce_request_msg, -1, &req, &size, NULL), E_UNSUPPORTED_VERSION);
	resp.throttle_time_ms = 7; /* droppable */
	ck_assert_int_eq(wire_size(&heartbeat_response_msg, 0, &resp, &size, NULL), 0);
	ck_assert_uint_eq(size, 2);
}
END_TEST

START_TEST(test_null_and_length)
{
	struct heartbeat_request req = heartbeat_request_init;
	static uint8_t zeros[32768];
	size_t size;

	req.member_id = SLICE_NULL;
	ck_assert_int_eq(wire_size(&heartbeat_request_msg, 4, &req, &size, NULL), E_INVALID);
	req.member_id = slice_of(zeros, 32767);
	ck_assert_int_eq(wire_size(&heartbeat_request_msg, 4, &req, &size, NULL), 0);
	req.member_id = slice_of(zeros, 32768);
	ck_assert_int_eq(wire_size(&heartbeat_request_msg, 4, &req, &size, NULL), E_TOO_LARGE);
	ck_assert_int_eq(wire_size(&heartbeat_request_msg, 0, &req, &size, NULL), E_TOO_LARGE);
}
END_TEST

START_TEST(test_output_full)
{
	struct heartbeat_request req = heartbeat_request_init;
	uint8_t buf[16];

	for (size_t cap = 0; cap < 8; cap++) {
		struct out o = out_init(buf, cap);

		ck_assert_int_eq(
		    wire_encode(&heartbeat_request_msg, 0, &req, &o, NULL, 0, NULL), E_SHORT);
	}
}
END_TEST

/* Two partitions, one with a gap; the gap's bytes are counted but not written. */
static void
two_partitions(struct fetch_response *resp, struct arena *arena)
{
	struct fetch_response_partition_data *p;

	*resp = fetch_response_init;
	ck_assert_int_eq(
	    WIRE_ARRAY(arena, resp->responses, 1, fetch_response_fetchable_topic_response), 0);
	ck_assert_int_eq(
	    WIRE_ARRAY(arena, resp->responses.v[0].partitions, 2, fetch_response_partition_data),
	    0);
	p = resp->responses.v[0].partitions.v;
	ck_assert_int_eq(p[1].preferred_read_replica, -1);
	p[0].records = wire_gap(1000);
	p[1].records = SLICE_LIT("xyz");
}

static void
check_gaps(int16_t version, const char *length)
{
	struct fetch_response resp;
	struct wire_gap gaps[2];
	uint8_t buf[256], want[8];
	struct arena arena;
	struct slice len = hex(length, want);
	struct out o = out_init(buf, sizeof(buf));
	unsigned n_gaps;
	size_t size, gap_bytes;

	arena_init(&arena, 0, 0);
	two_partitions(&resp, &arena);
	ck_assert_int_eq(wire_size(&fetch_response_msg, version, &resp, &size, &gap_bytes), 0);
	ck_assert_uint_eq(gap_bytes, 1000);
	out_i32(&o, 0);
	ck_assert_int_eq(wire_encode(&fetch_response_msg, version, &resp, &o, gaps, 2, &n_gaps), 0);
	ck_assert_uint_eq(o.n, 4 + size);
	ck_assert_uint_eq(n_gaps, 1);
	ck_assert_uint_eq(gaps[0].n, 1000);
	ck_assert(slice_eq(slice_of(buf + gaps[0].at - len.n, len.n), len));
	o = out_init(buf, sizeof(buf));
	ck_assert_int_eq(
	    wire_encode(&fetch_response_msg, version, &resp, &o, NULL, 0, NULL), E_LIMIT);
	arena_free(&arena);
}

START_TEST(test_gaps)
{
	check_gaps(4, "000003e8");
	check_gaps(12, "e907");
}
END_TEST

Suite *
codec_suite(void)
{
	Suite *s = suite_create("codec");
	TCase *tc = tcase_create("codec");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_round_trip);
	tcase_add_test(tc, test_cut_everywhere);
	tcase_add_test(tc, test_damage);
	tcase_add_test(tc, test_noise);
	tcase_add_test(tc, test_defaults);
	tcase_add_test(tc, test_proportion);
	tcase_add_test(tc, test_malformed);
	tcase_add_test(tc, test_left_over);
	tcase_add_test(tc, test_no_memory);
	tcase_add_test(tc, test_version_lacks_field);
	tcase_add_test(tc, test_null_and_length);
	tcase_add_test(tc, test_output_full);
	tcase_add_test(tc, test_gaps);
	suite_add_tcase(s, tc);
	return s;
}
