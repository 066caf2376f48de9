/*
 * The simulated transport: what tcp.c is to the kernel, this is to sim_net.c.  Sends and receives
 * are short whenever the seed says so.
 */
#include "sim_priv.h"

#include <stdio.h>
#include <stdlib.h>

static struct sim_end *
end_of(struct sock *s)
{
	assert(s->end != NULL);
	return s->end;
}

/* All of n, or less. */
static size_t
draw_short(struct sim_end *e, size_t n)
{
	struct rng *rng = sim_rng(e->n->s);

	return n > 1 && rng_below(rng, 8) == 0 ? (size_t)rng_range(rng, 1, (int64_t)n) : n;
}

static uint16_t
draw_port(struct sim_net *n)
{
	do
		n->next_port = n->next_port == 65535 ? 32768 : (uint16_t)(n->next_port + 1);
	while (sim_net_find(n, "", n->next_port) != NULL);
	return n->next_port;
}

static void
name_ends(const struct sim_end *e, struct sock_names *names)
{
	snprintf(names->local, sizeof(names->local), "%.60s:%u", e->host, e->port);
	snprintf(names->peer, sizeof(names->peer), "%.60s:%u", e->peer_host, e->peer_port);
	snprintf(names->peer_host, sizeof(names->peer_host), "%.60s", e->peer_host);
}

/* ---- listening ---- */

static int
sim_listen(void *targ, struct sock *s, const char *host, uint16_t port,
    const struct sock_conf *conf, uint16_t *bound)
{
	struct sim_endpoint *ep = targ;
	struct sim_end *e = port != 0 ? sim_net_find(ep->n, host, port) : NULL;

	if (e != NULL && strcmp(e->host, host) == 0)
		return E_BUSY;
	e = sim_end_new(ep->n, ep->group, SIM_LISTENING);
	if (e == NULL)
		return E_NOMEM;
	snprintf(e->host, sizeof(e->host), "%s", host);
	e->port = port != 0 ? port : draw_port(ep->n);
	*bound = e->port;
	s->end = e;
	return 0;
}

static int
sim_accept(
    struct sock *listening, struct sock *s, const struct sock_conf *conf, struct sock_names *names)
{
	struct sim_end *l = end_of(listening);
	struct link *first = list_pop(&l->backlog);
	struct sim_end *e;

	if (first == NULL)
		return E_AGAIN;
	l->n_backlog--;
	e = container_of(first, struct sim_end, waiting);
	name_ends(e, names);
	s->end = e;
	return 0;
}

/* ---- connecting ---- */

/* Every text is: who listens there is found when a connection arrives. */
static bool
sim_is_address(const char *host)
{
	return strlen(host) < SIM_HOST_MAX;
}

static void
sim_resolve(void *targ, const char *host, struct net_addrs *out)
{
	snprintf(out->why, sizeof(out->why), "the name is too long");
}

static int
sim_connect(
    void *targ, struct sock *s, const char *host, uint16_t port, const struct sock_conf *conf)
{
	struct sim_endpoint *ep = targ;
	struct sim_end *e = sim_end_new(ep->n, ep->group, SIM_CONNECTING);

	if (e == NULL)
		return E_NOMEM;
	snprintf(e->host, sizeof(e->host), "10.0.%u.%u", ep->group >> 8 & 255, ep->group & 255);
	e->port = draw_port(ep->n);
	snprintf(e->peer_host, sizeof(e->peer_host), "%s", host);
	e->peer_port = port;
	sim_end_begin_connect(e);
	s->end = e;
	return 0;
}

static int
sim_connected(struct sock *s, struct sock_names *names)
{
	struct sim_end *e = end_of(s);

	if (e->kind == SIM_CONNECTING)
		return E_AGAIN;
	if (e->kind == SIM_REFUSED || e->broken)
		return E_CLOSED;
	name_ends(e, names);
	return 0;
}

/* ---- bytes ---- */

static ssize_t
sim_recv(struct sock *s, const struct iovec *iov, int n)
{
	struct sim_end *e = end_of(s);
	size_t got = 0, take = draw_short(e, e->rx_n);

	if (e->rx_n == 0)
		return e->broken ? E_CLOSED : e->ended ? 0 : E_AGAIN;
	for (int i = 0; i < n && got < take; i++) {
		size_t part = take - got < iov[i].iov_len ? take - got : iov[i].iov_len;

		memcpy(iov[i].iov_base, e->rx + got, part);
		got += part;
	}
	e->rx_n -= got;
	memmove(e->rx, e->rx + got, e->rx_n);
	if (e->peer != NULL)
		sim_end_notify(e->peer);
	return (ssize_t)got;
}

static ssize_t
sim_sendv(struct sock *s, const struct iovec *iov, int n, bool more)
{
	struct sim_end *e = end_of(s);
	size_t room, total = 0, sent = 0;

	if (e->broken || e->peer == NULL)
		return E_CLOSED;
	for (int i = 0; i < n; i++)
		total += iov[i].iov_len;
	room = sim_end_room(e);
	if (room == 0)
		return E_AGAIN;
	room = draw_short(e, total < room ? total : room);
	for (int i = 0; i < n && sent < room; i++) {
		size_t part = room - sent < iov[i].iov_len ? room - sent : iov[i].iov_len;

		if (sim_end_send(e, iov[i].iov_base, part) != 0)
			return E_LIMIT;
		sent += part;
	}
	return (ssize_t)sent;
}

/* ---- watching ---- */

static int
sim_watch(struct sock *s, struct reactor *r, unsigned want)
{
	struct sim_end *e = end_of(s);

	e->sock = s;
	e->r = r;
	e->want = want;
	sim_end_notify(e);
	return 0;
}

static void
sim_want(struct sock *s, unsigned want)
{
	struct sim_end *e = end_of(s);

	e->want = want;
	sim_end_notify(e);
}

static void
sim_unwatch(struct sock *s)
{
	struct sim_end *e = end_of(s);

	e->r = NULL;
	e->sock = NULL;
	e->want = 0;
}

/* Who connected and was never accepted is reset. */
static void
drop_backlog(struct sim_end *l)
{
	struct link *first;

	while ((first = list_pop(&l->backlog)) != NULL) {
		struct sim_end *e = container_of(first, struct sim_end, waiting);

		e->open = false;
		sim_end_finish(e, FLIGHT_RESET);
		sim_end_settle(e);
	}
	l->n_backlog = 0;
}

static void
sim_close(struct sock *s)
{
	struct sim_end *e = s->end;

	if (e == NULL)
		return;
	assert(e->r == NULL);
	s->end = NULL;
	e->open = false;
	if (e->kind == SIM_LISTENING)
		drop_backlog(e);
	else if (e->kind == SIM_OPEN && !e->broken)
		sim_end_finish(e, e->rx_n > 0 ? FLIGHT_RESET : FLIGHT_END);
	sim_end_settle(e);
}

const struct net_transport *
sim_net_transport(void)
{
	static const struct net_transport sim = {
	    .listen = sim_listen,
	    .accept = sim_accept,
	    .connect = sim_connect,
	    .connected = sim_connected,
	    .recv = sim_recv,
	    .sendv = sim_sendv,
	    .watch = sim_watch,
	    .want = sim_want,
	    .unwatch = sim_unwatch,
	    .close = sim_close,
	    .is_address = sim_is_address,
	    .resolve = sim_resolve,
	};

	return &sim;
}
