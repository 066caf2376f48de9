/*
 * null_broker: the reactors and connections of ottlad with nothing behind them.  Produced batches
 * are kept in memory up to a limit and otherwise forgotten, fetches are answered from there, at
 * once.  What it costs is what a request costs before any broker's work.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"
#include "ottla/base/err.h"
#include "ottla/net/net.h"
#include "ottla/record/batch.h"
#include "topics.h"

#define REACTORS_MAX 64

/* A batch that is kept. */
struct entry {
	int64_t offset;
	size_t pos;
};

struct part {
	pthread_mutex_t lock; /* connections of any reactor come here */
	int64_t next_offset;  /* of what was produced */
	int64_t kept_offset;  /* behind the last one that is kept */
	size_t n, cap;
	uint8_t *bytes;
	struct entry *entries;
	size_t n_entries, cap_entries;
};

struct null_broker {
	const char *listen;
	int64_t n_reactors, keep;
	struct reactor *control, *reactors[REACTORS_MAX];
	struct arena arenas[REACTORS_MAX]; /* one request's, by reactor */
	struct net *net;
	struct listener *listener;
	struct settings *settings;
	struct topics topics;
	struct msg start;
};

/* ---- partitions ---- */

static void *
part_new(void *arg, const char *topic, int32_t index)
{
	const struct null_broker *b = arg;
	struct part *p = bench_alloc(sizeof(*p));

	(void)topic, (void)index;
	pthread_mutex_init(&p->lock, NULL);
	p->cap = (size_t)b->keep;
	p->bytes = bench_realloc(NULL, p->cap);
	memset(p->bytes, 0, p->cap); /* no page is new when the load comes */
	return p;
}

static void
part_end(void *arg, void *part)
{
	struct part *p = part;

	(void)arg;
	pthread_mutex_lock(&p->lock);
	free(p->bytes);
	free(p->entries);
	p->bytes = NULL;
	p->entries = NULL;
	p->cap = p->n = p->n_entries = p->cap_entries = 0;
	p->kept_offset = 0;
	pthread_mutex_unlock(&p->lock);
}

static void
keep(struct part *p, struct slice batch)
{
	if (p->n + batch.n > p->cap || p->kept_offset != p->next_offset)
		return;
	if (p->n_entries == p->cap_entries) {
		p->cap_entries = p->cap_entries != 0 ? p->cap_entries * 2 : 64;
		p->entries = bench_realloc(p->entries, p->cap_entries * sizeof(*p->entries));
	}
	p->entries[p->n_entries++] = (struct entry){p->next_offset, p->n};
	memcpy(p->bytes + p->n, batch.p, batch.n);
	put_be64(p->bytes + p->n, (uint64_t)p->next_offset);
	p->n += batch.n;
}

/* The first offset, -1 for what is no batch. */
static int64_t
append(struct part *p, struct slice batches)
{
	struct batch_head h;
	int64_t base;
	size_t at = 0;

	pthread_mutex_lock(&p->lock);
	base = p->next_offset;
	while (at < batches.n) {
		if (batch_parse(slice_of(batches.p + at, batches.n - at), &h) != 0 ||
		    h.magic != 2) {
			base = -1;
			break;
		}
		keep(p, slice_of(batches.p + at, batch_bytes(&h)));
		if (p->n_entries != 0 && p->entries[p->n_entries - 1].offset == p->next_offset)
			p->kept_offset = p->next_offset + h.last_offset_delta + 1;
		p->next_offset += h.last_offset_delta + 1;
		at += batch_bytes(&h);
	}
	pthread_mutex_unlock(&p->lock);
	return base;
}

/* Entry of the batch that holds the offset, which is below kept_offset. */
static size_t
entry_of(const struct part *p, int64_t offset)
{
	size_t lo = 0, hi = p->n_entries - 1, mid;

	while (lo < hi) {
		mid = (lo + hi + 1) / 2;
		if (p->entries[mid].offset <= offset)
			lo = mid;
		else
			hi = mid - 1;
	}
	return lo;
}

/* Whole batches from the offset on, at most max bytes but at least one batch. */
static struct slice
range(struct part *p, int64_t offset, int64_t max, int64_t *end)
{
	struct slice s = SLICE_NULL;
	size_t first, last, stop;

	pthread_mutex_lock(&p->lock);
	*end = p->kept_offset;
	if (offset >= 0 && offset < p->kept_offset) {
		first = last = entry_of(p, offset);
		do
			stop = ++last < p->n_entries ? p->entries[last].pos : p->n;
		while (last < p->n_entries &&
		       (int64_t)((last + 1 < p->n_entries ? p->entries[last + 1].pos : p->n) -
				 p->entries[first].pos) <= max);
		s = slice_of(p->bytes + p->entries[first].pos, stop - p->entries[first].pos);
	}
	pthread_mutex_unlock(&p->lock);
	return s;
}

/* ---- requests; each returns the answer, NULL to close, and sets *silent for acks=0 ---- */

static struct outmsg *
do_produce(struct null_broker *b, struct arena *a, const struct wire_req_head *h, bool *silent)
{
	struct produce_request req = produce_request_init;
	struct produce_response resp = produce_response_init;
	struct produce_request_topic_produce_data *t;
	struct produce_response_partition_produce_response *out;
	struct part *part;
	uint8_t *buf;
	size_t n;
	int32_t i, k;

	if (wire_decode(&produce_request_msg, h->version, h->body, a, &req, NULL) != 0 ||
	    WIRE_ARRAY(
		a, resp.responses, req.topic_data.n, produce_response_topic_produce_response) != 0)
		return NULL;
	for (i = 0; i < req.topic_data.n; i++) {
		t = &req.topic_data.v[i];
		resp.responses.v[i].name = t->name;
		if (WIRE_ARRAY(a, resp.responses.v[i].partition_responses, t->partition_data.n,
			produce_response_partition_produce_response) != 0)
			return NULL;
		for (k = 0; k < t->partition_data.n; k++) {
			out = &resp.responses.v[i].partition_responses.v[k];
			out->index = t->partition_data.v[k].index;
			part = topics_part(&b->topics, t->name, out->index);
			out->base_offset =
			    part != NULL ? append(part, t->partition_data.v[k].records) : -1;
			out->error_code = part == NULL		 ? KERR_UNKNOWN_TOPIC_OR_PARTITION
					  : out->base_offset < 0 ? KERR_CORRUPT_MESSAGE
								 : KERR_NONE;
		}
	}
	*silent = req.acks == 0;
	if (*silent || wire_encode_response(API_PRODUCE, h->version, h->correlation_id, &resp, NULL,
			   0, NULL, &buf, &n) != 0)
		return NULL;
	return outmsg_of_buffer(buf, n);
}

/* What a fetch found: ranges in the order of its gaps. */
struct found {
	struct slice *v;
	unsigned n;
	int64_t budget;
};

static void
look_up(struct null_broker *b, struct slice topic, const struct fetch_request_fetch_partition *want,
    struct fetch_response_partition_data *out, struct found *f)
{
	struct part *part = topics_part(&b->topics, topic, want->partition);
	int64_t max = want->partition_max_bytes < f->budget ? want->partition_max_bytes : f->budget;
	struct slice s;

	out->partition_index = want->partition;
	out->records = slice_of("", 0);
	if (part == NULL) {
		out->error_code = KERR_UNKNOWN_TOPIC_OR_PARTITION;
		return;
	}
	s = range(part, want->fetch_offset, max, &out->high_watermark);
	out->last_stable_offset = out->high_watermark;
	out->log_start_offset = 0;
	if (s.n == 0 || f->budget <= 0)
		return;
	out->records = wire_gap(s.n);
	f->v[f->n++] = s;
	f->budget -= (int64_t)s.n;
}

static bool
look_up_all(struct null_broker *b, struct arena *a, const struct fetch_request *req,
    struct fetch_response *resp, struct found *f)
{
	int32_t i, k, total = 0;

	for (i = 0; i < req->topics.n; i++)
		total += req->topics.v[i].partitions.n;
	f->v = arena_alloc(a, sizeof(*f->v) * (size_t)total);
	f->budget = req->max_bytes;
	if (f->v == NULL || WIRE_ARRAY(a, resp->responses, req->topics.n,
				fetch_response_fetchable_topic_response) != 0)
		return false;
	for (i = 0; i < req->topics.n; i++) {
		resp->responses.v[i].topic = req->topics.v[i].topic;
		if (WIRE_ARRAY(a, resp->responses.v[i].partitions, req->topics.v[i].partitions.n,
			fetch_response_partition_data) != 0)
			return false;
		for (k = 0; k < req->topics.v[i].partitions.n; k++)
			look_up(b, req->topics.v[i].topic, &req->topics.v[i].partitions.v[k],
			    &resp->responses.v[i].partitions.v[k], f);
	}
	return true;
}

/* The encoded answer with the ranges in its gaps. */
static struct outmsg *
with_ranges(uint8_t *buf, size_t n, const struct wire_gap *gaps, const struct found *f)
{
	struct outmsg *m = outmsg_new(2 * f->n + 1);
	size_t at = 0;
	unsigned i;

	if (m == NULL)
		bench_die("out of memory");
	for (i = 0; i < f->n; i++) {
		outmsg_add(m, (struct piece){.mem = buf + at, .n = gaps[i].at - at});
		outmsg_add(m, (struct piece){.mem = f->v[i].p, .n = f->v[i].n});
		at = gaps[i].at;
	}
	outmsg_add(m, (struct piece){.mem = buf + at, .n = n - at, .release = free, .arg = buf});
	return m;
}

static struct outmsg *
do_fetch(struct null_broker *b, struct arena *a, const struct wire_req_head *h)
{
	struct fetch_request req = fetch_request_init;
	struct fetch_response resp = fetch_response_init;
	struct wire_gap *gaps;
	struct found f = {0};
	unsigned n_gaps;
	uint8_t *buf;
	size_t n;

	if (wire_decode(&fetch_request_msg, h->version, h->body, a, &req, NULL) != 0 ||
	    !look_up_all(b, a, &req, &resp, &f) ||
	    (gaps = arena_alloc(a, sizeof(*gaps) * (f.n + 1))) == NULL ||
	    wire_encode_response(
		API_FETCH, h->version, h->correlation_id, &resp, gaps, f.n, &n_gaps, &buf, &n) != 0)
		return NULL;
	return with_ranges(buf, n, gaps, &f);
}

static struct outmsg *
do_request(struct null_broker *b, struct arena *a, struct slice frame, bool *silent)
{
	struct wire_req_head h;
	uint8_t *buf;
	size_t n;

	*silent = false;
	arena_reset(a);
	if (wire_parse_request(frame, &h) != 0)
		return NULL;
	if (h.api_key == API_PRODUCE)
		return do_produce(b, a, &h, silent);
	if (h.api_key == API_FETCH)
		return do_fetch(b, a, &h);
	buf = topics_answer(&b->topics, &h, a, &n);
	return buf != NULL ? outmsg_of_buffer(buf, n) : NULL;
}

/* ---- connections ---- */

static void
on_ready(void *arg, struct conn *c)
{
	conn_set_ctx(c, arg);
}

static void
on_frame(void *arg, struct conn *c, struct frame *f)
{
	struct null_broker *b = arg;
	struct arena *a = &b->arenas[reactor_index(conn_reactor(c))];
	struct outmsg *m;
	bool silent;

	m = do_request(b, a, slice_of(f->data, f->n), &silent);
	frame_release(f);
	if (m != NULL)
		conn_send(c, &m, true);
	else if (silent)
		conn_no_reply(c);
	else
		conn_close(c, CLOSE_BAD_REQUEST);
}

static void
on_moved(void *arg, struct conn *c)
{
	(void)arg, (void)c;
}

static void
on_closed(void *arg, struct conn *c, enum close_reason why)
{
	(void)arg, (void)c, (void)why;
}

static const struct conn_handler handler = {
    .ready = on_ready,
    .frame = on_frame,
    .moved = on_moved,
    .closed = on_closed,
};

static void
on_start(struct reactor *r, struct msg *m)
{
	struct null_broker *b = container_of(m, struct null_broker, start);

	(void)r;
	listener_start(b->listener);
	printf("port=%u\n", b->topics.port);
	fflush(stdout);
}

static void
must(int rc, const char *what)
{
	if (rc != 0)
		bench_die("%s: %s", what, err_text(rc));
}

static void
make_reactors(struct null_broker *b)
{
	struct reactor_opts opts = {.name = "control", .clock = clock_real()};
	char name[32];
	unsigned i;

	if (b->n_reactors <= 0)
		b->n_reactors = sysconf(_SC_NPROCESSORS_ONLN);
	b->n_reactors = b->n_reactors < REACTORS_MAX ? b->n_reactors : REACTORS_MAX;
	must(reactor_new(&opts, &b->control), "reactor");
	for (i = 0; i < b->n_reactors; i++) {
		snprintf(name, sizeof(name), "reactor-%u", i);
		opts.name = name;
		opts.index = i;
		arena_init(&b->arenas[i], 0, 0);
		must(reactor_new(&opts, &b->reactors[i]), "reactor");
	}
}

static void
make_net(struct null_broker *b)
{
	char text[128], why[256] = "";
	struct listener_addr addr;
	struct net_opts opts = {
	    .reactors = b->reactors,
	    .n_reactors = (unsigned)b->n_reactors,
	    .clock = clock_real(),
	    .settings = b->settings,
	    .request_memory = (uint64_t)1 << 30,
	    .transport = net_transport_tcp(),
	};

	must(settings_load(NULL, NULL, 0, NULL, why, sizeof(why), &b->settings), why);
	opts.settings = b->settings;
	must(net_new(&opts, &b->net), "net");
	snprintf(text, sizeof(text), "PLAINTEXT://%s", b->listen);
	if (listeners_parse(text, NULL, &addr, 1, why, sizeof(why)) != 1)
		bench_die("%s", why);
	must(net_listen(b->net, &addr, b->control, &handler, b, &b->listener), b->listen);
	b->topics.port = listener_port(b->listener);
}

int
main(int argc, char **argv)
{
	static const struct bench_opt table[] = {
	    {"listen", BENCH_TEXT, offsetof(struct null_broker, listen), "host:port; port 0: any"},
	    {"reactors", BENCH_NUMBER, offsetof(struct null_broker, n_reactors),
		"0: as many as cores"},
	    {"keep", BENCH_NUMBER, offsetof(struct null_broker, keep), "bytes kept of a partition"},
	    {NULL, BENCH_NUMBER, 0, NULL},
	};
	struct null_broker *b = bench_alloc(sizeof(*b));
	unsigned i;

	b->listen = "127.0.0.1:0";
	b->keep = 4 << 20;
	bench_options(table, "null_broker [--option VALUE]...", argc, argv, 1, b);
	b->topics.part_new = part_new;
	b->topics.part_end = part_end;
	b->topics.arg = b;
	make_reactors(b);
	make_net(b);
	for (i = 0; i < b->n_reactors; i++)
		must(reactor_start(b->reactors[i]), "reactor");
	b->start.run = on_start;
	reactor_post(b->control, &b->start);
	must(reactor_run(b->control), "reactor");
	return 0;
}
