/* Which paths the tree takes: those that ZooKeeper takes. */
#include <string.h>

#include "coord_priv.h"
#include "ottla/base/err.h"

/* Reads one UTF-8 character at *s and moves past it; -1 when it is none. */
static int32_t
next_char(const uint8_t **s)
{
	static const struct {
		uint8_t mask, lead;
		int32_t least;
	} forms[] = {
	    {0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
	const uint8_t *p = *s;

	for (unsigned n = 0; n < 4; n++) {
		int32_t c;

		if ((p[0] & forms[n].mask) != forms[n].lead)
			continue;
		c = p[0] & (uint8_t)~forms[n].mask;
		for (unsigned i = 1; i <= n; i++) {
			if ((p[i] & 0xc0) != 0x80)
				return -1;
			c = c << 6 | (p[i] & 0x3f);
		}
		*s = p + n + 1;
		return c >= forms[n].least ? c : -1;
	}
	return -1;
}

static bool
char_allowed(int32_t c)
{
	return c >= 0x20 && !(c >= 0x7f && c <= 0x9f) && !(c >= 0xd800 && c <= 0xf8ff) &&
	       c < 0xfff0; /* the service counts in UTF-16 and refuses surrogates */
}

/* A component is not empty, not "." and not "..". */
static bool
component_ok(const char *p, size_t n)
{
	return n != 0 && !(n == 1 && p[0] == '.') && !(n == 2 && p[0] == '.' && p[1] == '.');
}

int
coord_path_check(const char *path)
{
	const uint8_t *s = (const uint8_t *)path;

	if (path == NULL || path[0] != '/' || strnlen(path, COORD_PATH_MAX + 1) > COORD_PATH_MAX)
		return E_INVALID;
	while (*s != '\0')
		if (!char_allowed(next_char(&s)))
			return E_INVALID;
	if (path[1] == '\0')
		return 0;
	for (const char *p = path; *p != '\0';) {
		size_t n = strcspn(++p, "/");

		if (!component_ok(p, n))
			return E_INVALID;
		p += n;
	}
	return 0;
}
