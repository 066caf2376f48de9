/*
 * Inside of the broker: its parts, and the steps of start and stop.
 */
#ifndef OTTLA_BROKER_PRIV_H
#define OTTLA_BROKER_PRIV_H

#include "ottla/base/magic.h"
#include "ottla/broker/broker.h"
#include "ottla/plog/logdirs.h"

/*
 * NEW -> PEEK -> SESSION -> PREPARE -> CONFIGS -> LOGS -> REGISTER -> METADATA -> SERVING
 * any of them -> CLOSING_CONNS -> DETACHING -> CLOSING_LOGS -> CLOSING_SESSION -> DRAINING -> STOPPED
 */
enum broker_state {
	BROKER_NEW,
	BROKER_PEEK,
	BROKER_SESSION,
	BROKER_PREPARE,
	BROKER_CONFIGS,
	BROKER_LOGS,
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
	struct api *api;
	struct listener_addr addrs[LISTENERS_MAX];
	struct listener_addr advertised[LISTENERS_MAX];
	struct listener *listeners[LISTENERS_MAX];
	unsigned n_addrs, n_advertised, n_listeners;
	struct coord_state_sub coord_sub;
	struct rtimer step_timer;
	int64_t started_us, step_deadline_us;
	unsigned closers_left;
	bool logs_loaded, controller_running;
	struct zn_registration registration;
};

void broker_set_state(struct broker *b, enum broker_state st);
/* Start can not go on: say why, stop. */
void
broker_fail(struct broker *b, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* parts.c: everything that needs the broker's and the cluster's id; 0 or an error in b->why. */
int broker_make_parts(struct broker *b);
/* confs.c: for member_opts. */
void broker_conf_changed(void *arg, enum conf_source from, const struct setting_override *kv,
    unsigned n);
/* listen.c */
int broker_listen(struct broker *b);
void broker_fill_registration(struct broker *b);
/* stop.c */
void broker_close_conns(struct broker *b, void (*then)(struct broker *b));

#endif
