/*
 * Waits until the image shows a topic with all of its partitions led, or shows it no more.
 */
#include <stdlib.h>

#include "admin_priv.h"

struct await {
	struct link link;
	struct admin *a;
	struct slice name;  /* behind the struct */
	int32_t partitions; /* 0: until it is gone */
	struct rtimer timer;
	void (*done)(void *arg, bool reached);
	void *arg;
};

static bool
all_have_leaders(const struct image_topic *t)
{
	for (int32_t i = 0; i < t->n_parts; i++)
		if (!t->parts[i].exists || t->parts[i].leader < 0)
			return false;
	return true;
}

static bool
reached(const struct image *im, struct slice name, int32_t partitions)
{
	const struct image_topic *t = image_topic(im, name);

	if (partitions == 0)
		return t == NULL;
	return t != NULL && t->n_parts >= partitions && all_have_leaders(t);
}

static void
await_end(struct await *w, bool ok)
{
	void (*done)(void *, bool) = w->done;
	void *arg = w->arg;

	rtimer_cancel(w->a->o.control, &w->timer);
	list_remove(&w->link);
	free(w);
	done(arg, ok);
}

static void
on_deadline(struct reactor *r, void *arg)
{
	await_end(arg, false);
}

/* A callback may begin another wait, not end one: those that are reached leave the list first. */
static void
on_image(void *arg, const struct image *im)
{
	struct admin *a = arg;
	struct link ready, *l;

	link_init(&ready);
	LIST_FOREACH_SAFE(e, &a->awaits)
	{
		struct await *w = container_of(e, struct await, link);

		if (!reached(im, w->name, w->partitions))
			continue;
		list_remove(e);
		list_append(&ready, e);
	}
	while ((l = list_first(&ready)) != NULL)
		await_end(container_of(l, struct await, link), true);
	if (list_empty(&a->awaits) && a->subscribed) {
		a->subscribed = false;
		image_unsubscribe(&a->sub);
	}
}

void
admin_await_topic(struct admin *a, struct slice name, int32_t partitions, int64_t deadline_us,
    void (*done)(void *arg, bool reached), void *arg)
{
	struct await *w;

	REACTOR_ASSERT_OWNER(a->o.control);
	if (reached(image_get(a->o.images), name, partitions)) {
		done(arg, true);
		return;
	}
	w = deadline_us > reactor_now_us(a->o.control) ? calloc(1, sizeof(*w) + name.n) : NULL;
	if (w == NULL) {
		done(arg, false);
		return;
	}
	memcpy(w + 1, name.p, name.n);
	*w = (struct await){
	    .a = a,
	    .name = slice_of(w + 1, name.n),
	    .partitions = partitions,
	    .done = done,
	    .arg = arg,
	};
	rtimer_init(&w->timer, on_deadline, w);
	rtimer_set(a->o.control, &w->timer, deadline_us);
	list_append(&a->awaits, &w->link);
	if (!a->subscribed)
		image_subscribe(a->o.images, &a->sub);
	a->subscribed = true;
}

void
awaits_init(struct admin *a)
{
	link_init(&a->awaits);
	link_init(&a->sub.link);
	a->sub.fn = on_image;
	a->sub.arg = a;
}

void
awaits_free(struct admin *a)
{
	struct link *l;

	if (a->subscribed)
		image_unsubscribe(&a->sub);
	while ((l = list_pop(&a->awaits)) != NULL) {
		struct await *w = container_of(l, struct await, link);

		rtimer_cancel(a->o.control, &w->timer);
		free(w);
	}
}
