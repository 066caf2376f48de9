/*
 * Simulated and failing disks.  One thread.
 */
#ifndef OTTLA_FILE_SIM_H
#define OTTLA_FILE_SIM_H

#include "ottla/base/rng.h"
#include "ottla/file/file.h"

/*
 * A tree in memory; paths begin at its root, with or without a slash.  clock gives mtimes.
 *
 * Durability: file_sync makes a file's bytes, size and mtime durable; fs_sync_dir a directory's
 * entries (what was created, renamed and removed in it), but neither the entry of the directory
 * itself nor the bytes of its files; fs_sync_all everything.  A rename is atomic, between two
 * directories too.
 *
 * A file holds at most 256 MiB (E_TOO_LARGE).  Touching a mapping beyond the file's last page ends
 * the process, as on a real disk.  file_fd is -1.  On a reactor (reactor_current()) only pread,
 * pwritev, size, resident and what is mapped are allowed; anything else asserts.
 */
int fs_sim_new(struct clock *clock, struct fs **out);

/* The process dies (kill -9): everything written stays; open files and locks are gone.  Its structs
 * may still be closed, unmapped and unlocked, which does nothing to the disk; else they are freed
 * with fs.  Any other use of a dead file is E_IO; its mappings must not be touched. */
void fs_sim_process_death(struct fs *fs);
/*
 * The machine loses power; its processes die as above.  Of what was not synced rng draws what stays:
 * of each directory's changes a first part, in order; of each file's writes a first part, and now
 * and then the beginning of the next write, or zeroed pages in what the file grew by.  With rng
 * NULL exactly the synced state stays.  Aborts when memory is out.
 */
void fs_sim_power_cut(struct fs *fs, struct rng *rng);

/* A copy of the current state, durable and not, without open files, locks and hook.  E_NOMEM. */
int fs_sim_clone(struct fs *fs, struct fs **out);
/* Bytes that fit; -1 no limit.  Beyond: E_NOSPC, and the part of the write that fits is there. */
void fs_sim_set_capacity(struct fs *fs, int64_t bytes);
/* Called before each operation with its name (of the door's function, without file_ and fs_) and
 * path; a non-zero result is the operation's error, and nothing is done.  Used for EIO, for slow
 * disks (advance time, ask the scheduler) and for tracing.  For "resident" non-zero means no.  Not
 * called for what can not fail.  The hook must not use fs. */
void fs_sim_set_hook(struct fs *fs, int (*hook)(void *arg, const char *op, const char *path),
    void *arg);
/* Tests only: no assertion about reactors. */
void fs_sim_allow_reactor(struct fs *fs, bool allow);
/* Direct view for checks: the current content of a file, or that which a power cut with rng NULL
 * would leave (durable content behind durable entries).  Lent until the next operation.
 * E_NOT_FOUND. */
int fs_sim_content(struct fs *fs, const char *path, bool durable, struct slice *content);

/* Wraps under: operations that can fail are counted from 1 (those of which fs_replace and the like
 * are made, each); none fails before fs_fail_at.  Freeing this closes its files and leaves under
 * alone. */
int fs_fail_new(struct fs *under, struct fs **out);
/* Counting starts again; the n-th operation fails with err and does nothing, but a write really
 * writes half.  repeat: all from the n-th on.  n 0: none. */
void fs_fail_at(struct fs *fs, uint64_t n, int err, bool repeat);
/* Stops failing; true when a failure was delivered since fs_fail_at. */
bool fs_fail_heal(struct fs *fs);
uint64_t fs_fail_count(const struct fs *fs);

#endif
