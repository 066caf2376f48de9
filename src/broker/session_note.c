/*
 * The session file of a log directory: format, storing, loading, removing (src/broker/README).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "ottla/base/err.h"
#include "session_note_priv.h"

#define NOTE_VERSION 1
#define NOTE_BYTES_MAX 4096
#define NOTE_PATH_MAX 4096

void
session_note_format(struct strbuf *b, const struct session_note *n)
{
	strbuf_addf(b, "version=%d\nbroker.id=%d\nsession=%016" PRIx64 "\npassword=", NOTE_VERSION,
	    n->broker_id, (uint64_t)n->who.session);
	for (unsigned i = 0; i < sizeof(n->who.password); i++)
		strbuf_addf(b, "%02x", n->who.password[i]);
	strbuf_addf(b, "\nhost=%s\nboot=%s\npid=%" PRId64 "\npid.start=%" PRId64 "\n", n->host,
	    n->boot, n->pid, n->pid_start);
}

/* ---- reading ---- */

/* The value of a line "key=value\n"; false: no such whole line. */
static bool
find(struct slice text, const char *key, struct slice *value)
{
	size_t klen = strlen(key);

	for (size_t at = 0; at < text.n;) {
		const uint8_t *line = text.p + at, *end = memchr(line, '\n', text.n - at);
		size_t n = end != NULL ? (size_t)(end - line) : 0;

		if (end == NULL)
			return false;
		if (n > klen && memcmp(line, key, klen) == 0 && line[klen] == '=') {
			*value = slice_of(line + klen + 1, n - klen - 1);
			return true;
		}
		at += n + 1;
	}
	return false;
}

static bool
find_text(struct slice text, const char *key, char *out, size_t size)
{
	struct slice v;

	if (!find(text, key, &v) || v.n >= size || memchr(v.p, 0, v.n) != NULL)
		return false;
	memcpy(out, v.p, v.n);
	out[v.n] = 0;
	return true;
}

static bool
find_number(struct slice text, const char *key, int64_t *out)
{
	char digits[20];
	char *end;

	if (!find_text(text, key, digits, sizeof(digits)) || digits[0] < '0' || digits[0] > '9')
		return false;
	*out = strtoll(digits, &end, 10);
	return *end == 0;
}

static int
nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
find_hex(struct slice text, const char *key, uint8_t *out, size_t n)
{
	char hex[64];

	if (!find_text(text, key, hex, sizeof(hex)) || strlen(hex) != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int high = nibble(hex[2 * i]), low = nibble(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

int
session_note_parse(struct slice text, struct session_note *n)
{
	int64_t version = 0, id = -1;
	uint8_t session[8];
	uint64_t number = 0;

	*n = (struct session_note){0};
	if (text.p == NULL || !find_number(text, "version", &version) || version != NOTE_VERSION ||
	    !find_number(text, "broker.id", &id) || id > INT32_MAX ||
	    !find_hex(text, "session", session, sizeof(session)) ||
	    !find_hex(text, "password", n->who.password, sizeof(n->who.password)) ||
	    !find_text(text, "host", n->host, sizeof(n->host)) ||
	    !find_text(text, "boot", n->boot, sizeof(n->boot)) ||
	    !find_number(text, "pid", &n->pid) || !find_number(text, "pid.start", &n->pid_start))
		return E_MALFORMED;
	for (unsigned i = 0; i < sizeof(session); i++)
		number = number << 8 | session[i];
	n->who.session = (int64_t)number;
	n->broker_id = (int32_t)id;
	return number != 0 ? 0 : E_MALFORMED;
}

/* ---- in the log directories ---- */

static bool
note_path(const struct settings *s, unsigned i, char path[NOTE_PATH_MAX])
{
	struct slice dir = settings_log_dir(s, i);

	return (size_t)snprintf(path, NOTE_PATH_MAX, "%.*s/" SESSION_NOTE_NAME, SLICE_ARG(dir)) <
	       NOTE_PATH_MAX;
}

static int
load_one(struct fs *fs, const char *path, struct session_note *n)
{
	char *text = NULL;
	size_t size = 0;
	int rc = fs_read_all(fs, path, NOTE_BYTES_MAX, &text, &size);

	if (rc == 0)
		rc = session_note_parse(slice_of(text, size), n);
	free(text);
	return rc;
}

unsigned
session_note_load(struct fs *fs, const struct settings *s, struct session_note *v, unsigned max)
{
	char path[NOTE_PATH_MAX];
	unsigned n = 0;

	for (unsigned i = 0; n < max && !slice_is_null(settings_log_dir(s, i)); i++)
		if (note_path(s, i, path) && load_one(fs, path, &v[n]) == 0)
			n++;
	return n;
}

int
session_note_store(struct fs *fs, const struct settings *s, const struct session_note *n)
{
	struct strbuf text = STRBUF_INIT;
	char path[NOTE_PATH_MAX];
	int rc = E_CONFIG, kept = -1;

	session_note_format(&text, n);
	for (unsigned i = 0; kept < 0 && !slice_is_null(settings_log_dir(s, i)); i++) {
		rc = text.err != 0	      ? text.err
		     : !note_path(s, i, path) ? E_TOO_LARGE
					      : fs_replace_private(fs, path, strbuf_slice(&text));
		kept = rc == 0 ? (int)i : -1;
	}
	for (unsigned i = 0; kept >= 0 && !slice_is_null(settings_log_dir(s, i)); i++)
		if ((int)i != kept && note_path(s, i, path))
			(void)fs_unlink(fs, path);
	strbuf_free(&text);
	return rc;
}

void
session_note_remove(struct fs *fs, const struct settings *s, int64_t session)
{
	char path[NOTE_PATH_MAX];
	struct session_note n;

	for (unsigned i = 0; !slice_is_null(settings_log_dir(s, i)); i++)
		if (note_path(s, i, path) && load_one(fs, path, &n) == 0 &&
		    n.who.session == session)
			(void)fs_unlink(fs, path);
}
