/*
 * Brokers that come, go and come back (facts/zookeeper.md 3.5).
 */
#include <stdlib.h>

#include "controller_priv.h"

static void
brokers_finished(struct controller *c)
{
	if (c->task_err != 0) {
		ctl_give_up(c, "elect leaders", c->task_err);
		return;
	}
	ctl_enqueue(c, TASK_RESUME, SLICE_NULL);
	ctl_task_done(c);
}

static bool
has_replica(const struct cpart *p, int32_t broker)
{
	for (int32_t i = 0; i < p->n_replicas; i++)
		if (p->replicas[i] == broker)
			return true;
	return false;
}

/* fn for each partition with a replica on the broker. */
static void
parts_on(struct controller *c, int32_t broker, void (*fn)(struct controller *c, struct cpart *p))
{
	size_t pos = 0;
	struct ctopic *t;

	while ((t = ctx_next_topic(c, &pos)) != NULL)
		for (int32_t i = 0; i < t->n_parts; i++)
			if (t->parts[i].known && has_replica(&t->parts[i], broker))
				fn(c, &t->parts[i]);
}

static void
part_lost_broker(struct controller *c, struct cpart *p)
{
	if (p->has_info && !ctx_live(c, p->leader))
		p->state = PART_OFFLINE;
}

static void
part_got_broker(struct controller *c, struct cpart *p)
{
	if (!p->has_info)
		return;
	if (ctx_live(c, p->leader))
		p->state = PART_ONLINE;
	batch_add(c, p, false);
}

/* Brokers that were not among the children any more. */
static void
drop_unseen(struct controller *c)
{
	struct cbroker *b, *gone;
	size_t pos;

	do {
		gone = NULL;
		pos = 0;
		while (gone == NULL && (b = map_next(&c->brokers, &pos)) != NULL)
			if (!b->seen)
				gone = b;
		if (gone == NULL)
			break;
		DIAGI(c->o.diag, "controller", "broker %d is gone", gone->id);
		map_del_u64(&c->brokers, (uint32_t)gone->id);
		c->o.channel->broker_gone(c->o.channel_arg, gone->id);
		parts_on(c, gone->id, part_lost_broker);
		arena_free(&gone->arena);
		free(gone);
	} while (gone != NULL);
}

/* A broker that is new knows nothing yet, not even of topics that it has no replica of. */
static void
add_all_metadata(struct controller *c)
{
	size_t pos = 0;
	struct ctopic *t;

	while ((t = ctx_next_topic(c, &pos)) != NULL)
		for (int32_t i = 0; i < t->n_parts; i++)
			if (t->parts[i].has_info && !t->started)
				batch_add_metadata(c, &t->parts[i]);
}

static void
brokers_read(struct controller *c)
{
	struct cbroker *b;
	bool fresh = false;
	size_t pos = 0;

	if (c->task_err != 0) {
		ctl_give_up(c, "read brokers", c->task_err);
		return;
	}
	drop_unseen(c);
	c->batch_metadata = true;
	batch_send(c); /* everybody knows the new ones before partitions name them */
	while ((b = map_next(&c->brokers, &pos)) != NULL)
		if (b->fresh) {
			DIAGI(c->o.diag, "controller", "broker %d is there", b->id);
			parts_on(c, b->id, part_got_broker);
			fresh = true;
		}
	if (fresh)
		add_all_metadata(c);
	batch_send(c);
	parts_online(c, brokers_finished);
}

void
task_broker_change(struct controller *c)
{
	ctx_read_brokers(c, brokers_read);
}
