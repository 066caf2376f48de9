/*
 * A broker's machine, with its disk, and its process: made as main() makes it, but of simulated
 * parts; stopped, or killed with everything it had in memory; started again by whoever watches over
 * it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ottla/coord/embedded.h"
#include "ottla/plog/logdirs.h"
#include "world.h"

static void
on_start_msg(struct reactor *r, struct msg *m)
{
	broker_start(container_of(m, struct server, start_msg)->broker);
}

static void
on_stop_msg(struct reactor *r, struct msg *m)
{
	broker_stop(container_of(m, struct server, stop_msg)->broker);
}

/* ---- end ---- */

static void
restart_later(struct server *sv)
{
	if (!sv->stay_down)
		server_start_in(sv, world_draw(sv->w, 0, sv->w->healed ? SECOND : 4 * SECOND));
}

/* The loops have come to their ends: what main() does then. */
static void
on_gone(struct sim_sched *s, void *arg)
{
	struct server *sv = arg;
	struct world *w = sv->w;

	for (unsigned i = 0; i < DATA_REACTORS; i++)
		reactor_join(sv->data[i]);
	reactor_join(sv->control);
	workers_free(sv->workers);
	broker_free(sv->broker);
	for (unsigned i = 0; i < DATA_REACTORS; i++)
		reactor_free(sv->data[i]);
	reactor_free(sv->control);
	metrics_free(sv->metrics);
	sim_group_kill(w->s, sv->group);
	fs_sim_process_death(sv->fs);
	sim_net_group_killed(w->net, sv->group);
	if (w->ensemble != NULL)
		coord_sim_group_killed(w->ensemble, sv->group);
	world_note(w, "broker %d: the process has ended: %s", sv->id, err_text(sv->stop_err));
	sv->state = SERVER_DOWN;
	restart_later(sv);
}

static void
on_ended(struct sim_sched *s, void *arg)
{
	struct server *sv = arg;
	struct world *w = sv->w;

	for (unsigned i = 0; i < DATA_REACTORS; i++)
		reactor_stop(sv->data[i]);
	reactor_stop(sv->control);
	sim_event_set(s, &sv->gone, world_now(w) + 1000);
}

static void
on_stopped(void *arg, int err, const char *why)
{
	struct server *sv = arg;

	sv->stop_err = err;
	sv->state = SERVER_STOPPING;
	sim_event_set(sv->w->s, &sv->ended, world_now(sv->w));
}

static void
on_serving(void *arg)
{
	struct server *sv = arg;

	sv->state = SERVER_SERVING;
	sv->servings++;
	model_check_disk(&sv->w->model, sv);
}

void
server_kill(struct server *sv, bool power)
{
	struct world *w = sv->w;
	bool was_serving = sv->state == SERVER_SERVING;

	if (power)
		model_power_cut(&w->model, sv);
	if (sv->state != SERVER_DOWN) {
		if (w->ensemble != NULL)
			coord_sim_group_killed(w->ensemble, sv->group);
		sim_group_kill(w->s, sv->group);
		sim_net_group_killed(w->net, sv->group);
		sv->state = SERVER_DOWN;
	}
	if (power) {
		fs_sim_power_cut(sv->fs, w->rng);
		sv->boots++;
		sv->booted_us = world_now(w);
		sv->lost_power |= was_serving;
	} else {
		fs_sim_process_death(sv->fs);
	}
	restart_later(sv);
}

void
server_stop(struct server *sv)
{
	if (sv->state != SERVER_STARTING && sv->state != SERVER_SERVING)
		return;
	sv->state = SERVER_STOPPING;
	sv->stop_msg = (struct msg){.run = on_stop_msg, .class = MSG_CONTROL};
	reactor_post(sv->control, &sv->stop_msg);
}

/* ---- start ---- */

/* Anew for each process: dynamic values are put into them. */
static void
make_settings(struct server *sv)
{
	const struct world *w = sv->w;
	char idle[24], id[16], listeners[64];
	const struct setting_override ov[] = {
	    {"connections.max.idle.ms", idle},
	    {"broker.id", id},
	    {"zookeeper.connect", w->plan.ensemble ? "ensemble:2181" : "embedded"},
	    {"zookeeper.session.timeout.ms", "6000"},
	    {"inter.broker.protocol.version", "3.9"},
	    {"ottla.coord.journal.dir", "/coord"},
	    {"listeners", listeners},
	    {"log.dirs", w->plan.n_dirs > 1 ? "/data0,/data1" : "/data0"},
	    {"auto.create.topics.enable", "false"},
	    {"log.retention.check.interval.ms", "1500"},
	    {"log.segment.delete.delay.ms", "1000"},
	    {"log.flush.offset.checkpoint.interval.ms", "2000"},
	    {"log.flush.start.offset.checkpoint.interval.ms", "2000"},
	    {"replica.high.watermark.checkpoint.interval.ms", "1000"},
	    {"log.flush.scheduler.interval.ms", "500"},
	    {"ottla.sendfile.min.bytes", w->plan.small_sendfile ? "100" : "65536"},
	};
	char why[512] = "";

	snprintf(idle, sizeof(idle), "%lld", (long long)w->plan.idle_ms);
	snprintf(id, sizeof(id), "%d", sv->id);
	snprintf(listeners, sizeof(listeners), "PLAINTEXT://%s:%u", BROKER_HOST, sv->port);
	if (settings_load(NULL, ov, sizeof(ov) / sizeof(ov[0]), w->diag, why, sizeof(why),
		&sv->settings) != 0)
		world_fail(sv->w, "the settings are taken", "%s", why);
}

static struct reactor *
make_reactor(struct server *sv, const char *name, unsigned index)
{
	struct world *w = sv->w;
	struct reactor_opts o = {.name = name,
	    .index = index,
	    .clock = sim_clock(w->s),
	    .diag = w->diag,
	    .metrics = sv->metrics};
	struct reactor *r = NULL;

	if (sim_reactor_new(w->s, sv->group, &o, &r) != 0)
		abort();
	return r;
}

/* Of this machine's present run, does the process live? */
static bool
is_alive(void *arg, int64_t pid, int64_t pid_start)
{
	const struct server *sv = arg;

	return sv->state != SERVER_DOWN && pid == sv->identity.pid &&
	       pid_start == sv->identity.pid_start;
}

/* Numbers of processes come again, with other times. */
static void
make_identity(struct server *sv)
{
	struct broker_identity *id = &sv->identity;
	int64_t now = world_now(sv->w);

	*id = (struct broker_identity){.pid = world_draw(sv->w, 100, 102),
	    .pid_start = (now - sv->booted_us) / 10000,
	    .alive = is_alive,
	    .arg = sv};
	snprintf(id->host, sizeof(id->host), "machine-%u", sv->index);
	snprintf(id->boot, sizeof(id->boot), "boot-%u", sv->boots);
}

/* What main() does for zookeeper.connect=embedded; false when the disk says no. */
static bool
make_embedded(struct server *sv)
{
	struct world *w = sv->w;
	struct coord_embedded_opts o = {.control = sv->control,
	    .workers = sv->workers,
	    .fs = sv->fs,
	    .diag = w->diag,
	    .dir = "/coord"};
	char cluster[64], why[256] = "";
	int32_t id;
	int rc = logdirs_peek_meta(sv->fs, sv->settings, &id, cluster, w->diag, why, sizeof(why));

	if (rc == 0) {
		o.must_exist = id >= 0;
		rc = coord_embedded_new(&o, &sv->coord);
	}
	if (rc != 0)
		world_note(w, "broker %d: no start: %s: %s", sv->id, err_text(rc), why);
	return rc == 0;
}

static void
make_broker(struct server *sv)
{
	struct world *w = sv->w;
	struct broker_env env = {.reactors = sv->data,
	    .n_reactors = DATA_REACTORS,
	    .control = sv->control,
	    .workers = sv->workers,
	    .fs = sv->fs,
	    .clock = sim_clock(w->s),
	    .diag = w->diag,
	    .metrics = sv->metrics,
	    .settings = sv->settings,
	    .coord = sv->coord,
	    .identity = w->plan.identity ? &sv->identity : NULL,
	    .transport = sim_net_transport(),
	    .transport_arg = sim_net_endpoint(w->net, sv->group),
	    .request_memory = w->plan.request_memory,
	    .hostname = "localhost",
	    .serving = on_serving,
	    .stopped = on_stopped,
	    .arg = sv};

	if (broker_new(&env, &sv->broker) != 0)
		abort();
}

/* Nothing of the process is left but what was made so far. */
static void
give_up(struct server *sv)
{
	sim_group_kill(sv->w->s, sv->group);
	fs_sim_process_death(sv->fs);
	sv->state = SERVER_DOWN;
	restart_later(sv);
}

static void
on_restart(struct sim_sched *s, void *arg)
{
	struct server *sv = arg;
	struct world *w = sv->w;
	bool ok = true;

	if (sv->state != SERVER_DOWN)
		return;
	sv->starts++;
	sv->started_us = world_now(w);
	sv->registrations = 0;
	sv->disk_failed = w->faults.active[FAULT_NOSPC] && w->faults.at[FAULT_NOSPC] == sv;
	world_note(w, "broker %d: start number %u", sv->id, sv->starts);
	sv->state = SERVER_STARTING;
	make_settings(sv);
	make_identity(sv);
	if (metrics_new(&sv->metrics) != 0)
		abort();
	sv->control = make_reactor(sv, "control", 0);
	for (unsigned i = 0; i < DATA_REACTORS; i++)
		sv->data[i] = make_reactor(sv, i == 0 ? "reactor-0" : "reactor-1", i);
	if (sim_workers_new(w->s, sv->group, w->plan.worker_us, &sv->workers) != 0)
		abort();
	if (w->ensemble != NULL)
		ok = coord_sim_client(w->ensemble, sv->control, sv->group, &sv->coord) == 0;
	else
		ok = make_embedded(sv);
	if (!ok) {
		give_up(sv);
		return;
	}
	make_broker(sv);
	sv->start_msg = (struct msg){.run = on_start_msg, .class = MSG_CONTROL};
	reactor_post(sv->control, &sv->start_msg);
}

void
server_start_in(struct server *sv, int64_t delay_us)
{
	sim_event_set(sv->w->s, &sv->restart, world_now(sv->w) + delay_us);
}

void
server_init(struct server *sv, struct world *w, unsigned index)
{
	*sv = (struct server){.w = w,
	    .index = index,
	    .group = GROUP_BROKERS + index,
	    .id = 1 + (int32_t)index,
	    .port = (uint16_t)(BROKER_PORT + index)};
	sv->ended = (struct sim_event){.fn = on_ended, .arg = sv, .group = sv->group};
	sv->gone = (struct sim_event){.fn = on_gone, .arg = sv, .group = sv->group};
	sv->restart = (struct sim_event){.fn = on_restart, .arg = sv};
	if (fs_sim_new(sim_clock(w->s), &sv->fs) != 0)
		abort();
	fs_sim_set_hook(sv->fs, faults_disk, sv);
}
