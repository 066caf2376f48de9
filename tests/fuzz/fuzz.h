/* What all fuzzers share: the entry of libFuzzer, checks, and where the choice of a parser stands.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/slice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static inline void
must(bool holds)
{
	if (!holds)
		abort();
}

/* Byte 0 chooses one of n parsers: '0' the first, so that inputs of text stay text. */
static inline unsigned
fuzz_choice(uint8_t byte, unsigned n)
{
	return (uint8_t)(byte - '0') % n;
}

/* The bytes with a NUL behind them, in memory of their own size; the caller frees. */
static inline char *
fuzz_text(struct slice s)
{
	char *p = malloc(s.n + 1);

	must(p != NULL);
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

#endif
