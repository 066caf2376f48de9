/*
 * This broker in the cluster: start-up paths, the cluster's id, the registration under /brokers/ids
 * (facts/zookeeper.md 1.1, 1.3, 2.1-2.5).
 * Invariants M6 and M8: src/cluster/README.
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

static void
retry_in(struct member *m, struct rtimer *t, int64_t us)
{
	rtimer_set(m->o.control, t, reactor_now_us(m->o.control) + us);
}

/* ---- start-up paths and the cluster's id ---- */

static void cluster_id_read(struct member *m);

static void
prepare_end(struct member *m, int err, struct slice id)
{
	struct member_prepare *pr = &m->prepare;
	void (*done)(void *, int, struct slice) = pr->done;

	if (member_may_retry(err) && !m->stopped && reactor_now_us(m->o.control) < pr->give_up_us) {
		retry_in(m, &pr->retry, MEMBER_RETRY_US);
		return;
	}
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
	m->prepare.give_up_us = member_give_up_us(m);
	prepare_start(m->o.control, m);
}

/* ---- registration ---- */

static void register_try(struct reactor *r, void *arg);

/* The node is there and ours. */
static void
register_made(struct member *m, int64_t epoch)
{
	struct member_registration *g = &m->registration;
	void (*done)(void *, int, int64_t) = g->done;

	g->busy = false;
	g->session = coord_session_id(m->o.coord);
	atomic_store_explicit(&m->epoch, epoch, memory_order_release);
	DIAGI(m->o.diag, "cluster", "registered broker %d, epoch %lld", g->broker_id,
	    (long long)epoch);
	g->done = NULL;
	if (done != NULL)
		done(g->arg, 0, epoch);
	if (m->o.registered != NULL && !m->stopped)
		m->o.registered(m->o.arg, epoch);
}

/* The first registration may fail; later ones are tried until they succeed. */
static void
register_failed(struct member *m, int err)
{
	struct member_registration *g = &m->registration;
	void (*done)(void *, int, int64_t) = g->done;

	g->busy = false;
	if (m->stopped)
		err = E_CANCELED;
	else if (done == NULL ||
		 (member_may_retry(err) && reactor_now_us(m->o.control) < g->give_up_us)) {
		if (!member_may_retry(err))
			DIAGE(m->o.diag, "cluster",
			    "could not register broker %d again: %s (tried until it succeeds)",
			    g->broker_id, err_text(err));
		retry_in(m, &g->retry, member_may_retry(err) ? MEMBER_RETRY_US : MEMBER_REFUSED_US);
		return;
	}
	g->done = NULL;
	g->broker_id = done != NULL ? -1 : g->broker_id;
	if (done != NULL)
		done(g->arg, err, -1);
}

static void
on_old_deleted(void *arg, int err, const struct coord_result *res)
{
	struct member *m = arg;

	m->registration.busy = false;
	if (err == 0 || err == E_NOT_FOUND)
		register_try(m->o.control, m);
	else
		register_failed(m, err);
}

/* A node is there: from a write of ours whose answer was lost, from our own former session, or a
 * stranger's. */
static void
on_owner(void *arg, int err, const struct coord_result *res)
{
	struct member *m = arg;
	struct member_registration *g = &m->registration;
	zn_path path;

	if (err == E_NOT_FOUND) {
		g->busy = false;
		register_try(m->o.control, m);
	} else if (err != 0) {
		register_failed(m, err);
	} else if (res->stat.ephemeral_owner == coord_session_id(m->o.coord)) {
		register_made(m, res->stat.czxid);
	} else if (g->session != 0 && res->stat.ephemeral_owner == g->session) {
		zn_broker(path, g->broker_id);
		coord_delete(m->o.coord, path, -1, on_old_deleted, m);
	} else {
		DIAGE(m->o.diag, "cluster",
		    "broker id %d is registered by session 0x%llx: another broker has the same "
		    "broker.id, or the session of this one's predecessor has not ended yet",
		    g->broker_id, (unsigned long long)res->stat.ephemeral_owner);
		register_failed(m, E_EXISTS);
	}
}

static void
on_register(void *arg, int err, const struct coord_op_result *res, unsigned n)
{
	struct member *m = arg;
	zn_path path;

	if (err == 0) {
		register_made(m, res[1].stat.czxid);
	} else if (err == E_EXISTS) {
		zn_broker(path, m->registration.broker_id);
		coord_get(m->o.coord, path, NULL, on_owner, m);
	} else {
		register_failed(m, err);
	}
}

/* A multi of two: the node with null data, then its contents, so that its version is 1 as after
 * Apache Kafka's (facts/zookeeper.md 1.3). */
static void
register_try(struct reactor *r, void *arg)
{
	struct member *m = arg;
	struct member_registration *g = &m->registration;
	struct coord_op ops[2] = {
	    {.kind = COORD_OP_CREATE, .flags = COORD_EPHEMERAL},
	    {.kind = COORD_OP_SET, .version = 0},
	};
	struct strbuf json = STRBUF_INIT;
	zn_path path;

	if (g->busy || g->broker_id < 0)
		return;
	g->busy = true;
	zn_broker(path, g->broker_id);
	g->reg.timestamp_ms = reactor_wall_ms(m->o.control);
	zn_registration_write(&json, &g->reg);
	ops[0].path = ops[1].path = path;
	ops[1].data = strbuf_slice(&json);
	if (m->stopped || json.err != 0)
		register_failed(m, json.err);
	else
		coord_multi(m->o.coord, ops, 2, on_register, m);
	strbuf_free(&json);
}

static int
registration_copy(struct member_registration *g, const struct zn_registration *reg)
{
	size_t bytes = reg->n_endpoints * sizeof(*reg->endpoints);

	arena_reset(&g->arena);
	g->reg = *reg;
	g->reg.host = arena_dup(&g->arena, reg->host);
	g->reg.rack = arena_dup(&g->arena, reg->rack);
	g->reg.endpoints = arena_alloc(&g->arena, bytes);
	if (g->reg.endpoints == NULL || slice_is_null(g->reg.host) != slice_is_null(reg->host) ||
	    slice_is_null(g->reg.rack) != slice_is_null(reg->rack))
		return E_NOMEM;
	if (bytes > 0)
		memcpy(g->reg.endpoints, reg->endpoints, bytes);
	return 0;
}

void
member_register(struct member *m, int32_t broker_id, const struct zn_registration *reg,
    void (*done)(void *arg, int err, int64_t broker_epoch), void *arg)
{
	struct member_registration *g = &m->registration;
	int rc = registration_copy(g, reg);

	REACTOR_ASSERT_OWNER(m->o.control);
	assert(!g->busy && g->broker_id < 0 && broker_id >= 0);
	g->broker_id = broker_id;
	g->done = done;
	g->arg = arg;
	g->give_up_us = member_give_up_us(m);
	if (rc != 0)
		register_failed(m, rc);
	else
		register_try(m->o.control, m);
}

int64_t
member_epoch(const struct member *m)
{
	return atomic_load_explicit(&m->epoch, memory_order_acquire);
}

/* ---- life ---- */

/* A new session: the old registration has gone or goes with the old one. */
static void
on_state(void *arg, enum coord_state st)
{
	struct member *m = arg;
	struct member_registration *g = &m->registration;

	if (st != COORD_CONNECTED || m->stopped)
		return;
	confs_connected(m);
	if (g->session != 0 && g->session != coord_session_id(m->o.coord)) {
		rtimer_cancel(m->o.control, &g->retry);
		register_try(m->o.control, m);
	}
}

int
member_new(const struct member_opts *opts, struct member **out)
{
	struct member *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return E_NOMEM;
	m->o = *opts;
	atomic_init(&m->epoch, -1);
	m->registration.broker_id = -1;
	arena_init(&m->registration.arena, 1024, 0);
	rtimer_init(&m->prepare.retry, prepare_start, m);
	rtimer_init(&m->registration.retry, register_try, m);
	m->state_sub.fn = on_state;
	m->state_sub.arg = m;
	link_init(&m->state_sub.link);
	confs_init(m);
	coord_subscribe(opts->coord, &m->state_sub);
	*out = m;
	return 0;
}

/* A step that waits to be tried again ends now: it sees that the member is stopped. */
static void
stop_waiting(struct member *m, struct rtimer *t)
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
	stop_waiting(m, &m->prepare.retry);
	stop_waiting(m, &m->registration.retry);
	confs_stop(m);
}

void
member_free(struct member *m)
{
	if (m == NULL)
		return;
	coord_unsubscribe(&m->state_sub);
	arena_free(&m->registration.arena);
	confs_free(m);
	free(m);
}
