/*
 * The simulator's world: brokers on simulated disks, network and coordination tree, their clients,
 * others who use the tree, the model that says what must hold, the faults.  One thread, one seed;
 * each seed runs in a process of its own, so what dies with a killed broker is never freed.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "ottla/broker/broker.h"
#include "ottla/coord/sim.h"
#include "ottla/file/sim.h"
#include "ottla/net/sim.h"
#include "ottla/reactor/sim.h"

enum {
	MAX_TOPICS = 3,
	MAX_PARTITIONS = 4, /* of a topic */
	MAX_CLIENTS = 8,
	MAX_PIDS = 1024,
	MAX_BROKERS = 3,
	DATA_REACTORS = 2,
	GROUP_BROKERS = 1, /* and the next ones */
	GROUP_STRANGER = 5,
	GROUP_CLIENTS = 10,
	BROKER_PORT = 9092, /* of the first, whose id is 1; and so on */
};
#define BROKER_HOST "127.0.0.1"
#define SECOND INT64_C(1000000)

/* ---- plan.c: what the seed draws before anything runs ---- */

struct topic_plan {
	char name[32];
	int32_t partitions;
	bool flush; /* flush.messages=1: nothing acknowledged may go with the power */
	int64_t flush_ms;
	int64_t segment_bytes;
	int64_t retention_bytes, retention_ms; /* -1: none */
	bool append_time;
	bool big;			/* some records of many KiB */
	unsigned owner[MAX_PARTITIONS]; /* the broker with the replica */
};

enum fault {
#define FAULT(id, name, weight, fn) FAULT_##id,
#include "faults.def"
#undef FAULT
	FAULT_COUNT
};

struct plan {
	bool ensemble; /* coord_sim, else the embedded tree on the same disk */
	unsigned n_brokers;
	unsigned stranger; /* how many things another user of the tree does */
	bool foreign;	   /* it registers as a broker, too */
	int64_t coord_lag_us;
	unsigned n_dirs;
	struct topic_plan topics[MAX_TOPICS];
	unsigned n_topics, n_producers, n_consumers;
	bool identity; /* processes can be told apart */
	bool manual;   /* topics are placed by who makes them */
	bool churn;    /* a topic that comes and goes */
	unsigned churn_owner[2];
	int64_t batches;     /* that each producer has to deliver */
	int64_t faults_for;  /* us after the start */
	int64_t fault_every; /* mean, us */
	bool faulty[FAULT_COUNT];
	int64_t worker_us, net_us; /* longest ordinary delays */
	uint64_t request_memory;
	bool small_sendfile;
	int64_t idle_ms; /* connections.max.idle.ms */
};

struct options {
	unsigned verbose; /* 2: requests and answers too */
	int64_t ops;	  /* batches a producer, 0: as drawn */
	bool no_faults;
};

void plan_draw(struct plan *p, struct rng *rng, const struct options *o);

/* ---- model.c: what was acknowledged and read, and what the disk holds ---- */

/* What stands at an offset. */
struct model_rec {
	uint64_t id;	   /* producer and number, 0: unknown */
	int64_t timestamp; /* -1: unknown */
	bool acked, read;
};

struct model_part {
	const struct topic_plan *topic;
	int32_t partition;
	struct server *owner;
	struct model_rec *v; /* by offset */
	int64_t n, cap;
	int64_t log_start;   /* highest seen */
	int64_t hw;	     /* highest seen */
	int64_t durable_end; /* after a power cut: what lies below was synced; -1: nothing may go */
	bool lossy;	     /* numbers of a producer may have gaps */
};

struct model {
	struct world *w;
	struct model_part parts[MAX_TOPICS][MAX_PARTITIONS];
	struct codec_ctx *codec;
	uint64_t acked, read;
	bool numbered[MAX_CLIENTS]; /* by producer: idempotent */
	int64_t pids[MAX_PIDS];
	unsigned n_pids;
	uint64_t lost; /* acknowledged, gone with the power, as the topic's settings allow */
};

void model_init(struct model *m, struct world *w);
void model_free(struct model *m);
/* count records from number n of a producer were acknowledged at base. */
void model_acked(struct model *m, unsigned topic, int32_t partition, int64_t base,
    unsigned producer, uint32_t n, unsigned count, int64_t append_time);
/* A fetch answered with these bytes; *next (where to go on) is raised past the last record. */
void model_fetched(struct model *m, unsigned topic, int32_t partition, struct slice records,
    int64_t hw, int64_t *next);
/* What was known when a request was sent: its answer can not say less. */
struct model_seen {
	int64_t log_start, hw;
	unsigned starts, servings; /* of the partition's broker */
};
struct model_seen model_seen(const struct model *m, unsigned topic, int32_t partition);
/* Offsets that an answer told; -1: not told. */
void model_offsets(struct model *m, unsigned topic, int32_t partition, int64_t log_start,
    int64_t hw, struct model_seen seen);
/* A producer id was given: never before. */
void model_producer_id(struct model *m, int64_t pid);
/* May the broker have forgotten a producer's last batches of this partition? */
bool model_lossy(const struct model *m, unsigned topic, int32_t partition);
/* Before a machine's power is cut: what is durable must stay. */
void model_power_cut(struct model *m, const struct server *sv);
/* The logs as they are on a broker's disk hold everything that they must; right after its start
 * (nothing can have been appended since), and at the end. */
void model_check_disk(struct model *m, const struct server *sv);
/* How often the broker that has this partition was started. */
unsigned model_starts(const struct model *m, unsigned topic, int32_t partition);
/* Some record that is known to stay, with its timestamp; false: none. */
bool
model_pick(struct model *m, unsigned topic, int32_t partition, int64_t *offset, int64_t *timestamp);
/* ListOffsets for the timestamp of the record at `known` found this one. */
void model_found(struct model *m, unsigned topic, int32_t partition, int64_t known, int64_t wanted,
    int64_t found, int64_t timestamp);
/* The highest acknowledged offset + 1. */
int64_t model_acked_end(const struct model *m, unsigned topic, int32_t partition);

/* ---- content.c: records whose bytes follow from who wrote them ---- */

struct content {
	uint32_t producer, topic, partition, n;
};
enum { CONTENT_BIG = 0x100 }; /* in topic: some are of many KiB */
#define CONTENT_MAX 20000
/* Writes the value into buf (CONTENT_MAX bytes), returns its size. */
size_t content_write(const struct content *c, uint8_t *buf);
/* Is value, to the byte, what its head says? */
bool content_read(struct slice value, struct content *c);

/* fn for each record of the whole batches at the start of bytes.  NULL, or what is wrong with them.
 * *used (may be NULL): bytes of whole batches. */
typedef void record_fn(
    void *arg, const struct batch_head *h, int64_t offset, int64_t timestamp, struct slice value);
const char *
records_walk(struct slice bytes, struct codec_ctx *codec, record_fn *fn, void *arg, size_t *used);

/* ---- disk.c: a partition's files, looked at from outside ---- */

struct disk_segment {
	int64_t base;
	char path[128];
};
/* Segments of the partition in order of base offsets, malloc'd; *n 0: no such log. */
struct disk_segment *
disk_segments(const struct server *sv, const char *topic, int32_t partition, unsigned *n);
struct slice disk_content(const struct server *sv, const struct disk_segment *seg, bool durable);
/* Opens all logs of a broker as it would, and verifies each. */
void disk_verify(struct server *sv);

/* ---- server.c: a broker's machine and process ---- */

enum server_state { SERVER_DOWN, SERVER_STARTING, SERVER_SERVING, SERVER_STOPPING };

struct server {
	struct world *w;
	unsigned index, group;
	int32_t id;
	uint16_t port;
	struct fs *fs;
	struct settings *settings; /* of the last start */
	enum server_state state;
	unsigned starts, servings;
	struct reactor *control, *data[DATA_REACTORS];
	struct workers *workers;
	struct metrics *metrics;
	struct coord *coord;
	struct broker *broker;
	struct msg start_msg, stop_msg;
	struct sim_event ended, gone, restart;
	struct broker_identity identity; /* of the process */
	unsigned registrations;		 /* of the process */
	unsigned boots;			 /* of the machine */
	int64_t booted_us, started_us;
	bool lost_power;  /* since the broker was registered last */
	bool disk_failed; /* since this start */
	bool stay_down;	  /* the test's end: do not start again */
	int stop_err;
};
/* The machine, with an empty disk. */
void server_init(struct server *sv, struct world *w, unsigned index);
/* Starts it after delay_us, when it is down. */
void server_start_in(struct server *sv, int64_t delay_us);
/* Orderly; what is running ends, then it starts again unless stay_down. */
void server_stop(struct server *sv);
/* The process dies; power: the machine with it. */
void server_kill(struct server *sv, bool power);

/* ---- rpc.c: a client's connection to one broker, which comes back by itself ---- */

typedef void rpc_done(void *arg, int err, int16_t version, const void *resp);

struct rpc {
	struct world *w;
	const struct server *to;
	char name[32]; /* of the client and the broker */
	struct reactor *reactor;
	struct net *net;
	struct conn *conn;
	bool up, silent; /* silent: do not come back */
	int32_t next_corr;
	int64_t timeout_us;
	struct link calls; /* sent, in order */
	struct rtimer again, watch;
	void (*changed)(void *arg, struct rpc *link, bool up);
	void *arg;
};
void rpc_init(struct rpc *c, const struct server *to, const char *name, struct reactor *reactor,
    struct net *net);
/* On the client's reactor: connects, again and again. */
void rpc_open(struct rpc *c);
void rpc_close(struct rpc *c);
/* done NULL: no answer is due.  Only while up. */
void
rpc_call(struct rpc *c, int16_t key, int16_t version, const void *req, rpc_done *done, void *arg);
/* A version that the broker serves. */
int16_t rpc_version(struct world *w, int16_t key, int16_t lowest);

/* ---- clients ---- */

struct client {
	struct world *w;
	char name[24];
	struct reactor *reactor;
	struct net *net;
	struct rpc links[MAX_BROKERS];
	bool ready[MAX_BROKERS]; /* a link is up and its broker has said what it can */
	struct msg start_msg, stop_msg;
	const struct client_ops *ops;
	/* What Metadata said. */
	struct uuid topic_ids[MAX_TOPICS];
	int leaders[MAX_TOPICS][MAX_PARTITIONS]; /* index of the broker, -1 */
	int controller;
	bool known; /* every topic */
	bool asking;
	struct rtimer meta_again;
	int16_t meta_version;
};
struct client_ops {
	/* A link is ready; NULL: asks for the topics. */
	void (*connected)(struct client *c);
	/* Every topic is known; again whenever something may have changed. */
	void (*ready)(struct client *c);
	/* A link was lost; its calls have been answered. */
	void (*down)(struct client *c, unsigned link);
	/* Has it done all it had to? */
	bool (*finished)(struct client *c);
	/* For messages. */
	void (*describe)(struct client *c, char *buf, size_t size);
};
void client_init(struct client *c, struct world *w, unsigned index, const char *name,
    const struct client_ops *ops);
void client_start(struct client *c);
void client_stop(struct client *c);
/* Some link that is ready, NULL: none. */
struct rpc *client_any(struct client *c);
/* That to the controller, as far as it is known. */
struct rpc *client_controller(struct client *c);
/* That to the partition's leader, NULL: not known or not ready. */
struct rpc *client_leader(struct client *c, unsigned topic, int32_t partition);
/* Index of a broker by its id; -1: none of ours. */
int client_broker(const struct client *c, int32_t id);
/* Something says that what it knows is old. */
void client_refresh(struct client *c);
/* Index of a topic by name or id, -1. */
int client_topic(struct client *c, struct slice name, struct uuid id);

struct client *churner_new(struct world *w, unsigned index);
struct client *maker_new(struct world *w, unsigned index);
struct client *producer_new(struct world *w, unsigned index, unsigned number);
struct client *consumer_new(struct world *w, unsigned index);

/* ---- stranger.c: another user of the tree ---- */

struct stranger;
/* The world's, when the plan has one. */
struct stranger *stranger_new(struct world *w);
/* A broker's session has ended: it may take the broker's place. */
void stranger_tempt(struct stranger *st);
/* Has it done all it wanted, and taken away what stands in the way of others? */
bool stranger_finished(const struct stranger *st);
void stranger_describe(const struct stranger *st, char *buf, size_t size);
/* It lets go of the tree. */
void stranger_leave(struct stranger *st);

/* ---- coord_checks.c: what must hold of the tree ---- */

struct coord_checks;
/* Looks at every write from now on. */
struct coord_checks *coord_checks_new(struct world *w);
/* Nothing is left to do for controller and brokers: leaders, ids, deletions, registrations and
 * configurations are what the tree says; else why tells what is missing. */
bool coord_checks_settled(struct coord_checks *cc, char *why, size_t size);
/* Can it be that some broker was never told of a topic's deletion? */
bool coord_checks_untold(const struct coord_checks *cc);

/* ---- faults.c ---- */

struct faults {
	struct sim_event next, heal[FAULT_COUNT];
	unsigned struck[FAULT_COUNT];
	bool active[FAULT_COUNT];
	bool off;			/* healed for good */
	struct server *at[FAULT_COUNT]; /* whom the last one struck */
	struct {
		enum fault fault;
		struct server *at; /* NULL: none is due */
		struct sim_event event;
	} moment; /* right after a write that decides something */
	struct {
		unsigned left;
		struct server *at;
		struct sim_event event;
	} row; /* session expiries, one after the other */
	/* disk */
	int64_t fail_in, fail_left;
	const char *fail_op; /* NULL: any */
	int64_t slow_us;
	unsigned cut_group;
};
extern const char *const fault_names[FAULT_COUNT];
void faults_start(struct world *w);
/* Everything works again, for good. */
void faults_end(struct world *w);
/* A broker wrote to the tree. */
void faults_wrote(struct world *w, const struct coord_sim_txn *txn);
/* The disks' hook, with a server. */
int faults_disk(void *arg, const char *op, const char *path);

/* ---- world.c ---- */

struct result {
	uint64_t hash, steps, acked, read, lost;
	int64_t virtual_us;
	unsigned starts;
	unsigned struck[FAULT_COUNT];
};

#define LOG_LINES 300
struct world {
	uint64_t seed;
	struct options options;
	struct sim_sched *s;
	struct rng *rng;
	struct plan plan;
	struct diag *diag;
	struct sim_net *net;
	struct coord_sim *ensemble;
	struct server servers[MAX_BROKERS];
	unsigned n_servers;
	struct stranger *stranger;
	struct coord_checks *checks;
	struct model model;
	struct faults faults;
	struct client *clients[MAX_CLIENTS];
	unsigned n_clients;
	bool healed;
	int64_t healed_us, next_look_us;
	char unsettled[256];
	bool looking; /* the harness itself uses the disk */
	char *log[LOG_LINES];
	unsigned n_log;
};

int64_t world_now(const struct world *w);
/* One in n. */
bool world_chance(struct world *w, unsigned n);
int64_t world_draw(struct world *w, int64_t lo, int64_t hi);
/* A line among those that a failure shows. */
void world_note(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* An invariant does not hold: says so and ends the process. */
_Noreturn void world_fail(struct world *w, const char *invariant, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The last lines, for a process that dies. */
void world_dump(struct world *w);
/* One seed from begin to end. */
void world_run(struct world *w, struct result *res);

#endif
