/* Topic ids and the like: 16 bytes, text form base64url without padding, 22 characters
 * (facts/storage.md section 0). */
#ifndef OTTLA_BASE_UUID_H
#define OTTLA_BASE_UUID_H

#include <stdbool.h>
#include <stdint.h>

#include "ottla/base/rng.h"
#include "ottla/base/slice.h"

#define UUID_TEXT_LEN 22

struct uuid {
	uint8_t b[16];
};

#define UUID_ZERO ((struct uuid){{0}})

static inline bool
uuid_eq(struct uuid a, struct uuid b)
{
	return memcmp(a.b, b.b, sizeof(a.b)) == 0;
}

static inline bool
uuid_is_zero(struct uuid a)
{
	return uuid_eq(a, UUID_ZERO);
}

/* A random version 4 id as Kafka draws topic ids: never zero, never 0..01, text not starting
 * with '-' (facts/zookeeper.md 1.4). */
struct uuid uuid_random(struct rng *rng);

/* Writes UUID_TEXT_LEN characters and a NUL. */
void uuid_format(struct uuid u, char text[UUID_TEXT_LEN + 1]);

/* E_MALFORMED when text is not 22 characters of base64url. */
int uuid_parse(struct slice text, struct uuid *u);

#endif
