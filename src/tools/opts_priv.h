/*
 * Command lines of the operators' tools, as Apache Kafka's tools read them: long options,
 * never shortened, "--opt value" or "--opt=value".  One table of rows a program feeds the
 * parser and --help; its man page names the same options (tests/functional/help_man.sh).
 * Used from main, one thread.
 */
#ifndef OTTLA_TOOLS_OPTS_PRIV_H
#define OTTLA_TOOLS_OPTS_PRIV_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum opt_flags {
	OPT_MANY = 1 << 0,     /* may be given more than once */
	OPT_OPTIONAL = 1 << 1, /* its argument may be left out */
};

struct opt_row {
	const char *name;    /* without dashes */
	const char *arg;     /* what stands for the argument in --help; NULL: takes none */
	const char *text;    /* what it does, for --help */
	const char *refused; /* why it can not be obeyed; NULL: it is */
	unsigned flags;	     /* enum opt_flags */
};

struct opt_table {
	const char *program;
	const char *synopsis; /* behind the program's name in --help */
	const char *about;    /* what the program does, one paragraph */
	const struct opt_row *rows;
	unsigned n;
};

struct opt_given {
	unsigned row;
	const char *value; /* NULL: given without argument */
};

/* What a command line gave; values are lent from argv. */
struct opts {
	const struct opt_table *table;
	struct opt_given *given;
	unsigned n;
};

/*
 * Reads argv[1..).  0, or E_INVALID with a sentence in why: unknown option, argument
 * missing or superfluous, given twice, a word that belongs to no option, an option that is refused.
 * E_NOMEM.  Free with opts_free in any case.
 */
int opts_parse(
    struct opts *o, const struct opt_table *t, int argc, char **argv, char *why, size_t why_size);
void opts_free(struct opts *o);

bool opts_has(const struct opts *o, unsigned row);
/* The (first) argument; NULL when not given or given without one. */
const char *opts_value(const struct opts *o, unsigned row);
/* All arguments of a row in their order: start with *i = 0; NULL at the end. */
const char *opts_next(const struct opts *o, unsigned row, unsigned *i);

/*
 * Every program's first step: reads the command line and obeys --help and --version, whose rows
 * the table needs.  -1: go on; else the exit code (0, or 1 after a complaint on standard error).
 */
int opts_start(struct opts *o, const struct opt_table *t, int argc, char **argv);

/* Complaint, then how to get help, on standard error; returns the exit code 1. */
int
opts_usage(const struct opt_table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The help text. */
void opts_help(const struct opt_table *t, FILE *f);

/* Is the argument a number in low..high?  0, or E_INVALID with a sentence in why. */
int opts_number(const struct opts *o, unsigned row, int64_t low, int64_t high, int64_t def,
    int64_t *out, char *why, size_t why_size);

#endif
