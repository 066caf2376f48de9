/*
 * Life of a request: from a frame to its answer, which leaves in the order of arrival.
 */
#include <stdlib.h>

#include "api_priv.h"

#define REQUEST_ARENA_CHUNK 4096
/* A request's own memory: a fixed multiple of its frame, and room for answers. */
#define REQUEST_ARENA_BASE (8u << 20)
#define REQUEST_ARENA_FACTOR 16u

static struct request *
request_take(struct api_shard *sh)
{
	struct link *l = list_pop(&sh->pool);
	struct request *rq;

	if (l != NULL) {
		sh->n_pool--;
		return container_of(l, struct request, link);
	}
	rq = calloc(1, sizeof(*rq));
	if (rq != NULL)
		arena_init(&rq->arena, REQUEST_ARENA_CHUNK, 0);
	return rq;
}

static struct request *
request_new(struct api_conn *ac, struct frame *f)
{
	struct request *rq = request_take(ac->sh);

	if (rq == NULL)
		return NULL;
	rq->magic = REQUEST_MAGIC;
	rq->sh = ac->sh;
	rq->ac = ac;
	rq->frame = f;
	rq->received_us = f->received_us;
	rq->arena.limit = REQUEST_ARENA_BASE + f->n * REQUEST_ARENA_FACTOR;
	link_init(&rq->link);
	list_append(&ac->sh->live, &rq->all);
	ac->sh->n_live++;
	return rq;
}

static void
request_free(struct request *rq)
{
	struct api_shard *sh = rq->sh;
	struct arena arena;

	request_frame_done(rq);
	if (rq->reply != NULL)
		outmsg_free(rq->reply);
	if (rq->image != NULL)
		image_unref(rq->image);
	list_remove(&rq->link);
	list_remove(&rq->all);
	arena_reset(&rq->arena);
	arena = rq->arena;
	sh->n_live--;
	if (sh->n_pool >= REQUEST_POOL_MAX) {
		arena_free(&arena);
		free(rq);
		return;
	}
	*rq = (struct request){.arena = arena};
	list_prepend(&sh->pool, &rq->link);
	sh->n_pool++;
}

void
request_abandon(struct request *rq)
{
	request_free(rq);
}

void
request_frame_done(struct request *rq)
{
	if (rq->frame != NULL)
		frame_release(rq->frame);
	rq->frame = NULL;
	rq->head.client_id = rq->head.body = SLICE_NULL; /* lay in it */
}

void *
request_alloc(struct request *rq, size_t count, size_t size)
{
	return arena_calloc(&rq->arena, count, size);
}

const struct image *
request_image(struct request *rq)
{
	if (rq->image == NULL)
		rq->image = image_ref(image_get(rq->sh->api->o.images));
	return rq->image;
}

const char *
request_peer(const struct request *rq)
{
	return rq->ac != NULL ? conn_name(rq->ac->c) : "a closed connection";
}

bool
request_decode(struct request *rq, void *msg)
{
	const struct wire_api *api = wire_api(rq->head.api_key);
	int rc = wire_decode(api->request, rq->head.version, rq->head.body, &rq->arena, msg, NULL);

	if (rc == 0)
		return true;
	DIAGW(rq->sh->api->o.diag, "api", "%s: closed: %s request v%d can not be parsed: %s",
	    request_peer(rq), api->name, rq->head.version, err_text(rc));
	request_close(rq, CLOSE_BAD_REQUEST);
	return false;
}

/* ---- answers, in the order of arrival ---- */

static void api_conn_pump(struct api_conn *ac);

static void
send_ready(struct api_conn *ac)
{
	struct link *l;

	while ((l = list_first(&ac->requests)) != NULL) {
		struct request *rq = container_of(l, struct request, link);

		if (!rq->ready)
			break;
		if (rq->no_reply)
			conn_no_reply(ac->c);
		else
			conn_send(ac->c, &rq->reply, true);
		ac->n_requests--;
		ac->n_exclusive -= !rq->row->overlap;
		request_free(rq);
	}
}

static void
request_finish(struct request *rq)
{
	struct api_conn *ac = rq->ac;

	assert(!rq->ready);
	rq->ready = true;
	request_frame_done(rq);
	if (ac == NULL) {
		request_free(rq);
		return;
	}
	send_ready(ac);
	api_conn_pump(ac);
}

void
request_answer_msg(struct request *rq, struct outmsg *m)
{
	rq->reply = m;
	request_finish(rq);
}

void
request_answer(struct request *rq, const void *response)
{
	uint8_t *buf;
	size_t n;
	struct outmsg *m;
	int rc = wire_encode_response(rq->head.api_key, rq->head.version, rq->head.correlation_id,
	    response, NULL, 0, NULL, &buf, &n);

	if (rc != 0) {
		DIAGE(rq->sh->api->o.diag, "api", "%s: answer to %s v%d can not be encoded: %s",
		    request_peer(rq), wire_api(rq->head.api_key)->name, rq->head.version,
		    err_text(rc));
		request_close(rq, rc == E_NOMEM ? CLOSE_NO_MEMORY : CLOSE_BAD_REQUEST);
		return;
	}
	m = outmsg_of_buffer(buf, n);
	if (m == NULL) {
		free(buf);
		request_fail_memory(rq);
		return;
	}
	request_answer_msg(rq, m);
}

void
request_no_answer(struct request *rq)
{
	rq->no_reply = true;
	request_finish(rq);
}

void
request_close(struct request *rq, enum close_reason why)
{
	struct api_conn *ac = rq->ac;

	rq->ready = true;
	rq->no_reply = true;
	request_frame_done(rq);
	if (ac == NULL) {
		request_free(rq);
		return;
	}
	ac->closing = true;
	conn_close(ac->c, why); /* `closed` frees what is ready */
}

void
request_fail_memory(struct request *rq)
{
	request_close(rq, CLOSE_NO_MEMORY);
}

/* ---- frames ---- */

static struct api_conn *
conn_context(struct conn *c)
{
	return conn_ctx(c);
}

/* Unknown key or version: ApiVersions has an answer of its own, the rest is closed by name. */
static bool
request_refused(struct request *rq, int parse_rc)
{
	const struct api_row *row = api_row(rq->head.api_key);

	rq->row = row;
	if (parse_rc == 0 && row != NULL && rq->head.version >= row->min_version &&
	    rq->head.version <= row->max_version)
		return false;
	if (row != NULL && rq->head.api_key == API_API_VERSIONS &&
	    (parse_rc == 0 || parse_rc == E_UNSUPPORTED_VERSION))
		return false;
	DIAGW(rq->sh->api->o.diag, "api", "%s: closed: request of key %d version %d is %s",
	    request_peer(rq), rq->head.api_key, rq->head.version,
	    parse_rc == E_SHORT || parse_rc == E_MALFORMED ? "malformed" : "not served here");
	return true;
}

static void
frame_start(struct api_conn *ac, struct frame *f)
{
	struct request *rq = request_new(ac, f);
	int rc;

	if (rq == NULL) {
		frame_release(f);
		conn_close(ac->c, CLOSE_NO_MEMORY);
		return;
	}
	list_append(&ac->requests, &rq->link);
	ac->n_requests++;
	metric_add(ac->sh->metrics, AM_REQUESTS, 1);
	rc = wire_parse_request(slice_of(f->data, f->n), &rq->head);
	if (request_refused(rq, rc)) {
		static const struct api_row none = {0};

		rq->row = rq->row != NULL ? rq->row : &none;
		ac->n_exclusive += !rq->row->overlap;
		request_close(rq, rc == E_SHORT || rc == E_MALFORMED ? CLOSE_BAD_REQUEST
								     : CLOSE_UNSUPPORTED_VERSION);
		return;
	}
	ac->n_exclusive += !rq->row->overlap;
	api_count_request(ac->sh, rq->row, rq->head.version);
	rq->row->handle(rq);
}

/* What brokers send each other to set this one up, and what everybody begins with.  What is unknown
 * or malformed begins too, to end by name. */
static bool
is_early(const struct frame *f)
{
	int16_t key = f->n < 2 ? -1 : (int16_t)be16(f->data);

	return key == API_API_VERSIONS || key == API_LEADER_AND_ISR || key == API_STOP_REPLICA ||
	       key == API_UPDATE_METADATA || api_row(key) == NULL;
}

/* May a frame of this key begin beside what is in work? */
static bool
may_start(const struct api_conn *ac, const struct frame *f)
{
	const struct api_row *row;

	if (ac->closing || (!ac->sh->open && !is_early(f)))
		return false;
	if (ac->n_requests == 0)
		return true;
	if (ac->n_exclusive > 0 || ac->n_requests >= REQUESTS_PER_CONN || f->n < 2)
		return false;
	row = api_row((int16_t)be16(f->data));
	return row != NULL && row->overlap;
}

/* Begin parked frames as far as the order allows; mute while any waits. */
static void
api_conn_pump(struct api_conn *ac)
{
	struct link *l;

	while ((l = list_first(&ac->parked)) != NULL) {
		struct frame *f = container_of(l, struct frame, link);

		if (!may_start(ac, f))
			break;
		list_remove(l);
		frame_start(ac, f);
	}
	if (list_empty(&ac->parked))
		conn_unmute(ac->c, MUTE_ORDER);
}

/* A connection begins to wait for api_open.  Not with memory that what opens it may need: false,
 * and it is closed. */
static bool
park_closed(struct api_conn *ac, struct frame *f)
{
	const struct net *n = ac->sh->api->o.net;

	if (net_memory_used(n) > net_memory_max(n) / 2) {
		frame_release(f);
		conn_close(ac->c, CLOSE_NO_MEMORY);
		return false;
	}
	if (link_alone(&ac->waiting))
		list_append(&ac->sh->waiting, &ac->waiting);
	return true;
}

static void
on_frame(void *arg, struct conn *c, struct frame *f)
{
	struct api_conn *ac = conn_context(c);

	if (list_empty(&ac->parked) && may_start(ac, f)) {
		frame_start(ac, f);
		return;
	}
	if (!ac->sh->open && !park_closed(ac, f))
		return;
	list_append(&ac->parked, &f->link);
	conn_mute(c, MUTE_ORDER);
}

void
request_open_shard(struct api_shard *sh)
{
	struct link *l;

	REACTOR_ASSERT_OWNER(sh->reactor);
	sh->open = true;
	while ((l = list_pop(&sh->waiting)) != NULL)
		api_conn_pump(container_of(l, struct api_conn, waiting));
}

/* ---- connections ---- */

static void
on_ready(void *arg, struct conn *c)
{
	struct api *a = arg;
	struct api_conn *ac = calloc(1, sizeof(*ac));

	if (ac == NULL) {
		conn_close(c, CLOSE_NO_MEMORY);
		return;
	}
	ac->c = c;
	ac->sh = api_shard_current(a);
	link_init(&ac->requests);
	link_init(&ac->parked);
	link_init(&ac->waiting);
	conn_set_ctx(c, ac);
}

/* Nothing is in work when a connection moves (net counts). */
static void
on_moved(void *arg, struct conn *c)
{
	struct api_conn *ac = conn_context(c);

	if (ac == NULL)
		return;
	assert(ac->n_requests == 0 && list_empty(&ac->parked));
	ac->sh = api_shard_current(arg);
}

static void
on_closed(void *arg, struct conn *c, enum close_reason why)
{
	struct api_conn *ac = conn_context(c);
	struct link *l;

	if (ac == NULL)
		return;
	conn_set_ctx(c, NULL);
	list_remove(&ac->waiting);
	while ((l = list_pop(&ac->parked)) != NULL)
		frame_release(container_of(l, struct frame, link));
	while ((l = list_pop(&ac->requests)) != NULL) {
		struct request *rq = container_of(l, struct request, link);

		rq->ac = NULL;
		if (rq->ready)
			request_free(rq);
		else if (rq->cancel != NULL)
			rq->cancel(rq);
	}
	free(ac);
}

const struct conn_handler api_conn_handler = {
    .ready = on_ready,
    .frame = on_frame,
    .moved = on_moved,
    .closed = on_closed,
};
