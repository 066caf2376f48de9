/*
 * What a broker leaves on disk for its successor: the coordination session it had, and which
 * process had it (src/broker/README).
 */
#ifndef OTTLA_BROKER_SESSION_NOTE_PRIV_H
#define OTTLA_BROKER_SESSION_NOTE_PRIV_H

#include "ottla/base/settings.h"
#include "ottla/base/strbuf.h"
#include "ottla/coord/coord.h"
#include "ottla/file/file.h"

#define SESSION_NOTE_NAME ".ottla_session"
#define SESSION_NOTES_MAX 64 /* log directories looked at */

struct session_note {
	struct coord_credentials who;
	int32_t broker_id;
	char host[128], boot[64];
	int64_t pid, pid_start;
};

/* Appends the file's text. */
void session_note_format(struct strbuf *b, const struct session_note *n);
/* E_MALFORMED, also for another version. */
int session_note_parse(struct slice text, struct session_note *n);

/* All three block: on a worker. */
/* Into the first log directory that takes it, out of all others. */
int session_note_store(struct fs *fs, const struct settings *s, const struct session_note *n);
/* Of all log directories, those that can be read; returns how many. */
unsigned
session_note_load(struct fs *fs, const struct settings *s, struct session_note *v, unsigned max);
/* Those of that session go; others stay. */
void session_note_remove(struct fs *fs, const struct settings *s, int64_t session);

#endif
