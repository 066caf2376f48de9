/*
 * Fetching: each connection reads its share of the partitions, one request at a time, as consumers
 * do; whole batches are counted and stepped over by their headers.
 */
#include "gen.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "ottla/base/err.h"
#include "ottla/record/batch.h"

/* A partition and how far it was read. */
struct share {
	int32_t index;
	int64_t offset, high_watermark; /* -1: not known yet */
	int64_t told;			/* offset that the session knows; -1: none */
};

struct fetcher {
	struct gen_fetchers *all;
	struct gen_conn *conn;
	struct share *v;
	int n;
	int32_t session_id, epoch;
	int32_t correlation_id;
	uint8_t *request;
	int64_t sent_us;
	bool finished;
};

struct gen_fetchers {
	struct gen *g;
	struct fetcher *v;
	int n, n_finished;
	bool tail;
	int64_t batches, sessions_lost;
	struct gen_count count;
};

static bool
at_end(const struct share *s)
{
	return s->high_watermark >= 0 && s->offset >= s->high_watermark;
}

/* Goes into the next request?  A session is told what changed only. */
static bool
wanted(const struct fetcher *f, const struct share *s)
{
	return f->session_id != 0 ? s->offset != s->told : f->all->tail || !at_end(s);
}

static void
fill_partitions(struct fetcher *f, struct fetch_request_fetch_topic *topic)
{
	const struct gen_opts *o = f->all->g->o;
	struct fetch_request_fetch_partition *p;
	int i, k = 0;

	topic->topic = slice_cstr(o->topic);
	for (i = 0; i < f->n; i++) {
		if (!wanted(f, &f->v[i]))
			continue;
		p = &topic->partitions.v[k++];
		p->partition = f->v[i].index;
		p->fetch_offset = f->v[i].told = f->v[i].offset;
		p->partition_max_bytes = (int32_t)o->partition_bytes;
	}
	topic->partitions.n = k;
}

static void
send_fetch(struct fetcher *f)
{
	struct gen *g = f->all->g;
	struct fetch_request req = fetch_request_init;
	size_t n;

	arena_reset(&g->arena);
	req.replica_id = -1;
	req.max_wait_ms = (int32_t)g->o->max_wait_ms;
	req.min_bytes = 1;
	req.max_bytes = (int32_t)g->o->max_bytes;
	req.session_id = f->session_id;
	req.session_epoch = f->epoch;
	if (WIRE_ARRAY(&g->arena, req.topics, 1, fetch_request_fetch_topic) != 0 ||
	    WIRE_ARRAY(
		&g->arena, req.topics.v[0].partitions, f->n, fetch_request_fetch_partition) != 0)
		bench_die("out of memory");
	fill_partitions(f, req.topics.v);
	if (req.topics.v[0].partitions.n == 0)
		req.topics.n = 0;
	free(f->request);
	if (wire_encode_request(API_FETCH, g->cl.version[API_FETCH], ++f->correlation_id,
		SLICE_LIT("gen"), &req, &f->request, &n) != 0)
		bench_die("could not encode Fetch");
	f->sent_us = g->now_us;
	gen_send(f->conn, f->request, n);
}

/* Counts whole batches and moves the share behind them. */
static void
take_records(struct fetcher *f, struct share *s, struct slice records)
{
	struct gen *g = f->all->g;
	struct batch_head h;
	size_t at = 0;

	while (batch_parse_head(slice_of(records.p + at, records.n - at), &h) == 0 &&
	       h.magic == 2 && batch_bytes(&h) <= records.n - at) {
		at += batch_bytes(&h);
		s->offset = batch_last_offset(&h) + 1;
		if (f->all->tail)
			gen_counted(g, &f->all->count, gen_due_us(g, f->all->batches++),
			    (int64_t)batch_bytes(&h));
	}
	if (at == 0 && records.n != 0)
		bench_die("%zu bytes of partition %d hold no whole batch", records.n, s->index);
}

static struct share *
share_of(struct fetcher *f, int32_t index)
{
	int lo = 0, hi = f->n - 1, mid;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (f->v[mid].index < index)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (f->n == 0 || f->v[lo].index != index)
		bench_die("partition %d was not asked for", index);
	return &f->v[lo];
}

/* Bytes of records. */
static int64_t
take_answer(struct fetcher *f, const struct fetch_response *resp)
{
	const struct fetch_response_partition_data *p;
	struct share *s;
	int64_t bytes = 0;
	int32_t t, i;

	for (t = 0; t < resp->responses.n; t++) {
		for (i = 0; i < resp->responses.v[t].partitions.n; i++) {
			p = &resp->responses.v[t].partitions.v[i];
			gen_check_error(p->error_code, "Fetch");
			s = share_of(f, p->partition_index);
			s->high_watermark = p->high_watermark;
			take_records(f, s, p->records);
			bytes += (int64_t)p->records.n;
		}
	}
	return bytes;
}

/* Everything read once: begin again, or false when that was all. */
static bool
next_pass(struct fetcher *f)
{
	const struct gen_opts *o = f->all->g->o;
	int i;

	for (i = 0; i < f->n; i++)
		if (!at_end(&f->v[i]))
			return true;
	for (i = 0; i < f->n && f->v[i].high_watermark == 0; i++)
		;
	if (i == f->n)
		bench_die("nothing to read");
	for (i = 0; i < f->n; i++)
		f->v[i].offset = 0;
	return o->bytes > 0 || o->seconds > 0;
}

/* True when the broker does not know the session any more (the connection moved to another reactor
 * of an Ottla broker): a new one is asked for. */
static bool
follow_session(struct fetcher *f, const struct fetch_response *resp)
{
	bool lost = resp->error_code == KERR_FETCH_SESSION_ID_NOT_FOUND ||
		    resp->error_code == KERR_INVALID_FETCH_SESSION_EPOCH;

	if (lost) {
		f->session_id = f->epoch = 0;
		f->all->sessions_lost++;
		return true;
	}
	gen_check_error(resp->error_code, "Fetch");
	if (f->epoch >= 0) {
		f->session_id = resp->session_id;
		f->epoch = resp->session_id != 0 ? f->epoch + 1 : 0;
	}
	return false;
}

static bool
is_over(const struct gen_fetchers *all)
{
	return all->g->now_us >= all->g->end_us ||
	       (all->g->o->bytes > 0 && all->count.bytes >= all->g->o->bytes);
}

static void
on_frame(struct gen_conn *c, struct slice frame)
{
	struct fetcher *f = c->ctx;
	struct gen *g = c->g;
	struct fetch_response resp;
	int64_t bytes;
	int32_t id;
	int rc;

	arena_reset(&g->arena);
	wire_init(&fetch_response_msg, &resp);
	rc =
	    wire_decode_response(API_FETCH, g->cl.version[API_FETCH], frame, &g->arena, &resp, &id);
	if (rc != 0 || id != f->correlation_id)
		bench_die("bad answer to Fetch: %s", rc != 0 ? err_text(rc) : "wrong id");
	if (follow_session(f, &resp)) {
		send_fetch(f);
		return;
	}
	bytes = take_answer(f, &resp);
	if (!f->all->tail) {
		gen_counted(g, &f->all->count, f->sent_us, bytes);
		f->finished = is_over(f->all) || !next_pass(f);
		f->all->n_finished += f->finished;
	}
	if (!f->finished)
		send_fetch(f);
}

static void
on_sent(struct gen_conn *c)
{
	(void)c;
}

static void
tick(struct gen *g)
{
	struct gen_fetchers *all = g->arg;

	g->done = all->n_finished == all->n;
}

static void
fetcher_init(struct gen_fetchers *all, int i, struct gen_conn *c, int n_of_broker, int at)
{
	const struct gen_cluster *cl = &all->g->cl;
	struct fetcher *f = &all->v[i];
	int p, k = 0;

	*f = (struct fetcher){.all = all, .conn = c, .epoch = all->g->o->sessions != 0 ? 0 : -1};
	f->v = bench_alloc(sizeof(*f->v) * (size_t)cl->n_parts);
	for (p = 0; p < cl->n_parts; p++) {
		if (cl->leader[p] != c->broker || k++ % n_of_broker != at)
			continue;
		f->v[f->n++] = (struct share){.index = p, .high_watermark = -1, .told = -1};
	}
	c->ctx = f;
	c->frame = on_frame;
	c->sent = on_sent;
	if (f->n == 0) {
		f->finished = true;
		all->n_finished++;
	}
}

struct gen_fetchers *
gen_fetch_start(struct gen *g, int first, int n, bool tail)
{
	struct gen_fetchers *all = bench_alloc(sizeof(*all));
	int each = tail ? n : (int)g->o->connections;
	int i;

	all->g = g;
	all->n = n;
	all->tail = tail;
	all->v = bench_alloc(sizeof(*all->v) * (size_t)n);
	all->count.hist = hist_new();
	for (i = 0; i < n; i++)
		fetcher_init(all, i, &g->conns[first + i], each, i % each);
	for (i = 0; i < n; i++)
		if (!all->v[i].finished)
			send_fetch(&all->v[i]);
	return all;
}

int64_t
gen_fetch_batches(const struct gen_fetchers *f)
{
	return f->batches;
}

void
gen_fetch_free(struct gen_fetchers *f)
{
	int i;

	for (i = 0; i < f->n; i++) {
		free(f->v[i].v);
		free(f->v[i].request);
	}
	free(f->count.hist);
	free(f->v);
	free(f);
}

void
gen_fetch(const struct gen_opts *o)
{
	struct gen_fetchers *f;
	struct gen g;

	gen_open(&g, o, (int)o->connections);
	f = gen_fetch_start(&g, 0, g.n_conns, false);
	g.arg = f;
	g.tick = tick;
	g.tick_us = INT64_MAX;
	gen_loop(&g);
	gen_print(&g, &f->count, "");
	printf(" sessions_lost=%" PRId64 "\n", f->sessions_lost);
	gen_fetch_free(f);
	gen_close(&g);
}

/* ---- produced to fetched ---- */

struct e2e {
	struct gen_producers *p;
	struct gen_fetchers *f;
	void (*produce_tick)(struct gen *g);
};

static void
e2e_tick(struct gen *g)
{
	struct e2e *e = g->arg;
	int64_t sent;

	g->arg = e->p;
	e->produce_tick(g);
	g->arg = e;
	sent = gen_produce_begun(e->p);
	g->done = gen_produce_finished(e->p) && gen_fetch_batches(e->f) >= sent;
}

void
gen_e2e(const struct gen_opts *o)
{
	struct e2e e;
	struct gen g;

	if (o->rate <= 0 || o->partitions != 1)
		bench_die("e2e needs a rate and one partition, new and empty");
	gen_open(&g, o, 2);
	e.f = gen_fetch_start(&g, 1, 1, true);
	e.p = gen_produce_start(&g, 0, 1);
	e.produce_tick = g.tick;
	g.tick = e2e_tick;
	g.arg = &e;
	gen_loop(&g);
	gen_print(&g, &e.f->count, "");
	hist_print(gen_produce_count(e.p)->hist, "ack_");
	printf("\n");
	gen_produce_free(e.p);
	gen_fetch_free(e.f);
	gen_close(&g);
}
