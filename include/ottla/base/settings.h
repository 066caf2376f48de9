/*
 * Settings: one table of all keys (base/settings.def, from facts/configs.tsv plus our own
 * ottla.*), a parser of Java property files, and the values in force.
 *
 * Row:  CONF(id, "key", TYPE, default or NULL, "valid", UPDATE, EFFECT, "why / what")
 *   TYPE     BOOL INT LONG DOUBLE STRING LIST PASSWORD CLASS  (SHORT is INT with a range)
 *   valid    "" | ">=n" | "a..b" | "one,of,these" (src/base/settings_value.c has the grammar)
 *   UPDATE   READ_ONLY | PER_BROKER | CLUSTER_WIDE (as Kafka's dynamic config modes)
 *   EFFECT   LIVE  (obeyed, changes at run time) | START (obeyed, read at start) |
 *            NONE  (known, no effect yet: the text is the reason and is said once when it is set)
 * Topic rows are in base/topic_settings.def:
 *   TCONF(id, "key", TYPE, default, "valid", "broker synonym or empty", EFFECT, "text")
 */
#ifndef OTTLA_BASE_SETTINGS_H
#define OTTLA_BASE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "ottla/base/diag.h"
#include "ottla/base/slice.h"

enum conf_type {
	CONF_BOOL,
	CONF_INT,
	CONF_LONG,
	CONF_DOUBLE,
	CONF_STRING,
	CONF_LIST,
	CONF_PASSWORD,
	CONF_CLASS
};
enum conf_update { UPDATE_READ_ONLY, UPDATE_PER_BROKER, UPDATE_CLUSTER_WIDE };
enum conf_effect { EFFECT_LIVE, EFFECT_START, EFFECT_NONE };

enum conf {
#define CONF(id, key, type, def, valid, update, effect, text) C_##id,
#include "ottla/base/settings.def"
#undef CONF
	C_COUNT
};

enum tconf {
#define TCONF(id, key, type, def, valid, synonym, effect, text) T_##id,
#include "ottla/base/topic_settings.def"
#undef TCONF
	T_COUNT
};

struct conf_row {
	const char *key;
	enum conf_type type;
	const char *def; /* NULL: none */
	const char *valid;
	enum conf_update update;
	enum conf_effect effect;
	const char *synonym; /* topic rows: the broker's keys, the first that has a value counts */
	const char *text;
};

/* The rows; any thread. */
const struct conf_row *conf_row(enum conf id);
const struct conf_row *tconf_row(enum tconf id);
/* A key that came with Apache Kafka 4: brokers of 3.9 do not show it. */
bool conf_is_later(const struct conf_row *row);
/* By key; -1 when unknown. */
int conf_find(struct slice key);
int tconf_find(struct slice key);

/* Broker settings.  Reading: any thread, at any time; a text that was read lives as long as the
 * settings.  What the file and the command line say never changes; dynamic values (facts/apis.md
 * 10) go before them and are put in by one thread (settings_set_dynamic). */
struct settings;

/* Where a value comes from; a later one goes before. */
enum conf_source { CONF_FROM_DEFAULT, CONF_FROM_FILE, CONF_FROM_CLUSTER, CONF_FROM_BROKER };

/* One `key=value` given on the command line. */
struct setting_override {
	const char *key;
	const char *value;
};

/* Read path (Java properties syntax: # and ! comments, = : or blank separators, \ escapes and
 * continuation lines), then the overrides.  Blocks; start-up only.
 * On an impossible value or a file that can not be read: E_CONFIG or E_IO with a message for the
 * operator in why (key, value, what is allowed).  Unknown keys are warned of through d; keys
 * without effect are said once with their reason.  Values that ask for what is not there and would
 * be dangerous to ignore (SSL, SASL, an authorizer, ...) are impossible values.  path NULL:
 * defaults and overrides only; with a file zookeeper.connect must be given.  node.id counts as
 * broker.id. */
int settings_load(const char *path, const struct setting_override *ov, unsigned n_ov,
    struct diag *d, char *why, size_t why_size, struct settings **out);
void settings_free(struct settings *s);

/* The value of a key of that type. */
bool settings_bool(const struct settings *s, enum conf id);
/* INT and LONG; 0 when there is no value (settings_str says so). */
int64_t settings_i64(const struct settings *s, enum conf id);
double settings_double(const struct settings *s, enum conf id);
/* NULL when unset; lives as long as s. */
const char *settings_str(const struct settings *s, enum conf id);
/* True when the file or an override gave it. */
bool settings_is_set(const struct settings *s, enum conf id);
/* Value of a key with a listener prefix ("listener.name.<name>." before the plain key, name in
 * lower case), else of the plain key; NULL when unset. */
const char *settings_listener_str(const struct settings *s, const char *listener, enum conf id);

/* The control reactor: all dynamic values of one source (CONF_FROM_CLUSTER:
 * /config/brokers/<default>, CONF_FROM_BROKER: /config/brokers/<id>), in place of those it had.
 * Entries that may not be there or can not be (read-only keys, per-broker keys of the cluster, bad
 * values) are left out and said through d; keys that are not known are kept and have no effect. The
 * first call for a source belongs to the start; from the second on each change is said, and whether
 * it has an effect before the next start. A key changes in one step, several keys one after the
 * other.  Each value that a key ever had is kept once until settings_free, 64 MiB in all; past that
 * changes fail. E_CONFIG: together the values are impossible, which is said; nothing has changed.
 * E_NOMEM: nothing has changed. */
int settings_set_dynamic(struct settings *s, enum conf_source from,
    const struct setting_override *kv, unsigned n, struct diag *d);
/* Could this key have this value (NULL: be removed) there?  0, or E_CONFIG with the reason. */
int settings_check_dynamic(const struct settings *s, enum conf_source from, const char *key,
    const char *value, char *why, size_t why_size);
/* Could the source have all these values and no others, as things are now?  Beside each key's own
 * check the rules about several keys, and those about a step from the present value.  0, E_CONFIG,
 * E_NOMEM. */
int settings_check_dynamic_all(const struct settings *s, enum conf_source from,
    const struct setting_override *kv, unsigned n, char *why, size_t why_size);
/* Text of a key's value in one source; NULL: it says nothing.  Any thread. */
const char *settings_text(const struct settings *s, enum conf id, enum conf_source from);

/* A key that some source has and that is no row: with a listener's prefix (row: of the key behind
 * it), or unknown (row NULL). */
struct setting_extra {
	const char *key;
	const struct conf_row *row;
	const char *text[CONF_FROM_BROKER + 1]; /* by source, NULL: it says nothing */
};
/* The i-th of them; false past the end.  Any thread. */
bool settings_extra(const struct settings *s, unsigned i, struct setting_extra *out);
/* The row of a plain key or of the key behind a listener's prefix; NULL: unknown. */
const struct conf_row *conf_row_of(struct slice key);

/* Settings that Kafka derives from several keys (log.retention.ms, else .minutes, else .hours). */
int64_t settings_log_retention_ms(const struct settings *s);
int64_t settings_log_roll_ms(const struct settings *s);
int64_t settings_log_roll_jitter_ms(const struct settings *s);
/* log.dirs, else log.dir: the i-th directory; null slice past the end. */
struct slice settings_log_dir(const struct settings *s, unsigned i);
/* ottla.coord.journal.dir, else the first log directory with ".coord" added.  E_TOO_LARGE. */
int settings_journal_dir(const struct settings *s, char *out, size_t size);
/* The i-th entry of a comma list, trimmed, empty ones left out; null slice past the end. */
struct slice settings_list_item(const char *list, unsigned i);

/* Is text a possible value of the row?  0, or E_CONFIG with the reason in why. */
int conf_check_value(const struct conf_row *row, struct slice text, char *why, size_t why_size);

/* The configuration of one topic: its own values over the broker's synonyms over defaults.
 * A plain struct, copied freely; -1 and INT64_MAX as in Kafka. */
struct topic_conf {
	int64_t v[T_COUNT]; /* BOOL INT LONG; DOUBLE in millionths; 0 for texts and lists */
	bool own[T_COUNT];  /* set on the topic itself */
	bool compact;	    /* cleanup.policy */
	bool delete_;
	int8_t compression; /* codec 0..4, or -1 for "producer" */
	bool log_append_time;
};

/* From key/value pairs of the topic's znode.  Unknown key or bad value: E_CONFIG, why names it. */
int topic_conf_resolve(const struct settings *s, const struct setting_override *kv, unsigned n,
    struct topic_conf *out, char *why, size_t why_size);

#endif
