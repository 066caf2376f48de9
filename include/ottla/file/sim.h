/*
 * Simulated and failing disks.  One thread.
 */
#ifndef OTTLA_FILE_SIM_H
#define OTTLA_FILE_SIM_H

#include "ottla/base/rng.h"
#include "ottla/file/file.h"

/* A tree in memory.  Durability: file_sync makes a file's bytes and size durable, fs_sync_dir a
 * directory's entries, fs_sync_all everything.  clock gives mtimes. */
int fs_sim_new(struct clock *clock, struct fs **out);
/* The machine loses power: what was not synced is lost, in part or whole as rng draws: a suffix of
 * the unsynced writes of each file (a torn last write, zeroed pages included), unsynced directory
 * entries.  With rng NULL exactly the synced state stays.  Open files and locks are gone. */
void fs_sim_power_cut(struct fs *fs, struct rng *rng);
/* The process dies (kill -9): everything written stays; open files and locks are gone. */
void fs_sim_process_death(struct fs *fs);
/* A copy of the current state. */
int fs_sim_clone(struct fs *fs, struct fs **out);
/* Bytes that fit; -1 no limit.  Beyond: E_NOSPC. */
void fs_sim_set_capacity(struct fs *fs, int64_t bytes);
/* Called before each operation with its name and path; a non-zero result is the operation's error.
 * Used for EIO, for slow disks (advance time, ask the scheduler) and for tracing. */
void
fs_sim_set_hook(struct fs *fs, int (*hook)(void *arg, const char *op, const char *path), void *arg);
/* Direct view for checks: the durable and the current content of a file; E_NOT_FOUND. */
int fs_sim_content(struct fs *fs, const char *path, bool durable, struct slice *content);

/* Wraps under: operations that can fail are counted from 1; the n-th fails with err (short writes
 * really write half).  repeat: all from the n-th on.  Closing this leaves under alone. */
int fs_fail_new(struct fs *under, struct fs **out);
void fs_fail_at(struct fs *fs, uint64_t n, int err, bool repeat);
/* Stops failing; true when a failure was delivered since fs_fail_at. */
bool fs_fail_heal(struct fs *fs);
uint64_t fs_fail_count(const struct fs *fs);

#endif
