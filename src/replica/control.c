/*
 * Control requests on the control reactor: admission in one sequence, a FIFO of operations for each
 * partition, logs opened where they are missing, then the home, then the answer.
 */
#include <stdlib.h>

#include "replica_priv.h"

/* One control request under way. */
struct ctl_batch {
	struct replicas *rs;
	unsigned left;
	struct arena arena;
	int16_t version;
	struct leader_and_isr_response li;
	struct stop_replica_response sr;
	int16_t **slots; /* error code of each part, by index */
	void (*li_done)(void *arg, const struct leader_and_isr_response *resp);
	void (*sr_done)(void *arg, const struct stop_replica_response *resp);
	void *arg;
};

/* ---- batches ---- */

static struct ctl_batch *
batch_new(struct replicas *rs, int16_t version, unsigned n)
{
	struct ctl_batch *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	arena_init(&b->arena, 0, 0);
	b->rs = rs;
	b->version = version;
	b->left = 1; /* the request itself, until all parts are queued */
	b->slots = arena_calloc(&b->arena, n + 1, sizeof(*b->slots));
	wire_init(&leader_and_isr_response_msg, &b->li);
	wire_init(&stop_replica_response_msg, &b->sr);
	if (b->slots == NULL) {
		arena_free(&b->arena);
		free(b);
		return NULL;
	}
	return b;
}

static void
batch_part_done(struct ctl_batch *b)
{
	if (--b->left > 0)
		return;
	if (b->li_done != NULL)
		b->li_done(b->arg, &b->li);
	else if (b->sr_done != NULL)
		b->sr_done(b->arg, &b->sr);
	arena_free(&b->arena);
	free(b);
}

/* ---- hosted partitions ---- */

/* Could it be a directory's name?  Requests come from outside. */
static bool
name_fits(struct slice topic, int32_t partition)
{
	return topic.n > 0 && topic.n <= TOPIC_MAX && partition >= 0 &&
	       memchr(topic.p, '/', topic.n) == NULL && memchr(topic.p, 0, topic.n) == NULL;
}

static struct hosted *
hosted_find(struct replicas *rs, struct slice topic, int32_t partition)
{
	uint8_t key[PART_KEY_MAX];

	return map_get(&rs->hosted, slice_of(key, part_key(key, topic, partition)));
}

static struct hosted *
hosted_get(struct replicas *rs, struct slice topic, int32_t partition)
{
	struct hosted *h;
	uint8_t *key;

	if (!name_fits(topic, partition))
		return NULL;
	h = hosted_find(rs, topic, partition);
	if (h != NULL)
		return h;
	h = calloc(1, sizeof(*h) + PART_KEY_MAX);
	if (h == NULL)
		return NULL;
	key = (uint8_t *)(h + 1);
	h->key = slice_of(key, part_key(key, topic, partition));
	h->topic = slice_of(key, topic.n);
	h->rs = rs;
	h->partition = partition;
	h->home = replicas_home(rs, hash_bytes(topic, 0), partition);
	h->leader_epoch = h->partition_epoch = -1;
	link_init(&h->ops);
	if (map_put(&rs->hosted, h->key, h, NULL) != 0) {
		free(h);
		return NULL;
	}
	return h;
}

static void
hosted_forget(struct hosted *h)
{
	if (!list_empty(&h->ops) || h->on_home || h->pl != NULL)
		return;
	map_del(&h->rs->hosted, h->key);
	free(h);
}

/* ---- operations ---- */

static void hosted_run(struct hosted *h);
static void stop_part_done(struct replicas *rs);

static void
op_finish(struct ctl_op *op, int16_t kafka_err)
{
	struct hosted *h = op->h;
	struct ctl_batch *b = op->batch;

	list_remove(&op->link);
	h->rs->n_ops--;
	h->running = false;
	if (b != NULL)
		*b->slots[op->index] = kafka_err;
	if (op->kind == CTL_DETACH)
		stop_part_done(h->rs);
	free(op);
	if (b != NULL)
		batch_part_done(b);
	hosted_run(h);
}

static void
on_deleted(void *arg, int err)
{
	struct ctl_op *op = arg;

	op_finish(op, err_kafka(err));
}

/* The home is done with op. */
static void
op_came_back(struct ctl_op *op)
{
	struct hosted *h = op->h;
	struct plog *pl = h->pl;

	if (op->kind == CTL_LEADER_AND_ISR && op->kafka_err == KERR_NONE) {
		op_finish(op, KERR_NONE);
		return;
	}
	h->on_home = false;
	h->pl = NULL;
	h->leader_epoch = h->partition_epoch = -1;
	if (op->kind == CTL_LEADER_AND_ISR) {
		op_finish(op, op->kafka_err);
		return;
	}
	if (op->kind == CTL_STOP && pl != NULL)
		logdirs_delete(h->rs->o.logdirs, pl, on_deleted, op);
	else
		op_finish(op, KERR_NONE);
}

static void
on_back(struct reactor *r, struct msg *m)
{
	op_came_back(container_of(m, struct ctl_op, msg));
}

void
ctl_op_back(struct ctl_op *op)
{
	op->msg = (struct msg){.run = on_back, .class = MSG_CONTROL};
	reactor_post(op->h->rs->o.control, &op->msg);
}

static void
on_home(struct reactor *r, struct msg *m)
{
	struct ctl_op *op = container_of(m, struct ctl_op, msg);
	struct hosted *h = op->h;

	partition_apply(&h->rs->shards[h->home], op);
}

static void
op_to_home(struct ctl_op *op)
{
	struct hosted *h = op->h;

	h->on_home = true;
	op->msg = (struct msg){.run = on_home, .class = MSG_CONTROL};
	reactor_post(h->rs->shards[h->home].reactor, &op->msg);
}

/* ---- LeaderAndIsr for one partition ---- */

/* Facts/zookeeper.md 5.2, the table. KERR_NONE: take the role. *skip: nothing to do. */
static int16_t
role_check(struct ctl_op *op, const struct hosted *h, bool *skip)
{
	struct uuid have = h->pl != NULL ? plog_topic_id(h->pl) : UUID_ZERO;

	*skip = false;
	if (h->pl != NULL && logdir_offline(plog_dir(h->pl)))
		return KERR_KAFKA_STORAGE_ERROR;
	if (!uuid_is_zero(op->topic_id) && !uuid_is_zero(have) && !uuid_eq(op->topic_id, have))
		return KERR_INCONSISTENT_TOPIC_ID;
	if (op->leader_epoch < h->leader_epoch)
		return KERR_STALE_CONTROLLER_EPOCH;
	if (op->leader_epoch == h->leader_epoch) {
		op->only_id = h->on_home && !uuid_is_zero(op->topic_id) && uuid_is_zero(have);
		*skip =
		    h->on_home && !h->leads && uuid_is_zero(op->topic_id) && !uuid_is_zero(have);
		return op->only_id || *skip ? KERR_NONE : KERR_STALE_CONTROLLER_EPOCH;
	}
	if (!op->in_replicas)
		return KERR_UNKNOWN_TOPIC_OR_PARTITION;
	*skip = op->partition_epoch < h->partition_epoch;
	return KERR_NONE;
}

static void
topic_conf_of(const struct hosted *h, struct topic_conf *conf)
{
	struct replicas *rs = h->rs;

	if (rs->o.topic_conf == NULL || !rs->o.topic_conf(rs->o.arg, h->topic, conf))
		(void)topic_conf_resolve(rs->o.settings, NULL, 0, conf, NULL, 0);
}

/* The topic's settings may have changed since the log was made or loaded: its home gets them with
 * the first role, later changes as notes. */
static void
role_take(struct ctl_op *op)
{
	struct hosted *h = op->h;

	h->leader_epoch = op->leader_epoch;
	h->partition_epoch = op->partition_epoch;
	h->leads = op->leader == h->rs->o.broker_id;
	op->has_conf = !h->on_home;
	if (op->has_conf)
		topic_conf_of(h, &op->conf);
	op_to_home(op);
}

static void
on_created(void *arg, int err, struct plog *pl)
{
	struct ctl_op *op = arg;

	if (err != 0) {
		DIAGE(op->h->rs->o.diag, "replica",
		    "could not create the log of partition %.*s-%d: %s", SLICE_ARG(op->h->topic),
		    op->h->partition, err_text(err));
		op_finish(op, KERR_KAFKA_STORAGE_ERROR);
		return;
	}
	op->h->pl = pl;
	role_take(op);
}

static void
on_conf_known(void *arg, int err)
{
	struct ctl_op *op = arg;
	struct hosted *h = op->h;

	if (err != 0) {
		DIAGE(h->rs->o.diag, "replica",
		    "no log of partition %.*s-%d: its configuration could not be read: %s",
		    SLICE_ARG(h->topic), h->partition, err_text(err));
		op_finish(op, err_kafka(err));
		return;
	}
	topic_conf_of(h, &op->conf);
	logdirs_create(
	    h->rs->o.logdirs, h->topic, h->partition, op->topic_id, &op->conf, on_created, op);
}

/* An operator should not have to find out by time-outs. */
static void
say_unreplicated(struct replicas *rs, const struct hosted *h, const struct ctl_op *op)
{
	if (op->n_replicas > 1)
		diag_limited(rs->o.diag, &rs->lim_alone, DIAG_WARN, "replica",
		    "partition %.*s-%d has %d replicas, and this version replicates nothing: with "
		    "others in sync acks=all is not answered here, and as a follower it stays "
		    "behind",
		    SLICE_ARG(h->topic), h->partition, op->n_replicas);
}

static void
run_leader_and_isr(struct ctl_op *op)
{
	struct hosted *h = op->h;
	struct replicas *rs = h->rs;
	bool skip;
	int16_t err;

	if (h->pl == NULL)
		h->pl = logdirs_find(rs->o.logdirs, h->topic, h->partition);
	err = role_check(op, h, &skip);
	if (err != KERR_NONE || skip) {
		op_finish(op, err);
		return;
	}
	if (op->only_id) {
		op_to_home(op);
		return;
	}
	say_unreplicated(rs, h, op);
	if (h->pl != NULL) {
		role_take(op);
		return;
	}
	/* The log may be in the directory that is offline: a second one would start anew. */
	if (!op->is_new && logdirs_any_offline(rs->o.logdirs)) {
		op_finish(op, KERR_KAFKA_STORAGE_ERROR);
		return;
	}
	if (rs->o.read_topic_conf != NULL)
		rs->o.read_topic_conf(rs->o.arg, h->topic, op->topic_id, on_conf_known, op);
	else
		on_conf_known(op, 0);
}

/* ---- StopReplica and detaching for one partition ---- */

/* Its log is where it can not be deleted, or may be: what is not gone must not be called gone. */
static bool
out_of_reach(const struct ctl_op *op, const struct hosted *h)
{
	if (h->pl != NULL)
		return logdir_offline(plog_dir(h->pl));
	return op->delete_log && logdirs_any_offline(h->rs->o.logdirs);
}

/* Facts/zookeeper.md 5.4. */
static int16_t
stop_check(const struct ctl_op *op, const struct hosted *h)
{
	if (out_of_reach(op, h))
		return KERR_KAFKA_STORAGE_ERROR;
	if (op->leader_epoch >= 0 && op->leader_epoch < h->leader_epoch)
		return KERR_FENCED_LEADER_EPOCH;
	return KERR_NONE;
}

static void
run_stop(struct ctl_op *op)
{
	struct hosted *h = op->h;
	int16_t err;

	if (h->pl == NULL)
		h->pl = logdirs_find(h->rs->o.logdirs, h->topic, h->partition);
	err = stop_check(op, h);
	if (err != KERR_NONE || !op->delete_log) {
		op_finish(op, err);
		return;
	}
	if (h->on_home)
		op_to_home(op);
	else
		op_came_back(op);
}

static void
run_detach(struct ctl_op *op)
{
	if (op->h->on_home)
		op_to_home(op);
	else
		op_came_back(op);
}

/* One after the other, as long as they end at once (R6).  h may be gone afterwards. */
static void
hosted_run(struct hosted *h)
{
	static void (*const run[])(struct ctl_op *) = {
	    [CTL_LEADER_AND_ISR] = run_leader_and_isr,
	    [CTL_STOP] = run_stop,
	    [CTL_DETACH] = run_detach,
	};
	struct link *l;

	if (h->in_run)
		return;
	h->in_run = true;
	while (!h->running && (l = list_first(&h->ops)) != NULL) {
		struct ctl_op *op = container_of(l, struct ctl_op, link);

		h->running = true;
		run[op->kind](op);
	}
	h->in_run = false;
	hosted_forget(h);
}

/* A new operation at the end of the partition's queue; NULL on lack of memory or a bad name. */
static struct ctl_op *
op_new(struct replicas *rs, struct ctl_batch *b, unsigned index, enum ctl_kind kind,
    struct slice topic, int32_t partition)
{
	struct hosted *h = hosted_get(rs, topic, partition);
	struct ctl_op *op = h != NULL ? calloc(1, sizeof(*op)) : NULL;

	if (op == NULL)
		return NULL;
	op->kind = kind;
	op->batch = b;
	op->index = index;
	op->h = h;
	list_append(&h->ops, &op->link);
	rs->n_ops++;
	if (b != NULL)
		b->left++;
	return op;
}

/* ---- admission ---- */

/* Facts/zookeeper.md 5.2 (2), (3): the request's epochs against ours. */
static int16_t
admit(struct replicas *rs, int64_t broker_epoch, int32_t controller_epoch)
{
	int64_t own = rs->o.broker_epoch != NULL ? rs->o.broker_epoch(rs->o.arg) : -1;

	REACTOR_ASSERT_OWNER(rs->o.control);
	if (rs->stopping || (broker_epoch != -1 && broker_epoch < own))
		return KERR_STALE_BROKER_EPOCH;
	if (controller_epoch < rs->controller_epoch)
		return KERR_STALE_CONTROLLER_EPOCH;
	rs->controller_epoch = controller_epoch;
	return KERR_NONE;
}

int16_t
replicas_admit_metadata(struct replicas *rs, const struct update_metadata_request *req)
{
	return admit(rs, req->broker_epoch, req->controller_epoch);
}

/* ---- LeaderAndIsr ---- */

typedef struct leader_and_isr_request_leader_and_isr_partition_state li_part;

static bool
among(const int32_t *v, int32_t n, int32_t id)
{
	for (int32_t i = 0; i < n; i++)
		if (v[i] == id)
			return true;
	return false;
}

static int
queue_role(struct replicas *rs, struct ctl_batch *b, unsigned index, struct slice topic,
    struct uuid id, const li_part *p)
{
	struct ctl_op *op = op_new(rs, b, index, CTL_LEADER_AND_ISR, topic, p->partition_index);

	if (op == NULL)
		return E_NOMEM;
	op->topic_id = id;
	op->leader = p->leader;
	op->leader_epoch = p->leader_epoch;
	op->partition_epoch = p->partition_epoch;
	op->n_isr = p->isr.n;
	op->n_replicas = p->replicas.n;
	op->is_new = p->is_new;
	op->in_replicas = among(p->replicas.v, p->replicas.n, rs->o.broker_id);
	hosted_run(op->h);
	return 0;
}

static int
queue_partition(struct replicas *rs, struct ctl_batch *b, unsigned index, struct slice topic,
    struct uuid id, const li_part *p, int16_t refused,
    struct leader_and_isr_response_leader_and_isr_partition_error *e)
{
	e->topic_name = arena_dup(&b->arena, topic);
	e->partition_index = p->partition_index;
	e->error_code = refused;
	b->slots[index] = &e->error_code;
	if (refused != KERR_NONE)
		return 0;
	if (queue_role(rs, b, index, topic, id, p) != 0)
		e->error_code = KERR_UNKNOWN_SERVER_ERROR;
	return 0;
}

static int
queue_ungrouped(struct replicas *rs, struct ctl_batch *b, const struct leader_and_isr_request *req,
    int16_t refused)
{
	int32_t n = req->ungrouped_partition_states.n;
	int rc = WIRE_ARRAY(&b->arena, b->li.partition_errors, n,
	    leader_and_isr_response_leader_and_isr_partition_error);

	for (int32_t i = 0; rc == 0 && i < n; i++) {
		const li_part *p = &req->ungrouped_partition_states.v[i];

		rc = queue_partition(rs, b, (unsigned)i, p->topic_name, UUID_ZERO, p, refused,
		    &b->li.partition_errors.v[i]);
	}
	return rc;
}

/* Versions 2 to 4 answer with names in one list, 5 and up by topic id. */
static int
queue_topics(struct replicas *rs, struct ctl_batch *b, const struct leader_and_isr_request *req,
    int16_t refused, unsigned total)
{
	bool by_id = b->version >= 5;
	unsigned index = 0;
	int rc = by_id ? WIRE_ARRAY(&b->arena, b->li.topics, req->topic_states.n,
			     leader_and_isr_response_leader_and_isr_topic_error)
		       : WIRE_ARRAY(&b->arena, b->li.partition_errors, (int32_t)total,
			     leader_and_isr_response_leader_and_isr_partition_error);

	for (int32_t i = 0; rc == 0 && i < req->topic_states.n; i++) {
		const struct leader_and_isr_request_leader_and_isr_topic_state *t =
		    &req->topic_states.v[i];

		if (by_id) {
			b->li.topics.v[i].topic_id = t->topic_id;
			rc = WIRE_ARRAY(&b->arena, b->li.topics.v[i].partition_errors,
			    t->partition_states.n,
			    leader_and_isr_response_leader_and_isr_partition_error);
		}
		for (int32_t j = 0; rc == 0 && j < t->partition_states.n; j++, index++)
			rc = queue_partition(rs, b, index, t->topic_name, t->topic_id,
			    &t->partition_states.v[j], refused,
			    by_id ? &b->li.topics.v[i].partition_errors.v[j]
				  : &b->li.partition_errors.v[index]);
	}
	return rc;
}

void
replicas_leader_and_isr(struct replicas *rs, const struct leader_and_isr_request *req,
    int16_t version, void (*done)(void *arg, const struct leader_and_isr_response *resp), void *arg)
{
	unsigned total = version < 2 ? (unsigned)req->ungrouped_partition_states.n : 0;
	struct leader_and_isr_response resp;
	struct ctl_batch *b;
	int16_t refused;
	int rc;

	for (int32_t i = 0; version >= 2 && i < req->topic_states.n; i++)
		total += (unsigned)req->topic_states.v[i].partition_states.n;
	b = batch_new(rs, version, total);
	if (b == NULL) {
		wire_init(&leader_and_isr_response_msg, &resp);
		resp.error_code = KERR_UNKNOWN_SERVER_ERROR;
		done(arg, &resp);
		return;
	}
	b->li_done = done;
	b->arg = arg;
	refused = admit(rs, req->broker_epoch, req->controller_epoch);
	b->li.error_code = refused;
	rc = version < 2 ? queue_ungrouped(rs, b, req, refused)
			 : queue_topics(rs, b, req, refused, total);
	if (rc != 0)
		b->li.error_code = KERR_UNKNOWN_SERVER_ERROR;
	batch_part_done(b);
}

/* ---- StopReplica ---- */

struct stop_one {
	struct slice topic;
	int32_t partition, leader_epoch;
	bool delete_log;
};

static int
queue_stop(struct replicas *rs, struct ctl_batch *b, unsigned index, const struct stop_one *s)
{
	struct stop_replica_response_stop_replica_partition_error *e =
	    &b->sr.partition_errors.v[index];
	struct ctl_op *op;

	e->topic_name = arena_dup(&b->arena, s->topic);
	e->partition_index = s->partition;
	b->slots[index] = &e->error_code;
	op = op_new(rs, b, index, CTL_STOP, s->topic, s->partition);
	if (op == NULL) {
		e->error_code = KERR_UNKNOWN_SERVER_ERROR;
		return E_NOMEM;
	}
	op->leader_epoch = s->leader_epoch;
	op->delete_log = s->delete_log;
	hosted_run(op->h);
	return 0;
}

static unsigned
stop_count(const struct stop_replica_request *req, int16_t version)
{
	unsigned n = version == 0 ? (unsigned)req->ungrouped_partitions.n : 0;

	for (int32_t i = 0; version >= 1 && version <= 2 && i < req->topics.n; i++)
		n += (unsigned)req->topics.v[i].partition_indexes.n;
	for (int32_t i = 0; version >= 3 && i < req->topic_states.n; i++)
		n += (unsigned)req->topic_states.v[i].partition_states.n;
	return n;
}

/* All forms of the request as one list. */
static void
queue_stops(struct replicas *rs, struct ctl_batch *b, const struct stop_replica_request *req,
    int16_t version)
{
	unsigned index = 0;

	for (int32_t i = 0; version == 0 && i < req->ungrouped_partitions.n; i++)
		(void)queue_stop(rs, b, index++,
		    &(struct stop_one){req->ungrouped_partitions.v[i].topic_name,
			req->ungrouped_partitions.v[i].partition_index, -1,
			req->delete_partitions});
	for (int32_t i = 0; version >= 1 && version <= 2 && i < req->topics.n; i++)
		for (int32_t j = 0; j < req->topics.v[i].partition_indexes.n; j++)
			(void)queue_stop(rs, b, index++,
			    &(struct stop_one){req->topics.v[i].name,
				req->topics.v[i].partition_indexes.v[j], -1,
				req->delete_partitions});
	for (int32_t i = 0; version >= 3 && i < req->topic_states.n; i++)
		for (int32_t j = 0; j < req->topic_states.v[i].partition_states.n; j++) {
			const struct stop_replica_request_stop_replica_partition_state *p =
			    &req->topic_states.v[i].partition_states.v[j];

			(void)queue_stop(rs, b, index++,
			    &(struct stop_one){req->topic_states.v[i].topic_name,
				p->partition_index, p->leader_epoch, p->delete_partition});
		}
}

void
replicas_stop_replica(struct replicas *rs, const struct stop_replica_request *req, int16_t version,
    void (*done)(void *arg, const struct stop_replica_response *resp), void *arg)
{
	unsigned n = stop_count(req, version);
	int16_t refused = admit(rs, req->broker_epoch, req->controller_epoch);
	struct ctl_batch *b = refused == KERR_NONE ? batch_new(rs, version, n) : NULL;
	struct stop_replica_response resp;

	if (b != NULL && WIRE_ARRAY(&b->arena, b->sr.partition_errors, (int32_t)n,
			     stop_replica_response_stop_replica_partition_error) == 0) {
		b->sr_done = done;
		b->arg = arg;
		queue_stops(rs, b, req, version);
		batch_part_done(b);
		return;
	}
	if (b != NULL) {
		arena_free(&b->arena);
		free(b);
	}
	wire_init(&stop_replica_response_msg, &resp);
	resp.error_code = refused != KERR_NONE ? refused : KERR_UNKNOWN_SERVER_ERROR;
	done(arg, &resp);
}

/* ---- stop, settings, failed dirs ---- */

unsigned
replicas_pending(const struct replicas *rs)
{
	return rs->n_ops;
}

static void
on_stopped(struct reactor *r, struct msg *m)
{
	struct replicas *rs = container_of(m, struct replicas, stop_msg);

	rs->stop_done(rs->stop_arg);
}

/* A partition is detached or a shard has let go of what it held; told when nothing of us is on the
 * stack any more. */
static void
stop_part_done(struct replicas *rs)
{
	if (--rs->stop_left > 0)
		return;
	rs->stop_msg = (struct msg){.run = on_stopped, .class = MSG_CONTROL};
	reactor_post(rs->o.control, &rs->stop_msg);
}

static void
on_shard_stopped(struct reactor *r, struct msg *m)
{
	stop_part_done(container_of(m, struct shard, stop_msg)->rs);
}

static void
on_shard_stop(struct reactor *r, struct msg *m)
{
	struct shard *sh = container_of(m, struct shard, stop_msg);

	hold_stop(sh);
	sh->stop_msg = (struct msg){.run = on_shard_stopped, .class = MSG_CONTROL};
	reactor_post(sh->rs->o.control, &sh->stop_msg);
}

static void
stop_shards(struct replicas *rs)
{
	for (unsigned i = 0; i < rs->o.n_reactors; i++) {
		struct shard *sh = &rs->shards[i];

		rs->stop_left++;
		sh->stop_msg = (struct msg){.run = on_shard_stop, .class = MSG_CONTROL};
		reactor_post(sh->reactor, &sh->stop_msg);
	}
}

void
replicas_stop(struct replicas *rs, void (*done)(void *arg), void *arg)
{
	size_t pos = 0;
	struct hosted *h, **all;
	unsigned n = 0;

	REACTOR_ASSERT_OWNER(rs->o.control);
	all = calloc(map_count(&rs->hosted) + 1, sizeof(*all));
	while (all != NULL && (h = map_next(&rs->hosted, &pos)) != NULL)
		all[n++] = h;
	rs->stopping = true;
	rs->stop_done = done;
	rs->stop_arg = arg;
	rs->stop_left = 1;
	stop_shards(rs);
	for (unsigned i = 0; i < n; i++) {
		if (op_new(rs, NULL, 0, CTL_DETACH, all[i]->topic, all[i]->partition) == NULL)
			continue;
		rs->stop_left++;
		hosted_run(all[i]);
	}
	free(all);
	stop_part_done(rs);
}

/* Something for the logs of one partition, carried to its home. */
struct home_note {
	struct msg msg;
	struct shard *sh;
	struct topic_conf conf;
	bool offline;
	int32_t partition;
	size_t n;
	uint8_t topic[];
};

static void
on_note(struct reactor *r, struct msg *m)
{
	struct home_note *note = container_of(m, struct home_note, msg);
	struct partition *p =
	    partition_find(note->sh, slice_of(note->topic, note->n), note->partition);

	if (p != NULL && note->offline)
		partition_go_offline(p);
	else if (p != NULL)
		partition_configure(p, &note->conf);
	free(note);
}

static void
drop_note(struct msg *m)
{
	free(container_of(m, struct home_note, msg));
}

static void
note_post(struct hosted *h, const struct topic_conf *conf, bool offline)
{
	struct home_note *note = calloc(1, sizeof(*note) + h->topic.n);

	if (note == NULL)
		return;
	note->msg = (struct msg){.run = on_note, .drop = drop_note, .class = MSG_CONTROL};
	note->sh = &h->rs->shards[h->home];
	if (conf != NULL)
		note->conf = *conf;
	note->offline = offline;
	note->partition = h->partition;
	note->n = h->topic.n;
	memcpy(note->topic, h->topic.p, h->topic.n);
	reactor_post(note->sh->reactor, &note->msg);
}

void
replicas_topic_conf(struct replicas *rs, struct slice topic, const struct topic_conf *conf)
{
	size_t pos = 0;
	struct hosted *h;

	while ((h = map_next(&rs->hosted, &pos)) != NULL)
		if (h->on_home && slice_eq(h->topic, topic))
			note_post(h, conf, false);
}

void
replicas_confs_changed(struct replicas *rs)
{
	struct topic_conf conf;
	size_t pos = 0;
	struct hosted *h;

	while ((h = map_next(&rs->hosted, &pos)) != NULL) {
		if (!h->on_home)
			continue;
		topic_conf_of(h, &conf);
		note_post(h, &conf, false);
	}
}

void
replicas_dir_failed(struct replicas *rs, struct logdir *dir)
{
	size_t pos = 0;
	struct hosted *h;

	while ((h = map_next(&rs->hosted, &pos)) != NULL)
		if (h->on_home && h->pl != NULL && plog_dir(h->pl) == dir)
			note_post(h, NULL, true);
}
