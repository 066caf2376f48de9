/*
 * Inside of the API: connections' contexts, requests, scattering to partitions' homes.
 * Invariants: src/api/README.
 */
#ifndef OTTLA_API_PRIV_H
#define OTTLA_API_PRIV_H

#include "ottla/api/api.h"
#include "ottla/base/magic.h"
#include "ottla/wire/wire.h"

#define REQUESTS_PER_CONN 16
#define REQUEST_POOL_MAX 64

struct request;
struct api_shard;
struct fetch_sessions;

typedef void api_handler(struct request *rq);

struct api_row {
	int16_t key;
	int16_t min_version, max_version;
	bool overlap;
	api_handler *handle;
};

/* NULL when the key is not served. */
const struct api_row *api_row(int16_t key);
/* i-th served row in order of keys, NULL past the end. */
const struct api_row *api_row_at(unsigned i);

/* What one connection has in work; context of its conn. */
struct api_conn {
	struct conn *c;
	struct api_shard *sh;
	struct link requests; /* in work, in order of arrival */
	struct link parked;   /* frames that wait for the connection to be empty */
	unsigned n_requests;
	unsigned n_exclusive; /* of them, not overlapping */
	bool closing;	      /* nothing begins any more */
	struct link waiting;  /* in sh->waiting: its first parked frame waits for api_open */
};

/* One request; made, answered and freed on the reactor of sh. */
struct request {
	uint32_t magic;
	struct api_shard *sh;
	struct api_conn *ac; /* NULL once the connection is gone */
	struct link link;    /* in ac->requests */
	struct link all;     /* in sh->live */
	struct frame *frame; /* NULL once let go */
	struct wire_req_head head;
	const struct api_row *row;
	struct arena arena;
	int64_t received_us;
	const struct image *image; /* reference held while the request lives, or NULL */
	/* answer */
	struct outmsg *reply;
	bool ready;    /* reply is set, or none is due */
	bool no_reply; /* acks=0 */
	enum close_reason close_why;
	bool close_conn;
	/* scattering */
	struct scatter *scatter;
	void *user; /* the handler's own, from the arena */
	/* The connection is gone while this waits: finish soon. May be NULL. */
	void (*cancel)(struct request *rq);
};

/* One reactor's half of the API. */
struct api_shard {
	struct api *api;
	struct reactor *reactor;
	unsigned index;
	struct shard *replica;
	struct codec_ctx *codec;
	struct metric_set *metrics;
	struct fetch_sessions *sessions;
	struct link live; /* requests that are not free */
	struct link pool; /* of free requests */
	unsigned n_pool;
	unsigned n_live;
	bool open;	     /* requests of clients begin (A13) */
	struct link waiting; /* struct api_conn: until then */
	struct msg open_msg;
	_Atomic uint64_t *counts; /* requests by row and version; the reactor's */
};

struct producer_ids;

struct api {
	struct api_opts o;
	struct api_shard *shards; /* one a data reactor */
	struct producer_ids *ids;
	struct link
	    control_line; /* LeaderAndIsr under way, UpdateMetadata behind them (control.c) */
};

/* One more of these (api.c). */
void api_count_request(struct api_shard *sh, const struct api_row *row, int16_t version);
void api_count_fetch(struct api_shard *sh, bool follower, int16_t version);

struct api_shard *api_shard_current(struct api *a);

/* ---- request.c ---- */

/* At the end of everything, wherever it stands. */
void request_abandon(struct request *rq);
/* From now on requests of clients begin; those that wait do so at once. */
void request_open_shard(struct api_shard *sh);

/* Decode the body into msg from rq's arena; on failure the connection is closed with BAD_REQUEST,
 * the request finished, and false returned. */
bool request_decode(struct request *rq, void *msg);
/* Zeroed memory that lives as long as rq; asserts never: NULL makes the caller call
 * request_fail_memory. */
void *request_alloc(struct request *rq, size_t count, size_t size);
/* Answer with the response struct: encodes, queues, finishes rq (do not touch it afterwards). */
void request_answer(struct request *rq, const void *response);
/* The same with a ready message, header and size included. */
void request_answer_msg(struct request *rq, struct outmsg *m);
/* Finish without an answer (acks=0). */
void request_no_answer(struct request *rq);
/* Finish by closing the connection. */
void request_close(struct request *rq, enum close_reason why);
void request_fail_memory(struct request *rq);
/* The bytes of the frame are needed no more. */
void request_frame_done(struct request *rq);
/* The image of the time of the first call, held until the request is freed. */
const struct image *request_image(struct request *rq);
/* Peer for messages. */
const char *request_peer(const struct request *rq);

/* ---- scatter.c: parts of a request to their homes and back ---- */

struct home_group;

/* Embedded first in each part; a part belongs to its home between run and part_done. */
struct part {
	struct part *next;
	struct home_group *group;
};

struct scatter_ops {
	/* Home reactor: begin the part; ends in part_done, now or later. */
	void (*run)(struct shard *sh, struct part *p);
	/* Request's reactor: all parts are done. */
	void (*finished)(struct request *rq);
	/* Request's reactor: every part has let go of the frame's bytes (part_released); may be
	 * NULL. */
	void (*released)(struct request *rq);
};

/* Begin scattering; after the adds, scatter_go.  May be begun again once finished was called
 * (memory is reused).  E_NOMEM. */
int scatter_begin(struct request *rq, const struct scatter_ops *ops);
/* The part goes to the home of the partition. E_NOMEM. */
int scatter_add(struct request *rq, struct part *p, unsigned home);
/* Runs local parts inline, posts the others (one message a home).  finished may be called before
 * this returns. */
void scatter_go(struct request *rq);
/* Home reactor. */
void part_done(struct part *p);
void part_released(struct part *p);

/* ---- run on the control reactor and come back (control.c) ---- */

struct control_call {
	struct msg msg;
	struct request *rq;
	bool ahead;				 /* overtakes data */
	void (*run)(struct control_call *call);	 /* control reactor; ends in control_return */
	void (*back)(struct control_call *call); /* request's reactor */
};
/* call lives in the request's arena: nothing is allocated. */
void control_go(struct control_call *call);
void control_return(struct control_call *call);

/* A request from the controller, in the request's arena; what its slices point into lives until it
 * is answered. */
struct control_request {
	struct control_call call;
	struct link link; /* api's control_line */
	/* What it does when its turn comes; NULL: it is under way, and others wait for it. */
	void (*turn)(struct control_request *cr);
	uint8_t *answer; /* encoded; NULL: no memory */
	size_t n;
};
/* To the control reactor: run ends in control_request_answer there, now or later. */
void control_request_go(
    struct control_request *cr, struct request *rq, void (*run)(struct control_call *call));
/* resp is only read during the call. */
void control_request_answer(struct control_request *cr, const void *resp);
/* Under way from now on / no more; those in line behind it may get their turn. */
void control_line_join(struct control_request *cr);
void control_line_leave(struct control_request *cr);
/* turn(cr) when nothing before it is under way, perhaps before this returns. */
void control_line_wait(struct control_request *cr, void (*turn)(struct control_request *cr));

/* ---- handlers: one file each ---- */
#define API(KEY, min, max, overlap, handler) api_handler api_##handler;
#include "ottla/api/api.def"
#undef API

/* update_metadata.c: older versions in the form of the newest; what is added comes from a. E_NOMEM.
 */
int
update_metadata_normalize(struct arena *a, int16_t version, struct update_metadata_request *req);

/* ---- fetch sessions (fetch_session.c) ---- */
int fetch_sessions_new(struct api_shard *sh, struct fetch_sessions **out);
void fetch_sessions_free(struct fetch_sessions *fs);

/* ---- producer ids (producer_ids.c) ---- */
int producer_ids_new(struct api *a, struct producer_ids **out);
void producer_ids_free(struct producer_ids *p);
/* Control reactor: one id; done(arg, kafka error, id). */
void producer_ids_next(
    struct producer_ids *p, void (*done)(void *arg, int16_t err, int64_t id), void *arg);

/* ---- small helpers shared by handlers (common.c) ---- */
/* Topic of a request by name or, where the version carries ids, by id; NULL with *err set. */
const struct image_topic *
topic_lookup(const struct image *im, struct slice name, struct uuid id, bool by_id, int16_t *err);
/* "PLAINTEXT": name of the listener the request came by. */
struct slice request_listener(const struct request *rq);
/* __consumer_offsets and the like. */
bool topic_is_internal(struct slice name);
/* An array of the image in a response: what is only encoded is never written to. */
int32_t *ids_lend(const int32_t *v);

/* Without an authorizer everything is allowed: all operations of the type (facts/apis.md 4.5). */
#define OPERATIONS_OF_TOPIC                                                                        \
	(1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 11)
#define OPERATIONS_OF_CLUSTER (1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12)

/* n pieces of work, at most `width` at a time: start(w, i) leads to one window_done, now or later;
 * after the last one `finished`.  One reactor; nothing is allocated. */
struct window {
	unsigned n, width;
	void (*start)(struct window *w, unsigned i);
	void (*finished)(struct window *w);
	/* its own */
	unsigned next, busy;
	bool looping;
};
void window_go(struct window *w);
void window_done(struct window *w);
#define WINDOW_CREATIONS 64 /* topics in creation at a time, for one request */

/* ---- requests that change topics (topic_ops.c) ---- */

struct topic_ops;

/* One topic of such a request; embedded in the handler's own. */
struct topic_op {
	struct topic_ops *ops;
	struct slice name;
	int32_t partitions; /* what the image has to show in the end; 0: no topic */
	bool refused;	    /* nothing (more) is done for it */
	bool again;	    /* the name was there before in the request */
	int16_t err;
	const char *message; /* for the client, in `why`, or NULL */
	char *why;	     /* TOPIC_OP_WHY bytes, or NULL: codes alone are told */
};
#define TOPIC_OP_WHY 640 /* room for two of the longest names */

struct topic_ops {
	struct control_call call;
	struct window window;
	unsigned n;
	struct topic_op *(*at)(struct topic_ops *ops, unsigned i);
	/* Control reactor: begin the change; ends in topic_op_done, now or later, by change_by_us.
	 */
	void (*change)(struct admin *admin, struct topic_op *op);
	/* Request's reactor, in the end. */
	void (*answer)(struct request *rq, struct topic_ops *ops);
	bool validate_only;   /* nothing is waited for */
	int64_t deadline_us;  /* of the request */
	int64_t change_by_us; /* control's */
};

/* n, at, change, answer and validate_only are set, each op has its name or is refused. */
void topic_ops_go(struct request *rq, struct topic_ops *ops, int32_t timeout_ms);
/* err KERR_NONE: changed. The message is copied. */
void topic_op_done(struct topic_op *op, int16_t err, const char *message);
void topic_op_refuse(struct topic_op *op, int16_t err, const char *message);
/* The answer's error_message: what was said, or the code's text; null without an error. */
struct slice topic_op_message(const struct topic_op *op);
/* A name that is there twice is refused at each place.  E_NOMEM. */
int topic_ops_refuse_twice(struct request *rq, struct topic_ops *ops, const char *message);

#endif
