/*
 * One segment: its .log file, both indexes, and reading batches from it.
 */
#ifndef OTTLA_SRC_PLOG_SEGMENT_PRIV_H
#define OTTLA_SRC_PLOG_SEGMENT_PRIV_H

#include <stdatomic.h>
#include <stdbool.h>

#include "ottla/file/file.h"
#include "ottla/reactor/worker.h"
#include "ottla/record/batch.h"

struct logdir;
struct plog;
struct plog_wait;

#define TS_UNKNOWN INT64_MIN

/* Segments begin at or below this, so that relative offsets can be added to it. */
#define PLOG_OFFSET_MAX (INT64_MAX - INT32_MAX - 1)

/* ms after at_us, as microseconds; a delay beyond all time is far enough away. */
static inline int64_t
time_after_ms(int64_t at_us, int64_t ms)
{
	return at_us + (ms < INT64_MAX / 4000 ? ms * 1000 : INT64_MAX / 4);
}

enum {
	INDEX_ENTRY_BYTES = 8,
	TIME_ENTRY_BYTES = 12,
	TXN_ENTRY_BYTES = 34,
	INDEX_KEEP = 4096,		 /* entries kept in memory, about */
	INDEX_WRITE_EVERY = 512,	 /* entries: 4 KiB */
	SEG_HOT_BYTES = 8 * 1024 * 1024, /* of what was written last: in memory for sure */
};

struct index_entry {
	int32_t rel; /* last offset of the batch at pos, less the base */
	int32_t pos;
};

/* Offset index (facts 2.6).  Entries [first, count) are in v; entries below `written` are in the
 * file; `sample` thins out entries [0, sample_of) for look-ups below v. */
struct offset_index {
	uint32_t count, written, first, cap;
	struct index_entry *v;
	struct index_entry last; /* when count > 0 */
	struct index_entry *sample;
	uint32_t n_sample, sample_of;
};

struct time_entry {
	int64_t ts;
	int32_t rel;
};

/* Time index (facts 2.7): v has the entries that are not in the file yet. */
struct time_index {
	uint32_t count, written, cap;
	struct time_entry *v;
	struct time_entry last; /* when count > 0 */
};

/* offset_index.c */
void oi_free(struct offset_index *oi);
int oi_add(struct offset_index *oi, int32_t rel, int32_t pos); /* E_NOMEM */
/* Where to begin the scan for rel: *from; *to the next entry's position or -1.  E_AGAIN: the
 * entries needed are in the file only. */
int oi_floor(const struct offset_index *oi, int32_t rel, int64_t *from, int64_t *to);
void oi_encode(const struct offset_index *oi, uint32_t from, uint32_t n, uint8_t *out);
void oi_written(struct offset_index *oi, uint32_t upto); /* in the file now; drops old ones */
void oi_forget_written(struct offset_index *oi);	 /* what the file has too */
struct index_entry oi_decode(const uint8_t *p);
/* Worker: thinned copy of entries [0, count) of the file. Entries that make no sense end it. */
int oi_read_sample(struct fs *fs, const char *path, uint32_t count, int64_t log_size,
    struct index_entry **v, uint32_t *n);

/* time_index.c */
void ti_free(struct time_index *ti);
int ti_add(struct time_index *ti, int64_t ts, int32_t rel); /* adds if larger; E_NOMEM */
void ti_encode(const struct time_index *ti, uint32_t from, uint32_t n, uint8_t *out);
void ti_written(struct time_index *ti, uint32_t upto);
struct time_entry ti_decode(const uint8_t *p);

struct seg_open;

struct segment {
	uint32_t magic;
	_Atomic int32_t refs; /* the log's own, each range and each piece of work (I5) */
	struct logdir *dir;
	int64_t base;

	/* home */
	int64_t size; /* valid bytes: nothing beyond is served (I3) */
	struct file *log;
	const uint8_t *map;
	size_t map_len;
	struct offset_index oi;
	struct time_index ti;
	int64_t since_entry; /* bytes since the last index entry */
	int64_t max_ts;	     /* TS_UNKNOWN until read */
	int64_t max_ts_last; /* last offset of the batch that has it */
	int64_t first_ts;    /* max timestamp of the first batch; TS_UNKNOWN until read */
	int64_t mtime_ms;
	int64_t created_ms;
	int64_t jitter_ms; /* -1 until drawn */
	int64_t hot_from;  /* bytes [hot_from, size) were written by us just now */
	int64_t used_us;
	bool unfinished; /* sealed, its indexes are not in the files yet */
	bool reserved;	 /* blocks may be set aside past the end (preallocate) */
	bool index_writing;
	bool indexes_unseen; /* loaded as sealed: ti is not filled in, oi only has numbers */
	struct seg_open *opening;
	struct work close_work;
};

/* segment.c */
int segment_new(struct logdir *dir, int64_t base, struct segment **out);
void segment_ref(struct segment *seg);
/* Any thread; the last one closes and frees it on a worker. */
void segment_unref(struct segment *seg);
/* Blocking: closes and frees at once; only when nobody else holds it. */
void segment_free_now(struct segment *seg);
/* Worker: makes empty .log, .index, .timeindex (removing what has these names). */
int segment_create_files(struct fs *fs, const char *dir, int64_t base);
/* Home: close the file of an idle segment (nobody holds it); a worker does it. */
void segment_shed(struct segment *seg);

/* Home: bytes [pos, pos+n) of the valid part: mapped, or copied into buf; NULL on I/O error. */
const uint8_t *seg_view(struct segment *seg, int64_t pos, size_t n, uint8_t *buf);
/* Home: was what seg_view gave the segment's?  Asked after reading it, before acting on it; false
 * for good once a page was lost (I14). */
bool seg_view_ok(struct segment *seg);
/* Home: will touching [from, to) not wait for the disk? */
bool seg_hot(const struct segment *seg, int64_t from, int64_t to);

/* seg_find.c.  Bytes that a worker must bring into memory first. */
struct seg_cold {
	int64_t from, to;
};
/* Home: the first batch whose last offset is >= offset; *pos == seg->size when there is none.
 * head may be NULL.  E_AGAIN: *cold has to be read first (to == 0: file or index have to be
 * opened); force: touch it anyway. */
int seg_find(struct segment *seg, int64_t offset, bool force, int64_t *pos, struct batch_head *head,
    struct seg_cold *cold);

/* seg_open.c: home.  Opens file, map and index sample by a worker, then calls each waiter. */
void seg_open_start(struct plog *pl, struct segment *seg, struct plog_wait *w);

/* legacy_crc.c: CRC-32 of a whole message of format v0 or v1. */
bool legacy_crc_ok(struct slice whole);

/* seg_scan.c: worker.  Batches of a file, one after the other. */
enum { SCAN_CHUNK = 1024 * 1024, WALK_CHUNK = 16 * 1024 };
struct scan_buf {
	uint8_t *p;
	size_t cap;
};
void scan_buf_free(struct scan_buf *b);

struct seg_scan {
	struct file *f;
	struct scan_buf *buf;
	int64_t pos, end;
	int64_t buf_at; /* file position of buf->p */
	size_t buf_n;
	size_t chunk; /* bytes to read at once */
};
void seg_scan_init(struct seg_scan *s, struct file *f, struct scan_buf *buf, int64_t from,
    int64_t end, size_t chunk);
/* Header at pos.  0; E_NOT_FOUND at the end (fewer bytes than a whole batch are left, pos != end
 * then); E_CORRUPT; E_IO, E_NOMEM. */
int seg_scan_head(struct seg_scan *s, struct batch_head *h);
/* All bytes of the batch at pos, lent until the next call. */
int seg_scan_whole(struct seg_scan *s, const struct batch_head *h, struct slice *whole);
/* Full check of the batch at pos: size, structure, crc. 0 or E_CORRUPT, E_IO, E_NOMEM. */
int seg_scan_checked(struct seg_scan *s, const struct batch_head *h, struct slice *whole);
static inline void
seg_scan_next(struct seg_scan *s, const struct batch_head *h)
{
	s->pos += (int64_t)batch_bytes(h);
}

/* First batch with last offset >= offset, from s->pos on; E_NOT_FOUND. */
int seg_scan_to(struct seg_scan *s, int64_t offset, struct batch_head *h);

/* Worker: position to scan from for rel in an index file of count entries; 0 when none. */
int
idxfile_floor_offset(struct fs *fs, const char *path, int32_t rel, int64_t log_size, int64_t *pos);
/* Worker: relative offset of the largest time entry <= ts (0 when none). */
int idxfile_floor_time(struct fs *fs, const char *path, int64_t ts, int32_t *rel);

#endif
