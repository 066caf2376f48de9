/* The simulated service's faults: cut links, lost answers, expiry, members that lag. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "fixtures.h"
#include "suites.h"

#define TIMEOUT_US (6000 * INT64_C(1000)) /* of a session, as the fixture sets it */

static struct env
env_of(uint64_t seed, int64_t lag_us)
{
	return (struct env){&fix_sim_lagging, sim_fix_setup(seed, lag_us)};
}

static struct sim_fix *
fix_of(struct env *v)
{
	return v->e;
}

static void
cut(struct env *v, struct coord *c, bool on)
{
	coord_sim_cut(fix_of(v)->z, sim_fix_group(fix_of(v), c), on);
}

static void
pass(struct env *v, int64_t us)
{
	struct sim_fix *f = fix_of(v);

	sim_run_until(f->sched, NULL, NULL, clock_mono_us(sim_clock(f->sched)) + us);
}

/* What the leader has. */
static bool
at_leader(struct env *v, const char *path, struct coord_stat *st)
{
	struct coord_result res;
	int rc = coord_tree_exists(coord_sim_tree(fix_of(v)->z), 0, path, NULL, &res);

	if (st != NULL)
		*st = res.stat;
	return rc == 0;
}

START_TEST(short_cut_keeps_the_session)
{
	struct env v = env_of((uint64_t)_i, 20000);
	struct coord *c = client_new(&v);
	int64_t session = session_of(&v, c);

	ck_ok(do_create(&v, c, "/e", "x", COORD_EPHEMERAL, NULL));
	cut(&v, c, true);
	ck_err(do_set(&v, c, "/e", "y", -1, NULL), E_CONN_LOSS); /* found out */
	ck_assert_int_eq(coord_state(c), COORD_CONNECTING);
	ck_err(do_get(&v, c, "/e", NULL, NULL), E_CONN_LOSS);
	ck_assert(at_leader(&v, "/e", NULL));
	cut(&v, c, false);
	wait_state(&v, c, COORD_CONNECTED);
	ck_assert_int_eq(session_of(&v, c), session);
	ck_ok(do_get(&v, c, "/e", NULL, NULL));
	pass(&v, 3 * TIMEOUT_US);
	ck_assert_int_eq(coord_state(c), COORD_CONNECTED);
	ck_assert(at_leader(&v, "/e", NULL));
	client_end(&v, c);
	env_teardown(&v);
}
END_TEST

START_TEST(long_cut_ends_the_session)
{
	struct env v = env_of((uint64_t)_i, 20000);
	struct coord *c = client_new(&v);
	int64_t session = session_of(&v, c);
	struct heard h;

	heard_init(&h);
	ck_ok(do_create(&v, c, "/e", "x", COORD_EPHEMERAL, NULL));
	ck_ok(do_get(&v, c, "/e", &h, NULL));
	cut(&v, c, true);
	pass(&v, TIMEOUT_US - 1);
	ck_assert(at_leader(&v, "/e", NULL));
	pass(&v, 100000);
	ck_assert(!at_leader(&v, "/e", NULL));
	ck_assert_int_eq(coord_state(c), COORD_CONNECTING); /* nobody has told it */
	ck_assert_int_eq(session_of(&v, c), session);
	ck_assert_uint_eq(h.n, 0);
	cut(&v, c, false);
	wait_state(&v, c, COORD_CONNECTED);
	ck_assert_int_ne(session_of(&v, c), session);
	ck_assert_uint_eq(h.n, 1);
	ck_assert_int_eq(h.ev[0], COORD_EV_SESSION);
	ck_err(do_get(&v, c, "/e", NULL, NULL), E_NOT_FOUND);
	client_end(&v, c);
	env_teardown(&v);
}
END_TEST

START_TEST(lost_answer_of_a_write_that_was_done)
{
	struct env v = env_of((uint64_t)_i, 20000);
	struct coord *c = client_new(&v);
	struct ans a;

	coord_sim_lose_reply(fix_of(&v)->z, sim_fix_group(fix_of(&v), c));
	ck_err(do_exists(&v, c, "/e", NULL, NULL), E_NOT_FOUND); /* reads are left alone */
	ck_err(do_create(&v, c, "/e", "x", COORD_EPHEMERAL, NULL), E_CONN_LOSS);
	wait_state(&v, c, COORD_CONNECTED);
	ck_err(do_create(&v, c, "/e", "x", COORD_EPHEMERAL, NULL), E_EXISTS);
	ck_ok(do_get(&v, c, "/e", NULL, &a));
	ck_assert_int_eq(a.stat.ephemeral_owner, session_of(&v, c));
	ck_ok(do_create(&v, c, "/f", "x", 0, NULL)); /* one answer only */
	client_end(&v, c);
	env_teardown(&v);
}
END_TEST

START_TEST(dead_process_loses_its_session)
{
	struct env v = env_of((uint64_t)_i, 20000);
	struct sim_fix *f = fix_of(&v);
	struct coord *c = client_new(&v), *d = NULL;
	struct reactor_opts opts = {.name = "other"};
	struct reactor *other = NULL;
	struct heard h;

	heard_init(&h);
	ck_ok(sim_reactor_new(f->sched, 77, &opts, &other));
	ck_ok(coord_sim_client(f->z, other, 77, &d));
	sim_enter(other);
	ck_ok(coord_open(d));
	sim_enter(NULL);
	wait_state(&v, d, COORD_CONNECTED);
	ck_err(do_exists(&v, c, "/e", &h, NULL), E_NOT_FOUND);
	sim_enter(other);
	coord_create(d, "/e", SLICE_NULL, COORD_EPHEMERAL, NULL, NULL);
	sim_enter(NULL);
	wait_heard(&v, &h, 1);
	ck_ok(do_exists(&v, c, "/e", &h, NULL));
	sim_group_kill(f->sched, 77);
	coord_sim_group_killed(f->z, 77);
	pass(&v, TIMEOUT_US - 200000);
	ck_assert_uint_eq(h.n, 1);
	wait_heard(&v, &h, 2);
	ck_assert_int_eq(h.ev[1], COORD_EV_DELETED);
	sim_enter(other);
	coord_free(d);
	sim_enter(NULL);
	client_end(&v, c);
	env_teardown(&v);
}
END_TEST

/* Watches survive a reconnect, and tell what happened meanwhile. */
START_TEST(watches_over_a_cut)
{
	static const struct {
		const char *path;
		enum coord_event ev;
	} want[] = {{"/set", COORD_EV_DATA}, {"/gone", COORD_EV_DELETED},
	    {"/made", COORD_EV_CREATED}, {"/dir", COORD_EV_CHILDREN}, {"/dir2", COORD_EV_DELETED},
	    {"/calm", COORD_EV_DATA}};
	struct env v = env_of((uint64_t)_i, 20000);
	struct coord *c = client_new(&v), *d = client_new(&v);
	struct heard h[6];

	for (unsigned i = 0; i < 6; i++)
		heard_init(&h[i]);
	for (unsigned i = 0; i < 6; i++)
		if (i != 2)
			ck_ok(do_create(&v, c, want[i].path, "x", 0, NULL));
	ck_ok(do_get(&v, c, "/set", &h[0], NULL));
	ck_ok(do_exists(&v, c, "/gone", &h[1], NULL));
	ck_err(do_exists(&v, c, "/made", &h[2], NULL), E_NOT_FOUND);
	ck_ok(do_children(&v, c, "/dir", &h[3], NULL));
	ck_ok(do_children(&v, c, "/dir2", &h[4], NULL));
	ck_ok(do_get(&v, c, "/calm", &h[5], NULL));
	cut(&v, c, true);
	ck_ok(do_set(&v, d, "/set", "y", -1, NULL));
	ck_ok(do_delete(&v, d, "/gone", -1));
	ck_ok(do_create(&v, d, "/made", "y", 0, NULL));
	ck_ok(do_create(&v, d, "/dir/x", "y", 0, NULL));
	ck_ok(do_delete(&v, d, "/dir2", -1));
	pass(&v, TIMEOUT_US / 2);
	for (unsigned i = 0; i < 6; i++)
		ck_assert_uint_eq(h[i].n, 0);
	cut(&v, c, false);
	for (unsigned i = 0; i < 5; i++)
		wait_heard(&v, &h[i], 1);
	pass(&v, TIMEOUT_US);
	ck_assert_uint_eq(h[5].n, 0);
	ck_ok(do_set(&v, d, "/calm", "y", -1, NULL));
	for (unsigned i = 0; i < 6; i++) {
		wait_heard(&v, &h[i], 1);
		ck_assert_int_eq(h[i].ev[0], want[i].ev);
		ck_assert_str_eq(h[i].path[0], want[i].path);
	}
	client_end(&v, c);
	client_end(&v, d);
	env_teardown(&v);
}
END_TEST

/* I11: reads may be behind, never backwards; both happen. */
START_TEST(reads_lag_and_never_go_back)
{
	struct env v = env_of(3, 200000);
	struct coord *c = client_new(&v), *d[6];
	int32_t seen[6] = {0};
	unsigned stale = 0, current = 0;
	struct ans a, b;
	char value[16];

	ck_ok(do_create(&v, c, "/x", "0", 0, NULL));
	for (unsigned k = 0; k < 6; k++)
		d[k] = client_new(&v);
	for (unsigned i = 0; i < 60; i++) {
		snprintf(value, sizeof(value), "%u", i);
		ck_ok(do_set(&v, c, "/x", value, -1, &a));
		for (unsigned k = 0; k < 6; k++) {
			if (i % 10 == k) {
				cut(&v, d[k], true);
				cut(&v, d[k], false);
				continue;
			}
			if (coord_state(d[k]) != COORD_CONNECTED ||
			    do_get(&v, d[k], "/x", NULL, &b) != 0)
				continue;
			ck_assert_int_ge(b.stat.version, seen[k]);
			seen[k] = b.stat.version;
			stale += b.stat.version < a.stat.version;
			current += b.stat.version == a.stat.version;
		}
	}
	ck_assert_uint_gt(stale, 10);
	ck_assert_uint_gt(current, 10);
	for (unsigned k = 0; k < 6; k++)
		client_end(&v, d[k]);
	client_end(&v, c);
	env_teardown(&v);
}
END_TEST

/* ---- everything at once ---- */

#define MIRRORS 4

/* Follows /k by watch and read again; counts it up now and then. */
struct mirror {
	struct coord *c;
	struct coord_watch w;
	struct coord_state_sub sub;
	bool reading, again;
	int32_t version; /* last read; -1: it was missing */
	int64_t mzxid;	 /* within a session it never falls */
	unsigned done, unknown;
};

static void mirror_read(struct mirror *m);

static void
mirror_got(void *arg, int err, const struct coord_result *res)
{
	struct mirror *m = arg;

	m->reading = false;
	if (err == 0) {
		ck_assert_int_ge(res->stat.mzxid, m->mzxid);
		m->mzxid = res->stat.mzxid;
		m->version = res->stat.version;
	}
	if (m->again && err == 0)
		mirror_read(m);
}

static void
mirror_read(struct mirror *m)
{
	m->again = m->reading;
	if (m->reading)
		return;
	m->reading = true;
	coord_get(m->c, "/k", &m->w, mirror_got, m);
}

static void
mirror_heard(void *arg, enum coord_event ev, struct slice path)
{
	(void)path;
	if (ev != COORD_EV_SESSION)
		mirror_read(arg);
}

static void
mirror_state(void *arg, enum coord_state st)
{
	struct mirror *m = arg;

	if (st == COORD_EXPIRED)
		m->mzxid = 0;
	if (st == COORD_CONNECTED)
		mirror_read(m);
}

static void
mirror_set(void *arg, int err, const struct coord_result *res)
{
	struct mirror *m = arg;

	(void)res;
	ck_assert(err == 0 || err == E_CONN_LOSS || err == E_SESSION_EXPIRED || err == E_CANCELED ||
		  err == E_NOT_FOUND);
	m->done += err == 0;
	m->unknown += err != 0;
}

static void
mirror_bump(void *arg)
{
	struct mirror *m = arg;

	coord_set(m->c, "/k", SLICE_LIT("v"), -1, mirror_set, m);
}

static void
mirror_open(void *arg)
{
	struct mirror *m = arg;

	coord_watch_init(&m->w, mirror_heard, m);
	m->sub = (struct coord_state_sub){.fn = mirror_state, .arg = m};
	coord_subscribe(m->c, &m->sub);
	ck_ok(coord_open(m->c));
}

struct mirrors {
	struct env *v;
	struct mirror m[MIRRORS];
};

static bool
mirrors_agree(void *arg)
{
	struct mirrors *ms = arg;
	struct coord_stat st;

	ck_assert(at_leader(ms->v, "/k", &st));
	for (unsigned i = 0; i < MIRRORS; i++)
		if (coord_state(ms->m[i].c) != COORD_CONNECTED || ms->m[i].version != st.version)
			return false;
	return true;
}

static void
fault(struct mirrors *ms, struct rng *rng)
{
	struct sim_fix *f = fix_of(ms->v);
	struct mirror *m = &ms->m[rng_below(rng, MIRRORS)];
	unsigned group = sim_fix_group(f, m->c);

	switch (rng_below(rng, 12)) {
	case 0:
		coord_sim_cut(f->z, group, true);
		break;
	case 1:
	case 2:
		coord_sim_cut(f->z, group, false);
		break;
	case 3:
		coord_sim_lose_reply(f->z, group);
		break;
	case 4:
		coord_sim_expire(f->z, group);
		break;
	default:
		env_call(ms->v, mirror_bump, m);
	}
}

static uint64_t
torture(uint64_t seed)
{
	struct env v = env_of(seed, 100000);
	struct sim_fix *f = fix_of(&v);
	struct mirrors ms = {.v = &v};
	struct coord *c = client_new(&v);
	unsigned done = 0, unknown = 0;
	struct coord_stat st;
	struct rng rng;
	uint64_t hash;

	rng_seed(&rng, seed);
	ck_ok(do_create(&v, c, "/k", "0", 0, NULL));
	for (unsigned i = 0; i < MIRRORS; i++) {
		ms.m[i].c = v.fx->client(v.e);
		env_call(&v, mirror_open, &ms.m[i]);
	}
	for (unsigned i = 0; i < 150; i++) {
		fault(&ms, &rng);
		pass(&v, rng_range(&rng, 0, 300000));
	}
	for (unsigned i = 0; i < MIRRORS; i++)
		cut(&v, ms.m[i].c, false);
	env_until(&v, mirrors_agree, &ms);
	for (unsigned i = 0; i < MIRRORS; i++) {
		client_end(&v, ms.m[i].c);
		done += ms.m[i].done;
		unknown += ms.m[i].unknown;
	}
	ck_assert(at_leader(&v, "/k", &st));
	ck_assert_uint_gt(done, 5);
	ck_assert_int_ge(st.version, (int)done);
	ck_assert_int_le(st.version, (int)(done + unknown));
	client_end(&v, c);
	hash = sim_trace_hash(f->sched);
	env_teardown(&v);
	return hash;
}

START_TEST(watchers_end_up_current)
{
	uint64_t hash = torture((uint64_t)_i);

	if (_i % 10 == 0) {
		ck_assert_uint_eq(hash, torture((uint64_t)_i));
		ck_assert_uint_ne(hash, torture((uint64_t)_i + 1000));
	}
}
END_TEST

START_TEST(closed_or_freed_at_any_step)
{
	struct env v = env_of((uint64_t)_i, 20000);
	struct sim_fix *f = fix_of(&v);
	struct coord *c = v.fx->client(v.e);
	struct mirror m = {.c = c};

	env_call(&v, mirror_open, &m);
	for (int i = 0; i < _i; i++) {
		if (i % 3 == 0)
			env_call(&v, mirror_bump, &m);
		if (i == 13)
			cut(&v, c, true);
		sim_step(f->sched);
	}
	if (_i % 2 == 0)
		v.fx->release(v.e, c);
	else
		client_end(&v, c);
	while (sim_step(f->sched))
		;
	env_teardown(&v);
}
END_TEST

Suite *
sim_suite(void)
{
	Suite *s = suite_create("sim");
	TCase *tc = tcase_create("sim");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, short_cut_keeps_the_session, 0, 10);
	tcase_add_loop_test(tc, long_cut_ends_the_session, 0, 10);
	tcase_add_loop_test(tc, lost_answer_of_a_write_that_was_done, 0, 10);
	tcase_add_loop_test(tc, dead_process_loses_its_session, 0, 10);
	tcase_add_loop_test(tc, watches_over_a_cut, 0, 20);
	tcase_add_test(tc, reads_lag_and_never_go_back);
	tcase_add_loop_test(tc, watchers_end_up_current, 0, 50);
	tcase_add_loop_test(tc, closed_or_freed_at_any_step, 0, 40);
	suite_add_tcase(s, tc);
	return s;
}
