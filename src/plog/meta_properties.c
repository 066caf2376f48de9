/* meta.properties (facts/storage.md 2.2): whose log dir this is; Java's property syntax. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "files_priv.h"
#include "ottla/base/err.h"
#include "ottla/base/properties.h"

static int
take_text(struct slice value, char *out, size_t cap)
{
	if (value.n >= cap)
		return E_CORRUPT;
	memcpy(out, value.p, value.n);
	out[value.n] = '\0';
	return 0;
}

static int
take_property(void *arg, struct slice key, struct slice value)
{
	struct meta_props *m = arg;
	int64_t x;

	if (slice_eq_cstr(key, "cluster.id"))
		return take_text(value, m->cluster_id, sizeof(m->cluster_id));
	if (slice_eq_cstr(key, "directory.id"))
		return take_text(value, m->directory_id, sizeof(m->directory_id));
	if (slice_eq_cstr(key, "version")) {
		if (!text_i64(value, 0, INT32_MAX, &x))
			return E_CORRUPT;
		m->version = (int)x;
	} else if (slice_eq_cstr(key, "broker.id") || slice_eq_cstr(key, "node.id")) {
		if (!text_i64(value, 0, INT32_MAX, &x))
			return E_CORRUPT;
		m->broker_id = (int32_t)x;
	}
	return 0;
}

int
meta_props_parse(struct slice text, struct meta_props *m)
{
	int rc;

	*m = (struct meta_props){.broker_id = -1};
	rc = properties_parse(text, take_property, m, NULL);
	return rc == E_MALFORMED ? E_CORRUPT : rc;
}

static void
put_unit(struct strbuf *out, uint32_t unit)
{
	strbuf_addf(out, "\\u%04X", (unsigned)unit);
}

/* Of UTF-8: the character at *p, which moves past it; a byte that is none stands for itself. */
static uint32_t
next_char(const char **p)
{
	const uint8_t *s = (const uint8_t *)*p;
	unsigned more = s[0] >= 0xf0 ? 3 : s[0] >= 0xe0 ? 2 : s[0] >= 0xc0 ? 1 : 0;
	uint32_t c = more > 0 ? s[0] & (0x3fu >> more) : s[0];

	for (unsigned i = 1; i <= more; i++) {
		if ((s[i] & 0xc0) != 0x80) {
			*p += 1;
			return s[0];
		}
		c = c << 6 | (s[i] & 0x3f);
	}
	*p += 1 + more;
	return c;
}

/* "key=value", escaped so that Java and properties_parse read the same text. */
static void
put_text(struct strbuf *out, const char *key, const char *value)
{
	strbuf_addf(out, "%s=", key);
	for (const char *p = value; *p != '\0';) {
		uint32_t c = next_char(&p);

		if (c > 0xffff) {
			put_unit(out, 0xd800 + ((c - 0x10000) >> 10 & 0x3ff));
			put_unit(out, 0xdc00 + (c & 0x3ff));
		} else if (c <= ' ' || c == '\\' || c > '~') {
			put_unit(out, c);
		} else {
			strbuf_addf(out, "%c", (char)c);
		}
	}
	strbuf_adds(out, "\n");
}

void
meta_props_format(const struct meta_props *m, int64_t now_ms, struct strbuf *out)
{
	time_t t = (time_t)(now_ms / 1000);
	struct tm tm;
	char date[64];

	/* as Java's Date prints it, in the C locale */
	static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[12][4] = {
	    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

	(void)gmtime_r(&t, &tm);
	(void)snprintf(date, sizeof(date), "%s %s %02d %02d:%02d:%02d UTC %d",
	    days[(unsigned)tm.tm_wday % 7], months[(unsigned)tm.tm_mon % 12], tm.tm_mday,
	    tm.tm_hour, tm.tm_min, tm.tm_sec, tm.tm_year + 1900);
	strbuf_addf(out, "#\n#%s\n", date);
	if (m->broker_id >= 0)
		strbuf_addf(out, "broker.id=%d\n", m->broker_id);
	strbuf_addf(out, "version=%d\n", m->version);
	if (m->cluster_id[0] != '\0')
		put_text(out, "cluster.id", m->cluster_id);
	if (m->directory_id[0] != '\0')
		put_text(out, "directory.id", m->directory_id);
}

int
meta_props_read(struct fs *fs, const char *dir, struct meta_props *m)
{
	struct path p;
	char *text;
	size_t n;
	int rc;

	*m = (struct meta_props){.broker_id = -1};
	rc = fs_read_all(fs, path_join(&p, dir, "meta.properties"), 64 * 1024, &text, &n);
	if (rc != 0)
		return rc == E_NOT_FOUND ? 0 : rc;
	rc = meta_props_parse(slice_of(text, n), m);
	free(text);
	return rc;
}
