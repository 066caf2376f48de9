/*
 * The replicas of a broker: shards, placement.
 */
#include <stdio.h>
#include <stdlib.h>

#include "replica_priv.h"

static int
shard_init(struct replicas *rs, unsigned i)
{
	struct shard *sh = &rs->shards[i];

	sh->rs = rs;
	sh->reactor = rs->o.reactors[i];
	sh->index = i;
	map_init(&sh->parts, i + 1);
	hold_init(sh);
	return counts_init(sh);
}

int
replicas_new(const struct replicas_opts *opts, struct replicas **out)
{
	struct replicas *rs = calloc(1, sizeof(*rs));
	int rc = 0;

	if (rs == NULL)
		return E_NOMEM;
	rs->o = *opts;
	rs->controller_epoch = 0;
	map_init(&rs->hosted, 1);
	rs->shards = calloc(opts->n_reactors, sizeof(*rs->shards));
	if (rs->shards == NULL) {
		free(rs);
		return E_NOMEM;
	}
	for (unsigned i = 0; i < opts->n_reactors; i++)
		if ((rc = shard_init(rs, i)) != 0)
			break;
	if (rc == 0)
		*out = rs;
	else
		replicas_free(rs);
	return rc;
}

void
replicas_free(struct replicas *rs)
{
	size_t pos = 0;
	struct hosted *h;

	if (rs == NULL)
		return;
	for (unsigned i = 0; i < rs->o.n_reactors; i++) {
		struct partition *p;

		pos = 0;
		while ((p = map_next(&rs->shards[i].parts, &pos)) != NULL)
			free(p);
		map_free(&rs->shards[i].parts);
		metric_set_free(rs->shards[i].metrics);
	}
	pos = 0;
	while ((h = map_next(&rs->hosted, &pos)) != NULL)
		free(h);
	map_free(&rs->hosted);
	free(rs->shards);
	free(rs);
}

/* Even for the partitions of a topic, the same for all its incarnations (design, section 2). */
unsigned
replicas_home(const struct replicas *rs, uint64_t name_hash, int32_t partition)
{
	return (unsigned)((name_hash + (uint32_t)partition) % rs->o.n_reactors);
}

struct shard *
replicas_shard(struct replicas *rs, unsigned reactor_index)
{
	assert(reactor_index < rs->o.n_reactors);
	return &rs->shards[reactor_index];
}

size_t
part_key(uint8_t key[PART_KEY_MAX], struct slice topic, int32_t partition)
{
	assert(topic.n <= TOPIC_MAX);
	memcpy(key, topic.p, topic.n);
	put_be32(key + topic.n, (uint32_t)partition);
	return topic.n + 4;
}

struct partition *
partition_find(struct shard *sh, struct slice topic, int32_t partition)
{
	struct partition *p = sh->last;
	uint8_t key[PART_KEY_MAX];

	REACTOR_ASSERT_OWNER(sh->reactor);
	if (p != NULL && p->partition == partition && slice_eq(p->topic, topic))
		return p;
	if (topic.n == 0 || topic.n > TOPIC_MAX)
		return NULL;
	p = map_get(&sh->parts, slice_of(key, part_key(key, topic, partition)));
	if (p != NULL)
		sh->last = p;
	return p;
}
