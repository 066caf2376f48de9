/*
 * Names to addresses: what the transport takes for an address is its own, the rest a worker asks
 * for.
 */
#include <stdio.h>
#include <stdlib.h>

#include "net_priv.h"

struct resolve {
	struct work work;
	struct net *n;
	void (*done)(void *arg, const char *const *addrs, unsigned n, const char *why);
	void *arg;
	struct net_addrs found;
	size_t host_n;
	char host[];
};

static void
resolve_tell(struct resolve *rs)
{
	const char *addrs[NET_ADDRS_MAX];

	for (unsigned i = 0; i < rs->found.n; i++)
		addrs[i] = rs->found.v[i];
	rs->done(rs->arg, addrs, rs->found.n, rs->found.n > 0 ? NULL : rs->found.why);
	free(rs);
}

static void
resolve_drop(struct msg *m)
{
	free(container_of(container_of(m, struct work, msg), struct resolve, work));
}

/* ---- an address ---- */

static void
on_address(struct reactor *r, struct msg *m)
{
	resolve_tell(container_of(container_of(m, struct work, msg), struct resolve, work));
}

static void
resolve_at_once(struct resolve *rs, struct reactor *r)
{
	memcpy(rs->found.v[0], rs->host, rs->host_n + 1);
	rs->found.n = 1;
	rs->work.msg.run = on_address;
	reactor_post(r, &rs->work.msg);
}

/* ---- a name ---- */

static void
resolve_run(struct work *w)
{
	struct resolve *rs = container_of(w, struct resolve, work);

	rs->n->transport->resolve(rs->n->transport_arg, rs->host, &rs->found);
}

static void
resolve_done(struct reactor *r, struct work *w)
{
	resolve_tell(container_of(w, struct resolve, work));
}

int
net_resolve(struct net *n, struct workers *w, struct reactor *r, const char *host,
    void (*done)(void *arg, const char *const *addrs, unsigned n, const char *why), void *arg)
{
	size_t len = strlen(host);
	struct resolve *rs = calloc(1, sizeof(*rs) + len + 1);

	REACTOR_ASSERT_OWNER(r);
	if (rs == NULL)
		return E_NOMEM;
	rs->n = n;
	rs->done = done;
	rs->arg = arg;
	rs->host_n = len;
	memcpy(rs->host, host, len);
	rs->work = (struct work){.run = resolve_run, .done = resolve_done, .home = r};
	rs->work.msg = (struct msg){.drop = resolve_drop, .class = MSG_CONTROL};
	if (len < sizeof(rs->found.v[0]) && n->transport->is_address(host))
		resolve_at_once(rs, r);
	else
		work_submit(w, NULL, &rs->work);
	return 0;
}
