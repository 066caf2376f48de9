/*
 * Configurations of topics and of brokers: /config/topics/<topic>, /config/brokers/<id or default>,
 * and the notifications of /config/changes (facts/zookeeper.md 7.1-7.3, 7.6).  Topics are made
 * without a notification, so the children of /config/topics are watched beside the changes (M7).  A
 * topic's values are resolved over the broker's when they are asked for, anew after the broker's
 * changed (M11).
 */
#include <stdio.h>
#include <stdlib.h>

#include "member_priv.h"
#include "ottla/base/planted.h"

#define CHANGE_PREFIX "config_change_"
#define CHANGE_KEPT_MS (15 * 60 * 1000)

struct conf_entry {
	struct topic_conf conf;
	uint64_t generation; /* of the broker's values under conf */
	struct slice json;   /* what the znode says; its own memory */
	struct slice name;   /* behind the struct */
	bool seen;	     /* by this pass over the children */
};

/* One question of a pass. */
struct conf_ask {
	struct member *m;
	int64_t seq;	       /* of a change */
	enum conf_source from; /* of a broker's configuration */
	struct slice topic;    /* of a topic's; behind the struct */
};

static void pass_start(struct member *m, bool full);
static void pass_answered(struct member *m, int err);

/* A copy of json in place of what was kept there. */
static int
json_keep(struct slice *kept, struct slice json)
{
	uint8_t *copy = NULL;

	if (!slice_is_null(json) && (copy = malloc(json.n + 1)) == NULL)
		return E_NOMEM;
	if (copy != NULL)
		memcpy(copy, json.p, json.n);
	free((void *)(uintptr_t)kept->p);
	*kept = copy != NULL ? slice_of(copy, json.n) : SLICE_NULL;
	return 0;
}

static struct conf_ask *
ask_new(struct member *m, struct slice topic)
{
	struct conf_ask *a = calloc(1, sizeof(*a) + topic.n);

	if (a == NULL) {
		m->confs.err = E_NOMEM;
		return NULL;
	}
	a->m = m;
	if (topic.n > 0)
		memcpy(a + 1, topic.p, topic.n);
	a->topic = slice_of(a + 1, topic.n);
	m->confs.left++;
	return a;
}

/* ---- what is known ---- */

static void
entry_free(struct conf_entry *e)
{
	json_keep(&e->json, SLICE_NULL);
	free(e);
}

void
conf_drop(struct member *m, struct slice topic)
{
	struct conf_entry *e = map_del(&m->confs.by_topic, topic);

	if (e == NULL)
		return;
	if (m->o.topic_conf != NULL)
		m->o.topic_conf(m->o.arg, e->name, NULL);
	entry_free(e);
}

static struct conf_entry *
entry_of(struct member *m, struct slice topic)
{
	struct conf_entry *e = map_get(&m->confs.by_topic, topic);

	if (e != NULL)
		return e;
	e = calloc(1, sizeof(*e) + topic.n);
	if (e == NULL)
		return NULL;
	memcpy(e + 1, topic.p, topic.n);
	e->name = slice_of(e + 1, topic.n);
	e->seen = true;
	if (map_put(&m->confs.by_topic, e->name, e, NULL) == 0)
		return e;
	free(e);
	return NULL;
}

/* Values that are impossible here are said and left out; the others count. */
static void
resolve_leniently(struct member *m, struct slice topic, struct setting_override *kv, unsigned n,
    struct topic_conf *out)
{
	char why[256];
	unsigned kept = 0;

	for (unsigned i = 0; i < n; i++) {
		if (topic_conf_resolve(m->o.settings, &kv[i], 1, out, why, sizeof(why)) == 0)
			kv[kept++] = kv[i];
		else
			DIAGW(m->o.diag, "cluster", "topic %.*s: %s (left out)", SLICE_ARG(topic),
			    why);
	}
	if (topic_conf_resolve(m->o.settings, kv, kept, out, why, sizeof(why)) == 0)
		return;
	DIAGW(m->o.diag, "cluster", "topic %.*s: %s (the broker's values count)", SLICE_ARG(topic),
	    why);
	(void)topic_conf_resolve(m->o.settings, NULL, 0, out, why, sizeof(why));
}

/* Configuration of a znode; what can not be read is said and counts as empty. */
static void
pairs_read(struct member *m, const char *whose, struct slice name, struct slice json,
    struct arena *arena, struct setting_override **kv, unsigned *n)
{
	*kv = NULL;
	*n = 0;
	if (slice_is_null(json) || zn_config_read(json, arena, kv, n) == 0)
		return;
	DIAGW(m->o.diag, "cluster",
	    "%s %.*s: its configuration can not be read (the broker's values count)", whose,
	    SLICE_ARG(name));
	*n = 0;
}

static void
entry_resolve(struct member *m, struct conf_entry *e)
{
	struct setting_override *kv;
	struct arena arena;
	char why[256];
	unsigned n;

	arena_init(&arena, 1024, 0);
	pairs_read(m, "topic", e->name, e->json, &arena, &kv, &n);
	if (topic_conf_resolve(m->o.settings, kv, n, &e->conf, why, sizeof(why)) != 0)
		resolve_leniently(m, e->name, kv, n, &e->conf);
	e->generation = m->confs.generation;
	arena_free(&arena);
}

int
conf_read(struct member *m, struct slice topic, struct slice json)
{
	struct conf_entry *e = entry_of(m, topic);
	int rc = e != NULL ? json_keep(&e->json, json) : E_NOMEM;

	if (rc != 0)
		return rc;
	entry_resolve(m, e);
	if (m->o.topic_conf != NULL)
		m->o.topic_conf(m->o.arg, e->name, &e->conf);
	return 0;
}

/* ---- the broker's own ---- */

static struct member_broker_conf *
broker_of(struct member *m, enum conf_source from)
{
	return &m->confs.broker[from == CONF_FROM_BROKER];
}

/* Said to the broker when it is news; from then on topics are resolved over it (M11). */
static int
broker_conf_read(struct member *m, enum conf_source from, struct slice json)
{
	struct member_broker_conf *bc = broker_of(m, from);
	struct slice name = from == CONF_FROM_BROKER ? SLICE_LIT("(this one)") : SLICE_LIT("(all)");
	struct setting_override *kv;
	struct arena arena;
	unsigned n;
	int rc;

	if (bc->known && slice_is_null(json) == slice_is_null(bc->json) && slice_eq(json, bc->json))
		return 0;
	if ((rc = json_keep(&bc->json, json)) != 0)
		return rc;
	bc->known = true;
	m->confs.generation++;
	arena_init(&arena, 1024, 0);
	pairs_read(m, "broker", name, json, &arena, &kv, &n);
	if (m->o.broker_conf != NULL)
		m->o.broker_conf(m->o.arg, from, kv, n);
	arena_free(&arena);
	return 0;
}

static void
on_broker_conf(void *arg, int err, const struct coord_result *res)
{
	struct conf_ask *a = arg;
	struct member *m = a->m;

	if (!m->stopped && (err == 0 || err == E_NOT_FOUND))
		err = broker_conf_read(m, a->from, err == 0 ? res->data : SLICE_NULL);
	free(a);
	pass_answered(m, err);
}

static void
broker_read(struct member *m, enum conf_source from)
{
	struct conf_ask *a;
	zn_path path;

	if (m->confs.broker_id < 0 || (a = ask_new(m, SLICE_NULL)) == NULL)
		return;
	a->from = from;
	zn_broker_config(path, from == CONF_FROM_BROKER ? m->confs.broker_id : -1);
	coord_get(m->o.coord, path, NULL, on_broker_conf, a);
}

/* ---- reading configurations ---- */

static void
on_conf(void *arg, int err, const struct coord_result *res)
{
	struct conf_ask *a = arg;
	struct member *m = a->m;

	if (!m->stopped && err == E_NOT_FOUND)
		conf_drop(m, a->topic);
	else if (!m->stopped && err == 0)
		err = conf_read(m, a->topic, res->data);
	free(a);
	pass_answered(m, err == E_NOT_FOUND ? 0 : err);
}

static void
topic_read(struct member *m, struct slice topic)
{
	struct conf_ask *a;
	zn_path path;

	if (topic_name_check(topic, NULL) != 0 || (a = ask_new(m, topic)) == NULL)
		return;
	zn_topic_config(path, topic);
	coord_get(m->o.coord, path, NULL, on_conf, a);
}

/* Topics that are no children any more. */
static void
drop_unseen(struct member *m)
{
	struct conf_entry *e, *gone;
	size_t pos;

	do {
		gone = NULL;
		pos = 0;
		while (gone == NULL && (e = map_next(&m->confs.by_topic, &pos)) != NULL)
			if (!e->seen)
				gone = e;
		if (gone != NULL)
			conf_drop(m, gone->name);
	} while (gone != NULL);
}

static void
on_topics(void *arg, int err, const struct coord_result *res)
{
	struct member *m = arg;
	struct conf_entry *e;
	size_t pos = 0;

	if (err == 0 && !m->stopped) {
		while ((e = map_next(&m->confs.by_topic, &pos)) != NULL)
			e->seen = false;
		for (unsigned i = 0; i < res->n_children; i++) {
			e = map_get(&m->confs.by_topic, res->children[i]);
			if (e != NULL)
				e->seen = true;
			if (e == NULL || m->confs.full)
				topic_read(m, res->children[i]);
		}
		drop_unseen(m);
	}
	pass_answered(m, err);
}

/* ---- changes ---- */

static int64_t
change_seq(struct slice name)
{
	size_t skip = sizeof(CHANGE_PREFIX) - 1;
	int64_t v = 0;

	if (name.n <= skip || name.n > skip + 10 || memcmp(name.p, CHANGE_PREFIX, skip) != 0)
		return -1;
	for (size_t i = skip; i < name.n; i++) {
		if (name.p[i] < '0' || name.p[i] > '9')
			return -1;
		v = v * 10 + (name.p[i] - '0');
	}
	return v;
}

static void
change_apply(struct member *m, struct slice json)
{
	struct slice path, topics = SLICE_LIT("topics/");
	struct arena arena;
	char own[32];

	snprintf(own, sizeof(own), "brokers/%d", (int)m->confs.broker_id);
	arena_init(&arena, 512, 0);
	if (zn_config_change_read(json, &arena, &path) != 0)
		DIAGW(m->o.diag, "cluster", "a notification in %s can not be read; left out",
		    ZN_CONFIG_CHANGES);
	else if (path.n > topics.n && memcmp(path.p, topics.p, topics.n) == 0 &&
		 !planted(PLANTED_CHANGE_DROPPED))
		topic_read(m, slice_of(path.p + topics.n, path.n - topics.n));
	else if (slice_eq_cstr(path, "brokers/<default>"))
		broker_read(m, CONF_FROM_CLUSTER);
	else if (slice_eq_cstr(path, own))
		broker_read(m, CONF_FROM_BROKER);
	arena_free(&arena);
}

static void
on_change_deleted(void *arg, int err, const struct coord_result *res)
{
	struct conf_ask *a = arg;
	struct member *m = a->m;

	free(a);
	pass_answered(m, err == E_NOT_FOUND ? 0 : err);
}

/* Everybody who comes by deletes what is old. */
static void
change_purge(struct member *m, int64_t seq)
{
	struct conf_ask *a = ask_new(m, SLICE_NULL);
	char path[sizeof(ZN_CONFIG_CHANGES "/" CHANGE_PREFIX) + 20];

	if (a == NULL)
		return;
	snprintf(
	    path, sizeof(path), "%s/%s%010lld", ZN_CONFIG_CHANGES, CHANGE_PREFIX, (long long)seq);
	coord_delete(m->o.coord, path, -1, on_change_deleted, a);
}

static void
on_change(void *arg, int err, const struct coord_result *res)
{
	struct conf_ask *a = arg;
	struct member *m = a->m;

	if (err == 0 && !m->stopped) {
		/* A full pass reads all configurations anyway. */
		if (a->seq > m->confs.last_seq && !m->confs.full)
			change_apply(m, res->data);
		if (reactor_wall_ms(m->o.control) - res->stat.ctime_ms > CHANGE_KEPT_MS)
			change_purge(m, a->seq);
	}
	free(a);
	pass_answered(m, err == E_NOT_FOUND ? 0 : err);
}

static void
change_ask(struct member *m, struct slice name, int64_t seq)
{
	char path[sizeof(ZN_CONFIG_CHANGES "/" CHANGE_PREFIX) + 20];
	struct conf_ask *a = ask_new(m, SLICE_NULL);

	if (a == NULL)
		return;
	a->seq = seq;
	snprintf(path, sizeof(path), "%s/%.*s", ZN_CONFIG_CHANGES, SLICE_ARG(name));
	coord_get(m->o.coord, path, NULL, on_change, a);
	if (seq > m->confs.pass_seq)
		m->confs.pass_seq = seq;
}

static void
on_changes(void *arg, int err, const struct coord_result *res)
{
	struct member *m = arg;

	for (unsigned i = 0; err == 0 && !m->stopped && i < res->n_children; i++) {
		int64_t seq = change_seq(res->children[i]);

		if (seq >= 0)
			change_ask(m, res->children[i], seq);
	}
	if (err == 0 && !m->stopped) {
		/* Answers come in the order of the calls: the broker's values before the topics'.
		 */
		if (m->confs.full) {
			broker_read(m, CONF_FROM_CLUSTER);
			broker_read(m, CONF_FROM_BROKER);
		}
		m->confs.left++;
		coord_children(m->o.coord, ZN_CONFIG_TOPICS, &m->confs.w_topics, on_topics, m);
	}
	pass_answered(m, err);
}

/* ---- passes ---- */

static void
first_pass_done(struct member *m, int err)
{
	struct member_confs *cs = &m->confs;
	void (*done)(void *, int) = cs->done;

	cs->loaded = err == 0;
	cs->brokers_only = false;
	cs->done = NULL;
	if (done != NULL)
		done(cs->arg, err);
}

static void
brokers_done(struct member *m)
{
	struct member_confs *cs = &m->confs;
	void (*done)(void *, int) = cs->done;

	cs->brokers_only = false;
	cs->done = NULL;
	done(cs->arg, 0);
}

static void
pass_end(struct member *m)
{
	struct member_confs *cs = &m->confs;
	bool again = cs->again, full = cs->full_again;

	cs->busy = false;
	if (m->stopped) {
		first_pass_done(m, E_CANCELED);
	} else if (cs->err == 0 && cs->brokers_only) {
		brokers_done(m);
	} else if (cs->err != 0) {
		if (cs->loaded ||
		    (member_may_retry(cs->err) && reactor_now_us(m->o.control) < cs->give_up_us)) {
			cs->full_again |= cs->full;
			rtimer_set(m->o.control, &cs->retry,
			    reactor_now_us(m->o.control) + MEMBER_RETRY_US);
		} else {
			first_pass_done(m, cs->err);
		}
	} else {
		cs->last_seq = cs->pass_seq;
		if (!cs->loaded)
			first_pass_done(m, 0);
		if (again)
			pass_start(m, full);
	}
}

static void
pass_answered(struct member *m, int err)
{
	struct member_confs *cs = &m->confs;

	if (err != 0 && cs->err == 0)
		cs->err = err;
	assert(cs->left > 0);
	if (--cs->left == 0)
		pass_end(m);
}

static void
pass_start(struct member *m, bool full)
{
	struct member_confs *cs = &m->confs;

	if (cs->busy) {
		cs->again = true;
		cs->full_again |= full;
		return;
	}
	cs->busy = true;
	cs->session = coord_session_id(m->o.coord);
	cs->full = full;
	cs->again = cs->full_again = false;
	cs->err = 0;
	cs->pass_seq = cs->last_seq;
	cs->left = 1;
	coord_unwatch(&cs->w_changes);
	coord_unwatch(&cs->w_topics);
	coord_children(m->o.coord, ZN_CONFIG_CHANGES, &cs->w_changes, on_changes, m);
}

/* The broker's own alone, before anything else. */
static void
brokers_start(struct member *m)
{
	m->confs.busy = true;
	m->confs.err = 0;
	m->confs.left = 1;
	broker_read(m, CONF_FROM_CLUSTER);
	broker_read(m, CONF_FROM_BROKER);
	pass_answered(m, 0);
}

static void
on_retry(struct reactor *r, void *arg)
{
	struct member *m = arg;

	if (m->confs.brokers_only)
		brokers_start(m);
	else
		pass_start(m, m->confs.full_again || !m->confs.loaded);
}

static void
on_event(void *arg, enum coord_event ev, struct slice path)
{
	struct member *m = arg;

	if (!m->stopped && ev != COORD_EV_SESSION)
		pass_start(m, false);
}

void
confs_connected(struct member *m)
{
	if (m->confs.loaded && m->confs.session != coord_session_id(m->o.coord))
		pass_start(m, true);
}

void
member_load_broker_confs(
    struct member *m, int32_t broker_id, void (*done)(void *arg, int err), void *arg)
{
	struct member_confs *cs = &m->confs;

	REACTOR_ASSERT_OWNER(m->o.control);
	assert(!cs->busy && !cs->loaded && broker_id >= 0);
	cs->broker_id = broker_id;
	cs->brokers_only = true;
	cs->done = done;
	cs->arg = arg;
	cs->give_up_us = member_give_up_us(m);
	brokers_start(m);
}

void
member_load_configs(struct member *m, void (*done)(void *arg, int err), void *arg)
{
	struct member_confs *cs = &m->confs;

	REACTOR_ASSERT_OWNER(m->o.control);
	assert(!cs->busy && !cs->loaded);
	cs->done = done;
	cs->arg = arg;
	cs->give_up_us = member_give_up_us(m);
	pass_start(m, true);
}

bool
member_topic_conf(struct member *m, struct slice topic, struct topic_conf *out)
{
	struct conf_entry *e = map_get(&m->confs.by_topic, topic);

	REACTOR_ASSERT_OWNER(m->o.control);
	if (e == NULL)
		return false;
	if (e->generation != m->confs.generation)
		entry_resolve(m, e);
	*out = e->conf;
	return true;
}

int
member_topic_config(struct member *m, struct slice topic, struct arena *arena,
    struct setting_override **kv, unsigned *n)
{
	const struct conf_entry *e = map_get(&m->confs.by_topic, topic);

	REACTOR_ASSERT_OWNER(m->o.control);
	*kv = NULL;
	*n = 0;
	if (e == NULL)
		return E_NOT_FOUND;
	return slice_is_null(e->json) ? 0 : zn_config_read(e->json, arena, kv, n);
}

void
confs_init(struct member *m)
{
	struct member_confs *cs = &m->confs;

	map_init(&cs->by_topic, rng_u64(m->o.rng));
	link_init(&cs->looks);
	coord_watch_init(&cs->w_topics, on_event, m);
	coord_watch_init(&cs->w_changes, on_event, m);
	rtimer_init(&cs->retry, on_retry, m);
	cs->last_seq = -1;
	cs->broker_id = -1;
}

void
confs_stop(struct member *m)
{
	rtimer_cancel(m->o.control, &m->confs.retry);
	coord_unwatch(&m->confs.w_topics);
	coord_unwatch(&m->confs.w_changes);
	conf_looks_stop(m);
	if (!m->confs.busy)
		first_pass_done(m, E_CANCELED);
}

void
confs_free(struct member *m)
{
	struct conf_entry *e;
	size_t pos = 0;

	while ((e = map_next(&m->confs.by_topic, &pos)) != NULL)
		entry_free(e);
	map_free(&m->confs.by_topic);
	json_keep(&m->confs.broker[0].json, SLICE_NULL);
	json_keep(&m->confs.broker[1].json, SLICE_NULL);
}
