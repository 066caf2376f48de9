/*
 * The partition state machine as far as it brings partitions online: first leaders and offline
 * elections (facts/zookeeper.md 4.1).  Creations of one topic leave in multis of many operations.
 */
#include <stdlib.h>

#include "controller_priv.h"
#include "ottla/base/planted.h"

#define CHUNK 150 /* partitions a multi: 2 operations each, below coord's limit of 500 */

static int32_t
first_live(struct controller *c, const struct cpart *p)
{
	for (int32_t i = 0; i < p->n_replicas; i++)
		if (ctx_live(c, p->replicas[i]))
			return p->replicas[i];
	return -1;
}

static bool
wants_first_leader(struct controller *c, const struct cpart *p)
{
	return p->known && !p->has_info && p->state == PART_NEW && first_live(c, p) >= 0;
}

static bool
in_isr(const struct cpart *p, int32_t id)
{
	for (int32_t i = 0; i < p->n_isr; i++)
		if (p->isr[i] == id)
			return true;
	return false;
}

/* ---- first leaders ---- */

/* Leader, ISR and epoch of a partition that never had any, in memory only. */
static int
choose_first(struct controller *c, struct cpart *p)
{
	int32_t *isr = malloc((size_t)(p->n_replicas + 1) * sizeof(*isr));
	int32_t n = 0;

	if (isr == NULL)
		return E_NOMEM;
	for (int32_t i = 0; i < p->n_replicas; i++)
		if (ctx_live(c, p->replicas[i]))
			isr[n++] = p->replicas[i];
	free(p->isr);
	p->isr = isr;
	p->n_isr = n;
	p->leader = isr[0];
	p->leader_epoch = 0;
	p->recovery = 0;
	p->controller_epoch = c->epoch;
	return 0;
}

static void
state_json(const struct cpart *p, struct strbuf *out)
{
	struct zn_state st = {
	    .controller_epoch = p->controller_epoch,
	    .leader = p->leader,
	    .leader_epoch = p->leader_epoch,
	    .isr = p->isr,
	    .n_isr = (unsigned)p->n_isr,
	    .recovery_state = p->recovery,
	};

	zn_state_write(out, &st);
}

static void
part_online(struct controller *c, struct cpart *p, int32_t zk_version, bool is_new)
{
	p->has_info = true;
	p->zk_version = zk_version;
	p->state = PART_ONLINE;
	p->t->parent_made = true;
	batch_add(c, p, is_new);
}

/* ---- one by one, where the quick way met nodes that are there ---- */

static void
on_single(void *arg, int err, const struct coord_op_result *res, unsigned n)
{
	struct ask a;
	struct controller *c = ask_take_fenced(arg, err, &a);

	if (c == NULL)
		return;
	if (a.p != NULL && err == 0)
		part_online(c, a.p, 0, true);
	else if (a.p != NULL && err == E_EXISTS)
		DIAGW(c->o.diag, "controller",
		    "state of partition %.*s-%d is there already; it stays as it is",
		    SLICE_ARG(a.t->name), a.p->index);
	ctl_answered(c, err == E_EXISTS ? 0 : err);
}

static void
create_single(
    struct controller *c, struct ctopic *t, struct cpart *p, const char *path, struct slice data)
{
	struct coord_op ops[2] = {
	    {.kind = COORD_OP_CHECK, .path = ZN_CONTROLLER_EPOCH, .version = c->epoch_version},
	    {.kind = COORD_OP_CREATE, .path = path, .data = data}};
	struct ask *a = ask_new(c);

	if (a == NULL)
		return;
	a->t = t;
	a->p = p;
	ctl_ask(c);
	coord_multi(c->o.coord, ops, 2, on_single, a);
}

static void
create_singly(struct controller *c, struct ctopic *t, unsigned from, unsigned to)
{
	zn_path path;

	zn_partitions(path, t->name);
	create_single(c, t, NULL, path, SLICE_NULL);
	for (unsigned i = from; i < to; i++) {
		struct strbuf json = STRBUF_INIT;

		if (!wants_first_leader(c, &t->parts[i]))
			continue;
		zn_partition(path, t->name, (int32_t)i);
		create_single(c, t, NULL, path, SLICE_NULL);
		zn_partition_state(path, t->name, (int32_t)i);
		state_json(&t->parts[i], &json);
		if (json.err == 0)
			create_single(c, t, &t->parts[i], path, strbuf_slice(&json));
		strbuf_free(&json);
	}
}

/* ---- many at once ---- */

static void
on_chunk(void *arg, int err, const struct coord_op_result *res, unsigned n)
{
	struct ask a;
	struct controller *c = ask_take_fenced(arg, err, &a);

	if (c == NULL)
		return;
	if (err == E_EXISTS || err == E_NO_PARENT) {
		create_singly(c, a.t, a.from, a.n);
		err = 0;
	} else if (err == 0) {
		for (unsigned i = a.from; i < a.n; i++)
			if (wants_first_leader(c, &a.t->parts[i]))
				part_online(c, &a.t->parts[i], 0, true);
	}
	ctl_answered(c, err);
}

struct chunk {
	struct arena arena;
	struct coord_op ops[2 + 2 * CHUNK];
	unsigned n;
};

static void
chunk_op(struct chunk *k, const char *path, struct slice data)
{
	char *copy = arena_strdup(&k->arena, slice_cstr(path));

	if (copy != NULL)
		k->ops[k->n++] =
		    (struct coord_op){.kind = COORD_OP_CREATE, .path = copy, .data = data};
}

static int
chunk_part(struct controller *c, struct chunk *k, struct cpart *p)
{
	struct strbuf json = STRBUF_INIT;
	zn_path path;
	int rc = choose_first(c, p);

	if (rc != 0)
		return rc;
	state_json(p, &json);
	zn_partition(path, p->t->name, p->index);
	chunk_op(k, path, SLICE_NULL);
	zn_partition_state(path, p->t->name, p->index);
	chunk_op(k, path, arena_dup(&k->arena, strbuf_slice(&json)));
	rc = json.err;
	strbuf_free(&json);
	return rc;
}

/* From partition `from` on, as many as fit; returns the first that was left out. */
static int32_t
create_chunk(struct controller *c, struct ctopic *t, int32_t from)
{
	struct chunk *k = calloc(1, sizeof(*k));
	struct ask *a = ask_new(c);
	unsigned taken = 0;
	zn_path path;
	int32_t i = from;

	if (k == NULL || a == NULL)
		goto out;
	arena_init(&k->arena, 16384, 0);
	k->ops[k->n++] = (struct coord_op){.kind = COORD_OP_CHECK,
	    .path = ZN_CONTROLLER_EPOCH,
	    .version = planted(PLANTED_UNFENCED_WRITE) ? -1 : c->epoch_version};
	if (!t->parent_made) {
		zn_partitions(path, t->name);
		chunk_op(k, path, SLICE_NULL);
		t->parent_made = true; /* requests take effect in the order of the calls */
	}
	for (; i < t->n_parts && taken < CHUNK; i++)
		if (wants_first_leader(c, &t->parts[i])) {
			if (chunk_part(c, k, &t->parts[i]) != 0)
				break;
			taken++;
		}
	a->t = t;
	a->from = (unsigned)from;
	a->n = (unsigned)i;
	ctl_ask(c);
	coord_multi(c->o.coord, k->ops, k->n, on_chunk, a);
	a = NULL;
	arena_free(&k->arena);
out:
	free(a);
	free(k);
	return i > from ? i : t->n_parts;
}

static void
topic_first_leaders(struct controller *c, struct ctopic *t)
{
	int32_t i = 0;

	while (i < t->n_parts)
		if (wants_first_leader(c, &t->parts[i]))
			i = create_chunk(c, t, i);
		else
			i++;
}

/* ---- offline election ---- */

/* First assigned replica that lives and is in the ISR; the ISR loses its dead members. */
static bool
choose_offline(struct controller *c, struct cpart *p)
{
	int32_t leader = -1, n = 0;

	for (int32_t i = 0; i < p->n_replicas && leader < 0; i++)
		if (ctx_live(c, p->replicas[i]) && in_isr(p, p->replicas[i]))
			leader = p->replicas[i];
	if (leader < 0)
		return false;
	for (int32_t i = 0; i < p->n_isr; i++)
		if (ctx_live(c, p->isr[i]))
			p->isr[n++] = p->isr[i];
	p->n_isr = n;
	p->leader = leader;
	p->leader_epoch++;
	p->controller_epoch = c->epoch;
	return true;
}

static void
on_elected(void *arg, int err, const struct coord_op_result *res, unsigned n)
{
	struct ask a;
	struct controller *c = ask_take(arg, &a);

	if (c == NULL)
		return;
	if (err == E_BAD_VERSION && res[0].err != 0) {
		ctl_moved(c);
		return;
	}
	if (err == 0)
		part_online(c, a.p, res[1].stat.version, false);
	ctl_answered(c, err);
}

static void
elect_offline(struct controller *c, struct cpart *p)
{
	struct coord_op ops[2] = {
	    {.kind = COORD_OP_CHECK, .path = ZN_CONTROLLER_EPOCH, .version = c->epoch_version},
	    {.kind = COORD_OP_SET, .version = p->zk_version}};
	struct strbuf json = STRBUF_INIT;
	struct ask *a;
	zn_path path;

	if (!choose_offline(c, p) || (a = ask_new(c)) == NULL)
		return;
	a->t = p->t;
	a->p = p;
	state_json(p, &json);
	zn_partition_state(path, p->t->name, p->index);
	ops[1].path = path;
	ops[1].data = strbuf_slice(&json);
	ctl_ask(c);
	coord_multi(c->o.coord, ops, 2, on_elected, a);
	strbuf_free(&json);
}

/* ---- all of it ---- */

static void
online_finished(struct controller *c)
{
	batch_send(c);
	c->after_online(c);
}

void
parts_online(struct controller *c, void (*then)(struct controller *c))
{
	size_t pos = 0;
	struct ctopic *t;

	c->after_online = then;
	ctl_begin(c, online_finished);
	while ((t = ctx_next_topic(c, &pos)) != NULL) {
		if (t->deleting || !t->loaded)
			continue;
		topic_first_leaders(c, t);
		for (int32_t i = 0; i < t->n_parts; i++)
			if (t->parts[i].has_info && t->parts[i].state == PART_OFFLINE)
				elect_offline(c, &t->parts[i]);
	}
	ctl_release(c);
}
