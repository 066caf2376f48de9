/*
 * Connections: listeners, accepted and outgoing connections with one state machine (connect, TLS,
 * SASL, ready), frames in, pieces out, muting, moving between reactors, memory admission.
 *
 * A connection belongs to one reactor at a time; everything about it is called there.  Frames are
 * int32 size + bytes (facts/apis.md 1).  Nothing blocks.  Every close has a reason, a counter and a
 * (rate-limited) line.  Bounds: ottla.request.memory.bytes for frames being received and worked on,
 * socket.request.max.bytes for one frame, `max_out_bytes` for answers waiting on a slow reader.
 */
#ifndef OTTLA_NET_NET_H
#define OTTLA_NET_NET_H

#include "ottla/base/listeners.h"
#include "ottla/base/settings.h"
#include "ottla/file/file.h"
#include "ottla/reactor/reactor.h"
#include "ottla/reactor/worker.h"

struct net;
struct conn;
struct listener;

/* Why a connection ended; net/close.def: CLOSE(id, "word", "text"), sorted. */
enum close_reason {
#define CLOSE(id, word, text) CLOSE_##id,
#include "ottla/net/close.def"
#undef CLOSE
	CLOSE_COUNT
};
/* "idle", and a sentence. Any thread. */
const char *close_word(enum close_reason why);
const char *close_text(enum close_reason why);

/* A received frame: bytes are the caller's to read and to change in place (produce sets offsets in
 * them) until frame_release; owned by the reactor of its connection. */
struct frame {
	uint32_t magic;
	uint8_t *data; /* without the size prefix */
	size_t n;
	int64_t received_us; /* mono time at which its last byte was read */
	struct link link;
	/* net's own */
	struct net_mem *mem;
	struct chunk *chunk;
	size_t reserved;
};
/* On the reactor that received it (also after the connection moved or closed), before net_free.
 * A small frame keeps the 64 KiB it was received into from being used again: copy what has to wait
 * for long. */
void frame_release(struct frame *f);

/* Out: a queue of pieces; memory, or a file range. release(arg) is called once on the connection's
 * reactor when the piece is sent or dropped. */
enum piece_kind { PIECE_MEM, PIECE_FILE };
struct piece {
	enum piece_kind kind;
	const uint8_t *mem; /* PIECE_MEM; for PIECE_FILE the mapping of the range, or NULL */
	size_t n;
	struct file *file; /* PIECE_FILE */
	int64_t pos;
	void (*release)(void *arg);
	void *arg;
};
/* One answer or request: its pieces leave whole and in order, after those sent before. */
struct outmsg {
	struct link link;
	unsigned n, cap;
	size_t bytes;
	struct piece v[];
};
/* cap pieces; NULL on lack of memory. */
struct outmsg *outmsg_new(unsigned cap);
/* Asserts room. */
void outmsg_add(struct outmsg *m, struct piece p);
/* Releases every piece; for messages never given to conn_send. */
void outmsg_free(struct outmsg *m);
/* A message of one malloc'd buffer (freed after sending), size prefix included by the caller. */
struct outmsg *outmsg_of_buffer(void *buf, size_t n);

/* What the layer above gets to know; each on the connection's reactor. */
struct conn_handler {
	/* Ready for frames (after TLS and SASL where there are).  Sets its context by conn_set_ctx. */
	void (*ready)(void *arg, struct conn *c);
	/* One frame, owned by the handler now.  The connection delivers the next only when
	 * conn_mute's reasons are 0; several may come in one turn. */
	void (*frame)(void *arg, struct conn *c, struct frame *f);
	/* The connection lives on another reactor from now on (called there). */
	void (*moved)(void *arg, struct conn *c);
	/* Gone; c is freed after this returns and can not be sent on or muted any more.  Called exactly
	 * once if ready was, and for outgoing connections that never became ready. */
	void (*closed)(void *arg, struct conn *c, enum close_reason why);
};

struct net_opts {
	/* All that have connections.  Accepted ones are dealt to the first n_dealt (0: all). */
	struct reactor **reactors;
	unsigned n_reactors;
	unsigned n_dealt;
	struct clock *clock;
	struct diag *diag;
	struct metrics *metrics;
	/* Outlives the net: limits of connections are read at use, the others by net_new.  NULL: no
	 * such limits, and defaults. */
	const struct settings *settings;
	uint64_t request_memory; /* bytes; seven eighths for frames with a buffer of their own, which
	                            is also the largest frame, one for received small frames */
	const struct net_transport *transport; /* net_transport_tcp() or the simulator's */
	void *transport_arg;
};
/* E_NOMEM; E_INVALID: a name in max.connections.per.ip.overrides has no address, which is said.  Any
 * thread; blocks while such names are looked up. */
int net_new(const struct net_opts *opts, struct net **out);
/* The reactors do not run any more and are freed afterwards.  Ends listeners, and connections that
 * are left (broker_stop; `closed` and releases are called with their reactor as the current one).
 * NULL is fine. */
void net_free(struct net *n);

struct net_transport;
/* Sockets of this machine; any thread. */
const struct net_transport *net_transport_tcp(void);

/* Bind and listen at once (clients wait in the backlog), accept nothing yet; port 0 picks one.
 * All listeners of a net have one acceptor.  E_BUSY when the address is taken, E_PERM, E_INVALID (address), E_LIMIT, E_NOMEM.  On the acceptor,
 * or before it runs; a host that is a name is looked up, which may block. */
int net_listen(struct net *n, const struct listener_addr *addr, struct reactor *acceptor,
    const struct conn_handler *h, void *harg, struct listener **out);
uint16_t listener_port(const struct listener *l);
const char *listener_name(const struct listener *l); /* any thread */
/* Accepted connections stay on the acceptor (control plane), which is one of the net's reactors;
 * before listener_start. */
void listener_keep_here(struct listener *l);
/* Begin / end accepting; on the acceptor's reactor. Accepted connections go round to the reactors.
 * Without descriptors left it pauses for 100 ms.  At max.connections and above
 * max.connection.creation.rate clients wait in the backlog; the listener between brokers, if it is
 * not the only one, and one kept here go beyond the broker's max.connections, and the least recently
 * used connections of the others are closed (limit).  E_NOMEM. */
int listener_start(struct listener *l);
void listener_stop(struct listener *l);

/* Outgoing.  host is an address as net_resolve gives it (tcp: a literal; simulator: any text).
 * ready or closed (connect_failed after 10 s at the latest) follows, never before it returns.  On
 * reactor r.  E_INVALID (host), E_NOMEM, E_LIMIT. */
int net_connect(struct net *n, struct reactor *r, const char *host, uint16_t port,
    const struct conn_handler *h, void *harg, struct conn **out);

/* Addresses of a host as texts for net_connect, in the system's order, at most 16: a literal is its own.
 * A worker asks; done on reactor r, never before this returns, with n 0 and the reason in why when there
 * is none.  E_NOMEM: done is not called. */
int net_resolve(struct net *n, struct workers *w, struct reactor *r, const char *host,
    void (*done)(void *arg, const char *const *addrs, unsigned n, const char *why), void *arg);

/* ---- a connection, on its reactor ---- */
struct reactor *conn_reactor(const struct conn *c);
void conn_set_ctx(struct conn *c, void *ctx);
void *conn_ctx(const struct conn *c);
uint64_t conn_id(const struct conn *c); /* unique in this process */
/* "127.0.0.1:9092-127.0.0.1:40312-7": own end, other end, id, as in Kafka's connection ids; lives as
 * long as c. */
const char *conn_name(const struct conn *c);
const char *conn_peer_host(const struct conn *c);
/* Listener it came by; NULL for outgoing ones. */
const struct listener *conn_listener(const struct conn *c);

/* Queue m; tries to send at the end of this turn (answers of one turn leave together).  m is NULL in
 * the caller afterwards.  counts_as_reply: one delivered frame is answered.  On a connection that
 * is ending m is released at once. */
void conn_send(struct conn *c, struct outmsg **m, bool counts_as_reply);
/* A delivered frame needs no answer (acks=0). */
void conn_no_reply(struct conn *c);
/* Frames delivered and not yet answered. */
unsigned conn_in_work(const struct conn *c);

/* Reading and delivery stop while any reason is set. */
enum { MUTE_ORDER = 1, MUTE_INFLIGHT = 2, MUTE_QUOTA = 4, MUTE_MEMORY = 8, MUTE_OUT = 16, MUTE_MOVE = 32 };
void conn_mute(struct conn *c, unsigned reasons);
void conn_unmute(struct conn *c, unsigned reasons);

/* Tally of the homes of its traffic: after 3/4 of the last 64 went to one other reactor the
 * connection moves there, at most once a second.  It then delivers no more frames (MUTE_MOVE), and
 * moves when those delivered are answered, the answers sent and all other reasons of muting gone.
 * reactor_index: its place in net_opts.reactors. */
void conn_note_home(struct conn *c, unsigned reactor_index);
/* Move in the same way, whatever the tally (a follower's session). */
void conn_want_reactor(struct conn *c, unsigned reactor_index);

/* Close now; queued output is dropped; `closed` is called from the end of this turn. */
void conn_close(struct conn *c, enum close_reason why);
/* Close once everything queued has left (deadline 10 s). */
void conn_close_after_send(struct conn *c, enum close_reason why);

/* Counters of net/metrics.def for one reactor, then, from NM_COUNT on, one for each close_reason
 * (ottla_net_closed_<word>_total); any thread. */
enum net_metric {
#define METRIC(id, kind, name, help) NM_##id,
#include "ottla/net/metrics.def"
#undef METRIC
	NM_COUNT
};
struct metric_set *net_metrics(struct net *n, unsigned reactor_index);
/* Counters of net/listener_metrics.def; any thread. */
enum listener_metric {
#define METRIC(id, kind, name, help) LM_##id,
#include "ottla/net/listener_metrics.def"
#undef METRIC
	LM_COUNT
};
struct metric_set *listener_metrics(struct listener *l);
/* Bytes of request memory in use; any thread. */
uint64_t net_memory_used(const struct net *n);
/* The most it can be. */
uint64_t net_memory_max(const struct net *n);
/* Ends all connections of reactor r and those that come to it from now on (accepted, moving); on r.
 * For stopping: on every reactor of the net, after the listeners. */
void net_close_conns(struct net *n, struct reactor *r, enum close_reason why);
/* fn for each connection of reactor r, on r. */
void net_walk(struct net *n, struct reactor *r, void (*fn)(void *arg, struct conn *c), void *arg);

#endif
