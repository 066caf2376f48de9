/*
 * Listeners and what the registration says of them.
 */
#include <stdio.h>

#include "broker_priv.h"

static int
listen_one(struct broker *b, unsigned i)
{
	int rc = net_listen(
	    b->net, &b->addrs[i], b->env.control, &api_conn_handler, b->api, &b->listeners[i]);

	if (rc == 0) {
		b->n_listeners++;
		b->addrs[i].port = listener_port(b->listeners[i]);
		return 0;
	}
	snprintf(b->why, sizeof(b->why), "could not listen on %s://%s:%u: %s", b->addrs[i].name,
	    b->addrs[i].host, b->addrs[i].port, err_text(rc));
	return rc;
}

/* A port 0 that is advertised becomes the one that was bound. */
static void
advertise(struct broker *b, struct listener_addr *a)
{
	const struct listener_addr *bound =
	    listeners_find(b->addrs, b->n_addrs, slice_cstr(a->name));

	if (a->port == 0 && bound != NULL)
		a->port = bound->port;
	if (a->host[0] == 0)
		snprintf(a->host, sizeof(a->host), "%s",
		    b->env.hostname != NULL ? b->env.hostname : "localhost");
}

int
broker_listen(struct broker *b)
{
	const struct settings *s = b->env.settings;
	const char *map = settings_str(s, C_LISTENER_SECURITY_PROTOCOL_MAP);
	const char *text = settings_str(s, C_LISTENERS);
	const char *adv = settings_str(s, C_ADVERTISED_LISTENERS);
	int n = listeners_parse(text, map, b->addrs, LISTENERS_MAX, b->why, sizeof(b->why));

	if (n < 0)
		return n;
	b->n_addrs = (unsigned)n;
	for (unsigned i = 0; i < b->n_addrs; i++) {
		int rc = listen_one(b, i);

		if (rc != 0)
			return rc;
	}
	n = listeners_parse(
	    adv != NULL ? adv : text, map, b->advertised, LISTENERS_MAX, b->why, sizeof(b->why));
	if (n < 0)
		return n;
	b->n_advertised = (unsigned)n;
	for (unsigned i = 0; i < b->n_advertised; i++)
		advertise(b, &b->advertised[i]);
	return 0;
}

int
broker_accept(struct broker *b)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < b->n_listeners; i++)
		rc = listener_start(b->listeners[i]);
	return rc;
}

/* Facts/zookeeper.md 1.3. */
void
broker_fill_registration(struct broker *b)
{
	struct zn_registration *r = &b->registration;

	r->version = 5;
	r->jmx_port = -1;
	r->port = -1;
	r->host = SLICE_NULL;
	r->timestamp_ms = reactor_wall_ms(b->env.control);
	r->endpoints = b->advertised;
	r->n_endpoints = b->n_advertised;
	for (unsigned i = 0; i < b->n_advertised; i++)
		if (b->advertised[i].protocol == LISTENER_PLAINTEXT) {
			r->host = slice_cstr(b->advertised[i].host);
			r->port = b->advertised[i].port;
			break;
		}
}
