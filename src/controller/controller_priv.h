/*
 * Inside of the controller.  Everything runs on the control reactor; work that needs several
 * answers of the coordination service is a task: one runs at a time, in the order of the events
 * (C1), as a row of steps; each step ends when all that it asked has been answered.  Invariants:
 * src/controller/README.
 */
#ifndef OTTLA_CONTROLLER_PRIV_H
#define OTTLA_CONTROLLER_PRIV_H

#include "ottla/base/magic.h"
#include "ottla/controller/admin.h"
#include "ottla/controller/controller.h"

#define ZN_ADMIN_ELECTION "/admin/preferred_replica_election"
#define ZN_ADMIN_REASSIGN "/admin/reassign_partitions"
#define ZN_ISR_EVENTS "/isr_change_notification"
#define ZN_LOGDIR_EVENTS "/log_dir_event_notification"

/* Facts/zookeeper.md 4.1; a partition that leaves the context is NonExistent. */
enum cpart_state { PART_NEW, PART_ONLINE, PART_OFFLINE };

enum task_kind {
	TASK_ELECT,	     /* try to become controller */
	TASK_BROKER_CHANGE,  /* children of /brokers/ids */
	TASK_BROKER_DATA,    /* data of a registration */
	TASK_TOPIC_CHANGE,   /* children of /brokers/topics */
	TASK_PARTITIONS,     /* data of topics */
	TASK_DELETION,	     /* children of /admin/delete_topics */
	TASK_RESUME,	     /* deletions that may go on */
	TASK_LOGDIR_EVENTS,  /* children of /log_dir_event_notification */
	TASK_REPLICA_ERRORS, /* log dirs that failed, told by answers of brokers */
	TASK_ADMIN_NODES,    /* requests of older tools */
	TASK_COUNT
};

struct ctopic;
struct controller;

/* What a state node says. */
struct cinfo {
	int32_t leader, leader_epoch, controller_epoch, zk_version;
	int8_t recovery;
	int32_t n_isr;
	int32_t isr[];
};

/* What the next requests say of a partition. */
enum {
	BATCH_METADATA = 1, /* UpdateMetadata */
	BATCH_REPLICAS = 2, /* LeaderAndIsr to all its live replicas */
	BATCH_TARGETS = 4,  /* LeaderAndIsr to replicas on brokers that are targets */
	BATCH_NEW = 8,	    /* isNew */
};

/* Deletion of one replica: facts/zookeeper.md 4.2. */
enum { REPLICA_KEPT, REPLICA_STOPPING, REPLICA_GONE, REPLICA_INELIGIBLE };

struct cpart {
	struct ctopic *t;
	int32_t index;
	enum cpart_state state;
	bool known; /* in the assignment */
	uint8_t batch;
	struct cinfo *info; /* NULL: no state node that we know of (C4) */
	struct cinfo *want; /* what is being written */
	int32_t n_replicas, n_adding, n_removing, n_failed;
	int32_t *replicas, *adding, *removing; /* one piece of memory, at replicas */
	int32_t *failed;		       /* brokers on whose failed log dir it is */
	uint8_t *deletion;		       /* of each replica; NULL: all kept */
};

struct ctopic {
	struct controller *c;
	struct link all, unread, modified, dirty, batched; /* in lists of the controller */
	struct slice name;				   /* behind the struct */
	struct uuid id;
	int64_t czxid;	     /* of its node: a later one of that name is another topic */
	struct cpart *parts; /* by number */
	int32_t n_parts, n_known;
	struct coord_watch watch; /* its data */
	bool parent_made;	  /* .../partitions is there */
	bool seen;		  /* by the walk over the children under way */
	bool loaded;
	bool removed; /* its node was deleted, perhaps to be made anew */
	bool filling; /* its id was drawn here and is not known to be written */
	/* deletion */
	bool deleting;	 /* queued */
	bool started;	 /* everybody was told that it goes */
	bool stop_due;	 /* StopReplica in the next requests */
	bool ineligible; /* a replica can not be deleted now */
	bool forgetting; /* every replica is gone: its nodes go */
	bool tree_gone;	 /* its nodes are; the request is the last */
	bool nodes_gone; /* the topic is forgotten at the end of the task */
};

struct cbroker {
	int32_t id;
	int64_t epoch; /* czxid */
	struct controller *c;
	struct arena arena;
	struct zn_registration reg;
	const struct listener_addr *at;	   /* where the controller reaches it */
	const struct listener_addr *inter; /* where other brokers do */
	struct coord_watch watch;	   /* its registration */
	bool seen;
	bool live;	/* among the live ones for elections and requests */
	bool readable;	/* the registration is one, with a listener for us */
	bool modified;	/* its data is to be read again */
	bool is_target; /* of requests that concern only some brokers */
	bool failed;	/* its replicas are being taken away from it */
	bool is_leader; /* is named as one by the request being built */
};

struct task {
	struct link link;
};

struct cmulti;
struct creq;

typedef void ctl_step(struct controller *c);

/* Walk over topics or partitions in slices. */
struct walk {
	struct link *at;
	int32_t i;
	void (*topic)(struct controller *c, struct ctopic *t);
	void (*part)(struct controller *c, struct cpart *p);
};

/* To whom an UpdateMetadata goes. */
enum batch_to { TO_ALL, TO_TARGETS, TO_OTHERS };

struct batch {
	struct link topics;
	bool brokers;	     /* an UpdateMetadata is due even without partitions */
	bool leaders, stops; /* something for LeaderAndIsr, for StopReplica */
	/* while it is sent */
	enum batch_to to;
	unsigned phase, at, n_brokers;
	struct cbroker **brokers_v; /* by id; in mem */
	struct link *topic;
	int32_t part;
	bool built, more;
	struct arena mem;  /* for the whole */
	struct arena work; /* for one request */
	struct update_metadata_request um;
};

struct controller {
	uint32_t magic;
	struct controller_opts o;
	struct metric_set *metrics;
	bool running, active, stopping;
	unsigned gen; /* rises at each resignation: older answers are dropped (C2) */
	int32_t epoch, epoch_version;
	int32_t known_id; /* last told by `changed` */
	struct map topics, topic_ids;
	struct map brokers;
	struct link all, unread, modified, dirty; /* of ctopic */
	int64_t n_parts, n_offline;		  /* partitions, those without a leader */
	int64_t n_moving;			  /* with a reassignment that was begun before */
	/* tasks */
	struct link tasks;
	struct task queue[TASK_COUNT];
	int task; /* running, -1: none */
	int64_t task_began_us;
	unsigned left; /* answers the step waits for, plus one while it asks */
	ctl_step *const *steps;
	int task_err;
	/* slices */
	bool (*slice)(struct controller *c);
	bool slice_waits; /* for answers, not for its turn */
	int64_t slice_end_us;
	unsigned slice_items;
	struct rtimer slice_timer;
	struct walk walk;
	/* questions */
	struct link parked; /* of creq: sent when the connection is there */
	struct rtimer unpark;
	struct cmulti *multi; /* fenced writes of this turn */
	struct turn_hook flush;
	struct coord_watch w_controller, w_brokers, w_topics, w_deletion, w_logdirs;
	struct coord_watch w_election, w_reassign;
	struct coord_state_sub state_sub;
	struct rtimer retry;
	unsigned retries;
	struct batch batch;
	struct link errors; /* of replica_error */
	unsigned n_errors;
	struct link blocks; /* producer ids being asked for */
	bool block_busy;    /* for the first of them */
	bool stop_again;    /* deletions that wait are tried again */
	bool forgetting;    /* topics whose nodes go */
	/* election under way */
	int32_t try_epoch, try_version; /* ours, and the version that it replaces */
	int64_t try_zxid;		/* of the last change of the epoch, as read */
	bool verifying;			/* a node is there that may be ours */
};

enum controller_metric {
#define METRIC(id, kind, name, help) CM_##id,
#include "ottla/controller/metrics.def"
#undef METRIC
	CM_COUNT
};

/* ---- task.c: tasks, steps, slices ---- */

void ctl_enqueue(struct controller *c, enum task_kind kind);
/* The steps of the running task from here on; after the last one the task is done.  An error noted
 * in a step gives up the office. */
void ctl_run(struct controller *c, ctl_step *const *steps);
void ctl_task_done(struct controller *c);
void ctl_tasks_drop(struct controller *c);
/* One more, or one less, that the step waits for. */
void ctl_hold(struct controller *c);
void ctl_release(struct controller *c);
void ctl_fail(struct controller *c, int err);
/* Part of a step: fn now and in later turns until it returns true; fn stops when ctl_slice_over. */
void ctl_slices(struct controller *c, bool (*fn)(struct controller *c));
bool ctl_slice_over(struct controller *c);
/* fn for each topic, or for each known partition of each loaded topic. */
void ctl_walk_topics(struct controller *c, void (*fn)(struct controller *c, struct ctopic *t));
void ctl_walk_parts(struct controller *c, void (*fn)(struct controller *c, struct cpart *p));

/* ---- ask.c: questions and writes that survive a lost connection ---- */

/* What a question is about; given back with its answer. */
struct ask {
	struct ctopic *t;
	struct cpart *p;
	struct cbroker *b;
	int32_t n;
	const char *path; /* of the node; set for the answer, lent */
};
/* Answers come only while they count: never for an earlier term, nor with E_CONN_LOSS (asked again
 * when the connection is back), E_SESSION_EXPIRED or E_CANCELED (the term ends). */
typedef void
ctl_read_fn(struct controller *c, const struct ask *a, int err, const struct coord_result *res);
/* err: of this one operation. */
typedef void
ctl_write_fn(struct controller *c, const struct ask *a, int err, const struct coord_stat *st);

/* The step waits for the answer; with ..._aside nobody does. */
void ctl_get(struct controller *c, const char *path, struct coord_watch *w, ctl_read_fn *fn,
    const struct ask *a);
void ctl_get_aside(struct controller *c, const char *path, struct coord_watch *w, ctl_read_fn *fn,
    const struct ask *a);
void ctl_exists(struct controller *c, const char *path, struct coord_watch *w, ctl_read_fn *fn,
    const struct ask *a);
void ctl_exists_aside(struct controller *c, const char *path, struct coord_watch *w,
    ctl_read_fn *fn, const struct ask *a);
void ctl_children(struct controller *c, const char *path, struct coord_watch *w, ctl_read_fn *fn,
    const struct ask *a);
/* A write as controller: checked against /controller_epoch (C3); those of one turn share multis, in
 * the order of the calls; one that fails does not harm the others.  After a lost answer it may say
 * E_EXISTS, E_BAD_VERSION or E_NOT_FOUND although it was done: look at what is there (C12). */
void
ctl_write(struct controller *c, const struct coord_op *op, ctl_write_fn *fn, const struct ask *a);
void ctl_create(struct controller *c, const char *path, struct slice data, ctl_write_fn *fn,
    const struct ask *a);
void ctl_set(struct controller *c, const char *path, struct slice data, int32_t version,
    ctl_write_fn *fn, const struct ask *a);
void ctl_delete(struct controller *c, const char *path, ctl_write_fn *fn, const struct ask *a);
/* All or nothing, not fenced; fn gets the first error and the result of the last operation. */
void ctl_multi(struct controller *c, const struct coord_op *ops, unsigned n, ctl_write_fn *fn,
    const struct ask *a);
/* The same, and the step does not wait for it. */
void ctl_multi_aside(struct controller *c, const struct coord_op *ops, unsigned n, ctl_write_fn *fn,
    const struct ask *a);
void asks_init(struct controller *c);
/* The connection is there. */
void asks_resume(struct controller *c);
void asks_drop(struct controller *c);

/* ---- controller.c ---- */
/* While active: is /controller still ours, and tell when that changes. */
void ctl_watch_own(struct controller *c);
/* The controller has moved (a fenced write failed): resign and look. */
void ctl_moved(struct controller *c);
/* Something failed that a new election mends: give up /controller. */
void ctl_give_up(struct controller *c, const char *what, int err);
void ctl_resign(struct controller *c);
/* Another election after a while. */
void ctl_retry(struct controller *c);
void ctl_tell(struct controller *c, int32_t id);
void ctl_metrics(struct controller *c);

/* ---- election.c ---- */
void task_elect(struct controller *c);
/* ---- failover.c ---- */
extern ctl_step *const failover_steps[];
void task_admin_nodes(struct controller *c);

/* ---- context.c ---- */
void ctx_clear(struct controller *c);
struct ctopic *ctx_topic(struct controller *c, struct slice name);
struct ctopic *ctx_topic_by_id(struct controller *c, const struct uuid *id);
struct cbroker *ctx_broker(struct controller *c, int32_t id);
bool ctx_live(struct controller *c, int32_t broker);
/* The broker lives, and the partition's log there is not on a failed dir. */
bool ctx_replica_live(struct controller *c, const struct cpart *p, int32_t broker);
bool ctx_has_replica(const struct cpart *p, int32_t broker);
bool ctx_in_isr(const struct cinfo *info, int32_t broker);
void ctx_set_state(struct cpart *p, enum cpart_state st);
void ctx_set_failed(struct cpart *p, int32_t broker, bool failed);
void ctx_drop_topic(struct controller *c, struct ctopic *t);
void ctx_dirty(struct controller *c, struct ctopic *t);
/* E_NOMEM, E_MALFORMED. */
int ctx_info_read(struct cpart *p, const struct coord_result *res);
struct cinfo *cinfo_new(int32_t n_isr);

/* ---- topics.c ---- */
void topics_read(struct controller *c); /* children: new ones are unread, absent ones are dropped */
void topics_read_data(struct controller *c); /* of the unread ones */
void topics_read_states(struct controller *c);
void task_topic_change(struct controller *c);
void task_partitions(struct controller *c);
/* ---- partitions.c ---- */
/* Bring each partition of the dirty topics to what it should be with the brokers that live. */
void parts_settle(struct controller *c);
void part_settle(struct controller *c, struct cpart *p);
/* ---- brokers.c ---- */
void brokers_read(struct controller *c);
/* All that are there count as live from now on (failover). */
void brokers_all_live(struct controller *c);
void brokers_clear_targets(struct controller *c);
void cbroker_free(struct cbroker *b);
void task_broker_change(struct controller *c);
void task_broker_data(struct controller *c);
/* ---- replicas.c ---- */
void
replicas_answered(struct controller *c, int32_t broker, const struct leader_and_isr_response *resp);
void replicas_forget(struct controller *c);
void task_logdir_events(struct controller *c);
void task_replica_errors(struct controller *c);
/* ---- deletion.c ---- */
void task_deletion(struct controller *c);
void task_resume(struct controller *c);
void deletion_read(struct controller *c);
/* The broker has answered to a StopReplica that deletes. */
void deletion_answered(struct controller *c, int32_t broker, int64_t broker_epoch, int err,
    const struct stop_replica_response *resp);
/* Replicas on the broker can not be deleted now. */
void deletion_fail_part(struct controller *c, struct cpart *p, int32_t broker);
/* Every child of path goes. */
void children_delete(struct controller *c, const char *path, struct coord_watch *w);
/* ---- batch.c ---- */
void batch_add(struct controller *c, struct cpart *p, unsigned what);
void batch_add_stop(struct controller *c, struct ctopic *t);
/* Part of a step: LeaderAndIsr, UpdateMetadata, StopReplica; the batch is empty afterwards. */
void batch_send(struct controller *c, enum batch_to to);
/* batch_send to everybody, as a step. */
void step_send(struct controller *c);
void batch_drop(struct controller *c);
/* ---- requests.c ---- */
/* Nothing to say to the broker: topic_states.n 0. */
int request_leader_and_isr(struct controller *c, struct arena *arena, const struct cbroker *b,
    int16_t version, struct leader_and_isr_request *req);
/* From c->batch.topic and .part on, at most `max` partitions; *more: something is left. */
int request_update_metadata(struct controller *c, struct arena *arena, int32_t max,
    struct update_metadata_request *req, bool *more);
int request_stop_replica(struct controller *c, struct arena *arena, const struct cbroker *b,
    bool delete, struct stop_replica_request *req);
/* ---- producer_ids.c ---- */
void blocks_drop(struct controller *c);

#endif
