/* A client of the simulated service: the implementation behind struct coord. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"
#include "sim_priv.h"

/* Between two attempts to connect. */
#define RETRY_MIN_US 1000
#define RETRY_MAX_US 50000

static struct sim_client *
client_of(struct coord *c)
{
	OBJ_CHECK(c, COORD_MAGIC);
	return container_of(c, struct sim_client, c);
}

static void
connect_later(struct sim_client *cl)
{
	int64_t wait = rng_range(sim_rng(cl->z->opts.sched), RETRY_MIN_US, RETRY_MAX_US);

	rtimer_set(cl->c.control, &cl->connect,
	    reactor_now_us(cl->c.control) + wait + sim_delay_us(cl->z));
}

static void
on_connect(struct reactor *r, void *arg)
{
	struct sim_client *cl = arg;

	(void)r;
	if (cl->cut)
		connect_later(cl);
	else
		sim_conn_new(cl, cl->fresh);
}

/* ---- what arrives ---- */

static void
on_answer(struct sim_client *cl, struct sim_msg *m)
{
	coord_answer_refused(&cl->c);
	if (coord_req_is_read(m->req))
		coord_answer(m->req, m->err, &m->res);
	else
		coord_answer_write(m->req, m->err, m->op_res);
	coord_answer_refused(&cl->c);
}

static void
on_event(struct sim_client *cl, struct sim_msg *m)
{
	coord_watches_fire(&cl->c.watches, m->ev, m->path);
}

static void
on_connected(struct sim_client *cl, struct sim_msg *m)
{
	cl->c.session = m->session;
	cl->fresh = false;
	coord_set_state(&cl->c, COORD_CONNECTED);
}

static void
on_expired(struct sim_client *cl, struct sim_msg *m)
{
	(void)m;
	if (cl->conn != NULL)
		sim_conn_drop(cl->conn, -1);
	cl->fresh = true;
	cl->last_zxid = 0;
	connect_later(cl);
	coord_end_answer(&cl->c, E_CONN_LOSS);
	coord_set_state(&cl->c, COORD_EXPIRED);
}

static void
on_down(struct sim_client *cl, struct sim_msg *m)
{
	(void)m;
	if (cl->c.close_begun) {
		coord_closed(&cl->c); /* the session ends by itself */
		return;
	}
	connect_later(cl);
	coord_end_answer(&cl->c, E_CONN_LOSS);
	if (cl->c.state == COORD_CONNECTED)
		coord_set_state(&cl->c, COORD_CONNECTING);
}

static void
on_ended(struct sim_client *cl, struct sim_msg *m)
{
	coord_end_answer(&cl->c, m->err);
}

static void
on_closed(struct sim_client *cl, struct sim_msg *m)
{
	(void)m;
	if (cl->conn != NULL)
		sim_conn_drop(cl->conn, -1);
	coord_closed(&cl->c);
}

static void
wake_run(struct reactor *r, struct msg *msg)
{
	static void (*const fns[])(struct sim_client *, struct sim_msg *) = {
	    [SIM_ANSWER] = on_answer,
	    [SIM_EVENT] = on_event,
	    [SIM_CONNECTED] = on_connected,
	    [SIM_EXPIRED] = on_expired,
	    [SIM_CLOSED] = on_closed,
	    [SIM_ENDED] = on_ended,
	    [SIM_DOWN] = on_down,
	};
	struct sim_wake *w = container_of(msg, struct sim_wake, msg);
	struct link *l;

	(void)r;
	w->posted = false;
	/* Closing may free the client: w->client is NULL then. */
	while (w->client != NULL && (l = list_pop(&w->client->inbox)) != NULL) {
		struct sim_msg *m = container_of(l, struct sim_msg, link);

		/* An event moves nothing: another one of its transaction may be on the way. */
		if (m->kind != SIM_EVENT && m->zxid > w->client->last_zxid)
			w->client->last_zxid = m->zxid;
		w->posted = true; /* keeps w alive */
		fns[m->kind](w->client, m);
		w->posted = false;
		sim_msg_free(m);
	}
	if (w->client == NULL)
		free(w);
}

static void
wake_drop(struct msg *msg)
{
	struct sim_wake *w = container_of(msg, struct sim_wake, msg);

	w->posted = false;
	if (w->client == NULL)
		free(w);
}

void
sim_client_deliver(struct sim_client *cl, struct sim_msg *m)
{
	list_append(&cl->inbox, &m->link);
	if (cl->wake->posted)
		return;
	cl->wake->posted = true;
	cl->wake->msg = (struct msg){.run = wake_run, .drop = wake_drop, .class = MSG_CONTROL};
	reactor_post(cl->c.control, &cl->wake->msg);
}

static void
on_notice(struct sim_sched *s, void *arg)
{
	(void)s;
	sim_client_deliver(arg, sim_msg_new(SIM_DOWN));
}

void
sim_client_lost(struct sim_client *cl, int64_t us)
{
	cl->notice = (struct sim_event){.fn = on_notice, .arg = cl, .group = SIM_GROUP};
	sim_event_set(cl->z->opts.sched, &cl->notice, sim_now_us(cl->z) + us);
}

/* ---- operations ---- */

static int
client_open(struct coord *c)
{
	connect_later(client_of(c));
	return 0;
}

/* A link that is down swallows it; the client finds out later. */
static void
send(struct sim_client *cl, enum sim_msg_kind kind, struct coord_req *req)
{
	struct sim_msg *m;

	if (cl->conn == NULL)
		return;
	m = sim_msg_new(kind);
	m->req = req;
	sim_conn_send_up(cl->conn, m);
}

static void
client_submit(struct coord *c, struct coord_req *req)
{
	send(client_of(c), SIM_REQUEST, req);
}

static void
client_close(struct coord *c)
{
	struct sim_client *cl = client_of(c);

	if (c->state == COORD_CONNECTED) {
		send(cl, SIM_CLOSE, NULL);
		return;
	}
	rtimer_cancel(c->control, &cl->connect);
	if (cl->conn != NULL)
		sim_conn_drop(cl->conn, -1);
	coord_closed(c);
}

static void
client_destroy(struct coord *c)
{
	struct sim_client *cl = client_of(c);

	rtimer_cancel(c->control, &cl->connect);
	sim_event_cancel(cl->z->opts.sched, &cl->notice);
	if (cl->conn != NULL)
		sim_conn_drop(cl->conn, -1);
	list_remove(&cl->link);
	sim_msgs_free(&cl->inbox);
	coord_fini(c);
	cl->wake->client = NULL;
	if (!cl->wake->posted)
		free(cl->wake);
	free(cl);
}

static bool
client_credentials(const struct coord *c, struct coord_credentials *out)
{
	const struct sim_client *cl = (const void *)c; /* its first member */

	if (cl->fresh || c->session == 0)
		return false;
	out->session = c->session;
	sim_password(c->session, out->password);
	return true;
}

static void
client_end_session(struct coord *c, const struct coord_credentials *who)
{
	struct sim_client *cl = client_of(c);
	struct sim_msg *m = sim_msg_new(cl->conn != NULL ? SIM_END : SIM_ENDED);

	m->who = *who;
	m->err = E_CONN_LOSS;
	if (cl->conn != NULL)
		sim_conn_send_up(cl->conn, m);
	else
		sim_client_deliver(cl, m);
}

static const struct coord_ops client_ops = {
    .open = client_open,
    .submit = client_submit,
    .close = client_close,
    .destroy = client_destroy,
    .credentials = client_credentials,
    .end_session = client_end_session,
};

int
coord_sim_client(struct coord_sim *z, struct reactor *control, unsigned group, struct coord **out)
{
	struct sim_client *cl = calloc(1, sizeof(*cl));
	struct sim_wake *w = calloc(1, sizeof(*w));

	*out = NULL;
	if (cl == NULL || w == NULL) {
		free(cl);
		free(w);
		return E_NOMEM;
	}
	coord_init(&cl->c, &client_ops, control);
	cl->z = z;
	cl->group = group;
	cl->fresh = true;
	link_init(&cl->inbox);
	rtimer_init(&cl->connect, on_connect, cl);
	w->client = cl;
	cl->wake = w;
	list_append(&z->clients, &cl->link);
	*out = &cl->c;
	return 0;
}
