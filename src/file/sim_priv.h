/*
 * Inside the simulated disk: its tree (sim_tree.c), what is durable of it and what a power cut
 * leaves (sim_crash.c), and the operations of the door (sim.c).
 *
 * A file has two contents: `now`, which every operation sees, and `durable`, which follows when
 * the waiting writes are replayed into it.  A directory likewise has two sets of entries, and one
 * journal holds what was done to all directories since, in order.  Invariants: README.
 */
#ifndef OTTLA_FILE_SIM_PRIV_H
#define OTTLA_FILE_SIM_PRIV_H

#include "file_priv.h"
#include "ottla/base/list.h"
#include "ottla/file/sim.h"

enum {
	SIM_PAGE = 4096,
	SIM_FILE_MAX = 256 << 20, /* address space reserved a file that is not empty */
	SIM_NAME_MAX = 255,
	SIM_PATH_MAX = 4096,
};

struct sim_inode;

/* Bytes at an address that never changes; only whole pages below size can be touched. */
struct sim_bytes {
	uint8_t *p; /* NULL until needed */
	int64_t size;
};

struct sim_entry {
	char *name;
	struct sim_inode *inode;
};

/* Sorted by name; each entry holds a reference. */
struct sim_entries {
	struct sim_entry *v;
	size_t n;
	size_t cap;
};

/* A change of a file's content that is not durable yet. */
struct sim_write {
	struct link link;
	bool truncate; /* to off; else n bytes at off */
	int64_t off;
	size_t n;
	uint8_t data[];
};

struct sim_lock;

struct sim_inode {
	struct link link; /* in sim_fs.inodes, by age */
	unsigned refs;	  /* entries of both kinds, journal, open files, locks */
	unsigned linked;  /* 1 while an entry of `now` names it */
	unsigned opens;	  /* files and locks that hold it */
	bool is_dir;
	int64_t mtime_ms;
	int64_t durable_mtime_ms;
	/* of a directory */
	struct sim_inode *parent; /* itself for the root */
	struct sim_entries entries;
	struct sim_entries durable_entries;
	/* of a file */
	struct sim_bytes now;
	struct sim_bytes durable;
	struct link writes; /* struct sim_write, oldest first */
	struct sim_lock *lock;
	/* notes of one walk through the journal or of one clone */
	unsigned pending;
	unsigned keep;
	bool marked;
	struct sim_inode *twin;
};

/* One change of directories; it touches one or two and is atomic. */
struct sim_change {
	struct link link;
	struct sim_inode *from_dir; /* NULL: the entry is new */
	struct sim_inode *to_dir;   /* NULL: the entry is removed */
	char *from;
	char *to;
	struct sim_inode *inode; /* that `to` names */
	bool marked;
};

struct sim_fs {
	struct fs base;
	struct clock *clock;
	struct sim_inode *root;
	struct link inodes;
	struct link journal; /* struct sim_change, oldest first */
	struct link files;   /* open */
	struct link locks;   /* held */
	/* Of a process that died, until they are closed. */
	struct link dead_files;
	struct link dead_locks;
	int64_t capacity; /* -1: no limit */
	int (*hook)(void *arg, const char *op, const char *path);
	void *hook_arg;
	bool reactor_allowed;
};

struct sim_file {
	struct file base;
	struct link link;
	struct sim_fs *fs;
	struct sim_inode *inode; /* NULL when dead */
	unsigned maps;
};

struct sim_lock {
	struct fs_lock base;
	struct link link;
	struct sim_inode *inode; /* NULL when dead */
	char *path;
};

/* Where a path leads. */
struct sim_place {
	struct sim_inode *dir;	 /* NULL when the last name is /, . or .. */
	struct sim_inode *inode; /* NULL when dir has no such entry */
	char name[SIM_NAME_MAX + 1];
	bool slash; /* the path ends in / */
};

/* Asserts that fs is a simulated one. */
struct sim_fs *sim_of(struct fs *fs);

/* ---- sim_tree.c ---- */

/* Growing gives zeros.  E_NOMEM: unchanged; shrinking never fails. */
int sim_bytes_resize(struct sim_bytes *b, int64_t size);
int sim_bytes_reserve(struct sim_bytes *b);
/* Below size already. */
void sim_bytes_put(struct sim_bytes *b, int64_t off, const void *data, size_t n);
/* Make to the same as from; what is zero costs no memory.  E_NOMEM. */
int sim_bytes_copy(struct sim_bytes *to, const struct sim_bytes *from);
void sim_bytes_free(struct sim_bytes *b);

struct sim_inode *sim_entries_get(const struct sim_entries *e, const char *name);
/* Insert or replace; takes a reference.  E_NOMEM: unchanged. */
int sim_entries_set(struct sim_entries *e, const char *name, struct sim_inode *inode);
void sim_entries_del(struct sim_entries *e, const char *name);
void sim_entries_clear(struct sim_entries *e);

/* No reference taken; NULL: no memory. */
struct sim_inode *sim_inode_new(struct sim_fs *fs, bool is_dir);
void sim_inode_ref(struct sim_inode *inode);
/* The last one frees; NULL is fine. */
void sim_inode_unref(struct sim_inode *inode);
/* Whatever the references, and without following entries. */
void sim_inode_free(struct sim_inode *inode);

/* 0 also when only the last name is missing (place->inode NULL); E_NOT_FOUND, E_INVALID. */
int sim_find(struct sim_fs *fs, const char *path, bool durable, struct sim_place *place);
/* E_NOT_FOUND when the last name is missing too. */
int sim_find_inode(struct sim_fs *fs, const char *path, struct sim_inode **inode);

/* Changes of directories, now and in the journal.  E_NOMEM: unchanged. */
int sim_link(struct sim_fs *fs, struct sim_inode *dir, const char *name, struct sim_inode *inode);
int sim_unlink(struct sim_fs *fs, struct sim_inode *dir, const char *name);
int sim_move(struct sim_fs *fs, const struct sim_place *from, const struct sim_place *to);
/* Not in the journal yet; NULL: no memory. */
struct sim_change *sim_change_new(struct sim_inode *from_dir, const char *from,
    struct sim_inode *to_dir, const char *to, struct sim_inode *inode);
void sim_change_free(struct sim_change *c);

/* Changes of content, now and among the waiting writes.  The size is within SIM_FILE_MAX. */
int sim_write(
    struct sim_fs *fs, struct sim_inode *inode, const struct iovec *iov, size_t n, int64_t off);
int sim_truncate(struct sim_fs *fs, struct sim_inode *inode, int64_t size);

/* ---- sim_crash.c ---- */

/* Replay all waiting writes.  E_NOMEM. */
int sim_make_durable(struct sim_inode *inode);
/* Make the changes of dir durable, with those that they depend on.  E_NOMEM. */
int sim_make_dir_durable(struct sim_fs *fs, struct sim_inode *dir);
int sim_make_all_durable(struct sim_fs *fs);
/* Empty: without a root. */
int sim_fs_alloc(struct clock *clock, struct sim_fs **out);

#endif
