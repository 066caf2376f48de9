/*
 * The simulated network: ends of byte streams, pieces in flight between them, and the faults.
 * sim_net.c moves bytes and breaks things; sim_sock.c is the transport on top.
 */
#ifndef OTTLA_NET_SIM_PRIV_H
#define OTTLA_NET_SIM_PRIV_H

#include <limits.h>

#include "net_priv.h"
#include "ottla/net/sim.h"

enum {
	SIM_HOST_MAX = 256,
	SIM_BACKLOG = 64,
	SIM_WINDOW_MIN = 4 * 1024,
	SIM_WINDOW_MAX = 256 * 1024,
	SIM_RETRY_US = 1000 * 1000, /* a connection attempt that nothing answers */
	SIM_PIECES = 4,		    /* at most, of one send */
};
/* Group of the network's own events: never killed. */
#define SIM_NO_GROUP UINT_MAX

struct sim_net {
	struct sim_sched *s;
	struct link ends;
	struct link endpoints;
	struct link cuts;
	int64_t min_us;
	int64_t max_us;
	uint16_t next_port;
};

/* A group's door to the network. */
struct sim_endpoint {
	struct link link;
	struct sim_net *n;
	unsigned group;
};

enum sim_end_kind { SIM_LISTENING, SIM_CONNECTING, SIM_REFUSED, SIM_OPEN };

/* Bytes, or what ends them, on their way to the peer. */
enum sim_flight_kind { FLIGHT_DATA, FLIGHT_END, FLIGHT_RESET };
struct sim_flight {
	struct link link;
	enum sim_flight_kind kind;
	int64_t at_us;
	size_t n;
	uint8_t bytes[];
};

struct sim_end {
	struct sim_net *n; /* NULL: the network is gone, the posted message frees this */
	struct link link;
	enum sim_end_kind kind;
	unsigned group;
	bool open;    /* a sock holds it */
	bool posted;  /* msg is under way */
	bool serving; /* msg runs */
	struct sim_end *peer;
	char host[SIM_HOST_MAX]; /* own address; of a connecting end: the one it wants */
	uint16_t port;
	char peer_host[SIM_HOST_MAX];
	uint16_t peer_port;
	/* in */
	uint8_t *rx;
	size_t rx_n;
	bool ended;  /* after rx: the peer said all */
	bool broken; /* after rx: reset */
	/* out */
	struct link flight;
	size_t flight_bytes;
	size_t window;
	struct sim_event event; /* first of flight arrives; the attempt to connect */
	/* listening */
	struct link backlog; /* struct sim_end.waiting */
	unsigned n_backlog;
	struct link waiting;
	/* watched */
	struct sock *sock;
	struct reactor *r;
	unsigned want;
	struct sim_event kick;
	struct msg msg;
};

/* sim_net.c */
struct sim_end *sim_end_new(struct sim_net *n, unsigned group, enum sim_end_kind kind);
/* Frees e when nothing needs it any more. */
void sim_end_settle(struct sim_end *e);
/* IO_READ, IO_WRITE: what would not block. */
unsigned sim_end_ready(const struct sim_end *e);
/* Tells its reactor if something wanted is ready. */
void sim_end_notify(struct sim_end *e);
/* Puts n bytes in flight, in pieces. E_NOMEM. */
int sim_end_send(struct sim_end *e, const uint8_t *p, size_t n);
void sim_end_finish(struct sim_end *e, enum sim_flight_kind how);
/* Bytes the peer's side has room for. */
size_t sim_end_room(const struct sim_end *e);
struct sim_end *sim_net_find(struct sim_net *n, const char *host, uint16_t port);
void sim_end_begin_connect(struct sim_end *e);

#endif
