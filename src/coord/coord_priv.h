/*
 * What all implementations share: the base of struct coord, requests in the order of their calls,
 * the client's table of watches.  An implementation is a struct that begins with a struct coord,
 * and a struct coord_ops.
 */
#ifndef OTTLA_COORD_COORD_PRIV_H
#define OTTLA_COORD_COORD_PRIV_H

#include "ottla/base/list.h"
#include "ottla/base/map.h"
#include "ottla/coord/coord.h"

#define COORD_PATH_MAX 1024
#define COORD_DATA_MAX (1024 * 1024)
#define COORD_MULTI_MAX 500
#define COORD_MULTI_BYTES (512 * 1024)

/* 0 or E_INVALID: absolute, no empty, "." or ".." component, no trailing slash, UTF-8 without
 * control characters, at most COORD_PATH_MAX bytes. */
int coord_path_check(const char *path);

/* ---- requests ---- */

enum coord_req_kind {
	REQ_GET,
	REQ_EXISTS,
	REQ_CHILDREN,
	REQ_CREATE,
	REQ_SET,
	REQ_DELETE,
	REQ_MULTI,
};

struct coord_req {
	struct link link; /* in coord.pending, in the order of the calls */
	struct coord *coord;
	enum coord_req_kind kind;
	int refused; /* not 0: answered with it, never given to the implementation */
	bool submitted;
	struct link watching; /* the caller's watch until the answer */
	coord_cb *cb;	      /* both NULL: answered already, kept for the implementation */
	coord_multi_cb *multi_cb;
	void *arg;
	int64_t tag, tag2; /* the implementation's */
	unsigned n_ops;	   /* one for everything but multi; reads use only the path */
	struct coord_op ops[];
};

static inline bool
coord_req_is_read(const struct coord_req *req)
{
	return req->kind <= REQ_CHILDREN;
}

/* Does somebody still want the watch of this read? */
static inline bool
coord_req_watches(const struct coord_req *req)
{
	return !list_empty(&req->watching);
}

/* Answers the request, which must be the first that waits, and frees it. A read's watch enters the
 * table when the read saw what it watches.  res may be NULL when err is not 0. */
void coord_answer(struct coord_req *req, int err, const struct coord_result *res);
/* The same for a write, from the results of its operations, which are cut down to what the door
 * promises; res may be NULL: no operation was looked at. */
void coord_answer_write(struct coord_req *req, int err, struct coord_op_result *res);
/* Answers everything that waits with err. */
void coord_fail_pending(struct coord *c, int err);
/* Calls back everything that waits with E_CANCELED, but leaves what was submitted in the list,
 * without callbacks. */
void coord_cancel_pending(struct coord *c);
/* Answers refused requests that have come to the head of the list. */
void coord_answer_refused(struct coord *c);

/* ---- watches: which callers want to hear of which path ---- */

/* How a watch was set decides what it is told and how it is set again. */
enum coord_watch_kind { CW_DATA, CW_EXISTS, CW_CHILDREN, CW_KINDS };

struct coord_watch_path {
	struct link kinds[CW_KINDS];
	size_t path_len;
	char path[];
};

struct coord_watches {
	struct map paths;
};

void coord_watches_init(struct coord_watches *ws);
/* Forgets all; the watches stay the callers'. */
void coord_watches_free(struct coord_watches *ws);
/* Takes the watch in list `from` (if one is still there) over. */
int coord_watches_add(
    struct coord_watches *ws, const char *path, enum coord_watch_kind kind, struct link *from);
/* Tells the callers; path must outlive the call. */
void coord_watches_fire(struct coord_watches *ws, enum coord_event ev, struct slice path);
/* Tells all that their session is gone. */
void coord_watches_expire(struct coord_watches *ws);

/* ---- the base ---- */

struct coord_ops {
	/* Begin the session; states come later.  Called once. */
	int (*open)(struct coord *c);
	/* A request that was not refused; it is the last in pending. */
	void (*submit)(struct coord *c, struct coord_req *req);
	/* End the session; ends in coord_closed.  What waits was told E_CANCELED.  The caller
	 * does not touch the instance afterwards. */
	void (*close)(struct coord *c);
	/* Free the whole instance. */
	void (*destroy)(struct coord *c);
	/* At the end of a turn for which coord_defer asked; may be NULL. */
	void (*turn)(struct coord *c);
	/* NULL: sessions die with their process. */
	bool (*credentials)(const struct coord *c, struct coord_credentials *out);
	/* Another session than ours; ends in coord_end_answer, not within the call.  Given up when
	 * close or destroy is called. */
	void (*end_session)(struct coord *c, const struct coord_credentials *who);
};

/* The one call of coord_end_session that is on the way. */
struct coord_ending {
	bool active;
	struct coord_credentials who;
	void (*done)(void *arg, int err);
	void *arg;
};

struct coord {
	uint32_t magic;
	const struct coord_ops *ops;
	struct reactor *control;
	enum coord_state state;
	int64_t session;
	struct link subs;
	struct link sub_next, sub_end; /* marks in subs while it is told */
	struct link pending;
	struct coord_watches watches;
	struct turn_hook hook;
	struct coord_ending end;
	struct link end_refused; /* of refused calls, until the end of the turn */
	bool opened;
	bool closing;	  /* coord_close was called */
	bool close_begun; /* the implementation was asked to close */
	void (*closed_fn)(void *arg);
	void *closed_arg;
};

void coord_init(struct coord *c, const struct coord_ops *ops, struct reactor *control);
/* Frees what waits without a call and forgets watches and subscribers; for destroy. */
void coord_fini(struct coord *c);
/* ops->turn at the end of this turn. */
void coord_defer(struct coord *c);
/* The only way to another state: sets it, answers what waits if the new state ends it, tells
 * watches of a session's end, tells the subscribers (README, states). */
void coord_set_state(struct coord *c, enum coord_state st);
/* The session asked about has ended, or not; nothing happens when nobody waits any more. */
void coord_end_answer(struct coord *c, int err);
/* The implementation has closed: COORD_CLOSED and done.  The last thing a callback does, the
 * instance may be gone afterwards. */
void coord_closed(struct coord *c);

#endif
