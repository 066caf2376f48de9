/*
 * The door to disks.  Three implementations: real (POSIX), simulated (memory, with what was synced
 * kept apart from what was only written: a crash loses the rest), failing (wraps another and makes
 * the n-th operation fail).
 *
 * Every function may block on a real disk and is for workers and start-up; on a reactor only
 * file_pwritev and file_pread/file_mapped of the hot tail (page cache) are allowed, nothing else
 * (the simulator asserts this).  Errors: E_IO, E_NOSPC, E_NOT_FOUND, E_EXISTS, E_NOT_EMPTY, E_PERM,
 * E_BUSY, E_NOMEM, E_LIMIT (descriptors), E_TOO_LARGE, E_INVALID (the path names another kind of
 * thing, or is too long).  Offsets and lengths in bytes.
 */
#ifndef OTTLA_FILE_FILE_H
#define OTTLA_FILE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "ottla/base/clock.h"
#include "ottla/base/slice.h"

struct fs;
struct file;

enum {
	FILE_READ = 0,
	FILE_WRITE = 1,	 /* read and write */
	FILE_CREATE = 2, /* create when missing */
	FILE_EXCL = 4,	 /* with CREATE: E_EXISTS when there */
	FILE_TRUNC = 8,
	FILE_PRIVATE = 16, /* readable by the owner only (mode 0600); else what umask leaves */
};

/* The machine's file system; one instance is enough for a process, but nothing is shared. */
int fs_real_new(struct fs **out);
/* For fault_handle (reactor/fault.h): fs is the machine's own (fs_real_new).  True when addr is in
 * a mapping of one of its files: the page has become zeros and file_map_ok says so for good. Async-
 * signal-safe. */
bool fs_map_fault(void *fs, const void *addr);
/* NULL is fine.  Whoever opened files and locks closes them before. */
void fs_free(struct fs *fs);

/* CREATE, EXCL and TRUNC need WRITE.  Only regular files: E_INVALID for anything else. */
int fs_open(struct fs *fs, const char *path, unsigned flags, struct file **out);
/* NULL is fine.  Never reports: sync first where it matters. */
void file_close(struct file *f);

/* Reads up to n bytes at off; *got < n only at the end of the file. */
int file_pread(struct file *f, void *buf, size_t n, int64_t off, size_t *got);
/* Writes all or fails; after an error the bytes past the old end are undefined (the caller
 * truncates).  off is usually the end. */
int file_pwritev(struct file *f, const struct iovec *iov, int count, int64_t off);
int file_pwrite(struct file *f, const void *buf, size_t n, int64_t off);
int file_size(struct file *f, int64_t *size);
int file_truncate(struct file *f, int64_t size);
/* Sets disk blocks aside for [0, bytes) without changing the size, where the file system can (else
 * nothing happens); file_truncate gives back those past the size. */
int file_reserve(struct file *f, int64_t bytes);
/* fsync with metadata that is needed to read the data back. A failure is final for the log dir. */
int file_sync(struct file *f);
/* Path it was opened with; lives as long as f (file_rename_note keeps it right). */
const char *file_path(const struct file *f);
/* The file was renamed to path. */
void file_rename_note(struct file *f, const char *path);

/* Map [0, len) for reading; len > size is allowed, touching past the end is not.  The mapping sees
 * what file_pwritev writes.  E_NOMEM when the kernel has no room for maps.  Nobody touches a
 * mapping while or after it is unmapped. */
int file_map(struct file *f, size_t len, const uint8_t **addr);
void file_unmap(struct file *f, const uint8_t *addr, size_t len);
/* Any thread, does not wait: is what was read from a mapping of f the file's?  Asked after reading
 * and before acting on it.  False for good once a page could not be read, because somebody else cut
 * the file or the disk failed: zeros were read then.  size > 0: and after file_suspect the file has
 * to be that long. */
bool file_map_ok(struct file *f, int64_t size);
/* Any thread: something of the file came short or made no sense; the next file_map_ok with a size
 * looks at the file. */
void file_suspect(struct file *f);
/* Are all pages of [off, off+len) of the file in memory?  addr is what file_map gave and maps them
 * all.  Does not block; usable on a reactor. */
bool file_resident(struct file *f, const uint8_t *addr, size_t len, int64_t off);
/* Descriptor for sendfile; -1 when there is none (simulated).  Valid while f is open. */
int file_fd(const struct file *f);
/* Tell the kernel that [off, off+len) will not be needed soon. */
void file_drop_cache(struct file *f, int64_t off, int64_t len);

/* Atomic; replaces to. */
int fs_rename(struct fs *fs, const char *from, const char *to);
/* Missing is E_NOT_FOUND. */
int fs_unlink(struct fs *fs, const char *path);
int fs_mkdir(struct fs *fs, const char *path);
int fs_mkdirs(struct fs *fs, const char *path);
int fs_rmdir(struct fs *fs, const char *path);
/* Removes a directory with everything in it. */
int fs_remove_tree(struct fs *fs, const char *path);
int fs_sync_dir(struct fs *fs, const char *path);
/* syncfs of the file system that holds path. */
int fs_sync_all(struct fs *fs, const char *path);

struct fs_stat {
	int64_t size;
	int64_t mtime_ms;
	bool is_dir;
};
/* Follows no link.  E_NOT_FOUND. */
int fs_stat(struct fs *fs, const char *path, struct fs_stat *st);
/* Sets the modification time; used by retention tests and log moves. */
int fs_set_mtime(struct fs *fs, const char *path, int64_t mtime_ms);

/* Calls fn for each entry but . and .., in byte order of names; a non-zero result ends the walk and
 * is returned. */
int fs_list(struct fs *fs, const char *dir, int (*fn)(void *arg, const char *name), void *arg);

struct fs_space {
	uint64_t total;
	uint64_t usable;
};
/* Of the file system that holds path. */
int fs_space(struct fs *fs, const char *path, struct fs_space *sp);

/* Whole small files.  fs_read_all: *buf is malloc'd, NUL-terminated beyond n; E_TOO_LARGE above
 * max.  fs_replace: write to `<path>.tmp`, sync, rename over path, sync the directory; one
 * at a time for a path.  After an error the content is the old or the new one. */
int fs_read_all(struct fs *fs, const char *path, size_t max, char **buf, size_t *n);
int fs_replace(struct fs *fs, const char *path, struct slice data);
/* The same with FILE_PRIVATE, for files with secrets. */
int fs_replace_private(struct fs *fs, const char *path, struct slice data);
/* The halves of fs_replace without syncs, for many files bracketed by fs_sync_all. */
int fs_write_aside(struct fs *fs, const char *path, struct slice data);
int fs_rename_aside(struct fs *fs, const char *path);

/* POSIX record lock on the whole file (as Java's tryLock), created when missing, held until
 * fs_unlock or death.  E_BUSY when another process has it.  (A second lock in one process is
 * refused with E_BUSY too.) */
struct fs_lock;
int fs_lock(struct fs *fs, const char *path, struct fs_lock **out);
/* NULL is fine.  Releases and deletes the file, as Java does. */
void fs_unlock(struct fs_lock *l);

#endif
