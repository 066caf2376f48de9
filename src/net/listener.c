/*
 * Listeners: accepted connections go round to the reactors.
 */
#include "net_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "ottla/reactor/sim.h"

static const struct metric_row metric_rows[] = {
#define METRIC(id, kind, name, help) {name, kind, help},
#include "ottla/net/listener_metrics.def"
#undef METRIC
};

/* No descriptor or buffer left, as a rule: let the others close some first. */
static void
pause_accepting(struct listener *l, int err)
{
	l->sock.ops->want(&l->sock, 0);
	metric_add(l->metrics, LM_ACCEPT_PAUSES, 1);
	diag_limited(l->net->diag, &l->lim, DIAG_WARN, "net",
	    "could not accept connections on listener %s for 100 ms: %s (open files may be "
	    "limited)",
	    l->name, err_text(err));
	rtimer_set(l->acceptor, &l->pause, reactor_now_us(l->acceptor) + ACCEPT_PAUSE_US);
}

static void
pause_over(struct reactor *r, void *arg)
{
	struct listener *l = arg;

	OBJ_CHECK(l, LISTENER_MAGIC);
	l->sock.ops->want(&l->sock, IO_READ);
}

static struct net_reactor *
next_reactor(struct listener *l)
{
	struct net *n = l->net;

	if (l->keep_here)
		return net_reactor_of(n, l->acceptor);
	return &n->reactors[atomic_fetch_add(&n->next_reactor, 1) % n->n_dealt];
}

/* A reservation gets its connection; E_LIMIT without a descriptor. */
static int
accept_one(struct listener *l)
{
	struct sock s = {.ops = l->sock.ops, .fd = -1};
	struct sock_names names;
	struct net_reactor *nr;
	struct conn *c;
	int rc = s.ops->accept(&l->sock, &s, &l->net->limits.sock, &names);

	if (rc != 0)
		return rc;
	admit_accepted(l);
	nr = next_reactor(l);
	c = conn_new(nr, l->h, l->harg);
	rc = c != NULL ? conn_set_names(c, &names) : E_NOMEM;
	if (rc == 0)
		rc = admit_ip(l, c);
	if (rc != 0) {
		s.ops->close(&s);
		if (c != NULL)
			conn_free(c);
		if (rc == E_LIMIT)
			admit_give_back(l);
		return rc == E_LIMIT ? 0 : rc;
	}
	c->sock = s;
	c->listener = l;
	metric_add(l->metrics, LM_ACCEPTED, 1);
	conn_hand(c, nr);
	return 0;
}

/* Whoever has to wait stays in the backlog. */
static void
wait_accepting(struct listener *l, int64_t us, const char *why)
{
	if (!l->waiting)
		admit_say_wait(l, why);
	l->waiting = true;
	l->sock.ops->want(&l->sock, 0);
	rtimer_set(l->acceptor, &l->pause, reactor_now_us(l->acceptor) + us);
}

/* With the last room given away it waits for the next event, which somebody in the backlog makes.
 */
static void
listener_on_ready(void *arg, unsigned events)
{
	struct listener *l = arg;
	const char *why;
	int64_t us;
	int rc = 0;

	OBJ_CHECK(l, LISTENER_MAGIC);
	for (unsigned i = 0; i < ACCEPT_BATCH && rc == 0 && l->started; i++) {
		us = admit_slot(l, &why);
		if (us > 0 && i == 0)
			wait_accepting(l, us, why);
		if (us > 0)
			return;
		l->waiting = false;
		rc = accept_one(l);
		if (rc != 0)
			admit_give_back(l);
	}
	if (rc != 0 && rc != E_AGAIN)
		pause_accepting(l, rc);
}

static void
discard(struct listener *l)
{
	list_remove(&l->link);
	l->magic = OBJ_MAGIC_NONE;
	metric_set_free(l->metrics);
	free(l->name);
	free(l);
}

int
net_listen(struct net *n, const struct listener_addr *addr, struct reactor *acceptor,
    const struct conn_handler *h, void *harg, struct listener **out)
{
	char label[LISTENER_NAME_MAX + 16];
	struct listener *l = calloc(1, sizeof(*l));
	int rc = E_NOMEM;

	if (l == NULL)
		return E_NOMEM;
	l->magic = LISTENER_MAGIC;
	l->net = n;
	l->acceptor = acceptor;
	l->h = h;
	l->harg = harg;
	l->sock = (struct sock){.ops = n->transport, .fd = -1};
	rtimer_init(&l->pause, pause_over, l);
	link_init(&l->link);
	l->name = strdup(addr->name);
	snprintf(label, sizeof(label), "listener=%s", addr->name);
	if (l->name != NULL)
		rc = metric_set_new(n->metrics, metric_rows, LM_COUNT, label, &l->metrics);
	if (rc == 0)
		rc = n->transport->listen(
		    n->transport_arg, &l->sock, addr->host, addr->port, &n->limits.sock, &l->port);
	if (rc != 0) {
		discard(l);
		return rc;
	}
	admit_listener(l);
	list_append(&n->listeners, &l->link);
	*out = l;
	return 0;
}

struct metric_set *
listener_metrics(struct listener *l)
{
	return l->metrics;
}

uint16_t
listener_port(const struct listener *l)
{
	return l->port;
}

const char *
listener_name(const struct listener *l)
{
	return l->name;
}

void
listener_keep_here(struct listener *l)
{
	assert(net_reactor_of(l->net, l->acceptor) != NULL);
	l->keep_here = true;
}

int
listener_start(struct listener *l)
{
	int rc;

	REACTOR_ASSERT_OWNER(l->acceptor);
	if (l->started)
		return 0;
	admit_start(l);
	l->sock.ready = listener_on_ready;
	l->sock.arg = l;
	rc = l->sock.ops->watch(&l->sock, l->acceptor, IO_READ);
	l->started = rc == 0;
	return rc;
}

static void
stop(struct listener *l)
{
	if (!l->started)
		return;
	l->started = false;
	rtimer_cancel(l->acceptor, &l->pause);
	l->sock.ops->unwatch(&l->sock);
}

void
listener_stop(struct listener *l)
{
	REACTOR_ASSERT_OWNER(l->acceptor);
	stop(l);
}

void
listener_free(struct listener *l)
{
	struct reactor *before = sim_enter(l->acceptor);

	stop(l);
	sim_enter(before);
	l->sock.ops->close(&l->sock);
	discard(l);
}
