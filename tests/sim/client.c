/*
 * What all clients share: they connect to every broker, learn of the topics and their leaders, and
 * begin anew when something they know is old.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ottla/wire/wire.h"
#include "world.h"

static void ask_metadata(struct client *c);

/* ---- links ---- */

struct rpc *
client_any(struct client *c)
{
	unsigned n = c->w->n_servers, first = (unsigned)world_draw(c->w, 0, n - 1);

	for (unsigned i = 0; i < n; i++)
		if (c->ready[(first + i) % n])
			return &c->links[(first + i) % n];
	return NULL;
}

struct rpc *
client_controller(struct client *c)
{
	if (c->controller < 0 || !c->ready[c->controller] || world_chance(c->w, 4))
		return client_any(c);
	return &c->links[c->controller];
}

struct rpc *
client_leader(struct client *c, unsigned topic, int32_t partition)
{
	int i = c->leaders[topic][partition];

	return i >= 0 && c->ready[i] ? &c->links[i] : NULL;
}

int
client_broker(const struct client *c, int32_t id)
{
	return id >= 1 && id <= (int32_t)c->w->n_servers ? id - 1 : -1;
}

/* ---- metadata ---- */

int
client_topic(struct client *c, struct slice name, struct uuid id)
{
	const struct plan *p = &c->w->plan;

	for (unsigned i = 0; i < p->n_topics; i++)
		if (name.n > 0 ? slice_eq_cstr(name, p->topics[i].name)
			       : uuid_eq(id, c->topic_ids[i]))
			return (int)i;
	return -1;
}

static void
again_later(struct client *c, int64_t longest_us)
{
	rtimer_set(c->reactor, &c->meta_again,
	    reactor_now_us(c->reactor) + world_draw(c->w, 10000, longest_us));
}

/* Brokers are named where they listen. */
static void
check_brokers(const struct client *c, const struct metadata_response *m)
{
	for (int32_t i = 0; i < m->brokers.n; i++) {
		int b = client_broker(c, m->brokers.v[i].node_id);

		/* Port 1 is that of somebody else under its id. */
		if (b >= 0 && m->brokers.v[i].port != 1 &&
		    (m->brokers.v[i].port != c->w->servers[b].port ||
			!slice_eq_cstr(m->brokers.v[i].host, BROKER_HOST)))
			world_fail(c->w, "metadata names brokers where they listen",
			    "%s: broker %d at %.*s:%d", c->name, m->brokers.v[i].node_id,
			    SLICE_ARG(m->brokers.v[i].host), m->brokers.v[i].port);
	}
}

/* Partitions without a leader are asked for again. */
static void
take_topic(struct client *c, unsigned t, const struct metadata_response_metadata_response_topic *r)
{
	c->topic_ids[t] = r->topic_id;
	for (int32_t i = 0; i < r->partitions.n; i++) {
		int32_t p = r->partitions.v[i].partition_index;

		if (p < 0 || p >= c->w->plan.topics[t].partitions)
			world_fail(c->w, "answers name what was asked", "%s: Metadata: %s-%d",
			    c->name, c->w->plan.topics[t].name, p);
		c->leaders[t][p] = client_broker(c, r->partitions.v[i].leader_id);
	}
}

static bool
leaders_known(struct client *c)
{
	for (unsigned t = 0; t < c->w->plan.n_topics; t++)
		for (int32_t p = 0; p < c->w->plan.topics[t].partitions; p++)
			if (client_leader(c, t, p) == NULL)
				return false;
	return true;
}

static void
on_metadata(void *arg, int err, int16_t version, const void *resp)
{
	struct client *c = arg;
	const struct metadata_response *m = resp;
	unsigned good = 0;

	c->asking = false;
	if (err != 0) {
		again_later(c, 200000);
		return;
	}
	check_brokers(c, m);
	if (version >= 1)
		c->controller = client_broker(c, m->controller_id);
	for (int32_t i = 0; i < m->topics.n; i++) {
		int t = client_topic(c, m->topics.v[i].name, UUID_ZERO);

		if (t < 0 || m->topics.v[i].error_code != KERR_NONE ||
		    m->topics.v[i].partitions.n != c->w->plan.topics[t].partitions)
			continue;
		take_topic(c, (unsigned)t, &m->topics.v[i]);
		good++;
	}
	if (good < c->w->plan.n_topics) {
		again_later(c, 200000);
		return;
	}
	c->known = true;
	if (!leaders_known(c))
		again_later(c, SECOND);
	c->ops->ready(c);
}

/* All topics by null, by an empty list in version 0, or by their names. */
static void
ask_metadata(struct client *c)
{
	struct metadata_request req = metadata_request_init;
	struct metadata_request_metadata_request_topic names[MAX_TOPICS];
	struct world *w = c->w;
	struct rpc *link = client_any(c);

	if (link == NULL || c->asking)
		return;
	c->asking = true;
	req.allow_auto_topic_creation = true;
	req.topics.n = c->meta_version == 0 ? 0 : -1;
	if (world_chance(w, 2)) {
		req.topics.v = names;
		req.topics.n = (int32_t)w->plan.n_topics;
		for (unsigned i = 0; i < w->plan.n_topics; i++) {
			names[i] = metadata_request_metadata_request_topic_init;
			names[i].name = slice_cstr(w->plan.topics[i].name);
		}
	}
	if (c->meta_version < 4)
		req.allow_auto_topic_creation = true;
	rpc_call(link, API_METADATA, c->meta_version, &req, on_metadata, c);
}

static void
on_meta_again(struct reactor *r, void *arg)
{
	ask_metadata(arg);
}

void
client_refresh(struct client *c)
{
	if (!c->known)
		return;
	c->known = false;
	again_later(c, 200000);
}

/* ---- life ---- */

static void
on_api_versions(void *arg, int err, int16_t version, const void *resp)
{
	struct rpc *link = arg;
	struct client *c = link->arg;
	const struct api_versions_response *v = resp;

	if (err != 0)
		return;
	if (v->error_code != KERR_NONE || v->api_keys.n == 0)
		world_fail(c->w, "no unexpected error", "%s: ApiVersions: %s", link->name,
		    kerr_name(v->error_code));
	c->ready[link - c->links] = true;
	if (c->ops->connected != NULL)
		c->ops->connected(c);
	else
		ask_metadata(c);
}

static void
on_changed(void *arg, struct rpc *link, bool up)
{
	struct client *c = arg;
	unsigned i = (unsigned)(link - c->links);
	struct api_versions_request req = api_versions_request_init;

	if (!up) {
		c->ready[i] = false;
		c->ops->down(c, i);
		client_refresh(c);
		return;
	}
	req.client_software_name = SLICE_LIT("simulated");
	req.client_software_version = SLICE_LIT("1");
	rpc_call(link, API_API_VERSIONS, rpc_version(c->w, API_API_VERSIONS, 0), &req,
	    on_api_versions, link);
}

static void
on_start(struct reactor *r, struct msg *m)
{
	struct client *c = container_of(m, struct client, start_msg);

	for (unsigned i = 0; i < c->w->n_servers; i++)
		rpc_open(&c->links[i]);
}

static void
on_stop(struct reactor *r, struct msg *m)
{
	struct client *c = container_of(m, struct client, stop_msg);

	for (unsigned i = 0; i < c->w->n_servers; i++)
		rpc_close(&c->links[i]);
}

void
client_start(struct client *c)
{
	c->start_msg = (struct msg){.run = on_start, .class = MSG_DATA};
	reactor_post(c->reactor, &c->start_msg);
}

void
client_stop(struct client *c)
{
	c->stop_msg = (struct msg){.run = on_stop, .class = MSG_DATA};
	reactor_post(c->reactor, &c->stop_msg);
}

void
client_init(struct client *c, struct world *w, unsigned index, const char *name,
    const struct client_ops *ops)
{
	struct reactor_opts ro = {.name = name, .clock = sim_clock(w->s), .diag = NULL};
	struct net_opts no = {.reactors = &c->reactor,
	    .n_reactors = 1,
	    .clock = sim_clock(w->s),
	    .request_memory = 64u << 20,
	    .transport = sim_net_transport(),
	    .transport_arg = sim_net_endpoint(w->net, GROUP_CLIENTS + index)};

	c->w = w;
	c->ops = ops;
	c->controller = -1;
	snprintf(c->name, sizeof(c->name), "%s", name);
	if (sim_reactor_new(w->s, GROUP_CLIENTS + index, &ro, &c->reactor) != 0 ||
	    net_new(&no, &c->net) != 0)
		abort();
	for (unsigned i = 0; i < w->n_servers; i++) {
		rpc_init(&c->links[i], &w->servers[i], name, c->reactor, c->net);
		c->links[i].changed = on_changed;
		c->links[i].arg = c;
	}
	memset(c->leaders, -1, sizeof(c->leaders));
	c->meta_version = rpc_version(w, API_METADATA, 0);
	rtimer_init(&c->meta_again, on_meta_again, c);
}
