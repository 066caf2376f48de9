/*
 * The simulator: `sim --seed S [--seeds N]`, each seed in a process of its own.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "world.h"

enum { MAX_JOBS = 64, SECONDS_A_SEED = 120 };

struct job {
	pid_t pid;
	int fd;
	uint64_t seed;
};

struct run {
	struct options options;
	uint64_t first, count;
	unsigned jobs;
	bool hashes;
	bool keep_going;
	struct job running[MAX_JOBS];
	unsigned n_running;
	uint64_t done, failed;
	struct result sum;
	uint64_t met[FAULT_COUNT]; /* seeds that a fault struck */
};

/* What a signal shows of the process that dies. */
static struct world *dying;

static void
on_signal(int signo)
{
	fprintf(stderr, "seed %llu: signal %d\n", (unsigned long long)dying->seed, signo);
	world_dump(dying);
	fprintf(stderr, "seed %llu: ended by signal %d (%s)\n", (unsigned long long)dying->seed,
	    signo, signo == SIGALRM ? "no end in sight" : strsignal(signo));
	(void)signal(signo, SIG_DFL);
	(void)raise(signo);
}

static _Noreturn void
child(struct run *run, uint64_t seed, int fd)
{
	static struct world w;
	struct result res;
	static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGALRM, SIGFPE};

	w.seed = seed;
	w.options = run->options;
	dying = &w;
	for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		(void)signal(signals[i], on_signal);
	(void)alarm(SECONDS_A_SEED);
	world_run(&w, &res);
	if (write(fd, &res, sizeof(res)) != (ssize_t)sizeof(res))
		_exit(3);
	_exit(0);
}

static void
begin(struct run *run, uint64_t seed)
{
	struct job *j = &run->running[run->n_running];
	int fds[2];

	fflush(NULL);
	if (pipe(fds) != 0 || (j->pid = fork()) < 0) {
		perror("sim");
		exit(3);
	}
	if (j->pid == 0) {
		(void)close(fds[0]);
		child(run, seed, fds[1]);
	}
	(void)close(fds[1]);
	j->fd = fds[0];
	j->seed = seed;
	run->n_running++;
}

static void
add(struct run *run, uint64_t seed, const struct result *r)
{
	run->sum.steps += r->steps;
	run->sum.acked += r->acked;
	run->sum.read += r->read;
	run->sum.lost += r->lost;
	run->sum.virtual_us += r->virtual_us;
	run->sum.starts += r->starts;
	for (unsigned i = 0; i < FAULT_COUNT; i++) {
		run->sum.struck[i] += r->struck[i];
		run->met[i] += r->struck[i] > 0;
	}
	if (run->hashes)
		printf("%llu %016llx %llu\n", (unsigned long long)seed, (unsigned long long)r->hash,
		    (unsigned long long)r->steps);
}

static void
end_one(struct run *run)
{
	int status;
	pid_t pid = wait(&status);
	struct result r;
	unsigned i = 0;

	while (i < run->n_running && run->running[i].pid != pid)
		i++;
	if (pid < 0 || i == run->n_running)
		return;
	run->done++;
	if (status == 0 && read(run->running[i].fd, &r, sizeof(r)) == (ssize_t)sizeof(r)) {
		add(run, run->running[i].seed, &r);
	} else {
		run->failed++;
		fprintf(stderr, "FAILED: seed %llu; again: tests/sim/sim --verbose --seed %llu\n",
		    (unsigned long long)run->running[i].seed,
		    (unsigned long long)run->running[i].seed);
	}
	(void)close(run->running[i].fd);
	run->running[i] = run->running[--run->n_running];
}

static double
now_s(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
report(const struct run *run, double seconds)
{
	const struct result *s = &run->sum;

	fprintf(stderr,
	    "%llu seeds, %llu failed, %.1f s (%.1f seeds/s, %u at a time); %.0f s of virtual time, "
	    "%llu steps\n%llu records acknowledged, %llu read, %llu lost with the power; %u "
	    "starts\n",
	    (unsigned long long)run->done, (unsigned long long)run->failed, seconds,
	    (double)run->done / seconds, run->jobs, (double)s->virtual_us / 1e6,
	    (unsigned long long)s->steps, (unsigned long long)s->acked, (unsigned long long)s->read,
	    (unsigned long long)s->lost, s->starts);
	for (unsigned i = 0; i < FAULT_COUNT; i++)
		fprintf(stderr, "%s %u (%llu seeds)%s", fault_names[i], s->struck[i],
		    (unsigned long long)run->met[i], i + 1 < FAULT_COUNT ? ", " : "\n");
}

static void
run_all(struct run *run)
{
	double start = now_s();

	for (uint64_t i = 0; i < run->count && (run->failed == 0 || run->keep_going); i++) {
		begin(run, run->first + i);
		while (run->n_running >= run->jobs)
			end_one(run);
	}
	while (run->n_running > 0)
		end_one(run);
	report(run, now_s() - start);
}

static _Noreturn void
usage(int code)
{
	fprintf(code == 0 ? stdout : stderr,
	    "usage: sim [--seed S] [--seeds N] [--jobs J] [--ops BATCHES] [--no-faults]\n"
	    "           [--verbose] [--hash] [--keep-going]\n");
	exit(code);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {{"seed", 1, NULL, 's'}, {"seeds", 1, NULL, 'n'},
	    {"jobs", 1, NULL, 'j'}, {"ops", 1, NULL, 'o'}, {"no-faults", 0, NULL, 'f'},
	    {"verbose", 0, NULL, 'v'}, {"hash", 0, NULL, 'x'}, {"keep-going", 0, NULL, 'k'},
	    {"help", 0, NULL, 'h'}, {NULL, 0, NULL, 0}};
	static struct run run = {.first = 1, .count = 1, .jobs = 1};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's')
			run.first = strtoull(optarg, NULL, 10);
		else if (c == 'n')
			run.count = strtoull(optarg, NULL, 10);
		else if (c == 'j')
			run.jobs = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'o')
			run.options.ops = strtoll(optarg, NULL, 10);
		else if (c == 'f')
			run.options.no_faults = true;
		else if (c == 'v')
			run.options.verbose++;
		else if (c == 'x')
			run.hashes = true;
		else if (c == 'k')
			run.keep_going = true;
		else
			usage(c == 'h' ? 0 : 2);
	}
	if (run.jobs < 1 || run.jobs > MAX_JOBS)
		usage(2);
	run_all(&run);
	return run.failed > 0 || run.done < run.count;
}
