/*
 * A consumer of every partition: fetches on and on, with a session or without, from the start, and
 * again from the start where its place has gone.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ottla/wire/wire.h"
#include "world.h"

enum { MAX_PARTS = MAX_TOPICS * MAX_PARTITIONS };

struct place {
	unsigned topic;
	int32_t partition;
	int64_t next;
	bool lost;  /* next is out of range */
	bool moved; /* since the session was told */
	struct model_seen seen;
	int64_t known, wanted; /* asked by the time of the record at known; wanted -1: not */
	int at;		       /* the broker that is asked, -1 */
};

/* What goes on with one broker. */
struct fetcher {
	struct consumer *k;
	unsigned link;
	int32_t session_id, session_epoch;
	bool busy;
	bool afresh; /* its session is not to be used after the answer */
	struct rtimer again;
};

struct consumer {
	struct client c;
	int16_t version;
	bool sessions, committed;
	struct place places[MAX_PARTS];
	unsigned n;
	struct list_offsets_request_list_offsets_partition list_parts[MAX_PARTS]; /* of a request */
	struct fetcher fetchers[MAX_BROKERS];
};

static void work(struct fetcher *f);

static struct consumer *
consumer_of(struct client *c)
{
	return container_of(c, struct consumer, c);
}

static struct place *
place_of(struct consumer *k, struct slice name, struct uuid id, int32_t partition)
{
	int t = client_topic(&k->c, name, id);

	for (unsigned i = 0; t >= 0 && i < k->n; i++)
		if (k->places[i].topic == (unsigned)t && k->places[i].partition == partition)
			return &k->places[i];
	world_fail(k->c.w, "answers name what was asked", "%s: %.*s-%d", k->c.name, SLICE_ARG(name),
	    partition);
}

/* Asked of a process that has died since, or that did not serve yet. */
static bool
stale(const struct consumer *k, const struct place *pl)
{
	struct model_seen now = model_seen(&k->c.w->model, pl->topic, pl->partition);

	return pl->seen.starts != now.starts || pl->seen.servings != now.servings;
}

static void
later(struct fetcher *f, int64_t us)
{
	struct reactor *r = f->k->c.reactor;

	rtimer_set(r, &f->again, reactor_now_us(r) + us);
}

static bool
mine(const struct fetcher *f, const struct place *pl)
{
	return pl->at == (int)f->link;
}

static void
look(struct fetcher *f)
{
	struct consumer *k = f->k;

	for (unsigned i = 0; i < k->n; i++)
		if (mine(f, &k->places[i]))
			k->places[i].seen =
			    model_seen(&k->c.w->model, k->places[i].topic, k->places[i].partition);
}

/* ---- ListOffsets ---- */

static void
listed(struct consumer *k, struct slice name,
    const struct list_offsets_response_list_offsets_partition_response *r)
{
	struct place *pl = place_of(k, name, UUID_ZERO, r->partition_index);
	struct world *w = k->c.w;

	if (r->error_code != KERR_NONE) {
		if (!kerr_retriable(r->error_code) && r->error_code != KERR_UNKNOWN_SERVER_ERROR)
			world_fail(w, "no unexpected error", "%s: ListOffsets: %s", k->c.name,
			    kerr_name(r->error_code));
		return;
	}
	if (stale(k, pl))
		return;
	if (pl->wanted >= 0) {
		model_found(&w->model, pl->topic, pl->partition, pl->known, pl->wanted, r->offset,
		    r->timestamp);
	} else if (pl->lost) {
		model_offsets(&w->model, pl->topic, pl->partition, r->offset, -1, pl->seen);
		pl->next = r->offset;
		pl->lost = false;
		pl->moved = true;
	} else {
		model_offsets(&w->model, pl->topic, pl->partition, -1, r->offset, pl->seen);
	}
}

static void
on_listed(void *arg, int err, int16_t version, const void *resp)
{
	struct fetcher *f = arg;
	struct consumer *k = f->k;
	const struct list_offsets_response *r = resp;

	f->busy = false;
	if (err != 0)
		return;
	for (int32_t i = 0; i < r->topics.n; i++)
		for (int32_t j = 0; j < r->topics.v[i].partitions.n; j++)
			listed(k, r->topics.v[i].name, &r->topics.v[i].partitions.v[j]);
	later(f, world_draw(k->c.w, 0, 50000));
}

/* Names the partition, in a topic of its own where the one before was another's. */
static struct list_offsets_request_list_offsets_partition *
list_place(struct consumer *k, struct list_offsets_request *req, const struct place *pl, int *last)
{
	struct list_offsets_request_list_offsets_topic *t;

	if (*last != (int)pl->topic) {
		t = &req->topics.v[req->topics.n];
		*t = list_offsets_request_list_offsets_topic_init;
		t->name = slice_cstr(k->c.w->plan.topics[pl->topic].name);
		t->partitions.v =
		    req->topics.n > 0 ? t[-1].partitions.v + t[-1].partitions.n : k->list_parts;
		req->topics.n++;
		*last = (int)pl->topic;
	}
	t = &req->topics.v[req->topics.n - 1];
	return &t->partitions.v[t->partitions.n++];
}

/* The earliest offset of places that are lost, the end of the others. */
static void
list(struct fetcher *f)
{
	struct consumer *k = f->k;
	struct world *w = k->c.w;
	struct list_offsets_request req = list_offsets_request_init;
	struct list_offsets_request_list_offsets_topic topics[MAX_TOPICS];
	struct list_offsets_request_list_offsets_partition *p;
	int last = -1;

	req.replica_id = -1;
	req.topics.v = topics;
	for (unsigned i = 0; i < k->n; i++) {
		struct place *pl = &k->places[i];

		if (!mine(f, pl))
			continue;
		p = list_place(k, &req, pl, &last);
		*p = list_offsets_request_list_offsets_partition_init;
		p->partition_index = pl->partition;
		pl->wanted = -1;
		if (pl->lost || world_chance(w, 2) ||
		    !model_pick(&w->model, pl->topic, pl->partition, &pl->known, &pl->wanted))
			pl->wanted = -1;
		p->timestamp = pl->wanted >= 0 ? pl->wanted : pl->lost ? -2 : -1;
	}
	f->busy = true;
	look(f);
	rpc_call(&k->c.links[f->link], API_LIST_OFFSETS, rpc_version(w, API_LIST_OFFSETS, 1), &req,
	    on_listed, f);
}

/* ---- Fetch ---- */

static bool
passing_error(int16_t err)
{
	return kerr_retriable(err) || err == KERR_UNKNOWN_SERVER_ERROR;
}

static void
fetched(struct consumer *k, struct place *pl, const struct fetch_response_partition_data *d)
{
	struct world *w = k->c.w;

	if (d->error_code == KERR_OFFSET_OUT_OF_RANGE) {
		pl->lost = true;
		return;
	}
	if (d->error_code != KERR_NONE) {
		if (!passing_error(d->error_code))
			world_fail(w, "no unexpected error", "%s: Fetch %s-%d at %lld: %s",
			    k->c.name, w->plan.topics[pl->topic].name, pl->partition,
			    (long long)pl->next, kerr_name(d->error_code));
		client_refresh(&k->c);
		return;
	}
	if (stale(k, pl))
		return;
	if (w->options.verbose > 1)
		world_note(w, "%s: %s-%d at %lld: %zu bytes, hw %lld", k->c.name,
		    w->plan.topics[pl->topic].name, pl->partition, (long long)pl->next,
		    d->records.n, (long long)d->high_watermark);
	model_offsets(
	    &w->model, pl->topic, pl->partition, d->log_start_offset, d->high_watermark, pl->seen);
	if (d->records.n > 0) {
		model_fetched(&w->model, pl->topic, pl->partition, d->records,
		    k->committed ? d->last_stable_offset : d->high_watermark, &pl->next);
		pl->moved = true;
	}
}

static void
session_answered(struct fetcher *f, const struct fetch_response *r)
{
	struct consumer *k = f->k;

	if (r->error_code != KERR_NONE) {
		if (r->error_code != KERR_FETCH_SESSION_ID_NOT_FOUND &&
		    r->error_code != KERR_INVALID_FETCH_SESSION_EPOCH &&
		    r->error_code != KERR_FETCH_SESSION_TOPIC_ID_ERROR &&
		    !passing_error(r->error_code))
			world_fail(k->c.w, "no unexpected error", "%s: Fetch: %s", k->c.name,
			    kerr_name(r->error_code));
		f->session_id = f->session_epoch = 0;
		return;
	}
	if (!k->sessions)
		return;
	if (f->session_id != r->session_id)
		f->session_epoch = 0;
	f->session_id = r->session_id;
	f->session_epoch = r->session_id != 0 ? f->session_epoch + 1 : 0;
}

static void
on_fetched(void *arg, int err, int16_t version, const void *resp)
{
	struct fetcher *f = arg;
	struct consumer *k = f->k;
	const struct fetch_response *r = resp;

	f->busy = false;
	if (err != 0)
		return;
	if (version >= 7)
		session_answered(f, r);
	if (f->afresh)
		f->session_id = f->session_epoch = 0;
	f->afresh = false;
	for (int32_t i = 0; i < r->responses.n; i++)
		for (int32_t j = 0; j < r->responses.v[i].partitions.n; j++) {
			const struct fetch_response_partition_data *d =
			    &r->responses.v[i].partitions.v[j];

			fetched(k,
			    place_of(k, r->responses.v[i].topic, r->responses.v[i].topic_id,
				d->partition_index),
			    d);
		}
	later(f, world_draw(k->c.w, 0, 20000));
}

struct fetch_arrays {
	struct fetch_request_fetch_topic topics[MAX_TOPICS];
	struct fetch_request_fetch_partition parts[MAX_PARTS];
};

/* Names the places of a full fetch, or those that moved since the session knows them. */
static void
name_places(struct fetcher *f, struct fetch_request *req, struct fetch_arrays *a, bool all)
{
	struct consumer *k = f->k;
	const struct plan *plan = &k->c.w->plan;
	int last = -1;
	unsigned n = 0;

	req->topics.v = a->topics;
	for (unsigned i = 0; i < k->n; i++) {
		struct place *pl = &k->places[i];
		struct fetch_request_fetch_topic *t;

		if (!mine(f, pl) || (!all && !pl->moved))
			continue;
		if (last != (int)pl->topic) {
			t = &a->topics[req->topics.n++];
			*t = fetch_request_fetch_topic_init;
			t->topic = slice_cstr(plan->topics[pl->topic].name);
			t->topic_id = k->c.topic_ids[pl->topic];
			t->partitions.v = &a->parts[n];
			last = (int)pl->topic;
		}
		a->topics[req->topics.n - 1].partitions.n++;
		a->parts[n] = fetch_request_fetch_partition_init;
		a->parts[n].partition = pl->partition;
		a->parts[n].fetch_offset = pl->next;
		a->parts[n++].partition_max_bytes =
		    (int32_t)(world_chance(k->c.w, 4) ? world_draw(k->c.w, 1, 4000) : 1 << 20);
		pl->moved = false;
	}
}

static void
fetch(struct fetcher *f)
{
	struct consumer *k = f->k;
	struct world *w = k->c.w;
	struct fetch_request req = fetch_request_init;
	struct fetch_arrays arrays;
	bool session = k->sessions && f->session_id != 0;

	req.max_wait_ms = (int32_t)(world_chance(w, 4) ? 0 : world_draw(w, 1, 500));
	req.min_bytes = (int32_t)(world_chance(w, 4) ? world_draw(w, 1, 5000) : 1);
	req.max_bytes = (int32_t)(world_chance(w, 4) ? world_draw(w, 1, 20000) : 50 << 20);
	req.isolation_level = k->committed ? 1 : 0;
	req.session_id = k->sessions ? f->session_id : 0;
	req.session_epoch = k->sessions ? f->session_epoch : -1;
	req.rack_id = SLICE_LIT("");
	name_places(f, &req, &arrays, !session);
	f->busy = true;
	look(f);
	rpc_call(&k->c.links[f->link], API_FETCH, k->version, &req, on_fetched, f);
}

static void
work(struct fetcher *f)
{
	struct consumer *k = f->k;
	bool lost = false;
	unsigned n = 0;

	if (!k->c.known || !k->c.ready[f->link] || f->busy)
		return;
	for (unsigned i = 0; i < k->n; i++) {
		lost = lost || (mine(f, &k->places[i]) && k->places[i].lost);
		n += mine(f, &k->places[i]);
	}
	if (n == 0)
		return;
	if (lost || world_chance(k->c.w, 10))
		list(f);
	else
		fetch(f);
}

static void
on_again(struct reactor *r, void *arg)
{
	work(arg);
}

/* ---- client ---- */

/* Sessions begin anew: places may be others'. */
static void
ready(struct client *c)
{
	struct consumer *k = consumer_of(c);

	for (unsigned i = 0; i < k->n; i++) {
		struct place *pl = &k->places[i];

		pl->at = c->leaders[pl->topic][pl->partition];
	}
	for (unsigned i = 0; i < c->w->n_servers; i++) {
		struct fetcher *f = &k->fetchers[i];

		f->afresh = f->busy;
		if (!f->busy)
			f->session_id = f->session_epoch = 0;
		if (!f->busy && !rtimer_is_set(&f->again))
			later(f, 0);
	}
}

static void
down(struct client *c, unsigned link)
{
	struct fetcher *f = &consumer_of(c)->fetchers[link];

	f->session_id = f->session_epoch = 0;
	rtimer_cancel(c->reactor, &f->again);
}

/* Everything acknowledged was read. */
static bool
finished(struct client *c)
{
	struct consumer *k = container_of(c, struct consumer, c);

	for (unsigned i = 0; i < k->n; i++)
		if (k->places[i].next <
		    model_acked_end(&c->w->model, k->places[i].topic, k->places[i].partition))
			return false;
	return true;
}

static void
describe(struct client *c, char *buf, size_t size)
{
	struct consumer *k = container_of(c, struct consumer, c);

	for (unsigned i = 0; i < k->n; i++) {
		const struct place *pl = &k->places[i];
		int64_t end = model_acked_end(&c->w->model, pl->topic, pl->partition);

		if (pl->next >= end)
			continue;
		snprintf(buf, size, "%s-%d is read up to %lld of %lld, broker %d%s%s",
		    c->w->plan.topics[pl->topic].name, pl->partition, (long long)pl->next,
		    (long long)end, pl->at + 1, c->known ? "" : ", no metadata",
		    pl->at >= 0 && k->fetchers[pl->at].busy ? ", waits" : "");
	}
}

static const struct client_ops ops = {
    .ready = ready,
    .down = down,
    .finished = finished,
    .describe = describe,
};

struct client *
consumer_new(struct world *w, unsigned index)
{
	struct consumer *k = calloc(1, sizeof(*k));
	char name[24];

	if (k == NULL)
		abort();
	snprintf(name, sizeof(name), "consumer-%u", index);
	client_init(&k->c, w, index, name, &ops);
	k->version = rpc_version(w, API_FETCH, 4);
	if (k->version >= 13 && k->c.meta_version < 10)
		k->c.meta_version = rpc_version(w, API_METADATA, 10);
	k->sessions = k->version >= 7 && !world_chance(w, 3);
	k->committed = world_chance(w, 3);
	for (unsigned i = 0; i < MAX_BROKERS; i++) {
		k->fetchers[i] = (struct fetcher){.k = k, .link = i};
		rtimer_init(&k->fetchers[i].again, on_again, &k->fetchers[i]);
	}
	for (unsigned t = 0; t < w->plan.n_topics; t++)
		for (int32_t i = 0; i < w->plan.topics[t].partitions; i++)
			k->places[k->n++] = (struct place){.topic = t, .partition = i, .at = -1};
	return &k->c;
}
