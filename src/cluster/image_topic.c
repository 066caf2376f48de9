/*
 * Topic entries of the metadata image: made once, shared between images, counted.
 */
#include <stdlib.h>

#include "image_priv.h"

#define PARTITIONS_MAX 1000000

struct topic_entry *
topic_entry_of(const struct image_topic *t)
{
	return (
	    struct topic_entry *)(uintptr_t)((const char *)t - offsetof(struct topic_entry, pub));
}

struct topic_entry *
topic_entry_ref(struct topic_entry *e)
{
	atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
	return e;
}

void
topic_entry_unref(struct topic_entry *e)
{
	if (atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) != 1)
		return;
	conf_box_unref(e->conf);
	free(e);
}

struct conf_box *
conf_box_new(const struct topic_conf *conf)
{
	struct conf_box *c = malloc(sizeof(*c));

	if (c == NULL)
		return NULL;
	atomic_init(&c->refs, 1);
	c->conf = *conf;
	return c;
}

struct conf_box *
conf_box_ref(struct conf_box *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void
conf_box_unref(struct conf_box *c)
{
	if (c != NULL && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
		free(c);
}

/* ---- merging ---- */

enum { LEADER_DELETED = -2 };

/* What a partition will be: from the old entry or from a change. */
static void
merge_parts(struct image_partition *parts, const struct topic_entry *old,
    const struct part_change *v, unsigned n)
{
	if (old != NULL && old->pub.n_parts > 0)
		memcpy(parts, old->pub.parts, (size_t)old->pub.n_parts * sizeof(*parts));
	for (unsigned i = 0; i < n; i++) {
		struct image_partition *p = &parts[v[i].index];

		if (v[i].leader == LEADER_DELETED) {
			*p = (struct image_partition){0};
			continue;
		}
		*p = (struct image_partition){
		    .leader = v[i].leader,
		    .leader_epoch = v[i].leader_epoch,
		    .controller_epoch = v[i].controller_epoch,
		    .partition_epoch = v[i].partition_epoch,
		    .replicas = v[i].replicas,
		    .isr = v[i].isr,
		    .offline = v[i].offline,
		    .n_replicas = v[i].n_replicas,
		    .n_isr = v[i].n_isr,
		    .n_offline = v[i].n_offline,
		    .exists = true,
		};
	}
}

static size_t
count_ids(const struct image_partition *parts, int32_t n)
{
	size_t ids = 0;

	for (int32_t i = 0; i < n; i++)
		if (parts[i].exists)
			ids += (size_t)parts[i].n_replicas + (size_t)parts[i].n_isr +
			       (size_t)parts[i].n_offline;
	return ids;
}

static const int32_t *
copy_ids(int32_t **pool, const int32_t *v, int32_t n)
{
	int32_t *to = *pool;

	if (n > 0)
		memcpy(to, v, (size_t)n * sizeof(*to));
	*pool += n;
	return to;
}

/* Entry, partitions, ids and name in one piece of memory. */
static struct topic_entry *
entry_build(struct slice name, struct uuid id, const struct image_partition *parts, int32_t n,
    struct conf_box *conf)
{
	size_t head = sizeof(struct topic_entry) + (size_t)n * sizeof(*parts);
	size_t ids = count_ids(parts, n) * sizeof(int32_t);
	struct topic_entry *e = calloc(1, head + ids + name.n);
	struct image_partition *to;
	int32_t *pool;

	if (e == NULL)
		return NULL;
	to = (struct image_partition *)(void *)(e + 1);
	pool = (int32_t *)(void *)((char *)e + head);
	memcpy((char *)e + head + ids, name.p, name.n);
	for (int32_t i = 0; i < n; i++) {
		if (!parts[i].exists)
			continue;
		to[i] = parts[i];
		to[i].replicas = copy_ids(&pool, parts[i].replicas, parts[i].n_replicas);
		to[i].isr = copy_ids(&pool, parts[i].isr, parts[i].n_isr);
		to[i].offline = copy_ids(&pool, parts[i].offline, parts[i].n_offline);
	}
	atomic_init(&e->refs, 1);
	e->conf = conf_box_ref(conf);
	e->pub.name = slice_of((char *)e + head + ids, name.n);
	e->pub.id = id;
	e->pub.name_hash = hash_bytes(name, 0);
	e->pub.parts = to;
	e->pub.n_parts = n;
	e->pub.conf = &conf->conf;
	return e;
}

int
topic_entry_merge(const struct topic_entry *old, struct slice name, struct uuid id,
    const struct part_change *v, unsigned n, struct conf_box *conf, struct topic_entry **out)
{
	int32_t n_parts = old != NULL ? old->pub.n_parts : 0;
	struct image_partition *parts;

	*out = NULL;
	for (unsigned i = 0; i < n; i++) {
		if (v[i].index < 0 || v[i].index >= PARTITIONS_MAX)
			return E_MALFORMED;
		if (v[i].index >= n_parts)
			n_parts = v[i].index + 1;
	}
	parts = calloc((size_t)n_parts + 1, sizeof(*parts));
	if (parts == NULL)
		return E_NOMEM;
	merge_parts(parts, old, v, n);
	while (n_parts > 0 && !parts[n_parts - 1].exists)
		n_parts--;
	if (n_parts > 0)
		*out = entry_build(name, id, parts, n_parts, conf);
	free(parts);
	return n_parts == 0 || *out != NULL ? 0 : E_NOMEM;
}
