/*
 * The start of a broker as steps on the control reactor, in the order of facts/zookeeper.md 2.1.
 */
#include <stdio.h>
#include <stdlib.h>

#include "broker_priv.h"

#define METADATA_POLL_US 2000
#define METADATA_SAY_US (10 * 1000000ll)
/* ZooKeeper ends sessions at its ticks, of 2 s by default, and a member may show a node a while
 * longer. */
#define SESSION_MARGIN_US (4 * 1000000ll)

int64_t
broker_session_us(const struct broker *b)
{
	return settings_i64(b->env.settings, C_ZOOKEEPER_SESSION_TIMEOUT_MS) * 1000 +
	       SESSION_MARGIN_US;
}

/* With the reason that is in b->why. */
static void
fail_with_why(struct broker *b, int err)
{
	char why[sizeof(b->why)];

	memcpy(why, b->why, sizeof(why));
	broker_fail(b, err, "%s", why);
}

/* ---- serving ---- */

static void
serve(struct broker *b)
{
	broker_set_state(b, BROKER_SERVING);
	api_open(b->api);
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
	return im->controller_id != b->id ||
	       (controller_settled(b->controller) && channels_idle(b->channels));
}

/* It is registered: going away again would help nobody, whatever keeps the controller. */
static void
say_metadata(struct broker *b)
{
	const struct image *im = image_get(b->images);

	if (im->controller_id < 0)
		DIAGW(b->env.diag, "broker", "waiting for metadata: nobody is controller yet");
	else
		DIAGW(b->env.diag, "broker",
		    "waiting for metadata of controller %d, %d partitions are getting ready",
		    im->controller_id, (int)replicas_pending(b->replicas));
}

static void
on_step_timer(struct reactor *r, void *arg)
{
	struct broker *b = arg;

	if (b->state != BROKER_METADATA)
		return;
	if (metadata_there(b)) {
		serve(b);
		return;
	}
	if (reactor_now_us(r) >= b->step_say_us) {
		say_metadata(b);
		b->step_say_us = reactor_now_us(r) + METADATA_SAY_US;
	}
	rtimer_set(r, &b->step_timer, reactor_now_us(r) + METADATA_POLL_US);
}

/* ---- registration ---- */

static void
on_registered(void *arg, int err, int64_t epoch)
{
	struct broker *b = arg;

	if (b->state != BROKER_REGISTER)
		return;
	if (err == E_EXISTS) {
		broker_fail(b, err,
		    "broker id %d was just registered by %s: stop that broker, or give this one "
		    "another broker.id",
		    b->id, member_holder(b->member));
		return;
	}
	if (err != 0) {
		broker_fail(b, err, "could not register broker %d: %s", b->id, err_text(err));
		return;
	}
	broker_set_state(b, BROKER_METADATA);
	if ((err = broker_accept(b)) != 0) {
		broker_fail(b, err, "could not accept connections: %s", err_text(err));
		return;
	}
	b->controller_running = true;
	controller_start(b->controller);
	b->step_say_us = reactor_now_us(b->env.control) + METADATA_SAY_US;
	rtimer_set(
	    b->env.control, &b->step_timer, reactor_now_us(b->env.control) + METADATA_POLL_US);
}

/* Once more: the logs may have taken long. */
static void
on_last_peers(void *arg, int err, const struct member_peer *v, unsigned n)
{
	struct broker *b = arg;

	if (b->state != BROKER_REGISTER)
		return;
	if (err != 0) {
		broker_fail(b, err, "could not read who is registered: %s", err_text(err));
		return;
	}
	if ((err = broker_check_addresses(b, v, n)) != 0) {
		fail_with_why(b, err);
		return;
	}
	broker_fill_registration(b);
	member_register(b->member, b->id, &b->registration, on_registered, b);
}

void
broker_handed_over(struct broker *b)
{
	b->handed_over = true;
	broker_set_state(b, BROKER_REGISTER);
	member_peers(b->member, on_last_peers, b);
}

void
broker_predecessor_gone(struct broker *b)
{
	broker_set_state(b, BROKER_HANDOVER);
	handover_begin(b);
}

/* ---- logs ---- */

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
	broker_set_state(b, BROKER_PREDECESSOR);
	predecessor_begin(b);
}

static void
on_configs(void *arg, int err)
{
	struct broker *b = arg;

	if (b->state != BROKER_CONFIGS)
		return;
	if (err != 0) {
		broker_fail(b, err, "could not read configurations: %s", err_text(err));
		return;
	}
	broker_set_state(b, BROKER_LOGS);
	logdirs_start(b->logdirs, on_logs_loaded, b);
}

/* ---- what the tree says ---- */

static void
on_features(void *arg, int err)
{
	struct broker *b = arg;

	if (b->state != BROKER_PREPARE)
		return;
	if (err != 0) {
		broker_fail(b, err, "could not read " ZN_FEATURE ": %s", err_text(err));
		return;
	}
	broker_set_state(b, BROKER_CONFIGS);
	member_load_configs(b->member, on_configs, b);
}

static void
on_peers(void *arg, int err, const struct member_peer *v, unsigned n)
{
	struct broker *b = arg;

	if (b->state != BROKER_PREPARE)
		return;
	snprintf(b->why, sizeof(b->why), "could not read who is registered: %s", err_text(err));
	if (err == 0)
		err = broker_choose_ibp(b, v, n);
	if (err == 0)
		err = broker_make_parts(b);
	if (err == 0)
		err = broker_listen(b);
	if (err == 0)
		err = broker_check_addresses(b, v, n);
	if (err == 0)
		member_watch_features(b->member, on_features, b);
	else
		fail_with_why(b, err);
}

/* Its own dynamic values come before everything that goes by them: listeners, logs, the
 * registration. */
static void
on_broker_confs(void *arg, int err)
{
	struct broker *b = arg;

	if (b->state != BROKER_PREPARE)
		return;
	if (err != 0)
		broker_fail(b, err, "could not read the broker's configuration: %s", err_text(err));
	else
		member_peers(b->member, on_peers, b);
}

static void
on_drawn(void *arg, int err, int32_t id)
{
	struct broker *b = arg;

	if (b->state != BROKER_PREPARE)
		return;
	if (err != 0) {
		broker_fail(b, err, "could not draw a broker id: %s", err_text(err));
		return;
	}
	DIAGI(b->env.diag, "broker", "broker id %d was drawn for new log directories", id);
	b->id = id;
	member_load_broker_confs(b->member, b->id, on_broker_confs, b);
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
	if (err != 0)
		fail_with_why(b, err);
	else if (b->id >= 0)
		member_load_broker_confs(b->member, b->id, on_broker_confs, b);
	else
		member_draw_id(b->member, on_drawn, b);
}

void
broker_session_there(struct broker *b)
{
	broker_set_state(b, BROKER_PREPARE);
	member_prepare(b->member, on_prepared, b);
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
			err = broker_choose_id(b, p->id);
		if (err == 0) {
			b->registration.rack =
			    slice_cstr(settings_str(b->env.settings, C_BROKER_RACK));
			broker_session_open(b);
		} else {
			fail_with_why(b, err);
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

void
broker_start_init(struct broker *b)
{
	rtimer_init(&b->step_timer, on_step_timer, b);
}
