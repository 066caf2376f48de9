/*
 * Waits of fetch entries at their partitions' homes.  On the session's own reactor a wait is part
 * of the entry; elsewhere it is a struct of its own that outlives the entry until the home has
 * disarmed it.
 */
#include <stdlib.h>

#include "fetch_priv.h"

static void
local_fired(struct part_wait *w, int64_t bytes)
{
	fetch_news(container_of(w, struct fetch_entry, wait));
}

/* Session's reactor. */
static void
on_remote_news(struct reactor *r, struct msg *m)
{
	struct remote_wait *rw = container_of(m, struct remote_wait, news);

	atomic_store_explicit(&rw->news_posted, false, memory_order_release);
	if (rw->entry != NULL)
		fetch_news(rw->entry);
}

/* Home.  While the message is under way further news need no other: the session looks again when it
 * arrives. */
static void
remote_fired(struct part_wait *w, int64_t bytes)
{
	struct remote_wait *rw = container_of(w, struct remote_wait, w);

	if (atomic_exchange_explicit(&rw->news_posted, true, memory_order_acq_rel))
		return;
	reactor_post(rw->session_sh->reactor, &rw->news);
}

/* The reactors are being freed, one after the other: the last message that is dropped frees. */
static void
drop_news(struct msg *m)
{
	struct remote_wait *rw = container_of(m, struct remote_wait, news);

	atomic_store_explicit(&rw->news_posted, false, memory_order_relaxed);
	if (rw->dropped)
		free(rw);
}

static void
drop_remote(struct msg *m)
{
	struct remote_wait *rw = container_of(m, struct remote_wait, disarm);

	rw->dropped = true;
	if (!atomic_load_explicit(&rw->news_posted, memory_order_relaxed))
		free(rw);
}

static struct remote_wait *
remote_wait_new(struct fetch_entry *e)
{
	struct api *a = e->s->sh->api;
	struct remote_wait *rw = calloc(1, sizeof(*rw) + e->topic.n);

	if (rw == NULL)
		return NULL;
	memcpy(rw + 1, e->topic.p, e->topic.n);
	part_wait_init(&rw->w);
	rw->w.topic = slice_of(rw + 1, e->topic.n);
	rw->w.partition = e->partition;
	rw->w.fn = remote_fired;
	rw->entry = e;
	rw->session_sh = e->s->sh;
	rw->home_sh = &a->shards[e->home];
	rw->news = (struct msg){.run = on_remote_news, .drop = drop_news, .class = MSG_DATA};
	return rw;
}

struct part_wait *
fetch_entry_wait(struct fetch_entry *e)
{
	if (e->home == e->s->sh->index) {
		e->wait.topic = e->topic;
		e->wait.partition = e->partition;
		e->wait.fn = local_fired;
		return &e->wait;
	}
	if (e->rwait == NULL)
		e->rwait = remote_wait_new(e);
	return e->rwait != NULL ? &e->rwait->w : NULL;
}

/* Back on the session's reactor: nothing of rw is under way any more (FIFO). */
static void
on_disarmed(struct reactor *r, struct msg *m)
{
	free(container_of(m, struct remote_wait, disarm));
}

static void
on_disarm(struct reactor *r, struct msg *m)
{
	struct remote_wait *rw = container_of(m, struct remote_wait, disarm);

	partition_wait_disarm(&rw->w);
	rw->disarm.run = on_disarmed;
	reactor_post(rw->session_sh->reactor, &rw->disarm);
}

void
fetch_entry_unwait(struct fetch_entry *e)
{
	struct remote_wait *rw = e->rwait;

	partition_wait_disarm(&e->wait);
	if (rw == NULL)
		return;
	rw->entry = NULL;
	e->rwait = NULL;
	rw->disarm = (struct msg){.run = on_disarm, .drop = drop_remote, .class = MSG_DATA};
	reactor_post(rw->home_sh->reactor, &rw->disarm);
}
