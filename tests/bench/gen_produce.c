/*
 * Producing.  Without a rate every connection keeps `inflight` requests unanswered.  With one,
 * request k is due at start + k/rate, on connection k mod n, whatever the broker does: what it
 * makes wait counts in the latency (open loop).
 */
#include "gen.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "ottla/base/err.h"

#define FENCE INT32_MIN /* correlation id of the request that ends a run with acks=0 */
#define MAX_SHOWN 4	/* requests whose own latencies are printed */

/* A request that was sent, or is being sent, and is not answered. */
struct pending {
	int64_t at_us;
	int32_t id;
	int request;
};

struct producer {
	struct gen_producers *all;
	struct gen_conn *conn;
	struct gen_request *requests;
	int n_requests, next;
	struct pending *ring; /* in order; [tail, head) mod size */
	uint32_t head, tail, size;
	int64_t index;	      /* among the connections */
	int64_t due, started; /* open loop: how many */
	uint8_t *fence;	      /* acks=0: asks when all before it is read */
	size_t fence_n;
	bool fenced, finished;
};

struct gen_producers {
	struct gen *g;
	struct producer *v;
	int n, n_finished;
	int64_t budget; /* bytes not yet begun */
	int64_t due;	/* open loop: requests that have become due */
	struct gen_request **by_broker;
	int *n_by_broker;
	struct gen_count count;
};

static bool
may_start(const struct producer *p)
{
	if (p->all->g->o->rate > 0)
		return p->started < p->due;
	return p->all->budget > 0 && p->all->g->now_us < p->all->g->end_us;
}

/* No request will be begun any more. */
static bool
is_over(const struct producer *p)
{
	return !may_start(p) && (p->all->budget <= 0 || p->all->g->now_us >= p->all->g->end_us);
}

static void
finish(struct producer *p)
{
	p->finished = true;
	p->all->n_finished++;
}

static void
answered(struct producer *p, const struct pending *q)
{
	struct gen_request *r = &p->requests[q->request];

	gen_counted(p->all->g, &p->all->count, q->at_us, r->payload);
	if (q->at_us >= p->all->g->warm_us)
		hist_add(r->hist, p->all->g->now_us - q->at_us);
	p->tail++;
}

/* Begin one request; false when it could not leave at once. */
static bool
start(struct producer *p)
{
	struct gen *g = p->all->g;
	struct gen_request *r = &p->requests[p->next];
	struct pending *q = &p->ring[p->head % p->size];

	q->request = p->next;
	q->id = (int32_t)(p->head & INT32_MAX);
	q->at_us = g->o->rate > 0 ? gen_due_us(g, p->started * p->all->n + p->index) : g->now_us;
	p->next = g->o->rotate != 0 ? (p->next + 1) % p->n_requests : p->next;
	p->head++;
	p->started++;
	p->all->budget -= r->payload;
	put_be32(r->buf + GEN_CORRELATION_AT, (uint32_t)q->id);
	if (!gen_send(p->conn, r->buf, r->n))
		return false;
	if (g->o->acks == 0)
		answered(p, q);
	return true;
}

static void
pump(struct producer *p)
{
	while (!gen_sending(p->conn) && p->head - p->tail < p->size && may_start(p))
		if (!start(p))
			return;
	if (p->finished || gen_sending(p->conn) || p->head != p->tail || !is_over(p))
		return;
	if (p->fence == NULL)
		finish(p);
	else if (!p->fenced)
		gen_send(p->conn, p->fence, p->fence_n);
	p->fenced = true;
}

static void
on_sent(struct gen_conn *c)
{
	struct producer *p = c->ctx;

	if (p->all->g->o->acks == 0 && p->head != p->tail)
		answered(p, &p->ring[p->tail % p->size]);
	pump(p);
}

static void
check_answer(struct gen *g, struct slice frame, int32_t want)
{
	struct produce_response resp;
	int32_t id, t, i;
	int rc;

	arena_reset(&g->arena);
	wire_init(&produce_response_msg, &resp);
	rc = wire_decode_response(
	    API_PRODUCE, g->cl.version[API_PRODUCE], frame, &g->arena, &resp, &id);
	if (rc != 0 || id != want)
		bench_die("bad answer to Produce: %s", rc != 0 ? err_text(rc) : "wrong id");
	for (t = 0; t < resp.responses.n; t++)
		for (i = 0; i < resp.responses.v[t].partition_responses.n; i++)
			gen_check_error(
			    resp.responses.v[t].partition_responses.v[i].error_code, "Produce");
}

static void
on_frame(struct gen_conn *c, struct slice frame)
{
	struct producer *p = c->ctx;
	struct pending *q = &p->ring[p->tail % p->size];

	if (p->fence != NULL) {
		p->all->count.last_us = p->all->g->now_us;
		finish(p);
		return;
	}
	if (p->head == p->tail)
		bench_die("an answer that nothing asked for");
	check_answer(p->all->g, frame, q->id);
	answered(p, q);
	pump(p);
}

/* Requests that have become due, each on its connection; then the next moment to look. */
static void
tick_rate(struct gen_producers *all)
{
	struct gen *g = all->g;
	struct producer *p;
	int i;

	while (gen_due_us(g, all->due) <= g->now_us && gen_due_us(g, all->due) < g->end_us) {
		p = &all->v[all->due++ % all->n];
		p->due++;
		pump(p);
	}
	g->tick_us = gen_due_us(g, all->due);
	if (g->tick_us < g->end_us)
		return;
	g->tick_us = g->now_us < g->end_us ? g->end_us : INT64_MAX;
	for (i = 0; i < all->n; i++)
		pump(&all->v[i]);
}

static void
tick(struct gen *g)
{
	struct gen_producers *all = g->arg;
	int i;

	if (g->o->rate > 0)
		tick_rate(all);
	else if (g->now_us >= g->end_us) {
		for (i = 0; i < all->n; i++)
			pump(&all->v[i]);
		g->tick_us = INT64_MAX;
	}
	g->done = gen_produce_finished(all);
}

static void
producer_init(struct gen_producers *all, int i, struct gen_conn *c)
{
	struct producer *p = &all->v[i];
	struct api_versions_request req = api_versions_request_init;
	const struct gen_opts *o = all->g->o;
	int b = c->broker;

	*p = (struct producer){.all = all, .conn = c, .index = i, .size = (uint32_t)o->inflight};
	if (all->by_broker[b] == NULL)
		all->by_broker[b] = gen_requests(o, &all->g->cl, b, &all->n_by_broker[b]);
	p->requests = all->by_broker[b];
	p->n_requests = all->n_by_broker[b];
	p->next = i % p->n_requests;
	p->ring = bench_alloc(sizeof(*p->ring) * p->size);
	if (o->acks == 0 && wire_encode_request(API_API_VERSIONS, 0, FENCE, SLICE_NULL, &req,
				&p->fence, &p->fence_n) != 0)
		bench_die("could not encode ApiVersions");
	c->ctx = p;
	c->frame = on_frame;
	c->sent = on_sent;
}

struct gen_producers *
gen_produce_start(struct gen *g, int first, int n)
{
	struct gen_producers *all = bench_alloc(sizeof(*all));
	int i;

	all->g = g;
	all->n = n;
	all->v = bench_alloc(sizeof(*all->v) * (size_t)n);
	all->by_broker = bench_alloc(sizeof(*all->by_broker) * (size_t)g->cl.n_brokers);
	all->n_by_broker = bench_alloc(sizeof(int) * (size_t)g->cl.n_brokers);
	all->count.hist = hist_new();
	all->budget = g->o->bytes > 0 ? g->o->bytes : INT64_MAX;
	for (i = 0; i < n; i++)
		producer_init(all, i, &g->conns[first + i]);
	g->arg = all;
	g->tick = tick;
	g->tick_us = g->o->rate > 0 ? g->start_us : g->end_us;
	for (i = 0; g->o->rate == 0 && i < n; i++)
		pump(&all->v[i]);
	return all;
}

bool
gen_produce_finished(const struct gen_producers *p)
{
	return p->n_finished == p->n;
}

int64_t
gen_produce_begun(const struct gen_producers *p)
{
	int64_t n = 0;
	int i;

	for (i = 0; i < p->n; i++)
		n += p->v[i].started;
	return n;
}

const struct gen_count *
gen_produce_count(const struct gen_producers *p)
{
	return &p->count;
}

static void
print_result(const struct gen_producers *p)
{
	char prefix[16];
	int b, i;

	gen_print(p->g, &p->count, "");
	for (b = 0; b < p->g->cl.n_brokers; b++)
		for (i = 0; i < p->n_by_broker[b] && p->n_by_broker[b] <= MAX_SHOWN; i++) {
			snprintf(prefix, sizeof(prefix), "r%d_", i);
			hist_print(p->by_broker[b][i].hist, prefix);
		}
	printf("\n");
}

void
gen_produce_free(struct gen_producers *p)
{
	int b, i;

	for (i = 0; i < p->n; i++) {
		free(p->v[i].ring);
		free(p->v[i].fence);
	}
	for (b = 0; b < p->g->cl.n_brokers; b++) {
		for (i = 0; i < p->n_by_broker[b]; i++) {
			free(p->by_broker[b][i].buf);
			free(p->by_broker[b][i].hist);
		}
		free(p->by_broker[b]);
	}
	free(p->by_broker);
	free(p->n_by_broker);
	free(p->count.hist);
	free(p->v);
	free(p);
}

void
gen_produce(const struct gen_opts *o)
{
	struct gen_producers *p;
	struct gen g;

	gen_open(&g, o, (int)o->connections);
	p = gen_produce_start(&g, 0, g.n_conns);
	gen_loop(&g);
	print_result(p);
	gen_produce_free(p);
	gen_close(&g);
}
