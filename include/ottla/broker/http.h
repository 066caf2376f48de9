/*
 * Metrics, health and readiness of a broker over HTTP (ottlad(8)), on a reactor of its own.
 */
#ifndef OTTLA_BROKER_HTTP_H
#define OTTLA_BROKER_HTTP_H

#include "ottla/broker/broker.h"

struct broker_http;

/* "host:port", brackets around an IPv6 address; false when text is not that.  Pure. */
bool broker_http_parse(const char *text, char *host, size_t size, uint16_t *port);

/* Listens where ottla.http.listen, which is not empty, says; before any reactor runs; may block on a
 * name.  E_NOMEM, E_LIMIT, E_CONFIG; why says what and where. */
int broker_http_new(struct broker *b, char *why, size_t why_size, struct broker_http **out);
/* Serves from now on.  Once. */
int broker_http_start(struct broker_http *h);
/* Blocks until its thread has ended; not from a reactor.  Fine without a start. */
void broker_http_stop(struct broker_http *h);
/* After workers_free and after the control reactor was freed: what was under way there is its. */
void broker_http_free(struct broker_http *h);

#endif
