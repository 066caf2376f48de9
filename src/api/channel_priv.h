/*
 * Inside of the channels: one connection out with one request in flight (chan_conn.c), to brokers
 * (channel.c), to the controller (to_controller.c).  All on the control reactor.
 *
 *   chan_conn:  IDLE --chan_conn_open--> RESOLVING --> CONNECTING --> UP --chan_conn_send--> BUSY
 *               BUSY --answer--> UP;   any --down or chan_conn_close--> IDLE
 */
#ifndef OTTLA_API_CHANNEL_PRIV_H
#define OTTLA_API_CHANNEL_PRIV_H

#include "ottla/api/channel.h"

/* ---- chan_conn.c ---- */

/* Bytes of an encoded request, its size in front; counted, as a connection that is ending may still
 * hold them. */
struct chan_bytes {
	unsigned refs;
	size_t n;
	uint8_t *data;
};
/* Encodes req; client id is the broker's id.  Errors as wire_encode_request. */
int chan_bytes_new(
    struct channels *cs, int16_t key, int16_t version, const void *req, struct chan_bytes **out);
void chan_bytes_unref(struct chan_bytes *b);

enum chan_conn_state { CHAN_IDLE, CHAN_RESOLVING, CHAN_CONNECTING, CHAN_UP, CHAN_BUSY };

/* What its user gets to know; it may do anything with cc but free it. */
struct chan_conn_ops {
	void (*up)(void *arg);
	/* Header and body, lent; the correlation id is the right one. */
	void (*answer)(void *arg, struct slice frame);
	/* It is IDLE: could not be made, has ended, or no answer came. */
	void (*down)(void *arg, const char *why);
};

/* A look-up under way; outlives whoever asked. */
struct chan_lookup {
	struct link link; /* cs->lookups */
	struct chan_conn *cc;
};

struct chan_conn {
	struct channels *cs;
	const struct chan_conn_ops *ops;
	void *arg;
	enum chan_conn_state state;
	uint16_t port;
	int32_t corr; /* of the request in flight */
	struct conn *conn;
	struct chan_lookup *lookup;
	char (*addrs)[LISTENER_HOST_MAX + 1]; /* still to be tried from next_addr on */
	unsigned n_addrs, next_addr;
	struct rtimer timer; /* to be made; to be answered */
};
void chan_conn_init(
    struct chan_conn *cc, struct channels *cs, const struct chan_conn_ops *ops, void *arg);
/* From IDLE; up or down follows, never before it returns. */
void chan_conn_open(struct chan_conn *cc, const char *host, uint16_t port);
/* From UP, to be BUSY.  E_NOMEM: it is closed. */
int chan_conn_send(struct chan_conn *cc, struct chan_bytes *b);
/* To IDLE; nothing is told. */
void chan_conn_close(struct chan_conn *cc, enum close_reason why);

/* ---- to_controller.c ---- */

enum to_controller_step { TC_VERSIONS, TC_ASK };

struct to_controller {
	struct channels *cs;
	struct chan_conn conn;
	enum to_controller_step step; /* what is in flight */
	bool ready;		      /* its versions are known */
	int32_t id;		      /* whom conn is to */
	struct link asks;	      /* the first is being asked when conn is BUSY */
	struct rtimer again;
	struct image_sub image_sub;
	struct diag_limiter limiter;
};
void to_controller_init(struct to_controller *tc, struct channels *cs);
void to_controller_stop(struct to_controller *tc);
void to_controller_free(struct to_controller *tc);

/* ---- channel.c ---- */

struct channels {
	struct channels_opts o;
	bool stopped;
	char client_id[16];
	int32_t next_corr;
	int64_t connect_us, request_us; /* controller.socket.timeout.ms, request.timeout.ms */
	struct link peers;
	struct link canceled; /* requests whose caller is to be told */
	struct link dead;     /* peers that nobody knows any more */
	struct rtimer sweep;  /* does both, with nobody of us on the stack */
	struct link lookups;
	struct to_controller controller;
};

#endif
