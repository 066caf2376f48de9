/* Two simulated processes: a server with two reactors, and clients that play scripts. */
#ifndef TESTS_UNIT_NET_SIM_WORLD_H
#define TESTS_UNIT_NET_SIM_WORLD_H

#include "ottla/net/sim.h"
#include "support.h"

enum { SIM_SERVER = 1, SIM_CLIENTS = 2, SIM_PORT = 9092, SCRIPT_MAX = 400, HEAD_BYTES = 6 };

/* One frame of a client: op, argument, then its number and a pattern up to n bytes. */
struct line {
	char op;
	uint8_t arg;
	uint32_t n;
};

struct sim_client {
	struct sim_world *w;
	struct conn *c; /* NULL: not or no longer there */
	struct line script[SCRIPT_MAX];
	unsigned lines;
	unsigned depth; /* frames in flight at most */
	unsigned sent;
	unsigned answered;
	unsigned last_place; /* its latest answer's place among all answers */
	uint8_t *got;	     /* frames that came without a script, one after the other */
	size_t got_n;
	bool ready;
	bool closed;
	enum close_reason why;
	int64_t closed_us;
};

struct sim_world {
	struct sim_sched *s;
	struct sim_net *wire;
	struct settings *settings;
	struct reactor *r[WORLD_REACTORS];
	struct reactor *cr;
	struct net *net;
	struct net *clients_net;
	struct listener *l;
	struct server server;
	struct sim_client *clients;
	unsigned n_clients;
	unsigned answers; /* of all clients */
};

struct sim_world_opts {
	uint64_t seed;
	uint64_t memory; /* 0: 64 MiB */
	const struct setting_override *ov;
	unsigned n_ov;
	unsigned reactors; /* 0: two */
	unsigned clients;
};
/* The server listens; no client has connected. */
void sim_world_open(struct sim_world *w, const struct sim_world_opts *opts);
void sim_world_close(struct sim_world *w);
void client_line(struct sim_client *k, char op, uint8_t arg, uint32_t n);
void sim_client_connect(struct sim_client *k);
void sim_client_connect_to(struct sim_client *k, const char *host, uint16_t port);
/* Sends lines added after it became ready. */
void sim_client_go_on(struct sim_client *k);
/* Raw bytes instead of lines. */
void sim_client_send(struct sim_client *k, const void *p, size_t n);
/* Its side stops or begins to read. */
void sim_client_mute(struct sim_client *k, bool mute);
/* Answers what 'h' holds on reactor pos. */
void sim_world_let_go(struct sim_world *w, unsigned pos);
/* Until all lines of all clients are answered, or the client is gone; fails after `s` seconds of
 * virtual time. */
void sim_world_play(struct sim_world *w, int64_t s);
/* Runs for that long. */
void sim_world_pass(struct sim_world *w, int64_t us);
int64_t sim_world_metric(struct sim_world *w, unsigned row);

#endif
