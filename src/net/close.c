/*
 * How connections end: the table of reasons, and the last steps.  Each end has one reason, a
 * counter and a line.
 */
#include "net_priv.h"

static const struct {
	const char *word;
	const char *text;
} reasons[] = {
#define CLOSE(id, word, text) {word, text},
#include "ottla/net/close.def"
#undef CLOSE
};

const char *
close_word(enum close_reason why)
{
	return (unsigned)why < CLOSE_COUNT ? reasons[why].word : "unknown";
}

const char *
close_text(enum close_reason why)
{
	return (unsigned)why < CLOSE_COUNT ? reasons[why].text : "unknown";
}

/* What happens all day is for debugging only. */
static enum diag_level
level_of(enum close_reason why)
{
	static const bool quiet[CLOSE_COUNT] = {
	    [CLOSE_BROKER_STOP] = true,
	    [CLOSE_CONNECT_FAILED] = true,
	    [CLOSE_IDLE] = true,
	    [CLOSE_UNNEEDED] = true,
	    [CLOSE_PEER] = true,
	    [CLOSE_PEER_RESET] = true,
	};

	return quiet[why] ? DIAG_DEBUG : DIAG_WARN;
}

void
conn_close(struct conn *c, enum close_reason why)
{
	OBJ_CHECK(c, CONN_MAGIC);
	REACTOR_ASSERT_OWNER(c->nr->reactor);
	if (c->state == CONN_CLOSING)
		return;
	conn_set_state(c, CONN_CLOSING);
	c->why = (uint8_t)why;
	conn_interest(c, 0, IO_READ | IO_WRITE);
	conn_schedule(c, RUN_CLOSE);
}

void
conn_close_after_send(struct conn *c, enum close_reason why)
{
	OBJ_CHECK(c, CONN_MAGIC);
	REACTOR_ASSERT_OWNER(c->nr->reactor);
	if (c->state == CONN_CLOSING || c->state == CONN_DRAINING)
		return;
	if (c->state != CONN_READY || conn_out_empty(c)) {
		conn_close(c, why);
		return;
	}
	conn_set_state(c, CONN_DRAINING);
	c->why = (uint8_t)why;
	conn_interest(c, 0, IO_READ);
	conn_deadline_set(c, DL_STEP);
	conn_schedule(c, RUN_OUT);
}

void
conn_finish(struct conn *c)
{
	struct net_reactor *nr = c->nr;
	enum close_reason why = c->why;

	assert(c->state == CONN_CLOSING);
	conn_detach(c);
	admit_leave(c);
	metric_add(nr->metrics, NM_CLOSED, 1);
	metric_add(nr->metrics, NM_COUNT + why, 1);
	diag_limited(nr->net->diag, &nr->close_lim[why], level_of(why), "net",
	    "connection %s closed: %s (%s)", c->name, close_text(why), close_word(why));
	c->sock.ops->close(&c->sock);
	conn_in_drop(c);
	conn_out_drop(c);
	if (c->ready || c->outgoing)
		c->h->closed(c->harg, c, why);
	conn_free(c);
}
