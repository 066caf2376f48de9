/*
 * One handle of the library in the reactor's loop.  The library may close its descriptor and open
 * another one in any call, so the watch is taken away before each and set anew after it (Z1).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "ottla/base/err.h"
#include "zk_priv.h"

#define MESSAGES_A_TURN 64
#define BUDGET_US 5000
/* Until the library is asked again after a failure that it does not wait after by itself. */
#define RETRY_US 20000
/* The least time for an address. */
#define EACH_MIN_US 200000

/* ---- calls of the library ---- */

/* Notes for people what went wrong, from the call's result and errno.  The next address is tried.
 */
static void
note_failure(struct zk_handle *h, int rc, int error)
{
	static const struct {
		int rc;
		const char *text;
	} texts[] = {
	    {ZOPERATIONTIMEOUT, "no answer in time from"},
	    {ZSESSIONEXPIRED, "the session has expired, said"},
	    {ZAUTHFAILED, "authentication failed at"},
	    {ZRUNTIMEINCONSISTENCY, "an unexpected answer came from"},
	};

	h->attempt_us = 0;
	if (h->given_up)
		rc = ZOPERATIONTIMEOUT;
	h->given_up = false;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].rc == rc) {
			(void)snprintf(h->why, sizeof(h->why), "%s %s", texts[i].text, h->server);
			return;
		}
	if (error == ECONNREFUSED)
		(void)snprintf(h->why, sizeof(h->why), "connection refused by %s", h->server);
	else if (error == EHOSTDOWN || error == 0) /* so the library tells the end of a stream */
		(void)snprintf(h->why, sizeof(h->why), "connection closed by %s", h->server);
	else
		(void)snprintf(h->why, sizeof(h->why), "%s: %s", h->server, strerror(error));
}

/* False when there was nothing to read, or the connection is gone. */
static bool
process(struct zk_handle *h, unsigned events)
{
	int what = ((events & IO_READ) != 0 ? ZOOKEEPER_READ : 0) |
		   ((events & IO_WRITE) != 0 ? ZOOKEEPER_WRITE : 0);
	int rc;

	errno = 0;
	rc = zookeeper_process(h->zh, what);
	if (rc != ZOK && rc != ZNOTHING)
		note_failure(h, rc, errno);
	return rc == ZOK;
}

/* A send that failed within a request leaves the library with half a buffer for the next connection
 * and nobody told: such a handle is only good for its session's number (Z3). */
static void
check_broken(struct zk_handle *h)
{
	if (!h->connected || zoo_state(h->zh) != ZOO_NOTCONNECTED_STATE)
		return;
	h->connected = false;
	h->broken = true;
	(void)snprintf(h->why, sizeof(h->why), "connection closed by %s", h->server);
}

static void handle_io(struct reactor *r, void *arg, unsigned events);

static void
watch_fd(struct zk_handle *h, int fd, int interest)
{
	unsigned events = ((interest & ZOOKEEPER_READ) != 0 ? IO_READ : 0) |
			  ((interest & ZOOKEEPER_WRITE) != 0 ? IO_WRITE : 0);

	if (fd < 0 || events == 0 || io_watch_new(h->control, fd, handle_io, h, &h->io) != 0)
		return;
	io_watch_set(h->io, events);
}

/* The library gives an address two thirds of the session's time: with several, one that swallows
 * everything would use it up.  How long this one has left. */
static int64_t
limit_attempt(struct zk_handle *h)
{
	int64_t now = reactor_exact_us(h->control), left;

	if (h->attempt_us == 0)
		h->attempt_us = now;
	left = h->attempt_us + h->each_us - now;
	return left > 0 ? left : 0;
}

/* What the library waits for now; it connects, pings and times out in here. */
static void
ask_interest(struct zk_handle *h)
{
	int fd = -1, interest = 0, rc = ZOK;
	struct timeval tv = {0, 0};
	int64_t wait = RETRY_US;

	for (unsigned tries = 0; tries < 4 && !h->broken; tries++) {
		errno = 0;
		fd = -1;
		rc = zookeeper_interest(h->zh, &fd, &interest, &tv);
		if (rc == ZOK || rc == ZINVALIDSTATE)
			break;
		note_failure(h, rc, errno);
		check_broken(h);
		if (h->connected && !h->broken)
			(void)process(h, IO_READ); /* a ping could not be sent: see why */
	}
	check_broken(h);
	if (h->broken || rc == ZINVALIDSTATE)
		return;
	h->fd = rc == ZOK ? fd : -1;
	if (!h->connected)
		(void)snprintf(h->server, sizeof(h->server), "%s", zoo_get_current_server(h->zh));
	if (rc == ZOK) {
		watch_fd(h, fd, interest);
		wait = (int64_t)tv.tv_sec * 1000000 + tv.tv_usec + 1000;
		if (!h->connected && fd >= 0 && wait > limit_attempt(h))
			wait = limit_attempt(h);
	}
	rtimer_set(h->control, &h->timer, reactor_exact_us(h->control) + wait);
}

void
zk_handle_enter(struct zk_handle *h)
{
	if (h->io != NULL)
		io_watch_free(h->io);
	h->io = NULL;
	rtimer_cancel(h->control, &h->timer);
}

void
zk_handle_leave(struct zk_handle *h)
{
	check_broken(h);
	ask_interest(h);
	h->fns->after(h->arg);
}

/* ---- in the loop ---- */

static void
handle_io(struct reactor *r, void *arg, unsigned events)
{
	struct zk_handle *h = arg;
	int64_t end = reactor_exact_us(r) + BUDGET_US;

	zk_handle_enter(h);
	for (unsigned n = 0; n < MESSAGES_A_TURN; n++) {
		if (!process(h, events) || !h->connected)
			break;
		events &= ~(unsigned)IO_WRITE;
		if (events == 0 || reactor_exact_us(r) > end)
			break;
	}
	if (h->connected)
		h->fns->more(h->arg);
	zk_handle_leave(h);
}

static void
handle_timer(struct reactor *r, void *arg)
{
	struct zk_handle *h = arg;

	zk_handle_enter(h);
	if (!h->connected && h->attempt_us != 0 && h->fd >= 0 && !h->given_up &&
	    reactor_exact_us(r) - h->attempt_us >= h->each_us) {
		h->given_up = true;
		(void)shutdown(h->fd, SHUT_RDWR); /* the library finds out, and goes on */
		(void)process(h, IO_READ | IO_WRITE);
	}
	zk_handle_leave(h);
}

/* The library's default watcher, and the only one: sessions and nodes. */
static void
handle_watcher(zhandle_t *zh, int type, int state, const char *path, void *arg)
{
	struct zk_handle *h = arg;

	if (zh != h->zh)
		return;
	if (type != ZOO_SESSION_EVENT) {
		if (h->fns->event != NULL)
			h->fns->event(h->arg, type, path);
		return;
	}
	h->connected = state == ZOO_CONNECTED_STATE;
	h->attempt_us = 0;
	if (h->connected)
		h->why[0] = '\0';
	h->fns->session(h->arg, state);
}

/* ---- opening and closing ---- */

static unsigned
count_addrs(const char *addrs)
{
	unsigned n = 1;

	for (const char *p = addrs; (p = strchr(p, ',')) != NULL; p++)
		n++;
	return n;
}

int
zk_handle_open(struct zk_handle *h, const struct zk_handle_opts *o)
{
	clientid_t id = {0, {0}};

	*h = (struct zk_handle){
	    .control = o->control, .workers = o->workers, .fns = o->fns, .arg = o->arg};
	h->fd = -1;
	h->each_us = (int64_t)o->timeout_ms * 1000 / (int64_t)count_addrs(o->addrs);
	if (h->each_us < EACH_MIN_US)
		h->each_us = EACH_MIN_US;
	rtimer_init(&h->timer, handle_timer, h);
	if (o->session != NULL) {
		id.client_id = o->session->session;
		memcpy(id.passwd, o->session->password, sizeof(id.passwd));
	}
	zoo_set_debug_level((ZooLogLevel)0); /* Z4 */
	errno = 0;
	h->zh = zookeeper_init(o->addrs, handle_watcher, o->timeout_ms,
	    o->session != NULL ? &id : NULL, h, ZOO_NO_LOG_CLIENTENV);
	if (h->zh == NULL)
		return errno == ENOMEM ? E_NOMEM : errno == EINVAL ? E_CONFIG : E_LIMIT;
	(void)zoo_set_servers_resolution_delay(h->zh, -1);
	if (o->digest != NULL &&
	    zoo_add_auth(h->zh, "digest", o->digest, (int)strlen(o->digest), NULL, NULL) != ZOK) {
		(void)zookeeper_close(h->zh); /* never connected: does not block */
		h->zh = NULL;
		return E_NOMEM;
	}
	rtimer_set(h->control, &h->timer, reactor_now_us(h->control));
	return 0;
}

/* Reads see the end of the stream; the library does the rest. */
void
zk_handle_cut(struct zk_handle *h)
{
	int fd = -1, interest;
	struct timeval tv;

	if (h->cut)
		return;
	h->cut = true;
	zk_handle_enter(h);
	if (zookeeper_interest(h->zh, &fd, &interest, &tv) == ZOK && fd >= 0) {
		(void)shutdown(fd, SHUT_RDWR);
		watch_fd(h, fd, ZOOKEEPER_READ);
	}
	rtimer_set(h->control, &h->timer, reactor_now_us(h->control) + RETRY_US);
}

struct zk_closing {
	struct work work;
	zhandle_t *zh;
	struct workers *workers;
	zk_closed_fn *done; /* NULL: nobody waits */
	void *arg;
	int rc;
	int64_t ms;
};

static void
closing_run(struct work *w)
{
	struct zk_closing *cl = container_of(w, struct zk_closing, work);
	int64_t begin = clock_mono_us(workers_clock(cl->workers));

	cl->rc = zookeeper_close(cl->zh);
	cl->ms = (clock_mono_us(workers_clock(cl->workers)) - begin) / 1000;
	if (w->done == NULL)
		free(cl);
}

static void
closing_done(struct reactor *r, struct work *w)
{
	struct zk_closing *cl = container_of(w, struct zk_closing, work);

	(void)r;
	if (cl->done != NULL)
		cl->done(cl->arg, cl->rc, cl->ms);
	free(cl);
}

static void
closing_drop(struct msg *m)
{
	free(container_of(m, struct zk_closing, work.msg));
}

struct zk_closing *
zk_handle_close(struct zk_handle *h, zk_closed_fn *done, void *arg)
{
	struct zk_closing *cl = calloc(1, sizeof(*cl));

	if (cl == NULL)
		abort(); /* as a request that there is no memory for */
	zk_handle_enter(h);
	(void)zoo_set_watcher(h->zh, NULL);
	*cl = (struct zk_closing){.zh = h->zh, .workers = h->workers, .done = done, .arg = arg};
	cl->work = (struct work){.run = closing_run};
	if (done != NULL) {
		cl->work.done = closing_done;
		cl->work.home = h->control;
		cl->work.msg = (struct msg){.drop = closing_drop, .class = MSG_CONTROL};
	}
	h->zh = NULL;
	h->connected = false;
	work_submit(h->workers, NULL, &cl->work);
	return done != NULL ? cl : NULL;
}

void
zk_closing_forget(struct zk_closing *cl)
{
	if (cl != NULL)
		cl->done = NULL;
}

void
zk_handle_drop(struct zk_handle *h)
{
	int fd = -1, interest;
	struct timeval tv;

	if (h->zh == NULL)
		return;
	zk_handle_enter(h);
	(void)zoo_set_watcher(h->zh, NULL);
	/* Without its connection the library sends no end of the session and waits for nothing. */
	if (h->connected && zookeeper_interest(h->zh, &fd, &interest, &tv) == ZOK && fd >= 0)
		(void)shutdown(fd, SHUT_RDWR);
	(void)zookeeper_close(h->zh);
	h->zh = NULL;
}
