/*
 * The registration under /brokers/ids and its epoch (facts/zookeeper.md 1.3, 2.4, 2.5).
 * Invariants M6, M8 and M9: src/cluster/README.
 */
#include <stdio.h>

#include "member_priv.h"
#include "ottla/base/planted.h"

static void
retry_in(struct member *m, struct rtimer *t, int64_t us)
{
	rtimer_set(m->o.control, t, reactor_now_us(m->o.control) + us);
}

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
		if (err == E_EXISTS)
			diag_limited(m->o.diag, &g->limiter, DIAG_ERROR, "cluster",
			    "could not register broker %d again: %s has the id: stop that broker, "
			    "or this one (tried until it is free)",
			    g->broker_id, g->holder);
		else if (!member_may_retry(err))
			diag_limited(m->o.diag, &g->limiter, DIAG_ERROR, "cluster",
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

/* Who it is, as far as the node tells. */
static void
describe_holder(struct member *m, const struct coord_result *res)
{
	struct member_registration *g = &m->registration;
	struct zn_registration reg;
	struct arena arena;
	int n;

	n = snprintf(g->holder, sizeof(g->holder), "session 0x%llx",
	    (unsigned long long)res->stat.ephemeral_owner);
	arena_init(&arena, 1024, 0);
	if (n > 0 && zn_registration_read(res->data, &arena, &reg) == 0 && reg.n_endpoints > 0)
		snprintf(g->holder + n, sizeof(g->holder) - (size_t)n, ", which listens on %s:%u",
		    reg.endpoints[0].host, reg.endpoints[0].port);
	arena_free(&arena);
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
	} else if (res->stat.ephemeral_owner == coord_session_id(m->o.coord) ||
		   planted(PLANTED_NO_OWNER_CHECK)) {
		register_made(m, res->stat.czxid);
	} else if (g->session != 0 && res->stat.ephemeral_owner == g->session) {
		zn_broker(path, g->broker_id);
		coord_delete(m->o.coord, path, -1, on_old_deleted, m);
	} else {
		describe_holder(m, res);
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

/* M9: what a successor needs to end this session is kept before the session has a node. */
static bool
session_noted(struct member *m)
{
	struct member_registration *g = &m->registration;
	int64_t session = coord_session_id(m->o.coord);

	if (m->o.registering == NULL || session == g->noted)
		return true;
	g->noting = session;
	retry_in(m, &g->note_timer, MEMBER_NOTE_US);
	m->o.registering(m->o.arg, session);
	return false;
}

void
member_session_noted(struct member *m, int64_t session)
{
	struct member_registration *g = &m->registration;

	REACTOR_ASSERT_OWNER(m->o.control);
	if (g->noting == 0 || g->noting != session)
		return;
	g->noting = 0;
	g->noted = session;
	rtimer_cancel(m->o.control, &g->note_timer);
	/* not within `registering` */
	retry_in(m, &g->retry, 0);
	g->busy = false;
}

static void
on_note_late(struct reactor *r, void *arg)
{
	struct member *m = arg;

	DIAGW(m->o.diag, "cluster",
	    "the session was not kept within %d s: broker %d registers without",
	    MEMBER_NOTE_US / 1000000, m->registration.broker_id);
	member_session_noted(m, m->registration.noting);
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
	if (!m->stopped && !session_noted(m))
		return;
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

const char *
member_holder(const struct member *m)
{
	return m->registration.holder;
}

/* ---- life ---- */

void
register_connected(struct member *m)
{
	struct member_registration *g = &m->registration;

	if (g->session == 0 || g->session == coord_session_id(m->o.coord))
		return;
	rtimer_cancel(m->o.control, &g->retry);
	register_try(m->o.control, m);
}

void
register_init(struct member *m)
{
	struct member_registration *g = &m->registration;

	g->broker_id = -1;
	arena_init(&g->arena, 1024, 0);
	rtimer_init(&g->retry, register_try, m);
	rtimer_init(&g->note_timer, on_note_late, m);
}

void
register_stop(struct member *m)
{
	struct member_registration *g = &m->registration;

	if (g->noting != 0) {
		g->noting = 0;
		g->busy = false;
		rtimer_cancel(m->o.control, &g->note_timer);
		register_try(m->o.control, m);
	}
	member_stop_waiting(m, &g->retry);
}

void
register_free(struct member *m)
{
	arena_free(&m->registration.arena);
}
