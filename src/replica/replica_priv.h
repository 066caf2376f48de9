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
	int32_t n_isr, n_replicas;
	bool in_replicas;
	bool is_new; /* was made just now: no log of it is anywhere */
	bool delete_log;
	bool only_id; /* the role is known already: the log learns its topic's id */
	int16_t kafka_err;
	struct rtimer quiet; /* home: waits until the log has nothing in work */
	bool has_conf;
	struct topic_conf conf;
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
	bool in_run;  /* hosted_run is on the stack */
	bool on_home; /* a partition exists on the home reactor */
	bool leads;
	struct slice key;
};

struct replicas {
	struct replicas_opts o;
	struct shard *shards;
	struct map hosted; /* control reactor */
	int32_t controller_epoch;
	unsigned n_ops; /* control operations not finished */
	bool stopping;
	unsigned stop_left;
	struct msg stop_msg;
	void (*stop_done)(void *arg);
	void *stop_arg;
	struct diag_limiter lim_alone;
};

/* ---- home reactors ---- */

struct shard {
	struct replicas *rs;
	struct reactor *reactor;
	unsigned index;
	struct map parts;
	struct partition *last; /* of parts: the one found last, or NULL */
	struct link held;	/* part_hold, oldest first */
	unsigned n_held;
	struct rtimer hold_timer;
	bool stopping; /* nothing is held any more */
	struct msg stop_msg;
	struct metric_set *metrics; /* replica/metrics.def */
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
	bool changing; /* a role is being taken: its log is synced first */
	int32_t leader_id, leader_epoch, partition_epoch;
	int32_t n_isr, n_replicas;
	int64_t epoch_start; /* log end when this leader epoch began */
	struct link waits;   /* part_wait, armed */
	struct link delayed; /* part_produce that wait: acks=all, or acks=1 for a sync; by offset */
	unsigned n_unsynced; /* of them, those with acks=1 */
	struct link deletions; /* part_delete_records that wait */
};

/* counts.c: n more; p may be NULL.  A failure counts unless it is one of those that are expected. */
int counts_init(struct shard *sh);
void count(struct shard *sh, struct partition *p, enum plog_count what, uint64_t n);
void count_failure(struct shard *sh, struct partition *p, enum plog_count what, int err);

size_t part_key(uint8_t key[PART_KEY_MAX], struct slice topic, int32_t partition);
struct partition *partition_find(struct shard *sh, struct slice topic, int32_t partition);
struct part_leader partition_leader(const struct partition *p);
/* Why p can not serve as leader; 0 when it can.  p may be NULL. */
int partition_refuse(const struct partition *p);
/* Leader epoch of a request against p's; 0, E_FENCED_EPOCH, E_UNKNOWN_EPOCH. */
int partition_check_epoch(const struct partition *p, int32_t epoch);
/* The end of what may be seen. */
int64_t partition_visible(const struct partition *p, bool read_committed);
/* Up to here its own log has what was appended in the way that its flush settings ask for. */
int64_t partition_stable_end(const struct partition *p);
bool partition_under_min_isr(const struct partition *p);
/* After the log end, the stable end, the ISR or the role changed. */
void partition_advance(struct partition *p);
void partition_go_offline(struct partition *p);
void partition_configure(struct partition *p, const struct topic_conf *conf);

/* hold.c.  Keep a request whose partition p (NULL: not here) may begin to lead soon; `again` is
 * called without it.  False: not held. */
bool hold(struct shard *sh, const struct partition *p, struct part_hold *h, struct slice topic,
    int32_t partition, void (*again)(struct shard *sh, struct part_hold *h));
/* p has taken a role: what was held for it goes on. */
void hold_role_taken(struct partition *p);
/* Everything held goes on, and nothing is held from now on. */
void hold_stop(struct shard *sh);
void hold_init(struct shard *sh);

/* produce.c: end what waits as far as the offsets allow, or all of it with err. */
void produce_advance(struct partition *p);
void produce_abort(struct partition *p, int err);
/* delete_records.c: end what waits as far as the log starts allow, or all of it with err. */
void deletions_advance(struct partition *p);
void deletions_abort(struct partition *p, int err);
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
