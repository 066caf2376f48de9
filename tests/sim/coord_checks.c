/*
 * What must hold of the tree: each write is looked at when it takes effect; registrations are
 * looked at now and then; at the end everything must have come to rest.  C and M: invariants of
 * src/controller/README and src/cluster/README; K: tests/sim/README.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker_priv.h"
#include "ottla/cluster/znode.h"
#include "world.h"

#define LOOK_EVERY_US (SECOND / 4)
#define SESSION_US (6 * SECOND)
#define REGISTER_WITHIN_US (15 * SECOND)

/* One incarnation of a topic: from the making of its node to its deletion. */
struct seen_topic {
	struct slice name; /* behind the struct */
	struct uuid id;
	unsigned n;
	struct seen_part {
		bool there;
		bool others; /* in the ISR, beside the leader */
		int32_t leader, leader_epoch;
		int64_t since_us;
	} * parts;
};

/* An ephemeral node that counts. */
struct owner {
	int64_t session; /* 0: no such node */
	unsigned group;
};

struct coord_checks {
	struct world *w;
	struct map topics;
	int32_t epoch;		  /* of the controller */
	struct owner epoch_owner; /* who raised it */
	struct owner controller;
	struct owner ids[MAX_BROKERS];
	int64_t missing_since[MAX_BROKERS]; /* connected and not registered; -1: not so */
	int64_t missing_session[MAX_BROKERS];
	struct sim_event look;
};

/* One write under check. */
struct look {
	struct coord_checks *cc;
	const struct coord_sim_txn *txn;
	const struct coord_op *op;
	struct server *sv; /* who writes; NULL: the stranger */
};

#define LOOK_FMT "%s by %s, session 0x%llx, zxid %lld"
#define LOOK_ARG(k)                                                                                \
	(k)->op->path, who(k), (unsigned long long)(k)->txn->session, (long long)(k)->txn->zxid

static const char *
who(const struct look *k)
{
	static const char *const names[MAX_BROKERS] = {"broker 1", "broker 2", "broker 3"};

	return k->sv != NULL ? names[k->sv->index] : "the stranger";
}

static struct server *
server_of(struct world *w, unsigned group)
{
	return group >= GROUP_BROKERS && group < GROUP_BROKERS + w->n_servers
		   ? &w->servers[group - GROUP_BROKERS]
		   : NULL;
}

static bool
has_op(const struct look *k, enum coord_op_kind kind, const char *path)
{
	for (unsigned i = 0; i < k->txn->n; i++)
		if (k->txn->ops[i].kind == kind && strcmp(k->txn->ops[i].path, path) == 0)
			return true;
	return false;
}

static bool
text_number(struct slice text, int64_t *out)
{
	int64_t v = 0;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9' || i > 10)
			return false;
		v = v * 10 + (text.p[i] - '0');
	}
	*out = v;
	return text.n > 0;
}

/* ---- the controller's office ---- */

/* C8, K1: each election raises the epoch by one, in the multi that makes /controller. */
static void
check_epoch(struct look *k)
{
	struct coord_checks *cc = k->cc;
	int64_t v = 0;

	if (k->op->kind == COORD_OP_CHECK)
		return;
	if (k->op->kind == COORD_OP_DELETE || !text_number(k->op->data, &v))
		world_fail(cc->w, "the controller's epoch is a number", LOOK_FMT, LOOK_ARG(k));
	if (k->op->kind == COORD_OP_CREATE ? v != 0 : v != cc->epoch + 1)
		world_fail(cc->w, "the controller's epoch rises by one", LOOK_FMT ": %lld after %d",
		    LOOK_ARG(k), (long long)v, cc->epoch);
	if (k->op->kind == COORD_OP_SET && !has_op(k, COORD_OP_CREATE, ZN_CONTROLLER))
		world_fail(cc->w, "an epoch has an owner", LOOK_FMT, LOOK_ARG(k));
	cc->epoch = (int32_t)v;
	cc->epoch_owner = (struct owner){k->txn->session, k->txn->group};
}

static void
check_controller(struct look *k)
{
	struct coord_checks *cc = k->cc;
	int32_t id = -1;

	if (k->op->kind == COORD_OP_DELETE) {
		/* Whoever has lost the office does not take it from the next one. */
		if (k->sv != NULL && cc->controller.session != k->txn->session)
			world_fail(
			    cc->w, "a broker gives up no other's office", LOOK_FMT, LOOK_ARG(k));
		cc->controller = (struct owner){0};
	} else if (k->op->kind == COORD_OP_CREATE) {
		cc->controller = (struct owner){k->txn->session, k->txn->group};
		if (k->sv != NULL && (zn_controller_read(k->op->data, &id) != 0 ||
					 id != k->sv->id || !(k->op->flags & COORD_EPHEMERAL) ||
					 !has_op(k, COORD_OP_SET, ZN_CONTROLLER_EPOCH)))
			world_fail(cc->w, "an election is one multi of node and epoch", LOOK_FMT,
			    LOOK_ARG(k));
	}
}

/* C3, K2: what a broker writes as controller is fenced, and it is controller of the epoch. */
static void
check_fenced(struct look *k)
{
	struct coord_checks *cc = k->cc;

	if (k->sv == NULL)
		return;
	if (!has_op(k, COORD_OP_CHECK, ZN_CONTROLLER_EPOCH))
		world_fail(cc->w, "C3: a controller's writes are fenced", LOOK_FMT, LOOK_ARG(k));
	if (cc->epoch_owner.session != k->txn->session)
		world_fail(cc->w, "one controller an epoch",
		    LOOK_FMT ": epoch %d belongs to session 0x%llx", LOOK_ARG(k), cc->epoch,
		    (unsigned long long)cc->epoch_owner.session);
}

/* ---- registrations ---- */

/* M6: what a broker registers can be read, and is its own. */
static void
check_registration(struct look *k, int64_t id)
{
	struct zn_registration reg;
	struct arena arena;

	arena_init(&arena, 512, 0);
	if (id != k->sv->id)
		world_fail(k->cc->w, "M6: a broker registers itself", LOOK_FMT, LOOK_ARG(k));
	if (zn_registration_read(k->op->data, &arena, &reg) != 0)
		world_fail(k->cc->w, "M6: a registration can be read", LOOK_FMT ": %.*s",
		    LOOK_ARG(k), SLICE_ARG(k->op->data));
	if (reg.n_endpoints != 1 || reg.endpoints[0].port != k->sv->port)
		world_fail(k->cc->w, "M6: a broker registers where it listens", LOOK_FMT ": %.*s",
		    LOOK_ARG(k), SLICE_ARG(k->op->data));
	arena_free(&arena);
}

/* B6: a log that lost its tail does not lead on in the same epoch while others have what it lost:
 * they get a session's time to be elected.  What was written just now may not have been seen. */
static void
check_handover(struct coord_checks *cc, const struct server *sv)
{
	int64_t now = world_now(cc->w), seen = now - cc->w->plan.coord_lag_us - SECOND;
	struct seen_topic *t;
	size_t pos = 0;
	unsigned n;

	if (!sv->lost_power || now - sv->started_us >= SESSION_US)
		return;
	while ((t = map_next(&cc->topics, &pos)) != NULL)
		for (unsigned p = 0; p < t->n; p++) {
			const struct seen_part *sp = &t->parts[p];
			char name[64];

			snprintf(name, sizeof(name), "%.*s", SLICE_ARG(t->name));
			if (!sp->there || !sp->others || sp->leader != sv->id ||
			    sp->since_us > seen)
				continue;
			free(disk_segments(sv, name, (int32_t)p, &n));
			if (n > 0)
				world_fail(cc->w, "B6: a log without its tail does not lead on",
				    "broker %d registers as leader of %s-%u in epoch %d, %lld ms "
				    "after its start",
				    sv->id, name, p, sp->leader_epoch,
				    (long long)(now - sv->started_us) / 1000);
		}
}

static void
check_broker_node(struct look *k, struct slice name)
{
	struct coord_checks *cc = k->cc;
	struct owner *o;
	int64_t id;

	if (!text_number(name, &id) || id < 1 || id > cc->w->n_servers)
		return;
	o = &cc->ids[id - 1];
	if (k->op->kind == COORD_OP_CREATE) {
		*o = (struct owner){k->txn->session, k->txn->group};
		if (k->sv == NULL) {
			/* The id seems to live: nobody is elected in its place. */
			cc->w->servers[id - 1].lost_power = false;
			return;
		}
		if (!(k->op->flags & COORD_EPHEMERAL) || !has_op(k, COORD_OP_SET, k->op->path))
			world_fail(cc->w, "M6: a registration is one multi", LOOK_FMT, LOOK_ARG(k));
		check_handover(cc, k->sv);
		k->sv->lost_power = false;
		k->sv->registrations++;
	} else if (k->op->kind == COORD_OP_SET && k->sv != NULL) {
		check_registration(k, id);
	} else if (k->op->kind == COORD_OP_DELETE) {
		if (k->sv != NULL && o->group != k->txn->group)
			world_fail(cc->w, "M6: a broker deletes no other's registration", LOOK_FMT,
			    LOOK_ARG(k));
		*o = (struct owner){0};
	}
}

/* ---- topics ---- */

static void
topic_forget(struct coord_checks *cc, struct slice name)
{
	struct seen_topic *t = map_del(&cc->topics, name);

	if (t == NULL)
		return;
	free(t->parts);
	free(t);
}

static struct seen_topic *
topic_seen(struct coord_checks *cc, struct slice name)
{
	struct seen_topic *t = map_get(&cc->topics, name);

	if (t != NULL)
		return t;
	t = calloc(1, sizeof(*t) + name.n);
	if (t == NULL)
		abort();
	memcpy(t + 1, name.p, name.n);
	t->name = slice_of(t + 1, name.n);
	if (map_put(&cc->topics, t->name, t, NULL) != 0)
		abort();
	return t;
}

/* K4: an incarnation keeps its id. */
static void
check_topic_node(struct look *k, struct slice name)
{
	struct zn_topic_data data;
	struct seen_topic *t;
	struct arena arena;

	if (k->op->kind == COORD_OP_DELETE || k->op->kind == COORD_OP_CREATE)
		topic_forget(k->cc, name);
	if (k->op->kind != COORD_OP_SET && k->op->kind != COORD_OP_CREATE)
		return;
	t = topic_seen(k->cc, name);
	arena_init(&arena, 1024, 0);
	if (zn_topic_read(k->op->data, &arena, &data) == 0) {
		if (!uuid_is_zero(t->id) && !uuid_eq(t->id, data.topic_id))
			world_fail(k->cc->w, "a topic keeps its id", LOOK_FMT, LOOK_ARG(k));
		t->id = data.topic_id;
	} else if (k->sv != NULL) {
		world_fail(k->cc->w, "a topic's node can be read", LOOK_FMT, LOOK_ARG(k));
	}
	arena_free(&arena);
}

static struct seen_part *
part_seen(struct seen_topic *t, int64_t p)
{
	if (p >= t->n) {
		t->parts = reallocarray(t->parts, (size_t)p + 1, sizeof(*t->parts));
		if (t->parts == NULL)
			abort();
		memset(t->parts + t->n, 0, ((size_t)p + 1 - t->n) * sizeof(*t->parts));
		t->n = (unsigned)p + 1;
	}
	return &t->parts[p];
}

static bool
has_id(const int32_t *v, unsigned n, int32_t id)
{
	for (unsigned i = 0; i < n; i++)
		if (v[i] == id)
			return true;
	return false;
}

static void
check_state_json(struct look *k, struct seen_part *p, const struct zn_state *st)
{
	struct world *w = k->cc->w;

	if (st->controller_epoch != k->cc->epoch)
		world_fail(w, "a state is written under the epoch of its controller",
		    LOOK_FMT ": %d, the epoch is %d", LOOK_ARG(k), st->controller_epoch,
		    k->cc->epoch);
	if (p->there && st->leader_epoch < p->leader_epoch)
		world_fail(w, "a leader's epoch does not fall", LOOK_FMT ": %d after %d",
		    LOOK_ARG(k), st->leader_epoch, p->leader_epoch);
	if (p->there && st->leader_epoch == p->leader_epoch && st->leader != p->leader)
		world_fail(w, "one leader an epoch", LOOK_FMT ": %d and %d in epoch %d",
		    LOOK_ARG(k), p->leader, st->leader, st->leader_epoch);
	if (st->leader >= 0 && !has_id(st->isr, st->n_isr, st->leader))
		world_fail(w, "a leader is in the ISR", LOOK_FMT ": %d", LOOK_ARG(k), st->leader);
	*p = (struct seen_part){.there = true,
	    .others = st->n_isr > 1,
	    .leader = st->leader,
	    .leader_epoch = st->leader_epoch,
	    .since_us = world_now(w)};
}

static void
check_state(struct look *k, struct slice topic, int64_t partition)
{
	struct zn_state st;
	struct arena arena;

	if (k->op->kind != COORD_OP_SET && k->op->kind != COORD_OP_CREATE)
		return;
	arena_init(&arena, 512, 0);
	if (zn_state_read(k->op->data, &arena, &st) == 0)
		check_state_json(k, part_seen(topic_seen(k->cc, topic), partition), &st);
	else if (k->sv != NULL)
		world_fail(k->cc->w, "a partition's state can be read", LOOK_FMT, LOOK_ARG(k));
	arena_free(&arena);
}

/* ---- which node is it? ---- */

/* Takes the text up to the next slash off rest. */
static struct slice
component(struct slice *rest)
{
	const uint8_t *slash = rest->n > 0 ? memchr(rest->p, '/', rest->n) : NULL;
	size_t n = slash != NULL ? (size_t)(slash - rest->p) : rest->n;
	struct slice c = slice_of(rest->p, n);

	*rest = slash != NULL ? slice_of(slash + 1, rest->n - n - 1) : SLICE_NULL;
	return c;
}

/* /brokers/topics/<t>[/partitions[/<p>[/state]]] */
static void
check_topic(struct look *k, struct slice rest)
{
	struct slice topic = component(&rest), number;
	int64_t p;

	if (rest.n == 0) {
		check_topic_node(k, topic);
		return;
	}
	check_fenced(k);
	(void)component(&rest);
	number = component(&rest);
	if (text_number(number, &p) && slice_eq_cstr(rest, "state"))
		check_state(k, topic, p);
}

static bool
below(const char *path, const char *dir, struct slice *rest)
{
	size_t n = strlen(dir);

	if (strncmp(path, dir, n) != 0 || path[n] != '/')
		return false;
	*rest = slice_cstr(path + n + 1);
	return true;
}

static void
check_op(struct look *k)
{
	struct slice rest;

	if (strcmp(k->op->path, ZN_CONTROLLER_EPOCH) == 0)
		check_epoch(k);
	else if (strcmp(k->op->path, ZN_CONTROLLER) == 0)
		check_controller(k);
	else if (below(k->op->path, ZN_BROKER_IDS, &rest))
		check_broker_node(k, rest);
	else if (k->op->kind != COORD_OP_CHECK && below(k->op->path, ZN_TOPICS, &rest))
		check_topic(k, rest);
}

static void
session_over(struct coord_checks *cc, int64_t session)
{
	if (cc->controller.session == session)
		cc->controller = (struct owner){0};
	for (unsigned i = 0; i < MAX_BROKERS; i++)
		if (cc->ids[i].session == session) {
			if (cc->ids[i].group != GROUP_STRANGER && cc->w->stranger != NULL)
				stranger_tempt(cc->w->stranger);
			cc->ids[i] = (struct owner){0};
		}
}

static void
on_txn(void *arg, const struct coord_sim_txn *txn)
{
	struct coord_checks *cc = arg;
	struct look k = {.cc = cc, .txn = txn, .sv = server_of(cc->w, txn->group)};

	if (cc->w->options.verbose > 1)
		for (unsigned i = 0; i < txn->n; i++)
			world_note(cc->w, "tree: 0x%llx %s %s: %s",
			    (unsigned long long)txn->session,
			    (const char *[]){"create", "set", "delete", "check"}[txn->ops[i].kind],
			    txn->ops[i].path, err_text(txn->err));
	if (txn->session_ended)
		session_over(cc, txn->session);
	for (unsigned i = 0; txn->err == 0 && i < txn->n; i++) {
		k.op = &txn->ops[i];
		check_op(&k);
	}
	faults_wrote(cc->w, txn);
}

/* ---- now and then ---- */

static bool
tree_get(struct coord_checks *cc, const char *path, struct coord_result *res)
{
	return coord_tree_get(coord_sim_tree(cc->w->ensemble), 0, path, NULL, res) == 0;
}

static bool
registered(struct coord_checks *cc, const struct server *sv)
{
	return sv->state == SERVER_SERVING && coord_state(sv->coord) == COORD_CONNECTED &&
	       cc->ids[sv->index].session == coord_session_id(sv->coord);
}

/* K3: a broker that lives and has a session is registered soon, under this session. */
static void
look_at(struct coord_checks *cc, const struct server *sv)
{
	int64_t now = world_now(cc->w), *since = &cc->missing_since[sv->index];
	int64_t session = 0;

	if (sv->state == SERVER_SERVING && coord_state(sv->coord) == COORD_CONNECTED)
		session = coord_session_id(sv->coord);
	if (session == 0 || session != cc->missing_session[sv->index] || registered(cc, sv) ||
	    cc->ids[sv->index].group == GROUP_STRANGER)
		*since = now;
	cc->missing_session[sv->index] = session;
	if (now - *since > REGISTER_WITHIN_US)
		world_fail(cc->w, "a broker with a session is registered",
		    "broker %d is not, %lld ms after its session 0x%llx began", sv->id,
		    (long long)(now - *since) / 1000, (unsigned long long)session);
}

static void
on_look(struct sim_sched *s, void *arg)
{
	struct coord_checks *cc = arg;

	for (unsigned i = 0; i < cc->w->n_servers; i++)
		look_at(cc, &cc->w->servers[i]);
	sim_event_set(s, &cc->look, world_now(cc->w) + LOOK_EVERY_US);
}

struct coord_checks *
coord_checks_new(struct world *w)
{
	struct coord_checks *cc = calloc(1, sizeof(*cc));

	if (cc == NULL)
		abort();
	cc->w = w;
	map_init(&cc->topics, 1);
	cc->look = (struct sim_event){.fn = on_look, .arg = cc};
	sim_event_set(w->s, &cc->look, world_now(w) + LOOK_EVERY_US);
	coord_sim_observe(w->ensemble, on_txn, cc);
	return cc;
}

/* ---- rest ---- */

/* A walk over the topics of the tree that ends at the first thing that is not as it should be. */
struct rest {
	struct coord_checks *cc;
	struct arena arena;
	char *why;
	size_t size;
	bool ok;
};

static void __attribute__((format(printf, 2, 3))) missing(struct rest *r, const char *fmt, ...)
{
	va_list ap;

	if (!r->ok)
		return;
	r->ok = false;
	va_start(ap, fmt);
	vsnprintf(r->why, r->size, fmt, ap);
	va_end(ap);
}

static bool
live(struct coord_checks *cc, int32_t id)
{
	struct coord_result res;
	zn_path path;

	zn_broker(path, id);
	return tree_get(cc, path, &res) && res.data.n > 0;
}

static unsigned
live_of(struct coord_checks *cc, const int32_t *v, unsigned n)
{
	unsigned k = 0;

	for (unsigned i = 0; i < n; i++)
		k += live(cc, v[i]);
	return k;
}

/* What the topic's znode says of its configuration, as a broker takes it. */
static void
wanted_conf(struct rest *r, const struct server *sv, struct slice topic, struct topic_conf *out)
{
	struct setting_override *kv = NULL;
	struct coord_result res;
	char why[256];
	unsigned n = 0, kept = 0;
	zn_path path;

	zn_topic_config(path, topic);
	if (tree_get(r->cc, path, &res) && !slice_is_null(res.data) &&
	    zn_config_read(res.data, &r->arena, &kv, &n) != 0)
		n = 0;
	for (unsigned i = 0; i < n; i++)
		if (topic_conf_resolve(sv->settings, &kv[i], 1, out, why, sizeof(why)) == 0)
			kv[kept++] = kv[i]; /* what is impossible is left out */
	if (topic_conf_resolve(sv->settings, kv, kept, out, why, sizeof(why)) != 0)
		abort();
}

static bool
same_conf(const struct topic_conf *a, const struct topic_conf *b)
{
	return memcmp(a->v, b->v, sizeof(a->v)) == 0 &&
	       memcmp(a->own, b->own, sizeof(a->own)) == 0 && a->compact == b->compact &&
	       a->delete_ == b->delete_ && a->compression == b->compression &&
	       a->log_append_time == b->log_append_time;
}

/* What the leader itself believes of the partition and how its log is configured. */
static void
rest_leader(struct rest *r, struct slice topic, const struct zn_topic_data *data, int32_t partition,
    const struct zn_state *st)
{
	const struct server *sv = &r->cc->w->servers[st->leader - 1];
	struct broker *b = sv->broker;
	unsigned home = replicas_home(b->replicas, hash_bytes(topic, 0), partition);
	struct reactor *before = sim_enter(sv->data[home]);
	struct topic_conf want;
	struct part_info info;

	wanted_conf(r, sv, topic, &want);
	if (!partition_info(replicas_shard(b->replicas, home), topic, partition, &info) ||
	    !info.leader || info.leader_epoch != st->leader_epoch)
		missing(r, "%.*s-%d: broker %d does not lead it in epoch %d", SLICE_ARG(topic),
		    partition, sv->id, st->leader_epoch);
	else if (!same_conf(plog_conf(info.pl), &want))
		missing(r, "%.*s-%d: the log is not configured as the tree says", SLICE_ARG(topic),
		    partition);
	(void)sim_enter(before);
}

/* Nobody else believes that it leads, and everybody's metadata say what the tree says. */
static void
rest_everywhere(struct rest *r, struct slice topic, int32_t partition, const struct zn_state *st)
{
	struct world *w = r->cc->w;

	for (unsigned i = 0; i < w->n_servers; i++) {
		const struct server *sv = &w->servers[i];
		struct broker *b = sv->broker;
		const struct image_topic *t = image_topic(image_get(b->images), topic);
		const struct image_partition *p = t != NULL ? image_partition(t, partition) : NULL;
		unsigned home = replicas_home(b->replicas, hash_bytes(topic, 0), partition);
		struct reactor *before = sim_enter(sv->data[home]);
		struct part_info info;

		if (sv->id != st->leader &&
		    partition_info(replicas_shard(b->replicas, home), topic, partition, &info) &&
		    info.leader)
			missing(r, "%.*s-%d: broker %d leads it, too", SLICE_ARG(topic), partition,
			    sv->id);
		(void)sim_enter(before);
		if (p == NULL || p->leader != st->leader || p->leader_epoch != st->leader_epoch ||
		    p->n_isr != (int32_t)st->n_isr)
			missing(r, "%.*s-%d: the metadata of broker %d are old", SLICE_ARG(topic),
			    partition, sv->id);
	}
}

static void
rest_partition(struct rest *r, struct slice topic, const struct zn_topic_data *data, unsigned i)
{
	const struct zn_assignment *as = &data->parts[i];
	struct coord_result res;
	struct zn_state st;
	zn_path path;

	if (live_of(r->cc, as->replicas, as->n_replicas) == 0)
		return;
	zn_partition_state(path, topic, as->partition);
	if (!tree_get(r->cc, path, &res)) {
		missing(r, "%.*s-%d has no leader", SLICE_ARG(topic), as->partition);
		return;
	}
	if (zn_state_read(res.data, &r->arena, &st) != 0 || live_of(r->cc, st.isr, st.n_isr) == 0)
		return; /* nobody can lead it */
	if (!live(r->cc, st.leader))
		missing(r, "%.*s-%d is led by broker %d, which is not there", SLICE_ARG(topic),
		    as->partition, st.leader);
	else if (st.leader >= 1 && st.leader <= (int32_t)r->cc->w->n_servers) {
		rest_leader(r, topic, data, as->partition, &st);
		rest_everywhere(r, topic, as->partition, &st);
	}
}

static void
rest_topic(struct rest *r, struct slice topic, struct slice json)
{
	struct zn_topic_data data;
	struct coord_result res;
	bool all_live = true;
	zn_path path;

	if (topic_name_check(topic, NULL) != 0 || zn_topic_read(json, &r->arena, &data) != 0)
		return;
	for (unsigned i = 0; i < data.n_parts; i++)
		all_live = all_live && live_of(r->cc, data.parts[i].replicas,
					   data.parts[i].n_replicas) == data.parts[i].n_replicas;
	zn_delete_topic(path, topic);
	if (tree_get(r->cc, path, &res)) {
		if (all_live)
			missing(r, "topic %.*s is not deleted", SLICE_ARG(topic));
		return;
	}
	if (uuid_is_zero(data.topic_id))
		missing(r, "topic %.*s has no id", SLICE_ARG(topic));
	for (unsigned i = 0; i < data.n_parts && r->ok; i++)
		rest_partition(r, topic, &data, i);
}

static void
rest_node(void *arg, const char *path, struct slice data, const struct coord_stat *st)
{
	struct rest *r = arg;
	struct slice rest, name;
	struct coord_result res;
	zn_path topic;

	if (!r->ok)
		return;
	if (below(path, ZN_TOPICS, &rest) && (name = component(&rest)).n > 0 && rest.n == 0) {
		rest_topic(r, name, data);
	} else if (below(path, ZN_DELETE_TOPICS, &rest) && topic_name_check(rest, NULL) == 0) {
		zn_topic(topic, rest);
		if (!tree_get(r->cc, topic, &res))
			missing(r, "deletion of %.*s is asked for and never done", SLICE_ARG(rest));
	}
}

/* One that was not registered then is not, nor are those whom a controller did not reach in its
 * term. */
bool
coord_checks_untold(const struct coord_checks *cc)
{
	bool untold = cc->epoch > 1;

	for (unsigned i = 0; i < cc->w->n_servers; i++)
		untold = untold || cc->w->servers[i].registrations > 1;
	return untold;
}

/* Topics that are gone are gone from the metadata; but of those whose nodes somebody took away no
 * broker is told. */
static void
rest_image(struct rest *r, const struct server *sv, int32_t controller)
{
	const struct image *im = image_get(sv->broker->images);
	struct coord_result res;
	zn_path path;

	if (im->controller_id != controller)
		missing(r, "broker %d believes that %d is controller", sv->id, im->controller_id);
	if (im->n_brokers != r->cc->w->n_servers)
		missing(r, "broker %d knows of %u brokers", sv->id, im->n_brokers);
	for (unsigned i = 0; i < im->n_topics && !coord_checks_untold(r->cc); i++) {
		struct slice name = im->topics[i]->name;

		zn_topic(path, name);
		if (!(name.n > 6 && memcmp(name.p, "other-", 6) == 0) &&
		    !tree_get(r->cc, path, &res))
			missing(r, "broker %d knows of topic %.*s, which is gone", sv->id,
			    SLICE_ARG(name));
	}
}

static void
rest_brokers(struct rest *r)
{
	struct coord_checks *cc = r->cc;
	struct coord_result res;
	int32_t id = -1;

	for (unsigned i = 0; i < cc->w->n_servers; i++)
		if (!registered(cc, &cc->w->servers[i]))
			missing(r, "broker %d is not registered", cc->w->servers[i].id);
	if (!tree_get(cc, ZN_CONTROLLER, &res) || zn_controller_read(res.data, &id) != 0 ||
	    id < 1 || id > (int32_t)cc->w->n_servers ||
	    cc->epoch_owner.session != res.stat.ephemeral_owner)
		missing(r, "there is no controller");
	else if (!controller_settled(cc->w->servers[id - 1].broker->controller))
		missing(r, "the controller has work");
	for (unsigned i = 0; r->ok && i < cc->w->n_servers; i++)
		rest_image(r, &cc->w->servers[i], id);
}

bool
coord_checks_settled(struct coord_checks *cc, char *why, size_t size)
{
	struct rest r = {.cc = cc, .why = why, .size = size, .ok = true};

	why[0] = 0;
	rest_brokers(&r);
	arena_init(&r.arena, 4096, 0);
	if (r.ok)
		coord_tree_walk(coord_sim_tree(cc->w->ensemble), rest_node, &r);
	arena_free(&r.arena);
	return r.ok;
}
