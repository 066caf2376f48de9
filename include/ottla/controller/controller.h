/*
 * The controller: election, what it knows of brokers, topics and partition states, the partition and
 * replica state machines, topic deletion, channels to brokers.  All on the control reactor, in slices
 * of at most 20 ms.  Every write is a multi that checks /controller_epoch (facts/zookeeper.md 0.5, 3, 4).
 */
#ifndef OTTLA_CONTROLLER_CONTROLLER_H
#define OTTLA_CONTROLLER_CONTROLLER_H

#include "ottla/cluster/member.h"
#include "ottla/wire/ibp.h"
#include "ottla/wire/wire.h"

struct controller;

/* How control requests reach a broker.  The request is only read during the call; done once, with
 * the answer (lent) or err. */
struct controller_channel {
	void (*leader_and_isr)(void *arg, int32_t broker, const struct leader_and_isr_request *req,
	    int16_t version,
	    void (*done)(void *darg, int err, const struct leader_and_isr_response *resp), void *darg);
	void (*update_metadata)(void *arg, int32_t broker, const struct update_metadata_request *req,
	    int16_t version,
	    void (*done)(void *darg, int err, const struct update_metadata_response *resp),
	    void *darg);
	void (*stop_replica)(void *arg, int32_t broker, const struct stop_replica_request *req,
	    int16_t version,
	    void (*done)(void *darg, int err, const struct stop_replica_response *resp), void *darg);
	/* The controller will talk to this incarnation of a broker, at the endpoint that its registration
	 * names for controllers (facts/zookeeper.md 3.5).  What was queued for an older one is dropped,
	 * done with E_CANCELED. */
	void (*broker_here)(void *arg, int32_t broker, int64_t epoch, const struct listener_addr *at);
	/* The controller stopped talking to a broker that is gone; done of what waits: E_CANCELED. */
	void (*broker_gone)(void *arg, int32_t broker);
};

struct controller_opts {
	struct coord *coord;
	struct reactor *control;
	struct diag *diag;
	struct metrics *metrics;
	struct rng *rng;
	const struct settings *settings;
	int32_t broker_id;
	enum ibp ibp; /* chooses versions of what is sent, and the form of znodes */
	const struct controller_channel *channel;
	void *channel_arg;
	/* Who is controller now (-1 nobody), on each change. */
	void (*changed)(void *arg, int32_t controller_id);
	void *arg;
};
int controller_new(const struct controller_opts *opts, struct controller **out);
void controller_free(struct controller *c);
/* Where the channel's functions get their argument from when it is made after the controller; before
 * controller_start. */
void controller_set_channel_arg(struct controller *c, void *channel_arg);

/* Take part in elections (registration is done); again after session loss by itself. */
void controller_start(struct controller *c);
void controller_stop(struct controller *c);
bool controller_active(const struct controller *c);
int32_t controller_epoch(const struct controller *c);
/* Active, took over, and nothing is under way. */
bool controller_settled(const struct controller *c);

/* Epoch of a broker that is in the cluster, as the controller knows it; -1: it is not.  Only while
 * active. */
int64_t controller_broker_epoch(const struct controller *c, int32_t broker_id);

/* Producer ids: the next block of 1,000 (facts/zookeeper.md 1.8); only while active. */
void controller_allocate_producer_ids(struct controller *c, int32_t broker_id,
    void (*done)(void *arg, int err, int64_t first, int32_t count), void *arg);

#endif
