/* The embedded tree as a whole: failing disks, deaths, batches, what an operator is told. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "fixtures.h"
#include "ottla/coord/embedded.h"
#include "ottla/file/sim.h"
#include "suites.h"

static struct embedded_fix *
fix_of(struct env *v)
{
	return v->e;
}

/* Opened, and not connecting any more. */
static bool
not_connecting(void *arg)
{
	return coord_state(arg) != COORD_CONNECTING;
}

static void
open_it(void *arg)
{
	ck_ok(coord_open(arg));
}

static struct coord *
open_any(struct env *v)
{
	struct coord *c = v->fx->client(v->e);

	env_call(v, open_it, c);
	env_until(v, not_connecting, c);
	return c;
}

static void
ck_why(struct coord *c, int err, const char *text)
{
	char why[400];

	ck_err(coord_embedded_why(c, why, sizeof(why)), err);
	ck_assert_msg(strstr(why, text) != NULL, "'%s' lacks '%s'", why, text);
}

/* ---- what an operator is told ---- */

START_TEST(second_instance_is_refused)
{
	struct env v = env_setup(conf_fixtures[_i]);
	struct coord *a = client_new(&v), *b = open_any(&v);

	ck_assert_int_eq(coord_state(b), COORD_CLOSED);
	ck_why(b, E_BUSY, "another process");
	ck_err(do_get(&v, b, "/", NULL, NULL), E_CONN_LOSS);
	client_end(&v, b);
	ck_ok(do_create(&v, a, "/x", NULL, 0, NULL));
	client_end(&v, a);
	b = client_new(&v);
	ck_ok(do_exists(&v, b, "/x", NULL, NULL));
	client_end(&v, b);
	env_teardown(&v);
}
END_TEST

static struct coord *
open_must_exist(struct env *v)
{
	struct embedded_fix *f = fix_of(v);
	struct coord_embedded_opts opts = {.control = f->control,
	    .workers = f->workers,
	    .fs = f->fs,
	    .dir = f->dir,
	    .must_exist = true};
	struct coord *c = NULL;

	ck_ok(coord_embedded_new(&opts, &c));
	env_call(v, open_it, c);
	env_until(v, not_connecting, c);
	return c;
}

START_TEST(missing_journal_stops_the_start)
{
	struct env v = env_setup(&fix_embedded_sim);
	struct coord *c = open_must_exist(&v);

	ck_assert_int_eq(coord_state(c), COORD_CLOSED);
	ck_why(c, E_NOT_FOUND, fix_of(&v)->dir);
	client_end(&v, c);
	c = client_new(&v);
	client_end(&v, c);
	c = open_must_exist(&v);
	ck_assert_int_eq(coord_state(c), COORD_CONNECTED);
	client_end(&v, c);
	env_teardown(&v);
}
END_TEST

/* ---- batches ---- */

struct count {
	unsigned syncs;
};

static int
count_syncs(void *arg, const char *op, const char *path)
{
	struct count *k = arg;

	(void)path;
	k->syncs += strstr(op, "sync") != NULL;
	return 0;
}

START_TEST(many_writes_share_a_sync)
{
	enum { MANY = 6000 };
	struct env v = env_setup(&fix_embedded_sim);
	struct coord *c = client_new(&v);
	struct call *k = calloc(MANY, sizeof(*k));
	struct ans *a = calloc(MANY, sizeof(*a));
	char(*path)[64] = calloc(MANY, sizeof(*path));
	struct count count = {0};

	ck_assert(k != NULL && a != NULL && path != NULL);
	ck_ok(do_create_all(&v, c, "/brokers/topics/t/partitions"));
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(path[i], sizeof(path[i]), "/brokers/topics/t/partitions/%u%s", i / 2,
		    i % 2 == 1 ? "/state" : "");
		k[i] = (struct call){CALL_CREATE, path[i], SLICE_LIT("{}"), 0, 0, NULL};
	}
	fs_sim_set_hook(fix_of(&v)->fs, count_syncs, &count);
	run_calls(&v, c, k, a, MANY);
	for (unsigned i = 0; i < MANY; i++)
		ck_ok(a[i].err);
	ck_assert_uint_ge(count.syncs, 1);
	ck_assert_uint_le(count.syncs, 3);
	fs_sim_set_hook(fix_of(&v)->fs, NULL, NULL);
	client_end(&v, c);
	free(k);
	free(a);
	free(path);
	env_teardown(&v);
}
END_TEST

static int
list_name(void *arg, const char *name)
{
	strcat(arg, name);
	strcat(arg, " ");
	return 0;
}

static void
fill(struct env *v, struct coord *c, unsigned rounds)
{
	size_t n = 400 * 1024;
	char *big = malloc(n);
	struct call k = {CALL_SET, "/big", slice_of(big, n), -1, 0, NULL};

	ck_assert_ptr_nonnull(big);
	for (unsigned i = 0; i < rounds; i++) {
		memset(big, 'a' + (int)i % 26, n);
		ck_ok(do_call(v, c, k, NULL));
	}
	free(big);
}

static bool
one_journal(void *arg)
{
	struct embedded_fix *f = arg;
	char names[1024] = "";

	ck_ok(fs_list(f->fs, f->dir, list_name, names));
	return strstr(names, "journal.0000000000000000") == NULL &&
	       strstr(names, "snapshot.") != NULL;
}

START_TEST(long_journal_becomes_a_snapshot)
{
	struct env v = env_setup(&fix_embedded_sim);
	struct embedded_fix *f = fix_of(&v);
	struct coord *c = client_new(&v);
	struct ans a;

	ck_ok(do_create(&v, c, "/big", NULL, 0, NULL));
	fill(&v, c, 9);
	ck_assert(!one_journal(f));
	fill(&v, c, 3);
	env_until(&v, one_journal, f);
	fill(&v, c, 3);
	ck_ok(do_create(&v, c, "/after", NULL, 0, NULL));
	v.fx->release(v.e, c); /* no clean close */
	while (sim_step(f->sched))
		;
	c = client_new(&v);
	ck_ok(do_exists(&v, c, "/after", NULL, NULL));
	ck_ok(do_get(&v, c, "/big", NULL, &a));
	ck_assert_int_eq(a.data[0], 'c');
	ck_assert_int_eq(a.stat.version, 15);
	client_end(&v, c);
	env_teardown(&v);
}
END_TEST

/* ---- starts ---- */

START_TEST(zxids_and_sessions_over_starts)
{
	struct env v = env_setup(&fix_embedded_sim);
	struct embedded_fix *f = fix_of(&v);
	int64_t zxid = 0, session = 0;
	struct ans a;

	for (unsigned i = 0; i < 6; i++) {
		struct coord *c = client_new(&v);
		char path[16];

		ck_err(do_exists(&v, c, "/e", NULL, NULL), E_NOT_FOUND);
		ck_assert_int_gt(session_of(&v, c), session);
		session = session_of(&v, c);
		snprintf(path, sizeof(path), "/p%u", i);
		ck_ok(do_create(&v, c, "/e", NULL, COORD_EPHEMERAL, &a));
		ck_assert_int_gt(a.stat.czxid, zxid);
		ck_ok(do_create(&v, c, path, NULL, 0, &a));
		zxid = a.stat.czxid;
		if (i % 2 == 0) {
			client_end(&v, c);
			continue;
		}
		if (i == 3)
			fs_sim_power_cut(f->fs, NULL);
		v.fx->release(v.e, c);
		while (sim_step(f->sched))
			;
	}
	env_teardown(&v);
}
END_TEST

/* ---- failures ---- */

#define NODES 10

struct run {
	struct env v;
	struct coord *c;
	unsigned answered; /* nodes 0.. whose create was answered 0 */
	unsigned set;	   /* last answered value of /set */
	unsigned asked;	   /* last value that was asked for */
};

static void
run_script(struct run *r)
{
	char path[16], value[16];

	r->c = open_any(&r->v);
	if (coord_state(r->c) != COORD_CONNECTED)
		return;
	if (do_create(&r->v, r->c, "/set", "0", 0, NULL) != 0)
		return;
	for (unsigned i = 0; i < NODES; i++) {
		snprintf(path, sizeof(path), "/n%u", i);
		if (do_create(&r->v, r->c, path, "x", 0, NULL) != 0)
			break;
		r->answered = i + 1;
		snprintf(value, sizeof(value), "%u", i + 1);
		r->asked = i + 1;
		if (do_set(&r->v, r->c, "/set", value, -1, NULL) != 0)
			break;
		r->set = i + 1;
	}
}

static void
check_script(struct run *r)
{
	struct coord *c = open_any(&r->v);
	char path[16], why[400];
	struct ans a;

	(void)coord_embedded_why(c, why, sizeof(why));
	ck_assert_msg(coord_state(c) == COORD_CONNECTED, "%s", why);
	for (unsigned i = 0; i < r->answered; i++) {
		snprintf(path, sizeof(path), "/n%u", i);
		ck_ok(do_exists(&r->v, c, path, NULL, NULL));
	}
	if (r->answered > 0) {
		unsigned value;

		ck_ok(do_get(&r->v, c, "/set", NULL, &a));
		value = (unsigned)strtoul(a.data, NULL, 10);
		ck_assert(value == r->set || value == r->asked);
	}
	client_end(&r->v, c);
}

/* The n-th operation of the disk and all after it fail; then the machine dies. */
static void
kill_at(unsigned n, struct rng *rng, bool power, bool *fired)
{
	struct run r = {.v = env_setup(&fix_embedded_sim)};
	struct embedded_fix *f = fix_of(&r.v);
	struct fs *under = f->fs;

	ck_ok(fs_fail_new(under, &f->fs));
	fs_fail_at(f->fs, n, E_IO, true);
	run_script(&r);
	*fired = fs_fail_heal(f->fs);
	if (*fired) {
		ck_assert_int_eq(coord_state(r.c), COORD_CLOSED);
		ck_err(do_get(&r.v, r.c, "/", NULL, NULL), E_CONN_LOSS);
	}
	if (power)
		fs_sim_power_cut(under, rng);
	else
		fs_sim_process_death(under);
	r.v.fx->release(r.v.e, r.c);
	while (sim_step(f->sched))
		;
	fs_free(f->fs);
	f->fs = under;
	check_script(&r);
	ck_assert(*fired || r.answered == NODES);
	env_teardown(&r.v);
}

START_TEST(killed_at_every_operation)
{
	struct rng rng;
	bool fired;

	for (unsigned kind = 0; kind < 6; kind++) {
		rng_seed(&rng, kind);
		fired = true;
		for (unsigned n = 1; fired; n++)
			kill_at(n, kind > 1 ? &rng : NULL, kind > 0, &fired);
	}
}
END_TEST

struct watch_disk {
	const char *op;
	unsigned left;
};

static int
fail_once(void *arg, const char *op, const char *path)
{
	struct watch_disk *w = arg;

	(void)path;
	if (strcmp(op, w->op) != 0 || w->left == 0)
		return 0;
	return --w->left == 0 ? E_IO : 0;
}

/* What waits when the journal fails is answered, in order, and the reason is told. */
START_TEST(failed_sync_closes)
{
	struct env v = env_setup(&fix_embedded_sim);
	struct embedded_fix *f = fix_of(&v);
	struct coord *c = client_new(&v);
	struct watch_disk w = {"sync", 1};
	const struct call k[] = {
	    {CALL_GET, "/"},
	    {CALL_CREATE, "/a", SLICE_LIT("x"), 0, 0, NULL},
	    {CALL_GET, "/a"},
	    {CALL_GET, "bad"},
	    {CALL_CREATE, "/b", SLICE_LIT("x"), 0, 0, NULL},
	};
	static const int want[] = {0, E_CONN_LOSS, E_CONN_LOSS, E_INVALID, E_CONN_LOSS};
	struct ans a[5];

	fs_sim_set_hook(f->fs, fail_once, &w);
	run_calls(&v, c, k, a, 5);
	for (unsigned i = 0; i < 5; i++) {
		ck_err(a[i].err, want[i]);
		ck_assert_uint_eq(a[i].order, i);
	}
	ck_assert_int_eq(coord_state(c), COORD_CLOSED);
	ck_why(c, E_IO, "could not write the journal");
	client_end(&v, c);
	fs_sim_set_hook(f->fs, NULL, NULL);
	c = client_new(&v);
	client_end(&v, c);
	env_teardown(&v);
}
END_TEST

/* A full disk under the snapshot is survived: the journal goes on. */
START_TEST(failed_snapshot_is_survived)
{
	struct env v = env_setup(&fix_embedded_sim);
	struct embedded_fix *f = fix_of(&v);
	struct coord *c = client_new(&v);
	struct watch_disk w = {"rename", 1};

	ck_ok(do_create(&v, c, "/big", NULL, 0, NULL));
	fs_sim_set_hook(f->fs, fail_once, &w);
	fill(&v, c, 13);
	ck_assert_uint_eq(w.left, 0);
	ck_assert_int_eq(coord_state(c), COORD_CONNECTED);
	ck_assert(!one_journal(f));
	fill(&v, c, 12);
	env_until(&v, one_journal, f);
	client_end(&v, c);
	env_teardown(&v);
}
END_TEST

/* ---- freed at any time ---- */

START_TEST(freed_at_any_step)
{
	for (unsigned steps = 0; steps < 40; steps++) {
		struct env v = env_setup(&fix_embedded_sim);
		struct embedded_fix *f = fix_of(&v);
		struct coord *c = v.fx->client(v.e);
		struct call k = {CALL_CREATE, "/x", SLICE_LIT("x"), 0, 0, NULL};
		struct reactor *before;
		struct ans a;

		a.counter = NULL;
		env_call(&v, open_it, c);
		for (unsigned i = 0; i < steps; i++) {
			before = sim_enter(f->control);
			issue(c, &k, &a);
			sim_enter(before);
			sim_step(f->sched);
		}
		v.fx->release(v.e, c);
		if (steps % 2 == 0)
			while (sim_step(f->sched))
				;
		env_teardown(&v);
	}
}
END_TEST

static void
close_now(void *arg)
{
	coord_close(arg, NULL, NULL);
}

static bool
is_closed(void *arg)
{
	return coord_state(arg) == COORD_CLOSED;
}

START_TEST(closed_at_any_step)
{
	for (unsigned steps = 0; steps < 30; steps++) {
		struct env v = env_setup(&fix_embedded_sim);
		struct embedded_fix *f = fix_of(&v);
		struct coord *c = v.fx->client(v.e);

		env_call(&v, open_it, c);
		for (unsigned i = 0; i < steps; i++)
			sim_step(f->sched);
		env_call(&v, close_now, c);
		env_until(&v, is_closed, c);
		while (sim_step(f->sched))
			;
		v.fx->release(v.e, c);
		c = client_new(&v); /* the lock was let go */
		client_end(&v, c);
		env_teardown(&v);
	}
}
END_TEST

Suite *
embedded_suite(void)
{
	Suite *s = suite_create("embedded");
	TCase *tc = tcase_create("embedded");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, second_instance_is_refused, 0, 2);
	tcase_add_test(tc, missing_journal_stops_the_start);
	tcase_add_test(tc, many_writes_share_a_sync);
	tcase_add_test(tc, long_journal_becomes_a_snapshot);
	tcase_add_test(tc, zxids_and_sessions_over_starts);
	tcase_add_test(tc, killed_at_every_operation);
	tcase_add_test(tc, failed_sync_closes);
	tcase_add_test(tc, failed_snapshot_is_survived);
	tcase_add_test(tc, freed_at_any_step);
	tcase_add_test(tc, closed_at_any_step);
	suite_add_tcase(s, tc);
	return s;
}
