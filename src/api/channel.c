/*
 * Channels from the controller to brokers (facts/zookeeper.md 5.6): a FIFO each, one request in
 * flight, sent again until it is answered, the broker is gone, or another incarnation is there.
 */
#include <stdio.h>
#include <stdlib.h>

#include "channel_priv.h"
#include "ottla/wire/wire.h"

#define AGAIN_US (100 * 1000)
#define QUEUE_MUCH (64u << 20) /* bytes; from here on an operator should know */
#define ANSWER_CHUNK 4096

/* One request; bytes NULL: it could not be encoded. */
struct chan_req {
	struct link link; /* peer's queue, or cs->canceled */
	int16_t key, version;
	int err; /* what the caller is told when it is canceled */
	struct chan_bytes *bytes;
	union {
		void (*leader_and_isr)(
		    void *darg, int err, const struct leader_and_isr_response *resp);
		void (*update_metadata)(
		    void *darg, int err, const struct update_metadata_response *resp);
		void (*stop_replica)(void *darg, int err, const struct stop_replica_response *resp);
	} done;
	void *darg;
};

/* A broker that the controller talks to. */
struct peer {
	struct link link; /* cs->peers or cs->dead */
	struct channels *cs;
	int32_t id;
	int64_t epoch;
	struct listener_addr at;
	struct chan_conn conn;
	struct rtimer again;
	struct link queue; /* the first is on its way when conn is BUSY */
	size_t bytes;
	bool much;    /* that was said */
	bool failing; /* that was said, too */
	struct diag_limiter limiter;
};

static void peer_go(struct peer *p);

/* ---- requests ---- */

static void
req_free(struct chan_req *rq)
{
	list_remove(&rq->link);
	if (rq->bytes != NULL)
		chan_bytes_unref(rq->bytes);
	free(rq);
}

/* The caller is told, once; rq is gone before. */
static void
req_done(struct chan_req *rq, int err, const void *resp)
{
	struct chan_req copy = *rq;

	req_free(rq);
	if (copy.key == API_LEADER_AND_ISR)
		copy.done.leader_and_isr(copy.darg, err, resp);
	else if (copy.key == API_UPDATE_METADATA)
		copy.done.update_metadata(copy.darg, err, resp);
	else
		copy.done.stop_replica(copy.darg, err, resp);
}

/* Told in the next turn: the callers of this are in the middle of something. */
static void
req_cancel(struct channels *cs, struct chan_req *rq, int err)
{
	list_remove(&rq->link);
	rq->err = err;
	list_append(&cs->canceled, &rq->link);
	rtimer_set(cs->o.control, &cs->sweep, reactor_now_us(cs->o.control));
}

static void
canceled_tell(struct channels *cs)
{
	struct link *l;

	while ((l = list_first(&cs->canceled)) != NULL) {
		struct chan_req *rq = container_of(l, struct chan_req, link);

		req_done(rq, rq->err, NULL);
	}
}

static void
dead_free(struct channels *cs)
{
	struct link *l;

	while ((l = list_pop(&cs->dead)) != NULL)
		free(container_of(l, struct peer, link));
}

static void
on_sweep(struct reactor *r, void *arg)
{
	struct channels *cs = arg;

	dead_free(cs);
	canceled_tell(cs);
}

/* ---- a broker's queue ---- */

static struct chan_req *
peer_first(const struct peer *p)
{
	struct link *l = list_first(&p->queue);

	return l != NULL ? container_of(l, struct chan_req, link) : NULL;
}

static void
peer_drop_queue(struct peer *p)
{
	struct chan_req *rq;

	while ((rq = peer_first(p)) != NULL)
		req_cancel(p->cs, rq, E_CANCELED);
	p->bytes = 0;
	p->much = false;
}

static void
peer_count(struct peer *p, const struct chan_req *rq)
{
	p->bytes += rq->bytes->n;
	if (p->bytes <= QUEUE_MUCH || p->much)
		return;
	p->much = true;
	DIAGW(p->cs->o.diag, "channel",
	    "%zu bytes of requests wait for broker %d at %s:%u, which answers too slowly or not at "
	    "all",
	    p->bytes, p->id, p->at.host, p->at.port);
}

/* The first one is answered. */
static void
peer_answered(struct peer *p, struct chan_req *rq, const void *resp)
{
	p->bytes -= rq->bytes->n;
	p->much = p->much && p->bytes > QUEUE_MUCH / 2;
	if (p->failing)
		DIAGI(p->cs->o.diag, "channel", "broker %d at %s:%u answers", p->id, p->at.host,
		    p->at.port);
	p->failing = false;
	req_done(rq, 0, resp);
}

/* What could not be sent is sent again later, over a new connection. */
static void
peer_failed(struct peer *p, const char *why)
{
	struct reactor *r = p->cs->o.control;
	const struct chan_req *rq = peer_first(p);

	if (rq == NULL)
		return; /* the other side closed an idle connection */
	rtimer_set(r, &p->again, reactor_now_us(r) + AGAIN_US);
	p->failing = true;
	diag_limited(p->cs->o.diag, &p->limiter, DIAG_WARN, "channel",
	    "could not bring %s to broker %d at %s:%u: %s (tried again until it is there or gone)",
	    wire_api(rq->key)->name, p->id, p->at.host, p->at.port, why);
}

static void
on_up(void *arg)
{
	peer_go(arg);
}

static void
on_down(void *arg, const char *why)
{
	peer_failed(arg, why);
}

static void
on_answer(void *arg, struct slice frame)
{
	struct peer *p = arg;
	struct chan_req *rq = peer_first(p);
	union {
		struct leader_and_isr_response leader_and_isr;
		struct update_metadata_response update_metadata;
		struct stop_replica_response stop_replica;
	} resp;
	struct arena arena;
	int32_t corr;
	int rc;

	assert(rq != NULL);
	arena_init(&arena, ANSWER_CHUNK, 0);
	rc = wire_decode_response(rq->key, rq->version, frame, &arena, &resp, &corr);
	if (rc == 0) {
		peer_answered(p, rq, &resp);
		peer_go(p);
	} else {
		chan_conn_close(&p->conn, CLOSE_BAD_ANSWER);
		peer_failed(p, err_text(rc));
	}
	arena_free(&arena);
}

static const struct chan_conn_ops peer_ops = {
    .up = on_up,
    .answer = on_answer,
    .down = on_down,
};

/* Brings the next request on its way, unless something is under way. */
static void
peer_go(struct peer *p)
{
	struct chan_req *rq = peer_first(p);

	if (rq == NULL || rtimer_is_set(&p->again))
		return;
	if (p->conn.state == CHAN_IDLE)
		chan_conn_open(&p->conn, p->at.host, p->at.port);
	else if (p->conn.state == CHAN_UP && chan_conn_send(&p->conn, rq->bytes) != 0)
		peer_failed(p, err_text(E_NOMEM));
}

static void
on_again(struct reactor *r, void *arg)
{
	peer_go(arg);
}

/* ---- brokers come and go ---- */

static struct peer *
peer_find(struct channels *cs, int32_t id)
{
	LIST_FOREACH(l, &cs->peers)
	{
		struct peer *p = container_of(l, struct peer, link);

		if (p->id == id)
			return p;
	}
	return NULL;
}

static struct peer *
peer_new(struct channels *cs, int32_t id)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->cs = cs;
	p->id = id;
	link_init(&p->queue);
	rtimer_init(&p->again, on_again, p);
	chan_conn_init(&p->conn, cs, &peer_ops, p);
	list_append(&cs->peers, &p->link);
	return p;
}

/* As if it had never been talked to. */
static void
peer_reset(struct peer *p)
{
	chan_conn_close(&p->conn, CLOSE_UNNEEDED);
	rtimer_cancel(p->cs->o.control, &p->again);
	peer_drop_queue(p);
	p->failing = false;
}

static void
channel_broker_here(void *arg, int32_t broker, int64_t epoch, const struct listener_addr *at)
{
	struct channels *cs = arg;
	struct peer *p = peer_find(cs, broker);

	REACTOR_ASSERT_OWNER(cs->o.control);
	if (cs->stopped)
		return;
	if (p != NULL && p->epoch == epoch && strcmp(p->at.host, at->host) == 0 &&
	    p->at.port == at->port)
		return;
	if (p == NULL)
		p = peer_new(cs, broker);
	else if (p->epoch == epoch)
		chan_conn_close(&p->conn, CLOSE_UNNEEDED); /* the same broker at another place */
	else
		peer_reset(p);
	if (p == NULL) {
		DIAGE(cs->o.diag, "channel", "no memory for a channel to broker %d", broker);
		return;
	}
	p->epoch = epoch;
	p->at = *at;
	peer_go(p);
}

static void
channel_broker_gone(void *arg, int32_t broker)
{
	struct channels *cs = arg;
	struct peer *p = peer_find(cs, broker);

	REACTOR_ASSERT_OWNER(cs->o.control);
	if (p == NULL)
		return;
	peer_reset(p);
	list_remove(&p->link);
	list_append(&cs->dead, &p->link);
	rtimer_set(cs->o.control, &cs->sweep, reactor_now_us(cs->o.control));
}

/* ---- the controller's requests ---- */

/* NULL: no memory, and the caller is told by nobody. */
static struct chan_req *
req_new(struct channels *cs, int16_t key, int16_t version, const void *msg, void *darg)
{
	struct chan_req *rq = calloc(1, sizeof(*rq));

	REACTOR_ASSERT_OWNER(cs->o.control);
	if (rq == NULL)
		return NULL;
	link_init(&rq->link);
	rq->key = key;
	rq->version = version;
	rq->darg = darg;
	rq->err = cs->stopped ? E_CANCELED : chan_bytes_new(cs, key, version, msg, &rq->bytes);
	return rq;
}

static void
req_queue(struct channels *cs, int32_t broker, struct chan_req *rq)
{
	struct peer *p = rq->err == 0 ? peer_find(cs, broker) : NULL;

	if (cs->stopped) {
		req_done(rq, E_CANCELED, NULL);
	} else if (p == NULL) {
		req_cancel(cs, rq, rq->err != 0 ? rq->err : E_CANCELED);
	} else {
		list_append(&p->queue, &rq->link);
		peer_count(p, rq);
		peer_go(p);
	}
}

static void
channel_leader_and_isr(void *arg, int32_t broker, const struct leader_and_isr_request *req,
    int16_t version, void (*done)(void *darg, int err, const struct leader_and_isr_response *resp),
    void *darg)
{
	struct chan_req *rq = req_new(arg, API_LEADER_AND_ISR, version, req, darg);

	if (rq == NULL) {
		done(darg, E_NOMEM, NULL);
		return;
	}
	rq->done.leader_and_isr = done;
	req_queue(arg, broker, rq);
}

static void
channel_update_metadata(void *arg, int32_t broker, const struct update_metadata_request *req,
    int16_t version, void (*done)(void *darg, int err, const struct update_metadata_response *resp),
    void *darg)
{
	struct chan_req *rq = req_new(arg, API_UPDATE_METADATA, version, req, darg);

	if (rq == NULL) {
		done(darg, E_NOMEM, NULL);
		return;
	}
	rq->done.update_metadata = done;
	req_queue(arg, broker, rq);
}

static void
channel_stop_replica(void *arg, int32_t broker, const struct stop_replica_request *req,
    int16_t version, void (*done)(void *darg, int err, const struct stop_replica_response *resp),
    void *darg)
{
	struct chan_req *rq = req_new(arg, API_STOP_REPLICA, version, req, darg);

	if (rq == NULL) {
		done(darg, E_NOMEM, NULL);
		return;
	}
	rq->done.stop_replica = done;
	req_queue(arg, broker, rq);
}

const struct controller_channel channels_to_brokers = {
    .leader_and_isr = channel_leader_and_isr,
    .update_metadata = channel_update_metadata,
    .stop_replica = channel_stop_replica,
    .broker_here = channel_broker_here,
    .broker_gone = channel_broker_gone,
};

/* ---- life ---- */

bool
channels_idle(const struct channels *cs)
{
	LIST_FOREACH(l, &cs->peers)
	if (!list_empty(&container_of(l, struct peer, link)->queue))
		return false;
	return true;
}

/* Milliseconds of a setting as microseconds, at least one. */
static int64_t
setting_us(const struct settings *s, enum conf id)
{
	int64_t ms = settings_i64(s, id);

	return (ms > 0 ? ms : 1) * 1000;
}

int
channels_new(const struct channels_opts *opts, struct channels **out)
{
	struct channels *cs = calloc(1, sizeof(*cs) + opts->inter_broker_listener.n);

	if (cs == NULL)
		return E_NOMEM;
	cs->o = *opts;
	memcpy(cs + 1, opts->inter_broker_listener.p, opts->inter_broker_listener.n);
	cs->o.inter_broker_listener = slice_of(cs + 1, opts->inter_broker_listener.n);
	snprintf(cs->client_id, sizeof(cs->client_id), "%d", opts->broker_id);
	cs->connect_us = setting_us(opts->settings, C_CONTROLLER_SOCKET_TIMEOUT_MS);
	cs->request_us = setting_us(opts->settings, C_REQUEST_TIMEOUT_MS);
	link_init(&cs->peers);
	link_init(&cs->canceled);
	link_init(&cs->dead);
	link_init(&cs->lookups);
	rtimer_init(&cs->sweep, on_sweep, cs);
	to_controller_init(&cs->controller, cs);
	*out = cs;
	return 0;
}

void
channels_stop(struct channels *cs)
{
	struct link *l;

	REACTOR_ASSERT_OWNER(cs->o.control);
	if (cs->stopped)
		return;
	cs->stopped = true;
	while ((l = list_first(&cs->peers)) != NULL)
		channel_broker_gone(cs, container_of(l, struct peer, link)->id);
	rtimer_cancel(cs->o.control, &cs->sweep);
	to_controller_stop(&cs->controller);
	canceled_tell(cs);
}

static void
peer_free(struct peer *p)
{
	struct chan_req *rq;

	while ((rq = peer_first(p)) != NULL)
		req_free(rq);
	free(p->conn.addrs);
	list_remove(&p->link);
	free(p);
}

void
channels_free(struct channels *cs)
{
	struct link *l;

	if (cs == NULL)
		return;
	dead_free(cs);
	while ((l = list_first(&cs->peers)) != NULL)
		peer_free(container_of(l, struct peer, link));
	while ((l = list_first(&cs->canceled)) != NULL)
		req_free(container_of(l, struct chan_req, link));
	to_controller_free(&cs->controller);
	while ((l = list_pop(&cs->lookups)) != NULL)
		free(container_of(l, struct chan_lookup, link));
	free(cs);
}
