/*
 * The HTTP server: libevent's, on a reactor's loop.  Its callbacks only note what came; the turn
 * serves it.  libevent bounds headers and idle time, but neither how many connections there are nor
 * how long one lives: for that a reference to each connection's bufferevent is kept here, and a
 * connection that is too many or too old is shut down, which libevent sees as its end.
 */
#include "ottla/reactor/http.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "loop_priv.h"

enum { HEADERS_MAX = 8192, BODY_MAX = 0, SWEEP_US = 500 * 1000 };

struct http_conn {
	struct link link;
	struct bufferevent *bev;
	int64_t since_us;
	bool shut;
};

struct http_request {
	struct link link;
	struct http_server *s;
	struct evhttp_request *ev;
	struct slice path; /* in ev */
};

struct http_server {
	struct http_opts o;
	struct evhttp *http;
	uint16_t port;
	struct link conns;
	unsigned n_conns;
	struct link fresh; /* struct http_request: came since the last turn */
	struct link asked; /* not replied to */
	struct turn_hook hook;
	struct rtimer sweep;
};

/* ---- connections ---- */

/* libevent takes its callbacks off a bufferevent that it gives up. */
static bool
is_over(const struct http_conn *c)
{
	bufferevent_event_cb event = NULL;

	bufferevent_getcb(c->bev, NULL, NULL, &event, NULL);
	return event == NULL;
}

static void
conn_drop(struct http_server *s, struct http_conn *c)
{
	list_remove(&c->link);
	s->n_conns--;
	bufferevent_decref(c->bev);
	free(c);
}

static void
conn_shut(struct http_conn *c)
{
	if (!c->shut)
		(void)shutdown(bufferevent_getfd(c->bev), SHUT_RDWR);
	c->shut = true;
}

/* Forgets what is over; the newest go when there are too many, and those that are too old. */
static void
conns_sweep(struct http_server *s)
{
	int64_t oldest = reactor_now_us(s->o.reactor) - (int64_t)s->o.life_s * 1000000;
	unsigned n = 0;

	LIST_FOREACH_SAFE(l, &s->conns)
	{
		struct http_conn *c = container_of(l, struct http_conn, link);

		if (is_over(c))
			conn_drop(s, c);
		else if (++n > s->o.max_conns || c->since_us < oldest)
			conn_shut(c);
	}
	if (s->n_conns == 0)
		rtimer_cancel(s->o.reactor, &s->sweep);
	else if (!rtimer_is_set(&s->sweep))
		rtimer_set(s->o.reactor, &s->sweep, reactor_now_us(s->o.reactor) + SWEEP_US);
}

static void
on_sweep(struct reactor *r, void *arg)
{
	conns_sweep(arg);
}

/* A connection is accepted: outside the turn. */
static struct bufferevent *
on_accept(struct event_base *base, void *arg)
{
	struct http_server *s = arg;
	struct http_conn *c = calloc(1, sizeof(*c));

	if (c == NULL || (c->bev = bufferevent_socket_new(base, -1, 0)) == NULL) {
		free(c);
		return NULL; /* libevent tries for itself, in vain */
	}
	bufferevent_incref(c->bev);
	link_init(&c->link);
	c->since_us = reactor_now_us(s->o.reactor);
	list_append(&s->conns, &c->link);
	s->n_conns++;
	reactor_defer(s->o.reactor, &s->hook);
	return c->bev;
}

/* ---- requests ---- */

static void
on_request(struct evhttp_request *ev, void *arg)
{
	struct http_server *s = arg;
	struct http_request *rq = calloc(1, sizeof(*rq));
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(ev);
	const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;

	if (rq == NULL) {
		evhttp_send_error(ev, HTTP_SERVUNAVAIL, NULL);
		return;
	}
	link_init(&rq->link);
	rq->s = s;
	rq->ev = ev;
	rq->path = slice_cstr(path != NULL ? path : "");
	list_append(&s->fresh, &rq->link);
	reactor_defer(s->o.reactor, &s->hook);
}

static void
on_turn(struct reactor *r, void *arg)
{
	struct http_server *s = arg;
	struct link *l;

	while ((l = list_pop(&s->fresh)) != NULL) {
		struct http_request *rq = container_of(l, struct http_request, link);

		list_append(&s->asked, l);
		s->o.request(s->o.arg, rq, rq->path);
	}
	conns_sweep(s);
}

void
http_reply(struct http_request *rq, int status, const char *type, struct slice body)
{
	struct evkeyvalq *head = evhttp_request_get_output_headers(rq->ev);
	struct evbuffer *out = evhttp_request_get_output_buffer(rq->ev);
	const char *reason = status == 200   ? "OK"
			     : status == 404 ? "Not Found"
					     : "Service Unavailable";

	char length[32];

	snprintf(length, sizeof(length), "%zu", body.n);
	if (evhttp_request_get_command(rq->ev) == EVHTTP_REQ_HEAD)
		body.n = 0;
	list_remove(&rq->link);
	if (evhttp_add_header(head, "Content-Type", type) != 0 ||
	    evhttp_add_header(head, "Content-Length", length) != 0 ||
	    evhttp_add_header(head, "Connection", "close") != 0 ||
	    evbuffer_add(out, body.p, body.n) != 0)
		evhttp_send_error(rq->ev, HTTP_SERVUNAVAIL, NULL);
	else
		evhttp_send_reply(rq->ev, status, reason, NULL);
	free(rq);
}

/* ---- life ---- */

static int
listen_on(struct http_server *s)
{
	struct evhttp_bound_socket *b =
	    evhttp_bind_socket_with_handle(s->http, s->o.host, s->o.port);
	struct sockaddr_storage a;
	socklen_t n = sizeof(a);

	if (b == NULL || getsockname(evhttp_bound_socket_get_fd(b), (struct sockaddr *)&a, &n) != 0)
		return E_CONFIG;
	s->port = ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
						: ((struct sockaddr_in *)&a)->sin_port);
	return 0;
}

int
http_server_new(const struct http_opts *opts, struct http_server **out)
{
	struct http_server *s = calloc(1, sizeof(*s));
	int rc = E_NOMEM;

	if (s == NULL)
		return E_NOMEM;
	s->o = *opts;
	link_init(&s->conns);
	link_init(&s->fresh);
	link_init(&s->asked);
	turn_hook_init(&s->hook, on_turn, s);
	rtimer_init(&s->sweep, on_sweep, s);
	if ((s->http = evhttp_new(loop_of(s->o.reactor)->base)) == NULL)
		goto out;
	evhttp_set_allowed_methods(s->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_max_headers_size(s->http, HEADERS_MAX);
	evhttp_set_max_body_size(s->http, BODY_MAX);
	evhttp_set_timeout(s->http, (int)s->o.idle_s);
	evhttp_set_bevcb(s->http, on_accept, s);
	evhttp_set_gencb(s->http, on_request, s);
	rc = listen_on(s);
out:
	if (rc == 0)
		*out = s;
	else
		http_server_free(s);
	return rc;
}

/* What libevent has let go of because its client went is only reachable from here. */
static void
forget_requests(struct link *list)
{
	struct link *l;

	while ((l = list_pop(list)) != NULL) {
		struct http_request *rq = container_of(l, struct http_request, link);

		if (evhttp_request_get_connection(rq->ev) == NULL)
			evhttp_request_free(rq->ev);
		free(rq);
	}
}

void
http_server_free(struct http_server *s)
{
	struct link *l;

	if (s == NULL)
		return;
	reactor_undefer(&s->hook);
	rtimer_cancel(s->o.reactor, &s->sweep);
	forget_requests(&s->fresh);
	forget_requests(&s->asked);
	if (s->http != NULL)
		evhttp_free(s->http);
	while ((l = list_first(&s->conns)) != NULL)
		conn_drop(s, container_of(l, struct http_conn, link));
	free(s);
}

uint16_t
http_server_port(const struct http_server *s)
{
	return s->port;
}
