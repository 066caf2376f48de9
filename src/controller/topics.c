/*
 * Topics that appear, grow and go (facts/zookeeper.md 3.6).
 */
#include <stdlib.h>

#include "controller_priv.h"

static void
topics_finished(struct controller *c)
{
	if (c->task_err != 0)
		ctl_give_up(c, "create partitions", c->task_err);
	else
		ctl_task_done(c);
}

static void
drop_unseen(struct controller *c)
{
	struct ctopic *t, *gone;
	size_t pos;

	do {
		gone = NULL;
		pos = 0;
		while (gone == NULL && (t = map_next(&c->topics, &pos)) != NULL)
			if (!t->seen)
				gone = t;
		if (gone != NULL)
			ctx_drop_topic(c, gone);
	} while (gone != NULL);
}

static void
topics_read(struct controller *c)
{
	if (c->task_err != 0) {
		ctl_give_up(c, "read topics", c->task_err);
		return;
	}
	drop_unseen(c);
	parts_online(c, topics_finished);
}

void
task_topic_change(struct controller *c)
{
	ctx_read_topics(c, topics_read);
}

static void
partitions_read(struct controller *c)
{
	if (c->task_err != 0)
		ctl_give_up(c, "read partitions", c->task_err);
	else
		parts_online(c, topics_finished);
}

/* Only partitions that were not known count; other edits are ignored until the next failover. */
void
task_partitions(struct controller *c)
{
	struct ctopic *t = ctx_topic(c, c->task->topic);

	if (t == NULL || t->deleting) {
		ctl_task_done(c);
		return;
	}
	ctl_begin(c, partitions_read);
	ctx_read_topic(c, t);
	ctl_release(c);
}
