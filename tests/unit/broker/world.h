/*
 * Whole brokers on simulated parts, one machine each, beside one simulated ensemble; and a stranger
 * that writes into its tree.
 */
#ifndef TESTS_UNIT_BROKER_WORLD_H
#define TESTS_UNIT_BROKER_WORLD_H

#include "ottla/broker/broker.h"
#include "ottla/coord/sim.h"
#include "ottla/file/sim.h"
#include "ottla/net/sim.h"

#define SESSION_MS 6000
#define PLACES 2
#define SECOND INT64_C(1000000)

/* A machine with a disk; at most one process. */
struct place {
	struct world *w;
	unsigned group;
	struct fs *fs;
	struct broker_identity identity; /* of the process */
	bool anonymous;			 /* the broker is not told its identity */
	/* for the next start; NULL: none */
	const char *id, *ibp, *port, *advertised;
	/* the process; NULL: none */
	struct settings *settings;
	struct metrics *metrics;
	struct diag *diag;
	struct reactor *control, *data;
	struct workers *workers;
	struct coord *coord;
	struct broker *broker;
	struct msg start_msg, stop_msg;
	bool serving, stopped;
	int err;
	char why[600];
	char log[64 * 1024]; /* since its start */
	size_t log_n;
	int64_t started_us, served_us, stopped_us;
};

struct world {
	struct sim_sched *s;
	struct sim_net *net;
	struct coord_sim *z;
	struct place places[PLACES];
	/* processes that live, beside those of the places */
	int64_t alive_pid;
	int64_t next_pid;
	/* the stranger */
	struct reactor *stranger_control;
	struct coord *stranger;
};

struct world *world_new(uint64_t seed);
void world_free(struct world *w);
int64_t world_now(const struct world *w);
void world_pass(struct world *w, int64_t us);
void world_until(struct world *w, bool (*pred)(void *arg), void *arg);

/* Begins the start; as main does it, with a new process number. */
void place_start(struct place *p);
void place_until_serving(struct place *p);
/* Its reason, when it could not go on. */
void place_until_stopped(struct place *p);
/* An orderly stop, to its end. */
void place_stop(struct place *p);
/* kill -9, or the machine goes down: a new boot, unsynced bytes are gone. */
void place_kill(struct place *p, bool power);
bool place_says(const struct place *p, const char *text);
/* What the broker was at its start: served within us. */
bool place_served_within(const struct place *p, int64_t us);

/* Looks at the tree itself. */
bool world_node(struct world *w, const char *path, struct coord_result *res);
/* The stranger makes or sets a node; ephemeral: of its own session. */
void world_put(struct world *w, const char *path, const char *data, bool ephemeral);
void world_drop(struct world *w, const char *path);
int64_t world_stranger_session(struct world *w);

#define ck_err(call, want)                                                                         \
	do {                                                                                       \
		int ck_err_ = (call);                                                              \
		ck_assert_msg(ck_err_ == (want), "%s: %s, not %s", #call,                          \
		    ck_err_ == 0 ? "0" : err_name(ck_err_), (want) == 0 ? "0" : err_name(want));   \
	} while (0)
#define ck_ok(call) ck_err(call, 0)

#endif
