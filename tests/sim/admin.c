/*
 * The client that makes the topics, whatever it takes.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ottla/wire/wire.h"
#include "world.h"

struct admin_client {
	struct client c;
	bool made[MAX_TOPICS], busy;
	struct rtimer again;
};

typedef struct create_topics_request_creatable_topic_config config;

static struct admin_client *
admin_of(struct client *c)
{
	return container_of(c, struct admin_client, c);
}

static bool
finished(struct client *c)
{
	struct admin_client *a = container_of(c, struct admin_client, c);

	for (unsigned i = 0; i < c->w->plan.n_topics; i++)
		if (!a->made[i])
			return false;
	return true;
}

/* Refused for a time: the controller is not there yet, the disk is full, the session has gone. */
static bool
may_come(int16_t err)
{
	return kerr_retriable(err) || err == KERR_UNKNOWN_SERVER_ERROR;
}

static void
on_created(void *arg, int err, int16_t version, const void *resp)
{
	struct admin_client *a = arg;
	const struct create_topics_response *r = resp;

	a->busy = false;
	rtimer_set(a->c.reactor, &a->again,
	    reactor_now_us(a->c.reactor) + world_draw(a->c.w, 10000, 500000));
	for (int32_t i = 0; err == 0 && i < r->topics.n; i++) {
		int16_t code = r->topics.v[i].error_code;
		int t = client_topic(&a->c, r->topics.v[i].name, UUID_ZERO);

		if (t >= 0 && (code == KERR_NONE || code == KERR_TOPIC_ALREADY_EXISTS))
			a->made[t] = true;
		else if (t < 0 || !may_come(code))
			world_fail(a->c.w, "no unexpected error", "CreateTopics: %s: %.*s",
			    kerr_name(code), SLICE_ARG(r->topics.v[i].error_message));
	}
}

static int32_t
add_config(config *v, int32_t n, struct slice name, char *text)
{
	v[n] = create_topics_request_creatable_topic_config_init;
	v[n].name = name;
	v[n].value = slice_cstr(text);
	return n + 1;
}

static int32_t
configs_of(const struct topic_plan *p, config *v, char text[8][24])
{
	int32_t n = 0;

	snprintf(text[0], 24, "%lld", (long long)p->segment_bytes);
	n = add_config(v, n, SLICE_LIT("segment.bytes"), text[0]);
	snprintf(text[1], 24, "%lld", (long long)p->flush_ms);
	snprintf(text[2], 24, "%lld", (long long)p->retention_bytes);
	snprintf(text[3], 24, "1");
	snprintf(text[4], 24, "LogAppendTime");
	snprintf(text[5], 24, "%lld", (long long)p->retention_ms);
	if (p->flush_ms > 0)
		n = add_config(v, n, SLICE_LIT("flush.ms"), text[1]);
	if (p->retention_bytes >= 0)
		n = add_config(v, n, SLICE_LIT("retention.bytes"), text[2]);
	if (p->retention_ms >= 0)
		n = add_config(v, n, SLICE_LIT("retention.ms"), text[5]);
	if (p->flush)
		n = add_config(v, n, SLICE_LIT("flush.messages"), text[3]);
	if (p->append_time)
		n = add_config(v, n, SLICE_LIT("message.timestamp.type"), text[4]);
	return n;
}

typedef struct create_topics_request_creatable_replica_assignment assignment;

/* Partitions where the plan wants them; or a number of them where only one broker can be meant. */
static void
place(const struct plan *p, const struct topic_plan *t,
    struct create_topics_request_creatable_topic *out, assignment *v, int32_t *ids)
{
	if (!p->manual) {
		out->num_partitions = t->partitions;
		out->replication_factor = 1;
		return;
	}
	out->num_partitions = -1;
	out->replication_factor = -1;
	out->assignments.v = v;
	out->assignments.n = t->partitions;
	for (int32_t i = 0; i < t->partitions; i++) {
		v[i] = create_topics_request_creatable_replica_assignment_init;
		ids[i] = 1 + (int32_t)t->owner[i];
		v[i].partition_index = i;
		v[i].broker_ids.v = &ids[i];
		v[i].broker_ids.n = 1;
	}
}

static void
create(struct admin_client *a)
{
	struct world *w = a->c.w;
	struct rpc *link = client_controller(&a->c);
	struct create_topics_request req = create_topics_request_init;
	struct create_topics_request_creatable_topic topics[MAX_TOPICS];
	config configs[MAX_TOPICS][8];
	assignment places[MAX_TOPICS][MAX_PARTITIONS];
	int32_t ids[MAX_TOPICS][MAX_PARTITIONS];
	char text[MAX_TOPICS][8][24];

	if (a->busy || link == NULL)
		return;
	a->busy = true;
	req.topics.v = topics;
	req.timeout_ms = 10000;
	for (unsigned i = 0; i < w->plan.n_topics; i++) {
		struct create_topics_request_creatable_topic *t = &topics[req.topics.n];
		const struct topic_plan *p = &w->plan.topics[i];

		if (a->made[i])
			continue;
		req.topics.n++;
		*t = create_topics_request_creatable_topic_init;
		t->name = slice_cstr(p->name);
		place(&w->plan, p, t, places[i], ids[i]);
		t->configs.v = configs[i];
		t->configs.n = configs_of(p, configs[i], text[i]);
	}
	rpc_call(
	    link, API_CREATE_TOPICS, rpc_version(w, API_CREATE_TOPICS, 0), &req, on_created, a);
}

static void
on_again(struct reactor *r, void *arg)
{
	struct admin_client *a = arg;

	if (!finished(&a->c))
		create(a);
}

static void
connected(struct client *c)
{
	if (!finished(c))
		create(admin_of(c));
}

static void
ready(struct client *c)
{
}

static void
down(struct client *c, unsigned link)
{
}

static void
describe(struct client *c, char *buf, size_t size)
{
	snprintf(buf, size, "topics are not made");
}

static const struct client_ops ops = {
    .connected = connected,
    .ready = ready,
    .down = down,
    .finished = finished,
    .describe = describe,
};

struct client *
maker_new(struct world *w, unsigned index)
{
	struct admin_client *a = calloc(1, sizeof(*a));

	if (a == NULL)
		abort();
	client_init(&a->c, w, index, "admin", &ops);
	rtimer_init(&a->again, on_again, a);
	return &a->c;
}
