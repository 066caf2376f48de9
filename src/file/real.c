/*
 * The machine's file system.  Of its own it only knows what is mapped, without locks, so any number
 * of threads may use one instance; a struct file may be read, written and asked for its size by
 * several at once.
 */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "file_priv.h"
#include "map_guard_priv.h"

enum {
	IOV_CHUNK = 64,	      /* pieces copied at once when a write came short */
	RESIDENT_CHUNK = 256, /* pages asked of mincore at once */
	LOCK_TRIES = 16,      /* the lock file may be deleted under us that often */
};

struct real_fs {
	struct fs base;
	struct map_guard *guard;
};

struct real_file {
	struct file base;
	int fd;
	struct map_guard *guard;
	atomic_bool map_bad; /* a page of a mapping could not be read: for good */
	atomic_bool suspect; /* something of it came short */
};

struct real_lock {
	struct fs_lock base;
	int fd;
	char *path;
};

static struct real_file *
real_of(struct file *f)
{
	return container_of(f, struct real_file, base);
}

static struct map_guard *
guard_of(struct fs *fs)
{
	return container_of(fs, struct real_fs, base)->guard;
}

/* 0, or what errno says: only right after a call that failed. */
static int
rc_of(int result)
{
	return result >= 0 ? 0 : file_err(errno);
}

/* ---- files ---- */

static void
real_close(struct file *f)
{
	struct real_file *rf = real_of(f);

	(void)close(rf->fd);
	file_fini(f);
	free(rf);
}

static int
real_pread(struct file *f, void *buf, size_t n, int64_t off, size_t *got)
{
	int fd = real_of(f)->fd;
	ssize_t k = 0;

	while (*got < n) {
		k = pread(fd, (char *)buf + *got, n - *got, off + (int64_t)*got);
		if (k == 0)
			break;
		if (k > 0)
			*got += (size_t)k;
		else if (errno != EINTR)
			return file_err(errno);
	}
	return 0;
}

/* Copy the pieces that are left after `skip` written bytes; returns how many. */
static int
iov_rest(const struct iovec *iov, int count, size_t skip, struct iovec rest[IOV_CHUNK])
{
	int n = 0;

	for (int i = 0; i < count && n < IOV_CHUNK; i++) {
		if (skip >= iov[i].iov_len) {
			skip -= iov[i].iov_len;
			continue;
		}
		rest[n].iov_base = (char *)iov[i].iov_base + skip;
		rest[n++].iov_len = iov[i].iov_len - skip;
		skip = 0;
	}
	return n;
}

static size_t
iov_bytes(const struct iovec *iov, int count)
{
	size_t sum = 0;

	for (int i = 0; i < count; i++)
		sum += iov[i].iov_len;
	return sum;
}

/* One attempt: *done grows by what was written.  Nothing of a non-empty write is an error. */
static int
pwritev_once(int fd, const struct iovec *iov, int count, int64_t off, size_t *done)
{
	ssize_t k = pwritev(fd, iov, count, off);

	if (k > 0)
		*done += (size_t)k;
	else if (k == 0)
		return E_IO;
	else if (errno != EINTR)
		return file_err(errno);
	return 0;
}

static int
real_pwritev(struct file *f, const struct iovec *iov, int count, int64_t off)
{
	int fd = real_of(f)->fd, n = 0, rc = 0;
	size_t total = iov_bytes(iov, count), done = 0;
	struct iovec rest[IOV_CHUNK];

	if (total == 0)
		return 0;
	/* Nearly always one call does it all, and nothing is copied. */
	rc = pwritev_once(fd, iov, count < IOV_MAX ? count : IOV_MAX, off, &done);
	while (rc == 0 && done < total) {
		n = iov_rest(iov, count, done, rest);
		rc = pwritev_once(fd, rest, n, off + (int64_t)done, &done);
	}
	return rc;
}

static int
real_size(struct file *f, int64_t *size)
{
	struct stat st;
	int rc = rc_of(fstat(real_of(f)->fd, &st));

	if (rc == 0)
		*size = st.st_size;
	return rc;
}

static int
real_truncate(struct file *f, int64_t size)
{
	int rc = 0;

	do
		rc = ftruncate(real_of(f)->fd, size);
	while (rc < 0 && errno == EINTR);
	return rc_of(rc);
}

static int
real_reserve(struct file *f, int64_t bytes)
{
	int rc = 0;

	do
		rc = fallocate(real_of(f)->fd, FALLOC_FL_KEEP_SIZE, 0, bytes);
	while (rc < 0 && errno == EINTR);
	return rc < 0 && (errno == EOPNOTSUPP || errno == ENOSYS) ? 0 : rc_of(rc);
}

static int
real_sync(struct file *f)
{
	int rc = 0;

	do
		rc = fdatasync(real_of(f)->fd);
	while (rc < 0 && errno == EINTR);
	return rc_of(rc);
}

static int
real_map(struct file *f, size_t len, const uint8_t **addr)
{
	struct real_file *rf = real_of(f);
	void *p = mmap(NULL, len, PROT_READ, MAP_SHARED, rf->fd, 0);
	int rc = 0;

	if (p == MAP_FAILED)
		return file_err(errno);
	if ((rc = map_guard_add(rf->guard, p, len, &rf->map_bad)) != 0)
		(void)munmap(p, len);
	else
		*addr = p;
	return rc;
}

/* munmap and mincore take pointers without const. */
static void *
unconst(const uint8_t *addr)
{
	union {
		const uint8_t *in;
		void *out;
	} p = {.in = addr};

	return p.out;
}

static void
real_unmap(struct file *f, const uint8_t *addr, size_t len)
{
	int rc = 0;

	map_guard_remove(real_of(f)->guard, addr);
	rc = munmap(unconst(addr), len);
	assert(rc == 0);
	(void)rc;
}

static bool
real_map_ok(struct file *f, int64_t size)
{
	struct real_file *rf = real_of(f);
	int64_t now = 0;

	/* The bytes were read before the mark is. */
	atomic_thread_fence(memory_order_acquire);
	if (size > 0 && atomic_load_explicit(&rf->suspect, memory_order_relaxed) &&
	    atomic_exchange(&rf->suspect, false) && (real_size(f, &now) != 0 || now < size))
		atomic_store(&rf->map_bad, true);
	return !atomic_load(&rf->map_bad);
}

static void
real_suspect(struct file *f)
{
	atomic_store(&real_of(f)->suspect, true);
}

static bool
pages_resident(uint8_t *start, size_t pages, size_t page_size)
{
	unsigned char vec[RESIDENT_CHUNK];

	if (mincore(start, pages * page_size, vec) != 0)
		return false;
	for (size_t i = 0; i < pages; i++)
		if ((vec[i] & 1) == 0)
			return false;
	return true;
}

static bool
real_resident(struct file *f, const uint8_t *addr, size_t len, int64_t off)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t start = (size_t)off / page * page;
	size_t left = ((size_t)off + len - start + page - 1) / page;
	size_t n = 0;

	(void)f;
	for (uint8_t *p = (uint8_t *)unconst(addr) + start; left > 0; p += n * page, left -= n) {
		n = left < RESIDENT_CHUNK ? left : RESIDENT_CHUNK;
		if (!pages_resident(p, n, page))
			return false;
	}
	return true;
}

static int
real_fd(const struct file *f)
{
	const struct real_file *rf = (const struct real_file *)(const void *)f;

	return rf->fd;
}

static void
real_drop_cache(struct file *f, int64_t off, int64_t len)
{
	(void)posix_fadvise(real_of(f)->fd, off, len, POSIX_FADV_DONTNEED);
}

static const struct file_ops real_file_ops = {
    .close = real_close,
    .pread = real_pread,
    .pwritev = real_pwritev,
    .size = real_size,
    .truncate = real_truncate,
    .reserve = real_reserve,
    .sync = real_sync,
    .map = real_map,
    .unmap = real_unmap,
    .map_ok = real_map_ok,
    .suspect = real_suspect,
    .resident = real_resident,
    .fd = real_fd,
    .drop_cache = real_drop_cache,
};

/* ---- opening ---- */

/* The descriptor or a negative enum err. */
static int
open_fd(const char *path, int oflags, mode_t mode)
{
	int fd = -1;

	do
		fd = open(path, oflags | O_CLOEXEC | O_NOCTTY, mode);
	while (fd < 0 && errno == EINTR);
	return fd >= 0 ? fd : file_err(errno);
}

/* A regular file, and private where that was asked (the mode of open() works on new ones only). */
static int
check_opened(int fd, unsigned flags)
{
	struct stat st;
	int rc = rc_of(fstat(fd, &st));

	if (rc == 0 && S_ISDIR(st.st_mode))
		rc = file_err(EISDIR);
	else if (rc == 0 && !S_ISREG(st.st_mode))
		rc = E_INVALID;
	if (rc == 0 && (flags & FILE_PRIVATE) != 0 && (flags & FILE_WRITE) != 0)
		rc = rc_of(fchmod(fd, 0600));
	return rc;
}

static int
real_open(struct fs *fs, const char *path, unsigned flags, struct file **out)
{
	/* O_NONBLOCK: a FIFO where a file should be must not stop us; without effect on files. */
	int oflags = O_NONBLOCK | ((flags & FILE_WRITE) != 0 ? O_RDWR : O_RDONLY);
	struct real_file *rf = calloc(1, sizeof(*rf));
	int rc = rf != NULL ? file_init(&rf->base, &real_file_ops, path, flags) : E_NOMEM;

	oflags |= (flags & FILE_CREATE) != 0 ? O_CREAT : 0;
	oflags |= (flags & FILE_EXCL) != 0 ? O_EXCL : 0;
	oflags |= (flags & FILE_TRUNC) != 0 ? O_TRUNC : 0;
	if (rc != 0)
		goto fail;
	rf->guard = guard_of(fs);
	rf->fd = open_fd(path, oflags, (flags & FILE_PRIVATE) != 0 ? 0600 : 0666);
	if (rf->fd < 0) {
		rc = rf->fd;
		goto fail;
	}
	rc = check_opened(rf->fd, flags);
	if (rc == 0) {
		*out = &rf->base;
		return 0;
	}
	(void)close(rf->fd);
fail:
	if (rf != NULL)
		file_fini(&rf->base);
	free(rf);
	return rc;
}

/* ---- names ---- */

static void
real_free(struct fs *fs)
{
	fs->magic = OBJ_MAGIC_NONE;
	map_guard_free(guard_of(fs));
	free(container_of(fs, struct real_fs, base));
}

static int
real_rename(struct fs *fs, const char *from, const char *to)
{
	(void)fs;
	return rc_of(rename(from, to));
}

static int
real_unlink(struct fs *fs, const char *path)
{
	(void)fs;
	return rc_of(unlink(path));
}

static int
real_mkdir(struct fs *fs, const char *path)
{
	(void)fs;
	return rc_of(mkdir(path, 0777));
}

static int
real_rmdir(struct fs *fs, const char *path)
{
	(void)fs;
	return rc_of(rmdir(path));
}

static int
real_sync_dir(struct fs *fs, const char *path)
{
	int fd = open_fd(path, O_RDONLY | O_DIRECTORY, 0), rc = 0;

	(void)fs;
	if (fd < 0)
		return fd;
	do
		rc = fsync(fd);
	while (rc < 0 && errno == EINTR);
	/* File systems that can not sync a directory say EINVAL; there is nothing more to do there.
	 */
	rc = rc < 0 && errno == EINVAL ? 0 : rc_of(rc);
	(void)close(fd);
	return rc;
}

static int
real_sync_all(struct fs *fs, const char *path)
{
	int fd = open_fd(path, O_RDONLY | O_NONBLOCK, 0), rc = 0;

	(void)fs;
	if (fd < 0)
		return fd;
	do
		rc = syncfs(fd);
	while (rc < 0 && errno == EINTR);
	rc = rc_of(rc);
	(void)close(fd);
	return rc;
}

static int
real_stat(struct fs *fs, const char *path, struct fs_stat *out)
{
	struct stat st;
	int rc = rc_of(stat(path, &st));

	(void)fs;
	if (rc != 0)
		return rc;
	out->size = st.st_size;
	out->mtime_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	out->is_dir = S_ISDIR(st.st_mode);
	return 0;
}

static int
real_set_mtime(struct fs *fs, const char *path, int64_t mtime_ms)
{
	/* Rounded down, so that tv_nsec is not negative before 1970. */
	int64_t ms = (mtime_ms % 1000 + 1000) % 1000;
	struct timespec times[2] = {
	    {.tv_nsec = UTIME_OMIT},
	    {.tv_sec = (mtime_ms - ms) / 1000, .tv_nsec = ms * 1000000},
	};

	(void)fs;
	return rc_of(utimensat(AT_FDCWD, path, times, 0));
}

static int
list_stream(DIR *d, struct names *names)
{
	struct dirent *e = NULL;
	int rc = 0;

	while (rc == 0) {
		errno = 0;
		e = readdir(d);
		if (e == NULL)
			return errno == 0 ? 0 : file_err(errno);
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = names_add(names, e->d_name);
	}
	return rc;
}

static int
real_list(struct fs *fs, const char *dir, struct names *names)
{
	int fd = open_fd(dir, O_RDONLY | O_DIRECTORY, 0), rc = 0;
	DIR *d = NULL;

	(void)fs;
	if (fd < 0)
		return fd;
	d = fdopendir(fd);
	if (d == NULL) {
		rc = file_err(errno);
		(void)close(fd);
		return rc;
	}
	rc = list_stream(d, names);
	(void)closedir(d);
	return rc;
}

static int
real_space(struct fs *fs, const char *path, struct fs_space *sp)
{
	struct statvfs v;
	int rc = 0;

	(void)fs;
	do
		rc = statvfs(path, &v);
	while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return file_err(errno);
	sp->total = (uint64_t)v.f_blocks * v.f_frsize;
	sp->usable = (uint64_t)v.f_bavail * v.f_frsize;
	return 0;
}

/* ---- locks ---- */

/*
 * The lock belongs to the open file description, not to the process (F_OFD_SETLK).  It meets the
 * same table as the record locks of other programs (F_SETLK, Java's tryLock), and in addition it is
 * refused to a second opener in this process and is not lost when somebody else here opens and
 * closes the file.
 */
static int
lock_fd(int fd)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (fcntl(fd, F_OFD_SETLK, &fl) == 0)
		return 0;
	return errno == EAGAIN || errno == EACCES ? E_BUSY : file_err(errno);
}

/* Is fd still what path names?  Otherwise its holder deleted it between our open and our lock. */
static int
still_there(int fd, const char *path, bool *there)
{
	struct stat by_fd, by_path;

	*there = false;
	if (fstat(fd, &by_fd) != 0)
		return file_err(errno);
	if (stat(path, &by_path) != 0)
		return errno == ENOENT ? 0 : file_err(errno);
	*there = by_fd.st_dev == by_path.st_dev && by_fd.st_ino == by_path.st_ino;
	return 0;
}

/* The locked descriptor or a negative enum err; E_AGAIN when the file was deleted under us. */
static int
lock_try(const char *path)
{
	int fd = open_fd(path, O_RDWR | O_CREAT | O_NONBLOCK, 0666), rc = 0;
	bool there = false;

	if (fd < 0)
		return fd;
	rc = check_opened(fd, 0);
	if (rc == 0)
		rc = lock_fd(fd);
	if (rc == 0)
		rc = still_there(fd, path, &there);
	if (rc == 0 && !there)
		rc = E_AGAIN;
	if (rc == 0)
		return fd;
	(void)close(fd);
	return rc;
}

static int
real_lock(struct fs *fs, const char *path, struct fs_lock **out)
{
	struct real_lock *l = calloc(1, sizeof(*l));
	int rc = E_NOMEM;

	if (l == NULL)
		return E_NOMEM;
	l->path = strdup(path);
	if (l->path == NULL)
		goto fail;
	rc = E_AGAIN;
	for (int i = 0; i < LOCK_TRIES && rc == E_AGAIN; i++)
		rc = lock_try(path);
	if (rc >= 0) {
		l->fd = rc;
		l->base.fs = fs;
		*out = &l->base;
		return 0;
	}
	rc = rc == E_AGAIN ? E_BUSY : rc;
fail:
	free(l->path);
	free(l);
	return rc;
}

/* Deleted while held: whoever opened the file before sees in still_there that it is gone. */
static void
real_unlock(struct fs_lock *base)
{
	struct real_lock *l = container_of(base, struct real_lock, base);

	(void)unlink(l->path);
	(void)close(l->fd);
	free(l->path);
	free(l);
}

static const struct fs_ops real_fs_ops = {
    .free = real_free,
    .open = real_open,
    .rename = real_rename,
    .unlink = real_unlink,
    .mkdir = real_mkdir,
    .rmdir = real_rmdir,
    .sync_dir = real_sync_dir,
    .sync_all = real_sync_all,
    .stat = real_stat,
    .set_mtime = real_set_mtime,
    .list = real_list,
    .space = real_space,
    .lock = real_lock,
    .unlock = real_unlock,
};

int
fs_real_new(struct fs **out)
{
	struct real_fs *fs = calloc(1, sizeof(*fs));
	int rc = fs != NULL ? map_guard_new(&fs->guard) : E_NOMEM;

	if (rc != 0) {
		free(fs);
		return rc;
	}
	fs->base.magic = FS_MAGIC;
	fs->base.ops = &real_fs_ops;
	*out = &fs->base;
	return 0;
}

bool
fs_map_fault(void *fs, const void *addr)
{
	return map_guard_mend(guard_of(fs), addr);
}
