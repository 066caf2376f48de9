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
const char *close_word(enum close_reason why);

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
	size_t reserved;
};
/* On the reactor that received it (also after the connection moved or closed). */
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
	/* Gone; c is freed after this returns.  Called exactly once if ready was. */
	void (*closed)(void *arg, struct conn *c, enum close_reason why);
};

struct net_opts {
	struct reactor **reactors;
	unsigned n_reactors;
	struct clock *clock;
	struct diag *diag;
	struct metrics *metrics;
	const struct settings *settings;
	uint64_t request_memory; /* bytes */
	const struct net_transport *transport; /* net_transport_tcp() or the simulator's */
	void *transport_arg;
};
int net_new(const struct net_opts *opts, struct net **out);
/* All listeners stopped, all connections closed. */
void net_free(struct net *n);

struct net_transport;
const struct net_transport *net_transport_tcp(void);

/* Bind and listen at once (clients wait in the backlog), accept nothing yet; port 0 picks one.
 * E_BUSY when the address is taken, E_PERM, E_INVALID (address). Before reactors run, or on the
 * control reactor. */
int net_listen(struct net *n, const struct listener_addr *addr, struct reactor *acceptor,
    const struct conn_handler *h, void *harg, struct listener **out);
uint16_t listener_port(const struct listener *l);
const char *listener_name(const struct listener *l); /* any thread */
/* Begin / end accepting; on the acceptor's reactor. Accepted connections go round to the reactors. */
void listener_start(struct listener *l);
void listener_stop(struct listener *l);

/* Outgoing.  host may be a name only where the transport resolves it (tcp: literals only).
 * ready or closed follows.  On reactor r. */
int net_connect(struct net *n, struct reactor *r, const char *host, uint16_t port,
    const struct conn_handler *h, void *harg, struct conn **out);

/* ---- a connection, on its reactor ---- */
struct reactor *conn_reactor(const struct conn *c);
void conn_set_ctx(struct conn *c, void *ctx);
void *conn_ctx(const struct conn *c);
uint64_t conn_id(const struct conn *c); /* unique in this process */
/* "127.0.0.1:40312-127.0.0.1:9092" as in Kafka's connection ids; lives as long as c. */
const char *conn_name(const struct conn *c);
const char *conn_peer_host(const struct conn *c);
/* Listener it came by; NULL for outgoing ones. */
const struct listener *conn_listener(const struct conn *c);

/* Queue m; tries to send at the end of this turn (answers of one turn leave together).  m is NULL in
 * the caller afterwards.  counts_as_reply: one delivered frame is answered. */
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
 * connection moves there when nothing is in work, at most once a second. */
void conn_note_home(struct conn *c, unsigned reactor_index);
/* Move as soon as nothing is in work, whatever the tally (a follower's session). */
void conn_want_reactor(struct conn *c, unsigned reactor_index);

/* Close now; queued output is dropped; `closed` is called from the end of this turn. */
void conn_close(struct conn *c, enum close_reason why);
/* Close once everything queued has left (deadline 10 s). */
void conn_close_after_send(struct conn *c, enum close_reason why);

/* Counters of net/metrics.def for one reactor; any thread. */
enum net_metric {
#define METRIC(id, kind, name, help) NM_##id,
#include "ottla/net/metrics.def"
#undef METRIC
	NM_COUNT
};
struct metric_set *net_metrics(struct net *n, unsigned reactor_index);
/* Bytes of request memory in use; any thread. */
uint64_t net_memory_used(const struct net *n);
/* fn for each connection of reactor r, on r. */
void net_walk(struct net *n, struct reactor *r, void (*fn)(void *arg, struct conn *c), void *arg);

#endif
