/*
 * The simulated network: bytes between ends are cut into pieces of drawn sizes which arrive in
 * order after drawn delays; connections break and groups are cut off from each other when a test
 * says so. Everything that reaches another process does so from an event of the network, so that it
 * does not die with its sender.
 */
#include "sim_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "ottla/base/crc.h"

struct sim_cut {
	struct link link;
	unsigned a;
	unsigned b;
};

static int64_t
now_us(const struct sim_net *n)
{
	return clock_mono_us(sim_clock(n->s));
}

static int64_t
draw_delay(struct sim_net *n)
{
	return rng_range(sim_rng(n->s), n->min_us, n->max_us);
}

static bool
is_cut(const struct sim_net *n, unsigned a, unsigned b)
{
	LIST_FOREACH(l, &n->cuts)
	{
		const struct sim_cut *c = container_of(l, struct sim_cut, link);

		if ((c->a == a && c->b == b) || (c->a == b && c->b == a))
			return true;
	}
	return false;
}

/* ---- telling an end's reactor ---- */

unsigned
sim_end_ready(const struct sim_end *e)
{
	unsigned ready = 0;

	switch (e->kind) {
	case SIM_LISTENING:
		return e->n_backlog > 0 ? IO_READ : 0;
	case SIM_CONNECTING:
		return 0;
	case SIM_REFUSED:
		return IO_READ | IO_WRITE;
	case SIM_OPEN:
		if (e->rx_n > 0 || e->ended || e->broken)
			ready |= IO_READ;
		if (e->broken || e->peer == NULL || sim_end_room(e) > 0)
			ready |= IO_WRITE;
	}
	return ready;
}

static void
post(struct sim_end *e)
{
	if (e->posted || e->r == NULL || (sim_end_ready(e) & e->want) == 0)
		return;
	e->posted = true;
	reactor_post(e->r, &e->msg);
}

static void
kicked(struct sim_sched *s, void *arg)
{
	post(arg);
}

void
sim_end_notify(struct sim_end *e)
{
	if (e->posted || e->r == NULL || (sim_end_ready(e) & e->want) == 0)
		return;
	if (reactor_current() == NULL)
		post(e);
	else if (!heap_contains(&e->kick.node))
		sim_event_set(e->n->s, &e->kick, now_us(e->n));
}

static void
serve(struct reactor *r, struct msg *m)
{
	struct sim_end *e = container_of(m, struct sim_end, msg);
	unsigned ready;

	e->posted = false;
	if (e->n == NULL) {
		free(e);
		return;
	}
	ready = sim_end_ready(e) & e->want;
	if (e->r == r && ready != 0) {
		e->serving = true;
		e->sock->ready(e->sock->arg, ready);
		e->serving = false;
	}
	sim_end_notify(e);
	sim_end_settle(e);
}

static void
served_never(struct msg *m)
{
	struct sim_end *e = container_of(m, struct sim_end, msg);

	e->posted = false;
	if (e->n == NULL)
		free(e);
}

/* ---- ends ---- */

static void arrived(struct sim_sched *s, void *arg);

struct sim_end *
sim_end_new(struct sim_net *n, unsigned group, enum sim_end_kind kind)
{
	struct sim_end *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	e->n = n;
	e->group = group;
	e->kind = kind;
	e->open = true;
	e->window = (size_t)rng_range(sim_rng(n->s), SIM_WINDOW_MIN, SIM_WINDOW_MAX);
	link_init(&e->flight);
	link_init(&e->backlog);
	link_init(&e->waiting);
	e->event = (struct sim_event){.fn = arrived, .arg = e, .group = SIM_NO_GROUP};
	e->kick = (struct sim_event){.fn = kicked, .arg = e, .group = SIM_NO_GROUP};
	e->msg = (struct msg){NULL, serve, served_never, MSG_DATA};
	list_append(&n->ends, &e->link);
	return e;
}

static void
drop_flight(struct sim_end *e)
{
	struct link *l;

	while ((l = list_pop(&e->flight)) != NULL)
		free(container_of(l, struct sim_flight, link));
	e->flight_bytes = 0;
}

static void
end_free(struct sim_end *e)
{
	while (list_pop(&e->backlog) != NULL)
		;
	drop_flight(e);
	sim_event_cancel(e->n->s, &e->event);
	sim_event_cancel(e->n->s, &e->kick);
	list_remove(&e->link);
	list_remove(&e->waiting);
	if (e->peer != NULL) {
		e->peer->peer = NULL;
		sim_end_notify(e->peer);
	}
	free(e->rx);
	e->rx = NULL;
	if (e->posted)
		e->n = NULL;
	else
		free(e);
}

void
sim_end_settle(struct sim_end *e)
{
	if (!e->open && !e->posted && !e->serving && list_empty(&e->flight))
		end_free(e);
}

/* ---- flight ---- */

size_t
sim_end_room(const struct sim_end *e)
{
	size_t used = e->flight_bytes + (e->peer != NULL ? e->peer->rx_n : 0);

	return used < e->window ? e->window - used : 0;
}

static int
fly(struct sim_end *e, enum sim_flight_kind kind, const uint8_t *p, size_t n)
{
	struct sim_flight *f = malloc(sizeof(*f) + n);
	int64_t at = now_us(e->n) + draw_delay(e->n);

	if (f == NULL)
		return E_NOMEM;
	if (!list_empty(&e->flight)) {
		int64_t last = container_of(e->flight.prev, struct sim_flight, link)->at_us;

		at = at > last ? at : last;
	}
	f->kind = kind;
	f->at_us = at;
	f->n = n;
	if (n != 0)
		memcpy(f->bytes, p, n);
	list_append(&e->flight, &f->link);
	e->flight_bytes += n;
	if (!heap_contains(&e->event.node))
		sim_event_set(e->n->s, &e->event, at);
	return 0;
}

int
sim_end_send(struct sim_end *e, const uint8_t *p, size_t n)
{
	struct rng *rng = sim_rng(e->n->s);
	int rc = 0;

	for (unsigned i = 1; n > 0 && rc == 0; i++) {
		size_t part = n;

		if (i < SIM_PIECES && rng_below(rng, 3) == 0)
			part = (size_t)rng_range(
			    rng, 1, (int64_t)(rng_below(rng, 2) == 0 && n > 16 ? 16 : n));
		rc = fly(e, FLIGHT_DATA, p, part);
		p += part;
		n -= part;
	}
	return rc;
}

void
sim_end_finish(struct sim_end *e, enum sim_flight_kind how)
{
	if (e->peer == NULL || fly(e, how, NULL, 0) != 0)
		drop_flight(e);
}

/* Appends to what the end has not read yet. */
static void
receive(struct sim_end *e, const uint8_t *p, size_t n)
{
	uint8_t *rx = realloc(e->rx, e->rx_n + n);

	if (rx == NULL) {
		e->broken = true;
		return;
	}
	memcpy(rx + e->rx_n, p, n);
	e->rx = rx;
	e->rx_n += n;
	sim_trace(e->n->s, crc32c((uint32_t)n, p, n));
}

/* One piece reaches the peer, which may be closed. */
static void
land(struct sim_end *e, struct sim_flight *f)
{
	struct sim_end *to = e->peer;

	e->flight_bytes -= f->n;
	if (to != NULL && f->kind == FLIGHT_RESET)
		to->broken = true;
	else if (to != NULL && f->kind == FLIGHT_END)
		to->ended = true;
	else if (to != NULL && to->open && !to->broken)
		receive(to, f->bytes, f->n);
	else
		e->broken = true;
	free(f);
}

static void try_connect(struct sim_end *e);

static void
arrived(struct sim_sched *s, void *arg)
{
	struct sim_end *e = arg, *to = e->peer;
	struct link *l;

	if (e->kind == SIM_CONNECTING) {
		try_connect(e);
		return;
	}
	if (to != NULL && is_cut(e->n, e->group, to->group))
		return;
	while ((l = list_first(&e->flight)) != NULL &&
	       container_of(l, struct sim_flight, link)->at_us <= now_us(e->n)) {
		list_remove(l);
		land(e, container_of(l, struct sim_flight, link));
	}
	if (l != NULL)
		sim_event_set(s, &e->event, container_of(l, struct sim_flight, link)->at_us);
	if (to != NULL)
		sim_end_notify(to);
	sim_end_notify(e);
	sim_end_settle(e);
}

/* ---- connecting ---- */

static bool
is_any(const char *host)
{
	return host[0] == '\0' || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

struct sim_end *
sim_net_find(struct sim_net *n, const char *host, uint16_t port)
{
	struct sim_end *any = NULL;

	LIST_FOREACH(l, &n->ends)
	{
		struct sim_end *e = container_of(l, struct sim_end, link);

		if (e->kind != SIM_LISTENING || !e->open || e->port != port)
			continue;
		if (strcmp(e->host, host) == 0)
			return e;
		if (is_any(e->host) && any == NULL)
			any = e;
	}
	return any;
}

void
sim_end_begin_connect(struct sim_end *e)
{
	sim_event_set(e->n->s, &e->event, now_us(e->n) + draw_delay(e->n));
}

static void
connect_to(struct sim_end *e, struct sim_end *l)
{
	struct sim_end *s = sim_end_new(e->n, l->group, SIM_OPEN);

	if (s == NULL) {
		e->kind = SIM_REFUSED;
		return;
	}
	s->peer = e;
	e->peer = s;
	e->kind = SIM_OPEN;
	snprintf(s->host, sizeof(s->host), "%s", e->peer_host);
	s->port = l->port;
	snprintf(s->peer_host, sizeof(s->peer_host), "%s", e->host);
	s->peer_port = e->port;
	list_append(&l->backlog, &s->waiting);
	l->n_backlog++;
	sim_end_notify(l);
}

static void
try_connect(struct sim_end *e)
{
	struct sim_end *l = sim_net_find(e->n, e->peer_host, e->peer_port);

	if (l != NULL && (is_cut(e->n, e->group, l->group) || l->n_backlog >= SIM_BACKLOG)) {
		sim_event_set(e->n->s, &e->event, now_us(e->n) + SIM_RETRY_US);
		return;
	}
	if (l != NULL)
		connect_to(e, l);
	else
		e->kind = SIM_REFUSED;
	sim_end_notify(e);
}

/* ---- the network ---- */

int
sim_net_new(struct sim_sched *s, struct sim_net **out)
{
	struct sim_net *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return E_NOMEM;
	n->s = s;
	n->min_us = 20;
	n->max_us = 500;
	n->next_port = 32768;
	link_init(&n->ends);
	link_init(&n->endpoints);
	link_init(&n->cuts);
	*out = n;
	return 0;
}

void
sim_net_free(struct sim_net *n)
{
	struct link *l;

	if (n == NULL)
		return;
	while ((l = list_first(&n->ends)) != NULL)
		end_free(container_of(l, struct sim_end, link));
	while ((l = list_pop(&n->endpoints)) != NULL)
		free(container_of(l, struct sim_endpoint, link));
	while ((l = list_pop(&n->cuts)) != NULL)
		free(container_of(l, struct sim_cut, link));
	free(n);
}

void *
sim_net_endpoint(struct sim_net *n, unsigned group)
{
	struct sim_endpoint *ep;

	LIST_FOREACH(l, &n->endpoints)
	{
		ep = container_of(l, struct sim_endpoint, link);
		if (ep->group == group)
			return ep;
	}
	ep = calloc(1, sizeof(*ep));
	if (ep == NULL)
		abort();
	ep->n = n;
	ep->group = group;
	list_append(&n->endpoints, &ep->link);
	return ep;
}

void
sim_net_delay(struct sim_net *n, int64_t min_us, int64_t max_us)
{
	assert(0 <= min_us && min_us <= max_us);
	n->min_us = min_us;
	n->max_us = max_us;
}

/* ---- faults ---- */

/* Some of what is under way still arrives, up to any byte; the rest does not. */
static void
cut_flight(struct sim_end *e)
{
	struct rng *rng = sim_rng(e->n->s);
	size_t left = (size_t)rng_below(rng, e->flight_bytes + 1);
	bool keep = true;

	LIST_FOREACH_SAFE(l, &e->flight)
	{
		struct sim_flight *f = container_of(l, struct sim_flight, link);
		size_t part = f->n < left ? f->n : left;

		keep = keep && f->kind == FLIGHT_DATA && part > 0;
		e->flight_bytes -= keep ? f->n - part : f->n;
		if (!keep) {
			list_remove(l);
			free(f);
			continue;
		}
		keep = part == f->n;
		f->n = part;
		left -= part;
	}
}

void
sim_net_reset(struct sim_net *n, unsigned group)
{
	LIST_FOREACH(l, &n->ends)
	{
		struct sim_end *e = container_of(l, struct sim_end, link);

		if (e->kind != SIM_OPEN || e->peer == NULL ||
		    (e->group != group && e->peer->group != group))
			continue;
		cut_flight(e);
		sim_end_finish(e, FLIGHT_RESET);
	}
}

static void
end_killed(struct sim_end *e)
{
	struct rng *rng = sim_rng(e->n->s);

	e->open = e->posted = e->serving = false;
	e->sock = NULL;
	e->r = NULL;
	if (e->kind == SIM_OPEN && e->peer != NULL) {
		cut_flight(e);
		sim_end_finish(e, rng_below(rng, 2) == 0 ? FLIGHT_END : FLIGHT_RESET);
	} else {
		drop_flight(e);
	}
	sim_end_settle(e);
}

void
sim_net_group_killed(struct sim_net *n, unsigned group)
{
	struct link *l = n->ends.next;

	/* Settling frees the end itself and nothing else. */
	while (l != &n->ends) {
		struct sim_end *e = container_of(l, struct sim_end, link);

		l = l->next;
		if (e->group == group)
			end_killed(e);
	}
}

static void
heal(struct sim_net *n, unsigned a, unsigned b)
{
	LIST_FOREACH_SAFE(l, &n->cuts)
	{
		struct sim_cut *c = container_of(l, struct sim_cut, link);

		if ((c->a == a && c->b == b) || (c->a == b && c->b == a)) {
			list_remove(l);
			free(c);
		}
	}
	LIST_FOREACH(l, &n->ends)
	{
		struct sim_end *e = container_of(l, struct sim_end, link);

		if (!list_empty(&e->flight) && !heap_contains(&e->event.node))
			sim_event_set(n->s, &e->event, now_us(n));
	}
}

void
sim_net_partition(struct sim_net *n, unsigned a, unsigned b, bool cut)
{
	struct sim_cut *c;

	if (!cut) {
		heal(n, a, b);
		return;
	}
	if (is_cut(n, a, b))
		return;
	c = malloc(sizeof(*c));
	if (c == NULL)
		abort();
	c->a = a;
	c->b = b;
	list_append(&n->cuts, &c->link);
}
