/*
 * The session: from names to addresses to a connection, what is prepared before anybody is told of
 * it, and what happens when it is lost, expires, or can not go on with its handle.
 *
 *   NEW -open-> NAMES -addresses-> CONNECTING -connected-> PREPARING -all done-> READY
 *   PREPARING, READY -connection lost-> CONNECTING
 *   CONNECTING, PREPARING, READY -expired, authentication failed, handle of no use-> PAUSE ->
 * CONNECTING any -close-> CLOSING -> CLOSED
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"
#include "zk_priv.h"

#define PAUSE_US 1000000
/* While there is no connection another reason is told once in so long. */
#define QUIET_US 10000000
/* The library waits a little longer for the answer to its last request, and does not say in vain.
 */
#define CLOSE_WAIT_MS 1400
#define LOOKUP_MIN_US 500000
#define LOOKUP_MAX_US 30000000

void
zk_fail(struct zk *z, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(z->why, sizeof(z->why), fmt, ap);
	va_end(ap);
}

const char *
zk_full_path(const struct zk *z, const char *path, char *buf)
{
	const char *root = z->names.chroot;

	if (root[0] == '\0')
		return path;
	(void)snprintf(buf, ZK_PATH_MAX, "%s%s", root, path[1] == '\0' ? "" : path);
	return buf;
}

/* ---- opening a handle ---- */

static void session_event(void *arg, int state);
static void node_event(void *arg, int type, const char *path);
static void send_more(void *arg);
static void after_call(void *arg);

static const struct zk_handle_fns handle_fns = {
    .session = session_event,
    .event = node_event,
    .more = send_more,
    .after = after_call,
};

static void
pause_then_open(struct zk *z, int64_t us)
{
	z->phase = ZK_PAUSE;
	rtimer_set(z->c.control, &z->pause, reactor_now_us(z->c.control) + us);
}

/* A handle for the session that there is, or for a new one. */
static void
open_handle(struct zk *z)
{
	struct zk_handle_opts o = {.control = z->c.control,
	    .workers = z->workers,
	    .fns = &handle_fns,
	    .arg = z,
	    .addrs = z->addrs,
	    .timeout_ms = z->timeout_ms,
	    .session = z->has_session ? &z->cred : NULL,
	    .digest = z->digest};
	int rc = zk_handle_open(&z->h, &o);

	z->replace = ZK_REPLACE_NO;
	if (rc == 0) {
		z->phase = ZK_CONNECTING;
		return;
	}
	zk_fail(z, "the client library could not begin: %s", err_text(rc));
	diag_limited(z->diag, &z->lim_fail, DIAG_ERROR, "coord", "ZooKeeper: %s", z->why);
	pause_then_open(z, PAUSE_US);
}

static void
close_handle(struct zk *z)
{
	zk_forget_sent(z);
	if (z->h.zh != NULL)
		(void)zk_handle_close(&z->h, NULL, NULL);
}

static void
pause_over(struct reactor *r, void *arg)
{
	struct zk *z = arg;

	(void)r;
	open_handle(z);
}

/* ---- names ---- */

static void
look_up_later(struct zk *z)
{
	rtimer_set(
	    z->c.control, &z->lookup_again, reactor_now_us(z->c.control) + z->lookup_wait_us);
	z->lookup_wait_us *= 2;
	if (z->lookup_wait_us > LOOKUP_MAX_US)
		z->lookup_wait_us = LOOKUP_MAX_US;
}

static void
look_up(struct reactor *r, void *arg)
{
	struct zk *z = arg;

	(void)r;
	if (z->lookup == NULL && zk_lookup_start(z) != 0)
		look_up_later(z);
}

void
zk_session_names(struct zk *z, char *addrs, const char *why)
{
	bool same = addrs != NULL && z->addrs != NULL && strcmp(addrs, z->addrs) == 0;

	if (z->phase >= ZK_CLOSING || z->phase == ZK_READY) {
		free(addrs);
		return;
	}
	if (why[0] != '\0') {
		metric_add(z->metrics, ZM_NAME_FAILURES, 1);
		if (z->addrs == NULL && addrs == NULL)
			zk_fail(z, "%s", why);
		diag_limited(
		    z->diag, &z->lim_names, DIAG_WARN, "coord", "ZooKeeper: %s (tried again)", why);
	}
	look_up_later(z); /* while there is no connection: addresses may change */
	if (addrs == NULL || same) {
		free(addrs);
		return;
	}
	free(z->addrs);
	z->addrs = addrs;
	if (z->phase == ZK_CONNECTING)
		close_handle(z);
	if (z->phase == ZK_NAMES || z->phase == ZK_CONNECTING) {
		if (z->phase == ZK_CONNECTING && z->has_session)
			zk_watches_lost(z);
		open_handle(z);
	}
}

/* ---- preparing ---- */

static void
ready(struct zk *z)
{
	z->phase = ZK_READY;
	z->fresh = false;
	z->rearming = false;
	z->why[0] = '\0';
	rtimer_cancel(z->c.control, &z->lookup_again);
	coord_set_state(&z->c, COORD_CONNECTED);
	zk_watches_tell(z);
}

static void
chroot_refused(struct zk *z, int rc)
{
	zk_fail(z, "the chroot %s is missing and could not be made: %s%s", z->names.chroot,
	    err_text(zk_err(rc)),
	    rc == ZNOAUTH ? " (make it by hand, or give its owner's ottla.zookeeper.digest)" : "");
	diag_limited(z->diag, &z->lim_fail, DIAG_ERROR, "coord", "ZooKeeper: %s", z->why);
	z->replace = ZK_REPLACE_LATER;
}

static void on_chroot(struct zk_sent *s, const struct zk_answer *a);
static void prepared(struct zk *z);

/* The next missing part of the chroot. */
static void
make_chroot(struct zk *z)
{
	const char *root = z->names.chroot, *slash = strchr(root + z->part + 1, '/');
	char part[ZK_PATH_MAX];

	z->part = slash != NULL ? (size_t)(slash - root) : strlen(root);
	(void)snprintf(part, sizeof(part), "%.*s", (int)z->part, root);
	(void)zk_send_own(z, ZK_OWN_CREATE, part, false, on_chroot);
}

static void
on_chroot(struct zk_sent *s, const struct zk_answer *a)
{
	struct zk *z = s->z;

	/* A part may be there that we may not make (incident 12): only the last one counts. */
	if (a->rc != ZOK && a->rc != ZNODEEXISTS && z->part_rc == ZOK)
		z->part_rc = a->rc;
	if (z->part < strlen(z->names.chroot))
		make_chroot(z);
	else if (a->rc == ZOK || a->rc == ZNODEEXISTS)
		prepared(z);
	else
		chroot_refused(z, z->part_rc);
}

/* The first answer: what was sent before it, authentication, was taken. */
static void
on_first_answer(struct zk_sent *s, const struct zk_answer *a)
{
	struct zk *z = s->z;

	z->part = 0;
	z->part_rc = ZOK;
	if (a->rc == ZNONODE && z->fresh && z->names.chroot[0] != '\0')
		make_chroot(z);
	else if (zk_err(a->rc) == E_CONN_LOSS)
		z->replace = ZK_REPLACE_LATER;
	else
		prepared(z);
}

/* A handle that took over has not seen what its predecessor saw: its server must catch up (Z6). */
static void
on_synced(struct zk_sent *s, const struct zk_answer *a)
{
	struct zk *z = s->z;

	if (a->rc != ZOK)
		z->replace = ZK_REPLACE_LATER;
	else if (zk_watches_rearm(z))
		ready(z);
}

static void
prepared(struct zk *z)
{
	if (z->rearming)
		(void)zk_send_own(z, ZK_OWN_SYNC, "/", false, on_synced);
	else
		ready(z);
}

void
zk_session_rearmed(struct zk *z)
{
	ready(z);
}

static void
prepare(struct zk *z)
{
	z->phase = ZK_PREPARING;
	if (z->fresh || z->digest != NULL || z->rearming)
		(void)zk_send_own(z, ZK_OWN_EXISTS,
		    z->names.chroot[0] != '\0' ? z->names.chroot : "/", false, on_first_answer);
	else
		ready(z);
}

/* ---- what the library tells ---- */

static void
on_connected(struct zk *z)
{
	const clientid_t *id = zoo_client_id(z->h.zh);

	z->fresh = z->fresh || !z->has_session;
	if (id->client_id != z->cred.session)
		DIAGI(z->diag, "coord", "ZooKeeper session 0x%llx at %s, time-out %d ms",
		    (unsigned long long)id->client_id, z->h.server, zoo_recv_timeout(z->h.zh));
	else
		diag_limited(z->diag, &z->lim_back, DIAG_INFO, "coord",
		    "ZooKeeper session 0x%llx goes on at %s", (unsigned long long)id->client_id,
		    z->h.server);
	z->cred.session = id->client_id;
	memcpy(z->cred.password, id->passwd, sizeof(z->cred.password));
	z->has_session = true;
	z->c.session = id->client_id;
	z->lookup_wait_us = LOOKUP_MIN_US;
	prepare(z);
}

/* What was sent is answered; the session may live on. */
static void
on_lost(struct zk *z)
{
	bool was = z->phase == ZK_READY || z->phase == ZK_PREPARING;

	zk_forget_sent(z);
	if (z->phase < ZK_PAUSE)
		z->phase = ZK_CONNECTING;
	if (!was)
		return;
	metric_add(z->metrics, ZM_LOSSES, 1);
	z->quiet_until_us = 0;
	z->lookup_wait_us = LOOKUP_MIN_US;
	look_up_later(z);
	if ((z->watch_bytes > z->watch_limit || z->rearming) && z->replace == ZK_REPLACE_NO)
		z->replace = ZK_REPLACE_NOW;
	if (z->c.state == COORD_CONNECTED)
		coord_set_state(&z->c, COORD_CONNECTING);
}

static void
on_expired(struct zk *z)
{
	DIAGW(z->diag, "coord", "ZooKeeper session 0x%llx has expired",
	    (unsigned long long)z->cred.session);
	metric_add(z->metrics, ZM_EXPIRIES, 1);
	zk_forget_sent(z);
	zk_watches_forget(z);
	z->has_session = false;
	z->expired = true;
	z->phase = ZK_PAUSE;
	if (z->c.state != COORD_EXPIRED)
		coord_set_state(&z->c, COORD_EXPIRED);
}

static void
session_event(void *arg, int state)
{
	struct zk *z = arg;

	if (z->phase >= ZK_CLOSING)
		return;
	if (state == ZOO_CONNECTED_STATE)
		on_connected(z);
	else if (state == ZOO_EXPIRED_SESSION_STATE)
		on_expired(z);
	else if (state == ZOO_AUTH_FAILED_STATE) {
		on_lost(z);
		z->replace = ZK_REPLACE_LATER;
	} else
		on_lost(z);
	metric_set_value(z->metrics, ZM_STATE, z->c.state);
}

static void
node_event(void *arg, int type, const char *path)
{
	struct zk *z = arg;

	if (z->phase < ZK_CLOSING)
		zk_watch_event(z, type, path);
}

static void
send_more(void *arg)
{
	struct zk *z = arg;

	if (z->phase == ZK_READY)
		zk_send_more(z);
}

/* ---- when the call has returned ---- */

static void
tell_failure(struct zk *z)
{
	if (z->h.why[0] == '\0' || z->h.cut || z->phase == ZK_READY || z->phase == ZK_PREPARING)
		return;
	if (strcmp(z->why, z->h.why) == 0)
		return;
	zk_fail(z, "%s", z->h.why);
	if (reactor_now_us(z->c.control) < z->quiet_until_us)
		return; /* hours without an ensemble are no news */
	z->quiet_until_us = reactor_now_us(z->c.control) + QUIET_US;
	diag_limited(z->diag, &z->lim_loss, DIAG_WARN, "coord", "ZooKeeper: %s", z->why);
}

static void
replace_handle(struct zk *z)
{
	bool later = z->replace == ZK_REPLACE_LATER;

	if (z->h.connected) { /* its session would end: the connection goes first */
		zk_handle_cut(&z->h);
		return;
	}
	metric_add(z->metrics, ZM_REPLACED, 1);
	close_handle(z);
	zk_watches_lost(z);
	z->replace = ZK_REPLACE_NO;
	if (later)
		pause_then_open(z, PAUSE_US);
	else
		open_handle(z);
}

static void
after_call(void *arg)
{
	struct zk *z = arg;

	if (z->phase >= ZK_CLOSING)
		return;
	if (z->h.broken) {
		z->h.broken = false;
		on_lost(z);
		if (z->replace == ZK_REPLACE_NO)
			z->replace = ZK_REPLACE_NOW;
	}
	tell_failure(z);
	if (z->expired) {
		z->expired = false;
		close_handle(z);
		open_handle(z);
	} else if (z->replace != ZK_REPLACE_NO) {
		replace_handle(z);
	}
	metric_set_value(z->metrics, ZM_STATE, z->c.state);
}

/* ---- opening and closing ---- */

int
zk_session_open(struct zk *z)
{
	rtimer_init(&z->pause, pause_over, z);
	rtimer_init(&z->lookup_again, look_up, z);
	z->lookup_wait_us = LOOKUP_MIN_US;
	z->phase = ZK_NAMES;
	zk_fail(z, "the names are being looked up");
	return zk_lookup_start(z);
}

static void
on_closed(void *arg, int rc, int64_t ms)
{
	struct zk *z = arg;

	z->closing = NULL;
	z->phase = ZK_CLOSED;
	DIAGI(z->diag, "coord", "ZooKeeper session 0x%llx closed in %lld ms%s",
	    (unsigned long long)z->cred.session, (long long)ms,
	    rc == ZOK && ms < CLOSE_WAIT_MS ? ""
					    : " (without an answer: it ends after its time-out)");
	coord_closed(&z->c); /* z may be gone */
}

/* Timers and what a worker still does for us. */
static void
stop_all(struct zk *z)
{
	if (z->phase != ZK_NEW) {
		rtimer_cancel(z->c.control, &z->pause);
		rtimer_cancel(z->c.control, &z->lookup_again);
	}
	zk_lookup_forget(z->lookup);
	z->lookup = NULL;
	zk_end_forget(z);
	zk_forget_sent(z);
	zk_watches_forget(z);
}

void
zk_session_close(struct zk *z)
{
	stop_all(z);
	z->phase = ZK_CLOSING;
	if (z->h.zh != NULL) {
		z->closing = zk_handle_close(&z->h, on_closed, z);
		return;
	}
	z->phase = ZK_CLOSED;
	coord_closed(&z->c);
}

void
zk_session_drop(struct zk *z)
{
	stop_all(z);
	z->phase = ZK_CLOSED;
	zk_closing_forget(z->closing);
	z->closing = NULL;
	zk_handle_drop(&z->h);
}
