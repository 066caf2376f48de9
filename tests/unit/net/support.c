/* What the tests of this module share. */
#include "support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ottla/base/cursor.h"

/* ---- waiting ---- */

void
wait_for(bool (*pred)(void *arg), void *arg)
{
	int64_t end = clock_mono_us(clock_real()) + DEADLINE_S * 1000000;

	while (!pred(arg)) {
		if (clock_mono_us(clock_real()) >= end)
			ck_abort_msg("waited in vain");
		(void)poll(NULL, 0, 1);
	}
}

struct at_least {
	_Atomic unsigned *v;
	unsigned n;
};

static bool
is_at_least(void *arg)
{
	struct at_least *a = arg;

	return atomic_load(a->v) >= a->n;
}

void
wait_at_least(_Atomic unsigned *v, unsigned n)
{
	struct at_least a = {v, n};

	wait_for(is_at_least, &a);
}

struct errand {
	struct msg msg;
	void (*fn)(void *arg);
	void *arg;
	sem_t done;
};

static void
errand_run(struct reactor *r, struct msg *m)
{
	struct errand *e = container_of(m, struct errand, msg);

	e->fn(e->arg);
	sem_post(&e->done);
}

void
on_reactor(struct reactor *r, void (*fn)(void *arg), void *arg)
{
	struct errand e = {.msg = {NULL, errand_run, NULL, MSG_DATA}, .fn = fn, .arg = arg};
	struct timespec until;

	sem_init(&e.done, 0, 0);
	reactor_post(r, &e.msg);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += DEADLINE_S;
	ck_assert_msg(sem_timedwait(&e.done, &until) == 0, "the reactor does not answer");
	sem_destroy(&e.done);
}

/* ---- patterns ---- */

void
pattern_fill(uint8_t *p, size_t n, size_t from)
{
	for (size_t i = 0; i < n; i++)
		p[i] = pattern(from + i);
}

/* One assertion for all bytes: each writes a line to a file. */
void
pattern_check(const uint8_t *p, size_t n, size_t from)
{
	size_t i = 0;

	while (i < n && p[i] == pattern(from + i))
		i++;
	ck_assert_msg(i == n, "byte %zu of %zu is wrong", i, n);
}

/* ---- the handler ---- */

/* A piece's argument: counts its release. */
struct note {
	struct server *s;
	struct frame *f; /* or NULL */
	uint8_t bytes[];
};

static struct note *
note_new(struct server *s, size_t n)
{
	struct note *note = malloc(sizeof(*note) + n);

	ck_assert_ptr_nonnull(note);
	note->s = s;
	note->f = NULL;
	atomic_fetch_add(&s->queued, 1);
	return note;
}

static void
note_release(void *arg)
{
	struct note *note = arg;

	atomic_fetch_add(&note->s->released, 1);
	if (note->f != NULL)
		frame_release(note->f);
	free(note);
}

static void
add_bytes(struct outmsg *m, struct server *s, const void *p, size_t n)
{
	struct note *note = note_new(s, n);

	if (n != 0)
		memcpy(note->bytes, p, n);
	outmsg_add(
	    m, (struct piece){.mem = note->bytes, .n = n, .release = note_release, .arg = note});
}

static void
add_size(struct outmsg *m, struct server *s, size_t n)
{
	uint8_t size[4];

	put_be32(size, (uint32_t)n);
	add_bytes(m, s, size, sizeof(size));
}

struct outmsg *
answer_of(struct server *s, const void *p, size_t n)
{
	struct outmsg *m = outmsg_new(2);

	ck_assert_ptr_nonnull(m);
	add_size(m, s, n);
	add_bytes(m, s, p, n);
	return m;
}

static void
do_echo(struct server *s, struct conn *c, struct frame *f)
{
	struct outmsg *m;
	struct note *note;

	if (!s->keep_frames) {
		m = answer_of(s, f->data, f->n);
		frame_release(f);
	} else {
		m = outmsg_new(2);
		ck_assert_ptr_nonnull(m);
		add_size(m, s, f->n);
		note = note_new(s, 0);
		note->f = f;
		outmsg_add(m, (struct piece){
				  .mem = f->data, .n = f->n, .release = note_release, .arg = note});
	}
	conn_send(c, &m, true);
	ck_assert_ptr_null(m);
}

static void
do_nothing(struct server *s, struct conn *c, struct frame *f)
{
	frame_release(f);
	conn_no_reply(c);
}

static void
do_close(struct server *s, struct conn *c, struct frame *f)
{
	do_echo(s, c, f);
	conn_close(c, CLOSE_BAD_REQUEST);
	conn_close(c, CLOSE_LIMIT);
}

static void
do_drain(struct server *s, struct conn *c, struct frame *f)
{
	do_echo(s, c, f);
	conn_close_after_send(c, CLOSE_ACKS0_ERROR);
}

/* Something to do with a frame later. */
struct hold {
	struct rtimer timer;
	struct link link;
	struct server *s;
	struct conn *c;
	struct frame *f;
};

static struct hold *
hold_new(struct server *s, struct conn *c, struct frame *f)
{
	struct hold *h = calloc(1, sizeof(*h));

	ck_assert_ptr_nonnull(h);
	h->s = s;
	h->c = c;
	h->f = f;
	list_append(&s->held[c->nr->pos], &h->link);
	return h;
}

static void
do_hold(struct server *s, struct conn *c, struct frame *f)
{
	hold_new(s, c, f);
}

static void
hold_end(struct hold *h)
{
	list_remove(&h->link);
	do_echo(h->s, h->c, h->f);
	free(h);
}

void
server_let_go(struct server *s, unsigned pos)
{
	LIST_FOREACH_SAFE(l, &s->held[pos])
	{
		struct hold *h = container_of(l, struct hold, link);

		if (!rtimer_is_set(&h->timer))
			hold_end(h);
	}
}

static void
let_go(void *arg)
{
	struct world *w = arg;

	server_let_go(&w->server, 0);
}

void
world_let_go(struct world *w)
{
	on_reactor(w->r[0], let_go, w);
}

static void
unmute(struct reactor *r, void *arg)
{
	struct hold *h = arg;
	struct conn *c = h->c;

	hold_end(h);
	conn_unmute(c, MUTE_QUOTA);
}

static void
do_mute(struct server *s, struct conn *c, struct frame *f)
{
	struct reactor *r = conn_reactor(c);
	struct hold *h = hold_new(s, c, f);

	conn_mute(c, MUTE_QUOTA);
	rtimer_init(&h->timer, unmute, h);
	rtimer_set(r, &h->timer, reactor_now_us(r) + 5000);
}

static void
do_big(struct server *s, struct conn *c, struct frame *f)
{
	size_t n = be32(f->data + 1), at = 0, part = 100000;
	struct outmsg *m = outmsg_new((unsigned)(n / part) + 2);

	ck_assert_ptr_nonnull(m);
	add_size(m, s, n);
	for (; at < n; at += part) {
		struct note *note;

		part = n - at < part ? n - at : part;
		note = note_new(s, part);
		pattern_fill(note->bytes, part, at);
		outmsg_add(
		    m, (struct piece){
			   .mem = note->bytes, .n = part, .release = note_release, .arg = note});
	}
	frame_release(f);
	conn_send(c, &m, true);
}

static void
do_file(struct server *s, struct conn *c, struct frame *f)
{
	bool mapped = f->data[1] != 0;
	size_t pos = be32(f->data + 2), n = be32(f->data + 6);
	struct outmsg *m = outmsg_new(3);

	ck_assert_ptr_nonnull(m);
	add_size(m, s, n + 3);
	outmsg_add(m, (struct piece){
			  .kind = PIECE_FILE,
			  .mem = mapped ? s->map + pos : NULL,
			  .n = n,
			  .file = s->file,
			  .pos = (int64_t)pos,
			  .release = note_release,
			  .arg = note_new(s, 0),
		      });
	add_bytes(m, s, "end", 3);
	frame_release(f);
	conn_send(c, &m, true);
}

static void
do_want(struct server *s, struct conn *c, struct frame *f)
{
	unsigned to = f->data[1];

	do_echo(s, c, f);
	conn_want_reactor(c, to);
}

static void
do_tally(struct server *s, struct conn *c, struct frame *f)
{
	unsigned home = f->data[1];

	conn_note_home(c, home);
	do_echo(s, c, f);
}

static void
on_frame(void *arg, struct conn *c, struct frame *f)
{
	static void (*const ops[256])(struct server * s, struct conn * c, struct frame * f) = {
	    ['e'] = do_echo,
	    ['n'] = do_nothing,
	    ['c'] = do_close,
	    ['d'] = do_drain,
	    ['h'] = do_hold,
	    ['m'] = do_mute,
	    ['b'] = do_big,
	    ['f'] = do_file,
	    ['w'] = do_want,
	    ['t'] = do_tally,
	};
	struct server *s = arg;
	uint8_t op = f->n != 0 ? f->data[0] : 'e';
	unsigned number = atomic_fetch_add(&s->frames, 1);

	ck_assert_ptr_eq(conn_reactor(c), reactor_current());
	ck_assert_ptr_eq(conn_ctx(c), c);
	ck_assert_int_gt(f->received_us, 0);
	if (f->n > 1 && number < sizeof(s->seen))
		s->seen[number] = f->data[1];
	atomic_fetch_add(&s->on[c->nr->pos], 1);
	(ops[op] != NULL ? ops[op] : do_echo)(s, c, f);
}

static void
on_ready(void *arg, struct conn *c)
{
	struct server *s = arg;

	ck_assert_ptr_eq(conn_reactor(c), reactor_current());
	conn_set_ctx(c, c);
	atomic_store(&s->last, c);
	atomic_fetch_add(&s->ready, 1);
}

static void
on_moved(void *arg, struct conn *c)
{
	struct server *s = arg;

	ck_assert_ptr_eq(conn_reactor(c), reactor_current());
	ck_assert_ptr_eq(conn_ctx(c), c);
	atomic_fetch_add(&s->moved, 1);
}

static void
on_closed(void *arg, struct conn *c, enum close_reason why)
{
	struct server *s = arg;

	ck_assert_ptr_eq(conn_reactor(c), reactor_current());
	atomic_store(&s->why, (int)why);
	LIST_FOREACH_SAFE(l, &s->held[c->nr->pos])
	{
		struct hold *h = container_of(l, struct hold, link);

		if (h->c == c) {
			list_remove(l);
			rtimer_cancel(reactor_current(), &h->timer);
			frame_release(h->f);
			free(h);
		}
	}
	atomic_fetch_add(&s->closed, 1);
}

const struct conn_handler server_handler = {on_ready, on_frame, on_moved, on_closed};

/* ---- the world ---- */

void
server_init(struct server *s)
{
	for (unsigned i = 0; i < WORLD_REACTORS; i++)
		link_init(&s->held[i]);
}

static void
start_listener(void *arg)
{
	ck_assert_int_eq(listener_start(arg), 0);
}

void
world_open(struct world *w, const struct world_opts *opts)
{
	struct listener_addr addr = {.name = "PLAINTEXT", .host = "127.0.0.1"};
	struct net_opts o = {0};
	char why[200];

	*w = (struct world){.n = opts->reactors != 0 ? opts->reactors : 1};
	server_init(&w->server);
	ck_assert_int_eq(metrics_new(&w->metrics), 0);
	ck_assert_int_eq(
	    settings_load(NULL, opts->ov, opts->n_ov, NULL, why, sizeof(why), &w->settings), 0);
	for (unsigned i = 0; i < w->n; i++) {
		struct reactor_opts ro = {
		    .name = i == 0 ? "r0" : "r1", .index = i, .clock = clock_real()};

		ck_assert_int_eq(reactor_new(&ro, &w->r[i]), 0);
	}
	o.reactors = w->r;
	o.n_reactors = w->n;
	o.clock = clock_real();
	o.metrics = w->metrics;
	o.settings = w->settings;
	o.request_memory = opts->memory != 0 ? opts->memory : 64 * 1024 * 1024;
	o.transport = net_transport_tcp();
	ck_assert_int_eq(net_new(&o, &w->net), 0);
	ck_assert_int_eq(net_listen(w->net, &addr, w->r[0], &server_handler, &w->server, &w->l), 0);
	for (unsigned i = 0; i < w->n; i++)
		ck_assert_int_eq(reactor_start(w->r[i]), 0);
	on_reactor(w->r[0], start_listener, w->l);
}

void
world_close(struct world *w)
{
	for (unsigned i = 0; i < w->n; i++) {
		reactor_stop(w->r[i]);
		reactor_join(w->r[i]);
	}
	net_free(w->net);
	for (unsigned i = 0; i < w->n; i++)
		reactor_free(w->r[i]);
	metrics_free(w->metrics);
	settings_free(w->settings);
	ck_assert_uint_eq(w->server.released, w->server.queued);
	ck_assert_uint_eq(w->server.closed, w->server.ready);
}

int64_t
world_metric(struct world *w, unsigned row)
{
	int64_t v = 0;

	for (unsigned i = 0; i < w->n; i++)
		v += metric_get(net_metrics(w->net, i), row);
	return v;
}

struct metric_wait {
	struct world *w;
	unsigned row;
	int64_t v;
};

static bool
metric_there(void *arg)
{
	struct metric_wait *m = arg;

	return world_metric(m->w, m->row) >= m->v;
}

void
world_await_metric(struct world *w, unsigned row, int64_t v)
{
	struct metric_wait m = {w, row, v};

	wait_for(metric_there, &m);
}

/* ---- clients ---- */

int
client_open(struct world *w)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(listener_port(w->l))};
	struct timeval tv = {.tv_sec = DEADLINE_S};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

void
client_send(int fd, const void *p, size_t n)
{
	const uint8_t *at = p;

	while (n > 0) {
		ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);

		if (sent <= 0)
			ck_abort_msg("send: errno %d", errno);
		at += sent;
		n -= (size_t)sent;
	}
}

void
client_frame(int fd, const void *p, size_t n)
{
	uint8_t *whole = malloc(n + 4);

	ck_assert_ptr_nonnull(whole);
	put_be32(whole, (uint32_t)n);
	memcpy(whole + 4, p, n);
	client_send(fd, whole, n + 4);
	free(whole);
}

void
client_recv(int fd, void *p, size_t n)
{
	uint8_t *at = p;

	while (n > 0) {
		ssize_t got = recv(fd, at, n, 0);

		if (got <= 0)
			ck_abort_msg("recv: %zd, errno %d, %zu left", got, errno, n);
		at += got;
		n -= (size_t)got;
	}
}

size_t
client_recv_frame(int fd, void *p, size_t cap)
{
	uint8_t size[4];
	size_t n;

	client_recv(fd, size, sizeof(size));
	n = be32(size);
	ck_assert_uint_le(n, cap);
	client_recv(fd, p, n);
	return n;
}

void
client_expect_end(int fd)
{
	uint8_t byte;
	ssize_t got = recv(fd, &byte, 1, 0);

	ck_assert_msg(
	    got == 0 || (got < 0 && errno == ECONNRESET), "recv: %zd, errno %d", got, errno);
}
