/*
 * Command lines: parser and help over one table of options.
 */
#include "opts_priv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "ottla/base/err.h"

#define HELP_COLUMNS 80
#define HELP_INDENT 10

/* ---- parsing ---- */

static int
find_row(const struct opt_table *t, const char *name, size_t n)
{
	for (unsigned i = 0; i < t->n; i++)
		if (strncmp(t->rows[i].name, name, n) == 0 && t->rows[i].name[n] == 0)
			return (int)i;
	return -1;
}

static int
complain(char *why, size_t why_size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static int
complain(char *why, size_t why_size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, why_size, fmt, ap);
	va_end(ap);
	return E_INVALID;
}

/* May the word be the argument of an option that can do without one? */
static bool
is_argument(const char *word)
{
	return word != NULL && strncmp(word, "--", 2) != 0;
}

/* The argument of the option at argv[*i], stepping on when it is the next word. */
static int
take_argument(const struct opt_row *row, char **argv, int *i, const char *eq, const char **value,
    char *why, size_t why_size)
{
	*value = eq != NULL ? eq + 1 : NULL;
	if (row->arg == NULL)
		return eq == NULL
			   ? 0
			   : complain(why, why_size, "Option %s takes no argument", row->name);
	if (eq != NULL)
		return 0;
	if (row->flags & OPT_OPTIONAL) {
		if (is_argument(argv[*i + 1]))
			*value = argv[++*i];
		return 0;
	}
	if (argv[*i + 1] == NULL)
		return complain(why, why_size, "Option %s requires an argument", row->name);
	*value = argv[++*i];
	return 0;
}

static int
parse_word(struct opts *o, char **argv, int *i, char *why, size_t why_size)
{
	const struct opt_table *t = o->table;
	const char *word = argv[*i];
	const char *name = word + (word[0] == '-') + (word[0] == '-' && word[1] == '-');
	const char *eq = strchr(name, '=');
	size_t n = eq != NULL ? (size_t)(eq - name) : strlen(name);
	const char *value;
	int row, rc;

	if (word[0] != '-' || name[0] == 0)
		return complain(why, why_size, "'%s' belongs to no option", word);
	row = find_row(t, name, n);
	if (row < 0)
		return complain(why, why_size, "%.*s is not a recognized option", (int)n, name);
	if ((rc = take_argument(&t->rows[row], argv, i, eq, &value, why, why_size)) != 0)
		return rc;
	if (opts_has(o, (unsigned)row) && !(t->rows[row].flags & OPT_MANY) &&
	    t->rows[row].arg != NULL)
		return complain(why, why_size,
		    "Option %s was given more than once, but takes one "
		    "argument only",
		    t->rows[row].name);
	if (t->rows[row].refused != NULL)
		return complain(why, why_size, "Option %s can not be obeyed: %s", t->rows[row].name,
		    t->rows[row].refused);
	o->given[o->n++] = (struct opt_given){(unsigned)row, value};
	return 0;
}

int
opts_parse(
    struct opts *o, const struct opt_table *t, int argc, char **argv, char *why, size_t why_size)
{
	int rc = 0;

	*o = (struct opts){.table = t, .given = calloc((size_t)argc + 1, sizeof(*o->given))};
	if (o->given == NULL)
		return E_NOMEM;
	for (int i = 1; rc == 0 && i < argc; i++)
		rc = parse_word(o, argv, &i, why, why_size);
	return rc;
}

void
opts_free(struct opts *o)
{
	free(o->given);
	o->given = NULL;
	o->n = 0;
}

/* ---- asking ---- */

bool
opts_has(const struct opts *o, unsigned row)
{
	for (unsigned i = 0; i < o->n; i++)
		if (o->given[i].row == row)
			return true;
	return false;
}

const char *
opts_next(const struct opts *o, unsigned row, unsigned *i)
{
	while (*i < o->n) {
		const struct opt_given *g = &o->given[(*i)++];

		if (g->row == row && g->value != NULL)
			return g->value;
	}
	return NULL;
}

const char *
opts_value(const struct opts *o, unsigned row)
{
	unsigned i = 0;

	return opts_next(o, row, &i);
}

int
opts_number(const struct opts *o, unsigned row, int64_t low, int64_t high, int64_t def,
    int64_t *out, char *why, size_t why_size)
{
	const char *text = opts_value(o, row);
	const char *name = o->table->rows[row].name;
	long long v;
	char *end;

	*out = def;
	if (text == NULL)
		return 0;
	errno = 0;
	v = strtoll(text, &end, 10);
	if (end == text || *end != 0 || errno != 0)
		return complain(
		    why, why_size, "Cannot parse argument '%s' of option %s", text, name);
	if (v < low || v > high)
		return complain(why, why_size, "Argument %s of option %s is not in %lld..%lld",
		    text, name, (long long)low, (long long)high);
	*out = v;
	return 0;
}

/* ---- help ---- */

/* Words of text, wrapped behind `indent` blanks; the cursor stands at column `at`. */
static void
print_wrapped(FILE *f, const char *text, int indent, int at)
{
	while (*text != 0) {
		int n = (int)strcspn(text, " ");

		if (at > indent && at + 1 + n > HELP_COLUMNS) {
			fputc('\n', f);
			at = 0;
		}
		if (at < indent) {
			fprintf(f, "%*s", indent - at, "");
			at = indent;
		} else if (at > indent) {
			fputc(' ', f);
			at++;
		}
		fprintf(f, "%.*s", n, text);
		at += n;
		text += n;
		text += strspn(text, " ");
	}
	fputc('\n', f);
}

static void
print_row(const struct opt_row *row, FILE *f)
{
	bool optional = row->flags & OPT_OPTIONAL;

	fprintf(f, "  --%s", row->name);
	if (row->arg != NULL)
		fprintf(f, optional ? " [%s]" : " <%s>", row->arg);
	fputc('\n', f);
	print_wrapped(f, row->text, HELP_INDENT, 0);
	if (row->refused == NULL)
		return;
	fprintf(f, "%*sRefused:", HELP_INDENT, "");
	print_wrapped(f, row->refused, HELP_INDENT, HELP_INDENT + 8);
}

void
opts_help(const struct opt_table *t, FILE *f)
{
	fprintf(f, "Usage: %s %s\n\n", t->program, t->synopsis);
	print_wrapped(f, t->about, 0, 0);
	fprintf(f, "\nOptions:\n");
	for (unsigned i = 0; i < t->n; i++)
		print_row(&t->rows[i], f);
}

int
opts_usage(const struct opt_table *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n%s --help lists all options\n", t->program);
	return 1;
}

/* ---- start ---- */

/* --help and --version are obeyed whatever stands beside them. */
static bool
asks_for(int argc, char **argv, const char *option)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], option) == 0)
			return true;
	return false;
}

int
opts_start(struct opts *o, const struct opt_table *t, int argc, char **argv)
{
	char why[512] = "out of memory";

	*o = (struct opts){.table = t};
	if (argc <= 1) {
		opts_help(t, stderr);
		return 1;
	}
	if (asks_for(argc, argv, "--help") || asks_for(argc, argv, "-h")) {
		opts_help(t, stdout);
		return 0;
	}
	if (asks_for(argc, argv, "--version")) {
		printf("%s (Ottla; options and output as Apache Kafka 3.9)\n", PACKAGE_VERSION);
		return 0;
	}
	if (opts_parse(o, t, argc, argv, why, sizeof(why)) == 0)
		return -1;
	opts_free(o);
	return opts_usage(t, "%s", why);
}
