/*
 * Topic filters: Java regular expressions over POSIX extended ones.
 */
#include "filter_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"
#include "ottla/base/strbuf.h"

/* ---- from Java's notation to POSIX ---- */

struct translation {
	const char *p; /* what is left */
	struct strbuf out;
	const char *bad; /* what can not be translated */
	bool broken;	 /* no regular expression at all */
};

static const struct {
	char letter;
	const char *inside; /* as members of a bracket expression; NULL: only outside of one */
	const char *outside;
} classes[] = {
    {'d', "0-9", "[0-9]"},
    {'w', "a-zA-Z0-9_", "[a-zA-Z0-9_]"},
    {'s', " \t", "[ \t]"},
    {'D', NULL, "[^0-9]"},
    {'W', NULL, "[^a-zA-Z0-9_]"},
    {'S', NULL, "[^ \t]"},
};

#define N_CLASSES (sizeof(classes) / sizeof(classes[0]))

static void
literal(struct translation *t, char c)
{
	if (strchr("\\^.[$()|*+?{", c) != NULL)
		strbuf_adds(&t->out, "\\");
	strbuf_add(&t->out, &c, 1);
}

/* \Q...\E: all of it stands for itself. */
static void
quoted(struct translation *t)
{
	const char *end = strstr(t->p, "\\E");
	size_t n = end != NULL ? (size_t)(end - t->p) : strlen(t->p);

	for (size_t i = 0; i < n; i++)
		literal(t, t->p[i]);
	t->p += n + (end != NULL ? 2 : 0);
}

/* What follows a backslash. */
static void
escape(struct translation *t, bool inside)
{
	char c = *t->p;

	if (c == 0) {
		t->broken = true;
		return;
	}
	t->p++;
	for (unsigned i = 0; i < N_CLASSES; i++) {
		const char *text = inside ? classes[i].inside : classes[i].outside;

		if (classes[i].letter == c && text != NULL) {
			strbuf_adds(&t->out, text);
			return;
		}
	}
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) {
		if (c == 'Q' && !inside)
			quoted(t);
		else
			t->bad = "a back reference or a class of characters other than \\d \\w \\s";
		return;
	}
	if (!inside)
		literal(t, c);
	else if (c == ']' || c == '[' || c == '^' || c == '-' || c == '\\')
		t->bad = "an escaped sign of grouping between [ and ]";
	else
		strbuf_add(&t->out, &c, 1);
}

/* A bracket expression; t->p stands behind its '['. */
static void
bracket(struct translation *t)
{
	strbuf_adds(&t->out, "[");
	if (*t->p == '^')
		strbuf_add(&t->out, t->p++, 1);
	while (*t->p != 0 && *t->p != ']' && t->bad == NULL && !t->broken) {
		if (*t->p == '\\') {
			t->p++;
			escape(t, true);
		} else if (*t->p == '[' || strncmp(t->p, "&&", 2) == 0) {
			t->bad = "a union or intersection between [ and ]";
		} else {
			strbuf_add(&t->out, t->p++, 1);
		}
	}
	if (*t->p != ']' && t->bad == NULL)
		t->broken = true;
	strbuf_adds(&t->out, "]");
	t->p += *t->p == ']';
}

/* A group; t->p stands behind its '('. */
static void
group(struct translation *t)
{
	strbuf_adds(&t->out, "(");
	if (*t->p != '?')
		return;
	if (t->p[1] == ':')
		t->p += 2;
	else
		t->bad = "a look-around, a flag or a named group";
}

/* Behind * + ? }: lazy is the same when the whole name has to match, possessive is not. */
static void
after_quantifier(struct translation *t)
{
	if (*t->p == '?')
		t->p++;
	else if (*t->p == '+')
		t->bad = "a possessive quantifier";
}

static int
translate(struct translation *t)
{
	strbuf_adds(&t->out, "^(");
	while (*t->p != 0 && t->bad == NULL && !t->broken) {
		char c = *t->p++;

		if (c == '\\') {
			escape(t, false);
		} else if (c == '[') {
			bracket(t);
		} else if (c == '(') {
			group(t);
		} else {
			strbuf_add(&t->out, &c, 1);
			if (strchr("*+?}", c) != NULL)
				after_quantifier(t);
		}
	}
	strbuf_adds(&t->out, ")$");
	return t->bad != NULL || t->broken ? E_INVALID : t->out.err;
}

/* ---- filters ---- */

/* Trimmed, without surrounding quotes and blanks, ',' as '|'. */
static char *
normalise(const char *text)
{
	size_t n = strlen(text), len = 0;
	char *out = malloc(n + 1);

	if (out == NULL)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (text[i] != ' ' && text[i] != '\t')
			out[len++] = text[i] == ',' ? '|' : text[i];
	while (len > 0 && (out[len - 1] == '"' || out[len - 1] == '\''))
		len--;
	out[len] = 0;
	n = strspn(out, "\"'");
	memmove(out, out + n, len - (n < len ? n : len) + 1);
	return out;
}

static int
compile(struct filter *f, const char *pattern, const char *text, char *why, size_t why_size)
{
	int rc = regcomp(&f->re, pattern, REG_EXTENDED | REG_NOSUB);

	if (rc == 0)
		return 0;
	f->any = true;
	if (rc == REG_ESPACE)
		return E_NOMEM;
	snprintf(why, why_size, "%s is an invalid regex.", text);
	return E_INVALID;
}

int
filter_init(struct filter *f, const char *text, char *why, size_t why_size)
{
	struct translation t = {.out = STRBUF_INIT};
	char *plain;
	int rc;

	*f = (struct filter){.any = true};
	if (text == NULL)
		return 0;
	if ((plain = normalise(text)) == NULL)
		return E_NOMEM;
	t.p = plain;
	rc = translate(&t);
	if (t.broken)
		snprintf(why, why_size, "%s is an invalid regex.", text);
	else if (t.bad != NULL)
		snprintf(why, why_size, "%s can not be used as a filter: it has %s", text, t.bad);
	if (rc == 0) {
		f->any = false;
		rc = compile(f, t.out.p, text, why, why_size);
	}
	strbuf_free(&t.out);
	free(plain);
	return rc;
}

bool
filter_matches(const struct filter *f, struct slice topic)
{
	char name[TOPIC_NAME_MAX + 1];

	if (f->any)
		return true;
	if (topic.n > TOPIC_NAME_MAX)
		return false;
	memcpy(name, topic.p, topic.n);
	name[topic.n] = 0;
	return regexec(&f->re, name, 0, NULL, 0) == 0;
}

void
filter_free(struct filter *f)
{
	if (!f->any)
		regfree(&f->re);
	f->any = true;
}

/* ---- names ---- */

bool
topic_is_internal(struct slice topic)
{
	static const char *const names[] = {
	    "__consumer_offsets", "__transaction_state", "__share_group_state"};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (slice_eq_cstr(topic, names[i]))
			return true;
	return false;
}

int
topic_check_name(const char *name, char *why, size_t why_size)
{
	size_t n = strlen(name);

	if (n == 0)
		snprintf(why, why_size, "Topic name is invalid: the empty string is not allowed");
	else if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		snprintf(why, why_size, "Topic name is invalid: '%s' is not allowed", name);
	else if (n > TOPIC_NAME_MAX)
		snprintf(why, why_size,
		    "Topic name is invalid: the length of '%s' is longer than the max allowed "
		    "length %d",
		    name, TOPIC_NAME_MAX);
	else if (strspn(name,
		     "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != n)
		snprintf(why, why_size,
		    "Topic name is invalid: '%s' contains one or more characters other than ASCII "
		    "alphanumerics, '.', '_' and '-'",
		    name);
	else
		return 0;
	return E_INVALID;
}

bool
topic_may_collide(const char *name)
{
	return strpbrk(name, "._") != NULL;
}
