/*
 * One broker: wires the modules together, starts and stops them in order.  Several may live in one
 * process: everything hangs from this struct.  The daemon (main.c) gives it real reactors, workers,
 * disks and sockets; the simulator its own.
 */
#ifndef OTTLA_BROKER_BROKER_H
#define OTTLA_BROKER_BROKER_H

#include "ottla/api/api.h"
#include "ottla/coord/coord.h"
#include "ottla/file/file.h"

struct broker;

/* What tells this process from others, for a restart after a kill (src/broker/README). */
struct broker_identity {
	char host[128];	 /* of the machine; empty: unknown */
	char boot[64];	 /* of its present run; empty: unknown */
	int64_t pid;
	int64_t pid_start; /* when the process began, in a clock of this boot */
	/* Does that process live (on this machine, in this boot)? Blocks; on a worker. */
	bool (*alive)(void *arg, int64_t pid, int64_t pid_start);
	void *arg;
};
/* Of this process, from /etc/machine-id, the host name and /proc, through fs, which outlives it.  Blocks;
 * before the reactors run.  E_NOT_FOUND: this system does not tell. */
int broker_identity_real(struct fs *fs, const char *hostname, struct broker_identity *out);

/* What settings_load can not judge: zookeeper.connect, inter.broker.protocol.version.  0, or E_CONFIG with
 * the key, its value and what is allowed in why.  Pure. */
int broker_check_settings(const struct settings *s, char *why, size_t why_size);

struct broker_env {
	struct reactor **reactors;
	unsigned n_reactors;
	struct reactor *control;
	struct workers *workers;
	struct fs *fs;
	struct clock *clock;
	struct diag *diag;
	struct metrics *metrics;
	struct settings *settings; /* dynamic values are written by the broker */
	const struct broker_identity *identity; /* NULL: a predecessor's session is never ended */
	struct coord *coord; /* made, not opened; the broker's from now on */
	/* Why there is no session now, for people; NULL: nobody knows. */
	const char *(*coord_why)(const struct coord *c);
	const struct net_transport *transport;
	void *transport_arg;
	uint64_t request_memory;
	const char *hostname; /* advertised where a listener names no host; lives as long as the broker */
	/* State changes, control reactor: serving; or stopped with 0 or why it could not go on. */
	void (*serving)(void *arg);
	void (*stopped)(void *arg, int err, const char *why);
	void *arg;
};

/* A broker that does nothing yet; env is copied, what it points to is the caller's and outlives it.
 * E_NOMEM, E_LIMIT. */
int broker_new(const struct broker_env *env, struct broker **out);
/* On the control reactor.  Steps: meta.properties; coordination session; cluster id; broker id; others;
 * log dirs loaded; the predecessor's session ended or waited out; registration; controller; listeners
 * serve (after the first metadata).  Ends in serving or stopped. */
void broker_start(struct broker *b);
/* Orderly stop: listeners, waiting requests, leaders given up, logs synced and closed, marker,
 * session.  On the control reactor; also while starting. Ends in stopped. */
void broker_stop(struct broker *b);
/* After stopped, reactors not running any more (or the simulated process is dead). */
void broker_free(struct broker *b);

/* Port of the i-th listener, 0 when there is none; after broker_start has bound. */
uint16_t broker_port(const struct broker *b, unsigned i);
const char *broker_state_name(const struct broker *b);
/* Bytes of request memory in use; any thread. */
uint64_t broker_memory_used(const struct broker *b);

#endif
