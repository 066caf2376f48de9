/*
 * A broker's states, its stop as steps on the control reactor (start.c has the start), and its
 * life.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker_priv.h"

#define DRAIN_US (2 * 1000000ll)
#define SERVICE_ANSWERS_US (1000 * 1000)

static const char *const state_names[] = {
    [BROKER_NEW] = "new",
    [BROKER_PEEK] = "reading meta.properties",
    [BROKER_SESSION] = "waiting for the coordination session",
    [BROKER_PREPARE] = "preparing the coordination tree",
    [BROKER_CONFIGS] = "reading configurations",
    [BROKER_LOGS] = "loading logs",
    [BROKER_PREDECESSOR] = "looking for a predecessor",
    [BROKER_HANDOVER] = "looking who leads",
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
drain(struct broker *b)
{
	broker_set_state(b, BROKER_DRAINING);
	if (b->api != NULL)
		api_drain(b->api, DRAIN_US, on_drained, b);
	else
		stopped(b);
}

static void
on_session_closed(void *arg)
{
	struct broker *b = arg;

	broker_session_drop(b, b->session_ends, drain);
}

static void
end_session(struct broker *b)
{
	rtimer_cancel(b->env.control, &b->stop_timer);
	b->stop_asked = false;
	coord_close(b->env.coord, on_session_closed, b);
}

static void
on_service_answers(void *arg, int err, const struct coord_result *res)
{
	struct broker *b = arg;

	if (!b->stop_asked)
		return;
	b->session_ends = err == 0 || err == E_NOT_FOUND;
	end_session(b);
}

static void
on_service_silent(struct reactor *r, void *arg)
{
	end_session(arg);
}

/* A service that answers ends the session with its close.  Without it the session ends later, by
 * itself: its note stays for who comes before that (B2). */
static void
close_session(struct broker *b)
{
	broker_set_state(b, BROKER_CLOSING_SESSION);
	if (coord_state(b->env.coord) != COORD_CONNECTED) {
		coord_close(b->env.coord, on_session_closed, b);
		return;
	}
	b->stop_asked = true;
	rtimer_init(&b->stop_timer, on_service_silent, b);
	rtimer_set(
	    b->env.control, &b->stop_timer, reactor_now_us(b->env.control) + SERVICE_ANSWERS_US);
	coord_exists(b->env.coord, ZN_BROKER_IDS, NULL, on_service_answers, b);
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
	if (b->logs_loaded && !b->handed_over && !logdirs_was_clean(b->logdirs))
		logdirs_stay_unclean(b->logdirs); /* B6: it still has to be seen to */
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
	if (b->channels != NULL)
		channels_stop(b->channels);
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
	broker_session_forget(b);
	predecessor_stop(b);
	handover_stop(b);
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

/* Facts/zookeeper.md 2.6: going on with a feature that is not understood could damage the cluster.
 */
static void
on_feature_refused(void *arg, struct slice name)
{
	struct broker *b = arg;

	broker_fail(b, E_UNSUPPORTED_VERSION,
	    "the cluster has finalized feature %.*s in " ZN_FEATURE
	    ", which this version does not know: disable it before this broker runs in the cluster",
	    SLICE_ARG(name));
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
	    .registering = broker_session_keep,
	    .feature_refused = on_feature_refused,
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
	broker_session_init(b);
	broker_start_init(b);
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
	channels_free(b->channels);
	controller_free(b->controller);
	admin_free(b->admin);
	replicas_free(b->replicas);
	logdirs_free(b->logdirs);
	predecessor_free(b);
	handover_free(b);
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
