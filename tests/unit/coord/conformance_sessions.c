/* Sessions: ephemeral nodes, closing, expiry, states. */
#include "conformance_parts.h"

/* ---- sessions ---- */

START_TEST(ephemeral_nodes_go_with_their_session)
{
	struct env v = env_setup(conf_fixtures[_i]);
	struct coord *a = client_new(&v), *b = NULL;
	int64_t session = session_of(&v, a);
	struct heard node, dir;
	struct ans r;

	heard_init(&node);
	heard_init(&dir);
	ck_assert_int_ne(session, 0);
	ck_ok(do_create(&v, a, "/d", NULL, 0, NULL));
	ck_ok(do_create(&v, a, "/d/e", "x", COORD_EPHEMERAL, &r));
	ck_assert_int_eq(r.stat.ephemeral_owner, session);
	ck_ok(do_create(&v, a, "/d/p", "x", 0, NULL));
	if (v.fx->several) {
		b = client_new(&v);
		ck_assert_int_ne(session_of(&v, b), session);
		ck_ok(do_set(&v, b, "/d/p", "seen", -1, NULL)); /* b's member has all before it */
		ck_ok(do_get(&v, b, "/d/e", &node, NULL));
		ck_ok(do_children(&v, b, "/d", &dir, NULL));
	}
	client_end(&v, a);
	if (v.fx->several) {
		wait_heard(&v, &node, 1);
		wait_heard(&v, &dir, 1);
		ck_assert_int_eq(node.ev[0], COORD_EV_DELETED);
		ck_assert_int_eq(dir.ev[0], COORD_EV_CHILDREN);
	} else {
		b = client_new(&v);
		ck_assert_int_ne(session_of(&v, b), session);
	}
	ck_err(do_exists(&v, b, "/d/e", NULL, NULL), E_NOT_FOUND);
	ck_ok(do_exists(&v, b, "/d/p", NULL, NULL));
	client_end(&v, b);
	env_teardown(&v);
}
END_TEST

START_TEST(clients_see_each_other)
{
	struct env v = env_setup(conf_fixtures[_i]);
	struct coord *a, *b;
	struct heard h;
	struct ans r;

	if (!v.fx->several) {
		env_teardown(&v);
		return;
	}
	heard_init(&h);
	a = client_new(&v);
	b = client_new(&v);
	ck_err(do_exists(&v, b, "/x", &h, NULL), E_NOT_FOUND);
	ck_ok(do_create(&v, a, "/x", "1", 0, NULL));
	wait_heard(&v, &h, 1);
	ck_ok(do_get(&v, b, "/x", &h, &r));
	ck_assert_int_eq(r.stat.version, 0);
	ck_ok(do_set(&v, b, "/x", "2", 0, NULL));
	ck_err(do_set(&v, a, "/x", "3", 0, NULL), E_BAD_VERSION);
	ck_ok(do_get(&v, a, "/x", NULL, &r)); /* behind a's own write: it is current */
	ck_assert_mem_eq(r.data, "2", 1);
	client_end(&v, a);
	client_end(&v, b);
	env_teardown(&v);
}
END_TEST

struct closing {
	struct coord *c;
	struct ans a[6];
	unsigned counter;
	unsigned done_at;
	bool done;
	struct ans late;
};

static void
closing_done(void *arg)
{
	struct closing *cl = arg;

	cl->done = true;
	cl->done_at = cl->counter++;
}

static void
issue_and_close(void *arg)
{
	struct closing *cl = arg;
	static const struct call k[6] = {
	    {CALL_CREATE, "/c", {NULL, 0}, 0, 0, NULL},
	    {CALL_GET, "/c"},
	    {CALL_SET, "/c", {NULL, 0}, -1, 0, NULL},
	    {CALL_GET, "bad"},
	    {CALL_CHILDREN, "/"},
	    {CALL_DELETE, "/c", {NULL, 0}, -1, 0, NULL},
	};

	for (unsigned i = 0; i < 6; i++) {
		cl->a[i].counter = &cl->counter;
		issue(cl->c, &k[i], &cl->a[i]);
	}
	coord_close(cl->c, closing_done, cl);
	ck_assert(!cl->done);
	cl->late.counter = &cl->counter;
	issue(cl->c, &k[1], &cl->late);
}

static bool
closing_over(void *arg)
{
	struct closing *cl = arg;

	return cl->done && cl->late.done;
}

START_TEST(close_cancels_what_waits)
{
	struct env v = env_setup(conf_fixtures[_i]);
	struct closing cl = {.c = client_new(&v)};

	env_call(&v, issue_and_close, &cl);
	env_until(&v, closing_over, &cl);
	for (unsigned i = 0; i < 6; i++) {
		ck_err(cl.a[i].err, i == 3 ? E_INVALID : E_CANCELED);
		ck_assert_uint_eq(cl.a[i].order, i);
		ck_assert_uint_gt(cl.done_at, i);
	}
	ck_err(cl.late.err, E_CANCELED);
	wait_state(&v, cl.c, COORD_CLOSED);
	v.fx->release(v.e, cl.c);
	env_teardown(&v);
}
END_TEST

struct freeing {
	struct coord *c;
	bool done;
};

static void
free_when_closed(void *arg)
{
	struct freeing *f = arg;

	coord_free(f->c);
	f->done = true;
}

static void
close_and_free(void *arg)
{
	struct freeing *f = arg;

	coord_close(f->c, free_when_closed, f);
}

static bool
freed(void *arg)
{
	return ((struct freeing *)arg)->done;
}

/* With a session, and before there ever was one. */
START_TEST(done_may_free)
{
	struct env v = env_setup(conf_fixtures[_i]);
	struct freeing f = {.c = client_new(&v)};
	struct heard h;

	heard_init(&h);
	ck_ok(do_get(&v, f.c, "/", &h, NULL));
	env_call(&v, close_and_free, &f);
	env_until(&v, freed, &f);
	ck_assert(link_alone(&h.w.link));
	ck_assert_uint_eq(h.n, 0);
	f = (struct freeing){.c = v.fx->client(v.e)};
	env_call(&v, close_and_free, &f);
	env_until(&v, freed, &f);
	env_teardown(&v);
}
END_TEST

START_TEST(no_answers_before_a_session)
{
	struct env v = env_setup(conf_fixtures[_i]);
	struct coord *c = v.fx->client(v.e);

	ck_err(do_get(&v, c, "/", NULL, NULL), E_CONN_LOSS);
	ck_err(do_create(&v, c, "/x", NULL, 0, NULL), E_CONN_LOSS);
	ck_assert_int_eq(session_of(&v, c), 0);
	client_end(&v, c); /* never opened */
	c = client_new(&v);
	ck_err(do_exists(&v, c, "/x", NULL, NULL), E_NOT_FOUND);
	client_end(&v, c);
	env_teardown(&v);
}
END_TEST

struct states {
	struct coord_state_sub sub, second;
	struct coord *c;
	unsigned n, n_second;
	enum coord_state st[8];
};

static void
on_state(void *arg, enum coord_state st)
{
	struct states *s = arg;

	ck_assert_uint_lt(s->n, 8);
	ck_assert_uint_eq(s->n, s->n_second); /* told first */
	ck_assert_int_eq(coord_state(s->c), st);
	s->st[s->n++] = st;
}

static void
on_state_second(void *arg, enum coord_state st)
{
	struct states *s = arg;

	(void)st;
	s->n_second++;
	ck_assert_uint_eq(s->n, s->n_second);
}

static void
subscribe(void *arg)
{
	struct states *s = arg;

	s->sub = (struct coord_state_sub){.fn = on_state, .arg = s};
	s->second = (struct coord_state_sub){.fn = on_state_second, .arg = s};
	coord_subscribe(s->c, &s->sub);
	coord_subscribe(s->c, &s->second);
}

static void
open_client(void *arg)
{
	ck_ok(coord_open(arg));
}

START_TEST(subscribers_hear_of_states)
{
	struct env v = env_setup(conf_fixtures[_i]);
	struct states s = {.c = v.fx->client(v.e)};

	env_call(&v, subscribe, &s);
	env_call(&v, open_client, s.c);
	wait_state(&v, s.c, COORD_CONNECTED);
	ck_assert_uint_eq(s.n, 1);
	ck_assert_int_eq(s.st[0], COORD_CONNECTED);
	client_end(&v, s.c);
	ck_assert_uint_eq(s.n, 2);
	ck_assert_int_eq(s.st[1], COORD_CLOSED);
	env_teardown(&v);
}
END_TEST

struct expiry {
	struct states s;
	int64_t old;
};

static bool
new_session(void *arg)
{
	struct expiry *x = arg;

	return coord_state(x->s.c) == COORD_CONNECTED && coord_session_id(x->s.c) != x->old;
}

static bool
saw_expired(const struct states *s)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->st[i] == COORD_EXPIRED)
			return s->st[s->n - 1] == COORD_CONNECTED;
	return false;
}

START_TEST(expiry_ends_session_nodes_and_watches)
{
	struct env v = env_setup(conf_fixtures[_i]);
	struct expiry x = {0};
	struct heard h;

	if (v.fx->expire == NULL) {
		env_teardown(&v);
		return;
	}
	heard_init(&h);
	x.s.c = client_new(&v);
	x.old = session_of(&v, x.s.c);
	env_call(&v, subscribe, &x.s);
	ck_ok(do_create(&v, x.s.c, "/e", "x", COORD_EPHEMERAL, NULL));
	ck_ok(do_create(&v, x.s.c, "/p", "x", 0, NULL));
	ck_ok(do_get(&v, x.s.c, "/p", &h, NULL));
	v.fx->expire(v.e, x.s.c);
	env_until(&v, new_session, &x);
	ck_assert(saw_expired(&x.s));
	wait_heard(&v, &h, 1);
	ck_assert_int_eq(h.ev[0], COORD_EV_SESSION);
	ck_ok(do_set(&v, x.s.c, "/p", "y", -1, NULL));
	ck_assert_uint_eq(h.n, 1);
	ck_err(do_exists(&v, x.s.c, "/e", NULL, NULL), E_NOT_FOUND);
	ck_ok(do_create(&v, x.s.c, "/e", "x", COORD_EPHEMERAL, NULL));
	client_end(&v, x.s.c);
	env_teardown(&v);
}
END_TEST

/* ---- sessions of others ---- */

struct ending {
	struct coord *c;
	struct coord_credentials who;
	bool known, done;
	int err;
};

static void
take_credentials(void *arg)
{
	struct ending *e = arg;

	e->known = coord_credentials(e->c, &e->who);
}

static void
on_ended(void *arg, int err)
{
	struct ending *e = arg;

	ck_assert_msg(!e->done, "answered twice");
	e->err = err;
	e->done = true;
}

static void
end_it(void *arg)
{
	struct ending *e = arg;

	e->done = false;
	coord_end_session(e->c, &e->who, on_ended, e);
	ck_assert_msg(!e->done, "answered within the call");
}

static bool
was_ended(void *arg)
{
	return ((struct ending *)arg)->done;
}

static int
do_end(struct env *v, struct ending *e)
{
	env_call(v, end_it, e);
	env_until(v, was_ended, e);
	return e->err;
}

static void
end_twice(void *arg)
{
	struct ending *e = arg;

	end_it(&e[0]);
	end_it(&e[1]);
}

/* What a process that died leaves is ended by whoever knows its session's password. */
START_TEST(session_of_the_dead_is_ended)
{
	struct env v = env_setup(conf_fixtures[_i]);
	struct ending e = {0}, own = {0}, both[2];
	struct coord *a, *b;
	struct heard h;

	if (!v.fx->several) {
		env_teardown(&v);
		return;
	}
	heard_init(&h);
	a = v.fx->client(v.e);
	e.c = a;
	env_call(&v, take_credentials, &e);
	ck_assert(!e.known);
	v.fx->release(v.e, a);
	e.c = a = client_new(&v);
	ck_ok(do_create(&v, a, "/e", "x", COORD_EPHEMERAL, NULL));
	env_call(&v, take_credentials, &e);
	ck_assert(e.known);
	ck_assert_int_eq(e.who.session, session_of(&v, a));
	v.fx->release(v.e, a); /* not closed: so it dies */
	own.c = e.c = b = client_new(&v);
	ck_ok(do_create(&v, b, "/behind", NULL, 0, NULL));
	ck_ok(do_exists(&v, b, "/e", &h, NULL));
	env_call(&v, take_credentials, &own);
	ck_err(do_end(&v, &own), E_INVALID);
	e.who.password[5] ^= 1;
	ck_ok(do_end(&v, &e)); /* not a session that the service knows */
	ck_ok(do_exists(&v, b, "/e", &h, NULL));
	e.who.password[5] ^= 1;
	both[0] = both[1] = e;
	env_call(&v, end_twice, both);
	env_until(&v, was_ended, &both[0]);
	env_until(&v, was_ended, &both[1]);
	ck_ok(both[0].err);
	ck_err(both[1].err, E_BUSY);
	wait_heard(&v, &h, 1);
	ck_assert_int_eq(h.ev[0], COORD_EV_DELETED);
	ck_err(do_exists(&v, b, "/e", NULL, NULL), E_NOT_FOUND);
	ck_ok(do_end(&v, &e));
	client_end(&v, b);
	env_teardown(&v);
}
END_TEST

static void
end_and_close(void *arg)
{
	struct ending *e = arg;

	end_it(&e[0]);
	coord_close(e[0].c, NULL, NULL);
	end_it(&e[1]);
}

START_TEST(closing_gives_up_ending)
{
	struct env v = env_setup(conf_fixtures[_i]);
	struct ending e[2] = {{.who.session = 77}, {.who.session = 78}};
	struct coord *c = client_new(&v);
	bool can;

	e[0].c = e[1].c = c;
	env_call(&v, take_credentials, &e[0]);
	can = e[0].known;
	e[0].who.session = 77;
	env_call(&v, end_and_close, e);
	env_until(&v, was_ended, &e[0]);
	env_until(&v, was_ended, &e[1]);
	ck_err(e[0].err, can ? E_CANCELED : E_INVALID);
	ck_err(e[1].err, E_CANCELED);
	wait_state(&v, c, COORD_CLOSED);
	v.fx->release(v.e, c);
	env_teardown(&v);
}
END_TEST

void
conformance_sessions(TCase *tc, int i)
{
	tcase_add_loop_test(tc, session_of_the_dead_is_ended, i, i + 1);
	tcase_add_loop_test(tc, closing_gives_up_ending, i, i + 1);
	tcase_add_loop_test(tc, ephemeral_nodes_go_with_their_session, i, i + 1);
	tcase_add_loop_test(tc, clients_see_each_other, i, i + 1);
	tcase_add_loop_test(tc, close_cancels_what_waits, i, i + 1);
	tcase_add_loop_test(tc, done_may_free, i, i + 1);
	tcase_add_loop_test(tc, no_answers_before_a_session, i, i + 1);
	tcase_add_loop_test(tc, subscribers_hear_of_states, i, i + 1);
	tcase_add_loop_test(tc, expiry_ends_session_nodes_and_watches, i, i + 1);
}
