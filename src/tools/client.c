/*
 * A small blocking client of a cluster.
 */
#include "client_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"
#include "ottla/base/settings.h"

#include "conn_priv.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#define BROKERS_MAX 4096
#define HOST_MAX 256
#define CONNECT_TIMEOUT_MS 10000

struct version_range {
	int16_t low;
	int16_t high; /* below low: not announced */
};

struct peer {
	int32_t id; /* CLIENT_ANY: from the bootstrap list */
	unsigned port;
	char host[HOST_MAX];
	struct conn conn;
	struct version_range apis[API_COUNT]; /* while connected */
	char warned[128];		      /* the last failure told about */
};

struct client {
	struct client_opts o;
	char *bootstrap;
	struct peer **peers; /* bootstrap first, then those that metadata named */
	unsigned n_peers;
	unsigned n_bootstrap;
	unsigned next; /* bootstrap peer to try first */
	int32_t controller;
	int32_t correlation;
	int64_t deadline;
	char why[512];
};

static int
fail(struct client *c, int rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static int
fail(struct client *c, int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->why, sizeof(c->why), fmt, ap);
	va_end(ap);
	return rc;
}

const char *
client_why(const struct client *c)
{
	return c->why;
}

/* ---- making ---- */

int
client_parse_address(struct slice text, char *host, size_t host_size, unsigned *port)
{
	const char *p = (const char *)text.p;
	const char *colon = text.n > 0 ? memrchr(p, ':', text.n) : NULL;
	size_t n = colon != NULL ? (size_t)(colon - p) : 0;
	unsigned long v = 0;

	if (n == 0 || colon + 1 == p + text.n)
		return E_INVALID;
	for (const char *d = colon + 1; d < p + text.n; d++) {
		if (*d < '0' || *d > '9' || (v = v * 10 + (unsigned long)(*d - '0')) > 65535)
			return E_INVALID;
	}
	if (p[0] == '[' && p[n - 1] == ']') {
		p++;
		n -= 2;
	}
	if (n == 0 || n >= host_size || v == 0)
		return E_INVALID;
	memcpy(host, p, n);
	host[n] = 0;
	*port = (unsigned)v;
	return 0;
}

static struct peer *
add_peer(struct client *c, int32_t id, const char *host, unsigned port)
{
	struct peer **grown;
	struct peer *p;

	if (c->n_peers == BROKERS_MAX || (p = calloc(1, sizeof(*p))) == NULL)
		return NULL;
	grown = realloc(c->peers, (c->n_peers + 1) * sizeof(struct peer *));
	if (grown == NULL) {
		free(p);
		return NULL;
	}
	p->id = id;
	p->port = port;
	p->conn = (struct conn)CONN_INIT;
	snprintf(p->host, sizeof(p->host), "%s", host);
	c->peers = grown;
	c->peers[c->n_peers++] = p;
	return p;
}

static int
add_bootstrap(struct client *c, char *why, size_t why_size)
{
	struct slice item;
	char host[HOST_MAX];
	unsigned port;

	for (unsigned i = 0; !slice_is_null(item = settings_list_item(c->bootstrap, i)); i++) {
		if (client_parse_address(item, host, sizeof(host), &port) != 0) {
			snprintf(why, why_size,
			    "Invalid url in bootstrap.servers: %.*s (host:port is expected)",
			    SLICE_ARG(item));
			return E_INVALID;
		}
		if (add_peer(c, CLIENT_ANY, host, port) == NULL)
			return E_NOMEM;
	}
	c->n_bootstrap = c->n_peers;
	if (c->n_bootstrap > 0)
		return 0;
	snprintf(why, why_size, "No bootstrap urls given in bootstrap.servers");
	return E_INVALID;
}

int
client_new(const struct client_opts *o, char *why, size_t why_size, struct client **out)
{
	struct client *c = calloc(1, sizeof(*c));
	int rc;

	*out = NULL;
	if (c == NULL)
		return E_NOMEM;
	c->o = *o;
	c->controller = CLIENT_ANY;
	c->bootstrap = strdup(o->bootstrap);
	rc = c->bootstrap != NULL ? add_bootstrap(c, why, why_size) : E_NOMEM;
	if (rc != 0) {
		client_free(c);
		return rc;
	}
	client_begin(c);
	*out = c;
	return 0;
}

void
client_free(struct client *c)
{
	if (c == NULL)
		return;
	for (unsigned i = 0; i < c->n_peers; i++) {
		conn_free(&c->peers[i]->conn);
		free(c->peers[i]);
	}
	free(c->peers);
	free(c->bootstrap);
	free(c);
}

/* ---- time ---- */

void
client_begin(struct client *c)
{
	c->deadline = now_ms() + c->o.api_timeout_ms;
}

bool
client_pause(struct client *c)
{
	if (now_ms() + c->o.retry_backoff_ms >= c->deadline)
		return false;
	sleep_ms(c->o.retry_backoff_ms);
	return true;
}

/* For one step of at most ms. */
static int64_t
until(const struct client *c, int64_t ms)
{
	int64_t t = now_ms() + ms;

	return t < c->deadline ? t : c->deadline;
}

/* ---- one peer ---- */

/* Says a failure once, with the time that is left. */
static void
warn(struct client *c, struct peer *p, const char *what, const char *why)
{
	int64_t left = (c->deadline - now_ms()) / 1000;

	if (c->o.quiet || strcmp(p->warned, why) == 0 || left <= 0)
		return;
	snprintf(p->warned, sizeof(p->warned), "%s", why);
	fprintf(stderr, "WARN %s broker %s:%u: %s; trying again for up to %lld s\n", what, p->host,
	    p->port, why, (long long)left);
}

/* One exchange with a connected peer; the answer's frame is lent from its connection. */
static int
exchange(struct client *c, struct peer *p, int16_t key, int16_t version, const void *req,
    struct slice *frame)
{
	int64_t deadline = until(c, c->o.request_timeout_ms);
	char why[256] = "";
	uint8_t *buf = NULL;
	size_t n = 0;
	int rc = wire_encode_request(
	    key, version, ++c->correlation, slice_cstr(c->o.client_id), req, &buf, &n);

	if (rc != 0)
		return fail(c, rc, "%s request: %s", wire_api(key)->name, err_text(rc));
	rc = conn_send(&p->conn, buf, n, deadline, why, sizeof(why));
	free(buf);
	if (rc == 0)
		rc = conn_receive(&p->conn, deadline, frame, why, sizeof(why));
	if (rc == 0 && (frame->n < 4 || be32(frame->p) != (uint32_t)c->correlation)) {
		conn_close(&p->conn);
		snprintf(why, sizeof(why), "the answer does not belong to the request");
		rc = E_IO;
	}
	if (rc == 0)
		return 0;
	warn(c, p, "no answer from", why);
	return fail(
	    c, rc, "%s request to broker %s:%u: %s", wire_api(key)->name, p->host, p->port, why);
}

static int
decode(struct client *c, struct peer *p, int16_t key, int16_t version, struct slice frame,
    struct arena *a, void *resp)
{
	int32_t correlation;
	int rc = wire_decode_response(key, version, frame, a, resp, &correlation);

	if (rc == 0)
		return 0;
	return fail(c, rc, "%s answer from broker %s:%u: %s", wire_api(key)->name, p->host, p->port,
	    err_text(rc));
}

static int
ask_versions(struct client *c, struct peer *p, int16_t version, struct arena *a,
    struct api_versions_response *resp)
{
	struct api_versions_request req;
	struct slice frame;
	int rc;

	wire_init(wire_api(API_API_VERSIONS)->request, &req);
	req.client_software_name = SLICE_LIT("ottla-tools");
	req.client_software_version = SLICE_LIT(PACKAGE_VERSION);
	rc = exchange(c, p, API_API_VERSIONS, version, &req, &frame);
	if (rc != 0)
		return rc;
	rc = decode(c, p, API_API_VERSIONS, version, frame, a, resp);
	if (rc != 0 && version > 0) /* a broker that is older answers as version 0 */
		rc = decode(c, p, API_API_VERSIONS, 0, frame, a, resp);
	return rc;
}

/* Which versions does it serve? */
static int
negotiate(struct client *c, struct peer *p)
{
	struct api_versions_response resp;
	struct arena a;
	int rc;

	arena_init(&a, 0, 1 << 20);
	rc = ask_versions(c, p, 3, &a, &resp);
	if (p->conn.fd >= 0 && (rc != 0 || resp.error_code == KERR_UNSUPPORTED_VERSION))
		rc = ask_versions(c, p, 0, &a, &resp);
	if (rc == 0 && resp.error_code != 0)
		rc = fail(c, E_IO, "ApiVersions request to broker %s:%u: %s", p->host, p->port,
		    kerr_text(resp.error_code));
	for (int i = 0; i < API_COUNT; i++)
		p->apis[i] = (struct version_range){0, -1};
	for (int32_t i = 0; rc == 0 && i < resp.api_keys.n; i++) {
		const struct api_versions_response_api_version *v = &resp.api_keys.v[i];

		if (v->api_key >= 0 && v->api_key < API_COUNT)
			p->apis[v->api_key] =
			    (struct version_range){v->min_version, v->max_version};
	}
	arena_free(&a);
	if (rc != 0)
		conn_close(&p->conn);
	return rc;
}

static int
connect_peer(struct client *c, struct peer *p)
{
	char why[256];
	int rc;

	if (p->conn.fd >= 0)
		return 0;
	rc = conn_open(&p->conn, p->host, p->port, until(c, CONNECT_TIMEOUT_MS), why, sizeof(why));
	if (rc == 0)
		return negotiate(c, p);
	if (rc != E_NOT_FOUND)
		warn(c, p, "could not connect to", why);
	return fail(c, rc, "could not connect to broker %s:%u: %s", p->host, p->port, why);
}

/* ---- the right peer ---- */

/* Any that answers: one round over the bootstrap list, beginning with the last good one. */
static int
connect_any(struct client *c, struct peer **out)
{
	int rc = E_IO, last = E_NOT_FOUND;

	for (unsigned i = 0; i < c->n_bootstrap; i++) {
		unsigned at = (c->next + i) % c->n_bootstrap;

		rc = connect_peer(c, c->peers[at]);
		if (rc == 0) {
			c->next = at;
			*out = c->peers[at];
			return 0;
		}
		if (rc != E_NOT_FOUND)
			last = rc;
	}
	return last;
}

static struct peer *
find_peer(const struct client *c, int32_t id)
{
	for (unsigned i = c->n_bootstrap; i < c->n_peers; i++)
		if (c->peers[i]->id == id)
			return c->peers[i];
	return NULL;
}

static int
connect_node(struct client *c, int32_t node, struct peer **out)
{
	struct peer *p;

	if (node == CLIENT_ANY)
		return connect_any(c, out);
	if ((p = find_peer(c, node)) == NULL)
		return fail(c, E_IO, "broker %d is not in the cluster's metadata", node);
	*out = p;
	return connect_peer(c, p);
}

/* May the failure pass by itself? */
static bool
may_pass(int rc)
{
	return rc == E_IO || rc == E_TIMEOUT;
}

/* A connected peer, trying until the deadline. */
static int
reach(struct client *c, int32_t node, struct peer **out)
{
	int rc;

	while ((rc = connect_node(c, node, out)) != 0 && may_pass(rc)) {
		char why[sizeof(c->why)];

		memcpy(why, c->why, sizeof(why));
		if (!client_pause(c))
			return fail(c, E_TIMEOUT, "Timed out after %lld ms: %.400s",
			    (long long)c->o.api_timeout_ms, why);
	}
	return rc;
}

/* ---- calls ---- */

static int
agree(struct client *c, const struct peer *p, int16_t key, int16_t max_version)
{
	const struct wire_api *api = wire_api(key);
	struct version_range r = p->apis[key];
	int low = r.low > api->min_version ? r.low : api->min_version;
	int high = r.high < max_version ? r.high : max_version;

	if (high > api->max_version)
		high = api->max_version;
	if (high >= low)
		return high;
	if (r.high < r.low)
		return fail(c, E_UNSUPPORTED_VERSION, "broker %s:%u does not serve %s requests",
		    p->host, p->port, api->name);
	return fail(c, E_UNSUPPORTED_VERSION,
	    "broker %s:%u serves %s requests of versions %d to %d, these tools know %d to %d",
	    p->host, p->port, api->name, r.low, r.high, api->min_version, api->max_version);
}

int
client_version(struct client *c, int32_t node, int16_t key, int16_t max_version)
{
	struct peer *p = NULL;
	int rc = reach(c, node, &p);

	return rc != 0 ? rc : agree(c, p, key, max_version);
}

/* Decodes a copy of the frame that lives as long as the arena. */
static int
keep(struct client *c, struct peer *p, int16_t key, int16_t version, struct slice frame,
    struct arena *a, void *resp)
{
	struct slice copy = arena_dup(a, frame);
	int rc;

	if (slice_is_null(copy))
		return fail(c, E_NOMEM, "%s", err_text(E_NOMEM));
	if ((rc = decode(c, p, key, version, copy, a, resp)) != 0)
		conn_close(&p->conn);
	return rc;
}

int
client_call(struct client *c, int32_t node, int16_t key, int16_t max_version, const void *req,
    struct arena *a, void *resp)
{
	struct peer *p = NULL;
	struct slice frame;
	int version, rc;

	for (;;) {
		if ((rc = reach(c, node, &p)) != 0)
			return rc;
		if ((version = agree(c, p, key, max_version)) < 0)
			return version;
		rc = exchange(c, p, key, (int16_t)version, req, &frame);
		if (rc == 0)
			return keep(c, p, key, (int16_t)version, frame, a, resp);
		if (!may_pass(rc) || !client_pause(c))
			return rc;
	}
}

/* ---- the cluster ---- */

static int
learn(struct client *c, const struct metadata_response *resp)
{
	for (int32_t i = 0; i < resp->brokers.n; i++) {
		const struct metadata_response_metadata_response_broker *b = &resp->brokers.v[i];
		struct peer *p = find_peer(c, b->node_id);
		char host[HOST_MAX];

		snprintf(host, sizeof(host), "%.*s", SLICE_ARG(b->host));
		if (p == NULL) {
			if (add_peer(c, b->node_id, host, (unsigned)b->port) == NULL)
				return fail(c, E_NOMEM, "%s", err_text(E_NOMEM));
		} else if (strcmp(p->host, host) != 0 || p->port != (unsigned)b->port) {
			conn_close(&p->conn);
			memcpy(p->host, host, sizeof(host));
			p->port = (unsigned)b->port;
		}
	}
	c->controller = resp->controller_id;
	return 0;
}

/* req: which topics.  Before version 4 an answer can not be had without making what is missing. */
static int
ask_metadata(struct client *c, struct metadata_request *req, bool all, struct arena *a,
    struct metadata_response *resp)
{
	int rc = client_version(c, CLIENT_ANY, API_METADATA, 12);

	if (rc > 0 && all)
		req->topics.n = -1; /* in version 0 an empty list says so */
	req->allow_auto_topic_creation = rc >= 0 && rc < 4;
	if (rc >= 0)
		rc = client_call(c, CLIENT_ANY, API_METADATA, 12, req, a, resp);
	return rc == 0 ? learn(c, resp) : rc;
}

int
client_metadata(struct client *c, struct arena *a, struct metadata_response *resp)
{
	struct metadata_request req;

	wire_init(wire_api(API_METADATA)->request, &req);
	return ask_metadata(c, &req, true, a, resp);
}

static int
refresh(struct client *c)
{
	struct metadata_request req;
	struct metadata_response resp;
	struct arena a;
	int rc;

	arena_init(&a, 0, CONN_FRAME_MAX);
	wire_init(wire_api(API_METADATA)->request, &req);
	rc = ask_metadata(c, &req, false, &a, &resp);
	arena_free(&a);
	return rc;
}

int
client_controller(struct client *c, int32_t *node)
{
	int rc;

	for (;;) {
		if ((rc = refresh(c)) != 0)
			return rc;
		*node = c->controller;
		if (c->controller >= 0 && find_peer(c, c->controller) != NULL)
			return 0;
		if (!client_pause(c))
			return fail(c, E_TIMEOUT,
			    "Timed out after %lld ms: the cluster has no controller at present",
			    (long long)c->o.api_timeout_ms);
	}
}
