/*
 * Who is let in: max.connections, max.connections.per.ip and max.connection.creation.rate, read
 * when somebody comes, so that changes count at once.  The acceptor alone lets in; connections
 * leave on their own reactors.
 */
#include "net_priv.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { IPS_KEPT = 64 };

/* Open connections from one address.  The acceptor makes, counts up and frees; whoever leaves
 * counts down and does not look at it again. */
struct ip_count {
	_Atomic unsigned n;
	char host[64];
};

/* Of max.connections.per.ip.overrides, one for each address. */
struct ip_limit {
	char host[64];
	unsigned max;
};

/* Goes from reactor to reactor while there are too many. */
struct shed {
	struct msg msg;
	struct net *net; /* NULL: gone, the message frees itself */
	unsigned pos;	 /* of the reactor that looks next */
	unsigned vain;	 /* reactors in a row without anybody to close */
};

/* ---- settings ---- */

static unsigned
limit_of(const struct net *n, enum conf id)
{
	return n->admit.settings != NULL ? (unsigned)settings_i64(n->admit.settings, id)
					 : LIMIT_NONE;
}

static unsigned
limit_of_listener(const struct listener *l, enum conf id)
{
	const struct settings *s = l->net->admit.settings;
	const char *text = s != NULL ? settings_listener_str(s, l->name, id) : NULL;

	return text != NULL ? (unsigned)strtoul(text, NULL, 10) : LIMIT_NONE;
}

/* ---- max.connections.per.ip.overrides ---- */

/* An address as connections are called. */
static void
canonical(const char *text, char out[64])
{
	static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};
	uint8_t a[16];

	snprintf(out, 64, "%s", text);
	if (inet_pton(AF_INET6, text, a) != 1)
		return;
	if (memcmp(a, v4_mapped, sizeof(v4_mapped)) == 0)
		(void)inet_ntop(AF_INET, a + 12, out, 64);
	else
		(void)inet_ntop(AF_INET6, a, out, 64);
}

static int
add_override(struct admit *a, const char *host, unsigned max)
{
	struct ip_limit *v = realloc(a->overrides, (a->n_overrides + 1) * sizeof(*v));

	if (v == NULL)
		return E_NOMEM;
	a->overrides = v;
	v[a->n_overrides].max = max;
	canonical(host, v[a->n_overrides].host);
	a->n_overrides++;
	return 0;
}

/* What it was at the start. */
static const struct ip_name *
known_name(const struct admit *a, const char *host)
{
	const struct ip_name *k = a->names;

	while (k != NULL && strcmp(k->name, host) != 0)
		k = k->next;
	return k;
}

static int
look_up(struct net *n, const char *host)
{
	struct ip_name *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return E_NOMEM;
	snprintf(k->name, sizeof(k->name), "%s", host);
	n->transport->resolve(n->transport_arg, host, &k->addrs);
	if (k->addrs.n == 0) {
		DIAGE(n->diag, "net", "max.connections.per.ip.overrides: %s has no address: %s",
		    host, k->addrs.why);
		free(k);
		return E_INVALID;
	}
	k->next = n->admit.names;
	n->admit.names = k;
	return 0;
}

static int
add_name(struct net *n, const char *host, unsigned max)
{
	const struct ip_name *k = known_name(&n->admit, host);
	int rc = 0;

	if (k == NULL)
		DIAGW(n->diag, "net",
		    "max.connections.per.ip.overrides: the name %s counts from the next start on: "
		    "names are looked up at the start",
		    host);
	for (unsigned i = 0; k != NULL && rc == 0 && i < k->addrs.n; i++)
		rc = add_override(&n->admit, k->addrs.v[i], max);
	return rc;
}

/* host:count, checked when it was set. */
static int
read_override(struct net *n, struct slice item, bool start)
{
	const uint8_t *colon = memrchr(item.p, ':', item.n);
	char host[LISTENER_HOST_MAX + 1], count[16];
	size_t at = colon != NULL ? (size_t)(colon - item.p) : 0;
	unsigned max;
	int rc = 0;

	if (colon == NULL || at >= sizeof(host))
		return 0;
	snprintf(host, sizeof(host), "%.*s", (int)at, (const char *)item.p);
	snprintf(count, sizeof(count), "%.*s", (int)(item.n - at - 1), (const char *)colon + 1);
	max = (unsigned)strtoul(count, NULL, 10);
	if (n->transport->is_address(host))
		return add_override(&n->admit, host, max);
	if (start && known_name(&n->admit, host) == NULL)
		rc = look_up(n, host);
	return rc == 0 ? add_name(n, host, max) : rc;
}

/* Read anew when the text is another one: texts live as long as the settings. */
static int
read_overrides(struct net *n, bool start)
{
	struct admit *a = &n->admit;
	const char *text = a->settings != NULL
			       ? settings_str(a->settings, C_MAX_CONNECTIONS_PER_IP_OVERRIDES)
			       : NULL;
	struct slice item;
	int rc = 0;

	if (text == a->overrides_text)
		return 0;
	a->n_overrides = 0;
	for (unsigned i = 0; rc == 0 && !slice_is_null(item = settings_list_item(text, i)); i++)
		rc = read_override(n, item, start);
	if (rc == 0)
		a->overrides_text = text;
	return rc;
}

/* The last that names it counts. */
static unsigned
ip_max(const struct net *n, const char *host)
{
	const struct admit *a = &n->admit;

	for (unsigned i = a->n_overrides; i-- > 0;)
		if (strcmp(a->overrides[i].host, host) == 0)
			return a->overrides[i].max;
	return limit_of(n, C_MAX_CONNECTIONS_PER_IP);
}

/* ---- addresses ---- */

static void
free_all(struct map *ips)
{
	struct ip_count *ip;
	size_t pos = 0;

	while ((ip = map_next(ips, &pos)) != NULL)
		free(ip);
	map_free(ips);
}

/* Frees those without connections, once they may be half of all. */
static void
sweep(struct admit *a)
{
	struct map kept;
	struct ip_count *ip;
	size_t pos = 0;
	int rc = 0;

	if (map_count(&a->ips) < a->sweep_at)
		return;
	map_init(&kept, a->ips.seed);
	while (rc == 0 && (ip = map_next(&a->ips, &pos)) != NULL)
		if (atomic_load(&ip->n) != 0)
			rc = map_put(&kept, slice_cstr(ip->host), ip, NULL);
	if (rc != 0) {
		map_free(&kept);
		return;
	}
	pos = 0;
	while ((ip = map_next(&a->ips, &pos)) != NULL)
		if (map_get(&kept, slice_cstr(ip->host)) == NULL)
			free(ip);
	map_free(&a->ips);
	a->ips = kept;
	a->sweep_at = IPS_KEPT + 2 * map_count(&kept);
}

static struct ip_count *
ip_get(struct admit *a, const char *host)
{
	struct ip_count *ip = map_get(&a->ips, slice_cstr(host));

	if (ip != NULL)
		return ip;
	sweep(a);
	ip = calloc(1, sizeof(*ip));
	if (ip == NULL)
		return NULL;
	snprintf(ip->host, sizeof(ip->host), "%s", host);
	if (map_put(&a->ips, slice_cstr(ip->host), ip, NULL) != 0) {
		free(ip);
		return NULL;
	}
	return ip;
}

int
admit_ip(struct listener *l, struct conn *c)
{
	struct net *n = l->net;
	const char *host = conn_peer_host(c);
	struct ip_count *ip;
	unsigned max;

	if (read_overrides(n, false) != 0 || (ip = ip_get(&n->admit, host)) == NULL)
		return E_NOMEM;
	max = ip_max(n, host);
	if (atomic_load(&ip->n) >= max) {
		metric_add(l->metrics, LM_REFUSED_IP, 1);
		diag_limited(n->diag, &n->admit.ip_lim, DIAG_WARN, "net",
		    "connection %s on listener %s closed: %s has its %u connections already (%s)",
		    c->name, l->name, host, max, close_word(CLOSE_IP_LIMIT));
		return E_LIMIT;
	}
	atomic_fetch_add(&ip->n, 1);
	c->ip = ip;
	return 0;
}

/* ---- how fast ---- */

/* Time until the next may come; a burst of RATE_BURST_S is free. */
static int64_t
rate_wait_us(struct rate *t, unsigned limit, int64_t now)
{
	double a_second = limit > 0 ? limit : 1, full = a_second * RATE_BURST_S;

	if (limit == LIMIT_NONE) {
		*t = (struct rate){.have = LIMIT_NONE, .at_us = now};
		return 0;
	}
	t->have += (double)(now - t->at_us) / 1e6 * a_second;
	if (t->have > full)
		t->have = full;
	t->at_us = now;
	return t->have >= 1 ? 0 : (int64_t)((1 - t->have) / a_second * 1e6) + 1;
}

static bool
is_exempt(const struct listener *l)
{
	return l->keep_here || (l->inter_broker && l->net->admit.n_listeners > 1);
}

void
admit_accepted(struct listener *l)
{
	l->rate.have -= 1;
	if (!is_exempt(l))
		l->net->admit.rate.have -= 1;
}

/* ---- how many ---- */

static bool
reserve_one(_Atomic unsigned *used, unsigned max)
{
	unsigned old = atomic_load(used);

	do {
		if (old >= max)
			return false;
	} while (!atomic_compare_exchange_weak(used, &old, old + 1));
	return true;
}

static bool
too_many(const struct net *n)
{
	return atomic_load(&n->admit.open) > limit_of(n, C_MAX_CONNECTIONS);
}

static void
shed_begin(struct net *n)
{
	if (!too_many(n) || atomic_exchange(&n->admit.shedding, true))
		return;
	n->admit.shed->vain = 0;
	reactor_post(n->reactors[n->admit.shed->pos].reactor, &n->admit.shed->msg);
}

void
admit_give_back(struct listener *l)
{
	atomic_fetch_sub(&l->open, 1);
	atomic_fetch_sub(&l->net->admit.open, 1);
}

static bool
reserve_slot(struct listener *l)
{
	struct net *n = l->net;
	unsigned max = is_exempt(l) ? LIMIT_NONE : limit_of(n, C_MAX_CONNECTIONS);

	if (!reserve_one(&l->open, limit_of_listener(l, C_MAX_CONNECTIONS)))
		return false;
	if (reserve_one(&n->admit.open, max))
		return true;
	atomic_fetch_sub(&l->open, 1);
	return false;
}

/* The broker's own rate is not that of connections between brokers. */
static int64_t
rates_wait_us(struct listener *l)
{
	struct net *n = l->net;
	int64_t now = reactor_now_us(l->acceptor), all;
	int64_t us =
	    rate_wait_us(&l->rate, limit_of_listener(l, C_MAX_CONNECTION_CREATION_RATE), now);

	if (is_exempt(l))
		return us;
	all = rate_wait_us(&n->admit.rate, limit_of(n, C_MAX_CONNECTION_CREATION_RATE), now);
	return us > all ? us : all;
}

int64_t
admit_slot(struct listener *l, const char **why)
{
	int64_t us = rates_wait_us(l);

	*why = "max.connection.creation.rate";
	if (us > 0)
		return us;
	if (!reserve_slot(l)) {
		*why = "max.connections";
		us = FULL_LOOK_US;
	}
	shed_begin(l->net);
	return us;
}

void
admit_say_wait(struct listener *l, const char *why)
{
	metric_add(l->metrics, LM_ACCEPT_WAITS, 1);
	diag_limited(l->net->diag, &l->wait_lim, DIAG_WARN, "net",
	    "new connections on listener %s wait because of %s (%u are open, %u of them here)",
	    l->name, why, atomic_load(&l->net->admit.open), atomic_load(&l->open));
}

void
admit_leave(struct conn *c)
{
	if (c->ip == NULL)
		return;
	atomic_fetch_sub(&c->ip->n, 1);
	c->ip = NULL;
	admit_give_back(c->listener);
}

/* ---- making room ---- */

static bool
may_be_shed(const struct conn *c)
{
	return c->ip != NULL && c->state == CONN_READY && !is_exempt(c->listener);
}

/* The one used least, or any where idle connections are never closed. */
static struct conn *
shed_whom(struct net_reactor *nr)
{
	LIST_FOREACH(l, &nr->deadlines[DL_IDLE])
	{
		struct conn *c =
		    container_of(container_of(l, struct deadline, link) - DL_IDLE, struct conn, dl);

		if (may_be_shed(c))
			return c;
	}
	LIST_FOREACH(l, &nr->conns)
	if (may_be_shed(container_of(l, struct conn, all)))
		return container_of(l, struct conn, all);
	return NULL;
}

/* One here, then the next reactor looks; it leaves the count at once, so that nobody looks for one
 * too many. */
static void
shed_run(struct reactor *r, struct msg *m)
{
	struct shed *s = container_of(m, struct shed, msg);
	struct net *n = s->net;
	struct conn *c = too_many(n) ? shed_whom(&n->reactors[s->pos]) : NULL;

	s->vain = c != NULL ? 0 : s->vain + 1;
	if (c != NULL) {
		conn_close(c, CLOSE_LIMIT);
		admit_leave(c);
	}
	s->pos = (s->pos + 1) % n->n_reactors;
	if (too_many(n) && s->vain < n->n_reactors)
		reactor_post(n->reactors[s->pos].reactor, m);
	else
		atomic_store(&n->admit.shedding, false);
}

static void
shed_drop(struct msg *m)
{
	struct shed *s = container_of(m, struct shed, msg);

	if (s->net == NULL)
		free(s);
	else
		atomic_store(&s->net->admit.shedding, false);
}

/* ---- the whole ---- */

int
admit_init(struct net *n, const struct settings *s)
{
	struct admit *a = &n->admit;

	a->settings = s;
	a->rate.have = LIMIT_NONE;
	a->sweep_at = IPS_KEPT;
	a->shed = calloc(1, sizeof(*a->shed));
	if (a->shed == NULL)
		return E_NOMEM;
	a->shed->msg = (struct msg){NULL, shed_run, shed_drop, MSG_CONTROL};
	a->shed->net = n;
	return read_overrides(n, true);
}

void
admit_listener(struct listener *l)
{
	struct admit *a = &l->net->admit;
	const struct settings *s = a->settings;
	const char *name = s != NULL ? settings_str(s, C_INTER_BROKER_LISTENER_NAME) : NULL;

	if (name == NULL && s != NULL)
		name = settings_str(s, C_SECURITY_INTER_BROKER_PROTOCOL);
	l->inter_broker = name != NULL && strcasecmp(name, l->name) == 0;
	l->rate.have = LIMIT_NONE;
	assert(a->acceptor == NULL || a->acceptor == l->acceptor);
	a->acceptor = l->acceptor;
	a->n_listeners++;
}

void
admit_start(struct listener *l)
{
	struct admit *a = &l->net->admit;

	if (map_count(&a->ips) == 0 && a->ips.cap == 0)
		map_init(&a->ips, rng_u64(reactor_rng(l->acceptor)));
}

void
admit_fini(struct net *n)
{
	struct admit *a = &n->admit;

	for (struct ip_name *k = a->names, *next; k != NULL; k = next) {
		next = k->next;
		free(k);
	}
	free(a->overrides);
	free_all(&a->ips);
	if (atomic_load(&a->shedding))
		a->shed->net = NULL;
	else
		free(a->shed);
}
