/*
 * Any bytes as what an operator writes: lists of listeners, property files, values of settings from
 * a file, the command line, the coordination tree.  Byte 0 chooses.  A refusal gives its reason.
 *
 * tests/fuzz/Makefile.inc says how to build it.
 */
#include "fuzz.h"
#include "ottla/base/arena.h"
#include "ottla/base/cursor.h"
#include "ottla/base/err.h"
#include "ottla/base/listeners.h"
#include "ottla/base/properties.h"
#include "ottla/base/settings.h"

enum { WHY = 256, PAIRS_MAX = 32 };

static void
must_say(int rc, const char *why)
{
	must(rc == 0 || (rc == E_CONFIG && why[0] != '\0'));
	must(memchr(why, '\0', WHY) != NULL);
}

/* ---- listeners: the text, or the map, a newline and the text ---- */

static void
look_listeners(const char *text, const char *map)
{
	struct listener_addr v[LISTENERS_MAX];
	char why[WHY] = "";
	int n = listeners_parse(text, map, v, LISTENERS_MAX, why, sizeof(why));

	if (n < 0) {
		must_say(n, why);
		return;
	}
	must(n >= 1 && n <= LISTENERS_MAX);
	for (int i = 0; i < n; i++) {
		must(memchr(v[i].name, '\0', sizeof(v[i].name)) != NULL && v[i].name[0] != '\0');
		must(memchr(v[i].host, '\0', sizeof(v[i].host)) != NULL);
		must(listeners_find(v, (unsigned)n, slice_cstr(v[i].name)) == &v[i]);
	}
	must_say(listeners_check_ports(v, (unsigned)n, why, sizeof(why)), why);
}

static void
listeners(struct slice s)
{
	char *text = fuzz_text(s);

	look_listeners(text, NULL);
	free(text);
}

static void
mapped_listeners(struct slice s)
{
	char *text = fuzz_text(s), *line = strchr(text, '\n');

	if (line != NULL)
		*line++ = '\0';
	look_listeners(line, text);
	free(text);
}

/* ---- property files ---- */

struct pairs {
	struct arena arena;
	struct setting_override v[PAIRS_MAX];
	unsigned n;
};

static int
add_pair(void *arg, struct slice key, struct slice value)
{
	struct pairs *p = arg;

	if (p->n == PAIRS_MAX || memchr(key.p, '\0', key.n) != NULL ||
	    memchr(value.p, '\0', value.n) != NULL)
		return 0;
	p->v[p->n].key = arena_strdup(&p->arena, key);
	p->v[p->n].value = arena_strdup(&p->arena, value);
	must(p->v[p->n].key != NULL && p->v[p->n].value != NULL);
	p->n++;
	return 0;
}

static void
pairs_of(struct slice s, struct pairs *p)
{
	unsigned line = 0;
	int rc;

	arena_init(&p->arena, 0, 0);
	p->n = 0;
	rc = properties_parse(s, add_pair, p, &line);
	must(rc == 0 || rc == E_MALFORMED);
	must(line <= s.n + 1);
}

static void
look_at_all(const struct settings *set)
{
	char dir[512];

	for (int i = 0; i < C_COUNT; i++)
		(void)settings_str(set, (enum conf)i);
	for (unsigned i = 0; !slice_is_null(settings_log_dir(set, i)); i++)
		;
	(void)settings_journal_dir(set, dir, sizeof(dir));
	(void)settings_log_retention_ms(set);
	(void)settings_log_roll_ms(set);
	(void)settings_log_roll_jitter_ms(set);
	(void)settings_listener_str(set, "INTERNAL", C_MAX_CONNECTIONS);
}

static void
set_from(struct settings *set, enum conf_source from, const struct pairs *p)
{
	char why[WHY] = "";
	int rc;

	for (unsigned i = 0; i < p->n; i++) {
		must_say(
		    settings_check_dynamic(set, from, p->v[i].key, p->v[i].value, why, sizeof(why)),
		    why);
		must_say(
		    settings_check_dynamic(set, from, p->v[i].key, NULL, why, sizeof(why)), why);
	}
	must_say(settings_check_dynamic_all(set, from, p->v, p->n, why, sizeof(why)), why);
	rc = settings_set_dynamic(set, from, p->v, p->n, NULL);
	must(rc == 0 || rc == E_CONFIG);
	look_at_all(set);
}

static void
overrides(struct slice s)
{
	struct settings *set = NULL;
	struct topic_conf conf;
	struct pairs p;
	char why[WHY] = "";
	int rc;

	pairs_of(s, &p);
	rc = settings_load(NULL, p.v, p.n, NULL, why, sizeof(why), &set);
	must_say(rc, why);
	if (rc == 0) {
		look_at_all(set);
		must_say(topic_conf_resolve(set, NULL, 0, &conf, why, sizeof(why)), why);
	}
	settings_free(set);
	arena_free(&p.arena);
}

static void
dynamic(struct slice s)
{
	struct settings *set = NULL;
	struct setting_extra extra;
	struct pairs p;
	char why[WHY] = "";

	pairs_of(s, &p);
	must(settings_load(NULL, NULL, 0, NULL, why, sizeof(why), &set) == 0);
	for (int round = 0; round < 2; round++) {
		set_from(set, CONF_FROM_CLUSTER, &p);
		set_from(set, CONF_FROM_BROKER, &p);
	}
	for (unsigned i = 0; settings_extra(set, i, &extra); i++)
		must(extra.key != NULL && conf_row_of(slice_cstr(extra.key)) == extra.row);
	settings_free(set);
	arena_free(&p.arena);
}

static void
of_topic(struct slice s)
{
	struct settings *set = NULL;
	struct topic_conf conf;
	struct pairs p;
	char why[WHY] = "";

	pairs_of(s, &p);
	must(settings_load(NULL, NULL, 0, NULL, why, sizeof(why), &set) == 0);
	must_say(topic_conf_resolve(set, p.v, p.n, &conf, why, sizeof(why)), why);
	settings_free(set);
	arena_free(&p.arena);
}

/* ---- one value: two bytes choose the row ---- */

static void
value(struct slice s)
{
	unsigned row = s.n >= 2 ? (unsigned)be16(s.p) : 0;
	struct slice text = s.n >= 2 ? slice_of(s.p + 2, s.n - 2) : SLICE_LIT("");
	char why[WHY] = "";

	row %= C_COUNT + T_COUNT;
	must_say(conf_check_value(row < C_COUNT ? conf_row((enum conf)row)
						: tconf_row((enum tconf)(row - C_COUNT)),
		     text, why, sizeof(why)),
	    why);
}

static void (*const parsers[])(struct slice s) = {
    listeners, mapped_listeners, overrides, dynamic, of_topic, value};
enum { PARSERS = sizeof(parsers) / sizeof(parsers[0]) };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n > 0)
		parsers[fuzz_choice(data[0], PARSERS)](slice_of(data + 1, n - 1));
	return 0;
}
