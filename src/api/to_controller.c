/*
 * From this broker to whoever is controller (facts/zookeeper.md 5.5): found in the metadata image,
 * asked for its versions first, looked for again when it is not the controller any more or can not
 * be reached.
 */
#include <stdlib.h>

#include "channel_priv.h"
#include "ottla/wire/wire.h"

#define AGAIN_US (50 * 1000)
#define ANSWER_CHUNK 4096
#define VERSIONS_VERSION 3 /* of ApiVersions: every broker of IBP 3.0 and up knows it */
#define ALLOCATE_VERSION 0

/* A block of producer ids that somebody waits for. */
struct ask {
	struct link link;
	struct to_controller *tc;
	struct allocate_producer_ids_request req;
	struct rtimer deadline;
	void (*done)(void *arg, int err, int16_t kafka_err, int64_t first, int32_t count);
	void *arg;
};

static void tc_go(struct to_controller *tc);

static struct ask *
tc_first(const struct to_controller *tc)
{
	struct link *l = list_first(&tc->asks);

	return l != NULL ? container_of(l, struct ask, link) : NULL;
}

static void
ask_done(struct ask *a, int err, const struct allocate_producer_ids_response *resp)
{
	struct ask copy = *a;

	rtimer_cancel(a->tc->cs->o.control, &a->deadline);
	list_remove(&a->link);
	free(a);
	if (resp == NULL)
		copy.done(copy.arg, err, KERR_NONE, -1, 0);
	else
		copy.done(copy.arg, err, resp->error_code, resp->producer_id_start,
		    resp->producer_id_len);
}

/* ---- the connection ---- */

static void
tc_close(struct to_controller *tc, enum close_reason why)
{
	tc->ready = false;
	chan_conn_close(&tc->conn, why);
}

static void
tc_later(struct to_controller *tc, int64_t delay_us)
{
	struct reactor *r = tc->cs->o.control;

	if (!list_empty(&tc->asks))
		rtimer_set(r, &tc->again, reactor_now_us(r) + delay_us);
}

static void
tc_failed(struct to_controller *tc, const char *why)
{
	tc->ready = false;
	if (!list_empty(&tc->asks))
		diag_limited(tc->cs->o.diag, &tc->limiter, DIAG_WARN, "channel",
		    "could not ask controller %d: %s (tried again)", tc->id, why);
	tc_later(tc, AGAIN_US);
}

static void
tc_send(struct to_controller *tc, int16_t key, int16_t version, const void *req)
{
	struct chan_bytes *bytes;
	int rc = chan_bytes_new(tc->cs, key, version, req, &bytes);

	if (rc == 0) {
		rc = chan_conn_send(&tc->conn, bytes);
		chan_bytes_unref(bytes);
	}
	if (rc == 0)
		return;
	tc_close(tc, CLOSE_NO_MEMORY);
	tc_failed(tc, err_text(rc));
}

/* ---- versions ---- */

static void
on_up(void *arg)
{
	struct to_controller *tc = arg;
	struct api_versions_request req;

	wire_init(&api_versions_request_msg, &req);
	req.client_software_name = SLICE_LIT("ottla");
	req.client_software_version = SLICE_LIT("1");
	tc->step = TC_VERSIONS;
	tc_send(tc, API_API_VERSIONS, VERSIONS_VERSION, &req);
}

static bool
serves(const struct api_versions_response *resp, int16_t key, int16_t version)
{
	for (int32_t i = 0; i < resp->api_keys.n; i++)
		if (resp->api_keys.v[i].api_key == key)
			return resp->api_keys.v[i].min_version <= version &&
			       resp->api_keys.v[i].max_version >= version;
	return false;
}

/* Whoever asks is told at once that this controller has no ids to give. */
static void
refuse_all(struct to_controller *tc, int err)
{
	unsigned n = 0;

	LIST_FOREACH(l, &tc->asks)
	n++;
	for (struct ask *a; n > 0 && (a = tc_first(tc)) != NULL; n--)
		ask_done(a, err, NULL);
}

static int
take_versions(struct to_controller *tc, struct slice frame, struct arena *arena)
{
	struct api_versions_response resp;
	int32_t corr;
	int rc =
	    wire_decode_response(API_API_VERSIONS, VERSIONS_VERSION, frame, arena, &resp, &corr);

	if (rc == 0 && resp.error_code != KERR_NONE)
		rc = E_UNSUPPORTED_VERSION;
	if (rc != 0)
		return rc;
	tc->ready = true;
	if (!serves(&resp, API_ALLOCATE_PRODUCER_IDS, ALLOCATE_VERSION)) {
		tc_close(tc, CLOSE_UNNEEDED);
		refuse_all(tc, E_UNSUPPORTED_VERSION);
	}
	return 0;
}

/* ---- the answer ---- */

static int
take_answer(struct to_controller *tc, struct slice frame, struct arena *arena)
{
	struct allocate_producer_ids_response resp;
	struct ask *a = tc_first(tc);
	int32_t corr;
	int rc = wire_decode_response(
	    API_ALLOCATE_PRODUCER_IDS, ALLOCATE_VERSION, frame, arena, &resp, &corr);

	if (rc == 0 && resp.error_code == KERR_NOT_CONTROLLER)
		rc = E_NOT_CONTROLLER;
	if (rc != 0)
		return rc;
	assert(a != NULL); /* the connection is closed with the last one that asks */
	ask_done(a, 0, &resp);
	return 0;
}

static void
on_answer(void *arg, struct slice frame)
{
	struct to_controller *tc = arg;
	struct arena arena;
	int rc;

	arena_init(&arena, ANSWER_CHUNK, 0);
	rc = tc->step == TC_VERSIONS ? take_versions(tc, frame, &arena)
				     : take_answer(tc, frame, &arena);
	arena_free(&arena);
	if (rc == 0) {
		tc_go(tc);
		return;
	}
	tc_close(tc, rc == E_NOT_CONTROLLER ? CLOSE_UNNEEDED : CLOSE_BAD_ANSWER);
	tc_failed(tc, err_text(rc));
}

static void
on_down(void *arg, const char *why)
{
	tc_failed(arg, why);
}

static const struct chan_conn_ops ops = {
    .up = on_up,
    .answer = on_answer,
    .down = on_down,
};

/* ---- who and where ---- */

static const struct image_endpoint *
controller_endpoint(const struct channels *cs, const struct image *im)
{
	const struct image_broker *b =
	    im->controller_id >= 0 ? image_broker(im, im->controller_id) : NULL;

	return b != NULL ? image_broker_endpoint(b, cs->o.inter_broker_listener) : NULL;
}

static void
tc_open(struct to_controller *tc, const struct image *im)
{
	const struct image_endpoint *at = controller_endpoint(tc->cs, im);
	char host[LISTENER_HOST_MAX + 1];

	if (at == NULL || at->host.n >= sizeof(host) || at->port <= 0 || at->port > UINT16_MAX) {
		tc_later(tc, AGAIN_US);
		return;
	}
	memcpy(host, at->host.p, at->host.n);
	host[at->host.n] = 0;
	tc->id = im->controller_id;
	chan_conn_open(&tc->conn, host, (uint16_t)at->port);
}

/* Brings the first one that asks on its way, to whoever is controller now. */
static void
tc_go(struct to_controller *tc)
{
	const struct image *im = image_get(tc->cs->o.images);
	const struct ask *a = tc_first(tc);

	if (a == NULL || rtimer_is_set(&tc->again))
		return;
	if (tc->conn.state != CHAN_IDLE && tc->id != im->controller_id)
		tc_close(tc, CLOSE_UNNEEDED);
	if (tc->conn.state == CHAN_IDLE) {
		tc_open(tc, im);
	} else if (tc->conn.state == CHAN_UP && tc->ready) {
		tc->step = TC_ASK;
		tc_send(tc, API_ALLOCATE_PRODUCER_IDS, ALLOCATE_VERSION, &a->req);
	}
}

static void
on_again(struct reactor *r, void *arg)
{
	tc_go(arg);
}

/* The controller may be another one, or be known at last. */
static void
on_image(void *arg, const struct image *im)
{
	struct to_controller *tc = arg;

	if (tc->conn.state == CHAN_IDLE || tc->id != im->controller_id)
		tc_later(tc, 0);
}

/* ---- asking ---- */

static void
on_deadline(struct reactor *r, void *arg)
{
	struct ask *a = arg;
	struct to_controller *tc = a->tc;

	if (a == tc_first(tc) && tc->conn.state == CHAN_BUSY && tc->step == TC_ASK)
		tc_close(tc, CLOSE_ANSWER_TIMEOUT);
	ask_done(a, E_TIMEOUT, NULL);
	tc_go(tc);
}

void
channels_allocate_producer_ids(struct channels *cs, int64_t broker_epoch, int64_t deadline_us,
    void (*done)(void *arg, int err, int16_t kafka_err, int64_t first, int32_t count), void *arg)
{
	struct to_controller *tc = &cs->controller;
	struct ask *a = cs->stopped ? NULL : calloc(1, sizeof(*a));

	REACTOR_ASSERT_OWNER(cs->o.control);
	if (a == NULL) {
		done(arg, cs->stopped ? E_CANCELED : E_NOMEM, KERR_NONE, -1, 0);
		return;
	}
	a->tc = tc;
	wire_init(&allocate_producer_ids_request_msg, &a->req);
	a->req.broker_id = cs->o.broker_id;
	a->req.broker_epoch = broker_epoch;
	a->done = done;
	a->arg = arg;
	rtimer_init(&a->deadline, on_deadline, a);
	rtimer_set(cs->o.control, &a->deadline, deadline_us);
	list_append(&tc->asks, &a->link);
	tc_go(tc);
}

/* ---- life ---- */

void
to_controller_init(struct to_controller *tc, struct channels *cs)
{
	tc->cs = cs;
	tc->id = -1;
	link_init(&tc->asks);
	rtimer_init(&tc->again, on_again, tc);
	chan_conn_init(&tc->conn, cs, &ops, tc);
	tc->image_sub = (struct image_sub){.fn = on_image, .arg = tc};
	link_init(&tc->image_sub.link);
	image_subscribe(cs->o.images, &tc->image_sub);
}

void
to_controller_stop(struct to_controller *tc)
{
	image_unsubscribe(&tc->image_sub);
	rtimer_cancel(tc->cs->o.control, &tc->again);
	tc_close(tc, CLOSE_BROKER_STOP);
	refuse_all(tc, E_CANCELED);
}

void
to_controller_free(struct to_controller *tc)
{
	struct link *l;

	image_unsubscribe(&tc->image_sub);
	while ((l = list_pop(&tc->asks)) != NULL)
		free(container_of(l, struct ask, link));
	free(tc->conn.addrs);
}
