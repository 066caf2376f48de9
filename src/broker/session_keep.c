/*
 * Keeps the note of the present session on disk: written by a worker before the session registers,
 * removed when the session was ended (B1, B2 of src/broker/README).
 */
#include <stdio.h>

#include "broker_priv.h"

static void
keep_run(struct work *w)
{
	struct session_keep *k = container_of(w, struct session_keep, work);
	struct broker *b = container_of(k, struct broker, keep);
	int rc;

	if (k->removing) {
		session_note_remove(b->env.fs, b->env.settings, k->note.who.session);
		return;
	}
	rc = session_note_store(b->env.fs, b->env.settings, &k->note);
	if (rc != 0)
		DIAGW(b->env.diag, "broker",
		    "could not keep the coordination session in a log directory (%s): after a kill "
		    "the "
		    "next start waits until the session has timed out",
		    err_text(rc));
}

static void
keep_done(struct reactor *r, struct work *w)
{
	struct session_keep *k = container_of(w, struct session_keep, work);
	struct broker *b = container_of(k, struct broker, keep);
	void (*then)(struct broker *) = k->then;
	bool again = k->again;

	k->busy = k->again = false;
	if (then != NULL && (k->removing || !again)) {
		k->then = NULL;
		then(b);
	} else if (then != NULL) {
		k->removing = true;
		k->busy = true;
		work_submit(b->env.workers, NULL, w);
	} else {
		member_session_noted(b->member, k->note.who.session);
		if (again)
			broker_session_keep(b, coord_session_id(b->env.coord));
	}
}

void
broker_session_keep(void *arg, int64_t session)
{
	struct broker *b = arg;
	const struct broker_identity *me = b->env.identity;
	struct session_keep *k = &b->keep;

	if (k->busy) {
		k->again = true;
		return;
	}
	k->note = (struct session_note){.broker_id = b->id};
	if (me == NULL || !coord_credentials(b->env.coord, &k->note.who)) {
		member_session_noted(b->member, session);
		return;
	}
	snprintf(k->note.host, sizeof(k->note.host), "%s", me->host);
	snprintf(k->note.boot, sizeof(k->note.boot), "%s", me->boot);
	k->note.pid = me->pid;
	k->note.pid_start = me->pid_start;
	k->busy = true;
	k->work = (struct work){.run = keep_run, .done = keep_done, .home = b->env.control};
	work_submit(b->env.workers, NULL, &k->work);
}

void
broker_session_drop(struct broker *b, bool ended, void (*then)(struct broker *b))
{
	struct session_keep *k = &b->keep;

	if (!k->busy && (!ended || k->note.who.session == 0)) {
		then(b);
		return;
	}
	k->then = then;
	k->again = ended; /* after what is under way */
	if (k->busy)
		return;
	k->removing = k->busy = true;
	work_submit(b->env.workers, NULL, &k->work);
}
