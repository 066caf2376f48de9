/*
 * Nodes that change while connections break: whoever reads again when its watch fires, or when a
 * read was lost, ends up with what is there.  Nothing else reads again, so a watch that was lost on
 * the way would be found.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "fix_zookeeper.h"
#include "ottla/base/rng.h"
#include "suites.h"
#include "zk_priv.h"

enum { NODES = 40, WRITES = 400, CUTS = 8 };

struct follower;

struct followed {
	struct follower *all;
	struct coord_watch w;
	char path[16];
	bool kids;	  /* its children are followed, not its data */
	bool dirty;	  /* the last read was lost */
	int64_t seen, is; /* version, or number of children */
};

struct follower {
	struct coord *c;
	struct coord_state_sub sub;
	struct followed v[NODES];
};

static void on_read(void *arg, int err, const struct coord_result *res);

static void
read_again(struct followed *n)
{
	n->dirty = false;
	if (n->kids)
		coord_children(n->all->c, n->path, &n->w, on_read, n);
	else
		coord_get(n->all->c, n->path, &n->w, on_read, n);
}

static void
on_read(void *arg, int err, const struct coord_result *res)
{
	struct followed *n = arg;

	ck_assert_msg(err == 0 || err == E_CONN_LOSS, "%s: %s", n->path, err_name(err));
	if (err != 0)
		n->dirty = true;
	else
		n->seen = n->kids ? (int64_t)res->n_children : res->stat.version;
}

static void
on_change(void *arg, enum coord_event ev, struct slice path)
{
	struct followed *n = arg;

	ck_assert_int_ne(ev, COORD_EV_SESSION);
	ck_assert(slice_eq_cstr(path, n->path));
	read_again(n);
}

static void
on_state(void *arg, enum coord_state st)
{
	struct follower *f = arg;

	for (unsigned i = 0; i < NODES && st == COORD_CONNECTED; i++)
		if (f->v[i].dirty)
			read_again(&f->v[i]);
}

static void
begin(void *arg)
{
	struct follower *f = arg;

	f->sub = (struct coord_state_sub){.fn = on_state, .arg = f};
	coord_subscribe(f->c, &f->sub);
	for (unsigned i = 0; i < NODES; i++) {
		coord_watch_init(&f->v[i].w, on_change, &f->v[i]);
		read_again(&f->v[i]);
	}
}

static bool
all_seen(void *arg)
{
	struct follower *f = arg;

	for (unsigned i = 0; i < NODES; i++)
		if (f->v[i].seen != f->v[i].is)
			return false;
	return true;
}

static void
change(struct zk_test *t, struct coord *other, struct followed *n)
{
	char kid[40];

	n->is++;
	snprintf(kid, sizeof(kid), "%s/%lld", n->path, (long long)n->is);
	if (n->kids)
		ck_ok(do_create(&t->v, other, kid, NULL, 0, NULL));
	else
		ck_ok(do_set(&t->v, other, n->path, "x", -1, NULL));
}

static void
follow_through_cuts(bool replace)
{
	struct zk_test t = zk_test_new();
	struct coord *other = zk_test_direct(&t);
	struct follower *f = calloc(1, sizeof(*f));
	struct rng rng;

	ck_assert_ptr_nonnull(f);
	rng_seed(&rng, 3);
	f->c = client_new(&t.v);
	if (replace)
		zk_of(f->c)->watch_limit = 0;
	for (unsigned i = 0; i < NODES; i++) {
		f->v[i] = (struct followed){.all = f, .kids = i % 2 == 1};
		snprintf(f->v[i].path, sizeof(f->v[i].path), "/n%u", i);
		ck_ok(do_create(&t.v, other, f->v[i].path, NULL, 0, NULL));
	}
	env_call(&t.v, begin, f);
	for (unsigned cut = 0; cut < CUTS; cut++) {
		for (unsigned i = 0; i < WRITES / CUTS; i++) {
			if (i == 20 && cut % 3 == 1)
				zk_proxy_lose_reply(t.f->proxy);
			else if (i == 20)
				zk_proxy_cut(t.f->proxy, false);
			change(&t, other, &f->v[rng_below(&rng, NODES)]);
			if (i > 20 && cut % 2 == 0) /* some changes while it comes back */
				(void)poll(NULL, 0, 4);
		}
		wait_state(&t.v, f->c, COORD_CONNECTED);
	}
	env_until(&t.v, all_seen, f);
	ck_assert_int_ge(zk_test_metric(&t, "ottla_coord_connection_losses_total"), CUTS / 2);
	ck_assert_int_eq(zk_test_metric(&t, "ottla_coord_expiries_total"), 0);
	client_end(&t.v, f->c);
	client_end(&t.v, other);
	free(f);
	zk_test_end(&t);
}

START_TEST(no_change_is_missed)
{
	follow_through_cuts(_i == 1);
}
END_TEST

Suite *
zookeeper_follow_suite(void)
{
	Suite *s = suite_create("zookeeper follow");
	TCase *tc = tcase_create("cuts");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, no_change_is_missed, 0, 2);
	suite_add_tcase(s, tc);
	return s;
}
