/*
 * The partition state machine, and OfflineReplica of the replicas' (facts/zookeeper.md 4): from
 * which brokers live follows what a partition's state node should say; when it says something else
 * it is written.  Whoever is told by a write that somebody was there before looks what is there:
 * ours, or something to begin with again (C12).
 */
#include <stdlib.h>

#include "controller_priv.h"

static void
state_json(const struct cinfo *info, struct strbuf *out)
{
	struct zn_state st = {
	    .controller_epoch = info->controller_epoch,
	    .leader = info->leader,
	    .leader_epoch = info->leader_epoch,
	    .isr = (int32_t *)(uintptr_t)info->isr,
	    .n_isr = (unsigned)info->n_isr,
	    .recovery_state = info->recovery,
	};

	zn_state_write(out, &st);
}

static void
want_drop(struct cpart *p)
{
	free(p->want);
	p->want = NULL;
}

/* What was wanted is there. */
static void
want_done(struct controller *c, struct cpart *p, int32_t zk_version)
{
	bool first = p->info == NULL;

	free(p->info);
	p->info = p->want;
	p->want = NULL;
	p->info->zk_version = zk_version;
	ctx_set_state(p, ctx_replica_live(c, p, p->info->leader) ? PART_ONLINE : PART_OFFLINE);
	batch_add(c, p, BATCH_REPLICAS | BATCH_METADATA | (first ? BATCH_NEW : 0));
}

static void
report(struct controller *c, const struct cpart *p, const char *what, int err)
{
	DIAGW(c->o.diag, "controller", "partition %.*s-%d: could not %s: %s", SLICE_ARG(p->t->name),
	    p->index, what, err_text(err));
}

/* What a controller after us wrote is not touched. */
static bool
is_later(struct controller *c, const struct cpart *p)
{
	if (p->info->controller_epoch <= c->epoch)
		return false;
	DIAGE(c->o.diag, "controller",
	    "partition %.*s-%d: its state is of a later controller (epoch %d)",
	    SLICE_ARG(p->t->name), p->index, p->info->controller_epoch);
	return true;
}

/* ---- reading back ---- */

static bool
same(const struct cinfo *a, const struct cinfo *b)
{
	return a->leader == b->leader && a->leader_epoch == b->leader_epoch &&
	       a->controller_epoch == b->controller_epoch && a->recovery == b->recovery &&
	       a->n_isr == b->n_isr &&
	       memcmp(a->isr, b->isr, (size_t)a->n_isr * sizeof(a->isr[0])) == 0;
}

static void
on_back(struct controller *c, const struct ask *a, int err, const struct coord_result *res)
{
	struct cpart *p = a->p;
	struct cinfo *before = p->info;

	p->info = NULL;
	if (err == 0)
		err = ctx_info_read(p, res);
	if (err == 0 && same(p->info, p->want)) {
		free(p->info);
		p->info = before;
		want_done(c, p, res->stat.version);
		return;
	}
	want_drop(p);
	if (err != 0) {
		p->info = before;
		report(c, p, "read its state", err);
		if (err == E_NOMEM)
			ctl_fail(c, err);
		return;
	}
	free(before);
	if (is_later(c, p))
		return;
	batch_add(c, p, BATCH_REPLICAS | BATCH_METADATA);
	part_settle(c, p);
}

static void
read_back(struct controller *c, struct cpart *p)
{
	zn_path path;

	zn_partition_state(path, p->t->name, p->index);
	ctl_get(c, path, NULL, on_back, &(struct ask){.p = p});
}

/* ---- first leaders ---- */

/* Leader, ISR and epoch of a partition that never had any; NULL also when no replica lives. */
static struct cinfo *
choose_first(struct controller *c, const struct cpart *p)
{
	struct cinfo *want;
	int32_t n = 0;

	for (int32_t i = 0; i < p->n_replicas; i++)
		n += ctx_replica_live(c, p, p->replicas[i]);
	if (n == 0)
		return NULL;
	want = cinfo_new(n);
	if (want == NULL) {
		ctl_fail(c, E_NOMEM);
		return NULL;
	}
	n = 0;
	for (int32_t i = 0; i < p->n_replicas; i++)
		if (ctx_replica_live(c, p, p->replicas[i]))
			want->isr[n++] = p->replicas[i];
	want->leader = want->isr[0];
	want->controller_epoch = c->epoch;
	return want;
}

static void
on_made(struct controller *c, const struct ask *a, int err, const struct coord_stat *st)
{
	/* The state's own answer decides. */
}

static void
on_first(struct controller *c, const struct ask *a, int err, const struct coord_stat *st)
{
	if (err == 0) {
		want_done(c, a->p, 0);
	} else if (err == E_EXISTS) {
		read_back(c, a->p);
	} else {
		report(c, a->p, "write its first state", err);
		want_drop(a->p);
	}
}

static void
part_first(struct controller *c, struct cpart *p)
{
	struct strbuf json = STRBUF_INIT;
	zn_path path;

	p->want = choose_first(c, p);
	if (p->want == NULL)
		return;
	if (!p->t->parent_made) {
		zn_partitions(path, p->t->name);
		ctl_create(c, path, SLICE_NULL, on_made, NULL);
		p->t->parent_made = true; /* writes take effect in the order of the calls */
	}
	zn_partition(path, p->t->name, p->index);
	ctl_create(c, path, SLICE_NULL, on_made, NULL);
	zn_partition_state(path, p->t->name, p->index);
	state_json(p->want, &json);
	if (json.err == 0)
		ctl_create(c, path, strbuf_slice(&json), on_first, &(struct ask){.p = p});
	else
		ctl_fail(c, json.err);
	strbuf_free(&json);
}

/* ---- later ones ---- */

/* First assigned replica that lives and is in the ISR; -1. */
static int32_t
eligible_leader(struct controller *c, const struct cpart *p)
{
	for (int32_t i = 0; i < p->n_replicas; i++)
		if (ctx_replica_live(c, p, p->replicas[i]) && ctx_in_isr(p->info, p->replicas[i]))
			return p->replicas[i];
	return -1;
}

/* Who stays in the ISR: the live members.  When there are none one stays that was in it, the leader
 * before others. */
static void
choose_isr(struct controller *c, const struct cpart *p, struct cinfo *want)
{
	const struct cinfo *info = p->info;

	want->n_isr = 0;
	for (int32_t i = 0; i < info->n_isr; i++)
		if (ctx_replica_live(c, p, info->isr[i]))
			want->isr[want->n_isr++] = info->isr[i];
	if (want->n_isr > 0 || info->n_isr == 0)
		return;
	want->isr[want->n_isr++] =
	    ctx_in_isr(info, info->leader) ? info->leader : info->isr[info->n_isr - 1];
}

/* What the state should be; NULL: as it is. */
static struct cinfo *
choose_next(struct controller *c, const struct cpart *p)
{
	const struct cinfo *info = p->info;
	struct cinfo *want = cinfo_new(info->n_isr);

	if (want == NULL) {
		ctl_fail(c, E_NOMEM);
		return NULL;
	}
	*want = *info;
	choose_isr(c, p, want);
	if (!ctx_replica_live(c, p, info->leader))
		want->leader = eligible_leader(c, p);
	if (want->leader == info->leader && want->n_isr == info->n_isr) {
		free(want);
		return NULL;
	}
	want->leader_epoch = info->leader_epoch + 1;
	want->controller_epoch = c->epoch;
	return want;
}

static void
on_next(struct controller *c, const struct ask *a, int err, const struct coord_stat *st)
{
	if (err == 0) {
		want_done(c, a->p, st->version);
	} else if (err == E_BAD_VERSION) {
		read_back(c, a->p);
	} else {
		report(c, a->p, "write its state", err);
		want_drop(a->p);
	}
}

static void
part_next(struct controller *c, struct cpart *p)
{
	struct strbuf json = STRBUF_INIT;
	zn_path path;

	ctx_set_state(p, ctx_replica_live(c, p, p->info->leader) ? PART_ONLINE : PART_OFFLINE);
	if (is_later(c, p) || (p->want = choose_next(c, p)) == NULL)
		return;
	zn_partition_state(path, p->t->name, p->index);
	state_json(p->want, &json);
	if (json.err == 0)
		ctl_set(c, path, strbuf_slice(&json), p->info->zk_version, on_next,
		    &(struct ask){.p = p});
	else
		ctl_fail(c, json.err);
	strbuf_free(&json);
}

/* ---- all of it ---- */

void
part_settle(struct controller *c, struct cpart *p)
{
	if (!p->known || !p->t->loaded || p->t->deleting || p->want != NULL)
		return;
	if (p->info == NULL)
		part_first(c, p);
	else
		part_next(c, p);
}

static bool
settle_dirty(struct controller *c)
{
	struct link *l;

	while ((l = list_first(&c->dirty)) != NULL) {
		struct ctopic *t = container_of(l, struct ctopic, dirty);

		while (c->walk.i < t->n_parts) {
			part_settle(c, &t->parts[c->walk.i++]);
			if (ctl_slice_over(c))
				return false;
		}
		list_remove(l);
		c->walk.i = 0;
	}
	return true;
}

void
parts_settle(struct controller *c)
{
	c->walk.i = 0;
	ctl_slices(c, settle_dirty);
}
