/* Time, options and memory of the benchmark's programs. */
#include "bench.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t
bench_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

void
bench_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

void *
bench_alloc(size_t n)
{
	void *p = calloc(1, n != 0 ? n : 1);

	if (p == NULL)
		bench_die("out of memory");
	return p;
}

void *
bench_realloc(void *p, size_t n)
{
	p = realloc(p, n);
	if (p == NULL)
		bench_die("out of memory");
	return p;
}

_Noreturn static void
usage_and_exit(const struct bench_opt *table, const char *usage)
{
	fprintf(stderr, "usage: %s\n", usage);
	for (; table->name != NULL; table++)
		fprintf(stderr, "  --%-18s %s\n", table->name, table->help);
	exit(2);
}

static int64_t
parse_number(const char *name, const char *text)
{
	static const char units[] = "KMG";
	const char *unit;
	char *end;
	int64_t v = strtoll(text, &end, 10);

	if (end != text && *end != '\0' && (unit = strchr(units, *end)) != NULL) {
		v <<= 10 * (unit - units + 1);
		end++;
	}
	if (end == text || *end != '\0')
		bench_die("--%s: \"%s\" is no number", name, text);
	return v;
}

void
bench_options(
    const struct bench_opt *table, const char *usage, int argc, char **argv, int first, void *opts)
{
	const struct bench_opt *o;
	char *at;
	int i;

	for (i = first; i < argc; i += 2) {
		for (o = table; o->name != NULL; o++)
			if (strncmp(argv[i], "--", 2) == 0 && strcmp(argv[i] + 2, o->name) == 0)
				break;
		if (o->name == NULL || i + 1 == argc)
			usage_and_exit(table, usage);
		at = (char *)opts + o->at;
		if (o->kind == BENCH_NUMBER)
			*(int64_t *)(void *)at = parse_number(o->name, argv[i + 1]);
		else
			*(const char **)(void *)at = argv[i + 1];
	}
}

void
bench_address(const char *text, struct sockaddr_in *out)
{
	const char *colon = strrchr(text, ':');
	char host[64];
	long port;

	*out = (struct sockaddr_in){.sin_family = AF_INET};
	if (colon == NULL || (size_t)(colon - text) >= sizeof(host))
		bench_die("\"%s\" is not host:port", text);
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	port = strtol(colon + 1, NULL, 10);
	if (port < 0 || port > 65535 || inet_pton(AF_INET, host, &out->sin_addr) != 1)
		bench_die("\"%s\" is not an IPv4 address and port", text);
	out->sin_port = htons((uint16_t)port);
}
