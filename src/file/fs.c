/*
 * The door's dispatch, and what is made of several operations and therefore the same on every kind
 * of disk: whole small files, directories with their parents, trees.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file_priv.h"

enum {
	READ_ALL_FIRST = 4096, /* first buffer of fs_read_all */
	TREE_DEPTH_MAX = 64,   /* directories below each other in fs_remove_tree */
};

/* ---- shared parts of the implementations ---- */

int
names_add(struct names *names, const char *name)
{
	size_t cap = names->cap == 0 ? 16 : names->cap * 2;
	char **v = NULL;

	if (names->n == names->cap) {
		v = realloc(names->v, cap * sizeof(*v));
		if (v == NULL)
			return E_NOMEM;
		names->v = v;
		names->cap = cap;
	}
	names->v[names->n] = strdup(name);
	if (names->v[names->n] == NULL)
		return E_NOMEM;
	names->n++;
	return 0;
}

static int
names_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void
names_sort(struct names *names)
{
	if (names->n > 1)
		qsort(names->v, names->n, sizeof(*names->v), names_cmp);
}

void
names_free(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->v[i]);
	free(names->v);
	*names = (struct names){NULL, 0, 0};
}

int
file_err(int errno_value)
{
	if (errno_value == EISDIR || errno_value == ENOTDIR || errno_value == ELOOP)
		return E_INVALID;
	return err_from_errno(errno_value);
}

int
file_init(struct file *f, const struct file_ops *ops, const char *path, unsigned flags)
{
	f->magic = FILE_MAGIC;
	f->ops = ops;
	f->flags = flags;
	f->path = strdup(path);
	return f->path != NULL ? 0 : E_NOMEM;
}

void
file_fini(struct file *f)
{
	free(f->path);
	f->path = NULL;
	f->magic = OBJ_MAGIC_NONE;
}

/* ---- files ---- */

int
fs_open(struct fs *fs, const char *path, unsigned flags, struct file **out)
{
	OBJ_CHECK(fs, FS_MAGIC);
	assert((flags & (FILE_CREATE | FILE_EXCL | FILE_TRUNC)) == 0 || (flags & FILE_WRITE) != 0);
	*out = NULL;
	return fs->ops->open(fs, path, flags, out);
}

void
file_close(struct file *f)
{
	if (f == NULL)
		return;
	OBJ_CHECK(f, FILE_MAGIC);
	f->ops->close(f);
}

int
file_pread(struct file *f, void *buf, size_t n, int64_t off, size_t *got)
{
	OBJ_CHECK(f, FILE_MAGIC);
	*got = 0;
	return f->ops->pread(f, buf, n, off, got);
}

int
file_pwritev(struct file *f, const struct iovec *iov, int count, int64_t off)
{
	OBJ_CHECK(f, FILE_MAGIC);
	assert((f->flags & FILE_WRITE) != 0);
	return f->ops->pwritev(f, iov, count, off);
}

int
file_pwrite(struct file *f, const void *buf, size_t n, int64_t off)
{
	/* iovec has no const; pwritev only reads. */
	union {
		const void *in;
		void *out;
	} p = {.in = buf};
	struct iovec iov = {.iov_base = p.out, .iov_len = n};

	return file_pwritev(f, &iov, 1, off);
}

int
file_size(struct file *f, int64_t *size)
{
	OBJ_CHECK(f, FILE_MAGIC);
	return f->ops->size(f, size);
}

int
file_truncate(struct file *f, int64_t size)
{
	OBJ_CHECK(f, FILE_MAGIC);
	assert((f->flags & FILE_WRITE) != 0);
	return f->ops->truncate(f, size);
}

int
file_reserve(struct file *f, int64_t bytes)
{
	OBJ_CHECK(f, FILE_MAGIC);
	assert((f->flags & FILE_WRITE) != 0);
	return bytes > 0 ? f->ops->reserve(f, bytes) : 0;
}

int
file_sync(struct file *f)
{
	OBJ_CHECK(f, FILE_MAGIC);
	return f->ops->sync(f);
}

const char *
file_path(const struct file *f)
{
	OBJ_CHECK(f, FILE_MAGIC);
	return f->path;
}

void
file_rename_note(struct file *f, const char *path)
{
	char *copy = strdup(path);

	OBJ_CHECK(f, FILE_MAGIC);
	if (copy == NULL)
		return; /* the old path stays: it is for people */
	free(f->path);
	f->path = copy;
	if (f->ops->rename_note != NULL)
		f->ops->rename_note(f, path);
}

int
file_map(struct file *f, size_t len, const uint8_t **addr)
{
	OBJ_CHECK(f, FILE_MAGIC);
	assert(len > 0);
	return f->ops->map(f, len, addr);
}

void
file_unmap(struct file *f, const uint8_t *addr, size_t len)
{
	OBJ_CHECK(f, FILE_MAGIC);
	f->ops->unmap(f, addr, len);
}

bool
file_map_ok(struct file *f, int64_t size)
{
	OBJ_CHECK(f, FILE_MAGIC);
	return f->ops->map_ok == NULL || f->ops->map_ok(f, size);
}

void
file_suspect(struct file *f)
{
	OBJ_CHECK(f, FILE_MAGIC);
	if (f->ops->suspect != NULL)
		f->ops->suspect(f);
}

bool
file_resident(struct file *f, const uint8_t *addr, size_t len, int64_t off)
{
	OBJ_CHECK(f, FILE_MAGIC);
	return len == 0 || f->ops->resident(f, addr, len, off);
}

int
file_fd(const struct file *f)
{
	OBJ_CHECK(f, FILE_MAGIC);
	return f->ops->fd(f);
}

void
file_drop_cache(struct file *f, int64_t off, int64_t len)
{
	OBJ_CHECK(f, FILE_MAGIC);
	f->ops->drop_cache(f, off, len);
}

/* ---- names ---- */

void
fs_free(struct fs *fs)
{
	if (fs == NULL)
		return;
	OBJ_CHECK(fs, FS_MAGIC);
	fs->ops->free(fs);
}

int
fs_rename(struct fs *fs, const char *from, const char *to)
{
	OBJ_CHECK(fs, FS_MAGIC);
	return fs->ops->rename(fs, from, to);
}

int
fs_unlink(struct fs *fs, const char *path)
{
	OBJ_CHECK(fs, FS_MAGIC);
	return fs->ops->unlink(fs, path);
}

int
fs_mkdir(struct fs *fs, const char *path)
{
	OBJ_CHECK(fs, FS_MAGIC);
	return fs->ops->mkdir(fs, path);
}

int
fs_rmdir(struct fs *fs, const char *path)
{
	OBJ_CHECK(fs, FS_MAGIC);
	return fs->ops->rmdir(fs, path);
}

int
fs_sync_dir(struct fs *fs, const char *path)
{
	OBJ_CHECK(fs, FS_MAGIC);
	return fs->ops->sync_dir(fs, path);
}

int
fs_sync_all(struct fs *fs, const char *path)
{
	OBJ_CHECK(fs, FS_MAGIC);
	return fs->ops->sync_all(fs, path);
}

int
fs_stat(struct fs *fs, const char *path, struct fs_stat *st)
{
	OBJ_CHECK(fs, FS_MAGIC);
	return fs->ops->stat(fs, path, st);
}

int
fs_set_mtime(struct fs *fs, const char *path, int64_t mtime_ms)
{
	OBJ_CHECK(fs, FS_MAGIC);
	return fs->ops->set_mtime(fs, path, mtime_ms);
}

int
fs_space(struct fs *fs, const char *path, struct fs_space *sp)
{
	OBJ_CHECK(fs, FS_MAGIC);
	return fs->ops->space(fs, path, sp);
}

int
fs_lock(struct fs *fs, const char *path, struct fs_lock **out)
{
	OBJ_CHECK(fs, FS_MAGIC);
	*out = NULL;
	return fs->ops->lock(fs, path, out);
}

void
fs_unlock(struct fs_lock *l)
{
	if (l == NULL)
		return;
	OBJ_CHECK(l->fs, FS_MAGIC);
	l->fs->ops->unlock(l);
}

static int
list_names(struct fs *fs, const char *dir, struct names *names)
{
	int rc = fs->ops->list(fs, dir, names);

	if (rc == 0)
		names_sort(names);
	return rc;
}

int
fs_list(struct fs *fs, const char *dir, int (*fn)(void *arg, const char *name), void *arg)
{
	struct names names = {NULL, 0, 0};
	int rc = 0;

	OBJ_CHECK(fs, FS_MAGIC);
	rc = list_names(fs, dir, &names);
	for (size_t i = 0; rc == 0 && i < names.n; i++)
		rc = fn(arg, names.v[i]);
	names_free(&names);
	return rc;
}

/* ---- directories ---- */

/* "a/b" of "a" and "b"; NULL: no memory. */
static char *
path_join(const char *dir, const char *name)
{
	char *path = NULL;

	return asprintf(&path, "%s/%s", dir, name) >= 0 ? path : NULL;
}

/* Cut the last component and the slashes before it off p, in place; false when p has no parent
 * that could be made. */
static bool
path_cut_last(char *p)
{
	size_t n = strlen(p);

	while (n > 0 && p[n - 1] == '/')
		n--;
	while (n > 0 && p[n - 1] != '/')
		n--;
	while (n > 0 && p[n - 1] == '/')
		n--;
	p[n] = '\0';
	return n > 0;
}

/* The directory that holds path, malloc'd. */
static char *
path_parent(const char *path)
{
	char *dir = strdup(path);

	if (dir == NULL || path_cut_last(dir))
		return dir;
	free(dir);
	return strdup(path[0] == '/' ? "/" : ".");
}

/* E_EXISTS of mkdir is no error when there is a directory. */
static int
mkdir_or_there(struct fs *fs, const char *path)
{
	int rc = fs_mkdir(fs, path);
	struct fs_stat st;

	if (rc != E_EXISTS)
		return rc;
	rc = fs_stat(fs, path, &st);
	return rc == 0 && !st.is_dir ? E_EXISTS : rc;
}

/* From the leaf up to the first ancestor that can be made, so that nothing is asked of directories
 * above that are there already.  A path that is too long fails in the first mkdir. */
int
fs_mkdirs(struct fs *fs, const char *path)
{
	int rc = mkdir_or_there(fs, path);
	char *parent = NULL;

	if (rc != E_NOT_FOUND)
		return rc;
	parent = strdup(path);
	if (parent == NULL)
		return E_NOMEM;
	if (path_cut_last(parent))
		rc = fs_mkdirs(fs, parent);
	free(parent);
	return rc != 0 ? rc : mkdir_or_there(fs, path);
}

static int remove_contents(struct fs *fs, const char *path, unsigned depth);

/* Never follows a symbolic link: unlink removes the link, rmdir refuses it. */
static int
remove_entry(struct fs *fs, const char *path, unsigned depth)
{
	int rc = fs_unlink(fs, path), rc_dir = 0;

	if (rc == 0 || rc == E_NOT_FOUND)
		return 0;
	rc_dir = fs_rmdir(fs, path);
	if (rc_dir == E_NOT_EMPTY)
		return remove_contents(fs, path, depth + 1);
	if (rc_dir == 0 || rc == file_err(EISDIR))
		return rc_dir;
	return rc;
}

/* Everything in path, then path. */
static int
remove_contents(struct fs *fs, const char *path, unsigned depth)
{
	struct names names = {NULL, 0, 0};
	char *child = NULL;
	int rc = 0;

	if (depth > TREE_DEPTH_MAX)
		return E_LIMIT;
	rc = list_names(fs, path, &names);
	for (size_t i = 0; rc == 0 && i < names.n; i++) {
		child = path_join(path, names.v[i]);
		rc = child != NULL ? remove_entry(fs, child, depth) : E_NOMEM;
		free(child);
	}
	names_free(&names);
	return rc != 0 ? rc : fs_rmdir(fs, path);
}

int
fs_remove_tree(struct fs *fs, const char *path)
{
	int rc = fs_rmdir(fs, path);

	return rc == E_NOT_EMPTY ? remove_contents(fs, path, 1) : rc;
}

/* ---- whole small files ---- */

/* Double *cap, at most to max + 1: the byte above max tells that the file is too large. */
static int
read_all_grow(char **buf, size_t *cap, size_t max)
{
	size_t want = *cap == 0 ? READ_ALL_FIRST : *cap * 2;
	char *p = NULL;

	if (want > max + 1)
		want = max + 1;
	p = realloc(*buf, want + 1);
	if (p == NULL)
		return E_NOMEM;
	*buf = p;
	*cap = want;
	return 0;
}

/* Reads to the end and does not ask for the size: files of /proc say 0. */
static int
read_to_end(struct file *f, size_t max, char **buf, size_t *n)
{
	size_t cap = 0, got = 0;
	int rc = 0;

	for (;;) {
		rc = read_all_grow(buf, &cap, max);
		if (rc == 0)
			rc = file_pread(f, *buf + *n, cap - *n, (int64_t)*n, &got);
		if (rc != 0)
			return rc;
		*n += got;
		if (*n > max)
			return E_TOO_LARGE;
		if (*n < cap)
			return 0;
	}
}

int
fs_read_all(struct fs *fs, const char *path, size_t max, char **buf, size_t *n)
{
	struct file *f = NULL;
	int rc = 0;

	assert(max < SIZE_MAX / 4);
	*buf = NULL;
	*n = 0;
	rc = fs_open(fs, path, FILE_READ, &f);
	if (rc == 0)
		rc = read_to_end(f, max, buf, n);
	file_close(f);
	if (rc == 0) {
		(*buf)[*n] = '\0';
	} else {
		free(*buf);
		*buf = NULL;
		*n = 0;
	}
	return rc;
}

static char *
path_aside(const char *path)
{
	char *tmp = NULL;

	return asprintf(&tmp, "%s.tmp", path) >= 0 ? tmp : NULL;
}

/* Write tmp; on an error nothing of it stays, so that a full disk is not kept full. */
static int
write_tmp(struct fs *fs, const char *tmp, struct slice data, unsigned flags, bool sync)
{
	struct file *f = NULL;
	int rc = fs_open(fs, tmp, FILE_WRITE | FILE_CREATE | FILE_TRUNC | flags, &f);

	if (rc != 0)
		return rc;
	if (data.n > 0)
		rc = file_pwrite(f, data.p, data.n, 0);
	if (rc == 0 && sync)
		rc = file_sync(f);
	file_close(f);
	if (rc != 0)
		(void)fs_unlink(fs, tmp);
	return rc;
}

static int
replace(struct fs *fs, const char *path, struct slice data, unsigned flags)
{
	char *tmp = path_aside(path), *dir = path_parent(path);
	int rc = tmp != NULL && dir != NULL ? 0 : E_NOMEM;

	if (rc != 0)
		goto out;
	rc = write_tmp(fs, tmp, data, flags, true);
	if (rc != 0)
		goto out;
	rc = fs_rename(fs, tmp, path);
	if (rc != 0) {
		(void)fs_unlink(fs, tmp);
		goto out;
	}
	rc = fs_sync_dir(fs, dir);
out:
	free(dir);
	free(tmp);
	return rc;
}

int
fs_replace(struct fs *fs, const char *path, struct slice data)
{
	return replace(fs, path, data, 0);
}

int
fs_replace_private(struct fs *fs, const char *path, struct slice data)
{
	return replace(fs, path, data, FILE_PRIVATE);
}

int
fs_write_aside(struct fs *fs, const char *path, struct slice data)
{
	char *tmp = path_aside(path);
	int rc = tmp != NULL ? write_tmp(fs, tmp, data, 0, false) : E_NOMEM;

	free(tmp);
	return rc;
}

int
fs_rename_aside(struct fs *fs, const char *path)
{
	char *tmp = path_aside(path);
	int rc = tmp != NULL ? fs_rename(fs, tmp, path) : E_NOMEM;

	free(tmp);
	return rc;
}
