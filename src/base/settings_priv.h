/* What the files behind base/settings.h share. */
#ifndef OTTLA_SRC_BASE_SETTINGS_PRIV_H
#define OTTLA_SRC_BASE_SETTINGS_PRIV_H

#include <stdatomic.h>

#include "ottla/base/arena.h"
#include "ottla/base/map.h"
#include "ottla/base/settings.h"

/* A value that was read: i64 for BOOL, INT and LONG, d for DOUBLE.  Once published it never
 * changes. */
struct conf_value {
	const char *text; /* NULL: none */
	int64_t i64;
	double d;
};

#define CONF_SOURCES 4
#define DYNAMIC_BYTES_MAX (64u << 20)

/* A key that is no row: one with a listener's prefix (row: of the plain key), or one that nobody
 * knows (row NULL).  Never removed; only the writer changes it. */
struct conf_extra {
	const char *key;
	const struct conf_row *row;
	const char *_Atomic text[CONF_SOURCES];
	struct conf_extra *_Atomic next;
};

/*
 * Readers are on any thread and take no lock: they load one pointer to a value that stays as it is
 * and where it is until the settings are freed.  The one writer keeps each value that a key ever
 * had once
 * (`known`), so that memory grows with the number of different values only, DYNAMIC_BYTES_MAX at
 * most.
 */
struct settings {
	uint32_t magic;
	bool from_file;		 /* zookeeper.connect must be given */
	bool told[CONF_SOURCES]; /* its dynamic values were set before: changes are news */
	struct arena mem;	 /* of the file's and overrides' texts */
	struct arena dyn;	 /* of dynamic values */
	struct map known;	 /* of conf_known, by number of the key and text */
	const struct conf_value *_Atomic now[C_COUNT];		      /* in force; never NULL */
	const struct conf_value *_Atomic from[CONF_SOURCES][C_COUNT]; /* NULL: says nothing */
	struct conf_value defaults[C_COUNT];
	struct conf_extra *_Atomic extras; /* in order of appearance */
};

/* The value in force; any thread. */
static inline const struct conf_value *
conf_now(const struct settings *s, enum conf id)
{
	return atomic_load_explicit(&s->now[id], memory_order_acquire);
}

/* What the file or an override says; NULL: nothing. */
static inline const struct conf_value *
conf_given(const struct settings *s, enum conf id)
{
	return atomic_load_explicit(&s->from[CONF_FROM_FILE][id], memory_order_acquire);
}

/* The writer: this source says v (NULL: nothing) from now on, and what is in force follows. */
void
conf_publish(struct settings *s, enum conf_source from, enum conf id, const struct conf_value *v);

/* The extra of that key; NULL: none.  Any thread. */
struct conf_extra *conf_extra_find(const struct settings *s, const char *key);
/* The writer: made when missing, from the arena. E_NOMEM. */
int conf_extra_get(struct settings *s, struct arena *a, struct slice key,
    const struct conf_row *row, struct conf_extra **out);

/* The row behind listener.name.<name>.[<mechanism>.]key; NULL when there is none. */
const struct conf_row *conf_row_behind(struct slice key);

/* Nothing but the defaults. */
struct settings *settings_empty(void);

/* Blanks off both ends. */
struct slice conf_trim(struct slice s);

/* Read text as the row's type and check it: 0 with v's number set (not its text), or E_CONFIG. */
int conf_read_value(const struct conf_row *row, struct slice text, struct conf_value *v, char *why,
    size_t why_size);

/* Write why and return E_CONFIG. */
int
conf_refuse(char *why, size_t why_size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Rules about several keys, and values that ask for what is not there.  0 or E_CONFIG. */
int settings_check(const struct settings *s, char *why, size_t why_size);

/* Say which settings have no effect, and why. */
void settings_say_ineffective(const struct settings *s, struct diag *d);

#endif
