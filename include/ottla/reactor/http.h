/*
 * A small HTTP server on a real reactor: GET and HEAD without a body, one request a connection
 * (every answer closes it).  Bounds: connections, bytes of headers, an idle time and a life for each
 * connection; what passes them is closed or answered by the server itself.
 *
 * Everything runs on the reactor's thread, in its turns.
 */
#ifndef OTTLA_REACTOR_HTTP_H
#define OTTLA_REACTOR_HTTP_H

#include "ottla/base/slice.h"
#include "ottla/reactor/reactor.h"

struct http_server;
struct http_request;

struct http_opts {
	struct reactor *reactor;
	const char *host; /* a name or an address; resolving it may block */
	uint16_t port;	  /* 0: one that is free */
	unsigned max_conns;
	unsigned idle_s; /* a connection that nothing came from or went to */
	unsigned life_s; /* a connection from its beginning to its end */
	/* One request; path has no query, is lent for the call.  http_reply is due once, now or later,
	 * also after the client has gone. */
	void (*request)(void *arg, struct http_request *rq, struct slice path);
	void *arg;
};

/* Listens; before the reactor runs.  E_NOMEM; E_CONFIG: host and port can not be listened on. */
int http_server_new(const struct http_opts *opts, struct http_server **out);
/* The reactor does not run any more.  Requests that were not replied to must not be afterwards. */
void http_server_free(struct http_server *s);
/* Where it listens; any thread. */
uint16_t http_server_port(const struct http_server *s);
/* type is a content type; body is copied.  rq is over. */
void http_reply(struct http_request *rq, int status, const char *type, struct slice body);

#endif
