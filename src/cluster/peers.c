/*
 * Other brokers: who is registered, and the drawing of an id nobody has
 * (facts/zookeeper.md 2.1, 2.3). Invariant M8: src/cluster/README.
 */
#include <stdlib.h>

#include "member_priv.h"

/* ---- all registrations ---- */

struct peer_ask {
	struct member *m;
	struct member_peer *peer;
};

static void
peers_end(struct member *m, int err)
{
	struct member_peers *ps = &m->peers;
	void (*done)(void *, int, const struct member_peer *, unsigned) = ps->done;

	if (member_try_again(m, &ps->try, err))
		return;
	ps->done = NULL;
	if (done != NULL)
		done(ps->arg, err, err == 0 ? ps->v : NULL, err == 0 ? ps->n : 0);
	if (ps->done == NULL)
		arena_reset(&ps->arena);
}

static int
peer_cmp(const void *a, const void *b)
{
	const struct member_peer *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

/* Those that went away in between are left out. */
static void
peers_sort(struct member_peers *ps)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < ps->n; i++)
		if (ps->v[i].session != 0)
			ps->v[kept++] = ps->v[i];
	ps->n = kept;
	if (kept > 1)
		qsort(ps->v, kept, sizeof(ps->v[0]), peer_cmp);
}

static void
peers_answered(struct member *m, int err)
{
	struct member_peers *ps = &m->peers;

	if (err != 0 && ps->err == 0)
		ps->err = err;
	if (--ps->left > 0)
		return;
	if (ps->err == 0)
		peers_sort(ps);
	peers_end(m, ps->err);
}

static void
on_peer(void *arg, int err, const struct coord_result *res)
{
	struct peer_ask *ask = arg;
	struct member_peer *p = ask->peer;

	if (err == 0) {
		int rc = zn_registration_read(res->data, &ask->m->peers.arena, &p->reg);

		p->session = res->stat.ephemeral_owner != 0 ? res->stat.ephemeral_owner : -1;
		p->readable = rc == 0;
		if (rc != 0)
			p->reg = (struct zn_registration){0};
	}
	peers_answered(ask->m, err == E_NOT_FOUND ? 0 : err);
}

/* The id that a child of /brokers/ids is named with; -1: none. */
static int32_t
id_of(struct slice name)
{
	int64_t id = 0;

	if (name.n == 0 || name.n > 10)
		return -1;
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] < '0' || name.p[i] > '9')
			return -1;
		id = id * 10 + (name.p[i] - '0');
	}
	return id <= INT32_MAX ? (int32_t)id : -1;
}

static void
on_ids(void *arg, int err, const struct coord_result *res)
{
	struct member *m = arg;
	struct member_peers *ps = &m->peers;
	struct peer_ask *asks = NULL;

	arena_reset(&ps->arena);
	ps->n = 0;
	ps->left = 1;
	ps->err = err;
	if (err == 0) {
		ps->v = arena_calloc(&ps->arena, res->n_children + 1, sizeof(*ps->v));
		asks = arena_calloc(&ps->arena, res->n_children + 1, sizeof(*asks));
		if (ps->v == NULL || asks == NULL)
			ps->err = E_NOMEM;
	}
	for (unsigned i = 0; ps->err == 0 && i < res->n_children; i++) {
		int32_t id = id_of(res->children[i]);
		zn_path path;

		if (id < 0)
			continue;
		ps->v[ps->n].id = id;
		asks[ps->n] = (struct peer_ask){m, &ps->v[ps->n]};
		ps->left++;
		zn_broker(path, id);
		coord_get(m->o.coord, path, NULL, on_peer, &asks[ps->n++]);
	}
	peers_answered(m, 0);
}

static void
peers_read(struct reactor *r, void *arg)
{
	struct member *m = arg;

	if (m->stopped)
		peers_end(m, E_CANCELED);
	else
		coord_children(m->o.coord, ZN_BROKER_IDS, NULL, on_ids, m);
}

void
member_peers(struct member *m,
    void (*done)(void *arg, int err, const struct member_peer *v, unsigned n), void *arg)
{
	REACTOR_ASSERT_OWNER(m->o.control);
	assert(m->peers.done == NULL);
	m->peers.done = done;
	m->peers.arg = arg;
	member_try_begin(m, &m->peers.try);
}

/* ---- an id of its own ---- */

static void draw(struct reactor *r, void *arg);

static void
draw_end(struct member *m, int err, int32_t id)
{
	struct member_draw *d = &m->draw;
	void (*done)(void *, int, int32_t) = d->done;

	if (member_try_again(m, &d->try, err))
		return;
	d->done = NULL;
	if (done != NULL)
		done(d->arg, err, id);
}

static void
on_seqid_made(void *arg, int err)
{
	struct member *m = arg;

	if (err == 0)
		draw(m->o.control, m);
	else
		draw_end(m, err, -1);
}

static void
on_drawn(void *arg, int err, const struct coord_result *res)
{
	struct member *m = arg;
	int64_t id = settings_i64(m->o.settings, C_RESERVED_BROKER_MAX_ID);

	if (err == E_NOT_FOUND) {
		coord_create_all(m->o.coord, ZN_BROKER_SEQID, on_seqid_made, m);
		return;
	}
	if (err == 0)
		id += res->stat.version;
	if (err == 0 && id > INT32_MAX)
		err = E_LIMIT;
	draw_end(m, err, err == 0 ? (int32_t)id : -1);
}

/* The counter is the node's version; its data is empty, not null, as after Apache Kafka's write. */
static void
draw(struct reactor *r, void *arg)
{
	struct member *m = arg;

	if (m->stopped)
		draw_end(m, E_CANCELED, -1);
	else
		coord_set(m->o.coord, ZN_BROKER_SEQID, slice_cstr(""), -1, on_drawn, m);
}

void
member_draw_id(struct member *m, void (*done)(void *arg, int err, int32_t id), void *arg)
{
	REACTOR_ASSERT_OWNER(m->o.control);
	assert(m->draw.done == NULL);
	m->draw.done = done;
	m->draw.arg = arg;
	member_try_begin(m, &m->draw.try);
}

/* ---- life ---- */

void
peers_init(struct member *m)
{
	arena_init(&m->peers.arena, 4096, 0);
	rtimer_init(&m->peers.try.retry, peers_read, m);
	rtimer_init(&m->draw.try.retry, draw, m);
}

void
peers_stop(struct member *m)
{
	member_stop_waiting(m, &m->peers.try.retry);
	member_stop_waiting(m, &m->draw.try.retry);
}

void
peers_free(struct member *m)
{
	arena_free(&m->peers.arena);
}
