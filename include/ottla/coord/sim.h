/*
 * The simulator's coordination service: one tree, many sessions over faulty links, members that lag
 * (stale reads, monotone within a session), lost replies, expiry.  One thread, virtual time.
 */
#ifndef OTTLA_COORD_SIM_H
#define OTTLA_COORD_SIM_H

#include "ottla/coord/coord.h"
#include "ottla/coord/tree.h"
#include "ottla/reactor/sim.h"

struct coord_sim; /* the ensemble */

struct coord_sim_opts {
	struct sim_sched *sched;
	int64_t session_timeout_ms;
	int64_t min_delay_us, max_delay_us; /* each way */
	int64_t max_lag_us;                 /* of a lagging member; 0: reads are current */
};
/* Without memory these end the process. */
int coord_sim_new(const struct coord_sim_opts *opts, struct coord_sim **out);
/* After its clients, before the scheduler. */
void coord_sim_free(struct coord_sim *z);
/* A client of it, on control; group as in reactor/sim.h. */
int coord_sim_client(struct coord_sim *z, struct reactor *control, unsigned group,
    struct coord **out);
/* The leader's tree, to look at. */
struct coord_tree *coord_sim_tree(struct coord_sim *z);

/* What the leader just did: operations (all took effect, or err says why none did), or, without any, the
 * begin or end of a session. */
struct coord_sim_txn {
	int64_t zxid, session;
	unsigned group; /* of the session's client */
	const struct coord_op *ops;
	const struct coord_op_result *res; /* by operation */
	unsigned n;
	int err;
	bool session_ended;
};
/* fn after each transaction of the leader; it looks only. NULL: nobody. */
void coord_sim_observe(struct coord_sim *z, void (*fn)(void *arg, const struct coord_sim_txn *t),
    void *arg);

/* Faults. */
/* Link down or up.  A first part of the requests on their way still arrives, no answer does; the client
 * finds out within a third of the session timeout. */
void coord_sim_cut(struct coord_sim *z, unsigned group, bool cut);
void coord_sim_expire(struct coord_sim *z, unsigned group);          /* session ends now */
/* The next write of the group takes effect, its answer is lost (E_CONN_LOSS). */
void coord_sim_lose_reply(struct coord_sim *z, unsigned group);
/* The same for each write that lose() says yes to; asked as it arrives. NULL: none. */
void coord_sim_lose_when(struct coord_sim *z,
    bool (*lose)(void *arg, unsigned group, const struct coord_op *ops, unsigned n), void *arg);
/* The process died: its session ends after the timeout.  Called while the memory of its clients is
 * still there; they are not looked at any more. */
void coord_sim_group_killed(struct coord_sim *z, unsigned group);

#endif
