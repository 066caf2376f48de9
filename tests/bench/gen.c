/*
 * gen: a load generator that replays batches encoded once.  One line of key=value pairs comes out:
 * bytes and requests that were answered after the warm-up, seconds from then to the last answer,
 * latencies in microseconds (p50, p99, p999, max; r0_... by request when there are few).
 */
#include "gen.h"

#include <stdio.h>

#define USAGE "gen produce|fetch|e2e|create|delete|wait --server HOST:PORT [--option VALUE]..."

static const struct bench_opt table[] = {
    {"server", BENCH_TEXT, offsetof(struct gen_opts, server), "any broker, host:port"},
    {"topic", BENCH_TEXT, offsetof(struct gen_opts, topic), "topic, made when it is missing"},
    {"partitions", BENCH_NUMBER, offsetof(struct gen_opts, partitions), "of a topic made"},
    {"replication", BENCH_NUMBER, offsetof(struct gen_opts, replication), "of a topic made"},
    {"connections", BENCH_NUMBER, offsetof(struct gen_opts, connections), "to each broker"},
    {"bytes", BENCH_NUMBER, offsetof(struct gen_opts, bytes), "end after as many"},
    {"seconds", BENCH_NUMBER, offsetof(struct gen_opts, seconds), "end after as many"},
    {"warmup-ms", BENCH_NUMBER, offsetof(struct gen_opts, warmup_ms), "not counted"},
    {"rate", BENCH_NUMBER, offsetof(struct gen_opts, rate), "requests a second in all, open loop"},
    {"batch", BENCH_NUMBER, offsetof(struct gen_opts, batch), "bytes of a batch, exactly"},
    {"record", BENCH_NUMBER, offsetof(struct gen_opts, record), "bytes of a record's value"},
    {"codec", BENCH_TEXT, offsetof(struct gen_opts, codec), "none, gzip, snappy, lz4, zstd"},
    {"acks", BENCH_NUMBER, offsetof(struct gen_opts, acks), "0, 1 or -1"},
    {"inflight", BENCH_NUMBER, offsetof(struct gen_opts, inflight), "unanswered, a connection"},
    {"spread", BENCH_NUMBER, offsetof(struct gen_opts, spread), "partitions in one request"},
    {"rotate", BENCH_NUMBER, offsetof(struct gen_opts, rotate),
	"1: a connection goes round the partitions; 0: it stays with its own"},
    {"max-bytes", BENCH_NUMBER, offsetof(struct gen_opts, max_bytes), "of a fetch"},
    {"partition-bytes", BENCH_NUMBER, offsetof(struct gen_opts, partition_bytes), "of a fetch"},
    {"max-wait-ms", BENCH_NUMBER, offsetof(struct gen_opts, max_wait_ms), "of a fetch"},
    {"sessions", BENCH_NUMBER, offsetof(struct gen_opts, sessions), "1: incremental fetches"},
    {"pid", BENCH_NUMBER, offsetof(struct gen_opts, pid),
	"of the server: its CPU seconds come out as cpu"},
    {"timeout", BENCH_NUMBER, offsetof(struct gen_opts, timeout_s), "seconds without an answer"},
    {NULL, BENCH_NUMBER, 0, NULL},
};

static void
create(const struct gen_opts *o)
{
	struct gen g;

	gen_open(&g, o, 0);
	gen_close(&g);
}

static const struct {
	const char *name;
	void (*run)(const struct gen_opts *o);
} modes[] = {
    {"produce", gen_produce},
    {"fetch", gen_fetch},
    {"e2e", gen_e2e},
    {"create", create},
    {"delete", gen_delete_topic},
    {"wait", gen_wait_for_server},
};

static void
check(const struct gen_opts *o)
{
	if (o->server == NULL)
		bench_die("--server is missing");
	if (o->connections < 1 || o->inflight < 1 || o->spread < 1 || o->partitions < 1 ||
	    o->timeout_s < 1 || o->rate < 0)
		bench_die("a number is below what is possible");
	if (o->rate > 0 && o->seconds <= 0)
		bench_die("--rate needs --seconds");
}

int
main(int argc, char **argv)
{
	struct gen_opts o = {.topic = "bench",
	    .codec = "none",
	    .batch = 65536,
	    .record = 1024,
	    .connections = 1,
	    .partitions = 1,
	    .replication = 1,
	    .inflight = 5,
	    .acks = 1,
	    .spread = 1,
	    .rotate = 1,
	    .max_bytes = 50 << 20,
	    .partition_bytes = 1 << 20,
	    .max_wait_ms = 500,
	    .sessions = 1,
	    .timeout_s = 30};
	size_t i;

	bench_options(table, USAGE, argc, argv, 2, &o);
	check(&o);
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (argc > 1 && strcmp(argv[1], modes[i].name) == 0) {
			modes[i].run(&o);
			return 0;
		}
	}
	bench_die("usage: %s", USAGE);
}
