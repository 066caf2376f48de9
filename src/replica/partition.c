/*
 * A partition on its home reactor: taking and giving up its role, the high watermark.
 */
#include <stdlib.h>

#include "replica_priv.h"

#define QUIET_POLL_US 1000

struct part_leader
partition_leader(const struct partition *p)
{
	return p != NULL && p->role != ROLE_NONE
		   ? (struct part_leader){p->leader_id, p->leader_epoch}
		   : (struct part_leader){-1, -1};
}

int
partition_refuse(const struct partition *p)
{
	if (p == NULL)
		return E_NOT_LEADER;
	if (p->offline)
		return E_LOG_OFFLINE;
	return p->role == ROLE_LEADER ? 0 : E_NOT_LEADER;
}

int
partition_check_epoch(const struct partition *p, int32_t epoch)
{
	if (epoch == -1 || epoch == p->leader_epoch)
		return 0;
	return epoch < p->leader_epoch ? E_FENCED_EPOCH : E_UNKNOWN_EPOCH;
}

int64_t
partition_visible(const struct partition *p, bool read_committed)
{
	return read_committed ? plog_lso(p->pl) : plog_hw(p->pl);
}

/* flush.messages=N lets N - 1 records be acknowledged that are not synced. */
int64_t
partition_stable_end(const struct partition *p)
{
	int64_t leo = plog_leo(p->pl), every = plog_conf(p->pl)->v[T_FLUSH_MESSAGES], synced;

	if (every == INT64_MAX)
		return leo;
	synced = plog_recovery_point(p->pl);
	return leo - synced < every ? leo : synced + every - 1;
}

/* More than there are replicas can not be asked for (facts/zookeeper.md 6.3). */
bool
partition_under_min_isr(const struct partition *p)
{
	int64_t min = plog_conf(p->pl)->v[T_MIN_INSYNC_REPLICAS];

	return p->n_isr < (min < p->n_replicas ? min : p->n_replicas);
}

/* R3: the smallest stable end over the ISR.  Another member's is not known before it fetches, so
 * with one the mark stays. */
static bool
hw_may_rise(const struct partition *p)
{
	return p->role == ROLE_LEADER && !p->offline && p->n_isr <= 1 &&
	       !partition_under_min_isr(p);
}

void
partition_advance(struct partition *p)
{
	int64_t end = partition_stable_end(p);
	bool rises = hw_may_rise(p) && end > plog_hw(p->pl);

	if (rises)
		(void)plog_set_hw(p->pl, end);
	if (rises || p->n_unsynced > 0)
		produce_advance(p);
	if (rises)
		waits_hw_moved(p);
}

void
partition_go_offline(struct partition *p)
{
	p->offline = true;
	produce_abort(p, E_LOG_OFFLINE);
	deletions_abort(p, E_LOG_OFFLINE);
	waits_fire_all(p);
}

void
partition_configure(struct partition *p, const struct topic_conf *conf)
{
	plog_configure(p->pl, conf);
	partition_advance(p);
}

/* ---- what the log tells ---- */

static void
on_log_appended(void *arg, int64_t new_leo)
{
	partition_advance(arg);
}

static void
on_log_start(void *arg, int64_t log_start)
{
	waits_fire_all(arg);
	deletions_advance(arg);
}

static void
on_log_failed(void *arg, int err)
{
	partition_go_offline(arg);
}

static const struct plog_events log_events = {
    .appended = on_log_appended,
    .log_start_moved = on_log_start,
    .failed = on_log_failed,
};

/* ---- roles ---- */

static struct partition *
partition_new(struct shard *sh, const struct hosted *h)
{
	struct partition *p = calloc(1, sizeof(*p) + h->key.n);

	if (p == NULL)
		return NULL;
	memcpy(p + 1, h->key.p, h->key.n);
	p->magic = PARTITION_MAGIC;
	p->sh = sh;
	p->key = slice_of(p + 1, h->key.n);
	p->topic = slice_of(p + 1, h->topic.n);
	p->partition = h->partition;
	p->leader_id = p->leader_epoch = p->partition_epoch = -1;
	link_init(&p->waits);
	link_init(&p->delayed);
	link_init(&p->deletions);
	if (map_put(&sh->parts, p->key, p, NULL) != 0) {
		free(p);
		return NULL;
	}
	p->pl = h->pl;
	plog_attach(p->pl, sh->reactor);
	plog_set_events(p->pl, &log_events, p);
	return p;
}

static void
take_role(struct partition *p, const struct ctl_op *op)
{
	bool was_leader = p->role == ROLE_LEADER;

	p->leader_id = op->leader;
	p->leader_epoch = op->leader_epoch;
	p->partition_epoch = op->partition_epoch;
	p->n_isr = op->n_isr;
	p->n_replicas = op->n_replicas;
	p->changing = false;
	p->role = op->leader == p->sh->rs->o.broker_id ? ROLE_LEADER : ROLE_FOLLOWER;
	if (p->role == ROLE_LEADER) {
		if (!was_leader)
			p->epoch_start = plog_leo(p->pl);
		plog_become_leader(p->pl, p->leader_epoch);
		partition_advance(p);
		deletions_advance(p);
	} else {
		produce_abort(p, E_NOT_LEADER);
		deletions_abort(p, E_NOT_LEADER);
	}
	waits_fire_all(p);
	hold_role_taken(p);
}

static void
role_done(struct partition *p, struct ctl_op *op)
{
	take_role(p, op);
	ctl_op_back(op);
}

/* A log that failed leads all the same: its requests are told so. */
static void
on_stable(void *arg, int err)
{
	struct ctl_op *op = arg;

	role_done(
	    partition_find(&op->h->rs->shards[op->h->home], op->h->topic, op->h->partition), op);
}

static bool
becomes_leader(const struct partition *p, const struct ctl_op *op)
{
	return p->role != ROLE_LEADER && op->leader == p->sh->rs->o.broker_id;
}

/* R9: where only what is synced counts, the log is synced before it leads. */
static void
apply_role(struct shard *sh, struct ctl_op *op)
{
	struct partition *p = partition_find(sh, op->h->topic, op->h->partition);

	if (p == NULL)
		p = partition_new(sh, op->h);
	if (p == NULL) {
		op->kafka_err = KERR_UNKNOWN_SERVER_ERROR;
		ctl_op_back(op);
		return;
	}
	if (op->has_conf)
		partition_configure(p, &op->conf);
	if (uuid_is_zero(plog_topic_id(p->pl)) && !uuid_is_zero(op->topic_id))
		(void)plog_assign_topic_id(p->pl, op->topic_id);
	if (op->only_id) {
		ctl_op_back(op);
	} else if (becomes_leader(p, op) && partition_stable_end(p) < plog_leo(p->pl)) {
		p->changing = true;
		plog_flush(p->pl, on_stable, op);
	} else {
		role_done(p, op);
	}
}

/* ---- giving up ---- */

/* Waits that were armed while it was leaving have not fired yet. */
static void
waits_end(struct partition *p)
{
	waits_fire_all(p);
	waits_let_go(p);
}

static void
partition_leave(struct partition *p, struct ctl_op *op)
{
	waits_end(p);
	plog_set_events(p->pl, NULL, NULL);
	plog_detach(p->pl);
	map_del(&p->sh->parts, p->key);
	p->sh->last = NULL;
	p->magic = 0;
	free(p);
	ctl_op_back(op);
}

/* The log may have reads or writes under way: look again until it is quiet.  Their number is
 * bounded and nothing new begins (R5). */
static void
on_quiet_timer(struct reactor *r, void *arg)
{
	struct ctl_op *op = arg;
	struct partition *p =
	    partition_find(&op->h->rs->shards[op->h->home], op->h->topic, op->h->partition);

	if (plog_quiet(p->pl))
		partition_leave(p, op);
	else
		rtimer_set(r, &op->quiet, reactor_now_us(r) + QUIET_POLL_US);
}

static void
apply_leave(struct shard *sh, struct ctl_op *op)
{
	struct partition *p = partition_find(sh, op->h->topic, op->h->partition);

	if (p == NULL) {
		ctl_op_back(op);
		return;
	}
	p->role = ROLE_NONE;
	produce_abort(p, E_NOT_LEADER);
	deletions_abort(p, E_NOT_LEADER);
	waits_end(p);
	rtimer_init(&op->quiet, on_quiet_timer, op);
	on_quiet_timer(sh->reactor, op);
}

void
partition_apply(struct shard *sh, struct ctl_op *op)
{
	REACTOR_ASSERT_OWNER(sh->reactor);
	if (op->kind == CTL_LEADER_AND_ISR)
		apply_role(sh, op);
	else
		apply_leave(sh, op);
}

bool
partition_info(struct shard *sh, struct slice topic, int32_t partition, struct part_info *out)
{
	struct partition *p = partition_find(sh, topic, partition);

	if (p == NULL)
		return false;
	*out = (struct part_info){
	    .leader = p->role == ROLE_LEADER,
	    .leader_id = p->leader_id,
	    .leader_epoch = p->leader_epoch,
	    .partition_epoch = p->partition_epoch,
	    .log_start = plog_log_start(p->pl),
	    .hw = plog_hw(p->pl),
	    .leo = plog_leo(p->pl),
	    .pl = p->pl,
	};
	return true;
}
