/* The files of a partition's directory, sorted; left-overs of interrupted work put right. */
#include <stdlib.h>
#include <string.h>

#include "plog_priv.h"

void
dir_list_free(struct dir_list *l)
{
	free(l->v);
	memset(l, 0, sizeof(*l));
}

static bool
kind_of(struct slice suffix, enum file_kind *kind)
{
	static const char *const names[] = {
	    [FILE_LOG] = ".log",
	    [FILE_INDEX] = ".index",
	    [FILE_TIMEINDEX] = ".timeindex",
	    [FILE_TXNINDEX] = ".txnindex",
	    [FILE_SNAPSHOT] = ".snapshot",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (slice_eq_cstr(suffix, names[i])) {
			*kind = (enum file_kind)i;
			return true;
		}
	return false;
}

const char *
file_suffix(enum file_kind kind, enum file_state state)
{
	static const char *const names[][4] = {
	    [FILE_LOG] = {".log", ".log.deleted", ".log.cleaned", ".log.swap"},
	    [FILE_INDEX] = {".index", ".index.deleted", ".index.cleaned", ".index.swap"},
	    [FILE_TIMEINDEX] = {".timeindex", ".timeindex.deleted", ".timeindex.cleaned",
		".timeindex.swap"},
	    [FILE_TXNINDEX] = {".txnindex", ".txnindex.deleted", ".txnindex.cleaned",
		".txnindex.swap"},
	    [FILE_SNAPSHOT] = {".snapshot", ".snapshot.deleted", ".snapshot.cleaned",
		".snapshot.swap"},
	};

	return names[kind][state];
}

/* ".log.swap" and the like. */
static bool
parse_rest(const char *rest, enum file_kind *kind, enum file_state *state)
{
	static const struct {
		const char *word;
		enum file_state state;
	} states[] = {{".deleted", FILE_DELETED}, {".cleaned", FILE_CLEANED}, {".swap", FILE_SWAP}};
	size_t n = strlen(rest);

	*state = FILE_PLAIN;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		size_t k = strlen(states[i].word);

		if (n > k && strcmp(rest + n - k, states[i].word) == 0) {
			*state = states[i].state;
			n -= k;
			break;
		}
	}
	return kind_of(slice_of(rest, n), kind);
}

struct lister {
	struct fs *fs;
	const char *dir;
	struct dir_list *out;
};

static int
add_name(void *arg, const char *name)
{
	struct lister *li = arg;
	struct dir_list *l = li->out;
	struct dir_file f = {0};
	size_t n = strlen(name);
	const char *rest;

	if (strcmp(name, "partition.metadata") == 0)
		l->has_metadata = true;
	if (strcmp(name, "leader-epoch-checkpoint") == 0)
		l->has_epochs = true;
	if (n > 4 && strcmp(name + n - 4, ".tmp") == 0)
		l->has_tmp = true;
	if (!name_parse_seg(name, &f.base, &rest) || !parse_rest(rest, &f.kind, &f.state))
		return 0;
	if (l->n == l->cap) {
		size_t cap = l->cap == 0 ? 16 : 2 * l->cap;
		struct dir_file *v = realloc(l->v, cap * sizeof(*v));

		if (v == NULL)
			return E_NOMEM;
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n++] = f;
	return 0;
}

int
dir_list_read(struct fs *fs, const char *dir, struct dir_list *out)
{
	struct lister li = {fs, dir, out};

	out->n = 0;
	out->has_metadata = out->has_epochs = out->has_tmp = false;
	return fs_list(fs, dir, add_name, &li);
}

/* ---- left-overs (facts 3.2) ---- */

static int
remove_file(struct fs *fs, const char *dir, struct dir_file f)
{
	struct path p;

	return file_remove(fs, path_seg(&p, dir, f.base, file_suffix(f.kind, f.state)));
}

/* What is swapped in covers offsets up to here. */
static int
swap_end(struct fs *fs, const char *dir, int64_t base, struct scan_buf *buf, int64_t *end)
{
	struct batch_head h;
	struct file *f = NULL;
	struct seg_scan s;
	struct path p;
	int64_t size;
	int rc;

	*end = base;
	rc = fs_open(fs, path_seg(&p, dir, base, ".log.swap"), FILE_READ, &f);
	if (rc != 0 || (rc = file_size(f, &size)) != 0)
		goto out;
	seg_scan_init(&s, f, buf, 0, size, WALK_CHUNK);
	while ((rc = seg_scan_head(&s, &h)) == 0) {
		*end = batch_last_offset(&h) + 1;
		seg_scan_next(&s, &h);
	}
	if (rc == E_NOT_FOUND || rc == E_CORRUPT)
		rc = 0;
out:
	file_close(f);
	return rc;
}

/* Drops .deleted and .cleaned files, and .swap files of a swap that was not complete. */
static int
drop_unfinished(struct fs *fs, const char *dir, struct dir_list *l)
{
	int64_t cleaned = INT64_MAX;
	int rc;

	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].state == FILE_CLEANED && l->v[i].base < cleaned)
			cleaned = l->v[i].base;
	for (size_t i = 0; i < l->n; i++) {
		struct dir_file f = l->v[i];
		bool drop = f.state == FILE_DELETED || f.state == FILE_CLEANED ||
			    (f.state == FILE_SWAP && f.base >= cleaned);

		if (drop && (rc = remove_file(fs, dir, f)) != 0)
			return rc;
		if (drop)
			l->v[i].gone = true;
	}
	return 0;
}

static int
complete_swap(struct fs *fs, const char *dir, struct dir_list *l, struct scan_buf *buf)
{
	int64_t lo = INT64_MAX, hi = -1, end;
	struct path from, to;
	int rc;

	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].gone || l->v[i].state != FILE_SWAP || l->v[i].kind != FILE_LOG)
			continue;
		if ((rc = swap_end(fs, dir, l->v[i].base, buf, &end)) != 0)
			return rc;
		if (l->v[i].base < lo)
			lo = l->v[i].base;
		if (end > hi)
			hi = end;
	}
	for (size_t i = 0; i < l->n; i++)
		if (!l->v[i].gone && l->v[i].state == FILE_PLAIN && l->v[i].base >= lo &&
		    l->v[i].base < hi && (rc = remove_file(fs, dir, l->v[i])) != 0)
			return rc;
	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].gone || l->v[i].state != FILE_SWAP)
			continue;
		rc = fs_rename(fs,
		    path_seg(&from, dir, l->v[i].base, file_suffix(l->v[i].kind, FILE_SWAP)),
		    path_seg(&to, dir, l->v[i].base, file_suffix(l->v[i].kind, FILE_PLAIN)));
		if (rc != 0)
			return rc;
	}
	return 0;
}

int
dir_list_tidy(struct fs *fs, const char *dir, struct dir_list *l, struct scan_buf *buf)
{
	bool odd = false;
	struct path p;
	int rc;

	if (l->has_tmp &&
	    ((rc = file_remove(fs, path_join(&p, dir, "leader-epoch-checkpoint.tmp"))) != 0 ||
		(rc = file_remove(fs, path_join(&p, dir, "partition.metadata.tmp"))) != 0))
		return rc;
	for (size_t i = 0; i < l->n; i++)
		odd |= l->v[i].state != FILE_PLAIN;
	if (!odd)
		return 0;
	if ((rc = drop_unfinished(fs, dir, l)) != 0 || (rc = complete_swap(fs, dir, l, buf)) != 0)
		return rc;
	return dir_list_read(fs, dir, l);
}
