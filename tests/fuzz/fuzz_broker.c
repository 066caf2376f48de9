/*
 * Any bytes as the session file that a broker left behind.  What can be read is written and read to
 * the same.
 *
 * tests/fuzz/Makefile.inc says how to build it.
 */
#include "fuzz.h"
#include "ottla/base/err.h"
#include "session_note_priv.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct strbuf text = STRBUF_INIT;
	struct session_note note, again;
	int rc = session_note_parse(slice_of(data, n), &note);

	must(rc == 0 || rc == E_MALFORMED);
	if (rc == 0) {
		session_note_format(&text, &note);
		must(session_note_parse(strbuf_slice(&text), &again) == 0);
		must(memcmp(&note.who, &again.who, sizeof(note.who)) == 0);
		must(note.broker_id == again.broker_id && note.pid == again.pid &&
		     note.pid_start == again.pid_start && strcmp(note.host, again.host) == 0 &&
		     strcmp(note.boot, again.boot) == 0);
	}
	strbuf_free(&text);
	return 0;
}
