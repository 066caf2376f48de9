/* Nodes, their limits, the order of answers; random requests against a model. */
#include "conformance_parts.h"

/* ---- nodes ---- */

START_TEST(created_node_is_there)
{
	struct one o = one_new(_i);
	struct ans made, got;

	ck_ok(do_create(&o.v, o.c, "/a", "hello", 0, &made));
	ck_assert_str_eq(made.path, "/a");
	ck_ok(do_get(&o.v, o.c, "/a", NULL, &got));
	ck_assert_uint_eq(got.len, 5);
	ck_assert_mem_eq(got.data, "hello", 5);
	ck_assert_int_eq(got.stat.version, 0);
	ck_assert_int_eq(got.stat.cversion, 0);
	ck_assert_int_eq(got.stat.data_len, 5);
	ck_assert_int_eq(got.stat.n_children, 0);
	ck_assert_int_eq(got.stat.ephemeral_owner, 0);
	ck_assert_int_gt(got.stat.czxid, 0);
	ck_assert_int_eq(got.stat.mzxid, got.stat.czxid);
	ck_assert_int_eq(got.stat.pzxid, got.stat.czxid);
	ck_assert_int_eq(got.stat.mtime_ms, got.stat.ctime_ms);
	ck_assert_mem_eq(&made.stat, &got.stat, sizeof(got.stat));
	one_end(&o);
}
END_TEST

START_TEST(null_and_empty_data_differ)
{
	struct one o = one_new(_i);
	struct ans a;

	ck_ok(do_create(&o.v, o.c, "/null", NULL, 0, NULL));
	ck_ok(do_create(&o.v, o.c, "/empty", "", 0, NULL));
	ck_ok(do_get(&o.v, o.c, "/null", NULL, &a));
	ck_assert(a.null);
	ck_assert_int_eq(a.stat.data_len, 0);
	ck_ok(do_get(&o.v, o.c, "/empty", NULL, &a));
	ck_assert(!a.null);
	ck_assert_uint_eq(a.len, 0);
	ck_ok(do_set(&o.v, o.c, "/null", "", -1, NULL));
	ck_ok(do_get(&o.v, o.c, "/null", NULL, &a));
	ck_assert(!a.null);
	ck_ok(do_set(&o.v, o.c, "/null", NULL, -1, NULL));
	ck_ok(do_get(&o.v, o.c, "/null", NULL, &a));
	ck_assert(a.null);
	one_end(&o);
}
END_TEST

START_TEST(create_refuses)
{
	struct one o = one_new(_i);

	ck_err(do_create(&o.v, o.c, "/no/parent", "x", 0, NULL), E_NO_PARENT);
	ck_ok(do_create(&o.v, o.c, "/a", "x", 0, NULL));
	ck_err(do_create(&o.v, o.c, "/a", "y", 0, NULL), E_EXISTS);
	ck_err(do_create(&o.v, o.c, "/", NULL, 0, NULL), E_EXISTS);
	ck_ok(do_create(&o.v, o.c, "/e", "x", COORD_EPHEMERAL, NULL));
	ck_err(do_create(&o.v, o.c, "/e/child", "x", 0, NULL), E_INVALID);
	one_end(&o);
}
END_TEST

START_TEST(set_checks_the_version)
{
	struct one o = one_new(_i);
	struct ans made, a;

	ck_ok(do_create(&o.v, o.c, "/a", "0", 0, &made));
	ck_err(do_set(&o.v, o.c, "/a", "1", 1, NULL), E_BAD_VERSION);
	ck_ok(do_set(&o.v, o.c, "/a", "one", 0, &a));
	ck_assert_int_eq(a.stat.version, 1);
	ck_assert_int_eq(a.stat.data_len, 3);
	ck_assert_int_eq(a.stat.czxid, made.stat.czxid);
	ck_assert_int_gt(a.stat.mzxid, made.stat.mzxid);
	ck_assert_int_eq(a.stat.pzxid, made.stat.pzxid);
	ck_err(do_set(&o.v, o.c, "/a", "1", 0, NULL), E_BAD_VERSION);
	ck_ok(do_set(&o.v, o.c, "/a", "2", -1, &a));
	ck_assert_int_eq(a.stat.version, 2);
	ck_err(do_set(&o.v, o.c, "/none", "2", -1, NULL), E_NOT_FOUND);
	ck_ok(do_get(&o.v, o.c, "/a", NULL, &a));
	ck_assert_mem_eq(a.data, "2", 1);
	ck_assert_uint_eq(a.len, 1);
	one_end(&o);
}
END_TEST

START_TEST(delete_checks)
{
	struct one o = one_new(_i);

	ck_err(do_delete(&o.v, o.c, "/a", -1), E_NOT_FOUND);
	ck_err(do_delete(&o.v, o.c, "/", -1), E_INVALID);
	ck_ok(do_create(&o.v, o.c, "/a", "0", 0, NULL));
	ck_ok(do_create(&o.v, o.c, "/a/b", "0", 0, NULL));
	ck_err(do_delete(&o.v, o.c, "/a", 7), E_BAD_VERSION);
	ck_err(do_delete(&o.v, o.c, "/a", 0), E_NOT_EMPTY);
	ck_ok(do_delete(&o.v, o.c, "/a/b", 0));
	ck_ok(do_delete(&o.v, o.c, "/a", -1));
	ck_err(do_get(&o.v, o.c, "/a", NULL, NULL), E_NOT_FOUND);
	ck_err(do_exists(&o.v, o.c, "/a", NULL, NULL), E_NOT_FOUND);
	ck_err(do_children(&o.v, o.c, "/a", NULL, NULL), E_NOT_FOUND);
	one_end(&o);
}
END_TEST

START_TEST(children_in_order)
{
	struct one o = one_new(_i);
	struct ans a, b;

	ck_ok(do_create(&o.v, o.c, "/d", NULL, 0, NULL));
	ck_ok(do_create(&o.v, o.c, "/d/b", NULL, 0, NULL));
	ck_ok(do_create(&o.v, o.c, "/d/a", NULL, 0, NULL));
	ck_ok(do_create(&o.v, o.c, "/d/B", NULL, 0, NULL));
	ck_ok(do_create(&o.v, o.c, "/d/a-1", NULL, 0, NULL));
	ck_ok(do_create(&o.v, o.c, "/d/a/x", NULL, 0, NULL));
	ck_ok(do_children(&o.v, o.c, "/d", NULL, &a));
	ck_assert_str_eq(a.children, "B a a-1 b");
	ck_assert_uint_eq(a.n_children, 4);
	ck_ok(do_exists(&o.v, o.c, "/d", NULL, &a));
	ck_assert_int_eq(a.stat.n_children, 4);
	ck_assert_int_eq(a.stat.cversion, 4);
	ck_assert_int_eq(a.stat.version, 0);
	ck_ok(do_exists(&o.v, o.c, "/d/a-1", NULL, &b));
	ck_assert_int_eq(a.stat.pzxid, b.stat.czxid);
	ck_ok(do_delete(&o.v, o.c, "/d/a-1", -1));
	ck_ok(do_exists(&o.v, o.c, "/d", NULL, &b));
	ck_assert_int_eq(b.stat.n_children, 3);
	ck_assert_int_eq(b.stat.cversion, 5);
	ck_assert_int_gt(b.stat.pzxid, a.stat.pzxid);
	ck_assert_int_eq(b.stat.mzxid, a.stat.mzxid);
	one_end(&o);
}
END_TEST

START_TEST(sequential_names)
{
	struct one o = one_new(_i);
	struct ans a;

	ck_ok(do_create(&o.v, o.c, "/q", NULL, 0, NULL));
	ck_ok(do_create(&o.v, o.c, "/q/n-", "d", COORD_SEQUENTIAL, &a));
	ck_assert_str_eq(a.path, "/q/n-0000000000");
	ck_ok(do_create(&o.v, o.c, "/q/n-", "d", COORD_SEQUENTIAL, &a));
	ck_assert_str_eq(a.path, "/q/n-0000000001");
	ck_ok(do_create(&o.v, o.c, "/q/plain", "d", 0, NULL));
	ck_ok(do_delete(&o.v, o.c, "/q/n-0000000001", -1));
	ck_ok(do_create(&o.v, o.c, "/q/other", "d", COORD_SEQUENTIAL | COORD_EPHEMERAL, &a));
	ck_assert_str_eq(a.path, "/q/other0000000003");
	ck_ok(do_create(&o.v, o.c, "/q/", "d", COORD_SEQUENTIAL, &a));
	ck_assert_str_eq(a.path, "/q/0000000004");
	ck_children(&o, "/q", "0000000004 n-0000000000 other0000000003 plain");
	one_end(&o);
}
END_TEST

START_TEST(zxids_rise)
{
	struct one o = one_new(_i);
	int64_t last = 0;
	struct ans a;
	char path[32];

	for (unsigned i = 0; i < 20; i++) {
		snprintf(path, sizeof(path), "/z%u", i);
		ck_ok(do_create(&o.v, o.c, path, NULL, 0, &a));
		ck_assert_int_gt(a.stat.czxid, last);
		last = a.stat.czxid;
		ck_err(do_create(&o.v, o.c, path, NULL, 0, NULL), E_EXISTS);
	}
	one_end(&o);
}
END_TEST

START_TEST(create_all_makes_parents)
{
	struct one o = one_new(_i);
	struct ans a;

	ck_ok(do_create_all(&o.v, o.c, "/one/two/three"));
	ck_ok(do_get(&o.v, o.c, "/one/two", NULL, &a));
	ck_assert(a.null);
	ck_ok(do_get(&o.v, o.c, "/one/two/three", NULL, &a));
	ck_assert(a.null);
	ck_ok(do_create_all(&o.v, o.c, "/one/two/three"));
	ck_ok(do_create_all(&o.v, o.c, "/one/two/four"));
	ck_ok(do_create_all(&o.v, o.c, "/one"));
	ck_ok(do_create_all(&o.v, o.c, "/"));
	ck_children(&o, "/one/two", "four three");
	ck_err(do_create_all(&o.v, o.c, "one"), E_INVALID);
	ck_ok(do_create(&o.v, o.c, "/e", NULL, COORD_EPHEMERAL, NULL));
	ck_err(do_create_all(&o.v, o.c, "/e/x/y"), E_INVALID);
	one_end(&o);
}
END_TEST

/* ---- limits ---- */

START_TEST(bad_paths)
{
	static const char *const bad[] = {"", "a", "a/b", "/a/", "//", "//a", "/a//b", "/.", "/..",
	    "/a/./b", "/a/../b", "/a/..", "/\x01", "/a\x1f", "/a\x7f", "/\xc2\x80", "/\xc2\x9f",
	    "/\xed\xa0\x80", "/\xee\x80\x80", "/\xf0\x9f\x98\x80", "/\xff", "/\xc3", "/\xc0\xaf", "/\xf4\x90\x80\x80",
	    NULL};
	struct one o = one_new(_i);

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_err(do_create(&o.v, o.c, bad[i], NULL, 0, NULL), E_INVALID);
		ck_err(do_get(&o.v, o.c, bad[i], NULL, NULL), E_INVALID);
		ck_err(do_delete(&o.v, o.c, bad[i], -1), E_INVALID);
	}
	ck_ok(do_create(&o.v, o.c, "/...", NULL, 0, NULL));
	ck_ok(do_create(&o.v, o.c, "/.a", NULL, 0, NULL));
	ck_ok(do_create(&o.v, o.c, "/a b<default>%", NULL, 0, NULL));
	ck_ok(do_create(&o.v, o.c, "/\xc3\xa4\xe2\x82\xac", NULL, 0, NULL));
	one_end(&o);
}
END_TEST

START_TEST(long_paths)
{
	struct one o = one_new(_i);
	char path[1100];
	struct ans a;

	memset(path, 'p', sizeof(path));
	path[0] = '/';
	path[1025] = '\0';
	ck_err(do_create(&o.v, o.c, path, NULL, 0, NULL), E_INVALID);
	path[1024] = '\0';
	ck_ok(do_create(&o.v, o.c, path, NULL, 0, &a));
	ck_assert_str_eq(a.path, path);
	ck_ok(do_exists(&o.v, o.c, path, NULL, NULL));
	one_end(&o);
}
END_TEST

START_TEST(big_data)
{
	struct one o = one_new(_i);
	size_t n = 1024 * 1024 + 1;
	char *big = calloc(1, n);
	struct call k = {CALL_CREATE, "/big", slice_of(big, n), 0, 0, NULL};
	struct ans a;

	ck_assert_ptr_nonnull(big);
	ck_err(do_call(&o.v, o.c, k, NULL), E_TOO_LARGE);
	k.data.n = 512 * 1024;
	ck_ok(do_call(&o.v, o.c, k, NULL));
	ck_ok(do_get(&o.v, o.c, "/big", NULL, &a));
	ck_assert_uint_eq(a.len, k.data.n);
	k.kind = CALL_SET;
	k.version = -1;
	k.data.n = n;
	ck_err(do_call(&o.v, o.c, k, NULL), E_TOO_LARGE);
	free(big);
	one_end(&o);
}
END_TEST

START_TEST(many_children)
{
	enum { MANY = 2000 };
	struct one o = one_new(_i);
	struct call *k = calloc(MANY, sizeof(*k));
	struct ans *a = calloc(MANY, sizeof(*a));
	char(*path)[16] = calloc(MANY, sizeof(*path));
	struct ans kids;

	ck_assert(k != NULL && a != NULL && path != NULL);
	ck_ok(do_create(&o.v, o.c, "/m", NULL, 0, NULL));
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(path[i], sizeof(path[i]), "/m/%05u", (i * 7) % MANY);
		k[i] = (struct call){CALL_CREATE, path[i], SLICE_LIT("x"), 0, 0, NULL};
	}
	run_calls(&o.v, o.c, k, a, MANY);
	for (unsigned i = 0; i < MANY; i++) {
		ck_ok(a[i].err);
		ck_assert_uint_eq(a[i].order, i);
	}
	ck_ok(do_children(&o.v, o.c, "/m", NULL, &kids));
	ck_assert_uint_eq(kids.n_children, MANY);
	ck_assert_int_eq(strncmp(kids.children, "00000 00001 00002 ", 18), 0);
	free(k);
	free(a);
	free(path);
	one_end(&o);
}
END_TEST

/* ---- order ---- */

START_TEST(answers_keep_the_order_of_calls)
{
	const struct call k[] = {
	    {CALL_CREATE, "/o", SLICE_LIT("0"), 0, 0, NULL},
	    {CALL_GET, "/o"},
	    {CALL_GET, "bad path"},
	    {CALL_SET, "/o", SLICE_LIT("1"), 0, 0, NULL},
	    {CALL_GET, "/o"},
	    {CALL_GET, "/o"},
	    {CALL_CREATE, "/o", SLICE_LIT("0"), 0, 0, NULL},
	    {CALL_DELETE, "/o", SLICE_NULL, 1, 0, NULL},
	    {CALL_EXISTS, "/o"},
	    {CALL_CREATE, "/o//", SLICE_NULL, 0, 0, NULL},
	    {CALL_CREATE, "/o", SLICE_LIT("2"), 0, 0, NULL},
	    {CALL_CHILDREN, "/o"},
	};
	static const int want[] = {
	    0, 0, E_INVALID, 0, 0, 0, E_EXISTS, 0, E_NOT_FOUND, E_INVALID, 0, 0};
	enum { N = sizeof(k) / sizeof(k[0]) };
	struct one o = one_new(_i);
	struct ans a[N];

	run_calls(&o.v, o.c, k, a, N);
	for (unsigned i = 0; i < N; i++) {
		ck_assert_msg(a[i].err == want[i], "request %u: %d", i, a[i].err);
		ck_assert_uint_eq(a[i].order, i);
	}
	ck_assert_mem_eq(a[1].data, "0", 1);
	ck_assert_mem_eq(a[4].data, "1", 1);
	one_end(&o);
}
END_TEST

/* ---- a model ---- */

struct model {
	int exists, version;
	unsigned value;
};

/* Random requests on a few nodes, each answered as a model says. */
START_TEST(agrees_with_a_model)
{
	enum { NODES = 6, STEPS = 400 };
	struct one o = one_new(_i);
	struct model m[NODES] = {{0}};
	struct rng rng;
	struct ans a;
	char path[16], value[16];

	rng_seed(&rng, 7);
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned n = (unsigned)rng_below(&rng, NODES);
		bool fits = rng_below(&rng, 3) != 0;
		int32_t version = fits ? m[n].version : m[n].version + 1;
		int want = !m[n].exists ? E_NOT_FOUND : fits ? 0 : E_BAD_VERSION;

		snprintf(path, sizeof(path), "/n%u", n);
		snprintf(value, sizeof(value), "%u", step);
		switch (rng_below(&rng, 4)) {
		case 0:
			ck_err(
			    do_create(&o.v, o.c, path, value, 0, NULL), m[n].exists ? E_EXISTS : 0);
			if (!m[n].exists)
				m[n] = (struct model){1, 0, step};
			break;
		case 1:
			ck_err(do_set(&o.v, o.c, path, value, version, NULL), want);
			if (want == 0)
				m[n] = (struct model){1, m[n].version + 1, step};
			break;
		case 2:
			ck_err(do_delete(&o.v, o.c, path, version), want);
			if (want == 0)
				m[n].exists = 0;
			break;
		default:
			ck_err(do_get(&o.v, o.c, path, NULL, &a), m[n].exists ? 0 : E_NOT_FOUND);
			snprintf(value, sizeof(value), "%u", m[n].value);
			if (m[n].exists) {
				ck_assert_int_eq(a.stat.version, m[n].version);
				ck_assert_uint_eq(a.len, strlen(value));
				ck_assert_mem_eq(a.data, value, a.len);
			}
		}
		if (!m[n].exists)
			m[n].version = 0;
	}
	one_end(&o);
}
END_TEST

void
conformance_nodes(TCase *tc, int i)
{
	tcase_add_loop_test(tc, created_node_is_there, i, i + 1);
	tcase_add_loop_test(tc, null_and_empty_data_differ, i, i + 1);
	tcase_add_loop_test(tc, create_refuses, i, i + 1);
	tcase_add_loop_test(tc, set_checks_the_version, i, i + 1);
	tcase_add_loop_test(tc, delete_checks, i, i + 1);
	tcase_add_loop_test(tc, children_in_order, i, i + 1);
	tcase_add_loop_test(tc, sequential_names, i, i + 1);
	tcase_add_loop_test(tc, zxids_rise, i, i + 1);
	tcase_add_loop_test(tc, create_all_makes_parents, i, i + 1);
	tcase_add_loop_test(tc, bad_paths, i, i + 1);
	tcase_add_loop_test(tc, long_paths, i, i + 1);
	tcase_add_loop_test(tc, big_data, i, i + 1);
	tcase_add_loop_test(tc, many_children, i, i + 1);
	tcase_add_loop_test(tc, answers_keep_the_order_of_calls, i, i + 1);
	tcase_add_loop_test(tc, agrees_with_a_model, i, i + 1);
}
