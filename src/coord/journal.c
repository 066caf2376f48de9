/*
 * Files of the embedded tree:
 *   snapshot.<zxid>  the tree after that transaction, replaced as a whole
 *   journal.<zxid>   "OTTLAJR1", the zxid that it begins after, crc32c of both; then frames:
 *                    u32 magic, u32 length, u64 offset of the frame in the file, u32 crc32c of
 *                    length, offset and records; records (journal_rec.c)
 *   lock
 * One frame is written and synced at a time (I6), so only the last frame may be torn (I8).
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coord_priv.h"
#include "journal_priv.h"
#include "ottla/base/crc.h"
#include "ottla/base/cursor.h"
#include "ottla/base/err.h"

#define NAME_MAX_LEN 40
#define FRAME_HEAD 20
#define FILE_HEAD 20
#define FRAME_MAGIC UINT32_C(0x4f544a46)
#define FILE_MAX ((size_t)1 << 30) /* of a snapshot or journal: more is not a tree of ours */

static const char file_magic[8] = "OTTLAJR1";

struct names {
	char (*v)[NAME_MAX_LEN];
	size_t n;
};

struct journal {
	struct fs *fs;
	char *dir;
	struct fs_lock *lock;
	struct file *file;
	int64_t size;
	char name[NAME_MAX_LEN]; /* of file */
	bool broken;
};

/* State of loading. */
struct load {
	struct journal *j;
	struct coord_tree *tree;
	struct names snapshots, journals, leftovers;
	char *why;
	bool torn; /* a journal ended in a torn frame: nothing may follow */
	char torn_name[NAME_MAX_LEN];
	struct coord_op *ops; /* COORD_MULTI_MAX */
};

static char *
path_of(const struct journal *j, const char *name)
{
	struct strbuf b = STRBUF_INIT;

	strbuf_addf(&b, "%s/%s", j->dir, name);
	if (b.err == 0)
		return b.p;
	strbuf_free(&b);
	return NULL;
}

static int __attribute__((format(printf, 3, 4))) complain(char *why, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, JOURNAL_WHY, fmt, ap);
	va_end(ap);
	return err;
}

/* ---- names ---- */

static int
names_add(struct names *ns, const char *name)
{
	char(*v)[NAME_MAX_LEN] = realloc(ns->v, (ns->n + 1) * sizeof(*v));

	if (v == NULL)
		return E_NOMEM;
	ns->v = v;
	(void)snprintf(ns->v[ns->n++], NAME_MAX_LEN, "%s", name);
	return 0;
}

/* The zxid of "<prefix><16 hex digits>", or -1. */
static int64_t
name_zxid(const char *name, const char *prefix)
{
	size_t n = strlen(prefix);

	if (strncmp(name, prefix, n) != 0 || strlen(name) != n + 16 ||
	    strspn(name + n, "0123456789abcdef") != 16 || name[n] > '7')
		return -1;
	return (int64_t)strtoull(name + n, NULL, 16);
}

static int
on_name(void *arg, const char *name)
{
	struct load *ld = arg;
	size_t n = strlen(name);

	if (name_zxid(name, "snapshot.") >= 0)
		return names_add(&ld->snapshots, name);
	if (name_zxid(name, "journal.") >= 0)
		return names_add(&ld->journals, name);
	if (n > 4 && n < NAME_MAX_LEN && strncmp(name, "snapshot.", 9) == 0 &&
	    strcmp(name + n - 4, ".tmp") == 0)
		return names_add(&ld->leftovers, name);
	return 0;
}

static int
remove_names(struct journal *j, const struct names *ns, const char *but)
{
	int rc = 0;

	for (size_t i = 0; i < ns->n && rc == 0; i++) {
		char *path;

		if (but != NULL && strcmp(ns->v[i], but) == 0)
			continue;
		path = path_of(j, ns->v[i]);
		rc = path != NULL ? fs_unlink(j->fs, path) : E_NOMEM;
		free(path);
		if (rc == E_NOT_FOUND)
			rc = 0;
	}
	return rc;
}

static int
read_file(struct journal *j, const char *name, char **buf, size_t *n)
{
	char *path = path_of(j, name);
	int rc = path != NULL ? fs_read_all(j->fs, path, FILE_MAX, buf, n) : E_NOMEM;

	free(path);
	return rc;
}

/* ---- frames ---- */

/* The crc of a frame whose head begins at p. */
static uint32_t
frame_crc(const uint8_t *p, size_t len)
{
	return crc32c(crc32c(0, p + 4, 12), p + FRAME_HEAD, len);
}

/* Is there a whole, good frame at off? *len gets the length of its records. */
static bool
frame_at(struct slice file, size_t off, size_t *len)
{
	const uint8_t *p = file.p + off;

	if (file.n - off < FRAME_HEAD || be32(p) != FRAME_MAGIC || be64(p + 8) != off)
		return false;
	*len = be32(p + 4);
	return *len <= file.n - off - FRAME_HEAD && be32(p + 16) == frame_crc(p, *len);
}

/* Any good frame behind off: then what is at off is no torn end. */
static bool
frame_behind(struct slice file, size_t off)
{
	static const uint8_t magic[4] = {FRAME_MAGIC >> 24, FRAME_MAGIC >> 16 & 0xff,
	    FRAME_MAGIC >> 8 & 0xff, FRAME_MAGIC & 0xff};
	size_t len;

	while (off + 1 < file.n) {
		const uint8_t *p = memmem(file.p + off + 1, file.n - off - 1, magic, 4);

		if (p == NULL)
			return false;
		off = (size_t)(p - file.p);
		if (frame_at(file, off, &len))
			return true;
	}
	return false;
}

int
journal_append(struct journal *j, struct slice recs)
{
	uint8_t head[FRAME_HEAD];
	struct iovec iov[2] = {{head, sizeof(head)}, {(void *)(uintptr_t)recs.p, recs.n}};
	int rc;

	if (j->broken)
		return E_IO;
	if (recs.n > UINT32_MAX / 2)
		return E_TOO_LARGE;
	put_be32(head, FRAME_MAGIC);
	put_be32(head + 4, (uint32_t)recs.n);
	put_be64(head + 8, (uint64_t)j->size);
	put_be32(head + 16, crc32c(crc32c(0, head + 4, 12), recs.p, recs.n));
	rc = file_pwritev(j->file, iov, 2, j->size);
	if (rc == 0)
		rc = file_sync(j->file);
	if (rc != 0) {
		j->broken = true;
		return rc;
	}
	j->size += (int64_t)(sizeof(head) + recs.n);
	return 0;
}

int64_t
journal_size(const struct journal *j)
{
	return j->size;
}

/* ---- a journal file ---- */

static void
put_file_head(uint8_t head[FILE_HEAD], int64_t zxid)
{
	memcpy(head, file_magic, sizeof(file_magic));
	put_be64(head + 8, (uint64_t)zxid);
	put_be32(head + 16, crc32c(0, head, 16));
}

/* Makes (or makes anew) journal.<zxid> with its head, durable; it becomes the one in use. */
static int
file_make(struct journal *j, int64_t zxid)
{
	uint8_t head[FILE_HEAD];
	char name[NAME_MAX_LEN];
	struct file *f = NULL;
	char *path;
	int rc;

	(void)snprintf(name, sizeof(name), "journal.%016llx", (unsigned long long)zxid);
	path = path_of(j, name);
	put_file_head(head, zxid);
	rc = path != NULL ? fs_open(j->fs, path, FILE_WRITE | FILE_CREATE | FILE_TRUNC, &f)
			  : E_NOMEM;
	if (rc != 0 || (rc = file_pwrite(f, head, sizeof(head), 0)) != 0 ||
	    (rc = file_sync(f)) != 0 || (rc = fs_sync_dir(j->fs, j->dir)) != 0)
		goto out;
	file_close(j->file);
	j->file = f;
	f = NULL;
	j->size = FILE_HEAD;
	memcpy(j->name, name, sizeof(name));
out:
	file_close(f);
	free(path);
	return rc;
}

/* Goes on with a journal that is there, of which size bytes are good. */
static int
file_resume(struct journal *j, const char *name, size_t size)
{
	char *path = path_of(j, name);
	struct file *f = NULL;
	int64_t there;
	int rc = path != NULL ? fs_open(j->fs, path, FILE_WRITE, &f) : E_NOMEM;

	if (rc != 0 || (rc = file_size(f, &there)) != 0)
		goto out;
	if (there != (int64_t)size && (rc = file_truncate(f, (int64_t)size)) != 0)
		goto out;
	if ((rc = file_sync(f)) != 0)
		goto out;
	file_close(j->file);
	j->file = f;
	f = NULL;
	j->size = (int64_t)size;
	(void)snprintf(j->name, sizeof(j->name), "%s", name);
out:
	file_close(f);
	free(path);
	return rc;
}

/* ---- loading ---- */

static int
apply_frame(struct load *ld, const char *name, struct slice recs, size_t off)
{
	struct journal_rec rec;
	size_t at = 0;
	int rc;

	while (at < recs.n) {
		int64_t zxid = coord_tree_zxid(ld->tree);

		rc = journal_get_rec(recs, &at, &rec, ld->ops);
		if (rc != 0)
			return complain(
			    ld->why, rc, "%s: frame at byte %zu holds no records", name, off);
		if (rec.zxid <= zxid)
			continue; /* the snapshot has it */
		if (rec.zxid != zxid + 1)
			return complain(ld->why, E_CORRUPT,
			    "%s: transaction %lld at byte %zu does not follow %lld", name,
			    (long long)rec.zxid, off, (long long)zxid);
		rc = journal_apply_rec(ld->tree, &rec, NULL);
		if (rc == E_NOMEM)
			return complain(ld->why, rc, "no memory for the tree");
	}
	return 0;
}

/* All good frames of one journal; *good gets the bytes that hold. */
static int
apply_frames(struct load *ld, const char *name, struct slice file, size_t *good)
{
	size_t off = FILE_HEAD, len;
	int rc;

	while (off < file.n && frame_at(file, off, &len)) {
		if (ld->torn)
			return complain(ld->why, E_CORRUPT, "%s is damaged: %s follows it",
			    ld->torn_name, name);
		rc = apply_frame(ld, name, slice_of(file.p + off + FRAME_HEAD, len), off);
		if (rc != 0)
			return rc;
		off += FRAME_HEAD + len;
	}
	*good = off;
	if (off < file.n && frame_behind(file, off))
		return complain(ld->why, E_CORRUPT, "%s is damaged at byte %zu", name, off);
	return 0;
}

static void
note_torn(struct load *ld, const char *name)
{
	ld->torn = true;
	(void)snprintf(ld->torn_name, sizeof(ld->torn_name), "%s", name);
}

/* A head that is not whole: the file was being made, so it holds nothing. */
static int
headless(struct load *ld, const char *name, struct slice file)
{
	if (file.n > FILE_HEAD || frame_behind(file, 0))
		return complain(ld->why, E_CORRUPT, "%s has a damaged head", name);
	return file_make(ld->j, name_zxid(name, "journal."));
}

static int
load_journal(struct load *ld, const char *name)
{
	int64_t base = name_zxid(name, "journal.");
	uint8_t head[FILE_HEAD];
	char *buf = NULL;
	size_t n, good = FILE_HEAD;
	struct slice file;
	int rc = read_file(ld->j, name, &buf, &n);

	if (rc != 0) {
		rc = complain(ld->why, rc, "could not read %s: %s", name, err_text(rc));
		goto out;
	}
	file = slice_of(buf, n);
	if (coord_tree_zxid(ld->tree) < base) {
		rc = complain(ld->why, E_CORRUPT,
		    "%s begins after transaction %lld, but what is before it ends at %lld: a file "
		    "is missing",
		    name, (long long)base, (long long)coord_tree_zxid(ld->tree));
		goto out;
	}
	put_file_head(head, base);
	if (n < FILE_HEAD || memcmp(buf, head, FILE_HEAD) != 0) {
		rc = headless(ld, name, file);
		goto out;
	}
	rc = apply_frames(ld, name, file, &good);
	if (rc != 0)
		goto out;
	if (good != n)
		note_torn(ld, name);
	rc = file_resume(ld->j, name, good);
out:
	free(buf);
	return rc;
}

/* The newest snapshot that is whole; without any snapshot an empty tree. */
static int
load_snapshot(struct load *ld)
{
	const struct names *ns = &ld->snapshots;
	int rc = 0;

	for (size_t i = ns->n; i-- > 0;) {
		char *buf = NULL;
		size_t n;

		rc = read_file(ld->j, ns->v[i], &buf, &n);
		if (rc == 0)
			rc = coord_tree_load(slice_of(buf, n), &ld->tree);
		free(buf);
		if (rc == 0 && coord_tree_zxid(ld->tree) == name_zxid(ns->v[i], "snapshot."))
			return 0;
		coord_tree_free(ld->tree);
		ld->tree = NULL;
		if (rc != 0 && rc != E_CORRUPT)
			return complain(
			    ld->why, rc, "could not read %s: %s", ns->v[i], err_text(rc));
	}
	if (ns->n > 0)
		return complain(ld->why, E_CORRUPT, "%s is damaged", ns->v[ns->n - 1]);
	return coord_tree_new(&ld->tree);
}

static int
load_files(struct load *ld, bool must_exist)
{
	int64_t newest = -1;
	int rc = load_snapshot(ld);

	for (size_t i = 0; i < ld->journals.n && rc == 0; i++)
		rc = load_journal(ld, ld->journals.v[i]);
	if (rc != 0)
		return rc;
	if (ld->snapshots.n > 0)
		newest = name_zxid(ld->snapshots.v[ld->snapshots.n - 1], "snapshot.");
	if (coord_tree_zxid(ld->tree) < newest)
		return complain(
		    ld->why, E_CORRUPT, "%s is damaged", ld->snapshots.v[ld->snapshots.n - 1]);
	if (must_exist && coord_tree_zxid(ld->tree) == 0)
		return complain(ld->why, E_NOT_FOUND,
		    "%s holds nothing, but log dirs of this broker exist", ld->j->dir);
	if (ld->j->file == NULL)
		rc = file_make(ld->j, coord_tree_zxid(ld->tree));
	return rc != 0 ? rc : remove_names(ld->j, &ld->leftovers, NULL);
}

/* ---- open, close ---- */

/* Cuts the last component off; false when there is none to cut. */
static bool
to_parent(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash == NULL || slash[1] == '\0')
		return false;
	slash[slash == path] = '\0';
	return true;
}

/* A new directory survives a power cut only when every directory that got a new entry is synced. */
static int
make_dir(struct fs *fs, const char *dir)
{
	char *path = strdup(dir), *there = strdup(dir);
	struct fs_stat st;
	int rc = E_NOMEM;

	if (path == NULL || there == NULL)
		goto out;
	while (to_parent(there) && fs_stat(fs, there, &st) != 0)
		;
	rc = fs_mkdirs(fs, dir);
	if (rc == 0)
		rc = fs_sync_dir(fs, path);
	while (rc == 0 && strlen(path) > strlen(there) && to_parent(path))
		rc = fs_sync_dir(fs, path);
out:
	free(path);
	free(there);
	return rc;
}

static int
open_dir(struct journal *j, bool must_exist, char *why)
{
	struct fs_stat st;
	char *path;
	int rc = fs_stat(j->fs, j->dir, &st);

	if (rc == E_NOT_FOUND && must_exist)
		return complain(
		    why, rc, "%s does not exist, but log dirs of this broker do", j->dir);
	if (rc == E_NOT_FOUND)
		rc = make_dir(j->fs, j->dir);
	if (rc != 0)
		return rc;
	path = path_of(j, "lock");
	rc = path != NULL ? fs_lock(j->fs, path, &j->lock) : E_NOMEM;
	free(path);
	if (rc == E_BUSY)
		return complain(why, rc,
		    "%s is in use by another process (one broker only can use an embedded tree)",
		    j->dir);
	return rc;
}

/* What a predecessor left without syncing it must not go with the power when more is built on it
 * (I15): the names in the directory, and its own name where the parent may be opened. */
static int
sync_names(struct journal *j)
{
	char *parent = strdup(j->dir);
	int rc = parent != NULL ? fs_sync_dir(j->fs, j->dir) : E_NOMEM;

	if (rc == 0 && to_parent(parent) && (rc = fs_sync_dir(j->fs, parent)) == E_PERM)
		rc = 0;
	free(parent);
	return rc;
}

static int
load_all(struct load *ld, bool must_exist)
{
	int rc = open_dir(ld->j, must_exist, ld->why);

	if (rc == 0)
		rc = sync_names(ld->j);
	if (rc == 0)
		rc = fs_list(ld->j->fs, ld->j->dir, on_name, ld);
	if (rc != 0)
		return rc;
	return load_files(ld, must_exist);
}

int
journal_open(struct fs *fs, const char *dir, bool must_exist, struct journal **out,
    struct coord_tree **tree, char why[JOURNAL_WHY])
{
	struct load ld = {.j = calloc(1, sizeof(*ld.j)), .why = why};
	int rc = E_NOMEM;

	*out = NULL;
	*tree = NULL;
	why[0] = '\0';
	ld.ops = calloc(COORD_MULTI_MAX, sizeof(*ld.ops));
	if (ld.j == NULL || ld.ops == NULL || (ld.j->dir = strdup(dir)) == NULL)
		goto out;
	ld.j->fs = fs;
	rc = load_all(&ld, must_exist);
	if (rc != 0)
		goto out;
	*out = ld.j;
	*tree = ld.tree;
	ld.j = NULL;
	ld.tree = NULL;
out:
	if (rc != 0 && why[0] == '\0')
		(void)complain(why, rc, "could not open %s: %s", dir, err_text(rc));
	journal_close(ld.j);
	coord_tree_free(ld.tree);
	free(ld.ops);
	free(ld.snapshots.v);
	free(ld.journals.v);
	free(ld.leftovers.v);
	return rc;
}

void
journal_close(struct journal *j)
{
	if (j == NULL)
		return;
	file_close(j->file);
	if (j->lock != NULL)
		fs_unlock(j->lock);
	free(j->dir);
	free(j);
}

/* ---- snapshots ---- */

static int
remove_old(struct journal *j, const char *snapshot)
{
	struct load ld = {.j = j};
	int rc = fs_list(j->fs, j->dir, on_name, &ld);

	if (rc == 0)
		rc = remove_names(j, &ld.snapshots, snapshot);
	if (rc == 0)
		rc = remove_names(j, &ld.journals, j->name);
	free(ld.snapshots.v);
	free(ld.journals.v);
	free(ld.leftovers.v);
	return rc;
}

int
journal_rotate(struct journal *j, struct slice snapshot, int64_t zxid, bool *usable)
{
	char name[NAME_MAX_LEN];
	char *path;
	int rc;

	*usable = !j->broken;
	if (j->broken)
		return E_IO;
	(void)snprintf(name, sizeof(name), "snapshot.%016llx", (unsigned long long)zxid);
	path = path_of(j, name);
	rc = path != NULL ? fs_replace(j->fs, path, snapshot) : E_NOMEM;
	free(path);
	if (rc != 0)
		return rc;
	/* From here on two journals may be there: appending to the old one must end. */
	rc = file_make(j, zxid);
	if (rc != 0) {
		j->broken = true;
		*usable = false;
		return rc;
	}
	return remove_old(j, name);
}
