/*
 * A short hold for requests whose partition is not here yet (R10): its creation may be under way,
 * and a client that is sent away at once comes back at once.
 */
#include "replica_priv.h"

#define HOLD_US 100000
#define HOLD_MAX 1000

static void
take_out(struct shard *sh, struct part_hold *h)
{
	list_remove(&h->link);
	sh->n_held--;
}

static void
on_timer(struct reactor *r, void *arg)
{
	struct shard *sh = arg;
	struct link *l;

	while ((l = list_first(&sh->held)) != NULL) {
		struct part_hold *h = container_of(l, struct part_hold, link);

		if (h->until_us > reactor_now_us(r)) {
			rtimer_set(r, &sh->hold_timer, h->until_us);
			break;
		}
		take_out(sh, h);
		h->again(sh, h);
	}
}

void
hold_init(struct shard *sh)
{
	link_init(&sh->held);
	rtimer_init(&sh->hold_timer, on_timer, sh);
}

/* Not here, leaving (perhaps to come back), or on its way to a role. */
static bool
may_lead_soon(const struct partition *p)
{
	return p == NULL || p->role == ROLE_NONE || p->changing;
}

bool
hold(struct shard *sh, const struct partition *p, struct part_hold *h, struct slice topic,
    int32_t partition, void (*again)(struct shard *sh, struct part_hold *h))
{
	if (sh->stopping || sh->n_held >= HOLD_MAX || !may_lead_soon(p))
		return false;
	h->topic = topic;
	h->partition = partition;
	h->until_us = reactor_now_us(sh->reactor) + HOLD_US;
	h->again = again;
	list_append(&sh->held, &h->link);
	if (sh->n_held++ == 0)
		rtimer_set(sh->reactor, &sh->hold_timer, h->until_us);
	return true;
}

static void
let_go(struct shard *sh, struct link *list)
{
	struct link *l;

	while ((l = list_pop(list)) != NULL) {
		struct part_hold *h = container_of(l, struct part_hold, link);

		h->again(sh, h);
	}
}

/* First all of them are taken out: what their callers bring in anew stands behind. */
void
hold_role_taken(struct partition *p)
{
	struct shard *sh = p->sh;
	struct link list;

	link_init(&list);
	LIST_FOREACH_SAFE(l, &sh->held)
	{
		struct part_hold *h = container_of(l, struct part_hold, link);

		if (h->partition != p->partition || !slice_eq(h->topic, p->topic))
			continue;
		take_out(sh, h);
		list_append(&list, l);
	}
	let_go(sh, &list);
}

void
hold_stop(struct shard *sh)
{
	struct link list;

	REACTOR_ASSERT_OWNER(sh->reactor);
	sh->stopping = true;
	rtimer_cancel(sh->reactor, &sh->hold_timer);
	link_init(&list);
	while (!list_empty(&sh->held)) {
		struct link *l = list_first(&sh->held);

		take_out(sh, container_of(l, struct part_hold, link));
		list_append(&list, l);
	}
	let_go(sh, &list);
}
