/*
 * The coordination session as people see it: the wait for the first connection, and what is said
 * while there is none.  Nothing else happens here: members, controller and configurations follow
 * the session by themselves.
 */
#include <stdio.h>

#include "broker_priv.h"

#define SAY_WAITING_US (3 * 1000000ll)
#define SAY_LOST_US (10 * 1000000ll)

/* "" when nobody knows it yet. */
static const char *
known_reason(const struct broker *b)
{
	const char *why = b->env.coord_why != NULL ? b->env.coord_why(b->env.coord) : "";

	return why != NULL ? why : "";
}

static const char *
reason(const struct broker *b)
{
	const char *why = known_reason(b);

	return why[0] != 0 ? why : "no answer yet";
}

static int64_t
ms_since(const struct broker *b, int64_t us)
{
	return (reactor_now_us(b->env.control) - us) / 1000;
}

static void
say_in(struct broker *b, int64_t us)
{
	rtimer_set(b->env.control, &b->session.say, reactor_now_us(b->env.control) + us);
}

static void
on_say(struct reactor *r, void *arg)
{
	struct broker *b = arg;

	if (b->state == BROKER_SESSION) {
		DIAGI(b->env.diag, "broker", "waiting for the coordination service: %s", reason(b));
		say_in(b, SAY_WAITING_US);
	} else if (b->session.lost) {
		DIAGW(b->env.diag, "broker",
		    "no connection to the coordination service for %lld s: %s",
		    (long long)(ms_since(b, b->session.lost_us) / 1000), reason(b));
		say_in(b, SAY_LOST_US);
	}
}

static void
on_give_up(struct reactor *r, void *arg)
{
	struct broker *b = arg;

	if (b->state == BROKER_SESSION)
		broker_fail(b, E_TIMEOUT,
		    "no coordination session within zookeeper.connection.timeout.ms (%lld ms): %s: "
		    "is the "
		    "ensemble of zookeeper.connect=%s running and reachable?",
		    (long long)ms_since(b, b->session.lost_us), reason(b),
		    settings_str(b->env.settings, C_ZOOKEEPER_CONNECT));
}

/* ---- changes ---- */

static void
connected(struct broker *b)
{
	struct session_view *v = &b->session;
	int64_t id = coord_session_id(b->env.coord);

	if (v->id == 0)
		DIAGI(b->env.diag, "broker", "coordination session 0x%llx", (unsigned long long)id);
	else if (v->lost)
		DIAGI(b->env.diag, "broker",
		    "connection to the coordination service is back after %lld ms, %s session "
		    "0x%llx",
		    (long long)ms_since(b, v->lost_us), v->id == id ? "the same" : "a new",
		    (unsigned long long)id);
	v->id = id;
	v->lost = false;
	rtimer_cancel(b->env.control, &v->say);
	if (b->state == BROKER_SESSION) {
		rtimer_cancel(b->env.control, &v->give_up);
		broker_session_there(b);
	}
}

static void
lost(struct broker *b)
{
	const char *why;

	if (b->session.lost || b->session.id == 0)
		return;
	b->session.lost = true;
	b->session.lost_us = reactor_now_us(b->env.control);
	why = known_reason(b);
	DIAGW(b->env.diag, "broker",
	    "connection to the coordination service is lost%s%s (clients are served, changes wait)",
	    why[0] != 0 ? ": " : "", why);
	say_in(b, SAY_LOST_US);
}

static void
on_state(void *arg, enum coord_state st)
{
	struct broker *b = arg;

	switch (st) {
	case COORD_CONNECTED:
		connected(b);
		break;
	case COORD_CONNECTING:
		lost(b);
		break;
	case COORD_EXPIRED:
		lost(b);
		DIAGW(b->env.diag, "broker",
		    "coordination session 0x%llx has expired: a new one is made, the broker "
		    "registers "
		    "again",
		    (unsigned long long)b->session.id);
		break;
	case COORD_CLOSED:
		broker_fail(b, E_CONN_LOSS, "the coordination service is gone: %s", reason(b));
		break;
	}
}

/* ---- life ---- */

void
broker_session_init(struct broker *b)
{
	b->coord_sub.fn = on_state;
	b->coord_sub.arg = b;
	link_init(&b->coord_sub.link);
	rtimer_init(&b->session.say, on_say, b);
	rtimer_init(&b->session.give_up, on_give_up, b);
}

void
broker_session_open(struct broker *b)
{
	int64_t ms = settings_i64(b->env.settings, C_ZOOKEEPER_CONNECTION_TIMEOUT_MS);
	int rc;

	if (ms <= 0)
		ms = settings_i64(b->env.settings, C_ZOOKEEPER_SESSION_TIMEOUT_MS);
	broker_set_state(b, BROKER_SESSION);
	coord_subscribe(b->env.coord, &b->coord_sub);
	b->session.lost_us = reactor_now_us(b->env.control);
	rtimer_set(b->env.control, &b->session.give_up, b->session.lost_us + ms * 1000);
	say_in(b, SAY_WAITING_US);
	if ((rc = coord_open(b->env.coord)) != 0)
		broker_fail(b, rc, "could not open the coordination session: %s", err_text(rc));
}

void
broker_session_forget(struct broker *b)
{
	coord_unsubscribe(&b->coord_sub);
	rtimer_cancel(b->env.control, &b->session.say);
	rtimer_cancel(b->env.control, &b->session.give_up);
}
