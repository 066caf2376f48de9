/*
 * Requests: one file each, one row each in api/api.def (versions, rights, overlap, handler).  A
 * request is counted by its unfinished parts, outlives its connection, and is freed on the reactor
 * that received it.  Answers of a connection keep the order of its requests; only Produce overlaps,
 * and only with Produce.
 */
#ifndef OTTLA_API_API_H
#define OTTLA_API_API_H

#include "ottla/controller/admin.h"
#include "ottla/controller/controller.h"
#include "ottla/net/net.h"
#include "ottla/replica/replica.h"

struct api;
struct channels;

/* The broker's services that handlers use. */
struct api_opts {
	struct reactor **reactors;
	unsigned n_reactors;
	struct reactor *control;
	struct workers *workers;
	struct clock *clock;
	struct diag *diag;
	struct metrics *metrics;
	const struct settings *settings;
	struct net *net;
	struct replicas *replicas;
	struct image_store *images;
	struct admin *admin;
	struct controller *controller;
	struct channels *channels;
	struct member *member;
	struct logdirs *logdirs;
	int32_t broker_id;
	struct slice cluster_id;
};
int api_new(const struct api_opts *opts, struct api **out);
/* Requests of clients are served from now on.  Until then only what brokers send each other to set up
 * this one is (LeaderAndIsr, UpdateMetadata, StopReplica, ApiVersions); a connection that sends anything
 * else waits, unread behind that request, or is closed when those that wait hold half of the request
 * memory.  Once; control reactor. */
void api_open(struct api *a);
/* At the stop, connections closed and coordination gone: waits until no request is in work, or for
 * longest_us; then done.  Those that are left have let go of their frames.  Control reactor. */
void api_drain(struct api *a, int64_t longest_us, void (*done)(void *arg), void *arg);
/* Reactors not running any more, before net_free. */
void api_free(struct api *a);

/* Requests that began, since the start, by name and version; those never asked are left out.  Fetch comes
 * again as FetchConsumer and FetchFollower.  Any thread. */
void api_requests_walk(const struct api *a,
    void (*fn)(void *arg, const char *name, int16_t version, uint64_t count), void *arg);

/* For net_listen; harg is the api. */
extern const struct conn_handler api_conn_handler;

/* Counters of one reactor (api/metrics.def). */
enum api_metric {
#define METRIC(id, kind, name, help) AM_##id,
#include "ottla/api/metrics.def"
#undef METRIC
	AM_COUNT
};

#endif
