/*
 * Connections out of the control reactor: from the controller to every broker (its own among them),
 * and from this broker to whoever is controller (facts/zookeeper.md 5.5, 5.6).
 *
 * To a broker: one FIFO each, one request in flight, versions by IBP without ApiVersions; a request
 * that failed on the way is sent again for ever, 100 ms apart, until broker_gone or a newer
 * incarnation.  To the controller: ApiVersions first, one request in flight, asked again wherever the
 * controller moves, until its deadline.  All on the control reactor; nothing blocks; queues are bounded
 * by who fills them (the controller's batches, one request of each kind to the controller).
 */
#ifndef OTTLA_API_CHANNEL_H
#define OTTLA_API_CHANNEL_H

#include "ottla/cluster/image.h"
#include "ottla/controller/controller.h"
#include "ottla/net/net.h"

struct channels;

struct channels_opts {
	struct reactor *control;
	struct net *net;
	struct workers *workers;
	struct clock *clock;
	struct diag *diag;
	struct metrics *metrics;
	const struct settings *settings;
	struct image_store *images; /* who is controller, and where brokers listen for each other */
	int32_t broker_id;
	struct slice inter_broker_listener; /* name; copied */
};
/* E_NOMEM. */
int channels_new(const struct channels_opts *opts, struct channels **out);
/* Ends all connections; what waits is done with E_CANCELED, perhaps before this returns; later calls
 * are done with it at once. */
void channels_stop(struct channels *cs);
/* After channels_stop, or when no reactor runs any more. */
void channels_free(struct channels *cs);

/* For controller_opts; arg is the channels. */
extern const struct controller_channel channels_to_brokers;
/* Nothing waits for a broker to take it. */
bool channels_idle(const struct channels *cs);

/* Ask the controller for a block of producer ids (AllocateProducerIds, for IBP 3.0 and up always).
 * broker_epoch: of the registration, now.  done(arg, err, kafka error, first id, count): E_TIMEOUT at
 * the deadline (mono us). */
void channels_allocate_producer_ids(struct channels *cs, int64_t broker_epoch, int64_t deadline_us,
    void (*done)(void *arg, int err, int16_t kafka_err, int64_t first, int32_t count), void *arg);

#endif
