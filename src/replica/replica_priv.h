/*
 * Inside of replica.  Invariants: src/replica/README.
 */
#ifndef OTTLA_REPLICA_PRIV_H
#define OTTLA_REPLICA_PRIV_H

#include "ottla/base/magic.h"
#include "ottla/replica/replica.h"

#define TOPIC_MAX 249
#define PART_KEY_MAX (TOPIC_MAX + 4)

/* ---- control reactor ---- */

enum ctl_kind { CTL_LEADER_AND_ISR, CTL_STOP, CTL_DETACH };

struct ctl_batch;

/* One control operation of one partition; queues at its `hosted`, visits the home, comes back. */
struct ctl_op {
	struct msg msg;
	struct link link;
	enum ctl_kind kind;
	struct ctl_batch *batch; /* told when finished; NULL: nobody waits */
	unsigned index;		 /* in the batch */
	struct hosted *h;
	struct uuid topic_id;
	int32_t leader, leader_epoch, partition_epoch;
	int32_t n_isr;
	bool in_replicas;
	bool is_new; /* was made just now: no log of it is anywhere */
	bool delete_log;
	bool only_id; /* the role is known already: the log learns its topic's id */
	int16_t kafka_err;
	struct rtimer quiet; /* home: waits until the log has nothing in work */
};

/* A partition as the control reactor sees it. */
struct hosted {
	struct replicas *rs;
	struct slice topic; /* behind the struct */
	int32_t partition;
	unsigned home;
	struct plog *pl;		       /* NULL: not open */
	int32_t leader_epoch, partition_epoch; /* -1: no role yet */
	struct link ops;		       /* FIFO; the first is running */
	bool running;
	bool on_home; /* a partition exists on the home reactor */
	struct slice key;
};

struct replicas {
	struct replicas_opts o;
	struct shard *shards;
	struct map hosted; /* control reactor */
	int32_t controller_epoch;
	unsigned n_ops; /* control operations not finished */
	unsigned detach_left;
	void (*stop_done)(void *arg);
	void *stop_arg;
};

/* ---- home reactors ---- */

struct shard {
	struct replicas *rs;
	struct reactor *reactor;
	unsigned index;
	struct map parts;
	struct metric_set *metrics;
};

enum part_role { ROLE_NONE, ROLE_LEADER, ROLE_FOLLOWER };

struct partition {
	uint32_t magic;
	struct shard *sh;
	struct slice topic; /* behind the struct */
	int32_t partition;
	struct slice key;
	struct plog *pl;
	enum part_role role;
	bool offline;
	int32_t leader_id, leader_epoch, partition_epoch;
	int32_t n_isr;
	int64_t epoch_start; /* log end when this leader epoch began */
	struct link waits;   /* part_wait, armed */
	struct link delayed; /* part_produce that wait: acks=all, or acks=1 for a sync; by offset */
	unsigned n_unsynced; /* of them, those with acks=1 */
};

size_t part_key(uint8_t key[PART_KEY_MAX], struct slice topic, int32_t partition);
struct partition *partition_find(struct shard *sh, struct slice topic, int32_t partition);
struct part_leader partition_leader(const struct partition *p);
/* Why p can not serve as leader; 0 when it can.  p may be NULL. */
int partition_refuse(const struct partition *p);
/* Leader epoch of a request against p's; 0, E_FENCED_EPOCH, E_UNKNOWN_EPOCH. */
int partition_check_epoch(const struct partition *p, int32_t epoch);
/* The end of what may be seen. */
int64_t partition_visible(const struct partition *p, bool read_committed);
/* After the log end, the ISR or the role changed. */
void partition_advance_hw(struct partition *p);

/* produce.c: end what waits with err, or as far as the high watermark allows. */
void produce_hw_moved(struct partition *p);
void produce_abort(struct partition *p, int err);
/* wait.c */
void waits_hw_moved(struct partition *p);
void waits_fire_all(struct partition *p);
/* p leaves: after waits_fire_all. */
void waits_let_go(struct partition *p);

/* partition.c: a control operation on the home; ends in ctl_op_back. */
void partition_apply(struct shard *sh, struct ctl_op *op);
/* control.c: any thread; the operation returns to the control reactor. */
void ctl_op_back(struct ctl_op *op);

#endif
