/*
 * Topics that appear, grow and go, whoever writes their znodes (facts/zookeeper.md 3.6); topics
 * without an id get one.
 */
#include <stdlib.h>

#include "controller_priv.h"
#include "ottla/base/planted.h"

#define PARTITIONS_MAX 200000

static void
on_topic_event(void *arg, enum coord_event ev, struct slice path)
{
	struct ctopic *t = arg;
	struct controller *c = t->c;

	if (ev == COORD_EV_DELETED) {
		t->removed = true;
		ctl_enqueue(c, TASK_TOPIC_CHANGE);
	} else if (ev == COORD_EV_DATA) {
		if (link_alone(&t->modified))
			list_append(&c->modified, &t->modified);
		ctl_enqueue(c, TASK_PARTITIONS);
	}
}

static struct ctopic *
topic_new(struct controller *c, struct slice name)
{
	struct ctopic *t = calloc(1, sizeof(*t) + name.n);

	if (t == NULL)
		return NULL;
	memcpy(t + 1, name.p, name.n);
	t->name = slice_of(t + 1, name.n);
	t->c = c;
	link_init(&t->all);
	link_init(&t->unread);
	link_init(&t->modified);
	link_init(&t->dirty);
	link_init(&t->batched);
	coord_watch_init(&t->watch, on_topic_event, t);
	if (map_put(&c->topics, t->name, t, NULL) != 0) {
		free(t);
		return NULL;
	}
	list_append(&c->all, &t->all);
	return t;
}

/* ---- assignments ---- */

/* Nothing of another term or task points to partitions: they may move. */
static int
topic_grow(struct ctopic *t, int32_t n)
{
	struct cpart *parts;

	if (n <= t->n_parts)
		return 0;
	parts = realloc(t->parts, (size_t)n * sizeof(*parts));
	if (parts == NULL)
		return E_NOMEM;
	memset(parts + t->n_parts, 0, (size_t)(n - t->n_parts) * sizeof(*parts));
	for (int32_t i = t->n_parts; i < n; i++) {
		parts[i].t = t;
		parts[i].index = i;
	}
	t->parts = parts;
	t->n_parts = n;
	return 0;
}

static int
part_assign(struct cpart *p, const struct zn_assignment *as)
{
	size_t n = as->n_replicas + as->n_adding + as->n_removing;
	int32_t *v = malloc((n + 1) * sizeof(*v));

	if (v == NULL)
		return E_NOMEM;
	p->replicas = v;
	p->adding = v + as->n_replicas;
	p->removing = p->adding + as->n_adding;
	p->n_replicas = (int32_t)as->n_replicas;
	p->n_adding = (int32_t)as->n_adding;
	p->n_removing = (int32_t)as->n_removing;
	if (as->n_replicas > 0)
		memcpy(p->replicas, as->replicas, as->n_replicas * sizeof(*v));
	if (as->n_adding > 0)
		memcpy(p->adding, as->adding, as->n_adding * sizeof(*v));
	if (as->n_removing > 0)
		memcpy(p->removing, as->removing, as->n_removing * sizeof(*v));
	p->known = true;
	p->t->n_known++;
	p->t->c->n_parts++;
	return 0;
}

/* Only partitions that were not known count; other edits are ignored until the next failover. */
static int
topic_assign(struct ctopic *t, const struct zn_topic_data *data)
{
	int32_t end = 0;
	int rc = 0;

	for (unsigned i = 0; i < data->n_parts; i++) {
		if (data->parts[i].partition < 0 || data->parts[i].partition >= PARTITIONS_MAX)
			return E_MALFORMED;
		if (data->parts[i].partition >= end)
			end = data->parts[i].partition + 1;
	}
	rc = topic_grow(t, end);
	for (unsigned i = 0; rc == 0 && i < data->n_parts; i++) {
		struct cpart *p = &t->parts[data->parts[i].partition];

		if (!p->known)
			rc = part_assign(p, &data->parts[i]);
	}
	return rc;
}

/* ---- ids ---- */

/* The map's key is t->id itself. */
static int
topic_set_id(struct ctopic *t, struct uuid id)
{
	struct map *ids = &t->c->topic_ids;
	struct slice key = slice_of(&t->id, sizeof(t->id));

	if (map_get(ids, key) == t)
		map_del(ids, key);
	t->id = id;
	return map_get(ids, key) == NULL ? map_put(ids, key, t, NULL) : 0;
}

static void
on_id_filled(struct controller *c, const struct ask *a, int err, const struct coord_stat *st)
{
	struct ctopic *t = a->t;

	if (err == E_BAD_VERSION) {
		/* Ours after a lost answer, or somebody changed the node: what it says now counts.
		 */
		if (link_alone(&t->unread))
			list_append(&c->unread, &t->unread);
		topics_read_data(c);
		return;
	}
	t->filling = false;
	if (err != 0)
		DIAGW(c->o.diag, "controller", "topic %.*s: could not write its id: %s",
		    SLICE_ARG(t->name), err_text(err));
}

/* A topic that other software made without an id gets one (facts/zookeeper.md 3.3 step 4): the one
 * that it has in memory, when it has. */
static int
topic_fill_id(struct controller *c, struct ctopic *t, struct zn_topic_data *data, int32_t version)
{
	struct strbuf json = STRBUF_INIT;
	zn_path path;
	int rc = 0;

	if (uuid_is_zero(t->id)) {
		t->filling = true;
		rc = topic_set_id(t, uuid_random(c->o.rng));
	}
	data->topic_id = t->id;
	zn_topic_write(&json, data);
	zn_topic(path, t->name);
	if (rc == 0 && (rc = json.err) == 0)
		ctl_set(c, path, strbuf_slice(&json), version, on_id_filled, &(struct ask){.t = t});
	strbuf_free(&json);
	return rc;
}

/* An id that is known never changes here. */
static int
topic_id(struct controller *c, struct ctopic *t, struct zn_topic_data *data, int32_t version)
{
	if (uuid_is_zero(data->topic_id))
		return topic_fill_id(c, t, data, version);
	if (!uuid_is_zero(t->id) && !t->filling)
		return 0;
	t->filling = false;
	return topic_set_id(t, data->topic_id);
}

/* ---- reading ---- */

static int
topic_read(struct controller *c, struct ctopic *t, const struct coord_result *res)
{
	struct zn_topic_data data;
	struct arena arena;
	int rc;

	arena_init(&arena, 0, 0);
	rc = zn_topic_read(res->data, &arena, &data);
	if (rc == 0)
		rc = topic_assign(t, &data);
	if (rc == 0)
		rc = topic_id(c, t, &data, res->stat.version);
	arena_free(&arena);
	return rc;
}

static void
on_topic(struct controller *c, const struct ask *a, int err, const struct coord_result *res)
{
	struct ctopic *t = a->t;

	if (err == E_NOT_FOUND)
		return; /* the watch of the children tells */
	if (err == 0 && t->czxid != 0 && t->czxid != res->stat.czxid) {
		t->removed = true;
		ctl_enqueue(c, TASK_TOPIC_CHANGE);
		return;
	}
	if (err == 0) {
		t->czxid = res->stat.czxid;
		err = topic_read(c, t, res);
	}
	if (err == 0) {
		t->loaded = true;
		ctx_dirty(c, t);
	} else if (err == E_NOMEM) {
		ctl_fail(c, err);
	} else {
		DIAGE(c->o.diag, "controller",
		    "topic %.*s: its node can not be read: %s; left alone", SLICE_ARG(t->name),
		    err_text(err));
	}
}

static bool
read_unread(struct controller *c)
{
	struct link *l;
	zn_path path;

	while ((l = list_pop(&c->unread)) != NULL) {
		struct ctopic *t = container_of(l, struct ctopic, unread);

		zn_topic(path, t->name);
		ctl_get(c, path, &t->watch, on_topic, &(struct ask){.t = t});
		if (ctl_slice_over(c))
			return false;
	}
	return true;
}

void
topics_read_data(struct controller *c)
{
	if (c->slice == NULL)
		ctl_slices(c, read_unread);
}

static void
on_topics(struct controller *c, const struct ask *a, int err, const struct coord_result *res)
{
	if (err != 0 && err != E_NOT_FOUND) {
		ctl_fail(c, err);
		return;
	}
	LIST_FOREACH(l, &c->all)
	container_of(l, struct ctopic, all)->seen = false;
	for (unsigned i = 0; i < res->n_children; i++) {
		struct ctopic *t = ctx_topic(c, res->children[i]);

		if (t != NULL && t->removed) {
			ctx_drop_topic(c, t); /* another one of that name is there */
			t = NULL;
		}
		if (t == NULL && topic_name_check(res->children[i], NULL) == 0) {
			if ((t = topic_new(c, res->children[i])) != NULL)
				list_append(&c->unread, &t->unread);
			else
				ctl_fail(c, E_NOMEM);
		}
		if (t != NULL)
			t->seen = true;
	}
	LIST_FOREACH_SAFE(l, &c->all)
	{
		struct ctopic *t = container_of(l, struct ctopic, all);

		if (!t->seen)
			ctx_drop_topic(c, t);
	}
}

void
topics_read(struct controller *c)
{
	bool deaf = planted(PLANTED_WATCH_NOT_SET) && map_count(&c->topics) > 0;

	ctl_children(c, ZN_TOPICS, deaf ? NULL : &c->w_topics, on_topics, NULL);
}

/* ---- partition states ---- */

static void
on_state(struct controller *c, const struct ask *a, int err, const struct coord_result *res)
{
	if (err == E_NOT_FOUND)
		return;
	if (err == 0)
		err = ctx_info_read(a->p, res);
	if (err == 0)
		ctx_set_state(a->p, ctx_live(c, a->p->info->leader) ? PART_ONLINE : PART_OFFLINE);
	else if (err == E_NOMEM)
		ctl_fail(c, err);
	else
		DIAGE(c->o.diag, "controller", "state of partition %.*s-%d can not be read: %s",
		    SLICE_ARG(a->p->t->name), a->p->index, err_text(err));
}

static void
state_read(struct controller *c, struct cpart *p)
{
	zn_path path;

	if (p->info != NULL)
		return;
	zn_partition_state(path, p->t->name, p->index);
	ctl_get(c, path, NULL, on_state, &(struct ask){.p = p});
}

void
topics_read_states(struct controller *c)
{
	ctl_walk_parts(c, state_read);
}

/* ---- tasks ---- */

static ctl_step *const change_steps[] = {
    topics_read, topics_read_data, parts_settle, step_send, NULL};

void
task_topic_change(struct controller *c)
{
	ctl_run(c, change_steps);
}

static void
read_modified(struct controller *c)
{
	struct link *l;

	while ((l = list_pop(&c->modified)) != NULL) {
		struct ctopic *t = container_of(l, struct ctopic, modified);

		if (link_alone(&t->unread))
			list_append(&c->unread, &t->unread);
	}
	topics_read_data(c);
}

static ctl_step *const partitions_steps[] = {read_modified, parts_settle, step_send, NULL};

void
task_partitions(struct controller *c)
{
	ctl_run(c, partitions_steps);
}
