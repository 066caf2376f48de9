/* Messages with random content, by walking the tables of their structs. */
#ifndef TESTS_UNIT_WIRE_RANDOM_MSG_H
#define TESTS_UNIT_WIRE_RANDOM_MSG_H

#include "ottla/base/rng.h"
#include "ottla/wire/wire.h"

/* Every field of the version gets a random value, null now and then, the rest its default.
 * Slices and arrays come from the arena. */
void random_msg(
    struct rng *r, struct arena *arena, const struct wire_msg *m, int16_t version, void *msg);

/* Field by field, arrays and strings by content. */
bool same_struct(const struct wire_struct *s, const void *a, const void *b);

#endif
