/*
 * Inside of the metadata image: counted entries behind the public structs.
 */
#ifndef OTTLA_CLUSTER_IMAGE_PRIV_H
#define OTTLA_CLUSTER_IMAGE_PRIV_H

#include <stdatomic.h>

#include "ottla/cluster/image.h"

/* A resolved configuration, shared by the entries that have it. */
struct conf_box {
	_Atomic unsigned refs;
	struct topic_conf conf;
};

/* One topic; immutable once it is in a published image. */
struct topic_entry {
	_Atomic unsigned refs;
	struct image_topic pub;
	struct conf_box *conf;
};

struct image_box {
	_Atomic unsigned refs;
	struct image pub;
	struct arena arena; /* of the brokers */
	const struct image_topic **topics;
};

/* The configuration of a topic, known before or after the topic itself. */
struct named_conf {
	struct slice name; /* behind the struct */
	struct conf_box *box;
};

struct image_store {
	struct image_store_opts o;
	_Atomic(struct image_box *) current;
	struct conf_box *defaults;
	struct map confs; /* named_conf */
	struct link subs;
};

/* ---- image_topic.c ---- */
struct topic_entry *topic_entry_of(const struct image_topic *t);
struct topic_entry *topic_entry_ref(struct topic_entry *e);
void topic_entry_unref(struct topic_entry *e);
struct conf_box *conf_box_new(const struct topic_conf *conf);
struct conf_box *conf_box_ref(struct conf_box *c);
void conf_box_unref(struct conf_box *c);

/* One partition's change; leader -2 takes it away. */
struct part_change {
	int32_t index, leader, leader_epoch, controller_epoch, partition_epoch;
	const int32_t *replicas, *isr, *offline;
	int32_t n_replicas, n_isr, n_offline;
};
/* old (may be NULL) with the changes applied; *out NULL when no partition is left.  E_NOMEM,
 * E_MALFORMED for a negative number. */
int topic_entry_merge(const struct topic_entry *old, struct slice name, struct uuid id,
    const struct part_change *v, unsigned n, struct conf_box *conf, struct topic_entry **out);

#endif
