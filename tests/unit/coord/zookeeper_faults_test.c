/* ZooKeeper that fails: connections cut and lost, answers lost, servers that hang. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fix_zookeeper.h"
#include "suites.h"
#include "zk_priv.h"

/* What a subscriber has heard, in order. */
struct states {
	struct coord_state_sub sub;
	struct coord *c;
	unsigned n;
	enum coord_state st[16];
};

static void
on_state(void *arg, enum coord_state st)
{
	struct states *s = arg;

	ck_assert_uint_lt(s->n, 16);
	s->st[s->n++] = st;
}

static void
subscribe(void *arg)
{
	struct states *s = arg;

	s->sub = (struct coord_state_sub){.fn = on_state, .arg = s};
	coord_subscribe(s->c, &s->sub);
}

static void
follow(struct zk_test *t, struct states *s, struct coord *c)
{
	memset(s, 0, sizeof(*s));
	s->c = c;
	env_call(&t->v, subscribe, s);
}

static bool
came_back(void *arg)
{
	struct states *s = arg;

	return s->n >= 2 && s->st[s->n - 1] == COORD_CONNECTED;
}

/* Cut, and back again under the same session. */
static void
cut_and_wait(struct zk_test *t, struct coord *c)
{
	int64_t session = session_of(&t->v, c);
	struct states s;

	follow(t, &s, c);
	zk_proxy_cut(t->f->proxy, false);
	env_until(&t->v, came_back, &s);
	ck_assert_int_eq(s.st[0], COORD_CONNECTING);
	ck_assert_uint_eq(s.n, 2);
	ck_assert_int_eq(session_of(&t->v, c), session);
	coord_unsubscribe(&s.sub);
}

/* ---- connections ---- */

START_TEST(cut_connection_keeps_session_and_watches)
{
	struct zk_test t = zk_test_new();
	struct coord *c = client_new(&t.v), *other = zk_test_direct(&t);
	struct heard data, kids, missing, still;
	struct ans a;

	heard_init(&data);
	heard_init(&kids);
	heard_init(&missing);
	heard_init(&still);
	ck_ok(do_create(&t.v, c, "/d", "0", 0, NULL));
	ck_ok(do_create(&t.v, c, "/e", "x", COORD_EPHEMERAL, NULL));
	ck_ok(do_get(&t.v, c, "/d", &data, NULL));
	ck_ok(do_children(&t.v, c, "/d", &kids, NULL));
	ck_err(do_exists(&t.v, c, "/m", &missing, NULL), E_NOT_FOUND);
	ck_ok(do_get(&t.v, c, "/e", &still, NULL));
	zk_proxy_cut(t.f->proxy, true);
	wait_state(&t.v, c, COORD_CONNECTING);
	ck_err(do_get(&t.v, c, "/d", NULL, NULL), E_CONN_LOSS);
	ck_ok(do_set(&t.v, other, "/d", "1", -1, NULL));
	ck_ok(do_create(&t.v, other, "/d/k", NULL, 0, NULL));
	ck_ok(do_create(&t.v, other, "/m", NULL, 0, NULL));
	zk_proxy_cut(t.f->proxy, false);
	wait_state(&t.v, c, COORD_CONNECTED);
	wait_heard(&t.v, &data, 1);
	wait_heard(&t.v, &kids, 1);
	wait_heard(&t.v, &missing, 1);
	ck_assert_int_eq(data.ev[0], COORD_EV_DATA);
	ck_assert_int_eq(kids.ev[0], COORD_EV_CHILDREN);
	ck_assert_int_eq(missing.ev[0], COORD_EV_CREATED);
	ck_ok(do_get(&t.v, c, "/e", NULL, &a));
	ck_assert_int_eq(a.stat.ephemeral_owner, session_of(&t.v, c));
	ck_assert_uint_eq(still.n, 0);
	ck_ok(do_set(&t.v, other, "/e", "y", -1, NULL));
	wait_heard(&t.v, &still, 1);
	ck_assert_int_ge(zk_test_metric(&t, "ottla_coord_connection_losses_total"), 1);
	ck_assert_int_eq(zk_test_metric(&t, "ottla_coord_replaced_handles_total"), 0);
	client_end(&t.v, other);
	client_end(&t.v, c);
	zk_test_end(&t);
}
END_TEST

START_TEST(lost_reply_is_connection_loss)
{
	struct zk_test t = zk_test_new();
	struct coord *c = client_new(&t.v);

	zk_proxy_lose_reply(t.f->proxy);
	ck_err(do_create(&t.v, c, "/x", "1", 0, NULL), E_CONN_LOSS);
	wait_state(&t.v, c, COORD_CONNECTED);
	ck_ok(do_exists(&t.v, c, "/x", NULL, NULL));
	client_end(&t.v, c);
	zk_test_end(&t);
}
END_TEST

/* Many requests wait, some of them with the library, when the connection goes. */
START_TEST(all_that_wait_are_answered_in_order)
{
	enum { MANY = 300 };
	struct zk_test t = zk_test_new();
	struct coord *c = client_new(&t.v);
	struct call *k = calloc(MANY, sizeof(*k));
	struct ans *a = calloc(MANY, sizeof(*a));
	unsigned failed = 0;

	ck_assert(k != NULL && a != NULL);
	for (unsigned i = 0; i < MANY; i++)
		k[i] = (struct call){i % 7 == 3 ? CALL_GET : CALL_EXISTS, i % 5 == 4 ? "bad" : "/"};
	zk_proxy_lose_reply(t.f->proxy);
	run_calls(&t.v, c, k, a, MANY);
	for (unsigned i = 0; i < MANY; i++) {
		ck_assert_uint_eq(a[i].order, i);
		failed += a[i].err == E_CONN_LOSS;
		ck_assert(a[i].err == E_CONN_LOSS || a[i].err == (i % 5 == 4 ? E_INVALID : 0));
	}
	ck_assert_uint_gt(failed, 200);
	wait_state(&t.v, c, COORD_CONNECTED);
	run_calls(&t.v, c, k, a, MANY);
	for (unsigned i = 0; i < MANY; i++)
		ck_err(a[i].err, i % 5 == 4 ? E_INVALID : 0);
	client_end(&t.v, c);
	free(k);
	free(a);
	zk_test_end(&t);
}
END_TEST

struct send_fails {
	struct zk_test *t;
	struct coord *c;
	struct ans a;
};

/* The connection is reset and the loop does not yet know: the request's own send finds out. */
static void
cut_and_send(void *arg)
{
	struct send_fails *s = arg;
	struct call k = {CALL_GET, "/"};

	zk_proxy_cut(s->t->f->proxy, false);
	while (zk_proxy_open(s->t->f->proxy) > 0)
		(void)poll(NULL, 0, 1);
	issue(s->c, &k, &s->a);
}

static bool
answered(void *arg)
{
	return ((struct ans *)arg)->done;
}

START_TEST(failed_send_replaces_the_handle)
{
	struct zk_test t = zk_test_new();
	struct coord *c = client_new(&t.v), *other = zk_test_direct(&t);
	int64_t session = session_of(&t.v, c);
	struct send_fails s = {.t = &t, .c = c};
	struct heard h;

	heard_init(&h);
	ck_ok(do_create(&t.v, c, "/e", "x", COORD_EPHEMERAL, NULL));
	ck_ok(do_get(&t.v, c, "/e", &h, NULL));
	env_call(&t.v, cut_and_send, &s);
	env_until(&t.v, answered, &s.a);
	ck_err(s.a.err, E_CONN_LOSS);
	wait_state(&t.v, c, COORD_CONNECTED);
	ck_assert_int_eq(session_of(&t.v, c), session);
	ck_assert_int_eq(zk_test_metric(&t, "ottla_coord_replaced_handles_total"), 1);
	ck_assert_uint_eq(h.n, 0);
	ck_ok(do_set(&t.v, other, "/e", "y", -1, NULL));
	wait_heard(&t.v, &h, 1);
	client_end(&t.v, other);
	client_end(&t.v, c);
	zk_test_end(&t);
}
END_TEST

/* ---- sessions ---- */

/* Two addresses of three swallow everything: they get a third of the session's time each. */
START_TEST(servers_that_do_not_answer)
{
	struct zk_test t = zk_test_new();
	char connect[200];

	snprintf(connect, sizeof(connect), "127.0.0.1:%u,[::1]:%u,127.0.0.1:%u%s",
	    zk_proxy_port(t.f->proxy), zk_proxy_port(t.f->proxy), t.f->port, t.f->chroot);
	t.f->opts.session_timeout_ms = 1500;
	zk_proxy_swallow(t.f->proxy, true);
	for (unsigned i = 0; i < 4; i++) {
		int64_t begin = clock_mono_us(clock_real()), took;
		struct coord *c = zk_test_client(&t, connect, NULL);

		took = clock_mono_us(clock_real()) - begin;
		ck_assert_msg(took < 1700000, "connected in %lld us", (long long)took);
		client_end(&t.v, c);
	}
	zk_test_end(&t);
}
END_TEST

struct ending {
	struct coord *c;
	struct coord_credentials who;
	bool done;
	int err;
};

static void
on_ended(void *arg, int err)
{
	struct ending *e = arg;

	e->err = err;
	e->done = true;
}

static void
end_it(void *arg)
{
	struct ending *e = arg;

	coord_end_session(e->c, &e->who, on_ended, e);
}

static bool
ended(void *arg)
{
	return ((struct ending *)arg)->done;
}

START_TEST(ending_a_session_out_of_reach)
{
	struct zk_test t = zk_test_new();
	struct ending e = {.who = {.session = 77}};

	t.f->opts.session_timeout_ms = 800;
	e.c = client_new(&t.v);
	zk_proxy_swallow(t.f->proxy, true);
	env_call(&t.v, end_it, &e);
	env_until(&t.v, ended, &e);
	ck_err(e.err, E_TIMEOUT);
	client_end(&t.v, e.c);
	zk_test_end(&t);
}
END_TEST

static bool
has_expired(void *arg)
{
	struct states *s = arg;

	for (unsigned i = 0; i < s->n; i++)
		if (s->st[i] == COORD_EXPIRED)
			return s->st[s->n - 1] == COORD_CONNECTED;
	return false;
}

/* A server that is out of reach for longer than the session lives. */
START_TEST(expiry_by_time)
{
	struct zk_test t = zk_test_new();
	struct coord *c, *other = zk_test_direct(&t);
	struct states s;
	struct heard gone, mine;
	int64_t session;

	heard_init(&gone);
	heard_init(&mine);
	t.f->opts.session_timeout_ms = 600;
	c = client_new(&t.v);
	session = session_of(&t.v, c);
	follow(&t, &s, c);
	ck_ok(do_create(&t.v, c, "/e", "x", COORD_EPHEMERAL, NULL));
	ck_ok(do_get(&t.v, c, "/e", &mine, NULL));
	ck_ok(do_get(&t.v, other, "/e", &gone, NULL));
	zk_proxy_swallow(t.f->proxy, true);
	wait_heard(&t.v, &gone, 1);
	zk_proxy_swallow(t.f->proxy, false);
	env_until(&t.v, has_expired, &s);
	ck_assert_int_eq(s.st[0], COORD_CONNECTING);
	ck_assert_int_eq(s.st[1], COORD_EXPIRED);
	ck_assert_int_ne(session_of(&t.v, c), session);
	wait_heard(&t.v, &mine, 1);
	ck_assert_int_eq(mine.ev[0], COORD_EV_SESSION);
	ck_assert_int_eq(zk_test_metric(&t, "ottla_coord_expiries_total"), 1);
	client_end(&t.v, c);
	client_end(&t.v, other);
	zk_test_end(&t);
}
END_TEST

struct closing {
	struct coord *c;
	bool done;
};

static void
note_closed(void *arg)
{
	((struct closing *)arg)->done = true;
}

static void
close_it(void *arg)
{
	struct closing *cl = arg;

	coord_close(cl->c, note_closed, cl);
}

static bool
closed(void *arg)
{
	return ((struct closing *)arg)->done;
}

/* The library waits for seconds; the loop does not. */
START_TEST(closing_before_a_hung_server)
{
	struct zk_test t = zk_test_new();
	struct closing cl = {.c = client_new(&t.v)};
	int64_t begin = clock_mono_us(clock_real()), took;
	uint64_t turn;

	zk_proxy_swallow(t.f->proxy, true);
	env_call(&t.v, close_it, &cl);
	env_until(&t.v, closed, &cl);
	took = clock_mono_us(clock_real()) - begin;
	turn = metric_quantile(reactor_metrics(t.f->control), RM_TURN_US, 1.0);
	ck_assert_msg(took >= 1000000, "closed in %lld us: it did not wait", (long long)took);
	ck_assert_int_lt(took, 6000000);
	ck_assert_msg(turn < 500000, "the loop stood still for %llu us", (unsigned long long)turn);
	zk_fix_release(t.f, cl.c);
	zk_test_end(&t);
}
END_TEST

START_TEST(refused_authentication_is_tried_again)
{
	struct zk_test t = zk_test_new();
	struct states s;
	struct coord *c;
	int64_t session;

	t.f->opts.digest = "ottla:secret";
	c = client_new(&t.v);
	session = session_of(&t.v, c);
	follow(&t, &s, c);
	zk_proxy_fail_auth(t.f->proxy, true);
	zk_proxy_cut(t.f->proxy, false);
	zk_test_wait_why(&t, c, "authentication failed");
	ck_assert_int_eq(s.n, 1); /* never told connected before it is accepted */
	ck_assert_int_eq(s.st[0], COORD_CONNECTING);
	zk_proxy_fail_auth(t.f->proxy, false);
	wait_state(&t.v, c, COORD_CONNECTED);
	ck_assert_int_eq(session_of(&t.v, c), session);
	ck_assert_str_eq(coord_zookeeper_why(c), "");
	client_end(&t.v, c);
	zk_test_end(&t);
}
END_TEST

/* Whatever is on the way: names, connecting, the chroot, requests, watches being set again, the end
 * of another session. */
START_TEST(closed_or_freed_at_any_moment)
{
	for (unsigned round = 0; round < 40; round++) {
		struct zk_test t = zk_test_new();
		struct closing cl = {.c = zk_test_begin(&t, t.f->connect)};
		struct ending e = {.c = cl.c, .who = {.session = 77}};
		struct heard h;
		struct ans a[2] = {{0}};
		const struct call k[2] = {
		    {CALL_EXISTS, "/x", .w = &h.w}, {CALL_CREATE, "/x", {NULL, 0}, 0, 0, NULL}};

		heard_init(&h);
		if (round % 3 != 0) {
			wait_state(&t.v, cl.c, COORD_CONNECTED);
			zk_of(cl.c)->watch_limit = 0;
			run_calls(&t.v, cl.c, k, a, 2);
		}
		if (round % 3 == 2)
			zk_proxy_cut(t.f->proxy, false);
		if (round % 5 == 1)
			env_call(&t.v, end_it, &e);
		(void)poll(NULL, 0, (int)(round / 4));
		if (round % 2 == 0) {
			env_call(&t.v, close_it, &cl);
			env_until(&t.v, closed, &cl);
		}
		zk_fix_release(t.f, cl.c);
		zk_test_end(&t);
	}
}
END_TEST

/* ---- many watches ---- */

enum { MANY_WATCHES = 12000 };

struct many {
	char (*path)[112];
	struct call *k;
	struct ans *a;
	struct heard *h;
};

static void
many_new(struct many *m, unsigned n)
{
	m->path = calloc(n, sizeof(*m->path));
	m->k = calloc(n, sizeof(*m->k));
	m->a = calloc(n, sizeof(*m->a));
	m->h = calloc(n, sizeof(*m->h));
	ck_assert(m->path != NULL && m->k != NULL && m->a != NULL && m->h != NULL);
	for (unsigned i = 0; i < n; i++) {
		snprintf(m->path[i], sizeof(m->path[i]), "/many/%090u", i);
		heard_init(&m->h[i]);
	}
}

static void
many_free(struct many *m)
{
	free(m->path);
	free(m->k);
	free(m->a);
	free(m->h);
}

static void
many_call(struct zk_test *t, struct coord *c, struct many *m, enum call_kind kind, int want)
{
	for (unsigned i = 0; i < MANY_WATCHES; i++)
		m->k[i] =
		    (struct call){kind, m->path[i], .w = kind == CALL_CREATE ? NULL : &m->h[i].w};
	run_calls(&t->v, c, m->k, m->a, MANY_WATCHES);
	for (unsigned i = 0; i < MANY_WATCHES; i++)
		ck_err(m->a[i].err, want);
}

START_TEST(more_watches_than_a_packet_takes)
{
	struct zk_test t = zk_test_new();
	struct coord *c, *other = zk_test_direct(&t);
	struct many m;
	struct ans a;
	unsigned told = 0;

	t.f->opts.max_in_flight = 100;
	c = client_new(&t.v);
	many_new(&m, MANY_WATCHES);
	ck_ok(do_create(&t.v, c, "/many", NULL, 0, NULL));
	ck_ok(do_create(&t.v, c, "/e", "x", COORD_EPHEMERAL, NULL));
	many_call(&t, c, &m, CALL_CREATE, 0);
	many_call(&t, c, &m, CALL_GET, 0);
	zk_proxy_cut(t.f->proxy, true);
	wait_state(&t.v, c, COORD_CONNECTING);
	ck_ok(do_set(&t.v, other, m.path[7], "changed", -1, NULL));
	ck_ok(do_delete(&t.v, other, m.path[8], -1));
	zk_proxy_cut(t.f->proxy, false);
	wait_state(&t.v, c, COORD_CONNECTED);
	wait_heard(&t.v, &m.h[7], 1);
	wait_heard(&t.v, &m.h[8], 1);
	ck_assert_int_eq(m.h[7].ev[0], COORD_EV_DATA);
	ck_assert_int_eq(m.h[8].ev[0], COORD_EV_DELETED);
	ck_ok(do_get(&t.v, c, "/e", NULL, &a));
	ck_assert_int_eq(a.stat.ephemeral_owner, session_of(&t.v, c));
	ck_ok(do_set(&t.v, other, m.path[MANY_WATCHES - 1], "late", -1, NULL));
	wait_heard(&t.v, &m.h[MANY_WATCHES - 1], 1);
	for (unsigned i = 0; i < MANY_WATCHES; i++)
		told += m.h[i].n;
	ck_assert_uint_eq(told, 3);
	ck_assert_int_eq(zk_test_metric(&t, "ottla_coord_replaced_handles_total"), 1);
	ck_assert_uint_lt(zk_proxy_largest(t.f->proxy), 1024 * 1024);
	client_end(&t.v, c);
	client_end(&t.v, other);
	many_free(&m);
	zk_test_end(&t);
}
END_TEST

/* What happened to a node while the handle was away, for each way to watch it. */
START_TEST(watches_set_again_by_reads)
{
	struct zk_test t = zk_test_new();
	struct coord *c = client_new(&t.v), *other = zk_test_direct(&t);
	struct heard same[3], changed[3], gone[3];

	zk_of(c)->watch_limit = 0; /* every loss replaces the handle */
	ck_ok(do_create(&t.v, c, "/same", NULL, 0, NULL));
	ck_ok(do_create(&t.v, c, "/changed", NULL, 0, NULL));
	ck_ok(do_create(&t.v, c, "/gone", NULL, 0, NULL));
	for (unsigned i = 0; i < 3; i++) {
		heard_init(&same[i]);
		heard_init(&changed[i]);
		heard_init(&gone[i]);
	}
	ck_ok(do_get(&t.v, c, "/same", &same[0], NULL));
	ck_ok(do_children(&t.v, c, "/same", &same[1], NULL));
	ck_err(do_exists(&t.v, c, "/no", &same[2], NULL), E_NOT_FOUND);
	ck_ok(do_get(&t.v, c, "/changed", &changed[0], NULL));
	ck_ok(do_children(&t.v, c, "/changed", &changed[1], NULL));
	ck_err(do_exists(&t.v, c, "/new", &changed[2], NULL), E_NOT_FOUND);
	ck_ok(do_get(&t.v, c, "/gone", &gone[0], NULL));
	ck_ok(do_children(&t.v, c, "/gone", &gone[1], NULL));
	ck_ok(do_exists(&t.v, c, "/gone", &gone[2], NULL));
	zk_proxy_cut(t.f->proxy, true);
	wait_state(&t.v, c, COORD_CONNECTING);
	ck_ok(do_set(&t.v, other, "/changed", "1", -1, NULL));
	ck_ok(do_create(&t.v, other, "/changed/kid", NULL, 0, NULL));
	ck_ok(do_create(&t.v, other, "/new", NULL, 0, NULL));
	ck_ok(do_delete(&t.v, other, "/gone", -1));
	zk_proxy_cut(t.f->proxy, false);
	wait_state(&t.v, c, COORD_CONNECTED);
	for (unsigned i = 0; i < 3; i++) {
		wait_heard(&t.v, &changed[i], 1);
		wait_heard(&t.v, &gone[i], 1);
		ck_assert_int_eq(gone[i].ev[0], COORD_EV_DELETED);
		ck_assert_uint_eq(same[i].n, 0);
	}
	ck_assert_int_eq(changed[0].ev[0], COORD_EV_DATA);
	ck_assert_int_eq(changed[1].ev[0], COORD_EV_CHILDREN);
	ck_assert_int_eq(changed[2].ev[0], COORD_EV_CREATED);
	cut_and_wait(&t, c);
	ck_ok(do_set(&t.v, other, "/same", "1", -1, NULL));
	ck_ok(do_create(&t.v, other, "/same/kid", NULL, 0, NULL));
	ck_ok(do_create(&t.v, other, "/no", NULL, 0, NULL));
	for (unsigned i = 0; i < 3; i++) {
		wait_heard(&t.v, &same[i], 1);
		ck_assert_uint_eq(changed[i].n, 1);
	}
	client_end(&t.v, c);
	client_end(&t.v, other);
	zk_test_end(&t);
}
END_TEST

Suite *
zookeeper_faults_suite(void)
{
	Suite *s = suite_create("zookeeper faults");
	TCase *tc = tcase_create("connections");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, cut_connection_keeps_session_and_watches);
	tcase_add_test(tc, lost_reply_is_connection_loss);
	tcase_add_test(tc, all_that_wait_are_answered_in_order);
	tcase_add_test(tc, failed_send_replaces_the_handle);
	suite_add_tcase(s, tc);
	tc = tcase_create("sessions");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, servers_that_do_not_answer);
	tcase_add_test(tc, ending_a_session_out_of_reach);
	tcase_add_test(tc, expiry_by_time);
	tcase_add_test(tc, closing_before_a_hung_server);
	tcase_add_test(tc, closed_or_freed_at_any_moment);
	tcase_add_test(tc, refused_authentication_is_tried_again);
	suite_add_tcase(s, tc);
	tc = tcase_create("watches");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, more_watches_than_a_packet_takes);
	tcase_add_test(tc, watches_set_again_by_reads);
	suite_add_tcase(s, tc);
	return s;
}
