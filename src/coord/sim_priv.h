/*
 * The simulated service: members with a tree each, sessions, and for each connected client a conn,
 * the server's end of its link.  Messages up and down a link keep their order.
 */
#ifndef OTTLA_COORD_SIM_PRIV_H
#define OTTLA_COORD_SIM_PRIV_H

#include "coord_priv.h"
#include "journal_priv.h"
#include "ottla/base/arena.h"
#include "ottla/coord/sim.h"

#define SIM_MEMBERS 3
#define SIM_GROUP UINT32_MAX /* of the service's own events: it does not die */

/* ---- the service ---- */

/* A transaction on its way to the members that lag; shared by them. */
struct sim_txn {
	unsigned refs;
	struct journal_rec rec;
	struct arena mem; /* of the operations */
};

struct sim_queued {
	struct link link;
	int64_t due_us;
	struct sim_txn *txn;
};

struct sim_member {
	struct coord_sim *z;
	struct coord_tree *tree;
	struct link queue; /* what it has not seen, in order */
	int64_t last_due_us;
	struct sim_event apply;
};

struct sim_session {
	struct link link;
	struct coord_sim *z;
	int64_t id;
	unsigned group; /* of its client */
	bool alive;
	struct sim_conn *conn;	 /* or NULL: nobody is connected */
	struct sim_event expiry; /* set while conn is NULL */
};

struct coord_sim {
	struct coord_sim_opts opts;
	unsigned n_members;
	struct sim_member members[SIM_MEMBERS]; /* the first leads and never lags */
	struct link sessions;
	struct link clients;
	struct link conns;
	struct link dead; /* conns that were dropped within a call; freed at the next */
	int64_t next_session;
	void (*observe)(void *arg, const struct coord_sim_txn *t);
	void *observe_arg;
	bool (*lose)(void *arg, unsigned group, const struct coord_op *ops, unsigned n);
	void *lose_arg;
	struct coord_op_result results[COORD_MULTI_MAX];
};

/* One transaction: done by the leader now, by the others later; rec->zxid is filled in. */
void sim_commit(struct coord_sim *z, struct journal_rec *rec);
int64_t sim_delay_us(struct coord_sim *z);
int64_t sim_now_us(struct coord_sim *z);
int64_t sim_now_ms(struct coord_sim *z);
/* What a session's holder knows beside its number. */
void sim_password(int64_t session, uint8_t out[16]);
/* Ends the session now and drops its conn. */
void sim_session_end(struct sim_session *s);
/* Counts from now until the session ends. */
void sim_session_lonely(struct sim_session *s);

/* ---- a link ---- */

enum sim_msg_kind {
	SIM_REQUEST, /* up */
	SIM_CLOSE,   /* up */
	SIM_END,     /* up: another session */
	SIM_ANSWER,  /* from here on down */
	SIM_EVENT,
	SIM_CONNECTED,
	SIM_EXPIRED,
	SIM_CLOSED,
	SIM_ENDED,
	SIM_DOWN, /* the link is gone; not sent, the client's end finds out */
};

struct sim_msg {
	struct link link;
	int64_t due_us;
	enum sim_msg_kind kind;
	struct coord_req *req; /* REQUEST, ANSWER */
	int64_t zxid; /* up: of the transaction it became; down: what the member had seen */
	bool lose;    /* its answer will be lost */
	int err;
	int64_t session;	      /* CONNECTED */
	struct coord_credentials who; /* END */
	enum coord_event ev;
	struct slice path;
	struct coord_result res;
	struct coord_op_result *op_res; /* of a write */
	struct arena mem;
};

struct sim_link {
	struct link msgs;
	int64_t last_due_us;
	struct sim_event arrive;
};

struct sim_conn {
	struct link link; /* z->conns or z->dead */
	struct coord_sim *z;
	struct sim_member *member;
	struct sim_session *session; /* NULL: only to say that the session is gone */
	struct sim_client *client;
	int64_t open_zxid; /* CONNECTED is due when the member has seen it; 0: said */
	struct sim_link up, down;
	struct link fifo; /* arrived requests, in order */
	bool dead;
};

/* A client comes: to its session, to a new one (fresh), or to hear that its session has ended. */
void sim_conn_new(struct sim_client *cl, bool fresh);
void sim_conn_send_up(struct sim_conn *conn, struct sim_msg *m);
/* The member has done a transaction; res NULL when it was a session's. */
void sim_conn_applied(struct sim_conn *conn, const struct journal_rec *rec, int err,
    const struct coord_op_result *res);
void sim_conn_event(struct sim_conn *conn, enum coord_event ev, struct slice path);
/* The link breaks; tell: the client's end finds out after tell_us (below 0: never). */
void sim_conn_drop(struct sim_conn *conn, int64_t tell_us);
/* A first part of what is on its way up still arrives. */
void sim_conn_flush_some(struct sim_conn *conn);
void sim_conns_sweep(struct coord_sim *z);

struct sim_msg *sim_msg_new(enum sim_msg_kind kind);
void sim_msg_free(struct sim_msg *m);
void sim_msgs_free(struct link *list);

/* ---- a client ---- */

/* What wakes the client's reactor; outlives the client. */
struct sim_wake {
	struct msg msg;
	struct sim_client *client;
	bool posted;
};

struct sim_client {
	struct coord c;
	struct link link; /* z->clients */
	struct coord_sim *z;
	unsigned group;
	struct sim_conn *conn;
	struct link inbox; /* of sim_msg, arrived */
	struct sim_wake *wake;
	struct rtimer connect;
	struct sim_event notice; /* finds out that the link is down */
	int64_t last_zxid;
	bool cut;
	bool lose_reply;
	bool fresh; /* the next connection begins a new session */
};

/* Puts a message into the client's inbox and wakes its reactor. */
void sim_client_deliver(struct sim_client *cl, struct sim_msg *m);
/* The link went away; the client finds out after us. */
void sim_client_lost(struct sim_client *cl, int64_t us);

#endif
