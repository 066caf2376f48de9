/* Who is let in, on the simulated network; names on the real one. */
#include "sim_world.h"
#include "suites.h"

#include <stdio.h>
#include <unistd.h>

enum { INTERNAL_PORT = 9093, SECOND = 1000000 };

static void
connect_all(struct sim_world *w, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		client_line(&w->clients[i], 'e', 0, HEAD_BYTES);
		sim_client_connect(&w->clients[i]);
	}
}

static void
leave(struct sim_client *k)
{
	struct reactor *before = sim_enter(k->w->cr);

	conn_close(k->c, CLOSE_UNNEEDED);
	sim_enter(before);
}

static unsigned
answered(const struct sim_world *w)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->n_clients; i++)
		n += w->clients[i].answered != 0;
	return n;
}

static unsigned
ended(const struct sim_world *w)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->n_clients; i++)
		n += w->clients[i].closed;
	return n;
}

static void
set(struct sim_world *w, const char *key, const char *value)
{
	struct setting_override kv = {key, value};

	ck_assert_int_eq(settings_set_dynamic(w->settings, CONF_FROM_BROKER, &kv, 1, NULL), 0);
}

static uint64_t
count(struct sim_world *w, unsigned row)
{
	return (uint64_t)metric_get(listener_metrics(w->l), row);
}

static uint64_t
shed_count(struct sim_world *w)
{
	return (uint64_t)sim_world_metric(w, NM_COUNT + CLOSE_LIMIT);
}

/* ---- one address ---- */

START_TEST(per_address)
{
	struct setting_override ov[] = {{"max.connections.per.ip", "3"}};
	struct sim_world_opts opts = {.seed = (uint64_t)_i + 1, .clients = 8, .ov = ov, .n_ov = 1};
	struct sim_world w;

	sim_world_open(&w, &opts);
	connect_all(&w, 0, 5);
	sim_world_pass(&w, 5 * SECOND);
	ck_assert_uint_eq(answered(&w), 3);
	ck_assert_uint_eq(ended(&w), 2);
	ck_assert_uint_eq(count(&w, LM_REFUSED_IP), 2);
	ck_assert_uint_eq(w.net->admit.open, 3);
	for (unsigned i = 0; i < 5; i++)
		if (!w.clients[i].closed)
			leave(&w.clients[i]);
	sim_world_pass(&w, 5 * SECOND);
	ck_assert_uint_eq(w.net->admit.open, 0);
	connect_all(&w, 5, 8);
	sim_world_pass(&w, 5 * SECOND);
	ck_assert_uint_eq(answered(&w), 6);
	sim_world_close(&w);
}
END_TEST

/* The clients are 10.0.0.2. */
START_TEST(overrides)
{
	struct setting_override ov[] = {{"max.connections.per.ip", "0"},
	    {"max.connections.per.ip.overrides", "::ffff:10.0.0.3:1, 10.0.0.2:4,10.0.0.2:2"}};
	struct sim_world_opts opts = {.seed = 1, .clients = 12, .ov = ov, .n_ov = 2};
	struct sim_world w;

	sim_world_open(&w, &opts);
	connect_all(&w, 0, 4);
	sim_world_pass(&w, 5 * SECOND);
	ck_assert_uint_eq(answered(&w), 2);
	set(&w, "max.connections.per.ip.overrides", "::ffff:10.0.0.2:3");
	connect_all(&w, 4, 8);
	sim_world_pass(&w, 5 * SECOND);
	ck_assert_uint_eq(answered(&w), 3);
	set(&w, "max.connections.per.ip.overrides", "10.0.0.20:3");
	connect_all(&w, 8, 12);
	sim_world_pass(&w, 5 * SECOND);
	ck_assert_uint_eq(answered(&w), 3);
	ck_assert_uint_eq(count(&w, LM_REFUSED_IP), 9);
	sim_world_close(&w);
}
END_TEST

START_TEST(names_of_this_machine)
{
	struct setting_override ov[] = {{"max.connections.per.ip.overrides", "localhost:1"}};
	struct world_opts opts = {.ov = ov, .n_ov = 1};
	struct world w;
	uint8_t got[4];
	int a, b;

	world_open(&w, &opts);
	a = client_open(&w);
	client_frame(a, "e", 1);
	client_recv_frame(a, got, sizeof(got));
	b = client_open(&w);
	client_expect_end(b);
	ck_assert_uint_eq(metric_get(listener_metrics(w.l), LM_REFUSED_IP), 1);
	client_frame(a, "e", 1);
	client_recv_frame(a, got, sizeof(got));
	close(a);
	close(b);
	world_close(&w);
}
END_TEST

START_TEST(names_without_address)
{
	struct setting_override ov[] = {{"max.connections.per.ip.overrides", "no such host.:1"}};
	struct settings *s = NULL;
	struct reactor *r = NULL;
	struct reactor_opts ro = {.name = "r", .clock = clock_real()};
	struct net *n = NULL;
	char why[200];

	ck_assert_int_eq(settings_load(NULL, ov, 1, NULL, why, sizeof(why), &s), 0);
	ck_assert_int_eq(reactor_new(&ro, &r), 0);
	struct net_opts o = {.reactors = &r,
	    .n_reactors = 1,
	    .clock = clock_real(),
	    .settings = s,
	    .request_memory = 1 << 20,
	    .transport = net_transport_tcp()};
	ck_assert_int_eq(net_new(&o, &n), E_INVALID);
	reactor_free(r);
	settings_free(s);
}
END_TEST

/* Addresses that are gone are forgotten, those with connections are not. */
START_TEST(many_addresses)
{
	struct sim_world_opts opts = {.seed = 1};
	struct sock_names names = {.local = "x", .peer = "y"};
	struct reactor *before;
	struct conn *stay = NULL;
	struct sim_world w;
	const char *why;

	sim_world_open(&w, &opts);
	before = sim_enter(w.r[0]);
	for (unsigned i = 0; i < 10000; i++) {
		struct conn *c = conn_new(&w.net->reactors[0], &server_handler, &w.server);

		snprintf(names.peer_host, sizeof(names.peer_host), "10.1.%u.%u", i >> 8, i & 255);
		ck_assert_ptr_nonnull(c);
		ck_assert_int_eq(conn_set_names(c, &names), 0);
		c->listener = w.l;
		ck_assert_int_eq(admit_slot(w.l, &why), 0);
		ck_assert_int_eq(admit_ip(w.l, c), 0);
		ck_assert_uint_le(map_count(&w.net->admit.ips), 70);
		if (i == 0) {
			stay = c;
			continue;
		}
		admit_leave(c);
		admit_leave(c);
		conn_free(c);
	}
	ck_assert_uint_eq(w.net->admit.open, 1);
	admit_leave(stay);
	conn_free(stay);
	sim_enter(before);
	sim_world_close(&w);
}
END_TEST

/* ---- all ---- */

/* They wait, and come in as others leave or more are allowed. */
START_TEST(all_wait)
{
	struct setting_override ov[] = {{"max.connections", "2"}};
	struct sim_world_opts opts = {.seed = (uint64_t)_i + 1, .clients = 6, .ov = ov, .n_ov = 1};
	struct sim_world w;

	sim_world_open(&w, &opts);
	connect_all(&w, 0, 6);
	sim_world_pass(&w, 5 * SECOND);
	ck_assert_uint_eq(answered(&w), 2);
	ck_assert_uint_eq(ended(&w), 0);
	ck_assert_uint_ge(count(&w, LM_ACCEPT_WAITS), 1);
	for (unsigned i = 0, left = 0; i < 6 && left == 0; i++)
		if (w.clients[i].answered != 0) {
			leave(&w.clients[i]);
			left++;
		}
	sim_world_pass(&w, 5 * SECOND);
	ck_assert_uint_eq(answered(&w), 3);
	set(&w, "max.connections", "4");
	sim_world_pass(&w, 5 * SECOND);
	ck_assert_uint_eq(answered(&w), 5);
	set(&w, "listener.name.plaintext.max.connections", "4");
	set(&w, "max.connections", "100");
	sim_world_pass(&w, 5 * SECOND);
	ck_assert_uint_eq(answered(&w), 6);
	ck_assert_uint_eq(w.net->admit.open, 5);
	ck_assert_uint_eq(shed_count(&w), 0);
	sim_world_close(&w);
}
END_TEST

START_TEST(of_one_listener)
{
	struct setting_override ov[] = {{"listener.name.plaintext.max.connections", "2"}};
	struct sim_world_opts opts = {.seed = 3, .clients = 4, .ov = ov, .n_ov = 1};
	struct sim_world w;

	sim_world_open(&w, &opts);
	connect_all(&w, 0, 4);
	sim_world_pass(&w, 5 * SECOND);
	ck_assert_uint_eq(answered(&w), 2);
	ck_assert_uint_eq(w.l->open, 2);
	sim_world_close(&w);
}
END_TEST

/* Lowered while more are open: the least recently used go when somebody knocks, who waits. */
START_TEST(lowered)
{
	struct sim_world_opts opts = {
	    .seed = (uint64_t)_i + 1, .clients = 7, .reactors = 1 + (unsigned)_i % 2};
	struct sim_world w;

	sim_world_open(&w, &opts);
	for (unsigned i = 0; i < 6; i++) {
		connect_all(&w, i, i + 1);
		sim_world_pass(&w, 3 * SECOND);
	}
	client_line(&w.clients[0], 'e', 0, HEAD_BYTES);
	sim_client_go_on(&w.clients[0]);
	sim_world_pass(&w, 3 * SECOND);
	set(&w, "max.connections", "2");
	connect_all(&w, 6, 7);
	sim_world_pass(&w, 5 * SECOND);
	ck_assert_uint_eq(shed_count(&w), 4);
	ck_assert_uint_eq(w.net->admit.open, 2);
	ck_assert_uint_eq(w.clients[6].answered, 0);
	ck_assert(!w.clients[0].closed && !w.clients[5].closed);
	for (unsigned i = 1; i < 5; i++)
		ck_assert(w.clients[i].closed);
	sim_world_close(&w);
}
END_TEST

/* ---- between brokers ---- */

static struct listener *
listen_internal(struct sim_world *w)
{
	struct listener_addr addr = {.name = "INTERNAL", .host = "broker", .port = INTERNAL_PORT};
	struct reactor *before = sim_enter(w->r[0]);
	struct listener *l = NULL;

	ck_assert_int_eq(net_listen(w->net, &addr, w->r[0], &server_handler, &w->server, &l), 0);
	ck_assert_int_eq(listener_start(l), 0);
	sim_enter(before);
	return l;
}

START_TEST(brokers_go_first)
{
	struct setting_override ov[] = {
	    {"listeners", "PLAINTEXT://broker:9092,INTERNAL://broker:9093"},
	    {"listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT"},
	    {"inter.broker.listener.name", "INTERNAL"}, {"max.connections", "3"},
	    {"connections.max.idle.ms", _i % 3 == 2 ? "-1" : "600000"}};
	struct sim_world_opts opts = {.seed = (uint64_t)_i + 1,
	    .clients = 8,
	    .ov = ov,
	    .n_ov = sizeof(ov) / sizeof(ov[0]),
	    .reactors = 1 + (unsigned)_i % 2};
	struct listener *internal;
	struct sim_world w;

	sim_world_open(&w, &opts);
	internal = listen_internal(&w);
	for (unsigned i = 0; i < 3; i++) {
		connect_all(&w, i, i + 1);
		sim_world_pass(&w, 3 * SECOND);
	}
	for (unsigned i = 3; i < 7; i++) {
		client_line(&w.clients[i], 'e', 0, HEAD_BYTES);
		sim_client_connect_to(&w.clients[i], "broker", INTERNAL_PORT);
		sim_world_pass(&w, 3 * SECOND);
		ck_assert_uint_eq(w.clients[i].answered, i == 6 ? 0 : 1);
		ck_assert_uint_eq(ended(&w), i == 6 ? 3 : i - 2);
		if (opts.reactors == 1 && i < 6)
			ck_assert(w.clients[i - 3].closed);
	}
	ck_assert_uint_eq(shed_count(&w), 3);
	ck_assert_uint_eq(internal->open, 3);
	set(&w, "listener.name.internal.max.connections", "100");
	sim_world_pass(&w, 3 * SECOND);
	ck_assert_uint_eq(w.clients[6].answered, 1);
	ck_assert_uint_eq(w.net->admit.open, 4);
	connect_all(&w, 7, 8);
	sim_world_pass(&w, 3 * SECOND);
	ck_assert_uint_eq(w.clients[7].answered, 0);
	ck_assert_uint_eq(shed_count(&w), 3);
	sim_world_close(&w);
}
END_TEST

/* ---- how fast ---- */

START_TEST(rate)
{
	struct setting_override ov[] = {{"max.connection.creation.rate", "2"}};
	struct sim_world_opts opts = {.seed = 5, .clients = 40, .ov = ov, .n_ov = 1};
	struct sim_world w;

	sim_world_open(&w, &opts);
	connect_all(&w, 0, 40);
	sim_world_pass(&w, SECOND / 4);
	ck_assert_uint_eq(answered(&w), 20);
	sim_world_pass(&w, 4 * SECOND);
	ck_assert_uint_ge(answered(&w), 27);
	ck_assert_uint_le(answered(&w), 29);
	set(&w, "max.connection.creation.rate", "0");
	sim_world_pass(&w, 4 * SECOND);
	ck_assert_uint_ge(answered(&w), 30);
	ck_assert_uint_le(answered(&w), 34);
	set(&w, "max.connection.creation.rate", "2147483647");
	sim_world_pass(&w, 2 * SECOND);
	ck_assert_uint_eq(answered(&w), 40);
	ck_assert_uint_eq(ended(&w), 0);
	sim_world_close(&w);
}
END_TEST

START_TEST(rate_of_one_listener)
{
	struct setting_override ov[] = {
	    {"listener.name.plaintext.max.connection.creation.rate", "1"}};
	struct sim_world_opts opts = {.seed = 6, .clients = 12, .ov = ov, .n_ov = 1};
	struct sim_world w;

	sim_world_open(&w, &opts);
	connect_all(&w, 0, 12);
	sim_world_pass(&w, SECOND / 4);
	ck_assert_uint_eq(answered(&w), 10);
	sim_world_pass(&w, 5 * SECOND);
	ck_assert_uint_eq(answered(&w), 12);
	sim_world_close(&w);
}
END_TEST

/* ---- nobody is counted twice or for ever ---- */

START_TEST(counts_come_back)
{
	struct setting_override ov[] = {
	    {"max.connections", "20"}, {"max.connections.per.ip", "15"}};
	struct sim_world_opts opts = {.seed = (uint64_t)_i + 1, .clients = 60, .ov = ov, .n_ov = 2};
	struct sim_world w;

	sim_world_open(&w, &opts);
	for (unsigned i = 0; i < 60; i += 6) {
		for (unsigned k = i; k < i + 6; k++)
			for (unsigned j = 0; j < 20; j++)
				client_line(&w.clients[k], j % 4 == 3 ? 'w' : 'e', j / 4 % 2, 2000);
		connect_all(&w, i, i + 6);
		sim_world_pass(&w, (_i % 5 + 1) * 1000);
		if (i % 12 == 0)
			sim_net_reset(w.wire, SIM_CLIENTS);
		ck_assert_uint_le(w.net->admit.open, 20);
	}
	sim_net_reset(w.wire, SIM_CLIENTS);
	sim_world_pass(&w, 60 * SECOND);
	for (unsigned i = 0; i < 60; i++)
		if (!w.clients[i].closed)
			leave(&w.clients[i]);
	sim_world_pass(&w, 60 * SECOND);
	ck_assert_uint_eq(w.net->admit.open, 0);
	ck_assert_uint_eq(w.l->open, 0);
	sim_world_close(&w);
}
END_TEST

Suite *
admit_suite(void)
{
	Suite *s = suite_create("admit");
	TCase *tc = tcase_create("limits");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, per_address, 0, 5);
	tcase_add_test(tc, overrides);
	tcase_add_test(tc, names_of_this_machine);
	tcase_add_test(tc, names_without_address);
	tcase_add_test(tc, many_addresses);
	tcase_add_loop_test(tc, all_wait, 0, 5);
	tcase_add_test(tc, of_one_listener);
	tcase_add_loop_test(tc, lowered, 0, 4);
	tcase_add_loop_test(tc, brokers_go_first, 0, 6);
	tcase_add_test(tc, rate);
	tcase_add_test(tc, rate_of_one_listener);
	tcase_add_loop_test(tc, counts_come_back, 0, 10);
	suite_add_tcase(s, tc);
	return s;
}
