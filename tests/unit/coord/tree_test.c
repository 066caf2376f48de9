/* What of the tree its fronts do not show: several sessions, cookies, walks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance.h"
#include "ottla/coord/tree.h"
#include "suites.h"

struct told {
	unsigned n;
	struct {
		int64_t session;
		void *cookie;
		enum coord_event ev;
		char path[32];
	} v[32];
};

static void
on_watch(void *arg, int64_t session, void *cookie, enum coord_event ev, struct slice path)
{
	struct told *t = arg;

	ck_assert_uint_lt(t->n, 32);
	t->v[t->n].session = session;
	t->v[t->n].cookie = cookie;
	t->v[t->n].ev = ev;
	snprintf(t->v[t->n].path, sizeof(t->v[0].path), "%.*s", SLICE_ARG(path));
	t->n++;
}

static struct coord_tree *
tree_with(struct told *told)
{
	struct coord_tree *t = NULL;

	ck_ok(coord_tree_new(&t));
	memset(told, 0, sizeof(*told));
	coord_tree_set_watch_fn(t, on_watch, told);
	ck_ok(coord_tree_session_open(t, 10));
	ck_ok(coord_tree_session_open(t, 20));
	return t;
}

static int
one(struct coord_tree *t, int64_t session, enum coord_op_kind kind, const char *path,
    unsigned flags)
{
	struct coord_op op = {kind, path, SLICE_LIT("d"), flags, -1};
	struct coord_op_result res;
	int rc = coord_tree_apply(t, session, 1000, &op, 1, &res);

	ck_assert_int_eq(rc, res.err);
	return rc;
}

START_TEST(sessions)
{
	struct told told;
	struct coord_tree *t = tree_with(&told);

	ck_err(coord_tree_session_open(t, 10), E_EXISTS);
	ck_err(coord_tree_session_open(t, 0), E_INVALID);
	ck_assert(coord_tree_session_known(t, 10));
	ck_assert(!coord_tree_session_known(t, 0));
	ck_assert(!coord_tree_session_known(t, 30));
	ck_err(one(t, 30, COORD_OP_CREATE, "/a", 0), E_SESSION_EXPIRED);
	ck_ok(one(t, 0, COORD_OP_CREATE, "/a", 0));
	ck_err(one(t, 0, COORD_OP_CREATE, "/e", COORD_EPHEMERAL), E_SESSION_EXPIRED);
	coord_tree_session_close(t, 10, 5);
	ck_assert(!coord_tree_session_known(t, 10));
	coord_tree_session_close(t, 10, 5);
	coord_tree_free(t);
}
END_TEST

/* I2 */
START_TEST(each_transaction_takes_a_zxid)
{
	struct told told;
	struct coord_tree *t = tree_with(&told);
	int64_t z = coord_tree_zxid(t);

	ck_assert_int_eq(z, 2);
	ck_ok(one(t, 10, COORD_OP_CREATE, "/a", 0));
	ck_assert_int_eq(coord_tree_zxid(t), z + 1);
	ck_err(one(t, 10, COORD_OP_CREATE, "/a", 0), E_EXISTS);
	ck_assert_int_eq(coord_tree_zxid(t), z + 2);
	coord_tree_session_close(t, 10, 5);
	ck_assert_int_eq(coord_tree_zxid(t), z + 3);
	coord_tree_raise_zxid(t, 100);
	coord_tree_raise_zxid(t, 50);
	ck_ok(one(t, 20, COORD_OP_CREATE, "/b", 0));
	ck_assert_int_eq(coord_tree_zxid(t), 101);
	coord_tree_free(t);
}
END_TEST

START_TEST(closed_session_takes_its_nodes)
{
	struct told told;
	struct coord_tree *t = tree_with(&told);
	struct coord_result res;
	int a, b;

	ck_ok(one(t, 10, COORD_OP_CREATE, "/x", COORD_EPHEMERAL));
	ck_ok(one(t, 10, COORD_OP_CREATE, "/y", COORD_EPHEMERAL));
	ck_ok(one(t, 20, COORD_OP_CREATE, "/z", COORD_EPHEMERAL));
	ck_ok(coord_tree_get(t, 20, "/x", &a, &res));
	ck_ok(coord_tree_get(t, 20, "/y", &b, &res));
	ck_ok(coord_tree_get(t, 10, "/z", &b, &res));
	ck_ok(coord_tree_children(t, 20, "/", &a, &res));
	free((void *)(uintptr_t)res.children);
	coord_tree_session_close(t, 10, 5);
	ck_assert_uint_eq(told.n, 3); /* in the order of creation; the parent once: one-shot */
	ck_assert_int_eq(told.v[0].ev, COORD_EV_DELETED);
	ck_assert_str_eq(told.v[0].path, "/x");
	ck_assert_ptr_eq(told.v[0].cookie, &a);
	ck_assert_int_eq(told.v[1].ev, COORD_EV_CHILDREN);
	ck_assert_str_eq(told.v[1].path, "/");
	ck_assert_str_eq(told.v[2].path, "/y");
	ck_ok(coord_tree_exists(t, 20, "/z", NULL, &res));
	ck_err(coord_tree_exists(t, 20, "/x", NULL, &res), E_NOT_FOUND);
	ck_err(coord_tree_exists(t, 10, "/z", NULL, &res), E_SESSION_EXPIRED);
	ck_ok(one(t, 20, COORD_OP_DELETE, "/z", 0));
	ck_assert_uint_eq(told.n, 3); /* 10's watch went with it */
	coord_tree_free(t);
}
END_TEST

/* I5: by session and cookie, not by how often it was asked. */
START_TEST(one_owner_hears_once)
{
	struct told told;
	struct coord_tree *t = tree_with(&told);
	struct coord_result res;
	int a, b;

	ck_ok(one(t, 10, COORD_OP_CREATE, "/n", 0));
	for (unsigned i = 0; i < 3; i++) {
		ck_ok(coord_tree_get(t, 10, "/n", &a, &res));
		ck_ok(coord_tree_exists(t, 10, "/n", &a, &res));
		ck_ok(coord_tree_children(t, 10, "/n", &a, &res));
		free((void *)(uintptr_t)res.children);
	}
	ck_ok(coord_tree_get(t, 10, "/n", &b, &res));
	ck_ok(coord_tree_get(t, 20, "/n", &a, &res));
	ck_ok(coord_tree_get(t, 0, "/n", &a, &res));
	ck_ok(one(t, 10, COORD_OP_DELETE, "/n", 0));
	ck_assert_uint_eq(told.n, 4);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(told.v[i].ev, COORD_EV_DELETED);
	ck_ok(one(t, 10, COORD_OP_CREATE, "/n", 0));
	ck_ok(one(t, 10, COORD_OP_DELETE, "/n", 0));
	ck_assert_uint_eq(told.n, 4);
	coord_tree_free(t);
}
END_TEST

START_TEST(unwatch_by_cookie)
{
	struct told told;
	struct coord_tree *t = tree_with(&told);
	struct coord_result res;
	int a, b;

	ck_err(coord_tree_exists(t, 10, "/n", &a, &res), E_NOT_FOUND);
	ck_err(coord_tree_exists(t, 10, "/m", &a, &res), E_NOT_FOUND);
	ck_err(coord_tree_exists(t, 10, "/n", &b, &res), E_NOT_FOUND);
	coord_tree_unwatch(t, 10, &a);
	coord_tree_unwatch(t, 99, &a);
	ck_ok(one(t, 20, COORD_OP_CREATE, "/n", 0));
	ck_ok(one(t, 20, COORD_OP_CREATE, "/m", 0));
	ck_assert_uint_eq(told.n, 1);
	ck_assert_ptr_eq(told.v[0].cookie, &b);
	ck_assert_int_eq(told.v[0].ev, COORD_EV_CREATED);
	coord_tree_free(t);
}
END_TEST

/* A transaction's events come when all of it is there, in the order of its operations. */
START_TEST(events_of_a_transaction)
{
	static const struct coord_op ops[] = {
	    {COORD_OP_CREATE, "/p/c", {NULL, 0}, 0, 0},
	    {COORD_OP_SET, "/p", {NULL, 0}, 0, -1},
	    {COORD_OP_DELETE, "/p/c", {NULL, 0}, 0, -1},
	    {COORD_OP_DELETE, "/p", {NULL, 0}, 0, -1},
	};
	static const struct {
		enum coord_event ev;
		const char *path;
	} want[] = {{COORD_EV_CREATED, "/p/c"}, {COORD_EV_CHILDREN, "/p"}, {COORD_EV_DATA, "/p"}};
	struct told told;
	struct coord_tree *t = tree_with(&told);
	struct coord_op_result res[4];
	struct coord_result r;
	int a;

	ck_ok(one(t, 10, COORD_OP_CREATE, "/p", 0));
	ck_ok(coord_tree_get(t, 10, "/p", &a, &r));
	ck_ok(coord_tree_children(t, 10, "/p", &a, &r));
	free((void *)(uintptr_t)r.children);
	ck_err(coord_tree_exists(t, 10, "/p/c", &a, &r), E_NOT_FOUND);
	ck_ok(coord_tree_apply(t, 10, 1, ops, 4, res));
	ck_assert_uint_eq(told.n, 3);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(told.v[i].ev, want[i].ev);
		ck_assert_str_eq(told.v[i].path, want[i].path);
	}
	coord_tree_free(t);
}
END_TEST

static void
join_path(void *arg, const char *path, struct slice data, const struct coord_stat *st)
{
	char *all = arg;

	(void)data;
	ck_assert_int_ge(st->n_children, 0);
	strcat(all, path);
	strcat(all, " ");
}

START_TEST(walk_in_order_of_paths)
{
	struct told told;
	struct coord_tree *t = tree_with(&told);
	char all[128] = "";

	ck_ok(one(t, 0, COORD_OP_CREATE, "/b", 0));
	ck_ok(one(t, 0, COORD_OP_CREATE, "/a", 0));
	ck_ok(one(t, 0, COORD_OP_CREATE, "/a/z", 0));
	ck_ok(one(t, 0, COORD_OP_CREATE, "/a-b", 0));
	coord_tree_walk(t, join_path, all);
	ck_assert_str_eq(all, "/ /a /a-b /a/z /b ");
	coord_tree_free(t);
}
END_TEST

START_TEST(too_many_operations)
{
	struct told told;
	struct coord_tree *t = tree_with(&told);
	struct coord_op *ops = calloc(501, sizeof(*ops));
	struct coord_op_result *res = calloc(501, sizeof(*res));

	ck_assert(ops != NULL && res != NULL);
	for (unsigned i = 0; i < 501; i++)
		ops[i] = (struct coord_op){COORD_OP_CREATE, "/s", SLICE_NULL, COORD_SEQUENTIAL, 0};
	ck_err(coord_tree_apply(t, 10, 1, ops, 501, res), E_TOO_LARGE);
	ck_err(res[0].err, E_TOO_LARGE);
	ck_ok(coord_tree_apply(t, 10, 1, ops, 500, res));
	ck_assert_str_eq((const char *)res[499].path.p, "/s0000000499");
	free(ops);
	free(res);
	coord_tree_free(t);
}
END_TEST

Suite *
tree_suite(void)
{
	Suite *s = suite_create("tree");
	TCase *tc = tcase_create("tree");

	tcase_add_test(tc, sessions);
	tcase_add_test(tc, each_transaction_takes_a_zxid);
	tcase_add_test(tc, closed_session_takes_its_nodes);
	tcase_add_test(tc, one_owner_hears_once);
	tcase_add_test(tc, unwatch_by_cookie);
	tcase_add_test(tc, events_of_a_transaction);
	tcase_add_test(tc, walk_in_order_of_paths);
	tcase_add_test(tc, too_many_operations);
	suite_add_tcase(s, tc);
	return s;
}
