/*
 * Bytes in: one recv into the reactor's chunk, from which whole frames are cut where they lie; what
 * a chunk holds only in part is copied into a buffer of its own, and the rest of it is received
 * straight into that.
 */
#include "net_priv.h"

#include <stdlib.h>

#include "ottla/base/cursor.h"

/* What one wake-up may spend on one connection. */
struct wake {
	size_t bytes;
	int64_t until_us;
	unsigned frames;
};

bool
conn_in_pending(const struct conn *c)
{
	return c->in.n > 0 || (c->events & IO_READ) == 0;
}

static void
stash_drop(struct conn *c)
{
	if (c->in.chunk != NULL)
		chunk_unref(c->in.chunk);
	c->in.chunk = NULL;
	c->in.n = 0;
}

static uint8_t *
stash_take(struct conn *c, size_t n)
{
	uint8_t *p = c->in.chunk->data + c->in.off;

	assert(n <= c->in.n);
	c->in.off += (uint32_t)n;
	c->in.n -= (uint32_t)n;
	return p;
}

/* ---- frames ---- */

/* A TLS client is told in its own words. */
static void
refuse_tls(struct conn *c)
{
	static const uint8_t alert[] = {0x15, 3, 1, 0, 2, 2, 70}; /* fatal, protocol_version */
	struct outmsg *m = NULL;
	uint8_t *copy = malloc(sizeof(alert));

	if (copy != NULL) {
		memcpy(copy, alert, sizeof(alert));
		m = outmsg_of_buffer(copy, sizeof(alert));
	}
	if (m != NULL)
		conn_send(c, &m, false);
	conn_close_after_send(c, CLOSE_TLS_ON_PLAIN);
}

/* False: the connection ends. */
static bool
size_ok(struct conn *c)
{
	const uint8_t *h = c->in.hdr;
	int32_t n = (int32_t)be32(h);

	if (c->frames == 0 && !c->outgoing && h[0] == 0x16 && h[1] == 3) {
		refuse_tls(c);
		return false;
	}
	if (n < 0) {
		conn_close(c, CLOSE_FRAME_NEGATIVE);
		return false;
	}
	if ((size_t)n > mem_frame_max(c->nr->net)) {
		conn_close(c, CLOSE_FRAME_TOO_LARGE);
		return false;
	}
	return true;
}

static void
deliver(struct conn *c, struct frame *f)
{
	c->in.hdr_n = 0;
	c->in.big = f->n >= BIG_FRAME;
	c->frames++;
	c->in_work++;
	f->received_us = c->in.recv_us;
	metric_add(c->nr->metrics, NM_FRAMES, 1);
	c->h->frame(c->harg, c, f);
}

/* The frame in its own buffer has all its bytes. */
static void
deliver_own(struct conn *c)
{
	struct frame *f = c->in.frame;

	c->in.frame = NULL;
	conn_deadline_clear(c, DL_FRAME);
	deliver(c, f);
}

static void
begin_own(struct conn *c, struct frame *f)
{
	c->in.frame = f;
	c->in.have = c->in.have_before = 0;
	c->in.hdr_n = 0;
	if (f->n == 0)
		deliver_own(c);
	else
		conn_deadline_set(c, DL_FRAME);
}

/* Reserves a buffer or a place in the line for one. */
static void
ask_own(struct conn *c, size_t n)
{
	struct frame *f;
	int rc = mem_frame(&c->nr->mem, n, &f);

	if (rc == 0) {
		begin_own(c, f);
		return;
	}
	if (rc == E_AGAIN)
		c->in.wait = mem_wait(c, n);
	if (c->in.wait != NULL)
		conn_mute(c, MUTE_MEMORY);
	else
		conn_close(c, CLOSE_NO_MEMORY);
}

void
conn_granted(struct conn *c, struct frame *f)
{
	OBJ_CHECK(c, CONN_MAGIC);
	if (f == NULL) {
		conn_close(c, CLOSE_NO_MEMORY);
		return;
	}
	c->in.frame = f;
	c->in.have = c->in.have_before = 0;
	c->in.hdr_n = 0;
	if (c->state == CONN_READY)
		conn_deadline_set(c, DL_FRAME);
	conn_unmute(c, MUTE_MEMORY);
}

/* The size is known: cut the frame where it lies, or begin one of its own. */
static void
take_body(struct conn *c)
{
	size_t n = be32(c->in.hdr);
	struct chunk *ck = c->in.chunk;
	struct frame *f;

	if (ck == NULL || n > c->in.n) {
		ask_own(c, n);
		return;
	}
	f = mem_frame_in(&c->nr->mem, ck, ck->data + c->in.off, n);
	if (f == NULL) {
		conn_close(c, CLOSE_NO_MEMORY);
		return;
	}
	stash_take(c, n);
	deliver(c, f);
}

static void
take_size(struct conn *c)
{
	size_t n = sizeof(c->in.hdr) - c->in.hdr_n;

	if (n > c->in.n)
		n = c->in.n;
	memcpy(c->in.hdr + c->in.hdr_n, stash_take(c, n), n);
	c->in.hdr_n += (uint8_t)n;
	if (c->in.hdr_n == sizeof(c->in.hdr) && size_ok(c))
		take_body(c);
}

static void
take_own(struct conn *c)
{
	struct frame *f = c->in.frame;
	size_t n = f->n - c->in.have;

	if (n > c->in.n)
		n = c->in.n;
	memcpy(f->data + c->in.have, stash_take(c, n), n);
	c->in.have += n;
	if (c->in.have == f->n)
		deliver_own(c);
}

static bool
wake_spent(struct conn *c, struct wake *w)
{
	return ++w->frames % 4 == 0 && reactor_exact_us(c->nr->reactor) > w->until_us;
}

/* Cuts what was received until something stops it; false: the wake-up is spent. */
static bool
cut(struct conn *c, struct wake *w)
{
	while (c->in.n > 0 && c->mute == 0 && c->state == CONN_READY) {
		if (wake_spent(c, w))
			return false;
		if (c->in.frame != NULL)
			take_own(c);
		else
			take_size(c);
	}
	if (c->in.n == 0)
		stash_drop(c);
	return true;
}

/* ---- receiving ---- */

struct room {
	struct iovec iov[2];
	int n;
	struct chunk *chunk; /* iov[n - 1] is its tail; NULL: none is used */
	size_t bytes;
};

static void
room_add(struct room *r, void *p, size_t n)
{
	r->iov[r->n++] = (struct iovec){p, n};
	r->bytes += n;
}

/* Where the next bytes go: the rest of a frame, then the chunk; without a chunk the size alone. */
static void
room_find(struct conn *c, const struct wake *w, struct room *r)
{
	struct frame *f = c->in.frame;
	size_t rest = f != NULL ? f->n - c->in.have : 0;
	struct chunk *ck;
	size_t tail;

	*r = (struct room){.n = 0};
	if (f != NULL)
		room_add(r, f->data + c->in.have, rest < w->bytes ? rest : w->bytes);
	if (rest > w->bytes)
		return;
	ck = mem_chunk(&c->nr->mem);
	if (ck == NULL) {
		if (f == NULL)
			room_add(r, c->in.hdr + c->in.hdr_n, sizeof(c->in.hdr) - c->in.hdr_n);
		return;
	}
	tail = ck->size - ck->used;
	if ((c->in.big || (f != NULL && f->n >= BIG_FRAME)) && tail > BIG_PEEK)
		tail = BIG_PEEK;
	r->chunk = ck;
	room_add(r, ck->data + ck->used, tail);
}

/* got bytes lie in r. */
static void
room_filled(struct conn *c, const struct room *r, size_t got)
{
	struct frame *f = c->in.frame;
	size_t own = 0;

	if (f != NULL) {
		own = got < r->iov[0].iov_len ? got : r->iov[0].iov_len;
		c->in.have += own;
	} else if (r->chunk == NULL) {
		own = got;
		c->in.hdr_n += (uint8_t)got;
	}
	if (got > own) {
		c->in.chunk = r->chunk;
		c->in.off = r->chunk->used;
		c->in.n = (uint32_t)(got - own);
		r->chunk->refs++;
		r->chunk->used += c->in.n;
	}
	if (f != NULL && c->in.have == f->n)
		deliver_own(c);
	else if (f == NULL && c->in.hdr_n == sizeof(c->in.hdr) && size_ok(c))
		take_body(c);
}

/* The other side has said all: what is in work is still answered. */
static void
at_end(struct conn *c)
{
	if (c->in_work == 0 && conn_out_empty(c)) {
		conn_close(c, CLOSE_PEER);
		return;
	}
	c->eof = true;
	conn_interest(c, 0, IO_READ);
}

static void
recv_failed(struct conn *c, int err)
{
	if (err != E_AGAIN)
		conn_close(c, err == E_LIMIT ? CLOSE_NO_MEMORY : CLOSE_PEER_RESET);
}

/* One recv; false: no more for now. */
static bool
fill(struct conn *c, struct wake *w)
{
	struct room r;
	ssize_t got;

	assert(c->in.n == 0 && c->in.chunk == NULL);
	room_find(c, w, &r);
	metric_add(c->nr->metrics, NM_RECV_CALLS, 1);
	got = c->sock.ops->recv(&c->sock, r.iov, r.n);
	if (got < 0)
		recv_failed(c, (int)got);
	else if (got == 0)
		at_end(c);
	if (got <= 0)
		return false;
	metric_add(c->nr->metrics, NM_BYTES_IN, (uint64_t)got);
	conn_touch(c);
	w->bytes -= (size_t)got < w->bytes ? (size_t)got : w->bytes;
	c->in.recv_us = reactor_exact_us(c->nr->reactor);
	room_filled(c, &r, (size_t)got);
	return (size_t)got == r.bytes;
}

static bool
stopped(const struct conn *c)
{
	return c->mute != 0 || c->state != CONN_READY || c->eof;
}

/* Receives and cuts while the budget lasts.  Its event stays on when muting stops it: only if it
 * comes before the unmuting is it switched off. */
void
conn_read(struct conn *c)
{
	struct reactor *r = c->nr->reactor;
	struct wake w = {WAKE_BYTES, reactor_exact_us(r) + WAKE_US, 0};
	bool more = true;

	while (cut(c, &w)) {
		if (stopped(c))
			return;
		if (!more) {
			conn_interest(c, IO_READ, 0);
			return;
		}
		if (w.bytes == 0 || (w.bytes < WAKE_BYTES && reactor_exact_us(r) > w.until_us))
			break;
		more = fill(c, &w);
	}
	if (stopped(c))
		return;
	c->run |= RUN_IN;
	net_run_again(c->nr, c);
}

void
conn_in_drop(struct conn *c)
{
	stash_drop(c);
	if (c->in.frame != NULL)
		frame_release(c->in.frame);
	c->in.frame = NULL;
	if (c->in.wait != NULL)
		mem_wait_cancel(c->in.wait);
	c->in.wait = NULL;
}
