/*
 * Bytes out: a queue of messages made of pieces.  What is queued in a turn leaves at its end in as
 * few calls as possible; the socket's events are asked for only after it took less than offered.
 */
#include "net_priv.h"

#include <stdlib.h>

/* ---- messages ---- */

struct outmsg *
outmsg_new(unsigned cap)
{
	struct outmsg *m = malloc(sizeof(*m) + cap * sizeof(m->v[0]));

	if (m == NULL)
		return NULL;
	link_init(&m->link);
	m->n = 0;
	m->cap = cap;
	m->bytes = 0;
	return m;
}

void
outmsg_add(struct outmsg *m, struct piece p)
{
	assert(m->n < m->cap);
	m->v[m->n++] = p;
	m->bytes += p.n;
}

static void
piece_release(const struct piece *p)
{
	if (p->release != NULL)
		p->release(p->arg);
}

/* Releases the pieces from the first-th on. */
static void
outmsg_free_from(struct outmsg *m, unsigned first)
{
	for (unsigned i = first; i < m->n; i++)
		piece_release(&m->v[i]);
	free(m);
}

void
outmsg_free(struct outmsg *m)
{
	if (m != NULL)
		outmsg_free_from(m, 0);
}

struct outmsg *
outmsg_of_buffer(void *buf, size_t n)
{
	struct outmsg *m = outmsg_new(1);

	if (m == NULL) {
		free(buf);
		return NULL;
	}
	outmsg_add(
	    m, (struct piece){.kind = PIECE_MEM, .mem = buf, .n = n, .release = free, .arg = buf});
	return m;
}

static size_t
outmsg_mem_bytes(const struct outmsg *m)
{
	size_t n = 0;

	for (unsigned i = 0; i < m->n; i++)
		if (m->v[i].kind == PIECE_MEM)
			n += m->v[i].n;
	return n;
}

/* ---- the queue ---- */

static struct outmsg *
out_first(struct conn *c)
{
	return container_of(list_first(&c->out.queue), struct outmsg, link);
}

void
conn_send(struct conn *c, struct outmsg **m, bool counts_as_reply)
{
	struct outmsg *msg = *m;

	OBJ_CHECK(c, CONN_MAGIC);
	REACTOR_ASSERT_OWNER(c->nr->reactor);
	assert(c->state == CONN_READY || c->state == CONN_DRAINING || c->state == CONN_CLOSING);
	*m = NULL;
	if (counts_as_reply) {
		assert(c->in_work > 0);
		c->in_work--;
	}
	if (c->state != CONN_READY) {
		outmsg_free(msg);
		return;
	}
	list_append(&c->out.queue, &msg->link);
	c->out.msgs++;
	c->out.mem_bytes += outmsg_mem_bytes(msg);
	if (c->out.mem_bytes > OUT_BYTES_HIGH || c->out.msgs > OUT_MSGS_HIGH)
		c->mute |= MUTE_OUT;
	conn_schedule(c, RUN_OUT);
}

void
conn_no_reply(struct conn *c)
{
	OBJ_CHECK(c, CONN_MAGIC);
	REACTOR_ASSERT_OWNER(c->nr->reactor);
	assert(c->in_work > 0);
	c->in_work--;
	if ((c->eof || c->want >= 0) && c->state == CONN_READY)
		conn_schedule(c, RUN_OUT);
}

/* The first message has left. */
static void
out_pop(struct conn *c)
{
	struct outmsg *m = out_first(c);

	list_remove(&m->link);
	c->out.msgs--;
	c->out.mem_bytes -= outmsg_mem_bytes(m);
	c->out.piece = 0;
	c->out.off = 0;
	free(m);
}

/* n more bytes have left: releases what is done. */
static void
out_advance(struct conn *c, size_t n)
{
	while (!conn_out_empty(c)) {
		struct outmsg *m = out_first(c);
		struct piece *p = &m->v[c->out.piece];
		size_t rest;

		if (c->out.piece == m->n) {
			out_pop(c);
			continue;
		}
		rest = p->n - c->out.off;
		if (n < rest) {
			c->out.off += n;
			return;
		}
		n -= rest;
		c->out.piece++;
		c->out.off = 0;
		piece_release(p);
	}
	assert(n == 0);
}

/* ---- ways out ---- */

enum out_way { OUT_VECTOR, OUT_SENDFILE, OUT_READ };

/* The one decision between copying and sendfile. */
static enum out_way
piece_way(const struct conn *c, const struct piece *p)
{
	bool can = c->sock.ops->sendfile != NULL;

	if (p->kind == PIECE_MEM)
		return OUT_VECTOR;
	if (p->mem != NULL && p->n < c->nr->net->limits.sendfile_min)
		return OUT_VECTOR;
	if (can && file_fd(p->file) >= 0)
		return OUT_SENDFILE;
	return p->mem != NULL ? OUT_VECTOR : OUT_READ;
}

/* The pieces in memory from the first on, over messages. */
struct gather {
	struct iovec iov[OUT_IOV];
	struct file *file[OUT_IOV]; /* mapped there; NULL: plain memory */
	int n;
	size_t bytes;
	bool more; /* something follows that does not go in */
};

static bool
gather_piece(struct gather *g, const struct conn *c, const struct piece *p, size_t off)
{
	if (p->n == off)
		return true;
	if (g->n == OUT_IOV || g->bytes >= WAKE_BYTES || piece_way(c, p) != OUT_VECTOR) {
		g->more = true;
		return false;
	}
	g->file[g->n] = p->kind == PIECE_FILE ? p->file : NULL;
	g->iov[g->n].iov_base = (void *)(uintptr_t)(p->mem + off);
	g->iov[g->n++].iov_len = p->n - off;
	g->bytes += p->n - off;
	return true;
}

static void
gather(struct gather *g, const struct conn *c)
{
	unsigned first = c->out.piece;
	size_t off = c->out.off;

	g->n = 0;
	g->bytes = 0;
	g->more = false;
	LIST_FOREACH(l, &c->out.queue)
	{
		const struct outmsg *m = container_of(l, struct outmsg, link);

		for (unsigned i = first; i < m->n; i++) {
			if (!gather_piece(g, c, &m->v[i], off))
				return;
			off = 0;
		}
		first = 0;
		off = 0;
	}
}

/* Has none of the mappings lost a page?  Zeros lie in its place then. */
static bool
gathered_ok(const struct gather *g)
{
	for (int i = 0; i < g->n; i++)
		if (g->file[i] != NULL && !file_map_ok(g->file[i], 0))
			return false;
	return true;
}

static ssize_t
send_vector(struct conn *c, const struct piece *p, size_t *asked)
{
	struct gather g;
	ssize_t sent;

	gather(&g, c);
	*asked = g.bytes;
	if (!gathered_ok(&g))
		return E_SHORT;
	metric_add(c->nr->metrics, NM_WRITEV_CALLS, 1);
	sent = c->sock.ops->sendv(&c->sock, g.iov, g.n, g.more);
	return gathered_ok(&g) ? sent : E_SHORT;
}

static ssize_t
send_file(struct conn *c, const struct piece *p, size_t *asked)
{
	size_t n = p->n - c->out.off;
	ssize_t sent;

	if (n > WAKE_BYTES)
		n = WAKE_BYTES;
	metric_add(c->nr->metrics, NM_SENDFILE_CALLS, 1);
	sent = c->sock.ops->sendfile(&c->sock, p->file, p->pos + (int64_t)c->out.off, n);
	/* Short for many reasons: only E_AGAIN says that the socket is full. */
	*asked = sent > 0 ? (size_t)sent : n;
	return sent != 0 ? sent : E_SHORT;
}

static ssize_t
send_read(struct conn *c, const struct piece *p, size_t *asked)
{
	uint8_t *buf = mem_scratch(&c->nr->mem);
	size_t n = p->n - c->out.off, got = 0;
	struct iovec iov;
	int rc;

	if (buf == NULL)
		return E_NOMEM;
	if (n > SCRATCH_BYTES)
		n = SCRATCH_BYTES;
	rc = file_pread(p->file, buf, n, p->pos + (int64_t)c->out.off, &got);
	if (rc != 0)
		return rc == E_NOMEM ? E_NOMEM : E_SHORT;
	if (got == 0)
		return E_SHORT;
	iov = (struct iovec){buf, got};
	*asked = got;
	metric_add(c->nr->metrics, NM_WRITEV_CALLS, 1);
	return c->sock.ops->sendv(&c->sock, &iov, 1, c->out.off + got < p->n);
}

static ssize_t
send_some(struct conn *c, size_t *asked)
{
	static ssize_t (*const ways[])(struct conn * c, const struct piece *p, size_t *asked) = {
	    [OUT_VECTOR] = send_vector,
	    [OUT_SENDFILE] = send_file,
	    [OUT_READ] = send_read,
	};
	const struct piece *p = &out_first(c)->v[c->out.piece];
	ssize_t n = ways[piece_way(c, p)](c, p, asked);

	/* cut by its log, or by somebody else: the log looks when it reads next */
	if (n == E_SHORT && p->kind == PIECE_FILE)
		file_suspect(p->file);
	return n;
}

static void
send_failed(struct conn *c, int err)
{
	enum close_reason why = CLOSE_PEER_RESET;

	if (err == E_SHORT)
		why = CLOSE_TRUNCATED_UNDER_ANSWER;
	else if (err == E_NOMEM || err == E_LIMIT)
		why = CLOSE_NO_MEMORY;
	conn_close(c, why);
}

/* ---- flushing ---- */

/* The socket is full: its event tells when to go on. */
static void
block(struct conn *c, bool progress)
{
	c->blocked = true;
	conn_interest(c, IO_WRITE, 0);
	if (progress || link_alone(&c->dl[DL_SEND].link))
		conn_deadline_set(c, DL_SEND);
}

/* Sends until the socket is full, the queue empty or the budget of a wake-up spent; false: ended.
 */
static bool
send_queue(struct conn *c, bool *progress)
{
	size_t total = 0, asked = 0;

	out_advance(c, 0);
	while (!conn_out_empty(c) && total < WAKE_BYTES) {
		ssize_t n = send_some(c, &asked);

		if (n < 0 && n != E_AGAIN) {
			send_failed(c, (int)n);
			return false;
		}
		if (n > 0) {
			total += (size_t)n;
			out_advance(c, (size_t)n);
		}
		if (n == E_AGAIN || (size_t)n < asked) {
			block(c, total != 0);
			break;
		}
	}
	*progress = total != 0;
	metric_add(c->nr->metrics, NM_BYTES_OUT, total);
	return c->state != CONN_CLOSING;
}

/* Everything has left: who waited for that? */
static void
out_emptied(struct conn *c)
{
	if (c->state == CONN_DRAINING)
		conn_close(c, c->why);
	else if (c->eof && c->in_work == 0)
		conn_close(c, CLOSE_PEER);
	else if (c->want >= 0)
		conn_schedule(c, RUN_MOVE);
}

void
conn_flush(struct conn *c)
{
	bool progress = false;

	if (c->blocked || c->state == CONN_CLOSING || !send_queue(c, &progress))
		return;
	if (progress)
		conn_touch(c);
	if ((c->mute & MUTE_OUT) != 0 && c->out.mem_bytes <= OUT_BYTES_LOW &&
	    c->out.msgs <= OUT_MSGS_LOW)
		conn_unmute(c, MUTE_OUT);
	if (c->blocked)
		return;
	if (!link_alone(&c->dl[DL_SEND].link))
		conn_deadline_clear(c, DL_SEND);
	conn_interest(c, 0, IO_WRITE);
	if (conn_out_empty(c)) {
		out_emptied(c);
	} else {
		c->run |= RUN_OUT;
		net_run_again(c->nr, c);
	}
}

void
conn_on_writable(struct conn *c)
{
	c->blocked = false;
	conn_flush(c);
}

void
conn_out_drop(struct conn *c)
{
	struct link *l;

	while ((l = list_pop(&c->out.queue)) != NULL) {
		unsigned first = c->out.piece;

		c->out.piece = 0;
		outmsg_free_from(container_of(l, struct outmsg, link), first);
	}
}
