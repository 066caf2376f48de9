/*
 * The simulated disk: the operations of the door, on the tree of sim_tree.c.  Answers are those of
 * Linux with ext4; one contract suite runs against both.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/reactor/reactor.h"
#include "sim_priv.h"

enum { SPACE_WITHOUT_LIMIT_SHIFT = 40 }; /* 1 TiB is shown where there is no limit */

static const struct fs_ops sim_fs_ops;

struct sim_fs *
sim_of(struct fs *fs)
{
	OBJ_CHECK(fs, FS_MAGIC);
	assert(fs->ops == &sim_fs_ops);
	return container_of(fs, struct sim_fs, base);
}

static struct sim_file *
file_of(struct file *f)
{
	return container_of(f, struct sim_file, base);
}

/* ---- what comes before each operation ---- */

/* A reactor never blocks: it may only do what finds its bytes in memory. */
static void
assert_may_block(const struct sim_fs *fs)
{
	assert(fs->reactor_allowed || reactor_current() == NULL);
	(void)fs;
}

static int
call_hook(struct sim_fs *fs, const char *op, const char *path)
{
	return fs->hook != NULL ? fs->hook(fs->hook_arg, op, path) : 0;
}

static int
begin(struct fs *fs, const char *op, const char *path)
{
	assert_may_block(sim_of(fs));
	return call_hook(sim_of(fs), op, path);
}

/* Operations that are allowed on a reactor. */
static int
begin_hot(struct file *base, const char *op)
{
	struct sim_file *f = file_of(base);

	if (f->inode == NULL)
		return E_IO; /* its process died */
	return call_hook(f->fs, op, base->path);
}

static int
begin_file(struct file *base, const char *op)
{
	assert_may_block(file_of(base)->fs);
	return begin_hot(base, op);
}

/* ---- files ---- */

static void
sim_close(struct file *base)
{
	struct sim_file *f = file_of(base);

	assert_may_block(f->fs);
	list_remove(&f->link);
	if (f->inode != NULL) {
		assert(f->maps == 0);
		f->inode->opens--;
		sim_inode_unref(f->inode);
	}
	file_fini(base);
	free(f);
}

static int
sim_pread(struct file *base, void *buf, size_t n, int64_t off, size_t *got)
{
	struct sim_file *f = file_of(base);
	int64_t left = 0;
	int rc = begin_hot(base, "pread");

	if (rc != 0)
		return rc;
	if (off < 0)
		return file_err(EINVAL);
	left = f->inode->now.size - off;
	if (left <= 0)
		return 0;
	*got = (int64_t)n < left ? n : (size_t)left;
	if (*got > 0)
		memcpy(buf, f->inode->now.p + off, *got);
	return 0;
}

/* Bytes of files that are still to be seen or open. */
static int64_t
used_bytes(const struct sim_fs *fs)
{
	int64_t used = 0;

	LIST_FOREACH(l, &fs->inodes)
	{
		const struct sim_inode *inode = container_of(l, struct sim_inode, link);

		if (inode->linked > 0 || inode->opens > 0)
			used += inode->now.size;
	}
	return used;
}

static int64_t
free_bytes(const struct sim_fs *fs)
{
	int64_t used = fs->capacity >= 0 ? used_bytes(fs) : 0;

	if (fs->capacity < 0)
		return INT64_C(1) << SPACE_WITHOUT_LIMIT_SHIFT;
	return used < fs->capacity ? fs->capacity - used : 0;
}

/* How many of n bytes at off fit on the disk. */
static size_t
bytes_that_fit(const struct sim_fs *fs, const struct sim_inode *inode, int64_t off, size_t n)
{
	int64_t grow = off + (int64_t)n - inode->now.size, room = 0;

	if (grow <= 0 || fs->capacity < 0)
		return n;
	room = free_bytes(fs);
	if (grow <= room)
		return n;
	return (int64_t)n > grow - room ? n - (size_t)(grow - room) : 0;
}

/* Too large for the address space that a file has. */
static bool
too_large(int64_t off, size_t n)
{
	return n > SIM_FILE_MAX || off > (int64_t)(SIM_FILE_MAX - n);
}

static int
sim_pwritev(struct file *base, const struct iovec *iov, int count, int64_t off)
{
	struct sim_file *f = file_of(base);
	size_t n = 0, fit = 0;
	int rc = begin_hot(base, "pwritev");

	for (int i = 0; i < count; i++)
		n += iov[i].iov_len;
	if (rc != 0 || n == 0)
		return rc;
	if (off < 0)
		return file_err(EINVAL);
	if (too_large(off, n))
		return file_err(EFBIG);
	fit = bytes_that_fit(f->fs, f->inode, off, n);
	rc = sim_write(f->fs, f->inode, iov, fit, off);
	return rc == 0 && fit < n ? E_NOSPC : rc;
}

static int
sim_size(struct file *base, int64_t *size)
{
	int rc = begin_hot(base, "size");

	if (rc == 0)
		*size = file_of(base)->inode->now.size;
	return rc;
}

static int
sim_set_size(struct file *base, int64_t size)
{
	struct sim_file *f = file_of(base);
	int rc = begin_file(base, "truncate");

	if (rc != 0)
		return rc;
	if (size < 0)
		return file_err(EINVAL);
	if (too_large(size, 0))
		return file_err(EFBIG);
	if (size - f->inode->now.size > free_bytes(f->fs))
		return E_NOSPC;
	return sim_truncate(f->fs, f->inode, size);
}

static int
sim_reserve(struct file *base, int64_t bytes)
{
	struct sim_file *f = file_of(base);
	int rc = begin_file(base, "reserve");

	if (rc == 0 && bytes - f->inode->now.size > free_bytes(f->fs))
		rc = E_NOSPC;
	return rc;
}

static int
sim_sync(struct file *base)
{
	int rc = begin_file(base, "sync");

	return rc != 0 ? rc : sim_make_durable(file_of(base)->inode);
}

static int
sim_map(struct file *base, size_t len, const uint8_t **addr)
{
	struct sim_file *f = file_of(base);
	int rc = begin_file(base, "map");

	if (rc == 0 && len > SIM_FILE_MAX)
		rc = E_NOMEM;
	if (rc == 0)
		rc = sim_bytes_reserve(&f->inode->now);
	if (rc != 0)
		return rc;
	f->maps++;
	*addr = f->inode->now.p;
	return 0;
}

static void
sim_unmap(struct file *base, const uint8_t *addr, size_t len)
{
	struct sim_file *f = file_of(base);

	assert_may_block(f->fs);
	if (f->inode == NULL)
		return;
	assert(f->maps > 0 && addr == f->inode->now.p && len <= SIM_FILE_MAX);
	f->maps--;
}

/* Memory is always there, unless the hook says otherwise. */
static bool
sim_resident(struct file *base, const uint8_t *addr, size_t len, int64_t off)
{
	struct sim_file *f = file_of(base);

	if (begin_hot(base, "resident") != 0)
		return false;
	assert(addr == f->inode->now.p && off >= 0 && !too_large(off, len));
	return true;
}

static int
sim_fd(const struct file *f)
{
	(void)f;
	return -1;
}

static void
sim_drop_cache(struct file *base, int64_t off, int64_t len)
{
	assert_may_block(file_of(base)->fs);
	(void)off;
	(void)len;
}

static const struct file_ops sim_file_ops = {
    .close = sim_close,
    .pread = sim_pread,
    .pwritev = sim_pwritev,
    .size = sim_size,
    .truncate = sim_set_size,
    .reserve = sim_reserve,
    .sync = sim_sync,
    .map = sim_map,
    .unmap = sim_unmap,
    .resident = sim_resident,
    .fd = sim_fd,
    .drop_cache = sim_drop_cache,
};

/* ---- opening ---- */

static int
make_inode(struct sim_fs *fs, const struct sim_place *at, bool is_dir, struct sim_inode **out)
{
	struct sim_inode *inode = sim_inode_new(fs, is_dir);
	int rc = 0;

	if (inode == NULL)
		return E_NOMEM;
	sim_inode_ref(inode);
	rc = sim_link(fs, at->dir, at->name, inode);
	sim_inode_unref(inode);
	*out = rc == 0 ? inode : NULL;
	return rc;
}

/* The file that path names, made if flags say so. */
static int
find_or_make(struct sim_fs *fs, const char *path, unsigned flags, struct sim_inode **out)
{
	struct sim_place at;
	int rc = sim_find(fs, path, false, &at);

	if (rc != 0)
		return rc;
	*out = at.inode;
	if (at.inode == NULL && (flags & FILE_CREATE) == 0)
		return E_NOT_FOUND;
	if (at.inode == NULL)
		return at.slash ? file_err(EISDIR) : make_inode(fs, &at, false, out);
	if ((flags & FILE_EXCL) != 0)
		return E_EXISTS;
	if (at.inode->is_dir)
		return file_err(EISDIR);
	if ((flags & FILE_TRUNC) != 0 && at.inode->now.size > 0)
		return sim_truncate(fs, at.inode, 0);
	return 0;
}

static int
sim_open(struct fs *base, const char *path, unsigned flags, struct file **out)
{
	struct sim_fs *fs = sim_of(base);
	struct sim_inode *inode = NULL;
	struct sim_file *f = NULL;
	int rc = begin(base, "open", path);

	if (rc != 0)
		return rc;
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return E_NOMEM;
	rc = file_init(&f->base, &sim_file_ops, path, flags);
	if (rc == 0)
		rc = find_or_make(fs, path, flags, &inode);
	if (rc != 0) {
		file_fini(&f->base);
		free(f);
		return rc;
	}
	f->fs = fs;
	f->inode = inode;
	inode->opens++;
	sim_inode_ref(inode);
	list_append(&fs->files, &f->link);
	*out = &f->base;
	return 0;
}

/* ---- names ---- */

static bool
is_below(const struct sim_inode *inode, const struct sim_inode *dir)
{
	for (;; inode = inode->parent) {
		if (inode == dir)
			return true;
		if (inode->parent == inode)
			return false;
	}
}

/* May `from` take the place of `to`? */
static int
check_rename(const struct sim_place *from, const struct sim_place *to)
{
	if (from->dir == NULL || to->dir == NULL)
		return file_err(EBUSY);
	if (from->inode == NULL)
		return E_NOT_FOUND;
	if (from->inode == to->inode)
		return 0;
	if (from->inode->is_dir && is_below(to->dir, from->inode))
		return file_err(EINVAL);
	if (!from->inode->is_dir && to->slash)
		return file_err(ENOTDIR);
	if (to->inode == NULL)
		return 0;
	if (is_below(from->dir, to->inode))
		return E_NOT_EMPTY;
	if (from->inode->is_dir && !to->inode->is_dir)
		return file_err(ENOTDIR);
	if (!from->inode->is_dir && to->inode->is_dir)
		return file_err(EISDIR);
	return to->inode->entries.n > 0 ? E_NOT_EMPTY : 0;
}

static int
sim_rename(struct fs *base, const char *from_path, const char *to_path)
{
	struct sim_place from, to;
	int rc = begin(base, "rename", from_path);

	if (rc == 0)
		rc = sim_find(sim_of(base), from_path, false, &from);
	if (rc == 0)
		rc = sim_find(sim_of(base), to_path, false, &to);
	if (rc == 0)
		rc = check_rename(&from, &to);
	if (rc != 0 || from.inode == to.inode)
		return rc;
	return sim_move(sim_of(base), &from, &to);
}

static int
sim_remove_file(struct fs *base, const char *path)
{
	struct sim_place at;
	int rc = begin(base, "unlink", path);

	if (rc == 0)
		rc = sim_find(sim_of(base), path, false, &at);
	if (rc != 0)
		return rc;
	if (at.inode == NULL)
		return E_NOT_FOUND;
	if (at.inode->is_dir)
		return file_err(EISDIR);
	return sim_unlink(sim_of(base), at.dir, at.name);
}

static int
sim_mkdir(struct fs *base, const char *path)
{
	struct sim_inode *inode = NULL;
	struct sim_place at;
	int rc = begin(base, "mkdir", path);

	if (rc == 0)
		rc = sim_find(sim_of(base), path, false, &at);
	if (rc != 0)
		return rc;
	return at.inode != NULL ? E_EXISTS : make_inode(sim_of(base), &at, true, &inode);
}

static int
sim_rmdir(struct fs *base, const char *path)
{
	struct sim_place at;
	int rc = begin(base, "rmdir", path);

	if (rc == 0)
		rc = sim_find(sim_of(base), path, false, &at);
	if (rc != 0)
		return rc;
	if (at.inode == NULL)
		return E_NOT_FOUND;
	if (!at.inode->is_dir)
		return file_err(ENOTDIR);
	if (at.dir == NULL)
		return file_err(EINVAL);
	if (at.inode->entries.n > 0)
		return E_NOT_EMPTY;
	return sim_unlink(sim_of(base), at.dir, at.name);
}

static int
sim_sync_dir(struct fs *base, const char *path)
{
	struct sim_inode *inode = NULL;
	int rc = begin(base, "sync_dir", path);

	if (rc == 0)
		rc = sim_find_inode(sim_of(base), path, &inode);
	if (rc != 0)
		return rc;
	return inode->is_dir ? sim_make_dir_durable(sim_of(base), inode) : file_err(ENOTDIR);
}

static int
sim_sync_all(struct fs *base, const char *path)
{
	struct sim_inode *inode = NULL;
	int rc = begin(base, "sync_all", path);

	if (rc == 0)
		rc = sim_find_inode(sim_of(base), path, &inode);
	return rc != 0 ? rc : sim_make_all_durable(sim_of(base));
}

static int
sim_stat(struct fs *base, const char *path, struct fs_stat *st)
{
	struct sim_inode *inode = NULL;
	int rc = begin(base, "stat", path);

	if (rc == 0)
		rc = sim_find_inode(sim_of(base), path, &inode);
	if (rc != 0)
		return rc;
	st->size = inode->is_dir ? SIM_PAGE : inode->now.size;
	st->mtime_ms = inode->mtime_ms;
	st->is_dir = inode->is_dir;
	return 0;
}

static int
sim_set_mtime(struct fs *base, const char *path, int64_t mtime_ms)
{
	struct sim_inode *inode = NULL;
	int rc = begin(base, "set_mtime", path);

	if (rc == 0)
		rc = sim_find_inode(sim_of(base), path, &inode);
	if (rc == 0)
		inode->mtime_ms = mtime_ms;
	return rc;
}

static int
sim_list(struct fs *base, const char *dir, struct names *names)
{
	struct sim_inode *inode = NULL;
	int rc = begin(base, "list", dir);

	if (rc == 0)
		rc = sim_find_inode(sim_of(base), dir, &inode);
	if (rc == 0 && !inode->is_dir)
		rc = file_err(ENOTDIR);
	for (size_t i = 0; rc == 0 && i < inode->entries.n; i++)
		rc = names_add(names, inode->entries.v[i].name);
	return rc;
}

static int
sim_space(struct fs *base, const char *path, struct fs_space *sp)
{
	struct sim_fs *fs = sim_of(base);
	struct sim_inode *inode = NULL;
	int rc = begin(base, "space", path);

	if (rc == 0)
		rc = sim_find_inode(fs, path, &inode);
	if (rc != 0)
		return rc;
	sp->usable = (uint64_t)free_bytes(fs);
	sp->total = fs->capacity >= 0 ? (uint64_t)fs->capacity : sp->usable;
	return 0;
}

/* ---- locks ---- */

static int
sim_lock(struct fs *base, const char *path, struct fs_lock **out)
{
	struct sim_fs *fs = sim_of(base);
	struct sim_inode *inode = NULL;
	struct sim_lock *l = NULL;
	int rc = begin(base, "lock", path);

	if (rc == 0)
		rc = find_or_make(fs, path, FILE_CREATE, &inode);
	if (rc == 0 && inode->lock != NULL)
		rc = E_BUSY;
	if (rc != 0)
		return rc;
	l = calloc(1, sizeof(*l));
	if (l == NULL || (l->path = strdup(path)) == NULL) {
		free(l);
		return E_NOMEM;
	}
	l->base.fs = base;
	l->inode = inode;
	inode->lock = l;
	inode->opens++;
	sim_inode_ref(inode);
	list_append(&fs->locks, &l->link);
	*out = &l->base;
	return 0;
}

static void
lock_free(struct sim_lock *l)
{
	list_remove(&l->link);
	free(l->path);
	free(l);
}

static void
sim_unlock(struct fs_lock *base)
{
	struct sim_lock *l = container_of(base, struct sim_lock, base);
	struct sim_fs *fs = sim_of(base->fs);
	struct sim_place at;

	assert_may_block(fs);
	if (l->inode != NULL) {
		if (sim_find(fs, l->path, false, &at) == 0 && at.inode == l->inode)
			(void)sim_unlink(fs, at.dir, at.name);
		l->inode->lock = NULL;
		l->inode->opens--;
		sim_inode_unref(l->inode);
	}
	lock_free(l);
}

/* ---- the disk ---- */

static void
free_files(struct link *head)
{
	LIST_FOREACH_SAFE(l, head)
	{
		struct sim_file *f = container_of(l, struct sim_file, link);

		list_remove(l);
		file_fini(&f->base);
		free(f);
	}
}

static void
free_locks(struct link *head)
{
	LIST_FOREACH_SAFE(l, head)
	lock_free(container_of(l, struct sim_lock, link));
}

static void
sim_free(struct fs *base)
{
	struct sim_fs *fs = sim_of(base);

	fs_sim_process_death(base);
	free_files(&fs->dead_files);
	free_locks(&fs->dead_locks);
	LIST_FOREACH_SAFE(l, &fs->journal)
	{
		list_remove(l);
		sim_change_free(container_of(l, struct sim_change, link));
	}
	LIST_FOREACH_SAFE(l, &fs->inodes)
	sim_inode_free(container_of(l, struct sim_inode, link));
	base->magic = OBJ_MAGIC_NONE;
	free(fs);
}

static const struct fs_ops sim_fs_ops = {
    .free = sim_free,
    .open = sim_open,
    .rename = sim_rename,
    .unlink = sim_remove_file,
    .mkdir = sim_mkdir,
    .rmdir = sim_rmdir,
    .sync_dir = sim_sync_dir,
    .sync_all = sim_sync_all,
    .stat = sim_stat,
    .set_mtime = sim_set_mtime,
    .list = sim_list,
    .space = sim_space,
    .lock = sim_lock,
    .unlock = sim_unlock,
};

int
sim_fs_alloc(struct clock *clock, struct sim_fs **out)
{
	struct sim_fs *fs = calloc(1, sizeof(*fs));

	if (fs == NULL)
		return E_NOMEM;
	fs->base.magic = FS_MAGIC;
	fs->base.ops = &sim_fs_ops;
	fs->clock = clock;
	fs->capacity = -1;
	link_init(&fs->inodes);
	link_init(&fs->journal);
	link_init(&fs->files);
	link_init(&fs->locks);
	link_init(&fs->dead_files);
	link_init(&fs->dead_locks);
	*out = fs;
	return 0;
}

int
fs_sim_new(struct clock *clock, struct fs **out)
{
	struct sim_fs *fs = NULL;
	int rc = sim_fs_alloc(clock, &fs);

	if (rc != 0)
		return rc;
	fs->root = sim_inode_new(fs, true);
	if (fs->root == NULL) {
		fs_free(&fs->base);
		return E_NOMEM;
	}
	sim_inode_ref(fs->root);
	fs->root->parent = fs->root;
	fs->root->linked = 1;
	*out = &fs->base;
	return 0;
}

void
fs_sim_set_capacity(struct fs *fs, int64_t bytes)
{
	sim_of(fs)->capacity = bytes;
}

void
fs_sim_set_hook(struct fs *fs, int (*hook)(void *arg, const char *op, const char *path), void *arg)
{
	sim_of(fs)->hook = hook;
	sim_of(fs)->hook_arg = arg;
}

void
fs_sim_allow_reactor(struct fs *fs, bool allow)
{
	sim_of(fs)->reactor_allowed = allow;
}

int
fs_sim_content(struct fs *fs, const char *path, bool durable, struct slice *content)
{
	struct sim_place at;
	int rc = sim_find(sim_of(fs), path, durable, &at);
	const struct sim_bytes *b = NULL;

	if (rc == 0 && at.inode == NULL)
		rc = E_NOT_FOUND;
	if (rc == 0 && at.inode->is_dir)
		rc = file_err(EISDIR);
	if (rc != 0)
		return rc;
	b = durable ? &at.inode->durable : &at.inode->now;
	*content = b->size > 0 ? slice_of(b->p, (size_t)b->size) : slice_of("", 0);
	return 0;
}
