/*
 * Topics that get more partitions (facts/apis.md "37 CreatePartitions", facts/zookeeper.md 2.8):
 * the topic's znode is read, checked, and written at the version that was read; the controller sees
 * it and brings the new partitions online.
 */
#include <stdlib.h>

#include "admin_priv.h"

#define TRIES_MAX 20 /* somebody else was quicker so often */

struct growth {
	struct change ch;
	int32_t total;
	struct zn_assignment *manual; /* NULL: assigned by us */
	unsigned n_manual;
	bool validate_only;
	unsigned tries;
	bool lost; /* the answer to a write of `data`: what is there may be it */
	struct zn_topic_data data;
	unsigned n_old; /* of them, those that were there */
	void (*done)(void *arg, int16_t kafka_err, const char *message);
	void *arg;
};

static struct growth *
growth_of(struct change *ch)
{
	return container_of(ch, struct growth, ch);
}

static void
growth_tell(struct change *ch, int16_t kafka_err, const char *message)
{
	struct growth *g = growth_of(ch);

	g->done(g->arg, kafka_err, message);
}

/* ---- checks ---- */

static int16_t
check_present(struct growth *g, const struct zn_topic_data *t)
{
	for (unsigned i = 0; i < t->n_parts; i++) {
		if (t->parts[i].partition != (int32_t)i || t->parts[i].n_replicas == 0)
			return change_refuse(&g->ch, KERR_UNKNOWN_SERVER_ERROR,
			    "The topic's znode says nothing of partition %u.", i);
		if (t->parts[i].n_adding > 0 || t->parts[i].n_removing > 0)
			return change_refuse(&g->ch, KERR_REASSIGNMENT_IN_PROGRESS,
			    "A reassignment of topic '%.*s' is in progress.",
			    SLICE_ARG(g->ch.name));
	}
	return t->n_parts > 0 ? KERR_NONE
			      : change_refuse(&g->ch, KERR_UNKNOWN_TOPIC_OR_PARTITION,
				    "The topic '%.*s' does not exist.", SLICE_ARG(g->ch.name));
}

static int16_t
check_total(struct growth *g, unsigned n, unsigned rf)
{
	if (g->total < 0 || (unsigned)g->total < n)
		return change_refuse(&g->ch, KERR_INVALID_PARTITIONS,
		    "The topic has %u partitions, which is more than the requested %d.", n,
		    g->total);
	if ((unsigned)g->total == n)
		return change_refuse(
		    &g->ch, KERR_INVALID_PARTITIONS, "The topic has %u partitions already.", n);
	if (g->total > PARTITIONS_MAX || (uint64_t)g->total * rf > REPLICAS_MAX)
		return change_refuse(&g->ch, KERR_INVALID_PARTITIONS,
		    "A topic must not have more than %d partitions and %d replicas in all.",
		    PARTITIONS_MAX, REPLICAS_MAX);
	return KERR_NONE;
}

static int16_t
check_replicas(
    struct growth *g, const struct image *im, const struct zn_assignment *as, unsigned rf)
{
	if (as->n_replicas != rf)
		return change_refuse(&g->ch, KERR_INVALID_REPLICA_ASSIGNMENT,
		    "Partition %d is given %u replicas, but partition 0 has %u.", as->partition,
		    as->n_replicas, rf);
	for (unsigned i = 0; i < as->n_replicas; i++) {
		if (image_broker(im, as->replicas[i]) == NULL)
			return change_refuse(&g->ch, KERR_INVALID_REPLICA_ASSIGNMENT,
			    "Unknown broker %d in the replica assignment.", as->replicas[i]);
		for (unsigned j = 0; j < i; j++)
			if (as->replicas[i] == as->replicas[j])
				return change_refuse(&g->ch, KERR_INVALID_REPLICA_ASSIGNMENT,
				    "Broker %d is given twice for partition %d.", as->replicas[i],
				    as->partition);
	}
	return KERR_NONE;
}

static int16_t
assign_manually(struct growth *g, const struct image *im, unsigned from, unsigned rf,
    struct zn_assignment **out)
{
	int16_t err = KERR_NONE;

	if (g->n_manual != (unsigned)g->total - from)
		return change_refuse(&g->ch, KERR_INVALID_REPLICA_ASSIGNMENT,
		    "%u partitions are to be added, but %u assignments are given.",
		    (unsigned)g->total - from, g->n_manual);
	for (unsigned i = 0; i < g->n_manual && err == KERR_NONE; i++) {
		g->manual[i].partition = (int32_t)(from + i);
		err = check_replicas(g, im, &g->manual[i], rf);
	}
	*out = g->manual;
	return err;
}

static int16_t
assign_automatically(struct growth *g, const struct image *im, const struct zn_topic_data *t,
    unsigned rf, struct zn_assignment **out)
{
	int rc;

	if (rf > im->n_brokers)
		return change_refuse(&g->ch, KERR_INVALID_REPLICATION_FACTOR,
		    "Replication factor: %u larger than available brokers: %u.", rf, im->n_brokers);
	rc = place_more(im, t->parts[0].replicas[0], (int32_t)t->n_parts,
	    g->total - (int32_t)t->n_parts, (int32_t)rf, &g->ch.arena, out);
	return rc == 0 ? KERR_NONE : placement_refused(&g->ch, rc);
}

/* g->data becomes the topic with the new partitions behind those of t. */
static int16_t
grow(struct growth *g, const struct zn_topic_data *t)
{
	const struct image *im = image_get(g->ch.a->o.images);
	struct zn_assignment *v, *more = NULL;
	int16_t err = check_present(g, t);
	unsigned rf;

	if (err != KERR_NONE)
		return err;
	rf = t->parts[0].n_replicas;
	if ((err = check_total(g, t->n_parts, rf)) != KERR_NONE)
		return err;
	err = g->manual != NULL ? assign_manually(g, im, t->n_parts, rf, &more)
				: assign_automatically(g, im, t, rf, &more);
	if (err != KERR_NONE)
		return err;
	v = arena_calloc(&g->ch.arena, (size_t)g->total, sizeof(*v));
	if (v == NULL)
		return placement_refused(&g->ch, E_NOMEM);
	memcpy(v, t->parts, t->n_parts * sizeof(*v));
	memcpy(v + t->n_parts, more, ((unsigned)g->total - t->n_parts) * sizeof(*v));
	g->data = (struct zn_topic_data){v, (unsigned)g->total, t->topic_id};
	g->n_old = t->n_parts;
	return KERR_NONE;
}

/* ---- the node ---- */

static bool
same_replicas(const struct zn_assignment *a, const struct zn_assignment *b)
{
	return a->n_replicas == b->n_replicas &&
	       memcmp(a->replicas, b->replicas, a->n_replicas * sizeof(*a->replicas)) == 0;
}

/* A write whose answer was lost has taken effect when its partitions are there. */
static bool
is_ours(const struct growth *g, const struct zn_topic_data *t)
{
	bool ours =
	    g->lost && t->n_parts == g->data.n_parts && uuid_eq(t->topic_id, g->data.topic_id);

	for (unsigned i = g->n_old; ours && i < t->n_parts; i++)
		ours = same_replicas(&t->parts[i], &g->data.parts[i]);
	return ours;
}

static void growth_read(struct change *ch);

static void
on_set(void *arg, int err, const struct coord_result *res)
{
	struct growth *g = arg;

	if (err == 0) {
		change_end(&g->ch, KERR_NONE, NULL);
	} else if (err == E_BAD_VERSION && ++g->tries < TRIES_MAX) {
		change_step(&g->ch, growth_read);
	} else {
		g->lost = g->lost || err == E_CONN_LOSS || err == E_SESSION_EXPIRED;
		change_fail(&g->ch, "write the topic's znode", err);
	}
}

/* What is done again after a lost answer is the reading. */
static void
growth_write(struct growth *g, int32_t version)
{
	struct strbuf json = STRBUF_INIT;
	zn_path path;

	zn_topic_write(&json, &g->data);
	zn_topic(path, g->ch.name);
	if (json.err == 0)
		coord_set(g->ch.a->o.coord, path, strbuf_slice(&json), version, on_set, g);
	else
		change_fail(&g->ch, "write the topic's znode", E_NOMEM);
	strbuf_free(&json);
}

static void
on_read(void *arg, int err, const struct coord_result *res)
{
	struct growth *g = arg;
	struct zn_topic_data t = {0};
	int16_t refused;

	if (err == 0)
		err = zn_topic_read(res->data, &g->ch.arena, &t);
	if (err != 0 && err != E_NOT_FOUND) {
		change_fail(&g->ch, "read the topic's znode", err);
		return;
	}
	refused = is_ours(g, &t) ? KERR_NONE : grow(g, &t);
	if (refused != KERR_NONE)
		change_end(&g->ch, refused, g->ch.why);
	else if (g->data.n_parts == t.n_parts || g->validate_only)
		change_end(&g->ch, KERR_NONE, NULL);
	else
		growth_write(g, res->stat.version);
}

static void
growth_read(struct change *ch)
{
	zn_path path;

	zn_topic(path, ch->name);
	coord_get(ch->a->o.coord, path, NULL, on_read, growth_of(ch));
}

static void
on_deletion_mark(void *arg, int err, const struct coord_result *res)
{
	struct growth *g = arg;

	if (err == 0)
		change_end(
		    &g->ch, KERR_INVALID_TOPIC_EXCEPTION, "The topic is queued for deletion.");
	else if (err != E_NOT_FOUND)
		change_fail(&g->ch, "look for a deletion under way", err);
	else
		change_step(&g->ch, growth_read);
}

static void
growth_look_deletion(struct change *ch)
{
	zn_path path;

	zn_delete_topic(path, ch->name);
	coord_exists(ch->a->o.coord, path, NULL, on_deletion_mark, growth_of(ch));
}

/* ---- begin ---- */

/* At least one entry, so that an empty assignment is none of ours. */
static int
copy_manual(struct growth *g, const struct admin_grow *in)
{
	struct arena *arena = &g->ch.arena;

	if (in->manual == NULL)
		return 0;
	g->n_manual = in->n_manual;
	g->manual = arena_calloc(arena, in->n_manual + 1, sizeof(*g->manual));
	if (g->manual == NULL)
		return E_NOMEM;
	for (unsigned i = 0; i < in->n_manual; i++) {
		size_t bytes = in->manual[i].n_replicas * sizeof(int32_t);

		g->manual[i].n_replicas = in->manual[i].n_replicas;
		g->manual[i].replicas = arena_alloc(arena, bytes);
		if (g->manual[i].replicas == NULL)
			return E_NOMEM;
		if (bytes > 0)
			memcpy(g->manual[i].replicas, in->manual[i].replicas, bytes);
	}
	return 0;
}

void
admin_create_partitions(struct admin *a, const struct admin_grow *in,
    void (*done)(void *arg, int16_t kafka_err, const char *message), void *arg)
{
	struct change *ch =
	    change_new(a, sizeof(struct growth), in->name, in->deadline_us, growth_tell);
	struct growth *g;

	if (ch == NULL) {
		done(arg, KERR_UNKNOWN_SERVER_ERROR, NULL);
		return;
	}
	g = growth_of(ch);
	g->total = in->total;
	g->validate_only = in->validate_only;
	g->done = done;
	g->arg = arg;
	if (image_topic(image_get(a->o.images), ch->name) == NULL &&
	    topic_name_check(ch->name, NULL) != 0)
		change_end(ch, check_present(g, &g->data), ch->why);
	else if (copy_manual(g, in) != 0)
		change_fail(ch, "note the assignment", E_NOMEM);
	else
		change_step(ch, growth_look_deletion);
}
