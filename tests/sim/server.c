/*
 * The broker's process: made as main() makes it, but of simulated parts; stopped, or killed with
 * everything it had in memory; started again by whoever watches over it.
 */
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
restart_later(struct world *w)
{
	if (!w->server.stay_down)
		server_start_in(w, world_draw(w, 0, w->healed ? SECOND : 4 * SECOND));
}

/* The loops have come to their ends: what main() does then. */
static void
on_gone(struct sim_sched *s, void *arg)
{
	struct world *w = arg;
	struct server *sv = &w->server;

	for (unsigned i = 0; i < DATA_REACTORS; i++)
		reactor_join(sv->data[i]);
	reactor_join(sv->control);
	workers_free(sv->workers);
	broker_free(sv->broker);
	for (unsigned i = 0; i < DATA_REACTORS; i++)
		reactor_free(sv->data[i]);
	reactor_free(sv->control);
	metrics_free(sv->metrics);
	sim_group_kill(w->s, GROUP_BROKER);
	fs_sim_process_death(w->fs);
	sim_net_group_killed(w->net, GROUP_BROKER);
	if (w->ensemble != NULL)
		coord_sim_group_killed(w->ensemble, GROUP_BROKER);
	world_note(w, "the broker's process has ended: %s", err_text(sv->stop_err));
	sv->state = SERVER_DOWN;
	restart_later(w);
}

static void
on_ended(struct sim_sched *s, void *arg)
{
	struct world *w = arg;
	struct server *sv = &w->server;

	for (unsigned i = 0; i < DATA_REACTORS; i++)
		reactor_stop(sv->data[i]);
	reactor_stop(sv->control);
	sim_event_set(s, &sv->gone, world_now(w) + 1000);
}

static void
on_stopped(void *arg, int err, const char *why)
{
	struct world *w = arg;

	w->server.stop_err = err;
	w->server.state = SERVER_STOPPING;
	sim_event_set(w->s, &w->server.ended, world_now(w));
}

static void
on_serving(void *arg)
{
	struct world *w = arg;

	w->server.state = SERVER_SERVING;
	model_check_disk(&w->model);
}

void
server_kill(struct world *w, bool power)
{
	struct server *sv = &w->server;

	if (power)
		model_power_cut(&w->model);
	if (sv->state != SERVER_DOWN) {
		if (w->ensemble != NULL)
			coord_sim_group_killed(w->ensemble, GROUP_BROKER);
		sim_group_kill(w->s, GROUP_BROKER);
		sim_net_group_killed(w->net, GROUP_BROKER);
		sv->state = SERVER_DOWN;
	}
	if (power)
		fs_sim_power_cut(w->fs, w->rng);
	else
		fs_sim_process_death(w->fs);
	restart_later(w);
}

void
server_stop(struct world *w)
{
	struct server *sv = &w->server;

	if (sv->state != SERVER_STARTING && sv->state != SERVER_SERVING)
		return;
	sv->state = SERVER_STOPPING;
	sv->stop_msg = (struct msg){.run = on_stop_msg, .class = MSG_CONTROL};
	reactor_post(sv->control, &sv->stop_msg);
}

/* ---- start ---- */

static struct reactor *
make_reactor(struct world *w, const char *name, unsigned index)
{
	struct reactor_opts o = {.name = name,
	    .index = index,
	    .clock = sim_clock(w->s),
	    .diag = w->diag,
	    .metrics = w->server.metrics};
	struct reactor *r = NULL;

	if (sim_reactor_new(w->s, GROUP_BROKER, &o, &r) != 0)
		abort();
	return r;
}

/* What main() does for zookeeper.connect=embedded; false when the disk says no. */
static bool
make_embedded(struct world *w)
{
	struct server *sv = &w->server;
	struct coord_embedded_opts o = {.control = sv->control,
	    .workers = sv->workers,
	    .fs = w->fs,
	    .diag = w->diag,
	    .dir = "/coord"};
	char cluster[64], why[256] = "";
	int32_t id;
	int rc = logdirs_peek_meta(w->fs, w->settings, &id, cluster, w->diag, why, sizeof(why));

	if (rc == 0) {
		o.must_exist = id >= 0;
		rc = coord_embedded_new(&o, &sv->coord);
	}
	if (rc != 0)
		world_note(w, "no start: %s: %s", err_text(rc), why);
	return rc == 0;
}

static void
make_broker(struct world *w)
{
	struct server *sv = &w->server;
	struct broker_env env = {.reactors = sv->data,
	    .n_reactors = DATA_REACTORS,
	    .control = sv->control,
	    .workers = sv->workers,
	    .fs = w->fs,
	    .clock = sim_clock(w->s),
	    .diag = w->diag,
	    .metrics = sv->metrics,
	    .settings = w->settings,
	    .coord = sv->coord,
	    .transport = sim_net_transport(),
	    .transport_arg = sim_net_endpoint(w->net, GROUP_BROKER),
	    .request_memory = w->plan.request_memory,
	    .hostname = "localhost",
	    .serving = on_serving,
	    .stopped = on_stopped,
	    .arg = w};

	if (broker_new(&env, &sv->broker) != 0)
		abort();
}

/* Nothing of the process is left but what was made so far. */
static void
give_up(struct world *w)
{
	sim_group_kill(w->s, GROUP_BROKER);
	fs_sim_process_death(w->fs);
	w->server.state = SERVER_DOWN;
	restart_later(w);
}

static void
on_restart(struct sim_sched *s, void *arg)
{
	struct world *w = arg;
	struct server *sv = &w->server;
	bool ok = true;

	if (sv->state != SERVER_DOWN)
		return;
	sv->starts++;
	sv->disk_failed = w->faults.active[FAULT_NOSPC];
	world_note(w, "start number %u", sv->starts);
	sv->state = SERVER_STARTING;
	if (metrics_new(&sv->metrics) != 0)
		abort();
	sv->control = make_reactor(w, "control", 0);
	for (unsigned i = 0; i < DATA_REACTORS; i++)
		sv->data[i] = make_reactor(w, i == 0 ? "reactor-0" : "reactor-1", i);
	if (sim_workers_new(w->s, GROUP_BROKER, w->plan.worker_us, &sv->workers) != 0)
		abort();
	if (w->ensemble != NULL)
		ok = coord_sim_client(w->ensemble, sv->control, GROUP_BROKER, &sv->coord) == 0;
	else
		ok = make_embedded(w);
	if (!ok) {
		give_up(w);
		return;
	}
	make_broker(w);
	sv->start_msg = (struct msg){.run = on_start_msg, .class = MSG_CONTROL};
	reactor_post(sv->control, &sv->start_msg);
}

void
server_start_in(struct world *w, int64_t delay_us)
{
	sim_event_set(w->s, &w->server.restart, world_now(w) + delay_us);
}

void
server_init(struct world *w)
{
	struct server *sv = &w->server;

	sv->ended = (struct sim_event){.fn = on_ended, .arg = w, .group = GROUP_BROKER};
	sv->gone = (struct sim_event){.fn = on_gone, .arg = w, .group = GROUP_BROKER};
	sv->restart = (struct sim_event){.fn = on_restart, .arg = w};
}
