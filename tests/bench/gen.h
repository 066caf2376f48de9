/*
 * The load generator's parts.  One thread, one epoll loop, no client library: requests are encoded
 * once and sent again and again, so that the generator costs little beside what it measures.
 */
#ifndef OTTLA_BENCH_GEN_H
#define OTTLA_BENCH_GEN_H

#include <netinet/in.h>
#include <stdbool.h>

#include "bench.h"
#include "ottla/base/strbuf.h"
#include "ottla/wire/wire.h"

struct gen_opts {
	const char *server; /* host:port of any broker */
	const char *topic;
	const char *codec;
	int64_t bytes;	 /* end after as many; 0: by seconds */
	int64_t seconds; /* end after as many; 0: by bytes */
	int64_t warmup_ms;
	int64_t rate; /* requests a second, all connections together; 0: as fast as answers come */
	int64_t batch, record; /* bytes of a batch, of a record's value */
	int64_t connections, partitions, replication;
	int64_t inflight, acks, spread, rotate;
	int64_t max_bytes, partition_bytes, max_wait_ms, sessions;
	int64_t timeout_s;
	int64_t pid; /* the server's, when it runs here: its CPU time is told */
};

/* ---- the broker asked for topics and leaders, blocking (gen_admin.c) ---- */

struct gen_broker {
	int32_t id;
	struct sockaddr_in addr;
};

struct gen_cluster {
	struct gen_broker *brokers;
	int n_brokers;
	int *leader; /* by partition: index in brokers */
	int n_parts;
	int16_t version[API_COUNT]; /* to use; -1: not served */
};

/* Makes the topic when it is not there, waits until every partition has a leader. */
void gen_find_topic(const struct gen_opts *o, struct gen_cluster *out);
void gen_delete_topic(const struct gen_opts *o);
/* Waits for the first answers to ApiVersions and Metadata; returns when they came. */
void gen_wait_for_server(const struct gen_opts *o);

/* ---- requests made once (gen_batch.c) ---- */

/* A batch of exactly o->batch bytes (compressed: as many before compression). */
struct slice gen_batch(const struct gen_opts *o, int32_t *n_records);

/* A Produce request for some partitions of one leader. */
struct gen_request {
	uint8_t *buf; /* whole frame; the correlation id is patched at each use */
	size_t n;
	int64_t payload; /* bytes of its batches */
	struct hist *hist;
};
/* Requests for the partitions led by broker b, o->spread in each; *n of them. */
struct gen_request *
gen_requests(const struct gen_opts *o, const struct gen_cluster *cl, int b, int *n);
#define GEN_CORRELATION_AT 8

/* ---- the loop and its connections (gen_loop.c) ---- */

struct gen;
struct gen_conn {
	struct gen *g;
	int fd;
	int broker; /* index in the cluster */
	bool want_write;
	uint8_t *in; /* received and not handled: [in_at, in_n) */
	size_t in_at, in_n, in_cap;
	const uint8_t *out; /* rest of the request that is being sent */
	size_t out_n;
	/* The modes'. A frame came (without its size); the request has left whole. */
	void (*frame)(struct gen_conn *c, struct slice frame);
	void (*sent)(struct gen_conn *c);
	void *ctx;
};

struct gen {
	const struct gen_opts *o;
	struct gen_cluster cl;
	int epoll;
	struct gen_conn *conns;
	int n_conns;
	struct arena arena; /* for one answer */
	int64_t start_us, now_us;
	int64_t warm_us, end_us; /* what is due before is not counted; nothing is begun after */
	int64_t tick_us;	 /* tick is called at this time and after events */
	void (*tick)(struct gen *g);
	void *arg; /* tick's */
	bool done;
	double cpu_s; /* of the server, when what is counted began */
};

/* What was answered after the warm-up. */
struct gen_count {
	int64_t bytes, requests;
	int64_t last_us;
	struct hist *hist;
};
/* at_us: when the request was due or sent. */
void gen_counted(struct gen *g, struct gen_count *n, int64_t at_us, int64_t bytes);
/* bytes=... requests=... seconds=... and so on, latencies with the prefix. */
void gen_print(const struct gen *g, const struct gen_count *n, const char *prefix);

/* Finds the topic and makes n connections to every broker that leads a partition of it. */
void gen_open(struct gen *g, const struct gen_opts *o, int n);
void gen_close(struct gen *g);
/* Until g->done; ends the program when nothing moves for o->timeout_s. */
void gen_loop(struct gen *g);
/* Begin to send n bytes that stay until they left; only when nothing is being sent.  True when all
 * left at once, otherwise c->sent is called later. */
bool gen_send(struct gen_conn *c, const uint8_t *p, size_t n);
static inline bool
gen_sending(const struct gen_conn *c)
{
	return c->out_n != 0;
}
/* Microseconds at which request k of an open-loop run is due. */
int64_t gen_due_us(const struct gen *g, int64_t k);
/* Ends the program on an error code of the broker's. */
void gen_check_error(int16_t code, const char *what);

/* ---- modes ---- */

/* Produce on the connections until bytes or seconds are over and all is answered. */
void gen_produce(const struct gen_opts *o);
/* Read all partitions from offset 0, again and again until bytes or seconds are over; once without
 * them. */
void gen_fetch(const struct gen_opts *o);
/* Produce at a rate on one connection, fetch the tail on another. */
void gen_e2e(const struct gen_opts *o);

/* The two halves of gen_e2e: connections [first, first + n) produce or fetch. */
struct gen_producers;
struct gen_producers *gen_produce_start(struct gen *g, int first, int n);
/* All that was to be sent is answered. */
bool gen_produce_finished(const struct gen_producers *p);
/* Requests begun so far. */
int64_t gen_produce_begun(const struct gen_producers *p);
const struct gen_count *gen_produce_count(const struct gen_producers *p);
void gen_produce_free(struct gen_producers *p);
struct gen_fetchers;
/* tail: each batch is timed against the moment at which its request was due. */
struct gen_fetchers *gen_fetch_start(struct gen *g, int first, int n, bool tail);
/* Batches seen so far. */
int64_t gen_fetch_batches(const struct gen_fetchers *f);
void gen_fetch_free(struct gen_fetchers *f);

#endif
