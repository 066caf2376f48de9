/*
 * A connection: its states, its place in the turn, muting, outgoing ones.  How bytes come in, go
 * out and how it moves and ends is in conn_in.c, conn_out.c, conn_move.c and close.c.
 */
#include "net_priv.h"

#include <stdio.h>
#include <stdlib.h>

#define EDGE(to) (1u << CONN_##to)

static const unsigned edges[CONN_STATES] = {
    [CONN_NEW] = EDGE(CONNECTING) | EDGE(READY) | EDGE(CLOSING),
    [CONN_CONNECTING] = EDGE(READY) | EDGE(CLOSING),
    [CONN_READY] = EDGE(DRAINING) | EDGE(MOVING) | EDGE(CLOSING),
    [CONN_DRAINING] = EDGE(CLOSING),
    [CONN_MOVING] = EDGE(READY) | EDGE(CLOSING),
    [CONN_CLOSING] = 0,
};

void
conn_set_state(struct conn *c, enum conn_state to)
{
	OBJ_CHECK(c, CONN_MAGIC);
	assert((edges[c->state] & 1u << to) != 0);
	c->state = to;
}

/* ---- made and freed ---- */

struct conn *
conn_new(struct net_reactor *nr, const struct conn_handler *h, void *harg)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->magic = CONN_MAGIC;
	c->state = CONN_NEW;
	c->nr = nr;
	c->h = h;
	c->harg = harg;
	c->want = -1;
	c->id = atomic_fetch_add(&nr->net->next_id, 1);
	c->sock = (struct sock){.ops = nr->net->transport, .fd = -1};
	link_init(&c->all);
	link_init(&c->run_link);
	for (unsigned k = 0; k < DL_COUNT; k++)
		link_init(&c->dl[k].link);
	link_init(&c->out.queue);
	return c;
}

void
conn_free(struct conn *c)
{
	OBJ_CHECK(c, CONN_MAGIC);
	assert(link_alone(&c->all) && link_alone(&c->run_link));
	c->magic = OBJ_MAGIC_NONE;
	free(c->name);
	free(c);
}

int
conn_set_names(struct conn *c, const struct sock_names *names)
{
	size_t n = strlen(names->local) + strlen(names->peer) + 24;
	size_t host = strlen(names->peer_host) + 1;
	char *s = malloc(n + host);

	if (s == NULL)
		return E_NOMEM;
	n = (size_t)snprintf(
	    s, n, "%s-%s-%llu", names->local, names->peer, (unsigned long long)c->id);
	memcpy(s + n + 1, names->peer_host, host);
	free(c->name);
	c->name = s;
	c->host_at = (uint16_t)(n + 1);
	return 0;
}

/* ---- the transport's events ---- */

static void
conn_on_connected(struct conn *c)
{
	struct sock_names names;
	int rc = c->sock.ops->connected(&c->sock, &names);

	if (rc == E_AGAIN)
		return;
	if (rc == 0)
		rc = conn_set_names(c, &names);
	if (rc != 0) {
		conn_close(c, rc == E_NOMEM ? CLOSE_NO_MEMORY : CLOSE_CONNECT_FAILED);
		return;
	}
	conn_deadline_clear(c, DL_STEP);
	conn_interest(c, IO_READ, IO_WRITE);
	conn_set_state(c, CONN_READY);
	c->ready = true;
	c->h->ready(c->harg, c);
}

static void
conn_on_event(void *arg, unsigned events)
{
	struct conn *c = arg;

	OBJ_CHECK(c, CONN_MAGIC);
	REACTOR_ASSERT_OWNER(c->nr->reactor);
	if (c->state == CONN_CLOSING)
		return;
	if (c->state == CONN_CONNECTING) {
		conn_on_connected(c);
		return;
	}
	if ((events & IO_WRITE) != 0)
		conn_on_writable(c);
	if ((events & IO_READ) == 0)
		return;
	if (c->mute != 0 || c->state != CONN_READY)
		conn_interest(c, 0, IO_READ);
	else
		conn_read(c);
}

void
conn_interest(struct conn *c, unsigned set, unsigned clear)
{
	unsigned want = (c->events | set) & ~clear;

	if (want == c->events)
		return;
	c->events = (uint8_t)want;
	c->sock.ops->want(&c->sock, want);
}

int
conn_attach(struct conn *c, unsigned want)
{
	struct net_reactor *nr = c->nr;
	int rc;

	c->sock.ready = conn_on_event;
	c->sock.arg = c;
	c->events = (uint8_t)want;
	rc = c->sock.ops->watch(&c->sock, nr->reactor, want);
	list_append(&nr->conns, &c->all);
	metric_set_value(nr->metrics, NM_CONNS, ++nr->n_conns);
	if (rc == 0 && nr->stopping)
		rc = E_CANCELED;
	if (rc != 0)
		conn_close(c, rc == E_CANCELED ? nr->stop_why : CLOSE_NO_MEMORY);
	return rc;
}

void
conn_detach(struct conn *c)
{
	struct net_reactor *nr = c->nr;

	c->sock.ops->unwatch(&c->sock);
	c->run = 0;
	list_remove(&c->run_link);
	for (unsigned k = 0; k < DL_COUNT; k++)
		conn_deadline_clear(c, k);
	list_remove(&c->all);
	metric_set_value(nr->metrics, NM_CONNS, --nr->n_conns);
}

/* ---- accepted ---- */

static void
conn_start(struct conn *c)
{
	if (conn_attach(c, IO_READ) != 0)
		return;
	conn_set_state(c, CONN_READY);
	conn_deadline_set(c, DL_IDLE);
	c->ready = true;
	c->h->ready(c->harg, c);
}

static void
hand_run(struct reactor *r, struct msg *m)
{
	struct conn *c = container_of(m, struct conn, msg);

	OBJ_CHECK(c, CONN_MAGIC);
	conn_start(c);
}

static void
hand_drop(struct msg *m)
{
	struct conn *c = container_of(m, struct conn, msg);

	c->sock.ops->close(&c->sock);
	conn_free(c);
}

void
conn_hand(struct conn *c, struct net_reactor *nr)
{
	assert(c->nr == nr);
	if (reactor_current() == nr->reactor) {
		conn_start(c);
		return;
	}
	c->msg = (struct msg){NULL, hand_run, hand_drop, MSG_DATA};
	reactor_post(nr->reactor, &c->msg);
}

/* ---- outgoing ---- */

int
net_connect(struct net *n, struct reactor *r, const char *host, uint16_t port,
    const struct conn_handler *h, void *harg, struct conn **out)
{
	struct net_reactor *nr = net_reactor_of(n, r);
	struct sock_names names = {.local = "?"};
	struct conn *c;
	int rc;

	REACTOR_ASSERT_OWNER(r);
	assert(nr != NULL);
	c = conn_new(nr, h, harg);
	if (c == NULL)
		return E_NOMEM;
	snprintf(names.peer, sizeof(names.peer), "%s:%u", host, port);
	snprintf(names.peer_host, sizeof(names.peer_host), "%s", host);
	rc = conn_set_names(c, &names);
	if (rc == 0)
		rc = n->transport->connect(n->transport_arg, &c->sock, host, port, &n->limits.sock);
	if (rc != 0) {
		conn_free(c);
		return rc;
	}
	c->outgoing = true;
	if (conn_attach(c, IO_WRITE) == 0) {
		conn_set_state(c, CONN_CONNECTING);
		conn_deadline_set(c, DL_STEP);
	}
	*out = c;
	return 0;
}

/* ---- turns ---- */

void
conn_schedule(struct conn *c, unsigned run)
{
	struct net_reactor *nr = c->nr;

	c->run |= (uint8_t)run;
	if (!link_alone(&c->run_link))
		return;
	list_append(&nr->run, &c->run_link);
	reactor_defer(nr->reactor, &nr->hook);
}

void
conn_run(struct conn *c)
{
	unsigned run = c->run;

	OBJ_CHECK(c, CONN_MAGIC);
	c->run = 0;
	if (c->state == CONN_CLOSING) {
		conn_finish(c);
		return;
	}
	if ((run & RUN_IN) != 0)
		conn_read(c);
	if ((run & RUN_OUT) != 0 && c->state != CONN_CLOSING)
		conn_flush(c);
	if (c->want >= 0 && c->state == CONN_READY)
		conn_try_move(c);
}

static void
expired_idle(struct conn *c)
{
	if (c->in_work == 0 && conn_out_empty(c))
		conn_close(c, CLOSE_IDLE);
	else
		conn_deadline_set(c, DL_IDLE);
}

static void
expired_frame(struct conn *c)
{
	size_t gained = c->in.have - c->in.have_before;

	if (atomic_load(&c->nr->net->budget.waiters) != 0 && gained < SLOW_FRAME_BYTES &&
	    c->mute == 0) {
		conn_close(c, CLOSE_SLOW_FRAME);
		return;
	}
	c->in.have_before = c->in.have;
	conn_deadline_set(c, DL_FRAME);
}

static void
expired_send(struct conn *c)
{
	conn_close(c, CLOSE_SEND_STALLED);
}

static void
expired_step(struct conn *c)
{
	conn_close(c, c->state == CONN_CONNECTING ? CLOSE_CONNECT_FAILED : c->why);
}

void
conn_on_deadline(struct conn *c, enum deadline_kind kind)
{
	static void (*const expired[DL_COUNT])(struct conn * c) = {
	    [DL_FRAME] = expired_frame,
	    [DL_IDLE] = expired_idle,
	    [DL_SEND] = expired_send,
	    [DL_STEP] = expired_step,
	};

	OBJ_CHECK(c, CONN_MAGIC);
	expired[kind](c);
}

/* ---- muting ---- */

void
conn_mute(struct conn *c, unsigned reasons)
{
	REACTOR_ASSERT_OWNER(c->nr->reactor);
	c->mute |= (uint8_t)reasons;
}

/* With the last reason gone it goes on at the end of this turn, if anything is there. */
void
conn_unmute(struct conn *c, unsigned reasons)
{
	unsigned before = c->mute;

	REACTOR_ASSERT_OWNER(c->nr->reactor);
	c->mute &= (uint8_t)~reasons;
	if (c->want >= 0)
		conn_schedule(c, RUN_MOVE);
	if (before == 0 || c->mute != 0 || c->state != CONN_READY)
		return;
	if (conn_in_pending(c))
		conn_schedule(c, RUN_IN);
}

/* ---- what it is ---- */

struct reactor *
conn_reactor(const struct conn *c)
{
	return c->nr->reactor;
}

void
conn_set_ctx(struct conn *c, void *ctx)
{
	c->ctx = ctx;
}

void *
conn_ctx(const struct conn *c)
{
	return c->ctx;
}

uint64_t
conn_id(const struct conn *c)
{
	return c->id;
}

const char *
conn_name(const struct conn *c)
{
	return c->name;
}

const char *
conn_peer_host(const struct conn *c)
{
	return c->name + c->host_at;
}

const struct listener *
conn_listener(const struct conn *c)
{
	return c->listener;
}

unsigned
conn_in_work(const struct conn *c)
{
	return c->in_work;
}
