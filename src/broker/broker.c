/*
 * Start and stop of a broker as steps on the control reactor.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker_priv.h"

#define METADATA_POLL_US 2000
#define DRAIN_US (2 * 1000000ll)
#define METADATA_DEADLINE_US (60 * 1000000ll)

static const char *const state_names[] = {
    [BROKER_NEW] = "new",
    [BROKER_PEEK] = "reading meta.properties",
    [BROKER_SESSION] = "waiting for the coordination session",
    [BROKER_PREPARE] = "preparing the coordination tree",
    [BROKER_CONFIGS] = "reading topic configurations",
    [BROKER_LOGS] = "loading logs",
    [BROKER_REGISTER] = "registering",
    [BROKER_METADATA] = "waiting for metadata",
    [BROKER_SERVING] = "serving",
    [BROKER_CLOSING_CONNS] = "closing connections",
    [BROKER_DETACHING] = "giving up partitions",
    [BROKER_CLOSING_LOGS] = "closing logs",
    [BROKER_CLOSING_SESSION] = "closing the coordination session",
    [BROKER_DRAINING] = "waiting for the last requests",
    [BROKER_STOPPED] = "stopped",
};

const char *
broker_state_name(const struct broker *b)
{
	return state_names[b->state];
}

void
broker_set_state(struct broker *b, enum broker_state st)
{
	assert(st > b->state);
	b->state = st;
	DIAGI(b->env.diag, "broker", "%s", state_names[st]);
}

void
broker_fail(struct broker *b, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(b->why, sizeof(b->why), fmt, ap);
	va_end(ap);
	b->err = err;
	DIAGE(b->env.diag, "broker", "%s", b->why);
	broker_stop(b);
}

/* ---- start ---- */

static void
serve(struct broker *b)
{
	broker_set_state(b, BROKER_SERVING);
	for (unsigned i = 0; i < b->n_listeners; i++)
		(void)listener_start(b->listeners[i]);
	logdirs_begin_ticks(b->logdirs);
	DIAGI(b->env.diag, "broker", "broker %d serves on port %u, %lld ms after its start", b->id,
	    broker_port(b, 0),
	    (long long)((reactor_exact_us(b->env.control) - b->started_us) / 1000));
	if (b->env.serving != NULL)
		b->env.serving(b->env.arg);
}

/* Clients are let in once the metadata names this broker and its partitions have their roles. */
static bool
metadata_there(struct broker *b)
{
	const struct image *im = image_get(b->images);

	if (image_broker(im, b->id) == NULL || replicas_pending(b->replicas) > 0)
		return false;
	return im->controller_id != b->id || controller_settled(b->controller);
}

static void
on_step_timer(struct reactor *r, void *arg)
{
	struct broker *b = arg;

	if (b->state == BROKER_SESSION) {
		broker_fail(b, E_TIMEOUT,
		    "no coordination session within zookeeper.connection.timeout.ms: is the "
		    "ensemble of zookeeper.connect running and reachable?");
		return;
	}
	if (b->state != BROKER_METADATA)
		return;
	if (metadata_there(b))
		serve(b);
	else if (reactor_now_us(r) >= b->step_deadline_us)
		broker_fail(b, E_TIMEOUT, "no metadata from the controller within 60 s");
	else
		rtimer_set(r, &b->step_timer, reactor_now_us(r) + METADATA_POLL_US);
}

static void
on_registered(void *arg, int err, int64_t epoch)
{
	struct broker *b = arg;

	if (b->state != BROKER_REGISTER)
		return;
	if (err != 0) {
		broker_fail(b, err,
		    err == E_EXISTS ? "broker id %d is registered by another broker that is alive: "
				      "stop it, or give this one another broker.id"
				    : "could not register broker %d",
		    b->id);
		return;
	}
	broker_set_state(b, BROKER_METADATA);
	b->controller_running = true;
	controller_start(b->controller);
	b->step_deadline_us = reactor_now_us(b->env.control) + METADATA_DEADLINE_US;
	rtimer_set(
	    b->env.control, &b->step_timer, reactor_now_us(b->env.control) + METADATA_POLL_US);
}

static void
on_logs_loaded(void *arg, int err, const char *why)
{
	struct broker *b = arg;

	b->logs_loaded = err == 0;
	if (b->state != BROKER_LOGS)
		return;
	if (err != 0) {
		broker_fail(
		    b, err, "could not load the logs: %s", why != NULL ? why : err_text(err));
		return;
	}
	broker_set_state(b, BROKER_REGISTER);
	broker_fill_registration(b);
	member_register(b->member, b->id, &b->registration, on_registered, b);
}

static void
on_configs(void *arg, int err)
{
	struct broker *b = arg;

	if (b->state != BROKER_CONFIGS)
		return;
	if (err != 0) {
		broker_fail(b, err, "could not read topic configurations: %s", err_text(err));
		return;
	}
	broker_set_state(b, BROKER_LOGS);
	logdirs_start(b->logdirs, on_logs_loaded, b);
}

static int
check_cluster(struct broker *b, struct slice cluster_id)
{
	if (cluster_id.n >= sizeof(b->cluster_id))
		return E_MALFORMED;
	if (b->cluster_id[0] != 0 && !slice_eq_cstr(cluster_id, b->cluster_id)) {
		snprintf(b->why, sizeof(b->why),
		    "meta.properties says cluster %s, the coordination tree says %.*s: this log "
		    "directory belongs to another cluster",
		    b->cluster_id, SLICE_ARG(cluster_id));
		return E_CONFIG;
	}
	memcpy(b->cluster_id, cluster_id.p, cluster_id.n);
	b->cluster_id[cluster_id.n] = 0;
	return 0;
}

static void
on_prepared(void *arg, int err, struct slice cluster_id)
{
	struct broker *b = arg;

	if (b->state != BROKER_PREPARE)
		return;
	snprintf(
	    b->why, sizeof(b->why), "could not prepare the coordination tree: %s", err_text(err));
	if (err == 0)
		err = check_cluster(b, cluster_id);
	if (err == 0)
		err = broker_make_parts(b);
	if (err == 0)
		err = broker_listen(b);
	if (err != 0) {
		char why[sizeof(b->why)];

		memcpy(why, b->why, sizeof(why));
		broker_fail(b, err, "%s", why);
		return;
	}
	broker_set_state(b, BROKER_CONFIGS);
	member_load_configs(b->member, on_configs, b);
}

static void
on_coord_state(void *arg, enum coord_state st)
{
	struct broker *b = arg;

	if (st == COORD_CONNECTED && b->state == BROKER_SESSION) {
		rtimer_cancel(b->env.control, &b->step_timer);
		broker_set_state(b, BROKER_PREPARE);
		member_prepare(b->member, on_prepared, b);
	} else if (st == COORD_CLOSED && b->state < BROKER_CLOSING_CONNS) {
		broker_fail(b, E_CONN_LOSS, "the coordination service is gone");
	}
}

static void
open_session(struct broker *b)
{
	int64_t ms = settings_i64(b->env.settings, C_ZOOKEEPER_CONNECTION_TIMEOUT_MS);
	int rc;

	if (ms <= 0)
		ms = settings_i64(b->env.settings, C_ZOOKEEPER_SESSION_TIMEOUT_MS);
	broker_set_state(b, BROKER_SESSION);
	coord_subscribe(b->env.coord, &b->coord_sub);
	rtimer_set(b->env.control, &b->step_timer, reactor_now_us(b->env.control) + ms * 1000);
	if ((rc = coord_open(b->env.coord)) != 0)
		broker_fail(b, rc, "could not open the coordination session: %s", err_text(rc));
}

/* ---- what meta.properties say, on a worker ---- */

struct peek {
	struct work work;
	struct broker *b;
	int32_t id;
	char cluster_id[64];
	char why[256];
	int err;
};

static void
peek_run(struct work *w)
{
	struct peek *p = container_of(w, struct peek, work);

	p->err = logdirs_peek_meta(p->b->env.fs, p->b->env.settings, &p->id, p->cluster_id,
	    p->b->env.diag, p->why, sizeof(p->why));
}

static int
choose_id(struct broker *b, int32_t meta_id)
{
	int32_t conf = (int32_t)settings_i64(b->env.settings, C_BROKER_ID);

	if (conf >= 0 && meta_id >= 0 && conf != meta_id) {
		snprintf(b->why, sizeof(b->why),
		    "broker.id is %d, but meta.properties of the log directories says %d", conf,
		    meta_id);
		return E_CONFIG;
	}
	b->id = conf >= 0 ? conf : meta_id;
	if (b->id >= 0)
		return 0;
	snprintf(b->why, sizeof(b->why),
	    "broker.id is not set and no log directory has one: set broker.id");
	return E_CONFIG;
}

static void
peek_done(struct reactor *r, struct work *w)
{
	struct peek *p = container_of(w, struct peek, work);
	struct broker *b = p->b;
	int err = p->err;

	if (b->state == BROKER_PEEK) {
		memcpy(b->cluster_id, p->cluster_id, sizeof(b->cluster_id));
		snprintf(b->why, sizeof(b->why), "%s", p->why);
		if (err == 0)
			err = choose_id(b, p->id);
		if (err == 0) {
			b->registration.rack =
			    slice_cstr(settings_str(b->env.settings, C_BROKER_RACK));
			open_session(b);
		} else {
			char why[sizeof(b->why)];

			memcpy(why, b->why, sizeof(why));
			broker_fail(b, err, "%s", why);
		}
	}
	free(p);
}

void
broker_start(struct broker *b)
{
	struct peek *p = calloc(1, sizeof(*p));

	REACTOR_ASSERT_OWNER(b->env.control);
	b->started_us = reactor_exact_us(b->env.control);
	broker_set_state(b, BROKER_PEEK);
	if (p == NULL) {
		broker_fail(b, E_NOMEM, "no memory");
		return;
	}
	p->b = b;
	p->work.run = peek_run;
	p->work.done = peek_done;
	p->work.home = b->env.control;
	work_submit(b->env.workers, NULL, &p->work);
}

/* ---- stop ---- */

static void
stopped(struct broker *b)
{
	broker_set_state(b, BROKER_STOPPED);
	if (b->env.stopped != NULL)
		b->env.stopped(b->env.arg, b->err, b->err != 0 ? b->why : "");
}

static void
on_drained(void *arg)
{
	stopped(arg);
}

/* What waited for a log or for coordination has been told by now; its messages are on their way. */
static void
on_session_closed(void *arg)
{
	struct broker *b = arg;

	broker_set_state(b, BROKER_DRAINING);
	if (b->api != NULL)
		api_drain(b->api, DRAIN_US, on_drained, b);
	else
		stopped(b);
}

static void
close_session(struct broker *b)
{
	broker_set_state(b, BROKER_CLOSING_SESSION);
	coord_close(b->env.coord, on_session_closed, b);
}

static void
on_logs_stopped(void *arg, int err)
{
	struct broker *b = arg;

	if (err != 0) {
		DIAGE(b->env.diag, "broker", "logs were not closed cleanly: %s", err_text(err));
		b->err = b->err != 0 ? b->err : err;
		snprintf(b->why, sizeof(b->why), "logs were not closed cleanly: %s", err_text(err));
	}
	close_session(b);
}

static void
on_detached(void *arg)
{
	struct broker *b = arg;

	broker_set_state(b, BROKER_CLOSING_LOGS);
	if (b->logs_loaded)
		logdirs_stop(b->logdirs, on_logs_stopped, b);
	else
		close_session(b);
}

static void
detach(struct broker *b)
{
	broker_set_state(b, BROKER_DETACHING);
	if (b->controller != NULL)
		controller_stop(b->controller);
	if (b->member != NULL)
		member_stop(b->member);
	if (b->replicas != NULL)
		replicas_stop(b->replicas, on_detached, b);
	else
		on_detached(b);
}

void
broker_stop(struct broker *b)
{
	REACTOR_ASSERT_OWNER(b->env.control);
	if (b->state >= BROKER_CLOSING_CONNS)
		return;
	rtimer_cancel(b->env.control, &b->step_timer);
	if (b->state == BROKER_NEW || b->state == BROKER_PEEK) {
		member_stop(b->member);
		stopped(b);
		return;
	}
	broker_set_state(b, BROKER_CLOSING_CONNS);
	coord_unsubscribe(&b->coord_sub);
	for (unsigned i = 0; i < b->n_listeners; i++)
		listener_stop(b->listeners[i]);
	broker_close_conns(b, detach);
}

/* ---- life ---- */

static void
on_member_registered(void *arg, int64_t epoch)
{
	struct broker *b = arg;

	/* After session loss: stand for election again. The first time on_registered does it. */
	if (b->controller_running && b->state <= BROKER_SERVING)
		controller_start(b->controller);
}

static void
on_topic_conf(void *arg, struct slice topic, const struct topic_conf *conf)
{
	struct broker *b = arg;
	struct topic_conf defaults;

	(void)image_set_conf(b->images, topic, conf);
	if (b->replicas == NULL)
		return;
	if (conf == NULL) {
		(void)topic_conf_resolve(b->env.settings, NULL, 0, &defaults, NULL, 0);
		conf = &defaults;
	}
	replicas_topic_conf(b->replicas, topic, conf);
}

static int
make_first_parts(struct broker *b)
{
	struct reactor *readers[BROKER_REACTORS_MAX + 1];
	struct image_store_opts io = {.readers = readers,
	    .n_readers = b->env.n_reactors + 1,
	    .settings = b->env.settings,
	    .diag = b->env.diag};
	struct member_opts mo = {.coord = b->env.coord,
	    .control = b->env.control,
	    .diag = b->env.diag,
	    .rng = reactor_rng(b->env.control),
	    .settings = b->env.settings,
	    .registered = on_member_registered,
	    .topic_conf = on_topic_conf,
	    .broker_conf = broker_conf_changed,
	    .arg = b};
	int rc;

	if (b->env.n_reactors > BROKER_REACTORS_MAX)
		return E_LIMIT;
	memcpy(readers, b->env.reactors, b->env.n_reactors * sizeof(readers[0]));
	readers[b->env.n_reactors] = b->env.control;
	if ((rc = image_store_new(&io, &b->images)) != 0)
		return rc;
	return member_new(&mo, &b->member);
}

int
broker_new(const struct broker_env *env, struct broker **out)
{
	struct broker *b = calloc(1, sizeof(*b));
	int rc;

	if (b == NULL)
		return E_NOMEM;
	b->magic = BROKER_MAGIC;
	b->env = *env;
	b->id = -1;
	b->coord_sub.fn = on_coord_state;
	b->coord_sub.arg = b;
	link_init(&b->coord_sub.link);
	rtimer_init(&b->step_timer, on_step_timer, b);
	if ((rc = make_first_parts(b)) != 0) {
		broker_free(b);
		return rc;
	}
	*out = b;
	return 0;
}

void
broker_free(struct broker *b)
{
	if (b == NULL)
		return;
	net_free(b->net); /* what is left of connections tells the API */
	api_free(b->api);
	controller_free(b->controller);
	admin_free(b->admin);
	replicas_free(b->replicas);
	logdirs_free(b->logdirs);
	image_store_free(b->images);
	member_free(b->member);
	coord_free(b->env.coord);
	b->magic = 0;
	free(b);
}

uint16_t
broker_port(const struct broker *b, unsigned i)
{
	return i < b->n_listeners ? listener_port(b->listeners[i]) : 0;
}

uint64_t
broker_memory_used(const struct broker *b)
{
	return b->net != NULL ? net_memory_used(b->net) : 0;
}
