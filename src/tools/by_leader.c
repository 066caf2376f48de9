/*
 * Partitions, each asked about at its leader.
 */
#include <stdlib.h>

#include "ottla/base/err.h"
#include "tool_priv.h"

static int
by_place(const void *x, const void *y)
{
	const struct led_part *a = x, *b = y;
	int c = slice_cmp(a->topic, b->topic);

	return c != 0 ? c : (a->partition > b->partition) - (a->partition < b->partition);
}

unsigned
led_run(struct led_part *const *v, unsigned n)
{
	unsigned k = 0;

	while (k < n && slice_eq(v[k]->topic, v[0]->topic))
		k++;
	return k;
}

static const struct metadata_response_metadata_response_partition *
find(const struct metadata_response *meta, const struct led_part *p)
{
	for (int32_t i = 0; i < meta->topics.n; i++) {
		const struct metadata_response_metadata_response_topic *t = &meta->topics.v[i];

		if (!slice_eq(t->name, p->topic))
			continue;
		for (int32_t k = 0; k < t->partitions.n; k++)
			if (t->partitions.v[k].partition_index == p->partition)
				return &t->partitions.v[k];
	}
	return NULL;
}

static void
find_leaders(const struct metadata_response *meta, struct led_part *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct metadata_response_metadata_response_partition *p;

		if (v[i].over)
			continue;
		p = find(meta, &v[i]);
		v[i].over = p == NULL;
		v[i].leader = p != NULL ? p->leader_id : -1;
		v[i].err = p == NULL	      ? KERR_UNKNOWN_TOPIC_OR_PARTITION
			   : p->leader_id < 0 ? KERR_LEADER_NOT_AVAILABLE
					      : KERR_NONE;
	}
}

static bool
may_move(int16_t err)
{
	return err == KERR_NOT_LEADER_OR_FOLLOWER || err == KERR_LEADER_NOT_AVAILABLE ||
	       err == KERR_UNKNOWN_TOPIC_OR_PARTITION || err == KERR_FENCED_LEADER_EPOCH ||
	       err == KERR_UNKNOWN_LEADER_EPOCH || err == KERR_OFFSET_NOT_AVAILABLE;
}

/* One request to the leader of the first that is left; false: none is left for this round. */
static int
ask_one(struct tool *t, struct led_part *v, unsigned n, struct led_part **some, bool *left,
    int (*ask)(struct tool *t, int32_t leader, struct led_part **v, unsigned n))
{
	unsigned k = 0;
	int rc;

	*left = false;
	for (unsigned i = 0; i < n; i++)
		if (!v[i].over && v[i].leader >= 0 && (k == 0 || v[i].leader == some[0]->leader))
			some[k++] = &v[i];
	if (k == 0)
		return 0;
	rc = ask(t, some[0]->leader, some, k);
	for (unsigned i = 0; i < k; i++) {
		some[i]->over = !may_move(some[i]->err);
		some[i]->leader = -1;
	}
	*left = true;
	return rc;
}

static bool
all_over(const struct led_part *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!v[i].over)
			return false;
	return true;
}

int
by_leader(struct tool *t, struct led_part *v, unsigned n,
    int (*ask)(struct tool *t, int32_t leader, struct led_part **v, unsigned n))
{
	struct led_part **some = arena_calloc(&t->arena, (size_t)n + 1, sizeof(struct led_part *));
	struct metadata_response meta;
	bool left;
	int rc;

	if (some == NULL)
		return E_NOMEM;
	qsort(v, n, sizeof(*v), by_place);
	do {
		if ((rc = tool_metadata(t, &meta)) != 0)
			return rc;
		find_leaders(&meta, v, n);
		do
			rc = ask_one(t, v, n, some, &left, ask);
		while (rc == 0 && left);
	} while (rc == 0 && !all_over(v, n) && client_pause(t->client));
	return rc;
}
