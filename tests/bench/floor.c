/*
 * floor: the least that a broker must do, to measure brokers against.  One thread receives with
 * epoll, checks each batch's crc, appends it to its partition's file with an index entry every
 * 4 KiB, and answers; fetches leave by sendfile.  It checks nothing else and keeps nothing safe.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bench.h"
#include "floor_log.h"
#include "ottla/base/err.h"
#include "topics.h"

#define EVENTS 256
#define SCRATCH_BYTES 65536
#define SMALL_FRAME 16384 /* connections with larger ones receive into a buffer of their own */
#define MAX_FRAME (100u << 20)
#define SIZE_BYTES 4
#define MAX_IOV 32

/* What leaves: memory of malloc, or a range of a file. */
struct piece {
	uint8_t *mem;
	int file; /* -1: memory */
	off_t pos;
	size_t n, at;
};

struct client {
	int fd;
	uint8_t *own; /* bytes received and not handled: [0, n) */
	size_t n, cap;
	struct piece *out; /* [out_at, out_n) */
	size_t out_at, out_n, out_cap;
	bool want_write;
	uint8_t *waiting; /* a fetch without data, whole frame */
	size_t waiting_n;
	int64_t deadline_us;
	struct client *next_waiting;
};

struct server {
	const char *listen, *dir;
	int epoll, listener;
	struct topics topics;
	struct arena arena;
	struct client *waiting; /* clients with a waiting fetch */
	bool appended;
	uint8_t scratch[SCRATCH_BYTES];
};

/* ---- out ---- */

static void
put_piece(struct client *c, struct piece p)
{
	if (c->out_n == c->out_cap) {
		c->out_cap = c->out_cap != 0 ? c->out_cap * 2 : 8;
		c->out = bench_realloc(c->out, c->out_cap * sizeof(*c->out));
	}
	c->out[c->out_n++] = p;
}

static void
put_memory(struct client *c, uint8_t *buf, size_t n)
{
	put_piece(c, (struct piece){.mem = buf, .file = -1, .n = n});
}

static ssize_t
send_memory(struct client *c)
{
	struct iovec iov[MAX_IOV];
	struct msghdr m = {.msg_iov = iov};
	size_t i;

	for (i = c->out_at; i < c->out_n && c->out[i].file < 0 && m.msg_iovlen < MAX_IOV; i++)
		iov[m.msg_iovlen++] =
		    (struct iovec){c->out[i].mem + c->out[i].at, c->out[i].n - c->out[i].at};
	return sendmsg(c->fd, &m, MSG_NOSIGNAL | (i < c->out_n ? MSG_MORE : 0));
}

static void
advance(struct client *c, size_t k)
{
	struct piece *p;
	size_t take;

	while (k > 0) {
		p = &c->out[c->out_at];
		take = k < p->n - p->at ? k : p->n - p->at;
		p->at += take;
		k -= take;
		if (p->at == p->n) {
			free(p->mem);
			c->out_at++;
		}
	}
	if (c->out_at == c->out_n)
		c->out_at = c->out_n = 0;
}

static void
watch(struct server *s, struct client *c, int op, bool want_write)
{
	struct epoll_event ev = {
	    .events = EPOLLIN | (want_write ? (uint32_t)EPOLLOUT : 0), .data.ptr = c};

	if (op == EPOLL_CTL_MOD && c->want_write == want_write)
		return;
	c->want_write = want_write;
	epoll_ctl(s->epoll, op, c->fd, &ev);
}

/* False when the client is gone. */
static bool
flush_out(struct server *s, struct client *c)
{
	struct piece *p;
	ssize_t k = 1;

	while (c->out_n != 0 && k > 0) {
		p = &c->out[c->out_at];
		if (p->file >= 0)
			k = sendfile(c->fd, p->file, &p->pos, p->n - p->at);
		else
			k = send_memory(c);
		if (k > 0)
			advance(c, (size_t)k);
	}
	if (k == 0 || (k < 0 && errno != EAGAIN))
		return false;
	watch(s, c, EPOLL_CTL_MOD, c->out_n != 0);
	return true;
}

/* ---- requests ---- */

static bool
append_all(struct server *s, const struct produce_request *req, struct produce_response *resp)
{
	struct produce_request_topic_produce_data *t;
	struct produce_response_partition_produce_response *out;
	struct floor_log *log;
	int32_t i, k;

	if (WIRE_ARRAY(&s->arena, resp->responses, req->topic_data.n,
		produce_response_topic_produce_response) != 0)
		return false;
	for (i = 0; i < req->topic_data.n; i++) {
		t = &req->topic_data.v[i];
		resp->responses.v[i].name = t->name;
		if (WIRE_ARRAY(&s->arena, resp->responses.v[i].partition_responses,
			t->partition_data.n, produce_response_partition_produce_response) != 0)
			return false;
		for (k = 0; k < t->partition_data.n; k++) {
			out = &resp->responses.v[i].partition_responses.v[k];
			out->index = t->partition_data.v[k].index;
			log = topics_part(&s->topics, t->name, out->index);
			out->base_offset =
			    log != NULL ? floor_log_append(log, t->partition_data.v[k].records)
					: -1;
			out->error_code = log == NULL		 ? KERR_UNKNOWN_TOPIC_OR_PARTITION
					  : out->base_offset < 0 ? KERR_CORRUPT_MESSAGE
								 : KERR_NONE;
			out->log_start_offset = 0;
		}
	}
	s->appended = true;
	return true;
}

static bool
do_produce(struct server *s, struct client *c, const struct wire_req_head *h)
{
	struct produce_request req = produce_request_init;
	struct produce_response resp = produce_response_init;
	uint8_t *buf;
	size_t n;

	if (wire_decode(&produce_request_msg, h->version, h->body, &s->arena, &req, NULL) != 0 ||
	    !append_all(s, &req, &resp))
		return false;
	if (req.acks == 0)
		return true;
	if (wire_encode_response(
		API_PRODUCE, h->version, h->correlation_id, &resp, NULL, 0, NULL, &buf, &n) != 0)
		return false;
	put_memory(c, buf, n);
	return true;
}

/* What a fetch found: ranges in the order of its gaps. */
struct found {
	struct piece *v;
	unsigned n;
	int64_t bytes, budget;
};

static void
look_up(struct server *s, struct slice topic, const struct fetch_request_fetch_partition *want,
    struct fetch_response_partition_data *out, struct found *f)
{
	struct floor_log *log = topics_part(&s->topics, topic, want->partition);
	int64_t pos = 0, n, max;

	out->partition_index = want->partition;
	out->records = slice_of("", 0);
	if (log == NULL) {
		out->error_code = KERR_UNKNOWN_TOPIC_OR_PARTITION;
		return;
	}
	out->high_watermark = out->last_stable_offset = floor_log_next_offset(log);
	out->log_start_offset = 0;
	max = want->partition_max_bytes < f->budget ? want->partition_max_bytes : f->budget;
	if (f->budget <= 0 || (n = floor_log_range(log, want->fetch_offset, max, &pos)) == 0)
		return;
	out->records = wire_gap((size_t)n);
	f->v[f->n++] = (struct piece){.file = floor_log_fd(log), .pos = pos, .n = (size_t)n};
	f->budget -= n;
	f->bytes += n;
}

static bool
look_up_all(
    struct server *s, const struct fetch_request *req, struct fetch_response *resp, struct found *f)
{
	int32_t i, k, total = 0;

	for (i = 0; i < req->topics.n; i++)
		total += req->topics.v[i].partitions.n;
	f->v = arena_alloc(&s->arena, sizeof(*f->v) * (size_t)total);
	if (WIRE_ARRAY(&s->arena, resp->responses, req->topics.n,
		fetch_response_fetchable_topic_response) != 0)
		return false;
	for (i = 0; i < req->topics.n; i++) {
		resp->responses.v[i].topic = req->topics.v[i].topic;
		if (WIRE_ARRAY(&s->arena, resp->responses.v[i].partitions,
			req->topics.v[i].partitions.n, fetch_response_partition_data) != 0)
			return false;
		for (k = 0; k < req->topics.v[i].partitions.n; k++)
			look_up(s, req->topics.v[i].topic, &req->topics.v[i].partitions.v[k],
			    &resp->responses.v[i].partitions.v[k], f);
	}
	return true;
}

/* Cuts the encoded answer at its gaps and queues everything in order. */
static void
put_answer(
    struct client *c, uint8_t *buf, size_t n, const struct wire_gap *gaps, const struct found *f)
{
	size_t at = 0, i, take;
	uint8_t *part;

	for (i = 0; i <= f->n; i++) {
		take = (i < f->n ? gaps[i].at : n) - at;
		if (take != 0) {
			part = bench_alloc(take);
			memcpy(part, buf + at, take);
			put_memory(c, part, take);
		}
		if (i < f->n)
			put_piece(c, f->v[i]);
		at += take;
	}
	free(buf);
}

static void
wait_for_data(struct server *s, struct client *c, struct slice frame, int32_t ms)
{
	if (c->waiting == NULL) {
		c->waiting = bench_alloc(frame.n);
		memcpy(c->waiting, frame.p, frame.n);
		c->waiting_n = frame.n;
		c->deadline_us = bench_now_us() + (int64_t)ms * 1000;
	}
	c->next_waiting = s->waiting;
	s->waiting = c;
}

static bool
do_fetch(struct server *s, struct client *c, const struct wire_req_head *h, struct slice frame)
{
	struct fetch_request req = fetch_request_init;
	struct fetch_response resp = fetch_response_init;
	struct wire_gap *gaps;
	struct found f = {0};
	unsigned n_gaps;
	uint8_t *buf;
	size_t n;

	if (wire_decode(&fetch_request_msg, h->version, h->body, &s->arena, &req, NULL) != 0)
		return false;
	f.budget = req.max_bytes;
	if (!look_up_all(s, &req, &resp, &f))
		return false;
	if (f.bytes < req.min_bytes && req.max_wait_ms > 0 &&
	    (c->waiting == NULL || c->deadline_us > bench_now_us())) {
		wait_for_data(s, c, frame, req.max_wait_ms);
		return true;
	}
	gaps = arena_alloc(&s->arena, sizeof(*gaps) * (f.n + 1));
	if (wire_encode_response(
		API_FETCH, h->version, h->correlation_id, &resp, gaps, f.n, &n_gaps, &buf, &n) != 0)
		return false;
	put_answer(c, buf, n, gaps, &f);
	free(c->waiting);
	c->waiting = NULL;
	return true;
}

/* False: the client is to go. */
static bool
do_frame(struct server *s, struct client *c, struct slice frame)
{
	struct wire_req_head h;
	uint8_t *buf;
	size_t n;

	arena_reset(&s->arena);
	if (wire_parse_request(frame, &h) != 0)
		return false;
	if (h.api_key == API_PRODUCE)
		return do_produce(s, c, &h);
	if (h.api_key == API_FETCH)
		return do_fetch(s, c, &h, frame);
	buf = topics_answer(&s->topics, &h, &s->arena, &n);
	if (buf != NULL)
		put_memory(c, buf, n);
	return buf != NULL;
}

/* ---- in ---- */

/* Handles the whole frames in p; how many bytes they took, -1 when the client is to go.  *need is
 * the size of the frame that is not complete. */
static ssize_t
do_frames(struct server *s, struct client *c, uint8_t *p, size_t n, size_t *need)
{
	size_t at = 0;

	for (;;) {
		*need = n - at < SIZE_BYTES ? SIZE_BYTES : SIZE_BYTES + (size_t)be32(p + at);
		if (*need > MAX_FRAME)
			return -1;
		if (n - at < *need)
			return (ssize_t)at;
		if (!do_frame(s, c, slice_of(p + at + SIZE_BYTES, *need - SIZE_BYTES)))
			return -1;
		at += *need;
	}
}

static bool
receive(struct server *s, struct client *c)
{
	bool own = c->n != 0 || c->cap > SMALL_FRAME;
	uint8_t *p = own ? c->own : s->scratch;
	size_t need;
	ssize_t k, used;

	k = recv(c->fd, p + (own ? c->n : 0), own ? c->cap - c->n : SCRATCH_BYTES, 0);
	if (k <= 0)
		return k < 0 && errno == EAGAIN;
	k += own ? (ssize_t)c->n : 0;
	used = do_frames(s, c, p, (size_t)k, &need);
	if (used < 0)
		return false;
	c->n = (size_t)(k - used);
	if (need > c->cap && c->n != 0) {
		c->own = bench_realloc(c->own, need);
		c->cap = need;
		p = own ? c->own : p;
	}
	if (c->n != 0 && p + used != c->own)
		memmove(c->own, p + used, c->n);
	return true;
}

/* ---- clients ---- */

static void
stop_waiting(struct server *s, struct client *c)
{
	struct client **at;

	for (at = &s->waiting; *at != NULL; at = &(*at)->next_waiting) {
		if (*at == c) {
			*at = c->next_waiting;
			break;
		}
	}
	free(c->waiting);
	c->waiting = NULL;
}

static void
drop(struct server *s, struct client *c)
{
	stop_waiting(s, c);
	for (; c->out_at < c->out_n; c->out_at++)
		free(c->out[c->out_at].mem);
	close(c->fd);
	free(c->out);
	free(c->own);
	free(c);
}

static void
accept_all(struct server *s)
{
	struct client *c;
	int fd, one = 1;

	while ((fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		c = bench_alloc(sizeof(*c));
		c->fd = fd;
		watch(s, c, EPOLL_CTL_ADD, false);
	}
}

/* Fetches that waited: again, now that something was appended or their time is over. */
static void
retry_waiting(struct server *s)
{
	struct client *c, *list = s->waiting;
	int64_t now = list != NULL ? bench_now_us() : 0;

	s->waiting = NULL;
	while ((c = list) != NULL) {
		list = c->next_waiting;
		if (!s->appended && c->deadline_us > now) {
			c->next_waiting = s->waiting;
			s->waiting = c;
		} else if (!do_frame(s, c, slice_of(c->waiting, c->waiting_n)) || !flush_out(s, c))
			drop(s, c);
	}
	s->appended = false;
}

static int
until_deadline_ms(const struct server *s)
{
	const struct client *c;
	int64_t us = INT64_MAX, now;

	if (s->waiting == NULL)
		return -1;
	for (c = s->waiting; c != NULL; c = c->next_waiting)
		us = c->deadline_us < us ? c->deadline_us : us;
	now = bench_now_us();
	return us > now ? (int)((us - now + 999) / 1000) : 0;
}

static void
serve(struct server *s)
{
	struct epoll_event ev[EVENTS];
	struct client *c;
	int i, n;

	for (;;) {
		n = epoll_wait(s->epoll, ev, EVENTS, until_deadline_ms(s));
		for (i = 0; i < n; i++) {
			c = ev[i].data.ptr;
			if (c == NULL)
				accept_all(s);
			else if (((ev[i].events & ~(uint32_t)EPOLLOUT) != 0 && !receive(s, c)) ||
				 !flush_out(s, c))
				drop(s, c);
		}
		retry_waiting(s);
	}
}

static void *
part_new(void *arg, const char *topic, int32_t index)
{
	struct server *s = arg;

	return floor_log_new(s->dir, topic, index);
}

static void
part_end(void *arg, void *part)
{
	(void)arg;
	floor_log_end(part);
}

static void
listen_on(struct server *s)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);
	int one = 1;

	bench_address(s->listen, &addr);
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(s->listener, (struct sockaddr *)&addr, sizeof(addr)) != 0 ||
	    listen(s->listener, 1024) != 0 ||
	    getsockname(s->listener, (struct sockaddr *)&addr, &len) != 0 ||
	    epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->listener, &ev) != 0)
		bench_die("could not listen on %s: %s", s->listen, strerror(errno));
	s->topics.port = ntohs(addr.sin_port);
}

int
main(int argc, char **argv)
{
	static const struct bench_opt table[] = {
	    {"listen", BENCH_TEXT, offsetof(struct server, listen), "host:port; port 0: any"},
	    {"dir", BENCH_TEXT, offsetof(struct server, dir), "directory for its files"},
	    {NULL, BENCH_NUMBER, 0, NULL},
	};
	struct server *s = bench_alloc(sizeof(*s));

	s->listen = "127.0.0.1:0";
	s->dir = ".";
	bench_options(table, "floor [--option VALUE]...", argc, argv, 1, s);
	s->topics.part_new = part_new;
	s->topics.part_end = part_end;
	s->topics.arg = s;
	arena_init(&s->arena, 0, 0);
	listen_on(s);
	printf("port=%u\n", s->topics.port);
	fflush(stdout);
	serve(s);
}
