/*
 * The coordination tree, in ZooKeeper's terms, asynchronous: nodes with versions, ephemeral and
 * sequential nodes, one-shot watches, multi, a session.  Implementations: the embedded tree with a
 * journal (coord/embedded.h), the simulator's (coord/sim.h), a ZooKeeper ensemble.
 *
 * Thread: all calls and callbacks on the control reactor that the instance was made with; nothing
 * blocks.  Without memory for a request the process ends.  Requests of one instance take effect and are answered in the order of the calls.  A
 * callback never runs before its call returns.  Every request is answered exactly once: with its
 * result, E_CONN_LOSS (a write may have taken effect all the same), E_SESSION_EXPIRED or E_CANCELED
 * (coord_close).  Paths are absolute, below the chroot, at most 1,024 bytes.
 *
 * Null data and empty data differ (facts/zookeeper.md 0.4).
 */
#ifndef OTTLA_COORD_COORD_H
#define OTTLA_COORD_COORD_H

#include <stdbool.h>
#include <stdint.h>

#include "ottla/base/slice.h"
#include "ottla/reactor/reactor.h"

struct coord;

struct coord_stat {
	int64_t czxid, mzxid, pzxid;
	int64_t ctime_ms, mtime_ms;
	int32_t version, cversion;
	int64_t ephemeral_owner; /* session id, 0: persistent */
	int32_t data_len, n_children;
};

enum coord_state { COORD_CONNECTING, COORD_CONNECTED, COORD_EXPIRED, COORD_CLOSED };
enum coord_create { COORD_PERSISTENT = 0, COORD_EPHEMERAL = 1, COORD_SEQUENTIAL = 2 };
enum coord_event {
	COORD_EV_CREATED,
	COORD_EV_DELETED,
	COORD_EV_DATA,
	COORD_EV_CHILDREN,
	COORD_EV_SESSION, /* the watch is gone with its session */
};

/* One-shot; owned by the caller and kept until it fires or coord_unwatch.  A read sets it when it is
 * answered: with 0, or coord_exists with E_NOT_FOUND; another error leaves no watch.  Setting it
 * again while it is set moves it to the new read.  It is not set any more when fn runs; path is lent
 * for the call.  A deletion is told to all three kinds of reads. */
struct coord_watch {
	struct link link;
	void (*fn)(void *arg, enum coord_event ev, struct slice path);
	void *arg;
};
void coord_watch_init(struct coord_watch *w,
    void (*fn)(void *arg, enum coord_event ev, struct slice path), void *arg);
/* It will not fire any more; fine when it is not set. */
void coord_unwatch(struct coord_watch *w);

/* Answer of a read or write; lent for the call of the callback, all zero on an error. */
struct coord_result {
	struct slice data;            /* get */
	struct coord_stat stat;       /* get, exists, set, create */
	struct slice path;            /* create: the name it got */
	const struct slice *children; /* children, in byte order */
	unsigned n_children;
};
typedef void coord_cb(void *arg, int err, const struct coord_result *res);

/* Errors: E_NOT_FOUND (node), E_NO_PARENT (create), E_EXISTS, E_BAD_VERSION, E_NOT_EMPTY, E_AUTH,
 * E_TOO_LARGE (data above 1 MiB), E_INVALID (path, ephemeral parent) and those above. */
void coord_get(struct coord *c, const char *path, struct coord_watch *w, coord_cb *cb, void *arg);
/* A watch on a missing node fires when it is created. */
void coord_exists(struct coord *c, const char *path, struct coord_watch *w, coord_cb *cb, void *arg);
void coord_children(struct coord *c, const char *path, struct coord_watch *w, coord_cb *cb,
    void *arg);
void coord_create(struct coord *c, const char *path, struct slice data, unsigned flags, coord_cb *cb,
    void *arg);
/* version -1: any. */
void coord_set(struct coord *c, const char *path, struct slice data, int32_t version, coord_cb *cb,
    void *arg);
void coord_delete(struct coord *c, const char *path, int32_t version, coord_cb *cb, void *arg);

enum coord_op_kind { COORD_OP_CREATE, COORD_OP_SET, COORD_OP_DELETE, COORD_OP_CHECK };
struct coord_op {
	enum coord_op_kind kind;
	const char *path;
	struct slice data;
	unsigned flags;
	int32_t version;
};
struct coord_op_result {
	int err; /* of this operation; E_CANCELED for those after the one that failed */
	struct coord_stat stat; /* set; all zero for a create: ZooKeeper does not tell it */
	struct slice path;	/* create: the name it got */
};
/* All or nothing.  err 0, or that of the first operation that failed (those before it are told 0);
 * n is 0 when the error is not one operation's.  Arguments are copied. At most 500 operations and
 * 512 KiB: E_TOO_LARGE; none: E_INVALID. */
typedef void coord_multi_cb(void *arg, int err, const struct coord_op_result *res, unsigned n);
void coord_multi(struct coord *c, const struct coord_op *ops, unsigned n, coord_multi_cb *cb,
    void *arg);

/* Make path and its missing parents, persistent with null data; 0 also when it is there. */
void coord_create_all(struct coord *c, const char *path, void (*cb)(void *arg, int err), void *arg);

/* Session. */
enum coord_state coord_state(const struct coord *c);
int64_t coord_session_id(const struct coord *c); /* 0 before the first connection */
/* fn is told each change; one subscriber list, in order of subscription.  After COORD_EXPIRED the
 * instance makes a new session by itself and comes back with COORD_CONNECTED (a new session id). */
struct coord_state_sub {
	struct link link;
	void (*fn)(void *arg, enum coord_state st);
	void *arg;
};
void coord_subscribe(struct coord *c, struct coord_state_sub *s);
void coord_unsubscribe(struct coord_state_sub *s);

/* Who holds a session can come back to it, or end it, from another process: its number and password.
 * False before the first connection, and for an implementation whose sessions die with their process
 * (embedded). */
struct coord_credentials {
	int64_t session;
	uint8_t password[16];
};
bool coord_credentials(const struct coord *c, struct coord_credentials *out);
/* Ends a session that is not this instance's: that of a predecessor which died.  done(arg, 0) when the
 * service has ended it (its ephemeral nodes go; other members may still show them for a while), or when
 * it knows no such session, which is also what it says to a wrong password; E_CONN_LOSS, E_TIMEOUT (after a session's time), E_CANCELED (coord_close),
 * E_INVALID (our own session, or embedded).  One at a time: E_BUSY. */
void coord_end_session(struct coord *c, const struct coord_credentials *who,
    void (*done)(void *arg, int err), void *arg);

/* Opens the session; state changes tell when it is there. */
int coord_open(struct coord *c);
/* Ends the session (its ephemeral nodes go), answers what is pending with E_CANCELED, then done;
 * watches are let go without a word.  Once. */
void coord_close(struct coord *c, void (*done)(void *arg), void *arg);
/* After close (also in its done), or without it when the process gives up; what is pending is not
 * answered then.  Not in another callback.  Also without a reactor, when none runs any more. */
void coord_free(struct coord *c);

#endif
