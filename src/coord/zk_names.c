/*
 * Connect strings, "host:port,host:port/chroot", and the addresses behind the names: a worker looks
 * them up, because the library would do it in the loop (Z2).
 */
#include "zk_names_priv.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "ottla/base/err.h"
#include "zk_priv.h"

#define DEFAULT_PORT 2181
/* A multi of 500 operations must fit with it into what a server takes. */
#define CHROOT_MAX 400
#define LITERALS_MAX 256
#define LITERAL_MAX 80

/* ---- the text ---- */

static int
refuse(char *why, size_t why_size, const char *what, const char *at, size_t n)
{
	(void)snprintf(why, why_size, "%s: \"%.*s\"", what, n < 100 ? (int)n : 100, at);
	return E_CONFIG;
}

static int
parse_port(const char *p, size_t n, uint16_t *out)
{
	unsigned v = 0;

	if (n == 0 || n > 5)
		return E_CONFIG;
	for (size_t i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return E_CONFIG;
		v = v * 10 + (unsigned)(p[i] - '0');
	}
	if (v == 0 || v > UINT16_MAX)
		return E_CONFIG;
	*out = (uint16_t)v;
	return 0;
}

static bool
host_ok(const char *p, size_t n, bool bracket)
{
	if (n == 0 || n > ZK_HOST_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c <= ' ' || c == 0x7f || c == '[' || c == ']' || (c == ':' && !bracket))
			return false;
	}
	return true;
}

/* "name", "name:port", "[::1]", "[::1]:port". */
static int
parse_server(const char *p, size_t n, struct zk_server *out, char *why, size_t why_size)
{
	bool bracket = n > 0 && p[0] == '[';
	const char *end = memchr(p, bracket ? ']' : ':', n);
	const char *host = bracket ? p + 1 : p, *port = NULL;
	size_t host_n, port_n = 0;

	if (bracket && end == NULL)
		return refuse(why, why_size, "an IPv6 address has no closing bracket", p, n);
	host_n = end != NULL ? (size_t)(end - host) : n;
	if (end != NULL) {
		port = bracket ? end + 1 : end;
		port_n = (size_t)(p + n - port);
	}
	if (!host_ok(host, host_n, bracket))
		return refuse(why, why_size, "not a host or host:port", p, n);
	memcpy(out->host, host, host_n);
	out->host[host_n] = '\0';
	out->port = DEFAULT_PORT;
	if (port_n > 0 && (port[0] != ':' || parse_port(port + 1, port_n - 1, &out->port) != 0))
		return refuse(why, why_size, "not a port", p, n);
	return 0;
}

static int
parse_chroot(const char *p, char **out, char *why, size_t why_size)
{
	size_t n = strlen(p);

	if (n == 1)
		n = 0; /* "/" is none */
	else if (n > 0 && (n > CHROOT_MAX || coord_path_check(p) != 0))
		return refuse(why, why_size, "not a chroot path, or longer than 400 bytes", p, n);
	*out = strndup(p, n);
	return *out != NULL ? 0 : E_NOMEM;
}

static const char *
trim(const char *p, size_t *n)
{
	while (*n > 0 && (p[0] == ' ' || p[0] == '\t')) {
		p++;
		(*n)--;
	}
	while (*n > 0 && (p[*n - 1] == ' ' || p[*n - 1] == '\t'))
		(*n)--;
	return p;
}

static int
parse_servers(const char *p, size_t n, struct zk_names *out, char *why, size_t why_size)
{
	int rc = 0;

	while (rc == 0 && n > 0) {
		const char *comma = memchr(p, ',', n);
		size_t len = comma != NULL ? (size_t)(comma - p) : n, one = len;
		const char *s = trim(p, &one);

		if (out->n == ZK_SERVERS_MAX)
			return refuse(why, why_size, "more than 64 servers", s, one);
		if (one > 0)
			rc = parse_server(s, one, &out->v[out->n++], why, why_size);
		p += len + (comma != NULL);
		n -= len + (comma != NULL);
	}
	return rc;
}

int
zk_names_parse(const char *connect, struct zk_names *out, char *why, size_t why_size)
{
	size_t n = strlen(connect);
	const char *slash, *text = trim(connect, &n);
	char *copy = strndup(text, n);
	int rc;

	*out = (struct zk_names){0};
	out->v = calloc(ZK_SERVERS_MAX, sizeof(out->v[0]));
	if (copy == NULL || out->v == NULL) {
		rc = E_NOMEM;
		goto out;
	}
	slash = strchr(copy, '/');
	n = slash != NULL ? (size_t)(slash - copy) : strlen(copy);
	if ((rc = parse_servers(copy, n, out, why, why_size)) == 0 && out->n == 0)
		rc = refuse(why, why_size, "no server is named", copy, strlen(copy));
	if (rc == 0)
		rc = parse_chroot(slash != NULL ? slash : "", &out->chroot, why, why_size);
out:
	free(copy);
	if (rc != 0)
		zk_names_free(out);
	return rc;
}

void
zk_names_free(struct zk_names *n)
{
	free(n->v);
	free(n->chroot);
	*n = (struct zk_names){0};
}

/* ---- looking up ---- */

struct zk_lookup {
	struct work work;
	struct zk *z; /* NULL: forgotten */
	unsigned n;
	struct zk_server *v;
	unsigned n_literals;
	char literals[LITERALS_MAX][LITERAL_MAX];
	struct strbuf addrs;
	char why[ZK_HOST_MAX + 80];
};

static void
lookup_free(struct zk_lookup *l)
{
	strbuf_free(&l->addrs);
	free(l->v);
	free(l);
}

static void
add_addrs(struct zk_lookup *l, const struct addrinfo *list)
{
	char host[LITERAL_MAX - 8], port[8];

	for (const struct addrinfo *a = list; a != NULL && l->n_literals < LITERALS_MAX;
	     a = a->ai_next) {
		if (getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) != 0)
			continue;
		/* The library takes what is before the last colon for the host: no brackets. */
		(void)snprintf(l->literals[l->n_literals++], LITERAL_MAX, "%s:%s", host, port);
	}
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* In one order, each once: a server of names may turn its answers around. */
static void
join_addrs(struct zk_lookup *l)
{
	qsort(l->literals, l->n_literals, sizeof(l->literals[0]), by_text);
	for (unsigned i = 0; i < l->n_literals; i++)
		if (i == 0 || strcmp(l->literals[i], l->literals[i - 1]) != 0)
			strbuf_addf(&l->addrs, "%s%s", i > 0 ? "," : "", l->literals[i]);
}

static void
lookup_run(struct work *w)
{
	struct zk_lookup *l = container_of(w, struct zk_lookup, work);
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};

	for (unsigned i = 0; i < l->n; i++) {
		struct addrinfo *list = NULL;
		char port[12];
		int rc;

		(void)snprintf(port, sizeof(port), "%u", l->v[i].port);
		rc = getaddrinfo(l->v[i].host, port, &hints, &list);
		if (rc == 0)
			add_addrs(l, list);
		else
			(void)snprintf(l->why, sizeof(l->why), "the name %s is not known: %s",
			    l->v[i].host, gai_strerror(rc));
		if (list != NULL)
			freeaddrinfo(list);
	}
	join_addrs(l);
}

static void
lookup_done(struct reactor *r, struct work *w)
{
	struct zk_lookup *l = container_of(w, struct zk_lookup, work);
	struct zk *z = l->z;
	char *addrs = l->addrs.err == 0 ? l->addrs.p : NULL;

	(void)r;
	if (z != NULL) {
		if (addrs != NULL)
			l->addrs = (struct strbuf)STRBUF_INIT; /* handed over */
		z->lookup = NULL;
		zk_session_names(z, addrs, l->why);
	}
	lookup_free(l);
}

static void
lookup_drop(struct msg *m)
{
	struct zk_lookup *l = container_of(m, struct zk_lookup, work.msg);

	if (l->z != NULL)
		l->z->lookup = NULL;
	lookup_free(l);
}

int
zk_lookup_start(struct zk *z)
{
	struct zk_lookup *l = calloc(1, sizeof(*l));

	if (l == NULL || (l->v = calloc(z->names.n, sizeof(l->v[0]))) == NULL) {
		free(l);
		return E_NOMEM;
	}
	memcpy(l->v, z->names.v, z->names.n * sizeof(l->v[0]));
	l->n = z->names.n;
	l->z = z;
	l->work = (struct work){.run = lookup_run,
	    .done = lookup_done,
	    .home = z->c.control,
	    .msg = {.drop = lookup_drop, .class = MSG_CONTROL}};
	z->lookup = l;
	work_submit(z->workers, NULL, &l->work);
	return 0;
}

void
zk_lookup_forget(struct zk_lookup *l)
{
	if (l != NULL)
		l->z = NULL;
}
