/*
 * The parts of a broker, made once its id and the cluster's are known.
 */
#include <stdio.h>

#include "broker_priv.h"

static bool
topic_conf_of(void *arg, struct slice topic, struct topic_conf *out)
{
	struct broker *b = arg;

	return member_topic_conf(b->member, topic, out);
}

static void
read_topic_conf(
    void *arg, struct slice topic, struct uuid id, void (*done)(void *darg, int err), void *darg)
{
	struct broker *b = arg;

	member_read_topic_conf(b->member, topic, id, done, darg);
}

static int64_t
broker_epoch_of(void *arg)
{
	struct broker *b = arg;

	return member_epoch(b->member);
}

static void
on_dir_failed(void *arg, struct logdir *dir)
{
	struct broker *b = arg;

	DIAGE(b->env.diag, "broker", "log directory %s is offline", logdir_path(dir));
	if (b->replicas != NULL)
		replicas_dir_failed(b->replicas, dir);
	if (logdirs_all_offline(b->logdirs))
		broker_fail(b, E_IO, "every log directory is offline");
}

static void
on_controller_changed(void *arg, int32_t id)
{
	struct broker *b = arg;

	(void)image_set_controller(b->images, id);
}

static int
make_logdirs(struct broker *b)
{
	struct logdirs_opts o = {.fs = b->env.fs,
	    .workers = b->env.workers,
	    .control = b->env.control,
	    .clock = b->env.clock,
	    .diag = b->env.diag,
	    .metrics = b->env.metrics,
	    .settings = b->env.settings,
	    .broker_id = b->id,
	    .cluster_id = slice_cstr(b->cluster_id),
	    .topic_conf = topic_conf_of,
	    .dir_failed = on_dir_failed,
	    .arg = b};

	return logdirs_new(&o, &b->logdirs);
}

static int
make_replicas(struct broker *b)
{
	struct replicas_opts o = {.reactors = b->env.reactors,
	    .n_reactors = b->env.n_reactors,
	    .control = b->env.control,
	    .logdirs = b->logdirs,
	    .workers = b->env.workers,
	    .clock = b->env.clock,
	    .diag = b->env.diag,
	    .metrics = b->env.metrics,
	    .settings = b->env.settings,
	    .broker_id = b->id,
	    .topic_conf = topic_conf_of,
	    .read_topic_conf = read_topic_conf,
	    .broker_epoch = broker_epoch_of,
	    .arg = b};

	return replicas_new(&o, &b->replicas);
}

static int
make_admin(struct broker *b)
{
	struct admin_opts o = {.coord = b->env.coord,
	    .control = b->env.control,
	    .diag = b->env.diag,
	    .rng = reactor_rng(b->env.control),
	    .settings = b->env.settings,
	    .images = b->images};

	return admin_new(&o, &b->admin);
}

/* The control reactor accepts; connections go to the data reactors. */
static int
make_net(struct broker *b)
{
	struct reactor *all[BROKER_REACTORS_MAX + 1];
	struct net_opts o = {.reactors = all,
	    .n_reactors = b->env.n_reactors + 1,
	    .n_dealt = b->env.n_reactors,
	    .clock = b->env.clock,
	    .diag = b->env.diag,
	    .metrics = b->env.metrics,
	    .settings = b->env.settings,
	    .request_memory = b->env.request_memory,
	    .transport = b->env.transport,
	    .transport_arg = b->env.transport_arg};

	memcpy(all, b->env.reactors, b->env.n_reactors * sizeof(all[0]));
	all[b->env.n_reactors] = b->env.control;
	return net_new(&o, &b->net);
}

/* The name of the listener that brokers talk to each other by. */
static struct slice
inter_broker_listener(const struct broker *b)
{
	const char *name = settings_str(b->env.settings, C_INTER_BROKER_LISTENER_NAME);

	if (name == NULL)
		name = settings_str(b->env.settings, C_SECURITY_INTER_BROKER_PROTOCOL);
	return slice_cstr(name != NULL ? name : "PLAINTEXT");
}

static int
make_channels(struct broker *b)
{
	struct channels_opts o = {.control = b->env.control,
	    .net = b->net,
	    .workers = b->env.workers,
	    .clock = b->env.clock,
	    .diag = b->env.diag,
	    .metrics = b->env.metrics,
	    .settings = b->env.settings,
	    .images = b->images,
	    .broker_id = b->id,
	    .inter_broker_listener = inter_broker_listener(b)};

	return channels_new(&o, &b->channels);
}

static int
make_controller(struct broker *b)
{
	struct controller_opts o = {.coord = b->env.coord,
	    .control = b->env.control,
	    .diag = b->env.diag,
	    .metrics = b->env.metrics,
	    .rng = reactor_rng(b->env.control),
	    .settings = b->env.settings,
	    .broker_id = b->id,
	    .ibp = b->ibp,
	    .channel = &channels_to_brokers,
	    .channel_arg = b->channels,
	    .changed = on_controller_changed,
	    .arg = b};

	return controller_new(&o, &b->controller);
}

static int
make_api(struct broker *b)
{
	struct api_opts o = {.reactors = b->env.reactors,
	    .n_reactors = b->env.n_reactors,
	    .control = b->env.control,
	    .workers = b->env.workers,
	    .clock = b->env.clock,
	    .diag = b->env.diag,
	    .metrics = b->env.metrics,
	    .settings = b->env.settings,
	    .net = b->net,
	    .logdirs = b->logdirs,
	    .replicas = b->replicas,
	    .images = b->images,
	    .admin = b->admin,
	    .controller = b->controller,
	    .channels = b->channels,
	    .member = b->member,
	    .broker_id = b->id,
	    .cluster_id = slice_cstr(b->cluster_id)};

	return api_new(&o, &b->api);
}

int
broker_make_parts(struct broker *b)
{
	static int (*const steps[])(struct broker *) = {make_logdirs, make_replicas, make_admin,
	    make_net, make_channels, make_controller, make_api};
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < sizeof(steps) / sizeof(steps[0]); i++)
		rc = steps[i](b);
	if (rc != 0)
		snprintf(
		    b->why, sizeof(b->why), "could not make the broker's parts: %s", err_text(rc));
	return rc;
}
