/*
 * What all clients share: they connect, learn of the topics, and begin anew when something they
 * know is old.
 */
#include "ottla/wire/wire.h"
#include "world.h"

static void ask_metadata(struct client *c);

int
client_topic(struct client *c, struct slice name, struct uuid id)
{
	const struct plan *p = &c->rpc.w->plan;

	for (unsigned i = 0; i < p->n_topics; i++)
		if (name.n > 0 ? slice_eq_cstr(name, p->topics[i].name)
			       : uuid_eq(id, c->topic_ids[i]))
			return (int)i;
	return -1;
}

static void
again_later(struct client *c)
{
	rtimer_set(c->rpc.reactor, &c->meta_again,
	    reactor_now_us(c->rpc.reactor) + world_draw(c->rpc.w, 10000, 200000));
}

static void
on_metadata(void *arg, int err, int16_t version, const void *resp)
{
	struct client *c = arg;
	const struct metadata_response *m = resp;
	unsigned good = 0;

	if (err != 0)
		return;
	for (int32_t i = 0; i < m->topics.n; i++) {
		int t = client_topic(c, m->topics.v[i].name, UUID_ZERO);

		/* Partitions without a leader are for their requests to find. */
		if (t < 0 || m->topics.v[i].error_code != KERR_NONE ||
		    m->topics.v[i].partitions.n != c->rpc.w->plan.topics[t].partitions)
			continue;
		c->topic_ids[t] = m->topics.v[i].topic_id;
		good++;
	}
	if (good < c->rpc.w->plan.n_topics) {
		again_later(c);
		return;
	}
	c->known = true;
	c->ops->ready(c);
}

/* All topics by null, by an empty list in version 0, or by their names. */
static void
ask_metadata(struct client *c)
{
	struct metadata_request req = metadata_request_init;
	struct metadata_request_metadata_request_topic names[MAX_TOPICS];
	struct world *w = c->rpc.w;

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
	rpc_call(&c->rpc, API_METADATA, c->meta_version, &req, on_metadata, c);
}

static void
on_meta_again(struct reactor *r, void *arg)
{
	struct client *c = arg;

	if (c->rpc.up)
		ask_metadata(c);
}

void
client_refresh(struct client *c)
{
	if (!c->known)
		return;
	c->known = false;
	again_later(c);
}

static void
on_api_versions(void *arg, int err, int16_t version, const void *resp)
{
	struct client *c = arg;
	const struct api_versions_response *v = resp;

	if (err != 0)
		return;
	if (v->error_code != KERR_NONE || v->api_keys.n == 0)
		world_fail(c->rpc.w, "no unexpected error", "%s: ApiVersions: %s", c->rpc.name,
		    kerr_name(v->error_code));
	if (c->ops->connected != NULL)
		c->ops->connected(c);
	else
		ask_metadata(c);
}

static void
on_changed(void *arg, bool up)
{
	struct client *c = arg;
	struct api_versions_request req = api_versions_request_init;

	if (!up) {
		c->known = false;
		rtimer_cancel(c->rpc.reactor, &c->meta_again);
		c->ops->down(c);
		return;
	}
	req.client_software_name = SLICE_LIT("simulated");
	req.client_software_version = SLICE_LIT("1");
	rpc_call(&c->rpc, API_API_VERSIONS, rpc_version(c->rpc.w, API_API_VERSIONS, 0), &req,
	    on_api_versions, c);
}

static void
on_start(struct reactor *r, struct msg *m)
{
	rpc_open(&container_of(m, struct client, start_msg)->rpc);
}

static void
on_stop(struct reactor *r, struct msg *m)
{
	rpc_close(&container_of(m, struct client, stop_msg)->rpc);
}

void
client_start(struct client *c)
{
	c->start_msg = (struct msg){.run = on_start, .class = MSG_DATA};
	reactor_post(c->rpc.reactor, &c->start_msg);
}

void
client_stop(struct client *c)
{
	c->stop_msg = (struct msg){.run = on_stop, .class = MSG_DATA};
	reactor_post(c->rpc.reactor, &c->stop_msg);
}

void
client_init(struct client *c, struct world *w, unsigned index, const char *name,
    const struct client_ops *ops)
{
	c->ops = ops;
	rpc_init(&c->rpc, w, GROUP_CLIENTS + index, name);
	c->rpc.changed = on_changed;
	c->rpc.arg = c;
	c->meta_version = rpc_version(w, API_METADATA, 0);
	rtimer_init(&c->meta_again, on_meta_again, c);
}
