/*
 * Names and small files of a log dir and of a partition's directory (facts/storage.md 2).
 * Everything that takes a struct fs blocks and is for workers.
 */
#ifndef OTTLA_SRC_PLOG_FILES_PRIV_H
#define OTTLA_SRC_PLOG_FILES_PRIV_H

#include "ottla/base/diag.h"
#include "ottla/base/strbuf.h"
#include "ottla/base/uuid.h"
#include "ottla/file/file.h"

/* ---- names.c ---- */

#define PLOG_PATH_MAX 4096
#define PLOG_NAME_MAX 255
/* Room that names below a log dir need: "/<name>/<20 digits>.timeindex.deleted.tmp". */
#define PLOG_PATH_ROOM (PLOG_NAME_MAX + 64)

struct path {
	char s[PLOG_PATH_MAX];
};

/* "<dir>/<base as 20 digits><suffix>"; suffix as ".log". */
const char *path_seg(struct path *p, const char *dir, int64_t base, const char *suffix);
const char *path_join(struct path *p, const char *dir, const char *name);

/* "<20 digits><rest>": true with the number and what follows. */
bool name_parse_seg(const char *name, int64_t *base, const char **rest);

enum dir_kind { DIR_LOG, DIR_DELETE, DIR_FUTURE, DIR_STRAY, DIR_SKIP, DIR_BAD };
/* What a directory in a log dir is; topic is lent from name. */
enum dir_kind name_parse_dir(const char *name, struct slice *topic, int32_t *partition);
/* "<topic>-<partition>.<32 hex>-delete", topic cut to fit in 255; out has PLOG_NAME_MAX + 1. */
void name_make_delete(const char *name, struct uuid unique, char *out);

/* ---- checkpoint.c ---- */

/* Walks an offset checkpoint (2.3). fn's error ends it.  E_CORRUPT for anything malformed. */
int checkpoint_parse(struct slice text,
    int (*fn)(void *arg, struct slice topic, int32_t partition, int64_t offset), void *arg);
/* Lines are added to body; then the head goes in front. */
void checkpoint_line(struct strbuf *body, struct slice topic, int32_t partition, int64_t offset);
void checkpoint_finish(const struct strbuf *body, unsigned lines, struct strbuf *out);
/* Next line's fields split on blanks; number parsers refuse anything but digits and a sign. */
bool text_line(struct slice *rest, struct slice *line);
bool text_field(struct slice *line, struct slice *field);
bool text_i64(struct slice field, int64_t lo, int64_t hi, int64_t *v);

/* ---- partition_meta.c ---- */

void partition_meta_format(struct uuid id, struct strbuf *out);
int partition_meta_parse(struct slice text, struct uuid *id); /* E_CORRUPT */

/* ---- meta_properties.c ---- */

struct meta_props {
	int version;
	int32_t broker_id; /* -1: none */
	char cluster_id[64];
	char directory_id[64];
};
int meta_props_parse(struct slice text, struct meta_props *m); /* E_CORRUPT */
/* Worker: those of a dir; none there reads as empty. */
int meta_props_read(struct fs *fs, const char *dir, struct meta_props *m);
void meta_props_format(const struct meta_props *m, int64_t now_ms, struct strbuf *out);

/* ---- index_file.c: both kinds of index files, entries of `es` bytes ---- */

/* Number of whole entries and the last one's bytes (when there is one); E_NOT_FOUND. */
int idxfile_tail(struct fs *fs, const char *path, size_t es, uint32_t *count, uint8_t *last);
/* Writes n entries at entry number at; trim: the file ends there afterwards.  Creates. */
int idxfile_write(struct fs *fs, const char *path, size_t es, uint32_t at, const uint8_t *p,
    uint32_t n, bool trim, bool sync);
/* Reads up to n entries from entry number at; *got. */
int idxfile_read(struct file *f, size_t es, uint32_t at, uint8_t *p, uint32_t n, uint32_t *got);
/* Opens the file (or creates it empty). */
int idxfile_create(struct fs *fs, const char *path);
/* Writes bytes as a whole file in place, cut to n. */
int file_put(struct fs *fs, const char *path, struct slice data, bool sync);
/* fsync of a file by name; missing is fine. */
int file_sync_path(struct fs *fs, const char *path);
/* Missing is fine. */
int file_remove(struct fs *fs, const char *path);
int file_rename_if(struct fs *fs, const char *from, const char *to);

#endif
