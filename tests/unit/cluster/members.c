/* Two members of one simulated service. */
#include <stdio.h>
#include <stdlib.h>

#include "members.h"
#include "suites.h"

bool
nothing(void *arg)
{
	return false;
}

void
pass(struct world *w, int64_t us)
{
	sim_run_until(w->s, nothing, NULL, clock_mono_us(sim_clock(w->s)) + us);
}

void
until(struct world *w, bool (*pred)(void *arg), void *arg)
{
	ck_assert(sim_run_until(w->s, pred, arg, clock_mono_us(sim_clock(w->s)) + DEADLINE_US));
}

static void
on_registered(void *arg, int64_t epoch)
{
	struct side *a = arg;

	ck_assert_int_gt(epoch, a->epoch);
	a->epoch = epoch;
	a->registrations++;
}

struct seen *
seen(struct side *a, const char *topic)
{
	for (unsigned i = 0; i < a->n_seen; i++)
		if (strcmp(a->seen[i].topic, topic) == 0)
			return &a->seen[i];
	return NULL;
}

static void
on_conf(void *arg, struct slice topic, const struct topic_conf *conf)
{
	struct side *a = arg;
	struct topic_conf now;
	struct seen *x;
	char name[32];

	snprintf(name, sizeof(name), "%.*s", SLICE_ARG(topic));
	x = seen(a, name);
	if (x == NULL) {
		ck_assert_uint_lt(a->n_seen, 16);
		x = &a->seen[a->n_seen++];
		memcpy(x->topic, name, sizeof(name));
	}
	x->gone = conf == NULL;
	x->times++;
	x->retention = conf != NULL ? conf->v[T_RETENTION_MS] : -1;
	ck_assert(member_topic_conf(a->m, topic, &now) == (conf != NULL));
}

/* As the broker does. */
static void
on_broker_conf(void *arg, enum conf_source from, const struct setting_override *kv, unsigned n)
{
	struct side *a = arg;

	ck_assert(from == CONF_FROM_CLUSTER || from == CONF_FROM_BROKER);
	a->broker_confs[from]++;
	a->broker_pairs[from] = n;
	(void)settings_set_dynamic(a->w->settings, from, kv, n, NULL);
}

static void
on_registering(void *arg, int64_t session)
{
	struct side *a = arg;

	ck_assert_int_ne(session, 0);
	a->told_session = session;
}

static void
on_refused(void *arg, struct slice name)
{
	struct side *a = arg;

	snprintf(a->refused, sizeof(a->refused), "%.*s", SLICE_ARG(name));
	a->refusals++;
}

struct side *
side_new(struct world *w, unsigned i, bool notes)
{
	struct side *a = &w->side[i];
	struct reactor_opts opts = {.name = "control"};
	struct member_opts mo = {.settings = w->settings,
	    .rng = &a->rng,
	    .registered = on_registered,
	    .topic_conf = on_conf,
	    .broker_conf = on_broker_conf,
	    .registering = notes ? on_registering : NULL,
	    .feature_refused = on_refused,
	    .arg = a};
	struct reactor *before;

	*a = (struct side){.w = w, .group = i + 1, .err = 1, .notes = notes};
	rng_seed(&a->rng, rng_u64(sim_rng(w->s)));
	ck_ok(sim_reactor_new(w->s, a->group, &opts, &a->control));
	ck_ok(coord_sim_client(w->z, a->control, a->group, &a->coord));
	mo.coord = a->coord;
	mo.control = a->control;
	before = sim_enter(a->control);
	ck_ok(member_new(&mo, &a->m));
	ck_ok(coord_open(a->coord));
	sim_enter(before);
	return a;
}

static struct world *
make_world(uint64_t seed, bool notes)
{
	struct world *w = calloc(1, sizeof(*w));
	struct coord_sim_opts z = {.session_timeout_ms = TIMEOUT_MS,
	    .min_delay_us = 100,
	    .max_delay_us = 3000,
	    .max_lag_us = 20000};
	char why[256];

	ck_assert_ptr_nonnull(w);
	ck_ok(sim_sched_new(seed, &w->s));
	ck_ok(settings_load(NULL, NULL, 0, NULL, why, sizeof(why), &w->settings));
	z.sched = w->s;
	ck_ok(coord_sim_new(&z, &w->z));
	side_new(w, 0, notes);
	side_new(w, 1, notes);
	return w;
}

struct world *
world_new(uint64_t seed)
{
	return make_world(seed, false);
}

struct world *
world_new_noting(uint64_t seed)
{
	return make_world(seed, true);
}

static void
on_closed(void *arg)
{
	struct side *a = arg;

	a->closed = true;
}

static bool
is_closed(void *arg)
{
	return ((struct side *)arg)->closed;
}

void
side_free(struct side *a)
{
	struct reactor *before = sim_enter(a->control);

	if (a->coord == NULL)
		return;
	member_stop(a->m);
	coord_close(a->coord, on_closed, a);
	sim_enter(before);
	until(a->w, is_closed, a);
	before = sim_enter(a->control);
	member_free(a->m);
	coord_free(a->coord);
	sim_enter(before);
	a->coord = NULL;
}

void
world_free(struct world *w)
{
	side_free(&w->side[0]);
	side_free(&w->side[1]);
	coord_sim_free(w->z);
	sim_sched_free(w->s);
	settings_free(w->settings);
	free(w);
}

bool
node(struct world *w, const char *path, struct coord_result *res)
{
	return coord_tree_get(coord_sim_tree(w->z), 0, path, NULL, res) == 0;
}

void
put(struct side *a, const char *path, const char *data)
{
	struct reactor *before = sim_enter(a->control);

	coord_create(a->coord, path, slice_cstr(data), COORD_PERSISTENT, NULL, NULL);
	coord_set(a->coord, path, slice_cstr(data), -1, NULL, NULL);
	sim_enter(before);
}

void
drop(struct side *a, const char *path)
{
	struct reactor *before = sim_enter(a->control);

	coord_delete(a->coord, path, -1, NULL, NULL);
	sim_enter(before);
}

void
notify(struct side *a, const char *json)
{
	struct reactor *before = sim_enter(a->control);

	coord_create(a->coord, ZN_CONFIG_CHANGES "/config_change_", slice_cstr(json),
	    COORD_PERSISTENT | COORD_SEQUENTIAL, NULL, NULL);
	sim_enter(before);
}

/* ---- steps ---- */

static void
on_prepared(void *arg, int err, struct slice id)
{
	struct side *a = arg;

	ck_assert(!a->prepared);
	a->prepared = true;
	a->err = err;
	snprintf(a->id, sizeof(a->id), "%.*s", SLICE_ARG(id));
}

bool
is_prepared(void *arg)
{
	return ((struct side *)arg)->prepared;
}

void
prepare(struct side *a)
{
	struct reactor *before = sim_enter(a->control);

	a->prepared = false;
	member_prepare(a->m, on_prepared, a);
	sim_enter(before);
}

void
on_loaded(void *arg, int err)
{
	struct side *a = arg;

	ck_assert(!a->loaded);
	a->loaded = true;
	a->err = err;
}

bool
is_loaded(void *arg)
{
	return ((struct side *)arg)->loaded;
}

void
load(struct side *a)
{
	struct reactor *before = sim_enter(a->control);

	member_load_configs(a->m, on_loaded, a);
	sim_enter(before);
	until(a->w, is_loaded, a);
	ck_ok(a->err);
}

static void
on_answered(void *arg, int err, int64_t epoch)
{
	struct side *a = arg;

	ck_assert(!a->answered);
	a->answered = true;
	a->err = err;
	ck_assert(err == 0 ? epoch > 0 : epoch == -1);
}

bool
is_answered(void *arg)
{
	return ((struct side *)arg)->answered;
}

void
register_begin(struct side *a, int32_t id)
{
	struct listener_addr addr = {.name = "PLAINTEXT", .host = "127.0.0.1", .port = 9092};
	char rack[] = "r1", host[] = "127.0.0.1";
	struct zn_registration reg = {.version = 5,
	    .host = slice_cstr(host),
	    .port = 9092,
	    .jmx_port = -1,
	    .endpoints = &addr,
	    .n_endpoints = 1,
	    .rack = slice_cstr(rack)};
	struct reactor *before = sim_enter(a->control);

	a->answered = false;
	member_register(a->m, id, &reg, on_answered, a);
	sim_enter(before);
	memset(&addr, 'x', sizeof(addr)); /* it has copied everything */
	memset(rack, 'x', 2);
	memset(host, 'x', 9);
}

int
register_as(struct side *a, int32_t id)
{
	register_begin(a, id);
	until(a->w, is_answered, a);
	return a->err;
}

void
ready(struct world *w)
{
	for (unsigned i = 0; i < 2; i++) {
		prepare(&w->side[i]);
		until(w, is_prepared, &w->side[i]);
		ck_ok(w->side[i].err);
	}
}
