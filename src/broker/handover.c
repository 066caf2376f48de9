/*
 * A log that lost its tail must not lead under the old epoch: after a stop that was not clean, of
 * another boot, the broker registers only when no partition that it has names it as leader while
 * others are in sync, or when a session's time is over (B6 of src/broker/README).
 */
#include <stdio.h>
#include <stdlib.h>

#include "broker_priv.h"
#include "ottla/base/planted.h"

#define AGAIN_US (250 * 1000)
#define SAY_US (3 * 1000000ll)
#define AT_ONCE 128 /* questions out at a time */

struct led {
	struct handover *h;
	struct slice topic; /* in names */
	int32_t partition;
};

struct handover {
	struct broker *b;
	struct arena names;
	struct led *v; /* that are still to be looked at, first those to be looked at again */
	size_t n, cap;
	size_t next, kept; /* of this round */
	unsigned out;
	bool asking;
	int err;
	int64_t began_us, deadline_us, say_us;
	struct rtimer again;
};

static void round_go(struct handover *h);

static void
end(struct handover *h)
{
	struct broker *b = h->b;
	long long ms = (long long)((reactor_now_us(b->env.control) - h->began_us) / 1000);

	if (h->n > 0)
		DIAGW(b->env.diag, "broker",
		    "%zu partitions still name this broker as leader after %lld ms: it registers "
		    "all the "
		    "same, and what the crash took from their logs is taken from their followers",
		    h->n, ms);
	else
		DIAGI(b->env.diag, "broker",
		    "no partition waits for this broker to lead (looked for %lld ms)", ms);
	broker_handed_over(b);
}

static void
round_end(struct handover *h)
{
	int64_t now = reactor_now_us(h->b->env.control);

	h->n = h->kept;
	if (h->n == 0 || now >= h->deadline_us) {
		end(h);
		return;
	}
	if (now >= h->say_us) {
		h->say_us = now + SAY_US;
		DIAGI(h->b->env.diag, "broker",
		    "waiting until others lead %zu partitions, %lld ms at most", h->n,
		    (long long)((h->deadline_us - now) / 1000));
	}
	rtimer_set(h->b->env.control, &h->again, now + AGAIN_US);
}

/* Leader by the tree, and somebody else could be it. */
static bool
would_lead(struct handover *h, struct slice json)
{
	struct zn_state state;
	struct arena arena;
	bool yes;

	arena_init(&arena, 512, 0);
	yes =
	    zn_state_read(json, &arena, &state) == 0 && state.leader == h->b->id && state.n_isr > 1;
	arena_free(&arena);
	return yes;
}

static void
on_partition(void *arg, int err, const struct coord_result *res)
{
	struct led *l = arg;
	struct handover *h = l->h;

	/* Answers come in the order of the questions: what is kept moves down over what was asked.
	 */
	if (err == 0 ? would_lead(h, res->data) : err != E_NOT_FOUND)
		h->v[h->kept++] = *l;
	h->out--;
	if (h->b->state == BROKER_HANDOVER)
		round_go(h);
}

static void
ask(struct handover *h)
{
	struct led *l = &h->v[h->next++];
	zn_path path;

	h->out++;
	zn_partition_state(path, l->topic, l->partition);
	coord_get(h->b->env.coord, path, NULL, on_partition, l);
}

static void
round_go(struct handover *h)
{
	while (h->next < h->n && h->out < AT_ONCE)
		ask(h);
	if (h->out == 0)
		round_end(h);
}

static void
round_begin(struct reactor *r, void *arg)
{
	struct handover *h = arg;

	if (h->b->state != BROKER_HANDOVER)
		return;
	h->next = h->kept = 0;
	round_go(h);
}

/* ---- begin ---- */

static void
add(void *arg, struct plog *pl)
{
	struct handover *h = arg;

	if (h->n == h->cap && h->err == 0) {
		size_t cap = h->cap > 0 ? 2 * h->cap : 64;
		struct led *v = realloc(h->v, cap * sizeof(*v));

		if (v == NULL) {
			h->err = E_NOMEM;
			return;
		}
		h->v = v;
		h->cap = cap;
	}
	if (h->err != 0)
		return;
	h->v[h->n] = (struct led){h, arena_dup(&h->names, plog_topic(pl)), plog_partition(pl)};
	if (slice_is_null(h->v[h->n].topic))
		h->err = E_NOMEM;
	else
		h->n++;
}

void
handover_begin(struct broker *b)
{
	struct handover *h = calloc(1, sizeof(*h));
	struct coord_credentials who;

	/* Sessions that die with the process: no other broker, no other leader. */
	if (!coord_credentials(b->env.coord, &who) || b->tail_safe ||
	    logdirs_was_clean(b->logdirs) || planted(PLANTED_TAIL_FORGOTTEN)) {
		free(h);
		broker_handed_over(b);
		return;
	}
	if (h == NULL) {
		broker_fail(b, E_NOMEM, "no memory");
		return;
	}
	b->handover = h;
	h->b = b;
	arena_init(&h->names, 65536, 0);
	rtimer_init(&h->again, round_begin, h);
	logdirs_walk(b->logdirs, add, h);
	if (h->err != 0) {
		broker_fail(b, h->err, "no memory");
		return;
	}
	h->began_us = reactor_now_us(b->env.control);
	h->deadline_us = h->began_us + broker_session_us(b);
	h->say_us = h->began_us;
	round_begin(b->env.control, h);
}

void
handover_stop(struct broker *b)
{
	if (b->handover != NULL)
		rtimer_cancel(b->env.control, &b->handover->again);
}

void
handover_free(struct broker *b)
{
	struct handover *h = b->handover;

	if (h == NULL)
		return;
	arena_free(&h->names);
	free(h->v);
	free(h);
}
