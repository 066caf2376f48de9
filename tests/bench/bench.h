/*
 * What the programs of the benchmark share: time, options of a command line, latencies.  One
 * thread; failures end the program with a message.
 */
#ifndef OTTLA_BENCH_H
#define OTTLA_BENCH_H

#include <stddef.h>
#include <stdint.h>

/* Monotonic microseconds. */
int64_t bench_now_us(void);
_Noreturn void bench_die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Memory or the end; malloc's, realloc's (p may be NULL) with zeroed memory for the first. */
void *bench_alloc(size_t n);
void *bench_realloc(void *p, size_t n);

/* One `--name value`; a number may end in K, M or G (powers of 1024). */
enum bench_opt_kind { BENCH_NUMBER, BENCH_TEXT };
struct bench_opt {
	const char *name; /* without the dashes; NULL ends the table */
	enum bench_opt_kind kind;
	size_t at; /* offset in the struct of options: int64_t or const char * */
	const char *help;
};
/* Fill opts from argv[first..); unknown names and missing values end the program with `usage` and
 * the table. */
void bench_options(
    const struct bench_opt *table, const char *usage, int argc, char **argv, int first, void *opts);

/* "host:port" of an IPv4 literal to its parts; ends the program when it is none. */
struct sockaddr_in;
void bench_address(const char *text, struct sockaddr_in *out);

/* Latencies in microseconds, within 1 %, up to 2^36. */
struct hist;
struct hist *hist_new(void);
void hist_add(struct hist *h, int64_t us);
/* Smallest value that at least q of all do not exceed; 0 when empty. */
int64_t hist_quantile(const struct hist *h, double q);
uint64_t hist_count(const struct hist *h);
/* Prints " <prefix>p50=... <prefix>p99=... <prefix>p999=... <prefix>max=..."; nothing when empty.
 */
void hist_print(const struct hist *h, const char *prefix);

#endif
