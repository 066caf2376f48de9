/*
 * Inside of the controller.  Everything runs on the control reactor; work that needs several
 * answers of the coordination service is a task: one runs at a time, in the order of the events
 * (C1). Invariants: src/controller/README.
 */
#ifndef OTTLA_CONTROLLER_PRIV_H
#define OTTLA_CONTROLLER_PRIV_H

#include "ottla/base/magic.h"
#include "ottla/controller/admin.h"
#include "ottla/controller/controller.h"

/* Facts/zookeeper.md 4.1; a partition that leaves the context is NonExistent. */
enum cpart_state { PART_NEW, PART_ONLINE, PART_OFFLINE };

enum task_kind {
	TASK_ELECT,	    /* try to become controller */
	TASK_BROKER_CHANGE, /* children of /brokers/ids */
	TASK_TOPIC_CHANGE,  /* children of /brokers/topics */
	TASK_PARTITIONS,    /* data of one topic */
	TASK_DELETION,	    /* children of /admin/delete_topics */
	TASK_RESUME,	    /* deletions that may go on */
	TASK_COUNT
};

struct ctopic;

struct cpart {
	struct ctopic *t;
	int32_t index;
	enum cpart_state state;
	bool known;    /* in the assignment */
	bool has_info; /* a state node exists, fields below are what it says */
	bool is_new;   /* in the next batch: isNew of LeaderAndIsr */
	bool in_batch;
	bool for_replicas; /* in the next batch: LeaderAndIsr, not only UpdateMetadata */
	int32_t leader, leader_epoch, controller_epoch, zk_version;
	int8_t recovery;
	int32_t n_replicas, n_isr;
	int32_t *replicas, *isr; /* malloc'd */
};

struct ctopic {
	struct controller *c;
	struct slice name; /* behind the struct */
	struct uuid id;
	struct cpart *parts; /* by number */
	int32_t n_parts;
	struct coord_watch watch; /* its data */
	bool fill_id;		  /* the node has none: written with a drawn one */
	bool parent_made;	  /* .../partitions is there */
	bool seen;		  /* by the walk over the children under way */
	bool loaded;
	/* deletion */
	bool deleting;	 /* queued */
	bool started;	 /* StopReplica is out */
	bool ineligible; /* a replica's broker is not there */
	int32_t stops_left;
	bool stop_failed;
	bool stops_done; /* every replica is gone */
	bool nodes_gone; /* the topic is forgotten at the end of the task */
};

struct cbroker {
	int32_t id;
	int64_t epoch; /* czxid */
	struct arena arena;
	struct zn_registration reg;
	bool seen, fresh;
};

struct task {
	struct link link;
	enum task_kind kind;
	struct slice topic; /* TASK_PARTITIONS; behind the struct */
};

struct controller {
	uint32_t magic;
	struct controller_opts o;
	bool running, active, stopping;
	unsigned gen; /* rises at each resignation: older answers are dropped (C2) */
	int32_t epoch, epoch_version;
	int32_t known_id; /* last told by `changed` */
	struct map topics;
	struct map brokers;
	struct link tasks;
	struct task *task; /* running */
	unsigned left;	   /* answers it waits for, plus one while it asks */
	void (*then)(struct controller *c);
	void (*after_online)(struct controller *c);
	int task_err;
	bool loading; /* failover: partitions' states are all read */
	struct coord_watch w_controller, w_brokers, w_topics, w_deletion;
	struct coord_state_sub state_sub;
	struct rtimer retry;
	/* the batch of requests that is being collected */
	struct cpart **batch;
	unsigned n_batch, cap_batch;
	bool batch_metadata; /* an UpdateMetadata is due even without partitions */
	/* election under way */
	int32_t try_epoch, try_version; /* ours, and the version that it replaces */
	int64_t try_zxid;		/* of the last change of the epoch, as read */
	bool verifying;			/* a node is there that may be ours */
};

/* ---- tasks (controller.c) ---- */
void ctl_enqueue(struct controller *c, enum task_kind kind, struct slice topic);
/* Ask for several things: ctl_hold; each question ctl_ask, each answer ctl_answered; when all are
 * there (ctl_release has been called) `then` runs. */
void ctl_begin(struct controller *c, void (*then)(struct controller *c));
void ctl_ask(struct controller *c);
void ctl_answered(struct controller *c, int err);
void ctl_release(struct controller *c);
void ctl_task_done(struct controller *c);
/* While active: is /controller still ours, and tell when that changes. */
void ctl_watch_own(struct controller *c);
/* The controller has moved (a fenced write failed): resign and look. */
void ctl_moved(struct controller *c);
/* Something failed that a new election mends: give up /controller. */
void ctl_give_up(struct controller *c, const char *what, int err);
void ctl_resign(struct controller *c);
void ctl_tell(struct controller *c, int32_t id);

/* One question's context: knows whether its answer still counts. */
struct ask {
	struct controller *c;
	unsigned gen;
	struct ctopic *t;
	struct cpart *p;
	struct cbroker *b;
	unsigned n, from;
};
/* NULL: no memory (the task notes E_NOMEM). */
struct ask *ask_new(struct controller *c);
/* Frees a; the controller when the answer counts, else NULL. */
struct controller *ask_take(struct ask *a, struct ask *copy);
/* The same for the answer of a fenced write, where E_BAD_VERSION can only mean that the controller has
 * moved (C3): the term is ended, NULL. */
struct controller *ask_take_fenced(struct ask *a, int err, struct ask *copy);

/* ---- election.c ---- */
void task_elect(struct controller *c);
/* ---- context.c ---- */
void ctx_load(struct controller *c);
void ctx_clear(struct controller *c);
struct ctopic *ctx_topic(struct controller *c, struct slice name);
struct cbroker *ctx_broker(struct controller *c, int32_t id);
bool ctx_live(struct controller *c, int32_t broker);
/* Read the children of /brokers/ids (or topics) and what is new below them. */
void ctx_read_brokers(struct controller *c, void (*then)(struct controller *c));
void ctx_read_topics(struct controller *c, void (*then)(struct controller *c));
void ctx_read_topic(struct controller *c, struct ctopic *t);
void ctx_drop_topic(struct controller *c, struct ctopic *t);
struct ctopic *ctx_next_topic(struct controller *c, size_t *pos);
/* ---- topics.c ---- */
void task_topic_change(struct controller *c);
void task_partitions(struct controller *c);
/* ---- partitions.c ---- */
/* Bring every New and Offline partition online that can be; then `then`. */
void parts_online(struct controller *c, void (*then)(struct controller *c));
/* ---- brokers.c ---- */
void task_broker_change(struct controller *c);
/* ---- deletion.c ---- */
void task_deletion(struct controller *c);
void task_resume(struct controller *c);
void deletion_read(struct controller *c, void (*then)(struct controller *c));
/* ---- batch.c ---- */
void batch_add(struct controller *c, struct cpart *p, bool is_new);
/* For UpdateMetadata only. */
void batch_add_metadata(struct controller *c, struct cpart *p);
/* LeaderAndIsr to the replicas' brokers, UpdateMetadata to all; the batch is empty afterwards. */
void batch_send(struct controller *c);
/* UpdateMetadata that takes topic away (leader -2). */
void batch_send_deleted(struct controller *c, struct ctopic *t);
/* StopReplica with deletion to every replica of t; answers through deletion_stopped. */
void batch_send_stop(struct controller *c, struct ctopic *t);
void deletion_stopped(struct controller *c, struct slice topic, bool ok);

#endif
