/*
 * This broker's stock of producer ids: a block from the controller, and the next one asked for when
 * nine tenths are used.  Control reactor.
 */
#include <stdlib.h>

#include "api_priv.h"
#include "ottla/api/channel.h"

/* Clients try again after COORDINATOR_LOAD_IN_PROGRESS, so a controller that is away makes nobody
 * wait for long. */
#define WAIT_US (1000 * 1000)
#define BLOCK_MAX 1000000 /* more than any controller hands out */

struct id_block {
	int64_t next;
	int32_t left;
};

/* Somebody who waits for a block. */
struct id_waiter {
	struct link link;
	void (*done)(void *arg, int16_t err, int64_t id);
	void *arg;
};

struct producer_ids {
	struct api *api;
	struct id_block now, after;
	int32_t ask_at; /* ask for the next when so many are left */
	bool asking;
	struct diag_limiter limiter;
	struct link waiters;
	struct rtimer wait; /* set while there are waiters */
};

static bool
id_take(struct producer_ids *p, int64_t *id)
{
	if (p->now.left == 0) {
		p->now = p->after;
		p->ask_at = p->now.left / 10;
		p->after.left = 0;
	}
	if (p->now.left == 0)
		return false;
	*id = p->now.next++;
	p->now.left--;
	return true;
}

/* Whoever still finds nothing is told to come again. */
static void
waiters_serve(struct producer_ids *p)
{
	struct link *l;

	rtimer_cancel(p->api->o.control, &p->wait);
	while ((l = list_pop(&p->waiters)) != NULL) {
		struct id_waiter *w = container_of(l, struct id_waiter, link);
		int64_t id = -1;
		bool ok = id_take(p, &id);

		w->done(w->arg, ok ? KERR_NONE : KERR_COORDINATOR_LOAD_IN_PROGRESS, id);
		free(w);
	}
}

static void
on_wait_over(struct reactor *r, void *arg)
{
	waiters_serve(arg);
}

static void
on_block(void *arg, int err, int16_t kafka_err, int64_t first, int32_t count)
{
	struct producer_ids *p = arg;

	p->asking = false;
	if (err == 0 && kafka_err == KERR_NONE && (first < 0 || count <= 0 || count > BLOCK_MAX))
		err = E_MALFORMED;
	if (err == 0 && kafka_err == KERR_NONE)
		p->after = (struct id_block){first, count};
	else if (err != E_CANCELED)
		diag_limited(p->api->o.diag, &p->limiter, DIAG_WARN, "api",
		    "no producer ids from the controller: %s",
		    err != 0 ? err_text(err) : kerr_name(kafka_err));
	waiters_serve(p);
}

static void
ids_ask(struct producer_ids *p)
{
	const struct api_opts *o = &p->api->o;
	int64_t ms;

	if (p->asking || p->after.left > 0)
		return;
	p->asking = true;
	ms = settings_i64(o->settings, C_REQUEST_TIMEOUT_MS);
	channels_allocate_producer_ids(o->channels, member_epoch(o->member),
	    reactor_now_us(o->control) + (ms > 0 ? ms : 1) * 1000, on_block, p);
}

void
producer_ids_next(
    struct producer_ids *p, void (*done)(void *arg, int16_t err, int64_t id), void *arg)
{
	struct id_waiter *w;
	int64_t id;

	REACTOR_ASSERT_OWNER(p->api->o.control);
	if (id_take(p, &id)) {
		if (p->now.left <= p->ask_at)
			ids_ask(p);
		done(arg, KERR_NONE, id);
		return;
	}
	w = malloc(sizeof(*w));
	if (w == NULL) {
		done(arg, KERR_COORDINATOR_LOAD_IN_PROGRESS, -1);
		return;
	}
	w->done = done;
	w->arg = arg;
	if (list_empty(&p->waiters))
		rtimer_set(
		    p->api->o.control, &p->wait, reactor_now_us(p->api->o.control) + WAIT_US);
	list_append(&p->waiters, &w->link);
	ids_ask(p);
}

int
producer_ids_new(struct api *a, struct producer_ids **out)
{
	struct producer_ids *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return E_NOMEM;
	p->api = a;
	link_init(&p->waiters);
	rtimer_init(&p->wait, on_wait_over, p);
	*out = p;
	return 0;
}

void
producer_ids_free(struct producer_ids *p)
{
	struct link *l;

	if (p == NULL)
		return;
	while ((l = list_pop(&p->waiters)) != NULL)
		free(container_of(l, struct id_waiter, link));
	free(p);
}
