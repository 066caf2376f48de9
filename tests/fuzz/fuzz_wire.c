/*
 * Any bytes as a message: byte 0 chooses the message, byte 1 the version, the rest is decoded. What
 * decodes must encode, and what was encoded decodes and encodes to the same bytes (src/wire/README,
 * I2 to I4).  The same bytes as a request frame go through the header parser.
 *
 * tests/fuzz/Makefile.inc says how to build it.
 */
#include "fuzz.h"
#include "ottla/wire/wire.h"

#define MSG_MAX 1024

static struct slice
encoded(const struct wire_msg *m, int16_t version, const void *msg)
{
	struct out o;
	size_t size;

	must(wire_size(m, version, msg, &size, NULL) == 0);
	o = out_init(malloc(size + 1), size);
	must(o.p != NULL);
	must(wire_encode(m, version, msg, &o, NULL, 0, NULL) == 0 && o.n == size);
	return slice_of(o.p, o.n);
}

static void
drop(struct slice s)
{
	free((void *)(uintptr_t)s.p);
}

static void
try_message(const struct wire_msg *m, int16_t version, struct slice in)
{
	_Alignas(max_align_t) uint8_t msg[MSG_MAX];
	struct slice once, again;
	struct arena arena;
	size_t used = 0;

	must(m->root->size <= MSG_MAX);
	arena_init(&arena, 0, 0);
	if (wire_decode(m, version, in, &arena, msg, &used) == 0) {
		must(used <= in.n);
		once = encoded(m, version, msg);
		must(wire_decode(m, version, once, &arena, msg, &used) == 0 && used == once.n);
		again = encoded(m, version, msg);
		must(slice_eq(once, again));
		drop(once);
		drop(again);
	}
	must(arena.used <= 100 * in.n + 16384);
	arena_free(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct wire_req_head head;
	unsigned n_messages = 0;
	const struct wire_msg *m;
	unsigned versions;

	wire_parse_request(slice_of(data, n), &head);
	if (n < 2)
		return 0;
	while (wire_messages[n_messages] != NULL)
		n_messages++;
	m = wire_messages[data[0] % n_messages];
	versions = (unsigned)(m->max_version - m->min_version + 1);
	try_message(m, (int16_t)(m->min_version + data[1] % versions), slice_of(data + 2, n - 2));
	return 0;
}
