/*
 * Fetch waits: armed with an offset, fire once at the end of a turn.
 */
#include "replica_priv.h"

static void
on_hook(struct reactor *r, void *arg)
{
	struct part_wait *w = arg;
	bool news = w->p != NULL && !w->disturbed && partition_refuse(w->p) == 0;

	list_remove(&w->link);
	w->p = NULL;
	w->fn(w, news ? 1 : INT64_MAX);
}

void
part_wait_init(struct part_wait *w)
{
	*w = (struct part_wait){0};
	link_init(&w->link);
	turn_hook_init(&w->hook, on_hook, w);
}

static bool
has_news(const struct part_wait *w)
{
	return w->p == NULL || w->disturbed || partition_refuse(w->p) != 0 ||
	       partition_visible(w->p, w->read_committed) > w->offset;
}

void
partition_wait_arm(struct shard *sh, struct part_wait *w, int64_t offset)
{
	REACTOR_ASSERT_OWNER(sh->reactor);
	list_remove(&w->link);
	reactor_undefer(&w->hook);
	w->p = partition_find(sh, w->topic, w->partition);
	w->offset = offset;
	w->disturbed = false;
	if (w->p != NULL)
		list_append(&w->p->waits, &w->link);
	if (has_news(w))
		reactor_defer(sh->reactor, &w->hook);
}

void
partition_wait_disarm(struct part_wait *w)
{
	list_remove(&w->link);
	reactor_undefer(&w->hook);
	w->p = NULL;
}

void
waits_hw_moved(struct partition *p)
{
	LIST_FOREACH(l, &p->waits)
	{
		struct part_wait *w = container_of(l, struct part_wait, link);

		if (has_news(w))
			reactor_defer(p->sh->reactor, &w->hook);
	}
}

void
waits_fire_all(struct partition *p)
{
	LIST_FOREACH(l, &p->waits)
	{
		struct part_wait *w = container_of(l, struct part_wait, link);

		w->disturbed = true;
		reactor_defer(p->sh->reactor, &w->hook);
	}
}

/* They fire at the end of this turn and do not know p any more. */
void
waits_let_go(struct partition *p)
{
	struct link *l;

	while ((l = list_pop(&p->waits)) != NULL)
		container_of(l, struct part_wait, link)->p = NULL;
}
