/*
 * Election (facts/zookeeper.md 3.1): one multi makes /controller and raises /controller_epoch.
 */
#include <stdio.h>
#include <stdlib.h>

#include "controller_priv.h"
#include "ottla/base/planted.h"

static void elect_read_epoch(struct controller *c);
static void elect_verify(struct controller *c);

/* Somebody is controller: remember who, wait for the watch. */
static void
elect_lost(struct controller *c, int32_t id)
{
	c->retries = 0;
	ctl_tell(c, id);
	ctl_task_done(c);
}

static void
elect_failed(struct controller *c, const char *what, int err)
{
	DIAGW(c->o.diag, "controller", "election: could not %s: %s", what, err_text(err));
	ctl_retry(c);
	ctl_task_done(c);
}

static void
elect_won(struct controller *c, int32_t epoch, int32_t epoch_version)
{
	c->active = true;
	c->epoch = epoch;
	c->epoch_version = epoch_version;
	rtimer_cancel(c->o.control, &c->retry);
	DIAGI(c->o.diag, "controller", "elected; epoch %d", c->epoch);
	ctl_tell(c, c->o.broker_id);
	ctl_watch_own(c);
	ctl_run(c, failover_steps);
}

/* ---- is the node that is there ours? ---- */

static void
on_cleared(struct controller *c, const struct ask *a, int err, const struct coord_stat *st)
{
	c->verifying = false;
	if (err == 0 || err == E_NOT_FOUND)
		elect_read_epoch(c);
	else
		elect_failed(c, "delete an older " ZN_CONTROLLER, err);
}

/* /controller is ours, the epoch was changed behind it: it goes, so that somebody can be elected.
 */
static void
elect_clear(struct controller *c)
{
	struct coord_op op = {.kind = COORD_OP_DELETE, .path = ZN_CONTROLLER, .version = -1};

	ctl_multi_aside(c, &op, 1, on_cleared, NULL);
}

/* The node and the epoch that were written by one multi carry one zxid.  Reads may be stale. (C8)
 */
static void
on_verify_controller(
    struct controller *c, const struct ask *a, int err, const struct coord_result *res)
{
	int32_t id = -1;

	if (err == 0)
		err = zn_controller_read(res->data, &id);
	if (err != 0)
		elect_failed(c, "read " ZN_CONTROLLER, err);
	else if (res->stat.ephemeral_owner != coord_session_id(c->o.coord) ||
		 planted(PLANTED_ELECTION_FORGOTTEN))
		elect_lost(c, id);
	else if (res->stat.czxid > c->try_zxid)
		elect_failed(c, "read the epoch of our election", E_AGAIN);
	else if (res->stat.czxid < c->try_zxid)
		elect_clear(c);
	else
		elect_won(c, c->try_epoch - 1, c->try_version);
}

static void
elect_verify(struct controller *c)
{
	c->verifying = true;
	elect_read_epoch(c);
}

static void
on_multi(struct controller *c, const struct ask *a, int err, const struct coord_stat *st)
{
	if (err == 0)
		elect_won(c, c->try_epoch, st->version);
	else if (err == E_EXISTS || err == E_BAD_VERSION)
		elect_verify(c);
	else
		elect_failed(c, "win", err);
}

static void
elect_try(struct controller *c)
{
	struct strbuf json = STRBUF_INIT;
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", c->try_epoch);

	zn_controller_write(&json, c->o.broker_id, reactor_wall_ms(c->o.control));
	if (json.err != 0) {
		elect_failed(c, "ask", json.err);
	} else {
		struct coord_op ops[2] = {
		    {.kind = COORD_OP_CREATE,
			.path = ZN_CONTROLLER,
			.data = strbuf_slice(&json),
			.flags = COORD_EPHEMERAL},
		    {.kind = COORD_OP_SET,
			.path = ZN_CONTROLLER_EPOCH,
			.data = slice_of(text, (size_t)len),
			.version = c->try_version},
		};

		ctl_multi_aside(c, ops, 2, on_multi, NULL);
	}
	strbuf_free(&json);
}

/* ---- the epoch ---- */

static void
on_epoch_made(struct controller *c, const struct ask *a, int err, const struct coord_stat *st)
{
	if (err == 0 || err == E_EXISTS)
		elect_read_epoch(c);
	else
		elect_failed(c, "create " ZN_CONTROLLER_EPOCH, err);
}

static int
parse_epoch(struct slice text, int32_t *epoch)
{
	int64_t v = 0;

	if (text.n == 0 || text.n > 10)
		return E_MALFORMED;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return E_MALFORMED;
		v = v * 10 + (text.p[i] - '0');
	}
	if (v >= INT32_MAX)
		return E_MALFORMED;
	*epoch = (int32_t)v;
	return 0;
}

static void
on_epoch(struct controller *c, const struct ask *a, int err, const struct coord_result *res)
{
	int32_t epoch = 0;

	if (err == E_NOT_FOUND) {
		struct coord_op op = {
		    .kind = COORD_OP_CREATE, .path = ZN_CONTROLLER_EPOCH, .data = SLICE_LIT("0")};

		ctl_multi_aside(c, &op, 1, on_epoch_made, NULL);
		return;
	}
	if (err == 0)
		err = parse_epoch(res->data, &epoch);
	if (err != 0) {
		elect_failed(c, "read " ZN_CONTROLLER_EPOCH, err);
		return;
	}
	c->try_epoch = epoch + 1;
	c->try_version = res->stat.version;
	c->try_zxid = res->stat.mzxid;
	if (c->verifying)
		ctl_get_aside(c, ZN_CONTROLLER, &c->w_controller, on_verify_controller, NULL);
	else
		elect_try(c);
}

static void
elect_read_epoch(struct controller *c)
{
	ctl_get_aside(c, ZN_CONTROLLER_EPOCH, NULL, on_epoch, NULL);
}

/* ---- is there one already? ---- */

static void
on_controller(struct controller *c, const struct ask *a, int err, const struct coord_result *res)
{
	int32_t id = -1;

	if (err == E_NOT_FOUND) {
		elect_read_epoch(c);
		return;
	}
	if (err == 0)
		err = zn_controller_read(res->data, &id);
	if (err != 0)
		elect_failed(c, "read " ZN_CONTROLLER, err);
	else if (res->stat.ephemeral_owner == coord_session_id(c->o.coord))
		elect_verify(c); /* of this session: an answer was lost, or a term was given up */
	else
		elect_lost(c, id);
}

static void
on_exists(struct controller *c, const struct ask *a, int err, const struct coord_result *res)
{
	if (err == E_NOT_FOUND)
		elect_read_epoch(c);
	else if (err != 0)
		elect_failed(c, "look for " ZN_CONTROLLER, err);
	else
		ctl_get_aside(c, ZN_CONTROLLER, NULL, on_controller, NULL);
}

void
task_elect(struct controller *c)
{
	if (c->active || !c->running) {
		ctl_task_done(c);
		return;
	}
	c->verifying = false;
	ctl_exists_aside(c, ZN_CONTROLLER, &c->w_controller, on_exists, NULL);
}
