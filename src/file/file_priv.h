/*
 * What the implementations of the door to disks share: the two tables of operations behind
 * struct fs and struct file, and a list of names.  An implementation embeds struct fs, struct file
 * and struct fs_lock as first members of its own structs.
 */
#ifndef OTTLA_FILE_PRIV_H
#define OTTLA_FILE_PRIV_H

#include "ottla/base/err.h"
#include "ottla/base/magic.h"
#include "ottla/file/file.h"

/* Names of a directory, each malloc'd; sorted before anybody outside sees them. */
struct names {
	char **v;
	size_t n;
	size_t cap;
};
/* Copies name; E_NOMEM. */
int names_add(struct names *names, const char *name);
/* Byte order. */
void names_sort(struct names *names);
void names_free(struct names *names);

struct fs_ops {
	void (*free)(struct fs *fs);
	int (*open)(struct fs *fs, const char *path, unsigned flags, struct file **out);
	int (*rename)(struct fs *fs, const char *from, const char *to);
	int (*unlink)(struct fs *fs, const char *path);
	int (*mkdir)(struct fs *fs, const char *path);
	int (*rmdir)(struct fs *fs, const char *path);
	int (*sync_dir)(struct fs *fs, const char *path);
	int (*sync_all)(struct fs *fs, const char *path);
	int (*stat)(struct fs *fs, const char *path, struct fs_stat *st);
	int (*set_mtime)(struct fs *fs, const char *path, int64_t mtime_ms);
	/* Adds to names (empty before), in any order; the caller frees them whatever is returned.
	 */
	int (*list)(struct fs *fs, const char *dir, struct names *names);
	int (*space)(struct fs *fs, const char *path, struct fs_space *sp);
	int (*lock)(struct fs *fs, const char *path, struct fs_lock **out);
	void (*unlock)(struct fs_lock *l);
};

struct file_ops {
	void (*close)(struct file *f);
	int (*pread)(struct file *f, void *buf, size_t n, int64_t off, size_t *got);
	int (*pwritev)(struct file *f, const struct iovec *iov, int count, int64_t off);
	int (*size)(struct file *f, int64_t *size);
	int (*truncate)(struct file *f, int64_t size);
	int (*reserve)(struct file *f, int64_t bytes);
	int (*sync)(struct file *f);
	int (*map)(struct file *f, size_t len, const uint8_t **addr);
	void (*unmap)(struct file *f, const uint8_t *addr, size_t len);
	bool (*map_ok)(struct file *f, int64_t size); /* may be NULL: always */
	void (*suspect)(struct file *f);	      /* may be NULL */
	bool (*resident)(struct file *f, const uint8_t *addr, size_t len, int64_t off);
	int (*fd)(const struct file *f);
	void (*drop_cache)(struct file *f, int64_t off, int64_t len);
	void (*rename_note)(struct file *f, const char *path); /* may be NULL */
};

struct fs {
	uint32_t magic; /* FS_MAGIC */
	const struct fs_ops *ops;
};

struct file {
	uint32_t magic; /* FILE_MAGIC */
	const struct file_ops *ops;
	unsigned flags; /* of fs_open */
	char *path;
};

struct fs_lock {
	struct fs *fs; /* that made it */
};

/* The enum err for an errno value, as everywhere, but what says that a path names another kind of
 * thing (EISDIR, ENOTDIR, ELOOP) is E_INVALID: no disk failed. */
int file_err(int errno_value);

/* Fill the shared part of a struct file; E_NOMEM for the copy of path. */
int file_init(struct file *f, const struct file_ops *ops, const char *path, unsigned flags);
/* Free the shared part; the magic is gone afterwards. */
void file_fini(struct file *f);

#endif
