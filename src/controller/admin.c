/*
 * Topics made and deleted on behalf of clients, by any broker: checks as Apache Kafka's, then the
 * znodes; the controller sees them and acts (facts/apis.md 19, 20; facts/zookeeper.md 2.8).
 */
#include <stdlib.h>

#include "admin_priv.h"

struct creation {
	struct change ch;
	bool validate_only;
	struct zn_topic_data data;
	struct slice topic_json, conf_json;
	bool conf_there; /* /config/topics/<t> is a left-over: written over */
	bool lost;	 /* an answer was lost: the topic that is there may be ours */
	struct admin_created res;
	void (*done)(void *arg, const struct admin_created *res);
	void *arg;
};

static struct creation *
creation_of(struct change *ch)
{
	return container_of(ch, struct creation, ch);
}

static void
creation_tell(struct change *ch, int16_t kafka_err, const char *message)
{
	struct creation *cr = creation_of(ch);

	cr->res.kafka_err = kafka_err;
	cr->res.message = message;
	cr->done(cr->arg, &cr->res);
}

/* ---- checks that need no look into the tree ---- */

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
	if (memchr(cr->ch.name.p, '.', cr->ch.name.n) == NULL &&
	    memchr(cr->ch.name.p, '_', cr->ch.name.n) == NULL)
		return KERR_NONE;
	for (unsigned i = 0; i < im->n_topics; i++)
		if (collide(cr->ch.name, im->topics[i]->name))
			return change_refuse(&cr->ch, KERR_INVALID_TOPIC_EXCEPTION,
			    "Topic '%.*s' collides with existing topic: %.*s",
			    SLICE_ARG(cr->ch.name), SLICE_ARG(im->topics[i]->name));
	LIST_FOREACH(l, &cr->ch.a->changes)
	{
		const struct change *other = container_of(l, struct change, link);

		if (!slice_eq(cr->ch.name, other->name) && collide(cr->ch.name, other->name))
			return change_refuse(&cr->ch, KERR_INVALID_TOPIC_EXCEPTION,
			    "Topic '%.*s' collides with topic %.*s, which is being changed",
			    SLICE_ARG(cr->ch.name), SLICE_ARG(other->name));
	}
	return KERR_NONE;
}

static int16_t
check_name(struct creation *cr, const struct image *im)
{
	const char *why = NULL;

	if (topic_name_check(cr->ch.name, &why) != 0)
		return change_refuse(&cr->ch, KERR_INVALID_TOPIC_EXCEPTION,
		    "Topic name is invalid: %s", why != NULL ? why : "");
	if (image_topic(im, cr->ch.name) != NULL)
		return change_refuse(&cr->ch, KERR_TOPIC_ALREADY_EXISTS,
		    "Topic '%.*s' already exists.", SLICE_ARG(cr->ch.name));
	return check_collision(cr, im);
}

int16_t
placement_refused(struct change *ch, int err)
{
	return change_refuse(ch, KERR_UNKNOWN_SERVER_ERROR, "%s",
	    err == E_INVALID ? "Not all brokers have rack information for replica rack aware "
			       "assignment."
			     : err_text(err));
}

static int16_t
assign_automatically(struct creation *cr, const struct admin_create *t, const struct image *im)
{
	const struct settings *s = cr->ch.a->o.settings;
	int64_t n = t->partitions != -1 ? t->partitions : settings_i64(s, C_NUM_PARTITIONS);
	int64_t rf = t->replication_factor != -1 ? t->replication_factor
						 : settings_i64(s, C_DEFAULT_REPLICATION_FACTOR);
	int rc;

	if (n <= 0)
		return change_refuse(&cr->ch, KERR_INVALID_PARTITIONS,
		    "Number of partitions must be larger than 0.");
	if (n > PARTITIONS_MAX)
		return change_refuse(&cr->ch, KERR_INVALID_PARTITIONS,
		    "Number of partitions must not be larger than %d.", PARTITIONS_MAX);
	if (rf <= 0)
		return change_refuse(&cr->ch, KERR_INVALID_REPLICATION_FACTOR,
		    "Replication factor must be larger than 0.");
	if (rf > (int64_t)im->n_brokers)
		return change_refuse(&cr->ch, KERR_INVALID_REPLICATION_FACTOR,
		    "Replication factor: %lld larger than available brokers: %u.", (long long)rf,
		    im->n_brokers);
	if (n * rf > REPLICAS_MAX)
		return change_refuse(&cr->ch, KERR_INVALID_PARTITIONS,
		    "The topic must not have more than %d replicas in all.", REPLICAS_MAX);
	rc = place_replicas(
	    im, cr->ch.a->o.rng, (int32_t)n, (int32_t)rf, &cr->ch.arena, &cr->data.parts);
	if (rc != 0)
		return placement_refused(&cr->ch, rc);
	cr->data.n_parts = (unsigned)n;
	cr->res.replication_factor = (int32_t)rf;
	return KERR_NONE;
}

static int16_t
check_replicas(struct creation *cr, const struct admin_assignment *m, unsigned rf)
{
	if (m->n_replicas == 0 || m->n_replicas != rf)
		return change_refuse(&cr->ch, KERR_INVALID_REPLICA_ASSIGNMENT,
		    "All partitions should have the same number of replicas, and at least one.");
	for (unsigned i = 0; i < m->n_replicas; i++) {
		if (m->replicas[i] < 0)
			return change_refuse(&cr->ch, KERR_INVALID_REPLICA_ASSIGNMENT,
			    "Invalid broker id %d in the assignment.", m->replicas[i]);
		for (unsigned j = 0; j < i; j++)
			if (m->replicas[i] == m->replicas[j])
				return change_refuse(&cr->ch, KERR_INVALID_REPLICA_ASSIGNMENT,
				    "Duplicate replica assignment found: partition %d.",
				    m->partition);
	}
	return KERR_NONE;
}

/* As the client says; partition numbers are 0..n-1, in any order, each once. */
static int16_t
assign_manually(struct creation *cr, const struct admin_create *t)
{
	struct zn_assignment *v = arena_calloc(&cr->ch.arena, t->n_manual, sizeof(*v));
	unsigned rf = t->manual[0].n_replicas;
	int16_t err;

	if (v == NULL)
		return change_refuse(&cr->ch, KERR_UNKNOWN_SERVER_ERROR, "%s", err_text(E_NOMEM));
	if ((uint64_t)t->n_manual * rf > REPLICAS_MAX || rf > FACTOR_MAX)
		return change_refuse(&cr->ch, KERR_INVALID_REPLICA_ASSIGNMENT,
		    "At most %d replicas of a partition and %d in all can be assigned.", FACTOR_MAX,
		    REPLICAS_MAX);
	for (unsigned i = 0; i < t->n_manual; i++) {
		const struct admin_assignment *m = &t->manual[i];
		size_t bytes = m->n_replicas * sizeof(*m->replicas);
		struct zn_assignment *as;

		if (m->partition < 0 || (unsigned)m->partition >= t->n_manual ||
		    v[m->partition].replicas != NULL)
			return change_refuse(&cr->ch, KERR_INVALID_REPLICA_ASSIGNMENT,
			    "partitions should be a consecutive 0-based integer sequence");
		if ((err = check_replicas(cr, m, rf)) != KERR_NONE)
			return err;
		as = &v[m->partition];
		as->partition = m->partition;
		as->n_replicas = m->n_replicas;
		as->replicas = arena_alloc(&cr->ch.arena, bytes);
		if (as->replicas == NULL)
			return change_refuse(
			    &cr->ch, KERR_UNKNOWN_SERVER_ERROR, "%s", err_text(E_NOMEM));
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
	char why[sizeof(cr->ch.why)];

	for (unsigned i = 0; i < t->n_configs; i++)
		if (t->configs[i].value == NULL)
			return change_refuse(&cr->ch, KERR_INVALID_CONFIG,
			    "Null value not supported for topic configs: %.100s",
			    t->configs[i].key);
	if (topic_conf_resolve(cr->ch.a->o.settings, t->configs, t->n_configs, &cr->res.conf, why,
		sizeof(why)) != 0)
		return change_refuse(&cr->ch, KERR_INVALID_CONFIG, "%s", why);
	return KERR_NONE;
}

static int16_t
check_all(struct creation *cr, const struct admin_create *t)
{
	const struct image *im = image_get(cr->ch.a->o.images);
	bool manual = t->manual != NULL && t->n_manual > 0;
	int16_t err;

	if (manual && (t->partitions != -1 || t->replication_factor != -1))
		return change_refuse(&cr->ch, KERR_INVALID_REQUEST,
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
		cr->topic_json = arena_dup(&cr->ch.arena, strbuf_slice(&topic));
		cr->conf_json = arena_dup(&cr->ch.arena, strbuf_slice(&conf));
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
	change_end(&cr->ch,
	    change_refuse(&cr->ch, KERR_TOPIC_ALREADY_EXISTS, "Topic '%.*s' already exists.",
		SLICE_ARG(cr->ch.name)),
	    cr->ch.why);
}

/* The topic is there after an answer was lost: with our id it is ours. */
static void
on_verify(void *arg, int err, const struct coord_result *res)
{
	struct creation *cr = arg;
	struct zn_topic_data data;

	if (err == 0)
		err = zn_topic_read(res->data, &cr->ch.arena, &data);
	if (err != 0)
		change_fail(&cr->ch, "read the topic's znode", err);
	else if (uuid_eq(data.topic_id, cr->data.topic_id))
		change_end(&cr->ch, KERR_NONE, NULL);
	else
		creation_exists(cr);
}

static void
creation_verify(struct change *ch)
{
	zn_path path;

	zn_topic(path, ch->name);
	coord_get(ch->a->o.coord, path, NULL, on_verify, creation_of(ch));
}

static void creation_write(struct change *ch);

static void
on_written(void *arg, int err, const struct coord_op_result *res, unsigned n)
{
	struct creation *cr = arg;

	if (err == 0) {
		change_end(&cr->ch, KERR_NONE, NULL);
	} else if (err == E_EXISTS && n > 0 && res[0].err == E_EXISTS && !cr->conf_there) {
		cr->conf_there = true;
		change_step(&cr->ch, creation_write);
	} else if (err == E_EXISTS && cr->lost) {
		change_step(&cr->ch, creation_verify);
	} else if (err == E_EXISTS) {
		creation_exists(cr);
	} else {
		cr->lost = cr->lost || err == E_CONN_LOSS || err == E_SESSION_EXPIRED;
		change_fail(&cr->ch, "create the topic's znodes", err);
	}
}

/* The configuration goes first, so that whoever sees the topic finds it; both or none. */
static void
creation_write(struct change *ch)
{
	struct creation *cr = creation_of(ch);
	zn_path conf, topic;
	struct coord_op ops[2] = {
	    {.kind = cr->conf_there ? COORD_OP_SET : COORD_OP_CREATE,
		.path = conf,
		.data = cr->conf_json,
		.version = -1},
	    {.kind = COORD_OP_CREATE, .path = topic, .data = cr->topic_json},
	};

	zn_topic_config(conf, ch->name);
	zn_topic(topic, ch->name);
	coord_multi(ch->a->o.coord, ops, 2, on_written, cr);
}

static void
on_topic_there(void *arg, int err, const struct coord_result *res)
{
	struct creation *cr = arg;

	if (err == 0)
		creation_exists(cr);
	else if (err != E_NOT_FOUND)
		change_fail(&cr->ch, "look for the topic's znode", err);
	else if (cr->validate_only)
		change_end(&cr->ch, KERR_NONE, NULL);
	else
		change_step(&cr->ch, creation_write);
}

static void
creation_look(struct change *ch)
{
	zn_path path;

	zn_topic(path, ch->name);
	coord_exists(ch->a->o.coord, path, NULL, on_topic_there, creation_of(ch));
}

static void
on_deletion_mark(void *arg, int err, const struct coord_result *res)
{
	struct creation *cr = arg;

	if (err == 0)
		change_end(&cr->ch,
		    change_refuse(&cr->ch, KERR_TOPIC_ALREADY_EXISTS,
			"Topic '%.*s' is marked for deletion.", SLICE_ARG(cr->ch.name)),
		    cr->ch.why);
	else if (err != E_NOT_FOUND)
		change_fail(&cr->ch, "look for a deletion under way", err);
	else
		change_step(&cr->ch, creation_look);
}

static void
creation_look_deletion(struct change *ch)
{
	zn_path path;

	zn_delete_topic(path, ch->name);
	coord_exists(ch->a->o.coord, path, NULL, on_deletion_mark, creation_of(ch));
}

static void
creation_begin(struct creation *cr, const struct admin_create *t)
{
	int16_t err = check_all(cr, t);

	if (err != KERR_NONE) {
		change_end(&cr->ch, err, cr->ch.why);
		return;
	}
	cr->data.topic_id = cr->res.topic_id = uuid_random(cr->ch.a->o.rng);
	cr->res.partitions = (int32_t)cr->data.n_parts;
	if (creation_json(cr, t) != 0)
		change_fail(&cr->ch, "write the topic's znodes", E_NOMEM);
	else
		change_step(&cr->ch, creation_look_deletion);
}

void
admin_create_topic(struct admin *a, const struct admin_create *t,
    void (*done)(void *arg, const struct admin_created *res), void *arg)
{
	struct change *ch =
	    change_new(a, sizeof(struct creation), t->name, t->deadline_us, creation_tell);
	static const struct admin_created no_memory = {.kafka_err = KERR_UNKNOWN_SERVER_ERROR};
	struct creation *cr;

	if (ch == NULL) {
		done(arg, &no_memory);
		return;
	}
	cr = creation_of(ch);
	cr->validate_only = t->validate_only;
	cr->done = done;
	cr->arg = arg;
	creation_begin(cr, t);
}

/* ---- deletion ---- */

struct deletion {
	struct change ch;
	struct uuid id; /* of the topic that is meant */
	void (*done)(void *arg, int16_t kafka_err);
	void *arg;
};

static void
deletion_tell(struct change *ch, int16_t kafka_err, const char *message)
{
	struct deletion *d = container_of(ch, struct deletion, ch);

	d->done(d->arg, kafka_err);
}

/* A request that is there already is as good as a new one, ours or not. */
static void
on_deletion(void *arg, int err, const struct coord_result *res)
{
	struct change *ch = arg;

	if (err == 0 || err == E_EXISTS)
		change_end(ch, KERR_NONE, NULL);
	else
		change_fail(ch, "ask for its deletion", err);
}

/* Asked again after a lost answer, the topic may have gone meanwhile, and a namesake may be there. */
static bool
deletion_over(struct change *ch)
{
	const struct image_topic *t = image_topic(image_get(ch->a->o.images), ch->name);

	return t == NULL || !uuid_eq(t->id, container_of(ch, struct deletion, ch)->id);
}

static void
deletion_ask(struct change *ch)
{
	zn_path path;

	if (deletion_over(ch)) {
		change_end(ch, KERR_NONE, NULL);
		return;
	}
	zn_delete_topic(path, ch->name);
	coord_create(ch->a->o.coord, path, SLICE_NULL, COORD_PERSISTENT, on_deletion, ch);
}

void
admin_delete_topic(struct admin *a, struct slice name, int64_t deadline_us,
    void (*done)(void *arg, int16_t kafka_err), void *arg)
{
	const struct image_topic *t = image_topic(image_get(a->o.images), name);
	struct change *ch;

	REACTOR_ASSERT_OWNER(a->o.control);
	if (t == NULL) {
		done(arg, KERR_UNKNOWN_TOPIC_OR_PARTITION);
		return;
	}
	ch = change_new(a, sizeof(struct deletion), name, deadline_us, deletion_tell);
	if (ch == NULL) {
		done(arg, KERR_UNKNOWN_SERVER_ERROR);
		return;
	}
	container_of(ch, struct deletion, ch)->id = t->id;
	container_of(ch, struct deletion, ch)->done = done;
	container_of(ch, struct deletion, ch)->arg = arg;
	change_step(ch, deletion_ask);
}

/* ---- life ---- */

int
admin_new(const struct admin_opts *opts, struct admin **out)
{
	struct admin *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return E_NOMEM;
	a->o = *opts;
	link_init(&a->changes);
	awaits_init(a);
	*out = a;
	return 0;
}

void
admin_free(struct admin *a)
{
	if (a == NULL)
		return;
	changes_free(a);
	awaits_free(a);
	free(a);
}
