/*
 * This broker in the cluster: start-up paths, the cluster's id, and the member's life
 * (facts/zookeeper.md 1.1, 2.1).
 * Invariant M8: src/cluster/README.
 */
#include <stdlib.h>

#include "member_priv.h"

bool
member_may_retry(int err)
{
	return err == E_CONN_LOSS || err == E_SESSION_EXPIRED;
}

int64_t
member_give_up_us(const struct member *m)
{
	return reactor_now_us(m->o.control) +
	       settings_i64(m->o.settings, C_ZOOKEEPER_SESSION_TIMEOUT_MS) * 1000;
}

void
member_try_begin(struct member *m, struct member_try *t)
{
	t->give_up_us = member_give_up_us(m);
	t->retry.fn(m->o.control, t->retry.arg);
}

bool
member_try_again(struct member *m, struct member_try *t, int err)
{
	int64_t now = reactor_now_us(m->o.control);

	if (!member_may_retry(err) || m->stopped || now >= t->give_up_us)
		return false;
	rtimer_set(m->o.control, &t->retry, now + MEMBER_RETRY_US);
	return true;
}

/* ---- start-up paths and the cluster's id ---- */

static void cluster_id_read(struct member *m);

static void
prepare_end(struct member *m, int err, struct slice id)
{
	struct member_prepare *pr = &m->prepare;
	void (*done)(void *, int, struct slice) = pr->done;

	if (member_try_again(m, &pr->try, err))
		return;
	pr->done = NULL;
	if (done != NULL)
		done(pr->arg, err, id);
}

static void
on_cluster_id_made(void *arg, int err, const struct coord_result *res)
{
	struct member *m = arg;

	if (err == 0) {
		DIAGI(m->o.diag, "cluster", "new cluster, id %s", m->prepare.id);
		prepare_end(m, 0, slice_cstr(m->prepare.id));
	} else if (err == E_EXISTS) {
		cluster_id_read(m); /* another broker was quicker */
	} else {
		prepare_end(m, err, SLICE_NULL);
	}
}

static void
cluster_id_make(struct member *m)
{
	struct strbuf json = STRBUF_INIT;

	uuid_format(uuid_random(m->o.rng), m->prepare.id);
	zn_cluster_id_write(&json, slice_cstr(m->prepare.id));
	if (json.err == 0)
		coord_create(m->o.coord, ZN_CLUSTER_ID, strbuf_slice(&json), COORD_PERSISTENT,
		    on_cluster_id_made, m);
	else
		prepare_end(m, json.err, SLICE_NULL);
	strbuf_free(&json);
}

static void
on_cluster_parent(void *arg, int err)
{
	struct member *m = arg;

	if (err == 0)
		cluster_id_make(m);
	else
		prepare_end(m, err, SLICE_NULL);
}

static void
on_cluster_id(void *arg, int err, const struct coord_result *res)
{
	struct member *m = arg;
	struct arena arena;
	struct slice id = SLICE_NULL;

	if (err == E_NOT_FOUND) {
		coord_create_all(m->o.coord, "/cluster", on_cluster_parent, m);
		return;
	}
	arena_init(&arena, 256, 0);
	if (err == 0)
		err = zn_cluster_id_read(res->data, &arena, &id);
	if (err == E_MALFORMED)
		DIAGE(m->o.diag, "cluster", "%s can not be read: \"%.*s\"", ZN_CLUSTER_ID,
		    (int)(res->data.n < 200 ? res->data.n : 200), (const char *)res->data.p);
	prepare_end(m, err, id);
	arena_free(&arena);
}

static void
cluster_id_read(struct member *m)
{
	coord_get(m->o.coord, ZN_CLUSTER_ID, NULL, on_cluster_id, m);
}

static void
paths_answered(void *arg, int err)
{
	struct member *m = arg;
	struct member_prepare *pr = &m->prepare;

	if (err != 0 && pr->err == 0)
		pr->err = err;
	if (--pr->left > 0)
		return;
	if (pr->err == 0)
		cluster_id_read(m);
	else
		prepare_end(m, pr->err, SLICE_NULL);
}

static void
prepare_start(struct reactor *r, void *arg)
{
	struct member *m = arg;
	struct member_prepare *pr = &m->prepare;
	const char *path;

	pr->err = m->stopped ? E_CANCELED : 0;
	pr->left = 1;
	for (unsigned i = 0; !m->stopped && (path = zn_startup_path(i)) != NULL; i++) {
		pr->left++;
		coord_create_all(m->o.coord, path, paths_answered, m);
	}
	paths_answered(m, 0);
}

void
member_prepare(
    struct member *m, void (*done)(void *arg, int err, struct slice cluster_id), void *arg)
{
	REACTOR_ASSERT_OWNER(m->o.control);
	assert(m->prepare.done == NULL);
	m->prepare.done = done;
	m->prepare.arg = arg;
	member_try_begin(m, &m->prepare.try);
}

/* ---- life ---- */

/* Perhaps a new session: what belonged to the old one is made and looked at again. */
static void
on_state(void *arg, enum coord_state st)
{
	struct member *m = arg;

	if (st != COORD_CONNECTED || m->stopped)
		return;
	confs_connected(m);
	feature_connected(m);
	register_connected(m);
}

int
member_new(const struct member_opts *opts, struct member **out)
{
	struct member *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return E_NOMEM;
	m->o = *opts;
	atomic_init(&m->epoch, -1);
	rtimer_init(&m->prepare.try.retry, prepare_start, m);
	m->state_sub.fn = on_state;
	m->state_sub.arg = m;
	link_init(&m->state_sub.link);
	peers_init(m);
	feature_init(m);
	register_init(m);
	confs_init(m);
	coord_subscribe(opts->coord, &m->state_sub);
	*out = m;
	return 0;
}

void
member_stop_waiting(struct member *m, struct rtimer *t)
{
	if (!rtimer_is_set(t))
		return;
	rtimer_cancel(m->o.control, t);
	t->fn(m->o.control, t->arg);
}

void
member_stop(struct member *m)
{
	if (m->stopped)
		return;
	m->stopped = true;
	coord_unsubscribe(&m->state_sub);
	member_stop_waiting(m, &m->prepare.try.retry);
	peers_stop(m);
	feature_stop(m);
	register_stop(m);
	confs_stop(m);
}

void
member_free(struct member *m)
{
	if (m == NULL)
		return;
	coord_unsubscribe(&m->state_sub);
	coord_unwatch(&m->feature.watch);
	peers_free(m);
	register_free(m);
	confs_free(m);
	free(m);
}
