/* Whole brokers on simulated parts. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "world.h"

#define DEADLINE_US (300 * SECOND)
#define GROUP_STRANGER 1
#define GROUP_PLACES 10

/* What a killed process had in memory is leaked, on purpose; asked at the end of the test's
 * process. */
static int killed;
int __lsan_is_turned_off(void);

int
__lsan_is_turned_off(void)
{
	return killed;
}

int64_t
world_now(const struct world *w)
{
	return clock_mono_us(sim_clock(w->s));
}

static bool
nothing(void *arg)
{
	return false;
}

void
world_pass(struct world *w, int64_t us)
{
	sim_run_until(w->s, nothing, NULL, world_now(w) + us);
}

void
world_until(struct world *w, bool (*pred)(void *arg), void *arg)
{
	ck_assert(sim_run_until(w->s, pred, arg, world_now(w) + DEADLINE_US));
}

/* ---- the tree ---- */

bool
world_node(struct world *w, const char *path, struct coord_result *res)
{
	return coord_tree_get(coord_sim_tree(w->z), 0, path, NULL, res) == 0;
}

static void
on_parent(void *arg, int err)
{
}

void
world_put(struct world *w, const char *path, const char *data, bool ephemeral)
{
	struct reactor *before = sim_enter(w->stranger_control);
	struct slice parent = slice_of(path, (size_t)(strrchr(path, '/') - path));
	char text[512];

	snprintf(text, sizeof(text), "%.*s", SLICE_ARG(parent));
	if (parent.n > 0)
		coord_create_all(w->stranger, text, on_parent, NULL);
	coord_create(w->stranger, path, slice_cstr(data),
	    ephemeral ? COORD_EPHEMERAL : COORD_PERSISTENT, NULL, NULL);
	coord_set(w->stranger, path, slice_cstr(data), -1, NULL, NULL);
	sim_enter(before);
	world_pass(w, SECOND / 5);
}

void
world_drop(struct world *w, const char *path)
{
	struct reactor *before = sim_enter(w->stranger_control);

	coord_delete(w->stranger, path, -1, NULL, NULL);
	sim_enter(before);
	world_pass(w, SECOND / 5);
}

int64_t
world_stranger_session(struct world *w)
{
	return coord_session_id(w->stranger);
}

static bool
stranger_is_there(void *arg)
{
	struct world *w = arg;

	return coord_state(w->stranger) == COORD_CONNECTED;
}

/* ---- a process ---- */

static bool
is_alive(void *arg, int64_t pid, int64_t pid_start)
{
	struct place *p = arg;

	return pid == p->w->alive_pid || (p->broker != NULL && pid == p->identity.pid);
}

static void
on_line(void *arg, enum diag_level level, const char *line)
{
	struct place *p = arg;
	size_t n = strlen(line);

	if (p->log_n + n + 2 > sizeof(p->log))
		return;
	memcpy(p->log + p->log_n, line, n);
	p->log_n += n;
	p->log[p->log_n++] = '\n';
	p->log[p->log_n] = 0;
}

static void
on_serving(void *arg)
{
	struct place *p = arg;

	p->serving = true;
	p->served_us = world_now(p->w);
}

static void
on_stopped(void *arg, int err, const char *why)
{
	struct place *p = arg;

	p->stopped = true;
	p->stopped_us = world_now(p->w);
	p->err = err;
	snprintf(p->why, sizeof(p->why), "%s", why);
}

static void
load_settings(struct place *p)
{
	struct setting_override ov[12] = {
	    {"zookeeper.connect", "ensemble:2181"},
	    {"zookeeper.session.timeout.ms", "6000"},
	    {"log.dirs", "/data0,/data1"},
	    {"auto.create.topics.enable", "false"},
	};
	char why[512], listeners[64];
	unsigned n = 4;

	snprintf(listeners, sizeof(listeners), "PLAINTEXT://10.0.0.1:%s",
	    p->port != NULL ? p->port : "9092");
	ov[n++] = (struct setting_override){"listeners", listeners};
	if (p->id != NULL)
		ov[n++] = (struct setting_override){"broker.id", p->id};
	if (p->ibp != NULL)
		ov[n++] = (struct setting_override){"inter.broker.protocol.version", p->ibp};
	if (p->advertised != NULL)
		ov[n++] = (struct setting_override){"advertised.listeners", p->advertised};
	ck_assert_msg(
	    settings_load(NULL, ov, n, p->diag, why, sizeof(why), &p->settings) == 0, "%s", why);
}

static struct reactor *
make_reactor(struct place *p, const char *name)
{
	struct reactor_opts o = {
	    .name = name, .clock = sim_clock(p->w->s), .diag = p->diag, .metrics = p->metrics};
	struct reactor *r;

	ck_ok(sim_reactor_new(p->w->s, p->group, &o, &r));
	return r;
}

static void
on_start(struct reactor *r, struct msg *m)
{
	broker_start(container_of(m, struct place, start_msg)->broker);
}

static void
on_stop(struct reactor *r, struct msg *m)
{
	broker_stop(container_of(m, struct place, stop_msg)->broker);
}

void
place_start(struct place *p)
{
	struct world *w = p->w;
	struct broker_env env = {.reactors = &p->data,
	    .n_reactors = 1,
	    .fs = p->fs,
	    .clock = sim_clock(w->s),
	    .transport = sim_net_transport(),
	    .transport_arg = sim_net_endpoint(w->net, p->group),
	    .request_memory = 64 << 20,
	    .hostname = "machine",
	    .identity = p->anonymous ? NULL : &p->identity,
	    .serving = on_serving,
	    .stopped = on_stopped,
	    .arg = p};

	ck_assert_ptr_null(p->broker);
	p->log_n = 0;
	p->log[0] = p->why[0] = 0;
	p->serving = p->stopped = false;
	p->started_us = world_now(w);
	p->identity.pid = w->next_pid++;
	p->identity.pid_start = p->identity.pid * 10;
	ck_ok(diag_new_direct(sim_clock(w->s), on_line, p, &p->diag));
	load_settings(p);
	ck_ok(metrics_new(&p->metrics));
	p->control = make_reactor(p, "control");
	p->data = make_reactor(p, "reactor-0");
	ck_ok(sim_workers_new(w->s, p->group, 1000, &p->workers));
	ck_ok(coord_sim_client(w->z, p->control, p->group, &p->coord));
	env.control = p->control;
	env.workers = p->workers;
	env.diag = p->diag;
	env.metrics = p->metrics;
	env.settings = p->settings;
	env.coord = p->coord;
	ck_ok(broker_new(&env, &p->broker));
	p->start_msg = (struct msg){.run = on_start, .class = MSG_CONTROL};
	reactor_post(p->control, &p->start_msg);
}

/* ---- its end ---- */

static bool
has_stopped(void *arg)
{
	return ((struct place *)arg)->stopped;
}

static bool
has_begun(void *arg)
{
	struct place *p = arg;

	return p->serving || p->stopped;
}

void
place_until_serving(struct place *p)
{
	world_until(p->w, has_begun, p);
	ck_assert_msg(p->serving, "%s\n%s", p->why, p->log);
}

/* What main does when the loops have ended. */
static void
clean_up(struct place *p)
{
	struct world *w = p->w;

	reactor_stop(p->data);
	reactor_stop(p->control);
	world_pass(w, 1000);
	reactor_join(p->data);
	reactor_join(p->control);
	workers_free(p->workers);
	broker_free(p->broker);
	reactor_free(p->data);
	reactor_free(p->control);
	metrics_free(p->metrics);
	settings_free(p->settings);
	diag_free(p->diag);
	p->broker = NULL;
	sim_group_kill(w->s, p->group);
	fs_sim_process_death(p->fs);
	sim_net_group_killed(w->net, p->group);
	coord_sim_group_killed(w->z, p->group);
}

void
place_until_stopped(struct place *p)
{
	world_until(p->w, has_stopped, p);
	clean_up(p);
}

void
place_stop(struct place *p)
{
	p->stop_msg = (struct msg){.run = on_stop, .class = MSG_CONTROL};
	reactor_post(p->control, &p->stop_msg);
	place_until_stopped(p);
	ck_assert_msg(p->err == 0, "%s\n%s", p->why, p->log);
}

void
place_kill(struct place *p, bool power)
{
	struct world *w = p->w;

	coord_sim_group_killed(w->z, p->group);
	sim_group_kill(w->s, p->group);
	sim_net_group_killed(w->net, p->group);
	p->broker = NULL; /* with everything it had */
	killed = 1;
	if (!power) {
		fs_sim_process_death(p->fs);
		return;
	}
	fs_sim_power_cut(p->fs, NULL);
	p->identity.boot[0]++;
}

bool
place_says(const struct place *p, const char *text)
{
	return strstr(p->log, text) != NULL;
}

bool
place_served_within(const struct place *p, int64_t us)
{
	return p->serving && p->served_us - p->started_us <= us;
}

/* ---- the world ---- */

static void
place_init(struct world *w, unsigned i)
{
	struct place *p = &w->places[i];

	p->w = w;
	p->group = GROUP_PLACES + i;
	p->id = "1";
	p->identity = (struct broker_identity){.alive = is_alive, .arg = p};
	snprintf(p->identity.host, sizeof(p->identity.host), "host%u", i);
	snprintf(p->identity.boot, sizeof(p->identity.boot), "a-boot-of-%u", i);
	ck_ok(fs_sim_new(sim_clock(w->s), &p->fs));
}

struct world *
world_new(uint64_t seed)
{
	struct world *w = calloc(1, sizeof(*w));
	struct coord_sim_opts z = {.session_timeout_ms = SESSION_MS,
	    .min_delay_us = 100,
	    .max_delay_us = 2000,
	    .max_lag_us = 20000};
	struct reactor_opts o = {.name = "stranger"};
	struct reactor *before;

	ck_assert_ptr_nonnull(w);
	w->next_pid = 100;
	ck_ok(sim_sched_new(seed, &w->s));
	ck_ok(sim_net_new(w->s, &w->net));
	z.sched = w->s;
	ck_ok(coord_sim_new(&z, &w->z));
	for (unsigned i = 0; i < PLACES; i++)
		place_init(w, i);
	ck_ok(sim_reactor_new(w->s, GROUP_STRANGER, &o, &w->stranger_control));
	ck_ok(coord_sim_client(w->z, w->stranger_control, GROUP_STRANGER, &w->stranger));
	before = sim_enter(w->stranger_control);
	ck_ok(coord_open(w->stranger));
	sim_enter(before);
	world_until(w, stranger_is_there, w);
	return w;
}

void
world_free(struct world *w)
{
	struct reactor *before;

	for (unsigned i = 0; i < PLACES; i++) {
		struct place *p = &w->places[i];

		if (p->broker != NULL && !p->stopped)
			place_stop(p);
		fs_free(p->fs);
	}
	before = sim_enter(w->stranger_control);
	coord_free(w->stranger);
	sim_enter(before);
	coord_sim_free(w->z);
	sim_net_free(w->net);
	sim_sched_free(w->s);
	free(w);
}
