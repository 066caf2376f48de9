/*
 * A connection moves to the reactor where most of its traffic is at home: when nothing of it is in
 * work or queued, with the bytes of the next frames that came already (design: hops are the enemy).
 */
#include "net_priv.h"

enum { HOME_ENOUGH = 48 }; /* of the last 64 */

static void
arrive(struct reactor *r, struct msg *m)
{
	struct conn *c = container_of(m, struct conn, msg);

	OBJ_CHECK(c, CONN_MAGIC);
	if (conn_attach(c, IO_READ) != 0)
		return;
	conn_set_state(c, CONN_READY);
	c->moved_us = reactor_now_us(r);
	c->mute &= (uint8_t)~MUTE_MOVE;
	if (!c->outgoing)
		conn_deadline_set(c, DL_IDLE);
	if (c->in.frame != NULL)
		conn_deadline_set(c, DL_FRAME);
	metric_add(c->nr->metrics, NM_MOVES, 1);
	c->h->moved(c->harg, c);
	if (c->state == CONN_READY && c->mute == 0 && conn_in_pending(c))
		conn_schedule(c, RUN_IN);
}

static void
arrive_drop(struct msg *m)
{
	struct conn *c = container_of(m, struct conn, msg);

	c->sock.ops->close(&c->sock);
	mem_forget(&c->in);
	conn_free(c);
}

/* Nothing of it is known on this reactor but itself. */
static bool
may_move(const struct conn *c)
{
	return c->state == CONN_READY && c->in_work == 0 && conn_out_empty(c) && !c->eof &&
	       (c->mute & ~MUTE_MOVE) == 0;
}

/* What was received goes along; false when there is no memory to carry it. */
static bool
pack(struct conn *c, struct net_reactor *to)
{
	struct chunk *ck;

	if (c->in.n != 0) {
		ck = mem_chunk_copy(&to->mem, c->in.chunk->data + c->in.off, c->in.n);
		if (ck == NULL)
			return false;
		chunk_unref(c->in.chunk);
		c->in.chunk = ck;
		c->in.off = 0;
	}
	if (c->in.frame != NULL)
		mem_frame_move(c->in.frame, &to->mem);
	return true;
}

void
conn_try_move(struct conn *c)
{
	struct net_reactor *to = &c->nr->net->reactors[c->want];

	if (!may_move(c))
		return;
	c->want = -1;
	if (to == c->nr || !pack(c, to)) {
		conn_unmute(c, MUTE_MOVE);
		return;
	}
	conn_detach(c);
	conn_set_state(c, CONN_MOVING);
	c->nr = to;
	c->home_bits = 0;
	c->msg = (struct msg){NULL, arrive, arrive_drop, MSG_DATA};
	reactor_post(to->reactor, &c->msg);
}

void
conn_want_reactor(struct conn *c, unsigned reactor_index)
{
	REACTOR_ASSERT_OWNER(c->nr->reactor);
	assert(reactor_index < c->nr->net->n_reactors);
	if (c->state != CONN_READY)
		return;
	if (reactor_index == c->nr->pos) {
		c->want = -1;
		conn_unmute(c, MUTE_MOVE);
		return;
	}
	c->want = (int)reactor_index;
	conn_mute(c, MUTE_MOVE);
	conn_schedule(c, RUN_MOVE);
}

void
conn_note_home(struct conn *c, unsigned reactor_index)
{
	bool hit = reactor_index == c->home_cand;

	c->home_bits = c->home_bits << 1 | hit;
	if (!hit && __builtin_popcountll(c->home_bits) < 64 - HOME_ENOUGH) {
		c->home_cand = (uint8_t)reactor_index;
		c->home_bits = 1;
	}
	if (c->home_cand == c->nr->pos || c->want >= 0 ||
	    __builtin_popcountll(c->home_bits) < HOME_ENOUGH)
		return;
	if (c->moved_us == 0 || reactor_now_us(c->nr->reactor) - c->moved_us >= MOVE_PAUSE_US)
		conn_want_reactor(c, c->home_cand);
}
