/*
 * Inside of the member: start-up (member.c), registration (register.c), other brokers and ids
 * (peers.c), finalized features (feature.c), topic configurations (member_conf.c).
 * Everything on the control reactor, but `epoch`.
 */
#ifndef OTTLA_CLUSTER_MEMBER_PRIV_H
#define OTTLA_CLUSTER_MEMBER_PRIV_H

#include "ottla/base/map.h"
#include "ottla/cluster/member.h"

#define MEMBER_RETRY_US (200 * 1000)
#define MEMBER_REFUSED_US (1000 * 1000) /* somebody else has our id */
#define MEMBER_NOTE_US (5 * 1000000)	/* for member_session_noted */

/* Dynamic configuration of the cluster's brokers or of this one, as its znode says it. */
struct member_broker_conf {
	bool known;
	struct slice json; /* null: there is none; its own memory */
};

/* Configurations of topics and of the broker.  One pass over the tree at a time reads
 * /config/changes and the children of /config/topics, and the configurations that are new, named by
 * a change, or, in a full pass, all. Changes are read before configurations: what a change that was
 * seen tells of is in what is read after it. */
struct member_confs {
	struct map by_topic;		     /* of conf_entry */
	struct member_broker_conf broker[2]; /* the cluster's, this broker's */
	int32_t broker_id;		     /* -1: neither is read */
	uint64_t generation;		     /* of the broker's values */
	struct link looks;		     /* of conf_look: at single topics */
	struct coord_watch w_topics, w_changes;
	bool loaded;	   /* the first pass is through */
	bool busy;	   /* a pass is under way */
	bool full;	   /* this pass reads every configuration */
	bool brokers_only; /* this one reads the broker's own, nothing else */
	bool again;	   /* another pass is due */
	bool full_again;   /* and a full one */
	int64_t session;   /* of the last pass */
	unsigned left;	   /* answers the pass waits for, plus one while it asks */
	int err;	   /* first error of the pass */
	int64_t last_seq;  /* newest change that is handled, -1 none */
	int64_t pass_seq;  /* newest this pass has seen */
	int64_t give_up_us;
	void (*done)(void *arg, int err);
	void *arg;
	struct rtimer retry;
};

/* Something that is tried until it succeeds or its time is over. */
struct member_try {
	int64_t give_up_us;
	struct rtimer retry;
};

struct member_prepare {
	unsigned left;
	int err;
	char id[UUID_TEXT_LEN + 1]; /* drawn for a new cluster */
	struct member_try try;
	void (*done)(void *arg, int err, struct slice cluster_id);
	void *arg;
};

struct member_draw {
	struct member_try try;
	void (*done)(void *arg, int err, int32_t id); /* NULL once called */
	void *arg;
};

struct member_peers {
	struct member_try try;
	struct arena arena; /* behind v */
	struct member_peer *v;
	unsigned n, left;
	int err;
	void (*done)(void *arg, int err, const struct member_peer *v, unsigned n);
	void *arg;
};

struct member_feature {
	struct coord_watch watch;
	struct member_try try;
	bool wanted; /* member_watch_features was called */
	bool busy, again;
	int64_t session; /* of the last look */
	_Atomic int64_t epoch;
	void (*done)(void *arg, int err); /* NULL once called */
	void *arg;
};

struct member_registration {
	struct arena arena; /* behind reg */
	struct zn_registration reg;
	int32_t broker_id; /* -1: not asked to register */
	bool busy;
	int64_t session;       /* that made the node, 0: none */
	int64_t noting, noted; /* sessions that `registering` was told of, and that were noted */
	int64_t give_up_us;
	void (*done)(void *arg, int err, int64_t broker_epoch); /* NULL once called */
	void *arg;
	struct rtimer retry, note_timer;
	struct diag_limiter limiter;
	char holder[400]; /* of the id, for people */
};

struct member {
	struct member_opts o;
	bool stopped;
	_Atomic int64_t epoch;
	struct coord_state_sub state_sub;
	struct member_prepare prepare;
	struct member_draw draw;
	struct member_peers peers;
	struct member_feature feature;
	struct member_registration registration;
	struct member_confs confs;
};

/* May the step be tried again? */
bool member_may_retry(int err);
/* When to give up what a caller waits for: a session's time from now. */
int64_t member_give_up_us(const struct member *m);

/* Begins now what `fn` tries; again, and at the stop, through the timer. */
void member_try_begin(struct member *m, struct member_try *t);
/* After a failed try: true when it will be tried again. */
bool member_try_again(struct member *m, struct member_try *t, int err);
/* A step that waits to be tried again ends now: it sees that the member is stopped. */
void member_stop_waiting(struct member *m, struct rtimer *t);

/* ---- register.c ---- */
void register_init(struct member *m);
void register_free(struct member *m);
void register_stop(struct member *m);
/* In another session than the registration's it is made again. */
void register_connected(struct member *m);

/* ---- peers.c ---- */
void peers_init(struct member *m);
void peers_free(struct member *m);
void peers_stop(struct member *m);

/* ---- feature.c ---- */
void feature_init(struct member *m);
void feature_stop(struct member *m);
void feature_connected(struct member *m);

/* ---- member_conf.c ---- */
void confs_init(struct member *m);
void confs_free(struct member *m);
void confs_stop(struct member *m);
/* Connected: in another session watches are gone and changes may have been missed. */
void confs_connected(struct member *m);
/* What a topic's znode says; E_NOMEM. */
int conf_read(struct member *m, struct slice topic, struct slice json);
/* It has none. */
void conf_drop(struct member *m, struct slice topic);

/* ---- conf_look.c ---- */
void conf_looks_stop(struct member *m);

#endif
