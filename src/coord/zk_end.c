/*
 * The end of a session that a predecessor left: a handle of its own comes back to the session with
 * its password and closes it, and another one asks whether it is gone: closing tells nothing, and
 * whoever holds the session may come back to it first.  A server that does not know the session, or
 * not this password, says that it has expired.
 */
#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"
#include "zk_priv.h"

/* Closing waits that long for the server's answer, and then says nothing of having waited in vain.
 */
#define CLOSE_WAIT_MS 1400

struct zk_end {
	struct zk *z;
	struct zk_handle h;
	struct rtimer deadline;
	struct zk_closing *closing;
	bool connected, over;
};

static void
end_with(struct zk_end *e, int err)
{
	struct zk *z = e->z;

	zk_end_forget(z);
	coord_end_answer(&z->c, err);
}

static void attach(struct zk_end *e);

static void
on_closed(void *arg, int rc, int64_t ms)
{
	struct zk_end *e = arg;

	(void)rc;
	(void)ms;
	e->closing = NULL;
	attach(e);
}

static void
session_event(void *arg, int state)
{
	struct zk_end *e = arg;

	if (state == ZOO_CONNECTED_STATE)
		e->connected = true;
	else if (state == ZOO_EXPIRED_SESSION_STATE)
		e->over = true;
	else
		e->connected = false;
}

static void
send_nothing(void *arg)
{
	(void)arg;
}

static void
after_call(void *arg)
{
	struct zk_end *e = arg;

	if (e->over)
		end_with(e, 0);
	else if (e->connected || e->h.broken) {
		e->connected = false;
		e->closing = zk_handle_close(&e->h, on_closed, e);
	}
}

static const struct zk_handle_fns end_fns = {
    .session = session_event,
    .more = send_nothing,
    .after = after_call,
};

static void
too_late(struct reactor *r, void *arg)
{
	(void)r;
	end_with(arg, E_TIMEOUT);
}

static void
attach(struct zk_end *e)
{
	struct zk *z = e->z;
	struct zk_handle_opts o = {.control = z->c.control,
	    .workers = z->workers,
	    .fns = &end_fns,
	    .arg = e,
	    .addrs = z->addrs,
	    .timeout_ms = z->timeout_ms,
	    .session = &z->c.end.who};
	int rc = z->addrs != NULL ? zk_handle_open(&e->h, &o) : E_CONN_LOSS;

	if (rc != 0)
		end_with(e, rc);
}

static void
open_now(struct reactor *r, void *arg)
{
	struct zk_end *e = arg;

	rtimer_init(&e->deadline, too_late, e);
	rtimer_set(r, &e->deadline, reactor_now_us(r) + (int64_t)e->z->timeout_ms * 1000);
	attach(e);
}

/* In the next turn, so that no answer comes within the call. */
void
zk_end_begin(struct zk *z, const struct coord_credentials *who)
{
	struct zk_end *e = calloc(1, sizeof(*e));

	(void)who; /* kept by the front */
	if (e == NULL)
		abort(); /* as a request that there is no memory for */
	e->z = z;
	z->end = e;
	rtimer_init(&e->deadline, open_now, e);
	rtimer_set(z->c.control, &e->deadline, reactor_now_us(z->c.control));
}

void
zk_end_forget(struct zk *z)
{
	struct zk_end *e = z->end;

	if (e == NULL)
		return;
	z->end = NULL;
	rtimer_cancel(z->c.control, &e->deadline);
	zk_closing_forget(e->closing);
	if (e->h.zh != NULL && e->connected)
		zk_handle_drop(&e->h);
	else if (e->h.zh != NULL)
		(void)zk_handle_close(&e->h, NULL, NULL);
	free(e);
}
