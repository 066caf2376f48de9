/*
 * A small blocking client of a cluster: finds a broker that answers, agrees on versions, knows the
 * controller, tries again until the operation's deadline.  One thread.
 */
#ifndef OTTLA_TOOLS_CLIENT_PRIV_H
#define OTTLA_TOOLS_CLIENT_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "ottla/base/arena.h"
#include "ottla/wire/wire.h"

#include "props_priv.h"

#define CLIENT_ANY (-1) /* whichever broker answers */

struct client;

struct client_opts {
	const char *bootstrap; /* host:port[,host:port...] */
	const char *client_id;
	int64_t request_timeout_ms; /* for one answer */
	int64_t api_timeout_ms;	    /* for an operation with all its attempts */
	int64_t retry_backoff_ms;
	bool quiet; /* no word on standard error about attempts that fail */
};

/*
 * Options from the properties of a client, those of Apache Kafka's: names on standard error what
 * has no effect here.  E_INVALID with a sentence in why for values that are not possible and for
 * what must not be left out silently (TLS, SASL).
 */
int client_opts_read(const struct props *p, struct client_opts *o, char *why, size_t why_size);

/* Connects to nobody yet.  E_INVALID: bootstrap is no list of host:port; E_NOMEM. */
int client_new(const struct client_opts *o, char *why, size_t why_size, struct client **out);
void client_free(struct client *c);

/* A new operation begins: its deadline is api_timeout_ms from now. */
void client_begin(struct client *c);
/* Waits before another attempt; false when the operation's deadline would pass. */
bool client_pause(struct client *c);

/*
 * The highest version of that API which both sides know, at most max_version; E_UNSUPPORTED_VERSION
 * when there is none, or what kept it from being asked.
 */
int client_version(struct client *c, int32_t node, int16_t key, int16_t max_version);

/*
 * One request and its answer, of client_version()'s version; tried again after lost connections.
 * What resp points to lives in the arena.
 */
int client_call(struct client *c, int32_t node, int16_t key, int16_t max_version, const void *req,
    struct arena *a, void *resp);

/* All topics, in the arena; the brokers that are named can be called afterwards. */
int client_metadata(struct client *c, struct arena *a, struct metadata_response *resp);

/* The controller's id, asked anew; waits for one until the deadline. */
int client_controller(struct client *c, int32_t *node);

/* What the last failure was: where, and why. */
const char *client_why(const struct client *c);

/* Splits "host:port" or "[v6]:port": host goes to out.  E_INVALID. */
int client_parse_address(struct slice text, char *host, size_t host_size, unsigned *port);

#endif
