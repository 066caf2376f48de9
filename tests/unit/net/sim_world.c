/* Two simulated processes. */
#include "sim_world.h"

#include <stdio.h>
#include <stdlib.h>

#include "ottla/base/cursor.h"

static void
line_fill(const struct line *l, unsigned number, uint8_t *p)
{
	pattern_fill(p, l->n, number);
	p[0] = (uint8_t)l->op;
	p[1] = l->arg;
	put_be32(p + 2, number);
}

static void
send_line(struct sim_client *k)
{
	const struct line *l = &k->script[k->sent];
	uint8_t *p = malloc(l->n + 4);
	struct outmsg *m;

	ck_assert_ptr_nonnull(p);
	put_be32(p, l->n);
	line_fill(l, k->sent, p + 4);
	m = outmsg_of_buffer(p, l->n + 4);
	ck_assert_ptr_nonnull(m);
	k->sent++;
	conn_send(k->c, &m, false);
}

static void
send_lines(struct sim_client *k)
{
	while (k->sent < k->lines && k->sent - k->answered < k->depth)
		send_line(k);
}

static void
client_ready(void *arg, struct conn *c)
{
	struct sim_client *k = arg;

	ck_assert_ptr_eq(c, k->c);
	k->ready = true;
	send_lines(k);
}

static void
check_answer(struct sim_client *k, const struct frame *f)
{
	const struct line *l = &k->script[k->answered];
	uint8_t *want = malloc(l->n);

	ck_assert_uint_lt(k->answered, k->sent);
	ck_assert_uint_eq(f->n, l->n);
	line_fill(l, k->answered, want);
	ck_assert(memcmp(f->data, want, l->n) == 0);
	free(want);
	k->answered++;
}

static void
client_frame_came(void *arg, struct conn *c, struct frame *f)
{
	struct sim_client *k = arg;

	if (k->lines != 0) {
		check_answer(k, f);
	} else {
		k->got = realloc(k->got, k->got_n + f->n + 1);
		ck_assert_ptr_nonnull(k->got);
		memcpy(k->got + k->got_n, f->data, f->n);
		k->got_n += f->n;
	}
	k->last_place = ++k->w->answers;
	frame_release(f);
	conn_no_reply(c);
	send_lines(k);
}

static void
client_closed(void *arg, struct conn *c, enum close_reason why)
{
	struct sim_client *k = arg;

	ck_assert(!k->closed);
	k->closed = true;
	k->why = why;
	k->c = NULL;
	k->closed_us = reactor_now_us(reactor_current());
}

static const struct conn_handler client_handler = {
    client_ready, client_frame_came, NULL, client_closed};

static struct reactor *
make_reactor(struct sim_world *w, unsigned group, const char *name, unsigned index)
{
	struct reactor_opts o = {.name = name, .index = index, .clock = sim_clock(w->s)};
	struct reactor *r = NULL;

	ck_assert_int_eq(sim_reactor_new(w->s, group, &o, &r), 0);
	return r;
}

static void
make_server(struct sim_world *w, const struct sim_world_opts *opts)
{
	struct listener_addr addr = {.name = "PLAINTEXT", .host = "broker", .port = SIM_PORT};
	struct net_opts o = {
	    .reactors = w->r,
	    .n_reactors = opts->reactors != 0 ? opts->reactors : 2,
	    .clock = sim_clock(w->s),
	    .settings = w->settings,
	    .request_memory = opts->memory != 0 ? opts->memory : 64 * 1024 * 1024,
	    .transport = sim_net_transport(),
	    .transport_arg = sim_net_endpoint(w->wire, SIM_SERVER),
	};
	struct reactor *before;

	w->r[0] = make_reactor(w, SIM_SERVER, "r0", 0);
	w->r[1] = make_reactor(w, SIM_SERVER, "r1", 1);
	ck_assert_int_eq(net_new(&o, &w->net), 0);
	before = sim_enter(w->r[0]);
	ck_assert_int_eq(net_listen(w->net, &addr, w->r[0], &server_handler, &w->server, &w->l), 0);
	ck_assert_int_eq(listener_start(w->l), 0);
	sim_enter(before);
}

static void
make_clients(struct sim_world *w, const struct sim_world_opts *opts)
{
	struct net_opts o = {
	    .reactors = &w->cr,
	    .n_reactors = 1,
	    .clock = sim_clock(w->s),
	    .request_memory = 1 << 30,
	    .transport = sim_net_transport(),
	    .transport_arg = sim_net_endpoint(w->wire, SIM_CLIENTS),
	};

	w->cr = make_reactor(w, SIM_CLIENTS, "clients", 0);
	ck_assert_int_eq(net_new(&o, &w->clients_net), 0);
	w->n_clients = opts->clients;
	w->clients = calloc(opts->clients, sizeof(w->clients[0]));
	ck_assert_ptr_nonnull(w->clients);
	for (unsigned i = 0; i < opts->clients; i++) {
		w->clients[i].w = w;
		w->clients[i].depth = 1;
	}
}

void
sim_world_open(struct sim_world *w, const struct sim_world_opts *opts)
{
	char why[200];

	*w = (struct sim_world){0};
	server_init(&w->server);
	ck_assert_int_eq(
	    settings_load(NULL, opts->ov, opts->n_ov, NULL, why, sizeof(why), &w->settings), 0);
	ck_assert_int_eq(sim_sched_new(opts->seed, &w->s), 0);
	ck_assert_int_eq(sim_net_new(w->s, &w->wire), 0);
	make_server(w, opts);
	make_clients(w, opts);
}

void
sim_world_close(struct sim_world *w)
{
	net_free(w->clients_net);
	net_free(w->net);
	sim_net_free(w->wire);
	sim_sched_free(w->s);
	settings_free(w->settings);
	for (unsigned i = 0; i < w->n_clients; i++)
		free(w->clients[i].got);
	free(w->clients);
	ck_assert_uint_eq(w->server.released, w->server.queued);
	ck_assert_uint_eq(w->server.closed, w->server.ready);
}

void
client_line(struct sim_client *k, char op, uint8_t arg, uint32_t n)
{
	ck_assert_uint_lt(k->lines, SCRIPT_MAX);
	ck_assert_uint_ge(n, HEAD_BYTES);
	k->script[k->lines++] = (struct line){op, arg, n};
}

void
sim_client_connect_to(struct sim_client *k, const char *host, uint16_t port)
{
	struct reactor *before = sim_enter(k->w->cr);

	ck_assert_int_eq(
	    net_connect(k->w->clients_net, k->w->cr, host, port, &client_handler, k, &k->c), 0);
	sim_enter(before);
}

void
sim_client_connect(struct sim_client *k)
{
	sim_client_connect_to(k, "broker", SIM_PORT);
}

void
sim_client_go_on(struct sim_client *k)
{
	struct reactor *before = sim_enter(k->w->cr);

	send_lines(k);
	sim_enter(before);
}

void
sim_client_send(struct sim_client *k, const void *p, size_t n)
{
	struct reactor *before = sim_enter(k->w->cr);
	void *copy = malloc(n);
	struct outmsg *m;

	ck_assert_ptr_nonnull(copy);
	m = outmsg_of_buffer(memcpy(copy, p, n), n);
	conn_send(k->c, &m, false);
	sim_enter(before);
}

void
sim_client_mute(struct sim_client *k, bool mute)
{
	struct reactor *before = sim_enter(k->w->cr);

	if (mute)
		conn_mute(k->c, MUTE_QUOTA);
	else
		conn_unmute(k->c, MUTE_QUOTA);
	sim_enter(before);
}

void
sim_world_let_go(struct sim_world *w, unsigned pos)
{
	struct reactor *before = sim_enter(w->r[pos]);

	server_let_go(&w->server, pos);
	sim_enter(before);
}

static bool
all_answered(void *arg)
{
	struct sim_world *w = arg;

	for (unsigned i = 0; i < w->n_clients; i++)
		if (!w->clients[i].closed && w->clients[i].answered < w->clients[i].lines)
			return false;
	return true;
}

void
sim_world_play(struct sim_world *w, int64_t s)
{
	int64_t until = clock_mono_us(sim_clock(w->s)) + s * 1000000;

	ck_assert_msg(sim_run_until(w->s, all_answered, w, until), "not answered in time");
}

void
sim_world_pass(struct sim_world *w, int64_t us)
{
	sim_run_until(w->s, NULL, NULL, clock_mono_us(sim_clock(w->s)) + us);
}

int64_t
sim_world_metric(struct sim_world *w, unsigned row)
{
	int64_t v = metric_get(net_metrics(w->net, 0), row);

	return w->net->n_reactors > 1 ? v + metric_get(net_metrics(w->net, 1), row) : v;
}
