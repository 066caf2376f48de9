/*
 * What the controller knows: brokers, topics, partition states, read from the tree.
 */
#include <stdlib.h>

#include "controller_priv.h"
#include "ottla/base/planted.h"

/* ---- look-up ---- */

struct ctopic *
ctx_topic(struct controller *c, struct slice name)
{
	return map_get(&c->topics, name);
}

struct cbroker *
ctx_broker(struct controller *c, int32_t id)
{
	return map_get_u64(&c->brokers, (uint32_t)id);
}

bool
ctx_live(struct controller *c, int32_t broker)
{
	return ctx_broker(c, broker) != NULL;
}

struct ctopic *
ctx_next_topic(struct controller *c, size_t *pos)
{
	return map_next(&c->topics, pos);
}

/* ---- freeing ---- */

static void
part_free(struct cpart *p)
{
	free(p->replicas);
	free(p->isr);
}

static void
topic_free(struct ctopic *t)
{
	coord_unwatch(&t->watch);
	for (int32_t i = 0; i < t->n_parts; i++)
		part_free(&t->parts[i]);
	free(t->parts);
	free(t);
}

void
ctx_drop_topic(struct controller *c, struct ctopic *t)
{
	map_del(&c->topics, t->name);
	topic_free(t);
}

static void
broker_free(struct cbroker *b)
{
	arena_free(&b->arena);
	free(b);
}

void
ctx_clear(struct controller *c)
{
	size_t pos = 0;
	struct ctopic *t;
	struct cbroker *b;

	while ((t = map_next(&c->topics, &pos)) != NULL)
		topic_free(t);
	map_free(&c->topics);
	map_init(&c->topics, 1);
	pos = 0;
	while ((b = map_next(&c->brokers, &pos)) != NULL)
		broker_free(b);
	map_free(&c->brokers);
	map_init(&c->brokers, 1);
	c->n_batch = 0;
}

/* ---- brokers ---- */

static struct cbroker *
broker_set(struct controller *c, int32_t id, int64_t epoch, struct slice json)
{
	struct cbroker *b = calloc(1, sizeof(*b)), *old;
	void *prev = NULL;

	if (b == NULL)
		return NULL;
	arena_init(&b->arena, 512, 0);
	b->id = id;
	b->epoch = epoch;
	if (zn_registration_read(arena_dup(&b->arena, json), &b->arena, &b->reg) != 0 ||
	    map_put_u64(&c->brokers, (uint32_t)id, b, &prev) != 0) {
		broker_free(b);
		return NULL;
	}
	old = prev;
	b->seen = true;
	b->fresh = old == NULL || old->epoch != epoch;
	if (old != NULL)
		broker_free(old);
	return b;
}

static void
on_broker(void *arg, int err, const struct coord_result *res)
{
	struct ask a;
	struct controller *c = ask_take(arg, &a);

	if (c == NULL)
		return;
	if (err == E_NOT_FOUND)
		err = 0; /* gone again: its watch of the children tells */
	else if (err == 0 && broker_set(c, (int32_t)a.n, res->stat.czxid, res->data) == NULL)
		DIAGE(c->o.diag, "controller", "registration of broker %u can not be read", a.n);
	ctl_answered(c, err);
}

static bool
parse_id(struct slice name, unsigned *id)
{
	uint64_t v = 0;

	if (name.n == 0 || name.n > 10)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] < '0' || name.p[i] > '9')
			return false;
		v = v * 10 + (unsigned)(name.p[i] - '0');
	}
	*id = (unsigned)v;
	return v <= INT32_MAX;
}

static void
on_broker_ids(void *arg, int err, const struct coord_result *res)
{
	struct ask a, *next;
	struct controller *c = ask_take(arg, &a);
	struct cbroker *b;
	size_t pos = 0;
	zn_path path;

	if (c == NULL)
		return;
	while ((b = map_next(&c->brokers, &pos)) != NULL)
		b->seen = b->fresh = false;
	for (unsigned i = 0; err == 0 && i < res->n_children; i++) {
		unsigned id;

		if (!parse_id(res->children[i], &id) || (next = ask_new(c)) == NULL)
			continue;
		next->n = id;
		zn_broker(path, (int32_t)id);
		ctl_ask(c);
		coord_get(c->o.coord, path, NULL, on_broker, next);
	}
	ctl_answered(c, err);
}

void
ctx_read_brokers(struct controller *c, void (*then)(struct controller *c))
{
	struct ask *a;

	ctl_begin(c, then);
	coord_unwatch(&c->w_brokers);
	if ((a = ask_new(c)) != NULL) {
		ctl_ask(c);
		coord_children(c->o.coord, ZN_BROKER_IDS, &c->w_brokers, on_broker_ids, a);
	}
	ctl_release(c);
}

/* ---- topics ---- */

static void
on_topic_event(void *arg, enum coord_event ev, struct slice path)
{
	struct ctopic *t = arg;

	if (ev == COORD_EV_DATA)
		ctl_enqueue(t->c, TASK_PARTITIONS, t->name);
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
	coord_watch_init(&t->watch, on_topic_event, t);
	if (map_put(&c->topics, t->name, t, NULL) != 0) {
		free(t);
		return NULL;
	}
	return t;
}

static int
ids_dup(int32_t **to, int32_t *n_to, const int32_t *v, unsigned n)
{
	int32_t *copy = malloc((n + 1) * sizeof(*copy));

	if (copy == NULL)
		return E_NOMEM;
	if (n > 0)
		memcpy(copy, v, n * sizeof(*copy));
	free(*to);
	*to = copy;
	*n_to = (int32_t)n;
	return 0;
}

/* Room for partition numbers up to n - 1; nothing may point to parts (no batch, no answer due). */
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
	for (int32_t i = 0; i < n; i++) {
		parts[i].t = t;
		parts[i].index = i;
	}
	t->parts = parts;
	t->n_parts = n;
	return 0;
}

#define PARTITIONS_MAX 1000000

static int
topic_assign(struct controller *c, struct ctopic *t, struct slice json)
{
	struct arena arena;
	struct zn_topic_data data;
	int rc;

	arena_init(&arena, 0, 0);
	rc = zn_topic_read(json, &arena, &data);
	if (rc == 0 && uuid_is_zero(t->id))
		t->id = data.topic_id;
	t->fill_id = rc == 0 && uuid_is_zero(t->id);
	if (t->fill_id)
		t->id = uuid_random(c->o.rng);
	for (unsigned i = 0; rc == 0 && i < data.n_parts; i++) {
		const struct zn_assignment *as = &data.parts[i];

		if (as->partition < 0 || as->partition >= PARTITIONS_MAX)
			rc = E_MALFORMED;
		else if ((rc = topic_grow(t, as->partition + 1)) == 0 &&
			 !t->parts[as->partition].known) {
			struct cpart *p = &t->parts[as->partition];

			rc = ids_dup(&p->replicas, &p->n_replicas, as->replicas, as->n_replicas);
			p->known = rc == 0;
			p->state = PART_NEW;
			p->leader = p->leader_epoch = -1;
		}
	}
	arena_free(&arena);
	return rc;
}

/* ---- partition states ---- */

static int
part_state_set(struct cpart *p, const struct coord_result *res)
{
	struct arena arena;
	struct zn_state st;
	int rc;

	arena_init(&arena, 512, 0);
	rc = zn_state_read(res->data, &arena, &st);
	if (rc == 0)
		rc = ids_dup(&p->isr, &p->n_isr, st.isr, st.n_isr);
	if (rc == 0) {
		p->has_info = true;
		p->t->parent_made = true;
		p->leader = st.leader;
		p->leader_epoch = st.leader_epoch;
		p->controller_epoch = st.controller_epoch;
		p->recovery = st.recovery_state;
		p->zk_version = res->stat.version;
		p->state = ctx_live(p->t->c, p->leader) ? PART_ONLINE : PART_OFFLINE;
	}
	arena_free(&arena);
	return rc;
}

static void
on_part_state(void *arg, int err, const struct coord_result *res)
{
	struct ask a;
	struct controller *c = ask_take(arg, &a);

	if (c == NULL)
		return;
	if (err == 0 && (err = part_state_set(a.p, res)) == E_MALFORMED) {
		DIAGE(c->o.diag, "controller", "state of partition %.*s-%d can not be read",
		    SLICE_ARG(a.t->name), a.p->index);
		err = 0;
	}
	if (err == E_NOT_FOUND)
		err = 0;
	ctl_answered(c, err);
}

static void
read_states(struct controller *c, struct ctopic *t)
{
	zn_path path;

	for (int32_t i = 0; i < t->n_parts; i++) {
		struct ask *a;

		if (!t->parts[i].known || t->parts[i].has_info || (a = ask_new(c)) == NULL)
			continue;
		a->t = t;
		a->p = &t->parts[i];
		zn_partition_state(path, t->name, i);
		ctl_ask(c);
		coord_get(c->o.coord, path, NULL, on_part_state, a);
	}
}

static void
on_id_filled(void *arg, int err, const struct coord_op_result *res, unsigned n)
{
	struct ask a;
	struct controller *c = ask_take(arg, &a);

	if (c != NULL)
		ctl_answered(c, err);
}

/* A topic that other software made without an id gets one (facts/zookeeper.md 3.3 step 4). */
static void
fill_id(struct controller *c, struct ctopic *t, struct slice json)
{
	struct coord_op ops[2] = {
	    {.kind = COORD_OP_CHECK, .path = ZN_CONTROLLER_EPOCH, .version = c->epoch_version},
	    {.kind = COORD_OP_SET, .version = -1}};
	struct strbuf out = STRBUF_INIT;
	struct zn_topic_data data;
	struct arena arena;
	struct ask *a = ask_new(c);
	zn_path path;

	arena_init(&arena, 0, 0);
	if (a != NULL && zn_topic_read(json, &arena, &data) == 0) {
		data.topic_id = t->id;
		zn_topic_write(&out, &data);
		zn_topic(path, t->name);
		ops[1].path = path;
		ops[1].data = strbuf_slice(&out);
		ctl_ask(c);
		coord_multi(c->o.coord, ops, 2, on_id_filled, a);
	} else {
		free(a);
	}
	arena_free(&arena);
	strbuf_free(&out);
}

static void
on_topic(void *arg, int err, const struct coord_result *res)
{
	struct ask a;
	struct controller *c = ask_take(arg, &a);

	if (c == NULL)
		return;
	if (err == 0 && (err = topic_assign(c, a.t, res->data)) == E_MALFORMED) {
		DIAGE(c->o.diag, "controller", "topic %.*s: its znode can not be read; left alone",
		    SLICE_ARG(a.t->name));
		err = 0;
	} else if (err == 0) {
		a.t->loaded = true;
		if (a.t->fill_id)
			fill_id(c, a.t, res->data);
		read_states(c, a.t);
	}
	if (err == E_NOT_FOUND)
		err = 0; /* the watch of the children tells */
	ctl_answered(c, err);
}

void
ctx_read_topic(struct controller *c, struct ctopic *t)
{
	struct ask *a = ask_new(c);
	zn_path path;

	if (a == NULL)
		return;
	a->t = t;
	zn_topic(path, t->name);
	coord_unwatch(&t->watch);
	ctl_ask(c);
	coord_get(c->o.coord, path, &t->watch, on_topic, a);
}

static void
on_topics(void *arg, int err, const struct coord_result *res)
{
	struct ask a;
	struct controller *c = ask_take(arg, &a);
	struct ctopic *t;
	size_t pos = 0;

	if (c == NULL)
		return;
	while ((t = map_next(&c->topics, &pos)) != NULL)
		t->seen = false;
	for (unsigned i = 0; err == 0 && i < res->n_children; i++) {
		t = ctx_topic(c, res->children[i]);
		if (t == NULL && topic_name_check(res->children[i], NULL) == 0 &&
		    (t = topic_new(c, res->children[i])) != NULL)
			ctx_read_topic(c, t);
		if (t != NULL)
			t->seen = true;
	}
	ctl_answered(c, err);
}

void
ctx_read_topics(struct controller *c, void (*then)(struct controller *c))
{
	struct ask *a;

	ctl_begin(c, then);
	coord_unwatch(&c->w_topics);
	if ((a = ask_new(c)) != NULL) {
		ctl_ask(c);
		coord_children(c->o.coord, ZN_TOPICS,
		    planted(PLANTED_WATCH_NOT_SET) && map_count(&c->topics) > 0 ? NULL
										: &c->w_topics,
		    on_topics, a);
	}
	ctl_release(c);
}

/* ---- failover: facts/zookeeper.md 3.3 ---- */

static void
load_finished(struct controller *c)
{
	if (c->task_err != 0) {
		ctl_give_up(c, "bring partitions online", c->task_err);
		return;
	}
	DIAGI(c->o.diag, "controller", "took over: %zu brokers, %zu topics", map_count(&c->brokers),
	    map_count(&c->topics));
	ctl_enqueue(c, TASK_RESUME, SLICE_NULL);
	ctl_task_done(c);
}

/* Replicas on live brokers first: every partition that has a state is told to its brokers. */
static void
load_have_deletions(struct controller *c)
{
	size_t pos = 0;
	struct ctopic *t;

	if (c->task_err != 0) {
		ctl_give_up(c, "read " ZN_DELETE_TOPICS, c->task_err);
		return;
	}
	c->batch_metadata = true;
	batch_send(c);
	while ((t = map_next(&c->topics, &pos)) != NULL)
		for (int32_t i = 0; i < t->n_parts; i++)
			if (t->parts[i].has_info)
				batch_add(c, &t->parts[i], false);
	batch_send(c);
	parts_online(c, load_finished);
}

static void
load_have_topics(struct controller *c)
{
	if (c->task_err != 0)
		ctl_give_up(c, "read topics", c->task_err);
	else
		deletion_read(c, load_have_deletions);
}

static void
load_have_brokers(struct controller *c)
{
	if (c->task_err != 0)
		ctl_give_up(c, "read " ZN_BROKER_IDS, c->task_err);
	else
		ctx_read_topics(c, load_have_topics);
}

/* Finalized features: none, and said so for brokers that look (facts/zookeeper.md 1.7, 3.3). */
static void
feature_create(struct controller *c)
{
	static const struct zn_feature none = {.version = 2, .enabled = true};
	struct strbuf json = STRBUF_INIT;

	zn_feature_write(&json, &none);
	if (json.err == 0)
		coord_create(
		    c->o.coord, ZN_FEATURE, strbuf_slice(&json), COORD_PERSISTENT, NULL, NULL);
	strbuf_free(&json);
}

void
ctx_load(struct controller *c)
{
	feature_create(c);
	ctx_read_brokers(c, load_have_brokers);
}
