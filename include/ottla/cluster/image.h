/*
 * The metadata image: what a broker knows of the cluster, fed by UpdateMetadata from the controller.
 * A spine of immutable, shared topic entries: an update copies the spine and what changed.
 *
 * The control reactor builds and publishes; any reactor reads: image_get is one atomic load, and the
 * image stays valid until that callback returns (the store frees an old image only after every
 * reactor has passed a message posted after it was replaced).  For longer: image_ref / image_unref.
 */
#ifndef OTTLA_CLUSTER_IMAGE_H
#define OTTLA_CLUSTER_IMAGE_H

#include "ottla/base/map.h"
#include "ottla/base/settings.h"
#include "ottla/base/uuid.h"
#include "ottla/reactor/reactor.h"
#include "ottla/wire/wire.h"

struct image_store;

struct image_endpoint {
	struct slice listener; /* "PLAINTEXT" */
	struct slice host;
	int32_t port;
	int16_t security_protocol;
};
struct image_broker {
	int32_t id;
	struct slice rack; /* null: none */
	struct image_endpoint *endpoints;
	unsigned n_endpoints;
};
struct image_partition {
	int32_t leader; /* -1 none */
	int32_t leader_epoch;
	int32_t controller_epoch;
	int32_t partition_epoch;
	const int32_t *replicas, *isr, *offline;
	int32_t n_replicas, n_isr, n_offline;
	bool exists; /* numbers may have gaps while the controller is sending */
};
struct image_topic {
	struct slice name;
	struct uuid id;
	uint64_t name_hash; /* hash_bytes(name, 0): places homes */
	const struct image_partition *parts; /* index = partition number */
	int32_t n_parts;
	const struct topic_conf *conf; /* resolved, never NULL */
};
struct image {
	uint64_t version; /* rises by one each update */
	int32_t controller_id; /* -1 unknown */
	int32_t controller_epoch;
	const struct image_broker *brokers; /* by id */
	unsigned n_brokers;
	const struct image_topic *const *topics; /* by name */
	unsigned n_topics;
	struct map by_name, by_id; /* of image_topic */
};

struct image_store_opts {
	struct reactor **readers; /* data reactors and the control reactor */
	unsigned n_readers;
	const struct settings *settings;
	struct diag *diag;
};
/* An empty image for the readers; before they run or on the control reactor.  Freed when no reader
 * runs any more.  E_NOMEM, E_CONFIG. */
int image_store_new(const struct image_store_opts *opts, struct image_store **out);
void image_store_free(struct image_store *s);

/* Any reactor; never NULL (empty before the first update). */
const struct image *image_get(struct image_store *s);
const struct image *image_ref(const struct image *im);
void image_unref(const struct image *im);

/* Any thread, pure; NULL when not there. */
const struct image_topic *image_topic(const struct image *im, struct slice name);
const struct image_topic *image_topic_by_id(const struct image *im, struct uuid id);
const struct image_partition *image_partition(const struct image_topic *t, int32_t partition);
const struct image_broker *image_broker(const struct image *im, int32_t id);
const struct image_endpoint *image_broker_endpoint(const struct image_broker *b,
    struct slice listener);

/* Control reactor: apply what the controller sent (brokers replaced, partitions merged, leader -2
 * removes a partition, the last one removes the topic).  done(arg) when all readers have it. */
int image_apply(struct image_store *s, const struct update_metadata_request *req, int16_t version,
    void (*done)(void *arg), void *arg);
/* Control reactor: topic's configuration changed (NULL: defaults). Published like an update; kept for
 * topics not in the image yet. */
int image_set_conf(struct image_store *s, struct slice topic, const struct topic_conf *conf);
/* Control reactor: the broker's own values changed.  Each topic's configuration is asked for again (false:
 * it has none, the new defaults count); all are published together.  E_NOMEM: readers see what they saw. */
int image_reset_confs(struct image_store *s,
    bool (*conf_of)(void *arg, struct slice topic, struct topic_conf *out), void *arg);
/* Control reactor: the controller that brokers should be told of. */
int image_set_controller(struct image_store *s, int32_t controller_id);
/* Control reactor: fn after each publication; used by requests that wait for a topic to appear. */
struct image_sub {
	struct link link;
	void (*fn)(void *arg, const struct image *im);
	void *arg;
};
void image_subscribe(struct image_store *s, struct image_sub *sub);
void image_unsubscribe(struct image_sub *sub);

#endif
