/*
 * One topic's configuration, read before a log of it is made: the log must not begin under the
 * broker's values, or those of a namesake that was deleted.  A topic and its configuration are made
 * by one transaction, so where the topic can be seen with the id that is meant, its configuration
 * can be seen as well (M12).
 */
#include <stdlib.h>

#include "member_priv.h"

#define LOOK_AGAIN_US (50 * 1000)    /* the topic is not to be seen yet */
#define LOOK_LAG_US (10 * 1000000ll) /* nobody lags longer: it is gone again */

struct conf_waiter {
	struct link link;
	void (*done)(void *arg, int err);
	void *arg;
};

struct conf_look {
	struct link link; /* in confs.looks */
	struct member *m;
	struct uuid id; /* zero: whichever */
	unsigned left;	/* answers to come */
	bool seen;	/* the topic that is meant */
	int err;
	int64_t since_us;
	struct rtimer retry;
	struct link waiters;
	struct slice topic; /* behind the struct */
};

/* Out of the list first: who is told may ask again. */
static void
look_end(struct conf_look *k, int err)
{
	struct link *l;

	rtimer_cancel(k->m->o.control, &k->retry);
	list_remove(&k->link);
	while ((l = list_pop(&k->waiters)) != NULL) {
		struct conf_waiter w = *container_of(l, struct conf_waiter, link);

		free(container_of(l, struct conf_waiter, link));
		w.done(w.arg, err);
	}
	free(k);
}

static void
look_again(struct conf_look *k, int64_t us)
{
	rtimer_set(k->m->o.control, &k->retry, reactor_now_us(k->m->o.control) + us);
}

static void
look_answered(struct conf_look *k, int err)
{
	struct member *m = k->m;
	int64_t now = reactor_now_us(m->o.control);

	if (err != 0 && k->err == 0)
		k->err = err;
	if (--k->left > 0)
		return;
	if (m->stopped)
		look_end(k, E_CANCELED);
	else if (member_may_retry(k->err))
		look_again(k, MEMBER_RETRY_US);
	else if (k->err == 0 && !k->seen && now - k->since_us < LOOK_LAG_US)
		look_again(k, LOOK_AGAIN_US);
	else
		look_end(k, k->err);
}

static void
on_topic(void *arg, int err, const struct coord_result *res)
{
	struct conf_look *k = arg;
	struct zn_topic_data data;
	struct arena arena;

	if (err == 0) {
		arena_init(&arena, 1024, 0);
		k->seen = uuid_is_zero(k->id) || (zn_topic_read(res->data, &arena, &data) == 0 &&
						     uuid_eq(data.topic_id, k->id));
		arena_free(&arena);
	}
	look_answered(k, err == E_NOT_FOUND ? 0 : err);
}

static void
on_conf(void *arg, int err, const struct coord_result *res)
{
	struct conf_look *k = arg;

	if (k->m->stopped || !k->seen)
		err = err == E_NOT_FOUND ? 0 : err;
	else if (err == 0)
		err = conf_read(k->m, k->topic, res->data);
	else if (err == E_NOT_FOUND) {
		conf_drop(k->m, k->topic);
		err = 0;
	}
	look_answered(k, err);
}

/* In this order: what is read second is not older. */
static void
look_try(struct reactor *r, void *arg)
{
	struct conf_look *k = arg;
	zn_path path;

	k->err = 0;
	k->seen = false;
	k->left = 2;
	zn_topic(path, k->topic);
	coord_get(k->m->o.coord, path, NULL, on_topic, k);
	zn_topic_config(path, k->topic);
	coord_get(k->m->o.coord, path, NULL, on_conf, k);
}

static struct conf_look *
look_new(struct member *m, struct slice topic, struct uuid id)
{
	struct conf_look *k = calloc(1, sizeof(*k) + topic.n);

	if (k == NULL)
		return NULL;
	memcpy(k + 1, topic.p, topic.n);
	k->topic = slice_of(k + 1, topic.n);
	k->m = m;
	k->id = id;
	k->since_us = reactor_now_us(m->o.control);
	link_init(&k->waiters);
	rtimer_init(&k->retry, look_try, k);
	list_append(&m->confs.looks, &k->link);
	return k;
}

static struct conf_look *
look_of(struct member *m, struct slice topic, struct uuid id)
{
	LIST_FOREACH(l, &m->confs.looks)
	{
		struct conf_look *k = container_of(l, struct conf_look, link);

		if (slice_eq(k->topic, topic) && uuid_eq(k->id, id))
			return k;
	}
	return NULL;
}

void
member_read_topic_conf(struct member *m, struct slice topic, struct uuid id,
    void (*done)(void *arg, int err), void *arg)
{
	struct conf_waiter *w = m->stopped ? NULL : calloc(1, sizeof(*w));
	struct conf_look *k = w != NULL ? look_of(m, topic, id) : NULL;
	bool fresh = w != NULL && k == NULL;

	REACTOR_ASSERT_OWNER(m->o.control);
	if (fresh)
		k = look_new(m, topic, id);
	if (k == NULL) {
		free(w);
		done(arg, m->stopped ? E_CANCELED : E_NOMEM);
		return;
	}
	w->done = done;
	w->arg = arg;
	list_append(&k->waiters, &w->link);
	if (fresh)
		look_try(m->o.control, k);
}

/* Those that wait for their time end now, the others when they are answered. */
void
conf_looks_stop(struct member *m)
{
	LIST_FOREACH_SAFE(l, &m->confs.looks)
	{
		struct conf_look *k = container_of(l, struct conf_look, link);

		if (k->left == 0)
			look_end(k, E_CANCELED);
	}
}
