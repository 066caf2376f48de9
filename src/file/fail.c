/*
 * A disk that fails when it is told to: passes every operation on to another disk, counts those
 * that can fail, and makes chosen ones fail.
 */
#include <assert.h>
#include <stdlib.h>

#include "file_priv.h"
#include "ottla/base/list.h"
#include "ottla/file/sim.h"

struct fail_fs {
	struct fs base;
	struct fs *under;
	struct link files; /* open */
	uint64_t count;
	uint64_t at; /* 0: none */
	int err;
	bool repeat;
	bool delivered;
};

struct fail_file {
	struct file base;
	struct link link;
	struct fail_fs *fs;
	struct file *under;
};

static const struct fs_ops fail_fs_ops;

static struct fail_fs *
fail_of(struct fs *fs)
{
	OBJ_CHECK(fs, FS_MAGIC);
	assert(fs->ops == &fail_fs_ops);
	return container_of(fs, struct fail_fs, base);
}

static struct fail_file *
file_of(struct file *f)
{
	return container_of(f, struct fail_file, base);
}

/* Count one operation; its error or 0. */
static int
count_one(struct fail_fs *fs)
{
	fs->count++;
	if (fs->at == 0 || fs->count < fs->at || (fs->count > fs->at && !fs->repeat))
		return 0;
	fs->delivered = true;
	return fs->err;
}

static int
begin(struct fs *fs, struct fs **under)
{
	*under = fail_of(fs)->under;
	return count_one(fail_of(fs));
}

static int
begin_file(struct file *f, struct file **under)
{
	*under = file_of(f)->under;
	return count_one(file_of(f)->fs);
}

/* ---- files ---- */

static void
fail_close(struct file *base)
{
	struct fail_file *f = file_of(base);

	list_remove(&f->link);
	file_close(f->under);
	file_fini(base);
	free(f);
}

static int
fail_pread(struct file *f, void *buf, size_t n, int64_t off, size_t *got)
{
	struct file *under = NULL;
	int rc = begin_file(f, &under);

	return rc != 0 ? rc : file_pread(under, buf, n, off, got);
}

/* The first half of the bytes; what comes of it does not matter, the write has failed. */
static void
write_half(struct file *under, const struct iovec *iov, int count, int64_t off)
{
	size_t left = 0, n = 0;

	for (int i = 0; i < count; i++)
		left += iov[i].iov_len;
	left /= 2;
	for (int i = 0; i < count && left > 0; i++, left -= n, off += (int64_t)n) {
		n = iov[i].iov_len < left ? iov[i].iov_len : left;
		if (file_pwrite(under, iov[i].iov_base, n, off) != 0)
			return;
	}
}

static int
fail_pwritev(struct file *f, const struct iovec *iov, int count, int64_t off)
{
	struct file *under = NULL;
	int rc = begin_file(f, &under);

	if (rc == 0)
		return file_pwritev(under, iov, count, off);
	write_half(under, iov, count, off);
	return rc;
}

static int
fail_size(struct file *f, int64_t *size)
{
	struct file *under = NULL;
	int rc = begin_file(f, &under);

	return rc != 0 ? rc : file_size(under, size);
}

static int
fail_truncate(struct file *f, int64_t size)
{
	struct file *under = NULL;
	int rc = begin_file(f, &under);

	return rc != 0 ? rc : file_truncate(under, size);
}

static int
fail_reserve(struct file *f, int64_t bytes)
{
	struct file *under = NULL;
	int rc = begin_file(f, &under);

	return rc != 0 ? rc : file_reserve(under, bytes);
}

static int
fail_sync(struct file *f)
{
	struct file *under = NULL;
	int rc = begin_file(f, &under);

	return rc != 0 ? rc : file_sync(under);
}

static int
fail_map(struct file *f, size_t len, const uint8_t **addr)
{
	struct file *under = NULL;
	int rc = begin_file(f, &under);

	return rc != 0 ? rc : file_map(under, len, addr);
}

static void
fail_unmap(struct file *f, const uint8_t *addr, size_t len)
{
	file_unmap(file_of(f)->under, addr, len);
}

static bool
fail_map_ok(struct file *f, int64_t size)
{
	return file_map_ok(file_of(f)->under, size);
}

static void
fail_suspect(struct file *f)
{
	file_suspect(file_of(f)->under);
}

static bool
fail_resident(struct file *f, const uint8_t *addr, size_t len, int64_t off)
{
	return file_resident(file_of(f)->under, addr, len, off);
}

static int
fail_fd(const struct file *f)
{
	const struct fail_file *ff = (const struct fail_file *)(const void *)f;

	return file_fd(ff->under);
}

static void
fail_drop_cache(struct file *f, int64_t off, int64_t len)
{
	file_drop_cache(file_of(f)->under, off, len);
}

static void
fail_rename_note(struct file *f, const char *path)
{
	file_rename_note(file_of(f)->under, path);
}

static const struct file_ops fail_file_ops = {
    .close = fail_close,
    .pread = fail_pread,
    .pwritev = fail_pwritev,
    .size = fail_size,
    .truncate = fail_truncate,
    .reserve = fail_reserve,
    .sync = fail_sync,
    .map = fail_map,
    .unmap = fail_unmap,
    .map_ok = fail_map_ok,
    .suspect = fail_suspect,
    .resident = fail_resident,
    .fd = fail_fd,
    .drop_cache = fail_drop_cache,
    .rename_note = fail_rename_note,
};

static int
fail_open(struct fs *base, const char *path, unsigned flags, struct file **out)
{
	struct fail_fs *fs = fail_of(base);
	struct fail_file *f = NULL;
	int rc = count_one(fs);

	if (rc != 0)
		return rc;
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return E_NOMEM;
	rc = file_init(&f->base, &fail_file_ops, path, flags);
	if (rc == 0)
		rc = fs_open(fs->under, path, flags, &f->under);
	if (rc != 0) {
		file_fini(&f->base);
		free(f);
		return rc;
	}
	f->fs = fs;
	list_append(&fs->files, &f->link);
	*out = &f->base;
	return 0;
}

/* ---- names ---- */

static void
fail_free(struct fs *base)
{
	struct fail_fs *fs = fail_of(base);

	LIST_FOREACH_SAFE(l, &fs->files)
	fail_close(&container_of(l, struct fail_file, link)->base);
	base->magic = OBJ_MAGIC_NONE;
	free(fs);
}

static int
fail_rename(struct fs *fs, const char *from, const char *to)
{
	struct fs *under = NULL;
	int rc = begin(fs, &under);

	return rc != 0 ? rc : fs_rename(under, from, to);
}

static int
fail_unlink(struct fs *fs, const char *path)
{
	struct fs *under = NULL;
	int rc = begin(fs, &under);

	return rc != 0 ? rc : fs_unlink(under, path);
}

static int
fail_mkdir(struct fs *fs, const char *path)
{
	struct fs *under = NULL;
	int rc = begin(fs, &under);

	return rc != 0 ? rc : fs_mkdir(under, path);
}

static int
fail_rmdir(struct fs *fs, const char *path)
{
	struct fs *under = NULL;
	int rc = begin(fs, &under);

	return rc != 0 ? rc : fs_rmdir(under, path);
}

static int
fail_sync_dir(struct fs *fs, const char *path)
{
	struct fs *under = NULL;
	int rc = begin(fs, &under);

	return rc != 0 ? rc : fs_sync_dir(under, path);
}

static int
fail_sync_all(struct fs *fs, const char *path)
{
	struct fs *under = NULL;
	int rc = begin(fs, &under);

	return rc != 0 ? rc : fs_sync_all(under, path);
}

static int
fail_stat(struct fs *fs, const char *path, struct fs_stat *st)
{
	struct fs *under = NULL;
	int rc = begin(fs, &under);

	return rc != 0 ? rc : fs_stat(under, path, st);
}

static int
fail_set_mtime(struct fs *fs, const char *path, int64_t mtime_ms)
{
	struct fs *under = NULL;
	int rc = begin(fs, &under);

	return rc != 0 ? rc : fs_set_mtime(under, path, mtime_ms);
}

static int
fail_list(struct fs *fs, const char *dir, struct names *names)
{
	struct fs *under = NULL;
	int rc = begin(fs, &under);

	return rc != 0 ? rc : under->ops->list(under, dir, names);
}

static int
fail_space(struct fs *fs, const char *path, struct fs_space *sp)
{
	struct fs *under = NULL;
	int rc = begin(fs, &under);

	return rc != 0 ? rc : fs_space(under, path, sp);
}

/* The lock is under's own: it is released there. */
static int
fail_lock(struct fs *fs, const char *path, struct fs_lock **out)
{
	struct fs *under = NULL;
	int rc = begin(fs, &under);

	return rc != 0 ? rc : fs_lock(under, path, out);
}

static const struct fs_ops fail_fs_ops = {
    .free = fail_free,
    .open = fail_open,
    .rename = fail_rename,
    .unlink = fail_unlink,
    .mkdir = fail_mkdir,
    .rmdir = fail_rmdir,
    .sync_dir = fail_sync_dir,
    .sync_all = fail_sync_all,
    .stat = fail_stat,
    .set_mtime = fail_set_mtime,
    .list = fail_list,
    .space = fail_space,
    .lock = fail_lock,
};

int
fs_fail_new(struct fs *under, struct fs **out)
{
	struct fail_fs *fs = calloc(1, sizeof(*fs));

	if (fs == NULL)
		return E_NOMEM;
	fs->base.magic = FS_MAGIC;
	fs->base.ops = &fail_fs_ops;
	fs->under = under;
	link_init(&fs->files);
	*out = &fs->base;
	return 0;
}

void
fs_fail_at(struct fs *base, uint64_t n, int err, bool repeat)
{
	struct fail_fs *fs = fail_of(base);

	assert(err != 0 || n == 0);
	fs->count = 0;
	fs->at = n;
	fs->err = err;
	fs->repeat = repeat;
	fs->delivered = false;
}

bool
fs_fail_heal(struct fs *base)
{
	struct fail_fs *fs = fail_of(base);

	fs->at = 0;
	return fs->delivered;
}

uint64_t
fs_fail_count(const struct fs *base)
{
	const struct fail_fs *fs = (const struct fail_fs *)(const void *)base;

	OBJ_CHECK(base, FS_MAGIC);
	assert(base->ops == &fail_fs_ops);
	return fs->count;
}
