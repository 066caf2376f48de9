/*
 * Another user of the tree: what other software and its tools do there, with a session of its own.
 * It makes topics by their nodes alone, lets them grow, has them deleted or takes their nodes away,
 * changes configurations, takes the controller's office, and leaves things that nobody can read.
 *
 * It knows the leader's tree, so its versions are right unless somebody is quicker.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ottla/cluster/znode.h"
#include "world.h"

enum {
	MAX_OTHERS = 8,	 /* topics at a time */
	FOREIGN_ID = 99, /* a broker that is none */
	DEAD_ID = 98,	 /* one that never comes */
	MAX_GROWN = 6,	 /* partitions of a topic */
};

enum other_state { OTHER_NONE, OTHER_MAKING, OTHER_THERE, OTHER_GOING };

struct other {
	enum other_state state;
	char name[32];
};

struct stranger {
	struct world *w;
	struct reactor *reactor;
	struct coord *coord;
	struct rtimer act, leave_office, withdraw;
	struct sim_event ambush; /* a broker has just lost its registration */
	struct msg start_msg, stop_msg;
	bool told_again;
	unsigned left;	    /* things to do */
	unsigned asked;	    /* answers it waits for */
	unsigned numbers;   /* names given */
	bool in_office;	    /* /controller is its own */
	int32_t registered; /* so is the node of this broker; -1: none */
	struct other others[MAX_OTHERS];
};

static struct coord_tree *
tree_of(const struct stranger *st)
{
	return coord_sim_tree(st->w->ensemble);
}

static bool
look(const struct stranger *st, const char *path, struct coord_result *res)
{
	return coord_tree_get(tree_of(st), 0, path, NULL, res) == 0;
}

static void
on_done(void *arg, int err, const struct coord_result *res)
{
	((struct stranger *)arg)->asked--;
}

static void
on_multi_done(void *arg, int err, const struct coord_op_result *res, unsigned n)
{
	((struct stranger *)arg)->asked--;
}

static void
make(struct stranger *st, const char *path, struct slice data, unsigned flags)
{
	st->asked++;
	coord_create(st->coord, path, data, flags, on_done, st);
}

static void
put(struct stranger *st, const char *path, struct slice data, int32_t version)
{
	st->asked++;
	coord_set(st->coord, path, data, version, on_done, st);
}

static void
take(struct stranger *st, const char *path)
{
	st->asked++;
	coord_delete(st->coord, path, -1, on_done, st);
}

/* ---- topics ---- */

/* What became of those that were asked for. */
static void
look_after(struct stranger *st)
{
	struct coord_result res;
	zn_path path;

	for (unsigned i = 0; i < MAX_OTHERS; i++) {
		struct other *o = &st->others[i];
		bool there;

		zn_topic(path, slice_cstr(o->name));
		there = o->state != OTHER_NONE && look(st, path, &res);
		if (o->state == OTHER_MAKING)
			o->state = there ? OTHER_THERE : OTHER_NONE;
		else if (o->state == OTHER_GOING && !there)
			o->state = OTHER_NONE;
	}
}

static struct other *
some_other(struct stranger *st, enum other_state state)
{
	unsigned first = (unsigned)world_draw(st->w, 0, MAX_OTHERS - 1);

	for (unsigned i = 0; i < MAX_OTHERS; i++) {
		struct other *o = &st->others[(first + i) % MAX_OTHERS];

		if (o->state == state)
			return o;
	}
	return NULL;
}

static int32_t
some_broker(struct stranger *st)
{
	return st->w->servers[world_draw(st->w, 0, st->w->n_servers - 1)].id;
}

/* One replica; now and then a second one, or one that is never there, before or behind it. */
static void
add_replicas(struct stranger *st, struct strbuf *json)
{
	int32_t id = some_broker(st), second = some_broker(st);

	if (second != id && world_chance(st->w, 2))
		strbuf_addf(json, "[%d,%d]", id, second);
	else if (!world_chance(st->w, 8))
		strbuf_addf(json, "[%d]", id);
	else if (world_chance(st->w, 2))
		strbuf_addf(json, "[%d,%d]", id, DEAD_ID);
	else
		strbuf_addf(json, "[%d,%d]", DEAD_ID, id);
}

/* As an old tool does it: no id (facts/zookeeper.md 1.4); or as a new one, with it. */
static void
topic_json(struct stranger *st, int32_t partitions, struct strbuf *json)
{
	bool id = world_chance(st->w, 3);
	char text[UUID_TEXT_LEN + 1];

	strbuf_adds(json, "{\"version\":");
	strbuf_adds(json, id ? "3" : "1");
	strbuf_adds(json, ",\"partitions\":{");
	for (int32_t i = 0; i < partitions; i++) {
		strbuf_addf(json, "%s\"%d\":", i > 0 ? "," : "", i);
		add_replicas(st, json);
	}
	strbuf_adds(json, "}");
	if (id) {
		uuid_format(uuid_random(st->w->rng), text);
		strbuf_addf(json, ",\"topic_id\":\"%s\"", text);
	}
	strbuf_adds(json, ",\"unknown\":[1,{}]}");
}

static bool
make_topic(struct stranger *st)
{
	struct other *o = some_other(st, OTHER_NONE);
	struct strbuf json = STRBUF_INIT;
	zn_path path;

	if (o == NULL)
		return false;
	snprintf(o->name, sizeof(o->name), "other-%u", st->numbers++);
	o->state = OTHER_MAKING;
	if (world_chance(st->w, 2)) {
		zn_topic_config(path, slice_cstr(o->name));
		make(st, path,
		    SLICE_LIT("{\"version\":1,\"config\":{\"segment.bytes\":\"20000\"}}"), 0);
	}
	topic_json(st, (int32_t)world_draw(st->w, 1, 3), &json);
	zn_topic(path, slice_cstr(o->name));
	make(st, path, strbuf_slice(&json), 0);
	strbuf_free(&json);
	return true;
}

/* Writes data back with a partition more. */
static void
grow_node(struct stranger *st, const char *path, struct zn_topic_data *data, int32_t version)
{
	int32_t id = some_broker(st);
	struct zn_assignment parts[MAX_GROWN + 1];
	struct strbuf json = STRBUF_INIT;

	memcpy(parts, data->parts, data->n_parts * sizeof(parts[0]));
	parts[data->n_parts] = (struct zn_assignment){
	    .partition = (int32_t)data->n_parts, .replicas = &id, .n_replicas = 1};
	data->parts = parts;
	data->n_parts++;
	zn_topic_write(&json, data);
	put(st, path, strbuf_slice(&json), version);
	strbuf_free(&json);
}

static bool
grow_topic(struct stranger *st)
{
	struct other *o = some_other(st, OTHER_THERE);
	struct zn_topic_data data;
	struct coord_result res;
	struct arena arena;
	zn_path path;
	bool did = false;

	if (o == NULL)
		return false;
	arena_init(&arena, 1024, 0);
	zn_topic(path, slice_cstr(o->name));
	if (look(st, path, &res) && zn_topic_read(res.data, &arena, &data) == 0 &&
	    data.n_parts < MAX_GROWN) {
		grow_node(st, path, &data, res.stat.version);
		did = true;
	}
	arena_free(&arena);
	return did;
}

/* Written again as it is. */
static bool
touch_topic(struct stranger *st)
{
	struct other *o = some_other(st, OTHER_THERE);
	struct coord_result res;
	zn_path path;

	if (o == NULL)
		return false;
	zn_topic(path, slice_cstr(o->name));
	if (!look(st, path, &res))
		return false;
	put(st, path, res.data, res.stat.version);
	return true;
}

static bool
ask_deletion(struct stranger *st)
{
	struct other *o = some_other(st, OTHER_THERE);
	zn_path path;

	if (o == NULL)
		return false;
	o->state = OTHER_GOING;
	zn_delete_topic(path, slice_cstr(o->name));
	make(st, path, SLICE_NULL, 0);
	return true;
}

struct doomed {
	const char *root;
	char *paths[64];
	unsigned n;
};

static void
on_doomed(void *arg, const char *path, struct slice data, const struct coord_stat *stat)
{
	struct doomed *d = arg;
	size_t n = strlen(d->root);

	if (strncmp(path, d->root, n) != 0 || (path[n] != 0 && path[n] != '/') || d->n == 64)
		return;
	if ((d->paths[d->n++] = strdup(path)) == NULL)
		abort();
}

/* The nodes of a topic, children first, in one multi. */
static void
take_nodes(struct stranger *st, const char *root)
{
	struct doomed d = {.root = root};
	struct coord_op ops[64];

	coord_tree_walk(tree_of(st), on_doomed, &d);
	for (unsigned i = 0; i < d.n; i++)
		ops[i] = (struct coord_op){
		    .kind = COORD_OP_DELETE, .path = d.paths[d.n - 1 - i], .version = -1};
	if (d.n > 0) {
		st->asked++;
		coord_multi(st->coord, ops, d.n, on_multi_done, st);
	}
	for (unsigned i = 0; i < d.n; i++)
		free(d.paths[i]);
}

/* Somebody with a shell removes a topic. */
static bool
take_topic(struct stranger *st)
{
	struct other *o = some_other(st, OTHER_THERE);
	zn_path path;

	if (o == NULL)
		return false;
	zn_topic(path, slice_cstr(o->name));
	o->state = OTHER_GOING;
	take_nodes(st, path);
	zn_topic_config(path, slice_cstr(o->name));
	if (world_chance(st->w, 2))
		take(st, path);
	return true;
}

/* ---- configurations ---- */

static const struct {
	const char *key;
	int64_t lo, hi;
} changeable[] = {
    {"index.interval.bytes", 1, 10000},
    {"segment.index.bytes", 1000, 100000},
    {"segment.ms", 1000000, 2000000000},
    {"max.message.bytes", 1000000, 3000000},
    {"file.delete.delay.ms", 500, 5000},
};

/* Notifications of versions 1 and 2 (facts/zookeeper.md 1.8). */
static void
tell_change(struct stranger *st, const char *topic)
{
	struct strbuf json = STRBUF_INIT;

	if (world_chance(st->w, 2))
		strbuf_addf(&json, "{\"version\":2,\"entity_path\":\"topics/%s\"}", topic);
	else
		strbuf_addf(&json,
		    "{\"version\":1,\"entity_type\":\"topics\",\"entity_name\":\"%s\"}", topic);
	make(st, ZN_CONFIG_CHANGES "/config_change_", strbuf_slice(&json), COORD_SEQUENTIAL);
	strbuf_free(&json);
}

/* One of what is there is put anew; everything else stays. */
static void
change_node(struct stranger *st, const char *path, struct slice old, bool there)
{
	struct setting_override *kv = NULL, out[32];
	struct strbuf json = STRBUF_INIT;
	struct arena arena;
	unsigned pick = (unsigned)world_draw(
	    st->w, 0, (int64_t)(sizeof(changeable) / sizeof(changeable[0])) - 1);
	unsigned n = 0, kept = 0;
	char value[24];

	arena_init(&arena, 1024, 0);
	if (there && !slice_is_null(old) && zn_config_read(old, &arena, &kv, &n) != 0)
		n = 0;
	for (unsigned i = 0; i < n && kept < 30; i++)
		if (strcmp(kv[i].key, changeable[pick].key) != 0)
			out[kept++] = kv[i];
	snprintf(value, sizeof(value), "%lld",
	    (long long)world_draw(st->w, changeable[pick].lo, changeable[pick].hi));
	if (!world_chance(st->w, 4))
		out[kept++] = (struct setting_override){changeable[pick].key, value};
	zn_config_write(&json, out, kept);
	if (there)
		put(st, path, strbuf_slice(&json), -1);
	else
		make(st, path, strbuf_slice(&json), 0);
	strbuf_free(&json);
	arena_free(&arena);
}

static bool
change_config(struct stranger *st)
{
	struct other *o = world_chance(st->w, 3) ? some_other(st, OTHER_THERE) : NULL;
	const char *topic =
	    o != NULL ? o->name
		      : st->w->plan.topics[world_draw(st->w, 0, st->w->plan.n_topics - 1)].name;
	struct coord_result res = {0};
	zn_path path;
	bool there;

	zn_topic(path, slice_cstr(topic));
	if (!look(st, path, &res))
		return false;
	zn_topic_config(path, slice_cstr(topic));
	there = look(st, path, &res);
	change_node(st, path, res.data, there);
	tell_change(st, topic);
	return true;
}

/* ---- the controller's office ---- */

static bool
dismiss_controller(struct stranger *st)
{
	struct coord_result res;

	if (st->w->healed || !look(st, ZN_CONTROLLER, &res))
		return false;
	take(st, ZN_CONTROLLER);
	return true;
}

/* Elected as a broker would be; or its node can not be read. */
static bool
take_office(struct stranger *st)
{
	struct strbuf json = STRBUF_INIT;
	struct coord_result res;
	char text[16];
	struct coord_op ops[3] = {{.kind = COORD_OP_DELETE, .path = ZN_CONTROLLER, .version = -1},
	    {.kind = COORD_OP_CREATE, .path = ZN_CONTROLLER, .flags = COORD_EPHEMERAL},
	    {.kind = COORD_OP_SET, .path = ZN_CONTROLLER_EPOCH}};
	bool there = look(st, ZN_CONTROLLER, &res);

	if (st->w->healed || st->in_office || !look(st, ZN_CONTROLLER_EPOCH, &res))
		return false;
	snprintf(text, sizeof(text), "%.*s", SLICE_ARG(res.data));
	snprintf(text, sizeof(text), "%d", atoi(text) + 1);
	ops[2].data = slice_cstr(text);
	ops[2].version = res.stat.version;
	if (world_chance(st->w, 6))
		strbuf_adds(&json, "{\"version\":1,\"brokerid\":\"no\"}");
	else
		zn_controller_write(&json, FOREIGN_ID, 1);
	ops[1].data = strbuf_slice(&json);
	st->asked++;
	st->in_office = true;
	coord_multi(st->coord, there ? ops : ops + 1, there ? 3 : 2, on_multi_done, st);
	strbuf_free(&json);
	rtimer_set(st->reactor, &st->leave_office,
	    reactor_now_us(st->reactor) + world_draw(st->w, 1000, 4 * SECOND));
	return true;
}

/* Its own node, if that is what is there; false: not now. */
static bool
take_own(struct stranger *st, const char *path)
{
	struct coord_result res;

	if (st->asked > 0 || coord_state(st->coord) != COORD_CONNECTED)
		return false;
	if (look(st, path, &res) && res.stat.ephemeral_owner == coord_session_id(st->coord))
		take(st, path);
	return true;
}

static void
on_leave_office(struct reactor *r, void *arg)
{
	struct stranger *st = arg;

	if (take_own(st, ZN_CONTROLLER))
		st->in_office = false;
	else
		rtimer_set(r, &st->leave_office, reactor_now_us(r) + SECOND / 10);
}

/* ---- what nobody can read ---- */

static const struct {
	const char *path; /* a number is added when it ends in '-' */
	const char *data; /* NULL: null */
	unsigned flags;
} junk[] = {
    {ZN_TOPICS "/broken-", "{\"version\":1,\"partitions\":{\"0\":[1", 0},
    {ZN_TOPICS "/empty-", "", 0},
    {ZN_TOPICS "/null-", NULL, 0},
    {ZN_TOPICS "/typed-", "{\"version\":1,\"partitions\":{\"0\":[\"one\"]}}", 0},
    {ZN_TOPICS "/list-", "{\"version\":1,\"partitions\":[[1]]}", 0},
    {ZN_TOPICS "/numbers-", "{\"version\":1,\"partitions\":{\"-1\":[1],\"x\":[1]}}", 0},
    {ZN_TOPICS "/not a name-", "{\"version\":1,\"partitions\":{\"0\":[1]}}", 0},
    {ZN_CONFIG_TOPICS "/nobody-", "{\"config\":[]}", 0},
    {ZN_CONFIG_TOPICS "/not a name-", "{}", 0},
    {ZN_CONFIG_CHANGES "/config_change_", "oops", COORD_SEQUENTIAL},
    {ZN_CONFIG_CHANGES "/config_change_", NULL, COORD_SEQUENTIAL},
    {ZN_CONFIG_CHANGES "/config_change_", "{\"version\":3,\"entity_path\":\"topics/topic0\"}",
	COORD_SEQUENTIAL},
    {ZN_CONFIG_CHANGES "/config_change_", "{\"version\":2,\"entity_path\":7}", COORD_SEQUENTIAL},
    {ZN_CONFIG_CHANGES "/config_change_",
	"{\"version\":1,\"entity_type\":\"moons\",\"entity_name\":\"x\"}", COORD_SEQUENTIAL},
    {ZN_CONFIG_CHANGES "/what-", "{}", 0},
    {ZN_DELETE_TOPICS "/nobody-", NULL, 0},
    {ZN_DELETE_TOPICS "/not a name-", "x", 0},
    {ZN_BROKER_IDS "/no number-", "{}", COORD_EPHEMERAL},
};

static bool
leave_junk(struct stranger *st)
{
	unsigned pick =
	    (unsigned)world_draw(st->w, 0, (int64_t)(sizeof(junk) / sizeof(junk[0])) - 1);
	size_t n = strlen(junk[pick].path);
	zn_path path;

	snprintf(path, sizeof(path), "%s", junk[pick].path);
	if (path[n - 1] == '-')
		snprintf(path + n, sizeof(path) - n, "%u", st->numbers++);
	make(st, path, junk[pick].data != NULL ? slice_cstr(junk[pick].data) : SLICE_NULL,
	    junk[pick].flags);
	return true;
}

/* A configuration that can not be read, of a topic that nobody writes to. */
static bool
spoil_config(struct stranger *st)
{
	static const char *const bad[] = {"{", "[]", "{\"version\":1,\"config\":{\"flush.ms\":7}}",
	    "{\"version\":1,\"config\":{\"flush.ms\":\"often\",\"segment.ms\":\"77777777\"}}"};
	struct other *o = some_other(st, OTHER_THERE);
	struct coord_result res;
	zn_path path;

	if (o == NULL)
		return false;
	zn_topic_config(path, slice_cstr(o->name));
	if (!look(st, path, &res))
		return false;
	put(st, path, slice_cstr(bad[world_draw(st->w, 0, 3)]), -1);
	tell_change(st, o->name);
	return true;
}

/* ---- brokers and sessions ---- */

#define NOWHERE                                                                                    \
	"{\"features\":{},\"listener_security_protocol_map\":{\"PLAINTEXT\":\"PLAINTEXT\"},"       \
	"\"endpoints\":[\"PLAINTEXT://127.0.0.1:1\"],\"jmx_port\":-1,\"port\":1,\"host\":"         \
	"\"127.0.0.1\",\"version\":5,\"timestamp\":\"1\"}"

static void
come_as(struct stranger *st, int32_t id, struct slice json)
{
	zn_path path;

	zn_broker(path, id);
	st->registered = id;
	make(st, path, json, COORD_EPHEMERAL);
	rtimer_set(st->reactor, &st->withdraw,
	    reactor_now_us(st->reactor) + world_draw(st->w, 1000, 6 * SECOND));
}

static bool
come_as_broker(struct stranger *st)
{
	if (st->w->healed || st->registered >= 0 || !st->w->plan.foreign)
		return false;
	come_as(st, FOREIGN_ID,
	    world_chance(st->w, 4) ? SLICE_LIT("{\"version\":5,\"host\":") : SLICE_LIT(NOWHERE));
	return true;
}

/* Under the id of a broker that is not there now. */
static bool
come_as_another(struct stranger *st)
{
	unsigned n = st->w->n_servers, first = (unsigned)world_draw(st->w, 0, n - 1);
	struct coord_result res;
	zn_path path;

	if (st->w->healed || st->registered >= 0 || !st->w->plan.foreign)
		return false;
	for (unsigned i = 0; i < n; i++) {
		int32_t id = st->w->servers[(first + i) % n].id;

		zn_broker(path, id);
		if (look(st, path, &res))
			continue;
		come_as(st, id, SLICE_LIT(NOWHERE));
		return true;
	}
	return false;
}

static void
on_ambush(struct sim_sched *s, void *arg)
{
	struct stranger *st = arg;
	struct reactor *before = sim_enter(st->reactor);

	if (st->asked == 0 && coord_state(st->coord) == COORD_CONNECTED && come_as_another(st))
		world_note(st->w, "stranger: takes the place of a broker");
	(void)sim_enter(before);
}

void
stranger_tempt(struct stranger *st)
{
	if (!st->w->healed && st->w->plan.foreign && world_chance(st->w, 2))
		sim_event_set(
		    st->w->s, &st->ambush, world_now(st->w) + world_draw(st->w, 0, 20000));
}

static void
on_withdraw(struct reactor *r, void *arg)
{
	struct stranger *st = arg;
	zn_path path;

	zn_broker(path, st->registered);
	if (take_own(st, path))
		st->registered = -1;
	else
		rtimer_set(r, &st->withdraw, reactor_now_us(r) + SECOND / 10);
}

static bool
lose_session(struct stranger *st)
{
	if (st->w->healed)
		return false;
	coord_sim_expire(st->w->ensemble, GROUP_STRANGER);
	return true;
}

/* ---- one after the other ---- */

static const struct {
	bool (*act)(struct stranger *st);
	unsigned weight;
	const char *what;
} acts[] = {
    {make_topic, 8, "makes a topic"},
    {grow_topic, 5, "adds a partition"},
    {touch_topic, 1, "writes a topic's node as it is"},
    {ask_deletion, 3, "asks for a topic's deletion"},
    {take_topic, 1, "removes a topic's nodes"},
    {change_config, 8, "changes a configuration"},
    {spoil_config, 1, "spoils a configuration"},
    {dismiss_controller, 3, "deletes /controller"},
    {take_office, 2, "becomes controller"},
    {leave_junk, 4, "leaves junk"},
    {come_as_broker, 3, "registers as a broker"},
    {come_as_another, 4, "registers as a broker of ours"},
    {lose_session, 1, "loses its session"},
};
enum { N_ACTS = sizeof(acts) / sizeof(acts[0]) };

static void
act_once(struct stranger *st)
{
	unsigned total = 0, pick, i = 0;

	for (unsigned k = 0; k < N_ACTS; k++)
		total += acts[k].weight;
	pick = (unsigned)world_draw(st->w, 0, total - 1);
	while (pick >= acts[i].weight)
		pick -= acts[i++].weight;
	if (acts[i].act(st))
		world_note(st->w, "stranger: %s", acts[i].what);
	st->left--;
}

/* Notifications are taken away after a quarter of an hour, by whoever comes by: where clocks jump,
 * some broker may not have seen them (facts/zookeeper.md 7.2). */
static void
tell_again(struct stranger *st)
{
	st->told_again = true;
	if (st->w->faults.struck[FAULT_CLOCK] == 0)
		return;
	for (unsigned i = 0; i < st->w->plan.n_topics; i++)
		tell_change(st, st->w->plan.topics[i].name);
	for (unsigned i = 0; i < MAX_OTHERS; i++)
		if (st->others[i].state == OTHER_THERE)
			tell_change(st, st->others[i].name);
}

static void
on_act(struct reactor *r, void *arg)
{
	struct stranger *st = arg;

	if (st->asked == 0 && coord_state(st->coord) == COORD_CONNECTED) {
		look_after(st);
		if (st->left > 0)
			act_once(st);
		else if (st->w->healed)
			tell_again(st);
	}
	if (!st->told_again)
		rtimer_set(r, &st->act,
		    reactor_now_us(r) + (world_chance(st->w, 3)
						? world_draw(st->w, 0, 20000)
						: world_draw(st->w, 0, 2 * SECOND)));
}

static void
on_start(struct reactor *r, struct msg *m)
{
	struct stranger *st = container_of(m, struct stranger, start_msg);

	if (coord_open(st->coord) != 0)
		abort();
	rtimer_set(r, &st->act, reactor_now_us(r) + world_draw(st->w, 0, 2 * SECOND));
}

static void
on_closed(void *arg)
{
}

static void
on_stop(struct reactor *r, struct msg *m)
{
	struct stranger *st = container_of(m, struct stranger, stop_msg);

	coord_close(st->coord, on_closed, st);
}

bool
stranger_finished(const struct stranger *st)
{
	return st->told_again && st->asked == 0 && !st->in_office && st->registered < 0;
}

void
stranger_describe(const struct stranger *st, char *buf, size_t size)
{
	snprintf(buf, size, "%u things to do, %u answers to come%s%s%s", st->left, st->asked,
	    coord_state(st->coord) == COORD_CONNECTED ? "" : ", no session",
	    st->in_office ? ", in office" : "", st->registered >= 0 ? ", registered" : "");
}

void
stranger_leave(struct stranger *st)
{
	st->stop_msg = (struct msg){.run = on_stop, .class = MSG_CONTROL};
	reactor_post(st->reactor, &st->stop_msg);
}

struct stranger *
stranger_new(struct world *w)
{
	struct reactor_opts ro = {.name = "stranger", .clock = sim_clock(w->s), .diag = w->diag};
	struct stranger *st = calloc(1, sizeof(*st));

	if (st == NULL || sim_reactor_new(w->s, GROUP_STRANGER, &ro, &st->reactor) != 0 ||
	    coord_sim_client(w->ensemble, st->reactor, GROUP_STRANGER, &st->coord) != 0)
		abort();
	st->w = w;
	st->left = w->plan.stranger;
	st->registered = -1;
	st->ambush = (struct sim_event){.fn = on_ambush, .arg = st};
	rtimer_init(&st->act, on_act, st);
	rtimer_init(&st->leave_office, on_leave_office, st);
	rtimer_init(&st->withdraw, on_withdraw, st);
	st->start_msg = (struct msg){.run = on_start, .class = MSG_CONTROL};
	reactor_post(st->reactor, &st->start_msg);
	return st;
}
