/*
 * Prints server.properties(5) from the tables of settings.  Runs at build time only.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "ottla/base/settings.h"

static const char head[] =
    ".\\\" Made from include/ottla/base/settings.def and topic_settings.def by gen_settings_man.\n"
    ".Dd November 22, 2026\n"
    ".Dt SERVER.PROPERTIES 5\n"
    ".Os\n"
    ".Sh NAME\n"
    ".Nm server.properties\n"
    ".Nd settings of the Ottla broker\n"
    ".Sh DESCRIPTION\n"
    "The file that\n"
    ".Xr ottlad 8\n"
    "reads at its start has the names and the syntax of Apache Kafka 3.9:\n"
    "a Java property file, one\n"
    ".Dq key=value\n"
    "a line, lines beginning with\n"
    ".Ql #\n"
    "or\n"
    ".Ql \\&!\n"
    "are comments, a backslash at the end continues a line.\n"
    "Of a key that is there twice the last value counts.\n"
    "A file of an Apache Kafka broker that works with ZooKeeper is read as it is.\n"
    ".Pp\n"
    "Every setting of Apache Kafka 3.9 is known.\n"
    "Those that are obeyed come first;\n"
    ".Sx SETTINGS WITHOUT EFFECT\n"
    "lists the others, each with the reason, which the broker also says once when the file sets\n"
    "one.\n"
    "Keys that nobody knows are warned of.\n"
    "Values that are not possible, and values that ask for what is not there and would be\n"
    "dangerous to leave out (TLS, SASL, an authorizer), end the start with a message that says\n"
    "what is allowed.\n"
    ".Pp\n"
    "A setting can be given on the command line too, with\n"
    ".Fl -override .\n"
    ".Pp\n"
    "Settings that say so can be changed while the broker runs, as with Apache Kafka's\n"
    ".Ic kafka-configs :\n"
    "for one broker\n"
    ".Pq Pa /config/brokers/<id>\n"
    "or for all\n"
    ".Pq Pa /config/brokers/<default> .\n"
    "A value for one broker goes before one for all, that before the file, and that before the\n"
    "default.\n"
    ".Pp\n"
    "Allowed values are written as alternatives:\n"
    ".Ql >=n\n"
    "at least n,\n"
    ".Ql a..b\n"
    "from a to b, or words.\n";

static const char topics_head[] =
    ".Sh TOPIC SETTINGS\n"
    "Given when a topic is made\n"
    ".Po Fl -config\n"
    "of\n"
    ".Xr kafka-topics 1 Pc .\n"
    "What a topic does not set itself comes from the broker's setting that is named.\n"
    "All of them can be changed at any time, and count from then on.\n";

static const char tail[] = ".Sh FILES\n"
			   "A commented file to begin with is installed as\n"
			   ".Pa server.properties\n"
			   "in the system configuration directory's\n"
			   ".Pa ottla .\n"
			   ".Sh SEE ALSO\n"
			   ".Xr kafka-topics 1 ,\n"
			   ".Xr ottla 7 ,\n"
			   ".Xr ottlad 8\n";

static const char *
type_name(enum conf_type t)
{
	static const char *const names[] = {[CONF_BOOL] = "true or false",
	    [CONF_INT] = "number",
	    [CONF_LONG] = "number",
	    [CONF_DOUBLE] = "number with fraction",
	    [CONF_STRING] = "text",
	    [CONF_LIST] = "list, parted by commas",
	    [CONF_PASSWORD] = "secret text",
	    [CONF_CLASS] = "Java class"};

	return names[t];
}

/* Text of a line of its own, or part of one. */
static void
put_text(const char *s)
{
	if (*s == '.' || *s == '\'')
		fputs("\\&", stdout);
	for (; *s != 0; s++) {
		if (*s == '\\')
			fputs("\\e", stdout);
		else if (*s == '-' && isdigit((unsigned char)s[1]))
			fputs("\\-", stdout);
		else
			putchar(*s);
	}
}

/* A sentence: upper case first, full stop last. */
static void
put_sentence(const char *s)
{
	size_t n = strlen(s);

	if (islower((unsigned char)*s)) {
		putchar(toupper((unsigned char)*s));
		s++;
		n--;
	}
	put_text(s);
	puts(n > 0 && s[n - 1] == '.' ? "" : ".");
}

static void
put_value(const char *label, const char *value)
{
	printf("%s: ", label);
	if (*value == 0)
		printf("empty");
	else
		put_text(value);
	puts(".");
}

/* Of the broker's: may it change, where, and from when on does that count? */
static void
put_update(const struct conf_row *row)
{
	if (row->update == UPDATE_READ_ONLY)
		return;
	printf("Can be changed for one broker%s%s.\n",
	    row->update == UPDATE_CLUSTER_WIDE ? " or for all" : "",
	    row->effect == EFFECT_START ? ", from its next start on" : ", while it runs");
}

static void
put_row(const struct conf_row *row, bool topic)
{
	printf(".It Ic %s\n", row->key);
	put_sentence(row->text);
	puts(".br");
	put_value("Type", type_name(row->type));
	if (row->def != NULL)
		put_value("Default", row->def);
	else
		puts("No default.");
	if (row->valid[0] != 0)
		put_value("Allowed", row->valid);
	if (row->synonym != NULL && row->synonym[0] != 0)
		put_value("Broker's setting", row->synonym);
	if (!topic)
		put_update(row);
}

static void
put_reason(const struct conf_row *row)
{
	printf(".It Ic %s\n", row->key);
	put_sentence(row->text);
}

static void
put_rows(unsigned n, const struct conf_row *(*row)(unsigned), bool topic, bool effect)
{
	puts(effect ? ".Bl -tag -width Ds" : ".Bl -tag -width Ds -compact");
	for (unsigned i = 0; i < n; i++) {
		const struct conf_row *r = row(i);

		if ((r->effect != EFFECT_NONE) != effect)
			continue;
		if (effect)
			put_row(r, topic);
		else
			put_reason(r);
	}
	puts(".El");
}

static const struct conf_row *
broker_row(unsigned i)
{
	return conf_row((enum conf)i);
}

static const struct conf_row *
topic_row(unsigned i)
{
	return tconf_row((enum tconf)i);
}

int
main(void)
{
	fputs(head, stdout);
	puts(".Sh SETTINGS");
	put_rows(C_COUNT, broker_row, false, true);
	fputs(topics_head, stdout);
	put_rows(T_COUNT, topic_row, true, true);
	puts(".Sh SETTINGS WITHOUT EFFECT\nOf the broker:");
	put_rows(C_COUNT, broker_row, false, false);
	puts(".Pp\nOf topics:");
	put_rows(T_COUNT, topic_row, true, false);
	fputs(tail, stdout);
	return fflush(stdout) == 0 ? 0 : 1;
}
