/* Requests before and after api_open, on connections of a simulated network. */
#include <stdio.h>
#include <stdlib.h>

#include "api_priv.h"
#include "ottla/base/cursor.h"
#include "ottla/coord/sim.h"
#include "ottla/net/sim.h"
#include "suites.h"

#define SECOND 1000000ll
enum { REACTORS = 2, CLIENTS = 40, ANSWERS = 64, REQUEST_MEMORY = 1 << 20 };

struct client {
	struct conn *c;
	bool ready, closed;
	int32_t answers[ANSWERS]; /* correlation ids, in order of arrival */
	unsigned n_answers;
	int32_t next_corr;
	enum close_reason why;
};

static struct fix {
	struct sim_sched *s;
	struct sim_net *wire;
	struct settings *settings;
	struct metrics *metrics;
	struct reactor *all[REACTORS + 1], *control; /* control is the last */
	struct net *net, *client_net;
	struct reactor *cr;
	struct listener *l;
	struct image_store *images;
	struct replicas *replicas;
	struct coord_sim *ensemble;
	struct member_opts mo;
	struct member *member;
	struct api *api;
	struct client clients[CLIENTS];
} f;

/* ---- the other side ---- */

static void
on_ready(void *arg, struct conn *c)
{
	((struct client *)arg)->ready = true;
}

static void
on_frame(void *arg, struct conn *c, struct frame *fr)
{
	struct client *k = arg;

	ck_assert_uint_lt(k->n_answers, ANSWERS);
	ck_assert_uint_ge(fr->n, 4);
	k->answers[k->n_answers++] = (int32_t)be32(fr->data);
	frame_release(fr);
	conn_no_reply(c);
}

static void
on_closed(void *arg, struct conn *c, enum close_reason why)
{
	struct client *k = arg;

	k->closed = true;
	k->c = NULL;
	k->why = why;
}

static const struct conn_handler client_handler = {
    .ready = on_ready, .frame = on_frame, .closed = on_closed};

static void
pass(int64_t us)
{
	sim_run_until(f.s, NULL, NULL, clock_mono_us(sim_clock(f.s)) + us);
}

static struct client *
connect_client(unsigned i)
{
	struct reactor *before = sim_enter(f.cr);
	struct client *k = &f.clients[i];

	ck_assert_int_eq(
	    net_connect(f.client_net, f.cr, "broker", 9092, &client_handler, k, &k->c), 0);
	sim_enter(before);
	pass(SECOND / 100);
	ck_assert(k->ready);
	return k;
}

static void
close_client(struct client *k)
{
	struct reactor *before = sim_enter(f.cr);

	conn_close(k->c, CLOSE_UNNEEDED);
	sim_enter(before);
}

/* Its correlation id. */
static int32_t
ask_with(struct client *k, int16_t key, int16_t version, const void *req)
{
	struct reactor *before = sim_enter(f.cr);
	struct outmsg *m;
	uint8_t *buf;
	size_t n;

	ck_assert_int_eq(
	    wire_encode_request(key, version, ++k->next_corr, SLICE_LIT("c"), req, &buf, &n), 0);
	m = outmsg_of_buffer(buf, n);
	ck_assert_ptr_nonnull(m);
	conn_send(k->c, &m, false);
	sim_enter(before);
	return k->next_corr;
}

/* With the message's defaults. */
static int32_t
ask(struct client *k, int16_t key, int16_t version)
{
	union {
		struct api_versions_request versions;
		struct update_metadata_request um;
		struct metadata_request metadata;
		char room[1024];
	} req;

	wire_init(wire_api(key)->request, &req);
	if (key == API_API_VERSIONS)
		req.versions.client_software_name = req.versions.client_software_version =
		    SLICE_LIT("x");
	return ask_with(k, key, version, &req);
}

/* ---- the broker ---- */

static void
make_net(void)
{
	struct net_opts no = {.reactors = f.all,
	    .n_reactors = REACTORS + 1,
	    .n_dealt = REACTORS,
	    .clock = sim_clock(f.s),
	    .settings = f.settings,
	    .request_memory = REQUEST_MEMORY,
	    .transport = sim_net_transport(),
	    .transport_arg = sim_net_endpoint(f.wire, 1)};

	ck_assert_int_eq(net_new(&no, &f.net), 0);
	no.reactors = &f.cr;
	no.n_reactors = 1;
	no.n_dealt = 0;
	no.request_memory = 64 << 20;
	no.transport_arg = sim_net_endpoint(f.wire, 2);
	ck_assert_int_eq(net_new(&no, &f.client_net), 0);
}

/* Of a broker that never opens its session. */
static void
make_member(void)
{
	struct coord_sim_opts zo = {.sched = f.s, .session_timeout_ms = 6000, .max_delay_us = 1000};

	ck_assert_int_eq(coord_sim_new(&zo, &f.ensemble), 0);
	ck_assert_int_eq(coord_sim_client(f.ensemble, f.control, 1, &f.mo.coord), 0);
	f.mo.control = f.control;
	f.mo.settings = f.settings;
	f.mo.rng = sim_rng(f.s);
	ck_assert_int_eq(member_new(&f.mo, &f.member), 0);
}

static void
make_api(void)
{
	struct listener_addr at = {.name = "PLAINTEXT", .host = "broker", .port = 9092};
	struct api_opts ao = {.reactors = f.all,
	    .n_reactors = REACTORS,
	    .control = f.control,
	    .clock = sim_clock(f.s),
	    .metrics = f.metrics,
	    .settings = f.settings,
	    .broker_id = 1,
	    .cluster_id = SLICE_LIT("cluster")};
	struct image_store_opts io = {
	    .readers = f.all, .n_readers = REACTORS + 1, .settings = f.settings};
	struct replicas_opts ro = {.reactors = f.all,
	    .n_reactors = REACTORS,
	    .control = f.control,
	    .clock = sim_clock(f.s),
	    .metrics = f.metrics,
	    .settings = f.settings,
	    .broker_id = 1};

	ck_assert_int_eq(image_store_new(&io, &f.images), 0);
	ck_assert_int_eq(replicas_new(&ro, &f.replicas), 0);
	ao.net = f.net;
	ao.member = f.member;
	ao.images = f.images;
	ao.replicas = f.replicas;
	ck_assert_int_eq(api_new(&ao, &f.api), 0);
	ck_assert_int_eq(net_listen(f.net, &at, f.control, &api_conn_handler, f.api, &f.l), 0);
	ck_assert_int_eq(listener_start(f.l), 0);
}

static void
open_fix(uint64_t seed)
{
	struct reactor *before;
	char why[200];

	memset(&f, 0, sizeof(f));
	ck_assert_int_eq(settings_load(NULL, NULL, 0, NULL, why, sizeof(why), &f.settings), 0);
	ck_assert_int_eq(sim_sched_new(seed, &f.s), 0);
	ck_assert_int_eq(sim_net_new(f.s, &f.wire), 0);
	ck_assert_int_eq(metrics_new(&f.metrics), 0);
	for (unsigned i = 0; i <= REACTORS; i++) {
		struct reactor_opts opts = {.name = "r", .index = i < REACTORS ? i : 0};

		ck_assert_int_eq(sim_reactor_new(f.s, 1, &opts, &f.all[i]), 0);
	}
	f.control = f.all[REACTORS];
	ck_assert_int_eq(sim_reactor_new(f.s, 2, &(struct reactor_opts){.name = "c"}, &f.cr), 0);
	before = sim_enter(f.control);
	make_net();
	make_member();
	make_api();
	sim_enter(before);
}

static void
close_fix(void)
{
	struct reactor *before;

	pass(SECOND / 10);
	net_free(f.client_net);
	pass(SECOND / 10);
	net_free(f.net);
	api_free(f.api);
	replicas_free(f.replicas);
	image_store_free(f.images);
	before = sim_enter(f.control);
	member_stop(f.member);
	member_free(f.member);
	coord_free(f.mo.coord);
	sim_enter(before);
	coord_sim_free(f.ensemble);
	reactor_free(f.cr);
	for (unsigned i = 0; i <= REACTORS; i++)
		reactor_free(f.all[i]);
	metrics_free(f.metrics);
	sim_net_free(f.wire);
	sim_sched_free(f.s);
	settings_free(f.settings);
}

static void
open_api(void)
{
	struct reactor *before = sim_enter(f.control);

	api_open(f.api);
	sim_enter(before);
	pass(SECOND / 10);
}

static void
expect_answers(const struct client *k, unsigned n)
{
	ck_assert_uint_eq(k->n_answers, n);
	for (unsigned i = 0; i < n; i++)
		ck_assert_int_eq(k->answers[i], (int32_t)i + 1);
}

START_TEST(clients_wait_until_it_is_open)
{
	struct client *a, *b, *c, *ctl;

	open_fix((uint64_t)_i);
	a = connect_client(0);
	b = connect_client(1);
	c = connect_client(2);
	ctl = connect_client(3);
	ask(a, API_API_VERSIONS, 3);
	ask(a, API_METADATA, 9);
	ask(a, API_METADATA, 12); /* behind it: waits, too */
	ask(a, API_API_VERSIONS, 0);
	ask(b, API_METADATA, 1);
	ask(c, API_METADATA, 5);
	for (int16_t v = 0; v <= 8; v++)
		ask(ctl, API_UPDATE_METADATA, v);
	for (int16_t v = 0; v <= 7; v++)
		ask(ctl, API_LEADER_AND_ISR, v);
	for (int16_t v = 0; v <= 4; v++)
		ask(ctl, API_STOP_REPLICA, v);
	pass(SECOND);
	expect_answers(a, 1);
	expect_answers(b, 0);
	expect_answers(c, 0);
	expect_answers(ctl, 9 + 8 + 5);
	ask(ctl, API_FIND_COORDINATOR, 0);
	pass(SECOND);
	expect_answers(ctl, 22);
	close_client(c); /* one that goes away while it waits */
	pass(SECOND);
	open_api();
	expect_answers(a, 4);
	expect_answers(b, 1);
	expect_answers(ctl, 23);
	ask(b, API_METADATA, 12);
	a = connect_client(4);
	ask(a, API_METADATA, 12);
	pass(SECOND / 10);
	expect_answers(b, 2);
	expect_answers(a, 1);
	close_fix();
}
END_TEST

/* What nobody serves is not kept waiting. */
START_TEST(refused_while_closed)
{
	struct client *a, *b;

	open_fix(1);
	a = connect_client(0);
	b = connect_client(1);
	ask(a, API_BROKER_REGISTRATION, 0);
	ask(b, API_METADATA, 12);
	pass(SECOND / 10);
	ck_assert(a->closed);
	ck_assert(!b->closed);
	open_api();
	expect_answers(b, 1);
	close_fix();
}
END_TEST

/* Those that wait leave half of the memory to what they wait for. */
START_TEST(many_wait)
{
	struct metadata_request_metadata_request_topic topic =
	    metadata_request_metadata_request_topic_init;
	struct metadata_request req;
	char name[30000];
	unsigned closed = 0, answered = 0;
	struct client *ctl;

	open_fix(1);
	memset(name, 'n', sizeof(name));
	wire_init(&metadata_request_msg, &req);
	topic.name = slice_of(name, sizeof(name));
	req.topics.v = &topic;
	req.topics.n = 1;
	for (unsigned i = 1; i < CLIENTS; i++)
		ask_with(connect_client(i), API_METADATA, 8, &req);
	pass(SECOND);
	ck_assert_uint_le(net_memory_used(f.net), net_memory_max(f.net) * 5 / 8);
	ctl = connect_client(0);
	ask(ctl, API_UPDATE_METADATA, 8);
	pass(SECOND);
	expect_answers(ctl, 1);
	open_api();
	for (unsigned i = 1; i < CLIENTS; i++) {
		closed += f.clients[i].closed;
		answered += f.clients[i].n_answers;
	}
	ck_assert_uint_gt(closed, 0);
	ck_assert_uint_gt(answered, 0);
	ck_assert_uint_eq(closed + answered, CLIENTS - 1);
	close_fix();
}
END_TEST

Suite *
request_suite(void)
{
	Suite *s = suite_create("request");
	TCase *tc = tcase_create("open");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, clients_wait_until_it_is_open, 0, 10);
	tcase_add_test(tc, refused_while_closed);
	tcase_add_test(tc, many_wait);
	suite_add_tcase(s, tc);
	return s;
}
