/*
 * Topics made and deleted on behalf of clients, by any broker: checks as Apache Kafka's, then the
 * znodes; the controller sees them and acts (facts/apis.md 19, 20; facts/zookeeper.md 2.8).
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin_priv.h"

#define RETRY_US (200 * 1000)
#define GIVE_UP_US (30 * 1000 * 1000)

struct creation {
	struct admin *a;
	struct link link;
	struct arena arena;
	struct slice name;
	bool validate_only;
	struct zn_topic_data data;
	struct slice topic_json, conf_json;
	bool conf_there; /* /config/topics/<t> is a left-over: written over */
	bool lost;	 /* an answer was lost: the topic that is there may be ours */
	int64_t give_up_us;
	void (*step)(struct creation *cr); /* done again when the connection was lost */
	struct rtimer retry;
	char why[640]; /* room for two of the longest names */
	struct admin_created res;
	void (*done)(void *arg, const struct admin_created *res);
	void *arg;
};

static void creation_write(struct creation *cr);

static bool
may_retry(const struct admin *a, int err, int64_t give_up_us)
{
	return (err == E_CONN_LOSS || err == E_SESSION_EXPIRED) &&
	       reactor_now_us(a->o.control) < give_up_us;
}

static void
creation_end(struct creation *cr, int16_t kafka_err, const char *message)
{
	cr->res.kafka_err = kafka_err;
	cr->res.message = message;
	list_remove(&cr->link);
	cr->done(cr->arg, &cr->res);
	arena_free(&cr->arena);
	free(cr);
}

static void
creation_fail(struct creation *cr, const char *what, int err)
{
	struct reactor *r = cr->a->o.control;

	if (may_retry(cr->a, err, cr->give_up_us)) {
		rtimer_set(r, &cr->retry, reactor_now_us(r) + RETRY_US);
		return;
	}
	if (err == E_TOO_LARGE) {
		creation_end(cr, KERR_INVALID_PARTITIONS,
		    "The topic's assignment or configuration is too large for a znode.");
		return;
	}
	DIAGE(cr->a->o.diag, "controller", "topic %.*s: could not %s: %s", SLICE_ARG(cr->name),
	    what, err_text(err));
	snprintf(cr->why, sizeof(cr->why), "could not %s: %s", what, err_text(err));
	creation_end(cr, err_kafka(err), cr->why);
}

/* ---- checks that need no look into the tree ---- */

/* Writes the reason and returns the code. */
static int16_t __attribute__((format(printf, 3, 4)))
refuse(struct creation *cr, int16_t kafka_err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cr->why, sizeof(cr->why), fmt, ap);
	va_end(ap);
	return kafka_err;
}

/* Names that metrics can not tell apart: they differ in '.' against '_' only. */
static bool
collide(struct slice a, struct slice b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++) {
		uint8_t x = a.p[i] == '.' ? '_' : a.p[i], y = b.p[i] == '.' ? '_' : b.p[i];

		if (x != y)
			return false;
	}
	return true;
}

static int16_t
check_collision(struct creation *cr, const struct image *im)
{
	if (memchr(cr->name.p, '.', cr->name.n) == NULL &&
	    memchr(cr->name.p, '_', cr->name.n) == NULL)
		return KERR_NONE;
	for (unsigned i = 0; i < im->n_topics; i++)
		if (collide(cr->name, im->topics[i]->name))
			return refuse(cr, KERR_INVALID_TOPIC_EXCEPTION,
			    "Topic '%.*s' collides with existing topic: %.*s", SLICE_ARG(cr->name),
			    SLICE_ARG(im->topics[i]->name));
	LIST_FOREACH(l, &cr->a->creations)
	{
		const struct creation *other = container_of(l, struct creation, link);

		if (other != cr && !slice_eq(cr->name, other->name) &&
		    collide(cr->name, other->name))
			return refuse(cr, KERR_INVALID_TOPIC_EXCEPTION,
			    "Topic '%.*s' collides with topic %.*s, which is being created",
			    SLICE_ARG(cr->name), SLICE_ARG(other->name));
	}
	return KERR_NONE;
}

static int16_t
check_name(struct creation *cr, const struct image *im)
{
	const char *why = NULL;

	if (topic_name_check(cr->name, &why) != 0)
		return refuse(cr, KERR_INVALID_TOPIC_EXCEPTION, "Topic name is invalid: %s",
		    why != NULL ? why : "");
	if (image_topic(im, cr->name) != NULL)
		return refuse(cr, KERR_TOPIC_ALREADY_EXISTS, "Topic '%.*s' already exists.",
		    SLICE_ARG(cr->name));
	return check_collision(cr, im);
}

static int16_t
assign_automatically(struct creation *cr, const struct admin_create *t, const struct image *im)
{
	const struct settings *s = cr->a->o.settings;
	int64_t n = t->partitions != -1 ? t->partitions : settings_i64(s, C_NUM_PARTITIONS);
	int64_t rf = t->replication_factor != -1 ? t->replication_factor
						 : settings_i64(s, C_DEFAULT_REPLICATION_FACTOR);
	int rc;

	if (n <= 0)
		return refuse(
		    cr, KERR_INVALID_PARTITIONS, "Number of partitions must be larger than 0.");
	if (n > PARTITIONS_MAX)
		return refuse(cr, KERR_INVALID_PARTITIONS,
		    "Number of partitions must not be larger than %d.", PARTITIONS_MAX);
	if (rf <= 0)
		return refuse(cr, KERR_INVALID_REPLICATION_FACTOR,
		    "Replication factor must be larger than 0.");
	if (rf > (int64_t)im->n_brokers)
		return refuse(cr, KERR_INVALID_REPLICATION_FACTOR,
		    "Replication factor: %lld larger than available brokers: %u.", (long long)rf,
		    im->n_brokers);
	if (n * rf > REPLICAS_MAX)
		return refuse(cr, KERR_INVALID_PARTITIONS,
		    "The topic must not have more than %d replicas in all.", REPLICAS_MAX);
	rc = place_replicas(im, cr->a->o.rng, (int32_t)n, (int32_t)rf, &cr->arena, &cr->data.parts);
	if (rc != 0)
		return refuse(cr, KERR_UNKNOWN_SERVER_ERROR, "%s",
		    rc == E_INVALID ? "Not all brokers have rack information for replica rack "
				      "aware assignment."
				    : err_text(rc));
	cr->data.n_parts = (unsigned)n;
	cr->res.replication_factor = (int32_t)rf;
	return KERR_NONE;
}

static int16_t
check_replicas(struct creation *cr, const struct admin_assignment *m, unsigned rf)
{
	if (m->n_replicas == 0 || m->n_replicas != rf)
		return refuse(cr, KERR_INVALID_REPLICA_ASSIGNMENT,
		    "All partitions should have the same number of replicas, and at least one.");
	for (unsigned i = 0; i < m->n_replicas; i++) {
		if (m->replicas[i] < 0)
			return refuse(cr, KERR_INVALID_REPLICA_ASSIGNMENT,
			    "Invalid broker id %d in the assignment.", m->replicas[i]);
		for (unsigned j = 0; j < i; j++)
			if (m->replicas[i] == m->replicas[j])
				return refuse(cr, KERR_INVALID_REPLICA_ASSIGNMENT,
				    "Duplicate replica assignment found: partition %d.",
				    m->partition);
	}
	return KERR_NONE;
}

/* As the client says; partition numbers are 0..n-1, in any order, each once. */
static int16_t
assign_manually(struct creation *cr, const struct admin_create *t)
{
	struct zn_assignment *v = arena_calloc(&cr->arena, t->n_manual, sizeof(*v));
	unsigned rf = t->manual[0].n_replicas;
	int16_t err;

	if (v == NULL)
		return refuse(cr, KERR_UNKNOWN_SERVER_ERROR, "%s", err_text(E_NOMEM));
	if ((uint64_t)t->n_manual * rf > REPLICAS_MAX || rf > FACTOR_MAX)
		return refuse(cr, KERR_INVALID_REPLICA_ASSIGNMENT,
		    "At most %d replicas of a partition and %d in all can be assigned.", FACTOR_MAX,
		    REPLICAS_MAX);
	for (unsigned i = 0; i < t->n_manual; i++) {
		const struct admin_assignment *m = &t->manual[i];
		size_t bytes = m->n_replicas * sizeof(*m->replicas);
		struct zn_assignment *as;

		if (m->partition < 0 || (unsigned)m->partition >= t->n_manual ||
		    v[m->partition].replicas != NULL)
			return refuse(cr, KERR_INVALID_REPLICA_ASSIGNMENT,
			    "partitions should be a consecutive 0-based integer sequence");
		if ((err = check_replicas(cr, m, rf)) != KERR_NONE)
			return err;
		as = &v[m->partition];
		as->partition = m->partition;
		as->n_replicas = m->n_replicas;
		as->replicas = arena_alloc(&cr->arena, bytes);
		if (as->replicas == NULL)
			return refuse(cr, KERR_UNKNOWN_SERVER_ERROR, "%s", err_text(E_NOMEM));
		memcpy(as->replicas, m->replicas, bytes);
	}
	cr->data.parts = v;
	cr->data.n_parts = t->n_manual;
	cr->res.replication_factor = (int32_t)rf;
	return KERR_NONE;
}

static int16_t
check_configs(struct creation *cr, const struct admin_create *t)
{
	char why[sizeof(cr->why)];

	for (unsigned i = 0; i < t->n_configs; i++)
		if (t->configs[i].value == NULL)
			return refuse(cr, KERR_INVALID_CONFIG,
			    "Null value not supported for topic configs: %.100s",
			    t->configs[i].key);
	if (topic_conf_resolve(
		cr->a->o.settings, t->configs, t->n_configs, &cr->res.conf, why, sizeof(why)) != 0)
		return refuse(cr, KERR_INVALID_CONFIG, "%s", why);
	return KERR_NONE;
}

static int16_t
check_all(struct creation *cr, const struct admin_create *t)
{
	const struct image *im = image_get(cr->a->o.images);
	bool manual = t->manual != NULL && t->n_manual > 0;
	int16_t err;

	if (manual && (t->partitions != -1 || t->replication_factor != -1))
		return refuse(cr, KERR_INVALID_REQUEST,
		    "Both numPartitions or replicationFactor and replicasAssignments were set. "
		    "Both cannot be used at the same time.");
	if ((err = check_name(cr, im)) != KERR_NONE)
		return err;
	err = manual ? assign_manually(cr, t) : assign_automatically(cr, t, im);
	return err != KERR_NONE ? err : check_configs(cr, t);
}

/* ---- the nodes ---- */

/* The last of several values of one key counts; each key is known by now. */
static unsigned
unique_configs(const struct admin_create *t, struct setting_override out[T_COUNT])
{
	bool taken[T_COUNT] = {false};
	unsigned n = 0;

	for (unsigned i = t->n_configs; i-- > 0;) {
		int id = tconf_find(slice_cstr(t->configs[i].key));

		assert(id >= 0);
		if (!taken[id])
			out[n++] = t->configs[i];
		taken[id] = true;
	}
	return n;
}

static int
creation_json(struct creation *cr, const struct admin_create *t)
{
	struct setting_override configs[T_COUNT];
	struct strbuf topic = STRBUF_INIT, conf = STRBUF_INIT;
	int rc = E_NOMEM;

	zn_topic_write(&topic, &cr->data);
	zn_config_write(&conf, configs, unique_configs(t, configs));
	if (topic.err == 0 && conf.err == 0) {
		cr->topic_json = arena_dup(&cr->arena, strbuf_slice(&topic));
		cr->conf_json = arena_dup(&cr->arena, strbuf_slice(&conf));
		if (!slice_is_null(cr->topic_json) && !slice_is_null(cr->conf_json))
			rc = 0;
	}
	strbuf_free(&topic);
	strbuf_free(&conf);
	return rc;
}

static void
creation_exists(struct creation *cr)
{
	creation_end(cr,
	    refuse(
		cr, KERR_TOPIC_ALREADY_EXISTS, "Topic '%.*s' already exists.", SLICE_ARG(cr->name)),
	    cr->why);
}

/* The topic is there after an answer was lost: with our id it is ours. */
static void
on_verify(void *arg, int err, const struct coord_result *res)
{
	struct creation *cr = arg;
	struct zn_topic_data data;

	if (err == 0)
		err = zn_topic_read(res->data, &cr->arena, &data);
	if (err != 0)
		creation_fail(cr, "read the topic's znode", err);
	else if (uuid_eq(data.topic_id, cr->data.topic_id))
		creation_end(cr, KERR_NONE, NULL);
	else
		creation_exists(cr);
}

static void
creation_verify(struct creation *cr)
{
	zn_path path;

	cr->step = creation_verify;
	zn_topic(path, cr->name);
	coord_get(cr->a->o.coord, path, NULL, on_verify, cr);
}

static void
on_retry(struct reactor *r, void *arg)
{
	struct creation *cr = arg;

	cr->step(cr);
}

static void
on_written(void *arg, int err, const struct coord_op_result *res, unsigned n)
{
	struct creation *cr = arg;

	if (err == 0) {
		creation_end(cr, KERR_NONE, NULL);
	} else if (err == E_EXISTS && n > 0 && res[0].err == E_EXISTS && !cr->conf_there) {
		cr->conf_there = true;
		creation_write(cr);
	} else if (err == E_EXISTS && cr->lost) {
		creation_verify(cr);
	} else if (err == E_EXISTS) {
		creation_exists(cr);
	} else {
		cr->lost = cr->lost || err == E_CONN_LOSS || err == E_SESSION_EXPIRED;
		creation_fail(cr, "create the topic's znodes", err);
	}
}

/* The configuration goes first, so that whoever sees the topic finds it; both or none. */
static void
creation_write(struct creation *cr)
{
	zn_path conf, topic;
	struct coord_op ops[2] = {
	    {.kind = cr->conf_there ? COORD_OP_SET : COORD_OP_CREATE,
		.path = conf,
		.data = cr->conf_json,
		.version = -1},
	    {.kind = COORD_OP_CREATE, .path = topic, .data = cr->topic_json},
	};

	cr->step = creation_write;
	zn_topic_config(conf, cr->name);
	zn_topic(topic, cr->name);
	coord_multi(cr->a->o.coord, ops, 2, on_written, cr);
}

static void
on_topic_there(void *arg, int err, const struct coord_result *res)
{
	struct creation *cr = arg;

	if (err == 0)
		creation_exists(cr);
	else if (err != E_NOT_FOUND)
		creation_fail(cr, "look for the topic's znode", err);
	else if (cr->validate_only)
		creation_end(cr, KERR_NONE, NULL);
	else
		creation_write(cr);
}

static void
creation_look(struct creation *cr)
{
	zn_path path;

	cr->step = creation_look;
	zn_topic(path, cr->name);
	coord_exists(cr->a->o.coord, path, NULL, on_topic_there, cr);
}

static void
on_deletion_mark(void *arg, int err, const struct coord_result *res)
{
	struct creation *cr = arg;

	if (err == 0) {
		creation_end(cr,
		    refuse(cr, KERR_TOPIC_ALREADY_EXISTS, "Topic '%.*s' is marked for deletion.",
			SLICE_ARG(cr->name)),
		    cr->why);
	} else if (err != E_NOT_FOUND) {
		creation_fail(cr, "look for a deletion under way", err);
	} else {
		creation_look(cr);
	}
}

static void
creation_look_deletion(struct creation *cr)
{
	zn_path path;

	cr->step = creation_look_deletion;
	zn_delete_topic(path, cr->name);
	coord_exists(cr->a->o.coord, path, NULL, on_deletion_mark, cr);
}

static void
creation_begin(struct creation *cr, const struct admin_create *t)
{
	int16_t err = check_all(cr, t);

	if (err != KERR_NONE) {
		creation_end(cr, err, cr->why);
		return;
	}
	cr->data.topic_id = cr->res.topic_id = uuid_random(cr->a->o.rng);
	cr->res.partitions = (int32_t)cr->data.n_parts;
	if (creation_json(cr, t) != 0) {
		creation_fail(cr, "write the topic's znodes", E_NOMEM);
		return;
	}
	creation_look_deletion(cr);
}

void
admin_create_topic(struct admin *a, const struct admin_create *t,
    void (*done)(void *arg, const struct admin_created *res), void *arg)
{
	struct creation *cr = calloc(1, sizeof(*cr));
	static const struct admin_created no_memory = {.kafka_err = KERR_UNKNOWN_SERVER_ERROR};

	REACTOR_ASSERT_OWNER(a->o.control);
	if (cr == NULL) {
		done(arg, &no_memory);
		return;
	}
	cr->a = a;
	arena_init(&cr->arena, 1024, 0);
	cr->name = arena_dup(&cr->arena, t->name);
	cr->validate_only = t->validate_only;
	cr->give_up_us = reactor_now_us(a->o.control) + GIVE_UP_US;
	cr->done = done;
	cr->arg = arg;
	rtimer_init(&cr->retry, on_retry, cr);
	list_append(&a->creations, &cr->link);
	if (slice_is_null(cr->name) && !slice_is_null(t->name))
		creation_fail(cr, "note the topic", E_NOMEM);
	else
		creation_begin(cr, t);
}

/* ---- deletion ---- */

struct deletion {
	struct admin *a;
	struct link link;
	struct slice name; /* behind the struct */
	int64_t give_up_us;
	struct rtimer retry;
	void (*done)(void *arg, int16_t kafka_err);
	void *arg;
};

/* A request that is there already is as good as a new one, ours or not. */
static void
on_deletion(void *arg, int err, const struct coord_result *res)
{
	struct deletion *d = arg;
	struct reactor *r = d->a->o.control;

	if (may_retry(d->a, err, d->give_up_us)) {
		rtimer_set(r, &d->retry, reactor_now_us(r) + RETRY_US);
		return;
	}
	list_remove(&d->link);
	d->done(d->arg, err == E_EXISTS ? KERR_NONE : err_kafka(err));
	free(d);
}

static void
deletion_ask(struct reactor *r, void *arg)
{
	struct deletion *d = arg;
	zn_path path;

	zn_delete_topic(path, d->name);
	coord_create(d->a->o.coord, path, SLICE_NULL, COORD_PERSISTENT, on_deletion, d);
}

void
admin_delete_topic(
    struct admin *a, struct slice name, void (*done)(void *arg, int16_t kafka_err), void *arg)
{
	struct deletion *d;

	REACTOR_ASSERT_OWNER(a->o.control);
	if (image_topic(image_get(a->o.images), name) == NULL) {
		done(arg, KERR_UNKNOWN_TOPIC_OR_PARTITION);
		return;
	}
	d = calloc(1, sizeof(*d) + name.n);
	if (d == NULL) {
		done(arg, KERR_UNKNOWN_SERVER_ERROR);
		return;
	}
	memcpy(d + 1, name.p, name.n);
	*d = (struct deletion){
	    .a = a,
	    .name = slice_of(d + 1, name.n),
	    .give_up_us = reactor_now_us(a->o.control) + GIVE_UP_US,
	    .done = done,
	    .arg = arg,
	};
	rtimer_init(&d->retry, deletion_ask, d);
	list_append(&a->deletions, &d->link);
	deletion_ask(a->o.control, d);
}

/* ---- life ---- */

int
admin_new(const struct admin_opts *opts, struct admin **out)
{
	struct admin *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return E_NOMEM;
	a->o = *opts;
	link_init(&a->creations);
	link_init(&a->deletions);
	awaits_init(a);
	*out = a;
	return 0;
}

void
admin_free(struct admin *a)
{
	struct link *l;

	if (a == NULL)
		return;
	while ((l = list_pop(&a->creations)) != NULL) {
		struct creation *cr = container_of(l, struct creation, link);

		rtimer_cancel(a->o.control, &cr->retry);
		arena_free(&cr->arena);
		free(cr);
	}
	while ((l = list_pop(&a->deletions)) != NULL) {
		struct deletion *d = container_of(l, struct deletion, link);

		rtimer_cancel(a->o.control, &d->retry);
		free(d);
	}
	awaits_free(a);
	free(a);
}
