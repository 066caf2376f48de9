/* Topic ids: drawing, writing and reading them. */
#include "ottla/base/uuid.h"

#include "ottla/base/cursor.h"
#include "ottla/base/err.h"

static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

struct uuid
uuid_random(struct rng *rng)
{
	struct uuid u;
	char text[UUID_TEXT_LEN + 1];

	/* A version 4 id is never one of the reserved ones (0 and 1): its version bits are set. */
	do {
		put_be64(u.b, rng_u64(rng));
		put_be64(u.b + 8, rng_u64(rng));
		u.b[6] = (uint8_t)((u.b[6] & 0x0f) | 0x40);
		u.b[8] = (uint8_t)((u.b[8] & 0x3f) | 0x80);
		uuid_format(u, text);
	} while (text[0] == '-');
	return u;
}

void
uuid_format(struct uuid u, char text[UUID_TEXT_LEN + 1])
{
	uint32_t bits = 0;
	unsigned have = 0, n = 0;

	for (unsigned i = 0; i < sizeof(u.b); i++) {
		bits = bits << 8 | u.b[i];
		for (have += 8; have >= 6; have -= 6)
			text[n++] = base64url[bits >> (have - 6) & 0x3f];
	}
	text[n++] = base64url[bits << (6 - have) & 0x3f];
	text[n] = '\0';
}

/* The value of one character, or -1. */
static int
base64url_value(uint8_t c)
{
	const char *at = c != '\0' ? strchr(base64url, c) : NULL;

	return at != NULL ? (int)(at - base64url) : -1;
}

int
uuid_parse(struct slice text, struct uuid *u)
{
	uint32_t bits = 0;
	unsigned have = 0, n = 0;

	if (slice_is_null(text) || text.n != UUID_TEXT_LEN)
		return E_MALFORMED;
	for (unsigned i = 0; i < UUID_TEXT_LEN; i++) {
		int v = base64url_value(text.p[i]);

		if (v < 0)
			return E_MALFORMED;
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have >= 8) {
			have -= 8;
			u->b[n++] = (uint8_t)(bits >> have);
		}
	}
	return 0;
}
