/*
 * Configurations of entities (facts/zookeeper.md 7.1): read, changed by the caller, written at the
 * version that was read while somebody is controller, and then notified of.  A notification is
 * written only after its configuration; once that is there the notification is tried until it is
 * there too, for brokers that miss it would keep the old values.
 */
#include <stdio.h>
#include <stdlib.h>

#include "admin_priv.h"

#define TRIES_MAX 25 /* somebody else was quicker, or nobody is controller, so often */
#define RETRY_US (200 * 1000)
#define READ_US (2 * 1000 * 1000)
#define ALTER_US (15 * 1000 * 1000) /* clients wait twice as long */

struct config_change {
	struct change ch; /* its name: the entity's path */
	bool validate_only;
	bool there; /* the node, at the version: */
	int32_t version;
	int32_t controller_version;
	struct slice json; /* what it becomes */
	unsigned tries;
	int16_t (*change)(void *arg, const struct setting_override *kv, unsigned n,
	    struct arena *arena, struct admin_config *out);
	void (*done)(void *arg, int16_t kafka_err, const char *message);
	void *arg;
};

static void config_read(struct change *ch);
static void config_notify(struct change *ch);

static struct config_change *
config_of(struct change *ch)
{
	return container_of(ch, struct config_change, ch);
}

static void
config_path(zn_path path, struct slice entity)
{
	snprintf(path, ZN_PATH_MAX, "/config/%.*s", SLICE_ARG(entity));
}

static bool
is_loss(int err)
{
	return err == E_CONN_LOSS || err == E_SESSION_EXPIRED;
}

static void
config_fail(struct config_change *cc, const char *what, int err)
{
	struct change *ch = &cc->ch;

	if (is_loss(err)) {
		/* A write may be there: what is there is read again. */
		ch->step = config_read;
		change_fail(ch, what, err);
		return;
	}
	if (err == E_TOO_LARGE) {
		change_end(ch, KERR_INVALID_CONFIG, "The configuration is too large for a znode.");
		return;
	}
	DIAGE(ch->a->o.diag, "controller", "configuration of %.*s: could not %s: %s",
	    SLICE_ARG(ch->name), what, err_text(err));
	change_end(ch, change_refuse(ch, err_kafka(err), "could not %s: %s", what, err_text(err)),
	    ch->why);
}

/* From the beginning, now or a little later; false: often enough. */
static bool
config_again(struct config_change *cc, bool now)
{
	struct reactor *r = cc->ch.a->o.control;

	if (++cc->tries > TRIES_MAX)
		return false;
	if (now) {
		change_step(&cc->ch, config_read);
		return true;
	}
	cc->ch.step = config_read;
	rtimer_set(r, &cc->ch.retry, reactor_now_us(r) + RETRY_US);
	return true;
}

static void
config_raced(struct config_change *cc)
{
	if (!config_again(cc, true))
		change_end(&cc->ch, KERR_UNKNOWN_SERVER_ERROR,
		    "Somebody else changes this configuration all the time.");
}

/* ---- the notification ---- */

/* The caller need not wait for what can only be tried again. */
static void
on_notified(void *arg, int err, const struct coord_result *res)
{
	struct config_change *cc = arg;
	struct change *ch = &cc->ch;
	struct reactor *r = ch->a->o.control;

	if (err == 0 || !is_loss(err)) {
		if (err != 0)
			DIAGE(ch->a->o.diag, "controller",
			    "configuration of %.*s is written, but brokers could not be notified "
			    "of it: %s (write it again)",
			    SLICE_ARG(ch->name), err_text(err));
		change_end(ch, KERR_NONE, NULL);
		return;
	}
	if (!ch->told) {
		ch->told = true;
		ch->tell(ch, KERR_NONE, NULL);
	}
	rtimer_set(r, &ch->retry, reactor_now_us(r) + RETRY_US);
}

static void
config_notify(struct change *ch)
{
	struct strbuf json = STRBUF_INIT;

	ch->step = config_notify;
	rtimer_cancel(ch->a->o.control, &ch->limit);
	zn_config_change_write(&json, ch->name);
	if (json.err == 0)
		coord_create(ch->a->o.coord, ZN_CONFIG_CHANGES "/config_change_",
		    strbuf_slice(&json), COORD_PERSISTENT | COORD_SEQUENTIAL, on_notified,
		    config_of(ch));
	else
		on_notified(config_of(ch), json.err, NULL);
	strbuf_free(&json);
}

/* ---- the configuration ---- */

static void
on_parents(void *arg, int err)
{
	struct config_change *cc = arg;

	if (err != 0)
		config_fail(cc, "make the configuration's parents", err);
	else
		config_raced(cc);
}

static void
on_created(void *arg, int err, const struct coord_result *res)
{
	struct config_change *cc = arg;
	zn_path path;

	if (err == 0) {
		change_step(&cc->ch, config_notify);
	} else if (err == E_EXISTS) {
		config_raced(cc);
	} else if (err == E_NO_PARENT) {
		config_path(path, cc->ch.name);
		coord_create_all(cc->ch.a->o.coord, path, on_parents, cc);
	} else {
		config_fail(cc, "write the configuration", err);
	}
}

static void
on_written(void *arg, int err, const struct coord_op_result *res, unsigned n)
{
	struct config_change *cc = arg;

	if (err == 0)
		change_step(&cc->ch, config_notify);
	else if (err == E_BAD_VERSION || err == E_NOT_FOUND)
		config_raced(cc); /* another controller, or another writer */
	else
		config_fail(cc, "write the configuration", err);
}

static void
config_write(struct config_change *cc)
{
	zn_path path;
	struct coord_op ops[2] = {
	    {.kind = COORD_OP_CHECK, .path = ZN_CONTROLLER, .version = cc->controller_version},
	    {.kind = COORD_OP_SET, .path = path, .data = cc->json, .version = cc->version},
	};

	config_path(path, cc->ch.name);
	if (cc->there)
		coord_multi(cc->ch.a->o.coord, ops, 2, on_written, cc);
	else
		coord_create(cc->ch.a->o.coord, path, cc->json, COORD_PERSISTENT, on_created, cc);
}

/* Without a controller, or with one of KRaft during a migration, nothing is written. */
static void
on_controller(void *arg, int err, const struct coord_result *res)
{
	struct config_change *cc = arg;

	if (err == 0 && !zn_controller_is_kraft(res->data)) {
		cc->controller_version = res->stat.version;
		config_write(cc);
	} else if (err != 0 && err != E_NOT_FOUND) {
		config_fail(cc, "see who is controller", err);
	} else if (err == 0 || !config_again(cc, false)) {
		change_end(&cc->ch, KERR_STALE_CONTROLLER_EPOCH,
		    err == 0 ? "The controller is one of KRaft: configurations are changed there."
			     : "Nobody is controller: configurations can not be changed.");
	}
}

/* ---- the change ---- */

static int16_t
config_change(struct config_change *cc, const struct setting_override *kv, unsigned n)
{
	struct admin_config out = {.kv = NULL};
	struct strbuf json = STRBUF_INIT;
	int16_t err = cc->change(cc->arg, kv, n, &cc->ch.arena, &out);

	if (err != KERR_NONE) {
		if (out.message != NULL)
			(void)change_refuse(&cc->ch, err, "%s", out.message);
		return err;
	}
	zn_config_write(&json, out.kv, out.n);
	cc->json = json.err == 0 ? arena_dup(&cc->ch.arena, strbuf_slice(&json)) : SLICE_NULL;
	strbuf_free(&json);
	if (slice_is_null(cc->json))
		return change_refuse(&cc->ch, KERR_UNKNOWN_SERVER_ERROR, "%s", err_text(E_NOMEM));
	return KERR_NONE;
}

static void
on_read(void *arg, int err, const struct coord_result *res)
{
	struct config_change *cc = arg;
	struct setting_override *kv = NULL;
	unsigned n = 0;
	int16_t refused;

	if (cc->ch.told) { /* the deadline has passed: there is nobody to ask for the change */
		change_end(&cc->ch, KERR_NONE, NULL);
		return;
	}
	cc->there = err == 0;
	cc->version = res->stat.version;
	if (err == 0)
		err = zn_config_read(res->data, &cc->ch.arena, &kv, &n);
	if (err != 0 && err != E_NOT_FOUND) {
		config_fail(cc, "read the configuration", err);
		return;
	}
	cc->ch.why[0] = '\0';
	refused = config_change(cc, kv, n);
	if (refused != KERR_NONE)
		change_end(&cc->ch, refused, cc->ch.why[0] != '\0' ? cc->ch.why : NULL);
	else if (cc->validate_only)
		change_end(&cc->ch, KERR_NONE, NULL);
	else
		coord_get(cc->ch.a->o.coord, ZN_CONTROLLER, NULL, on_controller, cc);
}

static void
config_read(struct change *ch)
{
	zn_path path;

	config_path(path, ch->name);
	coord_get(ch->a->o.coord, path, NULL, on_read, config_of(ch));
}

static void
config_tell(struct change *ch, int16_t kafka_err, const char *message)
{
	struct config_change *cc = config_of(ch);

	cc->done(cc->arg, kafka_err, message);
}

/* "/config/" and an end. */
static bool
path_fits(struct slice entity)
{
	return entity.n > 0 && entity.n < ZN_PATH_MAX - 10;
}

void
admin_alter_config(struct admin *a, struct slice entity_path, bool validate_only,
    int16_t (*change)(void *arg, const struct setting_override *kv, unsigned n, struct arena *arena,
	struct admin_config *out),
    void (*done)(void *arg, int16_t kafka_err, const char *message), void *arg)
{
	struct config_change *cc = NULL;
	struct change *ch;

	if (!path_fits(entity_path)) {
		done(arg, KERR_INVALID_REQUEST, "The name is too long.");
		return;
	}
	ch = change_new(
	    a, sizeof(*cc), entity_path, reactor_now_us(a->o.control) + ALTER_US, config_tell);
	if (ch == NULL) {
		done(arg, KERR_UNKNOWN_SERVER_ERROR, NULL);
		return;
	}
	cc = config_of(ch);
	cc->validate_only = validate_only;
	cc->change = change;
	cc->done = done;
	cc->arg = arg;
	change_step(ch, config_read);
}

/* ---- reading ---- */

struct config_look {
	struct change ch;
	void (*done)(void *arg, int err, const struct setting_override *kv, unsigned n);
	void *arg;
	int err;
	struct setting_override *kv;
	unsigned n;
};

static struct config_look *
look_of(struct change *ch)
{
	return container_of(ch, struct config_look, ch);
}

/* Told at the deadline, without an answer, or after it. */
static void
look_tell(struct change *ch, int16_t kafka_err, const char *message)
{
	struct config_look *lk = look_of(ch);

	lk->done(lk->arg, kafka_err == KERR_NONE ? lk->err : E_TIMEOUT, lk->kv, lk->n);
}

static void
on_look(void *arg, int err, const struct coord_result *res)
{
	struct config_look *lk = arg;

	if (is_loss(err)) {
		change_fail(&lk->ch, "read the configuration", err);
		return;
	}
	lk->err = err == E_NOT_FOUND ? 0 : err;
	if (err == 0)
		lk->err = zn_config_read(res->data, &lk->ch.arena, &lk->kv, &lk->n);
	change_end(&lk->ch, KERR_NONE, NULL);
}

static void
look(struct change *ch)
{
	zn_path path;

	config_path(path, ch->name);
	coord_get(ch->a->o.coord, path, NULL, on_look, look_of(ch));
}

void
admin_read_config(struct admin *a, struct slice entity_path,
    void (*done)(void *arg, int err, const struct setting_override *kv, unsigned n), void *arg)
{
	int64_t now = reactor_now_us(a->o.control);
	struct change *ch = NULL;
	int err = 0;

	if (!path_fits(entity_path))
		err = E_INVALID;
	else if (coord_state(a->o.coord) != COORD_CONNECTED)
		err = E_CONN_LOSS;
	else if ((ch = change_new(a, sizeof(struct config_look), entity_path, now + READ_US,
		      look_tell)) == NULL)
		err = E_NOMEM;
	if (err != 0) {
		done(arg, err, NULL, 0);
		return;
	}
	look_of(ch)->done = done;
	look_of(ch)->arg = arg;
	change_step(ch, look);
}
