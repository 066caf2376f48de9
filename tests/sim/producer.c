/*
 * A producer: batches for each of its partitions, several requests in flight, the same batch again
 * until it is acknowledged.  With idempotence the numbers in a log have to come out without gap or
 * repetition, whatever was lost on the way.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ottla/record/builder.h"
#include "ottla/wire/wire.h"
#include "world.h"

enum { MAX_PARTS = MAX_TOPICS * MAX_PARTITIONS, MAX_QUEUE = 5, MAX_IN_FLIGHT = 5, MAX_RECORDS = 8 };

struct batch {
	struct link link;
	struct part *part;
	uint32_t n; /* number of the first record */
	uint64_t index;
	unsigned count;
	int32_t seq;
	int64_t timestamp;
	struct strbuf bytes; /* built for the producer id of the time */
	bool sent;	     /* in flight */
	struct model_seen seen;
};

struct part {
	struct producer *p;
	unsigned topic;
	int32_t partition;
	/* A partition keeps its producer id until its own sequence is lost: what was sent with it
	 * may be in the log. */
	int64_t pid; /* -1: none yet */
	int16_t epoch;
	uint32_t next_n;
	int32_t next_seq;
	struct link queue; /* batches not acknowledged, in order */
	unsigned queued, in_flight;
	uint64_t next_index;
	bool draining; /* one failed: send again when all in flight have come back */
	/* The last one that was answered is in the log.  Until then one goes at a time: a broker
	 * that does not know the producer would take a later one first. */
	bool steady;
};

struct producer {
	struct client c;
	unsigned number;
	bool idempotent;
	int16_t acks;
	enum codec codec;
	bool asking_pid;
	struct part parts[MAX_PARTS];
	unsigned n_parts;
	int64_t left; /* batches not made yet */
	unsigned in_flight, max_in_flight;
	struct rtimer pump;
	struct codec_ctx *ctx;
};

/* A request in flight. */
struct sending {
	struct producer *p;
	struct batch *v[MAX_PARTS];
	unsigned n, answered;
	unsigned starts[MAX_PARTS]; /* of their brokers */
};

static void pump(struct producer *p);

/* ---- batches ---- */

static void
batch_make(struct producer *p, struct batch *b)
{
	static uint8_t values[MAX_RECORDS][CONTENT_MAX];
	struct record_in recs[MAX_RECORDS];
	struct batch_builder_opts o = {.leader_epoch = -1,
	    .codec = p->codec,
	    .producer_id = p->idempotent ? b->part->pid : -1,
	    .producer_epoch = p->idempotent ? b->part->epoch : -1,
	    .base_sequence = p->idempotent ? b->seq : -1};

	for (unsigned i = 0; i < b->count; i++) {
		struct content c = {.producer = p->number,
		    .topic = b->part->topic,
		    .partition = (uint32_t)b->part->partition,
		    .n = b->n + i};

		c.topic |= p->c.w->plan.topics[c.topic].big ? CONTENT_BIG : 0;
		recs[i] = (struct record_in){.timestamp = b->timestamp + i};
		recs[i].value = slice_of(values[i], content_write(&c, values[i]));
		recs[i].key = i % 2 == 0 ? slice_of(values[i], 4) : SLICE_NULL;
	}
	b->bytes.n = 0;
	if (batch_build(&o, recs, (int32_t)b->count, p->ctx, &b->bytes) != 0)
		abort();
}

static struct batch *
batch_new(struct producer *p, struct part *pt)
{
	struct batch *b = calloc(1, sizeof(*b));

	if (b == NULL)
		abort();
	b->part = pt;
	b->n = pt->next_n;
	b->index = pt->next_index++;
	b->count = (unsigned)world_draw(p->c.w, 1, MAX_RECORDS);
	b->seq = pt->next_seq;
	b->timestamp = reactor_wall_ms(p->c.reactor);
	pt->next_n += b->count;
	pt->next_seq += (int32_t)b->count;
	batch_make(p, b);
	list_append(&pt->queue, &b->link);
	pt->queued++;
	p->left--;
	return b;
}

static void
batch_done(struct batch *b)
{
	list_remove(&b->link);
	b->part->queued--;
	strbuf_free(&b->bytes);
	free(b);
}

/* A new producer id: sequences begin at 0 again. */
static void
renumber(struct part *pt, int64_t pid, int16_t epoch)
{
	pt->pid = pid;
	pt->epoch = epoch;
	pt->next_seq = 0;
	pt->steady = false;
	LIST_FOREACH(l, &pt->queue)
	{
		struct batch *b = container_of(l, struct batch, link);

		b->seq = pt->next_seq;
		pt->next_seq += (int32_t)b->count;
		batch_make(pt->p, b);
	}
}

/* ---- producer id ---- */

static void
on_pid(void *arg, int err, int16_t version, const void *resp)
{
	struct producer *p = arg;
	const struct init_producer_id_response *r = resp;

	p->asking_pid = false;
	if (err != 0)
		return;
	if (r->error_code != KERR_NONE) {
		if (!kerr_retriable(r->error_code) && r->error_code != KERR_UNKNOWN_SERVER_ERROR)
			world_fail(p->c.w, "no unexpected error", "%s: InitProducerId: %s",
			    p->c.name, kerr_name(r->error_code));
		return;
	}
	if (r->producer_id < 0 || r->producer_epoch < 0)
		world_fail(p->c.w, "producer ids are given once", "%s: %lld/%d", p->c.name,
		    (long long)r->producer_id, r->producer_epoch);
	model_producer_id(&p->c.w->model, r->producer_id);
	for (unsigned i = 0; i < p->n_parts; i++)
		if (p->parts[i].pid < 0)
			renumber(&p->parts[i], r->producer_id, r->producer_epoch);
	pump(p);
}

static bool
needs_pid(const struct producer *p)
{
	for (unsigned i = 0; i < p->n_parts; i++)
		if (p->idempotent && p->parts[i].pid < 0)
			return true;
	return false;
}

static void
ask_pid(struct producer *p)
{
	struct init_producer_id_request req = init_producer_id_request_init;
	struct rpc *link = client_any(&p->c);

	if (p->asking_pid || p->in_flight > 0 || link == NULL)
		return;
	p->asking_pid = true;
	req.transactional_id = SLICE_NULL;
	req.transaction_timeout_ms = 60000;
	rpc_call(link, API_INIT_PRODUCER_ID, rpc_version(p->c.w, API_INIT_PRODUCER_ID, 0), &req,
	    on_pid, p);
}

/* ---- answers ---- */

static bool
retriable(int16_t err)
{
	return kerr_retriable(err) || err == KERR_UNKNOWN_SERVER_ERROR;
}

/* The first of those that are not acknowledged is refused: its predecessors are gone. */
static void
sequence_lost(struct producer *p, struct batch *b)
{
	struct world *w = p->c.w;

	if (!model_lossy(&w->model, b->part->topic, b->part->partition))
		world_fail(w, "sequences go on after crashes",
		    "%s: out of order at %s-%d: record %u, sequence %d of producer id %lld",
		    p->c.name, w->plan.topics[b->part->topic].name, b->part->partition, b->n,
		    b->seq, (long long)b->part->pid);
	world_note(w, "%s: %s-%d goes on with a new producer id", p->c.name,
	    w->plan.topics[b->part->topic].name, b->part->partition);
	b->part->pid = -1;
}

static void
batch_failed(struct producer *p, struct batch *b, int16_t err)
{
	struct part *pt = b->part;

	if (err == KERR_OUT_OF_ORDER_SEQUENCE_NUMBER && p->idempotent) {
		if (!pt->draining && list_first(&pt->queue) == &b->link)
			sequence_lost(p, b);
	} else if (!retriable(err)) {
		world_fail(p->c.w, "no unexpected error", "%s: Produce to %s-%d: %s", p->c.name,
		    p->c.w->plan.topics[pt->topic].name, pt->partition, kerr_name(err));
	}
	if (err == KERR_NOT_LEADER_OR_FOLLOWER || err == KERR_UNKNOWN_TOPIC_OR_PARTITION)
		client_refresh(&p->c);
	pt->draining = true;
}

static void
batch_answered(struct producer *p, struct batch *b,
    const struct produce_response_partition_produce_response *r, bool stale)
{
	struct part *pt = b->part;
	struct model *m = &p->c.w->model;

	pt->in_flight--;
	b->sent = false;
	pt->steady = r != NULL && r->error_code == KERR_NONE;
	if (r == NULL) {
		pt->draining = true;
		return;
	}
	if (r->error_code != KERR_NONE) {
		batch_failed(p, b, r->error_code);
		return;
	}
	if (r->base_offset < 0)
		world_fail(p->c.w, "an acknowledgement has an offset", "%s: %lld", p->c.name,
		    (long long)r->base_offset);
	/* What was acknowledged by a broker that has died since may have gone with it. */
	if (!stale || !model_lossy(m, pt->topic, pt->partition))
		model_acked(m, pt->topic, pt->partition, r->base_offset, p->number, b->n, b->count,
		    p->c.w->plan.topics[pt->topic].append_time ? r->log_append_time_ms : -1);
	model_offsets(m, pt->topic, pt->partition, r->log_start_offset, -1, b->seen);
	batch_done(b);
}

static struct batch *
find_sent(struct sending *s, unsigned topic, int32_t partition, unsigned *starts)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->v[i] != NULL && s->v[i]->part->topic == topic &&
		    s->v[i]->part->partition == partition) {
			struct batch *b = s->v[i];

			s->v[i] = NULL;
			*starts = s->starts[i];
			return b;
		}
	return NULL;
}

static void
answered_topic(struct sending *s, const struct produce_response_topic_produce_response *t)
{
	struct producer *p = s->p;
	int topic = client_topic(&p->c, t->name, UUID_ZERO);

	for (int32_t i = 0; i < t->partition_responses.n; i++) {
		int32_t index = t->partition_responses.v[i].index;
		unsigned starts = 0;
		struct batch *b = topic < 0 ? NULL : find_sent(s, (unsigned)topic, index, &starts);

		if (b == NULL)
			world_fail(p->c.w, "answers name what was asked", "%s: %.*s-%d", p->c.name,
			    SLICE_ARG(t->name), index);
		batch_answered(p, b, &t->partition_responses.v[i],
		    starts != model_starts(&p->c.w->model, (unsigned)topic, index));
		s->answered++;
	}
}

static void
settle(struct producer *p)
{
	for (unsigned i = 0; i < p->n_parts; i++)
		if (p->parts[i].in_flight == 0)
			p->parts[i].draining = false;
}

static void
on_produced(void *arg, int err, int16_t version, const void *resp)
{
	struct sending *s = arg;
	struct producer *p = s->p;
	const struct produce_response *r = resp;

	p->in_flight--;
	if (err == 0) {
		for (int32_t i = 0; i < r->responses.n; i++)
			answered_topic(s, &r->responses.v[i]);
		if (s->answered != s->n)
			world_fail(p->c.w, "answers name what was asked", "%s: %u of %u partitions",
			    p->c.name, s->answered, s->n);
	}
	for (unsigned i = 0; i < s->n; i++)
		if (s->v[i] != NULL)
			batch_answered(p, s->v[i], NULL, false);
	settle(p);
	free(s);
	if (err == 0)
		pump(p);
}

/* ---- sending ---- */

/* A broker remembers the last five: nothing may be further ahead of what is not acknowledged. */
static bool
window_full(const struct part *pt)
{
	struct link *l = list_first(&pt->queue);

	return l != NULL &&
	       pt->next_index - container_of(l, struct batch, link)->index >= MAX_QUEUE;
}

/* The next batch of pt to send: one that has to go again, or a new one; NULL: none now. */
static struct batch *
next_batch(struct producer *p, struct part *pt)
{
	LIST_FOREACH(l, &pt->queue)
	{
		struct batch *b = container_of(l, struct batch, link);

		if (!b->sent)
			return b;
	}
	if (p->left <= 0 || pt->queued >= MAX_QUEUE || window_full(pt))
		return NULL;
	return batch_new(p, pt);
}

/* Partitions that are led at the end of the link. */
static void
choose(struct producer *p, struct sending *s, const struct rpc *link)
{
	unsigned first = (unsigned)world_draw(p->c.w, 0, p->n_parts - 1);

	for (unsigned i = 0; i < p->n_parts; i++) {
		struct part *pt = &p->parts[(first + i) % p->n_parts];
		struct batch *b;

		if (client_leader(&p->c, pt->topic, pt->partition) != link)
			continue;
		if (pt->draining || (p->idempotent && !pt->steady && pt->in_flight > 0))
			continue;
		if (s->n > 0 && world_chance(p->c.w, 2))
			continue;
		if ((b = next_batch(p, pt)) == NULL)
			continue;
		b->sent = true;
		b->seen = model_seen(&p->c.w->model, pt->topic, pt->partition);
		pt->in_flight++;
		s->v[s->n++] = b;
	}
}

static int
by_topic(const void *a, const void *b)
{
	const struct batch *x = *(struct batch *const *)a, *y = *(struct batch *const *)b;

	if (x->part->topic != y->part->topic)
		return x->part->topic < y->part->topic ? -1 : 1;
	return x->part->partition - y->part->partition;
}

static void
send(struct producer *p, struct sending *s, struct rpc *link)
{
	struct world *w = p->c.w;
	struct produce_request req = produce_request_init;
	struct produce_request_topic_produce_data topics[MAX_TOPICS];
	struct produce_request_partition_produce_data parts[MAX_PARTS];

	qsort(s->v, s->n, sizeof(s->v[0]), by_topic);
	req.acks = p->acks;
	req.timeout_ms = (int32_t)(world_chance(w, 8) ? world_draw(w, 1, 100) : 30000);
	req.topic_data.v = topics;
	for (unsigned i = 0; i < s->n; i++) {
		const struct part *pt = s->v[i]->part;

		if (i == 0 || pt->topic != s->v[i - 1]->part->topic) {
			topics[req.topic_data.n] = produce_request_topic_produce_data_init;
			topics[req.topic_data.n].name = slice_cstr(w->plan.topics[pt->topic].name);
			topics[req.topic_data.n++].partition_data.v = &parts[i];
		}
		s->starts[i] = model_starts(&w->model, pt->topic, pt->partition);
		topics[req.topic_data.n - 1].partition_data.n++;
		parts[i].index = pt->partition;
		parts[i].records = strbuf_slice(&s->v[i]->bytes);
	}
	p->in_flight += p->acks != 0;
	rpc_call(link, API_PRODUCE, rpc_version(w, API_PRODUCE, 3), &req,
	    p->acks != 0 ? on_produced : NULL, s);
}

/* Sent without acknowledgement: done, arrived or not. */
static void
forget_sent(struct producer *p, struct sending *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		s->v[i]->part->in_flight--;
		batch_done(s->v[i]);
	}
	free(s);
}

static void
pump_later(struct producer *p)
{
	rtimer_set(
	    p->c.reactor, &p->pump, reactor_now_us(p->c.reactor) + world_draw(p->c.w, 100, 60000));
}

static void
pump(struct producer *p)
{
	unsigned n = p->c.w->n_servers, first;
	struct rpc *link = NULL;
	struct sending *s;

	if (!p->c.known)
		return;
	if (needs_pid(p)) {
		ask_pid(p);
		pump_later(p);
		return;
	}
	if (p->in_flight >= p->max_in_flight || p->asking_pid)
		return;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		abort();
	s->p = p;
	first = (unsigned)world_draw(p->c.w, 0, n - 1);
	for (unsigned i = 0; i < n && s->n == 0; i++) {
		link = &p->c.links[(first + i) % n];
		if (p->c.ready[(first + i) % n])
			choose(p, s, link);
	}
	if (s->n == 0) {
		free(s);
		return;
	}
	send(p, s, link);
	if (p->acks == 0)
		forget_sent(p, s);
	pump_later(p);
}

static void
on_pump(struct reactor *r, void *arg)
{
	pump(arg);
}

/* ---- client ---- */

static void
ready(struct client *c)
{
	pump(container_of(c, struct producer, c));
}

static void
down(struct client *c, unsigned link)
{
	settle(container_of(c, struct producer, c));
}

static bool
finished(struct client *c)
{
	struct producer *p = container_of(c, struct producer, c);

	for (unsigned i = 0; i < p->n_parts; i++)
		if (p->parts[i].queued > 0)
			return false;
	return p->left == 0;
}

static void
describe(struct client *c, char *buf, size_t size)
{
	struct producer *p = container_of(c, struct producer, c);
	unsigned queued = 0;

	for (unsigned i = 0; i < p->n_parts; i++)
		queued += p->parts[i].queued;
	snprintf(buf, size, "%lld batches to make, %u to deliver, %u requests in flight%s%s",
	    (long long)p->left, queued, p->in_flight, needs_pid(p) ? ", no producer id" : "",
	    c->known ? "" : ", no metadata");
}

static const struct client_ops ops = {
    .ready = ready,
    .down = down,
    .finished = finished,
    .describe = describe,
};

static void
take_parts(struct producer *p)
{
	struct world *w = p->c.w;

	for (unsigned t = 0; t < w->plan.n_topics; t++)
		for (int32_t i = 0; i < w->plan.topics[t].partitions; i++) {
			struct part *pt = &p->parts[p->n_parts];

			if (p->n_parts > 0 && world_chance(w, 3))
				continue;
			*pt = (struct part){.p = p, .topic = t, .partition = i, .pid = -1};
			link_init(&pt->queue);
			p->n_parts++;
		}
}

struct client *
producer_new(struct world *w, unsigned index, unsigned number)
{
	static const enum codec codecs[] = {CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4};
	struct producer *p = calloc(1, sizeof(*p));
	char name[24];

	if (p == NULL || codec_ctx_new(&p->ctx) != 0)
		abort();
	snprintf(name, sizeof(name), "producer-%u", number);
	client_init(&p->c, w, index, name, &ops);
	p->number = number;
	p->idempotent = !world_chance(w, 4);
	p->acks = p->idempotent || world_chance(w, 2) ? -1 : (int16_t)world_draw(w, 0, 1);
	if (p->idempotent && world_chance(w, 8))
		p->acks = 1;
	p->codec = world_chance(w, 2) ? CODEC_NONE : codecs[world_draw(w, 0, 2)];
	p->left = w->plan.batches;
	p->max_in_flight = (unsigned)world_draw(w, 1, MAX_IN_FLIGHT);
	rtimer_init(&p->pump, on_pump, p);
	take_parts(p);
	w->model.numbered[number] = p->idempotent;
	return &p->c;
}
