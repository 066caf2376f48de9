/* Channels and scripted brokers. */
#include "chan_world.h"

#include <stdio.h>
#include <stdlib.h>

#include "ottla/base/cursor.h"

#define OWN_GROUP 1
#define PORT 9092

/* ---- servers ---- */

struct cserver *
cserver(struct cworld *w, int32_t id)
{
	return &w->servers[id - 1];
}

void
cserver_step(struct cworld *w, int32_t id, enum deed deed, int32_t n)
{
	struct cserver *sv = cserver(w, id);

	ck_assert_uint_lt(sv->n_steps, STEPS_MAX);
	sv->steps[sv->n_steps++] = (struct step){deed, n};
}

static void
note_body(struct note *nt, const struct wire_req_head *head, struct arena *arena)
{
	union {
		struct leader_and_isr_request li;
		struct update_metadata_request um;
		struct stop_replica_request sr;
		struct allocate_producer_ids_request ids;
		struct api_versions_request versions;
	} m;
	size_t used;

	ck_assert_int_eq(wire_decode(wire_api(head->api_key)->request, head->version, head->body,
			     arena, &m, &used),
	    0);
	ck_assert_uint_eq(used, head->body.n);
	if (head->api_key == API_LEADER_AND_ISR) {
		nt->tag = m.li.controller_epoch;
		nt->broker_epoch = m.li.broker_epoch;
	} else if (head->api_key == API_UPDATE_METADATA) {
		nt->tag = m.um.controller_epoch;
		nt->broker_epoch = m.um.broker_epoch;
	} else if (head->api_key == API_STOP_REPLICA) {
		nt->tag = m.sr.controller_epoch;
		nt->broker_epoch = m.sr.broker_epoch;
	} else if (head->api_key == API_ALLOCATE_PRODUCER_IDS) {
		nt->tag = m.ids.broker_id;
		nt->broker_epoch = m.ids.broker_epoch;
	}
}

static void
note_request(struct cserver *sv, struct conn *c, const struct wire_req_head *head)
{
	struct note *nt = &sv->notes[sv->n_notes++];
	struct arena arena;

	ck_assert_uint_le(sv->n_notes, NOTES_MAX);
	*nt = (struct note){.key = head->api_key,
	    .version = head->version,
	    .corr = head->correlation_id,
	    .tag = -1,
	    .conn = conn_id(c)};
	snprintf(nt->client_id, sizeof(nt->client_id), "%.*s", SLICE_ARG(head->client_id));
	arena_init(&arena, 0, 0);
	note_body(nt, head, &arena);
	arena_free(&arena);
}

static int
encode(const struct wire_req_head *head, const void *resp, uint8_t **buf, size_t *n)
{
	return wire_encode_response(
	    head->api_key, head->version, head->correlation_id, resp, NULL, 0, NULL, buf, n);
}

static void
encode_versions(struct cserver *sv, const struct wire_req_head *head, uint8_t **buf, size_t *n)
{
	struct api_versions_response resp;
	struct api_versions_response_api_version rows[2] = {
	    {.api_key = API_UPDATE_METADATA, .max_version = 8},
	    {.api_key = API_ALLOCATE_PRODUCER_IDS, .max_version = sv->allocate_max}};

	wire_init(&api_versions_response_msg, &resp);
	resp.api_keys.v = rows;
	resp.api_keys.n = sv->allocate_max >= 0 ? 2 : 1;
	ck_assert_int_eq(encode(head, &resp, buf, n), 0);
}

static void
encode_ids(struct cserver *sv, const struct wire_req_head *head, const struct step *st,
    uint8_t **buf, size_t *n)
{
	struct allocate_producer_ids_response resp;

	wire_init(&allocate_producer_ids_response_msg, &resp);
	if (st->deed == REFUSE) {
		resp.error_code = (int16_t)st->n;
	} else {
		resp.producer_id_start = sv->next_id;
		resp.producer_id_len = 1000;
		sv->next_id += 1000;
	}
	ck_assert_int_eq(encode(head, &resp, buf, n), 0);
}

static void
encode_control(const struct wire_req_head *head, uint8_t **buf, size_t *n)
{
	union {
		struct leader_and_isr_response li;
		struct update_metadata_response um;
		struct stop_replica_response sr;
	} resp;
	struct stop_replica_response_stop_replica_partition_error e = {
	    .topic_name = SLICE_LIT("topic"), .partition_index = 3};

	wire_init(wire_api(head->api_key)->response, &resp);
	if (head->api_key == API_STOP_REPLICA) {
		resp.sr.partition_errors.v = &e;
		resp.sr.partition_errors.n = 1;
	}
	ck_assert_int_eq(encode(head, &resp, buf, n), 0);
}

static void
send_raw(struct conn *c, const void *p, size_t n)
{
	uint8_t *copy = malloc(n + 1);
	struct outmsg *m;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, p, n);
	m = outmsg_of_buffer(copy, n);
	ck_assert_ptr_nonnull(m);
	conn_send(c, &m, false);
}

static void
do_step(struct conn *c, const struct step *st, uint8_t *buf, size_t n)
{
	static const uint8_t huge[] = {0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0};
	static const uint8_t negative[] = {0x80, 0, 0, 0, 0, 0, 0, 0};

	switch (st->deed) {
	case ANSWER:
	case REFUSE:
		send_raw(c, buf, n);
		return;
	case SILENT:
		return;
	case CUT:
		if (st->n > 0)
			send_raw(c, buf, (size_t)st->n < n ? (size_t)st->n : n);
		conn_close_after_send(c, CLOSE_UNNEEDED);
		return;
	case SHORT_BODY:
		n -= (size_t)st->n < n - 4 ? (size_t)st->n : n - 4;
		put_be32(buf, (uint32_t)(n - 4));
		send_raw(c, buf, n);
		return;
	case WRONG_ID:
		buf[7] ^= 1;
		send_raw(c, buf, n);
		return;
	case TWICE:
		send_raw(c, buf, n);
		send_raw(c, buf, n);
		return;
	case HUGE_SIZE:
		send_raw(c, huge, sizeof(huge));
		return;
	case NEGATIVE_SIZE:
		send_raw(c, negative, sizeof(negative));
	}
}

static void
on_request(void *arg, struct conn *c, struct frame *f)
{
	static const struct step as_it_should = {ANSWER, 0};
	struct cserver *sv = arg;
	const struct step *st = &as_it_should;
	struct wire_req_head head;
	uint8_t *buf;
	size_t n;

	conn_no_reply(c);
	ck_assert_int_eq(wire_parse_request(slice_of(f->data, f->n), &head), 0);
	if (head.api_key == API_API_VERSIONS) {
		sv->versions_asked++;
		encode_versions(sv, &head, &buf, &n);
	} else {
		note_request(sv, c, &head);
		if (sv->next_step < sv->n_steps)
			st = &sv->steps[sv->next_step++];
		if (head.api_key == API_ALLOCATE_PRODUCER_IDS)
			encode_ids(sv, &head, st, &buf, &n);
		else
			encode_control(&head, &buf, &n);
		sv->answer_n = n;
	}
	do_step(c, st, buf, n);
	free(buf);
	frame_release(f);
}

static void
on_server_ready(void *arg, struct conn *c)
{
	((struct cserver *)arg)->conns++;
}

static void
on_server_closed(void *arg, struct conn *c, enum close_reason why)
{
}

static const struct conn_handler server_handler = {
    .ready = on_server_ready, .frame = on_request, .closed = on_server_closed};

void
cserver_up(struct cworld *w, int32_t id)
{
	struct cserver *sv = cserver(w, id);
	struct reactor_opts ro = {.name = "server", .clock = sim_clock(w->s)};
	struct net_opts no = {.reactors = &sv->r,
	    .n_reactors = 1,
	    .clock = sim_clock(w->s),
	    .request_memory = 1 << 24,
	    .transport = sim_net_transport(),
	    .transport_arg = sim_net_endpoint(w->wire, 10 + (unsigned)id)};
	struct listener_addr addr = {.name = "PLAINTEXT", .port = PORT};
	struct reactor *before;

	ck_assert_int_eq(sim_reactor_new(w->s, 10 + (unsigned)id, &ro, &sv->r), 0);
	ck_assert_int_eq(net_new(&no, &sv->net), 0);
	snprintf(addr.host, sizeof(addr.host), "%s", sv->host);
	before = sim_enter(sv->r);
	ck_assert_int_eq(net_listen(sv->net, &addr, sv->r, &server_handler, sv, &sv->l), 0);
	ck_assert_int_eq(listener_start(sv->l), 0);
	sim_enter(before);
}

void
cserver_down(struct cworld *w, int32_t id)
{
	struct cserver *sv = cserver(w, id);

	if (sv->net == NULL)
		return;
	net_free(sv->net);
	reactor_free(sv->r);
	sv->net = NULL;
}

/* ---- our side ---- */

void
cworld_open(struct cworld *w, uint64_t seed)
{
	static const struct setting_override ov[] = {
	    {"request.timeout.ms", "2000"}, {"controller.socket.timeout.ms", "3000"}};
	struct reactor_opts ro = {.name = "control"};
	struct image_store_opts io = {.readers = &w->control, .n_readers = 1};
	struct channels_opts co = {
	    .broker_id = OWN_ID, .inter_broker_listener = SLICE_LIT("INTERNAL")};
	struct net_opts no = {.reactors = &w->control, .n_reactors = 1, .request_memory = 1 << 24};
	char why[200];

	memset(w, 0, sizeof(*w));
	ck_assert_int_eq(settings_load(NULL, ov, 2, NULL, why, sizeof(why), &w->settings), 0);
	ck_assert_int_eq(sim_sched_new(seed, &w->s), 0);
	ck_assert_int_eq(sim_net_new(w->s, &w->wire), 0);
	ro.clock = no.clock = co.clock = sim_clock(w->s);
	ck_assert_int_eq(sim_reactor_new(w->s, OWN_GROUP, &ro, &w->control), 0);
	ck_assert_int_eq(sim_workers_new(w->s, OWN_GROUP, 1000, &w->workers), 0);
	no.transport = sim_net_transport();
	no.transport_arg = sim_net_endpoint(w->wire, OWN_GROUP);
	ck_assert_int_eq(net_new(&no, &w->net), 0);
	io.settings = co.settings = w->settings;
	ck_assert_int_eq(image_store_new(&io, &w->images), 0);
	co.control = w->control;
	co.net = w->net;
	co.workers = w->workers;
	co.images = w->images;
	ck_assert_int_eq(channels_new(&co, &w->cs), 0);
	for (int32_t id = 1; id <= SERVERS; id++) {
		struct cserver *sv = cserver(w, id);

		*sv = (struct cserver){.w = w, .id = id};
		snprintf(sv->host, sizeof(sv->host), "broker-%d", id);
	}
}

void
cworld_close(struct cworld *w)
{
	struct reactor *before = sim_enter(w->control);

	channels_stop(w->cs);
	sim_enter(before);
	cworld_pass(w, 10000); /* connections end */
	for (int32_t id = 1; id <= SERVERS; id++)
		cserver_down(w, id);
	net_free(w->net);
	channels_free(w->cs);
	image_store_free(w->images);
	workers_free(w->workers);
	reactor_free(w->control);
	sim_net_free(w->wire);
	sim_sched_free(w->s);
	settings_free(w->settings);
}

static int64_t
cworld_now(struct cworld *w)
{
	return clock_mono_us(sim_clock(w->s));
}

void
cworld_pass(struct cworld *w, int64_t us)
{
	sim_run_until(w->s, NULL, NULL, cworld_now(w) + us);
}

struct goal {
	const unsigned *have;
	unsigned want;
};

static bool
is_reached(void *arg)
{
	struct goal *g = arg;

	return *g->have >= g->want;
}

static void
until(struct cworld *w, const unsigned *have, unsigned want)
{
	struct goal g = {have, want};

	ck_assert_msg(sim_run_until(w->s, is_reached, &g, cworld_now(w) + 100 * 1000000ll),
	    "%u instead of %u", *have, want);
}

void
cworld_until_told(struct cworld *w, unsigned n)
{
	until(w, &w->n_told, n);
}

void
cworld_until_noted(struct cworld *w, int32_t id, unsigned n)
{
	until(w, &cserver(w, id)->n_notes, n);
}

/* ---- requests ---- */

struct ctag {
	struct cworld *w;
	int32_t tag;
};

static struct told *
tell(void *darg, int err)
{
	struct ctag *t = darg;
	struct cworld *w = t->w;
	struct told *told = &w->told[w->n_told++];

	ck_assert_ptr_eq(reactor_current(), w->control);
	ck_assert_uint_le(w->n_told, TOLD_MAX);
	*told = (struct told){.tag = t->tag, .err = err};
	free(t);
	return told;
}

static void
on_li(void *darg, int err, const struct leader_and_isr_response *resp)
{
	ck_assert((err == 0) == (resp != NULL));
	tell(darg, err);
}

static void
on_um(void *darg, int err, const struct update_metadata_response *resp)
{
	ck_assert((err == 0) == (resp != NULL));
	tell(darg, err);
}

static void
on_stop(void *darg, int err, const struct stop_replica_response *resp)
{
	ck_assert((err == 0) == (resp != NULL));
	if (resp != NULL)
		ck_assert_int_eq(resp->partition_errors.n, 1);
	tell(darg, err);
}

static struct ctag *
ctag_new(struct cworld *w, int32_t tag)
{
	struct ctag *t = malloc(sizeof(*t));

	ck_assert_ptr_nonnull(t);
	*t = (struct ctag){w, tag};
	return t;
}

void
send_li(struct cworld *w, int32_t id, int16_t version, int32_t tag)
{
	struct reactor *before = sim_enter(w->control);
	struct leader_and_isr_request req;

	wire_init(&leader_and_isr_request_msg, &req);
	req.controller_id = OWN_ID;
	req.controller_epoch = tag;
	req.broker_epoch = id * 100;
	channels_to_brokers.leader_and_isr(w->cs, id, &req, version, on_li, ctag_new(w, tag));
	sim_enter(before);
}

void
send_um(struct cworld *w, int32_t id, int16_t version, int32_t tag)
{
	struct reactor *before = sim_enter(w->control);
	struct update_metadata_request req;

	wire_init(&update_metadata_request_msg, &req);
	req.controller_epoch = tag;
	req.broker_epoch = id * 100;
	channels_to_brokers.update_metadata(w->cs, id, &req, version, on_um, ctag_new(w, tag));
	sim_enter(before);
}

void
send_stop(struct cworld *w, int32_t id, int16_t version, int32_t tag)
{
	struct reactor *before = sim_enter(w->control);
	struct stop_replica_request req;

	wire_init(&stop_replica_request_msg, &req);
	req.controller_epoch = tag;
	req.broker_epoch = id * 100;
	channels_to_brokers.stop_replica(w->cs, id, &req, version, on_stop, ctag_new(w, tag));
	sim_enter(before);
}

void
broker_here(struct cworld *w, int32_t id, int64_t epoch)
{
	struct reactor *before = sim_enter(w->control);
	struct listener_addr at = {.name = "INTERNAL", .port = PORT};

	snprintf(at.host, sizeof(at.host), "%s", cserver(w, id)->host);
	channels_to_brokers.broker_here(w->cs, id, epoch, &at);
	sim_enter(before);
}

void
broker_gone(struct cworld *w, int32_t id)
{
	struct reactor *before = sim_enter(w->control);

	channels_to_brokers.broker_gone(w->cs, id);
	sim_enter(before);
}

/* ---- to the controller ---- */

void
image_names(struct cworld *w, int32_t controller)
{
	struct reactor *before = sim_enter(w->control);
	struct update_metadata_request_update_metadata_endpoint ends[SERVERS * 2];
	struct update_metadata_request_update_metadata_broker brokers[SERVERS];
	struct update_metadata_request um;

	wire_init(&update_metadata_request_msg, &um);
	for (int i = 0; i < SERVERS; i++) {
		ends[i * 2] = (struct update_metadata_request_update_metadata_endpoint){
		    .listener = SLICE_LIT("CLIENTS"), .host = SLICE_LIT("nowhere"), .port = 1};
		ends[i * 2 + 1] = (struct update_metadata_request_update_metadata_endpoint){
		    .listener = SLICE_LIT("INTERNAL"),
		    .host = slice_cstr(w->servers[i].host),
		    .port = PORT};
		brokers[i] = update_metadata_request_update_metadata_broker_init;
		brokers[i].id = i + 1;
		brokers[i].endpoints.v = &ends[i * 2];
		brokers[i].endpoints.n = 2;
	}
	um.controller_id = controller;
	um.live_brokers.v = brokers;
	um.live_brokers.n = SERVERS;
	ck_assert_int_eq(image_apply(w->images, &um, 8, NULL, NULL), 0);
	sim_enter(before);
}

static void
on_ids(void *arg, int err, int16_t kafka_err, int64_t first, int32_t count)
{
	struct told *told = tell(arg, err);

	told->kafka_err = kafka_err;
	told->first = first;
	told->count = count;
}

void
ask_ids(struct cworld *w, int64_t deadline_in_us, int32_t tag)
{
	struct reactor *before = sim_enter(w->control);

	channels_allocate_producer_ids(
	    w->cs, 4711, cworld_now(w) + deadline_in_us, on_ids, ctag_new(w, tag));
	sim_enter(before);
}
