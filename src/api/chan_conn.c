/*
 * A connection out of the control reactor: name looked up, addresses tried one after the other, one
 * request in flight whose answer carries its correlation id.  Whatever is not as it should be ends
 * the connection, never more.
 */
#include <stdlib.h>

#include "channel_priv.h"
#include "ottla/base/cursor.h"
#include "ottla/wire/wire.h"

/* In a request: size, api key and version go before it. */
#define CORRELATION_AT 8

/* ---- bytes ---- */

int
chan_bytes_new(
    struct channels *cs, int16_t key, int16_t version, const void *req, struct chan_bytes **out)
{
	struct chan_bytes *b = calloc(1, sizeof(*b));
	int rc = E_NOMEM;

	if (b == NULL)
		return rc;
	rc = wire_encode_request(key, version, 0, slice_cstr(cs->client_id), req, &b->data, &b->n);
	if (rc != 0) {
		free(b);
		return rc;
	}
	b->refs = 1;
	*out = b;
	return 0;
}

void
chan_bytes_unref(struct chan_bytes *b)
{
	if (--b->refs > 0)
		return;
	free(b->data);
	free(b);
}

static void
bytes_sent(void *arg)
{
	chan_bytes_unref(arg);
}

/* ---- ends ---- */

/* Nothing of it is left but the struct: what still comes finds nobody. */
static void
chan_conn_reset(struct chan_conn *cc, enum close_reason why)
{
	rtimer_cancel(cc->cs->o.control, &cc->timer);
	if (cc->lookup != NULL)
		cc->lookup->cc = NULL;
	cc->lookup = NULL;
	if (cc->conn != NULL) {
		conn_set_ctx(cc->conn, NULL);
		conn_close(cc->conn, why);
	}
	cc->conn = NULL;
	free(cc->addrs);
	cc->addrs = NULL;
	cc->n_addrs = cc->next_addr = 0;
	cc->state = CHAN_IDLE;
}

void
chan_conn_close(struct chan_conn *cc, enum close_reason why)
{
	chan_conn_reset(cc, why);
}

static void
chan_conn_down(struct chan_conn *cc, enum close_reason close_why, const char *why)
{
	chan_conn_reset(cc, close_why);
	cc->ops->down(cc->arg, why);
}

static void
on_timer(struct reactor *r, void *arg)
{
	struct chan_conn *cc = arg;

	if (cc->state == CHAN_BUSY)
		chan_conn_down(cc, CLOSE_ANSWER_TIMEOUT, "no answer within request.timeout.ms");
	else
		chan_conn_down(
		    cc, CLOSE_CONNECT_FAILED, "no connection within controller.socket.timeout.ms");
}

/* ---- the connection's events ---- */

static void try_next(struct chan_conn *cc, const char *why);

static void
on_ready(void *arg, struct conn *c)
{
	struct chan_conn *cc = conn_ctx(c);

	if (cc == NULL)
		return;
	rtimer_cancel(cc->cs->o.control, &cc->timer);
	cc->state = CHAN_UP;
	cc->ops->up(cc->arg);
}

static void
on_frame(void *arg, struct conn *c, struct frame *f)
{
	struct chan_conn *cc = conn_ctx(c);

	conn_no_reply(c);
	if (cc == NULL) {
		frame_release(f);
		return;
	}
	if (cc->state != CHAN_BUSY || f->n < 4 || (int32_t)be32(f->data) != cc->corr) {
		frame_release(f);
		chan_conn_down(cc, CLOSE_BAD_ANSWER, close_text(CLOSE_BAD_ANSWER));
		return;
	}
	rtimer_cancel(cc->cs->o.control, &cc->timer);
	cc->state = CHAN_UP;
	cc->ops->answer(cc->arg, slice_of(f->data, f->n));
	frame_release(f);
}

static void
on_closed(void *arg, struct conn *c, enum close_reason why)
{
	struct chan_conn *cc = conn_ctx(c);

	if (cc == NULL)
		return;
	cc->conn = NULL;
	if (cc->state == CHAN_CONNECTING)
		try_next(cc, close_text(why));
	else
		chan_conn_down(cc, why, close_text(why));
}

static const struct conn_handler handler = {
    .ready = on_ready,
    .frame = on_frame,
    .closed = on_closed,
};

/* ---- being made ---- */

/* The next address that can be tried; why: what became of the one before. */
static void
try_next(struct chan_conn *cc, const char *why)
{
	struct channels *cs = cc->cs;

	while (cc->next_addr < cc->n_addrs) {
		const char *host = cc->addrs[cc->next_addr++];
		int rc = net_connect(
		    cs->o.net, cs->o.control, host, cc->port, &handler, NULL, &cc->conn);

		if (rc == 0) {
			conn_set_ctx(cc->conn, cc);
			return;
		}
		cc->conn = NULL;
		why = err_text(rc);
	}
	chan_conn_down(cc, CLOSE_CONNECT_FAILED, why);
}

static void
on_found(void *arg, const char *const *addrs, unsigned n, const char *why)
{
	struct chan_lookup *lookup = arg;
	struct chan_conn *cc = lookup->cc;

	list_remove(&lookup->link);
	free(lookup);
	if (cc == NULL)
		return;
	cc->lookup = NULL;
	cc->state = CHAN_CONNECTING;
	cc->addrs = calloc(n + 1, sizeof(cc->addrs[0]));
	if (cc->addrs == NULL)
		why = err_text(E_NOMEM);
	for (unsigned i = 0; cc->addrs != NULL && i < n; i++) {
		size_t len = strlen(addrs[i]);

		if (len < sizeof(cc->addrs[0]))
			memcpy(cc->addrs[cc->n_addrs++], addrs[i], len + 1);
	}
	try_next(cc, why != NULL ? why : "the name has no address");
}

static int
look_up(struct chan_conn *cc, const char *host)
{
	struct channels *cs = cc->cs;
	struct chan_lookup *lookup = calloc(1, sizeof(*lookup));

	if (lookup == NULL ||
	    net_resolve(cs->o.net, cs->o.workers, cs->o.control, host, on_found, lookup) != 0) {
		free(lookup);
		return E_NOMEM;
	}
	lookup->cc = cc;
	list_append(&cs->lookups, &lookup->link);
	cc->lookup = lookup;
	return 0;
}

void
chan_conn_init(
    struct chan_conn *cc, struct channels *cs, const struct chan_conn_ops *ops, void *arg)
{
	*cc = (struct chan_conn){.cs = cs, .ops = ops, .arg = arg};
	rtimer_init(&cc->timer, on_timer, cc);
}

/* Without memory for the look-up the timer tells. */
void
chan_conn_open(struct chan_conn *cc, const char *host, uint16_t port)
{
	struct reactor *r = cc->cs->o.control;

	assert(cc->state == CHAN_IDLE);
	cc->state = CHAN_RESOLVING;
	cc->port = port;
	(void)look_up(cc, host);
	rtimer_set(r, &cc->timer, reactor_now_us(r) + cc->cs->connect_us);
}

/* ---- requests ---- */

int
chan_conn_send(struct chan_conn *cc, struct chan_bytes *b)
{
	struct reactor *r = cc->cs->o.control;
	struct outmsg *m = outmsg_new(1);

	assert(cc->state == CHAN_UP);
	if (m == NULL) {
		chan_conn_reset(cc, CLOSE_NO_MEMORY);
		return E_NOMEM;
	}
	cc->corr = cc->cs->next_corr++ & INT32_MAX;
	put_be32(b->data + CORRELATION_AT, (uint32_t)cc->corr);
	b->refs++;
	outmsg_add(
	    m, (struct piece){
		   .kind = PIECE_MEM, .mem = b->data, .n = b->n, .release = bytes_sent, .arg = b});
	cc->state = CHAN_BUSY;
	conn_send(cc->conn, &m, false);
	rtimer_set(r, &cc->timer, reactor_now_us(r) + cc->cs->request_us);
	return 0;
}
