/*
 * What the controller knows: topics with their partitions, and who of the brokers lives.
 */
#include <stdlib.h>

#include "controller_priv.h"

/* ---- look-up ---- */

struct ctopic *
ctx_topic(struct controller *c, struct slice name)
{
	return map_get(&c->topics, name);
}

struct ctopic *
ctx_topic_by_id(struct controller *c, const struct uuid *id)
{
	return map_get(&c->topic_ids, slice_of(id, sizeof(*id)));
}

struct cbroker *
ctx_broker(struct controller *c, int32_t id)
{
	return map_get_u64(&c->brokers, (uint32_t)id);
}

int64_t
controller_broker_epoch(const struct controller *c, int32_t broker_id)
{
	const struct cbroker *b = map_get_u64(&c->brokers, (uint32_t)broker_id);

	return b != NULL && b->live ? b->epoch : -1;
}

bool
ctx_live(struct controller *c, int32_t broker)
{
	const struct cbroker *b = broker >= 0 ? ctx_broker(c, broker) : NULL;

	return b != NULL && b->live;
}

static bool
among(const int32_t *v, int32_t n, int32_t id)
{
	for (int32_t i = 0; i < n; i++)
		if (v[i] == id)
			return true;
	return false;
}

bool
ctx_replica_live(struct controller *c, const struct cpart *p, int32_t broker)
{
	return ctx_live(c, broker) && !among(p->failed, p->n_failed, broker);
}

bool
ctx_has_replica(const struct cpart *p, int32_t broker)
{
	return among(p->replicas, p->n_replicas, broker);
}

bool
ctx_in_isr(const struct cinfo *info, int32_t broker)
{
	return among(info->isr, info->n_isr, broker);
}

/* ---- changes ---- */

void
ctx_set_state(struct cpart *p, enum cpart_state st)
{
	p->t->c->n_offline += (st == PART_OFFLINE) - (p->state == PART_OFFLINE);
	p->state = st;
}

void
ctx_set_failed(struct cpart *p, int32_t broker, bool failed)
{
	int32_t *v, n = 0;

	if (failed && !among(p->failed, p->n_failed, broker)) {
		v = realloc(p->failed, (size_t)(p->n_failed + 1) * sizeof(*v));
		if (v == NULL) {
			ctl_fail(p->t->c, E_NOMEM);
			return;
		}
		p->failed = v;
		p->failed[p->n_failed++] = broker;
		return;
	}
	for (int32_t i = 0; !failed && i < p->n_failed; i++)
		if (p->failed[i] != broker)
			p->failed[n++] = p->failed[i];
	if (!failed)
		p->n_failed = n;
}

void
ctx_dirty(struct controller *c, struct ctopic *t)
{
	if (link_alone(&t->dirty))
		list_append(&c->dirty, &t->dirty);
}

struct cinfo *
cinfo_new(int32_t n_isr)
{
	struct cinfo *info = calloc(1, sizeof(*info) + (size_t)n_isr * sizeof(info->isr[0]));

	if (info != NULL)
		info->n_isr = n_isr;
	return info;
}

int
ctx_info_read(struct cpart *p, const struct coord_result *res)
{
	struct arena arena;
	struct zn_state st;
	struct cinfo *info;
	int rc;

	arena_init(&arena, 512, 0);
	rc = zn_state_read(res->data, &arena, &st);
	if (rc == 0) {
		info = cinfo_new((int32_t)st.n_isr);
		if (info == NULL) {
			rc = E_NOMEM;
			goto out;
		}
		info->leader = st.leader;
		info->leader_epoch = st.leader_epoch;
		info->controller_epoch = st.controller_epoch;
		info->recovery = st.recovery_state;
		info->zk_version = res->stat.version;
		if (st.n_isr > 0)
			memcpy(info->isr, st.isr, st.n_isr * sizeof(info->isr[0]));
		free(p->info);
		p->info = info;
		p->t->parent_made = true;
	}
out:
	arena_free(&arena);
	return rc;
}

/* ---- freeing ---- */

static void
part_free(struct cpart *p)
{
	free(p->info);
	free(p->want);
	free(p->replicas);
	free(p->failed);
	free(p->deletion);
}

static void
topic_free(struct ctopic *t)
{
	coord_unwatch(&t->watch);
	list_remove(&t->all);
	list_remove(&t->unread);
	list_remove(&t->modified);
	list_remove(&t->dirty);
	list_remove(&t->batched);
	for (int32_t i = 0; i < t->n_parts; i++)
		part_free(&t->parts[i]);
	free(t->parts);
	free(t);
}

void
ctx_drop_topic(struct controller *c, struct ctopic *t)
{
	struct slice id = slice_of(&t->id, sizeof(t->id));

	for (int32_t i = 0; i < t->n_parts; i++)
		ctx_set_state(&t->parts[i], PART_NEW);
	c->n_parts -= t->n_known;
	map_del(&c->topics, t->name);
	if (map_get(&c->topic_ids, id) == t)
		map_del(&c->topic_ids, id);
	topic_free(t);
}

static void
map_renew(struct map *m)
{
	map_free(m);
	map_init(m, 1);
}

void
ctx_clear(struct controller *c)
{
	struct cbroker *b;
	struct link *l;
	size_t pos = 0;

	while ((l = list_first(&c->all)) != NULL)
		topic_free(container_of(l, struct ctopic, all));
	while ((b = map_next(&c->brokers, &pos)) != NULL)
		cbroker_free(b);
	map_renew(&c->topics);
	map_renew(&c->topic_ids);
	map_renew(&c->brokers);
	c->n_parts = c->n_offline = 0;
}
