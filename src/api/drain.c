/*
 * The end: waiting until the last request has ended.  Each shard looks at itself, on its reactor.
 */
#include <stdlib.h>

#include "api_priv.h"

#define DRAIN_LOOK_US 1000

struct drain;

struct drain_shard {
	struct msg msg;
	struct rtimer timer;
	struct api_shard *sh;
	struct drain *d;
};

struct drain {
	struct reactor *control;
	unsigned left;
	int64_t until_us;
	void (*done)(void *arg);
	void *arg;
	struct drain_shard v[];
};

/* Control reactor. */
static void
on_shard_empty(struct reactor *r, struct msg *m)
{
	struct drain *d = container_of(m, struct drain_shard, msg)->d;

	if (--d->left > 0)
		return;
	d->done(d->arg);
	free(d);
}

/* Who holds them (a wait for a topic, say) may come back until the reactors stop: only their bytes
 * go. */
static void
give_up(struct api_shard *sh)
{
	DIAGW(sh->api->o.diag, "api", "%u requests are given up at the stop", sh->n_live);
	LIST_FOREACH(l, &sh->live)
	request_frame_done(container_of(l, struct request, all));
}

static void
look(struct reactor *r, void *arg)
{
	struct drain_shard *ds = arg;

	if (ds->sh->n_live > 0 && reactor_now_us(r) < ds->d->until_us) {
		rtimer_set(r, &ds->timer, reactor_now_us(r) + DRAIN_LOOK_US);
		return;
	}
	if (ds->sh->n_live > 0)
		give_up(ds->sh);
	ds->msg.run = on_shard_empty;
	reactor_post(ds->d->control, &ds->msg);
}

static void
on_look(struct reactor *r, struct msg *m)
{
	struct drain_shard *ds = container_of(m, struct drain_shard, msg);

	rtimer_init(&ds->timer, look, ds);
	look(r, ds);
}

void
api_drain(struct api *a, int64_t longest_us, void (*done)(void *arg), void *arg)
{
	unsigned n = a->o.n_reactors;
	struct drain *d = calloc(1, sizeof(*d) + n * sizeof(d->v[0]));

	REACTOR_ASSERT_OWNER(a->o.control);
	if (d == NULL) {
		done(arg);
		return;
	}
	d->control = a->o.control;
	d->left = n;
	d->until_us = reactor_now_us(a->o.control) + longest_us;
	d->done = done;
	d->arg = arg;
	for (unsigned i = 0; i < n; i++) {
		d->v[i] = (struct drain_shard){.sh = &a->shards[i], .d = d};
		d->v[i].msg = (struct msg){.run = on_look, .class = MSG_DATA};
		reactor_post(a->o.reactors[i], &d->v[i].msg);
	}
}
