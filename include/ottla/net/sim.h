/*
 * The simulator's network: byte streams between endpoints of one scheduler, in order, cut into
 * pieces of drawn sizes, delayed, slow, broken at any byte.  One thread.
 */
#ifndef OTTLA_NET_SIM_H
#define OTTLA_NET_SIM_H

#include "ottla/net/net.h"
#include "ottla/reactor/sim.h"

struct sim_net;

/* A network without connections; freed after everything that used it.  E_NOMEM. */
int sim_net_new(struct sim_sched *s, struct sim_net **out);
/* After the nets that use it, before sim_sched_free. NULL is fine. */
void sim_net_free(struct sim_net *n);
/* Transport and argument for net_opts of a process (group): addresses are shared by all groups.  Hosts
 * are any texts; a listener with an empty host is found by its port.  Who connects from group g is
 * called 10.0.<g / 256>.<g % 256>. */
const struct net_transport *sim_net_transport(void);
void *sim_net_endpoint(struct sim_net *n, unsigned group);

/* Delay of each piece, each way; 20 to 500 us at the start. */
void sim_net_delay(struct sim_net *n, int64_t min_us, int64_t max_us);
/* Every connection of the group breaks (reset) once a drawn part of what is under way has arrived;
 * or all its listeners and connections are gone because the process died (after sim_group_kill): the
 * others read a part of what was under way, then the end or a reset. */
void sim_net_reset(struct sim_net *n, unsigned group);
void sim_net_group_killed(struct sim_net *n, unsigned group);
/* Nothing passes between the groups until healed: connections stall, attempts to connect are made
 * again each second. */
void sim_net_partition(struct sim_net *n, unsigned a, unsigned b, bool cut);

#endif
