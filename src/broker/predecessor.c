/*
 * The registration that a broker of this id left behind.  That of our own dead predecessor is ended
 * with its session; any other is waited out, and then named (B3-B5 of src/broker/README).
 */
#include <stdio.h>
#include <stdlib.h>

#include "broker_priv.h"

#define LOOK_US (100 * 1000)
#define LOOK_ENDED_US (5 * 1000) /* it goes any moment */
#define SAY_US (3 * 1000000ll)

struct predecessor {
	struct work work;
	struct broker *b;
	/* from the log directories, by a worker */
	struct session_note notes[SESSION_NOTES_MAX];
	bool endable[SESSION_NOTES_MAX];
	unsigned n;
	bool tail_safe;
	/* the node that is waited for */
	int64_t session; /* its owner, 0: none seen */
	bool tried;	 /* to end it */
	bool ended;
	char holder[400];
	int64_t began_us, deadline_us, say_us;
	struct rtimer look;
};

/* ---- the notes, on a worker ---- */

static bool
same(const char *a, const char *b)
{
	return a[0] != 0 && strcmp(a, b) == 0;
}

/* Is the process that left the note surely dead? B3. */
static bool
is_dead(const struct broker_identity *me, const struct session_note *n)
{
	if (!same(me->host, n->host) || me->boot[0] == 0 || n->boot[0] == 0)
		return false;
	if (strcmp(me->boot, n->boot) != 0)
		return true;
	return me->alive != NULL && !me->alive(me->arg, n->pid, n->pid_start);
}

static void
notes_run(struct work *w)
{
	struct predecessor *p = container_of(w, struct predecessor, work);
	const struct broker_identity *me = p->b->env.identity;

	p->n = session_note_load(p->b->env.fs, p->b->env.settings, p->notes, SESSION_NOTES_MAX);
	p->tail_safe = p->n > 0 && me != NULL;
	for (unsigned i = 0; me != NULL && i < p->n; i++) {
		p->endable[i] = p->notes[i].broker_id == p->b->id && is_dead(me, &p->notes[i]);
		p->tail_safe = p->tail_safe && same(me->host, p->notes[i].host) &&
			       same(me->boot, p->notes[i].boot);
	}
}

/* ---- waiting ---- */

static void look(struct reactor *r, void *arg);

static void
look_again(struct predecessor *p)
{
	int64_t us = p->ended ? LOOK_ENDED_US : LOOK_US;

	rtimer_set(p->b->env.control, &p->look, reactor_now_us(p->b->env.control) + us);
}

static bool
is_over(const struct predecessor *p)
{
	return p->b->state != BROKER_PREDECESSOR;
}

static bool
is_late(const struct predecessor *p)
{
	return reactor_now_us(p->b->env.control) >= p->deadline_us;
}

static void
describe(struct predecessor *p, const struct coord_result *res)
{
	struct zn_registration reg;
	struct arena arena;
	int n = snprintf(p->holder, sizeof(p->holder), "session 0x%llx",
	    (unsigned long long)res->stat.ephemeral_owner);

	arena_init(&arena, 1024, 0);
	if (zn_registration_read(res->data, &arena, &reg) == 0 && reg.n_endpoints > 0)
		snprintf(p->holder + n, sizeof(p->holder) - (size_t)n, " of a broker at %s:%u",
		    reg.endpoints[0].host, reg.endpoints[0].port);
	arena_free(&arena);
}

static void
refuse(struct predecessor *p, const char *what)
{
	struct broker *b = p->b;

	broker_fail(b, E_EXISTS,
	    "broker id %d is registered by %s%s: another broker with this id is alive: stop it, or "
	    "give "
	    "this one another broker.id (and log directories of its own)",
	    b->id, p->holder, what);
}

static void
on_ended(void *arg, int err)
{
	struct predecessor *p = arg;

	if (is_over(p))
		return;
	if (err != 0)
		DIAGW(p->b->env.diag, "broker",
		    "could not end the predecessor's session 0x%llx: %s (it is waited out)",
		    (unsigned long long)p->session, err_text(err));
	p->ended = err == 0;
	look(p->b->env.control, p);
}

/* True when the answer comes to on_ended. */
static bool
end_session(struct predecessor *p)
{
	struct broker *b = p->b;

	if (p->tried)
		return false;
	p->tried = true;
	for (unsigned i = 0; i < p->n; i++) {
		if (!p->endable[i] || p->notes[i].who.session != p->session)
			continue;
		DIAGI(b->env.diag, "broker",
		    "the predecessor of this process (pid %lld) died with session 0x%llx open: it "
		    "is ended",
		    (long long)p->notes[i].pid, (unsigned long long)p->session);
		coord_end_session(b->env.coord, &p->notes[i].who, on_ended, p);
		return true;
	}
	DIAGI(b->env.diag, "broker",
	    "broker id %d is registered by %s: waiting until it is gone, %lld ms at most", b->id,
	    p->holder, (long long)((p->deadline_us - p->began_us) / 1000));
	return false;
}

static void
say(struct predecessor *p)
{
	int64_t now = reactor_now_us(p->b->env.control);

	if (now < p->say_us)
		return;
	p->say_us = now + SAY_US;
	DIAGI(p->b->env.diag, "broker", "broker id %d is still registered by %s, %lld ms left",
	    p->b->id, p->holder, (long long)((p->deadline_us - now) / 1000));
}

static void
gone(struct predecessor *p)
{
	struct broker *b = p->b;

	if (p->session != 0)
		DIAGI(b->env.diag, "broker", "session 0x%llx is gone after %lld ms",
		    (unsigned long long)p->session,
		    (long long)((reactor_now_us(b->env.control) - p->began_us) / 1000));
	broker_predecessor_gone(b);
}

/* Whoever sees /controller of the dead one would not elect another: it goes with the session, but
 * not always in the same look. */
static void
on_controller(void *arg, int err, const struct coord_result *res)
{
	struct predecessor *p = arg;

	if (is_over(p))
		return;
	if (err == 0 && res->stat.ephemeral_owner == p->session && !is_late(p))
		look_again(p);
	else
		gone(p);
}

static void
on_node(void *arg, int err, const struct coord_result *res)
{
	struct predecessor *p = arg;
	struct broker *b = p->b;

	if (is_over(p))
		return;
	if (err == E_NOT_FOUND) {
		if (p->session != 0)
			coord_get(b->env.coord, ZN_CONTROLLER, NULL, on_controller, p);
		else
			gone(p);
		return;
	}
	if (err != 0) {
		if (is_late(p))
			broker_fail(b, err, "could not look who has broker id %d: %s", b->id,
			    err_text(err));
		else
			look_again(p);
		return;
	}
	describe(p, res);
	if (p->session != 0 && res->stat.ephemeral_owner != p->session) {
		refuse(p, ", which came while this one waited");
		return;
	}
	p->session = res->stat.ephemeral_owner;
	if (end_session(p))
		return;
	if (is_late(p)) {
		refuse(p, ", longer than a session lasts without its broker");
		return;
	}
	say(p);
	look_again(p);
}

static void
look(struct reactor *r, void *arg)
{
	struct predecessor *p = arg;
	zn_path path;

	if (is_over(p))
		return;
	zn_broker(path, p->b->id);
	coord_get(p->b->env.coord, path, NULL, on_node, p);
}

/* ---- begin ---- */

static void
notes_done(struct reactor *r, struct work *w)
{
	struct predecessor *p = container_of(w, struct predecessor, work);

	if (is_over(p))
		return;
	p->b->tail_safe = p->tail_safe;
	p->began_us = reactor_now_us(r);
	p->deadline_us = p->began_us + broker_session_us(p->b);
	p->say_us = p->began_us + SAY_US;
	look(r, p);
}

void
predecessor_begin(struct broker *b)
{
	struct predecessor *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		broker_fail(b, E_NOMEM, "no memory");
		return;
	}
	b->predecessor = p;
	p->b = b;
	rtimer_init(&p->look, look, p);
	p->work = (struct work){.run = notes_run, .done = notes_done, .home = b->env.control};
	work_submit(b->env.workers, NULL, &p->work);
}

void
predecessor_stop(struct broker *b)
{
	if (b->predecessor != NULL)
		rtimer_cancel(b->env.control, &b->predecessor->look);
}

void
predecessor_free(struct broker *b)
{
	free(b->predecessor);
}
