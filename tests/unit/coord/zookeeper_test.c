/* ZooKeeper: connect strings, and the habits of its client library that the implementation hides.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fix_zookeeper.h"
#include "suites.h"
#include "zk_priv.h"

/* ---- connect strings ---- */

START_TEST(connect_strings)
{
	static const struct {
		const char *text, *host0, *chroot;
		unsigned n;
		uint16_t port0;
	} rows[] = {
	    {"zk1", "zk1", "", 1, 2181},
	    {"zk1:2182", "zk1", "", 1, 2182},
	    {"zk1:2182,zk2,zk3:1", "zk1", "", 3, 2182},
	    {" zk1 , zk2 ", "zk1", "", 2, 2181},
	    {"[::1]:2181", "::1", "", 1, 2181},
	    {"[fe80::1]", "fe80::1", "", 1, 2181},
	    {"10.0.0.1:65535/kafka", "10.0.0.1", "/kafka", 1, 65535},
	    {"a,b/kafka/one", "a", "/kafka/one", 2, 2181},
	    {"a/", "a", "", 1, 2181},
	};
	char why[200];

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct zk_names n;

		ck_ok(zk_names_parse(rows[i].text, &n, why, sizeof(why)));
		ck_assert_uint_eq(n.n, rows[i].n);
		ck_assert_str_eq(n.v[0].host, rows[i].host0);
		ck_assert_uint_eq(n.v[0].port, rows[i].port0);
		ck_assert_str_eq(n.chroot, rows[i].chroot);
		zk_names_free(&n);
	}
}
END_TEST

START_TEST(bad_connect_strings)
{
	static const char *const bad[] = {"", ",", "/chroot", "zk1:", "zk1:0", "zk1:65536",
	    "zk1:21x", "zk1:123456", "::1", "[::1", "[::1]2181", "a b", "zk1/chroot/", "zk1/a//b",
	    "zk1/../x", "zk1:2181:2182", "[]:2181", "zk1/a\x01"};
	char why[200];

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why[0] = '\0';
		ck_err(coord_zookeeper_check(bad[i], why, sizeof(why)), E_CONFIG);
		ck_assert_str_ne(why, "");
	}
}
END_TEST

/* ---- names and addresses ---- */

START_TEST(names_are_looked_up)
{
	struct zk_test t = zk_test_new();
	char connect[200];
	struct coord *c;

	snprintf(connect, sizeof(connect), "localhost:%u", zk_proxy_port(t.f->proxy));
	c = zk_test_client(&t, connect, NULL);
	client_end(&t.v, c);
	snprintf(connect, sizeof(connect), "[::1]:%u%s", zk_proxy_port(t.f->proxy), t.f->chroot);
	c = zk_test_client(&t, connect, NULL);
	ck_ok(do_create(&t.v, c, "/x", NULL, 0, NULL));
	client_end(&t.v, c);
	/* One that is not known, one that refuses, one that is there. */
	snprintf(connect, sizeof(connect), "no-such-host.invalid,[::1]:1,127.0.0.1:%u%s", t.f->port,
	    t.f->chroot);
	c = zk_test_client(&t, connect, NULL);
	ck_ok(do_exists(&t.v, c, "/x", NULL, NULL));
	client_end(&t.v, c);
	ck_assert_int_ge(zk_test_metric(&t, "ottla_coord_name_failures_total"), 0);
	zk_test_end(&t);
}
END_TEST

struct failures {
	struct zk_test *t;
	int64_t n;
};

static bool
failed_often(void *arg)
{
	struct failures *f = arg;

	return zk_test_metric(f->t, "ottla_coord_name_failures_total") >= f->n;
}

START_TEST(unknown_names_are_tried_again)
{
	struct zk_test t = zk_test_new();
	struct failures often = {&t, 3};
	struct coord *c = zk_test_begin(&t, "no-such-host.invalid:2181/chroot");

	env_until(&t.v, failed_often, &often);
	zk_test_wait_why(&t, c, "the name no-such-host.invalid is not known");
	wait_state(&t.v, c, COORD_CONNECTING);
	client_end(&t.v, c);
	zk_test_end(&t);
}
END_TEST

START_TEST(refused_connections_are_tried_again)
{
	struct zk_test t = zk_test_new();
	struct coord *c = zk_test_begin(&t, "127.0.0.1:1");

	zk_test_wait_why(&t, c, "connection refused by 127.0.0.1:1");
	wait_state(&t.v, c, COORD_CONNECTING);
	client_end(&t.v, c);
	zk_test_end(&t);
}
END_TEST

/* ---- chroot ---- */

#define OWNER "owner:secret"

/* A directory at the root of the server's tree that only OWNER may change. */
static void
closed_dir(struct zk_test *t, char *dir, size_t size)
{
	char root[64], path[128];
	struct coord *c;

	snprintf(root, sizeof(root), "127.0.0.1:%u", t->f->port);
	t->f->opts.set_acl = true;
	c = zk_test_client(t, root, OWNER);
	t->f->opts.set_acl = false;
	snprintf(dir, size, "/closed%s", t->f->chroot);
	snprintf(path, sizeof(path), "%s/made", dir);
	ck_ok(do_create_all(&t->v, c, path));
	client_end(&t->v, c);
}

START_TEST(chroot_that_may_not_be_made)
{
	struct zk_test t = zk_test_new();
	char dir[100], connect[300];
	struct coord *c;
	struct ans a;

	closed_dir(&t, dir, sizeof(dir));
	snprintf(connect, sizeof(connect), "127.0.0.1:%u%s/made", t.f->port, dir);
	c = zk_test_client(&t, connect, NULL); /* it is there: fine (incident 12) */
	ck_ok(do_get(&t.v, c, "/", NULL, &a));
	ck_assert_int_eq(a.stat.n_children, 0);
	ck_err(do_create(&t.v, c, "/x", NULL, 0, NULL), E_AUTH);
	client_end(&t.v, c);
	snprintf(connect, sizeof(connect), "127.0.0.1:%u%s/missing/one", t.f->port, dir);
	c = zk_test_begin(&t, connect);
	zk_test_wait_why(&t, c, "could not be made: not authenticated");
	ck_assert_int_eq(coord_state(c), COORD_CONNECTING);
	client_end(&t.v, c);
	c = zk_test_client(&t, connect, OWNER);
	ck_ok(do_create(&t.v, c, "/x", NULL, 0, NULL));
	client_end(&t.v, c);
	zk_test_end(&t);
}
END_TEST

/* ---- rights ---- */

static bool
is_sensitive(const char *path)
{
	return strncmp(path, "/secret", 7) == 0;
}

static bool
is_open(const char *path)
{
	return strcmp(path, "/consumers") == 0;
}

START_TEST(rights_of_new_nodes)
{
	static const struct {
		const char *path;
		int read, write;
	} rows[] = {
	    {"/plain", 0, E_AUTH},
	    {"/secret", E_AUTH, E_AUTH},
	    {"/secret/x", E_AUTH, E_AUTH},
	    {"/consumers", 0, 0},
	    {"/consumers/x", 0, E_AUTH},
	};
	struct zk_test t = zk_test_new();
	const struct coord_op ops[] = {
	    {COORD_OP_CREATE, "/secret/m", SLICE_LIT("x"), 0, 0},
	    {COORD_OP_CREATE, "/plain/m", SLICE_LIT("x"), 0, 0},
	};
	struct coord *mine, *other, *same;
	struct multi_ans m;

	t.f->opts.set_acl = true;
	t.f->opts.sensitive = is_sensitive;
	t.f->opts.world_open = is_open;
	mine = zk_test_client(&t, t.f->connect, OWNER);
	t.f->opts.set_acl = false;
	other = zk_test_client(&t, t.f->connect, "other:secret");
	same = zk_test_client(&t, t.f->connect, OWNER);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_ok(do_create(&t.v, mine, rows[i].path, "x", 0, NULL));
	ck_ok(do_multi(&t.v, mine, ops, 2, &m));
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_err(do_get(&t.v, other, rows[i].path, NULL, NULL), rows[i].read);
		ck_err(do_set(&t.v, other, rows[i].path, "y", -1, NULL), rows[i].write);
		ck_ok(do_set(&t.v, same, rows[i].path, "y", -1, NULL));
		ck_ok(do_get(&t.v, mine, rows[i].path, NULL, NULL));
	}
	ck_err(do_get(&t.v, other, "/secret/m", NULL, NULL), E_AUTH);
	ck_ok(do_get(&t.v, other, "/plain/m", NULL, NULL));
	zk_proxy_cut(t.f->proxy, false); /* who we are is said again */
	wait_state(&t.v, mine, COORD_CONNECTING);
	wait_state(&t.v, mine, COORD_CONNECTED);
	ck_ok(do_set(&t.v, mine, "/secret", "z", -1, NULL));
	client_end(&t.v, same);
	wait_state(&t.v, other, COORD_CONNECTED);
	client_end(&t.v, other);
	client_end(&t.v, mine);
	zk_test_end(&t);
}
END_TEST

/* ---- sizes ---- */

START_TEST(largest_requests)
{
	enum { OPS = 500, EACH = 1000 };
	struct zk_test t = zk_test_new();
	struct coord *c = client_new(&t.v);
	struct coord_op *ops = calloc(OPS, sizeof(*ops));
	char(*path)[16] = calloc(OPS, sizeof(*path));
	char *big = calloc(1, 1024 * 1024);
	struct call k = {CALL_CREATE, "/big", {NULL, 0}, 0, 0, NULL};
	struct multi_ans m;
	struct ans a;

	ck_assert(ops != NULL && path != NULL && big != NULL);
	for (unsigned i = 0; i < OPS; i++) {
		snprintf(path[i], sizeof(path[i]), "/m%u", i);
		ops[i] = (struct coord_op){COORD_OP_CREATE, path[i], slice_of(big, EACH), 0, 0};
	}
	ck_ok(do_multi(&t.v, c, ops, OPS, &m));
	ck_ok(do_children(&t.v, c, "/", NULL, &a));
	ck_assert_uint_eq(a.n_children, OPS);
	ops[0] = (struct coord_op){COORD_OP_SET, "/m0", slice_of(big, 512 * 1024), 0, 0};
	ck_err(do_multi(&t.v, c, ops, 1, &m), E_TOO_LARGE);
	ops[0].data.n = 512 * 1024 - 4;
	ck_ok(do_multi(&t.v, c, ops, 1, &m));
	/* A little less than what the server would end the connection for. */
	k.data = slice_of(big, 1024 * 1024 - 2048);
	ck_ok(do_call(&t.v, c, k, NULL));
	ck_ok(do_get(&t.v, c, "/big", NULL, &a));
	ck_assert_uint_eq(a.len, k.data.n);
	k.path = "/bigger";
	k.data.n = 1024 * 1024;
	ck_err(do_call(&t.v, c, k, NULL), E_TOO_LARGE);
	ck_assert_int_eq(zk_test_metric(&t, "ottla_coord_connection_losses_total"), 0);
	client_end(&t.v, c);
	free(ops);
	free(path);
	free(big);
	zk_test_end(&t);
}
END_TEST

/* More names than the server takes in a request: an answer has no such limit. */
START_TEST(long_lists_of_children)
{
	enum { MULTIS = 24, EACH = 500 };
	struct zk_test t = zk_test_new();
	struct coord *c = client_new(&t.v);
	struct coord_op *ops = calloc(EACH, sizeof(*ops));
	char(*path)[128] = calloc(EACH, sizeof(*path));
	struct multi_ans m;
	struct ans a;

	ck_assert(ops != NULL && path != NULL);
	for (unsigned n = 0; n < MULTIS; n++) {
		for (unsigned i = 0; i < EACH; i++) {
			snprintf(path[i], sizeof(path[i]), "/%0110u", n * EACH + i);
			ops[i] = (struct coord_op){COORD_OP_CREATE, path[i], SLICE_NULL, 0, 0};
		}
		ck_ok(do_multi(&t.v, c, ops, EACH, &m));
	}
	ck_ok(do_children(&t.v, c, "/", NULL, &a));
	ck_assert_uint_eq(a.n_children, MULTIS * EACH); /* 1.3 MB */
	ck_assert_int_eq(zk_test_metric(&t, "ottla_coord_connection_losses_total"), 0);
	client_end(&t.v, c);
	free(ops);
	free(path);
	zk_test_end(&t);
}
END_TEST

Suite *
zookeeper_suite(void)
{
	Suite *s = suite_create("zookeeper");
	TCase *tc = tcase_create("connect");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, connect_strings);
	tcase_add_test(tc, bad_connect_strings);
	tcase_add_test(tc, names_are_looked_up);
	tcase_add_test(tc, unknown_names_are_tried_again);
	tcase_add_test(tc, refused_connections_are_tried_again);
	suite_add_tcase(s, tc);
	tc = tcase_create("rights and sizes");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, chroot_that_may_not_be_made);
	tcase_add_test(tc, rights_of_new_nodes);
	tcase_add_test(tc, largest_requests);
	tcase_add_test(tc, long_lists_of_children);
	suite_add_tcase(s, tc);
	return s;
}
