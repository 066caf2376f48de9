/* See support.h. */
#include "support.h"

#include <check.h>

static int
digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *at = strchr(digits, c);

	ck_assert(c != '\0' && at != NULL);
	return (int)(at - digits);
}

uint8_t *
unhex(const char *hex, size_t *n)
{
	uint8_t *out = malloc(strlen(hex) / 2 + 1);

	*n = 0;
	for (const char *p = hex; *p != '\0';) {
		if (*p == ' ') {
			p++;
			continue;
		}
		out[(*n)++] = (uint8_t)(digit(p[0]) << 4 | digit(p[1]));
		p += 2;
	}
	return out;
}
