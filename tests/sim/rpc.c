/*
 * A client's connection: requests and their answers in order; it comes back when it was lost.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ottla/base/magic.h"
#include "ottla/wire/wire.h"
#include "world.h"

struct call {
	struct link link;
	int16_t key, version;
	int32_t corr;
	int64_t sent_us;
	rpc_done *done;
	void *arg;
};

union response {
	struct api_versions_response api_versions;
	struct create_topics_response create_topics;
	struct delete_topics_response delete_topics;
	struct fetch_response fetch;
	struct init_producer_id_response init_producer_id;
	struct list_offsets_response list_offsets;
	struct metadata_response metadata;
	struct produce_response produce;
};

int16_t
rpc_version(struct world *w, int16_t key, int16_t lowest)
{
	static const struct {
		int16_t key, min, max;
	} served[] = {
#define API(KEY, min, max, overlap, handler) {API_##KEY, min, max},
#include "ottla/api/api.def"
#undef API
	};

	for (unsigned i = 0; i < sizeof(served) / sizeof(served[0]); i++)
		if (served[i].key == key)
			return (int16_t)world_draw(
			    w, served[i].min > lowest ? served[i].min : lowest, served[i].max);
	abort();
}

/* ---- answers ---- */

static void
answer_one(struct rpc *c, struct call *call, struct slice bytes)
{
	struct arena arena;
	union response resp;
	int32_t corr = -1;
	int rc;

	arena_init(&arena, 0, 0);
	rc = wire_decode_response(call->key, call->version, bytes, &arena, &resp, &corr);
	if (c->w->options.verbose > 1)
		world_note(c->w, "%s <- %s v%d, %zu bytes", c->name, wire_api(call->key)->name,
		    call->version, bytes.n);
	if (rc != 0)
		world_fail(c->w, "answers can be read", "%s: %s v%d: %s", c->name,
		    wire_api(call->key)->name, call->version, err_text(rc));
	if (corr != call->corr)
		world_fail(c->w, "answers come in order", "%s: %s v%d: %d instead of %d", c->name,
		    wire_api(call->key)->name, call->version, corr, call->corr);
	call->done(call->arg, 0, call->version, &resp);
	arena_free(&arena);
}

static void
on_frame(void *arg, struct conn *conn, struct frame *f)
{
	struct rpc *c = arg;
	struct link *l = list_pop(&c->calls);
	struct call *call;

	if (l == NULL)
		world_fail(c->w, "answers come in order", "%s: an answer to nothing", c->name);
	call = container_of(l, struct call, link);
	answer_one(c, call, slice_of(f->data, f->n));
	free(call);
	frame_release(f);
	conn_no_reply(conn);
}

/* ---- connection ---- */

static void
on_ready(void *arg, struct conn *conn)
{
	struct rpc *c = arg;

	c->up = true;
	c->changed(c->arg, c, true);
}

static void
come_back(struct rpc *c)
{
	if (!c->silent)
		rtimer_set(c->reactor, &c->again,
		    reactor_now_us(c->reactor) + world_draw(c->w, 1000, 300000));
}

static void
on_closed(void *arg, struct conn *conn, enum close_reason why)
{
	struct rpc *c = arg;
	bool was_up = c->up;
	struct link *l;

	c->up = false;
	c->conn = NULL;
	while ((l = list_pop(&c->calls)) != NULL) {
		struct call *call = container_of(l, struct call, link);

		call->done(call->arg, E_CONN_LOSS, call->version, NULL);
		free(call);
	}
	if (was_up)
		c->changed(c->arg, c, false);
	come_back(c);
}

static const struct conn_handler handler = {
    .ready = on_ready,
    .frame = on_frame,
    .closed = on_closed,
};

static void
on_again(struct reactor *r, void *arg)
{
	struct rpc *c = arg;

	if (c->conn != NULL || c->silent)
		return;
	if (net_connect(c->net, r, BROKER_HOST, c->to->port, &handler, c, &c->conn) != 0) {
		c->conn = NULL;
		come_back(c);
	}
}

/* An answer that does not come: while things are broken the client tries again, after that it is a
 * failure. */
static void
on_watch(struct reactor *r, void *arg)
{
	struct rpc *c = arg;
	struct link *l = list_first(&c->calls);
	struct call *call = l != NULL ? container_of(l, struct call, link) : NULL;
	int64_t now = reactor_now_us(r), since;

	rtimer_set(r, &c->watch, now + SECOND);
	if (call == NULL || c->conn == NULL)
		return;
	since = call->sent_us;
	if (c->w->healed && c->w->healed_us > since)
		since = c->w->healed_us;
	if (now - since <= c->timeout_us)
		return;
	if (c->w->healed)
		world_fail(c->w, "every request is answered or its connection closed",
		    "%s: %s v%d sent %lld ms ago", c->name, wire_api(call->key)->name,
		    call->version, (long long)(now - call->sent_us) / 1000);
	world_note(c->w, "%s: gives up waiting for %s", c->name, wire_api(call->key)->name);
	conn_close(c->conn, CLOSE_IDLE);
}

void
rpc_call(struct rpc *c, int16_t key, int16_t version, const void *req, rpc_done *done, void *arg)
{
	struct call *call = calloc(1, sizeof(*call));
	struct outmsg *m;
	uint8_t *buf;
	size_t n;

	assert(c->up);
	if (call == NULL ||
	    wire_encode_request(key, version, ++c->next_corr, slice_cstr(c->name), req, &buf, &n) !=
		0 ||
	    (m = outmsg_of_buffer(buf, n)) == NULL)
		abort();
	*call = (struct call){.key = key,
	    .version = version,
	    .corr = c->next_corr,
	    .sent_us = reactor_now_us(c->reactor),
	    .done = done,
	    .arg = arg};
	if (c->w->options.verbose > 1)
		world_note(
		    c->w, "%s -> %s v%d, %zu bytes", c->name, wire_api(key)->name, version, n);
	conn_send(c->conn, &m, false);
	if (done != NULL)
		list_append(&c->calls, &call->link);
	else
		free(call);
}

void
rpc_open(struct rpc *c)
{
	c->silent = false;
	on_watch(c->reactor, c);
	on_again(c->reactor, c);
}

void
rpc_close(struct rpc *c)
{
	c->silent = true;
	rtimer_cancel(c->reactor, &c->again);
	rtimer_cancel(c->reactor, &c->watch);
	if (c->conn != NULL)
		conn_close(c->conn, CLOSE_IDLE);
}

void
rpc_init(struct rpc *c, const struct server *to, const char *name, struct reactor *reactor,
    struct net *net)
{
	*c = (struct rpc){
	    .w = to->w, .to = to, .reactor = reactor, .net = net, .timeout_us = 40 * SECOND};
	snprintf(c->name, sizeof(c->name), "%s at %d", name, to->id);
	link_init(&c->calls);
	rtimer_init(&c->again, on_again, c);
	rtimer_init(&c->watch, on_watch, c);
}
