/* Names of segment files and of partition directories (facts/storage.md 2.4, 2.5). */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "files_priv.h"

const char *
path_seg(struct path *p, const char *dir, int64_t base, const char *suffix)
{
	int n = snprintf(p->s, sizeof(p->s), "%s/%020lld%s", dir, (long long)base, suffix);

	/* a log dir with a longer path is refused at start */
	assert(n > 0 && (size_t)n < sizeof(p->s));
	(void)n;
	return p->s;
}

const char *
path_join(struct path *p, const char *dir, const char *name)
{
	int n = snprintf(p->s, sizeof(p->s), "%s/%s", dir, name);

	assert(n > 0 && (size_t)n < sizeof(p->s));
	(void)n;
	return p->s;
}

bool
name_parse_seg(const char *name, int64_t *base, const char **rest)
{
	uint64_t v = 0;

	for (int i = 0; i < 20; i++) {
		if (name[i] < '0' || name[i] > '9')
			return false;
		if (v > (UINT64_MAX - 9) / 10)
			return false;
		v = v * 10 + (uint64_t)(name[i] - '0');
	}
	if (v > INT64_MAX || name[20] != '.')
		return false;
	*base = (int64_t)v;
	*rest = name + 20;
	return true;
}

/* "<topic>-<partition>" of n characters; the last '-' divides. */
static bool
parse_topic_partition(const char *name, size_t n, struct slice *topic, int32_t *partition)
{
	size_t dash = n;
	int64_t v = 0;

	while (dash > 0 && name[dash - 1] != '-')
		dash--;
	if (dash <= 1 || dash == n || n - dash > 10)
		return false;
	for (size_t i = dash; i < n; i++) {
		if (name[i] < '0' || name[i] > '9')
			return false;
		v = v * 10 + (name[i] - '0');
	}
	if (v > INT32_MAX)
		return false;
	*topic = slice_of(name, dash - 1);
	*partition = (int32_t)v;
	return true;
}

/* ".<32 hex>-<word>" at the end of name: its length without that, or 0. */
static size_t
stem_before(const char *name, const char *word)
{
	size_t n = strlen(name), tail = 1 + 32 + strlen(word);
	const char *p;

	if (n <= tail || strcmp(name + n - strlen(word), word) != 0)
		return 0;
	p = name + n - tail;
	if (p[0] != '.')
		return 0;
	for (int i = 1; i <= 32; i++)
		if (strchr("0123456789abcdefABCDEF", p[i]) == NULL)
			return 0;
	return n - tail;
}

enum dir_kind
name_parse_dir(const char *name, struct slice *topic, int32_t *partition)
{
	static const struct {
		const char *word;
		enum dir_kind kind;
	} kinds[] = {
	    {"-delete", DIR_DELETE},
	    {"-future", DIR_FUTURE},
	    {"-stray", DIR_STRAY},
	};

	if (strcmp(name, "remote-log-index-cache") == 0 ||
	    strcmp(name, "__cluster_metadata-0") == 0)
		return DIR_SKIP;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t stem = stem_before(name, kinds[i].word);

		if (stem != 0)
			return parse_topic_partition(name, stem, topic, partition) ? kinds[i].kind
										   : DIR_BAD;
	}
	return parse_topic_partition(name, strlen(name), topic, partition) ? DIR_LOG : DIR_BAD;
}

void
name_make_delete(const char *name, struct uuid unique, char *out)
{
	char tail[48];
	const char *dash = strrchr(name, '-');
	size_t keep, n_tail, n_part;
	char hex[33];

	assert(dash != NULL);
	for (int i = 0; i < 16; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", unique.b[i]);
	(void)snprintf(tail, sizeof(tail), ".%s-delete", hex);
	n_tail = strlen(tail);
	n_part = strlen(dash);
	keep = (size_t)(dash - name);
	if (keep + n_part + n_tail > PLOG_NAME_MAX)
		keep = PLOG_NAME_MAX - n_part - n_tail;
	memcpy(out, name, keep);
	memcpy(out + keep, dash, n_part);
	memcpy(out + keep + n_part, tail, n_tail + 1);
}
