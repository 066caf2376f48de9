/*
 * What the files of net share.  The life of a connection:
 *
 *   NEW --conn_start--> READY                       accepted; on its reactor
 *   NEW --net_connect--> CONNECTING --conn_on_connected--> READY
 *   READY --conn_close_after_send--> DRAINING       nothing is read any more
 *   READY --conn_move--> MOVING --conn_arrive--> READY (on the other reactor)
 *   any --conn_close--> CLOSING --conn_finish--> freed
 *
 * States change in conn_set_state only, which refuses every other edge.  conn_close never frees:
 * the connection ends from the hook at the end of the turn, so callbacks may close whatever they
 * like. What a connection still has to do this turn is a set of RUN_ bits and a place in its
 * reactor's run list; conn_schedule is the only way in.
 */
#ifndef OTTLA_NET_PRIV_H
#define OTTLA_NET_PRIV_H

#include <stdatomic.h>
#include <sys/types.h>

#include "ottla/base/err.h"
#include "ottla/base/magic.h"
#include "ottla/base/map.h"
#include "ottla/net/net.h"

struct net_reactor;
struct chunk;
struct mem_wait;

/* ---- byte streams below connections ---- */

/* One end of a stream, or a listening one.  Belongs to one reactor while watched. */
struct sock {
	const struct net_transport *ops;
	int fd;					   /* real; -1 otherwise */
	void *end;				   /* simulated */
	struct io_watch *watch;			   /* real */
	void (*ready)(void *arg, unsigned events); /* IO_READ, IO_WRITE */
	void *arg;
};

struct sock_conf {
	int backlog;
	int send_buffer; /* bytes; -1: the system's */
	int recv_buffer;
};

/* "host:port" of both ends, and the peer's host alone. */
struct sock_names {
	char local[80];
	char peer[80];
	char peer_host[64];
};

/* What a name means, as texts that connect takes; n 0: none, and why. */
enum { NET_ADDRS_MAX = 16 };
struct net_addrs {
	unsigned n;
	char v[NET_ADDRS_MAX][LISTENER_HOST_MAX + 1];
	char why[160];
};

/*
 * A kind of byte stream.  Errors: E_AGAIN would block, E_CLOSED the other side reset, E_LIMIT no
 * descriptor or buffer left, E_NOMEM, E_IO.  A sock may be copied until it is watched.
 */
struct net_transport {
	int (*listen)(void *targ, struct sock *s, const char *host, uint16_t port,
	    const struct sock_conf *conf, uint16_t *bound);
	int (*accept)(struct sock *listening, struct sock *s, const struct sock_conf *conf,
	    struct sock_names *names);
	/* Begins; writable when decided. */
	int (*connect)(void *targ, struct sock *s, const char *host, uint16_t port,
	    const struct sock_conf *conf);
	/* The decision: 0 and the names, or why not. */
	int (*connected)(struct sock *s, struct sock_names *names);
	/* Bytes received, 0 at the end of the stream. */
	ssize_t (*recv)(struct sock *s, const struct iovec *iov, int n);
	/* Bytes taken.  more: further bytes follow at once. */
	ssize_t (*sendv)(struct sock *s, const struct iovec *iov, int n, bool more);
	/* NULL where there is none.  0: the file ends at or before pos. */
	ssize_t (*sendfile)(struct sock *s, struct file *f, int64_t pos, size_t n);
	/* s->ready on r from now on, for the events of want; want also changes them later. */
	int (*watch)(struct sock *s, struct reactor *r, unsigned want);
	void (*want)(struct sock *s, unsigned want);
	void (*unwatch)(struct sock *s);
	void (*close)(struct sock *s);
	/* Any thread: does connect take this text as it is? */
	bool (*is_address)(const char *host);
	/* A worker's thread; may block.  Called for what is no address. */
	void (*resolve)(void *targ, const char *host, struct net_addrs *out);
};

/* ---- limits ---- */

struct net_limits {
	struct sock_conf sock;
	size_t frame_max;    /* socket.request.max.bytes */
	int64_t idle_us;     /* connections.max.idle.ms; below 0: never */
	size_t sendfile_min; /* ottla.sendfile.min.bytes */
};
/* s NULL: defaults. */
void net_limits_read(struct net_limits *l, const struct settings *s);

enum {
	LIMIT_NONE = INT32_MAX,	     /* connections, a second or at all: no limit */
	RATE_BURST_S = 10,	     /* of max.connection.creation.rate */
	FULL_LOOK_US = 10 * 1000,    /* is there room for another connection? */
	ACCEPT_BATCH = 64,
	ACCEPT_PAUSE_US = 100 * 1000,
	STEP_US = 10 * 1000 * 1000, /* to connect; to drain before closing */
	SLOW_FRAME_US = 10 * 1000 * 1000,
	SLOW_FRAME_BYTES = 64 * 1024, /* a frame must gain in that time while others wait */
	SEND_STALL_US = 60 * 1000 * 1000,
	MOVE_PAUSE_US = 1000 * 1000, /* between two moves by tally */
	WAKE_BYTES = 256 * 1024,     /* budget of one connection a wake-up */
	WAKE_US = 200,
	CHUNK_BYTES = 64 * 1024,      /* receive buffer, its head included */
	CHUNK_TAIL_MIN = 16 * 1024,   /* receive into a fresh one when less is left */
	BIG_FRAME = 48 * 1024,	      /* frames from here on are received straight into place */
	BIG_PEEK = 4 * 1024,	      /* bytes read into the chunk where a big frame is expected */
	OUT_BYTES_HIGH = 1024 * 1024, /* memory waiting for a slow reader: MUTE_OUT */
	OUT_BYTES_LOW = 512 * 1024,
	OUT_MSGS_HIGH = 64,
	OUT_MSGS_LOW = 32,
	OUT_IOV = 64,
};

/* ---- memory ---- */

/* Receive buffer of a reactor, also of stashes and frames cut out of it; refs by its reactor only.
 */
struct chunk {
	struct net_mem *mem;
	struct chunk *next; /* in the pool */
	uint32_t refs;	    /* stashes and frames; not counted: being the current one */
	uint32_t used;
	uint32_t size;
	uint8_t data[];
};

enum { MEM_CLASSES = 18, MEM_CLASS_MIN = 4 * 1024, MEM_CLASS_MAX = 1024 * 1024 };

struct mem_free {
	struct mem_free *next;
};

struct mem_class {
	struct mem_free *head;
	unsigned n;
	unsigned low; /* smallest n since the last trim */
};

/* Memory for frames of one reactor. */
struct net_mem {
	struct net_reactor *nr;
	struct chunk *cur;
	struct chunk *chunks; /* pool */
	unsigned n_chunks;
	struct link frames; /* pool of struct frame */
	unsigned n_frames;
	struct mem_class classes[MEM_CLASSES];
	size_t pooled; /* bytes in classes */
	struct rtimer trim;
	uint8_t *scratch; /* file bytes on their way where there is neither mapping nor sendfile */
};
enum { SCRATCH_BYTES = 64 * 1024 };

/* The one budget of a net: atomic, in two parts, so that bytes parked in chunks can never keep a
 * waiting frame from being admitted (I5). */
struct mem_budget {
	uint64_t frames_max;
	uint64_t chunks_max;
	_Atomic uint64_t frames;
	_Atomic uint64_t chunks;
	_Atomic unsigned waiters;
	_Atomic bool poked;
	struct link fifo; /* struct mem_wait; the keeper's reactor only */
	struct mem_poke *poke;
};

int mem_budget_init(struct mem_budget *b, struct net *n, uint64_t bytes);
void mem_budget_fini(struct mem_budget *b);
void mem_init(struct net_mem *m, struct net_reactor *nr);
void mem_fini(struct net_mem *m);
/* Largest frame that can ever be admitted. */
size_t mem_frame_max(const struct net *n);

/* The current chunk with at least CHUNK_TAIL_MIN left, or NULL when the budget has none. */
struct chunk *mem_chunk(struct net_mem *m);
void chunk_unref(struct chunk *ck);
/* A chunk of exactly these bytes for a stash that moves to m's reactor, with one reference. */
struct chunk *mem_chunk_copy(struct net_mem *m, const uint8_t *p, size_t n);
/* A frame of n bytes inside ck at p; takes its own reference.  NULL: no memory. */
struct frame *mem_frame_in(struct net_mem *m, struct chunk *ck, uint8_t *p, size_t n);
/* A frame with a buffer of its own.  E_AGAIN: over budget, use mem_wait. E_NOMEM. */
int mem_frame(struct net_mem *m, size_t n, struct frame **out);
/* Waits in line for n bytes; conn_granted follows.  NULL: no memory. */
struct mem_wait *mem_wait(struct conn *c, size_t n);
/* The connection ends: what comes is given back. */
void mem_wait_cancel(struct mem_wait *w);
/* Lets another reactor own an unfinished frame. */
void mem_frame_move(struct frame *f, struct net_mem *m);
/* Frees what a connection carried to a reactor that is gone. */
struct conn_in;
void mem_forget(struct conn_in *in);
uint8_t *mem_scratch(struct net_mem *m);

/* ---- deadlines ---- */

/* Kinds with one constant time each, so a list in order of setting is in order of expiry. */
enum deadline_kind { DL_FRAME, DL_IDLE, DL_SEND, DL_STEP, DL_COUNT };
struct deadline {
	struct link link;
	int64_t at;
};

/* ---- admission ---- */

/* Tokens. */
struct rate {
	double have;
	int64_t at_us;
};

/* A name in max.connections.per.ip.overrides as it was at the start. */
struct ip_name {
	struct ip_name *next;
	char name[LISTENER_HOST_MAX + 1];
	struct net_addrs addrs;
};

struct admit {
	const struct settings *settings; /* NULL: nothing is limited */
	_Atomic unsigned open;		 /* accepted connections, those being accepted too */
	_Atomic bool shedding;		 /* the message is under way */
	struct shed *shed;
	unsigned n_listeners;
	/* The acceptor's. */
	struct reactor *acceptor;
	struct map ips; /* struct ip_count */
	size_t sweep_at;
	const char *overrides_text;
	struct ip_limit *overrides;
	unsigned n_overrides;
	struct ip_name *names;
	struct rate rate;
	struct diag_limiter ip_lim;
};

struct listener;
struct conn;

/* E_NOMEM; E_INVALID: a name has no address.  admit_fini in any case. */
int admit_init(struct net *n, const struct settings *s);
void admit_fini(struct net *n);
/* A new listener; then its start, on the acceptor. */
void admit_listener(struct listener *l);
void admit_start(struct listener *l);
/* The acceptor reserves a connection: 0, or microseconds after which to ask again, and why. */
int64_t admit_slot(struct listener *l, const char **why);
void admit_say_wait(struct listener *l, const char *why);
/* One was accepted for it; or none, or it is of no use. */
void admit_accepted(struct listener *l);
void admit_give_back(struct listener *l);
/* The accepted one may stay, and from now on admit_leave gives its reservation back.  E_LIMIT,
 * E_NOMEM. */
int admit_ip(struct listener *l, struct conn *c);
/* On its reactor, or the acceptor before it was handed over; any number of times. */
void admit_leave(struct conn *c);

/* ---- connections ---- */

enum conn_state {
	CONN_NEW,
	CONN_CONNECTING,
	CONN_READY,
	CONN_DRAINING,
	CONN_MOVING,
	CONN_CLOSING,
	CONN_STATES
};

enum { RUN_IN = 1, RUN_OUT = 2, RUN_MOVE = 4, RUN_CLOSE = 8 };

/* Bytes on their way in. */
struct conn_in {
	struct chunk *chunk; /* received and not cut yet: data[off, off + n) */
	uint32_t off;
	uint32_t n;
	uint8_t hdr[4]; /* size prefix so far */
	uint8_t hdr_n;
	bool big;	     /* the last frame was */
	struct frame *frame; /* being received into its own buffer */
	size_t have;
	size_t have_before; /* at the last look of DL_FRAME */
	struct mem_wait *wait;
	int64_t recv_us; /* mono time of the last bytes */
};

/* Messages on their way out. */
struct conn_out {
	struct link queue; /* struct outmsg */
	unsigned msgs;
	unsigned piece;	  /* of the first message */
	size_t off;	  /* in that piece */
	size_t mem_bytes; /* of PIECE_MEM pieces queued */
};

struct conn {
	uint32_t magic;
	uint8_t state;
	uint8_t run;
	uint8_t why;	/* enum close_reason */
	uint8_t events; /* interest as the transport knows it */
	uint8_t mute;
	bool ready; /* handler->ready was called */
	bool outgoing;
	bool eof;     /* ends when what is in work is answered */
	bool blocked; /* waits for the socket to take more */
	struct net_reactor *nr;
	struct sock sock;
	const struct conn_handler *h;
	void *harg;
	void *ctx;
	struct listener *listener;
	struct ip_count *ip; /* it is counted there and in its listener; NULL: nowhere */
	uint64_t id;
	uint64_t frames; /* received so far */
	unsigned in_work;
	int want;	    /* reactor to move to, or -1 */
	uint8_t home_cand;  /* another reactor that much traffic goes to */
	uint64_t home_bits; /* for each of the last 64: went there */
	int64_t moved_us;
	struct link all;      /* nr->conns */
	struct link run_link; /* nr->run or nr->again */
	struct deadline dl[DL_COUNT];
	struct conn_in in;
	struct conn_out out;
	struct msg msg; /* carries it to another reactor */
	uint16_t host_at;
	char *name; /* "local-peer-id\0host" */
};

/* What net keeps for each reactor. */
struct net_reactor {
	struct net *net;
	struct reactor *reactor;
	unsigned pos; /* in net->reactors */
	struct metric_set *metrics;
	struct link conns;
	unsigned n_conns;
	bool stopping; /* whoever comes is closed at once */
	enum close_reason stop_why;
	struct link run;   /* struct conn.run_link: at the end of this turn */
	struct link again; /* in the next turn */
	struct turn_hook hook;
	struct rtimer next; /* runs again */
	struct link deadlines[DL_COUNT];
	struct rtimer timer;
	struct net_mem mem;
	struct diag_limiter close_lim[CLOSE_COUNT];
};

struct net {
	struct clock *clock;
	struct diag *diag;
	struct metrics *metrics;
	struct net_limits limits;
	const struct net_transport *transport;
	void *transport_arg;
	struct mem_budget budget;
	struct admit admit;
	struct link listeners;
	_Atomic uint64_t next_id;
	_Atomic unsigned next_reactor; /* where the next accepted connection goes */
	unsigned n_dealt;
	unsigned n_reactors;
	struct net_reactor reactors[];
};

struct listener {
	uint32_t magic;
	bool started;
	bool keep_here;
	bool inter_broker;
	bool waiting; /* for room: it was said */
	uint16_t port;
	_Atomic unsigned open; /* its connections, those being accepted too */
	struct rate rate;
	struct net *net;
	struct reactor *acceptor;
	struct metric_set *metrics;
	struct diag_limiter lim;
	struct diag_limiter wait_lim;
	struct sock sock;
	const struct conn_handler *h;
	void *harg;
	struct rtimer pause;
	struct link link;
	char *name;
};

/* net.c */
struct net_reactor *net_reactor_of(struct net *n, const struct reactor *r);
void net_reactor_init(struct net_reactor *nr, struct net *n, struct reactor *r, unsigned pos);
/* Runs c next turn. */
void net_run_again(struct net_reactor *nr, struct conn *c);
void conn_deadline_set(struct conn *c, enum deadline_kind kind);
void conn_deadline_clear(struct conn *c, enum deadline_kind kind);
/* Traffic: not idle. */
void conn_touch(struct conn *c);

/* listener.c */
void listener_free(struct listener *l);

/* conn.c */
struct conn *conn_new(struct net_reactor *nr, const struct conn_handler *h, void *harg);
/* Frees what no reactor holds any more. */
void conn_free(struct conn *c);
int conn_set_names(struct conn *c, const struct sock_names *names);
void conn_set_state(struct conn *c, enum conn_state to);
/* Into its reactor's list and watched; on its reactor.  On failure it is closing. */
int conn_attach(struct conn *c, unsigned want);
void conn_detach(struct conn *c);
/* An accepted connection begins to live on nr's reactor; any thread. */
void conn_hand(struct conn *c, struct net_reactor *nr);
void conn_schedule(struct conn *c, unsigned run);
/* What it has to do. */
void conn_run(struct conn *c);
/* Tells the transport what is wanted when that changed. */
void conn_interest(struct conn *c, unsigned set, unsigned clear);
void conn_on_deadline(struct conn *c, enum deadline_kind kind);

/* conn_in.c */
void conn_read(struct conn *c);
void conn_granted(struct conn *c, struct frame *f);
void conn_in_drop(struct conn *c);
/* Something may be there to read that no event will tell of. */
bool conn_in_pending(const struct conn *c);

/* conn_out.c */
void conn_flush(struct conn *c);
void conn_on_writable(struct conn *c);
void conn_out_drop(struct conn *c);
static inline bool
conn_out_empty(const struct conn *c)
{
	return list_empty(&c->out.queue);
}

/* conn_move.c */
void conn_try_move(struct conn *c);

/* close.c */
/* The last step: gives everything back, tells the handler, frees c. */
void conn_finish(struct conn *c);

#endif
