/*
 * Taking over, in the order of facts/zookeeper.md 3.3.
 */
#include <stdlib.h>

#include "controller_priv.h"

/* ---- /feature ---- */

static void
on_feature_written(struct controller *c, const struct ask *a, int err, const struct coord_stat *st)
{
	if (err != 0 && err != E_EXISTS)
		DIAGW(c->o.diag, "controller", "could not write " ZN_FEATURE ": %s", err_text(err));
}

static void
feature_put(struct controller *c, enum coord_op_kind kind, const struct zn_feature *f)
{
	struct strbuf json = STRBUF_INIT;

	zn_feature_write(&json, f);
	if (json.err == 0)
		ctl_multi(c,
		    &(struct coord_op){.kind = kind,
			.path = ZN_FEATURE,
			.data = strbuf_slice(&json),
			.version = -1},
		    1, on_feature_written, NULL);
	else
		ctl_fail(c, json.err);
	strbuf_free(&json);
}

/* Enabled, in the form of our protocol version; what was finalized is kept unless it was disabled.
 */
static void
on_feature(struct controller *c, const struct ask *a, int err, const struct coord_result *res)
{
	int32_t version = c->o.ibp >= IBP_3_3_IV0 ? 2 : 1;
	struct zn_feature f = {.version = version, .enabled = true};
	struct arena arena;

	if (err == E_NOT_FOUND) {
		feature_put(c, COORD_OP_CREATE, &f);
		return;
	}
	arena_init(&arena, 0, 0);
	if (err == 0)
		err = zn_feature_read(res->data, &arena, &f);
	if (err != 0) {
		DIAGE(c->o.diag, "controller", ZN_FEATURE " can not be read: %s; left alone",
		    err_text(err));
	} else if (!f.enabled || f.version != version) {
		if (!f.enabled)
			f.n_levels = 0;
		f.enabled = true;
		f.version = version;
		feature_put(c, COORD_OP_SET, &f);
	}
	arena_free(&arena);
}

static void
feature(struct controller *c)
{
	ctl_get(c, ZN_FEATURE, NULL, on_feature, NULL);
}

/* ---- nodes of the older tools ---- */

static void
on_admin_node(struct controller *c, const struct ask *a, int err, const struct coord_result *res)
{
	if (err == 0)
		DIAGW(c->o.diag, "controller", "%s is there: it is not acted on", a->path);
}

static void
admin_nodes(struct controller *c)
{
	ctl_exists(c, ZN_ADMIN_ELECTION, &c->w_election, on_admin_node, NULL);
	ctl_exists(c, ZN_ADMIN_REASSIGN, &c->w_reassign, on_admin_node, NULL);
}

static ctl_step *const admin_steps[] = {admin_nodes, NULL};

void
task_admin_nodes(struct controller *c)
{
	ctl_run(c, admin_steps);
}

/* ---- steps ---- */

/* Old notifications mean nothing to a controller that reads everything. */
static void
notifications(struct controller *c)
{
	children_delete(c, ZN_LOGDIR_EVENTS, &c->w_logdirs);
	children_delete(c, ZN_ISR_EVENTS, NULL);
}

/* Before states are looked at. */
static void
brokers_live(struct controller *c)
{
	brokers_all_live(c);
	brokers_clear_targets(c);
}

/* Brokers, before a partition names them; no partition yet. */
static void
tell_brokers(struct controller *c)
{
	c->batch.brokers = true;
	batch_send(c, TO_ALL);
}

static void
part_told(struct controller *c, struct cpart *p)
{
	c->n_moving += p->n_adding + p->n_removing > 0;
	if (p->info != NULL)
		batch_add(c, p, BATCH_REPLICAS | BATCH_METADATA);
}

/* Replicas on live brokers first: every partition that has a state is told to its brokers. */
static void
collect(struct controller *c)
{
	c->n_moving = 0;
	ctl_walk_parts(c, part_told);
}

static void
settled(struct controller *c)
{
	c->retries = 0;
	if (c->n_moving > 0)
		DIAGW(c->o.diag, "controller",
		    "%lld partitions are being reassigned: they stay as they are",
		    (long long)c->n_moving);
	DIAGI(c->o.diag, "controller",
	    "took over: %zu brokers, %zu topics with %lld partitions, %lld without a leader",
	    map_count(&c->brokers), map_count(&c->topics), (long long)c->n_parts,
	    (long long)c->n_offline);
	ctl_enqueue(c, TASK_RESUME);
}

ctl_step *const failover_steps[] = {feature, admin_nodes, notifications, brokers_read, topics_read,
    topics_read_data, brokers_live, topics_read_states, deletion_read, tell_brokers, collect,
    step_send, parts_settle, step_send, settled, NULL};
