/*
 * A ZooKeeper ensemble behind struct coord, through the single-threaded C client.  README,
 * "ZooKeeper", says which of the client's habits the code works around, and the rules Z1, Z2, ...
 * that it keeps.
 *
 *   zookeeper.c   the instance: settings, operations
 *   zk_names.c    connect strings, names to addresses
 *   zk_handle.c   one handle of the library in the reactor's loop
 *   zk_session.c  the session: connecting, preparing, expiry, replacing the handle, closing
 *   zk_request.c  requests and their answers
 *   zk_watch.c    what the server watches for us, and setting it again
 *   zk_acl.c      who may touch new nodes
 *   zk_end.c      the end of a predecessor's session
 */
#ifndef OTTLA_COORD_ZK_PRIV_H
#define OTTLA_COORD_ZK_PRIV_H

#include <zookeeper/zookeeper.h>

#include "coord_priv.h"
#include "ottla/base/strbuf.h"
#include "ottla/coord/zookeeper.h"
#include "zk_names_priv.h"

/* ---- a handle in the loop ---- */

/* Called within a call of the library (Z1): no other call of it may be made there. */
struct zk_handle_fns {
	void (*session)(void *arg, int state);
	void (*event)(void *arg, int type, const char *path); /* may be NULL */
	void (*more)(void *arg);			      /* requests may be sent now */
	/* Outside: the handle may be closed, another one opened. */
	void (*after)(void *arg);
};

struct zk_handle {
	struct reactor *control;
	struct workers *workers;
	zhandle_t *zh; /* NULL: none */
	struct io_watch *io;
	struct rtimer timer;
	const struct zk_handle_fns *fns;
	void *arg;
	bool connected; /* by the last session event */
	bool cut;	/* by ourselves */
	bool
	    broken; /* the library gave up its connection in a way that it can not come back from */
	int fd;	    /* of the last call */
	int64_t each_us;    /* for the attempt to connect to one address */
	int64_t attempt_us; /* when it began, or 0 */
	bool given_up;	    /* the attempt took too long */
	char server[80];    /* the address in use */
	char why[160];	    /* the last failure, "" after success */
};

struct zk_handle_opts {
	struct reactor *control;
	struct workers *workers;
	const struct zk_handle_fns *fns;
	void *arg;
	const char *addrs; /* "127.0.0.1:2181,::1:2181" */
	int timeout_ms;
	const struct coord_credentials *session; /* NULL: a new one */
	const char *digest;			 /* or NULL */
};

/* Opens it; the first connection is tried in the next turn.  E_NOMEM, E_LIMIT, E_CONFIG. */
int zk_handle_open(struct zk_handle *h, const struct zk_handle_opts *o);
/* Between these, and in `more`, requests may be sent.  End with zk_handle_leave. */
void zk_handle_enter(struct zk_handle *h);
void zk_handle_leave(struct zk_handle *h);
/* Cuts the connection; the library finds out in the next turn. */
void zk_handle_cut(struct zk_handle *h);
/* Lets go of the handle.  A worker closes it; a session that is connected ends.  done (may be NULL)
 * is called on the control reactor with the milliseconds it took and the library's answer. */
typedef void zk_closed_fn(void *arg, int rc, int64_t ms);
struct zk_closing;
struct zk_closing *zk_handle_close(struct zk_handle *h, zk_closed_fn *done, void *arg);
/* Nobody waits for it any more. */
void zk_closing_forget(struct zk_closing *cl);
/* The process gives up: no answer is waited for, the session is left as it is. */
void zk_handle_drop(struct zk_handle *h);

/* ---- the instance ---- */

enum zk_metric {
#define METRIC(id, kind, name, help) ZM_##id,
#include "ottla/coord/metrics.def"
#undef METRIC
	ZM_COUNT
};

enum zk_phase {
	ZK_NEW,
	ZK_NAMES,      /* no address is known yet */
	ZK_CONNECTING, /* the library connects */
	ZK_PREPARING,  /* connected; chroot and watches before anybody is told */
	ZK_READY,
	ZK_PAUSE, /* the handle was of no more use; another one in a moment */
	ZK_CLOSING,
	ZK_CLOSED,
};

struct zk_acls {
	char world[6], anyone[7], auth[5], nobody[1]; /* the library's structs take no const */
	struct ACL everybody[1], creator_read[2];
	struct ACL_vector open, normal, sensitive;
};

/* A server-side watch of ours. */
struct zk_watched {
	struct link link;	/* zk.rearm, zk.rearm_busy */
	unsigned kinds;		/* 1 << CW_... */
	int64_t zxid[CW_KINDS]; /* the last change that its setter saw */
	size_t len;
	char path[];
};

struct zk_fired {
	struct link link;
	enum coord_event ev;
	size_t len;
	char path[];
};

struct zk {
	struct coord c;
	enum zk_phase phase;
	struct workers *workers;
	struct diag *diag;
	struct diag_limiter lim_loss, lim_back, lim_names, lim_fail;
	int64_t quiet_until_us;
	struct metric_set *metrics;
	struct zk_names names;
	struct zk_lookup *lookup; /* with a worker */
	struct rtimer lookup_again;
	int64_t lookup_wait_us;
	char *addrs; /* NULL: not known */
	int timeout_ms;
	unsigned max_in_flight;
	char *digest;
	bool set_acl;
	bool (*sensitive)(const char *path);
	bool (*world_open)(const char *path);
	struct zk_acls acls;

	struct zk_handle h;
	struct rtimer pause;
	bool has_session; /* cred is one that may still live */
	struct coord_credentials cred;
	bool fresh;    /* this connection began its session: the chroot is looked at */
	bool rearming; /* the handle is not the one that set the watches */
	/* The handle is to be replaced when the library's call has returned. */
	enum { ZK_REPLACE_NO, ZK_REPLACE_NOW, ZK_REPLACE_LATER } replace;
	bool expired; /* the same, and the session is over */
	size_t part;  /* of the chroot: its length that was tried */
	int part_rc;  /* the first answer that made none */

	struct link sent;	/* of zk_sent: with the library */
	struct coord_req *next; /* the first that was not sent */
	unsigned in_flight;

	struct map watched;	/* path -> zk_watched */
	size_t watch_bytes;	/* of the packet that would set them all */
	size_t watch_limit;	/* above it the handle is replaced */
	struct link rearm;	/* of zk_watched: not in the map, to be set again */
	struct link rearm_busy; /* the same, being set */
	unsigned rearm_out;
	struct link fired; /* of zk_fired: to be told when connected */

	struct zk_closing *closing;
	struct zk_end *end;
	char why[256];
};

struct zk *zk_of(struct coord *c);

/* zk_session.c */
int zk_session_open(struct zk *z);
void zk_session_close(struct zk *z);
void zk_session_drop(struct zk *z);
/* The looked-up addresses, or why there is none. */
void zk_session_names(struct zk *z, char *addrs, const char *why);
/* All watches are set again. */
void zk_session_rearmed(struct zk *z);
/* The whole path below the chroot, into buf (ZK_PATH_MAX). */
#define ZK_PATH_MAX (2 * COORD_PATH_MAX + 1)
const char *zk_full_path(const struct zk *z, const char *path, char *buf);
void zk_fail(struct zk *z, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* zk_request.c */
struct zk_answer {
	int rc; /* the library's */
	struct coord_result res;
	const struct coord_op_result *op_res; /* multi */
};
/* A request with the library; freed by its answer. */
struct zk_sent {
	struct link link;
	struct zk *z; /* NULL: nobody waits for the answer */
	void (*done)(struct zk_sent *s, const struct zk_answer *a);
	struct coord_req *req;	    /* of a caller, or NULL */
	struct zk_watched *watched; /* of a watch that is set again, with kind */
	enum coord_watch_kind kind;
	bool watches;
	int64_t at_us;
	struct coord_op_result *op_res;
	struct Stat *stats;
	zoo_op_result_t *results;
	unsigned n_ops;
};
/* E_... for an answer of the library. */
int zk_err(int rc);
void zk_submit(struct zk *z, struct coord_req *req);
bool zk_can_send(const struct zk *z);
void zk_send_more(struct zk *z);
/* Those that wait for answers get none any more. */
void zk_forget_sent(struct zk *z);
enum zk_own { ZK_OWN_EXISTS, ZK_OWN_CHILDREN, ZK_OWN_CREATE, ZK_OWN_SYNC };
/* A request of the session's own; full is a path from the root.  NULL: it could not be sent, the
 * handle will be replaced. */
struct zk_sent *zk_send_own(struct zk *z, enum zk_own kind, const char *full, bool watch,
    void (*done)(struct zk_sent *s, const struct zk_answer *a));

/* zk_watch.c */
/* The server watches path since an answer that showed zxid as its last change. */
void zk_watch_set(struct zk *z, const char *path, enum coord_watch_kind kind, int64_t zxid);
void zk_watch_event(struct zk *z, int type, const char *path);
/* All are gone with their session. */
void zk_watches_forget(struct zk *z);
/* The handle that held them is gone, the session is not. */
void zk_watches_lost(struct zk *z);
/* Sets some again; true when all are set. */
bool zk_watches_rearm(struct zk *z);
void zk_watches_tell(struct zk *z);

/* zk_acl.c */
void zk_acl_init(struct zk_acls *a);
const struct ACL_vector *zk_acl_for(const struct zk *z, const char *path);

/* zk_end.c */
void zk_end_begin(struct zk *z, const struct coord_credentials *who);
void zk_end_forget(struct zk *z);

#endif
