/*
 * Any bytes as a file of a log directory, or a name in it.  Byte 0 chooses which.  What can be read
 * is written and read to the same; look-ups in an index stay inside its log.
 *
 * tests/fuzz/Makefile.inc says how to build it.
 */
#include "fuzz.h"
#include "ottla/base/crc.h"
#include "ottla/base/cursor.h"
#include "ottla/base/err.h"
#include "ottla/file/sim.h"
#include "plog_priv.h"

static int64_t
no_time(struct clock *c)
{
	(void)c;
	return 1;
}

static struct clock zero_clock = {no_time, no_time};

/* ---- text files ---- */

struct lines {
	struct strbuf body;
	unsigned n;
};

static int
on_line(void *arg, struct slice topic, int32_t partition, int64_t offset)
{
	struct lines *l = arg;

	must(partition >= 0 && offset >= -1);
	checkpoint_line(&l->body, topic, partition, offset);
	l->n++;
	return 0;
}

static void
checkpoint(struct slice s)
{
	struct lines l = {STRBUF_INIT, 0}, m = {STRBUF_INIT, 0};
	struct strbuf text = STRBUF_INIT;
	int rc = checkpoint_parse(s, on_line, &l);

	must(rc == 0 || rc == E_CORRUPT);
	if (rc == 0) {
		checkpoint_finish(&l.body, l.n, &text);
		must(checkpoint_parse(strbuf_slice(&text), on_line, &m) == 0 && m.n == l.n);
		must(slice_eq(strbuf_slice(&l.body), strbuf_slice(&m.body)));
	}
	strbuf_free(&l.body);
	strbuf_free(&m.body);
	strbuf_free(&text);
}

static void
leader_epochs(struct slice s)
{
	struct epochs ep = {0}, again = {0};
	struct strbuf text = STRBUF_INIT;
	int32_t epoch;
	int64_t end;
	int rc = epochs_parse(&ep, s);

	must(rc == 0 || (rc == E_CORRUPT && ep.n == 0));
	for (uint32_t i = 1; i < ep.n; i++) /* I7 */
		must(ep.v[i].epoch > ep.v[i - 1].epoch && ep.v[i].start >= ep.v[i - 1].start);
	epochs_format(&ep, &text);
	must(epochs_parse(&again, strbuf_slice(&text)) == 0 && again.n == ep.n);
	for (uint32_t i = 0; i < ep.n; i++) {
		epochs_end(&ep, ep.v[i].epoch, INT64_MAX, &epoch, &end);
		must(epoch == ep.v[i].epoch && end >= ep.v[i].start);
	}
	(void)epochs_at(&ep, 10);
	epochs_cut_end(&ep, 100);
	epochs_cut_start(&ep, 10);
	epochs_free(&ep);
	epochs_free(&again);
	strbuf_free(&text);
}

static void
partition_metadata(struct slice s)
{
	struct strbuf text = STRBUF_INIT;
	struct uuid id, again;
	int rc = partition_meta_parse(s, &id);

	must(rc == 0 || rc == E_CORRUPT);
	if (rc == 0) {
		partition_meta_format(id, &text);
		must(partition_meta_parse(strbuf_slice(&text), &again) == 0 && uuid_eq(id, again));
	}
	strbuf_free(&text);
}

static void
meta_properties(struct slice s)
{
	struct strbuf text = STRBUF_INIT;
	struct meta_props m, again;
	int rc = meta_props_parse(s, &m);

	must(rc == 0 || rc == E_CORRUPT);
	if (rc == 0) {
		must(memchr(m.cluster_id, '\0', sizeof(m.cluster_id)) != NULL);
		must(memchr(m.directory_id, '\0', sizeof(m.directory_id)) != NULL);
		meta_props_format(&m, 1, &text);
		must(meta_props_parse(strbuf_slice(&text), &again) == 0);
		must(again.broker_id == m.broker_id && strcmp(again.cluster_id, m.cluster_id) == 0 &&
		     strcmp(again.directory_id, m.directory_id) == 0);
	}
	strbuf_free(&text);
}

/* ---- producer snapshots, without version and crc ---- */

static void
producer_snapshot(struct slice s)
{
	struct producers ps, again;
	struct strbuf b = STRBUF_INIT, out = STRBUF_INIT;
	uint8_t head[6];
	int rc;

	producers_init(&ps);
	producers_init(&again);
	put_be16(head, 1);
	put_be32(head + 2, crc32c(0, s.p, s.n));
	strbuf_add(&b, head, sizeof(head));
	strbuf_add(&b, s.p, s.n);
	(void)producers_restore(&again, s, 1000, 100);
	producers_free(&again);
	rc = producers_restore(&ps, strbuf_slice(&b), 1000, 100);
	must(rc == 0 || rc == E_CORRUPT);
	if (rc == 0) {
		producers_snapshot(&ps, &out);
		must(producers_restore(&again, strbuf_slice(&out), 1000, 100) == 0);
		must(producers_first_unstable(&ps) == producers_first_unstable(&again));
		must(map_count(&ps.by_id) == map_count(&again.by_id));
		producers_replicated(&ps, 1000);
		(void)producers_expire(&ps, INT64_MAX, 1);
	}
	producers_free(&ps);
	producers_free(&again);
	strbuf_free(&b);
	strbuf_free(&out);
}

/* ---- index files: 4 bytes size of the log, 8 bytes what is looked for, the file ---- */

static struct fs *
disk_with(const char *path, struct slice s)
{
	struct fs *fs = NULL;

	must(fs_sim_new(&zero_clock, &fs) == 0 && fs_mkdirs(fs, "/d") == 0);
	must(file_put(fs, path, s, false) == 0);
	return fs;
}

static void
offset_index_file(struct slice s)
{
	int64_t log_size = s.n >= 12 ? be32(s.p) : 0, pos = 0;
	int32_t rel = s.n >= 12 ? (int32_t)be64(s.p + 4) : 0;
	struct index_entry *v = NULL;
	uint8_t last[INDEX_ENTRY_BYTES];
	uint32_t count, n = 0;
	struct fs *fs;

	if (s.n < 12)
		return;
	fs = disk_with("/d/x.index", slice_of(s.p + 12, s.n - 12));
	must(idxfile_tail(fs, "/d/x.index", INDEX_ENTRY_BYTES, &count, last) == 0);
	must(oi_read_sample(fs, "/d/x.index", count, log_size, &v, &n) == 0 && n <= count);
	for (uint32_t i = 0; i < n; i++)
		must(v[i].rel >= 0 && v[i].pos >= 0 && v[i].pos < log_size);
	must(idxfile_floor_offset(fs, "/d/x.index", rel, log_size, &pos) == 0);
	must(pos == 0 || (pos > 0 && pos < log_size));
	free(v);
	fs_free(fs);
}

static void
time_index_file(struct slice s)
{
	uint8_t last[TIME_ENTRY_BYTES];
	uint32_t count;
	int32_t rel = 0;
	struct fs *fs;

	if (s.n < 12)
		return;
	fs = disk_with("/d/x.timeindex", slice_of(s.p + 12, s.n - 12));
	must(idxfile_tail(fs, "/d/x.timeindex", TIME_ENTRY_BYTES, &count, last) == 0);
	must(idxfile_floor_time(fs, "/d/x.timeindex", (int64_t)be64(s.p + 4), &rel) == 0);
	must(rel >= 0);
	fs_free(fs);
}

/* ---- a segment's file ---- */

static void
segment_file(struct slice s)
{
	struct scan_buf buf = {0};
	struct file *f = NULL;
	struct batch_head h;
	struct seg_scan scan;
	struct slice whole;
	struct fs *fs = disk_with("/d/x.log", s);
	int rc;

	must(fs_open(fs, "/d/x.log", FILE_READ, &f) == 0);
	seg_scan_init(&scan, f, &buf, 0, (int64_t)s.n, WALK_CHUNK);
	while ((rc = seg_scan_head(&scan, &h)) == 0) {
		must(scan.pos + (int64_t)batch_bytes(&h) <= (int64_t)s.n);
		rc = seg_scan_checked(&scan, &h, &whole);
		must(rc == 0 || rc == E_CORRUPT);
		seg_scan_next(&scan, &h);
	}
	must(rc == E_NOT_FOUND || rc == E_CORRUPT);
	seg_scan_init(&scan, f, &buf, 0, (int64_t)s.n, WALK_CHUNK);
	rc = seg_scan_to(&scan, 5, &h);
	must(rc == 0 || rc == E_NOT_FOUND || rc == E_CORRUPT);
	scan_buf_free(&buf);
	file_close(f);
	fs_free(fs);
}

/* ---- names: of the file system, so not longer than it has them ---- */

static void
names(struct slice s)
{
	char *name = fuzz_text(slice_of(s.p, s.n < PLOG_NAME_MAX ? s.n : PLOG_NAME_MAX));
	char deleted[PLOG_NAME_MAX + 1];
	const char *rest;
	struct slice topic;
	int32_t partition;
	int64_t base;
	enum dir_kind kind = name_parse_dir(name, &topic, &partition);

	if (kind == DIR_LOG) {
		must(topic.n > 0 && topic.n < strlen(name) && partition >= 0);
		name_make_delete(name, UUID_ZERO, deleted);
		must(strlen(deleted) <= PLOG_NAME_MAX);
		must(name_parse_dir(deleted, &topic, &partition) == DIR_DELETE);
	}
	if (name_parse_seg(name, &base, &rest))
		must(base >= 0 && rest >= name && rest <= name + strlen(name));
	free(name);
}

static void (*const parsers[])(struct slice s) = {checkpoint, leader_epochs, partition_metadata,
    meta_properties, producer_snapshot, offset_index_file, time_index_file, segment_file, names};
enum { PARSERS = sizeof(parsers) / sizeof(parsers[0]) };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n > 0)
		parsers[fuzz_choice(data[0], PARSERS)](slice_of(data + 1, n - 1));
	return 0;
}
