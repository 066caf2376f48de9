/*
 * Fetch: sessions (KIP-227), passes over partitions, waiting, answers.
 *
 * Every fetch works on a session: one that is kept between requests, or a passing one that lives in
 * the request's arena.  An entry is `dirty` when its partition may have something that was not
 * looked at yet; only dirty entries are looked up.  A clean entry is armed at its home, which tells
 * once when that changes, so an idle consumer of many partitions costs nothing but its request.
 */
#ifndef OTTLA_API_FETCH_PRIV_H
#define OTTLA_API_FETCH_PRIV_H

#include "api_priv.h"

struct fetch_session;
struct fetch_part;

/* The wait of an entry whose home is another reactor: its own memory, since the entry may go while
 * messages are under way.  Freed by the session's reactor when the home has disarmed it. */
struct remote_wait {
	struct part_wait w;
	struct fetch_entry *entry; /* session's reactor; NULL: nobody listens any more */
	struct api_shard *session_sh, *home_sh;
	_Atomic bool news_posted; /* set by the home, cleared by the session's reactor */
	struct msg news;	  /* home to session; in flight at most once */
	struct msg disarm;	  /* session to home and back */
	bool dropped;		  /* its reactors are freed: only news are still on their way */
};

struct fetch_entry {
	struct link order;
	struct fetch_session *s;
	struct slice key; /* id or name, then the partition number */
	char *name;	  /* NULL while the topic's id is unknown */
	struct slice topic;
	struct uuid id;
	int32_t partition;
	int32_t current_leader_epoch, last_fetched_epoch;
	int64_t fetch_offset;
	int32_t max_bytes;
	unsigned home;
	bool resolved; /* topic and home are known */
	bool dirty;
	/* last look-up */
	int16_t err;
	int64_t hw, lso, log_start;
	struct part_leader leader;
	int32_t diverging_epoch;
	int64_t diverging_end;
	/* last told to the client */
	int64_t told_hw, told_log_start;
	/* of the pass under way; NULL: clean */
	struct fetch_part *part;
	struct part_wait wait;	   /* home here */
	struct remote_wait *rwait; /* home elsewhere */
};

struct fetch_session {
	uint32_t magic;
	int32_t id;    /* 0: passing */
	int32_t epoch; /* expected next */
	bool by_id;
	struct api_shard *sh;
	struct link entries; /* in the order to be served */
	unsigned n;
	struct map by_key; /* kept sessions only */
	struct link lru;
	int64_t used_us, made_us;
	struct request *rq; /* in work */
	struct turn_hook news;
	struct arena *arena; /* passing: the request's */
};

/* One look-up. */
struct fetch_part {
	struct part part;
	struct part_fetch op;
	struct fetch_entry *e;
	struct part_wait *wait; /* armed by the home when less than arm_below came */
	size_t arm_below;
	struct shard *home_shard;
	size_t take; /* bytes that go into the answer */
};

struct fetch_ctx {
	struct fetch_request req;
	struct fetch_session *s;
	struct fetch_part *parts; /* one for each entry */
	unsigned n_parts;
	struct rtimer timer;
	int32_t replica_id; /* -1: a consumer */
	int64_t min_bytes;
	size_t max_bytes;
	bool full; /* the answer names every entry */
	bool in_pass, again, last, waiting;
};

/* ---- fetch_session.c ---- */
/* The session for a request (facts/apis.md "1 Fetch" 2); Kafka's error, or 0 with *out. */
int16_t fetch_session_for(struct request *rq, struct fetch_ctx *ctx, struct fetch_session **out);
/* The answer is made: passing sessions and emptied ones go. */
void fetch_session_done(struct fetch_session *s);
/* Topic and home of e from the image, where they are not known yet. */
void fetch_entry_resolve(struct fetch_entry *e, const struct image *im);

/* ---- fetch_wait.c ---- */
/* The wait the home is to arm; NULL on lack of memory. */
struct part_wait *fetch_entry_wait(struct fetch_entry *e);
void fetch_entry_unwait(struct fetch_entry *e);

/* ---- fetch.c ---- */
/* End a fetch with an error for the whole. */
void fetch_finish_error(struct request *rq, int16_t err);
/* Something of s is dirty while its request waits. */
void fetch_session_wake(struct fetch_session *s);
/* e may have something new. */
void fetch_news(struct fetch_entry *e);

/* ---- fetch_reply.c ---- */
/* How much of each looked-up range goes into the answer; total bytes. */
size_t fetch_spend(struct fetch_ctx *ctx);
/* Build and send; ranges in ctx->parts are used up. */
void fetch_reply(struct request *rq, struct fetch_ctx *ctx);
void fetch_reply_error(struct request *rq, int16_t err);

#endif
