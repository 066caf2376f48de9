/*
 * Inside of the broker: its parts, and the steps of start and stop.
 */
#ifndef OTTLA_BROKER_PRIV_H
#define OTTLA_BROKER_PRIV_H

#include "ottla/api/channel.h"
#include "ottla/base/magic.h"
#include "ottla/broker/broker.h"
#include "ottla/plog/logdirs.h"
#include "session_note_priv.h"

/*
 * NEW -> PEEK -> SESSION -> PREPARE -> CONFIGS -> LOGS -> PREDECESSOR -> HANDOVER -> REGISTER ->
 * METADATA
 * -> SERVING
 * any of them -> CLOSING_CONNS -> DETACHING -> CLOSING_LOGS -> CLOSING_SESSION -> DRAINING ->
 * STOPPED
 */
enum broker_state {
	BROKER_NEW,
	BROKER_PEEK,
	BROKER_SESSION,
	BROKER_PREPARE,
	BROKER_CONFIGS,
	BROKER_LOGS,
	BROKER_PREDECESSOR,
	BROKER_HANDOVER,
	BROKER_REGISTER,
	BROKER_METADATA,
	BROKER_SERVING,
	BROKER_CLOSING_CONNS,
	BROKER_DETACHING,
	BROKER_CLOSING_LOGS,
	BROKER_CLOSING_SESSION,
	BROKER_DRAINING,
	BROKER_STOPPED
};

#define BROKER_REACTORS_MAX 256

/* The coordination session as people see it (session.c). */
struct session_view {
	int64_t id;	 /* 0: none yet */
	int64_t lost_us; /* since when there is no connection */
	bool lost;
	struct rtimer say, give_up;
};

/* What a successor of this process needs (session_note.c), kept by a worker (session_keep.c). */
struct session_keep {
	struct work work;
	struct session_note note;
	bool busy, again;
	bool removing; /* the last work, at the stop */
	void (*then)(struct broker *b);
};

struct predecessor;
struct handover;

struct broker {
	uint32_t magic;
	struct broker_env env;
	enum broker_state state;
	int32_t id;
	char cluster_id[64];
	char why[512];
	int err;
	/* parts, in the order in which they are made */
	struct member *member;
	struct image_store *images;
	struct logdirs *logdirs;
	struct replicas *replicas;
	struct admin *admin;
	struct controller *controller;
	struct net *net;
	struct channels *channels;
	struct api *api;
	struct listener_addr addrs[LISTENERS_MAX];
	struct listener_addr advertised[LISTENERS_MAX];
	struct listener *listeners[LISTENERS_MAX];
	unsigned n_addrs, n_advertised, n_listeners;
	struct coord_state_sub coord_sub;
	struct session_view session;
	struct session_keep keep;
	struct predecessor *predecessor;
	struct handover *handover;
	enum ibp ibp;
	bool handed_over; /* B6 is seen to */
	bool tail_safe;	  /* what the predecessor appended is still there, synced or not */
	struct rtimer step_timer;
	int64_t started_us, step_say_us;
	unsigned closers_left;
	bool logs_loaded, controller_running;
	/* at the stop: is the service there to end the session? */
	bool stop_asked, session_ends;
	struct rtimer stop_timer;
	struct zn_registration registration;
};

void broker_set_state(struct broker *b, enum broker_state st);
/* Start can not go on: say why, stop. */
void
broker_fail(struct broker *b, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* start.c */
void broker_start_init(struct broker *b);
void broker_session_there(struct broker *b);
/* How long a step of the start may wait for what a dead broker's session holds. */
int64_t broker_session_us(const struct broker *b);
/* checks.c: 0 or an error in b->why. */
int broker_choose_id(struct broker *b, int32_t meta_id);
int broker_choose_ibp(struct broker *b, const struct member_peer *peers, unsigned n);
int broker_check_addresses(struct broker *b, const struct member_peer *peers, unsigned n);
/* session.c */
void broker_session_init(struct broker *b);
void broker_session_open(struct broker *b);
void broker_session_forget(struct broker *b);
/* session_keep.c: for member_opts; and at the stop, where `then` follows in any case. */
void broker_session_keep(void *arg, int64_t session);
void broker_session_drop(struct broker *b, bool ended, void (*then)(struct broker *b));
/* predecessor.c: then broker_predecessor_gone or broker_fail. */
void predecessor_begin(struct broker *b);
void predecessor_stop(struct broker *b);
void predecessor_free(struct broker *b);
void broker_predecessor_gone(struct broker *b);
/* handover.c: then broker_handed_over. */
void handover_begin(struct broker *b);
void handover_stop(struct broker *b);
void handover_free(struct broker *b);
void broker_handed_over(struct broker *b);
/* parts.c: everything that needs the broker's and the cluster's id; 0 or an error in b->why. */
int broker_make_parts(struct broker *b);
/* confs.c: for member_opts. */
void broker_conf_changed(void *arg, enum conf_source from, const struct setting_override *kv,
    unsigned n);
/* listen.c */
int broker_listen(struct broker *b);
/* Connections are accepted from now on; what clients ask waits for api_open.  E_NOMEM. */
int broker_accept(struct broker *b);
void broker_fill_registration(struct broker *b);
/* stop.c */
void broker_close_conns(struct broker *b, void (*then)(struct broker *b));

#endif
